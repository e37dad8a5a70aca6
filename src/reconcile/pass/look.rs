//! One look at Auth0: observe → plan and execute, then conclude and publish.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus, Mode, conditions};
use crate::auth0::{self, Effect};
use crate::plan::intents::{Entries, Unsent};
use crate::plan::{Desired, Memory, Progress, Step};
use crate::queue::dispatch::Permit;
use crate::reconcile::object::fingerprint::Fingerprint;
use crate::reconcile::object::schedule;
use crate::reconcile::pass::execute::{
    Auth0, End, Execution, Pass, Status as _, Unwritten, execute, preview,
};
use crate::reconcile::pass::status_writer::Ledger;
use crate::reconcile::pass::{ANEW, Updates, password};
use crate::reconcile::resource::Agenda;
use crate::reconcile::resource::record::Record;
use crate::reconcile::resource::references::References;
use crate::reconcile::resource::why::{self, Why};
use crate::reconcile::status::conclude::problem;
use crate::reconcile::status::outcome::{Extent, Outcome};
use crate::reconcile::tenant::directory::Tenant;
use crate::telemetry::metrics::Metrics;
use crate::user::{Attribute, Body, Group, User};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Updates {
    /// One look at Auth0, to its published status. Answers with a delay where the pass has to begin anew.
    pub async fn look(
        &self,
        ledger: &mut Ledger,
        references: &References,
        forgives: bool,
        agenda: &mut Agenda,
        permit: &Permit,
    ) -> Option<Duration> {
        let generation = ledger.object().metadata.generation;
        let uid = ledger.object().uid().unwrap_or_default();
        let turn = match &references.tenant {
            Ok(tenant) => self.conflicts.turn(&uid, &tenant.host).await,
            Err(_) => None,
        };
        // Others may have carried out meanwhile what this resource asks for.
        if turn.is_some() && ledger.reload().await.is_err() {
            return Some(ANEW);
        }
        let remembered = match ledger.object().mode() {
            Mode::Apply => ledger.remember_nulls().await,
            // Nothing is sent on the strength of them; the status at the end names them.
            Mode::Observe => Ok(()),
        };
        let mut fresh = ledger.object().clone();
        if fresh.metadata.generation != generation || fresh.is_paused() {
            return Some(ANEW);
        }
        fresh.status.get_or_insert_default().explicit_nulls = ledger.known_nulls();
        if let Some(wait) = agenda.wait_for_kubectl(&mut fresh, Instant::now()) {
            return Some(wait);
        }
        let record = Record::of(&fresh);
        let why = why::why(&record, references, agenda, Instant::now());
        let first = why.first().copied()?;
        if let Some(known) = agenda.unwritten_onto(&ledger.status().triggers) {
            match ledger.write(&known).await {
                Ok(()) => agenda.unfinished().unwritten = Entries::default(),
                Err(Unwritten::Failed(failure)) => {
                    self.unpublished(&fresh, &failure, agenda).await;
                    return None;
                }
                Err(Unwritten::Changed | Unwritten::Gone) => return Some(ANEW),
            }
        }
        let before = ledger.status();
        if let Some(wait) = agenda.wait_for_others(&before.triggers, Instant::now()) {
            return Some(wait);
        }
        if forgives {
            agenda.failures = 0;
            agenda.unfinished().refusals.clear();
            agenda.unfinished().doubt.clear();
        }
        let outcome = Outcome {
            generation: fresh.metadata.generation.unwrap_or_default(),
            output: fresh.spec.output,
            request: fresh.unhandled_request().cloned(),
            mode: fresh.mode(),
            forgives,
            password_pending: why::password_changed(&record, &references.secret, agenda),
            ..Outcome::default()
        };
        let started = Instant::now();
        let mut looked = match remembered {
            Err(Unwritten::Failed(failure)) if failure.reason == Reason::CrdOutdated => {
                Looked::refused(outcome, failure)
            }
            Ok(()) | Err(_) => {
                self.observe_and_execute(&fresh, references, outcome, agenda, ledger, permit).await
            }
        };
        report(&fresh, first, &before, &looked.outcome, started.elapsed(), &self.probes.metrics);
        if looked.anew {
            self.note(ledger);
            return Some(ANEW);
        }
        agenda.own(&looked.outcome.entries);
        let resync = schedule::resync_or_default(&fresh.spec);
        let extent = looked.outcome.extent;
        if extent != Extent::Interrupted {
            agenda.look_again(&mut looked.outcome, &before, started, looked.retry_after, resync);
        }
        if extent != Extent::Whole {
            agenda.due = Some(Instant::now() + ANEW);
        }
        let published = self.publish(ledger, Some(&looked.outcome)).await;
        agenda.keep_unwritten(&published, &looked.outcome.entries);
        // Before the turn ends, so that the next one knows.
        self.note(ledger);
        if extent == Extent::Interrupted {
            // The next look judges the rest, so nothing is noted as judged.
            return None;
        }
        if let Err(failure) = published {
            self.unpublished(&fresh, &failure, agenda).await;
            return None;
        }
        agenda.unpublished = 0;
        agenda.told_unwritable = false;
        agenda.take_note(&fresh, references, looked.rivals.unwrap_or(references.contest.fingerprint));
        agenda.try_again(&ledger.status(), &looked.outcome, resync);
        None
    }

    async fn observe_and_execute(
        &self,
        object: &Auth0UserUpdate,
        references: &References,
        mut outcome: Outcome,
        agenda: &mut Agenda,
        ledger: &mut Ledger,
        permit: &Permit,
    ) -> Looked {
        let (desired, tenant, auth0) = match self.dependencies(object, references).await {
            Ok(dependencies) => dependencies,
            Err(failure) => return Looked::refused(outcome, failure),
        };
        outcome.ignored = Some(desired.ignored.clone());
        let uid = object.uid().unwrap_or_default();
        let correlation_id = format!("{uid}/{}", outcome.generation);
        let host = Permitted {
            client: &auth0,
            permit,
            user_id: &object.spec.user_id,
            correlation_id: &correlation_id,
        };
        permit.begin();
        let mut progress = Progress { doubt: agenda.unfinished().doubt.clone(), ..Progress::default() };
        let user = match auth0.user(&object.spec.user_id).await {
            Ok(user) => user,
            Err(error)
                if may_block_unread(object, &desired, &error)
                    && !self.conflicts.contest(&uid, &tenant.host).contested =>
            {
                match block_unread(&host, ledger, error).await {
                    Ok((user, sent)) => {
                        progress.sent.extend(sent.clone());
                        (outcome.sent, outcome.requests) = (sent, 1);
                        user
                    }
                    Err(Unread::Failed { error, is_unknown }) => {
                        outcome.gave_up = is_unknown.then(Instant::now);
                        return Looked::failed(outcome, error);
                    }
                    Err(Unread::Unwritten(unwritten)) => return Looked::unwritten(outcome, unwritten),
                }
            }
            Err(error) => return Looked::failed(outcome, error),
        };
        let undone = Unsent::undo(
            &agenda.unfinished().unsent,
            &ledger.status().triggers,
            user.text("last_password_reset"),
        );
        if !undone.is_empty()
            && let Err(unwritten) = ledger.write(&undone).await
        {
            return Looked::unwritten(outcome, unwritten);
        }
        let target = user.target(desired.connection.as_deref()).ok();
        agenda.identity = target
            .as_ref()
            .filter(|_| desired.password.is_some())
            .map(|target| target.identity.as_str().into());
        let memory = Memory {
            twins: self.conflicts.siblings(&uid, &tenant.host),
            ..recall(ledger, object, &outcome, agenda)
        };
        let password =
            password::observe(object, &desired, &references.secret, &memory, &user, &self.secrets, &self.key)
                .await;
        // Taken with the judgement: what comes and goes before it must not be noted as judged.
        let rivals = Some(self.conflicts.contest(&uid, &tenant.host).fingerprint);
        if let Some(target) = &target {
            let digest =
                password::digest(&password, &memory, &self.key, &tenant.host, &object.spec.user_id, target);
            if let Err(failure) = self.conflicts.judge(object, &tenant.host, &user, target, digest.as_deref())
            {
                let refused = Looked::refused(Outcome { user: Some(user), ..outcome }, failure);
                return Looked { rivals, ..refused };
            }
        }
        let pass = Pass {
            desired: &desired,
            password: &password,
            key: &self.key,
            host: &tenant.host,
            user_id: &object.spec.user_id,
        };
        let execution = if outcome.mode == Mode::Observe {
            let (execution, fields) = preview(&pass, user, memory);
            outcome.plan = matches!(execution.end, End::Complete).then_some(fields);
            execution
        } else {
            let mut execution = execute(&pass, &host, ledger, user, memory, progress).await;
            agenda.unfinished().unsent = std::mem::take(&mut execution.unsent);
            agenda.unfinished().doubt = std::mem::take(&mut execution.progress.doubt);
            execution
        };
        outcome.password_pending &= !execution.password_is_settled();
        outcome.profile_kilobytes =
            (outcome.mode == Mode::Apply && fills_profile(&desired)).then(|| execution.user.kilobytes());
        Looked { rivals, ..Looked::executed(outcome, execution, tenant) }
    }

    async fn dependencies<'a>(
        &self,
        object: &Auth0UserUpdate,
        references: &'a References,
    ) -> Result<(Desired, &'a Tenant, Arc<auth0::Client>), Failure> {
        schedule::resync_interval(object.spec.resync_interval.value().map(String::as_str))
            .map_err(|message| Failure::new(Reason::InvalidRequest, message))?;
        let desired =
            Desired::read(&object.spec, object.last_applied_nulls().as_ref(), object.remembered_nulls())?;
        let tenant = references.tenant.as_ref().map_err(Clone::clone)?;
        let resource = tenant.object.0.as_ref().map_err(|_| {
            Failure::new(Reason::TenantNotReady, "the tenant cannot be read by this version of the operator")
        })?;
        let auth0 = self.clients.of(resource, &self.secrets).await?;
        Ok((desired, tenant, auth0))
    }
}

