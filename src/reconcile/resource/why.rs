//! Why a resource wants a pass, what follows from that, and how urgent it is. Pure.
//!
//! A wake-up decides nothing: status changes, labels and foreign annotations wake a resource too.

use super::State;
use super::record::Record;
use super::references::{References, SecretState};
use crate::api::reason::Reason;
use crate::queue::Priority;
use crate::reconcile::object::fingerprint::of_version;
use crate::reconcile::object::schedule;
use crate::reconcile::object::why::Why;
use crate::user::Attribute;
use tokio::time::Instant;

/// A block that failed so often in a row waits with the others that fail.
const PATIENCE: u32 = 5;

/// What a wake-up leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    /// A pass.
    Pass {
        /// Something changed that makes earlier refusals void.
        forget_refusals: bool,
    },
    /// A pass, unless the Secret's content proves to be the one that was sent.
    ComparePassword,
    /// Nothing until the next timer runs out.
    Sleep,
}

/// After a restart, records tenant, owners and annotations as seen, so that the restart alone causes no call.
pub fn begin(record: &Record, references: &References, state: &mut State, now: Instant) {
    let is_unasked = matches!(references.secret, SecretState::Pending | SecretState::Unwatched);
    // Of a Secret that Observe has compared nothing but its present content is known.
    if state.scheduled || is_unasked && record.observes && record.is_applied {
        return;
    }
    state.scheduled = true;
    state.tenant = Some(references.tenant_fingerprint());
    state.contest = Some(references.contest.fingerprint);
    state.assume_sent = record.assume_sent;
    // Apply remembers the password in status; Observe remembers nothing there.
    if let (true, SecretState::At(version)) = (record.observes && record.is_applied, &references.secret) {
        state.judged_secret = Some(of_version(version));
    }
    state.due = if is_settled(record, references.contest.contested) {
        record.resync.map(|interval| now + schedule::somewhere_in(interval))
    } else {
        Some(now)
    };
}

/// Whether a mere restart of the operator would change nothing.
fn is_settled(record: &Record, contested: bool) -> bool {
    record.is_settled && record.in_conflict == contested
}

/// Everything that speaks for a pass, the most telling first.
#[must_use]
pub fn why(record: &Record, references: &References, state: &State, now: Instant) -> Vec<Why> {
    // A tenant that is away for a moment is no reason to touch what is applied.
    let passing = matches!(&references.tenant, Err(failure) if failure.reason == Reason::TenantNotReady);
    let tenant_changed = state.tenant.is_some_and(|known| known != references.tenant_fingerprint())
        && !(record.is_applied && passing);
    let owners_changed = references.tenant.is_ok()
        && state.contest.is_some_and(|known| known != references.contest.fingerprint);
    let secret_back = state.secret_unavailable && matches!(references.secret, SecretState::At(_));
    [
        (Why::Edited, record.is_edited),
        (Why::Requested, record.is_requested || state.assume_sent != record.assume_sent),
        (Why::Unpaused, record.was_paused),
        (Why::SecretBack, secret_back),
        // What could not be taken back waits for its next try.
        (Why::TenantChanged, tenant_changed || state.failures == 0 && shows_too_much(record, references)),
        (Why::SecretChanged, password_changed(record, &references.secret, state)),
        (Why::AnnotationChanged, record.has_metadata && !record.tells_nulls),
        (Why::OwnersChanged, owners_changed),
        (Why::PasswordPending, record.awaits_password),
        (Why::Due, state.due.is_some_and(|due| due <= now)),
    ]
    .into_iter()
    .filter_map(|(why, holds)| holds.then_some(why))
    .collect()
}

/// What follows. An edit, a request, another tenant or a Secret that is back make earlier refusals void.
#[must_use]
pub fn decide(why: &[Why]) -> Decision {
    let any = |reasons: &[Why]| reasons.iter().any(|reason| why.contains(reason));
    if any(&[Why::Edited, Why::Requested, Why::Unpaused, Why::SecretBack, Why::TenantChanged]) {
        Decision::Pass { forget_refusals: true }
    } else if any(&[Why::SecretChanged]) {
        Decision::ComparePassword
    } else if any(&[Why::AnnotationChanged, Why::OwnersChanged, Why::PasswordPending, Why::Due]) {
        Decision::Pass { forget_refusals: false }
    } else {
        Decision::Sleep
    }
}

