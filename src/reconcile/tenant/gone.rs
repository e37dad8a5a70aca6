//! What is forgotten of a tenant that is gone.

use crate::api::Auth0Tenant;
use crate::cluster::watch::WatchResult;
use crate::reconcile::tenant::clients::Clients;
use crate::reconcile::tenant::state::States;
use kube::ResourceExt as _;
use kube_runtime::watcher::Event;
use std::collections::HashSet;
use std::sync::Arc;

/// Forgets the state and the credentials of tenants that are gone: one by one, and after a list all that it no longer
/// has. To be called after the store holds the change. `states` are those of the watched namespace, or of all.
pub fn forget_gone(
    states: Arc<States>,
    clients: Arc<Clients>,
    namespace: Option<String>,
) -> impl FnMut(&WatchResult<Auth0Tenant>) {
    let mut listed = HashSet::new();
    move |event| match event {
        Ok(Event::Init) => listed.clear(),
        Ok(Event::InitApply(tenant)) => {
            listed.insert(tenant.uid().unwrap_or_default());
        }
        Ok(Event::InitDone) => {
            let listed = std::mem::take(&mut listed);
            states.retain(&listed);
            clients.retain(namespace.as_deref(), &listed);
        }
        Ok(Event::Delete(tenant)) => {
            let uid = tenant.uid().unwrap_or_default();
            states.forget(&uid);
            clients.forget(&uid);
        }
        Ok(Event::Apply(_)) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::guarded::Guarded;
    use crate::reconcile::tenant::fixtures::{clients, directory, tenant_with};
    use serde_json::json;
    use tokio::time::Instant;

    /// Whether the state of a tenant is that of its first sight.
    fn is_forgotten(states: &States, uid: &str) -> bool {
        states.of(uid).rest(Instant::now()).is_zero()
    }

    #[test]
    fn a_deletion_forgets_one_and_a_list_all_that_it_does_not_have() {
        let (states, clients) = (Arc::<States>::default(), Arc::new(clients(directory([]))));
        let mut forget = forget_gone(Arc::clone(&states), clients, None);
        let tenant = |uid: &str| Guarded(Ok(tenant_with(uid, &json!({}), &json!({}))));
        let all = ["gone", "unlisted", "there"];
        for uid in all {
            let mut state = states.of(uid);
            state.published(false, Instant::now());
            states.keep(uid, state);
        }
        let forgotten = || all.map(|uid| is_forgotten(&states, uid));
        forget(&Ok(Event::Delete(tenant("gone"))));
        assert_eq!(forgotten(), [true, false, false]);
        // The first list broke off.
        let first = [Event::Init, Event::InitApply(tenant("unlisted"))];
        let list = [Event::Init, Event::InitApply(tenant("there")), Event::Apply(tenant("unlisted"))];
        for event in first.into_iter().chain(list) {
            forget(&Ok(event));
        }
        assert_eq!(forgotten(), [true, false, false], "the list is not at its end");
        forget(&Ok(Event::InitDone));
        assert_eq!(forgotten(), [true, true, false]);
    }
}
