//! What wakes a resource, and what does not cost a call.

use crate::once::counts::Cost;
use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, World, condition, object};
use auth0_sandbox::{Client, Fault, FaultKind};
use lab::wait_until;
use serde_json::{Value, json};

fn client(secret: &str) -> Client {
    Client::with_secret("operator", secret).scopes(&SCOPES)
}

async fn give_credentials(world: &World, secret: &str) {
    world.apply_secret("example-credentials", &json!({"clientId": "operator", "clientSecret": secret})).await;
}

fn password() -> Value {
    json!({"name": "ada", "key": "password"})
}

fn user(world: &World, slug: &str) -> Value {
    Value::Object(world.sandbox.stored_user(&format!("auth0|{slug}")).unwrap())
}

#[tokio::test]
async fn a_resource_waits_for_its_tenant_and_for_the_tenants_secret() {
    let world = World::without_tenant("appears").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_reason("auth0userupdate/ada", "TenantNotFound").await;
    let tenant = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": crate::world::unhurried(),
    });
    world.objects.apply(&object("Auth0Tenant", "example", &tenant)).await.unwrap();
    world.until_reason("auth0tenant/example", "SecretNotFound").await;
    let waiting = world.until_reason("auth0userupdate/ada", "TenantNotReady").await;
    assert_eq!(condition(&waiting, "Reconciling").0, "True");
    assert_eq!(world.sandbox.log().len(), 0, "nothing was asked of Auth0 without credentials");
    give_credentials(&world, CLIENT_SECRET).await;
    world.until_applied("ada").await;
    assert_eq!(world.bodies(), [json!({"name": "Ada"})]);
}

#[tokio::test]
async fn what_changes_nothing_about_a_tenants_calls_costs_its_resources_nothing() {
    let world = World::start("untouched").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    let calls = world.calls_of("ada").len();
    world.annotate("secret/example-credentials", "example.com/touched=today").await;
    let secret = world.get("secret/example-credentials").await["metadata"]["resourceVersion"].clone();
    let is_read = |tenant: &Value| tenant["status"]["credentials"]["resourceVersion"] == secret;
    world.until("auth0tenant/example", "the Secret as it is now", is_read).await;
    let spec = json!({"spec": {"allowedNamespaces": ["another"], "rateLimit": {"burst": 77}}});
    world.objects.patch("auth0tenant/example", &spec).await.unwrap();
    let is_visited = |tenant: &Value| {
        condition(tenant, "Ready").0 == "True"
            && tenant["status"]["observedGeneration"] == tenant["metadata"]["generation"]
    };
    world.until("auth0tenant/example", "a visit", is_visited).await;
    world.until_all_is_quiet().await;
    assert_eq!(world.calls_of("ada").len(), calls);
}

#[tokio::test]
async fn a_tenant_that_goes_and_comes_is_told_and_then_looked_at() {
    let world = World::start("gone").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    let calls = world.calls_of("ada").len();
    world.objects.delete("auth0tenant/example").await.unwrap();
    let gone = |object: &Value| condition(object, "Synced") == ("Unknown".into(), "TenantNotFound".into());
    let object = world.until("auth0userupdate/ada", "a missing tenant", gone).await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()), "what was applied stays so");
    assert_eq!(world.calls_of("ada").len(), calls);

    world.sandbox.change_user("auth0|ada", |user| user.insert("name".into(), json!("Somebody")));
    world.apply_tenant().await;
    let synced = |object: &Value| condition(object, "Synced") == ("True".into(), "InSync".into());
    world.until("auth0userupdate/ada", "InSync", synced).await;
    assert_eq!(user(&world, "ada")["name"], "Ada", "the drift of the meantime is corrected");
}

#[tokio::test]
async fn a_missing_password_secret_holds_the_password_only_until_it_appears() {
    let world = World::start("late-secret").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada", "passwordSecretRef": password()})).await;
    let object = world.until_reason("auth0userupdate/ada", "SecretNotFound").await;
    assert_eq!(condition(&object, "Reconciling").0, "True");
    assert_eq!(world.bodies(), [json!({"name": "Ada"})]);
    world.apply_secret("ada", &json!({"another": "key"})).await;
    world.until_reason("auth0userupdate/ada", "SecretKeyMissing").await;
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    world.until_applied("ada").await;
    assert_eq!(world.bodies()[1..], [json!({"password": "Correct-Horse-1"})]);

    // Gone: told, and nothing is undone. The same content again: nothing is sent.
    world.objects.delete("secret/ada").await.unwrap();
    let gone = |object: &Value| condition(object, "Synced") == ("Unknown".into(), "SecretNotFound".into());
    let object = world.until("auth0userupdate/ada", "a missing Secret", gone).await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()));
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    let synced = |object: &Value| condition(object, "Synced") == ("True".into(), "InSync".into());
    world.until("auth0userupdate/ada", "InSync", synced).await;
    assert_eq!(world.bodies().len(), 2);
}

