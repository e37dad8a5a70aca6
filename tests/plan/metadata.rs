//! A whole clear or replace acts once for each edit, so that other people's keys are safe.

use crate::driver::{Fault, Operator};
use crate::world::{Auth0, user};
use auth0_user_operator::api::TriggerState;
use serde_json::{Value, json};

const NAME: &str = "userMetadata";
const NONE: [Value; 0] = [];

fn holding(metadata: &Value) -> Auth0 {
    Auth0::new(user(json!({"user_metadata": metadata})))
}

fn write(auth0: &mut Auth0, metadata: Value) {
    auth0.account.user.insert("user_metadata".into(), metadata);
}

#[test]
fn a_clear_does_not_wipe_what_somebody_else_adds_later() {
    for card in [json!({"clear": ["userMetadata"]}), json!({"passEmptyValues": "Yes", "userMetadata": {}})] {
        let (mut operator, mut auth0) = (Operator::new(&card), holding(&json!({"a": 1})));
        assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
        write(&mut auth0, json!({"theirs": 1}));
        assert_eq!(operator.settle(&mut auth0), NONE);
    }
}

#[test]
fn a_clear_with_nothing_to_remove_is_recorded_unsent() {
    let mut operator = Operator::new(&json!({"clear": ["userMetadata"]}));
    let mut auth0 = Auth0::new(user(json!({})));
    assert_eq!(operator.settle(&mut auth0), NONE);
    assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
    write(&mut auth0, json!({"theirs": 1}));
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn a_clear_that_is_withdrawn_and_written_again_acts_again() {
    let card = json!({"clear": ["userMetadata"]});
    let (mut operator, mut auth0) = (Operator::new(&card), holding(&json!({"a": 1})));
    operator.settle(&mut auth0);
    operator.edit(&json!({}));
    operator.settle(&mut auth0);
    assert_eq!(operator.trigger(NAME), None);
    write(&mut auth0, json!({"theirs": 1}));
    operator.edit(&card);
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
}

#[test]
fn a_clear_that_was_begun_is_sent_again_unless_nothing_is_left() {
    for (left, bodies) in [(json!({}), vec![]), (json!({"a": 1}), vec![json!({"user_metadata": {}})])] {
        let card = json!({"clear": ["userMetadata"]});
        let (mut operator, mut auth0) = (Operator::new(&card), holding(&json!({"a": 1})));
        operator.pass(&mut auth0, Fault::Lost(1));
        assert_eq!(operator.trigger(NAME), Some(TriggerState::Sending));
        write(&mut auth0, left);
        assert_eq!(operator.settle(&mut auth0), bodies);
        assert_eq!(operator.trigger(NAME), Some(TriggerState::Sent));
    }
}

#[test]
fn a_replace_keeps_its_own_keys_in_shape_and_leaves_later_ones_alone() {
    let card = json!({"clear": ["userMetadata"], "userMetadata": {"a": 1}});
    let (mut operator, mut auth0) = (Operator::new(&card), holding(&json!({"b": 2})));
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {"a": 1, "b": null}})]);
    write(&mut auth0, json!({"a": 5, "theirs": 1}));
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {"a": 1}})]);
}

#[test]
fn an_edit_of_a_replaced_map_acts_again() {
    let (mut operator, mut auth0) = (
        Operator::new(&json!({"clear": ["userMetadata"], "userMetadata": {"a": 1}})),
        holding(&json!({"b": 2})),
    );
    operator.settle(&mut auth0);
    write(&mut auth0, json!({"a": 1, "theirs": 1}));
    operator.edit(&json!({"clear": ["userMetadata"], "userMetadata": {"a": 2}}));
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {"a": 2, "theirs": null}})]);
}

#[test]
fn a_whole_clear_wins_over_the_clear_of_one_key() {
    let mut auth0 = holding(&json!({"a": 1, "b": 2}));
    let mut operator =
        Operator::new(&json!({"clear": ["userMetadata", "userMetadata.a"], "userMetadata": {}}));
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
}

#[test]
fn a_whole_clear_beside_a_dropped_null_clears_everything() {
    let mut auth0 = holding(&json!({"plan": "gold"}));
    let mut operator = Operator::new(&json!({"clear": ["userMetadata"], "userMetadata": {}}));
    operator.last_applied = json!({"userMetadata": {"plan": null}}).as_object().cloned();
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
}

#[test]
fn the_two_maps_are_remembered_apart() {
    let mut auth0 = Auth0::new(user(json!({"user_metadata": {"a": 1}, "app_metadata": {"a": 1}})));
    let mut operator = Operator::new(&json!({"clear": ["userMetadata"]}));
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
    operator.edit(&json!({"clear": ["userMetadata", "appMetadata"]}));
    assert_eq!(operator.settle(&mut auth0), [json!({"app_metadata": {}})]);
}
