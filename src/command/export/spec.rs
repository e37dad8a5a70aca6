//! Pure: from a user to the specs that a person would write to manage it, one for the user and one for each linked account.
//!
//! What Auth0 fills in by itself, and what an identity provider writes at each login, is not managed.

use crate::api::{Auth0UserUpdateSpec, Field, JsonMap, MOST_VALUES, PassEmptyValues, TenantRef, json};
use crate::command::export::valid;
use crate::plan::Desired;
use crate::user::{Attribute, Seen, Target, User, is_true};
use serde_json::Value;
use std::collections::BTreeSet;

/// What kubectl apply can store of both metadata maps, in bytes: it keeps the manifest a second time, in an annotation
/// of at most 256 KiB.
const MOST_BYTES: usize = 200_000;

/// Longest part of a metadata key that is shown, in characters.
const LONGEST_SHOWN_KEY: usize = 100;

/// A spec, and what of the user is not in it.
#[derive(Debug)]
pub(super) struct Exported {
    pub spec: Auth0UserUpdateSpec,
    /// A line for each field that a spec cannot hold or the operator cannot change: the field, and why.
    pub left_out: Vec<String>,
}

/// The specs of a user: the first is the user's own, one with `connection` follows for each linked account of which there
/// is something to manage.
pub(super) fn specs(user: &User, user_id: &str, tenant: &TenantRef) -> Vec<Exported> {
    let reader = |connection| Reader {
        user,
        spec: blank(tenant, user_id, connection),
        left_out: Vec::new(),
        provided: Vec::new(),
    };
    let mut own = reader(Field::Absent);
    own.read_user();
    let mut linked = Vec::new();
    for connection in connections(user) {
        match user.target(Some(&connection)) {
            Ok(target) if target.is_primary() => {}
            Ok(target) => {
                let mut account = reader(Field::Value(connection.clone()));
                account.read_addresses(&target);
                if account.has_something() {
                    linked.push(account.done());
                } else {
                    let lines = account.left_out.into_iter();
                    own.left_out
                        .extend(lines.map(|line| format!("linked account in {connection:?}: {line}")));
                }
            }
            Err(_) => own.left_out.push(format!(
                "linked accounts in {connection:?} (the user has several identities in this connection)"
            )),
        }
    }
    [own.done()].into_iter().chain(linked).collect()
}

/// The connections of the user's identities, each once, by name.
fn connections(user: &User) -> BTreeSet<String> {
    let identities = user.outputs().identities.into_iter();
    identities.filter_map(|identity| identity.connection).filter(|name| !name.is_empty()).collect()
}

/// A spec that manages nothing.
fn blank(tenant: &TenantRef, user_id: &str, connection: Field<String>) -> Auth0UserUpdateSpec {
    Auth0UserUpdateSpec {
        tenant_ref: tenant.clone(),
        pass_empty_values: PassEmptyValues::No,
        user_id: user_id.to_owned(),
        connection,
        ..Auth0UserUpdateSpec::default()
    }
}

struct Reader<'a> {
    user: &'a User,
    spec: Auth0UserUpdateSpec,
    left_out: Vec<String>,
    /// Fields that are the identity provider's.
    provided: Vec<&'static str>,
}

