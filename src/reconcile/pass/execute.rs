//! execute: sends the plan, one PATCH after the other, and plans the rest again from every answer.
//!
//! Orders that must not be carried out twice are written down before they are sent, and their end right
//! after; what cannot be written down is not sent.

use crate::access::{Access, narrow};
use crate::api::reason::{Failure, Reason};
use crate::api::{Trigger, TriggerState};
use crate::auth0::{Effect, Error};
use crate::plan::intents::{Entries, Unsent};
use crate::plan::{Desired, Memory, Password, Plan, Progress, Situation, Step, TriggerKey, plan};
use crate::reconcile::status::conclude::searching;
use crate::reconcile::status::outcome::{Extent, Outcome, PASSWORD, Refusal, note};
use crate::user::{Attribute, Body, User};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// A request that had to wait for longer finds out first whether it is still wanted.
pub const NOTICEABLE: Duration = Duration::from_millis(50);

/// Most PATCH requests of one pass. What is left goes with the next one.
const MOST_REQUESTS: u32 = 12;

/// Auth0 as a pass sees it: one user, at the pace of the tenant's host.
pub trait Auth0 {
    /// Waits for the turn of the next request.
    fn turn(&self) -> impl Future<Output = Result<(), Error>> + Send;
    /// Reads the user, in a turn that was waited for.
    fn user(&self) -> impl Future<Output = Result<User, Error>> + Send;
    /// Changes the user. `is_urgent`: without a turn.
    fn patch(&self, body: &Body, is_urgent: bool) -> impl Future<Output = Result<User, Error>> + Send;
}

/// The status of the resource as a pass sees it.
pub trait Status {
    /// Writes what a pass changes in the memory of orders, and sees that it was kept: `Conflict` where the object is
    /// not the one that the pass began with, `CRDOutdated` where the API server drops the memory.
    fn write(&mut self, entries: &Entries) -> impl Future<Output = Result<(), Unwritten>> + Send;
    /// Writes the memory of orders after a request, onto a changed object too, which is then `Conflict`.
    fn insist(&mut self, entries: &Entries) -> impl Future<Output = Result<(), Unwritten>> + Send;
    /// Whether the resource still asks for anything, as far as the watch has told.
    fn is_wanted(&self) -> bool;
    /// Reads the object again: `Conflict` where it does not ask for the same as before, or where its status is another.
    fn confirm(&mut self) -> impl Future<Output = Result<(), Unwritten>> + Send;
}

/// Why a status was not written.
#[derive(Debug)]
pub enum Unwritten {
    /// The object was changed by another writer.
    Conflict,
    /// The object is gone, or another one has its name.
    Gone,
    /// The API server did not take it.
    Failed(Failure),
}

/// What is fixed for a pass.
pub struct Pass<'a> {
    /// The spec after the rules for blanks.
    pub desired: &'a Desired,
    /// The declared password.
    pub password: &'a Password,
    /// The operator's key.
    pub key: &'a TriggerKey,
    /// Host of the tenant, with its port.
    pub host: &'a str,
    /// The user id of the spec.
    pub user_id: &'a str,
}

impl Pass<'_> {
    /// Whether nothing is to be done, and nothing to be told.
    #[must_use]
    pub fn is_done(&self, user: &User, memory: &Memory, progress: &Progress) -> bool {
        self.plan(user, memory, progress).is_ok_and(|plan| plan.is_empty())
    }

    #[tracing::instrument(name = "plan", skip_all)]
    fn plan(&self, user: &User, memory: &Memory, progress: &Progress) -> Result<Plan, Failure> {
        plan(&self.situation(user, memory, progress))
    }

    fn situation<'a>(&'a self, user: &'a User, memory: &'a Memory, progress: &'a Progress) -> Situation<'a> {
        Situation {
            desired: self.desired,
            user,
            password: self.password,
            memory,
            progress,
            key: self.key,
            host: self.host,
            user_id: self.user_id,
        }
    }
}

