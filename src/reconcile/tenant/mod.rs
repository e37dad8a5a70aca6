//! The pass of an `Auth0Tenant`: have a token, compare its scopes, list the connections.

pub mod clients;
pub mod directory;
mod scopes;
pub mod shares;

use crate::api::conditions::{self, READY, RECONCILING, STALLED, Saying};
use crate::api::reason::{Failure, Reason, Standing};
use crate::api::{Auth0Tenant, Auth0TenantStatus, SecretVersion};
use crate::auth0;
use crate::cluster::client::{FIELD_MANAGER, within_deadline};
use crate::cluster::events;
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::Secrets;
use crate::reconcile::object::remembered::Remembered;
use crate::reconcile::object::{schedule, undecodable};
use crate::reconcile::status;
use crate::reconcile::tenant::clients::{Clients, read_credentials};
use crate::reconcile::tenant::directory::Directory;
use crate::reconcile::tenant::shares::Shares;
use crate::telemetry::health::Probes;
use crate::telemetry::metrics::{Metrics, PANICKED};
use futures::FutureExt as _;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, PostParams};
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::controller::Action;
use kube_runtime::events::Event;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the choices and the token's scopes are refreshed.
const REFRESH: Duration = Duration::from_hours(1);

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
    pub agendas: Arc<Remembered<Agenda>>,
    /// Passes under way.
    pub shares: Shares,
}

/// What is remembered of one tenant while the process lives.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    /// When to look again by itself; `None` before the first sight.
    due: Option<Instant>,
    /// Passes in a row that failed.
    failures: u32,
    /// Status writes in a row that the API server did not take.
    unpublished: u32,
    /// The generation that was last looked at; the cache may be behind it.
    generation: Option<i64>,
    /// The credentials that were last looked at.
    credentials: Option<SecretVersion>,
    /// Digest of their content, once it was read.
    content: Option<[u8; 32]>,
    /// What was told of an object that cannot be read.
    undecodable: undecodable::Told,
}

/// What a look at the tenant found.
struct Findings {
    credentials: SecretVersion,
    /// Digest of their content.
    content: [u8; 32],
    scopes: Option<BTreeSet<String>>,
    connections: Listing,
}

/// What came of listing the connections, without which a tenant can do.
enum Listing {
    Listed(auth0::Connections),
    /// There was too much else to do.
    Later,
    Failed(auth0::Error),
}

/// A failed look, with the delay that Auth0 asked for.
struct Failed {
    failure: Failure,
    retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None }
    }
}

impl From<auth0::Error> for Failed {
    fn from(error: auth0::Error) -> Self {
        Self { failure: error.failure, retry_after: error.retry_after }
    }
}

/// One pass. Never fails and never panics: the answer is when to come back.
///
/// # Errors
/// None.
pub async fn reconcile(
    object: Arc<Guarded<Auth0Tenant>>,
    tenants: Arc<Tenants>,
) -> Result<Action, Infallible> {
    let tenant = match &object.0 {
        Ok(tenant) => tenant,
        Err(undecodable) => {
            let uid = object.uid().unwrap_or_default();
            let mut agenda = tenants.agendas.of(&uid);
            let told = &mut agenda.undecodable;
            let next = undecodable::report::<Auth0Tenant>(&tenants.client, told, undecodable).await;
            tenants.agendas.keep(&uid, agenda);
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
        tracing::error!(namespace = tenant.namespace(), name = tenant.name_any(), "the pass panicked");
        REFRESH
    });
    Ok(Action::requeue(next))
}

