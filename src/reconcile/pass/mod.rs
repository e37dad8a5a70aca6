//! The pass of an `Auth0UserUpdate`: observe → plan → execute → conclude → publish.

pub mod conflicts;
pub mod execute;
mod look;
mod password;
mod status_writer;

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Field};
use crate::cluster;
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::Secrets;
use crate::cluster::synced::Listed;
use crate::ownership::Named;
use crate::plan::TriggerKey;
use crate::queue::dispatch::{Admission, Entry};
use crate::reconcile::object::remembered::Remembered;
use crate::reconcile::object::{schedule, undecodable};
use crate::reconcile::resource::Agenda;
use crate::reconcile::resource::references::Contest;
use crate::reconcile::resource::references::{Circumstances, SecretState};
use crate::reconcile::resource::why::{self, Wake};
use crate::reconcile::status::conclude::conclude;
use crate::reconcile::status::outcome::Outcome;
use crate::reconcile::status::{dropped, events};
use crate::reconcile::tenant::clients::Clients;
use crate::reconcile::tenant::directory::{self, Tenant};
use crate::telemetry::health::Probes;
use conflicts::Rivals;
use execute::Unwritten;
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use password::Rewritten;
use status_writer::Ledger;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a pass that lost a race begins anew.
pub const ANEW: Duration = Duration::from_secs(1);
/// How often what no watch tells is tried again.
pub const RECHECK: Duration = Duration::from_mins(1);
/// An API server that refuses an outcome at once is asked again within this time.
const PERSISTENCE: Duration = Duration::from_secs(2);
/// How often an outcome is written onto a changed object.
const PUBLISH_ATTEMPTS: u32 = 5;

/// What a pass works with.
pub struct Updates {
    /// Kubernetes.
    pub client: Client,
    /// Whether everything that is watched was listed once.
    pub listed: Listed,
    /// Other resources of the same users, and the tenants.
    pub rivals: Rivals,
    /// Auth0.
    pub clients: Arc<Clients>,
    /// Secrets.
    pub secrets: Arc<Secrets>,
    /// When a look may begin.
    pub admission: Arc<Admission>,
    /// What is counted and watched.
    pub probes: Arc<Probes>,
    /// The operator's key.
    pub key: Arc<TriggerKey>,
    /// What is remembered between passes.
    pub agendas: Arc<Remembered<Agenda>>,
}

/// One pass. Never fails and never panics: the answer is when to come back.
///
/// # Errors
/// None.
pub async fn reconcile(
    object: Arc<Guarded<Auth0UserUpdate>>,
    updates: Arc<Updates>,
) -> Result<Action, Infallible> {
    let pass = Box::pin(AssertUnwindSafe(updates.serve(&object)).catch_unwind());
    let next = updates.probes.pass(pass).await.unwrap_or(Some(RECHECK));
    Ok(next.map_or_else(Action::await_change, Action::requeue))
}

impl Updates {
    async fn serve(&self, object: &Guarded<Auth0UserUpdate>) -> Option<Duration> {
        let started = Instant::now();
        match &object.0 {
            Ok(readable) => match AssertUnwindSafe(self.visit(readable)).catch_unwind().await {
                Ok(next) => next,
                Err(_) => self.panicked(readable, started).await,
            },
            Err(undecodable) => {
                self.admission.leave(&(object.namespace().unwrap_or_default(), object.name_any()));
                let uid = object.uid().unwrap_or_default();
                let mut agenda = self.agendas.of(&uid);
                let told = &mut agenda.undecodable;
                let next = undecodable::report::<Auth0UserUpdate>(&self.client, told, undecodable).await;
                self.agendas.keep(&uid, agenda);
                next
            }
        }
    }