/// How a pass ended before everything that could be sent was sent.
#[derive(Debug)]
pub enum End {
    /// A call failed, or the plan did.
    Failed(Error),
    /// The object changed before anything was sent: the pass has to begin again.
    Anew,
    /// The object changed after something was sent: the next pass judges the rest.
    Interrupted,
    /// As many requests were sent as one pass may send; the last rejection.
    Unfinished(Failure),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

impl End {
    /// The end because of what the API server said, after so many requests.
    #[must_use]
    pub fn by(unwritten: Unwritten, requests: u32) -> Self {
        match unwritten {
            Unwritten::Failed(failure) => failure.into(),
            Unwritten::Conflict | Unwritten::Gone if requests == 0 => Self::Anew,
            Unwritten::Conflict | Unwritten::Gone => Self::Interrupted,
        }
    }

    /// Takes it over into what the pass came to.
    pub fn tell(self, outcome: &mut Outcome) {
        match self {
            Self::Failed(error) => {
                (outcome.failure, outcome.retry_after) = (Some(error.failure), error.retry_after);
            }
            Self::Unfinished(failure) => {
                outcome.extent = Extent::Unfinished;
                let has_found = outcome.refusals.iter().any(Refusal::is_auth0s);
                outcome.failure = (!has_found).then(|| searching(&failure));
            }
            Self::Anew => outcome.extent = Extent::Anew,
            Self::Interrupted => outcome.extent = Extent::Interrupted,
        }
    }
}

/// A pass under way: what it came to so far, and what is known now.
struct Execution<'a> {
    outcome: &'a mut Outcome,
    /// The user as Auth0 last answered.
    user: User,
    /// What was sent, rejected, and is in doubt.
    progress: Progress,
    memory: Memory,
}

/// What a namespace may change of this user, and see. The rest is refused as Auth0 would. `names` are those of the
/// tenant and the namespace.
#[must_use]
pub fn granted(
    desired: Desired,
    access: &Access,
    user: &User,
    names: (&str, &str),
    outcome: &mut Outcome,
) -> Desired {
    let (desired, refused) = narrow(desired, access, user, names);
    outcome.refusals.extend(refused.into_iter().map(|(fields, failure)| Refusal { fields, failure }));
    outcome.most_shown = Some(access.outputs(Some(user.primary_connection())));
    desired
}

/// Runs a pass from the observed user to its end. `outcome`: what it came to before the user was observed, and what is
/// in doubt since the last pass.
pub async fn execute(
    pass: &Pass<'_>,
    auth0: &impl Auth0,
    status: &mut impl Status,
    user: User,
    memory: Memory,
    outcome: &mut Outcome,
) {
    let mut execution = Execution::begin(user, memory, outcome);
    let end = execution.run(pass, auth0, status).await;
    execution.end(end);
}

/// Sends an edit that can do without the user as it is now: one request for the profile, metadata keys or a block, by
/// what Auth0's last answer held. Answers with the user as Auth0 answered; `None` where it has to be read, be it
/// because Auth0 rejected the request, or answered with another user than the known one.
///
/// # Errors
/// The end of the pass.
pub async fn edit_unread(
    pass: &Pass<'_>,
    auth0: &impl Auth0,
    status: &mut impl Status,
    user: &User,
    memory: &Memory,
    outcome: &mut Outcome,
) -> Result<Option<User>, End> {
    let planned = pass.plan(user, memory, &Progress::default());
    let Some(step) = planned.ok().and_then(Plan::only_step).filter(Step::is_plain) else { return Ok(None) };
    wait(auth0, status, outcome.requests).await?;
    if !status.is_wanted() {
        return Err(End::by(Unwritten::Gone, outcome.requests));
    }
    outcome.requests += 1;
    match auth0.patch(&step.body, false).await {
        Ok(answer) => {
            outcome.note_accepted(&step);
            let is_known = answer.text("user_id") == Some(pass.user_id)
                && answer.text("created_at") == user.text("created_at");
            Ok(is_known.then_some(answer))
        }
        Err(Error { failure, blame, effect: Effect::Refused, .. }) => {
            let mut progress = Progress::default();
            let fields = progress.reject(&step, &blame);
            outcome.doubt = progress.doubt;
            outcome.refusals.extend((!fields.is_empty()).then_some(Refusal { fields, failure }));
            Ok(None)
        }
        Err(error) => {
            outcome.gave_up = (error.effect == Effect::Unknown).then(Instant::now);
            Err(End::Failed(error))
        }
    }
}

