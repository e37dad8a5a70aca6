//! The Auth0 user as observed.
//!
//! Read leniently: Auth0 has answered `email_verified` as a text and identity ids as numbers, and a
//! pass must not fail on either.

use crate::api::reason::{Failure, Reason};
use crate::api::{JsonMap, UserIdentity, UserOutputs};
use serde_json::{Value, json};
use std::borrow::Cow;

/// Fields of an answer that carry tokens of identity providers.
const TOKENS: [&str; 3] = ["access_token", "access_token_secret", "refresh_token"];

/// Attributes that every login moves.
pub(super) const MOVED_BY_LOGINS: [&str; 4] = ["last_ip", "last_login", "logins_count", "updated_at"];

/// One user, as `GET` and `PATCH` of `/api/v2/users/{id}` answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    root: JsonMap,
}

/// The identity that a pass acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `provider|user_id` of the identity.
    pub identity: String,
    /// Position in `identities` of a secondary identity; `None` for the primary one.
    secondary: Option<usize>,
    is_of_auth0: bool,
}

impl Target {
    /// Whether it is the identity whose values stand at the root of the user.
    #[must_use]
    pub const fn is_primary(&self) -> bool {
        self.secondary.is_none()
    }

    /// Whether its provider is a database connection: Auth0's own store, or a custom database.
    #[must_use]
    pub const fn is_of_auth0(&self) -> bool {
        self.is_of_auth0
    }
}

/// What is known of one attribute.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seen<'a> {
    /// Auth0 shows this value, or shows that there is none.
    Known(Option<&'a Value>),
    /// Auth0 does not show this attribute of a secondary identity.
    Unobservable,
}

impl From<JsonMap> for User {
    /// Drops the tokens in the identities at once, so that nothing later can show them.
    fn from(mut root: JsonMap) -> Self {
        root.get_mut("identities").into_iter().for_each(drop_tokens);
        Self { root }
    }
}

