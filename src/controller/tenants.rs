//! Tenants as resources use them: found, judged, and turned into an Auth0 client.

use super::conditions::{self, READY};
use super::secrets::{Content, Secrets};
use crate::api::{Auth0Tenant, ConnectionChoice, SecretVersion, TenantRef};
use crate::auth0::{self, AllowedDomains, Credentials, Http, Pace, Proof, Rate, SigningKey};
use crate::claims::Named;
use crate::reason::{Failure, Reason, Standing};
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;
use kube_runtime::reflector::{ObjectRef, Store};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// The Auth0 clients of all tenants, each with the token that it holds.
pub struct Clients {
    http: Http,
    allowed: AllowedDomains,
    /// By uid.
    by_tenant: Mutex<HashMap<String, Known>>,
    paces: Mutex<HashMap<String, Arc<Pace>>>,
}

/// The client of a tenant, and what it was made with.
struct Known {
    namespace: Option<String>,
    secret: SecretVersion,
    custom_domain: Option<String>,
    client: Arc<auth0::Client>,
}

impl Known {
    fn is_for(&self, tenant: &Auth0Tenant, secret: &SecretVersion) -> bool {
        self.secret == *secret && self.custom_domain == tenant.spec.custom_domain
    }
}

/// A tenant that can be called.
#[derive(Clone)]
pub struct Tenant {
    /// Its resource.
    pub object: Arc<DeserializeGuard<Auth0Tenant>>,
    /// Host, with its port.
    pub host: String,
    /// Changes where resources that use the tenant have to look again.
    pub fingerprint: String,
    /// Connections to choose from.
    pub choices: Vec<ConnectionChoice>,
}

/// The tenants of all watched namespaces.
#[derive(Clone)]
pub struct Directory(Arc<[Store<DeserializeGuard<Auth0Tenant>>]>);

impl Directory {
    /// One store for each watch.
    #[must_use]
    pub fn new(stores: impl IntoIterator<Item = Store<DeserializeGuard<Auth0Tenant>>>) -> Self {
        Self(stores.into_iter().collect())
    }

