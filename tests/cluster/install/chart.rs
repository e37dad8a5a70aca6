//! The Helm chart: what it renders and refuses, and that it installs, upgrades and uninstalls.

mod conformance;
mod monitoring;
mod release;
mod rendering;
pub mod running;
mod switches;
mod values;

use lab::{ControlPlane, Output, check};
use serde_json::{Value, json};
use std::ffi::OsStr;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");
const KUSTOMIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize");
/// The release, and its namespace, that stands where `deploy/kustomize` puts the operator.
const NAME: &str = "auth0-user-operator";

/// Runs helm without the settings of whoever runs the tests. What helm reads from `-` is `values`.
async fn helm(arguments: &[&str], values: &Value) -> Output {
    let home = concat!(env!("CARGO_TARGET_TMPDIR"), "/helm");
    let envs = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"].map(|name| (name, OsStr::new(home)));
    check("helm", arguments, &envs, &values.to_string()).await.unwrap()
}

/// What `helm template` says to a chart, a release's name and values.
async fn template(chart: &str, release: &str, values: &Value) -> Output {
    helm(&["template", release, chart, "--namespace", NAME, "--values", "-"], values).await
}

/// The objects of a release named like its namespace.
async fn rendered(values: &Value) -> Vec<Value> {
    objects(&template(CHART, NAME, values).await.ok().unwrap())
}

/// A chart `NAME` that depends on this one, as a package, which holds what the links lead to; answers its path.
async fn parent(name: &str, dependencies: &[Value]) -> String {
    let parent = format!("{}/chart-{name}", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_dir_all(&parent);
    std::fs::create_dir_all(format!("{parent}/charts")).unwrap();
    let about = json!({"apiVersion": "v2", "name": name, "version": "1.0.0", "dependencies": dependencies});
    std::fs::write(format!("{parent}/Chart.yaml"), about.to_string()).unwrap();
    let destination = format!("{parent}/charts");
    helm(&["package", CHART, "--destination", &destination], &json!({})).await.ok().unwrap();
    parent
}

/// What helm says to many values in one run: each set is for one alias, `c0` and so on, in a chart `NAME`.
async fn template_each(name: &str, sets: &[Value]) -> Output {
    let aliases = || (0..sets.len()).map(|index| format!("c{index}"));
    let dependencies: Vec<Value> =
        aliases().map(|alias| json!({"name": NAME, "version": ">0.0.0-0", "alias": alias})).collect();
    let named = sets.iter().map(|set| {
        let mut set = set.clone();
        let map = set.as_object_mut().unwrap();
        // An alias is the chart's name, too.
        map.entry("nameOverride").or_insert(json!(NAME));
        // They are most of the text.
        map.entry("crds").or_insert(json!({"enabled": false}));
        set
    });
    let values: Value = aliases().zip(named).collect::<serde_json::Map<_, _>>().into();
    template(&parent(name, &dependencies).await, NAME, &values).await
}

/// The objects that each set of values renders to.
async fn rendered_each(name: &str, sets: &[Value]) -> Vec<Vec<Value>> {
    let text = template_each(name, sets).await.ok().unwrap();
    let mut each = vec![Vec::new(); sets.len()];
    let source = format!("# Source: {name}/charts/c");
    for document in text.split("\n---\n").flat_map(|text| text.split(source.as_str()).skip(1)) {
        let alias: String = document.chars().take_while(char::is_ascii_digit).collect();
        each[alias.parse::<usize>().unwrap()].extend(objects(document.split_once('\n').unwrap().1));
    }
    each
}

/// The objects of a folder of `deploy/kustomize`, as kubectl builds it.
async fn kustomized(folder: &str) -> Vec<Value> {
    let plane = ControlPlane::shared().await.unwrap();
    let path = format!("{KUSTOMIZE}/{folder}");
    objects(&plane.admin().run(["kustomize", &path], "").await.unwrap().ok().unwrap())
}

/// The documents of a YAML text.
fn objects(text: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    objects.into_iter().filter(|object| !object.is_null()).collect()
}

/// All objects of a kind.
fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The one object of a kind.
fn one<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of(objects, kind);
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found[0]
}

/// The pod that a Deployment among the objects runs, and its container.
fn pod(objects: &[Value]) -> (&Value, &Value) {
    let pod = &one(objects, "Deployment")["spec"]["template"]["spec"];
    (pod, &pod["containers"][0])
}

/// The values as shipped.
fn shipped() -> Value {
    let text = std::fs::read_to_string(format!("{CHART}/values.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// Paths of all values that are not maps with keys of their own, as JSON pointers.
fn leaves(values: &Value, path: &str) -> Vec<String> {
    match values.as_object().filter(|map| !map.is_empty()) {
        Some(map) => map.iter().flat_map(|(key, value)| leaves(value, &format!("{path}/{key}"))).collect(),
        None => vec![path.to_owned()],
    }
}

/// Values that say one thing only.
fn at(pointer: &str, value: Value) -> Value {
    pointer.rsplit('/').filter(|key| !key.is_empty()).fold(value, |value, key| json!({key: value}))
}