/// How urgent the pass is.
#[must_use]
pub fn priority(record: &Record, why: &[Why], contested: bool, failures: u32) -> Priority {
    let any = |reasons: &[Why]| reasons.iter().any(|reason| why.contains(reason));
    // Auth0's limit holds for every resource of the host.
    let still_blocks =
        record.held_up_by.is_some_and(|reason| failures < PATIENCE || reason == Reason::RateLimited);
    if record.blocks && (any(&[Why::Edited]) || still_blocks) {
        return Priority::Block;
    }
    if any(&[Why::Edited, Why::Requested, Why::Unpaused, Why::SecretChanged]) {
        return Priority::Change;
    }
    let is_as_before = !any(&[Why::TenantChanged, Why::OwnersChanged]);
    if failures == 0 && is_as_before && is_settled(record, contested) {
        Priority::Resync
    } else {
        Priority::Retry
    }
}

/// Whether status shows more than the tenant lets it, whenever that was withdrawn.
#[must_use]
pub fn shows_too_much(record: &Record, references: &References) -> bool {
    record.shows < references.access.outputs(None)
}

/// Whether the Secret's content may be another one than the one that was judged.
#[must_use]
pub fn password_changed(record: &Record, secret: &SecretState, state: &State) -> bool {
    let SecretState::At(version) = secret else { return false };
    let version = Some(of_version(version));
    record.password != version && state.judged_secret != version
}

