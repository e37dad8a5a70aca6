//! Secrets: read when needed, and watched for changes where the namespace's owner allows it.
//!
//! Only those whose label says what they are for: who may write our kinds could otherwise have the value of any Secret
//! of the namespace sent to a tenant of their own. Watches carry metadata only. Where a namespace may not be watched, the version of a Secret is asked for
//! at every pass instead, so a change is noticed at the next resync.

use crate::api::SecretVersion;
use crate::api::reason::{Failure, Reason};
use crate::cluster::client::{Error, within_deadline};
use crate::cluster::guarded::Guarded;
use crate::cluster::watch::WATCH_SECONDS;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PartialObjectMeta};
use kube::{Client, Resource as _, ResourceExt as _};
use kube_runtime::reflector::store::Writer;
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::watcher::{self, DefaultBackoff, Event, watcher};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::AbortHandle;

/// How often the watches of namespaces that are no longer used are ended.
const TIDY: Duration = Duration::from_mins(1);

/// The label of a Secret that says what the operator may use it for, see [`Use`].
const USE_LABEL: &str = "auth0-user-operator.dev/use";

type Metadata = Guarded<PartialObjectMeta<Secret>>;

/// What a Secret is for, as its label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `password`: of a user.
    Password,
    /// `credentials`: of a tenant.
    Credentials,
}

