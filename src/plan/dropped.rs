//! Nulls that `kubectl apply` dropped before the API server saw them.
//!
//! Client-side apply removes nulls from what it sends and keeps them in its last-applied annotation, so
//! `{plan: null}` arrives as `{}`, which would clear the whole map. What is left of a dropped null is
//! therefore never acted on.

use super::desired::{maps, texts};
use crate::api::{Auth0UserUpdateSpec, JsonMap, PassEmptyValues};
use serde_json::Value;
use std::collections::BTreeSet;

/// What of one metadata map is held back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The map is `{}` only because its nulls were dropped.
    pub whole: bool,
    /// First-level keys under which a null was dropped, at any depth.
    pub keys: BTreeSet<String>,
}

/// Compares a map with what the last-applied annotation says was written.
#[must_use]
pub fn held(applied: Option<&Value>, live: &JsonMap) -> Held {
    let keys: BTreeSet<String> = match applied {
        Some(Value::Object(applied)) => applied
            .iter()
            .filter(|(key, value)| dropped(value, live.get(*key)))
            .map(|(key, _)| key.clone())
            .collect(),
        _ => BTreeSet::new(),
    };
    let null_map = matches!(applied, Some(Value::Null));
    Held { whole: live.is_empty() && (null_map || !keys.is_empty()), keys }
}

/// What is not sent because kubectl dropped a null: spec fields and first-level metadata keys, such as `name`
/// or `userMetadata.plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedNulls {
    /// Meant to be cleared.
    pub blanks: Vec<String>,
    /// Metadata keys whose value holds nulls, which are part of it.
    pub values: Vec<String>,
}

/// Compares a spec with the `spec` that kubectl last applied. No blanks where they would not clear, and
/// nothing that `clear` names.
#[must_use]
pub fn dropped_nulls(spec: &Auth0UserUpdateSpec, applied: &JsonMap) -> DroppedNulls {
    let is_null = |field: &&str| applied.get(*field).is_some_and(Value::is_null);
    let texts = texts(spec).into_iter().filter(|(_, field)| field.is_absent());
    let texts = texts.map(|(attribute, _)| attribute.spec_name()).filter(is_null);
    let mut dropped = DroppedNulls { blanks: texts.map(str::to_owned).collect(), values: Vec::new() };
    for (attribute, live) in maps(spec) {
        let (name, empty) = (attribute.spec_name(), JsonMap::new());
        let live = live.unwrap_or(&empty);
        if live.is_empty() && spec.clear.iter().any(|cleared| cleared == name) {
            continue;
        }
        let held = held(applied.get(name), live);
        if held.whole && held.keys.is_empty() {
            dropped.blanks.push(name.to_owned());
        }
        for key in held.keys {
            let is_blank = applied.get(name).and_then(|map| map.get(&key)).is_some_and(Value::is_null);
            let fields = if is_blank { &mut dropped.blanks } else { &mut dropped.values };
            fields.push(format!("{name}.{key}"));
        }
    }
    if spec.pass_empty_values == PassEmptyValues::No {
        dropped.blanks.clear();
    }
    dropped.blanks.retain(|field| !spec.clear.contains(field));
    dropped.values.retain(|field| !spec.clear.contains(field));
    dropped
}

fn dropped(applied: &Value, live: Option<&Value>) -> bool {
    match (applied, live) {
        (Value::Null, None) => true,
        (Value::Object(applied), Some(Value::Object(live))) => {
            applied.iter().any(|(key, value)| dropped(value, live.get(key)))
        }
        (Value::Array(applied), Some(Value::Array(live))) => {
            applied.iter().zip(live).any(|(applied, live)| dropped(applied, Some(live)))
        }
        (Value::Object(applied), None) => applied.values().any(|value| dropped(value, None)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn held_of(applied: &Value, live: Value) -> Held {
        held(Some(applied), &serde_json::from_value(live).unwrap())
    }

    #[test]
    fn the_empty_rest_of_a_null_key_is_held_back_whole() {
        let held = held_of(&json!({"plan": null}), json!({}));
        assert!(held.whole);
        assert_eq!(held.keys, ["plan".to_owned()].into());
    }

    #[test]
    fn a_written_empty_map_is_an_order() {
        assert_eq!(held_of(&json!({}), json!({})), Held::default());
    }

    #[test]
    fn a_null_map_that_arrived_empty_is_held_back() {
        assert!(held_of(&Value::Null, json!({})).whole);
    }

    #[test]
    fn nested_nulls_hold_their_first_level_key() {
        let applied =
            json!({"billing": {"plan": null}, "seats": [{"no": null}], "kept": {"x": null}, "y": 1});
        let live = json!({"billing": {}, "seats": [{}], "kept": {"x": null}, "y": 1});
        let held = held_of(&applied, live);
        assert_eq!(held.keys, ["billing".to_owned(), "seats".to_owned()].into());
        assert!(!held.whole);
    }

    #[test]
    fn a_null_inside_a_value_is_told_under_both_answers_and_a_blank_where_it_would_clear() {
        let applied =
            json!({"name": null, "userMetadata": {"plan": null, "billing": {"plan": null, "n": 1}}});
        for (answer, blanks) in [("Yes", &["name", "userMetadata.plan"][..]), ("No", &[])] {
            let spec = json!({"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": answer,
                              "userMetadata": {"billing": {"n": 1}}});
            let dropped = dropped_nulls(&serde_json::from_value(spec).unwrap(), applied.as_object().unwrap());
            assert_eq!(dropped.blanks, blanks, "{answer}");
            assert_eq!(dropped.values, ["userMetadata.billing"], "{answer}");
        }
    }
}
