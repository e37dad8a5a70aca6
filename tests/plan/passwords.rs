//! A password is set once for each content of its Secret, whatever happens to the operator.

use crate::driver::{Fault, Operator, Secret};
use crate::world::{Auth0, user};
use auth0_sandbox::model::Account;
use auth0_user_operator::api::reason::Reason;
use auth0_user_operator::api::{SecretVersion, TriggerState};
use serde_json::{Value, json};

const NAME: &str = "passwordSecretRef";

fn card() -> Value {
    json!({"passwordSecretRef": {"name": "s", "key": "k"}})
}

fn operator() -> Operator {
    Operator { secret: Secret::Content { text: "After-1", version: 1 }, ..Operator::new(&card()) }
}

fn auth0() -> Auth0 {
    Auth0::new(user(json!({"last_password_reset": "2021-01-01T00:00:00.000Z"})))
}

fn password(text: &str) -> Vec<Value> {
    vec![json!({"password": text})]
}

/// Remembered as being sent, by a process that died before it heard the answer.
fn interrupted(auth0: &mut Auth0) -> Operator {
    let mut operator = operator();
    operator.pass(auth0, Fault::Crash(1));
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sending));
    operator
}

#[test]
fn a_password_is_sent_once_for_each_content() {
    let (mut operator, mut auth0) = (operator(), auth0());
    assert_eq!(operator.settle(&mut auth0), password("After-1"));
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    operator.secret = Secret::Content { text: "After-1", version: 2 };
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new(), "the same content");
    operator.secret = Secret::Content { text: "After-2", version: 3 };
    assert_eq!(operator.settle(&mut auth0), password("After-2"));
}

#[test]
fn a_password_that_was_begun_counts_as_sent_where_the_last_reset_moved() {
    let mut auth0 = auth0();
    let mut operator = interrupted(&mut auth0);
    auth0.account.user.insert("last_password_reset".into(), json!("2026-01-01T00:00:00.000Z"));
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
}

#[test]
fn a_password_that_was_begun_is_sent_again_where_the_last_reset_did_not_move() {
    let mut auth0 = auth0();
    let mut operator = interrupted(&mut auth0);
    assert_eq!(operator.settle(&mut auth0), password("After-1"));
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
}

#[test]
fn a_password_sent_again_counts_as_sent_where_the_history_knows_it() {
    for (begun, end) in [(true, TriggerState::Sent), (false, TriggerState::Refused)] {
        let mut auth0 = auth0();
        auth0.connections[0] = auth0.connections[0].clone().with("password_history", json!({"enable": true}));
        auth0.set_password("auth0|1", "After-1");
        let mut operator = if begun { interrupted(&mut auth0) } else { operator() };
        let report = operator.pass(&mut auth0, Fault::None);
        assert_eq!(operator.trigger(NAME), Some(end));
        assert_eq!(report.refused.is_empty(), begun);
    }
}

#[test]
fn a_new_user_with_the_old_id_gets_the_password() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.settle(&mut auth0);
    auth0.account.user.insert("created_at".into(), json!("2026-03-03T00:00:00.000Z"));
    assert_eq!(operator.settle(&mut auth0), password("After-1"));
}

#[test]
fn a_password_that_is_no_longer_declared_stays_remembered() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.settle(&mut auth0);
    operator.edit(&json!({}));
    operator.settle(&mut auth0);
    operator.edit(&card());
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
}

#[test]
fn a_blocked_users_password_waits_for_a_word_on_the_block() {
    let mut auth0 = Auth0::new(user(json!({"blocked": true})));
    let mut operator = operator();
    let mut wish = card();
    wish["name"] = json!("Ada");
    operator.edit(&wish);
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::UserBlocked]);
    assert_eq!(auth0.take_bodies(), [json!({"name": "Ada"})]);
    assert_eq!(operator.trigger(NAME), None);
    wish["blocked"] = json!(true);
    operator.edit(&wish);
    assert_eq!(operator.settle(&mut auth0), [json!({"password": "After-1", "blocked": true})]);
}

#[test]
fn a_password_that_had_to_wait_is_judged_by_the_user_of_then() {
    let block: fn(&mut Account) = |account| drop(account.user.insert("blocked".into(), json!(true)));
    for (blocked, bodies, holds) in [
        (json!({}), vec![], vec![Reason::UserBlocked]),
        (json!({"blocked": false}), vec![json!({"password": "After-1"})], vec![]),
        (
            json!({"blocked": true}),
            vec![json!({"blocked": true}), json!({"password": "After-1", "blocked": true})],
            vec![],
        ),
    ] {
        let mut auth0 = auth0();
        auth0.meanwhile = Some(block);
        let mut operator = operator();
        let mut wish = card();
        wish.as_object_mut().unwrap().extend(blocked.as_object().unwrap().clone());
        operator.edit(&wish);
        let report = operator.pass(&mut auth0, Fault::None);
        assert_eq!((auth0.take_bodies(), report.hold_reasons()), (bodies, holds), "{blocked}");
    }
}

#[test]
fn a_block_that_somebody_lifts_while_the_password_waits_is_set_again() {
    let unblock: fn(&mut Account) = |account| drop(account.user.insert("blocked".into(), json!(false)));
    let mut auth0 = auth0();
    auth0.meanwhile = Some(unblock);
    let mut operator = operator();
    operator.edit(&json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true}));
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.not_persisted, Vec::<String>::new());
    auth0.meanwhile = None;
    operator.pass(&mut auth0, Fault::None);
    assert_eq!(auth0.account.user["blocked"], true);
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
}

#[test]
fn a_block_that_a_password_lifted_is_set_again_although_the_status_was_not_written() {
    let mut auth0 = auth0();
    auth0.rules.password_beats_blocked = true;
    auth0.account.user.insert("blocked".into(), json!(true));
    let mut operator = operator();
    operator.edit(&json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true, "name": "Ada"}));
    operator.pass(&mut auth0, Fault::Conflict(2));
    let bodies = [json!({"password": "After-1", "blocked": true}), json!({"blocked": true})];
    assert_eq!(auth0.take_bodies(), bodies);
    assert_eq!(auth0.account.user["blocked"], true);
}

#[test]
fn a_missing_secret_holds_the_password_only() {
    let mut auth0 = auth0();
    let mut wish = card();
    wish["name"] = json!("Ada");
    let mut operator = Operator { secret: Secret::Missing, ..Operator::new(&wish) };
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::SecretNotFound]);
    assert_eq!(auth0.take_bodies(), [json!({"name": "Ada"})]);
}

#[test]
fn the_memory_names_the_secret_and_the_last_reset_but_not_the_password() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.settle(&mut auth0);
    let entry = operator.memory.trigger(NAME).unwrap();
    assert_eq!(entry.secret, Some(SecretVersion { uid: "s".into(), resource_version: "1".into() }));
    assert_eq!(entry.last_password_reset.as_deref(), Some("2021-01-01T00:00:00.000Z"));
    assert!(!serde_json::to_string(entry).unwrap().contains("After"));
}
