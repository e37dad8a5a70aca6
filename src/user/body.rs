//! The body of one PATCH.

use super::attribute::Attribute;
use crate::api::JsonMap;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Value, json};

/// Largest payload that Auth0's Management API takes, in bytes (Auth0: Management API v2).
pub const MAX_BYTES: usize = 1_000_000;

/// Where a change stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A root key.
    Root,
    /// A first-level key of a metadata map.
    Key(String),
}

/// One field of a request: the value that it sets, or `null` (`{}` for a whole map) to clear it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which attribute.
    pub attribute: Attribute,
    /// Where it belongs.
    pub place: Place,
    /// What is asked; null to clear.
    pub value: Value,
    /// Whether it removes something rather than setting it.
    pub clears: bool,
}

impl Change {
    /// One attribute of the user.
    #[must_use]
    pub fn root(attribute: Attribute, value: Value) -> Self {
        let clears = value.is_null();
        Self { attribute, place: Place::Root, value, clears }
    }

    /// One first-level key of a metadata map; `None` removes it.
    #[must_use]
    pub fn key(attribute: Attribute, key: &str, value: Option<&Value>) -> Self {
        let place = Place::Key(key.to_owned());
        Self { attribute, place, value: value.cloned().unwrap_or_default(), clears: value.is_none() }
    }

    /// A whole metadata map, which loses all its keys.
    #[must_use]
    pub fn clear_map(attribute: Attribute) -> Self {
        Self { attribute, place: Place::Root, value: json!({}), clears: true }
    }

    /// The name in the lists of status, such as `name` or `userMetadata.plan`.
    #[must_use]
    pub fn field(&self) -> String {
        match &self.place {
            Place::Root => self.attribute.spec_name().to_owned(),
            Place::Key(key) => format!("{}.{key}", self.attribute.spec_name()),
        }
    }
}

/// A request body. Holds the password apart; only [`Body::bytes`] shows it.
#[derive(Clone, Default)]
pub struct Body {
    fields: JsonMap,
    password: Option<SecretString>,
}

impl Body {
    /// A body with these fields.
    #[cfg(test)]
    pub(crate) fn of(fields: &Value, password: Option<&str>) -> Self {
        let fields = fields.as_object().cloned().unwrap_or_default();
        Self { fields, password: password.map(SecretString::from) }
    }

    /// Takes a change in.
    pub fn put(&mut self, change: &Change) {
        let name = change.attribute.auth0_name();
        match &change.place {
            Place::Root => drop(self.fields.insert(name.to_owned(), change.value.clone())),
            Place::Key(key) => {
                let map = self.fields.entry(name).or_insert_with(|| json!({}));
                map[key.as_str()] = change.value.clone();
            }
        }
    }

    /// Takes in what rides with a change, such as `client_id`.
    pub fn put_text(&mut self, name: &str, value: &str) {
        self.fields.insert(name.to_owned(), value.into());
    }

    /// Takes the password in.
    pub fn put_password(&mut self, password: &SecretString) {
        self.password = Some(password.clone());
    }

    /// Everything but the password, as it will be sent.
    #[must_use]
    pub const fn fields(&self) -> &JsonMap {
        &self.fields
    }

    /// Whether it sets a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether it sets or clears the attribute with this name of Auth0's.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.fields.contains_key(name) || (name == Attribute::Password.auth0_name() && self.has_password())
    }

    /// The JSON text that goes to Auth0, password included.
    #[must_use]
    pub fn bytes(&self) -> SecretSlice<u8> {
        let mut whole = self.fields.clone();
        if let Some(password) = &self.password {
            whole.insert(Attribute::Password.auth0_name().to_owned(), password.expose_secret().into());
        }
        Value::Object(whole).to_string().into_bytes().into()
    }
}
