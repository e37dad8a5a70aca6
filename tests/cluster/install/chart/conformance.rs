//! Manifests say what the API server's own schemas know, and what kube-score asks for.

use super::{CHART, KUSTOMIZE, NAME, ROOT, objects, template};
use lab::{ControlPlane, check};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;
use tokio::sync::OnceCell;

/// What kube-score asks for otherwise, and why it does not get it here.
const EXCEPTIONS: [&str; 5] = [
    // Throttled probes and renewals of the lease would end a healthy leader.
    "--ignore-container-cpu-limit",
    // A version's image does not change, and a node that has it needs no registry for a restart.
    "--ignore-test=container-image-pull-policy",
    // One replica is enough where minutes without it are harmless: nothing is lost meanwhile.
    "--ignore-test=deployment-replicas",
    // Of one replica without a lease, two must never run at the same time.
    "--ignore-test=deployment-strategy",
    // Topology spread constraints keep replicas apart, without keeping one from being scheduled.
    "--ignore-test=deployment-has-host-podantiaffinity",
];

/// Everything that is shipped to be applied, by name.
async fn manifests() -> &'static [(String, String)] {
    static RENDERED: OnceCell<Vec<(String, String)>> = OnceCell::const_new();
    RENDERED.get_or_init(render).await
}

async fn render() -> Vec<(String, String)> {
    let monitored = json!({"enabled": true});
    let monitored =
        json!({"serviceMonitor": monitored, "prometheusRule": monitored, "grafanaDashboard": monitored});
    let adapted = json!({
        "podMonitor": {"enabled": true}, "commonLabels": {"team": "identity"}, "deploymentAnnotations": {"team": "identity"},
        "revisionHistoryLimit": 3, "strategy": {"type": "Recreate"}, "runtimeClassName": "gvisor",
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["proxy.example.com"]}], "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["192.0.2.2"], "searches": ["example.com"], "options": [{"name": "ndots", "value": "1"}]},
        "envFrom": [{"prefix": "IT_", "configMapRef": {"name": "proxy"}}, {"secretRef": {"name": "proxy"}}],
        "networkPolicy": {"ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 1, "endPort": 2, "protocol": "TCP"}]}]},
        "global": {"imagePullSecrets": ["registry"]}, "namespaceOverride": "it",
    });
    let scoped = json!({"scopedNamespaces": ["people"], "secretNamespaces": ["people"]});
    let mut manifests = Vec::new();
    for (name, values) in [
        ("default", json!({})),
        ("high availability", json!({"replicaCount": 2})),
        ("monitored", monitored),
        ("adapted", adapted),
        ("scoped", scoped),
    ] {
        manifests.push((format!("chart, {name}"), template(CHART, NAME, &values).await.ok().unwrap()));
    }
    let kubectl = ControlPlane::shared().await.unwrap().admin();
    for folder in ["base", "overlays/high-availability", "overlays/single-namespace"] {
        let path = format!("{KUSTOMIZE}/{folder}");
        let text = kubectl.run(["kustomize", &path], "").await.unwrap().ok().unwrap();
        manifests.push((format!("kustomize, {folder}"), text));
    }
    manifests
}

/// Lets a schema name every field that there is, as `-strict` wants it.
fn close(schema: &mut Value) {
    let Some(map) = schema.as_object_mut() else { return };
    let is_open =
        map.contains_key("additionalProperties") || map.contains_key("x-kubernetes-preserve-unknown-fields");
    if map.contains_key("properties") && !is_open {
        map.insert("additionalProperties".to_owned(), json!(false));
    }
    for key in ["properties", "items", "additionalProperties", "allOf", "anyOf", "oneOf"] {
        match (key, map.get_mut(key)) {
            ("properties", Some(Value::Object(properties))) => properties.values_mut().for_each(close),
            (_, Some(Value::Array(schemas))) => schemas.iter_mut().for_each(close),
            (_, Some(schema)) => close(schema),
            _ => {}
        }
    }
}

