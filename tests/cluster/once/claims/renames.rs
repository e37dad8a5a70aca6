//! A resource under a new name: for a while both are there, and nothing is sent twice.

use super::{APPLIED, about, senders, uid_of, until_conflict, until_is, until_younger_than};
use crate::once::counts::restart;
use crate::run::conditions::check_every_status;
use crate::world::{World, condition, person};
use auth0_sandbox::{Fault, FaultKind};
use serde_json::{Map, Value, json};

/// A card with every order that must not be carried out twice.
fn orders(slug: &str) -> Value {
    let card = json!({
        "name": "Ada", "passwordSecretRef": {"name": slug, "key": "password"}, "verifyEmail": true,
        "userMetadata": {"plan": "pro"}, "clear": ["userMetadata", "appMetadata"],
    });
    about(slug, card)
}

/// A person whose address is not verified, and a Secret of that name with a password.
async fn add_unverified(world: &World, slug: &str) {
    let mut user = person(slug, "People");
    user["email_verified"] = json!(false);
    world.sandbox.put_user(user).unwrap();
    world.apply_secret(slug, &json!({"password": "Correct-Horse-1"})).await;
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
    let mut world = World::start("rename").await;
    add_unverified(&world, "ada").await;
    world.apply_as("old", orders("ada")).await;
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
    let old_writes = world.cost("old").await.writes;
    until_younger_than(&world, "old").await;
    world.apply_as("new", orders("ada")).await;
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
    assert_eq!(world.cost("old").await.writes, old_writes, "the old one never noticed");
    assert_eq!(world.cost("new").await.events, 0);
    check_every_status(&world);
}

const PAUSED: &str = "auth0-user-operator.dev/paused=true";

fn password_card(slug: &str, extra: Value) -> Value {
    let mut card = about(slug, json!({"passwordSecretRef": {"name": slug, "key": "password"}}));
    for (field, value) in extra.as_object().unwrap() {
        card[field] = value.clone();
    }
    card
}

/// Waits until the resource remembers the Secret of this name as it stands as sent.
async fn until_sent(world: &World, secret: &str, name: &str) {
    let version = world.get(&format!("secret/{secret}")).await["metadata"]["resourceVersion"].clone();
    let sent = |object: &Value| {
        let entries = object["status"]["triggers"].as_array().cloned().unwrap_or_default();
        entries.iter().any(|entry| entry["secret"]["resourceVersion"] == version && entry["state"] == "Sent")
    };
    world.until(&format!("auth0userupdate/{name}"), "the password sent", sent).await;
}

#[tokio::test]
async fn what_was_sent_under_one_name_is_known_under_another() {
    let world = World::start("renames").await;
    tokio::join!(
        a_resource_that_comes_after_the_one_that_it_follows_is_gone_sends_nothing(&world),
        both_applied_at_once_carry_out_each_order_once(&world),
        a_twin_that_slept_through_a_rotation_is_not_believed(&world),
        a_rename_during_a_conflict_sends_no_password_twice(&world),
        // One after the other, because each ends all faults.
        async {
            an_order_whose_end_nobody_knows_is_left_to_whoever_began_it(&world).await;
            what_a_resource_in_conflict_has_begun_keeps_nobody_waiting(&world).await;
        },
        a_secret_that_is_only_labelled_after_a_rotation_sends_nothing_twice(&world),
    );
    check_every_status(&world);
}

async fn a_resource_that_comes_after_the_one_that_it_follows_is_gone_sends_nothing(world: &World) {
    add_unverified(world, "bea").await;
    world.apply_as("bea-old", orders("bea")).await;
    let old = until_is(world, "bea-old", APPLIED).await;
    let sent = world.bodies_of("auth0|bea").len();
    world.objects.delete("auth0userupdate/bea-old").await.unwrap();
    world.apply_as("bea-new", orders("bea")).await;
    let new = until_is(world, "bea-new", APPLIED).await;
    assert_eq!(states(&new), states(&old), "the orders were taken over");
    assert_eq!(world.bodies_of("auth0|bea").len(), sent);
    // A third one under the old name follows the second.
    world.objects.delete("auth0userupdate/bea-new").await.unwrap();
    world.apply_as("bea-old", orders("bea")).await;
    until_is(world, "bea-old", APPLIED).await;
    assert_eq!(world.bodies_of("auth0|bea").len(), sent);
}

async fn both_applied_at_once_carry_out_each_order_once(world: &World) {
    add_unverified(world, "cleo").await;
    world.apply_all([("cleo-one", orders("cleo")), ("cleo-two", orders("cleo"))]).await;
    let (one, two) = (until_is(world, "cleo-one", APPLIED).await, until_is(world, "cleo-two", APPLIED).await);
    assert_eq!(states(&one), states(&two));
    let effects = world.sandbox.effects("auth0|cleo");
    assert_eq!((effects.passwords_set, effects.mails_sent), (1, 1));
    let bodies = world.bodies_of("auth0|cleo");
    let clears = bodies.iter().filter(|body| !body["app_metadata"].is_null()).count();
    assert_eq!(clears, 1, "{bodies:?}");
    // A new content is a new order, for both together.
    world.apply_secret("cleo", &json!({"password": "Battery-Staple-2"})).await;
    for name in ["cleo-one", "cleo-two"] {
        until_sent(world, "cleo", name).await;
    }
    assert_eq!(world.sandbox.effects("auth0|cleo").passwords_set, 2);
}

