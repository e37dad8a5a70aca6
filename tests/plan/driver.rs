//! Drives the operator's own executor and its conclusion against the model of Auth0, with a fault at any action.
//!
//! The memory of an [`Operator`] is what its status durably holds.

use crate::world::Auth0;
use auth0_user_operator::access::{Access, narrow};
use auth0_user_operator::api::reason::{Failure, Reason};
use auth0_user_operator::api::{
    Auth0UserUpdateSpec, Auth0UserUpdateStatus, JsonMap, Output, RefusedField, SecretVersion, Trigger,
    TriggerState,
};
use auth0_user_operator::auth0::{Effect, Error, rejection};
use auth0_user_operator::plan::intents::{Entries, Unsent, is_begun};
use auth0_user_operator::plan::{
    Desired, Hold, Memory, Password, TriggerKey, must_read_password, remembered_nulls,
};
use auth0_user_operator::reconcile::pass::execute::{
    self, NOTICEABLE, Pass, Status, Unwritten, edit_unread, execute, granted,
};
use auth0_user_operator::reconcile::resource::remembered::Answered;
use auth0_user_operator::reconcile::status::conclude::conclude;
use auth0_user_operator::reconcile::status::outcome::{Extent, Outcome};
use auth0_user_operator::user::{Body, User};
use futures::FutureExt as _;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

const HOST: &str = "example.auth0.com";

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
    /// This action, if it is a write, finds the object changed.
    Conflict(usize),
    /// This action, if it is a write before a request, is written, and its answer never comes.
    Unconfirmed(usize),
    /// From this action on the watch has told that the resource is deleted.
    Deleted(usize),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum End {
    #[default]
    Complete,
    Failed,
    Crashed,
    Unfinished,
}

/// What one pass came to.
#[derive(Debug, Default)]
pub struct Report {
    pub end: End,
    pub failure: Option<Failure>,
    pub holds: Vec<Hold>,
    pub refused: BTreeSet<String>,
    pub left_out: BTreeSet<String>,
    pub not_persisted: Vec<String>,
    /// What status names as ignored.
    pub ignored: Vec<String>,
    /// Writes of the status and requests.
    pub actions: usize,
    /// A request was given up that Auth0 may still carry out.
    pub gave_up: bool,
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
    /// What the tenant grants.
    pub access: Access,
    /// What status remembers of explicit nulls.
    pub explicit_nulls: Vec<String>,
    pub secret: Secret,
    pub memory: Memory,
    pub key: TriggerKey,
    /// What status says of fields that the tenant does not grant.
    pub not_granted: Vec<RefusedField>,
    pub conditions: Vec<Condition>,
    pub generation: i64,
    /// The user as Auth0 last answered it, and whether nothing is open since then.
    pub last: Option<User>,
    /// What status shows of it.
    pub shows: Output,
    /// What this process knows of it where status shows nothing.
    pub answered: Option<Answered>,
    /// Since then, the spec was edited.
    pub is_edited: bool,
    /// How often it has read the user.
    pub reads: usize,
    /// What only this process knows: fields in doubt, and orders that status may show as begun.
    pub doubt: BTreeSet<String>,
    pub unsent: Vec<Unsent>,
}

impl Operator {
    /// A resource with these fields, and no memory.
    pub fn new(card: &Value) -> Self {
        Self {
            spec: spec(card),
            last_applied: None,
            access: Access::Everything,
            explicit_nulls: Vec::new(),
            secret: Secret::Missing,
            memory: Memory::default(),
            key: key(7),
            not_granted: Vec::new(),
            conditions: Vec::new(),
            generation: 1,
            last: None,
            shows: Output::Full,
            answered: None,
            is_edited: false,
            reads: 0,
            doubt: BTreeSet::new(),
            unsent: Vec::new(),
        }
    }

