//! What is watched, and which parts have to know what is there and what is gone.

use crate::api::Auth0UserUpdate;
use crate::cluster::guarded::Guarded;
use crate::cluster::watch::{WatchResult, objects};
use crate::ownership::Uid;
use crate::queue::{Key, Kind};
use crate::reconcile::pass::Updates;
use crate::reconcile::resource::kubectl_migration;
use futures::{Stream, StreamExt as _};
use kube_runtime::WatchStreamExt as _;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::reflector::store::Writer;
use kube_runtime::watcher::{self, Event};
use std::collections::HashSet;
use std::pin::pin;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

/// Watches the `Auth0UserUpdate`s of a namespace, or of all: ownership knows of each before its pass can begin.
pub async fn updates(updates: &Updates, namespace: Option<&str>, missing: &watch::Sender<usize>) {
    let forget = |object: &mut Auth0UserUpdate| {
        kubectl_migration::forget(object);
    };
    let mut events =
        pin!(objects::<Auth0UserUpdate>(updates.client.clone(), &updates.probes, namespace, forget));
    let mut count = first_list(missing);
    let (mut listed, mut uids) = (HashSet::new(), HashSet::new());
    while let Some(event) = events.next().await {
        count(&event);
        match event {
            Ok(Event::Init) => (listed, uids) = (HashSet::new(), HashSet::new()),
            Ok(Event::InitApply(object)) => {
                if let Ok(readable) = &object.0 {
                    updates.conflicts.ownership.list(readable);
                }
                uids.insert(Uid::of(&object));
                listed.insert(updates.resources.see(&object, true));
            }
            Ok(Event::InitDone) => {
                retain(updates, namespace, std::mem::take(&mut listed), &std::mem::take(&mut uids));
            }
            Ok(Event::Apply(object)) => {
                // One that no longer decodes keeps the claims that it had.
                if let Ok(readable) = &object.0 {
                    updates.conflicts.ownership.update(readable);
                }
                let key = updates.resources.see(&object, false);
                updates.consider(&key);
            }
            Ok(Event::Delete(object)) => forget_gone(updates, &object),
            // Told where it arises.
            Err(_) => {}
        }
    }
}

/// A list has come as a whole: what it lacks is gone.
fn retain(updates: &Updates, namespace: Option<&str>, listed: HashSet<Key>, uids: &HashSet<Uid>) {
    updates.conflicts.ownership.retain(namespace, uids);
    updates.resources.retain(namespace, &listed);
    updates.queue.retain(Kind::Update, namespace, &listed);
    for key in listed {
        updates.consider(&key);
    }
}

fn forget_gone(updates: &Updates, object: &Guarded<Auth0UserUpdate>) {
    updates.conflicts.ownership.remove(Uid::of(object));
    let key = updates.resources.key_of(object);
    updates.resources.forget(&key);
    updates.queue.remove(&key);
}

/// Feeds the store, and answers with the objects that changed. What was listed is woken from the store once that holds
/// it all: while the pages of a list come in, it has the objects of before.
pub fn stored<K>(
    events: impl Stream<Item = WatchResult<K>>,
    writer: Writer<Guarded<K>>,
    mut notice: impl FnMut(&WatchResult<K>),
    wake: UnboundedSender<ObjectRef<Guarded<K>>>,
) -> impl Stream<Item = Result<Guarded<K>, watcher::Error>>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    let store = writer.as_reader();
    events.reflect(writer).filter_map(move |event| {
        notice(&event);
        // Errors are told where they arise: at each of them a controller would let everything else wait, too.
        let changed = match event {
            Ok(Event::Apply(object)) => Some(Ok(object)),
            Ok(Event::InitDone) => {
                for object in store.state() {
                    let _ = wake.send(ObjectRef::from_obj(object.as_ref()));
                }
                None
            }
            Ok(Event::Init | Event::InitApply(_) | Event::Delete(_)) | Err(_) => None,
        };
        std::future::ready(changed)
    })
}

/// Notices the first list of a watch: true for the event that ends it.
pub fn first_list<K>(missing: &watch::Sender<usize>) -> impl FnMut(&WatchResult<K>) -> bool + use<K> {
    let (missing, mut came) = (missing.clone(), false);
    move |event| {
        let is_first = matches!(event, Ok(Event::InitDone)) && !std::mem::replace(&mut came, true);
        if is_first {
            missing.send_modify(|missing| *missing = missing.saturating_sub(1));
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Auth0Tenant;
    use futures::FutureExt as _;
    use kube::ResourceExt as _;
    use kube_runtime::reflector;
    use serde_json::json;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio_stream::wrappers::UnboundedReceiverStream;

    fn tenant(name: &str) -> Guarded<Auth0Tenant> {
        let spec = json!({"domain": "example.auth0.com", "credentialsSecretRef": {"name": "credentials"}});
        let tenant = json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
            "metadata": {"name": name, "namespace": "a"}, "spec": spec,
        });
        serde_json::from_value(tenant).unwrap()
    }

    #[tokio::test]
    async fn what_is_listed_is_woken_once_the_store_holds_it() {
        let (watch, events) = unbounded_channel();
        let (store, writer) = reflector::store();
        let (wake, mut woken) = unbounded_channel();
        let mut changed = Box::pin(stored(UnboundedReceiverStream::new(events), writer, |_| {}, wake));
        let mut next = |event| {
            watch.send(event).unwrap();
            changed.next().now_or_never().map(|object| object.unwrap().unwrap().name_any())
        };
        let there = |name| store.get(&ObjectRef::new(name).within("a")).is_some();
        for _ in 0..2 {
            for event in [Event::Init, Event::InitApply(tenant("listed"))] {
                assert_eq!((next(Ok(event)), woken.len()), (None, 0));
            }
            assert_eq!(next(Ok(Event::InitDone)), None);
            assert_eq!(woken.try_recv().unwrap(), ObjectRef::new("listed").within("a"));
            assert!(there("listed") && !there("changed"));
            assert_eq!(next(Err(watcher::Error::NoResourceVersion)), None);
            assert_eq!(next(Ok(Event::Apply(tenant("changed")))).as_deref(), Some("changed"));
            assert!(there("changed") && woken.is_empty());
        }
    }
}
