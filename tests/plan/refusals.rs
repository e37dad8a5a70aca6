//! A refusal of one group stops no other, and what was refused waits for its time, alone.

use crate::driver::{Fault, Operator, Secret};
use crate::generate::{config, willing};
use crate::wish;
use crate::world::{Auth0, user};
use auth0_user_operator::api::JsonMap;
use auth0_user_operator::plan::Group;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NONE: [Value; 0] = [];

fn keys(group: Group) -> &'static [&'static str] {
    match group {
        Group::Password => &["password"],
        Group::Account => &["blocked", "user_metadata", "app_metadata"],
        Group::Profile => &["name", "given_name", "family_name", "nickname", "picture"],
        Group::Email => &["email", "email_verified", "verify_email"],
        Group::Phone => &["phone_number", "phone_verified"],
        Group::Username => &["username"],
    }
}

const GROUPS: [Group; 6] =
    [Group::Password, Group::Account, Group::Profile, Group::Email, Group::Phone, Group::Username];

/// The groups of a body; `blocked` beside a password is the password's.
fn groups(body: &JsonMap) -> Vec<Group> {
    if body.contains_key("password") {
        return vec![Group::Password];
    }
    GROUPS.into_iter().filter(|group| keys(*group).iter().any(|key| body.contains_key(*key))).collect()
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn refused_groups_stop_no_other_and_nothing_is_tried_twice(
        scene in willing(),
        refused in subsequence(GROUPS.to_vec(), 1..4),
    ) {
        let refused: BTreeSet<Group> = refused.into_iter().collect();
        let before = scene.auth0();
        let mut auth0 = before.clone();
        auth0.refuses = refused.iter().flat_map(|group| keys(*group)).copied().collect();
        let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
        let report = operator.pass(&mut auth0, Fault::None);
        let given_up: BTreeSet<Group> = report.refused.union(&refused).copied().collect();
        let wrong = wish::unfulfilled(&scene.card, &scene.secret, &before, &auth0, &given_up);
        if report.failure.is_none() {
            prop_assert_eq!(wrong, Vec::<String>::new(), "{:?}", auth0.log);
        }
        for group in GROUPS {
            let with = |only: bool| move |groups: &Vec<Group>| groups.contains(&group) && (groups.len() == 1) == only;
            let tries: Vec<Vec<Group>> = auth0
                .log
                .iter()
                .filter(|exchange| exchange.body != json!({"blocked": true}).as_object().unwrap().clone())
                .map(|exchange| groups(&exchange.body))
                .collect();
            prop_assert!(tries.iter().filter(|groups| with(true)(groups)).count() <= 1, "{:?}", auth0.log);
            prop_assert!(tries.iter().filter(|groups| with(false)(groups)).count() <= 1, "{:?}", auth0.log);
        }
        auth0.log.clear();
        operator.pass(&mut auth0, Fault::None);
        prop_assert!(auth0.log.is_empty(), "what was refused waits: {:?}", auth0.log);
    }
}

fn card() -> Value {
    json!({"userMetadata": {"a": 1}, "name": "Ada", "email": "new@example.com", "phoneNumber": "+492"})
}

fn refusing(refuses: &[&'static str]) -> Auth0 {
    let mut auth0 = Auth0::new(user(json!({"email": "old@example.com", "phone_number": "+491"})));
    auth0.refuses = refuses.to_vec();
    auth0
}

#[test]
fn a_refused_body_is_sent_once_more_group_by_group() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    assert_eq!(
        operator.settle(&mut auth0),
        [
            json!({"user_metadata": {"a": 1}, "name": "Ada", "email": "new@example.com", "phone_number": "+492"}),
            json!({"user_metadata": {"a": 1}}),
            json!({"name": "Ada"}),
            json!({"email": "new@example.com"}),
            json!({"phone_number": "+492"}),
        ]
    );
    let refused: Vec<_> = operator.memory.refused.iter().map(|refused| refused.field.as_str()).collect();
    assert_eq!(refused, ["email"]);
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn a_refused_group_is_left_out_until_it_is_tried_again_alone() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    operator.settle(&mut auth0);
    auth0.account.user.insert("name".into(), json!("drift"));
    auth0.account.user.insert("phone_number".into(), json!("+493"));
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada", "phone_number": "+492"})]);

    auth0.account.user.insert("name".into(), json!("drift"));
    operator.memory.retry = [Group::Email].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada"}), json!({"email": "new@example.com"})]);
    assert_eq!(operator.settle(&mut auth0), NONE);

    auth0.refuses.clear();
    operator.memory.retry = [Group::Email].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "new@example.com"})]);
    assert!(operator.memory.refused.is_empty());
}

#[test]
fn an_edit_puts_a_refused_group_back_into_the_merged_body() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    operator.settle(&mut auth0);
    auth0.refuses.clear();
    let mut edited = card();
    edited["name"] = json!("Bob");
    operator.edit(&edited);
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Bob", "email": "new@example.com"})]);
}

#[test]
fn a_refused_password_stops_nothing_and_a_new_one_is_sent() {
    let mut auth0 = refusing(&["password"]);
    let mut wish = card();
    wish["passwordSecretRef"] = json!({"name": "s", "key": "k"});
    wish["username"] = json!("ada");
    let mut operator =
        Operator { secret: Secret::Content { text: "After-1", version: 1 }, ..Operator::new(&wish) };
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.refused, [Group::Password, Group::Username].into(), "nobody had a username");
    assert_eq!(auth0.take_bodies().len(), 3);
    assert_eq!(operator.settle(&mut auth0), NONE);
    auth0.refuses.clear();
    operator.secret = Secret::Content { text: "After-2", version: 2 };
    operator.memory.refused.clear();
    assert_eq!(operator.settle(&mut auth0), [json!({"password": "After-2"}), json!({"username": "ada"})]);
}

#[test]
fn an_order_in_a_refused_body_is_still_carried_out_once() {
    let mut auth0 = refusing(&["name"]);
    let mut operator =
        Operator::new(&json!({"name": "Ada", "email": "new@example.com", "verifyEmail": true}));
    assert_eq!(
        operator.settle(&mut auth0),
        [
            json!({"name": "Ada", "email": "new@example.com", "verify_email": true}),
            json!({"name": "Ada"}),
            json!({"email": "new@example.com", "verify_email": true}),
        ]
    );
    assert_eq!(auth0.account.effects.mails_sent, 1);
}

#[test]
fn a_block_that_auth0_refuses_to_set_again_waits_as_a_refusal() {
    let mut auth0 = Auth0::new(user(json!({"blocked": true})));
    auth0.rules.password_beats_blocked = true;
    auth0.refuses = vec!["blocked"];
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true});
    let secret = Secret::Content { text: "After-1", version: 1 };
    let mut operator = Operator { secret, ..Operator::new(&card) };
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(
        auth0.take_bodies(),
        [json!({"password": "After-1", "blocked": true}), json!({"blocked": true})]
    );
    assert_eq!(report.refused, [Group::Account].into());
    assert_eq!(report.not_persisted, Vec::<String>::new());
    assert_eq!(operator.settle(&mut auth0), NONE);
    auth0.refuses.clear();
    operator.memory.retry = [Group::Account].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"blocked": true})]);
}
