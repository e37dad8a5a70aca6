//! What a stored wish means: the bodies that Auth0 has to receive, and the user afterwards. Written from the
//! promises of the documentation and not from the operator's plan, whose judge it is.

use super::field::{Beside, Field, Kind};
use super::way::Stored;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// How a field stands in the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Not there, also where only the last-applied annotation knows its null.
    Absent,
    /// `""` or null; for a map `{}`.
    Blank,
    Value,
    /// In `clear`.
    Listed,
    /// A map in `clear` that has values too.
    ListedWithValues,
    /// A map that is `{}` only because its nulls were dropped on the way.
    Dropped,
}

/// What is done about a field or a first-level key of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    /// Sent where Auth0 holds something else.
    Set,
    /// Sent as null (a whole map as `{}`) where Auth0 holds something.
    Clear,
    /// Every key that is not written is sent as null.
    Replace,
    /// Not sent, and named in `status.ignoredFields`.
    Report,
}

type Row = (Form, Effect, Effect);

/// For what Auth0 can clear: under Yes, under No.
const CLEARABLE: [Row; 6] = [
    (Form::Absent, Effect::Nothing, Effect::Nothing),
    (Form::Blank, Effect::Clear, Effect::Nothing),
    (Form::Value, Effect::Set, Effect::Set),
    (Form::Listed, Effect::Clear, Effect::Clear),
    (Form::ListedWithValues, Effect::Replace, Effect::Replace),
    (Form::Dropped, Effect::Nothing, Effect::Nothing),
];

/// For what it cannot.
const UNCLEARABLE: [Row; 3] = [
    (Form::Absent, Effect::Nothing, Effect::Nothing),
    (Form::Blank, Effect::Report, Effect::Nothing),
    (Form::Value, Effect::Set, Effect::Set),
];

/// What has to come of a cell.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What Auth0 receives, in this order.
    pub bodies: Vec<Value>,
    /// What it holds afterwards; a password as well, which it never shows.
    pub user: Map<String, Value>,
    /// Names in `status.ignoredFields`.
    pub ignored: Vec<&'static str>,
    /// Fields and first-level keys of which Ready's message says that kubectl dropped a null.
    pub told: BTreeSet<String>,
    /// Ready's reason.
    pub reason: &'static str,
}

/// The outcome of a spec whose field is stored like this, for a user of whom Auth0 holds this much.
pub fn meaning(
    field: &Field,
    stored: &Stored,
    yes: bool,
    carrier: Option<(&Beside, &Value)>,
    user: &Map<String, Value>,
) -> Outcome {
    let mut outcome = Outcome {
        bodies: Vec::new(),
        user: user.clone(),
        ignored: Vec::new(),
        told: told(field, stored, yes),
        reason: "Applied",
    };
    if contradicts(field, stored) {
        outcome.reason = "InvalidRequest";
        return outcome;
    }
    let effect = effect(field, stored, yes);
    if effect == Effect::Report {
        outcome.ignored.push(field.name);
    }
    let mut body = Map::new();
    if let Some((beside, value)) = carrier {
        body.insert(beside.attribute.to_owned(), value.clone());
    }
    if field.kind == Kind::Map {
        if let Some(map) = map_of(field, stored, effect, yes, user) {
            body.insert(field.attribute.to_owned(), map);
        }
    } else {
        body.extend(scalar(field, stored, effect, user));
    }
    if !body.is_empty() {
        hold(&mut outcome.user, &body);
        outcome.bodies.push(body.into());
    }
    outcome
}

fn effect(field: &Field, stored: &Stored, yes: bool) -> Effect {
    let table: &[Row] = match field.kind {
        Kind::Text | Kind::Map => &CLEARABLE,
        Kind::Label | Kind::Flag | Kind::Reference => &UNCLEARABLE,
        Kind::Orders => return Effect::Set,
        Kind::Setting | Kind::Choice | Kind::Required => return Effect::Nothing,
    };
    let form = form(field, stored);
    let row = table.iter().find(|row| row.0 == form).unwrap();
    if yes { row.1 } else { row.2 }
}

fn form(field: &Field, stored: &Stored) -> Form {
    let values = stored.value.as_ref().and_then(Value::as_object);
    let values = values.is_some_and(|map| map.values().any(|value| !value.is_null()));
    if stored.clears(field.name) {
        return if values { Form::ListedWithValues } else { Form::Listed };
    }
    match &stored.value {
        None => Form::Absent,
        Some(Value::Null) => Form::Blank,
        Some(Value::String(text)) if text.is_empty() => Form::Blank,
        Some(Value::Object(map)) if map.is_empty() && !stored.dropped.is_empty() => Form::Dropped,
        Some(Value::Object(map)) if map.is_empty() => Form::Blank,
        Some(_) => Form::Value,
    }
}

