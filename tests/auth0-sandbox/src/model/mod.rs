//! Auth0's rules for a PATCH of a user as pure functions: no I/O and no clock.
//!
//! [`patched`] takes an account as it is, a request body and the tenant around it, and gives the
//! account as Auth0 would hold it afterwards, or the refusal Auth0 would answer. The server answers
//! with it, and a property test may call it directly.

mod attributes;
mod judge;
mod merge;
mod password;
mod refusal;
pub mod schema;
mod target;
mod unworded;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use refusal::Refusal;
pub use target::Target;
pub(crate) use target::identity_key;
pub use unworded::Unworded;

use crate::{Connection, Rules};

/// A user, its passwords, and what happened to it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// The whole user object as Auth0 holds it, tokens of identities included.
    pub user: Map<String, Value>,
    /// Passwords by identity, keyed `provider|user_id`.
    pub passwords: BTreeMap<String, Passwords>,
    /// Counters of side effects.
    pub effects: Effects,
}

/// The passwords of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passwords {
    /// The one in force.
    pub current: String,
    /// Those before it, newest first.
    #[serde(default)]
    pub earlier: Vec<String>,
}

/// How often a PATCH did what a reconciler must not do without need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effects {
    /// Requests that ended the user's sessions: a present `username`, `password` or `phone_number`; in a
    /// database an `email` or `email_verified` that changes (to verified never ends any), elsewhere a
    /// present one. Documented.
    pub sessions_ended: u64,
    /// Verification mails (`verify_email: true`).
    pub mails_sent: u64,
    /// Verification texts (`verify_phone_number: true` beside a phone number of an SMS identity).
    pub texts_sent: u64,
    /// Admin blocks lifted by a password. Documented.
    pub blocks_lifted: u64,
    /// Passwords set.
    pub passwords_set: u64,
}

/// What surrounds the user.
#[derive(Clone, Copy, Debug)]
pub struct Tenant<'a> {
    /// The tenant's connections.
    pub connections: &'a [Connection],
    /// The switches.
    pub rules: &'a Rules,
    /// All other users, for the rule that emails, usernames and phone numbers are unique in a connection.
    pub others: &'a [&'a Map<String, Value>],
}

/// Whether a body has this property at its root, or as `user_metadata.KEY` or `app_metadata.KEY` in it.
pub(crate) fn mentions(body: &Map<String, Value>, name: &str) -> bool {
    let metadata = name.split_once('.').filter(|(root, _)| ["user_metadata", "app_metadata"].contains(root));
    match metadata {
        Some((root, key)) => body.get(root).is_some_and(|held| held.get(key).is_some()),
        None => body.contains_key(name),
    }
}

impl Account {
    /// An account without passwords.
    #[must_use]
    pub fn new(user: Map<String, Value>) -> Self {
        Self { user, ..Self::default() }
    }
}

/// The account after this body, or why Auth0 refuses the body.
///
/// `now` is what `updated_at` and `last_password_reset` become (ISO 8601 with milliseconds).
///
/// # Errors
/// The refusal that Auth0 would answer.
pub fn patched(
    account: &Account,
    body: &Map<String, Value>,
    tenant: &Tenant<'_>,
    now: &str,
) -> Result<Account, Refusal> {
    schema::check(&Value::Object(body.clone()), tenant.rules)?;
    let target = Target::of(&account.user, body, tenant.connections)?;
    judge::semantics(account, body, tenant, &target)?;
    let next = merge::apply(account, body, tenant, &target, now);
    judge::size(&next, tenant.rules)?;
    Ok(next)
}

/// [`patched`] for a user object alone.
///
/// # Errors
/// The refusal that Auth0 would answer.
pub fn patched_user(
    user: &Map<String, Value>,
    body: &Map<String, Value>,
    tenant: &Tenant<'_>,
    now: &str,
) -> Result<Map<String, Value>, Refusal> {
    patched(&Account::new(user.clone()), body, tenant, now).map(|account| account.user)
}
