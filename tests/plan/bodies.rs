//! The exact requests for every row of what a spec can say, under Yes and No.

use crate::driver::Operator;
use crate::world::{Auth0, linked, user};
use serde_json::{Value, json};

/// The bodies of one pass over this user. A second pass must send none.
pub fn sent(user: Value, card: &Value) -> Vec<Value> {
    let mut auth0 = Auth0::new(user);
    let mut operator = Operator::new(card);
    let bodies = operator.settle(&mut auth0);
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new(), "the second pass sends nothing");
    bodies
}

#[track_caller]
fn check(holds: &Value, fields: &Value, yes: &[Value], no: &[Value]) {
    for (answer, expected) in [("Yes", yes), ("No", no)] {
        let mut card = fields.clone();
        card["passEmptyValues"] = json!(answer);
        assert_eq!(sent(user(holds.clone()), &card), expected, "under {answer}");
    }
}

#[test]
fn an_absent_key_is_never_sent() {
    check(&json!({"name": "Ada", "user_metadata": {"a": 1}}), &json!({}), &[], &[]);
}

#[test]
fn a_value_is_sent_if_it_differs() {
    let (old, new) = (json!({"name": "Ada"}), [json!({"name": "Bob"})]);
    check(&old, &json!({"name": "Bob"}), &new, &new);
    check(&old, &json!({"name": "Ada"}), &[], &[]);
    check(&json!({}), &json!({"name": "Bob"}), &new, &new);
}

#[test]
fn letter_case_is_no_difference_of_an_email_and_a_username_only() {
    let held = json!({"email": "ada@example.com", "username": "ada", "nickname": "ada"});
    check(&held, &json!({"email": "Ada@Example.com", "username": "ADA"}), &[], &[]);
    check(&held, &json!({"nickname": "Ada"}), &[json!({"nickname": "Ada"})], &[json!({"nickname": "Ada"})]);
}

#[test]
fn letter_case_is_a_difference_where_the_connection_keeps_it() {
    let kept = json!({"email": "Old@Example.com", "username": "Old"});
    let lower = json!({"email": "old@example.com", "username": "old"});
    // Auth0's own store never shows a capital letter, so this is another one.
    let sent = [json!({"email": "old@example.com"}), json!({"username": "old"})];
    check(&kept, &lower, &sent, &sent);
    check(&kept, &kept, &[], &[]);
    check(&lower, &kept, &[], &[]);

    let mut social = user(lower);
    social["user_id"] = json!("google-oauth2|1");
    social["identities"] =
        json!([{"provider": "google-oauth2", "user_id": "1", "connection": "People", "isSocial": true}]);
    let mut auth0 = Auth0::new(social);
    auth0.rules.overrides.insert("email".into(), json!("old@example.com"));
    let mut operator = Operator::new(&json!({"email": "Old@Example.com"}));
    assert_eq!(operator.settle(&mut auth0), [json!({"email": "Old@Example.com"})]);
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new(), "no fight where Auth0 lowers it");
    assert_eq!(operator.memory.not_persisted[0].field, "email");
}

#[test]
fn a_blank_text_is_cleared_under_yes_where_auth0_holds_a_value() {
    for blank in [json!({"nickname": ""}), json!({"nickname": null})] {
        check(&json!({"nickname": "ada"}), &blank, &[json!({"nickname": null})], &[]);
        check(&json!({}), &blank, &[], &[]);
        check(&json!({"nickname": null}), &blank, &[], &[]);
    }
}

#[test]
fn an_empty_map_clears_all_keys_under_yes() {
    let held = json!({"user_metadata": {"a": 1, "b": 2}, "app_metadata": {"c": 3}});
    let both = [json!({"user_metadata": {}, "app_metadata": {}})];
    check(&held, &json!({"userMetadata": {}, "appMetadata": {}}), &both, &[]);
    check(&json!({"user_metadata": {}}), &json!({"userMetadata": {}, "appMetadata": {}}), &[], &[]);
}

#[test]
fn a_null_key_removes_the_key_under_yes_and_is_left_out_under_no() {
    let held = json!({"user_metadata": {"a": 1, "b": 2}});
    let card = json!({"userMetadata": {"a": null, "b": 3, "c": null}});
    let yes = [json!({"user_metadata": {"a": null, "b": 3}})];
    check(&held, &card, &yes, &[json!({"user_metadata": {"b": 3}})]);
}

#[test]
fn an_empty_text_and_a_nested_null_inside_metadata_are_values() {
    let held = json!({"user_metadata": {"a": 1}});
    let card = json!({"userMetadata": {"a": "", "b": {"x": null}, "c": {}}});
    let body = [json!({"user_metadata": {"a": "", "b": {"x": null}, "c": {}}})];
    check(&held, &card, &body, &body);
}

