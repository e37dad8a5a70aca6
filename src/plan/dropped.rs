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

/// Fields that were meant to be cleared and are not, because kubectl dropped their null: spec fields and
/// first-level metadata keys, such as `name` or `userMetadata.plan`. `applied` is the `spec` that kubectl
/// last applied. None where blanks do not clear, and none that `clear` names.
#[must_use]
pub fn dropped_nulls(spec: &Auth0UserUpdateSpec, applied: &JsonMap) -> Vec<String> {
    if spec.pass_empty_values == PassEmptyValues::No {
        return Vec::new();
    }
    let mut fields: Vec<String> = texts(spec)
        .into_iter()
        .map(|(attribute, field)| (attribute.spec_name(), field))
        .filter(|(name, field)| field.is_absent() && applied.get(*name).is_some_and(Value::is_null))
        .map(|(name, _)| name.to_owned())
        .collect();
    for (attribute, live) in maps(spec) {
        let (name, empty) = (attribute.spec_name(), JsonMap::new());
        let live = live.unwrap_or(&empty);
        let held = held(applied.get(name), live);
        if live.is_empty() && spec.clear.iter().any(|cleared| cleared == name) {
            continue;
        }
        if held.whole && held.keys.is_empty() {
            fields.push(name.to_owned());
        }
        fields.extend(held.keys.iter().map(|key| format!("{name}.{key}")));
    }
    fields.retain(|field| !spec.clear.contains(field));
    fields
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
}
