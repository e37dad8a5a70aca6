//! The pass of an `Auth0Tenant`: have a token, compare its scopes, list the connections.

pub mod clients;
mod conclude;
pub mod directory;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod gone;
mod lent;
mod scopes;
pub mod shares;
pub mod state;
pub mod streams;
pub mod upkeep;

use crate::api::conditions::{self, READY};
use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0Tenant, Auth0TenantStatus};
use crate::auth0;
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::{Secrets, Use};
use crate::cluster::{events, status};
use crate::ownership::Named;
use crate::reconcile::object::undecodable;
use crate::reconcile::object::why::Why;
use crate::reconcile::tenant::clients::{Clients, read_credentials};
use crate::reconcile::tenant::conclude::{Failed, Findings, Listing, announce, conclude};
use crate::reconcile::tenant::directory::Directory;
use crate::reconcile::tenant::lent::{is_lent, lent};
use crate::reconcile::tenant::shares::Shares;
use crate::reconcile::tenant::state::{REFRESH, States};
use crate::reconcile::tenant::upkeep::Resources;
use crate::telemetry::health::Probes;
use crate::telemetry::metrics::{Metrics, PANICKED};
use crate::telemetry::traces;
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::Api;
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;

/// Passes at once of the tenants of one namespace, of [`CONCURRENCY`].
const MOST_OF_NAMESPACE: usize = 48;

/// How soon a tenant comes back whose namespace has that many.
const ANEW: Duration = Duration::from_secs(1);

/// Passes at once of an `Auth0Tenant`: many, because they wait for their hosts and for the budget, and one that does
/// is not to hold up the others.
pub const CONCURRENCY: u16 = 64;

/// What a pass works with.
pub struct Tenants {
    /// Kubernetes.
    pub client: Client,
    /// What is counted and watched.
    pub probes: Arc<Probes>,
    /// All tenants.
    pub directory: Directory,
    /// Auth0.
    pub clients: Arc<Clients>,
    /// Secrets.
    pub secrets: Arc<Secrets>,
    /// What is remembered between passes.
    pub states: Arc<States>,
    /// Passes under way.
    pub shares: Shares,
    /// The resources that name a tenant, once all lists came.
    pub count: Count,
}

/// Counts the resources of a tenant.
pub type Count = Box<dyn Fn(&Named) -> Option<Resources> + Send + Sync>;

/// One pass. Never fails and never panics: the answer is when to come back.
///
/// # Errors
/// None.
#[tracing::instrument(name = "reconcile Auth0Tenant", parent = None, skip_all, fields(
    k8s.namespace.name = object.namespace(),
    auth0_user_operator.kind = "Auth0Tenant",
    auth0_user_operator.name = object.name_any(),
    auth0_user_operator.why,
    auth0_user_operator.outcome,
    auth0_user_operator.reason,
    otel.status_code,
))]
pub async fn reconcile(
    object: Arc<Guarded<Auth0Tenant>>,
    tenants: Arc<Tenants>,
) -> Result<Action, Infallible> {
    let tenant = match &object.0 {
        Ok(tenant) => tenant,
        Err(undecodable) => {
            let uid = object.uid().unwrap_or_default();
            let mut state = tenants.states.of(&uid);
            let told = &mut state.undecodable;
            let next = undecodable::report::<Auth0Tenant>(&tenants.client, told, undecodable).await;
            tenants.states.keep(&uid, state);
            return Ok(next.map_or_else(Action::await_change, Action::requeue));
        }
    };
    let Some(_share) = tenants.shares.take(&object.namespace().unwrap_or_default(), MOST_OF_NAMESPACE) else {
        return Ok(Action::requeue(ANEW));
    };
    let started = Instant::now();
    let visited = tenants.probes.pass(Box::pin(AssertUnwindSafe(tenants.visit(tenant)).catch_unwind())).await;
    let next = visited.unwrap_or_else(|_| {
        let reason = Reason::InternalError.as_str();
        tenants.probes.metrics.pass("Auth0Tenant", "failed", reason, PANICKED, started.elapsed());
        let trace_id = traces::id().map(display);
        tracing::error!(
            namespace = tenant.namespace(),
            name = tenant.name_any(),
            trace_id,
            "reconciliation panicked"
        );
        REFRESH
    });
    Ok(Action::requeue(next))
}

