//! Answers that end a pass, and such that do not.

use super::{card_of, is_ready, message};
use crate::run::conditions::{check_every_status, row, until_row};
use crate::world::{World, condition, person};
use auth0_sandbox::{Fault, FaultKind};
use serde_json::{Value, json};

/// Answers that the stand-in gives on demand only: slug, status, code, text, reason, and the rest of the row.
type Answered = (&'static str, u16, &'static str, &'static str, &'static str, &'static str);

const ENDING: [Answered; 5] = [
    (
        "scope",
        403,
        "insufficient_scope",
        "Insufficient scope, expected any of: update:users",
        "InsufficientScope",
        "Stalled",
    ),
    (
        "fields",
        403,
        "insufficient_scope",
        "You cannot update the following fields: name",
        "AuthenticationFailed",
        "Stalled",
    ),
    ("token", 401, "", "Invalid token", "AuthenticationFailed", "Stalled"),
    ("header", 400, "Bearer", "Bad HTTP authentication header format", "AuthenticationFailed", "Stalled"),
    ("firewall", 403, "", "", "Auth0Unavailable", "Reconciling"),
];

/// Answers about one body: the pass goes on.
const REFUSING: [Answered; 3] = [
    (
        "upgrade",
        403,
        "insufficient_entitlement",
        "Please upgrade your subscription",
        "NotEntitled",
        "Stalled",
    ),
    ("pair", 400, "", "Cannot update username and email simultaneously.", "InternalError", "Reconciling"),
    (
        "keys",
        400,
        "invalid_body",
        "Payload validation error: 'None of the valid schemas were met'",
        "InternalError",
        "Reconciling",
    ),
];

/// Lets Auth0 answer so to every change of the person with this slug. Without a text it is a page of a firewall.
fn answer((slug, status, code, text, ..): Answered, world: &World) {
    world.sandbox.put_user(person(slug, "People")).unwrap();
    let body = json!({"statusCode": status, "error": "No", "message": text, "errorCode": code});
    let body = (!text.is_empty()).then_some(body);
    let kind = FaultKind::Status { status, body, headers: Vec::new(), after_effect: false };
    let path = format!("/api/v2/users/auth0%7C{slug}");
    world.sandbox.fault(Fault::new(kind).method("PATCH").path(&path));
}

fn card_with_two_requests(slug: &str) -> Value {
    card_of(slug, &json!({"name": "canary", "username": format!("canary-{slug}")}))
}

fn tells_the_answer(object: &Value, (slug, _, _, text, reason, standing): Answered) {
    assert_eq!(condition(object, "Ready"), ("False".into(), reason.into()), "{slug}");
    assert_eq!(condition(object, standing).0, "True", "{slug}");
    let told = message(object);
    let quote = if text.is_empty() { "a firewall or proxy" } else { text.split(':').next().unwrap() };
    assert!(told.contains(quote) && !told.contains("canary"), "{slug}: {told}");
}

#[tokio::test]
async fn answers_about_the_operator_itself_end_the_pass() {
    let world = World::start("reasons-ending").await;
    for answered in ENDING {
        answer(answered, &world);
    }
    let cards = ENDING.iter().map(|(slug, ..)| (*slug, card_with_two_requests(slug)));
    world.apply_all(cards.chain([("lost", card_with_two_requests("lost"))])).await;
    let objects = world.until_all("Ready=False", |object| condition(object, "Ready").0 == "False").await;
    for answered in ENDING {
        let (slug, object) = (answered.0, &objects[answered.0]);
        tells_the_answer(object, answered);
        assert!(object["status"]["refusedFields"].is_null(), "{slug}");
        let usernames = world.bodies_of(&format!("auth0|{slug}"));
        assert!(usernames.iter().all(|body| body["username"].is_null()), "{slug}: the pass went on");
    }
    assert_eq!(row(&objects["lost"]), "False/UserNotFound Unknown/UserNotFound Stalled");
    assert!(message(&objects["lost"]).contains("The user does not exist."));
    world.sandbox.clear_faults();
    world.sandbox.put_user(person("lost", "People")).unwrap();
    // They are tried again without anybody's doing: users and grants appear.
    for (slug, object) in world.until_all("Ready=True", is_ready).await {
        assert_eq!(row(&object), "True/Applied True/InSync", "{slug}");
        let username = json!({"username": format!("canary-{slug}")});
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")).last(), Some(&username));
    }
    check_every_status(&world);
}

#[tokio::test]
async fn answers_about_one_body_leave_the_others() {
    let world = World::start("reasons-refusing").await;
    for answered in REFUSING {
        answer(answered, &world);
    }
    world.apply_all(REFUSING.iter().map(|(slug, ..)| (*slug, card_with_two_requests(slug)))).await;
    let objects = world.until_all("Ready=False", |object| condition(object, "Ready").0 == "False").await;
    for answered in REFUSING {
        let (slug, object) = (answered.0, &objects[answered.0]);
        tells_the_answer(object, answered);
        let refused = object["status"]["refusedFields"].as_array().unwrap();
        let fields: Vec<_> = refused.iter().map(|entry| (&entry["field"], &entry["reason"])).collect();
        let reason = json!(answered.4);
        assert_eq!(fields, [(&json!("name"), &reason), (&json!("username"), &reason)], "{slug}");
    }
    world.sandbox.clear_faults();
    let mended =
        |slug: &str| card_of(slug, &json!({"name": "canary-2", "username": format!("canary-{slug}")}));
    world.apply_all(REFUSING.iter().map(|(slug, ..)| (*slug, mended(slug)))).await;
    for (slug, object) in world.until_all("Ready=True", is_ready).await {
        assert_eq!(row(&object), "True/Applied True/InSync", "{slug}");
    }
    check_every_status(&world);
}

#[tokio::test]
async fn a_conflict_of_custom_domains_ends_the_pass_and_names_its_cure() {
    let world = World::start("reasons-409").await;
    world.sandbox.change_rules(|rules| {
        rules.custom_domains = vec!["a.example.com".to_owned(), "b.example.com".to_owned()];
    });
    world
        .apply(
            json!({"name": "New", "email": "new@example.com", "username": "new", "userMetadata": {"k": 1}}),
        )
        .await;
    let object = until_row(&world, "auth0userupdate/ann", "False/InvalidRequest False/Refused Stalled").await;
    let told = message(&object);
    assert!(told.contains("multiple verified custom domains"), "{told}");
    assert!(
        told.contains("set Auth0Tenant.spec.customDomain, or a default custom domain in Auth0"),
        "{told}"
    );
    assert_eq!(world.bodies().len(), 1);
    assert!(object["status"]["refusedFields"].is_null(), "no field is at fault");
}
