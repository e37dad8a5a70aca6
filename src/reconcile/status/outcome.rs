//! What one pass came to.

use crate::api::reason::{Failure, Retry};
use crate::api::{IgnoredField, Mode, NotPersisted, Output, WrittenOutputs};
use crate::plan::intents::{Entries, Unsent};
use crate::plan::{Hold, Step};
use crate::user::{Attribute, User};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// The password in lists of fields.
pub const PASSWORD: &str = Attribute::Password.spec_name();

/// Fields that Auth0 rejected for good, or that the tenant does not grant.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The fields at fault.
    pub fields: BTreeSet<String>,
    /// What Auth0 said, or which grant is missing.
    pub failure: Failure,
}

impl Refusal {
    /// Whether Auth0 said so.
    #[must_use]
    pub fn is_auth0s(&self) -> bool {
        self.failure.reason.retry() != Retry::Change
    }
}

/// How far a pass came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// To its end, or to a failure.
    #[default]
    Whole,
    /// The fields of a rejected request were not narrowed to the one at fault yet.
    Unfinished,
    /// The object was changed meanwhile: only what was sent is told, the next pass judges the rest.
    Interrupted,
    /// The object was changed before anything was sent: nothing is told, and the pass begins again.
    Anew,
}

/// What one pass came to.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Outcome {
    /// Generation of the spec that it worked on.
    pub generation: i64,
    /// What of the user may be shown.
    pub output: Option<Output>,
    /// The most that the tenant lets be shown; `None` where nothing was judged.
    pub most_shown: Option<Output>,
    /// The user as last observed, if Auth0 was looked at.
    pub user: Option<User>,
    /// Why the pass ended early.
    pub failure: Option<Failure>,
    /// For how long Auth0 asks to wait.
    pub retry_after: Option<Duration>,
    /// When a request of this pass was given up that Auth0 may still carry out.
    pub gave_up: Option<Instant>,
    /// How many passes in a row ended early, this one included.
    pub failures: u32,
    /// The Secret has a content that was not sent yet.
    pub password_pending: bool,
    /// How far it came.
    pub extent: Extent,
    /// Attributes held back.
    pub holds: Vec<Hold>,
    /// What Auth0 rejected in this pass, and what the tenant does not grant.
    pub refusals: Vec<Refusal>,
    /// Fields that Auth0 rejected in an earlier pass and that were left out.
    pub left_out: BTreeSet<String>,
    /// Fields that were set.
    pub sent: Vec<String>,
    /// Fields that were cleared.
    pub cleared: Vec<String>,
    /// Those of them that were as declared before: something has changed them in Auth0.
    pub corrected: Vec<String>,
    /// PATCH requests, accepted or not.
    pub requests: u32,
    /// What changed in the memory of orders.
    pub entries: Entries,
    /// Orders that may have been written down and were not sent.
    pub unsent: Vec<Unsent>,
    /// Fields of a rejected request that are not narrowed to the one at fault: those of the last pass, then of this one.
    pub doubt: BTreeSet<String>,
    /// The fingerprint of the other resources that it was judged beside.
    pub contest: Option<u64>,
    /// Size of the user, where the spec declares metadata or a field of the profile.
    pub profile_kilobytes: Option<i64>,
    /// Values that Auth0 does not hold; `None` where nothing was judged.
    pub not_persisted: Option<Vec<NotPersisted>>,
    /// Fields that were changed each time after they had been put back.
    pub contested: BTreeSet<String>,
    /// Blanks that cannot be cleared; `None` where nothing was judged.
    pub ignored: Option<Vec<IgnoredField>>,
    /// Something changed that makes earlier refusals void.
    pub forget_refusals: bool,
    /// The requested-at annotation that this pass answers.
    pub request: Option<String>,
    /// Whether the spec asks to change Auth0 or to compare only.
    pub mode: Mode,
    /// Fields that mode Apply would send; `None` where nothing was computed.
    pub plan: Option<Vec<String>>,
    /// What was written into `ConfigMap`s and Secrets; `None` where nothing was to be.
    pub outputs: Option<Vec<WrittenOutputs>>,
    /// Why not all of it was.
    pub unwritten: Option<Failure>,
}

impl Outcome {
    /// Notes what Auth0 accepted.
    pub fn note_accepted(&mut self, step: &Step) {
        if step.body.has_password() {
            note(&mut self.sent, PASSWORD.to_owned());
        }
        for change in &step.changes {
            note(if change.clears { &mut self.cleared } else { &mut self.sent }, change.field());
        }
    }

    /// Whether Auth0 accepted anything.
    #[must_use]
    pub fn changed_auth0(&self) -> bool {
        !self.sent.is_empty() || !self.cleared.is_empty()
    }
}

/// Adds a field to a list that has each once.
pub fn note(fields: &mut Vec<String>, field: String) {
    if !fields.contains(&field) {
        fields.push(field);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_set_or_cleared_nothing_has_not_changed_auth0() {
        assert!(!Outcome { requests: 3, ..Outcome::default() }.changed_auth0());
        assert!(Outcome { sent: vec!["name".to_owned()], ..Outcome::default() }.changed_auth0());
        assert!(Outcome { cleared: vec!["name".to_owned()], ..Outcome::default() }.changed_auth0());
    }
}
