//! What holds of every body and of every pass, whatever is asked of whom.

use crate::driver::{Fault, Operator};
use crate::generate::{Scene, config, history};
use crate::wish;
use crate::world::{Auth0, Exchange};
use auth0_user_operator::api::JsonMap;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

const KEYS: [&str; 17] = [
    "blocked",
    "email",
    "email_verified",
    "verify_email",
    "phone_number",
    "phone_verified",
    "name",
    "given_name",
    "family_name",
    "nickname",
    "picture",
    "username",
    "password",
    "user_metadata",
    "app_metadata",
    "connection",
    "client_id",
];
const REFUSED_PAIRS: [(&str, &str); 5] = [
    ("password", "email"),
    ("password", "email_verified"),
    ("username", "email"),
    ("username", "email_verified"),
    ("username", "password"),
];
const OF_IDENTITY: [&str; 7] =
    ["password", "email", "email_verified", "verify_email", "phone_number", "phone_verified", "username"];

/// Every rule of a body that does not depend on what happened before it.
pub fn check_bodies(card: &Value, exchanges: &[Exchange]) {
    for exchange in exchanges {
        check_shape(card, &exchange.body);
        for (key, value) in &exchange.body {
            assert!(is_needed(card, exchange, key, value), "{key} is no change: {exchange:?}");
        }
    }
}

fn check_shape(card: &Value, body: &JsonMap) {
    let has = |key: &str| body.contains_key(key);
    for key in body.keys() {
        assert!(KEYS.contains(&key.as_str()), "{key} is no key of a request: {body:?}");
    }
    for (one, other) in REFUSED_PAIRS {
        assert!(!(has(one) && has(other)), "{one} beside {other}: {body:?}");
    }
    let changes = body.keys().filter(|key| !["connection", "client_id"].contains(&key.as_str())).count();
    assert!(changes > 0, "an empty body: {body:?}");
    let of_identity = OF_IDENTITY.into_iter().any(has);
    let named = wish::connection(card).map(Value::from).filter(|_| of_identity);
    assert_eq!(
        body.get("connection"),
        named.as_ref(),
        "connection rides with what belongs to an identity: {body:?}"
    );
    let sets = |key: &str| body.get(key).is_some_and(|value| !value.is_null());
    assert!(
        !has("client_id") || sets("email") || sets("phone_number"),
        "client_id without an address: {body:?}"
    );
}

/// Whether a key of a body changes something, or rides with something that does.
fn is_needed(card: &Value, exchange: &Exchange, key: &str, value: &Value) -> bool {
    let Exchange { before, body, .. } = exchange;
    let sets = |key: &str| body.get(key).is_some_and(|value| !value.is_null());
    match key {
        "connection" | "client_id" | "password" => true,
        "verify_email" => {
            let unverified = !wish::is_on(wish::seen(before, card, "email_verified").flatten());
            sets("email") || sets("email_verified") || (value == true && unverified)
        }
        "email_verified" if sets("email") => true,
        "phone_verified" if sets("phone_number") => true,
        "blocked" if sets("password") => value == true && wish::is_on(before.get("blocked")),
        "user_metadata" | "app_metadata" => {
            let empty = JsonMap::new();
            let held = before.get(key).and_then(Value::as_object).unwrap_or(&empty);
            let held = |key: &str| held.get(key).filter(|value| !value.is_null());
            let sent = value.as_object().unwrap();
            sent.iter().all(|(key, value)| match (value, held(key)) {
                (Value::Null, held) => held.is_some(),
                (value, Some(held)) => !wish::equal("", value, held),
                (_, None) => true,
            }) && (!sent.is_empty() || before[key].as_object().unwrap().keys().any(|key| held(key).is_some()))
        }
        _ => match wish::seen(before, card, key) {
            Some(held) if value.is_boolean() => wish::is_on(held) != (*value == true),
            None | Some(None) => !value.is_null(),
            Some(Some(held)) => value.is_null() || !wish::equal(key, value, held),
        },
    }
}

/// No pass sends more.
const MOST: usize = 12;

