//! Tenants as resources use them: found and judged.

use crate::access::Access;
use crate::api::Auth0Tenant;
use crate::api::conditions::{self, READY};
use crate::api::reason::{Failure, Reason, Standing};
use crate::auth0::Rate;
use crate::cluster::guarded::Guarded;
use crate::ownership::{Named, Rights};
use crate::reconcile::object::fingerprint::{Fingerprint, fingerprint};
use kube::ResourceExt as _;
use kube_runtime::reflector::{ObjectRef, Store};
use std::collections::{HashMap, HashSet};
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

/// What resources of other namespaces are told of a tenant that cannot be used: its own message names its Secret.
pub const NOT_TOLD: &str = "is not available: its owner finds the reason in its conditions";

/// So many names of a namespace are told at most.
const TOLD: usize = 10;

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
        let there: HashSet<String> = self.of_each(|tenant| tenant.uid().unwrap_or_default()).collect();
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.retain(|known, _| there.contains(known));
        *changes.entry(uid.to_owned()).or_default() += 1;
    }

    fn changes(&self, uid: &str) -> u64 {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.get(uid).copied().unwrap_or_default()
    }

    /// Something of each tenant that decodes.
    pub fn of_each<T>(&self, take: impl Fn(&Auth0Tenant) -> T) -> impl Iterator<Item = T> {
        let objects = self.stores.iter().flat_map(Store::state);
        objects.filter_map(move |object| object.0.as_ref().ok().map(&take))
    }

    /// Namespace and name of each tenant of a host.
    pub fn of_host(&self, host: &str) -> impl Iterator<Item = Named> {
        let of_host = self.of_each(move |tenant| {
            let named = (tenant.namespace().unwrap_or_default(), tenant.name_any());
            (tenant.spec.domain == host).then_some(named)
        });
        of_host.flatten()
    }

    /// Whether this very object is there.
    #[must_use]
    pub fn has(&self, tenant: &Auth0Tenant) -> bool {
        let namespace = tenant.namespace().unwrap_or_default();
        self.get(&namespace, &tenant.name_any()).is_some_and(|known| known.uid() == tenant.uid())
    }

    /// The rate for a host: the lowest that any of its tenant resources asks for. One whose credentials never worked
    /// does not count, or any namespace could slow down all others.
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
        let counts = |tenant: &Auth0Tenant| tenant.spec.domain == host && is_proven(tenant);
        let rates = self.of_each(|tenant| counts(tenant).then(|| rate(tenant))).flatten();
        rates.chain(own).reduce(Rate::lowest).unwrap_or_default()
    }

    /// The host of a tenant, with its port, and what resources of the namespace `of` may claim of a user; `None` where
    /// that is nothing, and where its credentials never worked: a tenant without them gives no claims.
    #[must_use]
    pub fn rights(&self, (namespace, name): &Named, of: &str, user_id: &str) -> Option<Rights> {
        let object = self.get(namespace, name)?;
        let tenant = object.0.as_ref().ok().filter(|tenant| is_proven(tenant))?;
        let access = Access::of(tenant, of, user_id);
        (!access.is_nothing()).then(|| Rights { host: tenant.spec.domain.clone(), access })
    }
}

