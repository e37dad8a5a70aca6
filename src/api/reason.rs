//! The closed list of reasons: one word for condition, event, log and retry.

use std::fmt;

/// Why a resource is in the state it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The spec is applied.
    Applied,
    /// Of a tenant: an access token was obtained.
    Available,
    /// What the spec would change was computed; mode Observe sends nothing.
    Observed,
    /// The spec does not decode, contradicts itself, or Auth0 rejects it as malformed.
    InvalidRequest,
    /// The user's connection does not support this field.
    NotSupportedByConnection,
    /// `spec.connection` names none of the user's identities.
    UnknownConnection,
    /// The password breaks the connection's policy.
    PasswordRejected,
    /// Another user has this email or username.
    AlreadyExists,
    /// The connection rejects the removal of this field.
    NotClearable,
    /// The Auth0 plan does not include this.
    NotEntitled,
    /// The user is blocked, a new password would unblock the user, and the spec does not declare `blocked`.
    UserBlocked,
    /// Auth0 has no such user.
    UserNotFound,
    /// Another resource manages the same field of the same user.
    ManagementConflict,
    /// The tenant may not be used from here, or its domain is not allowed.
    TenantNotAllowed,
    /// Auth0 does not accept the credentials.
    AuthenticationFailed,
    /// The token lacks a scope.
    InsufficientScope,
    /// The operator may not read a Secret.
    SecretForbidden,
    /// The operator may not write a ConfigMap or Secret of `spec.outputsTo`.
    OutputForbidden,
    /// A ConfigMap or Secret of `spec.outputsTo`, or a key of it, belongs to another one.
    OutputConflict,
    /// The installed CRD is older than the operator.
    CrdOutdated,
    /// The trigger key is not the one that the recorded digests were computed with.
    TriggerKeyLost,
    /// The tenant resource does not exist.
    TenantNotFound,
    /// The tenant resource is not Ready yet.
    TenantNotReady,
    /// A referenced Secret does not exist.
    SecretNotFound,
    /// A referenced Secret lacks the key.
    SecretKeyMissing,
    /// The Secret holds a new password that was not sent yet.
    PasswordPending,
    /// Auth0's rate limit is reached.
    RateLimited,
    /// Auth0 did not respond, or responded with an error of its own.
    Auth0Unavailable,
    /// A bug in the operator.
    InternalError,
    /// The resource is paused.
    Paused,
    /// Of Synced: the user matches the spec.
    InSync,
    /// Of Synced: Auth0 accepted a value but did not store it.
    NotPersisted,
    /// Of Synced: mode Observe found a difference.
    DriftFound,
    /// Of Synced: a field was rejected.
    Refused,
    /// Of a tenant: checks need too much of its rate limit.
    Overcommitted,
    /// Of Synced: another writer reverts what the operator corrects.
    Contested,
}

/// What a reason means for the Ready condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Done.
    Ready,
    /// The operator retries by itself.
    Reconciling,
    /// Needs an action of the user.
    Stalled,
    /// Neither: a person asked to stop.
    Held,
}

/// When the operator retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// At the next resync.
    Resync,
    /// After a change, or with increasing delays: from the resync interval, doubling to 24 hours.
    Refusal,
    /// Exponential backoff up to the resync interval.
    Backoff,
    /// Only after a change.
    Change,
}

const ALL: [(Reason, &str); 36] = [
    (Reason::Applied, "Applied"),
    (Reason::Available, "Available"),
    (Reason::Observed, "Observed"),
    (Reason::InvalidRequest, "InvalidRequest"),
    (Reason::NotSupportedByConnection, "NotSupportedByConnection"),
    (Reason::UnknownConnection, "UnknownConnection"),
    (Reason::PasswordRejected, "PasswordRejected"),
    (Reason::AlreadyExists, "AlreadyExists"),
    (Reason::NotClearable, "NotClearable"),
    (Reason::NotEntitled, "NotEntitled"),
    (Reason::UserBlocked, "UserBlocked"),
    (Reason::UserNotFound, "UserNotFound"),
    (Reason::ManagementConflict, "ManagementConflict"),
    (Reason::TenantNotAllowed, "TenantNotAllowed"),
    (Reason::AuthenticationFailed, "AuthenticationFailed"),
    (Reason::InsufficientScope, "InsufficientScope"),
    (Reason::SecretForbidden, "SecretForbidden"),
    (Reason::OutputForbidden, "OutputForbidden"),
    (Reason::OutputConflict, "OutputConflict"),
    (Reason::CrdOutdated, "CRDOutdated"),
    (Reason::TriggerKeyLost, "TriggerKeyLost"),
    (Reason::TenantNotFound, "TenantNotFound"),
    (Reason::TenantNotReady, "TenantNotReady"),
    (Reason::SecretNotFound, "SecretNotFound"),
    (Reason::SecretKeyMissing, "SecretKeyMissing"),
    (Reason::PasswordPending, "PasswordPending"),
    (Reason::RateLimited, "RateLimited"),
    (Reason::Auth0Unavailable, "Auth0Unavailable"),
    (Reason::InternalError, "InternalError"),
    (Reason::Paused, "Paused"),
    (Reason::InSync, "InSync"),
    (Reason::NotPersisted, "NotPersisted"),
    (Reason::DriftFound, "DriftFound"),
    (Reason::Refused, "Refused"),
    (Reason::Contested, "Contested"),
    (Reason::Overcommitted, "Overcommitted"),
];

