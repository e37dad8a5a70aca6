//! Status of an `Auth0UserUpdate`: the outputs of the Update User card, and what the operator remembers.
//!
//! Nothing under `user` has a format, pattern, enum or length: the API server must never reject a status after Auth0
//! has changed the user.

use crate::api::reason::{Reason, Retry};
use crate::api::{JsonMap, WrittenOutputs, json, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What Auth0 returned and what the operator remembers. Outside user and rawOutput it contains names of fields only,
/// never values.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct Auth0UserUpdateStatus {
    /// Generation of the spec that this status is about; -1 before the first reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub observed_generation: Option<i64>,

    /// Last value of the annotation auth0-user-operator.dev/requested-at that the operator has handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub last_handled_reconcile_at: Option<String>,

    /// Ready: the current generation and the content of its Secret are applied. Synced: the last check found no
    /// drift. Reconciling and Stalled are present only while True.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    pub conditions: Vec<Condition>,

    /// The most important reason: that of Ready if it is not True, otherwise that of Synced if it is not True,
    /// otherwise that of Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub reason: Option<String>,

    /// The user as last returned by Auth0: the outputs of the Update User card. Updated when something was sent, a
    /// declared field differs, or a check was requested; not because the user logged in.
    #[serde(default, deserialize_with = "json::if_readable", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UserOutputs")]
    pub user: Option<UserOutputs>,

    /// The complete response that user was taken from, without access_token, access_token_secret and refresh_token.
    #[serde(default, deserialize_with = "json::map_if_any", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub raw_output: Option<JsonMap>,

    /// Outputs that are left out, such as rawOutput and user.userMetadata: those that are larger than 128 KiB, nested
    /// deeper than 64 levels or have more than 10,000 values, and the largest ones if all outputs together are larger
    /// than 512 KiB or do not fit into the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_omitted: Vec<String>,

    /// Size of the user in KB (1,000 bytes of JSON, rounded down), if it is 10 KB or more and the spec declares
    /// metadata or a field of the profile. From 2027-03-04 on, Auth0 rejects changes that leave a user larger than 10
    /// KB. An estimate: fields that change at every login are not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "i64")]
    pub profile_kilobytes: Option<i64>,

    /// The last reconciliation that sent something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LastUpdate")]
    pub last_update: Option<LastUpdate>,

    /// Blank inputs that should clear a field, but that Auth0 cannot clear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored_fields: Vec<IgnoredField>,

    /// Fields and first-level metadata keys that Auth0 rejected, each with its reason and Auth0's message. They are
    /// left out of later requests. The operator retries them one by one after a change, and without one at growing
    /// intervals. Messages beyond 64 KiB in total are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_fields: Vec<RefusedField>,

    /// Fields that Auth0 accepted but did not store as sent (normalised, or changed by an Action). The same value is
    /// not sent again. Above 96 KiB a metadata map stands for the rest of its keys, which are sent again at each
    /// check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_persisted: Vec<NotPersisted>,

    /// Record of one-time actions, which must not be sent twice: passwords, verification emails, clears of whole
    /// metadata maps, and values of a secondary identity that Auth0 does not return. Written by the operator: do not
    /// edit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub triggers: Vec<Trigger>,

    /// Fields and first-level metadata keys of the spec that are an explicit null, such as name or userMetadata.plan,
    /// or contain one, such as inside userMetadata.billing; also those of a map or value that lost its nulls and is
    /// therefore not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub explicit_nulls: Vec<String>,

    /// Fields that mode Apply would send now, named as in lastUpdate.sentFields. Only in mode Observe.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,

    /// The ConfigMaps and Secrets of spec.outputsTo as last written: names of keys and of outputs, never values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<WrittenOutputs>,
}

/// The user as mapped by the Update User card. A field is absent if Auth0 holds no value for it.
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
    /// Whether the user is blocked by an administrator.
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
    /// Whether the provider is a social login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_social: Option<bool>,
}

/// What the last reconciliation that sent something did.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LastUpdate {
    /// When it happened, RFC 3339 in UTC.
    pub time: String,
    /// Generation of the spec that was applied.
    pub generation: i64,
    /// Number of PATCH requests of that reconciliation, rejected ones included.
    pub requests: u32,
    /// Fields that were set. If a metadata map has more than 256 keys, or more than 16 KiB of names, only the map is
    /// listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sent_fields: Vec<String>,
    /// Fields that were cleared, named as in sentFields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared_fields: Vec<String>,
}

/// A blank input that Auth0 cannot clear.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IgnoredField {
    /// Name of the spec field.
    pub field: String,
    /// Why it was not sent.
    pub reason: String,
}

/// A field that Auth0 rejected, or that the tenant does not grant.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RefusedField {
    /// Name of the spec field.
    pub field: String,
    /// Reason, as in the Ready condition.
    pub reason: String,
    /// Auth0's message or the missing grant, and what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When it was first rejected, RFC 3339 in UTC.
    pub since: String,
}

impl RefusedField {
    /// Whether Auth0 rejected the field. Otherwise the tenant does not grant it, which every check decides again.
    #[must_use]
    pub fn is_of_auth0(&self) -> bool {
        Reason::from_word(&self.reason).retry() != Retry::Change
    }
}

/// A value that Auth0 accepted but did not store.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NotPersisted {
    /// Name of the spec field.
    pub field: String,
    /// Keyed digest of the value that was sent. Empty if the field is a map that stands for its keys.
    pub digest: String,
}

/// Record of a one-time action, which must not be sent twice.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Name of the spec field.
    pub name: String,
    /// Sending or Resending (sent, response unknown), Sent, or Refused (rejected by Auth0).
    #[schemars(with = "String")]
    pub state: TriggerState,
    /// Keyed digest of tenant, user, identity and value.
    pub digest: String,
    /// Id of the key that the digest was computed with.
    pub key_id: String,
    /// created_at of the user, which distinguishes a new user with the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_created_at: Option<String>,
    /// The user's last_password_reset before a password was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_password_reset: Option<String>,
    /// The Secret that the password was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SecretVersion")]
    pub secret: Option<SecretVersion>,
}

/// State of a one-time action.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerState {
    /// About to be sent, or sent without a response.
    Sending,
    /// The same, for the second attempt.
    Resending,
    /// Done.
    Sent,
    /// Rejected by Auth0.
    Refused,
    /// Written by another version of the operator.
    #[serde(other)]
    Unknown,
}

/// Version of a Secret that was read.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretVersion {
    /// uid of the Secret.
    pub uid: String,
    /// resourceVersion of the Secret.
    pub resource_version: String,
}
