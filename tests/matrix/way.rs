//! The third axis: how the wish gets into the cluster, and what the way there makes of it.

use super::field::{Field, Kind};
use super::wish::Wish;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A way to write a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    Create,
    ApplyCreate,
    ApplyUpdate,
    ServerSideCreate,
    ServerSideUpdate,
    Replace,
    JsonPatch,
    MergePatch,
}

impl Way {
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::ApplyCreate,
        Self::ApplyUpdate,
        Self::ServerSideCreate,
        Self::ServerSideUpdate,
        Self::Replace,
        Self::JsonPatch,
        Self::MergePatch,
    ];

    /// What was there before the wish. An update starts from a spec that says nothing about the field, and
    /// from one that said something else, which Auth0 holds.
    pub const fn starts(self) -> &'static [Start] {
        match self {
            Self::Create | Self::ApplyCreate | Self::ServerSideCreate => &[Start::Nothing],
            Self::ApplyUpdate
            | Self::ServerSideUpdate
            | Self::Replace
            | Self::JsonPatch
            | Self::MergePatch => &[Start::Absent, Start::Present],
        }
    }

    /// Whether only what is changed is written, so that the rest of the spec stays.
    pub const fn is_patch(self) -> bool {
        matches!(self, Self::JsonPatch | Self::MergePatch)
    }

    /// What becomes of a null where the schema takes null, where it does not, and inside a metadata map.
    /// Every other value arrives as it is written.
    const fn null(self) -> [Fate; 3] {
        use Fate::{Dropped, Kept, Pruned, Refused, Removed};
        match self {
            Self::Create | Self::Replace | Self::JsonPatch => [Kept, Pruned, Kept],
            Self::ServerSideCreate | Self::ServerSideUpdate => [Kept, Refused, Kept],
            Self::ApplyCreate | Self::ApplyUpdate => [Dropped, Dropped, Dropped],
            Self::MergePatch => [Removed, Removed, Removed],
        }
    }
}

/// What there is before the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// No resource.
    Nothing,
    /// A resource that does not name the field.
    Absent,
    /// A resource that names it, with another value, which Auth0 holds.
    Present,
}

/// What becomes of a null on a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The API server stores it.
    Kept,
    /// The API server leaves it out without a word.
    Pruned,
    /// The API server refuses the whole resource.
    Refused,
    /// kubectl leaves it out, and what the cluster held goes; only the last-applied annotation knows.
    Dropped,
    /// It takes away what the cluster held, without a trace.
    Removed,
}

/// What of a wish arrives in the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stored {
    /// The field in the spec.
    pub value: Option<Value>,
    /// `clear` in the spec.
    pub clear: Option<Value>,
    /// Names whose null only the last-applied annotation knows: the field, or first-level keys of it.
    pub dropped: BTreeSet<String>,
}

impl Stored {
    /// Whether `clear` names this.
    pub fn clears(&self, name: &str) -> bool {
        self.clear.iter().flat_map(|clear| clear.as_array().unwrap()).any(|entry| entry == name)
    }
}

/// What the API server stores of a wish where the spec said `before`, or `None` where it refuses.
pub fn arrive(way: Way, field: &Field, before: Option<&Value>, wish: &Wish) -> Option<Stored> {
    let earlier = before.filter(|_| way.is_patch());
    let mut stored = Stored { clear: wish.clear.clone(), ..Stored::default() };
    stored.value = match &wish.value {
        None => earlier.cloned(),
        Some(Value::Null) => {
            let [nullable, strict, _] = way.null();
            match if field.kind.is_nullable() { nullable } else { strict } {
                Fate::Kept => Some(Value::Null),
                Fate::Refused => return None,
                Fate::Pruned | Fate::Removed => None,
                Fate::Dropped => {
                    stored.dropped.insert(field.name.to_owned());
                    None
                }
            }
        }
        Some(Value::Object(map)) => Some(match way.null()[2] {
            Fate::Removed => merged(earlier, map),
            Fate::Dropped => {
                let keys = map.iter().filter(|(_, value)| holds_null(value));
                stored.dropped.extend(keys.map(|(key, _)| format!("{}.{key}", field.name)));
                without_nulls(map)
            }
            Fate::Kept | Fate::Pruned | Fate::Refused => map.clone().into(),
        }),
        Some(value) => Some(value.clone()),
    };
    if way == Way::ServerSideUpdate && before.is_some() {
        stored.value = emptied(field.kind, stored.value);
    }
    if field.kind == Kind::Orders {
        stored.clear.clone_from(&stored.value);
    }
    is_valid(field, &stored).then_some(stored)
}

/// Server-side apply that takes the last item out of what it owned leaves no empty list behind, and no
/// empty object either. Atomic maps are spared.
fn emptied(kind: Kind, value: Option<Value>) -> Option<Value> {
    match (kind, value) {
        (Kind::Orders, Some(Value::Array(items))) if items.is_empty() => None,
        (Kind::Reference, Some(Value::Object(keys))) if keys.is_empty() => Some(Value::Null),
        (_, value) => value,
    }
}

/// What the schema and its rules say of it.
fn is_valid(field: &Field, stored: &Stored) -> bool {
    let taken = match &stored.value {
        None => field.kind != Kind::Required,
        Some(Value::Null) => field.kind.is_nullable(),
        Some(value) => field.kind.takes(value),
    };
    let cleared = stored.clear.is_some() && field.kind != Kind::Orders;
    let has_value = stored.value.as_ref().is_some_and(|value| !value.is_null() && value != "");
    let contradicts = field.kind == Kind::Text && has_value;
    taken && (!cleared || field.kind.can_be_cleared() && !contradicts)
}

/// A JSON merge patch (RFC 7386): a null removes, a map is merged.
fn merged(earlier: Option<&Value>, patch: &Map<String, Value>) -> Value {
    let mut map = earlier.and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, value) in patch {
        if let Some(inner) = value.as_object() {
            map.insert(key.clone(), merged(map.get(key), inner));
        } else if value.is_null() {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    map.into()
}

/// As kubectl sends it: a key with null is left out at every depth.
fn without_nulls(map: &Map<String, Value>) -> Value {
    let kept = map
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, value)| (key.clone(), value.as_object().map_or_else(|| value.clone(), without_nulls)));
    kept.collect::<Map<_, _>>().into()
}

fn holds_null(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|map| map.values().any(holds_null))
}
