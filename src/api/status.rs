//! Status of an `Auth0UserUpdate`: the outputs of the Update User card, and what the operator remembers.
//!
//! Nothing under `user` has a format, pattern, enum or length: the API server must never refuse a status
//! after Auth0 has changed the user.

use crate::api::reason::{Reason, Retry};
use crate::api::{JsonMap, WrittenOutputs, json, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What Auth0 answered and what the operator remembers. Names of fields only, never values, outside
/// user and rawOutput.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct Auth0UserUpdateStatus {
    /// Generation of the spec that these lines speak of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// The annotation auth0-user-operator.dev/requested-at that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_reconcile_at: Option<String>,

    /// Ready: what this generation and its Secret ask was done. Synced: whether the last look at Auth0
    /// agrees with the spec. Reconciling and Stalled are there only while true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,

    /// The reason that matters most: of Ready where it is not True, else of Synced where it is not, else of Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,

    /// The user as Auth0 last answered: the outputs of the Update User card. Taken anew when something was
    /// sent, a declared field differs, or a look was asked for; not because the user logged in.
    #[serde(default, deserialize_with = "json::if_readable", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserOutputs")]
    pub user: Option<UserOutputs>,

    /// The whole answer that user comes from, without access_token, access_token_secret and refresh_token.
    #[serde(default, deserialize_with = "json::map_if_any", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub raw_output: Option<JsonMap>,

    /// Which outputs are left out, such as rawOutput and user.userMetadata: those that are larger than 128 KiB,
    /// nested deeper than 64 levels or have more than 10,000 values, and the largest where all together are larger
    /// than 512 KiB or do not fit into the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_omitted: Vec<String>,

    /// Size of the user in KB (1,000 bytes of JSON, rounded down), where it is 10 KB or more and the spec declares
    /// metadata or a field of the profile. Auth0 rejects changes that leave a user larger than 10 KB from 2027-03-04
    /// on. An estimate: what every login changes is not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub profile_kilobytes: Option<i64>,

    /// The last pass that sent something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LastUpdate")]
    pub last_update: Option<LastUpdate>,

    /// Inputs that are blank, were meant to clear, and that Auth0 has no way to clear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<IgnoredField>,

    /// Fields and first-level metadata keys that Auth0 rejected, each with its reason and Auth0's sentence. They are
    /// left out of later requests, and sent again alone after a change, and ever more rarely without one. Sentences
    /// above 64 KiB in all are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_fields: Vec<RefusedField>,

    /// Fields that Auth0 accepted but does not hold as sent (normalised, or changed by an Action). The
    /// same value is not sent again. Above 96 KiB a metadata map stands for the rest of its keys, which are sent again
    /// at each check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_persisted: Vec<NotPersisted>,

    /// Memory of what must not be sent twice: passwords, verification mails, clears of whole metadata maps,
    /// and values of a secondary identity that Auth0 does not show. The operator's own: do not edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub triggers: Vec<Trigger>,

    /// Fields and first-level metadata keys of the spec that are an explicit null, such as name or userMetadata.plan,
    /// or hold one, such as inside userMetadata.billing; also those of a map or value that lost its nulls and is not
    /// sent for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explicit_nulls: Vec<String>,

    /// Fields that mode Apply would send now, named as in lastUpdate.sentFields. Only in mode Observe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,

    /// The ConfigMaps and Secrets of spec.outputsTo as they were last written: names of keys and of outputs, never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<WrittenOutputs>,
}

/// The user as the card maps it. Every field is absent where Auth0 holds none.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserOutputs {
    /// Auth0 user id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Email address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the email address is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// Username.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Phone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// Whether the phone number is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_verified: Option<bool>,
    /// When the user was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When the user was last changed; logins count as changes in Auth0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// The user's identities, the primary one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub identities: Vec<UserIdentity>,
    /// Application metadata.
    #[serde(default, deserialize_with = "json::map_if_any", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub app_metadata: Option<JsonMap>,
    /// User metadata.
    #[serde(default, deserialize_with = "json::map_if_any", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub user_metadata: Option<JsonMap>,
    /// URL of the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Full name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Nickname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nickname: Option<String>,
    /// Multi-factor providers that the user has enrolled with.
    #[serde(default, deserialize_with = "json::list_if_any", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::list_of_anything")]
    pub multifactor: Option<Vec<Value>>,
    /// Address of the last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_ip: Option<String>,
    /// Time of the last login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<String>,
    /// Number of logins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logins_count: Option<i64>,
    /// Whether an administrator blocks the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<bool>,
    /// Given name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_name: Option<String>,
    /// Family name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family_name: Option<String>,
}

/// One account that the user can log in with.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct UserIdentity {
    /// Name of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Id of the account at the provider, without the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Provider, such as auth0 or google-oauth2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Whether the provider is a social one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_social: Option<bool>,
}

/// What the last pass that sent something did.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// When it happened, RFC 3339 in UTC.
    pub time: String,
    /// Generation of the spec that was applied.
    pub generation: i64,
    /// Number of PATCH requests of that pass, refused ones included.
    pub requests: u32,
    /// Fields that were set. Of more than 256 keys of a metadata map, or 16 KiB of them, only the map is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_fields: Vec<String>,
    /// Fields that were cleared, named as in sentFields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared_fields: Vec<String>,
}

/// A blank input that Auth0 has no way to clear.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredField {
    /// Name of the spec field.
    pub field: String,
    /// Why it was not sent.
    pub reason: String,
}

/// A field that Auth0 refused, or that the tenant does not grant.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedField {
    /// Name of the spec field.
    pub field: String,
    /// Reason, as in the Ready condition.
    pub reason: String,
    /// What Auth0 said or which grant is missing, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was first refused, RFC 3339 in UTC.
    pub since: String,
}

impl RefusedField {
    /// Whether Auth0 said so. Else the tenant does not grant the field, which is judged at every check.
    #[must_use]
    pub fn is_of_auth0(&self) -> bool {
        Reason::from_word(&self.reason).retry() != Retry::Change
    }
}

/// A value that Auth0 accepted and does not hold.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NotPersisted {
    /// Name of the spec field.
    pub field: String,
    /// Keyed digest of the value that was sent. Empty where the field is a map that stands for its keys.
    pub digest: String,
}

/// Memory of one order that must not be carried out twice.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Name of the spec field.
    pub name: String,
    /// Sending or Resending (begun, the answer is not known), Sent or Refused.
    #[schemars(with = "String")]
    pub state: TriggerState,
    /// Keyed digest of tenant, user, identity and value.
    pub digest: String,
    /// Which key made the digest.
    pub key_id: String,
    /// created_at of the user, so that a new user with the old id is told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_created_at: Option<String>,
    /// The user's last_password_reset before a password was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_password_reset: Option<String>,
    /// The Secret that the password came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretVersion")]
    pub secret: Option<SecretVersion>,
}

/// How far an order has come.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// About to be sent, or sent with an answer that never came.
    Sending,
    /// The same a second time.
    Resending,
    /// Carried out.
    Sent,
    /// Auth0 said no.
    Refused,
    /// Written by another version of the operator.
    #[serde(other)]
    Unknown,
}

/// Which content of a Secret was read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// uid of the Secret.
    pub uid: String,
    /// resourceVersion of the Secret.
    pub resource_version: String,
}
