//! A value that is misspelt, or of another kind, is refused.

use super::{CHART, NAME, at, leaves, shipped, template, template_each};
use serde_json::{Value, json};

/// What is further down is for Kubernetes, or the Prometheus operator, to judge.
const OPEN: [&str; 4] = ["/podSecurityContext/", "/securityContext/", "/global/typo", "/extraObjects"];

const REFUSED: &str = "values don't meet the specifications of the schema";

/// Maps of `values.yaml` with keys of their own, as JSON pointers.
fn maps(values: &Value, path: &str) -> Vec<String> {
    let Some(map) = values.as_object().filter(|map| !map.is_empty()) else { return vec![] };
    let inner = map.iter().flat_map(|(key, value)| maps(value, &format!("{path}/{key}")));
    inner.chain([path.to_owned()]).collect()
}

/// helm refuses each of these, and says of which value it speaks.
async fn assert_each_is_refused(chart: &str, names: &[String], sets: &[Value]) {
    let output = template_each(chart, sets).await;
    assert!(!output.status.success() && output.stderr.contains(REFUSED), "{output}");
    for (index, (name, set)) in names.iter().zip(sets).enumerate() {
        let said = output.stderr.split_once(&format!("\nc{index}:\n")).map(|(_, said)| said);
        let said = said.unwrap_or_else(|| panic!("{name} is taken: {output}"));
        let first = set.as_object().unwrap().keys().next().unwrap();
        let about = said.lines().next().unwrap();
        assert!(
            about.contains(&format!("'/{first}")) || about.contains(&format!("'{first}'")),
            "{name}: {about}"
        );
    }
}

#[tokio::test]
async fn a_typo_or_a_value_of_another_kind_is_refused_everywhere() {
    let shipped = shipped();
    // Neither a text, a number, a switch nor a map of texts; in a list, nothing that is known there.
    let wrong = json!({"typo": 1});
    let typos = maps(&shipped, "").into_iter().map(|map| (format!("{map}/typo"), wrong.clone()));
    let kinds = leaves(&shipped, "").into_iter().map(|leaf| {
        let value = if shipped.pointer(&leaf).unwrap().is_array() { json!([wrong]) } else { wrong.clone() };
        (leaf, value)
    });
    let closed = typos.chain(kinds).filter(|(path, _)| !OPEN.iter().any(|open| path.starts_with(open)));
    let (paths, sets): (Vec<String>, Vec<Value>) =
        closed.map(|(path, value)| (path.clone(), at(&path, value))).unzip();
    assert_each_is_refused("typos", &paths, &sets).await;
    let count = sets.len();
    assert!(count > 70, "{count}");
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let sets = [
        json!({"image": {"digest": "sha256:abc"}}),
        json!({"image": {"repository": ""}}),
        json!({"image": {"pullPolicy": "Sometimes"}}),
        json!({"replicaCount": -1}),
        json!({"concurrency": 0}),
        json!({"allowedDomains": []}),
        json!({"log": {"level": "loud"}}),
        json!({"log": {"format": "xml"}}),
        json!({"scopedNamespaces": ["Not A Name"]}),
        json!({"secretNamespaces": [""]}),
        json!({"outputNamespaces": [""]}),
        json!({"extraArgs": ["run"]}),
        json!({"extraEnv": [{"value": "1"}]}),
        json!({"metrics": {"port": 70_000}}),
        json!({"networkPolicy": {"egressPorts": ["https"]}}),
        json!({"podDisruptionBudget": {"maxUnavailable": "some"}}),
        json!({"securityContext": {"readOnlyRootFileSystem": true}}),
        json!({"serviceMonitor": {"interval": "often"}}),
        json!({"podMonitor": {"relabelings": [{"sourceLabel": "job"}]}}),
        json!({"openshift": "yes"}),
        json!({"global": {"imageRegistry": "https://mirror.example.com"}}),
        json!({"global": {"imagePullSecrets": [{"secret": "registry"}]}}),
        json!({"strategy": {"type": "Rolling"}}),
        json!({"revisionHistoryLimit": -1}),
        json!({"dnsPolicy": "None of these"}),
        json!({"namespaceOverride": "Not A Name"}),
        json!({"networkPolicy": {"ingress": [{"to": []}]}}),
        json!({"initContainers": [{"image": "it"}]}),
        json!({"extraContainers": [{"image": "it"}]}),
    ];
    let names = sets.each_ref().map(Value::to_string);
    assert_each_is_refused("refused", &names, &sets).await;
    let values = json!({"serviceMonitor": {"enabled": true}, "metrics": {"enabled": false}});
    let output = template(CHART, NAME, &values).await;
    assert!(output.stderr.contains("serviceMonitor.enabled needs metrics.enabled"), "{output}");
    for strategy in [json!({"type": "RollingUpdate"}), json!({"rollingUpdate": {"maxSurge": 0}})] {
        let output = template(CHART, NAME, &json!({"strategy": strategy})).await;
        assert!(output.stderr.contains("strategy.type has to be Recreate"), "{output}");
    }
}