impl Reason {
    /// The reason as shown in conditions and events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ALL.iter().find(|(reason, _)| *reason == self).map_or("InternalError", |(_, word)| word)
    }

    /// Reads the word back from a status. Another word reads as `InternalError`: the status is not ours.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        ALL.iter().find(|(_, known)| *known == word).map_or(Self::InternalError, |(reason, _)| *reason)
    }

    /// What the reason means for the Ready condition.
    #[must_use]
    pub const fn standing(self) -> Standing {
        match self {
            Self::Applied
            | Self::Available
            | Self::Observed
            | Self::InSync
            | Self::NotPersisted
            | Self::DriftFound
            | Self::Refused
            | Self::Contested
            | Self::Overcommitted => Standing::Ready,
            Self::Paused => Standing::Held,
            Self::TenantNotFound
            | Self::TenantNotReady
            | Self::SecretNotFound
            | Self::SecretKeyMissing
            | Self::PasswordPending
            | Self::RateLimited
            | Self::Auth0Unavailable
            | Self::InternalError => Standing::Reconciling,
            Self::InvalidRequest
            | Self::NotSupportedByConnection
            | Self::UnknownConnection
            | Self::PasswordRejected
            | Self::AlreadyExists
            | Self::NotClearable
            | Self::NotEntitled
            | Self::UserBlocked
            | Self::UserNotFound
            | Self::ManagementConflict
            | Self::TenantNotAllowed
            | Self::AuthenticationFailed
            | Self::InsufficientScope
            | Self::SecretForbidden
            | Self::OutputForbidden
            | Self::OutputConflict
            | Self::CrdOutdated
            | Self::TriggerKeyLost => Standing::Stalled,
        }
    }

    /// When to try again by itself. `RateLimited` backs off where Auth0 does not say for how long.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            // The identities of a user may have changed in Auth0, which no watch tells.
            Self::Applied
            | Self::Available
            | Self::Observed
            | Self::ManagementConflict
            | Self::InSync
            | Self::NotPersisted
            | Self::DriftFound
            | Self::Refused
            | Self::Contested
            | Self::Overcommitted => Retry::Resync,
            Self::InvalidRequest
            | Self::NotSupportedByConnection
            | Self::UnknownConnection
            | Self::PasswordRejected
            | Self::AlreadyExists
            | Self::NotClearable
            | Self::NotEntitled
            | Self::UserBlocked => Retry::Refusal,
            Self::UserNotFound
            | Self::AuthenticationFailed
            | Self::InsufficientScope
            | Self::SecretForbidden
            | Self::OutputForbidden
            | Self::OutputConflict
            | Self::CrdOutdated
            | Self::TriggerKeyLost
            | Self::TenantNotFound
            | Self::TenantNotReady
            | Self::SecretNotFound
            | Self::SecretKeyMissing
            | Self::PasswordPending
            | Self::RateLimited
            | Self::Auth0Unavailable
            | Self::InternalError => Retry::Backoff,
            Self::TenantNotAllowed | Self::Paused => Retry::Change,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A reason with its one sentence: what happened, and what to do.
///
/// The sentence holds no secret, no value of the user, and nothing that changes from try to try.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Failure {
    /// Why.
    pub reason: Reason,
    /// One sentence for a person.
    pub message: String,
}

impl Failure {
    /// Pairs a reason with its sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_reads_back() {
        for (reason, word) in ALL {
            assert_eq!(reason.as_str(), word);
            assert_eq!(Reason::from_word(word), reason);
        }
    }
}
