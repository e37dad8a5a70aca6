//! The API server's audit log: what was really asked of it, and by whom.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::Result;

/// One request to the API server, or the start of a watch.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// `ResponseComplete`; for a watch `ResponseStarted` comes first; `Panic`.
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The path and query of the request.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// Who asked.
    pub user: User,
    /// The program that asked.
    #[serde(default)]
    pub user_agent: String,
    /// What it was about.
    #[serde(default)]
    pub object_ref: ObjectRef,
    /// The answer's status.
    #[serde(default)]
    pub response_status: ResponseStatus,
    /// The body of a write; for our own kinds, events and Secrets only.
    #[serde(default, deserialize_with = "if_readable")]
    pub request_object: Value,
    /// The answer to a write; for our own kinds, events and Secrets only.
    #[serde(default, deserialize_with = "if_readable")]
    pub response_object: Value,
}

/// `null` for what is nested too deep for a `Value`: some tests write such things.
fn if_readable<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Value, D::Error> {
    let text = Box::<RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(text.get()).unwrap_or_default())
}

/// Who sent a request.
#[derive(Clone, Debug, Deserialize)]
pub struct User {
    /// `admin`, or `system:serviceaccount:NAMESPACE:NAME`.
    pub username: String,
}

/// What a request was about; empty where the request named none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectRef {
    /// The API group; empty for the core group.
    pub api_group: String,
    /// The plural of the kind.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

/// The answer's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResponseStatus {
    /// The HTTP status code.
    pub code: u16,
}

impl AuditEvent {
    /// Whether this is a finished request that could change something,
    /// successful or not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let writes = ["create", "update", "patch", "delete", "deletecollection"];
        self.stage == "ResponseComplete" && writes.contains(&self.verb.as_str())
    }
}

/// Filters over many audit events: each returns the events that remain.
pub trait AuditEvents: Sized {
    /// Writes only.
    #[must_use]
    fn writes(self) -> Self;
    /// About this resource (plural) and subresource (empty for none).
    #[must_use]
    fn of(self, resource: &str, subresource: &str) -> Self;
    /// In this namespace.
    #[must_use]
    fn within(self, namespace: &str) -> Self;
    /// By this user.
    #[must_use]
    fn by(self, username: &str) -> Self;
}

impl AuditEvents for Vec<Arc<AuditEvent>> {
    fn writes(mut self) -> Self {
        self.retain(|event| event.is_write());
        self
    }

    fn of(mut self, resource: &str, subresource: &str) -> Self {
        self.retain(|event| {
            event.object_ref.resource == resource && event.object_ref.subresource == subresource
        });
        self
    }

    fn within(mut self, namespace: &str) -> Self {
        self.retain(|event| event.object_ref.namespace == namespace);
        self
    }

    fn by(mut self, username: &str) -> Self {
        self.retain(|event| event.user.username == username);
        self
    }
}

/// The log of one API server. Only what is new is read each time: it grows to tens of megabytes, and tests ask often.
#[derive(Debug)]
pub(crate) struct AuditLog {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    bytes: u64,
    events: Vec<Arc<AuditEvent>>,
}

impl AuditLog {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: Mutex::default() }
    }

    /// Everything so far; the API server may be in the middle of writing its last line.
    pub(crate) fn events(&self) -> Result<Vec<Arc<AuditEvent>>> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(seen.bytes))?;
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            seen.events.push(Arc::new(serde_json::from_slice(&line)?));
            seen.bytes += line.len() as u64;
            line.clear();
        }
        Ok(seen.events.clone())
    }
}
