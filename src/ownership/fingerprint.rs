//! Fingerprints of fields and of the values that are wanted of them: all that is kept of both.
//!
//! They are keyed by chance for each process, so that no attacker can look for two that are the same, and nothing durable
//! may depend on them. Where two of one user are the same by chance, a conflict is missed, or one is reported that is
//! none: with a million fields of one user, once in a million.

use crate::user::Attribute;
use serde_json::{Number, Value};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::LazyLock;

static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Bits of a field that its key takes; those above name the attribute.
const KEY_BITS: u32 = 60;

/// What anything comes down to.
pub(super) fn fingerprint(what: &(impl Hash + ?Sized)) -> u64 {
    KEYS.hash_one(what)
}

/// Stands for the uid of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Uid(u64);

impl Uid {
    /// Of this `metadata.uid`.
    #[must_use]
    pub fn new(uid: &str) -> Self {
        Self(fingerprint(uid))
    }

    /// Of this object.
    #[must_use]
    pub fn of(object: &impl kube::Resource) -> Self {
        Self::new(object.meta().uid.as_deref().unwrap_or_default())
    }
}

/// A field of a user: an attribute, or a first-level key of a metadata map. The keys of a map come right after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field(u64);

impl Field {
    /// The attribute as a whole.
    #[must_use]
    pub const fn of(attribute: Attribute) -> Self {
        Self((attribute as u64) << KEY_BITS)
    }

    /// One key of a metadata map.
    #[must_use]
    pub fn key(map: Attribute, key: &str) -> Self {
        Self(Self::of(map).0 | (fingerprint(key) >> (u64::BITS - KEY_BITS)).max(1))
    }

    /// The map that this is a key of.
    pub(super) const fn map(self) -> Option<Self> {
        let map = Self(self.0 >> KEY_BITS << KEY_BITS);
        if map.0 == self.0 { None } else { Some(map) }
    }

    /// The last key that this map can have.
    pub(super) const fn last_key(self) -> Self {
        Self(self.0 | (u64::MAX >> (u64::BITS - KEY_BITS)))
    }

    fn attribute(self) -> Option<Attribute> {
        Attribute::ALL.into_iter().find(|attribute| *attribute as u64 == self.0 >> KEY_BITS)
    }

    /// Whether only one identity of the user has this field.
    pub(super) fn is_identity_scoped(self) -> bool {
        self.attribute().is_some_and(|attribute| attribute.group().is_identity_scoped())
    }

    /// The field as a person knows it, such as `userMetadata.plan`. A key that is not among these is known by its map.
    #[must_use]
    pub fn name(self, keys: &HashMap<Self, &str>) -> String {
        let map = self.attribute().map_or("", Attribute::spec_name);
        match keys.get(&self) {
            Some(key) => format!("{map}.{key}"),
            None => map.to_owned(),
        }
    }
}

/// What is wanted of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Wanted(u64);

impl Wanted {
    /// No value.
    pub const NOTHING: Self = Self(0);
    /// Of a map: no key but those that are wanted for themselves, and those held back.
    pub const WHOLE: Self = Self(1);
    /// Of a key: to be left alone by the order for the whole map.
    pub const HELD: Self = Self(2);

    /// The user to be blocked.
    pub fn blocked() -> Self {
        Self::any(&Value::from(true))
    }

    /// This value. Equal ones of an attribute want the same, be they written in another way.
    pub fn value(attribute: Attribute, value: &Value) -> Self {
        match value {
            Value::Null => Self::NOTHING,
            Value::String(text) if attribute.ignores_ascii_case() => {
                Self::any(&Value::from(text.to_ascii_lowercase()))
            }
            Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Self::any(value)
            }
        }
    }

    /// The password of this Secret and key.
    pub fn password(namespace: &str, secret: &str, key: &str) -> Self {
        Self(fingerprint(&(namespace, secret, key)).max(Self::HELD.0 + 1))
    }

    fn any(value: &Value) -> Self {
        Self(canonical(value).max(Self::HELD.0 + 1))
    }
}

/// The same for values that Auth0 keeps as the same.
fn canonical(value: &Value) -> u64 {
    match value {
        Value::Null => fingerprint(&0),
        Value::Bool(flag) => fingerprint(&(1, flag)),
        Value::Number(number) => match integer(number) {
            Some(integer) => fingerprint(&(2, integer)),
            None => fingerprint(&(3, number.as_f64().map(f64::to_bits))),
        },
        Value::String(text) => fingerprint(&(4, text)),
        Value::Array(items) => fingerprint(&(5, items.iter().map(canonical).collect::<Vec<_>>())),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| fingerprint(&(key, canonical(value))));
            fingerprint(&(6, map.len(), entries.fold(0_u64, u64::wrapping_add)))
        }
    }
}

/// An integer exactly, also where it is written as a float.
fn integer(number: &Number) -> Option<i128> {
    const BOUND: f64 = 18_446_744_073_709_551_616.0;
    let written = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < BOUND);
    #[allow(clippy::cast_possible_truncation, reason = "it is whole, and far below the bound of an i128")]
    let whole = float.map(|float| float as i128);
    written.or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_field_knows_its_attribute_and_its_map() {
        for attribute in Attribute::ALL {
            let field = Field::of(attribute);
            assert_eq!((field.attribute(), field.map()), (Some(attribute), None));
            assert_eq!(field.is_identity_scoped(), attribute.group().is_identity_scoped());
            let key = Field::key(attribute, "plan");
            assert_eq!((key.attribute(), key.map()), (Some(attribute), Some(field)));
            assert!(field < key && key <= field.last_key());
        }
        let key = |key| Field::key(Attribute::UserMetadata, key);
        let keys = HashMap::from([(key("plan"), "plan")]);
        let names = [key("plan"), key("seat"), Field::of(Attribute::Name)].map(|field| field.name(&keys));
        assert_eq!(names, ["userMetadata.plan", "userMetadata", "name"]);
    }

    #[test]
    fn values_that_are_the_same_want_the_same_and_no_others() {
        let same = [
            json!([1, 1.0]),
            json!([0, -0.0]),
            json!([{"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0}]),
            json!([1e3, 1000]),
        ];
        for pair in same {
            assert_eq!(canonical(&pair[0]), canonical(&pair[1]), "{pair}");
        }
        let values = [
            json!(null),
            json!(false),
            json!(true),
            json!(0),
            json!(1),
            json!(-1),
            json!(0.5),
            json!(u64::MAX),
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992_i64),
            json!(1e300),
            json!(""),
            json!("1"),
            json!("null"),
            json!([]),
            json!([[]]),
            json!([1, 2]),
            json!([2, 1]),
            json!({}),
            json!({"a": 1}),
            json!({"a": "1"}),
            json!({"b": 1}),
            json!({"a": 1, "b": 1}),
            json!({"a": {"b": 1}}),
        ];
        for (index, value) in values.iter().enumerate() {
            for other in &values[index + 1..] {
                assert_ne!(canonical(value), canonical(other), "{value} {other}");
            }
        }
    }

    #[test]
    fn letter_case_counts_but_for_email_and_username() {
        for attribute in [Attribute::Email, Attribute::Username, Attribute::Name] {
            let [one, other] =
                ["Ada@Example.com", "ada@example.COM"].map(|text| Wanted::value(attribute, &json!(text)));
            assert_eq!(one == other, attribute != Attribute::Name);
        }
        assert_ne!(
            Wanted::value(Attribute::Email, &json!("ß")),
            Wanted::value(Attribute::Email, &json!("SS"))
        );
    }
}
