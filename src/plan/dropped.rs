//! Nulls that were dropped on the way, and the empty maps and values that are left of them.
//!
//! Client-side apply removes nulls from what it sends and keeps them in its last-applied annotation, so
//! `{plan: null}` arrives as `{}`, which would clear the whole map. Merge patches, and what was written in Lua,
//! remove nulls that the spec had already; status remembers those. What is left of a dropped null is never acted on.

use crate::api::{Auth0UserUpdateSpec, JsonMap, PassEmptyValues};
use crate::user::{maps, texts};
use serde_json::Value;
use std::collections::BTreeSet;

/// Of a map with more nulls, or longer names, only the map is remembered.
const MOST_NAMES: usize = 64;
const LONGEST_NAME: usize = 128;

/// Before the name of a key whose value holds a null: a value may be what is left of it.
const INSIDE: &str = "inside ";

/// What of one metadata map is held back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The map is `{}` only because its nulls were dropped.
    pub whole: bool,
    /// First-level keys under which a null was dropped, at any depth.
    pub keys: BTreeSet<String>,
}

/// Compares a map of the spec with what the last-applied annotation says was written, and with the nulls that status
/// remembers.
#[must_use]
pub fn held(
    spec: &Auth0UserUpdateSpec,
    map: &str,
    live: &JsonMap,
    applied: Option<&Value>,
    remembered: &[String],
) -> Held {
    let mut held = held_by_annotation(applied, live);
    let lost = lost(spec, map, live, remembered);
    held.whole |= live.is_empty() && !lost.is_empty();
    held.keys.extend(lost.iter().filter_map(|name| key_of(map, field_of(name).0)).map(str::to_owned));
    held
}

fn held_by_annotation(applied: Option<&Value>, live: &JsonMap) -> Held {
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

/// Remembered nulls of a map that it lost, and without which its rest would say something else.
fn lost<'a>(spec: &Auth0UserUpdateSpec, map: &str, live: &JsonMap, remembered: &'a [String]) -> Vec<&'a str> {
    let clears = |name: &str| spec.clear.iter().any(|cleared| cleared == name);
    let of_map = remembered.iter().filter_map(|name| {
        let (field, is_inside) = field_of(name);
        let Some(key) = key_of(map, field) else {
            return (field == map && live.is_empty() && !clears(map)).then_some(field);
        };
        let is_lost = match live.get(key) {
            None if live.is_empty() => !clears(map),
            // A whole map is replaced, and what was meant for this key is not known.
            None => clears(map) && !clears(field),
            // Of a key that was null no tool leaves a value.
            Some(value) => is_inside && is_rest(value),
        };
        // Once its value is gone, nothing is left of what stood beside the null.
        is_lost.then_some(if live.contains_key(key) { name } else { field })
    });
    of_map.collect()
}

/// The key of a field of this map, such as `plan` of `userMetadata.plan`.
fn key_of<'a>(map: &str, field: &'a str) -> Option<&'a str> {
    field.strip_prefix(map)?.strip_prefix('.')
}

/// The field of a remembered null, and whether the null stands inside its value.
fn field_of(name: &str) -> (&str, bool) {
    name.strip_prefix(INSIDE).map_or((name, false), |field| (field, true))
}

/// By which name the null is remembered that a first-level metadata key is or holds.
fn null_name(map: &str, key: &str, value: &Value) -> Option<String> {
    has_null(value).then(|| format!("{}{map}.{key}", if value.is_null() { "" } else { INSIDE }))
}

/// Whether a value may be what a tool leaves that drops nulls: something in it is empty. Where a null stood beside
/// other values, what is left is a value that a person may have written.
fn is_rest(value: &Value) -> bool {
    has_empty(value) && !has_null(value)
}

fn has_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty() || map.values().any(has_empty),
        Value::Array(list) => list.is_empty() || list.iter().any(has_empty),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().any(has_null),
        Value::Array(list) => list.iter().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The explicit nulls of a spec: fields that are null, and first-level metadata keys whose value is or holds one.
