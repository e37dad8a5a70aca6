//! Bad input that only the operator can see.

mod password;
mod tenant;

use crate::world::{World, ann, condition, update};
use lab::Mode;
use serde_json::{Value, json};

/// Keys that Auth0 keeps for itself inside `app_metadata` (Auth0: "Metadata field names and data types").
const RESERVED: [&str; 18] = [
    "__tenant",
    "_id",
    "blocked",
    "clientID",
    "created_at",
    "email_verified",
    "email",
    "globalClientID",
    "global_client_id",
    "identities",
    "lastIP",
    "lastLogin",
    "loginsCount",
    "metadata",
    "multifactor_last_modified",
    "multifactor",
    "updated_at",
    "user_id",
];

/// Status, reason and message of Ready.
fn ready(object: &Value) -> (String, String, String) {
    let (status, reason) = condition(object, "Ready");
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or_default();
    (status, reason, found["message"].as_str().unwrap_or_default().to_owned())
}

/// Ready=False for this reason, Stalled, with these words in the message.
fn assert_stalled(name: &str, object: &Value, reason: &str, words: &[&str]) {
    let (status, actual, message) = ready(object);
    assert_eq!((status.as_str(), actual.as_str()), ("False", reason), "{name}: {message}");
    assert_eq!(condition(object, "Stalled"), ("True".into(), reason.into()), "{name}");
    assert_eq!(condition(object, "Reconciling").0, "", "{name}");
    for word in words {
        assert!(message.contains(word), "{name} lacks {word:?}: {message}");
    }
}

/// Ready=False for this reason, Reconciling, with these words in the message.
fn assert_waits(name: &str, object: &Value, reason: &str, words: &[&str]) {
    let (status, actual, message) = ready(object);
    assert_eq!((status.as_str(), actual.as_str()), ("False", reason), "{name}: {message}");
    assert_eq!(condition(object, "Reconciling"), ("True".into(), reason.into()), "{name}");
    assert_eq!(condition(object, "Stalled").0, "", "{name}");
    for word in words {
        assert!(message.contains(word), "{name} lacks {word:?}: {message}");
    }
}

