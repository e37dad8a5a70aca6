//! One look at Auth0: observe → plan and execute, then conclude and publish.

use crate::access::{Access, narrow};
use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus, Mode, RefusedField, conditions};
use crate::auth0::{self, Effect};
use crate::ownership::Uid;
use crate::plan::intents::{Entries, Unsent};
use crate::plan::{Desired, Memory, Step};
use crate::queue::dispatch::Permit;
use crate::reconcile::object::schedule;
use crate::reconcile::object::why::Why;
use crate::reconcile::pass::execute::{
    Auth0, End, Pass, Status as _, Unwritten, edit_unread, execute, granted, preview,
};
use crate::reconcile::pass::status_writer::StatusWriter;
use crate::reconcile::pass::{ANEW, Updates, password};
use crate::reconcile::resource::State;
use crate::reconcile::resource::record::Record;
use crate::reconcile::resource::references::References;
use crate::reconcile::resource::remembered::{self, Answered};
use crate::reconcile::resource::why;
use crate::reconcile::status::conclude::problem;
use crate::reconcile::status::outcome::{Extent, Outcome};
use crate::reconcile::status::written;
use crate::reconcile::tenant::directory::{self, Tenant};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;
use crate::user::{Attribute, Body, Group, User};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;
use tracing::{Span, debug, info, warn};

/// Only grants for any connection are for this one.
const UNKNOWN_CONNECTION: &str = "";

/// What a look begins with.
struct Prepared {
    object: Auth0UserUpdate,
    record: Record,
    /// What it is for.
    why: Why,
    /// The status that it found.
    before: Auth0UserUpdateStatus,
    /// Why no null may be acted on.
    refusal: Option<Failure>,
    /// The user as Auth0 last answered it, where an edit may go out by that.
    remembered: Option<User>,
}

impl Prepared {
    /// What the look came to before it began.
    fn outcome(&self, references: &References, forget_refusals: bool, state: &State) -> Outcome {
        let Self { object, record, .. } = self;
        Outcome {
            generation: object.metadata.generation.unwrap_or_default(),
            output: object.spec.output,
            most_shown: Some(references.access.outputs(None)),
            request: object.unhandled_request().cloned(),
            mode: object.mode(),
            forget_refusals,
            password_pending: why::password_changed(record, &references.secret, state),
            ..Outcome::default()
        }
    }
}

impl Updates {
    /// One look at Auth0, to its published status. Answers with a delay where the pass has to begin anew.
    pub async fn look(
        &self,
        writer: &mut StatusWriter,
        references: &References,
        forget_refusals: bool,
        state: &mut State,
        permit: &Permit,
    ) -> Option<Duration> {
        let uid = Uid::of(writer.object());
        // Until what was done is noted, so that the next one knows.
        let turn = match &references.tenant {
            Ok(tenant) => self.conflicts.turn(uid, &tenant.host).await,
            Err(_) => None,
        };
        if turn.is_some() && self.is_withdrawn(writer.object(), references) {
            return Some(ANEW);
        }
        let prepared = match self.prepare(writer, turn.is_some(), references, state).await {
            Ok(prepared) => prepared,
            Err(wait) => return wait,
        };
        if forget_refusals {
            state.forget_refusals();
        }
        let mut outcome = prepared.outcome(references, forget_refusals, state);
        let Prepared { object, why, before, .. } = &prepared;
        let started = Instant::now();
        let ended = match &prepared.refusal {
            Some(failure) => Err(failure.clone().into()),
            None => {
                self.observe_and_execute(&prepared, references, &mut outcome, state, writer, permit).await
            }
        };
        if let Err(end) = ended {
            end.tell(&mut outcome);
        }
        self.write_outputs(object, writer, &mut outcome).await;
        report(object, *why, before, &outcome, started.elapsed(), &self.probes.metrics);
        if outcome.extent == Extent::Anew {
            self.note(writer);
            return Some(ANEW);
        }
        self.finish(&prepared, outcome, started, references, state, writer).await;
        None
    }

