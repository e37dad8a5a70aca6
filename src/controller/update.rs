//! The pass of an `Auth0UserUpdate`: observe → plan → execute → conclude → publish.

use super::conclude::{Outcome, conclude};
use super::conditions;
use super::events;
use super::execute::{End, Execution, Pass, execute};
use super::gate::{self, Circumstances, SecretState, Wake};
use super::ledger::{Ledger, Unwritten};
use super::password;
use super::schedule::{self, Agenda, Agendas};
use super::secrets::Secrets;
use super::tenants::{self, Clients, Tenant};
use super::undecodable;
use crate::api::{Auth0Tenant, Auth0UserUpdate, Field, JsonMap, LAST_APPLIED_ANNOTATION, Mode};
use crate::auth0;
use crate::plan::{Desired, Group, Memory, TriggerKey};
use crate::reason::{Failure, Reason, Retry};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::core::DeserializeGuard;
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use kube_runtime::events::Recorder;
use kube_runtime::reflector::Store;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a pass that lost a race begins anew.
const ANEW: Duration = Duration::from_secs(1);
/// How often a Secret that is not there is looked for where no watch tells.
const RECHECK: Duration = Duration::from_mins(1);
/// How often an outcome is written onto a changed object.
const PUBLISH_ATTEMPTS: u32 = 5;

/// What a pass works with.
pub struct Updates {
    /// Kubernetes.
    pub client: Client,
    /// The tenants of the same namespaces.
    pub tenants: Store<DeserializeGuard<Auth0Tenant>>,
    /// Auth0.
    pub clients: Arc<Clients>,
    /// Secrets.
    pub secrets: Arc<Secrets>,
    /// The operator's key.
    pub key: Arc<TriggerKey>,
    /// What is remembered between passes.
    pub agendas: Arc<Agendas>,
    /// Events.
    pub recorder: Recorder,
}

