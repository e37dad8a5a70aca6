//! What a spec asks, read from the spec's own JSON: a second opinion beside the plan's.

use crate::driver::Secret;
use crate::world::{Auth0, identity_id};
use auth0_user_operator::api::JsonMap;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const TEXTS: [(&str, &str); 8] = [
    ("name", "name"),
    ("givenName", "given_name"),
    ("familyName", "family_name"),
    ("nickname", "nickname"),
    ("picture", "picture"),
    ("email", "email"),
    ("phoneNumber", "phone_number"),
    ("username", "username"),
];
pub const FLAGS: [(&str, &str); 3] =
    [("blocked", "blocked"), ("emailVerified", "email_verified"), ("phoneVerified", "phone_verified")];
pub const MAPS: [(&str, &str); 2] = [("userMetadata", "user_metadata"), ("appMetadata", "app_metadata")];

#[derive(Clone, Debug, PartialEq)]
pub enum Wish {
    None,
    Value(Value),
    Gone,
}

/// A wish for a whole map: whether every other key shall go, and the keys.
pub struct MapWish {
    pub whole: bool,
    pub keys: BTreeMap<String, Wish>,
}

fn blanks_clear(card: &Value) -> bool {
    card.get("passEmptyValues") == Some(&json!("Yes"))
}

fn clears(card: &Value, name: &str) -> bool {
    card.get("clear").and_then(Value::as_array).is_some_and(|names| names.iter().any(|entry| entry == name))
}

pub fn text(card: &Value, field: &str) -> Wish {
    match card.get(field) {
        _ if clears(card, field) => Wish::Gone,
        None => Wish::None,
        Some(value) if value.is_null() || value == "" => {
            if blanks_clear(card) {
                Wish::Gone
            } else {
                Wish::None
            }
        }
        Some(value) => Wish::Value(value.clone()),
    }
}

pub fn flag(card: &Value, field: &str) -> Wish {
    let of_gone = match field {
        "emailVerified" => text(card, "email") == Wish::Gone,
        "phoneVerified" => text(card, "phoneNumber") == Wish::Gone,
        _ => false,
    };
    match card.get(field) {
        Some(Value::Bool(flag)) if !of_gone => Wish::Value(json!(flag)),
        _ => Wish::None,
    }
}

pub fn map(card: &Value, field: &str) -> MapWish {
    let declared = card.get(field).and_then(Value::as_object);
    let whole = clears(card, field) || (blanks_clear(card) && declared.is_some_and(JsonMap::is_empty));
    let mut keys = BTreeMap::new();
    for (key, value) in declared.into_iter().flatten() {
        if !value.is_null() {
            keys.insert(key.clone(), Wish::Value(value.clone()));
        } else if blanks_clear(card) {
            keys.insert(key.clone(), Wish::Gone);
        }
    }
    for key in ["a", "b", "c", "d"] {
        if clears(card, &format!("{field}.{key}")) {
            keys.insert(key.to_owned(), Wish::Gone);
        }
    }
    MapWish { whole, keys }
}

pub fn connection(card: &Value) -> Option<&str> {
    card.get("connection").and_then(Value::as_str).filter(|name| !name.is_empty())
}

/// The place of the identity that the card names, unless it is the primary one.
fn secondary<'a>(user: &'a JsonMap, card: &Value) -> Option<&'a Value> {
    let name = connection(card)?;
    let own_id = user["user_id"].as_str().unwrap();
    let identities = user["identities"].as_array().unwrap();
    identities.iter().find(|identity| identity["connection"] == name && identity_id(identity) != own_id)
}

/// The id of the identity that the card means.
pub fn identity(user: &JsonMap, card: &Value) -> String {
    secondary(user, card).map_or_else(|| user["user_id"].as_str().unwrap().to_owned(), identity_id)
}

/// Whether the card means the primary identity.
pub fn is_primary(user: &JsonMap, card: &Value) -> bool {
    secondary(user, card).is_none()
}

/// What the identity that the card means holds; `None` if that is not shown.
#[allow(clippy::option_option, reason = "not shown is another answer than none")]
pub fn seen<'a>(user: &'a JsonMap, card: &Value, attribute: &str) -> Option<Option<&'a Value>> {
    let of_identity = ["email", "email_verified", "phone_number", "phone_verified", "username"];
    let value = match secondary(user, card).filter(|_| of_identity.contains(&attribute)) {
        Some(identity) => Some(identity.get("profileData")?.get(attribute)?),
        None => user.get(attribute),
    };
    Some(value.filter(|value| !value.is_null()))
}

pub fn is_on(value: Option<&Value>) -> bool {
    value.is_some_and(|value| value == true || value == "true")
}

pub fn equal(attribute: &str, wanted: &Value, held: &Value) -> bool {
    match (wanted, held) {
        (Value::String(wanted), Value::String(held)) if ["email", "username"].contains(&attribute) => {
            wanted.eq_ignore_ascii_case(held)
        }
        (Value::Number(wanted), Value::Number(held)) => {
            wanted == held || (wanted.as_f64() == held.as_f64() && (wanted.is_f64() || held.is_f64()))
        }
        (Value::Object(wanted), Value::Object(held)) => {
            wanted.len() == held.len()
                && wanted.iter().all(|(key, value)| held.get(key).is_some_and(|held| equal("", value, held)))
        }
        _ => wanted == held,
    }
}

