//! What Auth0 or the user's state refuses until somebody acts.

use super::{card_of, is_ready, message};
use crate::run::conditions::{check_every_status, row, until_row};
use crate::world::{World, condition, person};
use auth0_sandbox::{Connection, SeedUser};
use serde_json::{Value, json};

/// Held by another user.
const TAKEN: &str = "canary-taken@example.com";

/// A world with a connection of every kind, and strict rules for passwords.
async fn world(name: &str) -> World {
    let world = World::start(name).await;
    let sandbox = &world.sandbox;
    let people = Connection::database("People")
        .with("passwordPolicy", json!("good"))
        .with("password_history", json!({"enable": true, "size": 3}))
        .with("password_dictionary", json!({"enable": true, "dictionary": ["Sunflower-2026"]}))
        .with("password_no_personal_info", json!({"enable": true}));
    sandbox.put_connection(people);
    sandbox.put_connection(Connection::new("google-oauth2", "google-oauth2"));
    sandbox.put_connection(Connection::new("Corporate", "samlp"));
    sandbox.put_connection(Connection::custom_database("External", false, &[]));
    sandbox.put_connection(Connection::database("Retired"));
    sandbox.disable_connection("Retired", true);
    sandbox.put_connection(Connection::new("Nameless", "auth0"));
    sandbox.put_user(person("holder", "People")).unwrap();
    sandbox.change_user("auth0|holder", |user| drop(user.insert("email".into(), json!(TAKEN)))).unwrap();
    let passwords = json!({
        "weak": "canary", "common": "Sunflower-2026", "personal": "Canary-Ann-Garden-1",
        "used": "Canary-Garden-1", "good": "Canary-Winter-7",
    });
    world.apply_secret("passwords", &passwords).await;
    world
}

/// One refusal: who, in which connection, what is written, which reason, and what of Auth0's text is told.
type Case = (&'static str, &'static str, Value, &'static str, &'static str);

fn password(key: &str) -> Value {
    json!({"passwordSecretRef": {"name": "passwords", "key": key}})
}

fn cases() -> Vec<Case> {
    let unsupported = "NotSupportedByConnection";
    vec![
        ("format", "People", json!({"username": "canary@example.com"}), "InvalidRequest", "format username"),
        ("provider", "google-oauth2", json!({"name": "canary"}), unsupported, "cannot be updated: name"),
        (
            "social-mail",
            "google-oauth2",
            json!({"email": "canary@example.com"}),
            unsupported,
            "Cannot update email",
        ),
        ("social-word", "google-oauth2", password("good"), unsupported, "The connection does not exist."),
        (
            "no-phone",
            "People",
            json!({"phoneNumber": "+15550177"}),
            unsupported,
            "Cannot update phone_number for non-sms user",
        ),
        ("retired", "Retired", json!({"email": "canary@example.com"}), unsupported, "disabled connection"),
        (
            "enterprise",
            "Corporate",
            json!({"emailVerified": false}),
            unsupported,
            "not supported for enterprise",
        ),
        ("script", "External", json!({"email": "canary@example.com"}), unsupported, "change_email script"),
        ("nameless", "Nameless", json!({"username": "canary"}), unsupported, "users without an username"),
        (
            "gone",
            "Gone",
            json!({"connection": "Gone", "email": "canary@example.com"}),
            "UnknownConnection",
            "The connection does not exist.",
        ),
        (
            "nowhere",
            "People",
            json!({"connection": "Nowhere", "name": "canary"}),
            "UnknownConnection",
            "has no identity in connection \"Nowhere\"; its identities are in: People",
        ),
        (
            "weak",
            "People",
            password("weak"),
            "PasswordRejected",
            "PasswordStrengthError: Password is too weak",
        ),
        ("common", "People", password("common"), "PasswordRejected", "PasswordDictionaryError"),
        ("personal", "People", password("personal"), "PasswordRejected", "PasswordNoUserInfoError"),
        ("used", "People", password("used"), "PasswordRejected", "PasswordHistoryError"),
        (
            "taken-mail",
            "People",
            json!({"email": TAKEN}),
            "AlreadyExists",
            "The specified new email already exists",
        ),
        (
            "taken-name",
            "People",
            json!({"username": "holder"}),
            "AlreadyExists",
            "new username already exists",
        ),
        ("keep-name", "People", json!({"username": ""}), "NotClearable", "cannot be removed: username"),
        ("keep-root", "google-oauth2", json!({"clear": ["name"]}), "NotClearable", "cannot be removed: name"),
        (
            "plan",
            "People",
            json!({"nickname": "canary"}),
            "NotEntitled",
            "Your account is not allowed to update",
        ),
        ("blocked", "People", password("good"), "UserBlocked", "blocked: true or blocked: false"),
    ]
}

