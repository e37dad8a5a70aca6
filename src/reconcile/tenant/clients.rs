//! The Auth0 clients of tenants, made with what their Secrets hold.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0Tenant, SecretVersion};
use crate::auth0::{self, AllowedDomains, Credentials, Http, Limiter, Proof, SigningKey, Tokens};
use crate::cluster::secrets::{Content, Secrets, Use};
use crate::reconcile::tenant::directory::Directory;
use crate::reconcile::tenant::streams::Streams;
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
    /// The streams of events.
    pub streams: Streams,
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
        Self { http, allowed, tenants, by_tenant, tokens, limiters, streams: Streams::default() }
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
        let credentials = credentials(&tenant.spec.credentials_secret_ref.name, content, domain)?;
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
        // A client is forgotten after its tenant has left the directory.
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
    secrets.read(&namespace, name, Use::Credentials).await?.ok_or_else(|| {
        Failure::new(
            Reason::SecretNotFound,
            format!("no Secret {name:?} in namespace {namespace}: create it with the keys clientId and clientSecret, or clientId and privateKey"),
        )
    })
}

/// The credentials that the Secret `name` of a tenant with this domain holds.
///
/// # Errors
/// `AuthenticationFailed`, `SecretKeyMissing` or `InvalidRequest` for what cannot be right.
pub fn credentials(name: &str, content: &Content, domain: &str) -> Result<Credentials, Failure> {
    if let Some(named) = content.get("domain")
        && trimmed(named.expose_secret()) != Some(domain)
    {
        return Err(Failure::new(
            Reason::InvalidRequest,
            "the key domain of the Secret differs from spec.domain: these credentials are for another tenant",
        ));
    }
    let text = |key: &str| {
        let bytes = content.get(key).ok_or_else(|| {
            let there = content.keys().take(10).collect::<Vec<_>>().join(", ");
            let message = format!("Secret {name:?} has no key {key} (it has {there}): add it");
            Failure::new(Reason::SecretKeyMissing, message)
        })?;
        trimmed(bytes.expose_secret()).filter(|text| !text.is_empty()).ok_or_else(|| {
            Failure::new(
                Reason::AuthenticationFailed,
                format!("the key {key} of the Secret is empty or not UTF-8 text"),
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
    use crate::reconcile::tenant::fixtures::{clients, directory, tenant, tenant_with};
    use k8s_openapi::ByteString;
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    /// A Secret with these keys, in a version.
    fn content(version: &str, keys: &[(&str, &str)]) -> Content {
        let data = keys.iter().map(|(key, text)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec())));
        let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
        secret.metadata.resource_version = Some(version.to_owned());
        Content::from(secret)
    }

    const GOOD: [(&str, &str); 2] = [("clientId", "id"), ("clientSecret", "secret")];

    #[test]
    fn only_the_client_of_a_tenant_that_is_there_is_kept_and_of_several_the_first() {
        let there = tenant(1, &json!({}));
        let mut before = there.clone();
        before.metadata.uid = Some("before".to_owned());
        let (clients, content) = (clients(directory([there.clone()])), content("1", &GOOD));
        let made = |tenant| clients.with_credentials(tenant, &content).unwrap();
        clients.keep(&before, &content.version, made(&before));
        assert!(clients.known(&before, &content.version).is_none());
        let (first, second) = (made(&there), made(&there));
        let kept = clients.keep(&there, &content.version, Arc::clone(&first));
        assert!(Arc::ptr_eq(&kept, &first));
        assert!(Arc::ptr_eq(&clients.keep(&there, &content.version, second), &first));
        assert!(Arc::ptr_eq(&made(&there), &first));
        clients.forget("u");
        assert!(clients.known(&there, &content.version).is_none());
    }

    #[test]
    fn another_version_or_custom_domain_needs_another_client() {
        let there = tenant(1, &json!({}));
        let clients = clients(directory([there.clone()]));
        let [first, second] = ["1", "2"].map(|version| content(version, &GOOD));
        let client = clients.with_credentials(&there, &first).unwrap();
        clients.keep(&there, &first.version, client);
        assert!(clients.known(&there, &second.version).is_none());
        let custom = tenant_with("t", &json!({}), &json!({"customDomain": "login.example.com"}));
        assert!(clients.known(&custom, &first.version).is_none());
    }

    #[test]
    fn tenants_of_one_application_share_its_token_and_no_others_do() {
        let (one, other) = (tenant(1, &json!({})), tenant_with("other", &json!({}), &json!({})));
        let clients = clients(directory([]));
        let made =
            |tenant: &Auth0Tenant, content: &Content| clients.with_credentials(tenant, content).unwrap();
        let first = made(&one, &content("1", &GOOD));
        let share = |client: &auth0::Client| Arc::ptr_eq(client.tokens(), first.tokens());
        assert!(share(&made(&other, &content("7", &GOOD))), "the same content in another Secret");
        let elsewhere = tenant_with("elsewhere", &json!({}), &json!({"domain": "other.auth0.com"}));
        assert!(!share(&made(&elsewhere, &content("1", &GOOD))));
        assert!(!share(&made(&one, &content("1", &[("clientId", "id"), ("clientSecret", "another")]))));
    }

    #[test]
    fn after_a_list_the_clients_of_its_namespace_that_are_not_in_it_are_dropped() {
        let (there, content) = (tenant(1, &json!({})), content("1", &GOOD));
        let none = HashSet::new();
        for (namespace, listed, is_kept) in [
            (Some("n"), &none, false),
            (None, &none, false),
            (Some("elsewhere"), &none, true),
            (Some("n"), &HashSet::from(["u".to_owned()]), true),
        ] {
            let clients = clients(directory([there.clone()]));
            let client = clients.with_credentials(&there, &content).unwrap();
            clients.keep(&there, &content.version, client);
            clients.retain(namespace, listed);
            assert_eq!(clients.known(&there, &content.version).is_some(), is_kept, "{namespace:?}");
        }
    }

    #[test]
    fn credentials_that_cannot_be_right_say_what_to_mend() {
        let reason = |keys: &[(&str, &str)]| credentials("c", &content("1", keys), "example.auth0.com").err();
        assert_eq!(reason(&[("clientId", " id\n"), ("clientSecret", "secret\n")]), None);
        assert_eq!(reason(&[GOOD[0], GOOD[1], ("domain", "example.auth0.com\n")]), None);
        for (keys, reason_, names) in [
            (&[GOOD[1]][..], Reason::SecretKeyMissing, "has no key clientId (it has "),
            (&[GOOD[0]], Reason::SecretKeyMissing, "has no key clientSecret (it has clientId): add it"),
            (
                &[GOOD[0], ("clientSecret", " ")],
                Reason::AuthenticationFailed,
                "clientSecret of the Secret is empty",
            ),
            (&[GOOD[0], GOOD[1], ("privateKey", "k")], Reason::AuthenticationFailed, "holds both"),
            (&[GOOD[0], GOOD[1], ("domain", "other.auth0.com")], Reason::InvalidRequest, "another tenant"),
        ] {
            let failure = reason(keys).unwrap();
            assert_eq!(failure.reason, reason_);
            assert!(failure.message.contains(names), "{}", failure.message);
        }
    }

    #[test]
    fn a_domain_that_is_not_allowed_is_not_called_and_a_host_has_one_limiter() {
        let clients = clients(directory([]));
        let foreign = tenant_with("foreign", &json!({}), &json!({"domain": "example.com"}));
        let refused = clients.with_credentials(&foreign, &content("1", &GOOD)).err().unwrap();
        assert_eq!(refused.reason, Reason::TenantNotAllowed);
        let client = clients.with_credentials(&tenant(1, &json!({})), &content("1", &GOOD)).unwrap();
        assert!(Arc::ptr_eq(client.limiter(), &clients.limiter("example.auth0.com")));
        assert!(!Arc::ptr_eq(client.limiter(), &clients.limiter("other.auth0.com")));
    }
}
