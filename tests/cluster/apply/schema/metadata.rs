//! Metadata maps: free-form, atomic, not nullable.

use super::table::{
    Verdict::{Admitted, NoNull},
    judge, namespace, refused, with,
};
use crate::world::update;
use lab::Mode;
use serde_json::{Value, json};

#[tokio::test]
async fn metadata_is_kept_as_written_with_nulls_at_every_depth() {
    let mut cases = Vec::new();
    for field in ["userMetadata", "appMetadata"] {
        for map in [
            json!({}),
            json!({"plan": null}),
            json!({"a": {"b": null}, "c": [null, {"d": null}], "e": {}, "f": [], "g": ""}),
            json!({"i": 9_223_372_036_854_775_807_i64, "f": 1.5, "t": true, "any key |%": "x"}),
        ] {
            cases.push(with(json!({field: map}), Admitted));
        }
        cases.extend(refused(field, ["x".into(), json!([]), json!(1)], &["Metadata"]));
        cases.push(with(json!({field: null}), NoNull(&["Metadata", "object", "null"])));
    }
    judge("Auth0UserUpdate", cases).await;
}

#[tokio::test]
async fn metadata_changes_by_server_side_apply_as_a_whole() {
    let kubectl = namespace("schema").await;
    for map in [
        json!({"a": {"b": 1}, "c": 2}),
        json!({"a": {}, "c": 2}),
        json!({"a": null}),
        json!({}),
        json!({"b": {"c": null}}),
    ] {
        let card = update("ann", json!({"userMetadata": map}));
        kubectl.submit(Mode::ServerSideApply, &card).await.unwrap().ok().unwrap();
        assert_eq!(kubectl.get("a0uu/ann").await.unwrap()["spec"]["userMetadata"], map);
    }
}

/// Known and documented: kubectl drops nulls, so the operator looks at the annotation.
#[tokio::test]
async fn client_side_apply_drops_nulls_and_keeps_them_in_its_annotation() {
    let kubectl = namespace("schema").await;
    kubectl.apply(&update("ann", json!({"userMetadata": {"plan": null}, "name": null}))).await.unwrap();
    let stored = kubectl.get("a0uu/ann").await.unwrap();
    assert_eq!(stored["spec"]["userMetadata"], json!({}));
    assert!(!stored["spec"].as_object().unwrap().contains_key("name"));
    let applied = &stored["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    let applied: Value = serde_json::from_str(applied.as_str().unwrap()).unwrap();
    assert_eq!(applied["spec"]["userMetadata"], json!({"plan": null}));
}

#[tokio::test]
async fn an_object_that_etcd_cannot_hold_is_refused_at_once() {
    let kubectl = namespace("schema").await;
    let card = update("ann", json!({"userMetadata": {"a": "x".repeat(1_700_000)}}));
    let refusal = kubectl.submit(Mode::ServerSideApply, &card).await.unwrap();
    assert!(refusal.stderr.contains("too large"), "{:.300}", refusal.stderr);
}
