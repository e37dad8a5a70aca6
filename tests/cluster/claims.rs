//! Several resources about one user: who owns what, and what the others say.

mod crowds;
mod renames;
mod takeovers;
mod tenants;

use crate::conditions::{check_every_status, row};
use crate::counts::{Cost, restart};
use crate::world::{DEADLINE, World, condition};
use k8s_openapi::jiff::Timestamp;
use lab::wait_until;
use serde_json::{Value, json};

pub const APPLIED: &str = "True/Applied True/InSync";
pub const CONFLICT: &str = "False/ManagementConflict Unknown/ManagementConflict Stalled";

/// A card about `auth0|SLUG`, which looks by itself once a day only.
pub fn about(slug: &str, mut card: Value) -> Value {
    card["userId"] = json!(format!("auth0|{slug}"));
    card["resyncInterval"] = json!("24h");
    card
}

/// Waits until whatever is created next is younger than this resource by its `creationTimestamp`.
pub async fn until_younger_than(world: &World, name: &str) {
    let object = world.get(&format!("auth0userupdate/{name}")).await;
    let created: Timestamp = object["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    let later = wait_until("the next second", DEADLINE, async || {
        let now = Timestamp::now();
        if now.as_second() > created.as_second() { Ok(()) } else { Err(now.to_string()) }
    });
    later.await.unwrap();
}

/// Waits until a resource is as the row says.
pub async fn until_is(world: &World, name: &str, expected: &str) -> Value {
    world.until(&format!("auth0userupdate/{name}"), expected, |object| row(object) == expected).await
}

/// Waits until a resource is in conflict, by its message with this owner of the same namespace.
pub async fn until_conflict(world: &World, name: &str, owner: &str) -> Value {
    let owner = format!("{}/{owner}", world.namespace);
    let named = |object: &Value| row(object) == CONFLICT && words(object).contains(&owner.as_str());
    world.until(&format!("auth0userupdate/{name}"), &format!("in conflict with {owner}"), named).await
}

/// The words of the Ready message.
pub fn words(object: &Value) -> Vec<&str> {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|entry| entry["type"] == "Ready").unwrap();
    let text = ready["message"].as_str().unwrap();
    text.split([' ', ',', ';', ':', '(', ')', '`', '"']).collect()
}

/// Who asked Auth0 to change something, in order: the uid that each PATCH carries.
pub fn senders(world: &World) -> Vec<String> {
    let uid = |header: &str| header.split('/').next().unwrap().to_owned();
    world.sandbox.patches().iter().map(|call| uid(call.header("x-correlation-id").unwrap())).collect()
}

pub async fn uid_of(world: &World, name: &str) -> String {
    let object = world.get(&format!("auth0userupdate/{name}")).await;
    object["metadata"]["uid"].as_str().unwrap().to_owned()
}

/// Two resources about one user, one after the other, and the fields that the younger one is refused.
struct Pair {
    slug: String,
    older: Value,
    younger: Value,
    fields: &'static [&'static str],
}