impl Reader<'_> {
    fn done(self) -> Exported {
        Exported { spec: self.spec, left_out: self.left_out }
    }

    fn has_something(&self) -> bool {
        let Auth0UserUpdateSpec { email, phone_number, username, .. } = &self.spec;
        ![email, phone_number, username].into_iter().all(Field::is_absent)
    }

    fn read_user(&mut self) {
        // Where no connection is named there is always a target.
        let Ok(target) = self.user.target(None) else { return };
        self.spec.name = self.text(Attribute::Name, &target);
        self.spec.given_name = self.text(Attribute::GivenName, &target);
        self.spec.family_name = self.text(Attribute::FamilyName, &target);
        self.spec.nickname = self.text(Attribute::Nickname, &target);
        self.spec.picture = self.text(Attribute::Picture, &target);
        self.read_addresses(&target);
        if self.user.is_blocked() {
            self.spec.blocked = Field::Value(true);
        }
        let mut bytes = MOST_BYTES;
        self.spec.app_metadata = self.metadata(Attribute::AppMetadata, &mut bytes);
        self.spec.user_metadata = self.metadata(Attribute::UserMetadata, &mut bytes);
        if !self.provided.is_empty() {
            let (fields, connection) = (self.provided.join(", "), self.user.primary_connection());
            self.left_out.push(format!(
                "{fields} (connection {connection:?} sets them itself, or does not let them be changed)"
            ));
        }
    }

    fn read_addresses(&mut self, target: &Target) {
        self.spec.email = self.text(Attribute::Email, target);
        if !self.spec.email.is_absent() {
            self.spec.email_verified = self.flag(Attribute::EmailVerified, target);
        }
        self.spec.phone_number = self.text(Attribute::PhoneNumber, target);
        if !self.spec.phone_number.is_absent() {
            self.spec.phone_verified = self.flag(Attribute::PhoneVerified, target);
        }
        self.spec.username = self.text(Attribute::Username, target);
    }

    fn text(&mut self, attribute: Attribute, target: &Target) -> Field<String> {
        let Some(value) = self.seen(attribute, target).filter(|value| *value != "") else {
            return Field::Absent;
        };
        if value.as_str().is_some_and(|text| self.is_filled_in(attribute, text)) {
            return Field::Absent;
        }
        let provider = target.identity.split('|').next().unwrap_or_default();
        if !is_changeable(attribute, provider) {
            self.provided.push(attribute.spec_name());
            return Field::Absent;
        }
        match valid::text(attribute, value) {
            Ok(text) => Field::Value(text.to_owned()),
            Err(why) => {
                self.left_out.push(format!("{} ({why})", attribute.spec_name()));
                Field::Absent
            }
        }
    }

    fn flag(&self, attribute: Attribute, target: &Target) -> Field<bool> {
        let seen = self.seen(attribute, target);
        seen.map_or(Field::Absent, |value| Field::Value(is_true(Some(value))))
    }

    /// What Auth0 shows of a field: of a linked account, what the account itself says.
    fn seen(&self, attribute: Attribute, target: &Target) -> Option<&Value> {
        match self.user.seen(target, attribute.auth0_name()) {
            Seen::Known(seen) => seen,
            Seen::Unobservable => None,
        }
    }

    /// Whether Auth0 gave the user this value because there was none: it would not follow a new email address.
    fn is_filled_in(&self, attribute: Attribute, text: &str) -> bool {
        let is = |other: &str| self.user.text(other) == Some(text);
        match attribute {
            Attribute::Name => is("email") || is("phone_number") || is("username"),
            Attribute::Nickname => {
                let email = self.user.text("email").and_then(|email| email.split('@').next());
                email == Some(text)
            }
            Attribute::Picture => {
                text.starts_with("https://cdn.auth0.com/avatars/")
                    || text.starts_with("https://s.gravatar.com/avatar/")
                        && text.contains("cdn.auth0.com%2Favatars")
            }
            Attribute::Password
            | Attribute::Blocked
            | Attribute::UserMetadata
            | Attribute::AppMetadata
            | Attribute::GivenName
            | Attribute::FamilyName
            | Attribute::Email
            | Attribute::EmailVerified
            | Attribute::VerifyEmail
            | Attribute::PhoneNumber
            | Attribute::PhoneVerified
            | Attribute::Username => false,
        }
    }

    /// The keys that a spec can hold; `bytes` are left for them.
    fn metadata(&mut self, attribute: Attribute, bytes: &mut usize) -> Option<JsonMap> {
        let (mut kept, mut values) = (JsonMap::new(), MOST_VALUES);
        let held = self.user.metadata(attribute.auth0_name()).into_iter().flatten();
        for (key, value) in held.filter(|(_, value)| !value.is_null()) {
            let fits = self.unfit(attribute, key, value).map_or(Ok(()), Err).and_then(|()| {
                let size = key.len() + json::stored_size(value).unwrap_or(usize::MAX / 2);
                let left = bytes.checked_sub(size).zip(values.checked_sub(valid::count(value)));
                left.ok_or_else(|| "there is more than a manifest can hold".to_owned())
            });
            match fits {
                Ok(left) => {
                    (*bytes, values) = left;
                    kept.insert(key.clone(), value.clone());
                }
                Err(why) => {
                    let shown: String = key.chars().take(LONGEST_SHOWN_KEY).collect();
                    let name = attribute.spec_name();
                    self.left_out.push(format!("{name}.{} ({why})", shown.escape_debug()));
                }
            }
        }
        (!kept.is_empty()).then_some(kept)
    }

    /// Why a spec cannot hold a metadata key, judged as a spec that holds nothing else.
    fn unfit(&self, attribute: Attribute, key: &str, value: &Value) -> Option<String> {
        let mut spec = blank(&self.spec.tenant_ref, &self.spec.user_id, Field::Absent);
        let map = Some(JsonMap::from_iter([(key.to_owned(), value.clone())]));
        if attribute == Attribute::AppMetadata {
            spec.app_metadata = map;
        } else {
            spec.user_metadata = map;
        }
        if let Err(failure) = Desired::read(&spec, None, &[]) {
            return Some(failure.message);
        }
        if !spec.inexact_integers().is_empty() {
            return Some("it holds an integer of 2^53 or more, which tools round".to_owned());
        }
        valid::key(key).and_then(|()| valid::value(value)).err()
    }
}

/// Whether Auth0 lets a field of an identity be changed, and no login changes it back by default (Auth0: "Normalized User
/// Profile Schema", "Configure Identity Provider Connection for User Profile Updates").
fn is_changeable(attribute: Attribute, provider: &str) -> bool {
    match provider {
        "auth0" => true,
        "email" => !matches!(attribute, Attribute::PhoneNumber | Attribute::Username),
        "sms" => !matches!(attribute, Attribute::Email | Attribute::Username),
        _ => false,
    }
}
