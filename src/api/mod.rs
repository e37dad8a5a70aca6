//! The custom resources: what a person writes and what the operator answers.
//!
//! Types, schema and CEL rules only; nothing here decides, and nothing does I/O.

#![allow(
    clippy::doc_markdown,
    clippy::doc_link_with_quotes,
    reason = "field docs are what `kubectl explain` prints, without markup"
)]
#![allow(clippy::duplicated_attributes, reason = "every printer column has a name and a type")]

pub mod conditions;
mod field;
pub mod json;
mod output_target;
mod questions;
pub mod reason;
mod schema;
mod status;
mod tenant;
mod update;

pub use field::{Field, PassEmptyValues};
pub use output_target::{OUTPUTS, ObjectName, OutputTarget, RAW_OUTPUT, TargetKind, WrittenOutputs};
pub use questions::AssumeSent;
pub use status::{
    Auth0UserUpdateStatus, IgnoredField, LastUpdate, NotPersisted, RefusedField, SecretVersion, Trigger,
    TriggerState, UserIdentity, UserOutputs,
};
pub use tenant::{
    Auth0Tenant, Auth0TenantSpec, Auth0TenantStatus, ConnectionChoice, CredentialsSecretRef, Drift,
    EventsState, Grant, NamespaceAccess, RateLimit, TenantChecks, TenantEvents,
};
pub use update::{Auth0UserUpdate, Auth0UserUpdateSpec, Mode, Output, SecretKeyRef, TenantRef};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

/// A JSON object, as metadata and request bodies are.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;

/// Most levels of a metadata value, so that every copy, comparison and text of it is bounded.
pub const MOST_LEVELS: usize = 64;

/// Most values in a metadata map, at all levels together: one of seven bytes takes up to seven hundred in memory.
pub const MOST_VALUES: usize = 10_000;

/// The API group of both kinds.
pub const GROUP: &str = "auth0-user-operator.dev";

/// Annotation on an `Auth0UserUpdate`: `"true"` stops everything for that resource.
pub const PAUSED_ANNOTATION: &str = "auth0-user-operator.dev/paused";

/// Annotation on an `Auth0UserUpdate`: a new value, such as the present time, asks for a look at Auth0 now.
/// `status.lastHandledReconcileAt` echoes the value at the attempt.
pub const REQUESTED_AT_ANNOTATION: &str = "auth0-user-operator.dev/requested-at";

/// Annotation on an `Auth0UserUpdate`: what to do with a password, mail or whole clear of which the
/// operator has no memory (a restore, a move to another cluster). `"true"` records it as sent,
/// `"false"` sends it.
pub const ASSUME_SENT_ANNOTATION: &str = "auth0-user-operator.dev/assume-sent";

/// Where `kubectl apply` keeps the manifest it last applied, nulls included.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Both custom resource definitions, in the order in which they are printed.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 2] {
    [Auth0Tenant::crd(), Auth0UserUpdate::crd()].map(|mut crd| {
        for version in &mut crd.spec.versions {
            let schema = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut());
            schema.into_iter().for_each(for_the_api_server);
        }
        crd
    })
}

/// Doc comments are wrapped for the source; `kubectl explain` wraps for the terminal. The API server warns of
/// formats that it does not know, such as uint32.
fn for_the_api_server(schema: &mut JSONSchemaProps) {
    if let Some(description) = &mut schema.description {
        let paragraphs: Vec<String> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
    schema.format.take_if(|format| format.starts_with("uint"));
    schema.properties.iter_mut().flatten().for_each(|(_, property)| for_the_api_server(property));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        for_the_api_server(items);
    }
}
