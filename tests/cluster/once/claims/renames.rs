//! A resource under a new name: for a while both are there, and nothing is sent twice.

use super::{APPLIED, about, senders, uid_of, until_conflict, until_is, until_younger_than};
use crate::once::counts::restart;
use crate::run::conditions::check_every_status;
use crate::world::{World, condition, person};
use auth0_sandbox::{Fault, FaultKind};
use serde_json::{Map, Value, json};

/// A card with every order that must not be carried out twice.
fn orders() -> Value {
    let card = json!({
        "name": "Ada", "passwordSecretRef": {"name": "ada", "key": "password"}, "verifyEmail": true,
        "userMetadata": {"plan": "pro"}, "clear": ["userMetadata", "appMetadata"],
    });
    about("ada", card)
}

async fn with_unverified(name: &str) -> World {
    let world = World::start(name).await;
    let mut user = person("ada", "People");
    user["email_verified"] = json!(false);
    world.sandbox.put_user(user).unwrap();
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    world
}

fn states(object: &Value) -> Vec<(String, String)> {
    let entries = object["status"]["triggers"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut states: Vec<_> =
        entries.iter().map(|entry| (text(&entry["name"]), text(&entry["state"]))).collect();
    states.sort();
    states
}

/// Ready of every status that was written for a resource, in order.
fn readiness(world: &World, name: &str) -> Vec<(String, String)> {
    let writes = world.status_writes().into_iter().filter(|write| write.object_ref.name == name);
    let told = writes.filter(|write| !write.response_object["status"]["conditions"].is_null());
    told.map(|write| condition(&write.response_object, "Ready")).collect()
}

#[tokio::test]
async fn a_rename_in_git_sends_nothing_and_is_never_seen_to_flicker() {
    let mut world = with_unverified("rename").await;
    world.apply_as("old", orders()).await;
    let old = until_is(&world, "old", APPLIED).await;
    assert_eq!(states(&old).len(), 4, "{}", old["status"]["triggers"]);
    // Whatever others write after the clears stays.
    let theirs = |user: &mut Map<String, Value>| {
        user.insert("user_metadata".into(), json!({"plan": "pro", "theirs": 1}));
        user.insert("app_metadata".into(), json!({"theirs": 1}));
    };
    world.sandbox.change_user("auth0|ada", theirs).unwrap();
    let held = world.sandbox.stored_user("auth0|ada").unwrap();
    world.sandbox.clear_log();
    let old_writes = world.cost("old").writes;
    until_younger_than(&world, "old").await;
    world.apply_as("new", orders()).await;
    let new = until_is(&world, "new", APPLIED).await;
    assert_eq!(states(&new), states(&old), "the orders were taken over");
    assert!(states(&new).iter().all(|(_, state)| state == "Sent"));
    assert!(new["status"]["lastUpdate"].is_null(), "it sent nothing");
    world.objects.delete("auth0userupdate/old").await.unwrap();
    world.until_all_is_quiet().await;
    restart(&mut world).await;
    world.request("new", "after-all").await;
    world.until_all_is_quiet().await;

    let uid = uid_of(&world, "new").await;
    assert!(!senders(&world).contains(&uid), "{:?}", world.bodies());
    assert!(world.bodies_of("auth0|ada").is_empty(), "{:?}", world.bodies_of("auth0|ada"));
    let effects = world.sandbox.effects("auth0|ada");
    assert_eq!((effects.passwords_set, effects.mails_sent), (1, 1));
    assert_eq!(world.sandbox.stored_user("auth0|ada").unwrap(), held);
    let ready = readiness(&world, "new");
    assert!(!ready.is_empty() && ready.iter().all(|ready| ready.0 == "True"), "{ready:?}");
    assert_eq!(world.cost("old").writes, old_writes, "the old one never noticed");
    assert_eq!(world.cost("new").events, 0);
    check_every_status(&world);
}

#[tokio::test]
async fn a_resource_that_comes_after_the_one_that_it_follows_is_gone_sends_nothing() {
    let world = with_unverified("rename-late").await;
    world.apply_as("old", orders()).await;
    let old = until_is(&world, "old", APPLIED).await;
    let sent = world.bodies_of("auth0|ada").len();
    world.objects.delete("auth0userupdate/old").await.unwrap();
    world.apply_as("new", orders()).await;
    let new = until_is(&world, "new", APPLIED).await;
    assert_eq!(states(&new), states(&old), "the orders were taken over");
    assert_eq!(world.bodies_of("auth0|ada").len(), sent);
    // A third one under the old name follows the second.
    world.objects.delete("auth0userupdate/new").await.unwrap();
    world.apply_as("old", orders()).await;
    until_is(&world, "old", APPLIED).await;
    assert_eq!(world.bodies_of("auth0|ada").len(), sent);
    check_every_status(&world);
}

#[tokio::test]
async fn both_applied_at_once_carry_out_each_order_once() {
    let world = with_unverified("rename-once").await;
    world.apply_all([("one", orders()), ("two", orders())]).await;
    let (one, two) = (until_is(&world, "one", APPLIED).await, until_is(&world, "two", APPLIED).await);
    assert_eq!(states(&one), states(&two));
    let effects = world.sandbox.effects("auth0|ada");
    assert_eq!((effects.passwords_set, effects.mails_sent), (1, 1));
    let bodies = world.bodies_of("auth0|ada");
    let clears = bodies.iter().filter(|body| !body["app_metadata"].is_null()).count();
    assert_eq!(clears, 1, "{bodies:?}");
    // A new content is a new order, for both together.
    world.apply_secret("ada", &json!({"password": "Battery-Staple-2"})).await;
    for name in ["one", "two"] {
        until_sent(&world, name).await;
    }
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 2);
    check_every_status(&world);
}

