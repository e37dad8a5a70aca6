//! Wiring: which watches lead to which passes.

mod enqueue;
mod listen;
pub(crate) mod object;
pub mod pass;
mod passes;
pub mod resource;
pub mod status;
pub(crate) mod tenant;
mod watches;

use crate::api::{Auth0Tenant, conditions};
use crate::auth0::{AllowedDomains, Http};
use crate::cluster::guarded::Guarded;
use crate::cluster::outputs::Outputs;
use crate::cluster::secrets::{Changed, Secrets};
use crate::cluster::synced;
use crate::cluster::trigger_key;
use crate::cluster::watch::{WatchResult, objects};
use crate::ownership::Named;
use crate::telemetry::health::Probes;
use crate::telemetry::metrics::{self, Metrics};
use enqueue::WakeTenants;
use futures::future::{join, join_all, join3};
use futures::{FutureExt as _, Stream, StreamExt as _};
use kube::Client;
use kube_runtime::controller::{self, Controller};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher;
use pass::Updates;
use pass::compare::interval;
use resource::record::Said;
use resource::resources::Stored;
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tenant::clients::Clients;
use tenant::directory::Directory;
use tenant::gone::forget_gone;
use tenant::shares::Shares;
use tenant::state::States;
use tenant::upkeep::Resources;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use watches::{first_list, stored};

/// How long passes under way may go on after a shutdown was asked for. Kubernetes kills after 30 s.
const DRAIN: Duration = Duration::from_secs(25);

/// How the operator is to run.
pub struct Settings {
    /// Namespaces to watch; empty for all.
    pub namespaces: Vec<String>,
    /// Where the trigger key lives.
    pub operator_namespace: String,
    /// Hosts that may be called.
    pub allowed: AllowedDomains,
    /// Passes at once.
    pub concurrency: u16,
    /// How to let the operator read the Secrets of `NAMESPACE`, for messages.
    pub secret_grant: String,
    /// How to let the operator write the `ConfigMap`s and Secrets of `NAMESPACE`, for messages.
    pub output_grant: String,
}

/// One watched namespace, or all.
struct Scope {
    namespace: Option<String>,
    tenants: Store<Guarded<Auth0Tenant>>,
    tenants_writer: Writer<Guarded<Auth0Tenant>>,
    wake_tenants: enqueue::WakeTenants,
    woken_tenants: UnboundedReceiver<ObjectRef<Guarded<Auth0Tenant>>>,
}

impl Scope {
    fn new(namespace: Option<String>) -> Self {
        let (tenants, tenants_writer) = reflector::store();
        let (wake_tenants, woken_tenants) = unbounded_channel();
        Self { namespace, tenants, tenants_writer, wake_tenants, woken_tenants }
    }
}

/// Runs all passes until `shutdown` is ready, and lets those under way end.
#[expect(
    clippy::too_many_lines,
    reason = "wiring: every part is named once, in the order in which it starts"
)]
pub async fn run(
    client: Client,
    http: reqwest::Client,
    settings: Settings,
    probes: Arc<Probes>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) {
    let shutdown = shutdown.shared();
    let key = tokio::select! {
        key = trigger_key::obtain(&client, &settings.operator_namespace) => Arc::new(key),
        () = shutdown.clone() => return,
    };
    let scopes: Vec<Scope> = match settings.namespaces.as_slice() {
        [] => vec![Scope::new(None)],
        namespaces => namespaces.iter().cloned().map(Some).map(Scope::new).collect(),
    };
    let stores: Vec<_> = scopes.iter().map(|scope| scope.tenants.clone()).collect();
    let wake_tenants: Vec<_> = scopes.iter().map(|scope| scope.wake_tenants.clone()).collect();
    let tenants = Directory::new(stores.iter().cloned());
    let http = Http::new(http, Arc::clone(&probes.metrics));
    let clients = Arc::new(Clients::new(http, settings.allowed, tenants.clone()));
    let (secret_changes, changed_secrets) = unbounded_channel();
    let secrets = Arc::new(Secrets::new(client.clone(), &settings.secret_grant, secret_changes));
    let outputs = Outputs::new(client.clone(), &settings.output_grant);
    let cluster = (client, secrets, outputs);
    let updates = Arc::new(Updates::new(cluster, clients, tenants, settings.concurrency, probes, key));
    describe(&updates, &stores);
    tracing::info!("started");
    let missing = watch::channel(2 * scopes.len()).0;
    let losers = updates.conflicts.ownership.subscribe();
    let scopes =
        join_all(scopes.into_iter().map(|scope| run_in(&updates, scope, &missing, shutdown.clone())));
    let passes = passes::run(Arc::clone(&updates), settings.concurrency, shutdown.clone());
    let wakes = async {
        // Whichever ends, the others are of no use.
        tokio::select! {
            () = wakes(&updates, changed_secrets, losers, &wake_tenants) => {}
            () = listen_once_synced(&updates, missing.subscribe(), &wake_tenants) => {}
            () = shutdown.clone() => {}
        }
    };
    let probes = &updates.probes;
    let passes = probes.part("reconciliations of updates", passes, shutdown.clone());
    let wakes = probes.part("wakes", wakes, shutdown.clone());
    tokio::select! {
        _ = join3(scopes, passes, wakes) => {}
        () = drained(shutdown.clone(), &stores) => {}
        () = ready_after(missing.subscribe(), probes) => {}
    }
    tracing::info!("stopped");
}

