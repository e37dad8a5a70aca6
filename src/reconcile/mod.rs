//! The controllers: which watches wake which passes. The only place that knows kube-runtime's wiring.

mod enqueue;
mod object;
pub mod pass;
mod resource;
pub mod status;
mod tenant;
mod watches;

use crate::api::reason::Reason;
use crate::api::{Auth0Tenant, Auth0UserUpdate, conditions};
use crate::auth0::{AllowedDomains, Http};
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::{Changed, Secrets};
use crate::cluster::synced::Listed;
use crate::cluster::trigger_key;
use crate::cluster::watch::{WatchResult, objects};
use crate::plan::TriggerKey;
use crate::queue::dispatch::Admission;
use crate::telemetry::health::Probes;
use crate::telemetry::metrics::Metrics;
use futures::future::{join, join_all};
use futures::{FutureExt as _, Stream, StreamExt as _};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube_runtime::controller::{self, Action, Controller};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher;
use object::remembered::Remembered;
use pass::conflicts::Rivals;
use resource::Agenda;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tenant::clients::Clients;
use tenant::directory::Directory;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use watches::{calling, first_list, keeping, stored, watched_updates};

/// How long passes under way may go on after a shutdown was asked for. Kubernetes kills after 30 s.
const DRAIN: Duration = Duration::from_secs(25);

/// Passes at once of an `Auth0Tenant`: many, because they wait for their hosts and for the budget, and one that does
/// is not to hold up the others.
const TENANT_CONCURRENCY: u16 = 64;

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
}

/// What every watched namespace shares.
struct Shared {
    client: Client,
    clients: Arc<Clients>,
    key: Arc<TriggerKey>,
    concurrency: u16,
    secret_grant: String,
    probes: Arc<Probes>,
    rivals: Rivals,
    admission: Arc<Admission>,
    /// How many first lists are still to come.
    missing_lists: watch::Sender<usize>,
    /// Told of changed tenants, whichever namespace they are in: one for each scope.
    tenant_changes: Vec<UnboundedSender<Changed>>,
}

/// One watched namespace, or all.
struct Scope {
    namespace: Option<String>,
    tenants: Store<Guarded<Auth0Tenant>>,
    tenants_writer: Writer<Guarded<Auth0Tenant>>,
    updates: Store<Guarded<Auth0UserUpdate>>,
    updates_writer: Writer<Guarded<Auth0UserUpdate>>,
    changed_tenants: UnboundedReceiver<Changed>,
}

impl Scope {
    /// Answers with the scope and with where it is told of changed tenants.
    fn new(namespace: Option<String>) -> (Self, UnboundedSender<Changed>) {
        let (tenants, tenants_writer) = reflector::store();
        let (tenant_changes, changed_tenants) = unbounded_channel();
        let (updates, updates_writer) = reflector::store();
        (
            Self { namespace, tenants, tenants_writer, updates, updates_writer, changed_tenants },
            tenant_changes,
        )
    }
}

/// Runs both controllers until `shutdown` is ready, and lets the passes under way end.
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
    let (scopes, tenant_changes): (Vec<Scope>, Vec<_>) = match settings.namespaces.as_slice() {
        [] => [None].into_iter().map(Scope::new).unzip(),
        namespaces => namespaces.iter().cloned().map(Some).map(Scope::new).unzip(),
    };
    let tenants = Directory::new(scopes.iter().map(|scope| scope.tenants.clone()));
    let http = Http::new(http, Arc::clone(&probes.metrics));
    let shared = Shared {
        clients: Arc::new(Clients::new(http, settings.allowed, tenants.clone())),
        rivals: Rivals { claims: Arc::default(), tenants },
        admission: Arc::new(Admission::new(settings.concurrency)),
        missing_lists: watch::channel(2 * scopes.len()).0,
        tenant_changes,
        probes,
        key,
        client,
        concurrency: settings.concurrency,
        secret_grant: settings.secret_grant,
    };
    describe(&shared, &scopes);
    tracing::info!("started");
    let passes = join_all(scopes.into_iter().map(|scope| run_in(&shared, scope, shutdown.clone())));
    let mut missing = shared.missing_lists.subscribe();
    let readiness = async {
        if missing.wait_for(|missing| *missing == 0).await.is_ok() {
            shared.probes.set_ready(true);
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = passes => {}
        () = shared.admission.run() => {}
        () = readiness => {}
    }
    tracing::info!("stopped");
}

