//! The configuration of kube-state-metrics: in its documented form, about fields that the CRDs have, and described.

use super::monitoring::cells;
use auth0_user_operator::api::{self, EventsState};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type Path = Vec<String>;
type Labels = BTreeMap<String, Path>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    kind: String,
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Resource {
    group_version_kind: GroupVersionKind,
    metric_name_prefix: String,
    labels_from_path: Labels,
    metrics: Vec<Generator>,
}

#[derive(Deserialize, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Generator {
    name: String,
    help: String,
    #[serde(default)]
    labels_from_path: Labels,
    #[serde(default, rename = "errorLogV")]
    _error_log_v: u8,
    each: Each,
}

/// Of the three one, which `type` names.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Each {
    r#type: String,
    gauge: Option<Metric>,
    info: Option<Metric>,
    state_set: Option<Metric>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metric {
    path: Path,
    #[serde(default)]
    labels_from_path: Labels,
    #[serde(default)]
    value_from: Path,
    #[serde(default)]
    label_name: String,
    #[serde(default)]
    list: Vec<String>,
}

impl Each {
    fn metric(&self) -> &Metric {
        let metrics = [("Gauge", &self.gauge), ("Info", &self.info), ("StateSet", &self.state_set)];
        let (kinds, found): (Vec<_>, Vec<_>) =
            metrics.into_iter().filter_map(|(kind, metric)| Some((kind, metric.as_ref()?))).unzip();
        assert_eq!(kinds, [&self.r#type]);
        found[0]
    }
}

/// The schema of an object of a CRD, with the metadata that every object has.
fn schema(crd: &Value) -> Value {
    let mut schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema").unwrap().clone();
    schema["properties"]["metadata"] = json!({"properties": {
        "name": {"type": "string"}, "namespace": {"type": "string"}, "generation": {"type": "integer"},
        "creationTimestamp": {"type": "string", "format": "date-time"},
    }});
    schema
}

fn at<'a>(schema: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(schema, |schema, part| {
        schema["properties"].get(part).unwrap_or_else(|| panic!("{path:?}: there is no {part}"))
    })
}

/// Labels are texts, and never what tells of a user.
fn assert_labels(labels: &Labels, schema: &Value) {
    for (label, path) in labels {
        assert_eq!(at(schema, path)["type"], "string", "{label}: {path:?}");
        assert!(!path.iter().any(|part| part == "user" || part == "userId" || part == "message"), "{path:?}");
    }
}

fn assert_metric(each: &Each, schema: &Value) {
    let metric = each.metric();
    let found = at(schema, &metric.path);
    let item = found.get("items").unwrap_or(found);
    assert_labels(&metric.labels_from_path, item);
    let value = at(item, &metric.value_from);
    match each.r#type.as_str() {
        "Gauge" => {
            let counts = value["type"] == "integer" || value["format"] == "date-time";
            assert!(counts && metric.list.is_empty(), "{:?}: {value}", metric.path);
        }
        // Labels are looked for in each child, too, so none may be a map with keys of its own.
        "Info" => {
            assert!(!metric.labels_from_path.is_empty());
            let children = found["properties"].as_object().unwrap();
            assert!(children.values().all(|child| child["type"] == "string"), "{found}");
        }
        _ => {
            assert_eq!(value["type"], "string", "{:?}", metric.path);
            assert!(!metric.label_name.is_empty());
            let states = metric.list.iter().map(|word| json!(word));
            if metric.path == ["status", "events"] {
                let states = states.map(|word| serde_json::from_value::<EventsState>(word).unwrap());
                assert!(states.into_iter().all(|state| state != EventsState::Unknown));
            } else {
                assert_eq!(states.collect::<Vec<_>>(), ["True", "False", "Unknown"]);
            }
        }
    }
}

#[test]
fn it_asks_for_fields_of_the_resources_and_is_described() {
    let text = include_str!("../../../deploy/monitoring/kube-state-metrics.yaml");
    let config: Config = serde_saphyr::from_str(text).unwrap();
    assert_eq!(config.kind, "CustomResourceStateMetrics");
    let crds = api::crds();
    let kinds: BTreeSet<&str> =
        config.spec.resources.iter().map(|resource| resource.group_version_kind.kind.as_str()).collect();
    assert_eq!(kinds, crds.iter().map(|crd| crd.spec.names.kind.as_str()).collect());
    let mut rows = BTreeMap::new();
    for resource in &config.spec.resources {
        let asked = &resource.group_version_kind;
        let crd = crds.iter().find(|crd| crd.spec.names.kind == asked.kind).unwrap();
        assert_eq!((&asked.group, &asked.version), (&crd.spec.group, &crd.spec.versions[0].name));
        let schema = schema(&serde_json::to_value(crd).unwrap());
        assert_labels(&resource.labels_from_path, &schema);
        for Generator { name, help, labels_from_path, each, .. } in &resource.metrics {
            assert!(help.ends_with('.'), "{name}");
            assert_eq!(each.r#type == "Info", name.ends_with("info"), "{name}");
            assert_labels(labels_from_path, &schema);
            assert_metric(each, &schema);
            let metric = each.metric();
            let labels: BTreeSet<String> = [labels_from_path, &metric.labels_from_path]
                .into_iter()
                .flatten()
                .map(|(label, _)| label.clone())
                .chain((!metric.label_name.is_empty()).then(|| metric.label_name.clone()))
                .collect();
            let name = format!("{}_{name}", resource.metric_name_prefix);
            assert!(rows.insert(name.clone(), labels).is_none(), "{name}");
        }
    }
    let described = cells(include_str!("../../../docs/operations.md"), "### Metrics of each resource");
    let described: BTreeMap<String, BTreeSet<String>> = described
        .iter()
        .map(|row| {
            // An empty cell is the begin of the next one.
            let cell = if row[1].starts_with('|') { "" } else { row[1] };
            let labels = cell.split('`').skip(1).step_by(2).map(str::to_owned);
            (row[0].trim_matches('`').to_owned(), labels.collect())
        })
        .collect();
    assert_eq!(described, rows);
}
