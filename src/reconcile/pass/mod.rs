//! The pass of an `Auth0UserUpdate`: observe → plan → execute → conclude → publish.

pub mod compare;
pub mod conflicts;
pub mod execute;
#[cfg(test)]
pub(crate) mod fixtures;
mod look;
mod outputs;
mod password;
mod publish;
mod status_writer;

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, PAUSED_ANNOTATION};
use crate::cluster::guarded::Undecodable;
use crate::cluster::outputs::Outputs;
use crate::cluster::secrets::{Known, Secrets, Use};
use crate::cluster::synced::Synced;
use crate::ownership::{Contest, Uid};
use crate::plan::TriggerKey;
use crate::queue::dispatch::{Dispatcher, Permit};
use crate::queue::{Key, Priority};
use crate::reconcile::object::fingerprint::of_version;
use crate::reconcile::object::{schedule, undecodable};
use crate::reconcile::resource::next::{Next, heeds_events, next};
use crate::reconcile::resource::record::Record;
use crate::reconcile::resource::references::{References, SecretState};
use crate::reconcile::resource::resources::{Resource, Resources, Stored};
use crate::reconcile::resource::why::{self, Decision};
use crate::reconcile::resource::{Found, State, kubectl_migration};
use crate::reconcile::status::dropped::Nulls;
use crate::reconcile::tenant::clients::Clients;
use crate::reconcile::tenant::directory::{self, Directory};
use crate::telemetry::health::Probes;
use crate::telemetry::metrics::PANICKED;
use crate::telemetry::traces;
use conflicts::Conflicts;
use execute::Unwritten;
use futures::FutureExt as _;
use kube::Client;
use kube::api::Api;
pub use look::with_choices;
use password::Rewritten;
pub use password::missing;
use status_writer::StatusWriter;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a pass that lost a race begins anew.
pub const ANEW: Duration = Duration::from_secs(1);
/// How often what no watch tells is asked for.
pub const RECHECK: Duration = Duration::from_mins(1);

/// What a pass works with.
pub struct Updates {
    /// Kubernetes.
    pub client: Client,
    /// All resources.
    pub resources: Arc<Resources>,
    /// Other resources of the same users, and the tenants.
    pub conflicts: Conflicts,
    /// Auth0.
    pub clients: Arc<Clients>,
    /// Secrets.
    pub secrets: Arc<Secrets>,
    /// Outputs in `ConfigMap`s and Secrets.
    pub outputs: Outputs,
    /// Who goes next, and when.
    pub queue: Arc<Dispatcher>,
    /// What is counted and watched.
    pub probes: Arc<Probes>,
    /// The operator's key.
    pub key: Arc<TriggerKey>,
    /// Where passes may begin.
    pub synced: Synced,
    /// Held while a resource is given its place in the queue.
    pub places: Mutex<()>,
}

impl Updates {
    /// What passes work with, `concurrency` of them at once, before any list came.
    #[must_use]
    pub fn new(
        (client, secrets, outputs): (Client, Arc<Secrets>, Outputs),
        clients: Arc<Clients>,
        tenants: Directory,
        concurrency: u16,
        probes: Arc<Probes>,
        key: Arc<TriggerKey>,
    ) -> Self {
        let (limiters, rates) = (Arc::clone(&clients), tenants.clone());
        let limiter_of = move |host: &str| {
            let limiter = limiters.limiter(host);
            limiter.set_rate(rates.rate(host));
            limiter
        };
        Self {
            conflicts: Conflicts { ownership: Arc::default(), tenants },
            queue: Dispatcher::new(concurrency, limiter_of),
            resources: Arc::default(),
            synced: Synced::default(),
            places: Mutex::default(),
            client,
            clients,
            secrets,
            outputs,
            probes,
            key,
        }
    }