fn drop_tokens(value: &mut Value) {
    match value {
        Value::Object(map) => drop_tokens_in(map),
        Value::Array(items) => items.iter_mut().for_each(drop_tokens),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn drop_tokens_in(map: &mut JsonMap) {
    map.retain(|name, _| !TOKENS.contains(&name.as_str()));
    map.values_mut().for_each(drop_tokens);
}

impl User {
    /// The whole answer, without anything at any depth that is named like a token of an identity provider.
    #[must_use]
    pub fn raw_output(&self) -> JsonMap {
        let mut root = self.root.clone();
        drop_tokens_in(&mut root);
        root
    }

    /// Size of the user as JSON, in thousands of bytes, without what every login moves and without tokens.
    #[must_use]
    pub fn kilobytes(&self) -> i64 {
        let kept = self.root.iter().filter(|(name, _)| !MOVED_BY_LOGINS.contains(&name.as_str()));
        // Two quotes, a colon and a comma.
        let bytes: usize = kept.map(|(name, value)| name.len() + value.to_string().len() + 4).sum();
        i64::try_from(bytes / 1000).unwrap_or(i64::MAX)
    }

    /// An attribute of the root; `null` reads as absent.
    #[must_use]
    pub fn root(&self, attribute: &str) -> Option<&Value> {
        self.root.get(attribute).filter(|value| !value.is_null())
    }

    /// A text at the root.
    #[must_use]
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.root(attribute).and_then(Value::as_str)
    }

    /// Whether an administrator blocks the user.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        is_true(self.root("blocked"))
    }

    /// `user_metadata` or `app_metadata`, if it is an object.
    #[must_use]
    pub fn metadata(&self, attribute: &str) -> Option<&JsonMap> {
        self.root(attribute).and_then(Value::as_object)
    }

    /// An attribute of the targeted identity: the root's for the primary, `profileData`'s for another.
    #[must_use]
    pub fn seen(&self, target: &Target, attribute: &str) -> Seen<'_> {
        let Some(index) = target.secondary else {
            return Seen::Known(self.root(attribute));
        };
        let profile = self.identities().get(index).and_then(|identity| identity.get("profileData"));
        match profile.and_then(|profile| profile.get(attribute)) {
            Some(value) => Seen::Known(Some(value).filter(|value| !value.is_null())),
            None => Seen::Unobservable,
        }
    }

    /// Finds the identity that `connection` names, or the primary one.
    ///
    /// # Errors
    /// `UnknownConnection` where no identity has this connection, `InvalidRequest` where several have.
    pub fn target(&self, connection: Option<&str>) -> Result<Target, Failure> {
        let primary = self.primary();
        let Some(connection) = connection else {
            return Ok(self.target_at(primary, primary));
        };
        let mut named = self
            .identities()
            .iter()
            .enumerate()
            .filter(|(_, identity)| identity.get("connection").and_then(Value::as_str) == Some(connection))
            .map(|(index, _)| index);
        match (named.next(), named.next()) {
            (Some(index), None) => Ok(self.target_at(index, primary)),
            (Some(_), Some(_)) => Err(Failure::new(
                Reason::InvalidRequest,
                format!(
                    "spec.connection is ambiguous: the user has several identities in {connection:?}; leave connection out to act on the primary identity"
                ),
            )),
            (None, _) => Err(Failure::new(
                Reason::UnknownConnection,
                format!(
                    "user {} has no identity in connection {connection:?}",
                    self.text("user_id").unwrap_or_default()
                ),
            )),
        }
    }

    /// The connection of the primary identity; empty where Auth0 shows none.
    #[must_use]
    pub fn primary_connection(&self) -> &str {
        let identity = self.identities().get(self.primary());
        identity.and_then(|identity| identity.get("connection")).and_then(Value::as_str).unwrap_or_default()
    }

    /// The connections of its identities.
    pub fn connections(&self) -> impl Iterator<Item = &str> {
        self.identities().iter().filter_map(|identity| identity.get("connection").and_then(Value::as_str))
    }

    fn identities(&self) -> &[Value] {
        self.root("identities").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The identity whose id is the user's; else the first, as Auth0 documents for linked accounts.
    fn primary(&self) -> usize {
        let id = self.text("user_id").unwrap_or_default();
        self.identities().iter().position(|identity| identity_id(identity) == id).unwrap_or(0)
    }

    fn target_at(&self, index: usize, primary: usize) -> Target {
        let identity = self
            .identities()
            .get(index)
            .map_or_else(|| self.text("user_id").unwrap_or_default().to_owned(), identity_id);
        let is_of_auth0 = identity.starts_with("auth0|");
        Target { identity, secondary: (index != primary).then_some(index), is_of_auth0 }
    }

    /// The user that these outputs were taken from, as far as they show it.
    #[must_use]
    pub fn from_outputs(outputs: &UserOutputs) -> Self {
        let identity = |identity: &UserIdentity| {
            json!({
                "connection": identity.connection, "user_id": identity.user_id,
                "provider": identity.provider, "isSocial": identity.is_social,
            })
        };
        let shown = json!({
            "user_id": outputs.id, "email": outputs.email, "email_verified": outputs.email_verified,
            "username": outputs.username, "phone_number": outputs.phone_number,
            "phone_verified": outputs.phone_verified, "created_at": outputs.created_at,
            "identities": outputs.identities.iter().map(identity).collect::<Vec<_>>(),
            "app_metadata": outputs.app_metadata, "user_metadata": outputs.user_metadata,
            "picture": outputs.picture, "name": outputs.name, "nickname": outputs.nickname,
            "blocked": outputs.blocked, "given_name": outputs.given_name, "family_name": outputs.family_name,
        });
        let mut root = if let Value::Object(root) = shown { root } else { JsonMap::new() };
        root.retain(|_, value| !value.is_null() && *value != json!([]));
        Self::from(root)
    }

    /// The outputs of the card.
    #[must_use]
    pub fn outputs(&self) -> UserOutputs {
        let text = |attribute| self.root(attribute).and_then(as_text).map(Cow::into_owned);
        let flag = |attribute| self.root(attribute).map(|value| is_true(Some(value)));
        UserOutputs {
            id: text("user_id"),
            email: text("email"),
            email_verified: flag("email_verified"),
            username: text("username"),
            phone_number: text("phone_number"),
            phone_verified: flag("phone_verified"),
            created_at: text("created_at"),
            updated_at: text("updated_at"),
            identities: self.identities().iter().map(identity_outputs).collect(),
            app_metadata: self.metadata("app_metadata").cloned(),
            user_metadata: self.metadata("user_metadata").cloned(),
            picture: text("picture"),
            name: text("name"),
            nickname: text("nickname"),
            multifactor: self.root("multifactor").and_then(Value::as_array).cloned(),
            last_ip: text("last_ip"),
            last_login: text("last_login"),
            logins_count: self.root("logins_count").and_then(Value::as_i64),
            blocked: flag("blocked"),
            given_name: text("given_name"),
            family_name: text("family_name"),
        }
    }
}

fn identity_id(identity: &Value) -> String {
    let part = |name| identity.get(name).and_then(as_text).unwrap_or_default();
    format!("{}|{}", part("provider"), part("user_id"))
}

fn identity_outputs(identity: &Value) -> UserIdentity {
    let text = |name| identity.get(name).and_then(as_text).map(Cow::into_owned);
    UserIdentity {
        connection: text("connection"),
        user_id: text("user_id"),
        provider: text("provider"),
        is_social: identity.get("isSocial").map(|value| is_true(Some(value))),
    }
}

