//! Objects as lists and watches bring them: one that does not decode costs no other.

use crate::api::reason::{Failure, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::value::RawValue;
use serde_path_to_error::Segment;
use std::borrow::Cow;

/// Segments of a path that name a field, such as `spec.passwordSecretRef.name`. What follows is a person's own.
const FIELD_SEGMENTS: usize = 3;

/// An object, or why it cannot be read.
#[derive(Clone, Debug)]
pub struct Guarded<K>(pub Result<K, Undecodable>);

/// What is known of an object that this version cannot read: an older CRD admitted it, or a newer operator wrote it.
#[derive(Clone, Debug)]
pub struct Undecodable {
    /// What tells it from others, and its generation.
    pub metadata: ObjectMeta,
    /// Its conditions, as far as they can be read.
    pub conditions: Vec<Condition>,
    /// Which field is at fault. Never quotes its value.
    pub failure: Failure,
}

impl<'de, K: DeserializeOwned> Deserialize<'de> for Guarded<K> {
    /// Takes the text first, whose end is found without recursion, so that neither its depth nor its content breaks what
    /// it stands in.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str(text.get()).map_err(|_| Undecodable::read::<K>(text.get()))))
    }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(kind: &K::DynamicType) -> Cow<'_, str> {
        K::kind(kind)
    }

    fn group(kind: &K::DynamicType) -> Cow<'_, str> {
        K::group(kind)
    }

    fn version(kind: &K::DynamicType) -> Cow<'_, str> {
        K::version(kind)
    }

    fn plural(kind: &K::DynamicType) -> Cow<'_, str> {
        K::plural(kind)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        self.0.as_ref().map_or_else(|undecodable| &undecodable.metadata, K::meta)
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        self.0.as_mut().map_or_else(|undecodable| &mut undecodable.metadata, K::meta_mut)
    }
}

/// The little that every object has.
#[derive(Default, Deserialize)]
struct Outline {
    metadata: Identity,
}

/// All other metadata may be what is at fault.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Identity {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
}

#[derive(Default, Deserialize)]
struct Told {
    status: Conditions,
}

#[derive(Default, Deserialize)]
struct Conditions {
    conditions: Vec<Condition>,
}

impl Undecodable {
    fn read<K: DeserializeOwned>(text: &str) -> Self {
        let Outline { metadata } = serde_json::from_str(text).unwrap_or_default();
        let Told { status } = serde_json::from_str(text).unwrap_or_default();
        Self {
            metadata: ObjectMeta {
                name: metadata.name,
                namespace: metadata.namespace,
                uid: metadata.uid,
                resource_version: metadata.resource_version,
                generation: metadata.generation,
                ..ObjectMeta::default()
            },
            conditions: status.conditions,
            failure: diagnose::<K>(text),
        }
    }
}

/// Finds the field that cannot be read.
fn diagnose<K: DeserializeOwned>(text: &str) -> Failure {
    let read = serde_path_to_error::deserialize::<_, K>(&mut serde_json::Deserializer::from_str(text));
    let mut field = String::new();
    for segment in read.as_ref().err().into_iter().flat_map(|error| error.path().iter().take(FIELD_SEGMENTS))
    {
        let separator = if field.is_empty() || matches!(segment, Segment::Seq { .. }) { "" } else { "." };
        field = format!("{field}{separator}{segment}");
    }
    if field.starts_with("status") {
        return Failure::new(
            Reason::InternalError,
            "the status of this resource cannot be read by this version of the operator, so nothing is sent",
        );
    }
    Failure::new(
        Reason::InvalidRequest,
        format!(
            "{field} cannot be read by this version of the operator: correct it with kubectl edit or kubectl replace (server-side apply cannot), or delete the resource and apply it again"
        ),
    )
}

#[cfg(test)]
mod tests;
