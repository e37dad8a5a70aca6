{{- define "auth0-user-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A valid name of a Service too, so without dots. A release's own name (at most 53) always fits in whole. */}}
{{- define "auth0-user-operator.fullname" -}}
{{- $name := include "auth0-user-operator.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "auth0-user-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "auth0-user-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "auth0-user-operator.labels" -}}
{{ include "auth0-user-operator.labelsWith" (dict "root" . "more" dict) }}
{{- end }}

{{/* With more labels. They replace commonLabels, these ours, and neither those that select pods. */}}
{{- define "auth0-user-operator.labelsWith" -}}
{{- $root := .root }}
{{- $selecting := include "auth0-user-operator.selectorLabels" $root | fromYaml }}
{{- $ours := dict
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/part-of" "auth0-user-operator"
  "app.kubernetes.io/managed-by" $root.Release.Service
}}
{{- toYaml (merge $selecting .more $root.Values.commonLabels $ours) }}
{{- end }}

{{- define "auth0-user-operator.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "auth0-user-operator.serviceAccountName" -}}
{{- $default := ternary (include "auth0-user-operator.fullname" .) "default" .Values.serviceAccount.create }}
{{- default $default .Values.serviceAccount.name }}
{{- end }}

{{/* What comes before the first slash is a registry if it is localhost, or has a dot or a port. */}}
{{- define "auth0-user-operator.image" -}}
{{- $repository := .Values.image.repository }}
{{- with .Values.global.imageRegistry }}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") }}
{{- end }}
{{- with .Values.image }}
{{- if .digest }}{{ $repository }}@{{ .digest }}{{ else }}{{ $repository }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "auth0-user-operator.imagePullSecrets" -}}
{{- $secrets := .Values.imagePullSecrets }}
{{- range .Values.global.imagePullSecrets }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- with $secrets | uniq }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* A security context, without the ids that OpenShift assigns. */}}
{{- define "auth0-user-operator.securityContext" -}}
{{- $openshift := toString .root.Values.openshift }}
{{- $served := .root.Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- $context := default dict .context }}
{{- if or (eq $openshift "true") (and (eq $openshift "auto") $served) }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- with $context }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* Another one for each release and each set of watched namespaces; at most 53 and 9 letters. */}}
{{- define "auth0-user-operator.leaseName" -}}
{{- .Release.Name }}
{{- with .Values.scopedNamespaces }}-{{ . | uniq | sortAlpha | join "," | sha256sum | trunc 8 }}{{ end }}
{{- end }}

{{/* Not empty where Roles in the watched namespaces stand for ClusterRoles. */}}
{{- define "auth0-user-operator.scoped" -}}
{{- if and .Values.scopedRBAC .Values.scopedNamespaces }}true{{ end }}
{{- end }}

{{/* A file of files/, which are symbolic links in Git; some tools drop those when they copy a chart. */}}
{{- define "auth0-user-operator.file" -}}
{{- $text := .root.Files.Get .name }}
{{- required (printf "%s is missing: this copy of the chart lost its symbolic links; use `helm package`" .name) $text }}
{{- end }}

{{- /* How to let the operator read the Secrets of NAMESPACE; its message of SecretForbidden says it. */}}
{{- define "auth0-user-operator.secretGrant" -}}
{{- $reader := printf "%s-secret-reader" (include "auth0-user-operator.fullname" .) -}}
{{- if include "auth0-user-operator.scoped" . -}}
add NAMESPACE to the value secretNamespaces of the release {{ .Release.Name }}
{{- else -}}
kubectl create rolebinding {{ $reader }} --clusterrole {{ $reader }} --serviceaccount {{ include "auth0-user-operator.namespace" . }}:{{ include "auth0-user-operator.serviceAccountName" . }} --namespace NAMESPACE
{{- end }}
{{- end }}

{{- /* How to let the operator write outputs in NAMESPACE; its message of OutputForbidden says it. */}}
{{- define "auth0-user-operator.outputGrant" -}}
{{- $writer := printf "%s-output-writer" (include "auth0-user-operator.fullname" .) -}}
{{- if include "auth0-user-operator.scoped" . -}}
add NAMESPACE to the value outputNamespaces of the release {{ .Release.Name }}
{{- else -}}
kubectl create rolebinding {{ $writer }} --clusterrole {{ $writer }} --serviceaccount {{ include "auth0-user-operator.namespace" . }}:{{ include "auth0-user-operator.serviceAccountName" . }} --namespace NAMESPACE
{{- end }}
{{- end }}
