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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Auth0UserUpdate;
    use crate::reconcile::pass::fixtures::cluster;
    use crate::reconcile::resource::fixtures::object;
    use crate::reconcile::tenant::fixtures::{ready, tenant_with};
    use futures::FutureExt as _;
    use serde_json::{Value, json};
    use tokio::sync::mpsc::unbounded_channel;

    fn named(name: &str, fields: &Value) -> Auth0UserUpdate {
        let mut object = object(fields, &json!({}));
        (object.metadata.name, object.metadata.uid) = (Some(name.to_owned()), Some(name.to_owned()));
        object
    }

    /// The resources of which a pass starts now.
    fn started(updates: &Updates) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(key) = updates.queue.next().now_or_never() {
            names.push(key.name().to_owned());
            updates.queue.skipped(&key);
        }
        names.sort_unstable();
        names
    }

    #[tokio::test(start_paused = true)]
    async fn a_tenant_wakes_its_own_resources_and_sets_the_rate_of_its_own_host() {
        let with = |name: &str, domain: &str| {
            let limit = json!({"requestsPerMinute": 60, "burst": 5});
            tenant_with(name, &ready(1, "1"), &json!({"domain": domain, "rateLimit": limit}))
        };
        let (one, other) = (with("one", "one.auth0.com"), with("other", "other.auth0.com"));
        let object = named("of-one", &json!({"name": "A", "tenantRef": {"name": "one"}}));
        for (event, bursts, woken) in [
            (Event::Apply(Guarded(Ok(one.clone()))), [5, 2], 1),
            (Event::InitDone, [5, 5], 2),
            (Event::Init, [2, 2], 0),
        ] {
            let (updates, _) = cluster([one.clone(), other.clone()], &object);
            updates.see(&object);
            updates.see(&named("of-other", &json!({"name": "A", "tenantRef": {"name": "other"}})));
            users_of_tenants(&updates, &Ok(event));
            let burst = |host| {
                let limiter = updates.clients.limiter(host);
                (0..9).take_while(|_| limiter.start(1).is_ok()).count()
            };
            assert_eq!(["one.auth0.com", "other.auth0.com"].map(burst), bursts);
            let waiting: usize = updates.queue.waiting().iter().map(|waiting| waiting.count).sum();
            assert_eq!(waiting, woken);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_wakes_the_resources_and_the_tenants_that_name_it() {
        let password = |secret: &str| json!({"passwordSecretRef": {"name": secret, "key": "k"}});
        let object = named("of-s", &password("s"));
        let (updates, _) = cluster([tenant_with("t", &json!({}), &json!({}))], &object);
        for object in
            [&object, &named("of-other", &password("other")), &named("of-none", &json!({"name": "A"}))]
        {
            updates.see(object);
        }
        for (changed, resources, tenants) in [
            (Changed::One("n".to_owned(), "s".to_owned()), &["of-s"][..], 0),
            (Changed::One("n".to_owned(), "credentials".to_owned()), &[], 1),
            (Changed::One("elsewhere".to_owned(), "s".to_owned()), &[], 0),
            (Changed::Namespace("n".to_owned()), &["of-other", "of-s"], 1),
        ] {
            let ((tell, told), (wake, mut woken)) = (unbounded_channel(), unbounded_channel());
            tell.send(changed.clone()).unwrap();
            drop(tell);
            users_of_secrets(told, &updates.conflicts.tenants, &[wake], &updates).await;
            let woken = std::iter::from_fn(|| woken.try_recv().ok()).count();
            assert_eq!(
                (started(&updates), woken),
                (resources.iter().map(ToString::to_string).collect(), tenants),
                "{changed:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_namespaces_of_secrets_are_those_that_tenants_and_resources_name_one_in() {
        let object = named("a", &json!({"name": "A"}));
        let (updates, _) = cluster([], &object);
        updates.see(&object);
        let used = || with_used_secrets(&updates.conflicts.tenants, &updates);
        assert!(used().is_empty());
        updates.see(&named("b", &json!({"passwordSecretRef": {"name": "s", "key": "k"}})));
        assert_eq!(used(), HashSet::from(["n".to_owned()]));
        let (updates, _) = cluster([tenant_with("t", &json!({}), &json!({}))], &object);
        assert_eq!(with_used_secrets(&updates.conflicts.tenants, &updates), HashSet::from(["n".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_resource_whose_owner_changed_is_considered() {
        let object = named("a", &json!({"name": "A"}));
        let (updates, _) = cluster([], &object);
        updates.see(&object);
        let (tell, told) = unbounded_channel();
        tell.send(("n".to_owned(), "a".to_owned())).unwrap();
        drop(tell);
        losers(told, &updates).await;
        assert_eq!(started(&updates), ["a"]);
    }
}
