//! The Auth0 clients of tenants, made with what their Secrets hold.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0Tenant, SecretVersion};
use crate::auth0::{self, AllowedDomains, Credentials, Http, Limiter, Proof, SigningKey, Tokens};
use crate::cluster::secrets::{Content, Secrets};
use crate::reconcile::tenant::directory::Directory;
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The Auth0 clients of all tenants, each with the token that it holds.
pub struct Clients {
    http: Http,
    allowed: AllowedDomains,
    tenants: Directory,
    /// By uid.
    by_tenant: Mutex<HashMap<String, Known>>,
    /// As long as a client uses them.
    tokens: Mutex<HashMap<Application, Weak<Tokens>>>,
    limiters: Mutex<HashMap<String, Arc<Limiter>>>,
}

/// Domain, and digest of the Secret's content.
type Application = (String, [u8; 32]);

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

impl Clients {
    /// Clients that share one pool of connections and talk to allowed domains only. `tenants` are those whose clients
    /// are kept.
    #[must_use]
    pub fn new(http: Http, allowed: AllowedDomains, tenants: Directory) -> Self {
        let (by_tenant, tokens, limiters) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { http, allowed, tenants, by_tenant, tokens, limiters }
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
        let client = auth0::Client::new(self.http.clone(), domain, credentials, self.limiter(domain))?
            .with_custom_domain(tenant.spec.custom_domain.as_deref())?;
        Ok(Arc::new(self.sharing(client, (domain.clone(), content.digest()))))
    }

    /// Lets a client have the token of the others for the same domain with the same content: Auth0 counts what it
    /// gives out.
    fn sharing(&self, client: auth0::Client, application: Application) -> auth0::Client {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, tokens| tokens.strong_count() > 0);
        if let Some(known) = tokens.get(&application).and_then(Weak::upgrade) {
            return client.with_tokens(known);
        }
        tokens.insert(application, Arc::downgrade(client.tokens()));
        client
    }

    /// Keeps a client in place of the tenant's last one, with the token that it holds. Answers the one that is kept:
    /// of several with the same content the first. That of a tenant that is gone is not kept.
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
        // Whoever forgets does so after the tenant has left the directory.
        if self.tenants.has(tenant) {
            let known = Known {
                namespace: tenant.namespace(),
                secret: secret.clone(),
                custom_domain: tenant.spec.custom_domain.clone(),
                client: Arc::clone(&client),
            };
            clients.insert(uid, known);
        }
        client
    }

    /// The limiter of a host, the same for all of its tenant resources.
    #[must_use]
    pub fn limiter(&self, host: &str) -> Arc<Limiter> {
        let mut limiters = self.limiters.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(limiters.entry(host.to_owned()).or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;
    use k8s_openapi::api::core::v1::Secret;
    use kube_runtime::reflector;
    use kube_runtime::watcher::Event;
    use serde_json::{from_value, json};

    fn tenant(uid: &str) -> serde_json::Value {
        json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
            "metadata": {"name": "example", "namespace": "a", "uid": uid},
            "spec": {"domain": "example.auth0.com", "credentialsSecretRef": {"name": "credentials"}},
        })
    }

    #[test]
    fn only_the_client_of_a_tenant_that_is_there_is_kept() {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&Event::Apply(from_value(tenant("new")).unwrap()));
        let http = Http::new(reqwest::Client::new(), Arc::<Metrics>::default());
        let allowed = AllowedDomains::parse(&["*.auth0.com".to_owned()]).unwrap();
        let clients = Clients::new(http, allowed, Directory::new([store]));
        let secret = json!({"data": {"clientId": "aWQ=", "clientSecret": "c2VjcmV0"}});
        let content = Content::from(from_value::<Secret>(secret).unwrap());
        for (uid, is_kept) in [("old", false), ("new", true)] {
            let tenant = from_value(tenant(uid)).unwrap();
            let client = clients.with_credentials(&tenant, &content).unwrap();
            clients.keep(&tenant, &content.version, client);
            assert_eq!(clients.known(&tenant, &content.version).is_some(), is_kept, "{uid}");
        }
    }
}