#[test]
fn numbers_in_metadata_are_compared_by_value() {
    let held = json!({"user_metadata": {"a": 1, "b": {"c": [2.0]}, "d": 9_007_199_254_740_993_u64}});
    check(&held, &json!({"userMetadata": {"a": 1.0, "b": {"c": [2]}}}), &[], &[]);
    let other = json!({"userMetadata": {"d": 9_007_199_254_740_992_u64}});
    let body = [json!({"user_metadata": {"d": 9_007_199_254_740_992_u64}})];
    check(&held, &other, &body, &body);
}

#[test]
fn what_is_listed_in_clear_is_cleared_under_both() {
    let held = json!({"nickname": "ada", "user_metadata": {"a": 1, "b": 2}, "app_metadata": {"c": 3}});
    let card = json!({"clear": ["nickname", "userMetadata.a", "appMetadata", "userMetadata.z"]});
    let body = [json!({"nickname": null, "user_metadata": {"a": null}, "app_metadata": {}})];
    check(&held, &card, &body, &body);
    check(&json!({}), &card, &[], &[]);
}

#[test]
fn blanks_that_auth0_cannot_clear_are_not_sent() {
    let held = json!({"blocked": true, "email_verified": true, "phone_verified": true});
    let card = json!({"blocked": null, "emailVerified": null, "phoneVerified": null, "verifyEmail": null,
                      "passwordSecretRef": null, "connection": "", "clientId": ""});
    check(&held, &card, &[], &[]);
}

#[test]
fn an_absent_flag_is_false_and_a_flag_may_be_a_text() {
    let card = json!({"blocked": false, "emailVerified": true, "phoneVerified": false});
    check(&json!({"email_verified": "true"}), &card, &[], &[]);
    let body = [json!({"email_verified": true})];
    check(&json!({"email_verified": "false"}), &card, &body, &body);
}

#[test]
fn clear_with_values_sends_nulls_for_the_stale_keys_and_what_differs() {
    let held = json!({"user_metadata": {"a": 1, "b": 2, "c": 3}});
    let card = json!({"clear": ["userMetadata"], "userMetadata": {"a": 1, "d": 4}});
    let body = [json!({"user_metadata": {"b": null, "c": null, "d": 4}})];
    check(&held, &card, &body, &body);
}

#[test]
fn an_email_carries_the_declared_flag_and_the_client_id() {
    let held = json!({"email": "old@example.com", "email_verified": true, "phone_number": "+491", "phone_verified": true});
    let card = json!({"email": "new@example.com", "emailVerified": true, "verifyEmail": false, "clientId": "app",
                      "phoneNumber": "+492", "phoneVerified": true});
    let body = [
        json!({"email": "new@example.com", "email_verified": true, "verify_email": false, "client_id": "app",
                       "phone_number": "+492", "phone_verified": true}),
    ];
    check(&held, &card, &body, &body);
}

#[test]
fn a_client_id_rides_with_nothing_but_a_new_address() {
    let held = json!({"email": "ada@example.com", "email_verified": false, "phone_number": "+491"});
    let card = json!({"email": "ada@example.com", "emailVerified": true, "clientId": "app", "name": "Ada"});
    let body = [json!({"email_verified": true, "name": "Ada"})];
    check(&held, &card, &body, &body);
    let body = [json!({"phone_number": null})];
    check(&held, &json!({"clear": ["phoneNumber"], "clientId": "app"}), &body, &body);
}

#[test]
fn a_cleared_address_carries_neither_flag_nor_mail() {
    let held = json!({"email": "ada@example.com", "email_verified": false, "phone_number": "+491"});
    let card = json!({"clear": ["email", "phoneNumber"], "emailVerified": true, "verifyEmail": true,
                      "phoneVerified": true});
    let body = [json!({"email": null, "phone_number": null})];
    check(&held, &card, &body, &body);
}

#[test]
fn a_dropped_null_is_never_sent() {
    let mut auth0 = Auth0::new(user(json!({"user_metadata": {"plan": "gold", "seat": 1}})));
    for (applied, live) in
        [(json!({"plan": null}), json!({})), (json!({"plan": {"x": null}}), json!({"plan": {}}))]
    {
        let mut operator = Operator::new(&json!({"passEmptyValues": "Yes", "userMetadata": live}));
        operator.last_applied = json!({"userMetadata": applied}).as_object().cloned();
        assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    }
}

#[test]
fn a_connection_that_the_user_lacks_or_has_twice_sends_nothing() {
    let mut twice = linked(json!({}), &json!({}));
    twice["identities"][1]["connection"] = json!("People");
    for (user, connection) in [(user(json!({})), "Nowhere"), (twice, "People")] {
        let mut auth0 = Auth0::new(user);
        let mut operator = Operator::new(&json!({"connection": connection, "name": "Ada"}));
        let report = operator.pass(&mut auth0, crate::driver::Fault::None);
        assert!(report.failure.is_some());
        assert!(auth0.log.is_empty());
    }
}