impl Tenants {
    async fn visit(&self, tenant: &Auth0Tenant) -> Duration {
        let uid = tenant.uid().unwrap_or_default();
        let mut agenda = self.agendas.of(&uid);
        let now = Instant::now();
        let namespace = tenant.namespace().unwrap_or_default();
        let version = self.secrets.version(&namespace, &tenant.spec.credentials_secret_ref.name).await;
        let version = version.ok().flatten();
        let generation = tenant.metadata.generation.unwrap_or_default();
        let status = tenant.status.clone().unwrap_or_default();
        let is_known = agenda.due.is_some();
        if !is_known {
            let settled = conditions::is_ready(&status.conditions, generation);
            agenda.due = Some(if settled { now + schedule::somewhere_in(REFRESH) } else { now });
            agenda.credentials.clone_from(&status.credentials);
            agenda.generation = status.observed_generation;
        }
        let changed = agenda.generation != Some(generation) || agenda.credentials != version;
        if !changed
            && let Some(rest) =
                agenda.due.and_then(|due| due.checked_duration_since(now)).filter(|rest| !rest.is_zero())
        {
            self.agendas.keep(&uid, agenda);
            return rest;
        }
        if changed {
            agenda.failures = 0;
        }
        let why = if agenda.generation != Some(generation) {
            "edited"
        } else if changed {
            "secret_changed"
        } else {
            "due"
        };
        let mended = changed && is_known;
        agenda.generation = Some(generation);
        agenda.credentials = version;
        let started = Instant::now();
        let looked = self.look(tenant, mended).await;
        report(tenant, why, &looked, started.elapsed(), &self.probes.metrics);
        let wait = match &looked {
            Ok(findings) => {
                // What is not known to this process is told by the version alone.
                let is_same = match agenda.content.replace(findings.content) {
                    Some(known) => known == findings.content,
                    None => status.credentials.as_ref().is_none_or(|known| *known == findings.credentials),
                };
                if !is_same {
                    self.directory.credentials_changed(&uid);
                }
                agenda.credentials = Some(findings.credentials.clone());
                if let Listing::Listed(_) = findings.connections {
                    agenda.failures = 0;
                    schedule::spread(REFRESH, 0.1)
                } else {
                    agenda.failures = agenda.failures.saturating_add(1);
                    let asked = match &findings.connections {
                        Listing::Failed(error) => error.retry_after,
                        Listing::Listed(_) | Listing::Later => None,
                    };
                    schedule::backoff(agenda.failures, Some(REFRESH)).max(asked.unwrap_or_default())
                }
            }
            Err(failed) => {
                agenda.failures = agenda.failures.saturating_add(1);
                schedule::backoff(agenda.failures, Some(REFRESH)).max(failed.retry_after.unwrap_or_default())
            }
        };
        agenda.due = Some(Instant::now() + wait);
        let published = self.publish(tenant, &status, conclude(&status, generation, &looked)).await;
        agenda.unpublished = if published { 0 } else { agenda.unpublished.saturating_add(1) };
        if !published {
            agenda.due = Some(Instant::now() + schedule::backoff(agenda.unpublished, None));
        }
        let rest = agenda.due.map_or(wait, |due| due.saturating_duration_since(Instant::now()));
        self.agendas.keep(&uid, agenda);
        rest
    }

