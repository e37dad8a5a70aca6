//! Listens to Auth0's events: one stream for each host. A user that an event is about is compared with what the event
//! shows of it, and read where that does not agree.

use crate::api::EventsState;
use crate::api::reason::Failure;
use crate::auth0::{Events, Heard, Lost};
use crate::reconcile::enqueue::WakeTenants;
use crate::reconcile::object::schedule::spread;
use crate::reconcile::pass::Updates;
use crate::reconcile::resource::Found;
use crate::reconcile::tenant::directory::Directory;
use crate::reconcile::tenant::streams::is_wanted;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};
use kube_runtime::reflector::ObjectRef;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval, sleep};

/// How often it is asked which hosts have tenants that want events.
const LOOK: Duration = Duration::from_secs(2);
/// A stream that ended is opened again after this, doubling while it fails.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Pause after a refusal of Auth0.
const REFUSED: Duration = Duration::from_mins(10);

/// Holds the streams of all hosts, until it is dropped.
pub async fn run(updates: Arc<Updates>, wake_tenants: Vec<WakeTenants>) {
    let mut tasks = JoinSet::new();
    let mut hosts: HashMap<String, AbortHandle> = HashMap::new();
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        while tasks.try_join_next().is_some() {}
        let wanted = wanted(&updates.conflicts.tenants);
        hosts.retain(|host, task| {
            let stays = wanted.contains_key(host) && !task.is_finished();
            if !stays {
                task.abort();
                updates.clients.streams.forget(host);
            }
            stays
        });
        for (host, tenant) in wanted {
            hosts.entry(host.clone()).or_insert_with(|| {
                let listener =
                    Listener { updates: Arc::clone(&updates), wake: wake_tenants.clone(), host, tenant };
                tasks.spawn(listener.listen())
            });
        }
    }
}

/// Hosts with a tenant that wants events, and that tenant.
fn wanted(tenants: &Directory) -> BTreeMap<String, (String, String)> {
    let wanted = tenants.of_each(|tenant| {
        let named = (tenant.namespace().unwrap_or_default(), tenant.name_any());
        is_wanted(tenant).then(|| (tenant.spec.domain.clone(), named))
    });
    // The same one each time.
    let mut all: Vec<_> = wanted.flatten().collect();
    all.sort_unstable();
    all.reverse();
    all.into_iter().collect()
}

struct Listener {
    updates: Arc<Updates>,
    wake: Vec<WakeTenants>,
    host: String,
    /// Namespace and name of the tenant whose credentials it uses.
    tenant: (String, String),
}

impl Listener {
    async fn listen(self) {
        let (mut offset, mut failures) = (None, 0);
        loop {
            let lost = match self.open(offset.as_deref()).await {
                Ok(events) => {
                    self.opened(offset.is_some());
                    failures = 0;
                    self.hear(events, &mut offset).await
                }
                Err(lost) => lost,
            };
            let pause = match lost {
                Lost::Ended => FIRST_PAUSE,
                Lost::Expired => {
                    tracing::info!(
                        host = self.host,
                        "gap in the event stream: Auth0 no longer has the events after the last one received"
                    );
                    self.updates.probes.metrics.event_gap();
                    offset = None;
                    FIRST_PAUSE
                }
                Lost::Refused(error) => {
                    let said = if error.said.is_empty() { &error.failure.message } else { &error.said };
                    self.failed(
                        EventsState::Refused,
                        format!("Auth0 rejects the event stream ({said}): close a stream of another application, or set spec.drift to Resync; until then resyncs detect drift"),
                    );
                    self.rest(REFUSED).await;
                    continue;
                }
                Lost::Failed(error) => {
                    failures += 1;
                    self.failed(EventsState::Disconnected, error.failure.message);
                    (FIRST_PAUSE * (1 << failures.min(7))).min(LONGEST_PAUSE)
                }
            };
            sleep(spread(pause, 0.2)).await;
        }
    }

    async fn open(&self, offset: Option<&str>) -> Result<Events, Lost> {
        let (namespace, name) = &self.tenant;
        let object = self.updates.conflicts.tenants.get(namespace, name);
        let tenant = object.as_ref().and_then(|object| object.0.as_ref().ok()).ok_or(Lost::Ended)?;
        let client = self.updates.clients.of(tenant, &self.updates.secrets).await;
        let client = client.map_err(|failure| {
            let message =
                "the Auth0Tenant that holds the event stream of this domain has no usable credentials";
            Lost::Failed(Failure::new(failure.reason, message).into())
        });
        client?.events(offset).await
    }

    fn opened(&self, resumes: bool) {
        let (streams, now) = (&self.updates.clients.streams, Instant::now());
        let was_whole = !streams.whole_for(&self.host, now).is_zero();
        streams.opened(&self.host, resumes, now);
        if !resumes || !was_whole {
            tracing::info!(host = self.host, "connected to Auth0's event stream");
            self.updates.compare_sooner(&self.host);
        }
        self.wake();
    }

    fn failed(&self, state: EventsState, message: String) {
        tracing::debug!(host = self.host, message, "not connected to Auth0's event stream");
        self.updates.clients.streams.failed(&self.host, Some((state, message)), Instant::now());
        self.wake();
    }

    /// Waits, unless the tenant is edited meanwhile.
    async fn rest(&self, pause: Duration) {
        let (namespace, name) = &self.tenant;
        let generation = || {
            self.updates.conflicts.tenants.get(namespace, name).and_then(|tenant| tenant.meta().generation)
        };
        let (until, before) = (Instant::now() + pause, generation());
        while Instant::now() < until && generation() == before {
            sleep(LOOK).await;
        }
    }

    /// Hears events until the stream ends.
    async fn hear(&self, mut events: Events, offset: &mut Option<String>) -> Lost {
        loop {
            let Heard { offset: next, about } = match events.next().await {
                Ok(heard) => heard,
                Err(lost) => {
                    self.updates.clients.streams.failed(&self.host, None, Instant::now());
                    return lost;
                }
            };
            if let Some(about) = about {
                let lag = about.time.map(|time| Timestamp::now().duration_since(time));
                let lag = lag.and_then(|lag| Duration::try_from(lag).ok());
                self.updates.probes.metrics.event(about.kind, lag);
                self.updates.hear(&self.host, &about.user_id, &Found(about.user.map(Box::new)));
            }
            // Once it was acted on.
            *offset = next.or(offset.take());
        }
    }

    /// Has the tenants of the host say what is new.
    fn wake(&self) {
        for (namespace, name) in self.updates.conflicts.tenants.of_host(&self.host) {
            let reference = ObjectRef::new(&name).within(&namespace);
            for wake in &self.wake {
                let _ = wake.send(reference.clone());
            }
        }
    }
}
