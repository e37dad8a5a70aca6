//! Which resources a change of something else wakes. A wake-up decides nothing.

use crate::api::Auth0Tenant;
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::Changed;
use crate::cluster::watch::WatchResult;
use crate::ownership::Named;
use crate::reconcile::pass::Updates;
use crate::reconcile::tenant::directory::Directory;
use kube::ResourceExt as _;
use kube_runtime::reflector::ObjectRef;
use kube_runtime::watcher::Event;
use std::collections::HashSet;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Where tenants are woken.
pub type WakeTenants = UnboundedSender<ObjectRef<Guarded<Auth0Tenant>>>;

/// Wakes the resources of a changed tenant, and those that its coming or going may put in or out of conflict. To be
/// called after the store holds the change.
pub fn users_of_tenants(updates: &Updates, event: &WatchResult<Auth0Tenant>) {
    let changed = match event {
        Ok(Event::Apply(object) | Event::Delete(object)) => Some(object),
        Ok(Event::InitDone) => None,
        Ok(Event::Init | Event::InitApply(_)) | Err(_) => return,
    };
    let tenants = &updates.conflicts.tenants;
    // Its domain is immutable. Of one that cannot be read, it is not known.
    let hosts = match changed.map(|object| &object.0) {
        Some(Ok(tenant)) => HashSet::from([tenant.spec.domain.clone()]),
        Some(Err(_)) | None => tenants.of_each(|tenant| tenant.spec.domain.clone()).collect(),
    };
    for host in hosts {
        updates.clients.limiter(&host).set_rate(tenants.rate(&host));
    }
    let changed = changed.map(|object| (object.namespace().unwrap_or_default(), object.name_any()));
    updates.conflicts.ownership.wake_neighbours(changed.as_ref());
    let concerned = updates.resources.filtered(|_, record| {
        record.is_some_and(|record| changed.as_ref().is_none_or(|tenant| *tenant == *record.tenant))
    });
    for key in &concerned {
        updates.consider(key);
    }
}

/// Wakes the tenants and the resources whose Secret changed.
pub async fn users_of_secrets(
    mut changed: UnboundedReceiver<Changed>,
    tenants: &Directory,
    wake_tenants: &[WakeTenants],
    updates: &Updates,
) {
    while let Some(secret) = changed.recv().await {
        let concerns = |namespace: &str, name: &str| match &secret {
            Changed::One(its, one) => its == namespace && one == name,
            Changed::Namespace(its) => its == namespace,
        };
        let concerned = tenants.of_each(|tenant| {
            let (namespace, name) = credentials(tenant);
            concerns(&namespace, &name).then(|| ObjectRef::new(&tenant.name_any()).within(&namespace))
        });
        for reference in concerned.flatten() {
            for wake in wake_tenants {
                let _ = wake.send(reference.clone());
            }
        }
        let concerned = updates.resources.filtered(|key, record| {
            let name = record.and_then(|record| record.secret.as_deref());
            name.is_some_and(|name| concerns(key.namespace(), name))
        });
        for key in &concerned {
            updates.consider(key);
        }
    }
}

/// The namespaces whose Secrets are referred to.
pub fn with_used_secrets(tenants: &Directory, updates: &Updates) -> HashSet<String> {
    let credentials = tenants.of_each(|tenant| credentials(tenant).0);
    credentials.chain(updates.resources.namespaces_of_secrets()).collect()
}

fn credentials(tenant: &Auth0Tenant) -> Named {
    (tenant.namespace().unwrap_or_default(), tenant.spec.credentials_secret_ref.name.clone())
}

/// Wakes the resources whose owners changed.
pub async fn losers(mut woken: UnboundedReceiver<Named>, updates: &Updates) {
    while let Some((namespace, name)) = woken.recv().await {
        updates.consider(&updates.resources.key(&namespace, &name));
    }
}
