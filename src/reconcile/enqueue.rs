//! Who is woken by a change of something else. A wake-up decides nothing.

use crate::api::{Auth0Tenant, Auth0UserUpdate};
use crate::cluster::guarded::Guarded;
use crate::cluster::secrets::Changed;
use crate::cluster::watch::WatchResult;
use crate::ownership::{Claims, Named};
use kube::ResourceExt as _;
use kube_runtime::reflector::{ObjectRef, Store};
use kube_runtime::watcher::Event;
use std::collections::HashSet;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

/// Tells every scope of a changed tenant, and whom its coming or going may put in or out of conflict. To be called
/// after the store holds the change.
pub fn tell(everybody: &[UnboundedSender<Changed>], claims: &Claims, event: &WatchResult<Auth0Tenant>) {
    let change = match event {
        Ok(Event::Apply(object) | Event::Delete(object)) => {
            Changed::One(object.namespace().unwrap_or_default(), object.name_any())
        }
        Ok(Event::InitDone) => Changed::Anything,
        Ok(Event::Init | Event::InitApply(_)) | Err(_) => return,
    };
    match &change {
        Changed::One(namespace, name) => claims.wake_neighbours(Some(&(namespace.clone(), name.clone()))),
        Changed::Namespace(_) | Changed::Anything => claims.wake_neighbours(None),
    }
    for changes in everybody {
        let _ = changes.send(change.clone());
    }
}

/// Wakes the tenants and the resources whose Secret changed.
pub async fn users_of_secrets(
    mut changed: UnboundedReceiver<Changed>,
    tenants: &Store<Guarded<Auth0Tenant>>,
    updates: &Store<Guarded<Auth0UserUpdate>>,
    wake_tenants: &UnboundedSender<ObjectRef<Guarded<Auth0Tenant>>>,
    wake_updates: &UnboundedSender<ObjectRef<Guarded<Auth0UserUpdate>>>,
) {
    while let Some(secret) = changed.recv().await {
        wake(&secret, tenants, wake_tenants, credentials);
        wake(&secret, updates, wake_updates, password);
    }
}

/// The namespaces whose Secrets somebody refers to.
pub fn with_used_secrets(
    tenants: &Store<Guarded<Auth0Tenant>>,
    updates: &Store<Guarded<Auth0UserUpdate>>,
) -> HashSet<String> {
    let (tenants, updates) = (tenants.state(), updates.state());
    let credentials = tenants.iter().filter_map(|object| credentials(object.0.as_ref().ok()?));
    let passwords = updates.iter().filter_map(|object| password(object.0.as_ref().ok()?));
    credentials.chain(passwords).map(|(namespace, _)| namespace).collect()
}

fn credentials(tenant: &Auth0Tenant) -> Option<Named> {
    Some((tenant.namespace()?, tenant.spec.credentials_secret_ref.name.clone()))
}

fn password(update: &Auth0UserUpdate) -> Option<Named> {
    Some((update.namespace()?, update.spec.password_secret_ref.value()?.name.clone()))
}

/// Wakes the resources whose tenant changed.
pub async fn users_of_tenants(
    mut changed: UnboundedReceiver<Changed>,
    updates: &Store<Guarded<Auth0UserUpdate>>,
    wake_updates: &UnboundedSender<ObjectRef<Guarded<Auth0UserUpdate>>>,
) {
    while let Some(tenant) = changed.recv().await {
        wake(&tenant, updates, wake_updates, |update| {
            Some(update.spec.tenant_ref.resolve(&update.namespace()?))
        });
    }
}

/// Wakes the resources whose owners changed, or whose turn it is.
pub async fn named(
    mut woken: UnboundedReceiver<Named>,
    wake_updates: &UnboundedSender<ObjectRef<Guarded<Auth0UserUpdate>>>,
) {
    while let Some((namespace, name)) = woken.recv().await {
        let _ = wake_updates.send(ObjectRef::new(&name).within(&namespace));
    }
}

/// Wakes the objects that refer to what changed.
fn wake<K>(
    changed: &Changed,
    store: &Store<Guarded<K>>,
    wake: &UnboundedSender<ObjectRef<Guarded<K>>>,
    refers: impl Fn(&K) -> Option<Named>,
) where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    for object in store.state() {
        let Ok(readable) = &object.0 else { continue };
        let concerned = match changed {
            Changed::One(namespace, name) => {
                refers(readable).is_some_and(|(its, one)| its == *namespace && one == *name)
            }
            Changed::Namespace(namespace) => refers(readable).is_some_and(|(its, _)| its == *namespace),
            Changed::Anything => refers(readable).is_some(),
        };
        if concerned {
            let _ = wake.send(ObjectRef::from_obj(object.as_ref()));
        }
    }
}
