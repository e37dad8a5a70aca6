//! The identity a PATCH acts on.

use serde_json::{Map, Value};

use super::Refusal;
use crate::{Connection, Kind, LetterCase, Rules};

/// One identity of a user, and its connection.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its place in `identities[]`.
    pub index: usize,
    /// Whether the root attributes are its attributes.
    pub primary: bool,
    /// Whether the body named a connection.
    pub named: bool,
    /// Its connection. A connection the tenant no longer has is replaced by one with the same name and
    /// the provider as strategy, so that metadata and `blocked` stay writable.
    pub connection: Connection,
    /// Whether the tenant still has that connection.
    pub exists: bool,
}

impl Target {
    /// The identity that `connection` of the body names, else the primary one.
    ///
    /// When several identities of the user share the named connection, the first one is meant: Auth0
    /// does not document it, and a careful client refuses to send such a body.
    ///
    /// # Errors
    /// `The connection does not exist.` when the user has no identity in the named connection, or the
    /// tenant has no such connection.
    pub fn of(
        user: &Map<String, Value>,
        body: &Map<String, Value>,
        connections: &[Connection],
    ) -> Result<Self, Refusal> {
        let identities = identities(user);
        let primary = primary_index(user, identities);
        let named = body.get("connection").and_then(Value::as_str);
        let index = match named {
            None => primary,
            Some(name) => identities
                .iter()
                .position(|identity| text(identity, "connection") == name)
                .ok_or_else(Refusal::unknown_connection)?,
        };
        let identity = identities.get(index).unwrap_or(&Value::Null);
        let found = connections.iter().find(|known| known.name == text(identity, "connection"));
        if named.is_some() && found.is_none() {
            return Err(Refusal::unknown_connection());
        }
        let gone = || Connection::new(text(identity, "connection"), text(identity, "provider"));
        Ok(Self {
            index,
            primary: index == primary,
            named: named.is_some(),
            connection: found.cloned().unwrap_or_else(gone),
            exists: found.is_some(),
        })
    }

    /// The value of an identity's attribute: at the root for the primary, else in `profileData`.
    #[must_use]
    pub fn value<'a>(&self, user: &'a Map<String, Value>, attribute: &str) -> Option<&'a Value> {
        if self.primary {
            return user.get(attribute);
        }
        identities(user).get(self.index)?.get("profileData")?.get(attribute)
    }

    /// Whether Auth0, not an identity provider, is the authority for the profile.
    #[must_use]
    pub fn profile_is_ours(&self) -> bool {
        match self.connection.kind() {
            Kind::Auth0Store | Kind::Importing | Kind::PasswordlessEmail | Kind::PasswordlessSms => true,
            Kind::External | Kind::Enterprise | Kind::Social => false,
        }
    }

    /// Whether each login fills the root attributes anew.
    #[must_use]
    pub fn is_filled_by_provider(&self) -> bool {
        !self.profile_is_ours() && !self.connection.syncs_only_first_login()
    }

    /// Whether its emails and usernames are kept in small letters. Documented: in Auth0's store.
    #[must_use]
    pub fn lowers_letters(&self, rules: &Rules) -> bool {
        match rules.letter_case.get(&self.connection.name) {
            Some(case) => *case == LetterCase::Lowered,
            None => matches!(self.connection.kind(), Kind::Auth0Store | Kind::Importing),
        }
    }

    /// The key of its password.
    #[must_use]
    pub fn password_key(&self, user: &Map<String, Value>) -> String {
        identities(user).get(self.index).map(identity_key).unwrap_or_default()
    }
}

/// `provider|user_id` of an identity; ids that are numbers count as text.
pub(crate) fn identity_key(identity: &Value) -> String {
    let id = match identity.get("user_id") {
        Some(Value::String(id)) => id.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    format!("{}|{id}", text(identity, "provider"))
}

pub(crate) fn identities(user: &Map<String, Value>) -> &[Value] {
    user.get("identities").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The primary identity is the one that the root `user_id` names, else the first.
pub(crate) fn primary_index(user: &Map<String, Value>, identities: &[Value]) -> usize {
    let id = user.get("user_id").and_then(Value::as_str).unwrap_or_default();
    identities.iter().position(|identity| identity_key(identity) == id).unwrap_or(0)
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}