impl Tenants {
    /// Checks a tenant where that is due, and publishes what came of it. Answers when to come back.
    async fn visit(&self, tenant: &Auth0Tenant) -> Duration {
        let uid = tenant.uid().unwrap_or_default();
        let mut state = self.states.of(&uid);
        let namespace = tenant.namespace().unwrap_or_default();
        let name = &tenant.spec.credentials_secret_ref.name;
        let credentials = self.secrets.version(&namespace, name, Use::Credentials).await;
        let before = tenant.status.clone().unwrap_or_default();
        let mut after = before.clone();
        let check = state.begin(tenant, credentials.ok().flatten(), Instant::now());
        if let Some(check) = &check {
            let started = Instant::now();
            let found = self.check(tenant, check.is_mended).await;
            report(tenant, check.why, &found, started.elapsed(), &self.probes.metrics);
            if state.end(&before, &found, Instant::now()) {
                self.directory.credentials_changed(&uid);
            }
            let generation = tenant.metadata.generation.unwrap_or_default();
            after = conclude(&before, generation, &found, Timestamp::now());
        }
        after.events = self.clients.streams.status(tenant, Instant::now());
        if state.counts(is_lent(tenant), check.is_some(), Instant::now())
            && let Some(count) = (self.count)(&(namespace, tenant.name_any()))
        {
            (after.access, after.access_total) = lent(tenant, &count.by_namespace);
            let checks = count.checks(self.directory.rate_with(tenant));
            upkeep::say(&mut after, checks, tenant.metadata.generation.unwrap_or_default(), Timestamp::now());
        }
        let is_written = self.publish(tenant, &before, after).await;
        if check.is_some() {
            state.published(is_written, Instant::now());
        }
        let rest = state.rest(Instant::now());
        self.states.keep(&uid, state);
        rest
    }

    /// `is_mended`: what Auth0 rejected before is another thing now.
    async fn check(&self, tenant: &Auth0Tenant, is_mended: bool) -> Result<Findings, Failed> {
        let content = read_credentials(tenant, &self.secrets).await?;
        let client = self.clients.with_credentials(tenant, &content)?;
        let mut scopes = client.scopes().await?;
        if scopes.as_ref().is_some_and(scopes::may_change) {
            client.outdate_token(REFRESH / 2).await;
            scopes = client.scopes().await?;
        }
        if let Err(failure) = scopes.as_ref().map_or(Ok(()), scopes::check) {
            client.outdate_token(Duration::ZERO).await;
            return Err(failure.into());
        }
        // Not before they are proven: the last ones may still be good.
        let client = self.clients.keep(tenant, &content.version, client);
        let may_list = scopes.as_ref().is_none_or(|scopes| scopes.contains(scopes::CONNECTIONS));
        let connections = if may_list {
            client.limiter().set_rate(self.directory.rate_with(tenant));
            match choices(&client, !is_ready(tenant)).await {
                Ok(connections) => connections.map_or(Listing::Later, Listing::Listed),
                Err(error) if is_about_tenant(&error) => return Err(error.into()),
                Err(error) => match rejection(tenant).filter(|_| !is_mended) {
                    Some(failure) => return Err(Failed { failure, retry_after: error.retry_after }),
                    // The credentials are good all the same; the old list is kept.
                    None => Listing::Failed(error),
                },
            }
        } else {
            Listing::Listed(auth0::Connections::default())
        };
        Ok(Findings { content: content.digest(), credentials: content.version, scopes, connections })
    }

    async fn publish(
        &self,
        tenant: &Auth0Tenant,
        before: &Auth0TenantStatus,
        after: Auth0TenantStatus,
    ) -> bool {
        if *before == after {
            return true;
        }
        let api: Api<Auth0Tenant> =
            Api::namespaced(self.client.clone(), &tenant.namespace().unwrap_or_default());
        let events = announce(before, &after);
        let object = Auth0Tenant { status: Some(after), ..tenant.clone() };
        match status::write(&api, tenant, &object).await {
            Ok(_) => {
                events::publish(&self.client, &tenant.object_ref(&()), events).await;
                true
            }
            Err(error) if error.is_not_found() => true,
            Err(error) => {
                tracing::debug!(name = tenant.name_any(), %error, "could not write the status of the tenant");
                false
            }
        }
    }
}

/// The connections to choose from. A token without the scope has none.
async fn choices(
    client: &auth0::Client,
    is_urgent: bool,
) -> Result<Option<auth0::Connections>, auth0::Error> {
    match client.connections(is_urgent).await {
        Err(error) if error.failure.reason == Reason::InsufficientScope => {
            Ok(Some(auth0::Connections::default()))
        }
        listed => listed,
    }
}

