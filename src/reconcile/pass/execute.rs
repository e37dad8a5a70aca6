//! execute: sends the plan, one PATCH after the other, and plans the rest again from every answer.
//!
//! Orders that must not be carried out twice are written down before they are sent, and their end right
//! after; what cannot be written down is not sent.

use crate::api::reason::{Failure, Reason};
use crate::api::{NotPersisted, Trigger, TriggerState};
use crate::auth0::{Effect, Error};
use crate::plan::intents::{Entries, Unsent};
use crate::plan::{Desired, Hold, Memory, Password, Plan, Progress, Situation, Step, TriggerKey, plan};
use crate::reconcile::status::conclude::searching;
use crate::reconcile::status::outcome::{Extent, Outcome, Refusal};
use crate::user::{Attribute, Body, User};
use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

const PASSWORD: &str = Attribute::Password.spec_name();

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

/// How a pass ended.
#[derive(Debug)]
pub enum End {
    /// Everything that could be sent was sent.
    Complete,
    /// A call failed, or the plan did.
    Failed(Error),
    /// The object changed before anything was sent: the pass has to begin anew.
    Anew,
    /// The object changed after something was sent: the next pass judges the rest.
    Interrupted,
    /// As many requests were sent as one pass may send; the last rejection.
    Unfinished(Failure),
}

impl End {
    fn failed(failure: Failure) -> Self {
        Self::Failed(failure.into())
    }
}

/// What was done, and what is known now.
pub struct Execution {
    /// The user as Auth0 last answered.
    pub user: User,
    /// What this pass changed in the memory of orders.
    pub entries: Entries,
    /// Orders that may have been written down and were not sent.
    pub unsent: Vec<Unsent>,
    /// How it ended.
    pub end: End,
    /// Fields that were set.
    pub sent: Vec<String>,
    /// Fields that were cleared.
    pub cleared: Vec<String>,
    /// PATCH requests, accepted or not.
    pub requests: u32,
    /// What Auth0 rejected.
    pub refusals: Vec<Refusal>,
    /// Attributes held back.
    pub holds: Vec<Hold>,
    /// Fields left out because Auth0 rejected them before.
    pub left_out: BTreeSet<String>,
    /// Values that Auth0 accepted and does not hold; `None` if the pass ended before that was known.
    pub not_persisted: Option<Vec<NotPersisted>>,
    /// Auth0 may still carry out a request that was given up.
    pub is_unknown: bool,
    /// What was sent, rejected, and is in doubt.
    pub progress: Progress,
    memory: Memory,
}

/// Runs a pass from the observed user to its end. `progress`: what was sent before the user was observed, and what is
/// in doubt since the last pass.
pub async fn execute(
    pass: &Pass<'_>,
    auth0: &impl Auth0,
    status: &mut impl Status,
    user: User,
    memory: Memory,
    progress: Progress,
) -> Execution {
    let mut execution = Execution { progress, ..Execution::begin(user, memory) };
    if let Err(end) = execution.run(pass, auth0, status).await {
        execution.end = end;
    }
    execution
}

/// Plans a pass and sends nothing. Answers with the fields that it would send, too.
#[must_use]
pub fn preview(pass: &Pass<'_>, user: User, memory: Memory) -> (Execution, Vec<String>) {
    let mut execution = Execution::begin(user, memory);
    let steps = execution.plan(pass).unwrap_or_else(|end| {
        execution.end = end;
        Vec::new()
    });
    execution.entries = Entries::default();
    let mut fields = Vec::new();
    for step in &steps {
        if step.body.has_password() {
            note(&mut fields, PASSWORD.to_owned());
        }
        for change in &step.changes {
            note(&mut fields, change.field());
        }
    }
    (execution, fields)
}

impl Execution {
    fn begin(user: User, memory: Memory) -> Self {
        Self {
            user,
            entries: Entries::default(),
            unsent: Vec::new(),
            end: End::Complete,
            sent: Vec::new(),
            cleared: Vec::new(),
            requests: 0,
            refusals: Vec::new(),
            holds: Vec::new(),
            left_out: BTreeSet::new(),
            not_persisted: None,
            is_unknown: false,
            memory,
            progress: Progress::default(),
        }
    }

    /// What the pass came to, `before` taken into account: what was sent before the user was observed.
    #[must_use]
    pub fn outcome(self, before: Outcome) -> Outcome {
        let (extent, failure) = match self.end {
            End::Failed(error) => (Extent::Whole, Some(error.failure)),
            End::Unfinished(failure) => {
                (Extent::Unfinished, Some(searching(&failure)).filter(|_| self.refusals.is_empty()))
            }
            // What was sent before the pass must be told.
            End::Anew if before.requests > 0 => (Extent::Interrupted, None),
            End::Interrupted => (Extent::Interrupted, None),
            End::Complete | End::Anew => (Extent::Whole, None),
        };
        Outcome {
            failure,
            gave_up: self.is_unknown.then(Instant::now),
            extent,
            user: Some(self.user),
            holds: self.holds,
            refusals: self.refusals,
            left_out: self.left_out,
            sent: [before.sent, self.sent].concat(),
            cleared: self.cleared,
            requests: before.requests + self.requests,
            entries: self.entries,
            not_persisted: self.not_persisted,
            ..before
        }
    }

