//! A rejection hurts only the field at fault, a block gets through, and what was rejected waits for its time, alone.

use crate::bounds::{check_count, check_once};
use crate::driver::{End, Fault, Operator, Secret};
use crate::generate::{config, willing};
use crate::wish;
use crate::world::{Auth0, user};
use auth0_sandbox::Refusal;
use auth0_user_operator::api::reason::Reason;
use proptest::prelude::*;
use proptest::sample::subsequence;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NONE: [Value; 0] = [];

/// What Auth0 may reject, by its name there and in the spec.
const FIELDS: [(&str, &str); 16] = [
    ("password", "passwordSecretRef"),
    ("blocked", "blocked"),
    ("name", "name"),
    ("given_name", "givenName"),
    ("family_name", "familyName"),
    ("nickname", "nickname"),
    ("picture", "picture"),
    ("email", "email"),
    ("email_verified", "emailVerified"),
    ("verify_email", "verifyEmail"),
    ("phone_number", "phoneNumber"),
    ("username", "username"),
    ("user_metadata.a", "userMetadata.a"),
    ("user_metadata.b", "userMetadata.b"),
    ("app_metadata.a", "appMetadata.a"),
    ("app_metadata.c", "appMetadata.c"),
];

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_rejection_hurts_only_the_fields_at_fault_and_nothing_is_tried_twice(
        scene in willing(),
        at_fault in subsequence(FIELDS.to_vec(), 1..5),
        names in any::<bool>(),
    ) {
        let before = scene.auth0();
        let mut auth0 = before.clone();
        auth0.refuses = at_fault.iter().map(|(name, _)| (*name).to_owned()).collect();
        auth0.names = names;
        let mut given_up: BTreeSet<String> = at_fault.iter().map(|(_, field)| (*field).to_owned()).collect();
        // A key at fault is part of every replacement of its map that removes it.
        given_up.extend(given_up.clone().iter().filter_map(|field| Some(field.split_once('.')?.0.to_owned())));
        let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
        for _ in 0..4 {
            let report = operator.pass(&mut auth0, Fault::None);
            prop_assert!(report.end != End::Failed || auth0.log.is_empty(), "{:?}", report.failure);
            check_count(&scene.card, &auth0.log, report.refused.len());
            check_once(&auth0.log);
            auth0.log.clear();
            given_up.extend(report.refused);
            if report.end != End::Unfinished {
                break;
            }
        }
        let wrong = wish::unfulfilled(&scene.card, &scene.secret, &before, &auth0, &given_up);
        if wish::is_possible(&before, &scene.card) {
            prop_assert_eq!(wrong, Vec::<String>::new(), "{:?}", auth0.account);
        }
        operator.pass(&mut auth0, Fault::None);
        prop_assert!(auth0.log.is_empty(), "what was rejected waits: {:?}", auth0.log);
    }

    #[test]
    fn a_block_gets_through_whatever_else_is_rejected_or_fails(
        scene in willing(),
        at_fault in subsequence(FIELDS.to_vec(), 0..8),
        fault in prop_oneof![Just(None), (0..6_usize).prop_map(Some)],
        limited in any::<bool>(),
    ) {
        let mut card = scene.card.clone();
        card["blocked"] = json!(true);
        let mut auth0 = scene.auth0();
        if !wish::is_possible(&auth0, &card) {
            return Ok(());
        }
        let names = at_fault.iter().map(|(name, _)| (*name).to_owned());
        auth0.refuses = names.filter(|name| name != "blocked").collect();
        let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&card) };
        let fault = match fault {
            None => Fault::None,
            Some(at) if limited => Fault::Limited(at),
            Some(at) => Fault::Lost(at),
        };
        operator.pass(&mut auth0, fault);
        if fault != Fault::None {
            operator.pass(&mut auth0, Fault::None);
        }
        prop_assert_eq!(auth0.account.user.get("blocked"), Some(&json!(true)), "{:?}", auth0.log);
    }
}

