//! The API server's audit log: what was really asked of it, and by whom.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

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
    #[serde(default)]
    pub request_object: Value,
    /// The answer to a write; for our own kinds, events and Secrets only.
    #[serde(default)]
    pub response_object: Value,
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

impl AuditEvents for Vec<AuditEvent> {
    fn writes(mut self) -> Self {
        self.retain(AuditEvent::is_write);
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

/// Reads a log; the API server may be in the middle of writing its last line.
pub(crate) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let log = std::fs::read_to_string(path)?;
    let complete = log.rfind('\n').map_or("", |end| &log[..end]);
    complete.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