    /// `mended`: what Auth0 rejected before is another thing now.
    async fn look(&self, tenant: &Auth0Tenant, mended: bool) -> Result<Findings, Failed> {
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
                Err(error) => match rejection(tenant).filter(|_| !mended) {
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
        let parameters =
            PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let events = announce(before, &after);
        let object = Auth0Tenant { status: Some(after), ..tenant.clone() };
        match within_deadline(api.replace_status(&tenant.name_any(), &parameters, &object)).await {
            Ok(_) => {
                events::publish(&self.client, &tenant.object_ref(&()), events).await;
                true
            }
            Err(error) if error.is_not_found() => true,
            Err(error) => {
                tracing::debug!(name = tenant.name_any(), %error, "the tenant's status was not written");
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
    why: &'static str,
    looked: &Result<Findings, Failed>,
    elapsed: Duration,
    metrics: &Metrics,
) {
    let (namespace, name) = (tenant.namespace(), tenant.name_any());
    match looked {
        Ok(_) => {
            metrics.pass("Auth0Tenant", "unchanged", Reason::Applied.as_str(), why, elapsed);
            tracing::debug!(namespace, name, why, "looked at the tenant");
        }
        Err(Failed { failure, .. }) => {
            metrics.pass("Auth0Tenant", "failed", failure.reason.as_str(), why, elapsed);
            tracing::warn!(namespace, name, why, reason = %failure.reason, "the tenant cannot be used");
        }
    }
}

fn accepted(findings: &Findings) -> String {
    let mut message = "Auth0 accepts the credentials".to_owned();
    if findings.scopes.as_ref().is_some_and(|scopes| scopes.contains(scopes::IDP_TOKENS)) {
        message += "; the operator does not need their scope ";
        message += scopes::IDP_TOKENS;
        message += ": take it from the application";
    }
    if let Listing::Failed(error) = &findings.connections {
        message += "; the connections could not be listed: ";
        message += &error.failure.message;
    }
    message
}

fn conclude(
    before: &Auth0TenantStatus,
    generation: i64,
    looked: &Result<Findings, Failed>,
) -> Auth0TenantStatus {
    let mut after = before.clone();
    let now = Timestamp::now();
    let was_ready = conditions::is_ready(&before.conditions, generation);
    after.observed_generation = Some(generation);
    let mut say = |status, failure: &Failure, abnormal| {
        let reason = failure.reason.as_str();
        let saying = Saying { status, reason, message: &failure.message };
        conditions::set(&mut after.conditions, READY, &saying, generation, now);
        conditions::set_abnormal(&mut after.conditions, abnormal, reason, &failure.message, generation, now);
    };
    match looked {
        Ok(findings) => {
            // Whether the connections can be listed is as unknown as before.
            let unheard = conditions::find(&before.conditions, READY)
                .filter(|_| was_ready && matches!(findings.connections, Listing::Later));
            let message = unheard.map_or_else(|| accepted(findings), |ready| ready.message.clone());
            say("True", &Failure::new(Reason::Applied, message), None);
            after.credentials = Some(findings.credentials.clone());
            after.scopes = findings.scopes.iter().flatten().cloned().collect();
            if let Listing::Listed(connections) = &findings.connections {
                after.connections.clone_from(&connections.choices);
                after.connections_total = Some(connections.total);
            }
        }
        Err(Failed { failure, .. }) => match failure.reason.standing() {
            Standing::Stalled => say("False", failure, Some(STALLED)),
            // A tenant that worked goes on working while Auth0 is away; its token may still be good.
            Standing::Reconciling | Standing::Ready | Standing::Held
                if was_ready && !is_dependency(failure.reason) => {}
            Standing::Reconciling | Standing::Ready | Standing::Held => {
                say("False", failure, Some(RECONCILING));
            }
        },
    }
    after
}

const fn is_dependency(reason: Reason) -> bool {
    matches!(reason, Reason::SecretNotFound | Reason::SecretKeyMissing)
}

/// The events that a look at a tenant is worth. Pure.
fn announce(previous: &Auth0TenantStatus, next: &Auth0TenantStatus) -> Vec<Event> {
    let is_excessive =
        |status: &Auth0TenantStatus| status.scopes.iter().any(|scope| scope == scopes::IDP_TOKENS);
    let excessive = (is_excessive(next) && !is_excessive(previous)).then(|| {
        events::warning(
            "ExcessiveScope",
            &format!(
                "the token has the scope {}, which the operator does not need: take it from the application",
                scopes::IDP_TOKENS
            ),
        )
    });
    status::events::failed(&previous.conditions, &next.conditions, false)
        .into_iter()
        .chain(excessive)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_whose_connections_cannot_be_listed_is_ready_says_so_and_keeps_the_last_list() {
        let looked = |connections| {
            let credentials = SecretVersion { uid: "uid".to_owned(), resource_version: "1".to_owned() };
            Ok(Findings { credentials, content: [0; 32], scopes: None, connections })
        };
        let message = |status: &Auth0TenantStatus| {
            let ready = conditions::find(&status.conditions, READY).unwrap();
            assert_eq!((ready.status.as_str(), status.conditions.len()), ("True", 1));
            ready.message.clone()
        };
        let list = auth0::Connections { total: 7, ..auth0::Connections::default() };
        let listed = conclude(&Auth0TenantStatus::default(), 1, &looked(Listing::Listed(list)));
        assert_eq!(message(&listed), "Auth0 accepts the credentials");
        let why = Failure::new(Reason::Auth0Unavailable, "Auth0's answer is not a list of connections");
        let failed = conclude(&listed, 1, &looked(Listing::Failed(why.into())));
        assert_eq!(
            message(&failed),
            "Auth0 accepts the credentials; the connections could not be listed: Auth0's answer is not a list of connections"
        );
        assert_eq!(failed.connections_total, Some(7));
        let later = conclude(&failed, 1, &looked(Listing::Later));
        assert_eq!(later, failed, "nothing more is known");
    }
}
