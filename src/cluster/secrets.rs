//! Secrets: read when needed, and watched for changes where the namespace's owner allows it.
//!
//! Watches carry metadata only. Where a namespace may not be watched, the version of a Secret is asked for
//! at every pass instead, so a change is noticed at the next resync.

use crate::api::SecretVersion;
use crate::api::reason::{Failure, Reason};
use crate::cluster::client::{Error, within_deadline};
use crate::cluster::guarded::Guarded;
use crate::cluster::watch::WATCH_SECONDS;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PartialObjectMeta};
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::{self, DefaultBackoff, Event, watcher};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// How often the watches of namespaces that are no longer used are ended.
const TIDY: Duration = Duration::from_mins(1);

type Metadata = Guarded<PartialObjectMeta<Secret>>;

/// What a watch noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The object of this namespace and name.
    One(String, String),
    /// A list of this namespace was read anew, or cannot be: anything in it may be another one, or gone.
    Namespace(String),
}

/// What a Secret holds. No `Debug`.
pub struct Content {
    /// Which content it is.
    pub version: SecretVersion,
    data: BTreeMap<String, SecretSlice<u8>>,
}

impl From<Secret> for Content {
    fn from(secret: Secret) -> Self {
        let data = secret.data.unwrap_or_default().into_iter();
        Self {
            version: version(&secret.metadata),
            data: data.map(|(key, bytes)| (key, bytes.0.into())).collect(),
        }
    }
}

impl Content {
    /// The bytes under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SecretSlice<u8>> {
        self.data.get(key)
    }

    /// Tells this content from others, whatever the Secret is called and however often it was written: SHA-256.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for part in self.data.iter().flat_map(|(key, value)| [key.as_bytes(), value.expose_secret()]) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

/// The Secrets of all namespaces that are in use.
pub struct Secrets {
    client: Client,
    grant: String,
    changes: UnboundedSender<Changed>,
    watches: Mutex<HashMap<String, Watch>>,
}

/// The watch of a namespace, until it is dropped.
struct Watch {
    seen: Arc<Seen>,
    task: AbortHandle,
}

struct Seen {
    store: Store<Metadata>,
    /// It holds what there is.
    is_current: AtomicBool,
    /// A list has failed, so it may never come.
    has_failed: AtomicBool,
}

