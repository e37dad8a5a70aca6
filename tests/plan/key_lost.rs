//! The trigger key is another one than the memory was made with, or there is no memory at all.

use crate::driver::{Fault, Operator, Secret, key};
use crate::world::{Auth0, user};
use auth0_user_operator::api::reason::Reason;
use auth0_user_operator::api::{AssumeSent, TriggerState};
use serde_json::{Value, json};

const NONE: [Value; 0] = [];

fn auth0() -> Auth0 {
    Auth0::new(user(json!({"email": "ada@example.com", "user_metadata": {"a": 1}})))
}

fn card() -> Value {
    json!({"passwordSecretRef": {"name": "s", "key": "k"}, "verifyEmail": true, "clear": ["userMetadata"]})
}

fn orders() -> [Value; 2] {
    [json!({"password": "After-1"}), json!({"user_metadata": {}, "verify_email": true})]
}

fn operator() -> Operator {
    Operator { secret: Secret::Content { text: "After-1", version: 1 }, ..Operator::new(&card()) }
}

/// Everything was sent under another key, and there is something to clear again.
fn sent_under_another_key() -> (Operator, Auth0) {
    let (mut operator, mut auth0) = (operator(), auth0());
    assert_eq!(operator.settle(&mut auth0), orders());
    auth0.account.user.insert("user_metadata".into(), json!({"theirs": 1}));
    operator.key = key(8);
    (operator, auth0)
}

fn assert_rewritten(operator: &Operator) {
    assert_eq!(operator.memory.triggers.len(), 3);
    for trigger in &operator.memory.triggers {
        assert_eq!((trigger.state, trigger.key_id.as_str()), (TriggerState::Sent, key(8).id()));
    }
}

#[test]
fn an_applied_generation_is_taken_over_without_sending() {
    let (mut operator, mut auth0) = sent_under_another_key();
    assert!(operator.memory.generation_applied);
    assert_eq!(operator.settle(&mut auth0), NONE);
    assert_rewritten(&operator);
    operator.edit(&card());
    assert_eq!(operator.settle(&mut auth0), NONE, "the digests are those of the new key");
}

#[test]
fn a_new_generation_waits_for_a_word() {
    let (mut operator, mut auth0) = sent_under_another_key();
    operator.edit(&card());
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::TriggerKeyLost; 3]);
    assert_eq!(auth0.take_bodies(), NONE);
}

#[test]
fn a_new_secret_content_waits_for_a_word_although_the_generation_was_applied() {
    let (mut operator, mut auth0) = sent_under_another_key();
    operator.secret = Secret::Content { text: "After-2", version: 2 };
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::TriggerKeyLost]);
    assert_eq!(auth0.take_bodies(), NONE);
}

#[test]
fn assume_sent_decides() {
    let (mut operator, mut auth0) = sent_under_another_key();
    operator.edit(&card());
    operator.memory.assume_sent = Some(AssumeSent::Yes);
    assert_eq!(operator.settle(&mut auth0), NONE);
    assert_rewritten(&operator);

    let (mut operator, mut auth0) = sent_under_another_key();
    operator.edit(&card());
    operator.memory.assume_sent = Some(AssumeSent::No);
    assert_eq!(operator.settle(&mut auth0), orders());
    assert_rewritten(&operator);
}

#[test]
fn assume_sent_records_unsent_where_there_is_no_memory_and_sends_a_later_change() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.memory.assume_sent = Some(AssumeSent::Yes);
    assert_eq!(operator.settle(&mut auth0), NONE);
    assert_eq!(operator.memory.triggers.len(), 3);
    operator.secret = Secret::Content { text: "After-2", version: 2 };
    assert_eq!(operator.settle(&mut auth0), [json!({"password": "After-2"})]);
}

#[test]
fn an_annotation_that_cannot_be_read_holds_what_is_done_once_where_there_is_no_memory() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.memory.assume_sent = Some(AssumeSent::Unclear);
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::InvalidRequest; 3]);
    assert_eq!(auth0.take_bodies(), NONE);
    operator.memory.assume_sent = Some(AssumeSent::No);
    assert_eq!(operator.settle(&mut auth0), orders());
    operator.memory.assume_sent = Some(AssumeSent::Unclear);
    operator.secret = Secret::Content { text: "After-2", version: 2 };
    assert_eq!(operator.settle(&mut auth0), [json!({"password": "After-2"})], "what is known to be new");
}

#[test]
fn an_order_that_was_begun_under_another_key_is_resumed() {
    let mut auth0 = auth0();
    let mut operator = Operator::new(&json!({"clear": ["userMetadata"]}));
    operator.pass(&mut auth0, Fault::Lost(1));
    operator.key = key(8);
    operator.memory.generation_applied = true;
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
}

#[test]
fn memory_that_another_version_wrote_holds_its_order() {
    let (mut operator, mut auth0) = (operator(), auth0());
    operator.settle(&mut auth0);
    operator.memory.triggers.iter_mut().for_each(|trigger| trigger.state = TriggerState::Unknown);
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.hold_reasons(), [Reason::TriggerKeyLost; 3]);
    assert_eq!(auth0.take_bodies(), NONE);
    operator.edit(&json!({}));
    operator.settle(&mut auth0);
    assert_eq!(operator.memory.triggers.len(), 3, "it is not forgotten either");
}

#[test]
fn the_annotation_decides_on_what_another_version_wrote() {
    for (was_sent, requests) in [(AssumeSent::Yes, 0), (AssumeSent::No, 2)] {
        let (mut operator, mut auth0) = (operator(), auth0());
        operator.settle(&mut auth0);
        operator.memory.triggers.iter_mut().for_each(|trigger| trigger.state = TriggerState::Unknown);
        operator.memory.assume_sent = Some(was_sent);
        assert_eq!(operator.settle(&mut auth0).len(), requests, "{was_sent:?}");
        assert!(operator.memory.triggers.iter().all(|trigger| trigger.state == TriggerState::Sent));
    }
}