/// Wakes resources of changed Secrets and of changed owners. Returns where one of the two cannot be told any more.
async fn wakes(
    updates: &Updates,
    changed_secrets: UnboundedReceiver<Changed>,
    losers: UnboundedReceiver<Named>,
    wake_tenants: &[WakeTenants],
) {
    let directory = &updates.conflicts.tenants;
    tokio::select! {
        () = enqueue::users_of_secrets(changed_secrets, directory, wake_tenants, updates) => {}
        () = enqueue::losers(losers, updates) => {}
        () = updates.conflicts.ownership.run() => {}
        () = updates.secrets.tidy(|| enqueue::with_used_secrets(directory, updates)) => {}
    }
}

/// Listens to Auth0's events once it is known which resources there are.
async fn listen_once_synced(
    updates: &Arc<Updates>,
    mut missing: watch::Receiver<usize>,
    wake_tenants: &[WakeTenants],
) {
    if missing.wait_for(|missing| *missing == 0).await.is_ok() {
        listen::run(Arc::clone(updates), wake_tenants.to_vec()).await;
    }
}

/// Becomes ready once all first lists came, and never returns.
async fn ready_after(mut missing: watch::Receiver<usize>, probes: &Probes) {
    if missing.wait_for(|missing| *missing == 0).await.is_ok() {
        probes.set_ready(true);
    }
    std::future::pending::<()>().await;
}

/// Names what is counted only when the metrics are read.
fn describe(updates: &Arc<Updates>, stores: &[Store<Guarded<Auth0Tenant>>]) {
    let queue = Arc::clone(&updates.queue);
    updates.probes.overdue_with(move || queue.overdue());
    let (updates, stores) = (Arc::downgrade(updates), stores.to_vec());
    let probes = updates.upgrade().map(|updates| Arc::clone(&updates.probes));
    let described = move |metrics: &Metrics| {
        let Some(updates) = updates.upgrade() else { return };
        metrics.set_waiting(updates.queue.waiting());
        metrics.set_budget(updates.queue.budgets());
        let (mut ready, mut synced, mut overcommitted) = (Vec::new(), Vec::new(), 0);
        for object in stores.iter().flat_map(Store::state) {
            let conditions = match &object.0 {
                Ok(tenant) => tenant.status.as_ref().map_or(&[][..], |status| &status.conditions),
                Err(undecodable) => &undecodable.conditions,
            };
            ready.push(("Auth0Tenant", described(Said::of(conditions, conditions::READY))));
            overcommitted += i64::from(conditions::find(conditions, conditions::OVERCOMMITTED).is_some());
        }
        updates.resources.for_each(|stored| {
            let said = match stored {
                Stored::Readable(record) => [record.ready, record.synced],
                Stored::Unreadable(undecodable) => [conditions::READY, conditions::SYNCED]
                    .map(|type_| Said::of(&undecodable.conditions, type_)),
            };
            let [is_ready, is_synced] = said.map(described);
            ready.push(("Auth0UserUpdate", is_ready));
            synced.push(is_synced);
        });
        metrics.set_resources(ready);
        metrics.set_synced(synced);
        metrics.set_overcommitted(overcommitted);
    };
    if let Some(probes) = probes {
        probes.describe_with(described);
    }
}