#[must_use]
pub fn explicit_nulls(spec: &Auth0UserUpdateSpec) -> BTreeSet<String> {
    let texts = texts(spec).map(|(attribute, field)| (attribute.spec_name(), field.is_null()));
    let others = [
        ("blocked", spec.blocked.is_null()),
        ("clientId", spec.client_id.is_null()),
        ("connection", spec.connection.is_null()),
        ("emailVerified", spec.email_verified.is_null()),
        ("passwordSecretRef", spec.password_secret_ref.is_null()),
        ("phoneVerified", spec.phone_verified.is_null()),
        ("resyncInterval", spec.resync_interval.is_null()),
        ("verifyEmail", spec.verify_email.is_null()),
    ];
    let fields = texts.into_iter().chain(others).filter(|(_, is_null)| *is_null);
    let mut names: BTreeSet<String> = fields.map(|(field, _)| field.to_owned()).collect();
    for (attribute, map) in maps(spec) {
        let field = attribute.spec_name();
        let nulls: Vec<_> = map.into_iter().flatten().filter(|(_, value)| has_null(value)).collect();
        if nulls.len() > MOST_NAMES || nulls.iter().any(|(key, _)| key.len() > LONGEST_NAME) {
            names.insert(field.to_owned());
        } else {
            names.extend(nulls.into_iter().filter_map(|(key, value)| null_name(field, key, value)));
        }
    }
    names
}

/// What is to be remembered: the explicit nulls of the spec, and of the known ones those whose loss holds something
/// back.
#[must_use]
pub fn remembered_nulls(spec: &Auth0UserUpdateSpec, known: &[String]) -> Vec<String> {
    let mut names = explicit_nulls(spec);
    for (attribute, live) in maps(spec) {
        let lost = live.map(|live| lost(spec, attribute.spec_name(), live, known)).unwrap_or_default();
        names.extend(lost.into_iter().map(str::to_owned));
    }
    names.into_iter().collect()
}

/// Whether a remembered null is of a metadata map that the spec has not.
#[must_use]
pub fn is_of_absent_map(spec: &Auth0UserUpdateSpec, name: &str) -> bool {
    let (field, _) = field_of(name);
    let is_of = |map: &str| field == map || key_of(map, field).is_some();
    maps(spec).iter().any(|(attribute, live)| live.is_none() && is_of(attribute.spec_name()))
}

/// What is not sent because a null was dropped: spec fields and first-level metadata keys, such as `name` or
/// `userMetadata.plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DroppedNulls {
    /// Meant to be cleared, and dropped by kubectl.
    pub blanks: Vec<String>,
    /// Metadata keys whose value holds nulls, which are part of it, and which kubectl dropped.
    pub values: Vec<String>,
    /// Maps, and keys of a replaced map, whose nulls the spec has lost since.
    pub lost: Vec<String>,
    /// Keys with a value that may be what is left of one that held nulls.
    pub rests: Vec<String>,
}

impl DroppedNulls {
    /// Takes in what the map that kubectl last applied holds and the spec lacks.
    fn add_held(&mut self, name: &str, held: &Held, applied: Option<&Value>) {
        if held.whole && held.keys.is_empty() {
            self.blanks.push(name.to_owned());
        }
        for key in &held.keys {
            let is_blank = applied.and_then(|map| map.get(key)).is_some_and(Value::is_null);
            let fields = if is_blank { &mut self.blanks } else { &mut self.values };
            fields.push(format!("{name}.{key}"));
        }
    }
}