/// Names what is counted only when somebody asks for metrics.
fn describe(shared: &Shared, scopes: &[Scope]) {
    let admission = Arc::clone(&shared.admission);
    shared.probes.overdue_with(move || admission.overdue());
    let admission = Arc::clone(&shared.admission);
    let tenants = shared.rivals.tenants.clone();
    let stores: Vec<_> = scopes.iter().map(|scope| (scope.tenants.clone(), scope.updates.clone())).collect();
    shared.probes.describe_with(move |metrics: &Metrics| {
        metrics.set_waiting(admission.waiting());
        // Hosts are remembered for longer than their tenants are there.
        metrics.set_budget(admission.budgets().into_iter().filter(|told| tenants.uses(&told.host)));
        metrics.set_resources(stores.iter().flat_map(|(tenants, updates)| {
            let tenants = tenants.state().into_iter().map(|object| {
                described(
                    "Auth0Tenant",
                    match &object.0 {
                        Ok(tenant) => tenant.status.as_ref().map_or(&[], |status| &status.conditions),
                        Err(undecodable) => &undecodable.conditions,
                    },
                )
            });
            let updates = updates.state().into_iter().map(|object| {
                described(
                    "Auth0UserUpdate",
                    match &object.0 {
                        Ok(update) => update.status.as_ref().map_or(&[], |status| &status.conditions),
                        Err(undecodable) => &undecodable.conditions,
                    },
                )
            });
            tenants.chain(updates)
        }));
    });
}

/// Kind, status of Ready and its reason. Both are closed lists, but anybody may write a status.
fn described(kind: &'static str, status: &[Condition]) -> (&'static str, String, String) {
    let Some(ready) = conditions::find(status, conditions::READY) else {
        return (kind, "None".to_owned(), "None".to_owned());
    };
    let reason = Reason::from_word(&ready.reason);
    let status = ["True", "False"].into_iter().find(|known| *known == ready.status);
    (kind, status.unwrap_or("Unknown").to_owned(), reason.as_str().to_owned())
}

