//! What Auth0 does not show of another identity is sent once for each value, and never cleared.

use crate::driver::{Fault, Operator};
use crate::world::{Auth0, linked};
use auth0_user_operator::api::TriggerState;
use serde_json::{Value, json};

const NONE: [Value; 0] = [];
const HIDDEN: [&str; 5] = ["email", "email_verified", "phone_number", "phone_verified", "username"];

fn hidden() -> Auth0 {
    let held = json!({"email": "ada@example.com", "phone_number": "+491", "username": "ada"});
    let mut auth0 = Auth0::new(linked(json!({}), &held));
    auth0.rules.profile_data_hides = HIDDEN.map(str::to_owned).to_vec();
    auth0
}

fn card(fields: Value) -> Value {
    let mut card = fields;
    card["connection"] = json!("Staff");
    card
}

#[test]
fn values_are_sent_once_for_each_value() {
    let fields = json!({"email": "new@example.com", "emailVerified": false, "phoneNumber": "+492",
                        "phoneVerified": true, "username": "new"});
    let (mut operator, mut auth0) = (Operator::new(&card(fields.clone())), hidden());
    assert_eq!(
        operator.settle(&mut auth0),
        [
            json!({"email": "new@example.com", "email_verified": false, "phone_number": "+492", "phone_verified": true,
               "connection": "Staff"}),
            json!({"username": "new", "connection": "Staff"}),
        ]
    );
    assert_eq!(operator.settle(&mut auth0), NONE);
    let mut edited = card(fields);
    edited["phoneVerified"] = json!(false);
    operator.edit(&edited);
    assert_eq!(operator.settle(&mut auth0), [json!({"phone_verified": false, "connection": "Staff"})]);
}

#[test]
fn a_flag_rides_with_a_new_address_though_it_was_sent_before() {
    let fields = json!({"email": "new@example.com", "emailVerified": true});
    let (mut operator, mut auth0) = (Operator::new(&card(fields)), hidden());
    operator.settle(&mut auth0);
    operator.edit(&card(json!({"email": "newer@example.com", "emailVerified": true})));
    assert_eq!(
        operator.settle(&mut auth0),
        [json!({"email": "newer@example.com", "email_verified": true, "connection": "Staff"})]
    );
}

#[test]
fn clears_are_not_sent() {
    let fields = json!({"clear": ["email", "phoneNumber", "username"]});
    assert_eq!(Operator::new(&card(fields)).settle(&mut hidden()), NONE);
}

#[test]
fn a_lone_verify_email_is_not_sent_where_the_flag_cannot_be_seen() {
    assert_eq!(Operator::new(&card(json!({"verifyEmail": true}))).settle(&mut hidden()), NONE);
}

#[test]
fn a_value_that_was_begun_is_sent_again() {
    let (mut operator, mut auth0) = (Operator::new(&card(json!({"username": "new"}))), hidden());
    operator.pass(&mut auth0, Fault::Lost(1));
    assert_eq!(operator.trigger("username"), Some(TriggerState::Sending));
    assert_eq!(operator.settle(&mut auth0), [json!({"username": "new", "connection": "Staff"})]);
}

#[test]
fn a_value_that_auth0_shows_is_compared_and_a_null_is_no_value() {
    let held = json!({"email": "ada@example.com", "username": null});
    let mut auth0 = Auth0::new(linked(json!({"email": "root@example.com"}), &held));
    let card = card(json!({"email": "Ada@example.com", "clear": ["username"]}));
    assert_eq!(Operator::new(&card).settle(&mut auth0), NONE);
}

#[test]
fn another_letter_case_of_an_unseen_email_is_the_same_value() {
    let (mut operator, mut auth0) = (Operator::new(&card(json!({"email": "new@example.com"}))), hidden());
    operator.settle(&mut auth0);
    operator.edit(&card(json!({"email": "New@example.com"})));
    assert_eq!(operator.settle(&mut auth0), NONE);
}