/// Compares a spec with the `spec` that kubectl last applied, and with the nulls that status remembers. No blanks
/// where they would not clear, and nothing that `clear` names.
#[must_use]
pub fn dropped_nulls(
    spec: &Auth0UserUpdateSpec,
    applied: Option<&JsonMap>,
    remembered: &[String],
) -> DroppedNulls {
    let clears = spec.pass_empty_values == PassEmptyValues::Yes;
    let applied_to = |field: &str| applied.and_then(|applied| applied.get(field));
    let is_null = |field: &&str| applied_to(field).is_some_and(Value::is_null);
    let texts = texts(spec).into_iter().filter(|(_, field)| field.is_absent());
    let texts = texts.map(|(attribute, _)| attribute.spec_name()).filter(is_null);
    let mut dropped = DroppedNulls { blanks: texts.map(str::to_owned).collect(), ..DroppedNulls::default() };
    for (attribute, live) in maps(spec) {
        let (name, empty) = (attribute.spec_name(), JsonMap::new());
        let live = live.unwrap_or(&empty);
        if live.is_empty() && spec.clear.iter().any(|cleared| cleared == name) {
            continue;
        }
        let held = held_by_annotation(applied_to(name), live);
        dropped.add_held(name, &held, applied_to(name));
        let lost = lost(spec, name, live, remembered);
        if live.is_empty() {
            let is_told =
                held.whole || lost.iter().all(|field| spec.clear.iter().any(|cleared| cleared == field));
            dropped.lost.extend((clears && !is_told).then(|| name.to_owned()));
        } else {
            let keys = lost.iter().filter_map(|lost| key_of(name, field_of(lost).0));
            for key in keys.filter(|key| !held.keys.contains(*key)) {
                let is_rest = live.contains_key(key);
                let fields = if is_rest { &mut dropped.rests } else { &mut dropped.lost };
                fields.extend((clears || is_rest).then(|| format!("{name}.{key}")));
            }
        }
    }
    if !clears {
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
        held_by_annotation(Some(applied), &serde_json::from_value(live).unwrap())
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
            let dropped = dropped_nulls(&serde_json::from_value(spec).unwrap(), applied.as_object(), &[]);
            assert_eq!(dropped.blanks, blanks, "{answer}");
            assert_eq!(dropped.values, ["userMetadata.billing"], "{answer}");
        }
    }

    fn spec(mut card: Value) -> Auth0UserUpdateSpec {
        card["tenantRef"] = json!({"name": "t"});
        card["userId"] = json!("auth0|1");
        card["passEmptyValues"] = card.get("passEmptyValues").cloned().unwrap_or(json!("Yes"));
        serde_json::from_value(card).unwrap()
    }

    fn remembered(card: Value, known: &[&str]) -> Vec<String> {
        remembered_nulls(&spec(card), &known.iter().copied().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_explicit_null_is_remembered_by_name() {
        let metadata = json!({"plan": null, "seats": 1, "billing": {"a": [{"b": null}]}});
        let card = json!({"name": null, "blocked": null, "passwordSecretRef": null, "nickname": "",
                          "userMetadata": metadata, "appMetadata": {}});
        let names =
            ["blocked", "inside userMetadata.billing", "name", "passwordSecretRef", "userMetadata.plan"];
        assert_eq!(remembered(card.clone(), &[]), names);
        assert_eq!(remembered(card, &names), names);
    }

    #[test]
    fn no_field_of_the_spec_is_forgotten() {
        let fields = schemars::schema_for!(Auth0UserUpdateSpec);
        let fields = fields.get("properties").and_then(Value::as_object).unwrap();
        let written = ["tenantRef", "userId", "passEmptyValues", "clear", "mode", "output", "outputsTo"];
        let maps = ["userMetadata", "appMetadata"];
        let names: Vec<_> = fields
            .keys()
            .filter(|name| !written.contains(&name.as_str()) && !maps.contains(&name.as_str()))
            .collect();
        let nulls: JsonMap = names.iter().map(|name| ((*name).clone(), Value::Null)).collect();
        let explicit = explicit_nulls(&spec(Value::Object(nulls)));
        assert_eq!(explicit.iter().collect::<BTreeSet<_>>(), names.into_iter().collect());
    }

    #[test]
    fn many_nulls_are_remembered_by_their_map() {
        let nulls = |count: usize| (0..count).map(|n| (format!("k{n}"), Value::Null)).collect::<JsonMap>();
        assert_eq!(remembered(json!({"userMetadata": nulls(MOST_NAMES)}), &[]).len(), MOST_NAMES);
        for map in [nulls(MOST_NAMES + 1), JsonMap::from_iter([("k".repeat(LONGEST_NAME + 1), Value::Null)])]
        {
            assert_eq!(remembered(json!({"userMetadata": map}), &[]), ["userMetadata"]);
        }
        assert_eq!(remembered(json!({"userMetadata": {}}), &["userMetadata"]), ["userMetadata"]);
        for card in [
            json!({}),
            json!({"userMetadata": {"x": 1}}),
            json!({"userMetadata": {}, "clear": ["userMetadata"]}),
        ] {
            assert_eq!(remembered(card, &["userMetadata"]), [""; 0]);
        }
    }

    #[test]
    fn a_lost_null_is_remembered_for_as_long_as_it_holds_something_back() {
        let kept = |card: Value| !remembered(card, &["inside userMetadata.plan", "name"]).is_empty();
        for card in [
            json!({"userMetadata": {}}),
            json!({"userMetadata": {}, "passEmptyValues": "No"}),
            json!({"userMetadata": {}, "clear": ["userMetadata.plan"]}),
            json!({"userMetadata": {"plan": {}}}),
            json!({"userMetadata": {"plan": [{"a": {}, "b": 1}]}}),
            json!({"userMetadata": {"x": 1}, "clear": ["userMetadata"]}),
        ] {
            assert!(kept(card.clone()), "{card}");
        }
        for card in [
            json!({}),
            json!({"userMetadata": {}, "clear": ["userMetadata"]}),
            json!({"userMetadata": {"x": 1}}),
            json!({"userMetadata": {"plan": "gold"}}),
            json!({"userMetadata": {"plan": {"seats": 3}}}),
            json!({"userMetadata": {"x": 1}, "clear": ["userMetadata", "userMetadata.plan"]}),
        ] {
            assert!(!kept(card.clone()), "{card}");
        }
    }

    #[test]
    fn a_key_that_was_null_leaves_no_value_behind() {
        for value in [json!([]), json!({}), json!({"tier": "gold", "features": []})] {
            let card = json!({"userMetadata": {"plan": value}});
            assert_eq!(remembered(card.clone(), &["userMetadata.plan"]), [""; 0], "{card}");
            assert_eq!(remembered(card, &["inside userMetadata.plan"]), ["inside userMetadata.plan"]);
        }
    }

    #[test]
    fn a_value_that_is_removed_and_written_again_is_no_rest() {
        for (beside, clear) in [(json!({}), json!([])), (json!({"x": 1}), json!(["userMetadata"]))] {
            let mut known = vec!["inside userMetadata.plan".to_owned()];
            known = remembered_nulls(&spec(json!({"userMetadata": beside, "clear": clear})), &known);
            assert_eq!(known, ["userMetadata.plan"]);
            let again = spec(json!({"userMetadata": {"plan": {"tags": []}, "x": 1}, "clear": clear}));
            assert_eq!(
                held(&again, "userMetadata", &again.user_metadata.clone().unwrap(), None, &known),
                Held::default()
            );
        }
    }

    #[test]
    fn what_lost_its_nulls_is_told_once_and_as_what_it_would_clear() {
        let told = |card: Value, applied: Option<Value>, known: &[&str]| {
            let known: Vec<_> = known.iter().copied().map(str::to_owned).collect();
            dropped_nulls(&spec(card), applied.as_ref().and_then(Value::as_object), &known)
        };
        let lost = |card: Value| told(card, None, &["userMetadata.plan", "inside userMetadata.billing"]).lost;
        assert_eq!(lost(json!({"userMetadata": {}})), ["userMetadata"]);
        assert_eq!(lost(json!({"userMetadata": {}, "passEmptyValues": "No"})), [""; 0]);
        let named = json!({"userMetadata": {}, "clear": ["userMetadata.plan", "userMetadata.billing"]});
        assert_eq!(lost(named), [""; 0]);
        for answer in ["Yes", "No"] {
            let card = json!({"userMetadata": {"billing": {}}, "passEmptyValues": answer});
            let told = told(card, None, &["inside userMetadata.billing"]);
            assert_eq!((told.lost, told.rests), (vec![], vec!["userMetadata.billing".to_owned()]));
        }
        let replaced = json!({"userMetadata": {"x": 1}, "clear": ["userMetadata", "userMetadata.billing"]});
        assert_eq!(lost(replaced), ["userMetadata.plan"]);
        let applied = json!({"userMetadata": {"plan": null}});
        let both = told(json!({"userMetadata": {}}), Some(applied), &["userMetadata.plan"]);
        assert_eq!((both.blanks, both.lost), (vec!["userMetadata.plan".to_owned()], vec![]));
    }
}
