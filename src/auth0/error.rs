//! How a call to Auth0 fails.

use super::classify::Verdict;
use super::text;
use crate::reason::{Failure, Reason};
use std::time::Duration;

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
    pub(super) is_password_history: bool,
}

/// What of a refused body Auth0's text points at, by Auth0's own names of attributes (`nickname`, `user_metadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Blame {
    /// The text names nothing that the body holds.
    #[default]
    Unknown,
    /// Each of these is at fault; what is not named is not.
    Each(Vec<String>),
    /// These do not go together; each may be fine alone.
    Together(Vec<String>),
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

/// What a failed call did to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, and this body will never pass. Other bodies may.
    Refused,
    /// Nothing; whatever follows would fail in the same way, so the pass ends.
    None,
    /// Perhaps what it asked for: the answer was lost, or says nothing about it.
    Unknown,
}

impl Error {
    pub(super) fn new(reason: Reason, effect: Effect, message: impl Into<String>) -> Self {
        Self { effect, ..Failure::new(reason, message).into() }
    }

    /// An answer that is no user, or no answer of Auth0 at all.
    pub(super) fn unavailable(effect: Effect, what: &str) -> Self {
        Self::new(Reason::Auth0Unavailable, effect, format!("{what}; it is tried again"))
    }

    /// A request that cannot be composed. Nothing was sent.
    pub(super) fn unsent(reason: Reason, message: impl Into<String>) -> Self {
        Self::new(reason, Effect::None, message)
    }

    /// An answer that says no. `said` is Auth0's own sentence, without values.
    pub(super) fn answered(verdict: Verdict, status: u16, said: &str) -> Self {
        let said = text::one_line(said);
        let quoted = if said.is_empty() { format!("HTTP {status}") } else { format!("\"{said}\"") };
        Self { said, ..Self::new(verdict.reason, verdict.effect, sentence(verdict.reason, status, &quoted)) }
    }

    /// The same, where nothing that changes a user had been sent yet.
    pub(super) fn without_effect(self) -> Self {
        Self { effect: Effect::None, ..self }
    }

    /// Whether Auth0 refused the password because the user has had it before. After a try whose answer
    /// was lost this means that the password is set.
    #[must_use]
    pub const fn is_password_history(&self) -> bool {
        self.is_password_history
    }
}

/// What happened and what to do.
fn sentence(reason: Reason, status: u16, said: &str) -> String {
    let (what, remedy) = match reason {
        Reason::NotSupportedByConnection => (
            "the user's connection does not take this change",
            "take the field out of the spec, or change it where the connection gets it from",
        ),
        Reason::UnknownConnection => {
            ("Auth0 does not know the connection that the spec names", "correct spec.connection")
        }
        Reason::PasswordRejected => {
            ("Auth0 refuses the password", "choose one that the connection's password policy takes")
        }
        Reason::AlreadyExists => ("another user has this value already", "choose another one"),
        Reason::NotClearable => (
            "the user's connection refuses to remove this",
            "give the field a value, or take it out of the spec",
        ),
        Reason::NotEntitled => {
            ("the Auth0 plan does not include this", "upgrade the plan, or take the field out of the spec")
        }
        Reason::UserNotFound => {
            ("Auth0 has no such user", "create the user, or make a resource with the right userId")
        }
        Reason::AuthenticationFailed => (
            "Auth0 does not accept the access token",
            "check the tenant's domain, and that its application may use the Management API",
        ),
        Reason::InsufficientScope => {
            ("the access token may not do this", "grant the tenant's application the scope that is missing")
        }
        Reason::RateLimited => {
            return "Auth0 asks to slow down; it is tried again when Auth0 allows it".to_owned();
        }
        Reason::Auth0Unavailable => {
            return format!("Auth0 answered HTTP {status} and did not do its work; it is tried again");
        }
        Reason::InternalError => {
            ("Auth0 refuses what the operator composed", "report this as a defect of the operator")
        }
        Reason::InvalidRequest
        | Reason::Applied
        | Reason::UserBlocked
        | Reason::TenantNotAllowed
        | Reason::SecretForbidden
        | Reason::CrdOutdated
        | Reason::TriggerKeyLost
        | Reason::TenantNotFound
        | Reason::TenantNotReady
        | Reason::SecretNotFound
        | Reason::SecretKeyMissing
        | Reason::Observed
        | Reason::ManagementConflict
        | Reason::Paused => ("Auth0 does not take this request", "correct the spec"),
    };
    format!("{what} ({said}); {remedy}")
}
