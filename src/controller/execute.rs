//! execute: sends the plan, one PATCH after the other, and plans the rest again from every answer.
//!
//! Orders that must not be carried out twice are written down before they are sent, and their end right
//! after; what cannot be written down is not sent.

use super::admission::Entry;
use super::entries::{Entries, Unsent};
use super::ledger::{Ledger, Unwritten};
use crate::api::{NotPersisted, Trigger, TriggerState};
use crate::auth0::{Client, Effect, Error};
use crate::plan::{
    Attribute, Block, Change, Desired, Group, Hold, Memory, Password, Plan, Progress, Situation, Step,
    TriggerKey, plan,
};
use crate::reason::Failure;
use crate::user::User;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

const PASSWORD: &str = Attribute::Password.spec_name();

/// Whoever waited longer than this for its turn sees whether the request is still asked for.
const LONG: Duration = Duration::from_secs(1);

/// A request that Auth0 refused for good.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The group that it carried.
    pub group: Group,
    /// The fields in it.
    pub fields: Vec<String>,
    /// What Auth0 said.
    pub failure: Failure,
}

/// What is fixed for a pass.
pub struct Pass<'a> {
    /// Where to send.
    pub auth0: &'a Client,
    /// The right to look, and what was paid with it.
    pub entry: &'a Entry<'a>,
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
    /// Leads back from the tenant's log to the resource and its generation.
    pub correlation_id: &'a str,
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
    /// Requests that Auth0 refused.
    pub refusals: Vec<Refusal>,
    /// Groups held back.
    pub holds: Vec<Hold>,
    /// Groups left out because Auth0 refused them before.
    pub left_out: BTreeSet<Group>,
    /// Values that Auth0 accepted and does not hold; `None` if the pass ended before that was known.
    pub not_persisted: Option<Vec<NotPersisted>>,
    memory: Memory,
    progress: Progress,
}

/// Runs a pass from the observed user to its end.
pub async fn execute(pass: &Pass<'_>, user: User, memory: Memory, ledger: &mut Ledger) -> Execution {
    let mut execution = Execution::begin(user, memory);
    while let Some(step) = execution.next_step(pass) {
        if let Err(end) = execution.perform(pass, step, ledger).await {
            execution.end = end;
            break;
        }
    }
    execution
}

/// Plans a pass and sends nothing. Answers with the fields that it would send, too.
pub fn preview(pass: &Pass<'_>, user: User, memory: Memory) -> (Execution, Vec<String>) {
    let mut execution = Execution::begin(user, memory);
    let steps = execution.plan(pass);
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
            memory,
            progress: Progress::default(),
        }
    }

    /// Whether nothing of a group is left to do.
    #[must_use]
    pub fn settled(&self, group: Group) -> bool {
        matches!(self.end, End::Complete)
            && !self.left_out.contains(&group)
            && !self.holds.iter().any(|hold| hold.group == group)
    }

    fn next_step(&mut self, pass: &Pass<'_>) -> Option<Step> {
        self.plan(pass).into_iter().next()
    }

    /// Plans from what is known now, and takes over what the plan says of memory and holds.
    fn plan(&mut self, pass: &Pass<'_>) -> Vec<Step> {
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
        let Plan { steps, records, forgotten, holds, left_out, not_persisted } = match plan(&situation) {
            Ok(plan) => plan,
            Err(failure) => {
                self.end = End::failed(failure);
                return Vec::new();
            }
        };
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
        steps
    }

    async fn perform(&mut self, pass: &Pass<'_>, step: Step, ledger: &mut Ledger) -> Result<(), End> {
        if step.restores_block {
            // Until then the user can log in.
            pass.auth0.pace().spend();
        } else {
            self.wait(pass, ledger).await?;
        }
        let before = self.announce(&step, ledger).await?;
        self.requests += 1;
        let answer =
            pass.auth0.patch_user(pass.user_id, &step.body, pass.correlation_id, step.restores_block).await;
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
        let written = self.settle(&step, ledger).await;
        match answer {
            Ok(user) => {
                self.accept(&step, pass);
                self.user = user;
            }
            Err(_) if accepted_earlier => self.progress.sent.extend(&step.groups),
            Err(error) if error.effect == Effect::Refused => self.refuse(&step, error.failure),
            Err(error) => return Err(End::Failed(error)),
        }
        written
    }

    /// Waits for the turn of a request; after a long wait it may be asked for no more.
    async fn wait(&self, pass: &Pass<'_>, ledger: &mut Ledger) -> Result<(), End> {
        let begun = Instant::now();
        pass.entry.turn(pass.auth0.pace()).await.map_err(End::Failed)?;
        if begun.elapsed() < LONG {
            return Ok(());
        }
        ledger.confirm().await.map_err(|unwritten| self.ended_by(unwritten))
    }

    /// How a pass ends because of what the API server said.
    fn ended_by(&self, unwritten: Unwritten) -> End {
        match unwritten {
            Unwritten::Changed if self.requests == 0 => End::Anew,
            Unwritten::Changed | Unwritten::Gone => End::Interrupted,
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
    async fn announce(&mut self, step: &Step, ledger: &mut Ledger) -> Result<Vec<Trigger>, End> {
        let before = self.memory.triggers.clone();
        if step.triggers.is_empty() {
            return Ok(before);
        }
        let untouched = self.entries.clone();
        for entry in &step.triggers {
            self.remember(entry.clone());
        }
        let Err(unwritten) = ledger.write(&self.entries).await else { return Ok(before) };
        // Perhaps not written, so not ours to take back: somebody else may have begun the same order.
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
    async fn settle(&mut self, step: &Step, ledger: &mut Ledger) -> Result<(), End> {
        if step.triggers.is_empty() {
            return Ok(());
        }
        ledger.insist(&self.entries).await.map_err(|unwritten| self.ended_by(unwritten))
    }

    fn accept(&mut self, step: &Step, pass: &Pass<'_>) {
        self.progress.sent.extend(&step.groups);
        if step.restores_block {
            self.progress.block = Block::Restored;
        }
        if step.body.has_password() {
            note(&mut self.sent, PASSWORD.to_owned());
            let blocks = pass.desired.flags.get(&Attribute::Blocked) == Some(&true);
            if self.user.is_blocked() && blocks {
                self.progress.block = Block::Owed;
            }
        }
        for change in &step.changes {
            note(if change.clears { &mut self.cleared } else { &mut self.sent }, change.field());
        }
    }

    /// A refused request that carried several groups is sent again group by group.
    fn refuse(&mut self, step: &Step, failure: Failure) {
        if step.restores_block {
            self.progress.block = Block::Restored;
            self.progress.refused.insert(Group::Account);
        }
        if step.groups.len() > 1 {
            self.progress.split.extend(&step.groups);
            return;
        }
        self.progress.refused.extend(&step.groups);
        let group = step.groups.first().copied().unwrap_or(Group::Account);
        let fields = if step.body.has_password() {
            vec![PASSWORD.to_owned()]
        } else {
            step.changes.iter().map(Change::field).collect()
        };
        self.refusals.push(Refusal { group, fields, failure });
    }
}

fn named(memory: &[Trigger], name: &str) -> Option<Trigger> {
    memory.iter().find(|entry| entry.name == name).cloned()
}

fn note(fields: &mut Vec<String>, field: String) {
    if !fields.contains(&field) {
        fields.push(field);
    }
}
