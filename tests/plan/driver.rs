//! Drives the plan as the operator does: one step, its answer, and then the plan again.
//!
//! The memory of an [`Operator`] is what its status durably holds. A pass works on a copy and writes it back
//! where the operator writes its status: around every request that carries an order, and at the end.

use crate::world::Auth0;
use auth0_user_operator::api::{
    Auth0UserUpdateSpec, JsonMap, RefusedField, SecretVersion, Trigger, TriggerState,
};
use auth0_user_operator::plan::{
    Attribute, Block, Change, Desired, Group, Hold, Memory, Password, Plan, Progress, Situation, Step,
    TriggerKey, must_read_password, plan,
};
use auth0_user_operator::reason::{Failure, Reason};
use auth0_user_operator::user::User;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const HOST: &str = "example.auth0.com";
/// More steps than any pass may need.
const MANY: usize = 20;

/// What the password Secret holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Secret {
    Missing,
    Content { text: &'static str, version: u32 },
}

/// What goes wrong in a pass. Writes of the status and requests are counted together, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// The process dies before this action.
    Crash(usize),
    /// This action, if it is a request, never arrives.
    Lost(usize),
    /// This action, if it is a request, takes effect and its answer never comes.
    Cut(usize),
    /// This action, if it is a request, is turned away without effect.
    Limited(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum End {
    #[default]
    Complete,
    Failed,
    Crashed,
}

/// What one pass came to.
#[derive(Debug, Default)]
pub struct Report {
    pub end: End,
    pub failure: Option<Failure>,
    pub holds: Vec<Hold>,
    pub refused: BTreeSet<Group>,
    pub left_out: BTreeSet<Group>,
    pub not_persisted: Vec<String>,
    /// Writes of the status and requests.
    pub actions: usize,
    pub requests: usize,
}

impl Report {
    pub fn hold_reasons(&self) -> Vec<Reason> {
        self.holds.iter().map(|hold| hold.failure.reason).collect()
    }
}

/// The operator with one resource.
pub struct Operator {
    pub spec: Auth0UserUpdateSpec,
    pub last_applied: Option<JsonMap>,
    pub secret: Secret,
    pub memory: Memory,
    pub key: TriggerKey,
}

impl Operator {
    /// A resource with these fields, and no memory.
    pub fn new(card: &Value) -> Self {
        Self {
            spec: spec(card),
            last_applied: None,
            secret: Secret::Missing,
            memory: Memory::default(),
            key: key(7),
        }
    }

    /// Another process with the same memory.
    pub fn restarted(&self) -> Self {
        Self {
            spec: self.spec.clone(),
            last_applied: self.last_applied.clone(),
            secret: self.secret.clone(),
            memory: self.memory.clone(),
            key: key(7),
        }
    }

    /// A new generation: refusals are forgiven, orders and values that were not kept are remembered.
    pub fn edit(&mut self, card: &Value) {
        self.spec = spec(card);
        self.memory.refused.clear();
        self.memory.generation_applied = false;
    }

    pub fn trigger(&self, name: &str) -> Option<TriggerState> {
        self.memory.trigger(name).map(|trigger| trigger.state)
    }

    /// A pass to its end. Returns the bodies that it sent.
    pub fn settle(&mut self, auth0: &mut Auth0) -> Vec<Value> {
        let report = self.pass(auth0, Fault::None);
        assert_eq!(report.end, End::Complete, "{:?}", report.failure);
        auth0.take_bodies()
    }

    pub fn pass(&mut self, auth0: &mut Auth0, fault: Fault) -> Report {
        let desired = match Desired::read(&self.spec, self.last_applied.as_ref()) {
            Ok(desired) => desired,
            Err(failure) => {
                return Report { end: End::Failed, failure: Some(failure), ..Report::default() };
            }
        };
        let user = User::from(auth0.observe());
        let password = self.password(&desired, &user);
        let memory = self.memory.clone();
        let progress = Progress::default();
        let report = Report::default();
        let mut pass = Pass {
            operator: self,
            auth0,
            fault,
            desired,
            password,
            user,
            memory,
            progress,
            report,
            refusals: Vec::new(),
        };
        pass.run();
        pass.report
    }

    fn password(&self, desired: &Desired, user: &User) -> Password {
        if desired.password.is_none() {
            return Password::Undeclared;
        }
        let Secret::Content { text, version } = &self.secret else {
            return Password::Held(Failure::new(Reason::SecretNotFound, "no such Secret"));
        };
        let version = SecretVersion { uid: "s".into(), resource_version: version.to_string() };
        if must_read_password(&self.memory, &self.key, user, &version) {
            Password::Read((*text).into(), version)
        } else {
            Password::Unchanged
        }
    }
}

struct Pass<'a> {
    operator: &'a mut Operator,
    auth0: &'a mut Auth0,
    fault: Fault,
    desired: Desired,
    password: Password,
    user: User,
    memory: Memory,
    progress: Progress,
    report: Report,
    refusals: Vec<(Group, Vec<String>)>,
}