/// What Auth0 was asked since the log was cleared, less what the tenant itself asks: it may look twice.
fn calls(world: &World) -> Vec<String> {
    let paths = world.sandbox.log().into_iter().map(|call| call.path);
    paths.filter(|path| path != "/oauth/token" && !path.starts_with("/api/v2/connections")).collect()
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_advice_and_nothing_is_sent() {
    let world = World::start("input").await;
    let mut cards: Vec<(String, Value, Vec<String>)> = Vec::new();
    let mut case = |card: Value, words: &[&str]| {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        cards.push((format!("case-{:02}", cards.len()), card, words));
    };
    for key in RESERVED {
        let quoted = format!("{key:?}");
        case(json!({"appMetadata": {key: 1}, "name": "X"}), &["appMetadata", &quoted, "rename"]);
    }
    for field in ["userMetadata", "appMetadata"] {
        for key in ["a.b", "$a", "."] {
            case(json!({field: {key: 1}, "name": "X"}), &[field, &format!("{key:?}"), ". or $", "rename"]);
        }
        let clear = format!("{field}.k");
        let both = format!("{clear} is listed in clear and has a value");
        case(json!({"clear": [clear], field: {"k": 1}, "name": "X"}), &[&both, "remove one"]);
        case(json!({field: {"big": "x".repeat(1_000_000)}, "name": "X"}), &["1 MB", "metadata smaller"]);
    }
    for dots in [".", ".."] {
        case(json!({"userId": dots, "name": "X"}), &["is not an Auth0 user id", "PROVIDER|ID"]);
    }
    let documents: Vec<String> = cards.iter().map(|(name, card, _)| update(name, card.clone())).collect();
    let output = world.kubectl.submit(Mode::ServerSideApply, &documents.join("\n---\n")).await.unwrap();
    output.ok().unwrap();
    for (name, card, words) in &cards {
        let object = world.until_reason(&format!("auth0userupdate/{name}"), "InvalidRequest").await;
        let card: String = card.to_string().chars().take(200).collect();
        assert_stalled(
            &card,
            &object,
            "InvalidRequest",
            &words.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        // Only the size of a request is known no sooner than Auth0 was looked at.
        let looked = words[0] == "1 MB";
        let synced = if looked { ("False", "Refused") } else { ("Unknown", "InvalidRequest") };
        assert_eq!(condition(&object, "Synced"), (synced.0.into(), synced.1.into()), "{card}");
        assert!(object["status"]["lastUpdate"].is_null(), "{card}");
    }
    assert_eq!(world.bodies(), Vec::<Value>::new());
    let paths = calls(&world);
    assert!(paths.iter().all(|path| path == "/api/v2/users/auth0%7Cann"), "{paths:?}");
}

#[tokio::test]
async fn reserved_words_are_free_in_user_metadata_and_below_the_first_level() {
    let world = World::start("input").await;
    let map = json!({"email": "x", "user_id": "y", "nested": {"a.b": 1, "$c": 2}});
    world.apply(json!({"userMetadata": map, "appMetadata": {"nested": {"user_id": 1}}})).await;
    world.until_ready("a0uu/ann").await;
    assert_eq!(world.bodies(), [json!({"user_metadata": map, "app_metadata": {"nested": {"user_id": 1}}})]);
}

#[tokio::test]
async fn an_id_without_a_provider_is_told_its_form_and_asked_for_nowhere() {
    let world = World::start("input").await;
    world.apply_as("bare", json!({"userId": "ann", "name": "X"})).await;
    let object = world.until_reason("a0uu/bare", "InvalidRequest").await;
    assert_stalled("bare", &object, "InvalidRequest", &["\"ann\" is not an Auth0 user id", "PROVIDER|ID"]);
    assert_eq!(world.looks(), 0);
}

#[tokio::test]
async fn a_connection_that_is_not_the_users_is_refused_with_those_that_are() {
    let world = World::without_tenant("input").await;
    world.sandbox.put_user(twins()).unwrap();
    world.apply_tenant().await;
    world.until_ready("a0ut/example").await;
    world.apply_as("unknown", json!({"connection": "Poeple", "name": "X", "email": "x@example.com"})).await;
    world.apply_as("twins", json!({"userId": "auth0|two", "connection": "People", "name": "X"})).await;

    let object = world.until_reason("a0uu/unknown", "UnknownConnection").await;
    assert_stalled("unknown", &object, "UnknownConnection", &["Poeple", "its identities are in: People"]);

    let object = world.until_reason("a0uu/twins", "InvalidRequest").await;
    assert_stalled("twins", &object, "InvalidRequest", &["ambiguous", "People", "leave connection out"]);
    assert_eq!(world.bodies(), Vec::<Value>::new());

    world.apply_as("unknown", json!({"connection": "People", "name": "X", "email": "x@example.com"})).await;
    let object = world.until_ready("a0uu/unknown").await;
    assert_eq!(condition(&object, "Stalled").0, "");
}

/// Two identities in one connection.
fn twins() -> Value {
    let mut twins = ann();
    let identity =
        |id| json!({"connection": "People", "user_id": id, "provider": "auth0", "isSocial": false});
    twins["user_id"] = "auth0|two".into();
    twins["email"] = "two@example.com".into();
    twins["username"] = "two".into();
    twins["identities"] = json!([identity("two"), identity("three")]);
    twins
}

#[tokio::test]
async fn a_paused_resource_sends_nothing_until_the_annotation_goes() {
    let world = World::start("input").await;
    let mut manifest: Value = serde_json::from_str(&update("ann", json!({"name": "X"}))).unwrap();
    manifest["metadata"]["annotations"] = json!({"auth0-user-operator.dev/paused": "true"});
    world.kubectl.apply(&manifest.to_string()).await.unwrap();
    let object = world.until_reason("a0uu/ann", "Paused").await;
    assert_eq!(condition(&object, "Ready"), ("Unknown".into(), "Paused".into()));
    assert_eq!(condition(&object, "Synced"), ("Unknown".into(), "Paused".into()));
    assert_eq!((condition(&object, "Stalled").0, condition(&object, "Reconciling").0), Default::default());
    assert_eq!(calls(&world), Vec::<String>::new());
    world.annotate("a0uu/ann", "auth0-user-operator.dev/paused-").await;
    world.until_ready("a0uu/ann").await;
    assert_eq!(world.bodies(), [json!({"name": "X"})]);
}

#[tokio::test]
async fn a_tenant_is_looked_for_in_the_namespace_that_is_named() {
    let world = World::start("input").await;
    let elsewhere = json!({"name": "example", "namespace": "default"});
    world.apply_as("foreign", json!({"tenantRef": elsewhere, "name": "X"})).await;
    let object = world.until_reason("a0uu/foreign", "TenantNotAllowed").await;
    assert!(object["status"]["conditions"].to_string().contains("default/example"), "{object}");
    assert_eq!(calls(&world), Vec::<String>::new());

    let here = json!({"name": "example", "namespace": world.namespace});
    world.apply_as("here", json!({"tenantRef": here, "name": "Y"})).await;
    world.until_ready("a0uu/here").await;
    assert_eq!(world.bodies(), [json!({"name": "Y"})]);
}