/// Plans a pass and sends nothing. Tells which fields it would send.
pub fn preview(pass: &Pass<'_>, user: User, memory: Memory, outcome: &mut Outcome) {
    let mut execution = Execution::begin(user, memory, outcome);
    let planned = execution.plan(pass);
    execution.outcome.entries = Entries::default();
    let end = planned.map(|steps| {
        let mut fields = Vec::new();
        for step in &steps {
            if step.body.has_password() {
                note(&mut fields, PASSWORD.to_owned());
            }
            for change in &step.changes {
                note(&mut fields, change.field());
            }
        }
        execution.outcome.plan = Some(fields);
    });
    execution.end(end);
}

impl<'a> Execution<'a> {
    fn begin(user: User, memory: Memory, outcome: &'a mut Outcome) -> Self {
        let sent = outcome.sent.iter().chain(&outcome.cleared).cloned().collect();
        let refused = outcome.refusals.iter().filter(|refusal| refusal.is_auth0s());
        let refused = refused.flat_map(|refusal| refusal.fields.iter().cloned()).collect();
        let doubt = outcome.doubt.clone();
        Self { outcome, user, progress: Progress { sent, refused, doubt, ..Progress::default() }, memory }
    }

    /// Tells what the pass came to.
    fn end(self, end: Result<(), End>) {
        let Self { outcome, user, progress, .. } = self;
        let holds_password = outcome.holds.iter().any(|hold| hold.attribute == Attribute::Password);
        let is_settled = end.is_ok() && !outcome.left_out.contains(PASSWORD) && !holds_password;
        outcome.password_pending &= !is_settled;
        (outcome.user, outcome.doubt) = (Some(user), progress.doubt);
        if let Err(end) = end {
            end.tell(outcome);
        }
    }

    async fn run(
        &mut self,
        pass: &Pass<'_>,
        auth0: &impl Auth0,
        status: &mut impl Status,
    ) -> Result<(), End> {
        let mut rejection = None;
        let mut was_read_again = false;
        while let Some(mut step) = self.plan(pass)?.into_iter().next() {
            if self.outcome.requests >= MOST_REQUESTS {
                return Err(rejection.map_or(End::Interrupted, End::Unfinished));
            }
            step.is_urgent |= std::mem::take(&mut was_read_again);
            if !step.is_urgent
                && wait(auth0, status, self.outcome.requests).await?
                && step.body.has_password()
            {
                // An administrator may have blocked the user meanwhile, which a password lifts, or unblocked.
                self.user = auth0.user().await.map_err(End::Failed)?;
                self.progress.sent.clear();
                was_read_again = true;
                continue;
            }
            if !status.is_wanted() {
                return Err(End::by(Unwritten::Gone, self.outcome.requests));
            }
            match self.perform(&step, auth0, status).await {
                Ok(rejected) => rejection = rejected.or(rejection),
                Err(end) => {
                    if self.leaves_unblocked(&step, &end) {
                        self.block(auth0).await;
                    }
                    return Err(end);
                }
            }
        }
        Ok(())
    }

    /// Plans from what is known now, and takes over what the plan says of memory and holds.
    fn plan(&mut self, pass: &Pass<'_>) -> Result<Vec<Step>, End> {
        let Plan { steps, records, forgotten, holds, left_out, contested, not_persisted } =
            pass.plan(&self.user, &self.memory, &self.progress)?;
        for record in records {
            self.remember(record);
        }
        for name in forgotten {
            self.outcome.entries.forget(&name);
            self.memory.triggers.retain(|entry| entry.name != name);
        }
        self.outcome.holds = holds;
        (self.outcome.left_out, self.outcome.contested) = (left_out, contested);
        if steps.is_empty() {
            self.outcome.not_persisted = Some(not_persisted);
        }
        Ok(steps)
    }