/// One pass. Never fails and never panics: the answer is when to come back.
///
/// # Errors
/// None.
pub async fn reconcile(
    object: Arc<DeserializeGuard<Auth0UserUpdate>>,
    updates: Arc<Updates>,
) -> Result<Action, Infallible> {
    let next = match &object.0 {
        Ok(readable) => match AssertUnwindSafe(updates.visit(readable)).catch_unwind().await {
            Ok(next) => next,
            Err(_) => updates.panicked(readable).await,
        },
        Err(invalid) => undecodable::report(&updates.client, &updates.recorder, &invalid.metadata).await,
    };
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

impl Updates {
    /// Decides whether to look, looks, and keeps the agenda. Answers when to come back by itself.
    async fn visit(&self, object: &Auth0UserUpdate) -> Option<Duration> {
        if object.metadata.deletion_timestamp.is_some() || self.tenants.wait_until_ready().await.is_err() {
            return None;
        }
        let uid = object.uid().unwrap_or_default();
        let mut agenda = self.agendas.of(&uid);
        if gate::is_paused(object) {
            agenda.scheduled = false;
            self.agendas.keep(&uid, agenda);
            let failure = Failure::new(Reason::Paused, "paused by annotation; nothing is sent");
            return self.publish_failure(object, failure).await;
        }
        let resync = schedule::resync_interval(object.spec.resync_interval.value().map(String::as_str));
        let around = self.circumstances(object).await;
        let now = Instant::now();
        gate::begin(object, &around, resync.clone().unwrap_or_default(), &mut agenda, now);
        let mut wake = gate::decide(object, &around, &agenda, now);
        if wake == Wake::LookIfPasswordChanged {
            let same = self.password_is_the_sent_one(object, &around, &mut agenda).await;
            wake = if same { Wake::Sleep } else { Wake::Look { forgives: true } };
        }
        let sooner = match wake {
            Wake::Look { forgives } => self.look(object, &around, resync, forgives, &mut agenda).await,
            Wake::LookIfPasswordChanged | Wake::Sleep => self.sleep(object, &around).await,
        };
        let rest = agenda.rest(Instant::now());
        self.agendas.keep(&uid, agenda);
        sooner.into_iter().chain(rest).min()
    }

    async fn circumstances(&self, object: &Auth0UserUpdate) -> Circumstances {
        let namespace = object.namespace().unwrap_or_default();
        let tenant = tenants::resolve(&self.tenants, &namespace, &object.spec.tenant_ref);
        let secret = match &object.spec.password_secret_ref {
            Field::Absent | Field::Null => SecretState::Undeclared,
            Field::Value(reference) => match self.secrets.version(&namespace, &reference.name).await {
                Ok(Some(version)) => SecretState::At(version),
                Ok(None) => SecretState::Unavailable(password::missing(&reference.name)),
                Err(failure) => SecretState::Unavailable(failure),
            },
        };
        Circumstances { tenant, secret }
    }

    /// Reads a Secret that was written again and compares its content with the one that was sent.
    async fn password_is_the_sent_one(
        &self,
        object: &Auth0UserUpdate,
        around: &Circumstances,
        agenda: &mut Agenda,
    ) -> bool {
        let (Ok(tenant), Some(identity)) = (&around.tenant, agenda.identity.as_deref()) else { return false };
        let same = password::is_sent(object, &self.secrets, &self.key, &tenant.host, identity).await;
        if let (true, SecretState::At(version)) = (same, &around.secret) {
            agenda.judged_secret = Some(version.clone());
        }
        same
    }

    /// Nothing to look at; but a Secret that is gone from an applied resource is told.
    async fn sleep(&self, object: &Auth0UserUpdate, around: &Circumstances) -> Option<Duration> {
        let SecretState::Unavailable(failure) = &around.secret else { return None };
        let generation = object.metadata.generation.unwrap_or_default();
        let applied =
            object.status.as_ref().is_some_and(|status| conditions::is_ready(&status.conditions, generation));
        if applied {
            self.publish_failure(object, failure.clone()).await;
        }
        Some(RECHECK)
    }

    /// Publishes a failure that was found without a look. Answers when to try that again.
    async fn publish_failure(&self, object: &Auth0UserUpdate, failure: Failure) -> Option<Duration> {
        let mut ledger = Ledger::new(self.api(object), object.clone());
        let outcome = Outcome::failed(object.metadata.generation.unwrap_or_default(), failure);
        (!self.publish(&mut ledger, &outcome).await).then_some(ANEW)
    }

    fn api(&self, object: &Auth0UserUpdate) -> Api<Auth0UserUpdate> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }

    /// One look at Auth0, from a fresh read of the object to its published status. Answers with a delay
    /// where the pass has to begin anew.
    async fn look(
        &self,
        object: &Auth0UserUpdate,
        around: &Circumstances,
        resync: Result<Option<Duration>, String>,
        forgives: bool,
        agenda: &mut Agenda,
    ) -> Option<Duration> {
        let mut ledger = Ledger::new(self.api(object), object.clone());
        match ledger.reload().await {
            Ok(()) => {}
            Err(Unwritten::Gone) => return None,
            Err(Unwritten::Changed | Unwritten::Failed(_)) => {
                agenda.failures = agenda.failures.saturating_add(1);
                return Some(schedule::backoff(agenda.failures, None));
            }
        }
        let fresh = ledger.object().clone();
        if fresh.metadata.generation != object.metadata.generation || gate::is_paused(&fresh) {
            return Some(ANEW);
        }
        let (interval, invalid) = match resync {
            Ok(interval) => (interval, None),
            Err(message) => {
                (Some(schedule::DEFAULT_RESYNC), Some(Failure::new(Reason::InvalidRequest, message)))
            }
        };
        if forgives {
            agenda.failures = 0;
            agenda.refusals.clear();
        }
        let password_pending = gate::password_changed(&fresh, &around.secret, agenda);
        agenda.tenant = Some(around.tenant_mark());
        agenda.assume_sent = gate::assume_sent(&fresh);
        let outcome = Outcome {
            generation: fresh.metadata.generation.unwrap_or_default(),
            output: fresh.spec.output,
            forgives,
            password_pending,
            ..Outcome::default()
        };
        let started = Instant::now();
        let mut looked = match invalid {
            Some(failure) => Looked::refused(outcome, failure),
            None => self.observe_and_execute(&fresh, around, outcome, agenda, &mut ledger).await,
        };
        if looked.anew {
            return Some(ANEW);
        }
        if let SecretState::At(version) = &around.secret {
            agenda.judged_secret = Some(version.clone());
        }
        schedule_next(agenda, &mut looked, &fresh, interval);
        report(&fresh, &looked.outcome, started);
        if !self.publish(&mut ledger, &looked.outcome).await {
            agenda.due = Some(Instant::now() + schedule::backoff(agenda.failures.max(1), interval));
        }
        remember_refusals(agenda, &ledger, interval);
        None
    }

    async fn observe_and_execute(
        &self,
        object: &Auth0UserUpdate,
        around: &Circumstances,
        mut outcome: Outcome,
        agenda: &mut Agenda,
        ledger: &mut Ledger,
    ) -> Looked {
        let (desired, tenant, auth0) = match self.dependencies(object, around).await {
            Ok(dependencies) => dependencies,
            Err(failure) => return Looked::refused(outcome, failure),
        };
        outcome.ignored = Some(desired.ignored.clone());
        let user = match auth0.user(&object.spec.user_id).await {
            Ok(user) => user,
            Err(error) => return Looked::failed(outcome, error),
        };
        agenda.identity = user.target(desired.connection.as_deref()).ok().map(|target| target.identity);
        let memory = recall(ledger, object, outcome.forgives, agenda);
        let password =
            password::observe(object, &desired, &around.secret, &memory, &user, &self.secrets, &self.key)
                .await;
        let correlation_id = format!("{}/{}", object.uid().unwrap_or_default(), outcome.generation);
        let pass = Pass {
            auth0: &auth0,
            desired: &desired,
            password: &password,
            key: &self.key,
            host: &tenant.host,
            user_id: &object.spec.user_id,
            correlation_id: &correlation_id,
        };
        let execution = execute(&pass, user, memory, ledger).await;
        outcome.password_pending &= !execution.settled(Group::Password);
        Looked::executed(outcome, execution, tenant)
    }

    async fn dependencies<'a>(
        &self,
        object: &Auth0UserUpdate,
        around: &'a Circumstances,
    ) -> Result<(Desired, &'a Tenant, Arc<auth0::Client>), Failure> {
        if object.spec.mode == Some(Mode::Observe) {
            return Err(Failure::new(
                Reason::InvalidRequest,
                "mode Observe is not available yet: nothing is sent",
            ));
        }
        let desired = Desired::read(&object.spec, last_applied_spec(object).as_ref())?;
        let tenant = around.tenant.as_ref().map_err(Clone::clone)?;
        let resource = tenant.object.0.as_ref().map_err(|_| {
            Failure::new(Reason::TenantNotReady, "the tenant cannot be read by this version of the operator")
        })?;
        let auth0 = self.clients.of(resource, &self.secrets).await?;
        Ok((desired, tenant, auth0))
    }

    /// Writes the status that the outcome asks for, onto a changed object too. Answers whether it is there.
    async fn publish(&self, ledger: &mut Ledger, outcome: &Outcome) -> bool {
        for _ in 0..PUBLISH_ATTEMPTS {
            let previous = ledger.status();
            let next = conclude(&previous, outcome, Timestamp::now());
            if next == previous {
                return true;
            }
            let events = events::announce(&previous, &next, outcome);
            match ledger.replace(next).await {
                Ok(()) => {
                    events::publish(&self.recorder, &ledger.object().object_ref(&()), events).await;
                    return true;
                }
                Err(Unwritten::Gone) => return true,
                Err(Unwritten::Changed) => match ledger.reload().await {
                    Ok(()) => {}
                    Err(Unwritten::Gone) => return true,
                    Err(Unwritten::Changed | Unwritten::Failed(_)) => return false,
                },
                Err(Unwritten::Failed(failure)) => {
                    tracing::warn!(object = %ledger.object().name_any(), %failure, "the status was not written");
                    return false;
                }
            }
        }
        false
    }

    async fn panicked(&self, object: &Auth0UserUpdate) -> Option<Duration> {
        let uid = object.uid().unwrap_or_default();
        let mut agenda = self.agendas.of(&uid);
        agenda.failures += 1;
        let wait = schedule::backoff(agenda.failures, Some(schedule::DEFAULT_RESYNC));
        agenda.due = Some(Instant::now() + wait);
        agenda.scheduled = true;
        tracing::error!(namespace = object.namespace(), name = object.name_any(), "the pass panicked");
        let failure =
            Failure::new(Reason::InternalError, "the operator has a defect: see its log and report it");
        self.publish_failure(object, failure).await;
        self.agendas.keep(&uid, agenda);
        Some(wait)
    }
}

