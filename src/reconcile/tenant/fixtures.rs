//! Tenants for unit tests.

use crate::api::Auth0Tenant;
use crate::auth0::{AllowedDomains, Http};
use crate::cluster::guarded::Guarded;
use crate::reconcile::tenant::clients::Clients;
use crate::reconcile::tenant::directory::Directory;
use crate::telemetry::metrics::Metrics;
use kube_runtime::reflector;
use kube_runtime::watcher::Event;
use serde_json::{Value, json};
use std::sync::Arc;

/// The tenants that are there.
pub fn directory(tenants: impl IntoIterator<Item = Auth0Tenant>) -> Directory {
    let (store, mut writer) = reflector::store();
    for tenant in tenants {
        writer.apply_watcher_event(&Event::Apply(Guarded(Ok(tenant))));
    }
    Directory::new([store])
}

/// Clients that may call Auth0's own domains.
pub fn clients(tenants: Directory) -> Clients {
    let http = Http::new(reqwest::Client::new(), Arc::<Metrics>::default());
    Clients::new(http, AllowedDomains::parse(&["*.auth0.com".to_owned()]).unwrap(), tenants)
}

/// The first generation of another tenant of that namespace, with these fields.
pub fn tenant_with(name: &str, status: &Value, fields: &Value) -> Auth0Tenant {
    let mut object = serde_json::to_value(tenant(1, status)).unwrap();
    object["metadata"]["name"] = json!(name);
    object["metadata"]["uid"] = json!(name);
    object["spec"].as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

/// A generation of the tenant `n/t` of example.auth0.com.
pub fn tenant(generation: i64, status: &Value) -> Auth0Tenant {
    let metadata = json!({"name": "t", "namespace": "n", "generation": generation, "uid": "u"});
    let tenant = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant", "metadata": metadata,
        "spec": {"domain": "example.auth0.com", "credentialsSecretRef": {"name": "credentials"}},
        "status": status,
    });
    serde_json::from_value(tenant).unwrap()
}

/// The status of a tenant whose credentials of this version were accepted, for a generation.
pub fn ready(generation: i64, credentials: &str) -> Value {
    json!({
        "observedGeneration": generation, "credentials": {"uid": "s", "resourceVersion": credentials},
        "conditions": [condition(generation, "True", "Available", "an access token was obtained and has the required scopes")],
    })
}

/// The status of a tenant that is not ready for this reason.
pub fn failing(generation: i64, reason: &str, message: &str) -> Value {
    json!({
        "observedGeneration": generation,
        "conditions": [condition(generation, "False", reason, message)],
    })
}

fn condition(generation: i64, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": "Ready", "status": status, "reason": reason, "message": message, "observedGeneration": generation,
           "lastTransitionTime": "2024-01-01T00:00:00Z"})
}
