//! What is done to an object, by how it was found.

use crate::cluster::fixtures::api_server;
use crate::cluster::outputs::*;
use std::sync::Mutex;

/// What the resource `u` wants of an object `m`: texts, and `null` for what stays.
struct Wish(OwnerReference, BTreeMap<String, Option<String>>);

impl Wish {
    fn new(data: &Value) -> Self {
        let owner = json!({"apiVersion": "a/v1", "kind": "A", "name": "a", "uid": "u", "controller": true});
        Self(serde_json::from_value(owner).unwrap(), serde_json::from_value(data.clone()).unwrap())
    }

    fn of(&self, kind: TargetKind) -> Target<'_> {
        Target { owner: &self.0, namespace: "n", kind, name: "m", data: &self.1 }
    }
}

fn entry(operation: &str, manager: &str, keys: &[&str]) -> Value {
    let keys: Map<String, Value> = keys.iter().map(|key| (format!("f:{key}"), json!({}))).collect();
    json!({"manager": manager, "operation": operation, "fieldsV1": {"f:data": keys}})
}

fn stored(owner: &str, data: &Value, entries: &[Value]) -> DynamicObject {
    let owner = json!({"apiVersion": "a/v1", "kind": "A", "name": "a", "uid": owner});
    let metadata = json!({"name": "m", "uid": "m", "resourceVersion": "7", "ownerReferences": [owner], "managedFields": entries});
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
    serde_json::from_value(object).unwrap()
}

#[test]
fn an_object_is_changed_only_where_it_is_ours_and_differs() {
    let applied = |keys: &[&str]| entry("Apply", FIELD_MANAGER, keys);
    let (a, both) = (json!({"A": "1"}), json!({"A": "1", "B": "2"}));
    let ours = stored("u", &a, &[applied(&["A"])]);
    let with_theirs = stored("u", &both, &[applied(&["A"]), entry("Update", "kubectl-edit", &["B"])]);
    let taken = stored("u", &a, &[applied(&[]), entry("Update", "kubectl-edit", &["A"])]);
    let created = stored("u", &a, &[entry("Update", FIELD_MANAGER, &["A"])]);
    let theirs = stored("v", &a, &[entry("Update", "kubectl-create", &["A"])]);
    let unowned = stored("u", &a, &[entry("Update", "kubectl-replace", &["A"])]);
    let (nothing, kept, edited) = (json!({}), json!({"A": null}), json!({"A": "2"}));
    for (wanted, found, expected) in [
        (&a, None, Change::Create),
        (&nothing, None, Change::None),
        (&kept, None, Change::None),
        (&a, Some(&theirs), Change::Refuse),
        (&nothing, Some(&theirs), Change::None),
        (&kept, Some(&theirs), Change::None),
        (&a, Some(&created), Change::HandOver),
        (&a, Some(&ours), Change::None),
        (&kept, Some(&ours), Change::None),
        (&edited, Some(&ours), Change::Apply),
        (&both, Some(&ours), Change::Apply),
        (&nothing, Some(&ours), Change::Delete),
        (&a, Some(&with_theirs), Change::None),
        (&edited, Some(&with_theirs), Change::Apply),
        (&nothing, Some(&with_theirs), Change::Leave),
        // The same text, and a claim of ours is missing.
        (&a, Some(&unowned), Change::Apply),
        (&a, Some(&taken), Change::Apply),
        (&nothing, Some(&taken), Change::Leave),
    ] {
        let wish = Wish::new(wanted);
        assert_eq!(change(&wish.of(TargetKind::ConfigMap), found), expected, "{wanted} {found:?}");
    }
}

#[test]
fn binary_data_of_others_keeps_the_object() {
    let mut ours = stored("u", &json!({"A": "1"}), &[entry("Apply", FIELD_MANAGER, &["A"])]);
    ours.data["binaryData"] = json!({"B": "AA=="});
    let wish = Wish::new(&json!({}));
    assert_eq!(change(&wish.of(TargetKind::ConfigMap), Some(&ours)), Change::Leave);
}

#[test]
fn what_is_applied_is_for_the_version_that_was_judged_and_holds_what_stays() {
    let ours = stored("u", &json!({"A": "MQ==", "B": "Mg=="}), &[entry("Apply", FIELD_MANAGER, &["A", "B"])]);
    let wanted = json!({"A": null, "C": "3", "D": null});
    let object = applied(&Wish::new(&wanted).of(TargetKind::Secret), &ours);
    let metadata = &object.metadata;
    assert_eq!((metadata.uid.as_deref(), metadata.resource_version.as_deref()), (Some("m"), Some("7")));
    assert_eq!(metadata.owner_references.as_ref().unwrap()[0].controller, Some(true));
    assert_eq!(object.data, json!({"data": {"A": "MQ==", "C": "Mw=="}}));
}

#[test]
fn what_a_create_wrote_becomes_the_applys_and_nothing_of_others() {
    let others = entry("Update", "kubectl-edit", &["B"]);
    let created = stored("u", &json!({}), &[entry("Update", FIELD_MANAGER, &["A"]), others.clone()]);
    let patch = handed_over(&created);
    assert_eq!(patch[1]["value"], json!([entry("Apply", FIELD_MANAGER, &["A"]), others]));
    assert_eq!((&patch[0]["value"], &patch[1]["path"]), (&json!("7"), &json!("/metadata/managedFields")));
}

#[tokio::test]
async fn an_object_that_comes_between_is_not_taken_over() {
    let theirs = serde_json::to_value(stored("v", &json!({"A": "theirs"}), &[])).unwrap();
    let is_there = Mutex::new(false);
    let (client, requests) = api_server(move |method, _, _| {
        let mut is_there = is_there.lock().unwrap();
        match (method, *is_there) {
            ("GET", true) => Ok(theirs.clone()),
            ("GET", false) => Err(404),
            _ => {
                *is_there = true;
                Err(409)
            }
        }
    });
    let outputs = Outputs::new(client, "a grant");
    let wish = Wish::new(&json!({"A": "1"}));
    let failure = outputs.write(&wish.of(TargetKind::ConfigMap)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::OutputConflict);
    let paths = requests.take_paths("/namespaces/n/configmaps");
    assert_eq!(paths.iter().filter(|body| !body.is_null()).count(), 1, "one create, no patch");
}

#[tokio::test]
async fn a_missing_right_is_told_with_the_command_and_no_value() {
    for (code, reason) in
        [(403, Reason::OutputForbidden), (422, Reason::OutputConflict), (500, Reason::InternalError)]
    {
        let (client, _) = api_server(move |method, _, _| Err(if method == "GET" { 404 } else { code }));
        let outputs = Outputs::new(client, "grant it in NAMESPACE");
        let wish = Wish::new(&json!({"A": "a-value"}));
        let failure = outputs.write(&wish.of(TargetKind::Secret)).await.unwrap_err();
        assert_eq!(failure.reason, reason);
        assert!(failure.message.contains("Secret m") && !failure.message.contains("a-value"));
        assert_eq!(failure.message.contains("grant it in n"), code == 403, "{}", failure.message);
    }
}
