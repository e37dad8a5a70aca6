//! Tenants that cannot be used, and what they say to the resources that want to.

use super::{assert_stalled, assert_waits};
use crate::world::{CLIENT_SECRET, SCOPES, World, condition, object, person};
use auth0_sandbox::{Client, Exchange};
use serde_json::{Value, json};

/// The Secret `NAME` and the tenant `NAME` with these fields beside the usual ones.
async fn apply_tenant(world: &World, name: &str, credentials: &Value, more: &Value) {
    world.apply_secret(name, credentials).await;
    let mut spec = json!({"domain": world.sandbox.domain(), "credentialsSecretRef": {"name": name}, "rateLimit": crate::world::unhurried()});
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    world.objects.apply(&object("Auth0Tenant", name, &spec)).await.unwrap();
}

/// A resource `NAME` that names the tenant `NAME`.
async fn apply_update(world: &World, name: &str) {
    world.sandbox.put_user(person(name, "People")).unwrap();
    world
        .apply_as(name, json!({"userId": format!("auth0|{name}"), "tenantRef": {"name": name}, "name": "X"}))
        .await;
}

fn good() -> Value {
    json!({"clientId": "operator", "clientSecret": CLIENT_SECRET})
}

/// Waits until the resource is not Ready for this reason and says this: the tenant has its own say first.
async fn until_said(world: &World, target: &str, reason: &str, words: &str) -> Value {
    let said = |object: &Value| {
        let (_, actual, message) = super::ready(object);
        actual == reason && message.contains(words)
    };
    world.until(target, words, said).await
}

/// Its resource became Ready by itself, with one PATCH.
async fn assert_recovered(world: &World, name: &str) {
    let tenant = world.until_ready(&format!("a0ut/{name}")).await;
    assert_eq!((condition(&tenant, "Stalled").0, condition(&tenant, "Reconciling").0), Default::default());
    let object = world.until_ready(&format!("a0uu/{name}")).await;
    assert_eq!(object["metadata"]["generation"], 1, "{name}");
    assert_eq!((condition(&object, "Stalled").0, condition(&object, "Reconciling").0), Default::default());
    assert_eq!(world.bodies_of(&format!("auth0|{name}")), [json!({"name": "X"})], "{name}");
}

#[tokio::test]
async fn a_tenant_that_is_not_there_yet_is_waited_for() {
    let world = World::without_tenant("tenant").await;
    apply_update(&world, "late").await;
    let object = world.until_reason("a0uu/late", "TenantNotFound").await;
    assert_waits(
        "late",
        &object,
        "TenantNotFound",
        &["no Auth0Tenant \"late\"", "correct spec.tenantRef.name"],
    );
    apply_tenant(&world, "late", &good(), &json!({})).await;
    assert_recovered(&world, "late").await;
}