    /// Whether the tenant grants something else than before a wait.
    fn is_withdrawn(&self, object: &Auth0UserUpdate, references: &References) -> bool {
        let key = self.resources.key_of(object);
        let now = self.known_references(&key, &Record::of(object));
        now.access != references.access || now.tenant_fingerprint() != references.tenant_fingerprint()
    }

    /// Makes sure that the look may begin: that the resource still wants it, that no other process is at it, and that status
    /// names what has to be known later. Else answers when to come back.
    async fn prepare(
        &self,
        writer: &mut StatusWriter,
        had_to_wait: bool,
        references: &References,
        state: &mut State,
    ) -> Result<Prepared, Option<Duration>> {
        let generation = writer.object().metadata.generation;
        // Others may have carried out meanwhile what this resource asks for.
        if had_to_wait && writer.reload().await.is_err() {
            return Err(Some(ANEW));
        }
        let remembered = match writer.object().mode() {
            Mode::Apply => writer.remember_nulls().await,
            // Nothing is sent on the strength of them; the status at the end names them.
            Mode::Observe => Ok(()),
        };
        let mut object = writer.object().clone();
        if object.metadata.generation != generation || object.is_paused() {
            return Err(Some(ANEW));
        }
        object.status.get_or_insert_default().explicit_nulls = writer.known_nulls();
        if let Some(wait) = state.wait_for_kubectl(&mut object, Instant::now()) {
            return Err(Some(wait));
        }
        let record = Record::of(&object);
        let all = why::why(&record, references, state, Instant::now());
        let why = all.first().copied().ok_or(None)?;
        let refusal = self.rely_on_status(&object, remembered, &record, writer, state).await?;
        let before = writer.status();
        if let Some(wait) = state.wait_for_others(&before.triggers, Instant::now()) {
            return Err(Some(wait));
        }
        let remembered = remembered::user(&object.spec, &record, &before, state, &all);
        let remembered = remembered.filter(|_| self.is_free(&record, references));
        Ok(Prepared { object, record, why, before, refusal, remembered })
    }

    /// Writes what is open, and sees whether the API server keeps it. Answers why it is not to be relied on; else when to come
    /// back.
    async fn rely_on_status(
        &self,
        object: &Auth0UserUpdate,
        nulls: Result<(), Unwritten>,
        record: &Record,
        writer: &mut StatusWriter,
        state: &mut State,
    ) -> Result<Option<Failure>, Option<Duration>> {
        match (write_again(record, writer, state).await, nulls) {
            (Err(Unwritten::Failed(failure)), _) | (Ok(()), Err(Unwritten::Failed(failure)))
                if failure.reason == Reason::CrdOutdated =>
            {
                Ok(Some(failure))
            }
            (Ok(()), _) => Ok(None),
            (Err(Unwritten::Failed(failure)), _) => {
                self.unpublished(object, &failure, state).await;
                Err(None)
            }
            (Err(Unwritten::Conflict | Unwritten::Gone), _) => Err(Some(ANEW)),
        }
    }

    /// Whether what may be sent depends on no other resource and on no identity of the user.
    fn is_free(&self, record: &Record, references: &References) -> bool {
        self.conflicts.ownership.is_alone(record.uid) && !references.access.asks_for_connection()
    }

    /// Publishes what a look came to, and keeps what the next one has to know.
    async fn finish(
        &self,
        Prepared { object, record, before, .. }: &Prepared,
        mut outcome: Outcome,
        started: Instant,
        references: &References,
        state: &mut State,
        writer: &mut StatusWriter,
    ) {
        state.own(&outcome.entries);
        state.unfinished_mut().confirms = false;
        let resync = schedule::resync_or_default(&object.spec);
        let extent = outcome.extent;
        if extent != Extent::Interrupted {
            let asked = outcome.retry_after;
            state.look_again(&mut outcome, before, started, asked, resync);
        }
        if extent != Extent::Whole {
            state.due = Some(Instant::now() + ANEW);
        }
        outcome.corrected = corrected(record, before, &outcome);
        count_repairs(&mut outcome, schedule::interval(&object.spec), state);
        if !outcome.corrected.is_empty() {
            self.probes.metrics.drift_corrected();
        }
        let published = self.publish_outcome(writer, &outcome, state).await;
        state.keep_unwritten(&published, &outcome.entries);
        self.note(writer);
        if extent == Extent::Interrupted {
            // The next look judges the rest, so nothing is noted as judged.
            return;
        }
        if let Err(failure) = published {
            self.unpublished(object, &failure, state).await;
            return;
        }
        state.unfinished_mut().unpublished = 0;
        state.unfinished_mut().told_unwritable = false;
        state.take_note(object, references, outcome.contest.unwrap_or(references.contest.fingerprint));
        let status = writer.status();
        let answered = outcome.user.as_ref().filter(|_| status.user.is_none());
        state.unfinished_mut().answered = answered.map(|user| Answered::of(&object.spec, user));
        state.try_again(&status, &outcome, resync);
    }