fn put_people(world: &World, cases: &[Case]) {
    for (slug, connection, ..) in cases {
        let mut profile = person(slug, connection);
        match *slug {
            "nameless" => drop(profile.as_object_mut().unwrap().remove("username")),
            "blocked" => profile["blocked"] = json!(true),
            _ => {}
        }
        let mut seed = SeedUser { profile: profile.as_object().unwrap().clone(), ..SeedUser::default() };
        if *slug == "used" {
            seed.passwords.insert("People".to_owned(), "Canary-Garden-1".to_owned());
        }
        world.sandbox.put_seed_user(seed).unwrap();
    }
    world.sandbox.change_rules(|rules| rules.forbidden_attributes.push("nickname".to_owned()));
}

#[tokio::test]
async fn auth0s_refusals_have_their_reasons_quote_its_text_and_never_a_value() {
    let world = world("reasons").await;
    let cases = cases();
    put_people(&world, &cases);
    world.apply_all(cases.iter().map(|(slug, _, card, ..)| (*slug, card_of(slug, card)))).await;
    let stalled = |object: &Value| condition(object, "Stalled").0 == "True";
    let objects = world.until_all("Stalled", stalled).await;
    for (slug, _, card, reason, quote) in &cases {
        let (object, told) = (&objects[*slug], message(&objects[*slug]));
        assert_eq!(row(object), format!("False/{reason} False/Refused Stalled"), "{slug}: {told}");
        assert!(told.contains(quote), "{slug}: {told}");
        assert!(!told.to_lowercase().contains("canary"), "{slug}: {told}");
        let before_any_call = ["nowhere", "blocked"].contains(slug);
        let sent = world.bodies_of(&format!("auth0|{slug}")).len();
        assert_eq!(sent, usize::from(!before_any_call), "{slug}");
        let refused = &object["status"]["refusedFields"];
        if before_any_call {
            assert!(refused.is_null(), "{slug}: {refused}");
        } else {
            let field = card.as_object().unwrap().keys().rfind(|key| *key != "connection").unwrap();
            let field = if field == "clear" { "name" } else { field };
            assert_eq!(
                (&refused[0]["field"], &refused[0]["reason"]),
                (&json!(field), &json!(reason)),
                "{slug}"
            );
            assert!(refused[0]["since"].is_string() && refused[1].is_null(), "{slug}: {refused}");
        }
    }
    // A change of the spec is a new try, and takes everything back that was said.
    let mended = json!({"userMetadata": {"plan": "pro"}});
    world.apply_all(cases.iter().map(|(slug, ..)| (*slug, card_of(slug, &mended)))).await;
    for (slug, object) in world.until_all("Ready=True", is_ready).await {
        assert_eq!(row(&object), "True/Applied True/InSync", "{slug}");
        assert!(object["status"]["refusedFields"].is_null(), "{slug}");
        assert_eq!(world.sandbox.user(&format!("auth0|{slug}")).unwrap()["user_metadata"]["plan"], "pro");
    }
    check_every_status(&world);
}