/// Whether a new password is to be told of before its turn: one that may be sent at all, of a resource that could be
/// taken for done.
#[must_use]
pub fn announces_password(record: &Record, references: &References, state: &State) -> bool {
    record.seems_done
        && references.access.allows(Attribute::Password.spec_name(), None)
        && password_changed(record, &references.secret, state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Access;
    use crate::api::reason::Failure;
    use crate::reconcile::resource::fixtures::{nothing_there, object, ready, version};
    use serde_json::{Value, json};

    fn record_of(fields: &Value, status: &Value) -> Record {
        Record::of(&object(fields, status))
    }

    fn priority_after(failures: u32, fields: &Value, status: &Value) -> Priority {
        let record = record_of(fields, status);
        let state = State { failures, ..State::default() };
        let why = why(&record, &nothing_there(), &state, Instant::now());
        priority(&record, &why, false, failures)
    }

    #[test]
    fn a_block_is_the_most_urgent_until_it_is_done_and_a_comparison_the_least() {
        let (blocked, named) = (json!({"blocked": true}), json!({"name": "A"}));
        for (fields, status, priority) in [
            (&blocked, ready(1, "True", "Applied"), Priority::Block),
            (&blocked, ready(2, "False", "RateLimited"), Priority::Block),
            (&blocked, ready(2, "False", "UserNotFound"), Priority::Retry),
            (&blocked, ready(2, "True", "Applied"), Priority::Resync),
            (&named, ready(1, "True", "Applied"), Priority::Change),
            (&named, ready(2, "False", "RateLimited"), Priority::Retry),
            (&named, ready(2, "True", "Applied"), Priority::Resync),
            (&json!({"blocked": false}), ready(1, "True", "Applied"), Priority::Change),
        ] {
            assert_eq!(priority_after(0, fields, &status), priority, "{fields} {status}");
        }
        let (blocks, failed) = (json!({"blocked": true}), ready(2, "False", "Auth0Unavailable"));
        assert_eq!(priority_after(PATIENCE - 1, &blocks, &failed), Priority::Block);
        assert_eq!(priority_after(PATIENCE, &blocks, &failed), Priority::Retry);
        assert_eq!(priority_after(PATIENCE, &blocks, &ready(2, "False", "RateLimited")), Priority::Block);
    }

    #[test]
    fn a_password_that_is_announced_is_looked_for_and_overtakes_no_edit() {
        let status = json!({"observedGeneration": 2, "conditions": [{
            "type": "Ready", "status": "False", "reason": "PasswordPending", "message": "", "observedGeneration": 2,
            "lastTransitionTime": "2024-01-01T00:00:00Z",
        }]});
        assert_eq!(priority_after(0, &json!({"blocked": true}), &status), Priority::Retry);
        // Whatever became of the Secret.
        let record = record_of(&json!({}), &status);
        let why = why(&record, &nothing_there(), &State::default(), Instant::now());
        assert_eq!(
            (why.as_slice(), decide(&why)),
            (&[Why::PasswordPending][..], Decision::Pass { forget_refusals: false })
        );
    }

    /// A resource that was judged a moment ago, and nothing happened since.
    fn at_rest() -> (Record, References, State, Instant) {
        let (record, references) = (record_of(&json!({}), &ready(2, "True", "Applied")), nothing_there());
        let (mut state, now) = (State::default(), Instant::now());
        begin(&record, &references, &mut state, now);
        (record, references, state, now)
    }

    #[test]
    fn what_is_applied_rests_until_its_resync_which_comes_within_one_interval() {
        let (record, references, state, now) = at_rest();
        assert_eq!(why(&record, &references, &state, now), []);
        let hour = std::time::Duration::from_hours(1);
        assert_eq!(why(&record, &references, &state, now + hour), [Why::Due]);
        assert_eq!(decide(&[]), Decision::Sleep);
    }

    #[test]
    fn of_a_secret_that_was_only_compared_the_first_content_that_is_known_is_the_baseline() {
        let mut record = record_of(&json!({"mode": "Observe"}), &ready(2, "True", "Observed"));
        record.observes = true;
        let (mut references, mut state, now) = (nothing_there(), State::default(), Instant::now());
        for secret in [SecretState::Pending, SecretState::Unwatched, SecretState::At(version("1"))] {
            references.secret = secret;
            begin(&record, &references, &mut state, now);
            assert_eq!(why(&record, &references, &state, now), []);
        }
        references.secret = SecretState::At(version("2"));
        assert_eq!(why(&record, &references, &state, now), [Why::SecretChanged]);
    }

    #[test]
    fn every_change_of_what_is_judged_wants_a_pass_and_says_why() {
        type Change = fn(&mut Record, &mut References, &mut State);
        let changes: [(Change, Why, Decision); 8] = [
            (|record, _, _| record.is_edited = true, Why::Edited, Decision::Pass { forget_refusals: true }),
            (
                |record, _, _| record.is_requested = true,
                Why::Requested,
                Decision::Pass { forget_refusals: true },
            ),
            (
                |record, _, _| record.assume_sent = Some(crate::api::AssumeSent::Yes),
                Why::Requested,
                Decision::Pass { forget_refusals: true },
            ),
            (
                |record, _, _| record.was_paused = true,
                Why::Unpaused,
                Decision::Pass { forget_refusals: true },
            ),
            (
                |_, references, _| references.tenant = Err(Failure::new(Reason::TenantNotAllowed, "no")),
                Why::TenantChanged,
                Decision::Pass { forget_refusals: true },
            ),
            (
                |record, _, _| (record.has_metadata, record.tells_nulls) = (true, false),
                Why::AnnotationChanged,
                Decision::Pass { forget_refusals: false },
            ),
            (
                |_, references, state| {
                    references.secret = SecretState::At(version("1"));
                    state.secret_unavailable = true;
                    state.judged_secret = Some(of_version(&version("1")));
                },
                Why::SecretBack,
                Decision::Pass { forget_refusals: true },
            ),
            (
                |_, references, _| references.secret = SecretState::At(version("1")),
                Why::SecretChanged,
                Decision::ComparePassword,
            ),
        ];
        for (change, reason, decision) in changes {
            let (mut record, mut references, mut state, now) = at_rest();
            change(&mut record, &mut references, &mut state);
            let why = why(&record, &references, &state, now);
            assert_eq!((why.as_slice(), decide(&why)), (&[reason][..], decision));
        }
    }

    #[test]
    fn a_password_is_announced_where_it_may_be_sent() {
        let record =
            record_of(&json!({"passwordSecretRef": {"name": "s", "key": "k"}}), &ready(2, "True", "Applied"));
        let (mut references, state) = (nothing_there(), State::default());
        assert!(!announces_password(&record, &references, &state));
        references.secret = SecretState::At(version("2"));
        assert!(announces_password(&record, &references, &state));
        references.access = Access::nothing();
        assert!(!announces_password(&record, &references, &state));
    }

    #[test]
    fn outputs_that_are_no_longer_granted_are_taken_away_at_once_after_a_restart_too() {
        let mut status = ready(2, "True", "Applied");
        status["user"] = json!({"name": "A"});
        let (record, mut references) = (record_of(&json!({}), &status), nothing_there());
        let (mut state, now) = (State::default(), Instant::now());
        begin(&record, &references, &mut state, now);
        assert_eq!(why(&record, &references, &state, now), []);
        references.access = Access::nothing();
        assert_eq!(why(&record, &references, &state, now), [Why::TenantChanged]);
        // Shown is what other objects show, too.
        let mut status = ready(2, "True", "Applied");
        status["outputs"] = json!([{"kind": "ConfigMap", "name": "m", "data": {"A": "email"}}]);
        let written = record_of(&json!({}), &status);
        assert_eq!(why(&written, &references, &state, now), [Why::TenantChanged]);
        // What cannot be taken back is no reason to begin at once, again and again.
        state.failures = 1;
        assert_eq!(why(&record, &references, &state, now), []);
        let hidden = record_of(&json!({}), &ready(2, "True", "Applied"));
        assert_eq!(why(&hidden, &references, &state, now), []);
    }

    #[test]
    fn a_tenant_that_is_away_for_a_moment_touches_nothing_that_is_applied() {
        let (mut record, mut references, state, now) = at_rest();
        references.tenant = Err(Failure::new(Reason::TenantNotReady, "its token is being renewed"));
        assert_eq!(why(&record, &references, &state, now), []);
        record.is_applied = false;
        assert_eq!(why(&record, &references, &state, now), [Why::TenantChanged]);
    }
}
