//! A verification link is mailed once for each identity and address.

use crate::driver::{Fault, Operator};
use crate::world::{Auth0, SECONDARY, linked, user};
use auth0_user_operator::api::TriggerState;
use serde_json::{Value, json};

const NAME: &str = "verifyEmail";
const NONE: [Value; 0] = [];

fn unverified() -> Auth0 {
    Auth0::new(user(json!({"email": "ada@example.com", "email_verified": false})))
}

fn mail() -> Vec<Value> {
    vec![json!({"verify_email": true})]
}

#[test]
fn true_alone_mails_once_and_only_to_an_unverified_address() {
    let (mut operator, mut auth0) = (Operator::new(&json!({"verifyEmail": true})), unverified());
    assert_eq!(operator.settle(&mut auth0), mail());
    assert_eq!(operator.settle(&mut auth0), NONE);
    // Some connections fill the flag with text.
    for verified in
        [json!(true), json!("true"), json!("True"), json!("t"), json!("1"), json!(1), json!("jo@example.com")]
    {
        let flags = json!({"email": "ada@example.com", "email_verified": verified});
        for card in [json!({"verifyEmail": true}), json!({"emailVerified": true})] {
            assert_eq!(Operator::new(&card).settle(&mut Auth0::new(user(flags.clone()))), NONE, "{flags}");
            let mut card = card;
            card["connection"] = SECONDARY.into();
            let mut auth0 = Auth0::new(linked(json!({}), &flags));
            assert_eq!(Operator::new(&card).settle(&mut auth0), NONE, "{flags} of {card}");
        }
    }
    let mut auth0 = Auth0::new(user(json!({})));
    assert_eq!(Operator::new(&json!({"verifyEmail": true})).settle(&mut auth0), NONE, "there is no address");
}

#[test]
fn false_alone_is_never_sent() {
    assert_eq!(Operator::new(&json!({"verifyEmail": false})).settle(&mut unverified()), NONE);
}

#[test]
fn either_value_rides_with_an_email_and_with_its_flag() {
    for value in [true, false] {
        let card = json!({"email": "new@example.com", "verifyEmail": value});
        let body = json!({"email": "new@example.com", "verify_email": value});
        assert_eq!(Operator::new(&card).settle(&mut unverified()), [body]);
        let card = json!({"emailVerified": true, "verifyEmail": value});
        let body = json!({"email_verified": true, "verify_email": value});
        assert_eq!(Operator::new(&card).settle(&mut unverified()), [body]);
    }
}

#[test]
fn another_letter_case_does_not_mail_again() {
    let mut auth0 = unverified();
    let mut operator = Operator::new(&json!({"email": "new@example.com", "verifyEmail": true}));
    operator.settle(&mut auth0);
    operator.edit(&json!({"email": "New@Example.com", "verifyEmail": true}));
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn a_drift_repair_rides_as_false() {
    let mut auth0 = unverified();
    let mut operator = Operator::new(&json!({"email": "new@example.com", "verifyEmail": true}));
    operator.settle(&mut auth0);
    auth0.account.user.insert("email".into(), json!("drift@example.com"));
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "new@example.com", "verify_email": false})]);
    assert_eq!(auth0.account.effects.mails_sent, 1);
}

#[test]
fn another_address_mails_again() {
    let mut auth0 = unverified();
    let mut operator = Operator::new(&json!({"email": "new@example.com", "verifyEmail": true}));
    operator.settle(&mut auth0);
    operator.edit(&json!({"email": "newer@example.com", "verifyEmail": true}));
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "newer@example.com", "verify_email": true})]);
}

#[test]
fn an_address_that_auth0_stores_otherwise_is_mailed_once() {
    let mut auth0 = unverified();
    auth0.rules.overrides.insert("email".into(), json!("normal@example.com"));
    let mut operator = Operator::new(&json!({"email": "new@example.com", "verifyEmail": true}));
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "new@example.com", "verify_email": true})]);
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn false_or_absent_and_then_true_mails_again() {
    for between in [json!({"verifyEmail": false}), json!({})] {
        let (mut operator, mut auth0) = (Operator::new(&json!({"verifyEmail": true})), unverified());
        operator.settle(&mut auth0);
        operator.edit(&between);
        assert_eq!(operator.settle(&mut auth0), NONE);
        assert_eq!(operator.trigger(NAME), None);
        operator.edit(&json!({"verifyEmail": true}));
        assert_eq!(operator.settle(&mut auth0), mail());
    }
}

#[test]
fn a_mail_that_was_begun_is_sent_once_more_and_then_never() {
    let (mut operator, mut auth0) = (Operator::new(&json!({"verifyEmail": true})), unverified());
    operator.pass(&mut auth0, Fault::Cut(1));
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sending));
    operator.pass(&mut auth0, Fault::Cut(1));
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Resending));
    assert_eq!(auth0.take_bodies().len(), 2);
    assert_eq!(operator.settle(&mut auth0), NONE);
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
}

#[test]
fn a_new_user_with_the_old_id_is_mailed() {
    let (mut operator, mut auth0) = (Operator::new(&json!({"verifyEmail": true})), unverified());
    operator.settle(&mut auth0);
    auth0.account.user.insert("created_at".into(), json!("2026-03-03T00:00:00.000Z"));
    assert_eq!(operator.settle(&mut auth0), mail());
}

#[test]
fn each_identity_is_mailed_on_its_own() {
    let held = json!({"email": "ada@example.com", "email_verified": false});
    let mut auth0 = Auth0::new(linked(held.clone(), &held));
    let mut operator = Operator::new(&json!({"verifyEmail": true}));
    operator.settle(&mut auth0);
    operator.edit(&json!({"verifyEmail": true, "connection": "Staff"}));
    assert_eq!(operator.settle(&mut auth0), [json!({"verify_email": true, "connection": "Staff"})]);
}