    /// Decides whether to look, looks, and keeps the agenda. Answers when to come back by itself.
    async fn visit(&self, object: &Auth0UserUpdate) -> Option<Duration> {
        if self.listed.wait().await.is_err() {
            return Some(RECHECK);
        }
        let uid = object.uid().unwrap_or_default();
        let who = (object.namespace().unwrap_or_default(), object.name_any());
        if object.metadata.deletion_timestamp.is_some() {
            self.admission.leave(&who);
            return None;
        }
        let mut agenda = self.agendas.of(&uid);
        if object.is_paused() {
            self.admission.leave(&who);
            agenda.scheduled = false;
            self.agendas.keep(&uid, agenda);
            let failure = Failure::new(Reason::Paused, "paused by annotation; nothing is sent");
            return self.publish_failure(object, failure, 0).await;
        }
        let around = self.circumstances(object).await;
        let now = Instant::now();
        why::begin(object, &around, &mut agenda, now);
        let mut wake = why::decide(object, &around, &agenda, now);
        // Whatever else it waits for.
        let tells = why::password_changed(object, &around.secret, &agenda) && object.seems_done();
        if tells || wake == Wake::LookIfPasswordChanged {
            let rewritten = self.compare_password(object, &around, &mut agenda).await;
            if tells && rewritten == Rewritten::Another {
                self.announce_password(object, &agenda).await;
            }
            wake = why::decide(object, &around, &agenda, now);
            if wake == Wake::LookIfPasswordChanged {
                wake = Wake::Look { forgives: true };
            }
        }
        let next = match wake {
            Wake::Look { forgives } => {
                if let Some(entry) = self.enter(&who, object, &around, &agenda) {
                    let anew = Box::pin(self.look(object, &around, forgives, &mut agenda, &entry)).await;
                    anew.or_else(|| agenda.rest(Instant::now()))
                } else {
                    let mut ledger = self.ledger(object);
                    if ledger.explicit_nulls() != object.remembered_nulls() {
                        // Where it is not written, this process knows all the same.
                        let _ = ledger.remember_nulls().await;
                    }
                    None
                }
            }
            Wake::LookIfPasswordChanged | Wake::Sleep => {
                self.admission.leave(&who);
                agenda.secret_unavailable = matches!(around.secret, SecretState::Unavailable(_));
                let sooner = self.sleep(object, &around).await;
                let mut ledger = self.ledger(object);
                if !dropped::is_told(object) || ledger.explicit_nulls() != object.remembered_nulls() {
                    // Not written: the next wake-up finds it so again.
                    let _ = self.publish(&mut ledger, None).await;
                }
                sooner.into_iter().chain(agenda.rest(Instant::now())).min()
            }
        };
        self.agendas.keep(&uid, agenda);
        next
    }