#[tokio::test]
async fn an_order_whose_end_nobody_knows_is_left_to_whoever_began_it() {
    let world = with_unverified("rename-begun").await;
    let card =
        || about("ada", json!({"passwordSecretRef": {"name": "ada", "key": "password"}, "nickname": "n"}));
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world.sandbox.fault(Fault::new(kind).method("PATCH").body_key("password"));
    let unavailable = "False/Auth0Unavailable Unknown/Auth0Unavailable Reconciling";
    world.apply_as("old", card()).await;
    let old = until_is(&world, "old", unavailable).await;
    assert_eq!(states(&old), [("passwordSecretRef".to_owned(), "Sending".to_owned())]);
    until_younger_than(&world, "old").await;
    world.apply_as("new", card()).await;
    let new = until_is(&world, "new", unavailable).await;
    assert!(states(&new).is_empty(), "{:?}", states(&new));
    world.sandbox.clear_faults();
    until_is(&world, "old", APPLIED).await;
    let new = until_is(&world, "new", APPLIED).await;
    assert_eq!(states(&new), [("passwordSecretRef".to_owned(), "Sent".to_owned())]);
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 1);
    let uid = uid_of(&world, "old").await;
    let senders = senders(&world);
    let of_password = world.bodies().into_iter().zip(senders).filter(|(body, _)| !body["password"].is_null());
    assert!(of_password.clone().count() >= 2 && of_password.into_iter().all(|(_, sender)| sender == uid));
    check_every_status(&world);
}

const PAUSED: &str = "auth0-user-operator.dev/paused=true";

fn password_card(extra: Value) -> Value {
    let mut card = about("ada", json!({"passwordSecretRef": {"name": "ada", "key": "password"}}));
    for (field, value) in extra.as_object().unwrap() {
        card[field] = value.clone();
    }
    card
}

/// Waits until the resource remembers the Secret as it stands as sent.
async fn until_sent(world: &World, name: &str) {
    let version = world.get("secret/ada").await["metadata"]["resourceVersion"].clone();
    let sent = |object: &Value| {
        let entries = object["status"]["triggers"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|entry| entry["secret"]["resourceVersion"] == version && entry["state"] == "Sent")
    };
    world.until(&format!("auth0userupdate/{name}"), "the password sent", sent).await;
}

#[tokio::test]
async fn a_twin_that_slept_through_a_rotation_is_not_believed() {
    let world = with_unverified("rename-slept").await;
    world.apply_as("sleeper", password_card(json!({}))).await;
    until_sent(&world, "sleeper").await;
    world.apply_as("awake", password_card(json!({}))).await;
    until_sent(&world, "awake").await;
    world.annotate("auth0userupdate/sleeper", PAUSED).await;
    until_is(&world, "sleeper", "True/Applied Unknown/Paused").await;
    for (set, password) in [(2, "Battery-Staple-2"), (3, "Correct-Horse-1")] {
        world.apply_secret("ada", &json!({"password": password})).await;
        until_sent(&world, "awake").await;
        assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, set, "{password}");
    }
    check_every_status(&world);
}

#[tokio::test]
async fn a_rename_during_a_conflict_sends_no_password_twice() {
    let world = with_unverified("rename-conflict").await;
    world.apply_as("owner", about("ada", json!({"nickname": "n"}))).await;
    until_is(&world, "owner", APPLIED).await;
    until_younger_than(&world, "owner").await;
    world.apply_as("old", password_card(json!({"name": "Mine"}))).await;
    until_is(&world, "old", APPLIED).await;
    world.apply_as("owner", about("ada", json!({"nickname": "n", "name": "Owner"}))).await;
    until_conflict(&world, "old", "owner").await;
    world.apply_as("new", password_card(json!({"name": "Mine"}))).await;
    until_conflict(&world, "new", "owner").await;
    world.apply_as("owner", about("ada", json!({"nickname": "n"}))).await;
    until_is(&world, "old", APPLIED).await;
    until_is(&world, "new", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 1);
    check_every_status(&world);
}

#[tokio::test]
async fn what_a_resource_in_conflict_has_begun_keeps_nobody_waiting() {
    let world = with_unverified("rename-stuck").await;
    world.apply_as("owner", about("ada", json!({"nickname": "n"}))).await;
    until_is(&world, "owner", APPLIED).await;
    until_younger_than(&world, "owner").await;
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world.sandbox.fault(Fault::new(kind).method("PATCH").body_key("password"));
    world.apply_as("old", password_card(json!({"name": "Mine"}))).await;
    let begun = |object: &Value| states(object).iter().any(|(_, state)| state == "Sending");
    world.until("auth0userupdate/old", "an order begun", begun).await;
    world.apply_as("owner", about("ada", json!({"nickname": "n", "name": "Owner"}))).await;
    until_conflict(&world, "old", "owner").await;
    world.sandbox.clear_faults();
    world.apply_as("new", password_card(json!({}))).await;
    until_is(&world, "new", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 1);
}

#[tokio::test]
async fn a_secret_that_is_only_labelled_after_a_rotation_sends_nothing_twice() {
    let world = with_unverified("rename-label").await;
    for name in ["sleeper", "awake"] {
        world.apply_as(name, password_card(json!({}))).await;
        until_sent(&world, name).await;
    }
    world.annotate("auth0userupdate/sleeper", PAUSED).await;
    until_is(&world, "sleeper", "True/Applied Unknown/Paused").await;
    world.apply_secret("ada", &json!({"password": "Battery-Staple-2"})).await;
    until_sent(&world, "awake").await;
    world.objects.label("secret/ada", "team=people").await.unwrap();
    world.annotate("auth0userupdate/sleeper", "auth0-user-operator.dev/paused-").await;
    until_is(&world, "sleeper", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 2);
}
