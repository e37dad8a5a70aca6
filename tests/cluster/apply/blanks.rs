//! The three-state table: absent, blank and value, under Yes and under No, through the real API server.

use crate::world::{World, condition, person, update};
use auth0_sandbox::Connection;
use lab::Mode;
use serde_json::{Value, json};

/// What Auth0 receives for one card under Yes, and under No.
struct Case {
    slug: &'static str,
    card: Value,
    yes: Vec<Value>,
    no: Vec<Value>,
}

impl Case {
    /// A card that sends one body under Yes and nothing under No.
    fn yes_only(slug: &'static str, card: Value, body: Value) -> Self {
        Self { slug, card, yes: vec![body], no: vec![] }
    }

    /// A card that means the same under both.
    fn both(slug: &'static str, card: Value, bodies: Vec<Value>) -> Self {
        Self { slug, card, no: bodies.clone(), yes: bodies }
    }
}

/// A world whose connection clears everything that Auth0 may clear.
async fn world(name: &str) -> World {
    let world = World::start(name).await;
    world.sandbox.put_connection(Connection::database("People").with_phone());
    world.sandbox.change_rules(|rules| rules.username_clearable = true);
    world
}

/// Applies each card twice, for two people: one under Yes, one under No. Each person has every attribute.
async fn play(world: &World, cases: Vec<Case>) {
    let mut cards = Vec::new();
    let mut expected = Vec::new();
    for case in cases {
        for (answer, bodies) in [("Yes", case.yes), ("No", case.no)] {
            let name = format!("{}-{}", case.slug, answer.to_lowercase());
            let mut user = person(&name, "People");
            user["phone_number"] = json!("+15550100");
            user["phone_verified"] = json!(true);
            world.sandbox.put_user(user).unwrap();
            let mut card = case.card.clone();
            card["userId"] = json!(format!("auth0|{name}"));
            card["passEmptyValues"] = json!(answer);
            cards.push((name.clone(), card.clone()));
            expected.push((name, card, bodies));
        }
    }
    world.apply_all(cards.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (name, card, bodies) in expected {
        assert_eq!(world.bodies_of(&format!("auth0|{name}")), bodies, "{name}: {card}");
        let synced = condition(&objects[&name], "Synced");
        assert_eq!(synced, ("True".into(), "InSync".into()), "{name}: {card}");
        assert!(objects[&name]["status"]["ignoredFields"].is_null(), "{name}: {card}");
    }
}

/// Fields that can be cleared, with their names in Auth0.
const CLEARABLE: [(&str, &str); 8] = [
    ("name", "name"),
    ("givenName", "given_name"),
    ("familyName", "family_name"),
    ("nickname", "nickname"),
    ("picture", "picture"),
    ("email", "email"),
    ("phoneNumber", "phone_number"),
    ("username", "username"),
];

const EMPTY: [&str; 8] =
    ["empty-n", "empty-g", "empty-f", "empty-k", "empty-p", "empty-e", "empty-t", "empty-u"];
const NULL: [&str; 8] = ["null-n", "null-g", "null-f", "null-k", "null-p", "null-e", "null-t", "null-u"];
const CLEAR: [&str; 8] =
    ["clear-n", "clear-g", "clear-f", "clear-k", "clear-p", "clear-e", "clear-t", "clear-u"];

#[tokio::test]
async fn a_blank_text_clears_under_yes_and_is_not_sent_under_no() {
    let world = world("blank-texts").await;
    let mut cases = Vec::new();
    for (index, (field, attribute)) in CLEARABLE.into_iter().enumerate() {
        let cleared = json!({attribute: null});
        cases.push(Case::yes_only(EMPTY[index], json!({field: ""}), cleared.clone()));
        cases.push(Case::yes_only(NULL[index], json!({field: null}), cleared.clone()));
        cases.push(Case::both(CLEAR[index], json!({"clear": [field]}), vec![cleared]));
    }
    play(&world, cases).await;
}

#[tokio::test]
async fn values_go_under_both_and_only_where_they_differ() {
    let world = world("blank-values").await;
    let all = json!({
        "name": "", "givenName": null, "email": "", "emailVerified": true, "verifyEmail": true,
        "phoneNumber": "", "phoneVerified": true,
    });
    play(
        &world,
        vec![
            Case::both("new", json!({"name": "New"}), vec![json!({"name": "New"})]),
            Case::both(
                "equal",
                json!({"name": "Ann Example", "emailVerified": true, "userMetadata": {"theme": "dark"}}),
                vec![],
            ),
            Case::both("absent", json!({}), vec![]),
            Case::both(
                "key-empty",
                json!({"userMetadata": {"plan": ""}}),
                vec![json!({"user_metadata": {"plan": ""}})],
            ),
            Case {
                slug: "mixed",
                card: all,
                yes: vec![json!({"name": null, "given_name": null, "email": null, "phone_number": null})],
                no: vec![],
            },
            Case::both("clear-blank", json!({"clear": ["name"], "name": ""}), vec![json!({"name": null})]),
        ],
    )
    .await;
}

#[tokio::test]
async fn blank_metadata_follows_the_table() {
    let world = world("blank-metadata").await;
    play(
        &world,
        vec![
            Case::yes_only("user", json!({"userMetadata": {}}), json!({"user_metadata": {}})),
            Case::yes_only("app", json!({"appMetadata": {}}), json!({"app_metadata": {}})),
            Case::yes_only(
                "key-null",
                json!({"userMetadata": {"plan": null}}),
                json!({"user_metadata": {"plan": null}}),
            ),
            Case {
                slug: "key-mixed",
                card: json!({"userMetadata": {"plan": null, "theme": "light"}, "appMetadata": {"roles": null}}),
                yes: vec![json!({"user_metadata": {"plan": null, "theme": "light"}, "app_metadata": {"roles": null}})],
                no: vec![json!({"user_metadata": {"theme": "light"}})],
            },
            Case::both("key-unheld", json!({"userMetadata": {"unheld": null}}), vec![]),
            Case::both(
                "nested-null",
                json!({"userMetadata": {"deep": {"a": null}}}),
                vec![json!({"user_metadata": {"deep": {"a": null}}})],
            ),
            Case::both("clear-map", json!({"clear": ["userMetadata"]}), vec![json!({"user_metadata": {}})]),
            Case::both(
                "clear-key",
                json!({"clear": ["userMetadata.plan", "appMetadata.roles"], "userMetadata": {"theme": "light"}}),
                vec![json!({"user_metadata": {"plan": null, "theme": "light"}, "app_metadata": {"roles": null}})],
            ),
            Case::both(
                "replace",
                json!({"clear": ["userMetadata"], "userMetadata": {"theme": "light", "new": 1}}),
                vec![json!({"user_metadata": {"plan": null, "theme": "light", "new": 1}})],
            ),
            Case::both(
                "replace-same",
                json!({"clear": ["userMetadata"], "userMetadata": {"theme": "dark"}}),
                vec![json!({"user_metadata": {"plan": null}})],
            ),
            Case::both(
                "clear-wins",
                json!({"clear": ["userMetadata", "userMetadata.plan"], "userMetadata": {}}),
                vec![json!({"user_metadata": {}})],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_blank_where_auth0_holds_nothing_is_not_sent() {
    let world = world("blank-nothing").await;
    world.sandbox.put_user(json!({"user_id": "auth0|bare"})).unwrap();
    let texts = CLEARABLE.map(|(field, _)| (field.to_owned(), json!("")));
    let mut card: Value = texts.into_iter().collect();
    card["userId"] = json!("auth0|bare");
    card["userMetadata"] = json!({});
    card["appMetadata"] = json!({"gone": null});
    card["clear"] = json!(["nickname"]);
    world.apply_as("bare", card).await;
    let object = world.until_ready("auth0userupdate/bare").await;
    assert!(world.bodies().is_empty());
    assert!(object["status"]["lastUpdate"].is_null());
}

#[tokio::test]
async fn blanks_that_auth0_cannot_clear_are_reported_under_yes_and_silent_under_no() {
    let world = world("blank-ignored").await;
    let blanks = json!({
        "blocked": null, "emailVerified": null, "phoneVerified": null, "verifyEmail": null,
        "passwordSecretRef": null, "clientId": "", "connection": null, "name": "New",
    });
    world.apply(blanks.clone()).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.bodies(), [json!({"name": "New"})]);
    let ignored = object["status"]["ignoredFields"].as_array().unwrap();
    let mut fields: Vec<&str> = ignored.iter().map(|entry| entry["field"].as_str().unwrap()).collect();
    fields.sort_unstable();
    let all = [
        "blocked",
        "clientId",
        "connection",
        "emailVerified",
        "passwordSecretRef",
        "phoneVerified",
        "verifyEmail",
    ];
    assert_eq!(fields, all);
    assert!(ignored.iter().all(|entry| !entry["reason"].as_str().unwrap().is_empty()));

    let mut silent = blanks;
    silent["passEmptyValues"] = json!("No");
    world.apply(silent).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert!(object["status"]["ignoredFields"].is_null());
    assert_eq!(world.bodies().len(), 1);
}

#[tokio::test]
async fn a_whole_map_is_cleared_once_for_each_edit_and_not_at_every_look() {
    let world = world("blank-once").await;
    world.sandbox.put_user(person("eve", "People")).unwrap();
    let cards = [
        ("ann", json!({"userMetadata": {}})),
        ("eve", json!({"userId": "auth0|eve", "clear": ["userMetadata"], "userMetadata": {"theme": "dark"}})),
    ];
    world.apply_all(cards).await;
    world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (name, sent) in
        [("ann", json!({"user_metadata": {}})), ("eve", json!({"user_metadata": {"plan": null}}))]
    {
        let user_id = format!("auth0|{name}");
        assert_eq!(world.bodies_of(&user_id), [sent]);
        let others =
            |user: &mut serde_json::Map<String, Value>| user["user_metadata"]["other"] = json!("kept");
        world.sandbox.change_user(&user_id, others).unwrap();
        world.look_again(&format!("auth0userupdate/{name}")).await;
        assert_eq!(world.bodies_of(&user_id).len(), 1, "{name}");
        assert_eq!(world.sandbox.user(&user_id).unwrap()["user_metadata"]["other"], "kept");
    }
    world
        .apply_as(
            "eve",
            json!({"userId": "auth0|eve", "clear": ["userMetadata"], "userMetadata": {"theme": "x"}}),
        )
        .await;
    world.until_ready("auth0userupdate/eve").await;
    let edited = json!({"user_metadata": {"theme": "x", "other": null}});
    assert_eq!(world.bodies_of("auth0|eve").last(), Some(&edited));
}

#[tokio::test]
async fn yes_and_no_may_be_quoted_or_not() {
    let world = world("blank-spelling").await;
    let spellings = [
        ("yes", json!("Yes"), true),
        ("true-text", json!("true"), true),
        ("true", json!(true), true),
        ("no", json!("No"), false),
        ("false-text", json!("false"), false),
        ("false", json!(false), false),
    ];
    for (name, _, _) in &spellings {
        world.sandbox.put_user(person(name, "People")).unwrap();
    }
    let card = |name: &str, written: &Value| json!({"userId": format!("auth0|{name}"), "passEmptyValues": written, "nickname": ""});
    world.apply_all(spellings.iter().map(|(name, written, _)| (*name, card(name, written)))).await;
    world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (name, _, clears) in spellings {
        let bodies = world.bodies_of(&format!("auth0|{name}"));
        let expected = if clears { vec![json!({"nickname": null})] } else { vec![] };
        assert_eq!(bodies, expected, "{name}");
    }
}

#[tokio::test]
async fn a_null_that_kubectl_drops_wipes_nothing() {
    let world = world("blank-dropped").await;
    let dropped = [
        ("map", json!({"userMetadata": {"plan": null}}), vec![]),
        (
            "beside",
            json!({"userMetadata": {"plan": null, "theme": "light"}}),
            vec![json!({"user_metadata": {"theme": "light"}})],
        ),
        (
            "nested",
            json!({"userMetadata": {"theme": {"x": null}}, "appMetadata": {"seat": 1}}),
            vec![json!({"app_metadata": {"seat": 1}})],
        ),
        ("scalar", json!({"name": null, "nickname": "new"}), vec![json!({"nickname": "new"})]),
        ("flag", json!({"blocked": null}), vec![]),
        ("meant", json!({"userMetadata": {}}), vec![json!({"user_metadata": {}})]),
        ("ordered", json!({"clear": ["userMetadata.plan"]}), vec![json!({"user_metadata": {"plan": null}})]),
        ("text", json!({"name": ""}), vec![json!({"name": null})]),
    ];
    for (name, card, _) in &dropped {
        world.sandbox.put_user(person(name, "People")).unwrap();
        let mut card = card.clone();
        card["userId"] = json!(format!("auth0|{name}"));
        world.kubectl.submit(Mode::Apply, &update(name, card)).await.unwrap().ok().unwrap();
    }
    world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (name, card, bodies) in dropped {
        let user_id = format!("auth0|{name}");
        assert_eq!(world.bodies_of(&user_id), bodies, "{name}: {card}");
    }
    let map = world.get("auth0userupdate/map").await;
    assert_eq!(map["spec"]["userMetadata"], json!({}), "kubectl no longer drops it");
    // What is left of it does not act later either.
    world.look_again("auth0userupdate/map").await;
    assert!(world.bodies_of("auth0|map").is_empty());
    // The same map written by server-side apply is an order to remove the key.
    world.apply_as("map", json!({"userId": "auth0|map", "userMetadata": {"plan": null}})).await;
    world.until_ready("auth0userupdate/map").await;
    assert_eq!(world.bodies_of("auth0|map"), [json!({"user_metadata": {"plan": null}})]);
}
