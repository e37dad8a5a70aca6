//! The password: once for each content of its Secret.

use super::{bodies, effects, give_password, password_of, trigger};
use crate::once::counts::Cost;
use crate::run::conditions::until_row;
use crate::world::{DEADLINE, World, condition, person};
use auth0_sandbox::{Connection, Fault, FaultKind};
use lab::wait_until;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

const FIRST: &str = "Correct-Horse-1";
const SECOND: &str = "Battery-Staple-2";
const FIELD: &str = "passwordSecretRef";

async fn until_password(world: &World, slug: &str, password: &str) {
    let id = format!("auth0|{slug}");
    let held = wait_until("the password", DEADLINE, async || {
        if world.sandbox.password(&id, "People").as_deref() == Some(password) {
            Ok(())
        } else {
            Err("another")
        }
    });
    held.await.unwrap();
}

/// Waits until the Secret's content in use is remembered as sent.
async fn until_sent(world: &World, slug: &str) -> Value {
    let secret = world.get(&format!("secret/{slug}")).await["metadata"]["resourceVersion"].clone();
    world
        .until(&format!("auth0userupdate/{slug}"), "Sent", |object| {
            let entry = trigger(object, FIELD);
            entry["state"] == "Sent" && entry["secret"]["resourceVersion"] == secret
        })
        .await
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[tokio::test]
async fn a_password_is_sent_once_and_remembered_by_a_keyed_digest() {
    let world = World::start("password").await;
    for slug in ["pat", "sam"] {
        world.add_person(slug);
        give_password(&world, slug, FIRST).await;
        world.apply_for(slug, json!({"passwordSecretRef": password_of(slug)})).await;
        world.until_applied(slug).await;
    }
    let object = world.until_applied("pat").await;
    assert_eq!(bodies(&world, "pat"), [json!({"password": FIRST})]);
    assert_eq!(object["status"]["lastUpdate"]["sentFields"], json!([FIELD]));
    let entry = trigger(&object, FIELD);
    let secret = world.get("secret/pat").await;
    let key = world.get("secret/auth0-user-operator-trigger-key").await;
    assert_eq!(key["immutable"], true);
    let bytes = key_of(&key);
    assert_eq!(entry["state"], "Sent");
    assert_eq!(entry["keyId"], sha256(&bytes)[..16]);
    assert_eq!(entry["secret"]["uid"], secret["metadata"]["uid"]);
    assert_eq!(entry["secret"]["resourceVersion"], secret["metadata"]["resourceVersion"]);
    assert_eq!(entry["userCreatedAt"], world.sandbox.user("auth0|pat").unwrap()["created_at"]);
    let digest = entry["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    assert!(!object.to_string().contains(FIRST));
    assert_ne!(digest, sha256(FIRST.as_bytes()));
    let other = trigger(&world.get("auth0userupdate/sam").await, FIELD);
    assert_ne!(entry["digest"], other["digest"], "the digest is of this user, not of the password alone");

    // The same content again, as a new version of the Secret.
    let before = world.cost("pat").await;
    world.annotate("secret/pat", "example.com/renewed=yes").await;
    give_password(&world, "pat", FIRST).await;
    give_password(&world, "sam", SECOND).await;
    until_sent(&world, "sam").await;
    world.until_all_is_quiet().await;
    world.until_cost("pat", before, Cost::default()).await;

    // Another content.
    give_password(&world, "pat", SECOND).await;
    until_sent(&world, "pat").await;
    let object = world.until_applied("pat").await;
    assert_eq!(world.sandbox.password("auth0|pat", "People").as_deref(), Some(SECOND));
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()));
    world.until_cost("pat", before, Cost { requests: 2, writes: 4, events: 1 }).await;
    assert_eq!(effects(&world, "pat").passwords_set, 2);
}

/// The bytes of the trigger key.
fn key_of(secret: &Value) -> Vec<u8> {
    let bytes: k8s_openapi::ByteString = serde_json::from_value(secret["data"]["key"].clone()).unwrap();
    bytes.0
}

