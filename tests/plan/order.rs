//! Which requests carry what, and in which order.

use crate::driver::{Operator, Secret};
use crate::world::{Auth0, linked, user};
use auth0_sandbox::Rules;
use serde_json::{Value, json};

fn everything() -> Value {
    json!({
        "passwordSecretRef": {"name": "s", "key": "k"}, "blocked": false, "name": "Ada", "userMetadata": {"a": 1},
        "appMetadata": {"b": 2}, "email": "new@example.com", "emailVerified": true, "phoneNumber": "+492",
        "username": "new",
    })
}

fn held() -> Value {
    json!({"email": "old@example.com", "email_verified": true, "phone_number": "+491", "username": "old",
           "name": "Old"})
}

/// The bodies of one pass with a new password, and the user that they leave.
fn sent(mut auth0: Auth0, card: &Value) -> (Vec<Value>, Auth0) {
    let mut operator = Operator::new(card);
    operator.secret = Secret::Content { text: "After-1", version: 1 };
    let bodies = operator.settle(&mut auth0);
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new(), "the second pass sends nothing");
    (bodies, auth0)
}

#[test]
fn the_primary_identity_takes_three_requests() {
    let (bodies, _) = sent(Auth0::new(user(held())), &everything());
    assert_eq!(
        bodies,
        [
            json!({"password": "After-1"}),
            json!({"user_metadata": {"a": 1}, "app_metadata": {"b": 2}, "name": "Ada", "email": "new@example.com",
               "email_verified": true, "phone_number": "+492"}),
            json!({"username": "new"}),
        ]
    );
}

#[test]
fn a_named_primary_identity_takes_the_same_with_its_connection() {
    let mut card = everything();
    card["connection"] = json!("People");
    let (bodies, _) = sent(Auth0::new(user(held())), &card);
    let named: Vec<_> = bodies.iter().map(|body| &body["connection"]).collect();
    assert_eq!(named, ["People", "People", "People"]);
    assert_eq!(
        sent(Auth0::new(user(held())), &json!({"connection": "People", "name": "Ada"})).0,
        [json!({"name": "Ada"})]
    );
}

#[test]
fn another_identity_takes_four_requests_and_the_users_own_fields_go_without_connection() {
    let mut card = everything();
    card["connection"] = json!("Staff");
    let (bodies, auth0) = sent(Auth0::new(linked(held(), &held())), &card);
    assert_eq!(
        bodies,
        [
            json!({"password": "After-1", "connection": "Staff"}),
            json!({"user_metadata": {"a": 1}, "app_metadata": {"b": 2}, "name": "Ada"}),
            json!({"email": "new@example.com", "email_verified": true, "phone_number": "+492", "connection": "Staff"}),
            json!({"username": "new", "connection": "Staff"}),
        ]
    );
    assert_eq!(auth0.account.user["email"], "old@example.com");
    assert_eq!(auth0.password("auth0|2"), Some("After-1"));
}

#[test]
fn a_password_keeps_a_declared_block() {
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true});
    let blocked = || user(json!({"blocked": true}));
    let (bodies, _) = sent(Auth0::new(blocked()), &card);
    assert_eq!(bodies, [json!({"password": "After-1", "blocked": true})]);

    let rules = Rules { password_beats_blocked: true, ..Rules::default() };
    let (bodies, auth0) = sent(Auth0::with_rules(blocked(), rules), &card);
    assert_eq!(bodies, [json!({"password": "After-1", "blocked": true}), json!({"blocked": true})]);
    assert_eq!(auth0.account.user["blocked"], true);
}

#[test]
fn a_lifted_block_is_set_again_before_anything_else() {
    let rules = Rules { password_beats_blocked: true, ..Rules::default() };
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true, "name": "Ada"});
    let (bodies, _) = sent(Auth0::with_rules(user(json!({"blocked": true})), rules), &card);
    assert_eq!(
        bodies,
        [json!({"password": "After-1", "blocked": true}), json!({"blocked": true}), json!({"name": "Ada"}),]
    );
}

#[test]
fn a_block_that_auth0_does_not_keep_is_set_again_once() {
    let mut rules = Rules { password_beats_blocked: true, ..Rules::default() };
    rules.overrides.insert("blocked".into(), json!(false));
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true});
    let (bodies, _) = sent(Auth0::with_rules(user(json!({"blocked": true})), rules), &card);
    assert_eq!(bodies, [json!({"password": "After-1", "blocked": true}), json!({"blocked": true})]);
}

#[test]
fn a_new_block_goes_before_a_password_and_stays() {
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true, "name": "Ada"});
    let first = [json!({"blocked": true}), json!({"password": "After-1", "blocked": true})];
    let (bodies, _) = sent(Auth0::new(user(json!({}))), &card);
    assert_eq!(bodies, [&first[..], &[json!({"name": "Ada"})]].concat());

    let rules = Rules { password_beats_blocked: true, ..Rules::default() };
    let (bodies, auth0) = sent(Auth0::with_rules(user(json!({})), rules), &card);
    assert_eq!(bodies, [&first[..], &[json!({"blocked": true}), json!({"name": "Ada"})]].concat());
    assert_eq!(auth0.account.user["blocked"], true);
}

#[test]
fn a_new_block_rides_in_a_body_that_was_never_rejected() {
    let card = json!({"blocked": true, "name": "Ada"});
    assert_eq!(sent(Auth0::new(user(json!({}))), &card).0, [json!({"blocked": true, "name": "Ada"})]);
}

#[test]
fn a_password_that_shall_unblock_needs_no_second_request() {
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": false});
    let (bodies, _) = sent(Auth0::new(user(json!({"blocked": true}))), &card);
    assert_eq!(bodies, [json!({"password": "After-1"})]);
}
