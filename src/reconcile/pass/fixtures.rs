//! What passes work with, for unit tests.

use crate::api::{Auth0Tenant, Auth0UserUpdate};
use crate::cluster::fixtures::{Requests, api_server, patched};
use crate::cluster::guarded::Guarded;
use crate::cluster::outputs::Outputs;
use crate::cluster::secrets::Secrets;
use crate::plan::TriggerKey;
use crate::queue::Key;
use crate::reconcile::pass::Updates;
use crate::reconcile::tenant::fixtures::{clients, directory};
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::unbounded_channel;

/// A cluster with these tenants and this stored object, whose other objects are not there.
pub fn cluster(
    tenants: impl IntoIterator<Item = Auth0Tenant>,
    object: &Auth0UserUpdate,
) -> (Arc<Updates>, Requests) {
    let stored = Mutex::new(serde_json::to_value(object).unwrap());
    let (client, requests) = api_server(move |method, path, body| {
        if !path.contains("/auth0userupdates/") {
            return if method == "POST" { Ok(body.clone()) } else { Err(404) };
        }
        let mut stored = stored.lock().unwrap();
        if method == "PATCH" {
            *stored = patched(stored.clone(), body);
        }
        Ok(stored.clone())
    });
    let tenants = directory(tenants);
    let clients = Arc::new(clients(tenants.clone()));
    let secrets = Arc::new(Secrets::new(client.clone(), "a grant", unbounded_channel().0));
    let outputs = Outputs::new(client.clone(), "a grant");
    let key = Arc::new(TriggerKey::new([7; 32]));
    let updates = Updates::new((client, secrets, outputs), clients, tenants, 2, Arc::default(), key);
    updates.synced.set(None);
    (Arc::new(updates), requests)
}

impl Updates {
    /// Sees an object as the watch brings it.
    pub fn see(&self, object: &Auth0UserUpdate) -> Key {
        self.conflicts.ownership.update(object);
        self.resources.see(&Guarded(Ok(object.clone())), false)
    }
}

/// Status and reason of a condition in a status that was written.
pub fn said<'a>(written: &'a Value, type_: &str) -> Option<(&'a str, &'a str)> {
    let conditions = written["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|condition| condition["type"] == type_)?;
    Some((condition["status"].as_str()?, condition["reason"].as_str()?))
}