    /// Observes the user, then sends what is needed, or tells what would be.
    async fn observe_and_execute(
        &self,
        prepared: &Prepared,
        references: &References,
        outcome: &mut Outcome,
        state: &mut State,
        writer: &mut StatusWriter,
        permit: &Permit,
    ) -> Result<(), End> {
        let object = &prepared.object;
        let (desired, tenant, auth0) = self.dependencies(object, references).await?;
        outcome.ignored = Some(desired.ignored.clone());
        let (uid, user_id) = (Uid::of(object), &object.spec.user_id);
        let correlation_id = correlation_id(object, outcome.generation);
        let host = Permitted { client: &auth0, permit, user_id, correlation_id: &correlation_id };
        let namespace = object.namespace().unwrap_or_default();
        let title = directory::title(&object.spec.tenant_ref.resolve(&namespace), &namespace);
        let names = (title.as_str(), namespace.as_str());
        let asked = Asked { desired, tenant, references, names };
        let user = match self.edit_unread(prepared, &asked, &host, writer, outcome).await? {
            Some(user) => user,
            None => self.read_user(object, &asked, &host, writer, outcome).await?,
        };
        undo_unsent(&user, state, writer).await.map_err(|unwritten| End::by(unwritten, outcome.requests))?;
        let desired = granted(asked.desired, &references.access, &user, names, outcome);
        let siblings = self.conflicts.siblings(uid, &tenant.host, user_id);
        let memory = Memory { siblings, ..recall(writer, object, outcome, state) };
        let password =
            password::observe(object, &desired, &references.secret, &memory, &user, &self.secrets, &self.key)
                .await;
        let pass =
            Pass { desired: &desired, password: &password, key: &self.key, host: &tenant.host, user_id };
        // Taken with the judgement: what comes and goes before it must not be noted as judged.
        outcome.contest = Some(self.conflicts.contest(uid, &tenant.host, user_id).fingerprint);
        if let Err(failure) = self.judge(object, &pass, &user, &memory, state) {
            let blocks = outcome.mode == Mode::Apply && self.blocks_all_the_same(object, &pass, &user);
            outcome.user = Some(if blocks { block(&host, writer, None, outcome).await? } else { user });
            return Err(failure.into());
        }
        match outcome.mode {
            Mode::Observe => preview(&pass, user, memory, outcome),
            Mode::Apply => carry_out(&pass, &host, writer, user, memory, outcome, state).await,
        }
        let failure = outcome.failure.take();
        outcome.failure =
            failure.map(|failure| with_choices(failure, outcome.user.as_ref(), &references.access));
        Ok(())
    }

    /// Sends an edit by Auth0's last answer, where one request of what is granted does all and no other resource has a
    /// say. Auth0's answer is the user as it would have been read.
    async fn edit_unread(
        &self,
        Prepared { object, before, remembered, .. }: &Prepared,
        Asked { desired, tenant, references, names }: &Asked<'_>,
        host: &Permitted<'_>,
        writer: &mut StatusWriter,
        outcome: &mut Outcome,
    ) -> Result<Option<User>, End> {
        let memory = Memory {
            triggers: before.triggers.clone(),
            assume_sent: object.assume_sent(),
            ..Memory::default()
        };
        let Some(user) = remembered else { return Ok(None) };
        let Some(password) = password::remembered(desired, &references.secret, &memory) else {
            return Ok(None);
        };
        let (desired, refused) = narrow(desired.clone(), &references.access, user, *names);
        if !refused.is_empty() {
            return Ok(None);
        }
        let (key, user_id) = (&self.key, host.user_id);
        let pass = Pass { desired: &desired, password: &password, key, host: &tenant.host, user_id };
        edit_unread(&pass, host, writer, user, &memory, outcome).await
    }