fn card() -> Value {
    json!({"userMetadata": {"a": 1}, "name": "Ada", "email": "new@example.com", "phoneNumber": "+492"})
}

fn refusing(refuses: &[&str]) -> Auth0 {
    let mut auth0 = Auth0::new(user(json!({"email": "old@example.com", "phone_number": "+491"})));
    auth0.refuses = refuses.iter().map(|name| (*name).to_owned()).collect();
    auth0
}

fn refused(operator: &Operator) -> Vec<&str> {
    operator.memory.refused.iter().map(|refused| refused.field.as_str()).collect()
}

#[test]
fn a_rejected_body_goes_by_halves_until_the_field_at_fault_stands_alone() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    assert_eq!(
        operator.settle(&mut auth0),
        [
            json!({"user_metadata": {"a": 1}, "name": "Ada", "email": "new@example.com", "phone_number": "+492"}),
            json!({"user_metadata": {"a": 1}, "name": "Ada"}),
            json!({"email": "new@example.com"}),
            json!({"phone_number": "+492"}),
        ]
    );
    assert_eq!(refused(&operator), ["email"]);
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn a_field_that_auth0_names_needs_no_search() {
    let mut auth0 = refusing(&["name", "nickname"]);
    auth0.names = true;
    let card =
        json!({"name": "Ada", "nickname": "ada", "userMetadata": {"a": 1, "b": 2}, "appMetadata": {"a": 1}});
    let mut operator = Operator::new(&card);
    let metadata = json!({"user_metadata": {"a": 1, "b": 2}, "app_metadata": {"a": 1}});
    let mut whole = metadata.clone();
    (whole["name"], whole["nickname"]) = (json!("Ada"), json!("ada"));
    assert_eq!(operator.settle(&mut auth0), [whole, metadata]);
    assert_eq!(refused(&operator), ["name", "nickname"]);
}

#[test]
fn a_map_that_auth0_names_is_narrowed_to_its_key() {
    let mut auth0 = refusing(&["user_metadata.c"]);
    auth0.names = true;
    let card = json!({"name": "Ada", "userMetadata": {"a": 1, "b": 2, "c": 3}});
    let mut operator = Operator::new(&card);
    assert_eq!(
        operator.settle(&mut auth0),
        [
            json!({"user_metadata": {"a": 1, "b": 2, "c": 3}, "name": "Ada"}),
            json!({"user_metadata": {"a": 1, "b": 2}}),
            json!({"user_metadata": {"c": 3}}),
            json!({"name": "Ada"}),
        ]
    );
    assert_eq!(refused(&operator), ["userMetadata.c"]);
}

#[test]
fn a_block_goes_alone_once_a_body_with_it_was_rejected() {
    let mut auth0 = refusing(&["user_metadata.a"]);
    let card = json!({"blocked": true, "name": "Ada", "userMetadata": {"a": 1}});
    let mut operator = Operator::new(&card);
    let bodies = operator.settle(&mut auth0);
    assert_eq!(
        bodies[..2],
        [json!({"blocked": true, "name": "Ada", "user_metadata": {"a": 1}}), json!({"blocked": true})]
    );
    assert_eq!(refused(&operator), ["userMetadata.a"]);
    assert_eq!(auth0.account.user["name"], "Ada");

    auth0.account.user.insert("blocked".into(), json!(false));
    auth0.account.user.insert("name".into(), json!("drift"));
    assert_eq!(operator.settle(&mut auth0), [json!({"blocked": true}), json!({"name": "Ada"})]);
}

