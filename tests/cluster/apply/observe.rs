//! Mode Observe: says what Apply would send, and sends nothing.

use crate::once::counts::{Cost, restart};
use crate::run::conditions::{check_every_status, until_row};
use crate::world::{World, person};
use serde_json::{Map, Value, json};

const OBSERVED: &str = "True/Observed True/InSync";
const DRIFTED: &str = "True/Observed False/DriftFound";
const APPLIED: &str = "True/Applied True/InSync";

fn password_of(slug: &str) -> Value {
    json!({"name": slug, "key": "password"})
}

async fn give_password(world: &World, slug: &str, password: &str) {
    world.apply_secret(slug, &json!({"password": password})).await;
}

/// Applies the resource in this mode, and waits until it is as the row says.
async fn until_seen(world: &World, slug: &str, mode: &str, mut card: Value, row: &str) -> Value {
    card["mode"] = json!(mode);
    world.apply_for(slug, card).await;
    until_row(world, &format!("auth0userupdate/{slug}"), row).await
}

/// The names in a list of status, sorted.
fn names(list: &Value) -> Vec<String> {
    let mut names: Vec<String> = serde_json::from_value(list.clone()).unwrap_or_default();
    names.sort_unstable();
    names
}

fn set(world: &World, slug: &str, field: &str, value: Value) {
    let change = |user: &mut Map<String, Value>| drop(user.insert(field.to_owned(), value));
    world.sandbox.change_user(&format!("auth0|{slug}"), change).unwrap();
}

/// A card with every kind of input, all of which differ from the user.
fn everything() -> Value {
    json!({
        "name": "Ada Lovelace", "nickname": "", "givenName": "Ada", "picture": "https://example.com/new.png",
        "email": "ada@new.example.com", "emailVerified": false, "verifyEmail": true, "username": "countess",
        "blocked": true, "passwordSecretRef": password_of("ada"), "connection": "People",
        "userMetadata": {"plan": "pro", "theme": null}, "appMetadata": {"tier": "a"},
        "clear": ["familyName", "appMetadata"],
    })
}

#[tokio::test]
async fn every_kind_of_input_is_planned_and_nothing_is_sent_until_the_mode_is_apply() {
    let world = World::start("observe").await;
    world.add_person("ada");
    give_password(&world, "ada", "Correct-Horse-1").await;
    let before = world.sandbox.stored_user("auth0|ada").unwrap();
    let object = until_seen(&world, "ada", "Observe", everything(), DRIFTED).await;
    let planned = names(&object["status"]["plan"]);
    for field in ["passwordSecretRef", "blocked", "nickname", "userMetadata.theme", "email", "verifyEmail"] {
        assert!(planned.iter().any(|name| name == field), "{field}: {planned:?}");
    }
    for unwritten in ["triggers", "lastUpdate", "refusedFields", "notPersisted"] {
        assert!(object["status"][unwritten].is_null(), "{unwritten}: {}", object["status"]);
    }
    let status = &object["status"];
    assert_eq!(status["user"]["email"], "ada@example.com", "the outputs are there");
    assert_eq!(status["rawOutput"]["user_id"], "auth0|ada");
    let words = ["wait", "auth0userupdate/ada", "--for=condition=Ready", "--timeout=5s"];
    world.run(words).await;
    assert!(world.bodies().is_empty(), "{:?}", world.bodies());
    assert_eq!(world.sandbox.stored_user("auth0|ada").unwrap(), before);
    world.until_cost("ada", Cost::default(), Cost { requests: 1, writes: 1, events: 0 }).await;

    // What was planned is what is sent.
    let object = until_seen(&world, "ada", "Apply", everything(), APPLIED).await;
    let (status, last) = (&object["status"], &object["status"]["lastUpdate"]);
    let mut sent = names(&last["sentFields"]);
    sent.extend(names(&last["clearedFields"]));
    sent.sort_unstable();
    assert_eq!(planned, sent);
    assert!(status["plan"].is_null());
    assert_eq!(world.sandbox.effects("auth0|ada").passwords_set, 1);
    check_every_status(&world);
}

#[tokio::test]
async fn drift_is_seen_to_come_and_go() {
    let mut world = World::start("observe-drift").await;
    world.add_person("ada");
    let card = json!({"name": "Ann Example", "userMetadata": {"plan": "free"}});
    let object = until_seen(&world, "ada", "Observe", card, OBSERVED).await;
    assert!(object["status"]["plan"].is_null());
    let name = "auth0userupdate/ada";
    set(&world, "ada", "name", json!("Somebody"));
    world.look_for_tenant("ada").await;
    let object = until_row(&world, name, DRIFTED).await;
    assert_eq!(object["status"]["plan"], json!(["name"]));
    assert_eq!(object["status"]["user"]["name"], "Somebody");
    set(&world, "ada", "user_metadata", json!({"plan": "pro"}));
    let object = world.request("ada", "more").await;
    assert_eq!(names(&object["status"]["plan"]), ["name", "userMetadata.plan"]);

    // Nothing moves: no write. A restart costs nothing at all.
    let before = world.cost("ada").await;
    assert!(world.sandbox.login("auth0|ada"));
    world.look_for_tenant("ada").await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, Cost { requests: 2, writes: 0, events: 0 }).await;
    restart(&mut world).await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, Cost { requests: 2, writes: 0, events: 0 }).await;

    set(&world, "ada", "name", json!("Ann Example"));
    set(&world, "ada", "user_metadata", json!({"plan": "free"}));
    world.look_for_tenant("ada").await;
    let object = until_row(&world, name, OBSERVED).await;
    assert!(object["status"]["plan"].is_null());
    assert!(world.bodies_of("auth0|ada").is_empty());
    check_every_status(&world);
}

