//! Runs the passes that the queue starts, by kube-runtime's controller: never two of one resource, and those under way
//! end before the process does.

use crate::api::Auth0UserUpdate;
use crate::queue::Key;
use crate::reconcile::pass::Updates;
use futures::{Stream, StreamExt as _, stream};
use kube::core::{ObjectMeta, PartialObjectMeta, PartialObjectMetaExt as _};
use kube_runtime::controller::{self, Action, Controller};
use kube_runtime::reflector;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::{self, Event};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

/// A pass that was started: all that the controller has to know of the resource is its name.
type Started = PartialObjectMeta<Auth0UserUpdate>;

fn started(key: &Key) -> Started {
    ObjectMeta {
        namespace: Some(key.namespace().to_string()),
        name: Some(key.name().to_owned()),
        ..ObjectMeta::default()
    }
    .into_response_partial()
}

/// The passes that were started and have not begun: what the controller looks its objects up in.
struct Starts {
    updates: Arc<Updates>,
    store: Mutex<Writer<Started>>,
}

impl Starts {
    fn tell(&self, event: &Event<Started>) {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).apply_watcher_event(event);
    }
}

/// Runs the passes of all `Auth0UserUpdate`s until `shutdown`, and lets those under way end.
pub async fn run(
    updates: Arc<Updates>,
    concurrency: u16,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let (store, writer) = reflector::store();
    let started = Arc::new(Starts { updates, store: Mutex::new(writer) });
    started.tell(&Event::Init);
    started.tell(&Event::InitDone);
    Controller::for_stream(starts_of(Arc::clone(&started)), store)
        .with_config(controller::Config::default().concurrency(concurrency))
        .graceful_shutdown_on(shutdown)
        .run(pass, never, Arc::clone(&started))
        .for_each(|ended| {
            // Another start of the same resource has taken its place.
            if let Err(controller::Error::ObjectNotFound(name)) = ended {
                let key = started.updates.resources.key(&name.namespace.unwrap_or_default(), &name.name);
                started.updates.queue.skipped(&key);
                started.updates.consider(&key);
            }
            std::future::ready(())
        })
        .await;
}

fn starts_of(starts: Arc<Starts>) -> impl Stream<Item = Result<Started, watcher::Error>> + Send {
    stream::unfold(starts, async |starts| {
        let started = started(&starts.updates.queue.next().await);
        starts.tell(&Event::Apply(started.clone()));
        Some((Ok(started), starts))
    })
}

async fn pass(started: Arc<Started>, starts: Arc<Starts>) -> Result<Action, Infallible> {
    // Before its end lets the queue start the next one.
    starts.tell(&Event::Delete(Started::clone(&started)));
    let updates = &starts.updates;
    let key = updates.resources.key_of(started.as_ref());
    match updates.queue.permit(&key) {
        Some(permit) => updates.pass(&key, permit).await,
        // It was taken back, or another start has taken its place.
        None => updates.consider(&key),
    }
    Ok(Action::await_change())
}

/// A pass never fails, so this only satisfies the signature.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "kube-runtime's signature")]
fn never<K, C>(_: Arc<K>, never: &Infallible, _: Arc<C>) -> Action {
    match *never {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::pass::fixtures::{cluster, said};
    use crate::reconcile::resource::fixtures::object;
    use serde_json::json;
    use std::time::Duration;
    use tokio::sync::oneshot;

    #[tokio::test(start_paused = true)]
    async fn what_the_queue_starts_is_run_until_the_shutdown() {
        let object = object(&json!({"name": "A"}), &json!({}));
        let (updates, requests) = cluster([], &object);
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(run(Arc::clone(&updates), 2, async { drop(stopped.await) }));
        let key = updates.see(&object);
        updates.consider(&key);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(said(&requests.take_statuses()[0], "Ready"), Some(("False", "TenantNotFound")));
        stop.send(()).unwrap();
        running.await.unwrap();
        updates.consider(&key);
        assert!(requests.take_statuses().is_empty());
    }
}