    /// Another process with the same memory.
    pub fn restarted(&self) -> Self {
        Self {
            spec: self.spec.clone(),
            last_applied: self.last_applied.clone(),
            access: self.access.clone(),
            explicit_nulls: self.explicit_nulls.clone(),
            secret: self.secret.clone(),
            memory: Memory { has_failed: false, ..self.memory.clone() },
            key: key(7),
            not_granted: self.not_granted.clone(),
            conditions: self.conditions.clone(),
            generation: self.generation,
            last: self.last.clone(),
            shows: self.shows,
            answered: None,
            is_edited: self.is_edited,
            reads: 0,
            doubt: BTreeSet::new(),
            unsent: Vec::new(),
        }
    }

    /// A new generation: refusals are forgiven, orders and values that were not kept are remembered.
    pub fn edit(&mut self, card: &Value) {
        self.spec = spec(card);
        self.generation += 1;
        self.is_edited = true;
        self.memory.refused.clear();
        self.memory.generation_applied = false;
        self.memory.has_failed = false;
        self.doubt.clear();
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
        let read = Desired::read(&self.spec, self.last_applied.as_ref(), &self.explicit_nulls);
        self.explicit_nulls = remembered_nulls(&self.spec, &self.explicit_nulls);
        let desired = match read {
            Ok(desired) => desired,
            Err(failure) => {
                let (generation, failure) = (self.generation, Some(failure));
                return self.publish(Outcome { generation, failure, ..Outcome::default() });
            }
        };
        let outcome = Outcome {
            generation: self.generation,
            doubt: self.doubt.clone(),
            ignored: Some(desired.ignored.clone()),
            ..Outcome::default()
        };
        let remembered = self.remembered();
        let world = Mutex::new(World { auth0, fault, actions: 0, durable: self.memory.triggers.clone() });
        let ended = self.run(&Port(&world), desired, remembered.as_ref(), outcome).now_or_never();
        let published = ended.filter(|_| Port(&world).act().is_some());
        let World { actions, durable, .. } = world.into_inner().unwrap();
        self.memory.triggers = durable;
        match published {
            Some(outcome) => Report { actions, ..self.publish(outcome) },
            None => Report { end: End::Crashed, actions, ..Report::default() },
        }
    }

    /// The last answer, where status would show that all was applied then, and nothing happened but an edit.
    fn remembered(&self) -> Option<User> {
        let is_open = self.memory.has_failed || !self.doubt.is_empty() || !self.unsent.is_empty();
        let is_begun = self.memory.triggers.iter().any(is_begun);
        let says = |type_: &str, reason: &str| {
            let mut all = self.conditions.iter().filter(|condition| condition.type_ == type_);
            all.any(|condition| condition.status == "True" && condition.reason == reason)
        };
        let was_in_sync = says("Ready", "Applied") && says("Synced", "InSync");
        let last = self.last.as_ref().filter(|_| self.is_edited && was_in_sync && !is_open && !is_begun)?;
        match self.shows {
            Output::Full => Some(last.clone()),
            Output::Mapped => Some(User::from_outputs(&last.outputs())),
            Output::None => self.answered.as_ref()?.user(&self.spec),
        }
    }

    async fn run(
        &mut self,
        port: &Port<'_, '_>,
        desired: Desired,
        remembered: Option<&User>,
        mut outcome: Outcome,
    ) -> Outcome {
        let user = match self.send_edit(port, &desired, remembered, &mut outcome).await {
            Ok(Some(user)) => user,
            Ok(None) => {
                self.reads += 1;
                port.0.lock().unwrap().auth0.observe().into()
            }
            Err(end) => {
                end.tell(&mut outcome);
                return outcome;
            }
        };
        let undone = Unsent::undo(&self.unsent, &self.memory.triggers, user.text("last_password_reset"));
        self.memory.triggers = undone.onto(&self.memory.triggers);
        port.0.lock().unwrap().durable.clone_from(&self.memory.triggers);
        let desired = granted(desired, &self.access, &user, ("n/t", "m"), &mut outcome);
        let password = self.password(&desired, &user);
        let memory = self.memory.clone();
        let mut status = Port(port.0);
        execute(&self.pass_of(&desired, &password), port, &mut status, user, memory, &mut outcome).await;
        outcome
    }

