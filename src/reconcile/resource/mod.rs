//! What this process remembers of each resource between passes.

pub mod comparison;
pub mod contested;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod kubectl_migration;
pub mod next;
pub mod record;
pub mod references;
pub mod remembered;
pub mod resources;
pub mod why;

use crate::api::reason::{Failure, Reason, Retry};
use crate::api::{AssumeSent, Auth0UserUpdate, Auth0UserUpdateStatus, RefusedField, Trigger, conditions};
use crate::plan::intents::{Entries, Unsent, is_begun};
use crate::reconcile::object::fingerprint::{Fingerprint, of_version};
use crate::reconcile::object::{schedule, undecodable};
use crate::reconcile::resource::contested::Repairs;
use crate::reconcile::resource::references::{References, SecretState};
use crate::reconcile::resource::remembered::Answered;
use crate::reconcile::status::dropped::Nulls;
use crate::reconcile::status::outcome::Outcome;
use crate::reconcile::status::pruned::Pruned;
use crate::user::User;
use k8s_openapi::jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Longer than a change that was begun elsewhere can take from the moment its beginning is seen: 10 s for
/// the answer to that write, 14 s for the change.
const IN_FLIGHT: Duration = Duration::from_secs(25);

/// How long Auth0 may still carry out a request that was given up. What takes longest there is the script of a custom
/// database, which Auth0 ends after 20 s; the request was under way for ten of them already.
const LATE: Duration = Duration::from_secs(30);

/// The requests of one `kubectl apply` follow each other within milliseconds. After so long none will come.
const KUBECTL: Duration = Duration::from_secs(10);

/// What is remembered of one resource while the process lives.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When to look at Auth0 by itself; `None` before the first sight, and where resyncs are off.
    pub due: Option<Instant>,
    /// Whether `due` was ever decided.
    pub scheduled: bool,
    /// Passes in a row that ended early.
    pub failures: u32,
    /// The tenant as it was last used; its first sight is the baseline.
    pub tenant: Option<Fingerprint>,
    /// What stood in the way when it was last judged; its first sight is the baseline.
    pub contest: Option<u64>,
    /// The assume-sent annotation as it was last acted on.
    pub assume_sent: Option<AssumeSent>,
    /// The Secret content that the last look took into account, whatever came of it.
    pub judged_secret: Option<Fingerprint>,
    /// Whether the password Secret was not to be had at the last visit.
    pub secret_unavailable: bool,
    /// The identity that the last look acted on, where a password may have to be compared.
    pub identity: Option<Box<str>>,
    /// What is known of nulls; one for all passes of the resource, be they ended by a panic.
    pub nulls: Option<Arc<Mutex<Nulls>>>,
    unfinished: Option<Box<Unfinished>>,
}

/// A user as a search found it, if it did.
#[derive(Clone, Debug, PartialEq)]
pub struct Found(pub Option<Box<User>>);

/// What most resources have nothing of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unfinished {
    /// When a request whose effect is unknown can no longer arrive: until a look began after it, one is due then.
    pub late_until: Option<Instant>,
    /// A pass asked to come back no sooner than then, unless something happens.
    pub not_before: Option<Instant>,
    /// What was told of an object that cannot be read.
    pub undecodable: undecodable::Told,
    /// Status writes in a row that the API server did not take.
    pub unpublished: u32,
    /// Whether the resource was told that its status cannot be written.
    pub told_unwritable: bool,
    /// The Secret content that was last compared with what was sent, without an answer.
    pub compared_secret: Option<Fingerprint>,
    /// Digests of intents that this process began and whose end it does not know.
    pub begun: BTreeSet<String>,
    /// What a pass learned of intents and could not write down.
    pub unwritten: Entries,
    /// Intents that status may show as begun, and that were not sent.
    pub unsent: Vec<Unsent>,
    /// A generation that kubectl seems to be changing still, and when it was first seen.
    pub unsettled: Option<(i64, Instant)>,
    /// An intent that another process began, and when it was first seen.
    pub foreign: Option<(String, Instant)>,
    /// When to try rejected fields again.
    pub refusals: BTreeMap<String, Instant>,
    /// Fields of a rejected request that the last pass had not narrowed to the one at fault.
    pub doubt: BTreeSet<String>,
    /// What status was to say and the API server did not keep.
    pub pruned: Option<Pruned>,
    /// A search did not show that the user agrees: it has to be read.
    pub confirms: bool,
    /// How often drift of this generation was corrected.
    pub repairs: Repairs,
    /// What is known of Auth0's last answer, where status shows nothing of it.
    pub answered: Option<Answered>,
}

