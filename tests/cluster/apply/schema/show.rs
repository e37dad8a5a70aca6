//! What kubectl shows: docs, columns, categories, selectors, the first status.

use super::table::namespace;
use crate::world::{DEADLINE, object, update};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use lab::{ControlPlane, Kubectl, Mode, Patch, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

async fn printed<const N: usize>(kubectl: &Kubectl, arguments: [&str; N]) -> String {
    kubectl.run(arguments, "").await.unwrap().ok().unwrap()
}

#[tokio::test]
async fn the_api_server_takes_the_crds_whole_and_without_a_warning() {
    let kubectl = ControlPlane::shared().await.unwrap().admin();
    for mut crd in auth0_user_operator::api::crds() {
        // Another group: the API server warns of a new CRD only.
        "new.example.com".clone_into(&mut crd.spec.group);
        crd.metadata.name = Some(format!("{}.{}", crd.spec.names.plural, crd.spec.group));
        let manifest = serde_json::to_string(&crd).unwrap();
        let create = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        let answer = kubectl.run(create, &manifest).await.unwrap();
        assert_eq!(answer.stderr, "", "{answer}");
        let taken: CustomResourceDefinition = serde_json::from_str(&answer.ok().unwrap()).unwrap();
        let [taken, ours] = [taken, crd].map(|crd| serde_json::to_value(crd.spec.versions).unwrap());
        assert_eq!(taken, ours);
    }
}

#[tokio::test]
async fn a_new_object_says_that_it_was_never_visited() {
    let kubectl = namespace("schema").await;
    for mode in ["create", "apply"] {
        for manifest in [
            update(mode, json!({})),
            object(
                "Auth0Tenant",
                mode,
                &json!({"domain": "a.auth0.com", "credentialsSecretRef": {"name": "a"}}),
            ),
        ] {
            let server_side = if mode == "apply" { "--server-side=true" } else { "--save-config=false" };
            let answer = kubectl
                .run([mode, "-f", "-", "-o", "json", server_side], &manifest)
                .await
                .unwrap()
                .ok()
                .unwrap();
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["status"], json!({"observedGeneration": -1}), "{mode}: {answer}");
        }
    }
}

#[tokio::test]
async fn every_field_of_the_spec_is_explained() {
    let kubectl = namespace("schema").await;
    // The API server publishes the docs of a new CRD a little later than the CRD.
    for kind in ["auth0userupdate", "auth0tenant"] {
        let explained = wait_until("the docs", DEADLINE, async || {
            kubectl.run(["explain", kind], "").await.and_then(lab::Output::ok)
        });
        explained.await.unwrap();
    }
    // What kubectl explains with.
    let path = "/openapi/v3/apis/auth0-user-operator.dev/v1alpha1";
    let docs: Value = serde_json::from_str(&printed(&kubectl, ["get", "--raw", path]).await).unwrap();
    let schemas = docs["components"]["schemas"].as_object().unwrap();
    let served: BTreeMap<String, &Value> = schemas
        .iter()
        .map(|(name, schema)| (name.rsplit('.').next().unwrap().to_lowercase(), schema))
        .collect();
    for (field, words) in [
        ("auth0userupdate", &["Update User card", "deleting this resource changes nothing"][..]),
        ("auth0userupdate.spec.passEmptyValues", &["Whether blank inputs clear", "Yes", "No"]),
        ("auth0userupdate.spec.userId", &["auth0|", "Immutable"]),
        ("auth0userupdate.spec.email", &["Email address", "sessions"]),
        ("auth0userupdate.spec.phoneNumber", &["E.164", "Quote"]),
        ("auth0userupdate.spec.blocked", &["by an administrator", "brute-force"]),
        ("auth0userupdate.spec.passwordSecretRef", &["Secret in this namespace", "newline"]),
        ("auth0userupdate.spec.userMetadata", &["user can change"]),
        ("auth0userupdate.spec.appMetadata", &["merged"]),
        ("auth0userupdate.spec.clear", &["userMetadata.KEY", "regardless of passEmptyValues"]),
        ("auth0userupdate.spec.resyncInterval", &["Default 1h", "0s"]),
        ("auth0userupdate.spec.mode", &["Apply (default)", "status.plan"]),
        ("auth0userupdate.spec.output", &["Full (default)", "None"]),
        ("auth0userupdate.spec.tenantRef.namespace", &["spec.allowedNamespaces"]),
        ("auth0userupdate.status.triggers", &["must not be sent twice"]),
        ("auth0tenant.spec.domain", &["canonical domain", "Immutable"]),
        (
            "auth0tenant.spec.credentialsSecretRef",
            &["clientId", "clientSecret", "privateKey", "signingAlgorithm"],
        ),
        ("auth0tenant.spec.customDomain", &["links in emails"]),
        ("auth0tenant.spec.rateLimit", &["Default 60"]),
    ] {
        let (kind, path) = field.split_once('.').unwrap_or((field, ""));
        let mut schema: &Value = served[kind];
        for name in path.split('.').filter(|name| !name.is_empty()) {
            schema = &schema["properties"][name];
        }
        let text = schema["description"].as_str().unwrap_or_default();
        for word in words {
            assert!(text.contains(word), "{field} lacks {word:?}: {text}");
        }
    }
    for (kind, fields) in [("auth0userupdate.spec", 22), ("auth0tenant.spec", 5)] {
        let text = printed(&kubectl, ["explain", kind]).await;
        assert!(!text.contains("<no description>"), "{text}");
        let documented = text.lines().filter(|line| line.starts_with("  ") && line.contains('<')).count();
        assert!(documented >= fields, "{kind} shows {documented} fields: {text}");
    }
}