#[tokio::test]
async fn a_rotated_client_secret_is_used_from_the_next_call_on() {
    let world = World::start("rotated").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    let before = Cost { requests: 2, writes: 1, events: 1 };
    world.until_cost("ada", Cost::default(), before).await;

    // Announced in Kubernetes and in Auth0: a new token, and a look that finds nothing to do.
    world.sandbox.put_client(client("second-secret"));
    give_credentials(&world, "second-secret").await;
    world.until_cost("ada", before, Cost { requests: 1, writes: 0, events: 0 }).await;
    let tokens: Vec<_> = world.sandbox.log().into_iter().filter(|call| call.path == "/oauth/token").collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].body.as_ref().unwrap()["client_secret"], "second-secret");
    let bearer = format!("Bearer {}", tokens[0].answer.as_ref().unwrap()["access_token"].as_str().unwrap());
    assert_eq!(world.calls_of("ada").last().unwrap().header("authorization"), Some(bearer.as_str()));

    // Auth0 went ahead: it fails at the first call that needs a token, and the Secret's change mends it.
    world.sandbox.put_client(client("third-secret"));
    world.sandbox.expire_tokens();
    world.apply_for("ada", json!({"name": "Ada L."})).await;
    let object = world.until_reason("auth0userupdate/ada", "AuthenticationFailed").await;
    assert_eq!(condition(&object, "Stalled").0, "True");
    give_credentials(&world, "third-secret").await;
    world.until_applied("ada").await;
    assert_eq!(user(&world, "ada")["name"], "Ada L.");
}

#[tokio::test]
async fn an_application_has_one_token_however_many_tenants_name_it_and_secrets_hold_it() {
    let world = World::start("one-token").await;
    let before = world.token_requests();
    world.apply_secret("twin", &json!({"clientId": "operator", "clientSecret": CLIENT_SECRET})).await;
    let twin = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "twin"}, "rateLimit": crate::world::unhurried(),
    });
    world.objects.apply(&object("Auth0Tenant", "twin", &twin)).await.unwrap();
    world.until_ready("auth0tenant/twin").await;
    world.annotate("secret/example-credentials", "example.com/renewed=yes").await;
    let secret = world.get("secret/example-credentials").await["metadata"]["resourceVersion"].clone();
    let seen = |tenant: &Value| tenant["status"]["credentials"]["resourceVersion"] == secret;
    world.until("auth0tenant/example", "the Secret written anew", seen).await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    assert_eq!(world.token_requests(), before);
}

#[tokio::test]
async fn while_new_credentials_are_not_proven_the_old_token_is_used() {
    let world = World::start("unproven").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    world.sandbox.put_client(client("second-secret"));
    let away = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world.sandbox.fault(Fault::new(away).path("/oauth/token").times(u32::MAX));
    give_credentials(&world, "second-secret").await;
    let asked = || world.token_requests();
    wait_until("a token request", DEADLINE, async || if asked() > 0 { Ok(()) } else { Err(asked()) })
        .await
        .unwrap();
    world.apply_for("ada", json!({"name": "Ada L."})).await;
    world.until_applied("ada").await;
    let calls = world.calls_of("ada");
    assert!(calls.iter().all(|call| call.status == Some(200)), "{calls:?}");
    world.sandbox.clear_faults();
    let secret = world.get("secret/example-credentials").await["metadata"]["resourceVersion"].clone();
    let proven = |tenant: &Value| tenant["status"]["credentials"]["resourceVersion"] == secret;
    world.until("auth0tenant/example", "the new credentials", proven).await;
}

#[tokio::test]
async fn what_a_resource_does_not_refer_to_costs_it_nothing() {
    let world = World::start("unrelated").await;
    world.add_person("ada");
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    world.apply_for("ada", json!({"passwordSecretRef": password()})).await;
    world.until_applied("ada").await;
    let before = world.cost("ada").await;
    world.apply_secret("other", &json!({"password": "Another-Horse-2"})).await;
    world.apply_secret("other", &json!({"password": "Another-Horse-3"})).await;
    world.objects.delete("secret/other").await.unwrap();
    let tenant = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": crate::world::unhurried(),
    });
    world.objects.apply(&object("Auth0Tenant", "another", &tenant)).await.unwrap();
    world.until_ready("auth0tenant/another").await;
    world.objects.delete("auth0tenant/another").await.unwrap();
    world.objects.label("auth0tenant/example", "team=people").await.unwrap();
    world.annotate("secret/ada", "example.com/renewed=yes").await;
    world.annotate("secret/example-credentials", "example.com/note=kept").await;
    world.until_all_is_quiet().await;
    // The credentials' Secret is a new version with the same content.
    world.until_cost("ada", before, Cost::default()).await;
}