#[tokio::test]
async fn sending_is_written_before_the_request_and_sent_after_it() {
    let world = World::start("protocol").await;
    world.add_person("pat");
    give_password(&world, "pat", FIRST).await;
    let held = FaultKind::Delay { millis: 9_000, after_effect: false };
    world.sandbox.fault(Fault::new(held).method("PATCH").times(1));
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat"), "username": "patty"})).await;
    wait_until(
        "the request",
        DEADLINE,
        async || {
            if world.bodies().is_empty() { Err("none") } else { Ok(()) }
        },
    )
    .await
    .unwrap();
    let during = world.get("auth0userupdate/pat").await;
    assert!(world.sandbox.patches()[0].status.is_none(), "the machine is too slow for this test");
    world.sandbox.clear_faults();
    assert_eq!(trigger(&during, FIELD)["state"], "Sending");
    assert_eq!(during["status"]["observedGeneration"], -1, "not taken for done");
    world.until_applied("pat").await;
    world.until_cost("pat", Cost::default(), Cost { requests: 3, writes: 3, events: 1 }).await;
    let states: Vec<_> =
        world.status_writes().iter().map(|write| trigger(&write.response_object, FIELD)).collect();
    let states: Vec<_> = states.iter().map(|entry| entry["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["Sending", "Sent", "Sent"]);
}

#[tokio::test]
async fn of_a_secret_that_changes_twice_the_last_password_stays() {
    let world = World::start("twice").await;
    world.add_person("pat");
    give_password(&world, "pat", FIRST).await;
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat")})).await;
    world.until_applied("pat").await;
    let held = FaultKind::Delay { millis: 9_000, after_effect: false };
    world.sandbox.fault(Fault::new(held).method("PATCH").times(1));
    give_password(&world, "pat", SECOND).await;
    give_password(&world, "pat", "Third-Time-3").await;
    world.sandbox.clear_faults();
    until_password(&world, "pat", "Third-Time-3").await;
    until_sent(&world, "pat").await;
    let sent: Vec<Value> = bodies(&world, "pat").into_iter().map(|body| body["password"].clone()).collect();
    assert!(sent == [FIRST, SECOND, "Third-Time-3"] || sent == [FIRST, "Third-Time-3"], "{sent:?}");
}

#[tokio::test]
async fn a_refused_password_is_not_repeated_and_a_corrected_one_is_sent() {
    let world = World::start("refused").await;
    world.sandbox.put_connection(Connection::database("Strict").with("passwordPolicy", json!("good")));
    world.sandbox.put_user(person("pat", "Strict")).unwrap();
    give_password(&world, "pat", "weak").await;
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat"), "name": "Pat"})).await;
    let object = world.until_reason("auth0userupdate/pat", "PasswordRejected").await;
    assert_eq!(condition(&object, "Stalled").0, "True");
    assert_eq!(condition(&object, "Synced"), ("False".into(), "Refused".into()));
    assert_eq!(trigger(&object, FIELD)["state"], "Refused");
    assert_eq!(object["status"]["refusedFields"][0]["field"], FIELD);
    assert_eq!(bodies(&world, "pat"), [json!({"password": "weak"}), json!({"name": "Pat"})]);
    let before = world.cost("pat").await;
    world.annotate("secret/pat", "example.com/renewed=yes").await;
    world.until_all_is_quiet().await;
    assert_eq!(bodies(&world, "pat").len(), 2, "the same password was tried again");
    assert!(world.cost("pat").await.writes == before.writes);

    give_password(&world, "pat", "Much-Better-22").await;
    let object = world.until_applied("pat").await;
    assert_eq!(bodies(&world, "pat")[2..], [json!({"password": "Much-Better-22"})]);
    assert_eq!(object["status"]["refusedFields"], Value::Null);
    assert_eq!(condition(&object, "Stalled").0, "");
}

/// The reasons of `Ready` that were written, each once in a row.
fn reasons_written(world: &World, slug: &str) -> Vec<String> {
    let writes = world.status_writes().into_iter().filter(|write| write.object_ref.name == slug);
    let mut reasons: Vec<String> = writes
        .map(|write| condition(&write.response_object, "Ready").1)
        .filter(|reason| !reason.is_empty())
        .collect();
    reasons.dedup();
    reasons
}

#[tokio::test]
async fn a_new_password_is_announced_while_it_waits_for_its_turn() {
    let world = World::start("pending").await;
    let slugs = ["pat", "sam"];
    for slug in slugs {
        world.add_person(slug);
        give_password(&world, slug, FIRST).await;
        world.apply_for(slug, json!({"passwordSecretRef": password_of(slug), "blocked": true})).await;
        world.until_applied(slug).await;
    }
    let limit = async |rate: Value| {
        let rate = json!({"spec": {"rateLimit": rate}});
        world.objects.patch("auth0tenant/example", &rate).await.unwrap();
        world.until_ready("auth0tenant/example").await;
    };
    // A look may begin, but what it would change waits for 20 seconds.
    limit(json!({"requestsPerMinute": 3, "burst": 1})).await;
    world.sandbox.clear_log();
    for slug in slugs {
        give_password(&world, slug, SECOND).await;
        let target = format!("auth0userupdate/{slug}");
        let object = until_row(&world, &target, "False/PasswordPending True/InSync Reconciling").await;
        assert_eq!(trigger(&object, FIELD)["state"], "Sent", "nothing was begun");
        assert!(world.bodies().is_empty());
    }
    // One is taken back before its turn.
    give_password(&world, "sam", FIRST).await;
    limit(crate::world::unhurried()).await;
    for slug in slugs {
        until_row(&world, &format!("auth0userupdate/{slug}"), "True/Applied True/InSync").await;
        let mut reasons = reasons_written(&world, slug);
        // It was edited.
        reasons.retain(|reason| reason != "TenantNotReady");
        assert_eq!(reasons, ["Applied", "PasswordPending", "Applied"]);
    }
    let held = |slug: &str| world.sandbox.password(&format!("auth0|{slug}"), "People");
    assert_eq!(slugs.map(|slug| held(slug).unwrap()), [SECOND, FIRST]);
    assert!(bodies(&world, "sam").is_empty());
    // An announcement is no failure.
    let events = world.get("events.events.k8s.io").await;
    assert!(!events.to_string().contains("PasswordPending"));
}

#[tokio::test]
async fn a_new_password_is_announced_after_a_refusal_and_after_a_start() {
    let mut world = World::start("announced").await;
    world.sandbox.put_connection(Connection::database("Strict").with("passwordPolicy", json!("good")));
    world.sandbox.put_user(person("pat", "Strict")).unwrap();
    give_password(&world, "pat", "Much-Better-22").await;
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat"), "connection": "Strict"})).await;
    world.until_applied("pat").await;
    give_password(&world, "pat", "weak").await;
    let object = world.until_reason("auth0userupdate/pat", "PasswordRejected").await;
    assert_eq!(condition(&object, "Stalled").0, "True");
    give_password(&world, "pat", "Much-Better-33").await;
    until_sent(&world, "pat").await;
    world.until_applied("pat").await;
    let expected = ["Applied", "PasswordPending", "PasswordRejected", "PasswordPending", "Applied"];
    assert_eq!(reasons_written(&world, "pat"), expected);

    world.add_person("sam");
    give_password(&world, "sam", FIRST).await;
    world.apply_for("sam", json!({"passwordSecretRef": password_of("sam")})).await;
    world.until_applied("sam").await;
    world.operator.kill().await.unwrap();
    give_password(&world, "sam", SECOND).await;
    // The same content is no new password, although its version was never seen.
    world.annotate("secret/pat", "example.com/renewed=yes").await;
    world.operator.restart().await.unwrap();
    until_password(&world, "sam", SECOND).await;
    until_sent(&world, "sam").await;
    world.until_applied("sam").await;
    assert_eq!(reasons_written(&world, "sam"), ["Applied", "PasswordPending", "Applied"]);
    world.until_all_is_quiet().await;
    assert_eq!(reasons_written(&world, "pat"), expected);
}

#[tokio::test]
async fn a_password_keeps_a_declared_block_and_waits_for_an_undeclared_one() {
    let world = World::start("blocked").await;
    for slug in ["kept", "lifted", "undecided"] {
        let mut blocked = person(slug, "People");
        blocked["blocked"] = json!(true);
        world.sandbox.put_user(blocked).unwrap();
        give_password(&world, slug, FIRST).await;
    }
    let card = |slug: &str| json!({"passwordSecretRef": password_of(slug), "blocked": true});
    world.apply_for("kept", card("kept")).await;
    world.until_applied("kept").await;
    assert_eq!(bodies(&world, "kept"), [json!({"password": FIRST, "blocked": true})]);

    world.sandbox.change_rules(|rules| rules.password_beats_blocked = true);
    world.apply_for("lifted", card("lifted")).await;
    let object = world.until_applied("lifted").await;
    let both = [json!({"password": FIRST, "blocked": true}), json!({"blocked": true})];
    assert_eq!(bodies(&world, "lifted"), both);
    assert_eq!(object["status"]["user"]["blocked"], true);

    world.apply_for("undecided", json!({"passwordSecretRef": password_of("undecided"), "name": "U"})).await;
    let object = world.until_reason("auth0userupdate/undecided", "UserBlocked").await;
    assert_eq!(condition(&object, "Stalled").0, "True");
    assert_eq!(condition(&object, "Synced"), ("False".into(), "Refused".into()));
    assert_eq!(bodies(&world, "undecided"), [json!({"name": "U"})]);
    let decided = json!({"passwordSecretRef": password_of("undecided"), "name": "U", "blocked": false});
    world.apply_for("undecided", decided).await;
    world.until_applied("undecided").await;
    assert_eq!(effects(&world, "undecided").passwords_set, 1);
    assert_eq!(world.sandbox.user("auth0|undecided").unwrap()["blocked"], false);
}

#[tokio::test]
async fn a_new_user_with_an_old_id_gets_the_password() {
    let world = World::start("reborn").await;
    world.add_person("pat");
    give_password(&world, "pat", FIRST).await;
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat")})).await;
    let object = world.until_applied("pat").await;
    let created = trigger(&object, FIELD)["userCreatedAt"].clone();
    assert!(world.sandbox.remove_user("auth0|pat"));
    let mut reborn = person("pat", "People");
    reborn["created_at"] = json!("2031-01-01T00:00:00.000Z");
    world.sandbox.put_user(reborn).unwrap();
    world.look_for_tenant("pat").await;
    until_password(&world, "pat", FIRST).await;
    let object = until_sent(&world, "pat").await;
    assert_ne!(trigger(&object, FIELD)["userCreatedAt"], created);
    assert_eq!(bodies(&world, "pat").len(), 2);
}
