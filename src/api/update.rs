//! `Auth0UserUpdate`: the inputs of the Update User card.

use crate::api::schema::{dns_name, matches};
use crate::api::{
    Auth0UserUpdateStatus, Field, JsonMap, LAST_APPLIED_ANNOTATION, OutputTarget, PassEmptyValues, json,
    output_target, schema,
};
use kube::{
    CustomResource, KubeSchema,
    core::{Message, Rule},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What to change on one Auth0 user.
/// A field that is absent is never sent: removing a field from the YAML stops managing it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default)]
#[kube(
    group = "auth0-user-operator.dev",
    version = "v1alpha1",
    kind = "Auth0UserUpdate",
    doc = "Updates one Auth0 user, like the Update User card of Okta Workflows. Never creates or deletes a user: deleting this resource changes nothing in Auth0.",
    namespaced,
    status = "Auth0UserUpdateStatus",
    shortname = "a0uu",
    category = "auth0",
    selectable = ".spec.userId",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.userId"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Synced')].status"
    ),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Last Update", type_ = "date", json_path = ".status.lastUpdate.time"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenantRef.name", priority = 1),
    printcolumn(name = "Connection", type_ = "string", json_path = ".spec.connection", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = clear_excludes("name"),
    validation = clear_excludes("givenName"),
    validation = clear_excludes("familyName"),
    validation = clear_excludes("nickname"),
    validation = clear_excludes("picture"),
    validation = clear_excludes("email"),
    validation = clear_excludes("phoneNumber"),
    validation = clear_excludes("username")
)]
pub struct Auth0UserUpdateSpec {
    /// The Auth0Tenant that the user belongs to.
    pub tenant_ref: TenantRef,

    /// Whether blank inputs clear the value in Auth0. Yes: "" or null for a text field, and {} for metadata, clear
    /// it. No: blank inputs are not sent. Accepts Yes, No, true and false, quoted or not. An absent field is not
    /// blank: it is never sent.
    #[schemars(schema_with = "schema::pass_empty_values")]
    pub pass_empty_values: PassEmptyValues,

    /// The Auth0 user id as Auth0 shows it, unencoded, for example auth0|507f1f77bcf86cd799439011.
    /// Immutable: create another resource for another user.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("userId is immutable: create another Auth0UserUpdate for another user"))]
    pub user_id: String,

    /// Full name, 1 to 300 characters.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 300))]
    pub name: Field<String>,

    /// Given name, 1 to 150 characters.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 150))]
    pub given_name: Field<String>,

    /// Family name, 1 to 150 characters.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 150))]
    pub family_name: Field<String>,

    /// Nickname, 1 to 300 characters.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 300))]
    pub nickname: Field<String>,

    /// URL of a picture, for example https://example.com/ada.png.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[x_kube(validation = absolute_url())]
    pub picture: Field<String>,

    /// Email address. Changing the address ends the user's sessions. Auth0 databases store it in lower case, so a
    /// difference in letter case alone does not count there.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 254))]
    #[x_kube(validation = matches(r"^([^@\s]+@[^@\s]+)?$", "email must be one address such as ada@example.com, or \"\" for blank"))]
    pub email: Field<String>,

    /// Whether the email address is marked as verified. Also sent with every new address, which Auth0 may otherwise
    /// mark as unverified.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub email_verified: Field<bool>,

    /// Set to true to send a verification email, once for each address: together with a change of email or
    /// emailVerified, otherwise as soon as Auth0 reports the address as not verified. To send another one, set it to
    /// false (or remove it) and to true again. Overrides the email that emailVerified may cause.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub verify_email: Field<bool>,

    /// Client id of the application that the email is sent for. Sent only with a new email or phone number.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub client_id: Field<String>,

    /// Phone number in E.164 form: +, then 1 to 15 digits. Quote it, otherwise YAML reads a number. Changing it ends
    /// the user's sessions.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 16))]
    #[x_kube(validation = matches(r"^([+][0-9]{1,15})?$", "phoneNumber must be + and 1 to 15 digits in quotes, such as \"+15551234567\", or \"\" for blank"))]
    pub phone_number: Field<String>,

    /// Whether the phone number is marked as verified. Also sent with every new number.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub phone_verified: Field<bool>,

    /// Username, 1 to 128 characters; only for connections that use usernames. Changing it ends the user's sessions.
    /// A difference in letter case alone does not count where Auth0 stores it in lower case.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 128))]
    pub username: Field<String>,

