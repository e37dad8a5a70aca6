//! `Auth0Tenant`: which Auth0 tenant to call, with which credentials.

use crate::api::schema::{dns_name, matches};
use crate::api::{Output, SecretVersion};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Rule;
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

    /// Other namespaces whose Auth0UserUpdates may change the profile (name, givenName, familyName, nickname,
    /// picture) and userMetadata of any user of this tenant, and block users; they see the user in status, not
    /// rawOutput. A single * for all namespaces. Everything else needs a grant in access. The tenant's own
    /// namespace may do everything, unless access names it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,

    /// What other namespaces may do with the users of this tenant. Each field of an Auth0UserUpdate needs one
    /// grant that covers its namespace, the field, the user and the connection; two grants that cover half of
    /// that each do not add up. What no grant covers is not sent, and is named in status.refusedFields. The
    /// tenant's own namespace may do everything; a grant that names it holds it to its grants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub access: Vec<Grant>,

    /// How much of the tenant's Management API limit to use. Default 60 requests a minute with a burst of
    /// 2: half of the free plan. Of several tenants with one domain, the lowest counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,

    /// How changes that were made in Auth0 itself are noticed. Events (default): by Auth0's stream of events, within
    /// seconds, where the token has the scope read:events; resyncs then come once a day. Resync: by resyncs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Drift")]
    pub drift: Option<Drift>,
}

/// How drift is noticed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// By Auth0's events, and by resyncs.
    Events,
    /// By resyncs alone.
    Resync,
}

/// Lets namespaces change fields of users.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Namespaces that this grant is for; a single * for all.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = names_of_namespaces())]
    pub namespaces: Vec<String>,

    /// Fields that they may set and clear, as spec of an Auth0UserUpdate names them: name, email,
    /// passwordSecretRef and so on; userMetadata and appMetadata for a whole map, userMetadata.KEY and
    /// appMetadata.KEY for one key of it; profile for name, givenName, familyName, nickname and picture; block
    /// for blocked: true alone; * for everything. connection needs no name here: see connections.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 300)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = names_of_fields())]
    pub fields: Vec<String>,

    /// Connections of the users: email, emailVerified, verifyEmail, phoneNumber, phoneVerified, username,
    /// clientId and passwordSecretRef count for the connection that spec.connection names; everything else, and
    /// where that is absent, for the primary identity. Absent or *: any. Which one it is becomes
    /// known only when the user was read; name userIds as well where it must stay hidden which users there are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub connections: Vec<String>,

    /// Users: a user id such as auth0|507f1f77bcf86cd799439011, or a prefix that ends in *, such as
    /// google-oauth2|*. Absent: any user. For others nothing is asked of Auth0, and the answer is the same
    /// whether or not they are there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub user_ids: Vec<String>,

    /// The most that status may show of these users, whatever spec.output asks for, and that spec.outputsTo may write:
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

    /// Ready: a token was had, and its scopes, where they are known, suffice. Reconciling, Stalled and
    /// Overcommitted are there only while true.
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

    /// What each namespace may do, and how many of its resources use the tenant, where spec.access or
    /// spec.allowedNamespaces says anything: at most 100 namespaces. Counted anew every few minutes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub access: Vec<NamespaceAccess>,

    /// How many namespaces may use the tenant, as far as they are named or have resources that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    pub access_total: Option<u32>,

    /// What comparing its resources costs, counted with each check of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TenantChecks")]
    pub checks: Option<TenantChecks>,

    /// Whether the operator hears of changes in Auth0 by its stream of events, or why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TenantEvents")]
    pub events: Option<TenantEvents>,
}

/// What comparing the resources of a tenant costs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantChecks {
    /// Requests an hour that comparing the resources of this tenant needs, as they are now: one for 50 users in
    /// sync, one for each other. Rounded up to two digits.
    pub requests_per_hour: u32,
    /// Requests an hour that spec.rateLimit allows, for everything. More than half of them for comparisons is
    /// the condition Overcommitted.
    pub allowed_per_hour: u32,
}

/// The stream of Auth0's events.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantEvents {
    /// Connected; Disconnected (tried again); Refused by Auth0; NotGranted (no scope read:events); Off (spec.drift).
    #[schemars(with = "String")]
    pub state: EventsState,
    /// Why not, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How it stands with the stream.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsState {
    /// There is one.
    Connected,
    /// It cannot be had for now.
    Disconnected,
    /// Auth0 refuses it.
    Refused,
    /// The token lacks the scope.
    NotGranted,
    /// It is not wanted.
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
    /// One line for each grant, as far as they fit.
    pub may: Vec<String>,
    /// How many of its Auth0UserUpdates name the tenant.
    pub resources: u32,
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
