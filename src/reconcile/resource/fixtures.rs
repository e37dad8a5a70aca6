//! Resources for unit tests.

use crate::access::Access;
use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, SecretVersion};
use crate::ownership::Contest;
use crate::reconcile::resource::references::{References, SecretState};
use serde_json::{Value, json};

/// The second generation of the resource `n/a`.
pub fn object(fields: &Value, status: &Value) -> Auth0UserUpdate {
    let mut spec = json!({"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"});
    for (field, value) in fields.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let metadata =
        json!({"name": "a", "namespace": "n", "generation": 2, "uid": "u", "resourceVersion": "5"});
    let object = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
        "metadata": metadata, "spec": spec, "status": status,
    });
    serde_json::from_value(object).unwrap()
}

/// A status that says this of a generation, and that it is in sync.
pub fn ready(generation: i64, status: &str, reason: &str) -> Value {
    let condition = |type_, status, reason| {
        json!({"type": type_, "status": status, "reason": reason, "message": "", "observedGeneration": generation,
               "lastTransitionTime": "2024-01-01T00:00:00Z"})
    };
    json!({"observedGeneration": generation, "conditions": [condition("Ready", status, reason), condition("Synced", "True", "InSync")]})
}

/// A content of a Secret.
pub fn version(resource_version: &str) -> SecretVersion {
    SecretVersion { uid: "s".to_owned(), resource_version: resource_version.to_owned() }
}

/// What a resource without a tenant refers to.
pub fn nothing_there() -> References {
    References {
        tenant: Err(Failure::new(Reason::TenantNotFound, "none")),
        access: Access::Everything,
        secret: SecretState::Undeclared,
        contest: Contest::default(),
    }
}
