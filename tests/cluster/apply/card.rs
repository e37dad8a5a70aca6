//! Every input of the card, as Auth0 receives it.

use crate::world::{World, condition, object, person};
use auth0_sandbox::{Connection, SeedUser};
use serde_json::{Value, json};

/// A card for one person, and the bodies that Auth0 has to receive for it, in this order.
type Case = (&'static str, Value, Vec<Value>);

/// A world whose People have phone numbers too.
async fn world(name: &str) -> World {
    let world = World::start(name).await;
    world.sandbox.put_connection(Connection::database("People").with_phone());
    world
}

/// Applies every card to a person of its own, and compares what Auth0 received.
async fn play(world: &World, cases: Vec<Case>) {
    for (slug, _, _) in &cases {
        world.sandbox.put_user(person(slug, "People")).unwrap();
    }
    let with_user = |slug: &str, card: &Value| {
        let mut card = card.clone();
        card["userId"] = json!(format!("auth0|{slug}"));
        card
    };
    world.apply_all(cases.iter().map(|(slug, card, _)| (*slug, with_user(slug, card)))).await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (slug, card, bodies) in cases {
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")), bodies, "{slug}: {card}");
        assert_eq!(condition(&objects[slug], "Synced"), ("True".into(), "InSync".into()), "{slug}: {card}");
    }
}

#[tokio::test]
async fn each_input_of_the_profile_is_sent_under_auth0s_name() {
    let world = world("card-profile").await;
    play(
        &world,
        vec![
            ("name", json!({"name": "New Name"}), vec![json!({"name": "New Name"})]),
            ("given", json!({"givenName": "Given"}), vec![json!({"given_name": "Given"})]),
            ("family", json!({"familyName": "Family"}), vec![json!({"family_name": "Family"})]),
            (
                "nick",
                json!({"nickname": "Nick \u{e9} \u{1f600}"}),
                vec![json!({"nickname": "Nick \u{e9} \u{1f600}"})],
            ),
            (
                "picture",
                json!({"picture": "https://example.com/new.png"}),
                vec![json!({"picture": "https://example.com/new.png"})],
            ),
            ("blocked", json!({"blocked": true}), vec![json!({"blocked": true})]),
            ("unblocked", json!({"blocked": false}), vec![]),
            (
                "app",
                json!({"appMetadata": {"seat": 7, "roles": ["writer"], "deep": {"a": {"b": null}}}}),
                vec![json!({"app_metadata": {"seat": 7, "roles": ["writer"], "deep": {"a": {"b": null}}}})],
            ),
            (
                "user",
                json!({"userMetadata": {"theme": "dark", "plan": "pro", "size": 1.5}}),
                vec![json!({"user_metadata": {"plan": "pro", "size": 1.5}})],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn email_and_its_riders_are_sent_together() {
    let world = world("card-email").await;
    let mut unverified = person("mail", "People");
    unverified["email_verified"] = json!(false);
    play(
        &world,
        vec![
            ("email", json!({"email": "a1@example.com"}), vec![json!({"email": "a1@example.com"})]),
            (
                "verified",
                json!({"email": "a2@example.com", "emailVerified": true}),
                vec![json!({"email": "a2@example.com", "email_verified": true})],
            ),
            ("unverify", json!({"emailVerified": false}), vec![json!({"email_verified": false})]),
            (
                "client",
                json!({"email": "a3@example.com", "clientId": "app-1"}),
                vec![json!({"email": "a3@example.com", "client_id": "app-1"})],
            ),
            ("client-alone", json!({"clientId": "app-1", "emailVerified": true}), vec![]),
            (
                "mail-new",
                json!({"email": "a4@example.com", "verifyEmail": true}),
                vec![json!({"email": "a4@example.com", "verify_email": true})],
            ),
            (
                "mail-not",
                json!({"email": "a5@example.com", "verifyEmail": false}),
                vec![json!({"email": "a5@example.com", "verify_email": false})],
            ),
            (
                "mail-flag",
                json!({"emailVerified": false, "verifyEmail": false}),
                vec![json!({"email_verified": false, "verify_email": false})],
            ),
            ("mail-verified", json!({"verifyEmail": true}), vec![]),
            ("mail-never", json!({"verifyEmail": false}), vec![]),
            ("letter-case", json!({"email": "Letter-Case@EXAMPLE.com"}), vec![]),
        ],
    )
    .await;
    world.sandbox.put_user(unverified).unwrap();
    world.apply_as("mail", json!({"userId": "auth0|mail", "verifyEmail": true})).await;
    world.until_ready("auth0userupdate/mail").await;
    assert_eq!(world.bodies_of("auth0|mail"), [json!({"verify_email": true})]);
    assert_eq!(world.sandbox.effects("auth0|mail").mails_sent, 1);
}

#[tokio::test]
async fn phone_username_and_connection_are_sent_where_they_belong() {
    let world = world("card-phone").await;
    play(
        &world,
        vec![
            ("phone", json!({"phoneNumber": "+15550001"}), vec![json!({"phone_number": "+15550001"})]),
            (
                "phone-flag",
                json!({"phoneNumber": "+15550002", "phoneVerified": true}),
                vec![json!({"phone_number": "+15550002", "phone_verified": true})],
            ),
            (
                "phone-rides",
                json!({"phoneNumber": "+15550003", "phoneVerified": false}),
                vec![json!({"phone_number": "+15550003", "phone_verified": false})],
            ),
            (
                "phone-client",
                json!({"phoneNumber": "+15550004", "clientId": "app-1"}),
                vec![json!({"phone_number": "+15550004", "client_id": "app-1"})],
            ),
            ("flag-alone", json!({"phoneVerified": true}), vec![json!({"phone_verified": true})]),
            ("handle", json!({"username": "handle-2"}), vec![json!({"username": "handle-2"})]),
            ("handle-case", json!({"username": "Handle-Case"}), vec![]),
            (
                "home",
                json!({"connection": "People", "name": "N", "email": "home2@example.com"}),
                vec![json!({"connection": "People", "name": "N", "email": "home2@example.com"})],
            ),
            (
                "home-name",
                json!({"connection": "People", "name": "N", "blocked": true, "userMetadata": {"plan": "pro"}}),
                vec![json!({"name": "N", "blocked": true, "user_metadata": {"plan": "pro"}})],
            ),
            (
                "home-handle",
                json!({"connection": "People", "username": "home-h2"}),
                vec![json!({"connection": "People", "username": "home-h2"})],
            ),
        ],
    )
    .await;
}

/// Every input at once.
fn everything() -> Value {
    json!({
        "name": "All", "givenName": "A", "familyName": "Ll", "nickname": "al",
        "picture": "https://example.com/all.png", "email": "all@example.com", "emailVerified": true,
        "verifyEmail": true, "clientId": "app-1", "phoneNumber": "+15550009", "phoneVerified": true,
        "username": "all", "passwordSecretRef": {"name": "password", "key": "new"}, "blocked": true,
        "appMetadata": {"seat": 1}, "userMetadata": {"plan": "pro"},
    })
}

#[tokio::test]
async fn a_whole_card_is_a_block_the_password_everything_else_and_the_username() {
    let world = world("card-all").await;
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7\n"})).await;
    world.apply(everything()).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    let rest = json!({
        "name": "All", "given_name": "A", "family_name": "Ll", "nickname": "al",
        "picture": "https://example.com/all.png", "email": "all@example.com", "email_verified": true,
        "verify_email": true, "client_id": "app-1", "phone_number": "+15550009", "phone_verified": true,
        "app_metadata": {"seat": 1}, "user_metadata": {"plan": "pro"},
    });
    let password = json!({"password": "Winter-Orchid-7", "blocked": true});
    assert_eq!(world.bodies(), [json!({"blocked": true}), password, rest, json!({"username": "all"})]);
    assert_eq!(world.sandbox.password("auth0|ann", "People").as_deref(), Some("Winter-Orchid-7"));
    assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()));
    assert_eq!(object["status"]["lastUpdate"]["requests"], 4);
}

#[tokio::test]
async fn a_whole_card_for_a_secondary_identity_keeps_the_identity_apart_and_names_it_where_it_belongs() {
    let world = world("card-secondary").await;
    world.sandbox.put_connection(Connection::database("Second").with_phone());
    let mut lea = person("lea", "People");
    let profile = json!({
        "email": "lea.second@example.com", "email_verified": true, "username": "second",
        "phone_number": "+15550100", "phone_verified": true,
    });
    lea["identities"].as_array_mut().unwrap().push(json!(
        {"connection": "Second", "user_id": "lea-2", "provider": "auth0", "isSocial": false, "profileData": profile}
    ));
    world.sandbox.put_user(lea).unwrap();
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    let mut card = everything();
    card["userId"] = json!("auth0|lea");
    card["connection"] = json!("Second");
    world.apply_as("lea", card).await;
    let object = world.until_ready("auth0userupdate/lea").await;
    assert_eq!(
        world.bodies(),
        [
            json!({"blocked": true}),
            json!({"password": "Winter-Orchid-7", "blocked": true, "connection": "Second"}),
            json!({
                "name": "All", "given_name": "A", "family_name": "Ll", "nickname": "al",
                "picture": "https://example.com/all.png", "app_metadata": {"seat": 1},
                "user_metadata": {"plan": "pro"},
            }),
            json!({
                "email": "all@example.com", "email_verified": true, "verify_email": true, "client_id": "app-1",
                "phone_number": "+15550009", "phone_verified": true, "connection": "Second",
            }),
            json!({"username": "all", "connection": "Second"}),
        ]
    );
    assert_eq!(world.sandbox.password("auth0|lea", "Second").as_deref(), Some("Winter-Orchid-7"));
    let user = world.sandbox.user("auth0|lea").unwrap();
    assert_eq!(user["email"], "lea@example.com");
    assert_eq!(user["identities"][1]["profileData"]["email"], "all@example.com");
    assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()));
}

#[tokio::test]
async fn a_password_alone_is_sent_once_and_without_its_trailing_newline() {
    let world = world("card-password").await;
    let seed = SeedUser {
        profile: person("pat", "People").as_object().unwrap().clone(),
        passwords: [("People".to_owned(), "Orchid-Garden-1".to_owned())].into(),
    };
    world.sandbox.put_seed_user(seed).unwrap();
    world.apply_secret("password", &json!({"line": "Winter-Orchid-7\n", "lines": "a b\n\n"})).await;
    let card =
        |key: &str| json!({"userId": "auth0|pat", "passwordSecretRef": {"name": "password", "key": key}});
    world.apply_as("pat", card("line")).await;
    world.until_ready("auth0userupdate/pat").await;
    world.apply_as("pat", card("lines")).await;
    world.until_ready("auth0userupdate/pat").await;
    world.look_again("auth0userupdate/pat").await;
    let sent = [json!({"password": "Winter-Orchid-7"}), json!({"password": "a b\n"})];
    assert_eq!(world.bodies(), sent);
}

#[tokio::test]
async fn any_user_id_is_one_segment_encoded_once_and_every_patch_leads_back_to_its_resource() {
    let world = world("card-ids").await;
    let ids = [
        ("plain", "auth0|507f", "auth0%7C507f"),
        ("slash", "samlp|Corp|a/b/../c", "samlp%7CCorp%7Ca%2Fb%2F..%2Fc"),
        ("percent", "oauth2|siwe|eip155%3A5", "oauth2%7Csiwe%7Ceip155%253A5"),
        ("space", "auth0|a b+c", "auth0%7Ca%20b%2Bc"),
        ("unicode", "auth0|\u{e9}\u{4e2d}", "auth0%7C%C3%A9%E4%B8%AD"),
        ("query", "auth0|a?b#c&d", "auth0%7Ca%3Fb%23c%26d"),
        ("dots", "auth0|..", "auth0%7C.."),
    ];
    for (_, id, _) in ids {
        world.sandbox.put_user(json!({"user_id": id, "name": "Old"})).unwrap();
    }
    let card = |id: &str| json!({"userId": id, "userMetadata": {"plan": "pro"}});
    world.apply_all(ids.iter().map(|(name, id, _)| (*name, card(id)))).await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    let patches = world.sandbox.patches();
    assert_eq!(patches.len(), ids.len());
    for (name, id, segment) in ids {
        let address = format!("/api/v2/users/{segment}");
        let patch = patches.iter().find(|patch| patch.path == address).expect(id);
        let uid = objects[name]["metadata"]["uid"].as_str().unwrap();
        assert_eq!(patch.header("x-correlation-id"), Some(format!("{uid}/1").as_str()));
        assert_eq!(world.sandbox.user(id).unwrap()["user_metadata"], json!({"plan": "pro"}));
    }
    world.apply_as("plain", json!({"userId": "auth0|507f", "userMetadata": {"plan": "max"}})).await;
    world.until_ready("auth0userupdate/plain").await;
    let uid = objects["plain"]["metadata"]["uid"].as_str().unwrap();
    let last = world.sandbox.patches().pop().unwrap();
    assert_eq!(last.header("x-correlation-id"), Some(format!("{uid}/2").as_str()));
}

#[tokio::test]
async fn tenant_and_user_are_fixed_parts_of_the_card_and_an_empty_card_sends_nothing() {
    let world = world("card-empty").await;
    world.apply(json!({})).await;
    let ann = world.until_ready("auth0userupdate/ann").await;
    assert_eq!(ann["status"]["user"]["id"], "auth0|ann");
    assert!(world.bodies().is_empty());
    let spec = json!({"tenantRef": {"name": "example"}, "userId": "auth0|bob", "passEmptyValues": "Yes"});
    let moved = object("Auth0UserUpdate", "ann", &spec);
    let refused = world.kubectl.submit(lab::Mode::ServerSideApply, &moved).await.unwrap();
    assert!(refused.stderr.contains("userId is immutable"), "{refused}");
}