fn as_text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A flag as Auth0 takes it. A connection may map anything to it, and so may send text, an email address in place of
/// `email_verified` for one: what is not empty and no word for false counts as true.
#[must_use]
pub fn is_true(value: Option<&Value>) -> bool {
    match value {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => {
            !matches!(text.as_str(), "" | "false" | "False" | "FALSE" | "f" | "F" | "0")
        }
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user(value: Value) -> User {
        serde_json::from_value::<JsonMap>(value).unwrap().into()
    }

    fn linked() -> User {
        user(json!({
            "user_id": "github|42", "email": "ada@example.com", "email_verified": "true",
            "identities": [
                {"provider": "auth0", "user_id": "1", "connection": "db", "isSocial": false,
                 "access_token": "t", "profileData": {"email": "ada@db.example.com", "refresh_token": "t"}},
                {"provider": "github", "user_id": 42, "connection": "github", "isSocial": true},
                {"provider": "auth0", "user_id": "2", "connection": "twins"},
                {"provider": "auth0", "user_id": "3", "connection": "twins"},
            ],
        }))
    }

    #[test]
    fn tokens_are_dropped_at_every_depth() {
        let text = serde_json::to_string(&linked().raw_output()).unwrap();
        assert!(!text.contains("token"), "{text}");
    }

    #[test]
    fn metadata_named_like_a_token_is_compared_although_it_is_not_shown_raw() {
        let user = user(json!({"user_metadata": {"access_token": "mine"}}));
        assert_eq!(user.metadata("user_metadata").unwrap()["access_token"], "mine");
        assert_eq!(user.raw_output()["user_metadata"], json!({}));
    }

    #[test]
    fn the_primary_identity_is_the_one_that_carries_the_user_id_even_as_a_number() {
        let user = linked();
        let target = user.target(None).unwrap();
        assert!(target.is_primary());
        assert_eq!(target.identity, "github|42");
        assert_eq!(user.target(Some("github")).unwrap(), target);
    }

    #[test]
    fn a_secondary_identity_is_seen_through_its_profile_data() {
        let user = linked();
        let target = user.target(Some("db")).unwrap();
        assert!(!target.is_primary());
        assert_eq!(user.seen(&target, "email"), Seen::Known(Some(&json!("ada@db.example.com"))));
        assert_eq!(user.seen(&target, "username"), Seen::Unobservable);
    }

    #[test]
    fn unknown_and_ambiguous_connections_are_told_apart() {
        assert_eq!(linked().target(Some("sms")).unwrap_err().reason, Reason::UnknownConnection);
        assert_eq!(linked().target(Some("twins")).unwrap_err().reason, Reason::InvalidRequest);
    }

    #[test]
    fn flags_are_read_as_auth0_reads_them() {
        let mut root = linked().root;
        for (value, flag) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("True"), true),
            (json!("TRUE"), true),
            (json!("t"), true),
            (json!("T"), true),
            (json!("1"), true),
            (json!(1), true),
            (json!(0.5), true),
            (json!("jo@example.com"), true),
            (json!("no"), true),
            (json!(false), false),
            (json!("false"), false),
            (json!("False"), false),
            (json!("FALSE"), false),
            (json!("f"), false),
            (json!("F"), false),
            (json!("0"), false),
            (json!(0), false),
            (json!(-0.0), false),
            (json!(""), false),
            (json!([true]), false),
            (json!({"true": true}), false),
        ] {
            for name in ["email_verified", "phone_verified", "blocked"] {
                root.insert(name.to_owned(), value.clone());
            }
            let user = User { root: root.clone() };
            let outputs = user.outputs();
            let shown = [outputs.email_verified, outputs.phone_verified, outputs.blocked];
            assert_eq!((shown, user.is_blocked()), ([Some(flag); 3], flag), "{value}");
        }
        assert!(!is_true(None));
    }

    #[test]
    fn a_login_does_not_change_the_size() {
        let mut profile = json!({"user_id": "auth0|1", "name": "x".repeat(9_960)});
        let size = |profile: &Value| user(profile.clone()).kilobytes();
        assert_eq!(size(&profile), 9);
        profile["last_ip"] = json!("2001:db8:85a3:8d3:1319:8a2e:370:7348");
        profile["logins_count"] = json!(1_000_000);
        profile["updated_at"] = json!("2026-01-01T00:00:00.000Z");
        assert_eq!(size(&profile), 9);
        profile["nickname"] = json!("x".repeat(40));
        assert_eq!(size(&profile), 10);
    }

    #[test]
    fn outputs_survive_odd_types() {
        let outputs = linked().outputs();
        assert_eq!(outputs.email_verified, Some(true));
        assert_eq!(outputs.identities[1].user_id.as_deref(), Some("42"));
        let odd = user(
            json!({"email": 7, "logins_count": "many", "identities": {}, "blocked": "", "multifactor": "x"}),
        );
        assert_eq!(odd.outputs().email.as_deref(), Some("7"));
        assert_eq!(odd.outputs().logins_count, None);
        assert_eq!(odd.outputs().blocked, Some(false));
    }
}