#[tokio::test]
async fn a_field_that_auth0_names_is_left_out_and_the_rest_is_applied() {
    let world = world("reasons-split").await;
    world.sandbox.put_connection(Connection::database("People").with_phone());
    let card = json!({
        "email": TAKEN, "emailVerified": true, "name": "New", "userMetadata": {"plan": "pro"},
        "phoneNumber": "+15550101", "username": "ann-2",
    });
    world.apply(card.clone()).await;
    let object = until_row(&world, "auth0userupdate/ann", "False/AlreadyExists False/Refused Stalled").await;
    let rest = json!({"user_metadata": {"plan": "pro"}, "name": "New", "phone_number": "+15550101"});
    let mut merged = rest.clone();
    (merged["email"], merged["email_verified"]) = (json!(TAKEN), json!(true));
    assert_eq!(world.bodies(), [merged, rest, json!({"username": "ann-2"})]);
    let refused = object["status"]["refusedFields"].as_array().unwrap();
    let fields: Vec<_> = refused.iter().map(|entry| entry["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["email"]);
    let sentence = refused[0]["message"].as_str().unwrap();
    assert!(sentence.contains("The specified new email already exists"), "{sentence}");
    let last = &object["status"]["lastUpdate"];
    assert_eq!(last["requests"], 3);
    let mut accepted: Vec<String> = serde_json::from_value(last["sentFields"].clone()).unwrap();
    accepted.sort_unstable();
    assert_eq!(accepted, ["name", "phoneNumber", "userMetadata.plan", "username"]);

    // The cause goes with the next spec, in one write, and nothing else is sent again.
    let mut mended = card;
    mended["email"] = json!("free@example.com");
    world.apply(mended).await;
    let object = until_row(&world, "auth0userupdate/ann", "True/Applied True/InSync").await;
    assert!(object["status"]["refusedFields"].is_null());
    assert_eq!(world.bodies()[3..], [json!({"email": "free@example.com", "email_verified": true})]);
    check_every_status(&world);
}

#[tokio::test]
async fn the_reason_is_that_of_the_first_refused_group_and_all_are_listed() {
    let world = world("reasons-first").await;
    world.apply_secret("passwords", &json!({"weak": "canary"})).await;
    let card = json!({
        "passwordSecretRef": {"name": "passwords", "key": "weak"}, "email": TAKEN, "username": "holder",
        "phoneNumber": "+15550101", "name": "New",
    });
    world.apply(card).await;
    let object =
        until_row(&world, "auth0userupdate/ann", "False/PasswordRejected False/Refused Stalled").await;
    let refused = object["status"]["refusedFields"].as_array().unwrap();
    let told =
        |entry: &Value| format!("{}={}", entry["field"].as_str().unwrap(), entry["reason"].as_str().unwrap());
    assert_eq!(
        refused.iter().map(told).collect::<Vec<_>>(),
        [
            "passwordSecretRef=PasswordRejected",
            "email=AlreadyExists",
            "phoneNumber=NotSupportedByConnection",
            "username=AlreadyExists",
        ]
    );
    assert_eq!(world.sandbox.user("auth0|ann").unwrap()["name"], "New");
}

#[tokio::test]
async fn a_refused_group_is_left_out_of_later_bodies_until_something_changes() {
    let world = world("reasons-left-out").await;
    // The missing Secret brings the resource back every few seconds, for no reason that forgives.
    let card = json!({
        "email": TAKEN, "name": "New", "passwordSecretRef": {"name": "absent", "key": "new"},
    });
    world.apply(card).await;
    let name = "auth0userupdate/ann";
    let first = until_row(&world, name, "False/SecretNotFound Unknown/SecretNotFound Reconciling").await;
    let sent = [json!({"email": TAKEN, "name": "New"}), json!({"name": "New"})];
    assert_eq!(world.bodies(), sent);
    world
        .sandbox
        .change_user("auth0|ann", |user| drop(user.insert("name".into(), json!("Drifted"))))
        .unwrap();
    let corrected = lab::wait_until("drift to be corrected", crate::world::DEADLINE, async || {
        let bodies = world.bodies();
        if bodies.len() > sent.len() { Ok(bodies) } else { Err(format!("{bodies:?}")) }
    });
    assert_eq!(corrected.await.unwrap()[2..], [json!({"name": "New"})]);
    let later = world.get(name).await;
    assert_eq!(later["status"]["refusedFields"], first["status"]["refusedFields"]);
    // A Secret that appears is a change: the refused group is tried again with it.
    world.sandbox.remove_user("auth0|holder");
    world.apply_secret("absent", &json!({"new": "Canary-Winter-7"})).await;
    until_row(&world, name, "True/Applied True/InSync").await;
    assert_eq!(world.bodies()[3..], [json!({"password": "Canary-Winter-7"}), json!({"email": TAKEN})]);
}