    /// Key of a Secret in this namespace that holds the new password. It is set once for each content of the Secret;
    /// one trailing newline is dropped. A new password ends the user's sessions. Because Auth0 unblocks a user when a
    /// password is set, the password of a blocked user is set only if spec.blocked is declared.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub password_secret_ref: Field<SecretKeyRef>,

    /// Whether the user is blocked by an administrator. false does not remove a block by Auth0's brute-force
    /// protection.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub blocked: Field<bool>,

    /// Application metadata, which the user cannot change. First-level keys are merged: keys that are not declared
    /// stay unchanged. A key with null is removed (passEmptyValues Yes); kubectl apply drops nulls, so list the key
    /// in clear instead. Values have at most 64 levels, and a map at most 10,000 values at all levels together. Quote
    /// integers of 2^53 (9007199254740992) or more: many tools round them, and Kubernetes keeps no more than signed
    /// 64 bits.
    #[serde(default, deserialize_with = "json::map", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub app_metadata: Option<JsonMap>,

    /// User metadata, which the user can change. Merged as appMetadata is.
    #[serde(default, deserialize_with = "json::map", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::free_form_map")]
    pub user_metadata: Option<JsonMap>,

    /// Connection of the identity that password, email, phone number and username apply to: one of the tenant's
    /// status.connections in which the user has exactly one identity. Absent or blank: the primary identity. All
    /// other fields apply to the user as a whole.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub connection: Field<String>,

    /// Fields to clear in Auth0, regardless of passEmptyValues. Unlike null, a list entry is kept by every tool.
    /// Accepts name, givenName, familyName, nickname, picture, email, phoneNumber, username, userMetadata,
    /// appMetadata, userMetadata.KEY or appMetadata.KEY. To replace a whole map, list it here and declare the wanted
    /// keys in it: every other key is removed, once for each change. A text field or a key cannot both have a value
    /// and be listed here, so a patch that adds it to the list has to remove its value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 300)))]
    #[x_kube(merge_strategy = ListMerge::Set, validation = clearable())]
    pub clear: Vec<String>,

    /// Apply (default) or Observe. Observe sends nothing and lists in status.plan what Apply would send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,

    /// How often to check the user in Auth0 and correct drift of the declared fields: a Go duration of at least 1m
    /// such as 30m, or 0s for never. Default 1h, plus or minus 10 %. 0s also stops retries of fields that Auth0
    /// rejected; temporary failures are still retried.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = resync_interval())]
    pub resync_interval: Field<String>,

    /// How much of the user to keep in status: Full (default), Mapped (without rawOutput) or None (neither user nor
    /// rawOutput, to keep personal data out of the cluster). A tenant in another namespace may allow less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Output")]
    pub output: Option<Output>,

    /// ConfigMaps and Secrets in this namespace that outputs of the user are written to, for other workloads: at most
    /// 8. Written after each change that this resource makes or finds, also in mode Observe and regardless of
    /// spec.output; a tenant in another namespace may allow less. Only the keys listed here are written. The
    /// namespace has to grant the operator write access: the message of OutputForbidden contains the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(validation = output_target::distinct())]
    pub outputs_to: Vec<OutputTarget>,
}

/// From here on JavaScript, and every tool that reads numbers as it does, knows no odd integers.
const FIRST_INEXACT: f64 = 9_007_199_254_740_992.0;

/// From here on Kubernetes and JavaScript write an exponent: such a number was not meant as an exact integer.
const FIRST_WITH_EXPONENT: f64 = 1e21;

impl Auth0UserUpdateSpec {
    /// Metadata keys that hold an integer which tools on its way, or Auth0, may have rounded.
    #[must_use]
    pub fn inexact_integers(&self) -> Vec<String> {
        let maps = [("userMetadata", &self.user_metadata), ("appMetadata", &self.app_metadata)];
        let keys = maps.into_iter().flat_map(|(name, map)| {
            let inexact = map.iter().flatten().filter(|(_, value)| holds_inexact_integer(value));
            inexact.map(move |(key, _)| format!("{name}.{key}"))
        });
        keys.collect()
    }
}

fn holds_inexact_integer(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.as_f64().is_some_and(|number| (FIRST_INEXACT..FIRST_WITH_EXPONENT).contains(&number.abs()))
        }
        Value::Array(items) => items.iter().any(holds_inexact_integer),
        Value::Object(map) => map.values().any(holds_inexact_integer),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