/// Fields that are not as asked, but for those that were rejected, and the flags of rejected addresses.
pub fn unfulfilled(
    card: &Value,
    secret: &Secret,
    before: &Auth0,
    after: &Auth0,
    refused: &BTreeSet<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let (shown, stored) = (before.observe(), &after.account.user);
    let is_excused = |field: &str| {
        let address = match field {
            "emailVerified" => "email",
            "phoneVerified" => "phoneNumber",
            field => field,
        };
        refused.contains(field) || refused.contains(address)
    };
    let mut judge = |field: &str, right: bool| {
        if !right && !is_excused(field) {
            wrong.push(field.to_owned());
        }
    };
    for (field, attribute) in TEXTS {
        let held = seen(stored, card, attribute).flatten();
        match text(card, field) {
            Wish::None => {}
            Wish::Value(wanted) => {
                judge(field, held.is_some_and(|held| equal(attribute, &wanted, held)));
            }
            Wish::Gone if seen(&shown, card, attribute).is_none() => {}
            Wish::Gone => judge(field, held.is_none()),
        }
    }
    for (field, attribute) in FLAGS {
        if let Wish::Value(wanted) = flag(card, field) {
            judge(field, is_on(seen(stored, card, attribute).flatten()) == (wanted == true));
        }
    }
    for (field, attribute) in MAPS {
        let held = stored.get(attribute).and_then(Value::as_object);
        let value = |key: &str| held.and_then(|held| held.get(key)).filter(|value| !value.is_null());
        let MapWish { whole, keys } = map(card, field);
        for (key, wish) in &keys {
            let right = match wish {
                Wish::Value(wanted) => value(key).is_some_and(|held| equal("", wanted, held)),
                Wish::None | Wish::Gone => value(key).is_none(),
            };
            judge(&format!("{field}.{key}"), right);
        }
        if whole {
            let strange =
                held.into_iter().flatten().any(|(key, value)| !value.is_null() && !keys.contains_key(key));
            judge(field, !strange);
        }
    }
    let undecided = is_on(shown.get("blocked")) && flag(card, "blocked") == Wish::None;
    if let (Secret::Content { text, .. }, Some(Value::Object(_)), false) =
        (secret, card.get("passwordSecretRef"), undecided)
    {
        judge("passwordSecretRef", after.password(&identity(stored, card)) == Some(*text));
    }
    wrong
}

/// Whether the user has exactly one identity in the connection that the card names.
pub fn is_possible(auth0: &Auth0, card: &Value) -> bool {
    let identities = auth0.account.user["identities"].as_array().unwrap();
    connection(card)
        .is_none_or(|name| identities.iter().filter(|identity| identity["connection"] == name).count() == 1)
}

/// What changed although the card does not speak of it.
pub fn touched(card: &Value, before: &Auth0, after: &Auth0) -> Vec<String> {
    let mut expected = before.account.user.clone();
    let mut actual = after.account.user.clone();
    let is_primary = is_primary(&before.account.user, card);
    let own = ["email", "email_verified", "phone_number", "phone_verified", "username"];
    let mut forget = |attribute: &str| {
        for user in [&mut expected, &mut actual] {
            if is_primary || !own.contains(&attribute) {
                user.remove(attribute);
            }
            let identities = user["identities"].as_array_mut().unwrap().iter_mut();
            let meant = identities.filter(|identity| match connection(card) {
                Some(name) if !is_primary => identity["connection"] == name,
                _ => identity_id(identity) == "auth0|1",
            });
            for identity in meant {
                if let Some(Value::Object(data)) = identity.get_mut("profileData") {
                    data.remove(attribute);
                }
            }
        }
    };
    forget("updated_at");
    forget("last_password_reset");
    let resets = &before.rules;
    for (field, attribute) in TEXTS.iter().filter(|(field, _)| text(card, field) != Wish::None) {
        forget(attribute);
        match *field {
            "email" if resets.email_change_resets_verified => forget("email_verified"),
            "phoneNumber" if resets.phone_change_resets_verified => forget("phone_verified"),
            _ => {}
        }
    }
    FLAGS
        .iter()
        .filter(|(field, _)| flag(card, field) != Wish::None)
        .for_each(|(_, attribute)| forget(attribute));
    for (field, attribute) in MAPS {
        let MapWish { whole, keys } = map(card, field);
        for user in [&mut expected, &mut actual] {
            let Some(Value::Object(held)) = user.get_mut(attribute) else { continue };
            held.retain(|key, _| !whole && !keys.contains_key(key));
            if held.is_empty() {
                user.remove(attribute);
            }
        }
    }
    for user in [&mut expected, &mut actual] {
        for identity in user["identities"].as_array_mut().unwrap() {
            if identity.get("profileData") == Some(&json!({})) {
                identity.as_object_mut().unwrap().remove("profileData");
            }
        }
    }
    let names: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let differs = |name: &&String| {
        let (expected, actual) = (expected.get(*name), actual.get(*name));
        expected != actual && !(name.as_str() == "blocked" && is_on(expected) == is_on(actual))
    };
    names.into_iter().filter(differs).cloned().collect()
}
