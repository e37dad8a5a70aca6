//! Conditions and events: one test for each situation that a resource can be in.

use crate::world::{World, condition, person, update};
use auth0_sandbox::{Fault, FaultKind};
use lab::{Mode, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ANN: &str = "auth0userupdate/ann";

/// Ready, Synced and what else is there, such as `False/UserNotFound Unknown/UserNotFound Stalled`.
pub fn row(object: &Value) -> String {
    let mut words = Vec::new();
    for type_ in ["Ready", "Synced"] {
        let (status, reason) = condition(object, type_);
        words.push(if status.is_empty() { "none".to_owned() } else { format!("{status}/{reason}") });
    }
    for type_ in ["Reconciling", "Stalled"] {
        match condition(object, type_).0.as_str() {
            "" => {}
            "True" => words.push(type_.to_owned()),
            other => words.push(format!("{type_}={other}")),
        }
    }
    words.join(" ")
}

/// Waits for a row of the table, for the present generation.
pub async fn until_row(world: &World, name: &str, expected: &str) -> Value {
    world.until(name, expected, |object| row(object) == expected).await
}

/// What holds of every status that was ever written in this world, each beside the one before it.
pub fn check_every_status(world: &World) {
    let mut before: BTreeMap<String, Value> = BTreeMap::new();
    for event in world.status_writes() {
        let object = &event.response_object;
        if event.response_status.code != 200 || object["status"]["conditions"].is_null() {
            continue;
        }
        let status = &object["status"];
        let conditions = status["conditions"].as_array().unwrap();
        for entry in conditions {
            assert_eq!(entry["observedGeneration"], status["observedGeneration"], "{status}");
            assert!(!entry["message"].as_str().unwrap().is_empty(), "{status}");
        }
        let ready = condition(object, "Ready");
        let abnormal: Vec<&Value> = conditions
            .iter()
            .filter(|entry| ["Reconciling", "Stalled"].iter().any(|type_| entry["type"] == *type_))
            .collect();
        assert_eq!(abnormal.len(), usize::from(ready.0 == "False"), "{status}");
        for entry in abnormal {
            assert_eq!((&entry["status"], &entry["reason"]), (&json!("True"), &json!(ready.1)), "{status}");
        }
        assert!(!ready.0.is_empty() && !condition(object, "Synced").0.is_empty(), "{status}");
        let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
        if let Some(earlier) = before.insert(uid, object.clone()) {
            check_transition(&earlier, object);
        }
    }
}

/// `lastTransitionTime` of a condition that keeps its status stays.
fn check_transition(earlier: &Value, later: &Value) {
    for type_ in ["Ready", "Synced", "Reconciling", "Stalled"] {
        let same = condition(earlier, type_).0 == condition(later, type_).0;
        assert!(!same || moved(earlier, type_) == moved(later, type_), "{earlier}\n{later}");
    }
}

/// When a condition last changed its status.
fn moved(object: &Value, type_: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|entry| entry["type"] == type_);
    found.map_or(Value::Null, |entry| entry["lastTransitionTime"].clone())
}

/// Whether `kubectl wait` is content at once.
async fn waits(world: &World, condition: &str) -> bool {
    let words = ["wait", ANN, &format!("--for=condition={condition}"), "--timeout=1s"];
    world.kubectl.run(words, "").await.unwrap().status.success()
}

fn unavailable() -> FaultKind {
    FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false }
}

#[tokio::test]
async fn before_the_first_visit_nothing_is_said_and_kubectl_waits() {
    let mut world = World::start("row-new").await;
    world.operator.kill().await.unwrap();
    world.apply(json!({"name": "New"})).await;
    assert_eq!(world.get(ANN).await["status"], json!({"observedGeneration": -1}));
    assert!(!waits(&world, "Ready").await);
    world.operator.restart().await.unwrap();
    until_row(&world, ANN, "True/Applied True/InSync").await;
    assert!(waits(&world, "Ready").await);
    assert!(waits(&world, "Synced").await);
    assert!(!waits(&world, "Stalled").await);
    check_every_status(&world);
}

#[tokio::test]
async fn what_is_missing_is_named_one_after_the_other_until_it_is_there() {
    let world = World::without_tenant("row-missing").await;
    world.apply(json!({"name": "New", "passwordSecretRef": {"name": "password", "key": "new"}})).await;
    until_row(&world, ANN, "False/TenantNotFound Unknown/TenantNotFound Reconciling").await;
    world.apply_tenant().await;
    until_row(&world, ANN, "False/SecretNotFound Unknown/SecretNotFound Reconciling").await;
    assert_eq!(world.bodies(), [json!({"name": "New"})]);
    world.apply_secret("password", &json!({"old": "Winter-Orchid-7"})).await;
    until_row(&world, ANN, "False/SecretKeyMissing Unknown/SecretKeyMissing Reconciling").await;
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    let object = until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(world.bodies(), [json!({"name": "New"}), json!({"password": "Winter-Orchid-7"})]);
    assert_eq!(object["status"]["lastUpdate"]["sentFields"], json!(["passwordSecretRef"]));
    check_every_status(&world);
}