/// Nulls that were meant to clear, under Yes, and arrived nowhere; and under both those that were part of a
/// value. `clear` makes up for them.
fn told(field: &Field, stored: &Stored, yes: bool) -> BTreeSet<String> {
    let cleared = form(field, stored) == Form::Listed;
    let is_value = |name: &str| {
        let key = name.split_once('.').map_or("", |(_, key)| key);
        stored.value.as_ref().is_some_and(|value| value.get(key).is_some())
    };
    let names = stored.dropped.iter().filter(|name| yes || is_value(name));
    let names = names.filter(|name| field.kind.can_be_cleared() && !cleared && !stored.clears(name));
    names.cloned().collect()
}

/// One key of a map in `clear` and with a value: nobody knows which is meant.
fn contradicts(field: &Field, stored: &Stored) -> bool {
    let value = stored.value.as_ref().and_then(|value| value.get("k"));
    field.kind == Kind::Map
        && stored.clears(&format!("{}.k", field.name))
        && value.is_some_and(|value| !value.is_null())
}

/// What a field that is no map adds to the body.
fn scalar(
    field: &Field,
    stored: &Stored,
    effect: Effect,
    user: &Map<String, Value>,
) -> Option<(String, Value)> {
    let attribute = field.attribute.to_owned();
    match effect {
        Effect::Clear => user.get(&attribute).map(|_| (attribute, Value::Null)),
        Effect::Set if field.kind == Kind::Orders => {
            let cleared = stored.value.as_ref()?.get(0)?.as_str()?;
            Some((cleared.to_owned(), Value::Null))
        }
        Effect::Set => set(field, stored.value.as_ref()?, user).map(|value| (attribute, value)),
        Effect::Nothing | Effect::Replace | Effect::Report => None,
    }
}

/// The value to send, if it is to be sent.
fn set(field: &Field, value: &Value, user: &Map<String, Value>) -> Option<Value> {
    // Beside a new address it always rides, because Auth0 may reset what it knows of the old one.
    let rides = field.beside.is_some();
    let value = if field.kind == Kind::Reference { password(value["key"].as_str()?) } else { value.clone() };
    let is_sent = match field.name {
        // No change by themselves.
        "clientId" | "connection" => rides,
        // By itself an order to mail a person whose address is not verified.
        "verifyEmail" => rides || value == true && user["email_verified"] == false,
        _ => rides || user.get(field.attribute) != Some(&value),
    };
    is_sent.then_some(value)
}

/// The content of the Secret under this key.
pub fn password(key: &str) -> Value {
    json!(format!("Orchid-Garden-{key}"))
}

/// The share of a metadata map in the body, if it has one.
fn map_of(
    field: &Field,
    stored: &Stored,
    effect: Effect,
    yes: bool,
    user: &Map<String, Value>,
) -> Option<Value> {
    let empty = Map::new();
    let held = user.get(field.attribute).and_then(Value::as_object).unwrap_or(&empty);
    let written = stored.value.as_ref().and_then(Value::as_object).unwrap_or(&empty);
    let dropped = |key: &String| stored.dropped.contains(&format!("{}.{key}", field.name));
    if effect == Effect::Clear {
        return (!held.is_empty()).then(|| json!({}));
    }
    let mut body = Map::new();
    if effect == Effect::Replace {
        let stale = held.keys().filter(|key| !dropped(key));
        body.extend(stale.map(|key| (key.clone(), Value::Null)));
    }
    for (key, value) in written.iter().filter(|(key, _)| !dropped(key)) {
        if !value.is_null() || yes {
            body.insert(key.clone(), value.clone());
        }
    }
    if stored.clears(&format!("{}.k", field.name)) {
        body.insert("k".to_owned(), Value::Null);
    }
    body.retain(|key, value| held.get(key).unwrap_or(&Value::Null) != value);
    (!body.is_empty()).then(|| body.into())
}

/// Auth0's rules for a body: null removes, metadata is merged at its first level, `{}` empties it.
fn hold(user: &mut Map<String, Value>, body: &Map<String, Value>) {
    for (name, value) in body {
        if ["verify_email", "client_id", "connection"].contains(&name.as_str()) {
            continue;
        }
        if let Some(keys) = value.as_object() {
            let map = user.entry(name.clone()).or_insert_with(|| json!({})).as_object_mut().unwrap();
            if keys.is_empty() {
                map.clear();
            }
            map.extend(keys.clone());
            map.retain(|_, value| !value.is_null());
        } else if value.is_null() {
            user.remove(name);
        } else {
            user.insert(name.clone(), value.clone());
        }
    }
}