static NOTHING_UNFINISHED: LazyLock<Unfinished> = LazyLock::new(Unfinished::default);

impl State {
    /// What is unfinished.
    #[must_use]
    pub fn unfinished(&self) -> &Unfinished {
        self.unfinished.as_deref().unwrap_or(&NOTHING_UNFINISHED)
    }

    /// Whether anything is, of which the next pass has to know.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        let Unfinished { late_until, begun, unwritten, unsent, foreign, refusals, doubt, pruned, .. } =
            self.unfinished();
        late_until.is_some()
            || !begun.is_empty()
            || !unwritten.is_empty()
            || !unsent.is_empty()
            || foreign.is_some()
            || !refusals.is_empty()
            || !doubt.is_empty()
            || pruned.is_some()
    }

    /// What is unfinished, to be changed.
    pub fn unfinished_mut(&mut self) -> &mut Unfinished {
        self.unfinished.get_or_insert_default()
    }

    /// Lets go of what says nothing, before it is kept.
    #[must_use]
    pub fn slim(mut self) -> Self {
        self.unfinished.take_if(|unfinished| **unfinished == *NOTHING_UNFINISHED);
        self.nulls.take_if(|nulls| nulls.lock().unwrap_or_else(PoisonError::into_inner).is_empty());
        self
    }

    /// Counts a status write that the API server did not take. Answers how many there were in a row.
    pub fn count_unpublished(&mut self) -> u32 {
        let unpublished = &mut self.unfinished_mut().unpublished;
        *unpublished = unpublished.saturating_add(1);
        *unpublished
    }

    /// Decides when to look again after a look that began then and found this status, and counts failures in the
    /// outcome.
    pub fn look_again(
        &mut self,
        outcome: &mut Outcome,
        before: &Auth0UserUpdateStatus,
        began: Instant,
        asked: Option<Duration>,
        resync: Option<Duration>,
    ) {
        self.unfinished_mut().late_until.take_if(|end| *end <= began);
        if let Some(gave_up) = outcome.gave_up {
            self.expect_late(gave_up);
        }
        let mut held = outcome.holds.iter().map(|hold| hold.failure.reason);
        let held = held.find(|reason| reason.retry() == Retry::Backoff);
        let failed = outcome.failure.as_ref().map(|failure| failure.reason);
        let unwritten = outcome.unwritten.as_ref().map(|failure| failure.reason);
        let reason = failed.or(held).unwrap_or(Reason::Applied);
        // What has to go out of an object waits for no change of what failed.
        let reason = unwritten.filter(|_| reason.retry() != Retry::Backoff).unwrap_or(reason);
        self.failures = if reason.retry() == Retry::Backoff { self.failures.saturating_add(1) } else { 0 };
        outcome.failures = self.failures;
        let wait = schedule::next_look(reason, self.failures, not_ready_for(before), asked, resync);
        let next = wait.map(|wait| Instant::now() + wait);
        self.due = next.into_iter().chain(self.unfinished().late_until).min();
    }

    /// Something has changed that makes earlier refusals, failures and repairs void.
    pub fn forget_refusals(&mut self) {
        self.failures = 0;
        self.unfinished_mut().repairs = Repairs::default();
        self.unfinished_mut().refusals.clear();
        self.unfinished_mut().doubt.clear();
    }

    /// A request was given up then that Auth0 may still carry out, even after another one.
    pub fn expect_late(&mut self, gave_up: Instant) {
        self.unfinished_mut().late_until = Some(gave_up + LATE);
    }

    /// Remembers what this look was about, so that only a change of it wakes the resource. `contest` is the
    /// fingerprint of those that it was judged by.
    pub fn take_note(&mut self, object: &Auth0UserUpdate, references: &References, contest: u64) {
        self.tenant = Some(references.tenant_fingerprint());
        self.contest = Some(contest);
        self.assume_sent = object.assume_sent();
        self.secret_unavailable = matches!(references.secret, SecretState::Unavailable(_));
        if let SecretState::At(version) = &references.secret {
            self.judged_secret = Some(of_version(version));
        }
    }

    /// How long to wait because another process, perhaps one that was killed, has begun an intent that
    /// may still be on its way to Auth0.
    pub fn wait_for_others(&mut self, triggers: &[Trigger], now: Instant) -> Option<Duration> {
        let Some(intent) =
            triggers.iter().find(|entry| is_begun(entry) && !self.unfinished().begun.contains(&entry.digest))
        else {
            self.unfinished_mut().foreign = None;
            return None;
        };
        let known = self.unfinished_mut().foreign.take().filter(|(digest, _)| *digest == intent.digest);
        let (digest, seen) = known.unwrap_or_else(|| (intent.digest.clone(), now));
        self.unfinished_mut().foreign = Some((digest, seen));
        (seen + IN_FLIGHT).checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    /// How long to wait because kubectl may not be done with this object. Once it is late, what is left of its
    /// old maps is taken out: nobody asks for it.
    pub fn wait_for_kubectl(&mut self, object: &mut Auth0UserUpdate, now: Instant) -> Option<Duration> {
        if !kubectl_migration::forget(object) {
            self.unfinished_mut().unsettled = None;
            return None;
        }
        let generation = object.metadata.generation.unwrap_or_default();
        let known = self.unfinished_mut().unsettled.filter(|(seen, _)| *seen == generation);
        let (_, seen) = *self.unfinished_mut().unsettled.insert(known.unwrap_or((generation, now)));
        (seen + KUBECTL).checked_duration_since(now).filter(|rest| !rest.is_zero())
    }

    /// Keeps what a pass learned where its status could not be written.
    pub fn keep_unwritten(&mut self, published: &Result<(), Failure>, entries: &Entries) {
        self.unfinished_mut().unwritten =
            if published.is_err() { entries.clone() } else { Entries::default() };
    }

    /// What is known of intents that status still shows as begun; `None` where that is nothing.
    #[must_use]
    pub fn unwritten_onto(&self, triggers: &[Trigger]) -> Option<Entries> {
        let known = self.unfinished().unwritten.ended_of(triggers);
        (!known.is_empty()).then_some(known)
    }

    /// Remembers which unfinished intents are this process's own, after a pass that touched any.
    pub fn own(&mut self, entries: &Entries) {
        if !entries.is_empty() {
            self.unfinished_mut().begun = entries.begun().map(str::to_owned).collect();
        }
    }

    /// Decides when to try each rejected field again. Those that were just rejected wait as long as they
    /// have been; how long those waited that this process does not know cannot be told.
    pub fn try_again(&mut self, status: &Auth0UserUpdateStatus, outcome: &Outcome, resync: Option<Duration>) {
        let known = std::mem::take(&mut self.unfinished_mut().refusals);
        let Some(resync) = resync else { return };
        let now = Instant::now();
        let due = |refused: &RefusedField| {
            let field = &refused.field;
            let delay = schedule::refusal_delay(refused.since.parse().map_or(Duration::ZERO, since), resync);
            let refused_now = outcome.refusals.iter().any(|refusal| refusal.fields.contains(field));
            let due = match known.get(field) {
                _ if refused_now => now + delay,
                Some(due) => *due,
                None => now + schedule::somewhere_in(delay),
            };
            (field.clone(), due)
        };
        // What the tenant does not grant waits for the tenant.
        let of_auth0 = status.refused_fields.iter().filter(|refused| refused.is_of_auth0());
        self.unfinished_mut().refusals = of_auth0.map(due).collect();
    }
}