    /// Reads the user; one that cannot be read and is to be blocked is blocked.
    #[tracing::instrument(skip_all, name = "read user")]
    async fn read_user(
        &self,
        object: &Auth0UserUpdate,
        asked: &Asked<'_>,
        host: &Permitted<'_>,
        writer: &mut StatusWriter,
        outcome: &mut Outcome,
    ) -> Result<User, End> {
        // A request that was rejected has used the permit of the start.
        let read = if outcome.requests == 0 {
            host.permit.begin();
            host.client.user(host.user_id).await
        } else {
            host.user().await
        };
        match read {
            Ok(user) => {
                asked.references.access.check_id(&user, host.user_id)?;
                Ok(user)
            }
            Err(error) if self.may_block_unread(object, asked, &error) => {
                block(host, writer, Some(error), outcome).await
            }
            Err(error) => Err(End::Failed(error)),
        }
    }

    /// Whether a user that cannot be read for now is blocked all the same: the spec asks for it, whatever the user's
    /// connection it may, no other resource wants otherwise, and it was not done yet.
    fn may_block_unread(
        &self,
        object: &Auth0UserUpdate,
        Asked { desired, tenant, references, .. }: &Asked<'_>,
        error: &auth0::Error,
    ) -> bool {
        error.failure.reason == Reason::Auth0Unavailable
            && references.access.allows_block(Some(UNKNOWN_CONNECTION))
            && desired.flags.get(&Attribute::Blocked) == Some(&true)
            && object.mode() == Mode::Apply
            && !object.is_applied()
            && !self.conflicts.contest(Uid::of(object), &tenant.host, &object.spec.user_id).contested
    }

    /// Whether a resource that another one turns away blocks the user: the block is no part of the conflict.
    fn blocks_all_the_same(&self, object: &Auth0UserUpdate, pass: &Pass<'_>, user: &User) -> bool {
        pass.desired.flags.get(&Attribute::Blocked) == Some(&true)
            && !user.is_blocked()
            && !self.conflicts.contest_block(object, pass.host, user.primary_connection())
    }

    /// Judges a resource beside the others of its user. A target that the user does not have is the plan's to refuse.
    fn judge(
        &self,
        object: &Auth0UserUpdate,
        pass: &Pass<'_>,
        user: &User,
        memory: &Memory,
        state: &mut State,
    ) -> Result<(), Failure> {
        let target = user.target(pass.desired.connection.as_deref()).ok();
        let identity = target.as_ref().filter(|_| pass.desired.password.is_some());
        state.identity = identity.map(|target| target.identity.as_str().into());
        let Some(target) = target else { return Ok(()) };
        let digest = password::digest(pass.password, memory, pass.key, pass.host, pass.user_id, &target);
        self.conflicts.judge(object, pass.host, user, &target, digest.as_deref())
    }

    async fn dependencies<'a>(
        &self,
        object: &Auth0UserUpdate,
        references: &'a References,
    ) -> Result<(Desired, &'a Tenant, Arc<auth0::Client>), Failure> {
        schedule::resync_interval(&object.spec)?;
        written::check(&object.spec.outputs_to)?;
        let desired =
            Desired::read(&object.spec, object.last_applied_nulls().as_ref(), object.remembered_nulls())?;
        let tenant = references.tenant.as_ref().map_err(Clone::clone)?;
        let resource = tenant.object.0.as_ref().map_err(|_| {
            Failure::new(Reason::TenantNotReady, "the tenant cannot be read by this version of the operator")
        })?;
        let auth0 = self.clients.of(resource, &self.secrets).await.map_err(|failure| {
            let is_own = resource.metadata.namespace == object.metadata.namespace;
            if is_own {
                failure
            } else {
                Failure::new(failure.reason, format!("the tenant {}", directory::NOT_TOLD))
            }
        })?;
        Ok((desired, tenant, auth0))
    }
}

