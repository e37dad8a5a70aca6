//! Where outputs of the user are written beside the status: ConfigMaps and Secrets.

use super::schema::dns_name;
use kube::{KubeSchema, core::Rule};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The first name of a path that leads into Auth0's whole answer.
pub const RAW_OUTPUT: &str = "rawOutput";

/// The first names of paths: the outputs of the card, and Auth0's whole answer.
pub const OUTPUTS: [&str; 22] = [
    "id",
    "email",
    "emailVerified",
    "username",
    "phoneNumber",
    "phoneVerified",
    "createdAt",
    "updatedAt",
    "identities",
    "appMetadata",
    "userMetadata",
    "picture",
    "name",
    "nickname",
    "multifactor",
    "lastIp",
    "lastLogin",
    "loginsCount",
    "blocked",
    "givenName",
    "familyName",
    RAW_OUTPUT,
];

/// One ConfigMap or Secret in this namespace, and what is written to it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.configMap) != has(self.secret)").message("an entry of outputsTo names either a configMap or a secret"))]
pub struct OutputTarget {
    /// The ConfigMap to write. The operator creates it, owned by this resource, and it is deleted with the resource.
    /// An existing ConfigMap that this resource does not own is never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectName")]
    pub config_map: Option<ObjectName>,

    /// The Secret to write, for data that not every reader of ConfigMaps in the namespace may see. Otherwise as
    /// configMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ObjectName")]
    pub secret: Option<ObjectName>,

    /// Keys of the object, each with the output to write to it: a field of status.user such as email or createdAt, or
    /// a path into one: identities[0].userId, appMetadata.plan, userMetadata['a.b'], rawOutput.locale. Strings are
    /// written unchanged, all other values as JSON. A key is left out if the user has no such value.
    #[schemars(schema_with = "texts")]
    #[x_kube(validation = keys(), validation = paths())]
    pub data: BTreeMap<String, String>,
}

/// Name of an object in this namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = dns_name())]
    pub name: String,
}

/// What kind of object outputs are written into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl TargetKind {
    /// The kind's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }
}

impl OutputTarget {
    /// Kind and name of the object; `None` where it names neither kind, which the API server rejects.
    #[must_use]
    pub fn object(&self) -> Option<(TargetKind, &str)> {
        let config_map = self.config_map.as_ref().map(|object| (TargetKind::ConfigMap, object));
        let object = config_map.or_else(|| self.secret.as_ref().map(|object| (TargetKind::Secret, object)));
        object.map(|(kind, object)| (kind, object.name.as_str()))
    }
}

/// An object that outputs were written to.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WrittenOutputs {
    /// ConfigMap or Secret.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// Keys that were written, each with the path of its output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// Declared keys that were left out: the user has no such value, it is larger than 128 KiB or does not fit into
    /// the object, or the tenant does not grant it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
}

impl WrittenOutputs {
    /// The kind of the object, unless another version of the operator has written one that this one does not know.
    #[must_use]
    pub fn kind(&self) -> Option<TargetKind> {
        [TargetKind::ConfigMap, TargetKind::Secret].into_iter().find(|kind| kind.as_str() == self.kind)
    }
}

/// Of two entries for one object, each would take the keys of the other one away.
pub(super) fn distinct() -> Rule {
    let same = |kind| format!("(has(a.{kind}) && has(b.{kind}) && a.{kind}.name == b.{kind}.name)");
    Rule::new(format!("self.all(a, self.filter(b, {} || {}).size() < 2)", same("configMap"), same("secret")))
        .message("outputsTo names an object twice: put all its keys into one entry")
}

fn texts(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": {"type": "string", "maxLength": 256},
        "minProperties": 1,
        "maxProperties": 32,
    })
}

fn keys() -> Rule {
    Rule::new("self.all(key, key.size() <= 253 && key.matches('^[-._a-zA-Z0-9]+$') && key != '.' && !key.startsWith('..'))")
        .message("keys of data are keys of a ConfigMap: letters, digits, -, _ and ., at most 253 characters")
}

/// As `user::OutputPath` reads it.
fn paths() -> Rule {
    let names = OUTPUTS.join("|");
    let pattern = format!(r"^({names})([.][^.\[\]]+|\[([0-9]{{1,4}}|'[^']+')\])*$");
    Rule::new(format!("self.all(key, self[key].matches(r\"{pattern}\"))")).message(
        "values of data are paths into the outputs: a field of status.user or rawOutput, then .KEY, [INDEX] or ['KEY'], such as email, identities[0].userId or appMetadata.plan",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::UserOutputs;
    use serde_json::json;

    #[test]
    fn every_output_of_the_card_can_be_named() {
        let schema = schemars::schema_for!(UserOutputs);
        let fields = schema.get("properties").unwrap().as_object().unwrap().keys().map(String::as_str);
        let mut expected: Vec<&str> = fields.chain([RAW_OUTPUT]).collect();
        let mut outputs = OUTPUTS.to_vec();
        expected.sort_unstable();
        outputs.sort_unstable();
        assert_eq!(outputs, expected);
    }

    #[test]
    fn a_target_is_of_one_kind() {
        let object = |target| serde_json::from_value::<OutputTarget>(target).unwrap();
        let target = object(json!({"secret": {"name": "a"}, "data": {}}));
        assert_eq!(target.object(), Some((TargetKind::Secret, "a")));
        assert_eq!(object(json!({"data": {}})).object(), None);
    }
}