/// A user of a tenant, with the right to call its host.
struct Permitted<'a> {
    client: &'a auth0::Client,
    permit: &'a Permit,
    user_id: &'a str,
    /// Leads back from the tenant's log to the resource and its generation.
    correlation_id: &'a str,
}

impl Auth0 for Permitted<'_> {
    async fn turn(&self) -> Result<(), auth0::Error> {
        self.permit.acquire(self.client.limiter()).await
    }

    async fn user(&self) -> Result<User, auth0::Error> {
        self.client.limiter().spend();
        self.client.user(self.user_id).await
    }

    async fn patch(&self, body: &Body, is_urgent: bool) -> Result<User, auth0::Error> {
        if is_urgent {
            self.client.limiter().spend();
        }
        self.client.patch_user(self.user_id, body, self.correlation_id, is_urgent).await
    }
}

/// What a look came to.
struct Looked {
    outcome: Outcome,
    retry_after: Option<Duration>,
    anew: bool,
    /// The fingerprint of the rivals that it was judged by.
    rivals: Option<Fingerprint>,
}

impl Looked {
    fn refused(outcome: Outcome, failure: Failure) -> Self {
        Self {
            outcome: Outcome { failure: Some(failure), ..outcome },
            retry_after: None,
            anew: false,
            rivals: None,
        }
    }

