//! What the queue is to hold for a resource: when its next pass begins, and how urgent it is. Pure.

use super::State;
use super::record::Record;
use super::references::{References, SecretState};
use super::resources::Resource;
use super::why::{self, Decision};
use crate::api::reason::Reason;
use crate::queue::Priority;
use crate::reconcile::object::fingerprint::{Fingerprint, of_version};
use crate::reconcile::object::why::Why;
use tokio::time::Instant;

/// The next pass of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// It may call Auth0. Else it writes a status at most, and waits for no budget.
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
    let state = &known.state;
    let calls = references.tenant.is_ok();
    if record.is_deleted {
        return None;
    }
    let why = why::why(record, references, state, now);
    let priority = why::priority(record, &why, references.contest.contested, state.failures);
    let in_time = |at| Next { calls, priority, at };
    if after_pass {
        // The pass has seen all that speaks for another one, and has said when that is to be.
        let due = state.due.filter(|_| !record.is_paused);
        return state.unfinished().not_before.or(due).map(in_time);
    }
    let telling = Some(Next { calls: false, priority, at: now });
    if record.is_paused {
        let is_told =
            !record.is_edited && record.synced.is_some_and(|synced| synced.reason == Reason::Paused);
        return telling.filter(|_| !is_told || why::shows_too_much(record, references));
    }
    if matches!(why[..], [] | [Why::Due]) && known.is_found && heeds_events(record, state) {
        return Some(Next { calls: false, priority, at: now });
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
    state.due.into_iter().chain(state.unfinished().not_before).min().map(in_time)
}

/// Whether an event is a reason to go at once. What fails would send again what made the event, and waits for its retry;
/// of a user that was not found an event may say that it is there.
#[must_use]
pub fn heeds_events(record: &Record, state: &State) -> bool {
    state.failures == 0 || record.ready.is_some_and(|ready| ready.reason == Reason::UserNotFound)
}

