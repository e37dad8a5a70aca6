//! An edit of what was in sync goes out without reading first, and is judged by its answer.

use crate::convergence::assert_settled;
use crate::driver::{Fault, Operator};
use crate::generate::{config, profile_edits};
use crate::wish;
use crate::world::{Auth0, user};
use auth0_user_operator::api::Output;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What an edit costs: how often the user is read, and what is sent.
#[track_caller]
fn cost(first: &Value, next: &Value, between: impl Fn(&mut Auth0)) -> (usize, Vec<Value>) {
    let mut auth0 =
        Auth0::new(user(json!({"name": "Ada", "email": "ada@example.com", "user_metadata": {"t": 1}})));
    let mut operator = Operator::new(first);
    operator.pass(&mut auth0, Fault::None);
    auth0.log.clear();
    between(&mut auth0);
    operator.edit(next);
    let reads = operator.reads;
    operator.pass(&mut auth0, Fault::None);
    let bodies = auth0.take_bodies();
    let reads = operator.reads - reads;
    assert_settled(&mut operator, &mut auth0);
    (reads, bodies)
}

fn nothing(_: &mut Auth0) {}

#[test]
fn the_profile_metadata_keys_and_a_block_alone_are_not_read_before() {
    let first = json!({"name": "Ada", "userMetadata": {"a": 1}, "email": "ada@example.com", "blocked": false, "passEmptyValues": "Yes"});
    for (change, body) in [
        (json!({"name": "Eve"}), json!({"name": "Eve"})),
        (json!({"name": ""}), json!({"name": null})),
        (
            json!({"nickname": "eve", "picture": "https://example.com/e.png"}),
            json!({"nickname": "eve", "picture": "https://example.com/e.png"}),
        ),
        (json!({"userMetadata": {"a": 2, "b": 1}}), json!({"user_metadata": {"a": 2, "b": 1}})),
        (json!({"clear": ["userMetadata.t"]}), json!({"user_metadata": {"t": null}})),
        (json!({"blocked": true}), json!({"blocked": true})),
    ] {
        let mut next = first.clone();
        next.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(cost(&first, &next, nothing), (0, vec![body]), "{change}");
    }
}

#[test]
fn everything_else_is_read_before() {
    let first = json!({"name": "Ada"});
    for (change, bodies) in [
        (json!({"name": "Ada"}), json!([])),
        (json!({"email": "eve@example.com"}), json!([{"email": "eve@example.com"}])),
        (json!({"name": "Eve", "blocked": true}), json!([{"name": "Eve", "blocked": true}])),
        (json!({"verifyEmail": true}), json!([{"verify_email": true}])),
        (json!({"clear": ["userMetadata"]}), json!([{"user_metadata": {}}])),
        (
            json!({"phoneNumber": "+15550100", "name": "Eve"}),
            json!([{"name": "Eve", "phone_number": "+15550100"}]),
        ),
    ] {
        let (reads, sent) = cost(&first, &change, nothing);
        assert_eq!((reads, json!(sent)), (1, bodies), "{change}");
    }
    let blocks = |auth0: &mut Auth0| drop(auth0.account.user.insert("blocked".into(), json!(true)));
    let unblock =
        cost(&json!({"name": "Ada", "blocked": true}), &json!({"name": "Ada", "blocked": false}), blocks);
    assert_eq!(unblock, (1, vec![json!({"blocked": false})]));
}

#[test]
fn drift_that_the_answer_shows_is_corrected_in_the_same_pass() {
    let drift = |auth0: &mut Auth0| drop(auth0.account.user.insert("name".into(), json!("Drift")));
    let (first, next) = (json!({"name": "Ada"}), json!({"name": "Ada", "nickname": "ada"}));
    assert_eq!(cost(&first, &next, drift), (0, vec![json!({"nickname": "ada"}), json!({"name": "Ada"})]));
}

#[test]
fn another_user_under_the_id_is_read() {
    let anew = |auth0: &mut Auth0| {
        drop(auth0.account.user.insert("created_at".into(), json!("2026-03-03T00:00:00.000Z")));
    };
    let (first, next) = (json!({"name": "Ada"}), json!({"name": "Eve"}));
    assert_eq!(cost(&first, &next, anew), (1, vec![json!({"name": "Eve"})]));
}

#[test]
fn a_rejected_edit_is_narrowed_after_a_read_and_sent_no_second_time() {
    for names in [true, false] {
        let refuse = |auth0: &mut Auth0| {
            (auth0.refuses, auth0.names) = (vec!["name".to_owned()], names);
        };
        let next = json!({"name": "Eve", "nickname": "eve"});
        let (reads, bodies) = cost(&json!({"name": "Ada"}), &next, refuse);
        let rest = if names {
            vec![json!({"nickname": "eve"})]
        } else {
            vec![json!({"name": "Eve"}), json!({"nickname": "eve"})]
        };
        assert_eq!(
            (reads, &bodies[0], &bodies[1..]),
            (1, &json!({"name": "Eve", "nickname": "eve"}), &rest[..])
        );
        let alone = cost(&json!({"name": "Ada"}), &json!({"name": "Eve"}), refuse);
        assert_eq!(alone, (1, vec![json!({"name": "Eve"})]));
    }
}

fn has_blank(card: &Value) -> bool {
    let is_blank = |value: &Value| value.is_null() || value == "" || *value == json!({});
    let mut fields = card.as_object().unwrap().iter();
    fields.any(|(field, value)| {
        field == "clear" || is_blank(value) || value.as_object().is_some_and(|map| map.values().any(is_blank))
    })
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn every_edit_of_profile_and_metadata_is_one_request((scene, edits, shows) in profile_edits()) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.shows = shows;
        operator.pass(&mut auth0, Fault::None);
        for card in edits {
            let (before, reads) = (auth0.clone(), operator.reads);
            auth0.log.clear();
            operator.edit(&card);
            let report = operator.pass(&mut auth0, Fault::None);
            let requests = operator.reads - reads + auth0.log.len();
            // Whether there is something to clear, only the user tells.
            let reads = usize::from(shows == Output::None && has_blank(&card));
            prop_assert!((1..=1 + reads).contains(&requests), "{} {} {:?}", requests, card, auth0.log);
            prop_assert_eq!(wish::touched(&card, &before, &auth0), Vec::<String>::new(), "{:?}", auth0.log);
            let wrong = wish::unfulfilled(&card, &scene.secret, &before, &auth0, &report.refused);
            prop_assert_eq!(wrong, Vec::<String>::new(), "{:?}", auth0.log);
            assert_settled(&mut operator, &mut auth0);
        }
    }
}