/// Watches one namespace, or all.
async fn run_in(
    shared: &Shared,
    scope: Scope,
    shutdown: impl Future<Output = ()> + Clone + Send + Sync + 'static,
) {
    let (secret_changes, changed_secrets) = unbounded_channel();
    let (told_tenants, tenants_listed) = watch::channel(None);
    let (wake_tenants, woken_tenants) = unbounded_channel();
    let (wake_updates, woken_updates) = unbounded_channel();
    let secrets = Arc::new(Secrets::new(shared.client.clone(), &shared.secret_grant, secret_changes));
    let tenant_agendas = Arc::<Remembered<tenant::Agenda>>::default();
    let update_agendas = Arc::<Remembered<Agenda>>::default();

    let Scope {
        namespace,
        tenants: tenant_store,
        tenants_writer,
        updates: update_store,
        updates_writer,
        changed_tenants,
    } = scope;
    let tenant_changes = shared.tenant_changes.clone();
    let neighbours = Arc::clone(&shared.rivals.claims);
    let woken_rivals = shared.rivals.claims.subscribe();
    let mut count = first_list(&shared.missing_lists);
    let mut count_updates = first_list(&shared.missing_lists);
    let mut agendas = keeping(Arc::clone(&tenant_agendas));
    let mut clients = calling(Arc::clone(&shared.clients), namespace.clone());
    let listed = objects::<Auth0Tenant>(shared.client.clone(), &shared.probes, namespace.as_deref(), |_| {})
        .inspect(move |event| agendas(event));
    let notice = move |event: &WatchResult<Auth0Tenant>| {
        enqueue::tell(&tenant_changes, &neighbours, event);
        clients(event);
        if count(event) {
            told_tenants.send_replace(Some(Instant::now()));
        }
    };
    let tenants = stored(listed, tenants_writer, notice, wake_tenants.clone());
    let admitted = shared.admission.subscribe();
    let updates = stored(
        watched_updates(shared, namespace.as_deref(), Arc::clone(&update_agendas)),
        updates_writer,
        move |event| {
            count_updates(event);
        },
        wake_updates.clone(),
    );
    let tenant_passes = tenant_passes(
        tenants,
        tenant_store.clone(),
        UnboundedReceiverStream::new(woken_tenants),
        shutdown.clone(),
        tenant::Tenants {
            client: shared.client.clone(),
            directory: shared.rivals.tenants.clone(),
            probes: Arc::clone(&shared.probes),
            clients: Arc::clone(&shared.clients),
            secrets: Arc::clone(&secrets),
            agendas: tenant_agendas,
        },
    );
    let update_passes = update_passes(
        updates,
        update_store.clone(),
        UnboundedReceiverStream::new(woken_updates),
        shared.concurrency,
        shutdown.clone(),
        pass::Updates {
            client: shared.client.clone(),
            listed: Listed { tenants: tenants_listed, missing: shared.missing_lists.subscribe() },
            rivals: shared.rivals.clone(),
            admission: Arc::clone(&shared.admission),
            probes: Arc::clone(&shared.probes),
            clients: Arc::clone(&shared.clients),
            secrets: Arc::clone(&secrets),
            key: Arc::clone(&shared.key),
            agendas: update_agendas,
        },
    );
    let wakes = async {
        // Whichever ends, the others are of no use.
        tokio::select! {
            () = enqueue::users_of_secrets(changed_secrets, &tenant_store, &update_store, &wake_tenants, &wake_updates) => {}
            () = enqueue::users_of_tenants(changed_tenants, &update_store, &wake_updates) => {}
            () = enqueue::named(woken_rivals, &wake_updates) => {}
            () = enqueue::named(admitted, &wake_updates) => {}
            () = secrets.tidy(|| enqueue::with_used_secrets(&tenant_store, &update_store)) => {}
            () = shutdown.clone() => {}
        }
    };
    let tenant_passes = shared.probes.part("passes of tenants", tenant_passes, shutdown.clone());
    let update_passes = shared.probes.part("passes of updates", update_passes, shutdown.clone());
    let wakes = shared.probes.part("wakes", wakes, shutdown.clone());
    tokio::select! {
        _ = join(join(tenant_passes, update_passes), wakes) => {}
        () = drained(shutdown.clone(), &tenant_store, &update_store) => {}
    }
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
        .with_config(controller::Config::default().concurrency(TENANT_CONCURRENCY))
        .reconcile_on(woken)
        .graceful_shutdown_on(shutdown)
        .run(tenant::reconcile, never, Arc::new(context))
        .for_each(|_| std::future::ready(()))
        .await;
}

/// The passes of all `Auth0UserUpdate`s of a scope.
async fn update_passes(
    updates: impl Stream<Item = Result<Guarded<Auth0UserUpdate>, watcher::Error>> + Send + 'static,
    store: Store<Guarded<Auth0UserUpdate>>,
    woken: impl Stream<Item = ObjectRef<Guarded<Auth0UserUpdate>>> + Send + 'static,
    concurrency: u16,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
    context: pass::Updates,
) {
    Controller::for_stream(updates, store)
        .with_config(controller::Config::default().concurrency(concurrency))
        .reconcile_on(woken)
        .graceful_shutdown_on(shutdown)
        .run(pass::reconcile, never, Arc::new(context))
        .for_each(|_| std::future::ready(()))
        .await;
}

/// The end of patience after a shutdown. A controller whose first list never came would not end by itself,
/// and has nothing under way.
async fn drained(
    shutdown: impl Future<Output = ()>,
    tenants: &Store<Guarded<Auth0Tenant>>,
    updates: &Store<Guarded<Auth0UserUpdate>>,
) {
    shutdown.await;
    let listed = join(tenants.wait_until_ready(), updates.wait_until_ready()).now_or_never().is_some();
    if listed {
        tokio::time::sleep(DRAIN).await;
        tracing::warn!("passes under way did not end in time");
    }
}

/// A pass answers with its next visit and never fails, so this only satisfies the signature.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "kube-runtime's signature")]
fn never<K, C>(_: Arc<K>, never: &Infallible, _: Arc<C>) -> Action {
    match *never {}
}