/// Writes what the status of an earlier pass did not take.
async fn write_again(record: &Record, writer: &mut StatusWriter, state: &mut State) -> Result<(), Unwritten> {
    if let Some(known) = state.unwritten_onto(&writer.status().triggers) {
        writer.write(&known).await?;
        state.unfinished_mut().unwritten = Entries::default();
    }
    let pruned = state.unfinished_mut().pruned.take();
    // An edit goes out once, whatever is kept of its end.
    let Some(pruned) = pruned.filter(|_| !record.is_edited) else { return Ok(()) };
    let written = writer.retry(&pruned).await;
    if written.is_err() {
        state.unfinished_mut().pruned = Some(pruned);
    }
    written
}

/// What a resource asks for, and where.
struct Asked<'a> {
    desired: Desired,
    tenant: &'a Tenant,
    references: &'a References,
    /// The tenant and the namespace, as sentences name them.
    names: (&'a str, &'a str),
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
    #[tracing::instrument(skip_all, name = "wait for the rate limit")]
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

/// Blocks a user, and nothing else; Auth0's answer is the user as it would have been read. `unread`: why it could not be,
/// which is what is told where the block fails, too.
async fn block(
    host: &Permitted<'_>,
    writer: &mut StatusWriter,
    unread: Option<auth0::Error>,
    outcome: &mut Outcome,
) -> Result<User, End> {
    let block = Step::block();
    host.turn().await.map_err(End::Failed)?;
    writer.confirm().await.map_err(|unwritten| End::by(unwritten, outcome.requests))?;
    outcome.requests += 1;
    match host.patch(&block.body, false).await {
        Ok(user) => {
            outcome.note_accepted(&block);
            Ok(user)
        }
        Err(error) => {
            // Auth0 may still block the user.
            outcome.gave_up = (error.effect == Effect::Unknown).then(Instant::now);
            Err(End::Failed(unread.unwrap_or(error)))
        }
    }
}

/// Sends what is needed, and keeps what the next look has to know of requests without an answer.
async fn carry_out(
    pass: &Pass<'_>,
    host: &Permitted<'_>,
    writer: &mut StatusWriter,
    user: User,
    memory: Memory,
    outcome: &mut Outcome,
    state: &mut State,
) {
    outcome.doubt.extend(state.unfinished().doubt.iter().cloned());
    execute(pass, host, writer, user, memory, outcome).await;
    state.unfinished_mut().unsent = std::mem::take(&mut outcome.unsent);
    state.unfinished_mut().doubt = std::mem::take(&mut outcome.doubt);
    let user = outcome.user.as_ref().filter(|_| fills_profile(pass.desired));
    outcome.profile_kilobytes = user.map(User::kilobytes);
}

/// Fields that were put back: they were as declared when this generation was last compared. What an earlier pass could not
/// do, and what is done once only, is no drift.
fn corrected(record: &Record, before: &Auth0UserUpdateStatus, outcome: &Outcome) -> Vec<String> {
    let is_rest = record.synced.is_some_and(|synced| synced.reason == Reason::Refused);
    if !record.is_applied && !is_rest || record.in_conflict || record.is_edited || record.observes {
        return Vec::new();
    }
    let once = [Attribute::Password, Attribute::VerifyEmail].map(Attribute::spec_name);
    let refused = before.refused_fields.iter().map(|refused| refused.field.as_str());
    let not_persisted = before.not_persisted.iter().map(|entry| entry.field.as_str());
    let others: BTreeSet<&str> = refused.chain(not_persisted).chain(once).collect();
    let is_drift = |field: &&String| !others.contains(field.as_str());
    outcome.sent.iter().chain(&outcome.cleared).filter(is_drift).cloned().collect()
}