impl Auth0UserUpdate {
    /// The `spec` that kubectl last applied, where it held nulls.
    #[must_use]
    pub fn last_applied_nulls(&self) -> Option<JsonMap> {
        self.annotation_of_kubectl().filter(|text| text.contains("null")).and_then(spec_of)
    }

    /// The explicit nulls of the spec that status remembers.
    #[must_use]
    pub fn remembered_nulls(&self) -> &[String] {
        self.status.as_ref().map_or(&[], |status| &status.explicit_nulls)
    }

    /// The `spec` that kubectl last applied.
    #[must_use]
    pub fn last_applied(&self) -> Option<JsonMap> {
        self.annotation_of_kubectl().and_then(spec_of)
    }

    fn annotation_of_kubectl(&self) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(LAST_APPLIED_ANNOTATION).map(String::as_str)
    }
}

fn spec_of(manifest: &str) -> Option<JsonMap> {
    let mut manifest = json::read::<json::Object>(manifest.as_bytes())?.0?;
    let spec = manifest.remove("spec")?;
    if let Value::Object(spec) = spec { Some(spec) } else { None }
}

/// `isURL` alone admits a path, which Auth0 refuses.
fn absolute_url() -> Rule {
    Rule::new("self == '' || (isURL(self) && url(self).getScheme() != '' && (!url(self).getScheme().startsWith('http') || url(self).getHost() != ''))")
        .message("picture must be an absolute URL such as https://example.com/ada.png, or \"\" for blank")
}

fn clearable() -> Rule {
    let pattern = r"^(name|givenName|familyName|nickname|picture|email|phoneNumber|username|(userMetadata|appMetadata)([.][^.$]+)?)$";
    Rule::new(format!("self.all(field, field.matches(r'{pattern}'))")).message(
        "clear takes name, givenName, familyName, nickname, picture, email, phoneNumber, username, userMetadata, appMetadata, userMetadata.KEY and appMetadata.KEY",
    )
}

/// The pattern comes first and bounds the digits: `duration()` of anything else is an error, and a stored
/// value on which a rule errors could never be written to again.
fn resync_interval() -> Rule {
    let pattern = "^(0|([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+)$";
    Rule::new(format!(
        "self == '' || (self.matches('{pattern}') && (duration(self) == duration('0s') || duration(self) >= duration('1m')))"
    ))
    .message("resyncInterval must be a duration of at least 1m such as 30m or 1h30m, or 0s for never")
}

/// A field cannot both be cleared and have a value.
fn clear_excludes(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.clear) || !('{field}' in self.clear) || !has(self.{field}) || self.{field} == ''"
    ))
    .message(Message::Message(format!("{field} is listed in clear and has a value: remove one of the two")))
}

/// Names an `Auth0Tenant`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TenantRef {
    /// Name of the Auth0Tenant.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Namespace of the Auth0Tenant. Default: the namespace of this resource. A tenant in another namespace has to
    /// list this namespace in its spec.allowedNamespaces or spec.access.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
}

impl TenantRef {
    /// Namespace and name of the tenant, for a resource of the namespace `own`.
    #[must_use]
    pub fn resolve(&self, own: &str) -> (String, String) {
        let namespace = self.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        (namespace.unwrap_or(own).to_owned(), self.name.clone())
    }
}

/// Names one key of a Secret in the resource's own namespace.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// Name of the Secret. Its label auth0-user-operator.dev/use must be password.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = dns_name())]
    pub name: String,

    /// Key inside the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Whether to change Auth0 or only to compare.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Change Auth0.
    #[default]
    Apply,
    /// Send nothing.
    Observe,
}

/// What of the answered user is kept in status, the most first.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Output {
    /// The mapped user and the raw answer.
    Full,
    /// The mapped user.
    Mapped,
    /// Nothing of the user.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_that_tools_round_are_named() {
        let spec = json!({
            "tenantRef": {"name": "t"}, "passEmptyValues": "Yes", "userId": "auth0|1",
            "userMetadata": {
                "exact": 9_007_199_254_740_991_i64, "id": 9_007_199_254_740_993_i64, "huge": 18_446_744_073_709_552_000_f64,
                "avogadro": 6.022_140_76e23, "text": "9007199254740993", "nested": [{"id": i64::MIN}],
            },
            "appMetadata": {"half": 0.5, "id": u64::MAX},
        });
        let spec: Auth0UserUpdateSpec = serde_json::from_value(spec).unwrap();
        assert_eq!(
            spec.inexact_integers(),
            ["userMetadata.huge", "userMetadata.id", "userMetadata.nested", "appMetadata.id"]
        );
    }
}
