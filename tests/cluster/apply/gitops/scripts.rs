//! What Argo CD runs: the Lua of deploy/argocd over its test data, and the action on a living resource.

use super::judge::{argocd, ask, run};
use crate::world::{World, condition};
use serde_json::{Value, json};
use std::fs;

const SCRIPTS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/argocd/resource_customizations/auth0-user-operator.dev");
const REQUESTED_AT: &str = "auth0-user-operator.dev/requested-at";

fn script(path: &str) -> String {
    fs::read_to_string(format!("{SCRIPTS}/{path}")).unwrap()
}

#[tokio::test]
async fn every_test_of_the_scripts_passes_in_argo_cds_own_lua() {
    let said = run("argo-judge", &["test", SCRIPTS], "").await.unwrap();
    let said = said.as_object().unwrap();
    let wrong: Vec<_> = said.iter().filter(|(_, difference)| **difference != json!("")).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for kind in ["Auth0UserUpdate", "Auth0Tenant"] {
        for file in fs::read_dir(format!("{SCRIPTS}/{kind}/testdata")).unwrap() {
            let file = file.unwrap().path();
            assert!(said.contains_key(&format!("health {}", file.display())), "{} is used", file.display());
        }
    }
}

#[tokio::test]
async fn argocd_cm_brings_these_scripts_and_keeps_what_was_there() {
    let world = World::without_tenant("argo-settings").await;
    let namespace = argocd(world.plane).await;
    let words = ["settings", "--argocd-namespace", namespace];
    let said = super::judge::judge(&world, "argo-judge", &words, "").await.unwrap();
    let health = script("Auth0UserUpdate/health.lua");
    assert_eq!(health, script("Auth0Tenant/health.lua"));
    let override_of = |kind: &str| &said[format!("auth0-user-operator.dev/{kind}")];
    for kind in ["Auth0UserUpdate", "Auth0Tenant"] {
        assert_eq!(override_of(kind)["health.lua"], health, "{kind}");
    }
    let actions = override_of("Auth0UserUpdate")["actions"].as_str().unwrap();
    let actions: Value = serde_saphyr::from_str(actions).unwrap();
    let expected = json!({
        "discovery.lua": script("Auth0UserUpdate/actions/discovery.lua"),
        "definitions": [
            {"name": "refresh", "action.lua": script("Auth0UserUpdate/actions/refresh/action.lua")},
        ],
    });
    assert_eq!(actions, expected);
    let config = world.plane.admin().in_namespace(namespace).get("configmap/argocd-cm").await.unwrap();
    assert_eq!(config["data"]["timeout.reconciliation"], "60s", "what was there stays");
}

#[tokio::test]
async fn the_action_asks_for_a_look_and_changes_nothing_else() {
    let world = World::start("argo-action").await;
    let argocd = argocd(world.plane).await;
    world.apply(json!({"name": "New", "userMetadata": {}, "appMetadata": {"n": 12, "a": {}, "list": [{"a": {}}]}})).await;
    let before = world.until_ready("auth0userupdate/ann").await;
    let words = ["actions", "--argocd-namespace", argocd];
    let said = ask(&world, "argo-judge", &words, "auth0userupdate/ann").await;
    let actions = said["Auth0UserUpdate/ann"].as_array().unwrap();
    assert_eq!((actions.len(), &actions[0]["name"]), (1, &json!("refresh")));
    assert_ne!(actions[0]["disabled"], true);
    let words = ["act", "--action", "refresh", "--argocd-namespace", argocd];
    let patch = &ask(&world, "argo-judge", &words, "auth0userupdate/ann").await["Auth0UserUpdate/ann"];
    let at = patch["metadata"]["annotations"][REQUESTED_AT].as_str().unwrap();
    assert_eq!(patch, &json!({"metadata": {"annotations": {REQUESTED_AT: at}}}));
    let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == at;
    let after = world.until("auth0userupdate/ann", "the look that was asked for", handled).await;
    assert_eq!(after["metadata"]["annotations"][REQUESTED_AT], at);
    assert_eq!((&after["spec"], condition(&after, "Ready").0.as_str()), (&before["spec"], "True"));
    // What the action would change, it refuses.
    world.apply(json!({"appMetadata": {"list": [[{}]]}})).await;
    world.until_ready("auth0userupdate/ann").await;
    let words = ["act", "--action", "refresh", "--argocd-namespace", argocd];
    let manifest = crate::world::object("Auth0UserUpdate", "ann", &Value::Null);
    let refused = super::judge::judge(&world, "argo-judge", &words, &manifest).await.unwrap_err();
    assert!(refused.to_string().contains("use kubectl annotate instead"), "{refused}");
    world.annotate("auth0userupdate/ann", "auth0-user-operator.dev/paused=true").await;
    let words = ["actions", "--argocd-namespace", argocd];
    let said = ask(&world, "argo-judge", &words, "auth0userupdate/ann").await;
    assert_eq!(said["Auth0UserUpdate/ann"][0]["disabled"], true);
}