#[tokio::test]
async fn the_modes_can_be_changed_both_ways_and_no_order_is_lost_or_repeated() {
    let world = World::start("observe-switch").await;
    world.add_person("ada");
    give_password(&world, "ada", "Correct-Horse-1").await;
    let card =
        |name: &str| json!({"name": name, "passwordSecretRef": password_of("ada"), "userMetadata": {}});
    let applied = until_seen(&world, "ada", "Apply", card("Ada"), APPLIED).await;
    let memory = applied["status"]["triggers"].clone();
    assert_eq!(memory.as_array().unwrap().len(), 2);
    let sent = world.bodies_of("auth0|ada").len();

    let object = until_seen(&world, "ada", "Observe", card("Countess"), DRIFTED).await;
    assert_eq!(object["status"]["plan"], json!(["name"]), "orders that were carried out are not planned");
    assert_eq!(
        (&object["status"]["triggers"], &object["status"]["lastUpdate"]),
        (&memory, &applied["status"]["lastUpdate"])
    );
    // Orders that come up meanwhile are planned, and wait.
    give_password(&world, "ada", "Battery-Staple-2").await;
    let planned = |object: &Value| names(&object["status"]["plan"]) == ["name", "passwordSecretRef"];
    let object = world.until("auth0userupdate/ada", "a planned password", planned).await;
    assert_eq!(object["status"]["triggers"], memory);
    assert_eq!(world.bodies_of("auth0|ada").len(), sent);

    let object = until_seen(&world, "ada", "Apply", card("Countess"), APPLIED).await;
    assert!(object["status"]["plan"].is_null());
    assert_eq!(
        world.bodies_of("auth0|ada")[sent..],
        [json!({"password": "Battery-Staple-2"}), json!({"name": "Countess"})]
    );
    // Without a mode it is Apply.
    world.apply_for("ada", card("Ada")).await;
    until_row(&world, "auth0userupdate/ada", APPLIED).await;
    assert_eq!(world.bodies_of("auth0|ada").last(), Some(&json!({"name": "Ada"})));
    check_every_status(&world);
}

#[tokio::test]
async fn what_apply_would_wait_for_is_said_in_the_same_way() {
    let world = World::start("observe-holds").await;
    let slugs = ["secret", "connection", "blocked", "clear", "nobody"];
    for slug in slugs {
        world.add_person(slug);
    }
    set(&world, "blocked", "blocked", json!(true));
    give_password(&world, "blocked", "Correct-Horse-1").await;
    assert!(world.sandbox.remove_user("auth0|nobody"));
    let cases = [
        (
            "secret",
            json!({"name": "New", "passwordSecretRef": password_of("secret")}),
            "False/SecretNotFound Unknown/SecretNotFound Reconciling",
        ),
        (
            "connection",
            json!({"name": "New", "connection": "Nowhere"}),
            "False/UnknownConnection False/Refused Stalled",
        ),
        (
            "blocked",
            json!({"passwordSecretRef": password_of("blocked")}),
            "False/UserBlocked False/Refused Stalled",
        ),
        (
            "clear",
            json!({"clear": ["userMetadata.k"], "userMetadata": {"k": 1}}),
            "False/InvalidRequest Unknown/InvalidRequest Stalled",
        ),
        ("nobody", json!({"name": "New"}), "False/UserNotFound Unknown/UserNotFound Stalled"),
    ];
    for (slug, card, row) in cases {
        until_seen(&world, slug, "Observe", card, row).await;
    }
    give_password(&world, "secret", "Correct-Horse-1").await;
    let object = until_row(&world, "auth0userupdate/secret", DRIFTED).await;
    assert_eq!(names(&object["status"]["plan"]), ["name", "passwordSecretRef"]);
    let card = json!({"name": "New", "connection": "People"});
    let object = until_seen(&world, "connection", "Observe", card, DRIFTED).await;
    assert_eq!(object["status"]["plan"], json!(["name"]));
    assert!(world.bodies().is_empty(), "{:?}", world.bodies());
    check_every_status(&world);
}

#[tokio::test]
async fn what_auth0_refused_is_planned_again_and_not_sent() {
    let world = World::start("observe-no").await;
    for slug in ["ada", "taken"] {
        world.sandbox.put_user(person(slug, "People")).unwrap();
    }
    let card = json!({"email": "taken@example.com"});
    until_seen(&world, "ada", "Apply", card.clone(), "False/AlreadyExists False/Refused Stalled").await;
    let object = until_seen(&world, "ada", "Observe", card, DRIFTED).await;
    assert_eq!(object["status"]["plan"], json!(["email"]));
    assert!(object["status"]["refusedFields"].is_null());
    assert_eq!(world.bodies().len(), 1);
    check_every_status(&world);
}

#[tokio::test]
async fn what_cannot_be_planned_leaves_the_last_plan() {
    let world = World::start("observe-unplanned").await;
    world.add_person("ada");
    let object = until_seen(&world, "ada", "Observe", json!({"email": "new@example.com"}), DRIFTED).await;
    assert_eq!(names(&object["status"]["plan"]), ["email"]);
    let unknown = json!({"email": "new@example.com", "connection": "Peopel"});
    let row = "False/UnknownConnection False/Refused Stalled";
    let object = until_seen(&world, "ada", "Observe", unknown, row).await;
    assert_eq!(names(&object["status"]["plan"]), ["email"]);
}