    /// Whether a look may begin. Without a tenant it calls nobody, so nobody is to wait for it in a line. Else the
    /// resource is woken in its turn.
    fn enter(
        &self,
        who: &Named,
        object: &Auth0UserUpdate,
        around: &Circumstances,
        agenda: &Agenda,
    ) -> Option<Entry<'_>> {
        let Ok(Tenant { host, .. }) = &around.tenant else {
            self.admission.leave(who);
            return Some(Entry::to_nobody());
        };
        let pace = self.clients.pace(host);
        pace.set_rate(self.rivals.tenants.rate(host));
        self.admission.ask(host, &pace, who, why::lane(object, around, agenda))
    }

    async fn circumstances(&self, object: &Auth0UserUpdate) -> Circumstances {
        let namespace = object.namespace().unwrap_or_default();
        let tenant = directory::resolve(&self.rivals.tenants, &namespace, &object.spec.tenant_ref);
        let host = tenant.as_ref().map(|tenant| tenant.host.as_str());
        let rivals = host.map_or_else(|_| Contest::default(), |host| self.rivals.standing(object, host));
        let secret = match &object.spec.password_secret_ref {
            Field::Absent | Field::Null => SecretState::Undeclared,
            Field::Value(reference) => match self.secrets.version(&namespace, &reference.name).await {
                Ok(Some(version)) => SecretState::At(version),
                Ok(None) => SecretState::Unavailable(password::missing(&reference.name)),
                Err(failure) => SecretState::Unavailable(failure),
            },
        };
        Circumstances { tenant, secret, rivals }
    }

    /// Reads a Secret that was written again and compares its content with the one that Auth0 was given.
    async fn compare_password(
        &self,
        object: &Auth0UserUpdate,
        around: &Circumstances,
        agenda: &mut Agenda,
    ) -> Rewritten {
        let Ok(tenant) = &around.tenant else { return Rewritten::Unclear };
        // Before the first look, the primary identity is the likely one.
        let identity = agenda.identity.as_deref().unwrap_or(&object.spec.user_id);
        let found = password::compare(object, &self.secrets, &self.key, &tenant.host, identity).await;
        match (found, &around.secret) {
            (Rewritten::Judged, SecretState::At(version)) => agenda.judged_secret = Some(version.clone()),
            // Made for another identity, the digest of the same password differs.
            (Rewritten::Another, _)
                if agenda.identity.is_none() && object.spec.connection.value().is_some() =>
            {
                return Rewritten::Unclear;
            }
            _ => {}
        }
        found
    }

    /// Says that the Secret holds a new password, before anything else: until its turn comes and Auth0 has answered,
    /// the resource must not be taken for done.
    async fn announce_password(&self, object: &Auth0UserUpdate, agenda: &Agenda) {
        let failure = Failure::new(
            Reason::PasswordPending,
            "the Secret of spec.passwordSecretRef holds a new password that is not set in Auth0 yet; the operator sends it as soon as the tenant's rate limit allows",
        );
        // Where it cannot be written, the password is sent all the same.
        self.publish_failure(object, failure, agenda.failures).await;
    }

    /// Nothing to look at; but a Secret that is gone from an applied resource is told.
    async fn sleep(&self, object: &Auth0UserUpdate, around: &Circumstances) -> Option<Duration> {
        let SecretState::Unavailable(failure) = &around.secret else { return None };
        if object.is_applied() {
            self.publish_failure(object, failure.clone(), 0).await;
        }
        Some(RECHECK)
    }

    /// Publishes a failure that was found without a look, the `failures`-th in a row. Answers when to try
    /// that again.
    async fn publish_failure(
        &self,
        object: &Auth0UserUpdate,
        failure: Failure,
        failures: u32,
    ) -> Option<Duration> {
        let mut ledger = self.ledger(object);
        let generation = object.metadata.generation.unwrap_or_default();
        let mode = object.mode();
        let password_pending = failure.reason == Reason::PasswordPending;
        let failure = Some(failure);
        let outcome = Outcome { generation, failure, failures, password_pending, mode, ..Outcome::default() };
        self.publish(&mut ledger, Some(&outcome)).await.is_err().then_some(RECHECK)
    }

    fn ledger(&self, object: &Auth0UserUpdate) -> Ledger {
        let nulls = self.agendas.of(&object.uid().unwrap_or_default()).nulls;
        Ledger::new(self.api(object), object.clone(), nulls)
    }

    fn api(&self, object: &Auth0UserUpdate) -> Api<Auth0UserUpdate> {
        Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default())
    }

    /// Writes the status that the outcome asks for, onto a changed object too. Without an outcome, only what
    /// is said and remembered of nulls is brought up to date.
    ///
    /// # Errors
    /// Why it is not there. An object that is gone needs none.
    pub async fn publish(&self, ledger: &mut Ledger, outcome: Option<&Outcome>) -> Result<(), Failure> {
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(100));
        let mut last = "the resource changes faster than its status can be written".to_owned();
        for _ in 0..PUBLISH_ATTEMPTS {
            let previous = ledger.status();
            let mut plain = previous.clone();
            dropped::untell(&mut plain.conditions);
            let mut next = match outcome {
                Some(outcome) => conclude(&plain, outcome, Timestamp::now()),
                None => plain,
            };
            next.explicit_nulls = ledger.explicit_nulls();
            dropped::tell(&mut next, ledger.object());
            if next == previous {
                return Ok(());
            }
            let mut events = events::announce(&previous, &next, outcome);
            if next.observed_generation != previous.observed_generation {
                events.extend(events::inexact_integers(&ledger.object().spec));
            }
            let written = match ledger.replace(next).await {
                Ok(()) => {
                    cluster::events::publish(&self.client, &ledger.object().object_ref(&()), events).await;
                    return Ok(());
                }
                Err(Unwritten::Changed) => ledger.reload().await,
                // Nobody else would tell what was done.
                Err(Unwritten::Failed(failure))
                    if failure.reason == Reason::InternalError && begun.elapsed() < PERSISTENCE =>
                {
                    last = failure.message;
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    Ok(())
                }
                Err(unwritten) => Err(unwritten),
            };
            match written {
                Ok(()) | Err(Unwritten::Changed) => {}
                Err(Unwritten::Gone) => return Ok(()),
                Err(Unwritten::Failed(failure)) => return Err(failure),
            }
        }
        Err(Failure::new(Reason::InternalError, last))
    }

    /// Tells once that a status cannot be written, and waits ever longer.
    pub async fn unpublished(&self, object: &Auth0UserUpdate, failure: &Failure, agenda: &mut Agenda) {
        tracing::warn!(namespace = object.namespace(), name = object.name_any(), %failure, "the status was not written");
        if failure.reason == Reason::InvalidRequest && !std::mem::replace(&mut agenda.told_unwritable, true) {
            let event = cluster::events::warning(failure.reason.as_str(), &failure.message);
            cluster::events::publish(&self.client, &object.object_ref(&()), vec![event]).await;
        }
        agenda.unpublished = agenda.unpublished.saturating_add(1);
        let wait = schedule::backoff(agenda.unpublished, schedule::resync_or_default(&object.spec));
        agenda.due = Some(Instant::now() + wait);
    }

    async fn panicked(&self, object: &Auth0UserUpdate, started: Instant) -> Option<Duration> {
        let uid = object.uid().unwrap_or_default();
        let mut agenda = self.agendas.of(&uid);
        // Whatever was sent since then is not known.
        agenda.unsent.clear();
        agenda.expect_late(Instant::now());
        agenda.failures += 1;
        let wait = schedule::backoff(agenda.failures, Some(schedule::DEFAULT_RESYNC));
        agenda.due = Some(Instant::now() + wait);
        agenda.scheduled = true;
        tracing::error!(namespace = object.namespace(), name = object.name_any(), "the pass panicked");
        let failure =
            Failure::new(Reason::InternalError, "the operator has a defect: see its log and report it");
        let failures = agenda.failures;
        self.probes.metrics.pass("Auth0UserUpdate", "failed", failure.reason.as_str(), started.elapsed());
        self.agendas.keep(&uid, agenda);
        self.publish_failure(object, failure, failures).await;
        Some(wait)
    }
}
