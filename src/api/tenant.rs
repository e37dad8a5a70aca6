//! `Auth0Tenant`: which Auth0 tenant to call, with which credentials.

use crate::api::SecretVersion;
use crate::api::update::{dns_name, matches};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One Auth0 tenant and the machine-to-machine application to call it with.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug)]
#[kube(
    group = "auth0-user-operator.dev",
    version = "v1alpha1",
    kind = "Auth0Tenant",
    doc = "An Auth0 tenant that Auth0UserUpdates can use, with the credentials to call its Management API.",
    namespaced,
    status = "Auth0TenantStatus",
    shortname = "a0ut",
    category = "auth0",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domain"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct Auth0TenantSpec {
    /// The tenant's canonical domain, for example example.eu.auth0.com, without https://. Not a custom
    /// domain. A port may follow. Immutable.
    #[schemars(length(min = 1, max = 260))]
    #[x_kube(
        validation = matches("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[1-9][0-9]{0,4})?$", "domain must be a host name in lower case such as example.eu.auth0.com, without https:// and without a path"),
        validation = Rule::new("!self.endsWith(':443')").message("leave :443 out of domain: it is the default"),
        validation = Rule::new("self == oldSelf").message("domain is immutable: create another Auth0Tenant for another domain")
    )]
    pub domain: String,

    /// Secret in this namespace with the keys clientId and clientSecret of a machine-to-machine
    /// application, or clientId and privateKey (private_key_jwt: an RSA key in PEM; a key signingAlgorithm
    /// may say RS384 or PS256 instead of RS256). An optional key domain must equal spec.domain.
    pub credentials_secret_ref: CredentialsSecretRef,

    /// Custom domain of the tenant that links in mails should use, for example login.example.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = matches("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "customDomain must be a host name in lower case such as login.example.com"))]
    pub custom_domain: Option<String>,

    /// Other namespaces whose Auth0UserUpdates may use this tenant; a single * for all. Its own always may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,

    /// How much of the tenant's Management API limit to use. Default 60 requests a minute with a burst of
    /// 2: half of the free plan. Of several tenants with one domain, the lowest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

impl Auth0Tenant {
    /// Whether resources of this namespace may use the tenant.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        self.metadata.namespace.as_deref() == Some(namespace)
            || self.spec.allowed_namespaces.iter().any(|allowed| allowed == "*" || allowed == namespace)
    }
}

/// Names the Secret that holds the credentials.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecretRef {
    /// Name of the Secret. Its label auth0-user-operator.dev/use must be credentials.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = dns_name())]
    pub name: String,
}

/// A budget of requests.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests a minute. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300_000))]
    pub requests_per_minute: Option<u32>,

    /// Requests at once. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5_000))]
    pub burst: Option<u32>,
}

/// What is known of the tenant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct Auth0TenantStatus {
    /// Generation of the spec that these lines speak of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// Ready: a token was had, and its scopes, where they are known, suffice. Reconciling and Stalled are
    /// there only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,

    /// Scopes that the token carries; absent where Auth0 does not tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,

    /// The Secret content that the last token was had with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretVersion")]
    pub credentials: Option<SecretVersion>,

    /// The connections to choose from in an Auth0UserUpdate, at most 1000. Empty without the scope
    /// read:connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionChoice>,

    /// How many connections the tenant has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub connections_total: Option<u32>,
}

/// One connection of the tenant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionChoice {
    /// Name, as spec.connection takes it.
    pub name: String,
    /// Strategy, such as auth0, sms or google-oauth2.
    pub strategy: String,
}
