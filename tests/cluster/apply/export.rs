//! What `export` writes of the tenant of a cluster: kubectl reads it as it was meant, the CRD accepts it, and applying it
//! changes nothing.

use crate::world::{World, condition, object};
use auth0_sandbox::Seed;
use auth0_user_operator::api::{JsonMap, TenantRef};
use auth0_user_operator::command::export::Manifest;
use auth0_user_operator::user::User;
use lab::Mode;
use lab::people::{MISREAD, recorded};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::Output;
use tokio::process::Command;

fn odd_user() -> Value {
    let texts: BTreeMap<String, &str> =
        MISREAD.into_iter().enumerate().map(|(number, text)| (format!("{number:02}"), text)).collect();
    let keys: BTreeMap<&str, i32> =
        MISREAD.into_iter().filter(|text| !text.contains('.')).map(|text| (text, 1)).collect();
    json!({
        "user_id": "auth0|odd", "email": "o'dd#1@example.com", "name": "yes", "given_name": "007", "family_name": "a: #b",
        "app_metadata": {"keys": keys, "numbers": [0, -1, 1.5, 1e21, 6.022e23, 5e-324, 9_007_199_254_740_991_i64]},
        "user_metadata": texts,
        "identities": [{"connection": "People", "user_id": "odd", "provider": "auth0", "isSocial": false}],
    })
}

/// Runs `export` as a person who has this cluster's kubeconfig.
async fn export(world: &World, namespace: &str, args: &[&str]) -> Output {
    let domain = world.sandbox.domain();
    Command::new(env!("CARGO_BIN_EXE_auth0-user-operator"))
        .arg("export")
        .args(args)
        .args(["--allowed-domain", &domain, "--namespace", namespace])
        .env_clear()
        .env("KUBECONFIG", world.plane.kubeconfig())
        .env("SSL_CERT_FILE", world.plane.dir().join(format!("{}-auth0-ca.pem", world.namespace)))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn applying_what_was_exported_sends_nothing() {
    let world = World::start("export").await;
    let mut users: Vec<Value> =
        Seed::example().unwrap().users.into_iter().map(|user| Value::Object(user.profile)).collect();
    users.push(odd_user());
    for user in &users {
        world.sandbox.put_user(user.clone()).unwrap();
    }
    let ids: Vec<&str> = users.iter().map(|user| user["user_id"].as_str().unwrap()).collect();
    let output = export(&world, &world.namespace, &ids).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("idp-access-token"), "tokens of identity providers stay in Auth0");
    world.sandbox.clear_log();
    world.kubectl.apply(&text).await.unwrap();

    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let objects = world
        .until_all("Ready=True, Synced=True", |object| {
            condition(object, "Ready").0 == "True" && condition(object, "Synced").0 == "True"
        })
        .await;
    assert_eq!(objects.len(), documents.len());
    assert!(objects.len() > users.len());
    for document in documents {
        let name = document["metadata"]["name"].as_str().unwrap();
        assert_eq!(document["metadata"]["namespace"], json!(world.namespace));
        assert_eq!(objects[name]["spec"], document["spec"], "{name}");
    }
    let odd = objects.values().find(|object| object["spec"]["userId"] == "auth0|odd").unwrap();
    for (field, held) in [("userMetadata", "user_metadata"), ("appMetadata", "app_metadata")] {
        assert_eq!(odd["spec"][field], odd_user()[held]);
    }
    assert_eq!(world.bodies(), Vec::<Value>::new());
}

/// Every user that the recordings of Auth0 show, and one at the bounds of every field.
fn others() -> Vec<Value> {
    let mut users = recorded().unwrap();
    let bound = |length: usize| "\u{1f600}".repeat(length);
    users.push(json!({
        "user_id": format!("auth0|{}", "x".repeat(1018)), "name": bound(300), "given_name": bound(150), "family_name": bound(150),
        "nickname": bound(300), "username": bound(128), "email": format!("{}@b", "\u{e9}".repeat(252)),
        "phone_number": "+123456789012345", "picture": format!("data:image/png;base64,{}", "A".repeat(9000)),
        "app_metadata": {"k".repeat(1000): "x".repeat(190_000)},
    }));
    for picture in
        ["HTTP://example.com:8080/a%20b?c=d#e", "http://[::1]/a", "http://a:b@c/", "ftp://example.com/a"]
    {
        users.push(json!({"user_id": format!("auth0|{}", users.len()), "picture": picture}));
    }
    users
}

#[tokio::test]
async fn the_crd_accepts_every_document() {
    let world = World::without_tenant("export-valid").await;
    let tenant = TenantRef { name: "example".to_owned(), namespace: Some("auth".to_owned()) };
    let documents = others().into_iter().map(|user| {
        let user = User::from(serde_json::from_value::<JsonMap>(user).unwrap());
        Manifest::of(&user, &tenant, Some(&world.namespace)).unwrap().text
    });
    let texts: Vec<String> = documents.collect();
    assert!(texts.len() > 30, "{}", texts.len());
    for held in ["\u{1f600}", "http://[::1]/a", "ftp://", "data:image"] {
        assert!(texts.iter().any(|text| text.contains(held)), "{held}");
    }
    let asked = ["apply", "--dry-run=server", "--validate=strict", "--filename", "-"];
    world.kubectl.run(asked, &texts.concat()).await.unwrap().ok().unwrap();
    // The annotation of a client-side apply has room for the largest of them.
    world.kubectl.submit(Mode::Apply, &texts.concat()).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn the_tenant_is_the_only_one_of_the_namespace_or_the_one_that_is_named() {
    let world = World::without_tenant("export-tenant").await;
    let (home, ann) = (world.namespace.as_str(), "auth0|ann");
    let said = |output: Output| (output.status.code(), String::from_utf8(output.stderr).unwrap());
    let (code, error) = said(export(&world, home, &[ann]).await);
    assert_eq!(code, Some(2));
    assert!(error.contains(&format!("namespace {home} has no Auth0Tenant: name one")), "{error}");

    world.apply_tenant().await;
    let tenant = world.get("auth0tenant/example").await["spec"].clone();
    let other = json!({"domain": tenant["domain"], "credentialsSecretRef": {"name": "none"}});
    world.objects.apply(&object("Auth0Tenant", "other", &other)).await.unwrap();
    for (args, sentence) in [
        (&[ann][..], format!("namespace {home} has the Auth0Tenants example, other: name one")),
        (&[ann, "--tenant", "exmaple"], format!("there is no Auth0Tenant \"exmaple\" in namespace {home}")),
        (&[ann, "--tenant", "other"], format!("SecretNotFound: the Secret {home}/none")),
    ] {
        let (code, error) = said(export(&world, home, args).await);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains(&sentence), "{error}");
    }

    let elsewhere = format!("{home}/example");
    let output = export(&world, "shop", &[ann, "--tenant", &elsewhere]).await;
    let document: Value = serde_saphyr::from_slice(&output.stdout).unwrap();
    assert_eq!(document["metadata"]["namespace"], "shop");
    assert_eq!(document["spec"]["tenantRef"], json!({"name": "example", "namespace": home}));
}
