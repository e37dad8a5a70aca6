//! The Connection dropdown of the card: what the tenant offers, and which identity a name means.

use crate::world::{World, condition, person};
use auth0_sandbox::Connection;
use serde_json::{Value, json};

/// Asks for a look now; `moment` only has to be another one than before.
async fn request(world: &World, name: &str, moment: &str) {
    let annotation = format!("auth0-user-operator.dev/requested-at={moment}");
    world.annotate(name, &annotation).await;
    let echoed = |object: &Value| object["status"]["lastHandledReconcileAt"] == moment;
    world.until(name, "the echo of the request", echoed).await;
}

fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    ready["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_tenant_shows_at_most_a_thousand_choices_and_tells_how_many_there_are() {
    let world = World::without_tenant("choices").await;
    for number in 0..1049 {
        world.sandbox.put_connection(Connection::new(&format!("c{number:04}"), "oidc"));
    }
    world.apply_tenant().await;
    let tenant = world.until_ready("a0ut/example").await;
    let choices = tenant["status"]["connections"].as_array().unwrap();
    assert_eq!((choices.len(), &tenant["status"]["connectionsTotal"]), (1000, &json!(1050)));
    assert!(choices.contains(&json!({"name": "People", "strategy": "auth0"})));
    assert!(choices.contains(&json!({"name": "c0007", "strategy": "oidc"})));
}

#[tokio::test]
async fn an_unknown_connection_names_those_of_the_user_and_an_identity_linked_later_is_accepted() {
    let world = World::without_tenant("linked-later").await;
    for number in 0..30 {
        world.sandbox.put_connection(Connection::database(&format!("Team-{number:02}")));
    }
    world.apply_tenant().await;
    world.until_ready("a0ut/example").await;
    world.apply(json!({"connection": "Team-07", "name": "New", "email": "second@example.com"})).await;
    let stalled = world.until_reason("a0uu/ann", "UnknownConnection").await;
    assert_eq!(condition(&stalled, "Stalled"), ("True".into(), "UnknownConnection".into()));
    let told = message(&stalled);
    assert!(told.contains("\"Team-07\"; its identities are in: People"), "{told}");
    assert_eq!(world.bodies(), Vec::<Value>::new(), "the whole resource is held");

    let identity = json!({
        "connection": "Team-07", "user_id": "ann-7", "provider": "auth0", "isSocial": false,
        "profileData": {"email": "old@example.com", "email_verified": true},
    });
    let link = |user: &mut serde_json::Map<String, Value>| {
        user["identities"].as_array_mut().unwrap().push(identity.clone());
    };
    world.sandbox.change_user("auth0|ann", link).unwrap();
    request(&world, "a0uu/ann", "linked").await;
    let ready = world.until_ready("a0uu/ann").await;
    assert_eq!(ready["metadata"]["generation"], 1, "without an edit");
    let email = json!({"email": "second@example.com", "connection": "Team-07"});
    assert_eq!(world.bodies(), [json!({"name": "New"}), email]);
}

#[tokio::test]
async fn a_name_that_means_two_identities_is_refused_and_none_means_the_primary_one() {
    let world = World::start("ambiguous").await;
    let mut twins = person("twins", "People");
    let identities = twins["identities"].as_array_mut().unwrap();
    identities
        .push(json!({"connection": "People", "user_id": "twins-2", "provider": "auth0", "isSocial": false}));
    world.sandbox.put_user(twins).unwrap();
    let card = |connection: Value| json!({"userId": "auth0|twins", "connection": connection, "email": "one@example.com"});
    world.apply(card(json!("People"))).await;
    let stalled = world.until_reason("a0uu/ann", "InvalidRequest").await;
    assert!(message(&stalled).contains("ambiguous"), "{}", message(&stalled));
    assert_eq!(world.bodies(), Vec::<Value>::new());
    world.apply(card(Value::Null)).await;
    world.until_ready("a0uu/ann").await;
    assert_eq!(world.bodies(), [json!({"email": "one@example.com"})]);
}

#[tokio::test]
async fn a_secondary_identity_is_compared_by_its_profile_data_where_there_is_any() {
    let world = World::start("secondary").await;
    world.sandbox.put_connection(Connection::database("Second"));
    let second = |slug: &str, profile: Value| {
        let mut user = person(slug, "People");
        let id = format!("{slug}-2");
        let mut identity =
            json!({"connection": "Second", "user_id": id, "provider": "auth0", "isSocial": false});
        if !profile.is_null() {
            identity["profileData"] = profile;
        }
        user["identities"].as_array_mut().unwrap().push(identity);
        world.sandbox.put_user(user).unwrap();
    };
    second("seen", json!({"email": "seen@second.example.com"}));
    second("unseen", Value::Null);
    for slug in ["seen", "unseen"] {
        let email = format!("{slug}@second.example.com");
        world.apply_for(slug, json!({"connection": "Second", "email": email})).await;
        world.until_applied(slug).await;
    }
    assert_eq!(world.bodies_of("auth0|seen"), Vec::<Value>::new(), "it is there already");
    let sent = json!({"email": "unseen@second.example.com", "connection": "Second"});
    assert_eq!(world.bodies_of("auth0|unseen"), [sent]);

    // What is seen is corrected; what is not seen is sent once for each value.
    let drift = |user: &mut serde_json::Map<String, Value>| {
        user["identities"][1]["profileData"] = json!({"email": "drifted@second.example.com"});
    };
    world.sandbox.change_user("auth0|seen", drift).unwrap();
    for (slug, more) in [("seen", 1), ("unseen", 1)] {
        request(&world, &format!("a0uu/{slug}"), "again").await;
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")).len(), more, "{slug}");
    }
    let email = json!({"email": "seen@second.example.com", "connection": "Second"});
    assert_eq!(world.bodies_of("auth0|seen"), [email]);
}