impl Use {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Credentials => "credentials",
        }
    }

    fn is_said(self, metadata: &ObjectMeta) -> bool {
        let labels = metadata.labels.as_ref();
        labels.and_then(|labels| labels.get(USE_LABEL)).is_some_and(|label| label == self.as_str())
    }

    /// Whether a Secret that a person may read says that it is for this use.
    ///
    /// # Errors
    /// `SecretForbidden` where it does not.
    pub fn check(self, namespace: &str, metadata: &ObjectMeta) -> Result<(), Failure> {
        let name = metadata.name.as_deref().unwrap_or_default();
        if self.is_said(metadata) { Ok(()) } else { Err(self.unsaid(namespace, name)) }
    }

    /// The failure of a Secret that does not say so.
    fn unsaid(self, namespace: &str, name: &str) -> Failure {
        let use_ = self.as_str();
        let message = format!(
            "the Secret {name} is not labelled for this use; if it may be sent to Auth0, run: kubectl label --overwrite secret {name} --namespace {namespace} {USE_LABEL}={use_}"
        );
        Failure::new(Reason::SecretForbidden, message)
    }
}

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
    /// This content; `None` where there is no such Secret for this use.
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

    /// Which content a Secret has now; `None` where there is none. Asks where no watch shows one for this use.
    ///
    /// # Errors
    /// `SecretForbidden` where RBAC does not allow to read it, or its label does not say that it is for this use.
    /// `InvalidRequest` for what is no name.
    pub async fn version(
        &self,
        namespace: &str,
        name: &str,
        use_: Use,
    ) -> Result<Option<SecretVersion>, Failure> {
        if let Known::At(Some(version)) = self.known(namespace, name, use_) {
            return Ok(Some(version));
        }
        let api: Api<Metadata> = Api::namespaced(self.client.clone(), namespace);
        let found = self.get(&api, namespace, name).await?;
        let Some(secret) = found else { return Ok(None) };
        if use_.is_said(secret.meta()) {
            Ok(Some(version(secret.meta())))
        } else {
            Err(use_.unsaid(namespace, name))
        }
    }

    /// What is known of a Secret without a call. Begins to watch its namespace.
    #[must_use]
    pub fn known(&self, namespace: &str, name: &str, use_: Use) -> Known {
        let seen = self.watch(namespace);
        if seen.is_current.load(Ordering::Acquire) {
            let found = seen.store.get(&ObjectRef::new(name).within(namespace));
            let found = found.filter(|secret| use_.is_said(secret.meta()));
            return Known::At(found.map(|secret| version(secret.meta())));
        }
        if seen.has_failed.load(Ordering::Acquire) { Known::Unwatched } else { Known::Pending }
    }

    /// The content of a Secret; `None` where there is none.
    ///
    /// # Errors
    /// As [`Secrets::version`].
    pub async fn read(&self, namespace: &str, name: &str, use_: Use) -> Result<Option<Content>, Failure> {
        // Metadata first: a value that is not for this use never gets here.
        if self.version(namespace, name, use_).await?.is_none() {
            return Ok(None);
        }
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        let found = self.get(&api, namespace, name).await?;
        match found {
            Some(secret) if !use_.is_said(&secret.metadata) => Err(use_.unsaid(namespace, name)),
            found => Ok(found.map(Content::from)),
        }
    }

    async fn get<K>(&self, api: &Api<K>, namespace: &str, name: &str) -> Result<Option<K>, Failure>
    where
        K: Clone + Debug + DeserializeOwned,
    {
        if !is_dns_name(name) {
            let message =
                "the name of the Secret is not a DNS name such as ann-password: correct it in the spec";
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
        within_deadline(api.get_opt(name)).await.map_err(|error| self.unreadable(&error, namespace, name))
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
            let config = watcher::Config::default().timeout(WATCH_SECONDS).labels(USE_LABEL);
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

/// Whether the API server can have an object of this name. Whatever else it holds would become part of the request.
fn is_dns_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [name.bytes().next(), name.bytes().last()];
    ends.into_iter().all(|byte| byte.is_some_and(is_part))
        && name.bytes().all(|byte| is_part(byte) || byte == b'-' || byte == b'.')
}

/// Which content a Secret with this metadata has.
#[must_use]
pub fn version(metadata: &ObjectMeta) -> SecretVersion {
    SecretVersion {
        uid: metadata.uid.clone().unwrap_or_default(),
        resource_version: metadata.resource_version.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::api_server;
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
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "1", "labels": {USE_LABEL: "credentials"}},
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

    /// A cluster that may not be watched, with one Secret of this label; and how often that was asked for.
    fn labelled(label: Option<&'static str>) -> (Secrets, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::default());
        let count = Arc::clone(&asked);
        let (client, _) = api_server(move |_, path, _| {
            if path == "/api/v1/namespaces/a/secrets" {
                return Err(403);
            }
            count.fetch_add(1, Ordering::Relaxed);
            let labels = label.map(|label| json!({USE_LABEL: label}));
            Ok(json!({"metadata": {"name": "s", "labels": labels}, "data": {"key": "c2VjcmV0"}}))
        });
        (Secrets::new(client, "grant", unbounded_channel().0), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_read_only_where_the_label_says_that_it_may_be() {
        for (label, use_, is_read) in [
            (Some("password"), Use::Password, true),
            (Some("credentials"), Use::Credentials, true),
            (Some("credentials"), Use::Password, false),
            (Some("password"), Use::Credentials, false),
            (Some("Password"), Use::Password, false),
            (Some(""), Use::Password, false),
            (None, Use::Password, false),
        ] {
            let (secrets, asked) = labelled(label);
            let read = secrets.read("a", "s", use_).await;
            assert_eq!(read.as_ref().is_ok_and(Option::is_some), is_read, "{label:?} {use_:?}");
            let Some(failure) = read.err() else { continue };
            assert_eq!(failure.reason, Reason::SecretForbidden);
            let command = format!("secret s --namespace a {USE_LABEL}={}", use_.as_str());
            assert!(failure.message.ends_with(&command), "{}", failure.message);
            assert_eq!(asked.load(Ordering::Relaxed), 1, "metadata alone");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_name_is_never_part_of_a_request() {
        for name in ["?watch=true", "s?x=", "s\n", "..", "../secrets", "s/x", "S", "-s", "s-", "%2e", ""] {
            let (secrets, asked) = labelled(Some("password"));
            let failure = secrets.read("a", name, Use::Password).await.err().unwrap();
            assert_eq!(
                (failure.reason, asked.load(Ordering::Relaxed)),
                (Reason::InvalidRequest, 0),
                "{name}"
            );
        }
        assert!(["s", "ann-password", "a.b-c", "0"].into_iter().all(is_dns_name));
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
            assert_eq!(secrets.version("a", "credentials", Use::Credentials).await.is_ok(), readable);
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
                assert!(secrets.version("a", "credentials", Use::Credentials).await.is_err());
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