/// How long the resource has not been Ready.
fn not_ready_for(status: &Auth0UserUpdateStatus) -> Duration {
    conditions::find(&status.conditions, conditions::READY)
        .filter(|ready| ready.status == "False")
        .map_or(Duration::ZERO, |ready| since(ready.last_transition_time.0))
}

fn since(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, pause};

    #[test]
    fn a_resource_that_has_nothing_unfinished_keeps_no_room_for_it() {
        let mut state = State::default();
        state.unfinished_mut();
        assert!(state.clone().slim().unfinished.is_none());
        state.unfinished_mut().unpublished = 1;
        assert_eq!(state.slim().unfinished().unpublished, 1);
    }

    /// The state of a resource without resyncs.
    #[derive(Default)]
    struct Life(State);

    impl Life {
        /// Looks now, for so many seconds.
        async fn look(&mut self, seconds: u64, failure: Option<Reason>, effect_unknown: bool) {
            let failure = failure.map(|reason| Failure::new(reason, "because"));
            let began = Instant::now();
            advance(Duration::from_secs(seconds)).await;
            let gave_up = effect_unknown.then(Instant::now);
            let mut outcome = Outcome { failure, gave_up, ..Outcome::default() };
            self.0.look_again(&mut outcome, &Auth0UserUpdateStatus::default(), began, None, None);
        }

        /// In how many seconds it looks again by itself.
        fn rest(&self) -> Option<u64> {
            self.0.due.map(|due| due.saturating_duration_since(Instant::now()).as_secs())
        }
    }

    #[tokio::test]
    async fn outputs_that_could_not_be_written_are_retried_whatever_else_failed() {
        pause();
        let reasons = [None, Some(Reason::TenantNotAllowed), Some(Reason::ManagementConflict)];
        for (failures, reason) in (1..).zip(reasons.into_iter().chain([Some(Reason::UserNotFound)])) {
            let mut life = Life::default();
            life.0.failures = failures - 1;
            let failure = |reason| Failure::new(reason, "because");
            let unwritten = Some(failure(Reason::InternalError));
            let mut outcome = Outcome { failure: reason.map(failure), unwritten, ..Outcome::default() };
            let before = Auth0UserUpdateStatus::default();
            life.0.look_again(&mut outcome, &before, Instant::now(), None, None);
            assert_eq!(outcome.failures, failures, "{reason:?}");
            assert!(life.rest().is_some(), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn after_an_unknown_effect_one_more_look_is_due_whatever_the_next_ones_find() {
        pause();
        let mut life = Life::default();
        life.look(10, Some(Reason::Auth0Unavailable), true).await;
        assert!(life.rest().unwrap() <= 2, "{:?}", life.rest());
        advance(Duration::from_secs(2)).await;
        life.look(0, None, false).await;
        assert_eq!(life.rest(), Some(28));
        advance(Duration::from_secs(20)).await;
        life.look(0, Some(Reason::ManagementConflict), false).await;
        assert_eq!(life.rest(), Some(8));
        // It began too early to see what arrives last.
        life.look(10, None, false).await;
        assert_eq!(life.rest(), Some(0));
        life.look(0, None, false).await;
        assert_eq!(life.rest(), None);
    }

    #[tokio::test]
    async fn a_late_request_is_waited_for_from_the_last_one_on() {
        pause();
        let mut life = Life::default();
        for _ in 0..3 {
            life.look(10, Some(Reason::Auth0Unavailable), true).await;
        }
        life.look(5, None, false).await;
        assert_eq!(life.rest(), Some(25));
        life.look(0, None, false).await;
        advance(LATE).await;
        life.look(0, None, false).await;
        assert_eq!(life.rest(), None);
    }

    #[tokio::test]
    async fn outputs_that_were_not_written_are_tried_again_ever_more_rarely() {
        pause();
        let mut life = Life::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let unwritten = Some(Failure::new(Reason::OutputConflict, "because"));
            let mut outcome = Outcome { unwritten, ..Outcome::default() };
            life.0.look_again(&mut outcome, &Auth0UserUpdateStatus::default(), Instant::now(), None, None);
            waits.push(life.rest().unwrap());
        }
        assert!(waits[0] <= 2 && waits.is_sorted() && waits[11] > 3_000, "{waits:?}");
    }

    #[tokio::test]
    async fn what_has_no_doubtful_effect_is_not_looked_at_again() {
        pause();
        let mut life = Life::default();
        for failure in [None, Some(Reason::ManagementConflict), Some(Reason::InvalidRequest)] {
            life.look(10, failure, false).await;
            assert_eq!(life.rest(), None);
        }
    }
}