    /// Sends a request. Answers with what Auth0 said where it rejected it.
    async fn perform(
        &mut self,
        step: &Step,
        auth0: &impl Auth0,
        status: &mut impl Status,
    ) -> Result<Option<Failure>, End> {
        let before = self.announce(step, status).await?;
        self.outcome.requests += 1;
        let answer = auth0.patch(&step.body, step.is_urgent).await;
        self.note_unknown(&answer);
        let accepted_earlier = step.again && answer.as_ref().is_err_and(Error::is_password_history);
        let state = match &answer {
            Ok(_) => Some(TriggerState::Sent),
            Err(_) if accepted_earlier => Some(TriggerState::Sent),
            Err(error) if error.effect == Effect::Refused => Some(TriggerState::Refused),
            Err(error) if error.effect == Effect::None => None,
            Err(error) => return Err(End::Failed(error.clone())),
        };
        for entry in &step.triggers {
            match state {
                Some(state) => self.remember(Trigger { state, ..entry.clone() }),
                None => self.restore(&entry.name, &before),
            }
        }
        let written = self.settle(step, status).await;
        let rejection = match answer {
            Ok(user) => {
                self.accept(step, user);
                None
            }
            Err(_) if accepted_earlier => {
                self.progress.sent.extend(step.fields.keys().cloned());
                None
            }
            Err(error) if error.effect == Effect::Refused => Some(self.reject(step, error)),
            Err(error) => return Err(End::Failed(error)),
        };
        written.map(|()| rejection)
    }

    /// Whether a user who is to be blocked may not be at the end of a pass that ended at this request: a password has
    /// lifted the block, or the block shared a failed request with others. Not where the answer is about every request.
    fn leaves_unblocked(&self, step: &Step, end: &End) -> bool {
        if self.progress.owes_block {
            return !self.user.is_blocked();
        }
        let End::Failed(error) = end else { return false };
        let would_fail = matches!(
            error.failure.reason,
            Reason::RateLimited | Reason::UserNotFound | Reason::AuthenticationFailed
        );
        let is_as_before = step.body.has_password() && error.effect == Effect::None;
        let was_sent = step.fields.keys().all(|field| self.progress.sent.contains(field));
        step.blocks_beside_others() && !would_fail && !is_as_before && !was_sent
    }

    /// Sends a block alone, after the request that ended the pass. The next pass judges the rest.
    async fn block(&mut self, auth0: &impl Auth0) {
        let block = Step::block();
        self.outcome.requests += 1;
        let answer = auth0.patch(&block.body, true).await;
        self.note_unknown(&answer);
        if let Ok(user) = answer {
            self.accept(&block, user);
        }
    }

    /// A request without an answer may still be carried out.
    fn note_unknown(&mut self, answer: &Result<User, Error>) {
        if answer.as_ref().is_err_and(|error| error.effect == Effect::Unknown) {
            self.outcome.gave_up = Some(Instant::now());
        }
    }

    fn remember(&mut self, entry: Trigger) {
        self.outcome.entries.set(entry.clone());
        self.memory.remember(entry);
    }

    fn restore(&mut self, name: &str, before: &[Trigger]) {
        let earlier = named(before, name);
        self.memory.triggers.retain(|entry| entry.name != name);
        self.memory.triggers.extend(earlier.clone());
        self.outcome.entries.restore(name, earlier);
    }

