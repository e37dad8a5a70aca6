//! Auth0 takes a value and holds another one: it is reported, and never fought over.

use crate::driver::{Fault, Operator};
use crate::world::{Auth0, user};
use serde_json::{Value, json};

const NONE: [Value; 0] = [];

/// A tenant that stores this value whatever it is sent.
fn storing(name: &str, value: Value, attributes: Value) -> Auth0 {
    let mut auth0 = Auth0::new(user(attributes));
    auth0.rules.overrides.insert(name.into(), value);
    auth0
}

#[track_caller]
fn check(mut auth0: Auth0, card: &Value, body: Value, lost: &[&str]) {
    let mut operator = Operator::new(card);
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(auth0.take_bodies(), [body]);
    assert_eq!(report.not_persisted, lost);
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(auth0.take_bodies(), NONE);
    assert_eq!(report.not_persisted, lost, "and stays reported");
}

#[test]
fn what_auth0_does_not_hold_is_reported_and_not_sent_again() {
    let auth0 = storing("name", json!("Norm"), json!({}));
    check(auth0, &json!({"name": "Ada"}), json!({"name": "Ada"}), &["name"]);
    let auth0 = storing("user_metadata.a", json!("act"), json!({}));
    let card = json!({"userMetadata": {"a": 1, "b": 2}});
    check(auth0, &card, json!({"user_metadata": {"a": 1, "b": 2}}), &["userMetadata.a"]);
    let auth0 = storing("nickname", json!("norm"), json!({"nickname": "ada"}));
    check(auth0, &json!({"clear": ["nickname"]}), json!({"nickname": null}), &["nickname"]);
}

#[test]
fn a_flag_that_auth0_holds_is_not_reported_beside_an_address_that_it_does_not_hold() {
    let auth0 = storing("email", json!("norm@example.com"), json!({"email": "old@example.com"}));
    let card = json!({"email": "new@example.com", "emailVerified": true});
    check(auth0, &card, json!({"email": "new@example.com", "email_verified": true}), &["email"]);
    let auth0 = storing("phone_number", json!("+499"), json!({}));
    let card = json!({"phoneNumber": "+492", "phoneVerified": true});
    check(auth0, &card, json!({"phone_number": "+492", "phone_verified": true}), &["phoneNumber"]);
}

#[test]
fn another_value_is_sent() {
    let mut auth0 = storing("name", json!("Norm"), json!({}));
    let mut operator = Operator::new(&json!({"name": "Ada"}));
    operator.settle(&mut auth0);
    operator.edit(&json!({"name": "Bob"}));
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Bob"})]);
}

#[test]
fn a_value_that_auth0_came_to_hold_is_repaired_again() {
    let mut auth0 = storing("name", json!("Norm"), json!({}));
    let mut operator = Operator::new(&json!({"name": "Ada"}));
    operator.settle(&mut auth0);
    auth0.rules.overrides.clear();
    auth0.account.user.insert("name".into(), json!("Ada"));
    assert_eq!(operator.pass(&mut auth0, Fault::None).not_persisted, Vec::<String>::new());
    auth0.account.user.insert("name".into(), json!("drift"));
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada"})]);
}

#[test]
fn the_rest_of_the_group_is_still_sent() {
    let mut auth0 = storing("name", json!("Norm"), json!({}));
    let mut operator = Operator::new(&json!({"name": "Ada", "nickname": "ada"}));
    operator.settle(&mut auth0);
    auth0.account.user.insert("nickname".into(), json!("drift"));
    assert_eq!(operator.settle(&mut auth0), [json!({"nickname": "ada"})]);
}

#[test]
fn a_new_user_with_the_old_id_is_sent_the_value() {
    let mut auth0 = storing("name", json!("Norm"), json!({}));
    let mut operator = Operator::new(&json!({"name": "Ada"}));
    operator.settle(&mut auth0);
    auth0.account.user.insert("created_at".into(), json!("2026-03-03T00:00:00.000Z"));
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada"})]);
}
