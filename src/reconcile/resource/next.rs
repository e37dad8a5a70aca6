//! What the queue is to hold for a resource: when its next pass begins, and how urgent it is. Pure.

use super::record::Record;
use super::references::{References, SecretState};
use super::resources::Resource;
use super::why::{self, Decision};
use crate::api::reason::Reason;
use crate::queue::Priority;
use crate::reconcile::object::fingerprint::of_version;
use tokio::time::Instant;

/// The next pass of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// It may call Auth0. Else it writes a status at most, and waits for nobody's budget.
    pub calls: bool,
    /// How urgent it is.
    pub priority: Priority,
    /// When it may begin.
    pub at: Instant,
}

/// When a resource goes next; `None` where only a change brings it back. `after_pass`: a pass has just ended, and
/// nothing has happened since it began.
#[must_use]
pub fn next(
    record: &Record,
    references: &References,
    known: &Resource,
    after_pass: bool,
    now: Instant,
) -> Option<Next> {
    let agenda = &known.agenda;
    let calls = references.tenant.is_ok();
    if record.is_deleted {
        return None;
    }
    let why = why::why(record, references, agenda, now);
    let priority = why::priority(record, &why, references.contest.contested, agenda.failures);
    let in_time = |at| Next { calls, priority, at };
    if after_pass {
        // The pass has seen all that speaks for another one, and has said when that is to be.
        let due = agenda.due.filter(|_| !record.is_paused);
        return agenda.not_before.or(due).map(in_time);
    }
    let telling = Some(Next { calls: false, priority, at: now });
    if record.is_paused {
        let is_told =
            !record.is_edited && record.synced.is_some_and(|synced| synced.reason == Reason::Paused);
        return telling.filter(|_| !is_told);
    }
    if why::decide(&why) != Decision::Sleep {
        return if tells_first(record, references, known) { telling } else { Some(in_time(now)) };
    }
    if has_to_tell(record, references, known) {
        return telling;
    }
    if references.secret == SecretState::Unwatched {
        return Some(Next { calls, priority: Priority::Retry, at: now });
    }
    agenda.due.into_iter().chain(agenda.not_before).min().map(in_time)
}

/// Whether something is to be told before the resource waits for its turn: nulls that the spec may lose meanwhile, and
/// a new password, until which the resource must not be taken for done.
fn tells_first(record: &Record, references: &References, known: &Resource) -> bool {
    let announces = record.seems_done
        && why::password_changed(record, &references.secret, &known.agenda)
        && known.agenda.compared_secret != version(&references.secret);
    announces || !record.observes && !known.names_nulls
}

/// Whether status lacks something that needs no look: what nulls were dropped, and that the Secret is gone.
fn has_to_tell(record: &Record, references: &References, known: &Resource) -> bool {
    let is_gone_untold = matches!(
        &references.secret,
        SecretState::Unavailable(failure)
            if record.is_applied && record.synced.is_none_or(|synced| synced.reason != failure.reason)
    );
    is_gone_untold || !record.tells_nulls || !known.names_nulls
}

/// Which content of the Secret there is.
fn version(secret: &SecretState) -> Option<u64> {
    if let SecretState::At(version) = secret { Some(of_version(version)) } else { None }
}