#[tokio::test]
async fn a_refusal_stalls_whether_it_is_about_all_or_a_part() {
    let world = World::start("row-refused").await;
    for name in ["taken", "whole", "part", "unread", "nowhere", "twice"] {
        world.sandbox.put_user(person(name, "People")).unwrap();
    }
    world
        .sandbox
        .change_user("auth0|twice", |user| {
            let second =
                json!({"connection": "People", "user_id": "x", "provider": "auth0", "isSocial": false});
            user["identities"].as_array_mut().unwrap().push(second);
        })
        .unwrap();
    let looked = "False/Refused Stalled";
    let cases = [
        ("whole", json!({"email": "taken@example.com"}), format!("False/AlreadyExists {looked}")),
        (
            "part",
            json!({"email": "taken@example.com", "name": "New"}),
            format!("False/AlreadyExists {looked}"),
        ),
        (
            "unread",
            json!({"clear": ["userMetadata.k"], "userMetadata": {"k": 1}}),
            "False/InvalidRequest Unknown/InvalidRequest Stalled".to_owned(),
        ),
        (
            "nowhere",
            json!({"connection": "Nowhere", "name": "New"}),
            format!("False/UnknownConnection {looked}"),
        ),
        ("twice", json!({"connection": "People", "name": "New"}), format!("False/InvalidRequest {looked}")),
    ];
    let card = |name: &str, card: &Value| {
        let mut card = card.clone();
        card["userId"] = json!(format!("auth0|{name}"));
        card
    };
    world.apply_all(cases.iter().map(|(name, own, _)| (*name, card(name, own)))).await;
    let objects = world.until_all("Ready=False", |object| condition(object, "Ready").0 == "False").await;
    assert_eq!(world.sandbox.user("auth0|part").unwrap()["name"], "New");
    check_every_status(&world);
    for (name, _, expected) in cases {
        assert_eq!(row(&objects[name]), expected, "{name}");
    }
}

#[tokio::test]
async fn what_auth0_accepts_and_does_not_hold_is_told_and_not_sent_again() {
    let world = World::start("row-not-held").await;
    world.sandbox.change_rules(|rules| drop(rules.overrides.insert("name".to_owned(), json!("By Action"))));
    let card = json!({"name": "New", "nickname": "new"});
    world.apply(card.clone()).await;
    let object = until_row(&world, ANN, "True/Applied False/NotPersisted").await;
    let entry = &object["status"]["notPersisted"];
    assert_eq!((entry.as_array().unwrap().len(), &entry[0]["field"]), (1, &json!("name")));
    assert_eq!(world.bodies(), std::slice::from_ref(&card));
    world.look_again(ANN).await;
    assert_eq!(world.bodies().len(), 1);
    until_row(&world, ANN, "True/Applied False/NotPersisted").await;
    // Auth0 comes to hold it: nothing was sent for that.
    world.sandbox.change_user("auth0|ann", |user| drop(user.insert("name".into(), json!("New")))).unwrap();
    world.look_again(ANN).await;
    let object = until_row(&world, ANN, "True/Applied True/InSync").await;
    assert!(object["status"]["notPersisted"].is_null());
    assert_eq!(world.bodies().len(), 1);
    // Another value is another try.
    world.apply(json!({"name": "Newer", "nickname": "new"})).await;
    until_row(&world, ANN, "True/Applied False/NotPersisted").await;
    assert_eq!(world.bodies(), [card, json!({"name": "Newer"})]);
    check_every_status(&world);
}

#[tokio::test]
async fn a_paused_resource_keeps_a_true_ready_and_says_unknown_otherwise() {
    let world = World::start("row-paused").await;
    let paused = "auth0-user-operator.dev/paused";
    world.sandbox.put_user(person("born", "People")).unwrap();
    let mut born: Value =
        serde_json::from_str(&update("born", json!({"userId": "auth0|born", "name": "New"}))).unwrap();
    born["metadata"]["annotations"] = json!({paused: "true"});
    world.kubectl.submit(Mode::ServerSideApply, &born.to_string()).await.unwrap().ok().unwrap();
    until_row(&world, "auth0userupdate/born", "Unknown/Paused Unknown/Paused").await;

    world.apply(json!({"name": "New"})).await;
    let applied = until_row(&world, ANN, "True/Applied True/InSync").await;
    world.annotate(ANN, &format!("{paused}=true")).await;
    let object = until_row(&world, ANN, "True/Applied Unknown/Paused").await;
    assert_eq!(moved(&object, "Ready"), moved(&applied, "Ready"));
    world.apply(json!({"name": "Newer"})).await;
    until_row(&world, ANN, "Unknown/Paused Unknown/Paused").await;
    assert_eq!(world.bodies(), [json!({"name": "New"})]);
    world.annotate(ANN, &format!("{paused}-")).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(world.bodies(), [json!({"name": "New"}), json!({"name": "Newer"})]);

    // What was stalled is stalled no more while it is paused.
    world.apply(json!({"email": "born@example.com"})).await;
    until_row(&world, ANN, "False/AlreadyExists False/Refused Stalled").await;
    world.annotate(ANN, &format!("{paused}=true")).await;
    until_row(&world, ANN, "Unknown/Paused Unknown/Paused").await;
    world.annotate(ANN, &format!("{paused}-")).await;
    until_row(&world, ANN, "False/AlreadyExists False/Refused Stalled").await;
    check_every_status(&world);
}