    /// The tenant of that name, whether or not it decodes.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<DeserializeGuard<Auth0Tenant>>> {
        let reference = ObjectRef::new(name).within(namespace);
        self.0.iter().find_map(|store| store.get(&reference))
    }

    /// The rate for a host: the lowest that any of its tenant resources asks for. One whose credentials never worked
    /// has no say, or anybody could slow down everybody.
    #[must_use]
    pub fn rate(&self, host: &str) -> Rate {
        let objects = self.0.iter().flat_map(Store::state);
        let rates = objects.filter_map(|object| {
            let tenant =
                object.0.as_ref().ok().filter(|tenant| tenant.spec.domain == host && is_proven(tenant))?;
            Some(rate(tenant))
        });
        let lowest = rates.reduce(|one, other| Rate {
            per_minute: one.per_minute.min(other.per_minute),
            burst: one.burst.min(other.burst),
        });
        lowest.unwrap_or_default()
    }

    /// Whether a tenant resource is about this host.
    #[must_use]
    pub fn uses(&self, host: &str) -> bool {
        let mut objects = self.0.iter().flat_map(Store::state);
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
pub fn resolve(tenants: &Directory, own: &str, reference: &TenantRef) -> Result<Tenant, Failure> {
    let (namespace, name) = reference.resolve(own);
    let (title, place) = if namespace == own {
        (name.clone(), "this namespace".to_owned())
    } else {
        (
            format!("{namespace}/{name}"),
            format!("the namespace {namespace}, as far as the operator watches it"),
        )
    };
    let name = &title;
    let object = tenants.get(&namespace, &reference.name).ok_or_else(|| {
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
    let credentials = status.credentials.as_ref();
    let fingerprint = format!(
        "{}/{generation}/{}",
        tenant.uid().unwrap_or_default(),
        credentials.map_or_else(String::new, |secret| format!("{}/{}", secret.uid, secret.resource_version)),
    );
    Ok(Tenant {
        host: tenant.spec.domain.clone(),
        fingerprint,
        choices: status.connections.clone(),
        object: Arc::clone(&object),
    })
}

impl Clients {
    /// Clients that share one pool of connections and talk to allowed domains only.
    #[must_use]
    pub fn new(http: Http, allowed: AllowedDomains) -> Self {
        Self { http, allowed, by_tenant: Mutex::default(), paces: Mutex::default() }
    }

    /// The client of a tenant with this content of its Secret: the one that is kept, or a new one, which is not.
    ///
    /// # Errors
    /// `TenantNotAllowed` for a domain that is not allowed; `AuthenticationFailed`, `SecretKeyMissing` or
    /// `InvalidRequest` for credentials that cannot be right.
    pub fn with_credentials(
        &self,
        tenant: &Auth0Tenant,
        content: &Content,
    ) -> Result<Arc<auth0::Client>, Failure> {
        let domain = &tenant.spec.domain;
        if !self.allowed.allows(domain) {
            return Err(Failure::new(
                Reason::TenantNotAllowed,
                format!(
                    "the domain {domain} is not allowed: start the operator with --allowed-domain {domain}"
                ),
            ));
        }
        if let Some(client) = self.known(tenant, &content.version) {
            return Ok(client);
        }
        let credentials = credentials(content, domain)?;
        let client = auth0::Client::new(self.http.clone(), domain, credentials)?
            .with_custom_domain(tenant.spec.custom_domain.as_deref())?
            .with_pace(self.pace(domain));
        Ok(Arc::new(client))
    }

    /// Keeps a client in place of the tenant's last one, with the token that it holds. Answers the one that is kept:
    /// of several with the same content the first.
    pub fn keep(
        &self,
        tenant: &Auth0Tenant,
        secret: &SecretVersion,
        client: Arc<auth0::Client>,
    ) -> Arc<auth0::Client> {
        let mut clients = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        let uid = tenant.uid().unwrap_or_default();
        if let Some(known) = clients.get(&uid).filter(|known| known.is_for(tenant, secret)) {
            return Arc::clone(&known.client);
        }
        let (secret, custom_domain) = (secret.clone(), tenant.spec.custom_domain.clone());
        let known =
            Known { namespace: tenant.namespace(), secret, custom_domain, client: Arc::clone(&client) };
        clients.insert(uid, known);
        client
    }

    /// The pace of a host, the same for all of its tenant resources.
    #[must_use]
    pub fn pace(&self, host: &str) -> Arc<Pace> {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(paces.entry(host.to_owned()).or_default())
    }

    /// Drops the client of a tenant that is gone, and with it its credentials.
    pub fn forget(&self, uid: &str) {
        self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// After a list of a namespace, or of all: drops the clients of tenants that are not in it.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<String>) {
        let is_elsewhere = |known: &Known| namespace.is_some() && known.namespace.as_deref() != namespace;
        let mut clients = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        clients.retain(|uid, known| listed.contains(uid) || is_elsewhere(known));
    }

    fn known(&self, tenant: &Auth0Tenant, secret: &SecretVersion) -> Option<Arc<auth0::Client>> {
        let clients = self.by_tenant.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clients.get(&tenant.uid().unwrap_or_default())?;
        known.is_for(tenant, secret).then(|| Arc::clone(&known.client))
    }

    /// The client that resources of a Ready tenant use: with the content that Auth0 accepted last, until it has
    /// accepted a new one. Reads the Secret only where no client was made yet.
    ///
    /// # Errors
    /// As [`Clients::with_credentials`], and `SecretNotFound` or `SecretForbidden`.
    pub async fn of(&self, tenant: &Auth0Tenant, secrets: &Secrets) -> Result<Arc<auth0::Client>, Failure> {
        let version = tenant.status.as_ref().and_then(|status| status.credentials.as_ref());
        if let Some(client) = version.and_then(|version| self.known(tenant, version)) {
            return Ok(client);
        }
        let content = read_credentials(tenant, secrets).await?;
        let client = self.with_credentials(tenant, &content)?;
        Ok(self.keep(tenant, &content.version, client))
    }
}

/// Reads the Secret that a tenant names.
///
/// # Errors
/// `SecretNotFound` or `SecretForbidden`.
pub async fn read_credentials(tenant: &Auth0Tenant, secrets: &Secrets) -> Result<Content, Failure> {
    let name = &tenant.spec.credentials_secret_ref.name;
    let namespace = tenant.namespace().unwrap_or_default();
    secrets.read(&namespace, name).await?.ok_or_else(|| {
        Failure::new(
            Reason::SecretNotFound,
            format!("the Secret {name} is not in this namespace: create it with the keys clientId and clientSecret, or clientId and privateKey"),
        )
    })
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

fn credentials(content: &Content, domain: &str) -> Result<Credentials, Failure> {
    if let Some(named) = content.get("domain")
        && trimmed(named.expose_secret()) != Some(domain)
    {
        return Err(Failure::new(
            Reason::InvalidRequest,
            "the key domain of the Secret is not spec.domain: these credentials are meant for another tenant",
        ));
    }
    let text = |key: &str| {
        let bytes = content.get(key).ok_or_else(|| {
            Failure::new(Reason::SecretKeyMissing, format!("the Secret lacks the key {key}: add it"))
        })?;
        trimmed(bytes.expose_secret()).filter(|text| !text.is_empty()).ok_or_else(|| {
            Failure::new(
                Reason::AuthenticationFailed,
                format!("the key {key} of the Secret is empty or no text"),
            )
        })
    };
    let client_id = text("clientId")?.to_owned();
    let has = |key: &str| content.get(key).is_some();
    let proof = match (has("privateKey"), has("clientSecret")) {
        (true, true) => {
            return Err(Failure::new(
                Reason::AuthenticationFailed,
                "the Secret holds both clientSecret and privateKey: remove the one that the application does not use",
            ));
        }
        (true, false) => {
            let algorithm = has("signingAlgorithm").then(|| text("signingAlgorithm")).transpose()?;
            Proof::Key(SigningKey::new(text("privateKey")?, algorithm)?)
        }
        (false, _) => Proof::Secret(SecretString::from(text("clientSecret")?)),
    };
    Ok(Credentials { client_id, proof })
}

/// Editors and `echo` leave a newline behind.
fn trimmed(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().map(str::trim)
}
