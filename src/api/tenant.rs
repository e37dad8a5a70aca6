//! `Auth0Tenant`: which Auth0 tenant to call, with which credentials.

use crate::api::schema::{self, dns_name, matches};
use crate::api::{Output, SecretVersion};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One Auth0 tenant and the machine-to-machine application that the operator calls it with.
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

    /// Custom domain of the tenant to use for links in emails, for example login.example.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    #[x_kube(validation = matches("^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "customDomain must be a host name in lower case such as login.example.com"))]
    pub custom_domain: Option<String>,

    /// Other namespaces whose Auth0UserUpdates may change the profile (name, givenName, familyName, nickname,
    /// picture) and userMetadata of any user of this tenant, and block users; their status contains the user, but not
    /// rawOutput. A single * for all namespaces. Everything else needs a grant in access. The tenant's own namespace
    /// may do everything, unless access lists it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,

    /// What other namespaces may do with the users of this tenant. Each field of an Auth0UserUpdate needs one grant
    /// that covers its namespace, the field, the user and the connection; grants are not combined. A field that no
    /// grant covers is not sent and is listed in status.refusedFields. The tenant's own namespace may do everything;
    /// if a grant lists it, it may do only what its grants cover.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub access: Vec<Grant>,

    /// Rate limit of the operator's requests to the tenant's Management API. Default 60 requests a minute with a
    /// burst of 2: half of the free plan. If several Auth0Tenants have the same domain, the lowest limit applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,

    /// How changes made in Auth0 itself are detected. Events (default): by Auth0's event stream, within seconds, if
    /// the token has the scope read:events; resyncs then run once a day. Resync: by resyncs only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Drift")]
    pub drift: Option<Drift>,
}

/// How drift is detected.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// By Auth0's events and by resyncs.
    Events,
    /// By resyncs only.
    Resync,
}

/// Allows namespaces to change fields of users.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Namespaces that this grant applies to; a single * for all.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = names_of_namespaces())]
    pub namespaces: Vec<String>,

    /// Fields that they may set and clear, named as in the spec of an Auth0UserUpdate: name, email, passwordSecretRef
    /// and so on; userMetadata and appMetadata for a whole map, userMetadata.KEY and appMetadata.KEY for one key of
    /// it; profile for name, givenName, familyName, nickname and picture; block for blocked: true only; * for all
    /// fields. connection needs no entry here: see connections.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 300)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = names_of_fields())]
    pub fields: Vec<String>,

    /// Connections that this grant applies to. For email, emailVerified, verifyEmail, phoneNumber, phoneVerified,
    /// username, clientId and passwordSecretRef it is the connection in spec.connection; for all other fields, and if
    /// spec.connection is absent, that of the primary identity. Absent or *: any. The operator knows the connection
    /// only after it has read the user; set userIds as well if a namespace must not learn which users exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub connections: Vec<String>,

    /// Users that this grant applies to: a user id such as auth0|507f1f77bcf86cd799439011, or a prefix that ends in
    /// *, such as google-oauth2|*. Absent: any user. For other users no request is sent, and the message is the same
    /// whether or not they exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub user_ids: Vec<String>,

    /// The maximum that status may show of these users, regardless of spec.output, and that spec.outputsTo may write:
    /// Full (the user and rawOutput), Mapped (the user) or None (default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Output")]
    pub outputs: Option<Output>,
}

fn names_of_namespaces() -> Rule {
    Rule::new("self.all(name, name == '*' || name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'))")
        .message("namespaces takes names of namespaces, or * for all")
}

/// Kubernetes bounds what a rule may cost, and a pattern with all the names would cost too much.
fn names_of_fields() -> Rule {
    let names = "['*', 'profile', 'block', 'name', 'givenName', 'familyName', 'nickname', 'picture', 'email', 'emailVerified', 'verifyEmail', 'clientId', 'phoneNumber', 'phoneVerified', 'username', 'passwordSecretRef', 'blocked', 'userMetadata', 'appMetadata']";
    let key = "field.matches('^(user|app)Metadata[.][^.$]+$')";
    Rule::new(format!("self.all(field, field in {names} || {key})")).message(
        "fields takes names of fields of an Auth0UserUpdate, userMetadata.KEY, appMetadata.KEY, profile, block, or * for all",
    )
}

/// Name of the Secret that holds the credentials.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSecretRef {
    /// Name of the Secret. Its label auth0-user-operator.dev/use must be credentials.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = dns_name())]
    pub name: String,
}

/// A rate limit.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests a minute. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300_000))]
    pub requests_per_minute: Option<u32>,

    /// Requests that may be sent at once. Default 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 5_000))]
    pub burst: Option<u32>,
}

/// Observed state of the tenant.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct Auth0TenantStatus {
    /// Generation of the spec that this status is about; -1 before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// Ready: an access token was obtained and its scopes, if Auth0 reports them, are sufficient. Reconciling,
    /// Stalled and Overcommitted are present only while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,

    /// Scopes of the access token; absent if Auth0 does not report them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,

    /// Version of the Secret that produced the current token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretVersion")]
    pub credentials: Option<SecretVersion>,

    /// The connections that an Auth0UserUpdate can name, at most 1000. Empty without the scope
    /// read:connections.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<ConnectionChoice>,

    /// Number of connections of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub connections_total: Option<u32>,

    /// What each namespace may do and how many of its resources use the tenant, if spec.access or
    /// spec.allowedNamespaces is set: at most 100 namespaces. Updated every few minutes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<NamespaceAccess>,

    /// Number of namespaces that may use the tenant: those that are listed or have resources that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub access_total: Option<u32>,

    /// What checking its resources costs, updated at each check of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TenantChecks")]
    pub checks: Option<TenantChecks>,

    /// Whether the operator receives Auth0's event stream, and if not, why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TenantEvents")]
    pub events: Option<TenantEvents>,
}

/// What checking the resources of a tenant costs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantChecks {
    /// Requests an hour that the checks of this tenant's resources need in their current state: one for 50 users in
    /// sync, one for each other user. Rounded up to two digits.
    pub requests_per_hour: u32,
    /// Requests an hour that spec.rateLimit allows in total. If checks need more than half of them, the condition
    /// Overcommitted is True.
    pub allowed_per_hour: u32,
}

/// State of Auth0's event stream.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantEvents {
    /// Connected; Disconnected (the operator retries); Refused (rejected by Auth0); NotGranted (no scope
    /// read:events); Off (spec.drift).
    #[schemars(with = "String")]
    pub state: EventsState,
    /// Why the stream is not open, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// State of the event stream.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsState {
    /// The stream is open.
    Connected,
    /// The stream is not open; the operator retries.
    Disconnected,
    /// Auth0 rejects it.
    Refused,
    /// The token lacks the scope.
    NotGranted,
    /// Switched off by the spec.
    Off,
    /// Written by another version of the operator.
    #[serde(other)]
    Unknown,
}

/// What one namespace may do with the users of the tenant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceAccess {
    /// Name of the namespace.
    pub namespace: String,
    /// One line for each grant, as many as fit.
    pub may: Vec<String>,
    /// Number of its Auth0UserUpdates that use the tenant.
    pub resources: u32,
}

/// One connection of the tenant.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionChoice {
    /// Name, as used in spec.connection.
    pub name: String,
    /// Strategy, such as auth0, sms or google-oauth2.
    pub strategy: String,
}
