//! Input values that can be absent, blank or set.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;

/// One optional input: its key is absent from the spec, holds `null`, or holds a value.
///
/// Kubernetes keeps the three apart only where the schema says `nullable`, which this type's does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The key is not there: this field is not managed.
    #[default]
    Absent,
    /// The key is there and holds `null`.
    Null,
    /// The key is there and holds a value (which may still be blank, as `""` is).
    Value(T),
}

impl<T> Field<T> {
    /// Whether the key is absent.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the key is there and holds `null`.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Value))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// The card's required choice: whether blank inputs clear what Auth0 holds.
///
/// YAML 1.1 tools turn an unquoted `Yes` into `true`, YAML 1.2 tools keep the text, so both are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PassEmptyValues {
    /// Blank inputs clear.
    Yes,
    /// Blank inputs are not sent.
    #[default]
    No,
}

impl Serialize for PassEmptyValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Yes => "Yes",
            Self::No => "No",
        })
    }
}

impl<'de> Deserialize<'de> for PassEmptyValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Flag(bool),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Flag(true) => Ok(Self::Yes),
            Written::Flag(false) => Ok(Self::No),
            Written::Text(text) => match text.as_str() {
                "Yes" | "yes" | "true" => Ok(Self::Yes),
                "No" | "no" | "false" => Ok(Self::No),
                _ => Err(serde::de::Error::custom("expected Yes, No, true or false")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Card {
        #[serde(default, skip_serializing_if = "Field::is_absent")]
        name: Field<String>,
    }

    #[test]
    fn absent_null_and_value_survive_a_round_trip() {
        for card in [json!({}), json!({"name": null}), json!({"name": ""}), json!({"name": "Ada"})] {
            let read: Card = serde_json::from_value(card.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), card);
        }
    }

    #[test]
    fn pass_empty_values_reads_every_spelling() {
        for (written, read) in [
            (json!("Yes"), PassEmptyValues::Yes),
            (json!("yes"), PassEmptyValues::Yes),
            (json!("no"), PassEmptyValues::No),
            (json!("true"), PassEmptyValues::Yes),
            (json!(true), PassEmptyValues::Yes),
            (json!("No"), PassEmptyValues::No),
            (json!("false"), PassEmptyValues::No),
            (json!(false), PassEmptyValues::No),
        ] {
            assert_eq!(serde_json::from_value::<PassEmptyValues>(written).unwrap(), read);
        }
        assert!(serde_json::from_value::<PassEmptyValues>(json!("YES")).is_err());
    }
}
