//! Listens to Auth0's events: one stream for each host. A user that an event is about is compared with what the event
//! shows of it, and read where that does not agree.

use crate::api::EventsState;
use crate::api::conditions::failing_reason;
use crate::api::reason::Failure;
use crate::auth0::{Events, Heard, Lost};
use crate::ownership::Named;
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
/// A stream that ended is opened again after this, doubling while none brings anything.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Pause after a refusal of Auth0.
const REFUSED: Duration = Duration::from_mins(10);

/// Holds the streams of all hosts, until it is dropped.
pub async fn run(updates: Arc<Updates>, wake_tenants: Vec<WakeTenants>) {
    let mut tasks = JoinSet::new();
    let mut hosts: HashMap<String, (Named, AbortHandle)> = HashMap::new();
    let mut ticks = interval(LOOK);
    loop {
        ticks.tick().await;
        while tasks.try_join_next().is_some() {}
        let wanted = wanted(&updates.conflicts.tenants);
        hosts.retain(|host, (tenant, task)| {
            let stays = wanted.get(host) == Some(tenant) && !task.is_finished();
            if !stays {
                task.abort();
                updates.clients.streams.forget(host);
                updates.compare_sooner(host);
            }
            stays
        });
        for (host, tenant) in wanted {
            hosts.entry(host.clone()).or_insert_with(|| {
                let (updates, wake) = (Arc::clone(&updates), wake_tenants.clone());
                let listener = Listener { updates, wake, host, tenant: tenant.clone() };
                (tenant, tasks.spawn(listener.listen()))
            });
        }
    }
}

/// Hosts with a tenant that wants events, and that tenant: one that works before others, or the owner of one that does not
/// could keep all others from hearing anything.
fn wanted(tenants: &Directory) -> BTreeMap<String, Named> {
    let wanted = tenants.of_each(|tenant| {
        let named = (tenant.namespace().unwrap_or_default(), tenant.name_any());
        let mut conditions = tenant.status.iter().map(|status| &status.conditions);
        let fails = conditions.any(|conditions| failing_reason(conditions).is_some());
        is_wanted(tenant).then(|| (tenant.spec.domain.clone(), fails, named))
    });
    // The same one each time.
    let mut all: Vec<_> = wanted.flatten().collect();
    all.sort_unstable();
    all.reverse();
    all.into_iter().map(|(host, _, tenant)| (host, tenant)).collect()
}

struct Listener {
    updates: Arc<Updates>,
    wake: Vec<WakeTenants>,
    host: String,
    /// Namespace and name of the tenant whose credentials it uses.
    tenant: Named,
}