#[test]
fn a_block_that_shared_a_failed_request_is_sent_at_once_and_alone_from_then_on() {
    let mut auth0 = Auth0::new(user(json!({})));
    let mut operator = Operator::new(&json!({"blocked": true, "name": "Ada"}));
    operator.pass(&mut auth0, Fault::Lost(0));
    assert_eq!(auth0.take_bodies(), [json!({"blocked": true})]);
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada"})]);

    let mut operator = Operator::new(&json!({"blocked": true, "name": "Bob"}));
    auth0.account.user.remove("blocked");
    operator.pass(&mut auth0, Fault::Limited(0));
    assert_eq!(auth0.take_bodies(), NONE, "a host that asks to slow down is left alone");
    assert_eq!(operator.settle(&mut auth0), [json!({"blocked": true}), json!({"name": "Bob"})]);
}

#[test]
fn an_unblock_waits_for_a_password_that_fails() {
    let mut auth0 = Auth0::new(user(json!({"blocked": true})));
    let card = json!({"blocked": false, "passwordSecretRef": {"name": "s", "key": "k"}});
    let secret = Secret::Content { text: "After-1", version: 1 };
    let mut operator = Operator { secret, ..Operator::new(&card) };
    operator.pass(&mut auth0, Fault::Limited(1));
    assert_eq!(auth0.take_bodies(), NONE);
    assert_eq!(auth0.account.user["blocked"], true);
}

#[test]
fn fields_that_do_not_go_together_go_apart_and_none_is_at_fault() {
    let mut auth0 = refusing(&[]);
    auth0.rules.phone_refused_beside_pairs = true;
    let mut operator = Operator::new(&card());
    assert_eq!(
        operator.settle(&mut auth0)[1..],
        [
            json!({"email": "new@example.com"}),
            json!({"phone_number": "+492"}),
            json!({"user_metadata": {"a": 1}, "name": "Ada"}),
        ]
    );
    assert_eq!(refused(&operator), [""; 0]);
}

#[test]
fn what_one_pass_cannot_narrow_goes_on_in_the_next() {
    let keys: serde_json::Map<String, Value> =
        (0..200).map(|key| (format!("k{key:03}"), json!(key))).collect();
    let mut auth0 = refusing(&["user_metadata.k003", "user_metadata.k070", "user_metadata.k150"]);
    let mut operator = Operator::new(&json!({"userMetadata": keys}));
    let mut passes = 0;
    while operator.pass(&mut auth0, Fault::None).end == End::Unfinished {
        assert!(auth0.take_bodies().len() <= 12);
        passes += 1;
    }
    assert!((1..=3).contains(&passes), "{passes}");
    assert_eq!(refused(&operator), ["userMetadata.k003", "userMetadata.k070", "userMetadata.k150"]);
    assert_eq!(auth0.account.user["user_metadata"].as_object().unwrap().len(), 197);
}

#[test]
fn a_rejected_field_is_left_out_until_it_is_tried_again_alone() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    operator.settle(&mut auth0);
    auth0.account.user.insert("name".into(), json!("drift"));
    auth0.account.user.insert("phone_number".into(), json!("+493"));
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada", "phone_number": "+492"})]);

    auth0.account.user.insert("name".into(), json!("drift"));
    operator.memory.retry = ["email".to_owned()].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"name": "Ada"}), json!({"email": "new@example.com"})]);
    assert_eq!(operator.settle(&mut auth0), NONE);

    auth0.refuses.clear();
    operator.memory.retry = ["email".to_owned()].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "new@example.com"})]);
    assert!(operator.memory.refused.is_empty());
}

#[test]
fn a_flag_goes_with_its_address_or_not_at_all() {
    let card = json!({"email": "new@example.com", "emailVerified": true, "verifyEmail": true, "name": "Ada"});
    let mut auth0 = refusing(&["email"]);
    auth0.account.user.insert("email_verified".into(), json!(false));
    auth0.names = true;
    let mut operator = Operator::new(&card);
    let bodies = operator.settle(&mut auth0);
    assert_eq!(
        bodies[1..],
        [json!({"name": "Ada"})],
        "the old address is not verified in place of the new one"
    );
    assert_eq!(refused(&operator), ["email"]);
    auth0.refuses.clear();
    operator.memory.retry = ["email".to_owned()].into();
    let address = json!({"email": "new@example.com", "email_verified": true, "verify_email": true});
    assert_eq!(operator.settle(&mut auth0), [address]);
}