    /// Ended before anything was sent, because of what the API server said.
    fn unwritten(outcome: Outcome, unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::Failed(failure) => Self::refused(outcome, failure),
            Unwritten::Changed | Unwritten::Gone => {
                let anew = outcome.requests == 0;
                let extent = if anew { Extent::Whole } else { Extent::Interrupted };
                Self { outcome: Outcome { extent, ..outcome }, retry_after: None, anew, rivals: None }
            }
        }
    }

    fn failed(outcome: Outcome, error: auth0::Error) -> Self {
        let outcome = Outcome { failure: Some(error.failure), ..outcome };
        Self { outcome, retry_after: error.retry_after, anew: false, rivals: None }
    }

    fn executed(outcome: Outcome, execution: Execution, tenant: &Tenant) -> Self {
        let anew = matches!(execution.end, End::Anew) && outcome.requests == 0;
        let retry_after = match &execution.end {
            End::Failed(error) => error.retry_after,
            End::Complete | End::Anew | End::Interrupted | End::Unfinished(_) => None,
        };
        let mut outcome = execution.outcome(outcome);
        outcome.failure = outcome.failure.map(|failure| with_choices(failure, tenant));
        Self { outcome, retry_after, anew, rivals: None }
    }
}

/// Whether a user that cannot be read for now is blocked all the same: the spec asks for it, and it was not done yet.
fn may_block_unread(object: &Auth0UserUpdate, desired: &Desired, error: &auth0::Error) -> bool {
    error.failure.reason == Reason::Auth0Unavailable
        && desired.flags.get(&Attribute::Blocked) == Some(&true)
        && object.mode() == Mode::Apply
        && !object.is_applied()
}

/// Why a user was neither read nor blocked.
enum Unread {
    Failed {
        error: auth0::Error,
        /// Auth0 may still block the user.
        is_unknown: bool,
    },
    Unwritten(Unwritten),
}