#[tokio::test]
async fn drift_of_declared_fields_is_corrected_and_others_are_left_alone() {
    let world = World::start("drift").await;
    world.add_person("ada");
    let card = json!({
        "name": "Ada", "blocked": false, "userMetadata": {"plan": "pro", "seats": 3}, "appMetadata": {"tier": "a"},
    });
    world.apply_for("ada", card).await;
    world.until_applied("ada").await;
    let first = world.bodies().len();
    world.sandbox.change_user("auth0|ada", |user| {
        user.insert("name".into(), json!("Somebody"));
        user.insert("nickname".into(), json!("theirs"));
        user.insert("blocked".into(), json!(true));
        user["user_metadata"] = json!({"plan": "pro", "seats": 4, "theirs": true});
    });
    world.look_for_tenant("ada").await;
    let repair = json!({"name": "Ada", "blocked": false, "user_metadata": {"seats": 3}});
    assert_eq!(world.bodies()[first..], [repair]);
    let after = user(&world, "ada");
    assert_eq!((&after["name"], &after["nickname"]), (&json!("Ada"), &json!("theirs")));
    assert_eq!(after["user_metadata"], json!({"plan": "pro", "seats": 3, "theirs": true}));
    let object = world.until_applied("ada").await;
    assert_eq!(object["status"]["user"]["nickname"], "theirs");
}

#[tokio::test]
async fn a_key_that_leaves_the_yaml_is_managed_no_longer() {
    let world = World::start("undeclared").await;
    world.add_person("ada");
    world
        .apply_for(
            "ada",
            json!({"name": "Ada", "nickname": "a", "userMetadata": {"plan": "pro", "seats": 3}}),
        )
        .await;
    world.until_applied("ada").await;
    let (first, before) = (world.bodies().len(), world.cost("ada").await);
    world.apply_for("ada", json!({"nickname": "a", "userMetadata": {"seats": 3}})).await;
    world.until_applied("ada").await;
    world.until_cost("ada", before, Cost { requests: 1, writes: 1, events: 0 }).await;
    assert_eq!(user(&world, "ada")["name"], "Ada", "leaving is not clearing");
    assert_eq!(user(&world, "ada")["user_metadata"]["plan"], "pro");
    world.sandbox.change_user("auth0|ada", |user| {
        user.insert("name".into(), json!("Theirs"));
        user["user_metadata"]["plan"] = json!("theirs");
        user.insert("nickname".into(), json!("drifted"));
    });
    world.look_for_tenant("ada").await;
    assert_eq!(world.bodies()[first..], [json!({"nickname": "a"})]);
    assert_eq!(user(&world, "ada")["name"], "Theirs");
    assert_eq!(user(&world, "ada")["user_metadata"]["plan"], "theirs");
}

#[tokio::test]
async fn a_changed_password_secret_wakes_its_users_only() {
    let world = World::start("secret-wake").await;
    for slug in ["ada", "bea"] {
        world.add_person(slug);
        world.apply_secret(slug, &json!({"password": "Correct-Horse-1"})).await;
        world.apply_for(slug, json!({"passwordSecretRef": {"name": slug, "key": "password"}})).await;
        world.until_applied(slug).await;
    }
    let (ada, bea) = (world.cost("ada").await, world.cost("bea").await);
    world.apply_secret("ada", &json!({"password": "Battery-Staple-2"})).await;
    wait_until("the new password", DEADLINE, async || {
        let held = world.sandbox.password("auth0|ada", "People");
        if held.as_deref() == Some("Battery-Staple-2") { Ok(()) } else { Err("the old one") }
    })
    .await
    .unwrap();
    world.until_cost("ada", ada, Cost { requests: 2, writes: 4, events: 1 }).await;
    world.until_cost("bea", bea, Cost::default()).await;
}

#[tokio::test]
async fn what_arrives_after_it_was_given_up_is_undone_without_resyncs() {
    let world = World::start("late").await;
    world.add_person("ada");
    let slow = FaultKind::Delay { millis: 14_000, after_effect: false };
    world.sandbox.fault(Fault::new(slow).method("PATCH").times(1));
    let card = |name: &str| json!({"userId": "auth0|ada", "name": name, "resyncInterval": "0s"});
    world.apply_as("ada", card("First")).await;
    let asked = || world.bodies().len();
    wait_until("the request", DEADLINE, async || if asked() > 0 { Ok(()) } else { Err(asked()) })
        .await
        .unwrap();
    world.apply_as("ada", card("Second")).await;
    world.until_applied("ada").await;
    for name in ["First", "Second"] {
        let held = || user(&world, "ada")["name"].clone();
        wait_until(name, DEADLINE, async || if held() == name { Ok(()) } else { Err(held()) }).await.unwrap();
    }
    assert_eq!(world.bodies(), ["First", "Second", "Second"].map(|name| json!({"name": name})));
    world.until_applied("ada").await;
}