    fn pass_of<'a>(&'a self, desired: &'a Desired, password: &'a Password) -> Pass<'a> {
        Pass { desired, password, key: &self.key, host: HOST, user_id: &self.spec.user_id }
    }

    /// Sends an edit without reading, where it can be.
    async fn send_edit(
        &self,
        port: &Port<'_, '_>,
        desired: &Desired,
        remembered: Option<&User>,
        outcome: &mut Outcome,
    ) -> Result<Option<User>, execute::End> {
        let Some((user, password)) = remembered.zip(self.unchanged_password(desired)) else {
            return Ok(None);
        };
        let (desired, refused) = narrow(desired.clone(), &self.access, user, ("n/t", "m"));
        if !refused.is_empty() {
            return Ok(None);
        }
        let memory = Memory { triggers: self.memory.triggers.clone(), ..Memory::default() };
        let mut status = Port(port.0);
        edit_unread(&self.pass_of(&desired, &password), port, &mut status, user, &memory, outcome).await
    }

    /// The password, where it was sent as it is.
    fn unchanged_password(&self, desired: &Desired) -> Option<Password> {
        let Secret::Content { version, .. } = self.secret else {
            return desired.password.is_none().then_some(Password::Undeclared);
        };
        let sent = self.memory.trigger("passwordSecretRef");
        let is_sent = sent.is_some_and(|sent| {
            let secret = sent.secret.as_ref().map(|secret| secret.resource_version.clone());
            sent.state == TriggerState::Sent && secret == Some(version.to_string())
        });
        match (&desired.password, is_sent) {
            (None, _) => Some(Password::Undeclared),
            (Some(_), true) => Some(Password::Unchanged),
            (Some(_), false) => None,
        }
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

    /// The status at the end of a pass.
    fn publish(&mut self, outcome: Outcome) -> Report {
        let refused = outcome.refusals.iter().flat_map(|refusal| refusal.fields.clone()).collect();
        self.unsent.clone_from(&outcome.unsent);
        self.doubt.clone_from(&outcome.doubt);
        self.last.clone_from(&outcome.user);
        self.answered = outcome.user.as_ref().map(|user| Answered::of(&self.spec, user));
        self.is_edited &= outcome.extent != Extent::Whole;
        let end = match outcome.extent {
            Extent::Whole if outcome.failure.is_none() => End::Complete,
            Extent::Unfinished => End::Unfinished,
            Extent::Whole | Extent::Interrupted | Extent::Anew => End::Failed,
        };
        let memory = &self.memory;
        let previous = Auth0UserUpdateStatus {
            triggers: memory.triggers.clone(),
            refused_fields: [self.not_granted.as_slice(), &memory.refused].concat(),
            not_persisted: memory.not_persisted.clone(),
            conditions: std::mem::take(&mut self.conditions),
            ..Auth0UserUpdateStatus::default()
        };
        let is_anew = outcome.extent == Extent::Anew;
        let status = if is_anew { previous } else { conclude(&previous, &outcome, Timestamp::UNIX_EPOCH) };
        self.conditions = status.conditions;
        let (not_granted, by_auth0) =
            status.refused_fields.into_iter().partition(|refused: &RefusedField| !refused.is_of_auth0());
        self.not_granted = not_granted;
        self.memory = Memory {
            triggers: status.triggers,
            refused: by_auth0,
            not_persisted: status.not_persisted,
            has_failed: outcome.failure.is_some(),
            generation_applied: self.ready().is_some_and(|ready| {
                ready.status == "True" && ready.observed_generation == Some(self.generation)
            }),
            ..Memory::default()
        };
        let lost = outcome.not_persisted.into_iter().flatten().map(|entry| entry.field).collect();
        Report {
            end,
            failure: outcome.failure,
            holds: outcome.holds,
            refused,
            left_out: outcome.left_out,
            not_persisted: lost,
            ignored: status.ignored_fields.into_iter().map(|entry| entry.field).collect(),
            actions: 0,
            gave_up: outcome.gave_up.is_some(),
        }
    }

    /// The condition.
    pub fn ready(&self) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == "Ready")
    }
}