fn pairs() -> Vec<Pair> {
    let map = |value: Value| json!({"userMetadata": value});
    let password = |secret: &str| json!({"passwordSecretRef": {"name": secret, "key": "password"}});
    let pairs: [(Value, Value, &[&str]); 27] = [
        (json!({"name": "A"}), json!({"name": "B", "givenName": "G"}), &["name"]),
        (json!({"name": "A"}), json!({"name": "A", "givenName": "G"}), &[]),
        (json!({"name": "A"}), json!({"name": "a"}), &["name"]),
        (json!({"name": "A"}), json!({"nickname": "B"}), &[]),
        (json!({"name": "A"}), json!({"name": ""}), &["name"]),
        (json!({"name": ""}), json!({"name": null}), &[]),
        (json!({"name": ""}), json!({"clear": ["name"]}), &[]),
        (json!({"name": "A"}), json!({"name": "", "passEmptyValues": "No"}), &[]),
        (json!({"email": "x1@example.com"}), json!({"email": "X1@Example.com"}), &[]),
        (json!({"email": "x2@example.com"}), json!({"email": "x3@example.com"}), &["email"]),
        (json!({"username": "u-1"}), json!({"username": "U-1"}), &[]),
        (json!({"blocked": true}), json!({"blocked": false, "name": "A"}), &["blocked"]),
        (json!({"emailVerified": false}), json!({"emailVerified": false}), &[]),
        (map(json!({"a": 1})), map(json!({"b": 2})), &[]),
        (map(json!({"a": {"x": 1}})), map(json!({"a": {"x": 1, "y": 2}})), &["userMetadata.a"]),
        (map(json!({"a": {"x": [1, "1"]}})), map(json!({"a": {"x": [1, "1"]}, "b": 1})), &[]),
        (
            map(json!({"a": 1, "b": 1})),
            map(json!({"b": 2, "a": 2, "c": 2})),
            &["userMetadata.a", "userMetadata.b"],
        ),
        (map(json!({"a": 1})), json!({"appMetadata": {"a": 2}}), &[]),
        (map(json!({"a": 1})), json!({"clear": ["userMetadata.a"]}), &["userMetadata.a"]),
        (map(json!({"a": null})), json!({"clear": ["userMetadata.a"]}), &[]),
        (map(json!({})), map(json!({"a": 1})), &["userMetadata.a"]),
        (map(json!({})), map(json!({"a": null})), &[]),
        (map(json!({"a": 1})), map(json!({})), &["userMetadata.a"]),
        (
            json!({"userMetadata": {"a": 1}, "clear": ["userMetadata"]}),
            map(json!({"b": 1})),
            &["userMetadata.b"],
        ),
        (
            map(json!({"b": 1})),
            json!({"userMetadata": {"a": 1}, "clear": ["userMetadata"]}),
            &["userMetadata.b"],
        ),
        (password("first"), password("second"), &["passwordSecretRef"]),
        (password("first"), password("same"), &[]),
    ];
    let pair = |(index, (older, younger, fields))| Pair { slug: format!("p{index}"), older, younger, fields };
    pairs.into_iter().enumerate().map(pair).collect()
}