#[tokio::test]
async fn an_applied_resource_doubts_only_after_the_third_failure_in_a_row() {
    let world = World::start("row-third").await;
    world.apply(json!({"name": "New"})).await;
    let applied = until_row(&world, ANN, "True/Applied True/InSync").await;
    world.sandbox.clear_log();
    let writes = world.status_writes().len();
    world.sandbox.fault(Fault::new(unavailable()).method("GET").path("/api/v2/users/"));
    world.wake(ANN).await;
    let doubtful = until_row(&world, ANN, "True/Applied Unknown/Auth0Unavailable").await;
    assert_eq!((world.looks(), world.status_writes().len()), (3, writes + 1));
    world.sandbox.clear_faults();
    world.wake(ANN).await;
    let certain = until_row(&world, ANN, "True/Applied True/InSync").await;
    // Ready never moved; Synced did, seconds later.
    assert_eq!(moved(&applied, "Ready"), moved(&certain, "Ready"));
    assert_ne!(moved(&applied, "Synced"), moved(&doubtful, "Synced"));
    world.apply(json!({"name": "New", "nickname": "new"})).await;
    let next = until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(next["status"]["observedGeneration"], 2);
    assert_eq!(moved(&applied, "Ready"), moved(&next, "Ready"));
    check_every_status(&world);
}

#[tokio::test]
async fn an_applied_resource_whose_tenant_or_secret_goes_stays_ready_and_says_so() {
    let world = World::start("row-gone").await;
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    world.apply(json!({"name": "New", "passwordSecretRef": {"name": "password", "key": "new"}})).await;
    let applied = until_row(&world, ANN, "True/Applied True/InSync").await;
    world.objects.delete("secret/password").await.unwrap();
    until_row(&world, ANN, "True/Applied Unknown/SecretNotFound").await;
    // The same password from a new Secret is no new order.
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    world.objects.delete("auth0tenant/example").await.unwrap();
    until_row(&world, ANN, "True/Applied Unknown/TenantNotFound").await;
    world.apply_tenant().await;
    let back = until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(moved(&back, "Ready"), moved(&applied, "Ready"));
    assert_eq!(world.bodies().len(), 2, "a password and a name");
    check_every_status(&world);
}

#[tokio::test]
async fn a_new_password_that_is_not_sent_yet_makes_the_resource_wait() {
    let world = World::start("row-secret").await;
    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    world.apply(json!({"passwordSecretRef": {"name": "password", "key": "new"}})).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    world.sandbox.fault(Fault::new(unavailable()).method("PATCH").body_key("password"));
    world.apply_secret("password", &json!({"new": "Winter-Orchid-8"})).await;
    until_row(&world, ANN, "False/Auth0Unavailable True/InSync Reconciling").await;
    world.sandbox.clear_faults();
    until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(world.sandbox.password("auth0|ann", "People").as_deref(), Some("Winter-Orchid-8"));
    check_every_status(&world);
}

#[tokio::test]
async fn an_applied_resource_stalls_when_auth0_turns_it_away_and_recovers_in_one_write() {
    let world = World::start("row-later").await;
    world.apply(json!({"name": "New"})).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    let user = world.sandbox.user("auth0|ann").unwrap();
    assert!(world.sandbox.remove_user("auth0|ann"));
    world.wake(ANN).await;
    until_row(&world, ANN, "False/UserNotFound Unknown/UserNotFound Stalled").await;
    world.sandbox.put_user(user).unwrap();
    world.wake(ANN).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    let refusals = [
        (401, "Unauthorized", "Invalid token", "AuthenticationFailed"),
        (403, "Forbidden", "Insufficient scope, expected any of: read:users", "InsufficientScope"),
    ];
    for (status, error, message, reason) in refusals {
        let body = Some(json!({"statusCode": status, "error": error, "message": message}));
        let kind = FaultKind::Status { status, body, headers: Vec::new(), after_effect: false };
        world.sandbox.fault(Fault::new(kind).method("GET").path("/api/v2/users/"));
        world.wake(ANN).await;
        until_row(&world, ANN, &format!("False/{reason} Unknown/{reason} Stalled")).await;
        assert!(waits(&world, "Stalled").await && !waits(&world, "Ready").await);
        world.sandbox.clear_faults();
        world.wake(ANN).await;
        until_row(&world, ANN, "True/Applied True/InSync").await;
    }
    assert_eq!(world.bodies(), [json!({"name": "New"})]);
    check_every_status(&world);
}