/// Writes a schema for each kind that is shipped: the API server's, and those of the Prometheus operator.
async fn write_schemas(folder: &Path, kinds_shipped: &BTreeSet<String>) {
    std::fs::create_dir_all(folder).unwrap();
    let kubectl = ControlPlane::shared().await.unwrap().admin();
    for version in [
        "api/v1",
        "apis/apps/v1",
        "apis/apiextensions.k8s.io/v1",
        "apis/networking.k8s.io/v1",
        "apis/policy/v1",
        "apis/rbac.authorization.k8s.io/v1",
    ] {
        let text = kubectl.run(["get", "--raw", &format!("/openapi/v3/{version}")], "").await.unwrap();
        let text: Value = serde_json::from_str(&text.ok().unwrap()).unwrap();
        let mut schemas = text["components"]["schemas"].clone();
        schemas.as_object_mut().unwrap().values_mut().for_each(close);
        let [group, version] = version.rsplit('/').take(2).collect::<Vec<_>>()[..] else {
            panic!("{version}")
        };
        let (group, version) = (version, group);
        for (name, schema) in schemas.as_object().unwrap() {
            let kinds = schema["x-kubernetes-group-version-kind"].as_array();
            let Some(kind) = kinds.and_then(|kinds| kinds[0]["kind"].as_str()) else { continue };
            if !kinds_shipped.contains(kind) {
                continue;
            }
            let whole =
                json!({"$ref": format!("#/components/schemas/{name}"), "components": {"schemas": schemas}});
            write_schema(folder, group, version, kind, &whole);
        }
    }
    for kinds in ["servicemonitors", "podmonitors", "prometheusrules"] {
        let path = format!("{ROOT}/target/checkers/prometheus-operator/monitoring.coreos.com_{kinds}.yaml");
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|_| panic!("{path} is missing: run `make checkers` first"));
        let crd: Value = serde_saphyr::from_str(&text).unwrap();
        let names = (crd["spec"]["group"].as_str().unwrap(), crd["spec"]["names"]["kind"].as_str().unwrap());
        let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
        close(&mut schema);
        // An object's, which the API server knows.
        schema["properties"]["metadata"] = json!({"type": "object"});
        write_schema(folder, names.0, "v1", names.1, &schema);
    }
}

/// Where kubeconform looks: the kind, the first part of the group's name, and the version.
fn write_schema(folder: &Path, group: &str, version: &str, kind: &str, schema: &Value) {
    let group = if group == "api" { String::new() } else { format!("-{}", group.split('.').next().unwrap()) };
    let name = format!("{kind}{group}-{version}.json").to_lowercase();
    std::fs::write(folder.join(name), schema.to_string()).unwrap();
}

#[tokio::test]
async fn every_field_is_one_that_the_api_server_knows() {
    let folder = ControlPlane::shared().await.unwrap().dir().join("schemas");
    let manifests = manifests().await;
    let kinds = manifests.iter().flat_map(|(_, text)| objects(text));
    let kinds = kinds.map(|object| object["kind"].as_str().unwrap().to_owned()).collect();
    write_schemas(&folder, &kinds).await;
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", folder.display());
    let arguments = ["-strict", "-summary", "-schema-location", &location];
    let paths: Vec<(String, String)> = ["whole", "misspelt"]
        .into_iter()
        .flat_map(|which| manifests.iter().map(move |(name, text)| (which, name, text)))
        .map(|(which, name, text)| {
            let path = folder.join(format!("{which} {}.yaml", name.replace('/', "-"))).display().to_string();
            let misspelt = text.replace("terminationGracePeriodSeconds", "terminationGracePeriod");
            std::fs::write(&path, if which == "whole" { text } else { &misspelt }).unwrap();
            (name.clone(), path)
        })
        .collect();
    let (whole, misspelt) = paths.split_at(manifests.len());
    let judge = async |paths: &[(String, String)]| {
        let paths = paths.iter().map(|(_, path)| path.as_str());
        check("kubeconform", arguments.into_iter().chain(paths), &[], "").await.unwrap()
    };
    let output = judge(whole).await;
    assert!(output.status.success() && output.stdout.contains("Skipped: 0"), "{output}");
    println!("{}", output.stdout.trim());
    // Were a field misspelt, it would say so.
    let output = judge(misspelt).await;
    for (name, path) in misspelt {
        let said = |line: &str| line.contains(path) && line.contains("'terminationGracePeriod' not allowed");
        assert!(output.stdout.lines().any(said), "{name}: {output}");
    }
}

#[tokio::test]
async fn kube_score_finds_nothing_that_has_no_reason() {
    for (name, manifest) in manifests().await {
        let words = ["score", "--kubernetes-version=v1.37", "--output-format=ci", "--exit-one-on-warning"];
        let words = words.iter().chain(&EXCEPTIONS).chain(&["-"]);
        let output = check("kube-score", words, &[], manifest).await.unwrap();
        let found =
            output.stdout.lines().filter(|line| !line.starts_with("[OK]") && !line.starts_with("[SKIPPED]"));
        assert!(output.status.success() && found.count() == 0, "{name}: {output}");
        assert!(output.stdout.lines().count() > 10, "{name}: {output}");
        println!("{name}: {} OK", output.stdout.lines().filter(|line| line.starts_with("[OK]")).count());
    }
}