/// Whether resources use it meanwhile.
fn is_ready(tenant: &Auth0Tenant) -> bool {
    let status = tenant.status.as_ref();
    let generation = tenant.metadata.generation.unwrap_or_default();
    status.is_some_and(|status| conditions::is_ready(&status.conditions, generation))
}

/// Whether no other call would fare better.
fn is_about_tenant(error: &auth0::Error) -> bool {
    matches!(error.failure.reason, Reason::AuthenticationFailed | Reason::TenantNotAllowed)
}

/// What Auth0 said at the last check, if it rejected the credentials. A token that the API rejects looks as good as
/// any: only an answer of the API ends that.
fn rejection(tenant: &Auth0Tenant) -> Option<Failure> {
    let conditions = tenant.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let reason =
        conditions::failing_reason(conditions).filter(|reason| *reason == Reason::AuthenticationFailed)?;
    Some(Failure::new(reason, conditions::find(conditions, READY)?.message.clone()))
}

fn report(
    tenant: &Auth0Tenant,
    why: Why,
    found: &Result<Findings, Failed>,
    elapsed: Duration,
    metrics: &Metrics,
) {
    let (namespace, name, why) = (tenant.namespace(), tenant.name_any(), why.as_str());
    let trace_id = traces::id().map(display);
    match found {
        Ok(_) => {
            metrics.pass("Auth0Tenant", "unchanged", Reason::Available.as_str(), why, elapsed);
            tracing::debug!(namespace, name, why, trace_id, "checked the tenant");
        }
        Err(Failed { failure, .. }) => {
            metrics.pass("Auth0Tenant", "failed", failure.reason.as_str(), why, elapsed);
            tracing::warn!(namespace, name, why, reason = %failure.reason, trace_id, "tenant not ready");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::{Requests, api_server, patched};
    use crate::reconcile::tenant::fixtures::{clients, directory, failing, ready, tenant};
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    /// What passes work with in a cluster without Secrets, which takes every status.
    fn tenants() -> (Arc<Tenants>, Requests) {
        let (client, requests) = api_server(|method, _, body: &Value| match method {
            "PATCH" => Ok(patched(json!(tenant(1, &json!({}))), body)),
            "POST" => Ok(body.clone()),
            _ => Err(404),
        });
        let directory = directory([tenant(1, &json!({}))]);
        let tenants = Tenants {
            secrets: Arc::new(Secrets::new(client.clone(), "a grant", unbounded_channel().0)),
            client,
            probes: Arc::default(),
            clients: Arc::new(clients(directory.clone())),
            directory,
            states: Arc::default(),
            shares: Shares::default(),
            count: Box::new(|_| None),
        };
        (Arc::new(tenants), requests)
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_without_its_secret_is_told_so_once_and_checked_again_ever_more_rarely() {
        let (tenants, requests) = tenants();
        let mut object = tenant(1, &json!({}));
        for (writes, events) in [(1, 1), (0, 0), (0, 0)] {
            let pass = reconcile(Arc::new(Guarded(Ok(object.clone()))), Arc::clone(&tenants)).await.unwrap();
            assert_ne!(pass, Action::await_change());
            let (statuses, told) = (requests.take_statuses(), requests.take_events());
            assert_eq!((statuses.len(), told.len()), (writes, events));
            if let Some(written) = statuses.first() {
                assert_eq!(written["status"]["conditions"][0]["reason"], "SecretNotFound");
                object.status = serde_json::from_value(written["status"].clone()).unwrap();
            }
            tokio::time::advance(Duration::from_secs(10)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_with_its_share_under_way_comes_back_and_another_one_goes() {
        let (tenants, requests) = tenants();
        let shares: Vec<_> = (0..MOST_OF_NAMESPACE).map(|_| tenants.shares.take("n", usize::MAX)).collect();
        let object = Arc::new(Guarded(Ok(tenant(1, &json!({})))));
        let pass = reconcile(Arc::clone(&object), Arc::clone(&tenants)).await.unwrap();
        assert_eq!((pass, requests.take_statuses().len()), (Action::requeue(ANEW), 0));
        drop(shares);
        reconcile(object, tenants).await.unwrap();
        assert_eq!(requests.take_statuses().len(), 1);
    }

    #[test]
    fn only_an_answer_of_the_api_ends_the_rejection_of_credentials() {
        let said = |status: &Value| rejection(&tenant(1, status)).map(|failure| failure.message);
        assert_eq!(said(&failing(1, "AuthenticationFailed", "no")).as_deref(), Some("no"));
        for status in [json!({}), ready(1, "1"), failing(1, "SecretNotFound", "none")] {
            assert_eq!(said(&status), None, "{status}");
        }
    }
}