/// What a look came to.
struct Looked {
    outcome: Outcome,
    retry_after: Option<Duration>,
    anew: bool,
}

impl Looked {
    fn refused(outcome: Outcome, failure: Failure) -> Self {
        Self { outcome: Outcome { failure: Some(failure), ..outcome }, retry_after: None, anew: false }
    }

    fn failed(outcome: Outcome, error: auth0::Error) -> Self {
        let outcome = Outcome { failure: Some(error.failure), ..outcome };
        Self { outcome, retry_after: error.retry_after, anew: false }
    }

    fn executed(outcome: Outcome, execution: Execution, tenant: &Tenant) -> Self {
        let (anew, interrupted) =
            (matches!(execution.end, End::Anew), matches!(execution.end, End::Interrupted));
        let (failure, retry_after) = match execution.end {
            End::Failed(error) => (Some(with_choices(error.failure, tenant)), error.retry_after),
            End::Complete | End::Anew | End::Interrupted => (None, None),
        };
        let outcome = Outcome {
            failure,
            interrupted,
            user: Some(execution.user),
            holds: execution.holds,
            refusals: execution.refusals,
            left_out: execution.left_out,
            sent: execution.sent,
            cleared: execution.cleared,
            requests: execution.requests,
            triggers: Some(execution.memory.triggers),
            not_persisted: execution.not_persisted,
            ..outcome
        };
        Self { outcome, retry_after, anew }
    }
}