/// Whether something is to be told before the resource waits for its turn: nulls that the spec may lose meanwhile, and
/// a new password, until which the resource must not be taken for done.
fn tells_first(record: &Record, references: &References, known: &Resource) -> bool {
    let announces = why::announces_password(record, references, &known.state)
        && known.state.unfinished().compared_secret != version(&references.secret);
    announces || !record.observes && known.lacks_nulls
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
fn version(secret: &SecretState) -> Option<Fingerprint> {
    if let SecretState::At(version) = secret { Some(of_version(version)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reason::Failure;
    use crate::cluster::guarded::Guarded;
    use crate::reconcile::resource::fixtures::{nothing_there, object, ready, version};
    use crate::reconcile::resource::record::Said;
    use crate::reconcile::resource::resources::{Resources, Stored};
    use serde_json::{Value, json};
    use std::time::Duration;

    /// A resource that was seen for the first time, its record, and then.
    fn first_sight(fields: &Value, status: &Value) -> (Record, Resource, Instant) {
        let (resources, now) = (Resources::default(), Instant::now());
        let key = resources.see(&Guarded(Ok(object(fields, status))), false);
        let mut known = resources.wake(&key).unwrap();
        let Stored::Readable(record) = &known.stored else { panic!() };
        let record = Record::clone(record);
        why::begin(&record, &nothing_there(), &mut known.state, now);
        (record, known, now)
    }

    #[test]
    fn an_edit_goes_at_once_and_what_is_applied_at_its_resync() {
        let (record, known, now) = first_sight(&json!({"name": "A"}), &ready(1, "True", "Applied"));
        let edit = next(&record, &nothing_there(), &known, false, now).unwrap();
        assert_eq!((edit.priority, edit.at, edit.calls), (Priority::Change, now, false));
        let (record, known, now) = first_sight(&json!({"name": "A"}), &ready(2, "True", "Applied"));
        let resync = next(&record, &nothing_there(), &known, false, now).unwrap();
        assert_eq!(resync.priority, Priority::Resync);
        assert!(resync.at > now && resync.at <= now + Duration::from_hours(1));
    }

    #[test]
    fn what_a_pass_left_as_it_was_waits_for_the_time_that_the_pass_has_named() {
        let (record, mut known, now) = first_sight(&json!({"name": "A"}), &ready(1, "True", "Applied"));
        known.state.due = Some(now);
        known.state.unfinished_mut().not_before = Some(now + Duration::from_secs(25));
        let next = |after_pass| next(&record, &nothing_there(), &known, after_pass, now).unwrap().at;
        assert_eq!(next(true), now + Duration::from_secs(25));
        assert_eq!(next(false), now, "something has happened");
    }

    #[test]
    fn an_event_does_not_shorten_the_wait_of_what_fails_unless_the_user_may_be_there_now() {
        let minute = Duration::from_mins(1);
        for (status, reason, failures, goes) in [
            ("True", "Applied", 0, true),
            ("True", "Applied", 2, false),
            ("False", "Auth0Unavailable", 2, false),
            ("False", "AlreadyExists", 0, true),
            ("False", "UserNotFound", 2, true),
        ] {
            let (record, mut known, now) = first_sight(&json!({"name": "A"}), &ready(2, status, reason));
            (known.is_found, known.state.failures, known.state.due) = (true, failures, Some(now + minute));
            let next = next(&record, &nothing_there(), &known, false, now).unwrap();
            assert_eq!(next.at == now, goes, "{reason}");
        }
    }

    #[test]
    fn what_is_deleted_goes_no_more_and_what_is_paused_once_to_say_so() {
        let (mut record, known, now) = first_sight(&json!({"name": "A"}), &ready(2, "True", "Applied"));
        record.is_paused = true;
        let pause = next(&record, &nothing_there(), &known, false, now).unwrap();
        assert!(!pause.calls && pause.at == now);
        record.synced = record.synced.map(|synced| Said { reason: Reason::Paused, ..synced });
        assert_eq!(next(&record, &nothing_there(), &known, false, now), None);
        (record.is_paused, record.is_deleted) = (false, true);
        assert_eq!(next(&record, &nothing_there(), &known, false, now), None);
    }

    #[test]
    fn a_new_password_and_nulls_are_told_before_the_turn_is_waited_for() {
        let fields = json!({"passwordSecretRef": {"name": "s", "key": "k"}});
        let (record, mut known, now) = first_sight(&fields, &ready(2, "True", "Applied"));
        let references = References { secret: SecretState::At(version("2")), ..nothing_there() };
        let told = next(&record, &references, &known, false, now).unwrap();
        assert_eq!((told.calls, told.priority, told.at), (false, Priority::Change, now));
        // The announcement is made, or the content proved to be told by nothing but a look.
        known.state.unfinished_mut().compared_secret = Some(of_version(&version("2")));
        assert_eq!(next(&record, &references, &known, false, now).unwrap().priority, Priority::Change);
        known.lacks_nulls = true;
        assert!(!next(&record, &references, &known, false, now).unwrap().calls);
        (known.lacks_nulls, known.names_nulls) = (false, false);
        known.state.judged_secret = Some(of_version(&version("2")));
        assert_eq!(next(&record, &references, &known, false, now).unwrap().at, now);
    }

    #[test]
    fn a_secret_that_is_gone_is_told_once_and_one_that_no_watch_tells_of_is_asked_for() {
        let fields = json!({"passwordSecretRef": {"name": "s", "key": "k"}});
        let (mut record, known, now) = first_sight(&fields, &ready(2, "True", "Applied"));
        let gone = SecretState::Unavailable(Failure::new(Reason::SecretNotFound, "none"));
        let references = References { secret: gone, ..nothing_there() };
        assert_eq!(next(&record, &references, &known, false, now).unwrap().at, now);
        record.synced = record.synced.map(|synced| Said { reason: Reason::SecretNotFound, ..synced });
        assert!(next(&record, &references, &known, false, now).unwrap().at > now);
        for (secret, is_asked) in [(SecretState::Pending, false), (SecretState::Unwatched, true)] {
            let references = References { secret, ..nothing_there() };
            let next = |after_pass| next(&record, &references, &known, after_pass, now).unwrap().at;
            assert_eq!((next(false) == now, next(true) == now), (is_asked, false));
        }
    }
}