/// Counts what was put back; what is put back again and again is contested.
fn count_repairs(outcome: &mut Outcome, resync: Duration, state: &mut State) {
    let repairs = &mut state.unfinished_mut().repairs;
    let contested = repairs.count(outcome.corrected.iter(), Instant::now(), resync);
    outcome.contested.extend(contested);
}

/// Takes back what status says of orders that were not sent.
async fn undo_unsent(user: &User, state: &State, writer: &mut StatusWriter) -> Result<(), Unwritten> {
    let reset = user.text("last_password_reset");
    let undone = Unsent::undo(&state.unfinished().unsent, &writer.status().triggers, reset);
    if undone.is_empty() { Ok(()) } else { writer.write(&undone).await }
}

/// Whether the user grows with what the spec declares.
fn fills_profile(desired: &Desired) -> bool {
    !desired.metadata.is_empty() || desired.texts.keys().any(|attribute| attribute.group() == Group::Profile)
}

/// An unknown connection is easier to mend where those of the user are named.
#[must_use]
pub fn with_choices(failure: Failure, user: Option<&User>, access: &Access) -> Failure {
    let Some(user) = user.filter(|_| failure.reason == Reason::UnknownConnection) else { return failure };
    let names: Vec<&str> = user.connections().filter(|name| access.reaches(name)).take(10).collect();
    let message = format!("{}; its identities are in: {}", failure.message, names.join(", "));
    Failure::new(failure.reason, if names.is_empty() { failure.message } else { message })
}

/// What earlier passes left in status.
pub fn recall(writer: &StatusWriter, object: &Auth0UserUpdate, outcome: &Outcome, state: &State) -> Memory {
    let status = writer.status();
    let now = Instant::now();
    Memory {
        generation_applied: conditions::is_ready(
            &status.conditions,
            object.metadata.generation.unwrap_or_default(),
        ),
        triggers: status.triggers,
        refused: if outcome.forget_refusals || outcome.mode == Mode::Observe {
            Vec::new()
        } else {
            status.refused_fields.into_iter().filter(RefusedField::is_of_auth0).collect()
        },
        retry: state
            .unfinished()
            .refusals
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(field, _)| field.clone())
            .collect(),
        has_failed: state.failures > 0,
        not_persisted: if outcome.request.is_some() { Vec::new() } else { status.not_persisted },
        paused: state.unfinished().repairs.paused(now, schedule::interval(&object.spec)),
        assume_sent: object.assume_sent(),
        siblings: Vec::new(),
    }
}

/// Leads back from the tenant's log to a resource and its generation, and to the operator's log.
pub(super) fn correlation_id(object: &Auth0UserUpdate, generation: i64) -> String {
    format!("{}/{generation}", object.metadata.uid.as_deref().unwrap_or_default())
}

/// Tells log, metrics and trace what a check came to; what the resource shows already is logged at debug level only.
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
    let (correlation_id, trace_id) = (correlation_id(object, generation), traces::id().map(display));
    Span::current().record("auth0_user_operator.correlation_id", &correlation_id);
    let problem = problem(before, outcome, Timestamp::now()).map(|failure| failure.reason);
    let (came_to, counted) = match (problem, outcome.changed_auth0(), outcome.mode) {
        (Some(reason), ..) => ("failed", reason),
        (None, true, _) => ("updated", Reason::Applied),
        (None, false, Mode::Observe) => ("unchanged", Reason::Observed),
        (None, false, Mode::Apply) => ("unchanged", Reason::Applied),
    };
    metrics.pass("Auth0UserUpdate", came_to, counted.as_str(), why, elapsed);
    if let Some(reason) = problem.filter(|reason| !is_shown(before, generation, *reason)) {
        warn!(namespace, name, generation, why, requests, %reason, ?elapsed, correlation_id, trace_id, "update incomplete");
    } else if outcome.changed_auth0() {
        info!(namespace, name, generation, why, requests, ?elapsed, correlation_id, trace_id, "updated");
    } else {
        let reason = problem.map(display);
        debug!(
            namespace,
            name,
            generation,
            why,
            requests,
            reason,
            ?elapsed,
            correlation_id,
            trace_id,
            "looked"
        );
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