async fn an_order_whose_end_nobody_knows_is_left_to_whoever_began_it(world: &World) {
    add_unverified(world, "dora").await;
    let card =
        || about("dora", json!({"passwordSecretRef": {"name": "dora", "key": "password"}, "nickname": "n"}));
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world
        .sandbox
        .fault(Fault::new(kind).method("PATCH").path("/api/v2/users/auth0%7Cdora").body_key("password"));
    let unavailable = "False/Auth0Unavailable Unknown/Auth0Unavailable Reconciling";
    world.apply_as("dora-old", card()).await;
    let old = until_is(world, "dora-old", unavailable).await;
    assert_eq!(states(&old), [("passwordSecretRef".to_owned(), "Sending".to_owned())]);
    until_younger_than(world, "dora-old").await;
    world.apply_as("dora-new", card()).await;
    let new = until_is(world, "dora-new", unavailable).await;
    assert!(states(&new).is_empty(), "{:?}", states(&new));
    world.sandbox.clear_faults();
    until_is(world, "dora-old", APPLIED).await;
    let new = until_is(world, "dora-new", APPLIED).await;
    assert_eq!(states(&new), [("passwordSecretRef".to_owned(), "Sent".to_owned())]);
    assert_eq!(world.sandbox.effects("auth0|dora").passwords_set, 1);
    let uid = uid_of(world, "dora-old").await;
    let calls = world.calls_of("dora").into_iter();
    let of_password = calls.filter(|call| call.body.as_ref().is_some_and(|body| !body["password"].is_null()));
    let senders: Vec<_> =
        of_password.map(|call| call.header("x-correlation-id").unwrap().to_owned()).collect();
    assert!(senders.len() >= 2 && senders.iter().all(|sender| sender.starts_with(&uid)), "{senders:?}");
}

async fn a_twin_that_slept_through_a_rotation_is_not_believed(world: &World) {
    add_unverified(world, "elsa").await;
    world.apply_as("elsa-sleeper", password_card("elsa", json!({}))).await;
    until_sent(world, "elsa", "elsa-sleeper").await;
    world.apply_as("elsa-awake", password_card("elsa", json!({}))).await;
    until_sent(world, "elsa", "elsa-awake").await;
    world.annotate("auth0userupdate/elsa-sleeper", PAUSED).await;
    until_is(world, "elsa-sleeper", "True/Applied Unknown/Paused").await;
    for (set, password) in [(2, "Battery-Staple-2"), (3, "Correct-Horse-1")] {
        world.apply_secret("elsa", &json!({"password": password})).await;
        until_sent(world, "elsa", "elsa-awake").await;
        assert_eq!(world.sandbox.effects("auth0|elsa").passwords_set, set, "{password}");
    }
}

async fn a_rename_during_a_conflict_sends_no_password_twice(world: &World) {
    add_unverified(world, "finn").await;
    world.apply_as("finn-owner", about("finn", json!({"nickname": "n"}))).await;
    until_is(world, "finn-owner", APPLIED).await;
    until_younger_than(world, "finn-owner").await;
    world.apply_as("finn-old", password_card("finn", json!({"name": "Mine"}))).await;
    until_is(world, "finn-old", APPLIED).await;
    world.apply_as("finn-owner", about("finn", json!({"nickname": "n", "name": "Owner"}))).await;
    until_conflict(world, "finn-old", "finn-owner").await;
    world.apply_as("finn-new", password_card("finn", json!({"name": "Mine"}))).await;
    until_conflict(world, "finn-new", "finn-owner").await;
    world.apply_as("finn-owner", about("finn", json!({"nickname": "n"}))).await;
    until_is(world, "finn-old", APPLIED).await;
    until_is(world, "finn-new", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|finn").passwords_set, 1);
}

async fn what_a_resource_in_conflict_has_begun_keeps_nobody_waiting(world: &World) {
    add_unverified(world, "gus").await;
    world.apply_as("gus-owner", about("gus", json!({"nickname": "n"}))).await;
    until_is(world, "gus-owner", APPLIED).await;
    until_younger_than(world, "gus-owner").await;
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world
        .sandbox
        .fault(Fault::new(kind).method("PATCH").path("/api/v2/users/auth0%7Cgus").body_key("password"));
    world.apply_as("gus-old", password_card("gus", json!({"name": "Mine"}))).await;
    let begun = |object: &Value| states(object).iter().any(|(_, state)| state == "Sending");
    world.until("auth0userupdate/gus-old", "an order begun", begun).await;
    world.apply_as("gus-owner", about("gus", json!({"nickname": "n", "name": "Owner"}))).await;
    until_conflict(world, "gus-old", "gus-owner").await;
    world.sandbox.clear_faults();
    world.apply_as("gus-new", password_card("gus", json!({}))).await;
    until_is(world, "gus-new", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|gus").passwords_set, 1);
}

async fn a_secret_that_is_only_labelled_after_a_rotation_sends_nothing_twice(world: &World) {
    add_unverified(world, "hal").await;
    for name in ["hal-sleeper", "hal-awake"] {
        world.apply_as(name, password_card("hal", json!({}))).await;
        until_sent(world, "hal", name).await;
    }
    world.annotate("auth0userupdate/hal-sleeper", PAUSED).await;
    until_is(world, "hal-sleeper", "True/Applied Unknown/Paused").await;
    world.apply_secret("hal", &json!({"password": "Battery-Staple-2"})).await;
    until_sent(world, "hal", "hal-awake").await;
    world.objects.label("secret/hal", "team=people").await.unwrap();
    world.annotate("auth0userupdate/hal-sleeper", "auth0-user-operator.dev/paused-").await;
    until_is(world, "hal-sleeper", APPLIED).await;
    assert_eq!(world.sandbox.effects("auth0|hal").passwords_set, 2);
}
