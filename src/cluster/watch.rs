//! The watch of one kind: restarted where it fails, which is logged and counted.

use crate::cluster::guarded::Guarded;
use crate::telemetry::health::Probes;
use futures::{Stream, StreamExt as _};
use kube::Client;
use kube::Resource as _;
use kube::api::Api;
use kube_runtime::WatchStreamExt as _;
use kube_runtime::watcher::{self, Event, watcher};
use std::sync::Arc;

/// A watch without events restarts after this many seconds, so that one that died in silence is noticed within two
/// minutes.
pub const WATCH_SECONDS: u32 = 60;

/// Objects of one page of a list: as many as are in memory at once.
pub const PAGE: u32 = 100;

/// What a watch tells, objects that do not decode included.
pub type WatchResult<K> = Result<Event<Guarded<K>>, watcher::Error>;

/// The watch of one kind. Objects that do not decode are in it too, as such; `prepare` sees those that do while
/// they have their `managedFields`, which are not kept.
pub fn objects<K>(
    client: Client,
    probes: &Arc<Probes>,
    namespace: Option<&str>,
    prepare: fn(&mut K),
) -> impl Stream<Item = WatchResult<K>> + Send + use<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let probes = Arc::clone(probes);
    let api: Api<Guarded<K>> = match namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    watcher(api, watcher::Config::default().timeout(WATCH_SECONDS).page_size(PAGE))
        .default_backoff()
        .modify(move |object| {
            if let Ok(readable) = &mut object.0 {
                prepare(readable);
            }
            object.meta_mut().managed_fields = None;
        })
        .inspect(move |event| {
            if let Err(error) = event {
                probes.metrics.watch_error(&K::kind(&()));
                tracing::warn!(%error, kind = %K::kind(&()), "watch failed, restarting");
            }
        })
}
