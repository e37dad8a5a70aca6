#!/usr/bin/env bash
# Installs the chart with an image on the cluster that kubectl talks to, and has the operator update a user of a stand-in for
# Auth0, which runs on this machine. CI and the release run it on kind; a test plays it without a kubelet.
#   IMAGE_REPOSITORY, IMAGE_TAG or IMAGE_DIGEST   what the chart shall run
#   STAND_IN                                      the stand-in's program
#   ADDRESS                                       where pods reach this machine; LISTEN, where it differs here
set -euo pipefail
cd "$(dirname "$0")/../.."
address=${ADDRESS:?} listen=${LISTEN:-$ADDRESS} port=${PORT:-8443} host=${HOST:-auth0-stand-in.people.svc.cluster.local}
folder=$(mktemp -d)
cleanup() {
    kill "$stand_in" 2>/dev/null || true
    rm -rf "$folder"
}

kubectl create namespace people
# A Service without a selector: its name leads to this machine.
kubectl --namespace people create -f - <<YAML
apiVersion: v1
kind: Service
metadata: {name: auth0-stand-in}
spec: {ports: [{name: https, port: $port}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: auth0-stand-in, labels: {kubernetes.io/service-name: auth0-stand-in}}
addressType: IPv4
ports: [{name: https, port: $port}]
endpoints: [{addresses: ["$address"]}]
YAML

"${STAND_IN:?}" --listen "$listen:$port" --name "$host" --ca "$folder/ca.pem" --admin-token open > "$folder/stand-in.json" &
stand_in=$!
trap cleanup EXIT
for _ in {1..100}; do
    [ ! -s "$folder/stand-in.json" ] || break
    sleep 0.1
done
[ -s "$folder/stand-in.json" ]

kubectl create namespace auth0-user-operator
kubectl --namespace auth0-user-operator create configmap auth0-ca --from-file="$folder/ca.pem"
cat > "$folder/values.yaml" <<YAML
image: {repository: "${IMAGE_REPOSITORY:?}", tag: "${IMAGE_TAG:-}", digest: "${IMAGE_DIGEST:-}"}
allowedDomains: ["$host:$port"]
secretNamespaces: [people]
networkPolicy: {egressPorts: [443, 6443, $port]}
extraEnv: [{name: SSL_CERT_FILE, value: /etc/auth0-ca/ca.pem}]
extraVolumes: [{name: auth0-ca, configMap: {name: auth0-ca}}]
extraVolumeMounts: [{name: auth0-ca, mountPath: /etc/auth0-ca, readOnly: true}]
YAML
helm install auth0-user-operator "${CHART:-deploy/chart}" --namespace auth0-user-operator --values "$folder/values.yaml"
kubectl --namespace auth0-user-operator rollout status deployment/auth0-user-operator --timeout=180s

kubectl --namespace people create secret generic stand-in \
    --from-literal=clientId=operator --from-literal=clientSecret=operator-secret
kubectl --namespace people label secret stand-in auth0-user-operator.dev/use=credentials
kubectl --namespace people apply --server-side -f - <<YAML
apiVersion: auth0-user-operator.dev/v1alpha1
kind: Auth0Tenant
metadata: {name: stand-in}
spec:
  domain: "$host:$port"
  credentialsSecretRef: {name: stand-in}
---
apiVersion: auth0-user-operator.dev/v1alpha1
kind: Auth0UserUpdate
metadata: {name: ann}
spec:
  tenantRef: {name: stand-in}
  userId: auth0|ann
  passEmptyValues: "No"
  nickname: from-the-cluster
YAML
kubectl --namespace people wait --for=condition=Ready --timeout=120s auth0userupdate/ann
curl --silent --show-error --fail --cacert "$folder/ca.pem" --header 'Authorization: Bearer open' \
    --resolve "$host:$port:$listen" "https://$host:$port/__sandbox/users/auth0%7Cann" > "$folder/user.json"
grep -q '"nickname": *"from-the-cluster"' "$folder/user.json"
echo "the operator has updated auth0|ann"
