//! Objects of a namespace, by way of the API itself. A kubectl takes 0.1 to 0.3 s of processor for each call, so it is run
//! where it is what the test is about.

use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use lab::wait_until;
use serde_json::{Value, json};
use std::time::Duration;

/// Group, version and kind behind the names that a target such as `auth0userupdate/ann` begins with.
const KINDS: [(&[&str], &str, &str, &str); 6] = [
    (
        &["auth0userupdate", "auth0userupdates", "a0uu", "Auth0UserUpdate"],
        "auth0-user-operator.dev",
        "v1alpha1",
        "Auth0UserUpdate",
    ),
    (
        &["auth0tenant", "auth0tenants", "a0ut", "Auth0Tenant"],
        "auth0-user-operator.dev",
        "v1alpha1",
        "Auth0Tenant",
    ),
    (&["secret", "Secret"], "", "v1", "Secret"),
    (&["configmap", "ConfigMap"], "", "v1", "ConfigMap"),
    (&["events.events.k8s.io"], "events.k8s.io", "v1", "Event"),
    (&["lease.coordination.k8s.io", "lease"], "coordination.k8s.io", "v1", "Lease"),
];

/// The objects of a namespace.
#[derive(Clone)]
pub struct Objects {
    client: Client,
    namespace: String,
}

impl Objects {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// The `Auth0UserUpdate`s.
    pub fn updates(&self) -> Api<DynamicObject> {
        self.of("auth0userupdate")
    }

    fn of(&self, kind: &str) -> Api<DynamicObject> {
        let row = KINDS.iter().find(|(names, ..)| names.contains(&kind));
        let (_, group, version, kind) = row.unwrap_or_else(|| panic!("no kind {kind}: add it to KINDS"));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Reads an object, or all of a kind.
    pub async fn get(&self, target: &str) -> Result<Value, String> {
        let read = match target.split_once('/') {
            Some((kind, name)) => self.of(kind).get(name).await.and_then(to_value),
            None => self.of(target).list(&kube::api::ListParams::default()).await.and_then(to_value),
        };
        read.map_err(|error| error.to_string())
    }

    /// Applies documents of JSON, one after the other, as `kubectl apply --server-side --force-conflicts` does.
    pub async fn apply(&self, manifest: &str) -> Result<(), String> {
        for document in manifest.split("\n---\n") {
            let object: Value = serde_json::from_str(document).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            let parameters = PatchParams::apply("kubectl").force();
            let applied = self.of(&kind).patch(&name, &parameters, &Patch::Apply(object)).await;
            applied.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Sends a merge patch.
    pub async fn patch(&self, target: &str, patch: &Value) -> Result<(), String> {
        let (kind, name) = target.split_once('/').unwrap();
        let patched = self.of(kind).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| error.to_string())
    }

    /// Sends a merge patch to the status.
    pub async fn patch_status(&self, target: &str, patch: &Value) -> Result<(), String> {
        let (kind, name) = target.split_once('/').unwrap();
        let patched = self.of(kind).patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(|error| error.to_string())
    }

    /// Sets an annotation, `KEY=VALUE`, or takes it out, `KEY-`.
    pub async fn annotate(&self, target: &str, change: &str) -> Result<(), String> {
        self.patch(target, &json!({"metadata": {"annotations": entry(change)}})).await
    }

    /// The same for a label.
    pub async fn label(&self, target: &str, change: &str) -> Result<(), String> {
        self.patch(target, &json!({"metadata": {"labels": entry(change)}})).await
    }

    /// Deletes an object and waits until it is gone.
    pub async fn delete(&self, target: &str) -> Result<(), String> {
        let (kind, name) = target.split_once('/').unwrap();
        let api = self.of(kind);
        api.delete(name, &DeleteParams::default()).await.map_err(|error| error.to_string())?;
        let gone =
            wait_until("it is gone", Duration::from_secs(30), async || match api.get_opt(name).await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err("it is there".to_owned()),
                Err(error) => Err(error.to_string()),
            });
        gone.await.map_err(|error| error.to_string())
    }
}

fn entry(change: &str) -> Value {
    match (change.split_once('='), change.strip_suffix('-')) {
        (Some((key, value)), _) => json!({ key: value }),
        (None, Some(key)) => json!({ key: null }),
        (None, None) => panic!("neither KEY=VALUE nor KEY-: {change}"),
    }
}

fn to_value(object: impl serde::Serialize) -> kube::Result<Value> {
    serde_json::to_value(object).map_err(kube::Error::SerdeError)
}