impl Listener {
    async fn listen(self) {
        let (mut offset, mut vain) = (None, 0);
        loop {
            vain += 1;
            let lost = match self.open(offset.as_deref()).await {
                Ok(events) => {
                    self.opened(offset.is_some());
                    self.hear(events, &mut offset, &mut vain).await
                }
                Err(lost) => lost,
            };
            match lost {
                Lost::Ended => {}
                Lost::Expired => {
                    tracing::info!(
                        host = self.host,
                        "gap in the event stream: Auth0 no longer has the events after the last one received"
                    );
                    self.updates.probes.metrics.event_gap();
                    offset = None;
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
                Lost::Failed(error) => self.failed(EventsState::Disconnected, error.failure.message),
            }
            sleep(spread((FIRST_PAUSE * (1 << vain.min(7))).min(LONGEST_PAUSE), 0.2)).await;
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
        let (streams, now) = (&self.updates.clients.streams, Instant::now());
        streams.failed(&self.host, Some((state, message)), now);
        if streams.whole_for(&self.host, now).is_zero() {
            self.updates.compare_sooner(&self.host);
        }
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

    /// Hears events until the stream ends. `vain`: how many streams in a row brought nothing.
    async fn hear(&self, mut events: Events, offset: &mut Option<String>, vain: &mut u32) -> Lost {
        loop {
            let Heard { offset: next, about } = match events.next().await {
                Ok(heard) => heard,
                Err(lost) => {
                    self.updates.clients.streams.failed(&self.host, None, Instant::now());
                    return lost;
                }
            };
            *vain = 0;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Auth0Tenant;
    use crate::cluster::fixtures::Requests;
    use crate::cluster::guarded::Guarded;
    use crate::queue::Key;
    use crate::reconcile::pass::conflicts::Conflicts;
    use crate::reconcile::pass::fixtures::cluster;
    use crate::reconcile::resource::State;
    use crate::reconcile::resource::fixtures::{object, ready};
    use crate::reconcile::tenant::fixtures::{self, tenant_with};
    use kube_runtime::reflector::{self, store::Writer};
    use kube_runtime::watcher::Event;
    use serde_json::{Value, json};

    const HOST: &str = "example.auth0.com";
    const HOUR: Duration = Duration::from_hours(1);

    /// A tenant of this name that is granted events, with its credentials under the same name.
    fn listening(name: &str, fields: Value) -> Auth0Tenant {
        let mut status = fixtures::ready(1, "1");
        status["scopes"] = json!(["read:events"]);
        let mut tenant = tenant_with(name, &status, &json!({"credentialsSecretRef": {"name": name}}));
        let mut spec = serde_json::to_value(&tenant.spec).unwrap();
        let Value::Object(fields) = fields else { panic!() };
        spec.as_object_mut().unwrap().extend(fields);
        tenant.spec = serde_json::from_value(spec).unwrap();
        tenant
    }

    /// A resource in sync that is to be compared in a day, and the tenants `t` and `u` of its host, of which none can be
    /// called: there are no credentials.
    struct Listening(Arc<Updates>, Requests, Writer<Guarded<Auth0Tenant>>, Key);

    impl Listening {
        async fn begin() -> Self {
            let object = object(&json!({"name": "A"}), &ready(2, "True", "Applied"));
            let (updates, requests) = cluster([], &object);
            let (store, mut writer) = reflector::store();
            for name in ["t", "u"] {
                writer.apply_watcher_event(&Event::Apply(Guarded(Ok(listening(name, json!({}))))));
            }
            let updates = Arc::try_unwrap(updates).ok().unwrap();
            let conflicts = Conflicts { tenants: Directory::new([store]), ..updates.conflicts };
            let updates = Arc::new(Updates { conflicts, ..updates });
            let key = updates.see(&object);
            let mut state = State::default();
            (state.due, state.scheduled) = (Some(Instant::now() + 24 * HOUR), true);
            updates.resources.keep(&key, state);
            updates.clients.streams.opened(HOST, false, Instant::now());
            sleep(Duration::from_mins(1)).await;
            tokio::spawn(run(Arc::clone(&updates), Vec::new()));
            Self(updates, requests, writer, key)
        }

        /// Whether it is compared within its interval.
        fn compares_soon(&self) -> bool {
            self.0.resources.wake(&self.3).unwrap().state.due.unwrap() <= Instant::now() + HOUR
        }

        /// Whether the credentials of a tenant were asked for since the last time.
        fn asks(&self, tenant: &str) -> bool {
            !self.1.take_paths(&format!("/secrets/{tenant}")).is_empty()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_events_is_compared_in_time_where_none_come() {
        let listening = Listening::begin().await;
        sleep(Duration::from_mins(9)).await;
        assert!(!listening.compares_soon(), "the stream may go on where it was");
        sleep(Duration::from_mins(3)).await;
        assert!(listening.compares_soon());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_for_events_is_compared_in_time_where_they_are_switched_off() {
        let mut listening = Listening::begin().await;
        sleep(2 * LOOK).await;
        assert!(!listening.compares_soon());
        for name in ["t", "u"] {
            let off = self::listening(name, json!({"drift": "Resync"}));
            listening.2.apply_watcher_event(&Event::Apply(Guarded(Ok(off))));
        }
        sleep(2 * LOOK).await;
        assert!(listening.compares_soon());
    }

    #[tokio::test(start_paused = true)]
    async fn another_tenant_of_the_host_listens_where_the_first_is_gone_or_fails() {
        let mut listening = Listening::begin().await;
        sleep(2 * LOOK).await;
        assert_eq!((listening.asks("t"), listening.asks("u")), (true, false));
        let mut failing = self::listening("t", json!({}));
        let conditions = fixtures::failing(1, "SecretNotFound", "gone")["conditions"].clone();
        failing.status.as_mut().unwrap().conditions = serde_json::from_value(conditions).unwrap();
        let gone = self::listening("t", json!({}));
        for event in [Event::Apply(Guarded(Ok(failing))), Event::Delete(Guarded(Ok(gone)))] {
            listening.2.apply_watcher_event(&event);
            sleep(2 * LOOK).await;
            listening.asks("t");
            sleep(Duration::from_mins(3)).await;
            assert_eq!((listening.asks("t"), listening.asks("u")), (false, true), "{event:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_stream_that_brings_something_is_opened_again_at_once() {
        let Listening(updates, ..) = Listening::begin().await;
        let (host, tenant) = (HOST.to_owned(), ("n".to_owned(), "t".to_owned()));
        let listener = Listener { updates, wake: Vec::new(), host, tenant };
        for (body, expected) in [("", 7), ("<html></html>", 7), ("id: a\ndata: {}\n\n", 0)] {
            let (mut offset, mut vain) = (None, 7);
            let events = Events::new(http::Response::new(body).into());
            assert!(matches!(listener.hear(events, &mut offset, &mut vain).await, Lost::Ended));
            assert_eq!((vain, offset.is_some()), (expected, expected == 0), "{body}");
        }
    }
}
