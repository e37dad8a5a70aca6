//! How a call to Auth0 fails.

use crate::api::reason::{Failure, Reason};
use crate::auth0::answer::effect::{Effect, Verdict};
pub use crate::plan::Blame;
use std::time::Duration;

/// What is told where Auth0 limits the rate, by an answer or by what it said before.
pub(in crate::auth0) const SLOW_DOWN: &str =
    "Auth0 asks to slow down; the operator retries when Auth0 allows it";

/// How a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}")]
pub struct Error {
    /// The reason and its sentence. Holds no secret and no value of the user.
    pub failure: Failure,
    /// What the call did to the user.
    pub effect: Effect,
    /// For how long Auth0 asks to wait: from one second to five minutes. `None` where it does not say.
    pub retry_after: Option<Duration>,
    /// What of the body is at fault.
    pub blame: Blame,
    /// Auth0's own sentence on one line, without values and secrets; empty if there is none.
    pub said: String,
    pub(in crate::auth0) is_password_history: bool,
}

impl From<Failure> for Error {
    /// A failure for which nothing was sent.
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            effect: Effect::None,
            retry_after: None,
            blame: Blame::Unknown,
            said: String::new(),
            is_password_history: false,
        }
    }
}

impl Error {
    pub(in crate::auth0) fn new(reason: Reason, effect: Effect, message: impl Into<String>) -> Self {
        Self { effect, ..Failure::new(reason, message).into() }
    }

    /// An answer that is no user, or no answer of Auth0 at all.
    pub(in crate::auth0) fn unavailable(effect: Effect, what: &str) -> Self {
        Self::new(Reason::Auth0Unavailable, effect, format!("{what}; the operator retries"))
    }

    /// A request that cannot be composed. Nothing was sent.
    pub(in crate::auth0) fn unsent(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, Effect::None, message)
    }

    /// The same, where nothing that changes a user had been sent yet.
    pub(in crate::auth0) fn without_effect(self) -> Self {
        Self { effect: Effect::None, ..self }
    }

    /// Whether Auth0 refused the password because the user has had it before. After a try whose answer
    /// was lost this means that the password is set.
    #[must_use]
    pub const fn is_password_history(&self) -> bool {
        self.is_password_history
    }
}

/// What happened, what Auth0 said of it (`quoted`), and what to do.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn sentence(verdict: &Verdict, status: u16, quoted: &str) -> String {
    if let Some((what, remedy)) = verdict.sentence {
        return format!("{what} ({quoted}); {remedy}");
    }
    let (what, remedy) = match verdict.reason {
        Reason::NotSupportedByConnection => (
            "the user's connection does not support this change",
            "remove the field from the spec, or change it where the connection gets it from",
        ),
        Reason::UnknownConnection => {
            ("Auth0 does not know the connection that the spec names", "correct spec.connection")
        }
        Reason::PasswordRejected => {
            ("Auth0 rejects the password", "choose one that meets the connection's password policy")
        }
        Reason::AlreadyExists => ("another user has this value already", "choose another one"),
        Reason::NotClearable => (
            "the user's connection rejects the removal of this field",
            "give the field a value, or remove it from the spec",
        ),
        Reason::NotEntitled => {
            ("the Auth0 plan does not include this", "upgrade the plan, or remove the field from the spec")
        }
        Reason::UserNotFound => {
            ("Auth0 has no such user", "create the user, or create a resource with the correct userId")
        }
        Reason::AuthenticationFailed => (
            "Auth0 rejects the access token",
            "check the tenant's domain, and that its application may use the Management API",
        ),
        Reason::InsufficientScope => {
            ("the access token lacks a scope", "grant the missing scope to the tenant's application")
        }
        Reason::RateLimited => {
            return SLOW_DOWN.to_owned();
        }
        Reason::Auth0Unavailable => {
            return format!("Auth0 answered HTTP {status}; the operator retries");
        }
        Reason::InternalError => {
            ("Auth0 rejects the operator's request as malformed", "report this as a bug in the operator")
        }
        Reason::InvalidRequest
        | Reason::Applied
        | Reason::Available
        | Reason::UserBlocked
        | Reason::TenantNotAllowed
        | Reason::SecretForbidden
        | Reason::OutputForbidden
        | Reason::OutputConflict
        | Reason::CrdOutdated
        | Reason::TriggerKeyLost
        | Reason::TenantNotFound
        | Reason::TenantNotReady
        | Reason::SecretNotFound
        | Reason::SecretKeyMissing
        | Reason::PasswordPending
        | Reason::Observed
        | Reason::ManagementConflict
        | Reason::Paused
        | Reason::InSync
        | Reason::NotPersisted
        | Reason::DriftFound
        | Reason::Refused
        | Reason::Contested
        | Reason::Overcommitted => ("Auth0 rejects this request", "correct the spec"),
    };
    format!("{what} ({quoted}); {remedy}")
}