/// What is known of a Secret without a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// This content; `None` where there is no such Secret.
    At(Option<SecretVersion>),
    /// Nothing yet; the first list of its namespace is on its way, and tells.
    Pending,
    /// Nothing: its namespace cannot be watched.
    Unwatched,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Secrets {
    /// Changes of watched Secrets are told to `changes`. `grant` says how to let the operator read those of
    /// `NAMESPACE`.
    #[must_use]
    pub fn new(client: Client, grant: &str, changes: UnboundedSender<Changed>) -> Self {
        Self { client, grant: grant.to_owned(), changes, watches: Mutex::default() }
    }

    /// Which content a Secret has now; `None` where there is none.
    ///
    /// # Errors
    /// `SecretForbidden` where RBAC does not allow to read it.
    pub async fn version(&self, namespace: &str, name: &str) -> Result<Option<SecretVersion>, Failure> {
        let seen = self.watch(namespace);
        if seen.is_current.load(Ordering::Acquire) {
            let found = seen.store.get(&ObjectRef::new(name).within(namespace));
            return Ok(found.map(|secret| version(secret.meta())));
        }
        let api: Api<Metadata> = Api::namespaced(self.client.clone(), namespace);
        match within_deadline(api.get_opt(name)).await {
            Ok(found) => Ok(found.map(|secret| version(secret.meta()))),
            Err(error) => Err(self.unreadable(&error, namespace, name)),
        }
    }

    /// What is known of a Secret without a call. Begins to watch its namespace.
    #[must_use]
    pub fn known(&self, namespace: &str, name: &str) -> Known {
        let seen = self.watch(namespace);
        if seen.is_current.load(Ordering::Acquire) {
            let found = seen.store.get(&ObjectRef::new(name).within(namespace));
            return Known::At(found.map(|secret| version(secret.meta())));
        }
        if seen.has_failed.load(Ordering::Acquire) { Known::Unwatched } else { Known::Pending }
    }

    /// The content of a Secret; `None` where there is none.
    ///
    /// # Errors
    /// `SecretForbidden` where RBAC does not allow to read it.
    pub async fn read(&self, namespace: &str, name: &str) -> Result<Option<Content>, Failure> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        match within_deadline(api.get_opt(name)).await {
            Ok(found) => Ok(found.map(Content::from)),
            Err(error) => Err(self.unreadable(&error, namespace, name)),
        }
    }

    fn unreadable(&self, error: &Error, namespace: &str, name: &str) -> Failure {
        if error.is_forbidden() {
            let grant = self.grant.replace("NAMESPACE", namespace);
            let message = format!("the operator may not read the Secret {name}; allow it with: {grant}");
            return Failure::new(Reason::SecretForbidden, message);
        }
        Failure::new(Reason::InternalError, format!("the Secret {name} could not be read: {error}"))
    }

    /// Ends, for ever, the watches of namespaces that are no longer used. `used` must know of a user before it
    /// asks for anything here.
    pub async fn tidy(&self, used: impl Fn() -> HashSet<String>) {
        loop {
            tokio::time::sleep(TIDY).await;
            let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
            // Asked under the lock: a later use begins another watch.
            let used = used();
            watches.retain(|namespace, _| used.contains(namespace));
        }
    }

    /// What the watch of a namespace saw; it begins at the first use.
    fn watch(&self, namespace: &str) -> Arc<Seen> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let watch = watches.entry(namespace.to_owned()).or_insert_with(|| self.begin(namespace));
        Arc::clone(&watch.seen)
    }

    fn begin(&self, namespace: &str) -> Watch {
        let (store, writer) = reflector::store();
        let seen =
            Arc::new(Seen { store, is_current: AtomicBool::new(false), has_failed: AtomicBool::new(false) });
        let api: Api<Metadata> = Api::namespaced(self.client.clone(), namespace);
        let (watched, changes, namespace) = (Arc::clone(&seen), self.changes.clone(), namespace.to_owned());
        let task = tokio::spawn(async move { watched.follow(&api, writer, &namespace, &changes).await });
        Watch { seen, task: task.abort_handle() }
    }
}

impl Seen {
    /// Watches a namespace, for ever, and tells what changes.
    async fn follow(
        &self,
        api: &Api<Metadata>,
        mut writer: Writer<Metadata>,
        namespace: &str,
        changes: &UnboundedSender<Changed>,
    ) {
        let begin = || {
            let config = watcher::Config::default().timeout(WATCH_SECONDS);
            watcher(api.clone(), config).boxed()
        };
        // Not the one of kube-runtime's streams, which takes every new beginning for a success.
        let mut pauses = DefaultBackoff::default();
        let mut events = begin();
        while let Some(event) = events.next().await {
            if let Ok(event) = &event {
                writer.apply_watcher_event(event);
            }
            let change = match &event {
                Ok(event) => self.changed(event, namespace),
                Err(error) => self.failed(error, namespace),
            };
            let _ = change.map(|change| changes.send(change));
            let Err(error) = event else { continue };
            // After a namespace took its consent back, it would be watched from where it was.
            if is_refused(&error) {
                events = begin();
            }
            tokio::time::sleep(pauses.next().unwrap_or(TIDY)).await;
        }
    }