/// Blocks a user that could not be read because of this error. Auth0's answer is the user as it would have been read.
async fn block_unread(
    host: &Permitted<'_>,
    ledger: &mut Ledger,
    error: auth0::Error,
) -> Result<(User, Vec<String>), Unread> {
    let block = Step::block();
    host.turn().await.map_err(|error| Unread::Failed { error, is_unknown: false })?;
    ledger.confirm().await.map_err(Unread::Unwritten)?;
    let answer = host.patch(&block.body, false).await;
    let user =
        answer.map_err(|second| Unread::Failed { error, is_unknown: second.effect == Effect::Unknown })?;
    Ok((user, block.fields.into_keys().collect()))
}

/// Whether the user grows with what the spec declares.
fn fills_profile(desired: &Desired) -> bool {
    !desired.metadata.is_empty() || desired.texts.keys().any(|attribute| attribute.group() == Group::Profile)
}

/// An unknown connection is easier to mend where the known ones are named.
fn with_choices(failure: Failure, tenant: &Tenant) -> Failure {
    if failure.reason != Reason::UnknownConnection || tenant.choices().is_empty() {
        return failure;
    }
    let names: Vec<&str> = tenant.choices().iter().take(10).map(|choice| choice.name.as_str()).collect();
    Failure::new(failure.reason, format!("{}; the tenant has: {}", failure.message, names.join(", ")))
}

/// What earlier passes left in status.
fn recall(ledger: &Ledger, object: &Auth0UserUpdate, outcome: &Outcome, agenda: &mut Agenda) -> Memory {
    let status = ledger.status();
    let now = Instant::now();
    Memory {
        generation_applied: conditions::is_ready(
            &status.conditions,
            object.metadata.generation.unwrap_or_default(),
        ),
        triggers: status.triggers,
        refused: if outcome.forgives || outcome.mode == Mode::Observe {
            Vec::new()
        } else {
            status.refused_fields
        },
        retry: agenda
            .unfinished()
            .refusals
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(field, _)| field.clone())
            .collect(),
        has_failed: agenda.failures > 0,
        not_persisted: if outcome.request.is_some() { Vec::new() } else { status.not_persisted },
        assume_sent: object.assume_sent(),
        twins: Vec::new(),
    }
}

/// Tells log and metrics what a look came to; of what the resource shows already, only whoever asks for it.
fn report(
    object: &Auth0UserUpdate,
    why: Why,
    before: &Auth0UserUpdateStatus,
    outcome: &Outcome,
    elapsed: Duration,
    metrics: &Metrics,
) {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let (generation, requests, why) = (outcome.generation, outcome.requests, why.as_str());
    let problem = problem(before, outcome, Timestamp::now()).map(|failure| failure.reason);
    let (came_to, done) = match (outcome.changed_auth0(), outcome.mode) {
        (true, _) => ("updated", Reason::Applied),
        (false, Mode::Observe) => ("unchanged", Reason::Observed),
        (false, Mode::Apply) => ("unchanged", Reason::Applied),
    };
    let came_to = if problem.is_some() { "failed" } else { came_to };
    metrics.pass("Auth0UserUpdate", came_to, problem.unwrap_or(done).as_str(), why, elapsed);
    if let Some(reason) = problem.filter(|reason| !is_shown(before, generation, *reason)) {
        tracing::warn!(namespace, name, generation, why, requests, %reason, ?elapsed, "not all was done");
    } else if outcome.changed_auth0() {
        tracing::info!(namespace, name, generation, why, requests, ?elapsed, "updated");
    } else {
        let reason = problem.map(tracing::field::display);
        tracing::debug!(namespace, name, generation, why, requests, reason, ?elapsed, "looked");
    }
}

fn is_shown(status: &Auth0UserUpdateStatus, generation: i64, reason: Reason) -> bool {
    status.observed_generation == Some(generation)
        && status.conditions.iter().any(|condition| condition.reason == reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_spec_fills_the_profile_with_its_texts_and_metadata() {
        for (fields, fills) in [
            (json!({"blocked": true, "email": "a@example.com"}), false),
            (json!({"nickname": "a"}), true),
            (json!({"appMetadata": {"a": 1}}), true),
            (json!({"clear": ["userMetadata"]}), true),
        ] {
            let mut spec = json!({"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"});
            fields.as_object().unwrap().iter().for_each(|(field, value)| spec[field] = value.clone());
            let desired = Desired::declared(&serde_json::from_value(spec).unwrap(), None, &[]);
            assert_eq!(fills_profile(&desired), fills, "{fields}");
        }
    }
}