    /// Whether nothing of the password is left to do.
    #[must_use]
    pub fn password_is_settled(&self) -> bool {
        matches!(self.end, End::Complete)
            && !self.left_out.contains(PASSWORD)
            && !self.holds.iter().any(|hold| hold.attribute == Attribute::Password)
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
            if self.requests >= MOST_REQUESTS {
                return Err(rejection.map_or(End::Interrupted, End::Unfinished));
            }
            step.is_urgent |= std::mem::take(&mut was_read_again);
            if !step.is_urgent && self.wait(auth0, status).await? && step.body.has_password() {
                // An administrator may have blocked the user meanwhile, which a password lifts, or unblocked.
                self.user = auth0.user().await.map_err(End::Failed)?;
                self.progress.sent.clear();
                was_read_again = true;
                continue;
            }
            if !status.is_wanted() {
                return Err(self.ended_by(Unwritten::Gone));
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
        let situation = Situation {
            desired: pass.desired,
            user: &self.user,
            password: pass.password,
            memory: &self.memory,
            progress: &self.progress,
            key: pass.key,
            host: pass.host,
            user_id: pass.user_id,
        };
        let Plan { steps, records, forgotten, holds, left_out, not_persisted } =
            plan(&situation).map_err(End::failed)?;
        for record in records {
            self.remember(record);
        }
        for name in forgotten {
            self.entries.forget(&name);
            self.memory.triggers.retain(|entry| entry.name != name);
        }
        self.holds = holds;
        self.left_out = left_out;
        if steps.is_empty() {
            self.not_persisted = Some(not_persisted);
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
        self.requests += 1;
        let answer = auth0.patch(&step.body, step.is_urgent).await;
        self.is_unknown |= is_unknown(&answer);
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

    /// Waits for the turn of a request. Answers whether that took time; then the resource still asks for it.
    async fn wait(&self, auth0: &impl Auth0, status: &mut impl Status) -> Result<bool, End> {
        let begun = Instant::now();
        auth0.turn().await.map_err(End::Failed)?;
        if begun.elapsed() < NOTICEABLE {
            return Ok(false);
        }
        status.confirm().await.map_err(|unwritten| self.ended_by(unwritten))?;
        Ok(true)
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
        self.requests += 1;
        let answer = auth0.patch(&block.body, true).await;
        self.is_unknown |= is_unknown(&answer);
        if let Ok(user) = answer {
            self.accept(&block, user);
        }
    }

    /// How a pass ends because of what the API server said.
    fn ended_by(&self, unwritten: Unwritten) -> End {
        match unwritten {
            Unwritten::Conflict if self.requests == 0 => End::Anew,
            Unwritten::Conflict | Unwritten::Gone => End::Interrupted,
            Unwritten::Failed(failure) => End::failed(failure),
        }
    }

    fn remember(&mut self, entry: Trigger) {
        self.entries.set(entry.clone());
        self.memory.remember(entry);
    }

    fn restore(&mut self, name: &str, before: &[Trigger]) {
        let earlier = named(before, name);
        self.memory.triggers.retain(|entry| entry.name != name);
        self.memory.triggers.extend(earlier.clone());
        self.entries.restore(name, earlier);
    }

    /// Writes the orders of a step down before it is sent. Answers with the memory that they change.
    async fn announce(&mut self, step: &Step, status: &mut impl Status) -> Result<Vec<Trigger>, End> {
        let before = self.memory.triggers.clone();
        if step.triggers.is_empty() {
            return Ok(before);
        }
        let untouched = self.entries.clone();
        for entry in &step.triggers {
            self.remember(entry.clone());
        }
        let Err(unwritten) = status.write(&self.entries).await else { return Ok(before) };
        // Perhaps not written, so not ours to take back: another process may have begun the same order.
        self.entries = untouched;
        if matches!(unwritten, Unwritten::Failed(_)) {
            let unsent = step.triggers.iter();
            self.unsent = unsent
                .map(|entry| Unsent { order: entry.clone(), earlier: named(&before, &entry.name) })
                .collect();
        }
        self.memory.triggers = before;
        Err(self.ended_by(unwritten))
    }

    /// Writes the end of the step's orders down, onto a changed object too.
    async fn settle(&mut self, step: &Step, status: &mut impl Status) -> Result<(), End> {
        if step.triggers.is_empty() {
            return Ok(());
        }
        status.insist(&self.entries).await.map_err(|unwritten| self.ended_by(unwritten))
    }

    fn accept(&mut self, step: &Step, user: User) {
        self.progress.accept(step);
        if step.body.has_password() {
            note(&mut self.sent, PASSWORD.to_owned());
        }
        for change in &step.changes {
            note(if change.clears { &mut self.cleared } else { &mut self.sent }, change.field());
        }
        self.user = user;
    }

    /// Finds the fields at fault, or puts those of the request in doubt. Answers with what Auth0 said.
    fn reject(&mut self, step: &Step, error: Error) -> Failure {
        let Error { failure, blame, .. } = error;
        let fields = self.progress.reject(step, &blame);
        if !fields.is_empty() {
            self.refusals.push(Refusal { fields, failure: failure.clone() });
        }
        failure
    }
}

fn is_unknown(answer: &Result<User, Error>) -> bool {
    answer.as_ref().is_err_and(|error| error.effect == Effect::Unknown)
}

fn named(memory: &[Trigger], name: &str) -> Option<Trigger> {
    memory.iter().find(|entry| entry.name == name).cloned()
}

fn note(fields: &mut Vec<String>, field: String) {
    if !fields.contains(&field) {
        fields.push(field);
    }
}