/// An unknown connection is easier to mend where the known ones are named.
fn with_choices(failure: Failure, tenant: &Tenant) -> Failure {
    if failure.reason != Reason::UnknownConnection || tenant.choices.is_empty() {
        return failure;
    }
    let names: Vec<&str> = tenant.choices.iter().take(10).map(|choice| choice.name.as_str()).collect();
    Failure::new(failure.reason, format!("{}; the tenant has: {}", failure.message, names.join(", ")))
}

/// What earlier passes left in status.
fn recall(ledger: &Ledger, object: &Auth0UserUpdate, forgives: bool, agenda: &Agenda) -> Memory {
    let status = ledger.status();
    let now = Instant::now();
    Memory {
        generation_applied: conditions::is_ready(
            &status.conditions,
            object.metadata.generation.unwrap_or_default(),
        ),
        triggers: status.triggers,
        refused: if forgives { Vec::new() } else { status.refused_fields },
        retry: agenda.refusals.iter().filter(|(_, due)| **due <= now).map(|(group, _)| *group).collect(),
        not_persisted: status.not_persisted,
        assume_sent: gate::assume_sent(object),
    }
}

/// The `spec` that kubectl last applied, nulls included.
fn last_applied_spec(object: &Auth0UserUpdate) -> Option<JsonMap> {
    let text = object.annotations().get(LAST_APPLIED_ANNOTATION)?;
    let mut manifest: JsonMap = serde_json::from_str(text).ok()?;
    serde_json::from_value(manifest.remove("spec")?).ok()
}

/// Decides when to look again, and counts failures.
fn schedule_next(
    agenda: &mut Agenda,
    looked: &mut Looked,
    object: &Auth0UserUpdate,
    resync: Option<Duration>,
) {
    let outcome = &mut looked.outcome;
    let held =
        outcome.holds.iter().map(|hold| hold.failure.reason).find(|reason| reason.retry() == Retry::Backoff);
    let reason = outcome.failure.as_ref().map(|failure| failure.reason).or(held).unwrap_or(Reason::Applied);
    agenda.failures = if reason.retry() == Retry::Backoff { agenda.failures.saturating_add(1) } else { 0 };
    outcome.failures = agenda.failures;
    let wait = if outcome.interrupted {
        Some(ANEW)
    } else {
        schedule::next_look(reason, agenda.failures, not_ready_for(object), looked.retry_after, resync)
    };
    agenda.due = wait.map(|wait| Instant::now() + wait);
}

/// How long the resource has not been Ready.
fn not_ready_for(object: &Auth0UserUpdate) -> Duration {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions::find(conditions, conditions::READY)
        .filter(|ready| ready.status == "False")
        .map_or(Duration::ZERO, |ready| since(ready.last_transition_time.0))
}

fn since(time: Timestamp) -> Duration {
    Duration::try_from(Timestamp::now().duration_since(time)).unwrap_or_default()
}

/// When to try each refused group again; those that were just tried wait as long as they were refused.
fn remember_refusals(agenda: &mut Agenda, ledger: &Ledger, resync: Option<Duration>) {
    let known = std::mem::take(&mut agenda.refusals);
    let Some(resync) = resync else { return };
    let now = Instant::now();
    agenda.refusals = ledger
        .status()
        .refused_fields
        .iter()
        .filter_map(|field| {
            let group = Group::of_field(&field.field)?;
            let refused_for = field.since.parse().map_or(Duration::ZERO, since);
            let due = known.get(&group).copied().filter(|due| *due > now);
            Some((group, due.unwrap_or_else(|| now + schedule::refusal_delay(refused_for, resync))))
        })
        .collect::<BTreeMap<_, _>>();
}

fn report(object: &Auth0UserUpdate, outcome: &Outcome, started: Instant) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (generation, requests) = (outcome.generation, outcome.requests);
    let elapsed = started.elapsed();
    match &outcome.failure {
        Some(failure) => {
            tracing::warn!(namespace, name, generation, requests, reason = %failure.reason, ?elapsed, "pass ended early");
        }
        None if requests > 0 => tracing::info!(namespace, name, generation, requests, ?elapsed, "updated"),
        None => tracing::debug!(namespace, name, generation, ?elapsed, "looked"),
    }
}