    /// One pass, from what is known of the resource to its place in the queue for the next one. Never fails and never
    /// panics.
    #[tracing::instrument(name = "reconcile Auth0UserUpdate", parent = None, skip_all, fields(
        k8s.namespace.name = &**key.namespace(),
        auth0_user_operator.kind = "Auth0UserUpdate",
        auth0_user_operator.name = key.name(),
        auth0_user_operator.queue_seconds = permit.waited().as_secs_f64(),
        auth0_user_operator.why,
        auth0_user_operator.outcome,
        auth0_user_operator.reason,
        auth0_user_operator.correlation_id,
        otel.status_code,
    ))]
    pub async fn pass(&self, key: &Key, permit: Permit) {
        let Some(known) = self.resources.begin(key) else { return };
        let started = Instant::now();
        let (uid, mut state, found) = (known.uid(), known.state, self.resources.take_found(key));
        let pass = async {
            match &known.stored {
                Stored::Unreadable(undecodable) => self.report(undecodable, &mut state).await,
                Stored::Readable(record) => self.visit(key, record, found, &mut state, &permit).await,
            }
        };
        let pass = Box::pin(AssertUnwindSafe(pass).catch_unwind());
        let wait = if let Ok(wait) = self.probes.pass(pass).await {
            wait
        } else {
            state = self.resources.remembered(key);
            self.panicked(key, uid, &mut state, started).await
        };
        state.unfinished_mut().not_before = wait.map(|wait| Instant::now() + wait);
        {
            let _one_at_a_time = self.lock_place();
            if let Some((known, is_quiet)) = self.resources.end(key, uid, state) {
                self.enqueue(key, known, is_quiet);
            }
        }
        // Now the queue may start the next one.
        drop(permit);
    }

    /// Something has happened that a resource may have to do with: gives it its place in the queue.
    pub fn consider(&self, key: &Key) {
        let _one_at_a_time = self.lock_place();
        if let Some(known) = self.resources.wake(key) {
            self.enqueue(key, known, false);
        }
    }

    /// Held from what is known of a resource to its place in the queue, so that no other thread gives it another one.
    fn lock_place(&self) -> MutexGuard<'_, ()> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `after_pass`: nothing but a pass of it has happened.
    fn enqueue(&self, key: &Key, mut known: Resource, after_pass: bool) {
        if !self.synced.has(key.namespace()) {
            return;
        }
        let now = Instant::now();
        let (next, host) = match &known.stored {
            Stored::Unreadable(undecodable) => {
                let told = &known.state.unfinished().undecodable;
                let wants = !after_pass && !told.is_all::<Auth0UserUpdate>(undecodable);
                let at = known.state.unfinished().not_before.or(wants.then_some(now));
                (at.map(|at| Next { calls: false, priority: Priority::Retry, at }), None)
            }
            Stored::Readable(record) => {
                let references = self.known_references(key, record);
                if !known.state.scheduled && !record.is_paused {
                    why::begin(record, &references, &mut known.state, now);
                    self.resources.keep(key, known.state.clone());
                }
                let host = references.tenant.as_ref().ok().map(|tenant| tenant.host.clone());
                (next(record, &references, &known, after_pass, now), host)
            }
        };
        let Some(Next { calls, priority, at }) = next else { return self.queue.remove(key) };
        if at > now {
            // What it waited for before may be later, or earlier, now.
            self.queue.remove(key);
        }
        self.queue.add(key.clone(), host.as_deref().filter(|_| calls), priority, at);
    }

    /// What a resource refers to, as far as it is known without a call.
    fn known_references(&self, key: &Key, record: &Record) -> References {
        let secret = record.secret.as_deref().map_or(SecretState::Undeclared, |name| {
            match self.secrets.known(key.namespace(), name, Use::Password) {
                Known::At(Some(version)) => SecretState::At(version),
                Known::At(None) => SecretState::Unavailable(missing(name)),
                Known::Pending => SecretState::Pending,
                Known::Unwatched => SecretState::Unwatched,
            }
        });
        self.references(key, record, secret)
    }

    /// The same, the Secret being asked for where no watch tells.
    async fn found_references(&self, key: &Key, record: &Record) -> References {
        let secret = match record.secret.as_deref() {
            None => SecretState::Undeclared,
            Some(name) => match self.secrets.version(key.namespace(), name, Use::Password).await {
                Ok(Some(version)) => SecretState::At(version),
                Ok(None) => SecretState::Unavailable(missing(name)),
                Err(failure) => SecretState::Unavailable(failure),
            },
        };
        self.references(key, record, secret)
    }

    fn references(&self, key: &Key, record: &Record, secret: SecretState) -> References {
        let (tenants, user_id) = (&self.conflicts.tenants, &record.user_id);
        let (access, tenant) = directory::resolve(tenants, key.namespace(), &record.tenant, user_id);
        let contest = tenant.as_ref().map_or_else(
            |_| Contest::default(),
            |tenant| self.conflicts.contest(record.uid, &tenant.host, user_id),
        );
        References { tenant, access, secret, contest }
    }

    /// Tells a resource that cannot be read so.
    async fn report(&self, object: &Undecodable, state: &mut State) -> Option<Duration> {
        undecodable::report::<Auth0UserUpdate>(&self.client, &mut state.unfinished_mut().undecodable, object)
            .await
    }

    /// Decides again by what there is now, and looks at Auth0 or tells what has to be told. Answers when to come back,
    /// where that is sooner than the resource's state says.
    async fn visit(
        &self,
        key: &Key,
        known: &Record,
        found: Option<Found>,
        state: &mut State,
        permit: &Permit,
    ) -> Option<Duration> {
        state.unfinished_mut().not_before = None;
        if found.is_some() && heeds_events(known, state) {
            // Be it a little early.
            state.due = Some(Instant::now());
        }
        let mut writer = match self.open(key, known.uid, state).await {
            Ok(writer) => writer,
            Err(wait) => return Some(wait),
        };
        let record = Record::of(writer.object());
        if record.is_deleted {
            self.note(&writer);
            return None;
        }
        if record.is_paused {
            state.scheduled = false;
            let message =
                format!("paused by annotation {PAUSED_ANNOTATION}; nothing is sent until it is removed");
            let failure = Failure::new(Reason::Paused, message);
            let most_shown = Some(self.known_references(key, &record).access.outputs(None));
            return self.publish_failure(&mut writer, failure, 0, most_shown).await;
        }
        let references = self.found_references(key, &record).await;
        let forget_refusals = match self.decide(&mut writer, &record, &references, state).await {
            Decision::Pass { forget_refusals } => forget_refusals,
            Decision::ComparePassword => true,
            Decision::Sleep => return self.tell(key, &mut writer, &record, &references, state).await,
        };
        if self.compare(&record, &writer, &references, found, permit, state).await {
            return None;
        }
        let host = references.tenant.as_ref().ok().map(|tenant| tenant.host.as_str());
        if permit.host() != host {
            // It has its turn at that host still to wait for, and the nulls are known when that comes.
            let _ = writer.remember_nulls().await;
            self.note(&writer);
            return Some(Duration::ZERO);
        }
        Box::pin(self.look(&mut writer, &references, forget_refusals, state, permit)).await
    }

    /// Decides by what there is now. A Secret that was written again is compared first, and a new password in it
    /// announced.
    async fn decide(
        &self,
        writer: &mut StatusWriter,
        record: &Record,
        references: &References,
        state: &mut State,
    ) -> Decision {
        why::begin(record, references, state, Instant::now());
        let decision = why::decide(&why::why(record, references, state, Instant::now()));
        let announces = why::announces_password(record, references, state);
        if !announces && decision != Decision::ComparePassword {
            return decision;
        }
        let rewritten = self.compare_password(writer.object(), references, state).await;
        if announces && rewritten == Rewritten::Another {
            self.announce_password(writer, state).await;
        }
        why::decide(&why::why(record, references, state, Instant::now()))
    }

    /// Nothing to look at; but what is lost on the way is told, and that the Secret is gone.
    async fn tell(
        &self,
        key: &Key,
        writer: &mut StatusWriter,
        record: &Record,
        references: &References,
        state: &mut State,
    ) -> Option<Duration> {
        let missing =
            if let SecretState::Unavailable(failure) = &references.secret { Some(failure) } else { None };
        state.secret_unavailable = missing.is_some();
        if let Some(failure) = missing.filter(|_| record.is_applied) {
            self.publish_failure(writer, failure.clone(), 0, None).await;
        }
        if !record.tells_nulls || writer.explicit_nulls() != writer.object().remembered_nulls() {
            // Not written: the next wake-up finds it so again.
            let _ = self.publish(writer, None).await;
            self.note(writer);
        }
        let name = record.secret.as_deref().filter(|_| missing.is_some())?;
        if let Known::At(_) = self.secrets.known(key.namespace(), name, Use::Password) {
            // The watch tells when it is there.
            return None;
        }
        let rest = state.due.map(|due| due.saturating_duration_since(Instant::now()));
        Some(rest.map_or(RECHECK, |rest| rest.min(RECHECK)))
    }

    /// Reads a Secret that was written again and compares its content with the one that Auth0 was given.
    async fn compare_password(
        &self,
        object: &Auth0UserUpdate,
        references: &References,
        state: &mut State,
    ) -> Rewritten {
        let Ok(tenant) = &references.tenant else { return Rewritten::Unclear };
        // Before the first look, the primary identity is the likely one.
        let identity = state.identity.as_deref().unwrap_or(&object.spec.user_id);
        let found = password::compare(object, &self.secrets, &self.key, &tenant.host, identity).await;
        let SecretState::At(version) = &references.secret else { return found };
        if found == Rewritten::Judged {
            state.judged_secret = Some(of_version(version));
            return found;
        }
        state.unfinished_mut().compared_secret = Some(of_version(version));
        // Made for another identity, the digest of the same password differs.
        if state.identity.is_none() && object.spec.connection.value().is_some() {
            return Rewritten::Unclear;
        }
        found
    }

    /// Says that the Secret holds a new password, before anything else: until its turn comes and Auth0 has answered,
    /// the resource must not be taken for done.
    async fn announce_password(&self, writer: &mut StatusWriter, state: &State) {
        let failure = Failure::new(
            Reason::PasswordPending,
            "the Secret of spec.passwordSecretRef holds a new password that is not set in Auth0 yet; the operator sends it as soon as the tenant's rate limit allows",
        );
        // Where it cannot be written, the password is sent all the same.
        self.publish_failure(writer, failure, state.failures, None).await;
    }

    async fn panicked(&self, key: &Key, uid: Uid, state: &mut State, started: Instant) -> Option<Duration> {
        // Whatever was sent since then is not known.
        state.unfinished_mut().unsent.clear();
        state.expect_late(Instant::now());
        state.failures += 1;
        let wait = schedule::backoff(state.failures, Some(schedule::DEFAULT_RESYNC));
        state.due = Some(Instant::now() + wait);
        state.scheduled = true;
        let trace_id = traces::id().map(tracing::field::display);
        tracing::error!(
            namespace = &**key.namespace(),
            name = key.name(),
            trace_id,
            "reconciliation panicked"
        );
        let failure =
            Failure::new(Reason::InternalError, "internal error in the operator: see its log and report it");
        let reason = failure.reason.as_str();
        self.probes.metrics.pass("Auth0UserUpdate", "failed", reason, PANICKED, started.elapsed());
        let nulls = Arc::clone(state.nulls.get_or_insert_default());
        if let Ok(mut writer) = self.read(key, uid, nulls).await {
            self.publish_failure(&mut writer, failure, state.failures, None).await;
        }
        Some(wait)
    }

    /// Takes in what was written, before the watch tells it.
    fn note(&self, writer: &StatusWriter) {
        let mut object = writer.object().clone();
        kubectl_migration::forget(&mut object);
        self.conflicts.ownership.note(&object);
        self.resources.note(&self.resources.key_of(&object), object);
    }

    /// Reads the object for a pass; else answers when to come back.
    async fn open(&self, key: &Key, uid: Uid, state: &mut State) -> Result<StatusWriter, Duration> {
        let nulls = Arc::clone(state.nulls.get_or_insert_default());
        self.read(key, uid, nulls).await.map_err(|unwritten| match unwritten {
            // The watch will say so.
            Unwritten::Gone => RECHECK,
            Unwritten::Conflict | Unwritten::Failed(_) => schedule::backoff(state.count_unpublished(), None),
        })
    }

    async fn read(&self, key: &Key, uid: Uid, nulls: Arc<Mutex<Nulls>>) -> Result<StatusWriter, Unwritten> {
        let api = Api::namespaced(self.client.clone(), key.namespace());
        StatusWriter::read(api, key.name(), uid, nulls, Arc::clone(&self.resources)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PAUSED_ANNOTATION;
    use crate::cluster::fixtures::Requests;
    use crate::reconcile::pass::fixtures::{cluster, said};
    use crate::reconcile::resource::fixtures::{object, ready};
    use crate::reconcile::tenant;
    use crate::reconcile::tenant::fixtures::tenant_with;
    use crate::telemetry::traces::tests::Sent;
    use kube::ResourceExt as _;
    use opentelemetry_sdk::trace::Sampler;
    use serde_json::json;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    /// Runs the pass that the queue starts now; `None` where it starts none.
    async fn pass(updates: &Arc<Updates>) -> Option<()> {
        let key = updates.queue.next().now_or_never()?;
        let permit = updates.queue.permit(&key).unwrap();
        updates.pass(&key, permit).await;
        Some(())
    }

    /// What the first pass of an object says of Ready, and whether another one begins at once.
    async fn first(object: &Auth0UserUpdate) -> (Option<(String, String)>, bool, Requests) {
        let (updates, requests) = cluster([], object);
        let key = updates.see(object);
        updates.consider(&key);
        assert!(pass(&updates).await.is_some());
        let written = requests.take_statuses();
        let ready = written.first().and_then(|written| said(written, "Ready"));
        let ready = ready.map(|(status, reason)| (status.to_owned(), reason.to_owned()));
        (ready, pass(&updates).await.is_some(), requests)
    }

    fn words(status: &str, reason: &str) -> (String, String) {
        (status.to_owned(), reason.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_without_its_tenant_says_so_and_waits() {
        let (ready, goes_on, requests) = first(&object(&json!({"name": "A"}), &json!({}))).await;
        assert_eq!((ready, goes_on), (Some(words("False", "TenantNotFound")), false));
        assert_eq!(requests.take_events(), ["TenantNotFound"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reconciliation_is_a_trace_that_says_what_it_came_to() {
        let sent = Sent::default();
        let traces = sent.traces(Sampler::AlwaysOn);
        let _traced = tracing::subscriber::set_default(Registry::default().with(traces.layer()));
        first(&object(&json!({"name": "A"}), &json!({}))).await;
        let root = "reconcile Auth0UserUpdate";
        let names = sent.names();
        let names: Vec<_> = names.iter().map(|(above, name)| (above.as_str(), name.as_str())).collect();
        assert_eq!(names, [(root, "read object"), (root, "write status"), ("", root)]);
        for (attribute, expected) in [
            ("k8s.namespace.name", "n"),
            ("auth0_user_operator.kind", "Auth0UserUpdate"),
            ("auth0_user_operator.name", "a"),
            ("auth0_user_operator.why", "edited"),
            ("auth0_user_operator.outcome", "failed"),
            ("auth0_user_operator.reason", "TenantNotFound"),
            ("auth0_user_operator.queue_seconds", "0"),
            ("auth0_user_operator.correlation_id", "u/2"),
        ] {
            assert_eq!(sent.attribute(root, attribute).as_deref(), Some(expected), "{attribute}");
        }
        assert!(sent.failed(root) && !sent.failed("write status"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_outside_every_grant_is_refused_before_any_call_and_is_shown_no_longer() {
        let mut object = object(
            &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "n"}}),
            &json!({"user": {"name": "A"}, "rawOutput": {"name": "A"}}),
        );
        object.metadata.namespace = Some("m".to_owned());
        let mut answers = Vec::new();
        for fields in [
            None,
            Some(json!({})),
            Some(json!({"access": [{"namespaces": ["m"], "fields": ["*"], "userIds": ["auth0|b"]}]})),
        ] {
            let tenant = fields.map(|fields| tenant_with("t", &tenant::fixtures::ready(1, "1"), &fields));
            let (updates, requests) = cluster(tenant, &object);
            updates.consider(&updates.see(&object));
            assert!(pass(&updates).await.is_some());
            let written = &requests.take_statuses()[0];
            assert_eq!(said(written, "Ready"), Some(("False", "TenantNotAllowed")));
            assert_eq!(
                (&written["status"]["user"], &written["status"]["rawOutput"]),
                (&json!(null), &json!(null))
            );
            assert!(requests.take_paths("/secrets/").is_empty(), "no credentials were read");
            let conditions = written["status"]["conditions"].as_array().unwrap().iter();
            answers.push(conditions.map(|condition| condition["message"].to_string()).collect::<Vec<_>>());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_resource_says_so_once() {
        let mut object = object(&json!({"name": "A"}), &json!({}));
        object.annotations_mut().insert(PAUSED_ANNOTATION.to_owned(), "true".to_owned());
        let (ready, goes_on, _) = first(&object).await;
        assert_eq!((ready, goes_on), (Some(words("Unknown", "Paused")), false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_resource_too_shows_no_more_than_the_tenant_lets_it() {
        let condition = |type_: &str| {
            json!({"type": type_, "status": "Unknown", "reason": "Paused", "message": "",
            "observedGeneration": 2, "lastTransitionTime": "2024-01-01T00:00:00Z"})
        };
        let mut object = object(
            &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "n"}}),
            &json!({"observedGeneration": 2, "conditions": [condition("Ready"), condition("Synced")],
                "user": {"name": "A"}, "rawOutput": {"name": "A"}}),
        );
        object.metadata.namespace = Some("m".to_owned());
        object.annotations_mut().insert(PAUSED_ANNOTATION.to_owned(), "true".to_owned());
        for (outputs, shown, passes) in
            [("Full", [true, true], 0), ("Mapped", [true, false], 1), ("None", [false, false], 1)]
        {
            let access = json!({"access": [{"namespaces": ["m"], "fields": ["*"], "outputs": outputs}]});
            let tenant = tenant_with("t", &tenant::fixtures::ready(1, "1"), &access);
            let (updates, requests) = cluster([tenant], &object);
            let key = updates.see(&object);
            updates.consider(&key);
            while pass(&updates).await.is_some() {}
            let written = requests.take_statuses();
            assert_eq!(written.len(), passes, "{outputs}");
            if let [written] = &written[..] {
                let status = &written["status"];
                assert_eq!([!status["user"].is_null(), !status["rawOutput"].is_null()], shown, "{outputs}");
                assert_eq!(said(written, "Ready"), Some(("Unknown", "Paused")));
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_that_is_being_deleted_or_gone_has_no_pass() {
        let mut deleted = object(&json!({"name": "A"}), &json!({}));
        deleted.metadata.deletion_timestamp = serde_json::from_value(json!("2024-01-01T00:00:00Z")).unwrap();
        let (updates, _) = cluster([], &deleted);
        let key = updates.see(&deleted);
        updates.consider(&key);
        assert_eq!(pass(&updates).await, None);
        updates.resources.forget(&key);
        updates.consider(&key);
        assert_eq!(pass(&updates).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_pass_begins_before_the_lists_of_its_namespace_came() {
        let object = object(&json!({"name": "A"}), &json!({}));
        let (updates, _) = cluster([], &object);
        let updates = Updates { synced: Synced::default(), ..Arc::try_unwrap(updates).ok().unwrap() };
        let updates = Arc::new(updates);
        let key = updates.see(&object);
        updates.consider(&key);
        assert_eq!(pass(&updates).await, None);
        updates.synced.set(Some("n"));
        updates.consider(&key);
        assert_eq!(pass(&updates).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_a_pass_is_considered_at_its_end() {
        let object = object(&json!({"name": "A"}), &ready(2, "False", "TenantNotFound"));
        let (updates, _) = cluster([], &object);
        let key = updates.see(&object);
        updates.consider(&key);
        let started = updates.queue.next().now_or_never().unwrap();
        let permit = updates.queue.permit(&started).unwrap();
        let mut pass_ = Box::pin(updates.pass(&key, permit));
        assert!(pass_.as_mut().now_or_never().is_none(), "it waits for the API server");
        let mut edited = object.clone();
        (edited.metadata.generation, edited.metadata.resource_version) = (Some(3), Some("9".to_owned()));
        updates.consider(&updates.see(&edited));
        assert!(updates.queue.next().now_or_never().is_none(), "never two of one resource");
        pass_.await;
        assert_eq!(pass(&updates).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_that_has_to_be_read_is_not_searched_for_by_the_next_pass_of_one_that_had_to_wait() {
        let mut status = ready(2, "True", "Applied");
        status["triggers"] =
            json!([{"name": "verifyEmail", "state": "Sending", "digest": "d", "keyId": "k"}]);
        let object = object(&json!({"name": "A"}), &status);
        let tenant = tenant_with("t", &tenant::fixtures::ready(1, "1"), &json!({}));
        let (updates, _) = cluster([tenant], &object);
        let key = updates.see(&object);
        let mut state = State::default();
        (state.due, state.scheduled) = (Some(Instant::now()), true);
        state.unfinished_mut().confirms = true;
        updates.resources.keep(&key, state);
        updates.consider(&key);
        assert!(pass(&updates).await.is_some());
        let after = updates.resources.remembered(&key);
        assert!(after.unfinished().not_before.is_some(), "it waits for the process that began the mail");
        assert!(after.unfinished().confirms);
    }

    #[tokio::test(start_paused = true)]
    async fn a_defect_is_told_and_comes_back_later() {
        let object = object(&json!({"name": "A"}), &json!({}));
        let (updates, requests) = cluster([], &object);
        let key = updates.see(&object);
        let mut state = updates.resources.begin(&key).unwrap().state;
        let wait = updates.panicked(&key, Uid::new("u"), &mut state, Instant::now()).await;
        assert!(wait.unwrap() >= Duration::from_secs(1));
        assert_eq!(said(&requests.take_statuses()[0], "Ready"), Some(("False", "InternalError")));
    }
}