    /// Writes the orders of a step down before it is sent. Answers with the memory that they change.
    async fn announce(&mut self, step: &Step, status: &mut impl Status) -> Result<Vec<Trigger>, End> {
        let before = self.memory.triggers.clone();
        if step.triggers.is_empty() {
            return Ok(before);
        }
        let untouched = self.outcome.entries.clone();
        for entry in &step.triggers {
            self.remember(entry.clone());
        }
        let Err(unwritten) = status.write(&self.outcome.entries).await else { return Ok(before) };
        // Perhaps not written, so not ours to take back: another process may have begun the same order.
        self.outcome.entries = untouched;
        if matches!(unwritten, Unwritten::Failed(_)) {
            let unsent = step.triggers.iter();
            self.outcome.unsent = unsent
                .map(|entry| Unsent { order: entry.clone(), earlier: named(&before, &entry.name) })
                .collect();
        }
        self.memory.triggers = before;
        Err(End::by(unwritten, self.outcome.requests))
    }

    /// Writes the end of the step's orders down, onto a changed object too.
    async fn settle(&mut self, step: &Step, status: &mut impl Status) -> Result<(), End> {
        if step.triggers.is_empty() {
            return Ok(());
        }
        status
            .insist(&self.outcome.entries)
            .await
            .map_err(|unwritten| End::by(unwritten, self.outcome.requests))
    }

    fn accept(&mut self, step: &Step, user: User) {
        self.progress.accept(step);
        self.outcome.note_accepted(step);
        self.user = user;
    }

    /// Finds the fields at fault, or puts those of the request in doubt. Answers with what Auth0 said.
    fn reject(&mut self, step: &Step, error: Error) -> Failure {
        let Error { failure, blame, .. } = error;
        let fields = self.progress.reject(step, &blame);
        if !fields.is_empty() {
            self.outcome.refusals.push(Refusal { fields, failure: failure.clone() });
        }
        failure
    }
}

/// Waits for the turn of a request, after so many. Answers whether that took time; then the resource still asks for it.
async fn wait(auth0: &impl Auth0, status: &mut impl Status, requests: u32) -> Result<bool, End> {
    let begun = Instant::now();
    auth0.turn().await.map_err(End::Failed)?;
    if begun.elapsed() < NOTICEABLE {
        return Ok(false);
    }
    status.confirm().await.map_err(|unwritten| End::by(unwritten, requests))?;
    Ok(true)
}

fn named(memory: &[Trigger], name: &str) -> Option<Trigger> {
    memory.iter().find(|entry| entry.name == name).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reason::Reason;
    use std::collections::BTreeSet;

    fn failure(reason: Reason) -> Failure {
        Failure::new(reason, "because")
    }

    #[test]
    fn a_pass_begins_again_only_where_nothing_was_sent() {
        for (unwritten, requests, extent) in [
            (Unwritten::Conflict, 0, Extent::Anew),
            (Unwritten::Gone, 0, Extent::Anew),
            (Unwritten::Conflict, 1, Extent::Interrupted),
            (Unwritten::Gone, 1, Extent::Interrupted),
            (Unwritten::Failed(failure(Reason::CrdOutdated)), 1, Extent::Whole),
        ] {
            let is_failure = matches!(unwritten, Unwritten::Failed(_));
            let mut outcome = Outcome::default();
            End::by(unwritten, requests).tell(&mut outcome);
            assert_eq!((outcome.extent, outcome.failure.is_some()), (extent, is_failure));
        }
    }

    #[test]
    fn a_failed_call_tells_how_long_auth0_asks_to_wait() {
        let (mut outcome, mut error) = (Outcome::default(), Error::from(failure(Reason::RateLimited)));
        error.retry_after = Some(Duration::from_secs(7));
        End::Failed(error).tell(&mut outcome);
        assert_eq!(outcome.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(outcome.failure, Some(failure(Reason::RateLimited)));
    }

    #[test]
    fn a_search_that_goes_on_is_told_until_it_has_found_a_field() {
        let refusal = Refusal { fields: BTreeSet::new(), failure: failure(Reason::InvalidRequest) };
        for (refusals, is_told) in [(Vec::new(), true), (vec![refusal], false)] {
            let mut outcome = Outcome { refusals, ..Outcome::default() };
            End::Unfinished(failure(Reason::InvalidRequest)).tell(&mut outcome);
            assert_eq!((outcome.extent, outcome.failure.is_some()), (Extent::Unfinished, is_told));
        }
    }
}
