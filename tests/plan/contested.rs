//! A field that something else changes each time after it was put back is left alone for a while, and told.

use crate::driver::{Fault, Operator};
use crate::world::{Auth0, user};
use serde_json::{Value, json};

/// A pass while these fields are not put back: what is sent, and what Synced says.
#[track_caller]
fn check(card: &Value, attributes: Value, paused: &[&str], bodies: &[Value], says: (&str, &str)) {
    let mut auth0 = Auth0::new(user(attributes));
    let mut operator = Operator::new(card);
    operator.memory.paused = paused.iter().copied().map(String::from).collect();
    operator.pass(&mut auth0, Fault::None);
    assert_eq!(auth0.take_bodies(), bodies, "{card}");
    let said = |type_: &str| {
        let condition = operator.conditions.iter().find(|condition| condition.type_ == type_).unwrap();
        (condition.status.as_str(), condition.reason.as_str())
    };
    assert_eq!((said("Ready"), said("Synced")), (("True", "Applied"), says), "{card}");
}

#[test]
fn what_is_contested_stays_as_it_is_and_the_rest_is_corrected() {
    let contested = ("False", "Contested");
    for (card, attributes, paused, body) in [
        (json!({"name": "A", "nickname": "b"}), json!({"name": "X"}), "name", json!({"nickname": "b"})),
        (json!({"clear": ["name"], "nickname": "b"}), json!({"name": "X"}), "name", json!({"nickname": "b"})),
        (
            json!({"userMetadata": {"a": 1, "b": 2}}),
            json!({"user_metadata": {"a": 0}}),
            "userMetadata.a",
            json!({"user_metadata": {"b": 2}}),
        ),
        // What speaks of an address does not go without it.
        (
            json!({"email": "ada@example.com", "emailVerified": true, "nickname": "b"}),
            json!({"email": "x@example.com", "email_verified": false}),
            "email",
            json!({"nickname": "b"}),
        ),
    ] {
        check(&card, attributes, &[paused], &[body], contested);
    }
    check(&json!({"name": "A"}), json!({"name": "X"}), &["name"], &[], contested);
    check(&json!({"blocked": false}), json!({"blocked": true}), &["blocked"], &[], contested);
}

#[test]
fn what_holds_is_not_contested_and_a_block_always_goes_out() {
    check(&json!({"name": "A"}), json!({"name": "A"}), &["name"], &[], ("True", "InSync"));
    let block = json!({"blocked": true});
    check(&block, json!({"blocked": false}), &["blocked"], std::slice::from_ref(&block), ("True", "InSync"));
}