/// Type, reason, note and count of each event about `ann`, in order.
async fn events(world: &World) -> Vec<(String, String, String, u64)> {
    let mut events = world.get("events.events.k8s.io").await["items"].as_array().unwrap().clone();
    events.retain(|event| event["regarding"]["name"] == "ann");
    events.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let told = |event: &Value| {
        let count = event["series"]["count"].as_u64().unwrap_or(1);
        (text(&event["type"]), text(&event["reason"]), text(&event["note"]), count)
    };
    events.iter().map(told).collect()
}

/// Waits until so many events were told, and answers them.
async fn until_events(world: &World, total: u64) -> Vec<(String, String, String, u64)> {
    let seen = wait_until("events", crate::world::DEADLINE, async || {
        let events = events(world).await;
        if events.iter().map(|event| event.3).sum::<u64>() == total {
            Ok(events)
        } else {
            Err(format!("{events:?}"))
        }
    });
    seen.await.unwrap()
}

#[tokio::test]
async fn events_tell_real_updates_and_the_way_into_a_failure_and_nothing_else() {
    let world = World::start("events").await;
    world.apply(json!({"name": "New Name", "nickname": ""})).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    let told = until_events(&world, 1).await;
    let updated = |note: &str| ("Normal".to_owned(), "Updated".to_owned(), note.to_owned(), 1);
    assert_eq!(told, [updated("set name; cleared nickname")]);
    // No event: looks that find nothing, and a generation that changes nothing.
    world.look_again(ANN).await;
    world.apply(json!({"name": "New Name", "nickname": "", "resyncInterval": "2h"})).await;
    world.until_ready(ANN).await;
    world.sandbox.put_user(person("other", "People")).unwrap();
    world.apply(json!({"email": "other@example.com"})).await;
    let refused = until_row(&world, ANN, "False/AlreadyExists False/Refused Stalled").await;
    let told = until_events(&world, 2).await;
    let ready =
        refused["status"]["conditions"].as_array().unwrap().iter().find(|entry| entry["type"] == "Ready");
    let message = ready.unwrap()["message"].as_str().unwrap();
    assert_eq!(told[1], ("Warning".to_owned(), "AlreadyExists".to_owned(), message.to_owned(), 1));
    // Still refused for the same reason: no further event, and none for what is in sync again.
    world.look_again(ANN).await;
    world.apply(json!({})).await;
    world.until_ready(ANN).await;
    world.apply(json!({"givenName": "Given"})).await;
    world.until_ready(ANN).await;
    let mut drifted = crate::world::ann();
    drifted["given_name"] = json!("Drifted");
    world.sandbox.put_user(drifted).unwrap();
    world.look_again(ANN).await;
    let told = until_events(&world, 3).await;
    assert!(
        told.iter().all(|event| !event.2.contains("New Name") && !event.2.contains("other@")),
        "{told:?}"
    );
    let corrected = ("Normal".to_owned(), "DriftCorrected".to_owned(), "set givenName".to_owned(), 1);
    assert!(told.contains(&corrected), "{told:?}");
}

#[tokio::test]
async fn a_user_above_auth0s_limit_is_warned_of_once_and_stays_ready() {
    let world = World::start("profile-limit").await;
    let mut user = crate::world::ann();
    user["user_metadata"] = json!({"notes": "x".repeat(60_000)});
    world.sandbox.put_user(user).unwrap();
    world.apply(json!({"name": "New Name"})).await;
    let object = until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(object["status"]["profileKilobytes"], 60);
    let ready =
        object["status"]["conditions"].as_array().unwrap().iter().find(|entry| entry["type"] == "Ready");
    let message = ready.unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("about 60 KB") && message.contains("2027-03-04"), "{message}");
    let told = until_events(&world, 2).await;
    let warning = told.iter().find(|event| event.0 == "Warning").unwrap();
    assert!(warning.1 == "ProfileTooLarge" && message.ends_with(&warning.2), "{told:?}");
    let writes = world.status_writes().len();
    assert!(world.sandbox.login("auth0|ann"));
    world.look_again(ANN).await;
    assert_eq!(world.status_writes().len(), writes);
    until_events(&world, 2).await;
}