#[tokio::test]
async fn a_tenant_without_its_secret_waits_and_so_do_its_resources() {
    let world = World::without_tenant("tenant").await;
    apply_tenant(&world, "poor", &good(), &json!({})).await;
    world.objects.delete("secret/poor").await.unwrap();
    world.objects.delete("a0ut/poor").await.unwrap();
    let spec = json!({"domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "poor"}, "rateLimit": crate::world::unhurried()});
    world.objects.apply(&object("Auth0Tenant", "poor", &spec)).await.unwrap();
    apply_update(&world, "poor").await;
    let tenant = world.until_reason("a0ut/poor", "SecretNotFound").await;
    assert_waits(
        "tenant",
        &tenant,
        "SecretNotFound",
        &["no Secret \"poor\"", "create it", "clientId", "clientSecret"],
    );
    let object = until_said(&world, "a0uu/poor", "TenantNotReady", "Secret \"poor\"").await;
    assert_waits(
        "resource",
        &object,
        "TenantNotReady",
        &["Auth0Tenant poor", "no Secret \"poor\"", "create it"],
    );
    world.apply_secret("poor", &good()).await;
    assert_recovered(&world, "poor").await;
}

#[tokio::test]
async fn credentials_that_cannot_be_right_stall_tenant_and_resources_until_the_secret_changes() {
    let world = World::without_tenant("tenant").await;
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    let mut elsewhere = good();
    elsewhere["domain"] = "other.eu.auth0.com".into();
    let cases = [
        (
            "wrong",
            json!({"clientId": "operator", "clientSecret": "guessed"}),
            "AuthenticationFailed",
            &["Auth0 rejects", "check clientId and clientSecret"][..],
        ),
        ("nobody", json!({"clientId": "nobody", "clientSecret": "x"}), "AuthenticationFailed", &["clientId"]),
        (
            "keyed",
            json!({"clientId": "operator", "privateKey": key}),
            "AuthenticationFailed",
            &["privateKey", "RSA private key in PEM", "registered"],
        ),
        (
            "both",
            json!({"clientId": "operator", "clientSecret": CLIENT_SECRET, "privateKey": key}),
            "AuthenticationFailed",
            &["both clientSecret and privateKey", "remove the one"],
        ),
        (
            "hollow",
            json!({"clientId": "operator", "clientSecret": " \n"}),
            "AuthenticationFailed",
            &["clientSecret", "empty"],
        ),
        ("elsewhere", elsewhere, "InvalidRequest", &["key domain", "another tenant"]),
    ];
    for (name, credentials, ..) in &cases {
        apply_tenant(&world, name, credentials, &json!({})).await;
        apply_update(&world, name).await;
    }
    for (name, _, reason, words) in &cases {
        let tenant = world.until_reason(&format!("a0ut/{name}"), reason).await;
        assert_stalled(&format!("tenant {name}"), &tenant, reason, words);
        let object = world.until_reason(&format!("a0uu/{name}"), reason).await;
        assert_stalled(&format!("resource {name}"), &object, reason, words);
        assert_stalled(name, &object, reason, &[&format!("Auth0Tenant {name}")]);
    }
    assert!(world.sandbox.log().iter().all(|call| call.path == "/oauth/token"), "only tokens were asked for");
    for (name, ..) in &cases {
        world.run(["delete", "secret", name]).await;
        world.apply_secret(name, &good()).await;
    }
    for (name, ..) in &cases {
        assert_recovered(&world, name).await;
    }
}

#[tokio::test]
async fn a_secret_that_lacks_a_key_is_waited_for() {
    let world = World::without_tenant("tenant").await;
    apply_tenant(&world, "half", &json!({"clientId": "operator"}), &json!({})).await;
    apply_update(&world, "half").await;
    let tenant = world.until_reason("a0ut/half", "SecretKeyMissing").await;
    assert_waits("half", &tenant, "SecretKeyMissing", &["clientSecret", "add it"]);
    let object = until_said(&world, "a0uu/half", "TenantNotReady", "clientSecret").await;
    assert_waits("half", &object, "TenantNotReady", &["Auth0Tenant half", "clientSecret"]);
    world.apply_secret("half", &good()).await;
    assert_recovered(&world, "half").await;
}

#[tokio::test]
async fn a_domain_that_is_not_allowed_is_never_called() {
    let world = World::without_tenant("tenant").await;
    let (_, port) = world
        .sandbox
        .domain()
        .rsplit_once(':')
        .map(|(host, port)| (host.to_owned(), port.to_owned()))
        .unwrap();
    let (other_name, other_port) = (format!("127.0.0.1:{port}"), "localhost:1".to_owned());
    let domains = [
        ("evil", "evil.example.com"),
        ("ours", "example.eu.auth0.com"),
        ("name", &other_name),
        ("port", &other_port),
        ("default-port", "localhost"),
    ];
    for (name, domain) in domains {
        apply_tenant(&world, name, &good(), &json!({"domain": domain})).await;
        apply_update(&world, name).await;
    }
    for (name, domain) in domains {
        let words = [&format!("domain {domain}") as &str, "not allowed", "--allowed-domain"];
        let tenant = world.until_reason(&format!("a0ut/{name}"), "TenantNotAllowed").await;
        assert_stalled(name, &tenant, "TenantNotAllowed", &words);
        let object = world.until_reason(&format!("a0uu/{name}"), "TenantNotAllowed").await;
        assert_stalled(name, &object, "TenantNotAllowed", &words);
    }
    let calls: Vec<_> = world.sandbox.log().into_iter().map(|call| call.path).collect();
    assert_eq!(calls, Vec::<String>::new());
}

#[tokio::test]
async fn a_custom_domain_goes_with_every_change_and_a_new_one_at_once() {
    let world = World::without_tenant("tenant").await;
    let domains = || -> Vec<Option<String>> {
        let domain = |call: &Exchange| call.header("auth0-custom-domain").map(str::to_owned);
        world.sandbox.patches().iter().map(domain).collect()
    };
    let known = ["login.example.com", "id.example.com"].map(str::to_owned);
    world.sandbox.change_rules(|rules| rules.custom_domains = known.into());
    apply_update(&world, "custom").await;
    let mut expected = Vec::new();
    for (domain, nickname) in [("login.example.com", "one"), ("id.example.com", "two"), ("", "three")] {
        if domain.is_empty() {
            // With several, Auth0 wants to be told which.
            world.sandbox.change_rules(|rules| rules.custom_domains.truncate(1));
        }
        apply_tenant(&world, "custom", &good(), &json!({"customDomain": domain})).await;
        let generation = world.get("a0ut/custom").await["metadata"]["generation"].clone();
        let seen = |tenant: &Value| tenant["status"]["observedGeneration"] == generation;
        world.until("a0ut/custom", "the new domain", seen).await;
        world.until_ready("a0ut/custom").await;
        world.until_ready("a0uu/custom").await;
        let card = json!({"userId": "auth0|custom", "tenantRef": {"name": "custom"}, "nickname": nickname, "name": "X"});
        world.apply_as("custom", card).await;
        let held = |object: &Value| object["status"]["user"]["nickname"] == nickname;
        world.until("a0uu/custom", nickname, held).await;
        if expected.is_empty() {
            expected.push(Some(domain.to_owned()));
        }
        expected.push((!domain.is_empty()).then(|| domain.to_owned()));
        assert_eq!(domains(), expected);
    }
}

#[tokio::test]
async fn a_tenant_changes_over_to_a_private_key_without_a_restart() {
    let world = World::without_tenant("tenant").await;
    apply_tenant(&world, "keyed", &good(), &json!({})).await;
    apply_update(&world, "keyed").await;
    assert_recovered(&world, "keyed").await;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    world.sandbox.put_client(Client::with_key("keyed", &key.public_key_pem(), "PS256"));
    let texts = json!({"clientId": "keyed", "privateKey": key.serialize_pem(), "signingAlgorithm": "PS256"});
    let credentials = json!({"data": {"clientSecret": null}, "stringData": texts});
    world.objects.patch("secret/keyed", &credentials).await.unwrap();
    let version = world.get("secret/keyed").await["metadata"]["resourceVersion"].clone();
    let taken = |tenant: &Value| tenant["status"]["credentials"]["resourceVersion"] == version;
    world.until("a0ut/keyed", "the key taken", taken).await;
    world.sandbox.clear_log();
    let card = json!({"userId": "auth0|keyed", "tenantRef": {"name": "keyed"}, "name": "Y"});
    world.apply_as("keyed", card).await;
    let held = |object: &Value| object["status"]["user"]["name"] == "Y";
    world.until("a0uu/keyed", "the new name", held).await;
    assert_eq!(world.bodies(), [json!({"name": "Y"})]);
    assert!(!world.operator.log().unwrap().contains("PRIVATE KEY"));
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_and_used_once_it_is_granted() {
    let world = World::without_tenant("tenant").await;
    for (name, scopes) in
        [("reader", &["read:users", "read:connections"][..]), ("writer", &["update:users"]), ("nothing", &[])]
    {
        world.sandbox.put_client(Client::with_secret(name, "s3cret").scopes(scopes));
        apply_tenant(&world, name, &json!({"clientId": name, "clientSecret": "s3cret"}), &json!({})).await;
        apply_update(&world, name).await;
    }
    for (name, scope) in [("reader", "update:users"), ("writer", "read:users"), ("nothing", "read:users")] {
        let words = &["lacks the scope", scope, "grant it"];
        let tenant = world.until_reason(&format!("a0ut/{name}"), "InsufficientScope").await;
        assert_stalled(name, &tenant, "InsufficientScope", words);
        let object = world.until_reason(&format!("a0uu/{name}"), "InsufficientScope").await;
        assert_stalled(name, &object, "InsufficientScope", words);
    }
    assert_eq!(world.bodies(), Vec::<Value>::new());
    for name in ["reader", "writer", "nothing"] {
        world.sandbox.put_client(Client::with_secret(name, "s3cret").scopes(&SCOPES));
    }
    for name in ["reader", "writer", "nothing"] {
        assert_recovered(&world, name).await;
    }
}

#[tokio::test]
async fn a_tenant_that_may_not_list_connections_is_ready_all_the_same() {
    let world = World::without_tenant("tenant").await;
    world.sandbox.put_client(
        Client::with_secret("few", "s3cret").scopes(&["read:users", "update:users_app_metadata"]),
    );
    apply_tenant(&world, "few", &json!({"clientId": "few", "clientSecret": "s3cret"}), &json!({})).await;
    let tenant = world.until_ready("a0ut/few").await;
    assert!(tenant["status"]["connections"].is_null(), "{tenant}");
    assert_eq!(tenant["status"]["scopes"], json!(["read:users", "update:users_app_metadata"]));
}

async fn warnings_about(world: &World, name: &str) -> Vec<(String, u64)> {
    let events = world.kubectl.run(["get", "events", "-o", "json"], "").await.unwrap().ok().unwrap();
    let events: Value = serde_json::from_str(&events).unwrap();
    let about = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["involvedObject"]["name"] == name && event["type"] == "Warning");
    about
        .map(|event| (event["reason"].as_str().unwrap().to_owned(), event["count"].as_u64().unwrap_or(1)))
        .collect()
}

#[tokio::test]
async fn a_token_that_may_read_the_tokens_of_users_is_warned_about_once() {
    let world = World::without_tenant("tenant-scope").await;
    let scopes: Vec<&str> = SCOPES.into_iter().chain(["read:user_idp_tokens"]).collect();
    world.sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&scopes));
    apply_tenant(&world, "rich", &good(), &json!({})).await;
    let tenant = world.until_ready("a0ut/rich").await;
    let message = tenant["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.contains("read:user_idp_tokens: remove it from the application"), "{message}");
    // Another look at it warns no more.
    apply_tenant(&world, "rich", &good(), &json!({"allowedNamespaces": ["other"]})).await;
    world.until_ready("a0ut/rich").await;
    let told = lab::wait_until("a warning", crate::world::DEADLINE, async || {
        let warnings = warnings_about(&world, "rich").await;
        if warnings.is_empty() { Err("none yet") } else { Ok(warnings) }
    });
    assert_eq!(told.await.unwrap(), [("ExcessiveScope".to_owned(), 1)]);
}

#[tokio::test]
async fn a_tenant_that_fails_is_warned_about_once() {
    let world = World::without_tenant("tenant-event").await;
    apply_tenant(&world, "wrong", &json!({"clientId": "operator", "clientSecret": "wrong"}), &json!({}))
        .await;
    world.until_reason("a0ut/wrong", "AuthenticationFailed").await;
    apply_tenant(&world, "wrong", &good(), &json!({})).await;
    world.until_ready("a0ut/wrong").await;
    let warnings = warnings_about(&world, "wrong").await;
    assert_eq!(
        warnings.iter().filter(|(reason, _)| reason == "AuthenticationFailed").count(),
        1,
        "{warnings:?}"
    );
}
