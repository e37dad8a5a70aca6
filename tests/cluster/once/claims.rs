//! Several resources about one user: who owns what, and what the others say.

mod crowds;
mod renames;
mod takeovers;
mod tenants;

use crate::run::conditions::{check_every_status, row};
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
    let password = |secret: &str| json!({"passwordSecretRef": {"name": secret, "key": "password"}});
    // The rules of values and fields are tested beside `reconcile::pass::conflicts`.
    let pairs: [(Value, Value, &[&str]); 5] = [
        (json!({"name": "A"}), json!({"name": "B", "givenName": "G"}), &["name"]),
        (json!({"name": "A"}), json!({"name": "A", "givenName": "G"}), &[]),
        (json!({"userMetadata": {}}), json!({"userMetadata": {"a": 1}}), &["userMetadata.a"]),
        (password("first"), password("second"), &["passwordSecretRef"]),
        (password("first"), password("same"), &[]),
    ];
    let pair = |(index, (older, younger, fields))| Pair { slug: format!("p{index}"), older, younger, fields };
    pairs.into_iter().enumerate().map(pair).collect()
}

#[tokio::test]
async fn a_younger_resource_is_refused_whole_where_it_wants_otherwise_and_its_owner_never_notices() {
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
    until_younger_than(&world, "z-p4").await;
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
    let effects = world.sandbox.effects("auth0|p4");
    assert_eq!(effects.passwords_set, 1, "the same password from another Secret");
    check_every_status(&world);
}

/// The owner never notices.
async fn until_is_settled(world: &World, name: &str) {
    let object = world.get(&format!("auth0userupdate/{name}")).await;
    assert_eq!(row(&object), APPLIED, "{name}");
}