/// Status and reason of a condition.
fn described(said: Option<Said>) -> metrics::Condition {
    let Some(Said { holds, reason }) = said else { return ("None", "None") };
    let status = match holds {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    (status, reason.as_str())
}

/// Watches one namespace, or all, and runs the passes of its tenants.
#[expect(
    clippy::too_many_lines,
    reason = "wiring: every part is named once, in the order in which it starts"
)]
async fn run_in(
    updates: &Arc<Updates>,
    scope: Scope,
    missing: &watch::Sender<usize>,
    shutdown: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let Scope { namespace, tenants: store, tenants_writer, wake_tenants, woken_tenants } = scope;
    let namespace = namespace.as_deref();
    let (told_tenants, tenants_listed) = watch::channel(None);
    let states = Arc::<States>::default();
    let mut forget =
        forget_gone(Arc::clone(&states), Arc::clone(&updates.clients), namespace.map(str::to_owned));
    let mut count = first_list(missing);
    let listed = objects::<Auth0Tenant>(updates.client.clone(), &updates.probes, namespace, |_| {});
    let users = Arc::clone(updates);
    let notice = move |event: &WatchResult<Auth0Tenant>| {
        enqueue::users_of_tenants(&users, event);
        forget(event);
        if count(event) {
            told_tenants.send_replace(Some(Instant::now()));
        }
    };
    let tenant_passes = tenant_passes(
        stored(listed, tenants_writer, notice, wake_tenants),
        store,
        UnboundedReceiverStream::new(woken_tenants),
        shutdown.clone(),
        tenant::Tenants {
            client: updates.client.clone(),
            directory: updates.conflicts.tenants.clone(),
            probes: Arc::clone(&updates.probes),
            clients: Arc::clone(&updates.clients),
            secrets: Arc::clone(&updates.secrets),
            states,
            shares: Shares::default(),
            count: count_resources(Arc::downgrade(updates), missing.subscribe()),
        },
    );
    let synced = async {
        synced::listed(tenants_listed, missing.subscribe()).await;
        begin(updates, namespace);
    };
    let watching = async {
        tokio::select! {
            ((), ()) = join(watches::updates(updates, namespace, missing), synced) => {}
            () = shutdown.clone() => {}
        }
    };
    let probes = &updates.probes;
    let tenant_passes = probes.part("reconciliations of tenants", tenant_passes, shutdown.clone());
    let watching = probes.part("watch of updates", watching, shutdown.clone());
    join(tenant_passes, watching).await;
}

/// What a namespace's passes depend on is known: they may begin.
fn begin(updates: &Updates, namespace: Option<&str>) {
    updates.synced.set(namespace);
    let of_scope = updates.resources.filtered(|key, _| namespace.is_none_or(|its| its == &**key.namespace()));
    for key in &of_scope {
        updates.consider(key);
    }
}

/// Counts the resources that name a tenant, once nothing is missing.
fn count_resources(updates: Weak<Updates>, missing: watch::Receiver<usize>) -> tenant::Count {
    Box::new(move |tenant| {
        let updates = updates.upgrade().filter(|_| *missing.borrow() == 0)?;
        let mut count = Resources::default();
        let (namespace, name) = tenant;
        let object = updates.conflicts.tenants.get(namespace, name)?;
        let host = object.0.as_ref().map_or("", |tenant| tenant.spec.domain.as_str());
        let whole_for = updates.clients.streams.whole_for(host, Instant::now());
        updates.resources.for_each_of(tenant, |key, record| {
            // One that was not visited yet will most likely be.
            let in_sync = record.synced.is_none_or(|synced| synced.holds == Some(true));
            let is_searched = in_sync && updates.is_undisputed(record);
            let is_checked = !record.is_paused && !record.is_deleted;
            let interval = if is_searched { interval(record, whole_for) } else { record.resync };
            count.count(key.namespace(), interval.filter(|_| is_checked), is_searched);
        });
        Some(count)
    })
}

/// The passes of all `Auth0Tenant`s of a scope.
async fn tenant_passes(
    tenants: impl Stream<Item = Result<Guarded<Auth0Tenant>, watcher::Error>> + Send + 'static,
    store: Store<Guarded<Auth0Tenant>>,
    woken: impl Stream<Item = ObjectRef<Guarded<Auth0Tenant>>> + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
    context: tenant::Tenants,
) {
    Controller::for_stream(tenants, store)
        .with_config(controller::Config::default().concurrency(tenant::CONCURRENCY))
        .reconcile_on(woken)
        .graceful_shutdown_on(shutdown)
        .run(tenant::reconcile, |_, never: &Infallible, _| match *never {}, Arc::new(context))
        .for_each(|_| std::future::ready(()))
        .await;
}

/// The end of patience after a shutdown. A controller whose first list never came would not end by itself,
/// and has nothing under way.
async fn drained(shutdown: impl Future<Output = ()>, tenants: &[Store<Guarded<Auth0Tenant>>]) {
    shutdown.await;
    let listed = join_all(tenants.iter().map(Store::wait_until_ready)).now_or_never().is_some();
    if listed {
        tokio::time::sleep(DRAIN).await;
        tracing::warn!("reconciliations in progress did not end in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reason::Reason;

    #[test]
    fn a_resource_is_counted_by_what_its_ready_condition_says() {
        let said = |holds| Some(Said { holds, reason: Reason::Applied });
        for (said, status, reason) in [
            (None, "None", "None"),
            (said(Some(true)), "True", "Applied"),
            (said(Some(false)), "False", "Applied"),
            (said(None), "Unknown", "Applied"),
        ] {
            let counted = described(said);
            assert_eq!(counted, (status, reason));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_waits_for_passes_under_way_unless_a_first_list_never_came() {
        let (store, mut writer) = reflector::store::<Guarded<Auth0Tenant>>();
        let started = Instant::now();
        drained(std::future::ready(()), std::slice::from_ref(&store)).await;
        assert!(started.elapsed().is_zero());
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        drained(std::future::ready(()), &[store]).await;
        assert!(started.elapsed() >= DRAIN);
    }
}
