//! The rules as a pure function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use auth0_sandbox::model::{self, Account, Tenant};
use auth0_sandbox::{Connection, Rules};
use serde_json::{Map, Value, json};

const NOW: &str = "2026-01-02T03:04:05.006Z";

fn user() -> Map<String, Value> {
    let user = json!({
        "user_id": "auth0|1", "email": "a@example.com", "email_verified": true, "username": "a",
        "updated_at": "2026-01-01T00:00:00.000Z",
        "identities": [{ "connection": "People", "user_id": "1", "provider": "auth0", "isSocial": false }],
    });
    user.as_object().unwrap().clone()
}

fn body(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn it_needs_nothing_but_values() {
    let (connections, rules) = ([Connection::database("People")], Rules::default());
    let tenant = Tenant { connections: &connections, rules: &rules, others: &[] };
    let patched =
        model::patched_user(&user(), &body(&json!({ "name": "A", "blocked": true })), &tenant, NOW).unwrap();
    let mut expected = user();
    expected.extend(body(&json!({ "name": "A", "blocked": true, "updated_at": NOW })));
    assert_eq!(patched, expected);
    let pair = body(&json!({ "username": "b", "email": "b@example.com" }));
    let refusal = model::patched_user(&user(), &pair, &tenant, NOW).unwrap_err();
    assert_eq!(refusal.message, "Cannot update username and email simultaneously.");
    assert_eq!(refusal.body()["error"], json!("Bad Request"));
}

#[test]
fn passwords_and_effects_are_part_of_the_account() {
    let (connections, rules) = ([Connection::database("People")], Rules::default());
    let tenant = Tenant { connections: &connections, rules: &rules, others: &[] };
    let first = body(&json!({ "password": "one" }));
    let account = model::patched(&Account::new(user()), &first, &tenant, NOW).unwrap();
    let account = model::patched(&account, &body(&json!({ "password": "two" })), &tenant, NOW).unwrap();
    let held = &account.passwords["auth0|1"];
    assert_eq!((held.current.as_str(), held.earlier.as_slice()), ("two", &["one".to_owned()][..]));
    assert_eq!(account.effects.passwords_set, 2);
    assert!(account.user.get("password").is_none());
}

#[test]
fn a_tenant_without_the_connection_still_takes_metadata() {
    let rules = Rules::default();
    let tenant = Tenant { connections: &[], rules: &rules, others: &[] };
    let metadata = body(&json!({ "user_metadata": { "a": { "b": null } } }));
    let patched = model::patched_user(&user(), &metadata, &tenant, NOW).unwrap();
    assert_eq!(patched["user_metadata"], json!({ "a": { "b": null } }));
    let email = body(&json!({ "email": "b@example.com" }));
    assert_eq!(
        model::patched_user(&user(), &email, &tenant, NOW).unwrap_err().message,
        "The connection does not exist."
    );
}

#[test]
fn applying_a_set_twice_changes_nothing_but_the_time() {
    let (connections, rules) = ([Connection::database("People")], Rules::default());
    let tenant = Tenant { connections: &connections, rules: &rules, others: &[] };
    let sets =
        body(&json!({ "name": "A", "email": "B@example.com", "user_metadata": { "x": 1, "y": null } }));
    let once = model::patched_user(&user(), &sets, &tenant, NOW).unwrap();
    assert_eq!(model::patched_user(&once, &sets, &tenant, NOW).unwrap(), once);
}

#[test]
fn a_named_attribute_or_metadata_key_refuses_every_body_that_mentions_it() {
    let connections = [Connection::database("People")];
    let yaml = r#"rules: { refused: {
        nickname: { message: "No nicknames." },
        user_metadata.big: { status: 403, code: auth0_idp_error } } }"#;
    let rules = auth0_sandbox::Seed::from_yaml(yaml).unwrap().rules;
    let tenant = Tenant { connections: &connections, rules: &rules, others: &[] };
    let send = |sent: &Value| model::patched_user(&user(), &body(sent), &tenant, NOW);
    for sent in [json!({ "nickname": null }), json!({ "blocked": true, "nickname": "A", "name": "A" })] {
        let refusal = send(&sent).unwrap_err();
        assert_eq!((refusal.status, refusal.message.as_str(), refusal.code), (400, "No nicknames.", None));
    }
    let refusal = send(&json!({ "blocked": true, "user_metadata": { "a": 1, "big": 1 } })).unwrap_err();
    let code_alone = json!({ "statusCode": 403, "error": "Forbidden", "errorCode": "auth0_idp_error" });
    assert_eq!(refusal.body(), code_alone);
    send(&json!({ "blocked": true, "user_metadata": { "a": 1 }, "app_metadata": { "big": 1 } })).unwrap();
}
