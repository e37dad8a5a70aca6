//! JSON as others write it, read whatever it is.
//!
//! A value is read down to a bound, and what lies below is skipped without recursion, so that no depth is a
//! failure. Of a text of small values, which take a hundred times its size in memory, only so many are read. Not
//! `serde_json`'s own `Value`: with the feature `raw_value` that takes a map whose only key is
//! `$serde_json::private::RawValue` for the text of another value.

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::LazyLock;

use crate::api::MOST_VALUES;

/// Levels of a value that are read; below them stands `null`. More than a spec may have, so that what is missing never
/// counts in a comparison, and few enough for `serde_json` and for every stack.
const LEVELS: usize = 100;

/// Stands for a value that is left out. Cannot be guessed, so that it equals no declared value.
static LEFT_OUT: LazyLock<String> = LazyLock::new(|| {
    let [high, low] = [(); 2].map(|()| getrandom::u64().unwrap_or_default());
    format!("left out {high:016x}{low:016x}")
});

/// Parts of a user that are read whatever else there is. A connection may fill the other ones with anything.
const PARTS_OF_USER: [&str; 3] = ["app_metadata", "identities", "user_metadata"];

/// Whether a text stands for a value that is left out.
#[must_use]
pub fn is_left_out(text: &str) -> bool {
    text == *LEFT_OUT
}

/// Reads a value; left out where there are too many in it.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Bounds { levels: LEVELS, named: 0, room: &Cell::new(MOST_VALUES) }.deserialize(deserializer)
}

/// A map, or nothing; one that is left out has a single key, whose value is left out. For `deserialize_with`.
///
/// # Errors
/// Where it is neither a map nor `null`.
pub fn map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Map<String, Value>>, D::Error> {
    match bounded(deserializer)? {
        Value::Object(map) => Ok(Some(map)),
        Value::Null => Ok(None),
        Value::String(text) if is_left_out(&text) => {
            Ok(Some(Map::from_iter([(String::new(), Value::String(text))])))
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(D::Error::custom("expected a map"))
        }
    }
}

/// A map, or nothing where it is anything else. For `deserialize_with`.
///
/// # Errors
/// Where it is no JSON.
pub fn map_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    Ok(if let Value::Object(map) = bounded(deserializer)? { Some(map) } else { None })
}

/// A list, or nothing where it is anything else. For `deserialize_with`.
///
/// # Errors
/// Where it is no JSON.
pub fn list_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Value>>, D::Error> {
    Ok(if let Value::Array(items) = bounded(deserializer)? { Some(items) } else { None })
}

/// What nothing depends on: absent where it is of another shape. For `deserialize_with`.
///
/// # Errors
/// Where it is no JSON.
pub fn if_readable<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(text.get()).ok())
}

/// A text, an empty one where it is something else, or nothing. For `deserialize_with`.
///
/// # Errors
/// Where it is no JSON.
pub fn text_if_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    match text.get() {
        "null" => Ok(None),
        text if text.starts_with('"') => serde_json::from_str(text).map(Some).map_err(D::Error::custom),
        _ => Ok(Some(String::new())),
    }
}

/// A JSON object of any content.
pub struct Object(pub Option<Map<String, Value>>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Bounds { levels: LEVELS, named: 0, room: &Cell::new(usize::MAX) };
        let value = all.deserialize(deserializer)?;
        Ok(Self(if let Value::Object(map) = value { Some(map) } else { None }))
    }
}

/// A user as Auth0 answers it: every attribute and every metadata key by name, and so many of their values.
pub struct User(pub Option<Map<String, Value>>);

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Bounds { levels: LEVELS, named: NAMED_OF_USER, room: &Cell::new(MOST_VALUES) };
        let value = named.deserialize(deserializer)?;
        Ok(Self(if let Value::Object(map) = value { Some(map) } else { None }))
    }
}

/// The levels of a user with names to keep: attributes and metadata keys.
const NAMED_OF_USER: usize = 2;

/// Reads an answer, and once more with everything mended that is no JSON but that Auth0 may send.
#[must_use]
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).or_else(|_| serde_json::from_str(&mended(bytes))).ok()
}

/// The text with U+FFFD for bytes that are no UTF-8, and for halves of surrogate pairs, which JavaScript leaves where it
/// cuts a text.
fn mended(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let (mut mended, mut rest) = (String::with_capacity(text.len()), text.as_ref());
    while let Some((before, _)) = rest.split_once('\\') {
        let escape = &rest[before.len()..];
        let (kept, length) = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&escape[..12], 12),
            (Some(0xd800..=0xdfff), _) => ("\\ufffd", 6),
            // The character behind a backslash is never the beginning of an escape itself.
            (Some(_) | None, _) => {
                let length = escape.char_indices().nth(2).map_or(escape.len(), |(at, _)| at);
                (&escape[..length], length)
            }
        };
        mended.push_str(before);
        mended.push_str(kept);
        rest = &escape[length..];
    }
    mended + rest
}

/// The UTF-16 unit of an escape `\uXXXX` at the beginning of a text.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// How much of a value is read.
#[derive(Clone, Copy)]
struct Bounds<'a> {
    levels: usize,
    /// The maps of so many levels keep all their names; below, a map or list that has no room is left out whole.
    named: usize,
    /// How many more values there may be.
    room: &'a Cell<usize>,
}

impl Bounds<'_> {
    fn below(self) -> Option<Self> {
        let levels = self.levels.checked_sub(1)?;
        Some(Self { levels, named: self.named.saturating_sub(1), ..self })
    }

    /// Takes the room of one value, if there is any.
    fn fits(self) -> bool {
        let left = self.room.get().checked_sub(1);
        self.room.set(left.unwrap_or(0));
        left.is_some()
    }
}

impl<'de> DeserializeSeed<'de> for Bounds<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounds<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let Some(below) = self.below() else {
            while items.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        // Nothing in a list has a name to keep.
        let below = Bounds { named: 0, ..below };
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            if !self.fits() {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::String(LEFT_OUT.clone()));
            }
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let Some(below) = self.below() else {
            while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(Value::Null);
        };
        let mut read = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let own = Cell::new(MOST_VALUES);
            let is_own = self.named == NAMED_OF_USER && PARTS_OF_USER.contains(&key.as_str());
            let room = if is_own { &own } else { self.room };
            let value = entries.next_value_seed(Bounds { room, ..below })?;
            if self.named == 0 && !self.fits() {
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(Value::String(LEFT_OUT.clone()));
            }
            read.insert(key, value);
        }
        Ok(Value::Object(read))
    }
}

/// Whether a value is nested no deeper, and nothing in it is left out. Goes no deeper itself.
#[must_use]
pub fn is_within(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels > 0 && items.iter().all(|item| is_within(item, levels - 1)),
        Value::Object(map) => levels > 0 && map.values().all(|item| is_within(item, levels - 1)),
        Value::String(text) => !is_left_out(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// How many bytes the API server stores for a value; `None` where it is no JSON.
#[must_use]
pub fn stored_size(value: &impl Serialize) -> Option<usize> {
    let mut stored = Stored(0);
    serde_json::to_writer(&mut stored, value).ok().map(|()| stored.0)
}

/// Counts what the API server stores for a text, and keeps nothing.
struct Stored(usize);

impl io::Write for Stored {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += stored_bytes(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Go writes three characters as `\u003c`.
fn stored_bytes(text: &[u8]) -> usize {
    text.len() + 5 * text.iter().filter(|byte| matches!(byte, b'<' | b'>' | b'&')).count()
}

#[cfg(test)]
mod tests;