/// Finds the tenant that a resource of the namespace `own` refers to, and what that may do with its user.
///
/// # Errors
/// `TenantNotAllowed`, which says the same of a tenant of another namespace that is not there; `TenantNotFound`,
/// `TenantNotReady`, or the tenant's own reason where it is stalled.
pub fn resolve(
    tenants: &Directory,
    own: &str,
    tenant: &Named,
    user_id: &str,
) -> (Access, Result<Tenant, Failure>) {
    let (namespace, name) = tenant;
    let (is_own, object) = (namespace == own, tenants.get(namespace, name));
    let access = match object.as_ref().map(|object| &object.0) {
        Some(Ok(tenant)) => Access::of(tenant, own, user_id),
        Some(Err(_)) | None if is_own => Access::Everything,
        Some(Err(_)) | None => Access::nothing(),
    };
    let title = title(tenant, own);
    let failure = |(reason, what)| Failure::new(reason, format!("the Auth0Tenant {title} {what}"));
    let found = if access.is_nothing() {
        let what = format!(
            "does not exist, or grants the namespace {own} nothing for the user {user_id}: its owner has to list {own} in its spec.allowedNamespaces, or in a grant of spec.access that covers this user"
        );
        Err(failure((Reason::TenantNotAllowed, what)))
    } else if let Some(object) = object {
        let told = |(reason, what): (Reason, String)| {
            failure((reason, if is_own { what } else { NOT_TOLD.to_owned() }))
        };
        usable(&object).map_err(told).map(|tenant| {
            let uid = tenant.uid().unwrap_or_default();
            let spec = &tenant.spec;
            let fingerprint =
                fingerprint(&(tenants.changes(&uid), uid, &spec.domain, &spec.custom_domain, &access));
            Tenant { host: spec.domain.clone(), fingerprint, object: Arc::clone(&object) }
        })
    } else {
        Err(Failure::new(Reason::TenantNotFound, not_found(tenants, tenant)))
    };
    (access, found)
}

/// What a resource is told whose tenant is not in its own namespace.
fn not_found(tenants: &Directory, (namespace, name): &Named) -> String {
    let here =
        |tenant: &Auth0Tenant| (tenant.namespace().as_deref() == Some(namespace)).then(|| tenant.name_any());
    let mut names: Vec<String> = tenants.of_each(here).flatten().collect();
    names.sort_unstable();
    names.truncate(TOLD);
    let there = if names.is_empty() { String::new() } else { format!(" (there: {})", names.join(", ")) };
    format!(
        "no Auth0Tenant {name:?} in namespace {namespace}{there}; create it, correct spec.tenantRef.name, or set spec.tenantRef.namespace"
    )
}

/// A tenant as resources of the namespace `own` know it.
#[must_use]
pub fn title((namespace, name): &Named, own: &str) -> String {
    if namespace == own { name.clone() } else { format!("{namespace}/{name}") }
}

/// The tenant, or why it cannot be used.
fn usable(object: &Guarded<Auth0Tenant>) -> Result<&Auth0Tenant, (Reason, String)> {
    let not_ready = |why: &str| (Reason::TenantNotReady, format!("is not ready: {why}"));
    let tenant =
        object.0.as_ref().map_err(|_| not_ready("it cannot be read by this version of the operator"))?;
    let status = tenant.status.as_ref().ok_or_else(|| not_ready("it has not been checked yet"))?;
    let generation = tenant.metadata.generation.unwrap_or_default();
    if status.observed_generation != Some(generation) {
        return Err(not_ready("its last change has not been checked yet"));
    }
    if conditions::is_ready(&status.conditions, generation) {
        return Ok(tenant);
    }
    let reason = conditions::failing_reason(&status.conditions).unwrap_or(Reason::TenantNotReady);
    let message = conditions::find(&status.conditions, READY).map_or("", |ready| ready.message.as_str());
    Err(match reason.standing() {
        Standing::Stalled => (reason, format!("is stalled: {message}")),
        Standing::Ready | Standing::Reconciling | Standing::Held => not_ready(message),
    })
}

/// Whether Auth0 has accepted the tenant's credentials once, and did not reject them since.
fn is_proven(tenant: &Auth0Tenant) -> bool {
    tenant.status.as_ref().is_some_and(|status| {
        let is_rejected =
            conditions::failing_reason(&status.conditions) == Some(Reason::AuthenticationFailed);
        status.credentials.is_some() && !is_rejected
    })
}

