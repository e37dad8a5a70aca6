//! Resources that come again, go elsewhere, or have lost their status; and the key that all operators share.

use super::{effects, give_password, password_of, trigger};
use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, World, condition, object, person};
use auth0_sandbox::{Client, Connection, Options, Sandbox};
use lab::{AuditEvents as _, Operator};
use serde_json::{Value, json};

const FIELD: &str = "passwordSecretRef";

fn card(slug: &str) -> Value {
    json!({"passwordSecretRef": password_of(slug)})
}

async fn with_password(name: &str, slugs: &[&str]) -> World {
    let world = World::start(name).await;
    for slug in slugs {
        world.add_person(slug);
        give_password(&world, slug, "Correct-Horse-1").await;
        world.apply_for(slug, card(slug)).await;
    }
    for slug in slugs {
        world.until_applied(slug).await;
    }
    world
}

#[tokio::test]
async fn a_resource_that_is_made_again_is_a_new_order_unless_a_person_says_otherwise() {
    let world = with_password("again-made", &["ada", "bea"]).await;
    for (slug, annotations, times) in
        [("ada", json!({}), 2), ("bea", json!({"auth0-user-operator.dev/assume-sent": "true"}), 1)]
    {
        world.objects.delete(&format!("auth0userupdate/{slug}")).await.unwrap();
        let spec = json!({
            "tenantRef": {"name": "example"}, "passEmptyValues": "Yes", "userId": format!("auth0|{slug}"),
            "passwordSecretRef": password_of(slug),
        });
        let mut manifest: Value = serde_json::from_str(&object("Auth0UserUpdate", slug, &spec)).unwrap();
        manifest["metadata"]["annotations"] = annotations;
        world.kubectl.apply(&manifest.to_string()).await.unwrap();
        let applied = world.until_applied(slug).await;
        assert_eq!(trigger(&applied, FIELD)["state"], "Sent", "{slug}");
        assert_eq!(effects(&world, slug).passwords_set, times, "{slug}");
    }
}

#[tokio::test]
async fn a_resource_restored_without_its_status_sends_unless_a_person_says_otherwise() {
    let mut world = with_password("again-restored", &["ada", "bea"]).await;
    world.operator.terminate().await.unwrap();
    for slug in ["ada", "bea"] {
        let target = format!("auth0userupdate/{slug}");
        let none = json!({"status": null});
        world.objects.patch_status(&target, &none).await.unwrap();
    }
    world.annotate("auth0userupdate/bea", "auth0-user-operator.dev/assume-sent=true").await;
    world.operator.restart().await.unwrap();
    for (slug, times) in [("ada", 2), ("bea", 1)] {
        world.until_applied(slug).await;
        assert_eq!(effects(&world, slug).passwords_set, times, "{slug}");
    }
}

#[tokio::test]
async fn a_resource_that_is_pointed_at_another_tenant_sends_there() {
    let mut world = with_password("again-elsewhere", &["ada"]).await;
    let elsewhere = Sandbox::start(Options::default()).await.unwrap();
    elsewhere.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
    elsewhere.put_connection(Connection::database("People"));
    elsewhere.put_user(person("ada", "People")).unwrap();
    world.operator.terminate().await.unwrap();
    let authorities = world.plane.dir().join("again-elsewhere-ca.pem");
    std::fs::write(&authorities, format!("{}\n{}", world.sandbox.ca_pem(), elsewhere.ca_pem())).unwrap();
    world.operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), world.plane.kubeconfig())
        .args(["--watch-namespace", &world.namespace, "--operator-namespace", &world.namespace])
        .args(["--allowed-domain", &world.sandbox.domain(), "--allowed-domain", &elsewhere.domain()])
        .env("SSL_CERT_FILE", authorities.to_str().unwrap())
        .start()
        .await
        .unwrap();
    let spec = json!({
        "domain": elsewhere.domain(), "credentialsSecretRef": {"name": "example-credentials"},
        "rateLimit": crate::world::unhurried(),
    });
    world.objects.apply(&object("Auth0Tenant", "elsewhere", &spec)).await.unwrap();
    world.until_ready("auth0tenant/elsewhere").await;
    let mut there = card("ada");
    there["tenantRef"] = json!({"name": "elsewhere"});
    world.apply_for("ada", there).await;
    let object = world.until_applied("ada").await;
    assert_eq!(condition(&object, "Ready").1, "Applied");
    assert_eq!(elsewhere.effects("auth0|ada").passwords_set, 1);
    assert_eq!(effects(&world, "ada").passwords_set, 1);
}

#[tokio::test]
async fn operators_that_start_together_make_one_key() {
    let world = World::without_tenant("key-race").await;
    let namespace = world.plane.namespace("key-race-own").await.unwrap();
    let mut operators = Vec::new();
    for _ in 0..4 {
        let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), world.plane.kubeconfig())
            .args(["--watch-namespace", &namespace, "--operator-namespace", &namespace])
            .start()
            .await
            .unwrap();
        operators.push(operator);
    }
    for operator in &operators {
        operator.wait_for_log("started", DEADLINE).await.unwrap();
    }
    let key =
        world.plane.admin().in_namespace(&namespace).get("secret/auth0-user-operator-trigger-key").await;
    let key = key.unwrap();
    assert_eq!((&key["immutable"], key["data"]["key"].as_str().unwrap().len()), (&json!(true), 44));
    let creates = || {
        let writes = world.plane.audit().unwrap().writes().within(&namespace).of("secrets", "");
        writes.into_iter().map(|event| event.response_status.code).collect::<Vec<_>>()
    };
    let made = |codes: &[u16]| codes.iter().filter(|code| **code == 201).count();
    lab::wait_until("the audit log", DEADLINE, async || {
        let codes = creates();
        if made(&codes) > 0 { Ok(()) } else { Err(format!("{codes:?}")) }
    })
    .await
    .unwrap();
    assert_eq!(made(&creates()), 1, "{:?}", creates());
}