    /// What an event changes, which the store has taken in.
    fn changed(&self, event: &Event<Metadata>, namespace: &str) -> Option<Changed> {
        match event {
            Event::InitDone => {
                self.is_current.store(true, Ordering::Release);
                self.has_failed.store(false, Ordering::Release);
                Some(Changed::Namespace(namespace.to_owned()))
            }
            Event::Apply(secret) | Event::Delete(secret) => {
                Some(Changed::One(namespace.to_owned(), secret.name_any()))
            }
            Event::Init | Event::InitApply(_) => None,
        }
    }

    /// A watch that breaks goes on where it was; a list that fails leaves nothing to go on from. The first time, the
    /// resources that wait for the list have to ask.
    fn failed(&self, error: &watcher::Error, namespace: &str) -> Option<Changed> {
        if !is_refused(error) && !matches!(error, watcher::Error::InitialListFailed(_)) {
            return None;
        }
        self.is_current.store(false, Ordering::Release);
        let is_first = !self.has_failed.swap(true, Ordering::AcqRel);
        is_first.then(|| Changed::Namespace(namespace.to_owned()))
    }
}

/// Whether the API server says that this may not be watched.
fn is_refused(error: &watcher::Error) -> bool {
    use watcher::Error::{WatchError, WatchFailed, WatchStartFailed};
    let (WatchStartFailed(kube::Error::Api(status))
    | WatchFailed(kube::Error::Api(status))
    | WatchError(status)) = error
    else {
        return false;
    };
    matches!(status.code, 401 | 403)
}

fn version(metadata: &kube::core::ObjectMeta) -> SecretVersion {
    SecretVersion {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response, StatusCode};
    use kube::client::Body;
    use serde_json::json;
    use std::convert::Infallible;
    use std::ops::RangeInclusive;
    use std::sync::atomic::AtomicUsize;
    use tokio::sync::mpsc::unbounded_channel;
    use tokio::time::sleep;

    /// So many requests are a pause that grows to half a minute or so, within ten minutes.
    const PATIENT: RangeInclusive<usize> = 8..=50;

    /// Secrets of a cluster that has none, and allows nothing or only to read; and how often it was asked.
    fn forbidding(readable: bool) -> (Secrets, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::default());
        let count = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            let watches = request.uri().query().is_some_and(|query| query.contains("watch="));
            let list = json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1"},
                "items": [],
            });
            let mut answer = Response::new(Body::from(list.to_string().into_bytes()));
            if watches || !readable {
                *answer.status_mut() = StatusCode::FORBIDDEN;
            }
            std::future::ready(Ok::<_, Infallible>(answer))
        });
        (Secrets::new(Client::new(service, "default"), "grant", unbounded_channel().0), asked)
    }

    /// How often the cluster is asked within ten minutes.
    async fn in_ten_minutes(asked: &AtomicUsize) -> usize {
        let before = asked.load(Ordering::Relaxed);
        sleep(Duration::from_mins(10)).await;
        asked.load(Ordering::Relaxed) - before
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_not_be_watched_is_asked_for_ever_more_rarely() {
        for readable in [false, true] {
            let (secrets, asked) = forbidding(readable);
            assert_eq!(secrets.version("a", "credentials").await.is_ok(), readable);
            let count = in_ten_minutes(&asked).await;
            assert!(PATIENT.contains(&count), "{readable}: {count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_namespace_is_watched_for_as_long_as_it_is_used() {
        let (secrets, asked) = forbidding(false);
        let is_used = AtomicBool::new(true);
        let used = || is_used.load(Ordering::Relaxed).then(|| "a".to_owned()).into_iter().collect();
        let scene = async {
            for _ in 0..2 {
                is_used.store(true, Ordering::Relaxed);
                assert!(secrets.version("a", "credentials").await.is_err());
                assert!(PATIENT.contains(&in_ten_minutes(&asked).await));
                is_used.store(false, Ordering::Relaxed);
                sleep(TIDY).await;
                assert_eq!(in_ten_minutes(&asked).await, 0);
            }
        };
        tokio::select! {
            () = secrets.tidy(used) => {}
            () = scene => {}
        }
    }
}