/// Auth0 and the API server in memory.
struct World<'a> {
    auth0: &'a mut Auth0,
    fault: Fault,
    actions: usize,
    durable: Vec<Trigger>,
}

struct Port<'a, 'b>(&'a Mutex<World<'b>>);

impl Port<'_, '_> {
    /// Counts a write or a request. Answers its number; `None` where the process dies before it.
    fn act(&self) -> Option<usize> {
        let mut world = self.0.lock().unwrap();
        let action = world.actions;
        world.actions += 1;
        (world.fault != Fault::Crash(action)).then_some(action)
    }

    /// The same; a process that died does nothing more.
    async fn live(&self) -> usize {
        match self.act() {
            Some(action) => action,
            None => std::future::pending().await,
        }
    }
}

fn unheard(reason: Reason, effect: Effect) -> Error {
    let mut error = Error::from(Failure::new(reason, "a fault of the test"));
    error.effect = effect;
    error
}

impl execute::Auth0 for Port<'_, '_> {
    async fn turn(&self) -> Result<(), Error> {
        let mut world = self.0.lock().unwrap();
        if let Some(meanwhile) = world.auth0.meanwhile {
            std::thread::sleep(2 * NOTICEABLE);
            meanwhile(&mut world.auth0.account);
        }
        Ok(())
    }

    async fn user(&self) -> Result<User, Error> {
        Ok(User::from(self.0.lock().unwrap().auth0.observe()))
    }

    async fn patch(&self, body: &Body, _: bool) -> Result<User, Error> {
        let action = self.live().await;
        let mut world = self.0.lock().unwrap();
        if world.fault == Fault::Lost(action) {
            return Err(unheard(Reason::Auth0Unavailable, Effect::Unknown));
        }
        if world.fault == Fault::Limited(action) {
            return Err(unheard(Reason::RateLimited, Effect::None));
        }
        let sent: JsonMap = serde_json::from_slice(body.bytes().expose_secret()).unwrap();
        let answer = world.auth0.patch(&sent);
        if world.fault == Fault::Cut(action) {
            return Err(unheard(Reason::Auth0Unavailable, Effect::Unknown));
        }
        answer.map_err(|refusal| rejection(refusal.status, refusal.body().to_string().as_bytes(), body))
    }
}

impl Status for Port<'_, '_> {
    async fn write(&mut self, entries: &Entries) -> Result<(), Unwritten> {
        let action = self.live().await;
        let mut world = self.0.lock().unwrap();
        if world.fault == Fault::Conflict(action) {
            return Err(Unwritten::Conflict);
        }
        world.durable = entries.onto(&world.durable);
        if world.fault == Fault::Unconfirmed(action) {
            return Err(Unwritten::Failed(Failure::new(Reason::InternalError, "a fault of the test")));
        }
        Ok(())
    }

    async fn insist(&mut self, entries: &Entries) -> Result<(), Unwritten> {
        let action = self.live().await;
        let mut world = self.0.lock().unwrap();
        world.durable = entries.onto(&world.durable);
        if world.fault == Fault::Conflict(action) { Err(Unwritten::Conflict) } else { Ok(()) }
    }

    fn is_wanted(&self) -> bool {
        let world = self.0.lock().unwrap();
        !matches!(world.fault, Fault::Deleted(action) if action <= world.actions)
    }

    async fn confirm(&mut self) -> Result<(), Unwritten> {
        Ok(())
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