/// A user of an Auth0 database, and the connection that every new tenant has.
async fn the_wide_table_fits_a_terminal(kubectl: &Kubectl) {
    let card = json!({
        "userId": "auth0|507f1f77bcf86cd799439011", "connection": "Username-Password-Authentication",
    });
    kubectl.apply(&update("ada", card)).await.unwrap();
    let message = "all declared fields are applied in Auth0";
    let ready = json!({"type": "Ready", "status": "True", "reason": "Applied", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let last = json!({"time": "2026-01-01T00:00:00Z", "generation": 1, "requests": 1});
    let status = json!({"status": {"conditions": [ready], "lastUpdate": last}});
    kubectl.patch_status("a0uu/ada", Patch::Merge, &status).await.unwrap().ok().unwrap();
    let wide = printed(kubectl, ["get", "a0uu", "ada", "-o", "wide"]).await;
    assert!(wide.contains(message) && wide.lines().all(|line| line.len() <= 180), "{wide}");
}

#[tokio::test]
async fn kubectl_get_shows_what_matters() {
    let kubectl = namespace("schema").await;
    let card = json!({"connection": "People"});
    kubectl.submit(Mode::ServerSideApply, &update("ann", card)).await.unwrap().ok().unwrap();
    kubectl.apply(&update("bob", json!({"userId": "auth0|bob"}))).await.unwrap();
    let tenant = json!({"domain": "a.auth0.com", "credentialsSecretRef": {"name": "a"}});
    kubectl.apply(&object("Auth0Tenant", "example", &tenant)).await.unwrap();
    let condition = |type_, reason, message| json!({"type": type_, "status": "False", "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {
        "conditions": [condition("Synced", "NotThis", "nor this"), condition("Ready", "UserBlocked", "declare blocked")],
        "reason": "UserBlocked",
        "lastUpdate": {"time": "2020-01-01T00:00:00Z", "generation": 1, "requests": 1, "sentFields": [], "clearedFields": []},
    }});
    kubectl.patch_status("a0uu/ann", Patch::Merge, &status).await.unwrap().ok().unwrap();

    let table = printed(&kubectl, ["get", "a0uu", "ann"]).await;
    let columns = ["NAME", "USER", "READY", "SYNCED", "REASON", "LAST UPDATE", "AGE"];
    let header = table.lines().next().unwrap().split("  ").map(str::trim).filter(|name| !name.is_empty());
    assert_eq!(header.collect::<Vec<_>>(), columns, "{table}");
    let row: Vec<&str> = table.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..5], ["ann", "auth0|ann", "False", "False", "UserBlocked"], "{table}");
    assert!(row[5].ends_with('y') || row[5].ends_with('d'), "the age of the last update: {table}");

    let wide = printed(&kubectl, ["get", "a0uu", "ann", "-o", "wide"]).await;
    for word in ["TENANT", "CONNECTION", "MESSAGE", "example", "People", "declare blocked"] {
        assert!(wide.contains(word), "{word}: {wide}");
    }
    the_wide_table_fits_a_terminal(&kubectl).await;
    let category = printed(&kubectl, ["get", "auth0", "-o", "name"]).await;
    for name in ["auth0userupdate.auth0-user-operator.dev/ann", "auth0tenant.auth0-user-operator.dev/example"]
    {
        assert!(category.contains(name), "{category}");
    }
    let tenants = printed(&kubectl, ["get", "a0ut"]).await;
    for word in ["DOMAIN", "READY", "REASON", "AGE", "a.auth0.com"] {
        assert!(tenants.contains(word), "{word}: {tenants}");
    }
    let selector = "--field-selector=spec.userId=auth0|bob";
    let found = printed(&kubectl, ["get", "a0uu", selector, "-o", "name"]).await;
    assert_eq!(found.trim(), "auth0userupdate.auth0-user-operator.dev/bob");
}