#[tokio::test]
async fn different_values_of_a_field_or_metadata_key_conflict_and_equal_ones_do_not() {
    let world = World::start("claims").await;
    for (name, password) in
        [("first", "Correct-Horse-1"), ("same", "Correct-Horse-1"), ("second", "Staple-2-Horse")]
    {
        world.apply_secret(name, &json!({"password": password})).await;
    }
    let pairs = pairs();
    for pair in &pairs {
        world.add_person(&pair.slug);
    }
    // By name, the younger ones would come first.
    let cards = |prefix: &'static str, card: fn(&Pair) -> &Value| {
        let named =
            move |pair: &Pair| (format!("{prefix}-{}", pair.slug), about(&pair.slug, card(pair).clone()));
        pairs.iter().map(named).collect::<Vec<_>>()
    };
    let older = cards("z", |pair| &pair.older);
    world.apply_all(older.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    world.until_all("Ready", |object| condition(object, "Ready").0 == "True").await;
    until_younger_than(&world, "z-p26").await;
    let sent: Vec<usize> =
        pairs.iter().map(|pair| world.bodies_of(&format!("auth0|{}", pair.slug)).len()).collect();
    let younger = cards("a", |pair| &pair.younger);
    world.apply_all(younger.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    for (pair, sent) in pairs.iter().zip(sent) {
        let (name, older) = (format!("a-{}", pair.slug), format!("z-{}", pair.slug));
        if pair.fields.is_empty() {
            let expected = format!("{name} is applied");
            let ready = |object: &Value| condition(object, "Ready").0 == "True";
            world.until(&format!("auth0userupdate/{name}"), &expected, ready).await;
        } else {
            let object = until_conflict(&world, &name, &older).await;
            let words = words(&object);
            let spec = object["spec"].as_object().unwrap().keys();
            assert!(pair.fields.iter().all(|field| words.contains(field)), "{words:?}");
            assert!(
                spec.filter(|key| !pair.fields.contains(&key.as_str()))
                    .all(|key| !words.contains(&key.as_str())),
                "{words:?}"
            );
            let bodies = world.bodies_of(&format!("auth0|{}", pair.slug));
            assert_eq!(bodies.len(), sent, "{name}: {bodies:?}");
            assert!(object["status"]["triggers"].is_null());
        }
        until_is_settled(&world, &older).await;
    }
    let effects = world.sandbox.effects("auth0|p26");
    assert_eq!(effects.passwords_set, 1, "the same password from another Secret");
    check_every_status(&world);
}

/// The owner never notices.
async fn until_is_settled(world: &World, name: &str) {
    let object = world.get(&format!("auth0userupdate/{name}")).await;
    assert_eq!(row(&object), APPLIED, "{name}");
}

#[tokio::test]
async fn of_one_age_the_first_by_name_owns() {
    let world = World::start("claims-age").await;
    for attempt in 0.. {
        assert!(attempt < 20, "never two in one second");
        let slug = format!("ada-{attempt}");
        world.add_person(&slug);
        let (first, second) = (format!("a{attempt}"), format!("b{attempt}"));
        let card = |name: &str| about(&slug, json!({"name": name}));
        world.apply_all([(second.as_str(), card("Second")), (first.as_str(), card("First"))]).await;
        let second_object = until_conflict_of_one(&world, [&first, &second]).await;
        let created = async |name: &str| {
            world.get(&format!("auth0userupdate/{name}")).await["metadata"]["creationTimestamp"].clone()
        };
        if created(&first).await == created(&second).await {
            assert_eq!(second_object, second);
            until_is(&world, &first, APPLIED).await;
            assert_eq!(world.sandbox.user(&format!("auth0|{slug}")).unwrap()["name"], "First");
            break;
        }
    }
}

/// Waits until one of two resources is applied and the other in conflict with it; answers the latter.
async fn until_conflict_of_one(world: &World, names: [&str; 2]) -> String {
    let settled = wait_until("one conflict", DEADLINE, async || {
        let mut rows = Vec::new();
        for name in names {
            rows.push(row(&world.get(&format!("auth0userupdate/{name}")).await));
        }
        match (rows[0].as_str(), rows[1].as_str()) {
            (APPLIED, CONFLICT) => Ok(names[1].to_owned()),
            (CONFLICT, APPLIED) => Ok(names[0].to_owned()),
            _ => Err(rows.join(" | ")),
        }
    });
    settled.await.unwrap()
}

#[tokio::test]
async fn a_restart_changes_no_owner_and_costs_nothing() {
    let mut world = World::start("claims-restart").await;
    world.add_person("ada");
    world.apply_as("older", about("ada", json!({"name": "Older", "nickname": "o"}))).await;
    until_is(&world, "older", APPLIED).await;
    until_younger_than(&world, "older").await;
    world.apply_as("younger", about("ada", json!({"name": "Younger"}))).await;
    until_conflict(&world, "younger", "older").await;
    world.until_all_is_quiet().await;
    let (calls, writes) = (world.calls_of("ada").len(), world.status_writes().len());
    let before = (world.cost("older"), world.cost("younger"));
    for _ in 0..2 {
        restart(&mut world).await;
        world.until_all_is_quiet().await;
    }
    assert_eq!(world.calls_of("ada").len(), calls);
    assert_eq!(
        (world.cost("older").writes, world.cost("younger").writes),
        (before.0.writes, before.1.writes)
    );
    assert_eq!(world.status_writes().len(), writes + 2, "of the two signs");
    until_conflict(&world, "younger", "older").await;
    until_is(&world, "older", APPLIED).await;
    // What was learned of claims is learned anew: the owner's end is noticed.
    world.objects.delete("auth0userupdate/older").await.unwrap();
    until_is(&world, "younger", APPLIED).await;
    assert_eq!(world.sandbox.user("auth0|ada").unwrap()["name"], "Younger");
    assert_eq!(
        world.sandbox.user("auth0|ada").unwrap()["nickname"],
        "o",
        "deleting changes nothing in Auth0"
    );
    world
        .until_cost(
            "ada",
            Cost { requests: calls, ..Cost::default() },
            Cost { requests: 2, ..Cost::default() },
        )
        .await;
}