fn rate(tenant: &Auth0Tenant) -> Rate {
    let (default, limit) = (Rate::default(), tenant.spec.rate_limit.as_ref());
    Rate {
        per_minute: limit.and_then(|limit| limit.requests_per_minute).unwrap_or(default.per_minute),
        burst: limit.and_then(|limit| limit.burst).unwrap_or(default.burst),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tenant::fixtures::{directory, failing, ready, tenant, tenant_with};
    use serde_json::{Value, json};

    /// What a resource of a namespace for `auth0|a` finds under the name `n/t`.
    fn found(tenants: &Directory, own: &str) -> (Access, Result<Tenant, Failure>) {
        resolve(tenants, own, &("n".to_owned(), "t".to_owned()), "auth0|a")
    }

    /// Why a resource of a namespace cannot use the first generation of `n/t`, which has this status.
    fn refused(own: &str, status: &Value) -> Failure {
        found(&directory([tenant(1, status)]), own).1.err().unwrap()
    }

    #[test]
    fn a_tenant_that_cannot_be_used_is_named_with_the_reason() {
        let failure = found(&directory([]), "n").1.err().unwrap();
        assert_eq!(failure.reason, Reason::TenantNotFound);
        assert_eq!(
            failure.message,
            r#"no Auth0Tenant "t" in namespace n; create it, correct spec.tenantRef.name, or set spec.tenantRef.namespace"#
        );
        let stalled = failing(1, "AuthenticationFailed", "no");
        for (own, status, reason, message) in [
            ("n", json!(null), Reason::TenantNotReady, "t is not ready: it has not been checked yet"),
            (
                "n",
                ready(0, "1"),
                Reason::TenantNotReady,
                "t is not ready: its last change has not been checked yet",
            ),
            ("n", failing(1, "RateLimited", "wait"), Reason::TenantNotReady, "t is not ready: wait"),
            ("n", stalled, Reason::AuthenticationFailed, "t is stalled: no"),
        ] {
            let failure = refused(own, &status);
            let expected = (reason, format!("the Auth0Tenant {message}"));
            assert_eq!((failure.reason, failure.message), expected);
        }
    }

    #[test]
    fn a_tenant_that_is_not_there_and_one_that_grants_nothing_for_the_user_give_one_answer() {
        let with = |status: &Value, fields: &Value| directory([tenant_with("t", status, fields)]);
        let other_user = json!({"access": [{"namespaces": ["m"], "fields": ["*"], "userIds": ["auth0|b"]}]});
        let mut answers = vec![found(&directory([]), "m").1.err().unwrap()];
        for status in [ready(1, "1"), json!({}), failing(1, "AuthenticationFailed", "no")] {
            for fields in [json!({}), json!({"allowedNamespaces": ["o"]}), other_user.clone()] {
                answers.push(found(&with(&status, &fields), "m").1.err().unwrap());
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].reason, Reason::TenantNotAllowed);
        assert!(
            answers[0]
                .message
                .contains("the Auth0Tenant n/t does not exist, or grants the namespace m nothing")
        );
        let consents = json!({"allowedNamespaces": ["m"]});
        assert_eq!(
            found(&with(&ready(1, "1"), &consents), "m").1.map(|tenant| tenant.host).unwrap(),
            "example.auth0.com"
        );
        let failure =
            found(&with(&failing(1, "AuthenticationFailed", "no"), &consents), "m").1.err().unwrap();
        assert_eq!(failure.reason, Reason::AuthenticationFailed);
        assert_eq!(
            failure.message,
            format!("the Auth0Tenant n/t {NOT_TOLD}"),
            "its message may name its Secret"
        );
    }

    #[test]
    fn a_change_of_grants_concerns_the_namespaces_whose_grants_changed() {
        let fingerprint = |own: &str, access: &Value, allowed: &[&str]| {
            let fields = json!({"access": access, "allowedNamespaces": allowed});
            found(&directory([tenant_with("t", &ready(1, "1"), &fields)]), own)
                .1
                .map(|tenant| tenant.fingerprint)
                .unwrap()
        };
        let grant =
            |namespaces: &[&str], fields: &[&str]| json!({"namespaces": namespaces, "fields": fields});
        let (one, other) = (grant(&["m"], &["email"]), grant(&["o"], &["name"]));
        let before = json!([one, other]);
        for (access, allowed, concerns) in [
            (json!([other, one]), &[][..], [false; 3]),
            (json!([one, other, one]), &[], [false; 3]),
            (json!([one, grant(&["o"], &["name", "email"])]), &[], [false, true, false]),
            (json!([one, other, grant(&["*"], &["blocked"])]), &[], [true, true, false]),
            (json!([one, other]), &["m", "p"], [true, false, false]),
        ] {
            let changed = ["m", "o", "n"]
                .map(|own| fingerprint(own, &access, allowed) != fingerprint(own, &before, &[]));
            assert_eq!(changed, concerns, "{access} {allowed:?}");
        }
    }

    #[test]
    fn other_credentials_make_another_tenant_of_it_and_another_status_does_not() {
        let tenants = directory([tenant(1, &ready(1, "1"))]);
        let fingerprint = |tenants: &Directory| {
            let found = found(tenants, "n").1.map(|tenant| (tenant.host, tenant.fingerprint)).unwrap();
            assert_eq!(found.0, "example.auth0.com");
            found.1
        };
        let first = fingerprint(&tenants);
        assert_eq!(fingerprint(&directory([tenant(1, &ready(1, "2"))])), first);
        tenants.credentials_changed("u");
        let second = fingerprint(&tenants);
        assert_ne!(second, first);
        tenants.credentials_changed("gone");
        assert_eq!(fingerprint(&tenants), second);
        tenants.credentials_changed("u");
        assert!(!tenants.changes.lock().unwrap().contains_key("gone"), "it is not there");
    }

    #[test]
    fn of_one_host_the_lowest_rate_of_proven_credentials_counts() {
        let with = |name: &str, status: &Value, domain: &str, per_minute: u32| {
            let limit = json!({"requestsPerMinute": per_minute, "burst": 9});
            tenant_with(name, status, &json!({"domain": domain, "rateLimit": limit}))
        };
        let (proven, host) = (ready(1, "1"), "example.auth0.com");
        let tenants = directory([
            with("a", &proven, host, 100),
            with("b", &proven, host, 50),
            with("unproven", &json!({}), host, 1),
            with("other", &proven, "other.auth0.com", 2),
        ]);
        assert_eq!(tenants.rate(host).per_minute, 50);
        assert_eq!(tenants.rate_with(&with("unproven", &json!({}), host, 1)).per_minute, 1);
        assert_eq!(tenants.rate("elsewhere.auth0.com"), Rate::default());
    }

    #[test]
    fn a_tenant_whose_credentials_are_rejected_has_no_say_any_more() {
        let (own, host) = (("n".to_owned(), "t".to_owned()), "example.auth0.com");
        for (reason, counts) in
            [("AuthenticationFailed", false), ("SecretNotFound", true), ("InsufficientScope", true)]
        {
            let mut status = failing(1, reason, "no");
            status["credentials"] = ready(1, "1")["credentials"].clone();
            let tenants =
                directory([tenant_with("t", &status, &json!({"rateLimit": {"requestsPerMinute": 1}}))]);
            assert_eq!(tenants.rights(&own, "n", "auth0|a").is_some(), counts, "{reason}");
            assert_eq!(tenants.rate(host).per_minute == 1, counts, "{reason}");
        }
    }

    #[test]
    fn a_tenant_gives_claims_to_namespaces_with_its_consent_once_its_credentials_worked() {
        let own = ("n".to_owned(), "t".to_owned());
        for (status, of, host) in [
            (ready(1, "1"), "n", Some("example.auth0.com")),
            (ready(1, "1"), "m", None),
            (json!({}), "n", None),
        ] {
            let rights = directory([tenant(1, &status)]).rights(&own, of, "auth0|a");
            assert_eq!(rights.map(|rights| rights.host).as_deref(), host);
        }
    }

    #[test]
    fn a_tenant_that_was_made_again_is_another_one() {
        let tenants = directory([tenant(1, &json!({}))]);
        let mut other = tenant(1, &json!({}));
        assert!(tenants.has(&other));
        other.metadata.uid = Some("v".to_owned());
        assert!(!tenants.has(&other));
    }
}