#[test]
fn a_mail_goes_with_its_address_though_another_field_does_not_go_with_it() {
    let mut auth0 = refusing(&[]);
    auth0.rules.phone_refused_beside_pairs = true;
    auth0.rules.email_change_resets_verified = false;
    auth0.account.user.insert("email_verified".into(), json!(true));
    let card = json!({"email": "new@example.com", "verifyEmail": true, "phoneNumber": "+492"});
    let bodies = Operator::new(&card).settle(&mut auth0);
    let address = json!({"email": "new@example.com", "verify_email": true});
    assert_eq!(bodies[1..], [address, json!({"phone_number": "+492"})]);
    assert_eq!(auth0.account.effects.mails_sent, 1);
}

#[test]
fn many_fields_that_are_due_again_are_each_tried_once_and_none_is_forgotten() {
    let keys: Vec<String> = (0..30).map(|key| format!("k{key:02}")).collect();
    let declared: serde_json::Map<String, Value> = keys.iter().map(|key| (key.clone(), json!(1))).collect();
    let names: Vec<String> = keys.iter().map(|key| format!("user_metadata.{key}")).collect();
    let mut auth0 = refusing(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let mut operator = Operator::new(&json!({"userMetadata": declared}));
    while operator.pass(&mut auth0, Fault::None).end == End::Unfinished {}
    assert_eq!(operator.memory.refused.len(), 30);
    auth0.log.clear();
    let mut due: BTreeSet<String> = keys.iter().map(|key| format!("userMetadata.{key}")).collect();
    for _ in 0..3 {
        operator.memory.retry = due.clone();
        let report = operator.pass(&mut auth0, Fault::None);
        due.retain(|field| !report.refused.contains(field));
        assert_eq!(operator.memory.refused.len(), 30);
    }
    assert_eq!((auth0.take_bodies().len(), due.len()), (30, 0));
}

#[test]
fn a_search_goes_on_after_a_failure() {
    let mut auth0 = refusing(&["email"]);
    let mut operator = Operator::new(&card());
    operator.pass(&mut auth0, Fault::Limited(1));
    auth0.log.clear();
    let bodies = operator.settle(&mut auth0);
    assert_eq!(bodies[0], json!({"user_metadata": {"a": 1}, "name": "Ada"}), "not the whole body again");
    assert_eq!(refused(&operator), ["email"]);
}

#[test]
fn an_edit_puts_a_rejected_field_back_into_the_merged_body() {
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
fn a_rejected_password_stops_nothing_and_a_new_one_is_sent() {
    let mut auth0 = refusing(&["password"]);
    let mut wish = card();
    wish["passwordSecretRef"] = json!({"name": "s", "key": "k"});
    wish["username"] = json!("ada");
    let mut operator =
        Operator { secret: Secret::Content { text: "After-1", version: 1 }, ..Operator::new(&wish) };
    let report = operator.pass(&mut auth0, Fault::None);
    let both = ["passwordSecretRef".to_owned(), "username".to_owned()];
    assert_eq!(report.refused, both.into(), "nobody had a username");
    assert_eq!(auth0.take_bodies().len(), 3);
    assert_eq!(operator.settle(&mut auth0), NONE);
    auth0.refuses.clear();
    operator.secret = Secret::Content { text: "After-2", version: 2 };
    operator.memory.refused.clear();
    assert_eq!(operator.settle(&mut auth0), [json!({"password": "After-2"}), json!({"username": "ada"})]);
}

#[test]
fn an_order_in_a_rejected_body_is_still_carried_out_once() {
    let mut auth0 = refusing(&["name"]);
    let mut operator =
        Operator::new(&json!({"name": "Ada", "email": "new@example.com", "verifyEmail": true}));
    let bodies = operator.settle(&mut auth0);
    assert_eq!(bodies.last(), Some(&json!({"email": "new@example.com", "verify_email": true})));
    assert_eq!(auth0.account.effects.mails_sent, 1);
}

#[test]
fn a_replacement_is_carried_out_once_though_a_key_of_it_is_rejected() {
    let mut auth0 = refusing(&["user_metadata.b"]);
    auth0.account.user.insert("user_metadata".into(), json!({"old": 1, "older": 2}));
    let card = json!({"clear": ["userMetadata"], "userMetadata": {"a": 1, "b": 2, "c": 3}});
    let mut operator = Operator::new(&card);
    operator.settle(&mut auth0);
    assert_eq!(auth0.account.user["user_metadata"], json!({"a": 1, "c": 3}));
    assert_eq!(refused(&operator), ["userMetadata.b"]);
    auth0.account.user.insert("user_metadata".into(), json!({"a": 1, "c": 3, "theirs": 1}));
    assert_eq!(operator.settle(&mut auth0), NONE);
}

#[test]
fn a_block_that_auth0_refuses_to_set_again_waits_as_a_refusal() {
    let mut auth0 = Auth0::new(user(json!({"blocked": true})));
    auth0.rules.password_beats_blocked = true;
    auth0.refuses = vec!["blocked".to_owned()];
    let card = json!({"passwordSecretRef": {"name": "s", "key": "k"}, "blocked": true});
    let secret = Secret::Content { text: "After-1", version: 1 };
    let mut operator = Operator { secret, ..Operator::new(&card) };
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(
        auth0.take_bodies(),
        [json!({"password": "After-1", "blocked": true}), json!({"blocked": true})]
    );
    assert_eq!(report.refused, ["blocked".to_owned()].into());
    assert_eq!(report.not_persisted, Vec::<String>::new());
    assert_eq!(operator.settle(&mut auth0), NONE);
    auth0.refuses.clear();
    operator.memory.retry = ["blocked".to_owned()].into();
    assert_eq!(operator.settle(&mut auth0), [json!({"blocked": true})]);
}

#[test]
fn an_answer_about_the_request_itself_ends_the_pass() {
    let mut auth0 = refusing(&[]);
    let conflict = Refusal {
        status: 409,
        message: "The tenant has multiple verified custom domains.".into(),
        code: Some("custom_domain_conflict".into()),
    };
    auth0.rules.refused = [("email".to_owned(), conflict)].into();
    let report = Operator::new(&card()).pass(&mut auth0, Fault::None);
    assert_eq!(report.failure.map(|failure| failure.reason), Some(Reason::InvalidRequest));
    assert_eq!(auth0.take_bodies().len(), 1);
}

#[test]
fn one_fault_is_found_within_its_rounds_wherever_it_is() {
    println!("| fields | most requests | bound |");
    for count in [2_usize, 3, 4, 7, 8, 16, 33, 64, 200, 500] {
        let name = |key: usize| format!("k{key:04}");
        let keys: serde_json::Map<String, Value> = (0..count).map(|key| (name(key), json!(key))).collect();
        let places = [0, 1, count / 2, count - 2, count - 1];
        let rounds = |at: usize| {
            let mut auth0 = refusing(&[&format!("user_metadata.{}", name(at))]);
            let mut operator = Operator::new(&json!({"userMetadata": keys}));
            assert_eq!(operator.pass(&mut auth0, Fault::None).end, End::Complete);
            assert_eq!(refused(&operator), [format!("userMetadata.{}", name(at))]);
            auth0
                .take_bodies()
                .iter()
                .position(|body| *body == json!({"user_metadata": {name(at): at}}))
                .unwrap()
        };
        let most = places.into_iter().map(rounds).max().unwrap();
        let bound = count.next_power_of_two().ilog2() as usize + 1;
        println!("| {count} | {most} | {bound} |");
        assert!(most <= bound, "{count}: {most}");
    }
}
