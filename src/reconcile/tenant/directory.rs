//! Tenants as resources use them: found and judged.

use crate::api::conditions::{self, READY};
use crate::api::reason::{Failure, Reason, Standing};
use crate::api::{Auth0Tenant, ConnectionChoice};
use crate::auth0::Rate;
use crate::cluster::guarded::Guarded;
use crate::ownership::Named;
use crate::reconcile::object::fingerprint::{Fingerprint, fingerprint};
use kube::ResourceExt as _;
use kube_runtime::reflector::{ObjectRef, Store};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A tenant that can be called.
#[derive(Clone)]
pub struct Tenant {
    /// Its resource.
    pub object: Arc<Guarded<Auth0Tenant>>,
    /// Host, with its port.
    pub host: String,
    /// Changes where resources that use the tenant have to look again.
    pub fingerprint: Fingerprint,
}

impl Tenant {
    /// Connections to choose from.
    #[must_use]
    pub fn choices(&self) -> &[ConnectionChoice] {
        let status = self.object.0.as_ref().ok().and_then(|tenant| tenant.status.as_ref());
        status.map_or(&[], |status| &status.connections)
    }
}

/// The tenants of all watched namespaces.
#[derive(Clone)]
pub struct Directory {
    stores: Arc<[Store<Guarded<Auth0Tenant>>]>,
    /// By uid: how often the content of a tenant's credentials was found to be another one.
    changes: Arc<Mutex<HashMap<String, u64>>>,
}

impl Directory {
    /// One store for each watch.
    #[must_use]
    pub fn new(stores: impl IntoIterator<Item = Store<Guarded<Auth0Tenant>>>) -> Self {
        Self { stores: stores.into_iter().collect(), changes: Arc::default() }
    }

    /// The tenant of that name, whether or not it decodes.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Guarded<Auth0Tenant>>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.stores.iter().find_map(|store| store.get(&reference))
    }

    /// The credentials of a tenant have another content than before.
    pub fn credentials_changed(&self, uid: &str) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner).entry(uid.to_owned()).or_default() += 1;
    }

    fn changes(&self, uid: &str) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(uid).copied().unwrap_or_default()
    }

    /// All tenants that decode.
    #[must_use]
    pub fn readable(&self) -> Vec<Auth0Tenant> {
        let objects = self.stores.iter().flat_map(Store::state);
        objects.filter_map(|object| object.0.as_ref().ok().cloned()).collect()
    }

    /// Whether this very object is there.
    #[must_use]
    pub fn has(&self, tenant: &Auth0Tenant) -> bool {
        let namespace = tenant.namespace().unwrap_or_default();
        self.get(&namespace, &tenant.name_any()).is_some_and(|known| known.uid() == tenant.uid())
    }

    /// The rate for a host: the lowest that any of its tenant resources asks for. One whose credentials never worked
    /// has no say, or anybody could slow down everybody.
    #[must_use]
    pub fn rate(&self, host: &str) -> Rate {
        self.lowest_rate(host, None)
    }

    /// The same for the host of a tenant whose credentials have just worked, whatever is known of it here.
    #[must_use]
    pub fn rate_with(&self, tenant: &Auth0Tenant) -> Rate {
        self.lowest_rate(&tenant.spec.domain, Some(rate(tenant)))
    }

    fn lowest_rate(&self, host: &str, own: Option<Rate>) -> Rate {
        let objects = self.stores.iter().flat_map(Store::state);
        let rates = objects.filter_map(|object| {
            let tenant =
                object.0.as_ref().ok().filter(|tenant| tenant.spec.domain == host && is_proven(tenant))?;
            Some(rate(tenant))
        });
        rates.chain(own).reduce(Rate::lowest).unwrap_or_default()
    }

    /// Whether a tenant resource is about this host.
    #[must_use]
    pub fn uses(&self, host: &str) -> bool {
        let mut objects = self.stores.iter().flat_map(Store::state);
        objects.any(|object| object.0.as_ref().is_ok_and(|tenant| tenant.spec.domain == host))
    }

    /// Host of a tenant, with its port, for resources of the namespace `of`; `None` without its consent, and where
    /// its credentials never worked: whoever has none claims nothing.
    #[must_use]
    pub fn host(&self, (namespace, name): &Named, of: &str) -> Option<String> {
        let object = self.get(namespace, name)?;
        let tenant = object.0.as_ref().ok().filter(|tenant| tenant.allows(of) && is_proven(tenant))?;
        Some(tenant.spec.domain.clone())
    }
}

/// Finds the tenant that a resource of the namespace `own` refers to.
///
/// # Errors
/// `TenantNotAllowed`, `TenantNotFound`, `TenantNotReady`, or the tenant's own reason where it is stalled.
pub fn resolve(tenants: &Directory, own: &str, (namespace, name): &Named) -> Result<Tenant, Failure> {
    let object_name = name;
    let (title, place) = if namespace == own {
        (name.clone(), "this namespace".to_owned())
    } else {
        (
            format!("{namespace}/{name}"),
            format!("the namespace {namespace}, as far as the operator watches it"),
        )
    };
    let name = &title;
    let object = tenants.get(namespace, object_name).ok_or_else(|| {
        Failure::new(Reason::TenantNotFound, format!("the Auth0Tenant {name} is not in {place}: create it"))
    })?;
    let not_ready = |why: &str| {
        Failure::new(Reason::TenantNotReady, format!("the Auth0Tenant {name} is not ready: {why}"))
    };
    let tenant =
        object.0.as_ref().map_err(|_| not_ready("it cannot be read by this version of the operator"))?;
    if !tenant.allows(own) {
        return Err(Failure::new(
            Reason::TenantNotAllowed,
            format!(
                "the Auth0Tenant {name} does not allow this namespace: add {own} to its spec.allowedNamespaces"
            ),
        ));
    }
    let status = tenant.status.as_ref().ok_or_else(|| not_ready("it was not visited yet"))?;
    let generation = tenant.metadata.generation.unwrap_or_default();
    if status.observed_generation != Some(generation) {
        return Err(not_ready("its last change was not visited yet"));
    }
    if !conditions::is_ready(&status.conditions, generation) {
        let reason = conditions::failing_reason(&status.conditions).unwrap_or(Reason::TenantNotReady);
        let message = conditions::find(&status.conditions, READY).map_or("", |ready| ready.message.as_str());
        return Err(match reason.standing() {
            Standing::Stalled => {
                Failure::new(reason, format!("the Auth0Tenant {name} is stalled: {message}"))
            }
            Standing::Ready | Standing::Reconciling | Standing::Held => not_ready(message),
        });
    }
    let uid = tenant.uid().unwrap_or_default();
    let fingerprint =
        fingerprint(&(tenants.changes(&uid), uid, &tenant.spec.domain, &tenant.spec.custom_domain));
    Ok(Tenant { host: tenant.spec.domain.clone(), fingerprint, object: Arc::clone(&object) })
}

/// Whether Auth0 has accepted the tenant's credentials once.
fn is_proven(tenant: &Auth0Tenant) -> bool {
    tenant.status.as_ref().is_some_and(|status| status.credentials.is_some())
}

fn rate(tenant: &Auth0Tenant) -> Rate {
    let (default, limit) = (Rate::default(), tenant.spec.rate_limit.as_ref());
    Rate {
        per_minute: limit.and_then(|limit| limit.requests_per_minute).unwrap_or(default.per_minute),
        burst: limit.and_then(|limit| limit.burst).unwrap_or(default.burst),
    }
}