/// Three requests for the primary identity, four for another, and those that only block. Each fault among `n` fields
/// is found in ⌈log₂ n⌉ + 1 requests beside the one that was rejected first, and so is each pair that does not go
/// together, and each flag that is none any more once its address went without it; never more than twelve in all.
pub fn check_count(card: &Value, exchanges: &[Exchange], faults: usize) {
    let Some(first) = exchanges.first() else { return };
    let base = if wish::is_primary(&first.before, card) { 3 } else { 4 };
    let blocks = exchanges.iter().filter(|exchange| is_only_block(&exchange.body)).count();
    let pairs = exchanges
        .iter()
        .filter(|exchange| exchange.rejected.as_ref().is_some_and(|said| said.contains("simultaneously")));
    let most_fields = exchanges.iter().map(|exchange| fields(&exchange.body)).max().unwrap_or(1);
    let rounds = most_fields.next_power_of_two().ilog2() as usize + 1;
    let rejected = |flag: &str, address: &str| {
        exchanges.iter().any(|exchange| {
            exchange.rejected.is_some()
                && exchange.body.contains_key(flag)
                && exchange.body.contains_key(address)
        })
    };
    let riders = [("email_verified", "email"), ("verify_email", "email"), ("phone_verified", "phone_number")];
    let riders = riders.into_iter().filter(|(flag, address)| rejected(flag, address));
    let bound = base + blocks + (faults + pairs.count() + riders.count()) * (1 + rounds);
    assert!(blocks <= 2, "a block is sent once, and once more after a password: {exchanges:?}");
    assert!(exchanges.len() <= bound.min(MOST), "{} of {bound}: {exchanges:?}", exchanges.len());
}

fn is_only_block(body: &JsonMap) -> bool {
    body.len() == 1 && body.get("blocked") == Some(&Value::Bool(true))
}

/// What Auth0 can accept or reject in a body: root attributes, and first-level keys of a map.
pub fn fields(body: &JsonMap) -> usize {
    let of = |(name, value): (&String, &Value)| match name.as_str() {
        "connection" | "client_id" => 0,
        "user_metadata" | "app_metadata" => value.as_object().map_or(1, JsonMap::len).max(1),
        _ => 1,
    };
    body.iter().map(of).sum()
}

/// No field is accepted twice in a pass, nor rejected twice where it is alone.
pub fn check_once(exchanges: &[Exchange]) {
    let mut accepted = BTreeSet::new();
    for Exchange { body, rejected, .. } in exchanges {
        for (name, value) in body {
            // A flag rides, and a block is set again after a password.
            if ["connection", "client_id", "blocked", "email_verified", "phone_verified", "verify_email"]
                .contains(&name.as_str())
                || rejected.is_some()
            {
                continue;
            }
            let keys = value.as_object().filter(|map| !map.is_empty()).into_iter().flat_map(JsonMap::keys);
            let names: Vec<String> = keys.map(|key| format!("{name}.{key}")).collect();
            for name in if names.is_empty() { vec![name.clone()] } else { names } {
                assert!(accepted.insert(name.clone()), "{name} is accepted twice: {exchanges:?}");
            }
        }
    }
    let alone: Vec<&JsonMap> = exchanges
        .iter()
        .filter(|exchange| exchange.rejected.is_some() && fields(&exchange.body) == 1)
        .map(|exchange| &exchange.body)
        .collect();
    for (index, body) in alone.iter().enumerate() {
        assert!(!alone[..index].contains(body), "{body:?} is rejected twice: {exchanges:?}");
    }
}

fn check_pass(card: &Value, operator: &mut Operator, auth0: &mut Auth0) {
    auth0.log.clear();
    let report = operator.pass(auth0, Fault::None);
    check_bodies(card, &auth0.log);
    check_count(card, &auth0.log, report.refused.len());
    check_once(&auth0.log);
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn every_body_is_one_that_auth0_can_take_and_repeats_nothing((scene, edits) in history()) {
        let Scene { card, secret, .. } = &scene;
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(card);
        operator.secret = secret.clone();
        check_pass(card, &mut operator, &mut auth0);
        for (card, secret, drift) in edits {
            operator.edit(&card);
            operator.secret = secret;
            auth0.account.user = drift.map_or(auth0.account.user, |user| user.as_object().unwrap().clone());
            check_pass(&card, &mut operator, &mut auth0);
        }
    }
}