impl Pass<'_> {
    fn run(&mut self) {
        self.report.end = End::Complete;
        for _ in 0..MANY {
            let end = match self.next_step() {
                Ok(Some(step)) => self.perform(&step),
                Ok(None) => return self.publish(End::Complete),
                Err(failure) => {
                    self.report.failure = Some(failure);
                    Err(End::Failed)
                }
            };
            if let Err(end) = end {
                return self.publish(end);
            }
        }
        panic!("the pass does not end: {:?}", self.auth0.log);
    }

    fn next_step(&mut self) -> Result<Option<Step>, Failure> {
        let Plan { steps, records, forgotten, holds, left_out, not_persisted } = plan(&Situation {
            desired: &self.desired,
            user: &self.user,
            password: &self.password,
            memory: &self.memory,
            progress: &self.progress,
            key: &self.operator.key,
            host: HOST,
            user_id: &self.operator.spec.user_id,
        })?;
        for record in records {
            self.memory.remember(record);
        }
        self.memory.triggers.retain(|trigger| !forgotten.contains(&trigger.name));
        self.report.holds = holds;
        self.report.left_out = left_out;
        let next = steps.into_iter().next();
        if next.is_none() {
            self.report.not_persisted = not_persisted.iter().map(|entry| entry.field.clone()).collect();
            self.memory.not_persisted = not_persisted;
        }
        Ok(next)
    }

    /// Counts a write or a request. Returns its number.
    fn act(&mut self) -> Result<usize, End> {
        let action = self.report.actions;
        self.report.actions += 1;
        if self.fault == Fault::Crash(action) { Err(End::Crashed) } else { Ok(action) }
    }

    fn perform(&mut self, step: &Step) -> Result<(), End> {
        let before = self.memory.triggers.clone();
        if !step.triggers.is_empty() {
            step.triggers.iter().for_each(|entry| self.memory.remember(entry.clone()));
            self.write()?;
        }
        let body: JsonMap = serde_json::from_slice(step.body.bytes().expose_secret()).unwrap();
        let action = self.act()?;
        if self.fault == Fault::Lost(action) {
            return Err(End::Failed);
        }
        if self.fault == Fault::Limited(action) {
            self.remember(step, before)?;
            return Err(End::Failed);
        }
        self.report.requests += 1;
        let answer = self.auth0.patch(&body);
        if self.fault == Fault::Cut(action) {
            return Err(End::Failed);
        }
        let accepted_earlier = step.again
            && answer.as_ref().is_err_and(|refusal| refusal.message.contains("PasswordHistoryError"));
        let state =
            if answer.is_ok() || accepted_earlier { TriggerState::Sent } else { TriggerState::Refused };
        let entries = step.triggers.iter().map(|entry| Trigger { state, ..entry.clone() }).collect();
        let written = self.remember(step, entries);
        match answer {
            Ok(user) => {
                self.accept(step);
                self.user = user;
            }
            Err(_) if accepted_earlier => self.progress.sent.extend(&step.groups),
            Err(_) => self.refuse(step),
        }
        written
    }

    /// Puts the end of the step's orders, or what was known of them before it, into memory and status.
    fn remember(&mut self, step: &Step, entries: Vec<Trigger>) -> Result<(), End> {
        if step.triggers.is_empty() {
            return Ok(());
        }
        let of_step = |entry: &Trigger| step.triggers.iter().any(|own| own.name == entry.name);
        self.memory.triggers.retain(|entry| !of_step(entry));
        self.memory.triggers.extend(entries.into_iter().filter(of_step));
        self.write()
    }

    fn write(&mut self) -> Result<(), End> {
        self.act()?;
        self.operator.memory.triggers.clone_from(&self.memory.triggers);
        Ok(())
    }

    fn accept(&mut self, step: &Step) {
        self.progress.sent.extend(&step.groups);
        if step.restores_block {
            self.progress.block = Block::Restored;
        }
        let stays_blocked = self.desired.flags.get(&Attribute::Blocked) == Some(&true);
        if step.body.has_password() && self.user.is_blocked() && stays_blocked {
            self.progress.block = Block::Owed;
        }
    }

    fn refuse(&mut self, step: &Step) {
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
            vec!["passwordSecretRef".to_owned()]
        } else {
            step.changes.iter().map(Change::field).collect()
        };
        self.refusals.push((group, fields));
    }

    /// The status at the end of a pass.
    fn publish(&mut self, end: End) {
        self.report.end = end;
        self.report.refused = self.refusals.iter().map(|(group, _)| *group).collect();
        if end == End::Crashed || self.act().is_err() {
            self.report.end = End::Crashed;
            return;
        }
        let report = &self.report;
        let waits = |refused: &RefusedField| {
            Group::of_field(&refused.field)
                .is_some_and(|group| report.left_out.contains(&group) && !report.refused.contains(&group))
        };
        let new = self.refusals.iter().flat_map(|(_, fields)| fields).map(|field| RefusedField {
            field: field.clone(),
            reason: Reason::InvalidRequest.to_string(),
            since: String::new(),
        });
        let durable = &mut self.operator.memory;
        durable.refused = durable.refused.drain(..).filter(waits).chain(new).collect();
        durable.triggers.clone_from(&self.memory.triggers);
        durable.retry.clear();
        if end == End::Complete {
            durable.not_persisted.clone_from(&self.memory.not_persisted);
            durable.generation_applied =
                report.holds.is_empty() && report.left_out.is_empty() && report.refused.is_empty();
        }
    }
}

pub fn key(byte: u8) -> TriggerKey {
    TriggerKey::new([byte; 32])
}

/// The spec with these fields; blanks clear only if they say so.
pub fn spec(card: &Value) -> Auth0UserUpdateSpec {
    let mut whole = json!({"tenantRef": {"name": "tenant"}, "userId": "auth0|1", "passEmptyValues": "No"});
    whole.as_object_mut().unwrap().extend(card.as_object().unwrap().clone());
    serde_json::from_value(whole).unwrap()
}
