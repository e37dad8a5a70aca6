//! Status writes: the fields that change, on the version that they were computed from. What another version of the
//! operator keeps in a status stays.

use crate::cluster::client::{Error, FIELD_MANAGER, within_deadline};
use kube::api::{Api, Patch, PatchParams};
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// Writes what the status of `after` has otherwise than that of `before`, which is as the API server last answered it.
///
/// # Errors
/// 409 where there is a later version; see [`Error`].
pub async fn write<K>(api: &Api<K>, before: &K, after: &K) -> Result<K, Error>
where
    K: Resource + HasStatus<Status: Serialize> + Clone + DeserializeOwned + Debug,
{
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = async {
        let changes = serde_json::from_value(changes(before, after).map_err(kube::Error::SerdeError)?);
        let patch = Patch::Json::<()>(changes.map_err(kube::Error::SerdeError)?);
        api.patch_status(&before.name_any(), &parameters, &patch).await
    };
    within_deadline(written).await
}

/// The JSON patch (RFC 6902) of a status, for one version of the object only. A merge patch could not say that a value
/// is null, as values of users are.
fn changes<K>(before: &K, after: &K) -> Result<Value, serde_json::Error>
where
    K: Resource + HasStatus<Status: Serialize>,
{
    let mut operations = Vec::new();
    if let Some(version) = before.resource_version() {
        operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    }
    match (serde_json::to_value(before.status())?, serde_json::to_value(after.status())?) {
        (Value::Object(mut before), Value::Object(after)) => {
            for (field, value) in after {
                if before.remove(&field).as_ref() != Some(&value) {
                    operations.push(json!({"op": "add", "path": format!("/status/{field}"), "value": value}));
                }
            }
            let gone = before.keys().map(|field| json!({"op": "remove", "path": format!("/status/{field}")}));
            operations.extend(gone);
        }
        (_, status) => operations.push(json!({"op": "add", "path": "/status", "value": status})),
    }
    Ok(Value::Array(operations))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Auth0UserUpdate;

    fn object(status: &Value) -> Auth0UserUpdate {
        let spec = json!({"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"});
        let metadata = json!({"name": "a", "resourceVersion": "7"});
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    #[test]
    fn a_write_names_what_changes_and_the_version_that_it_is_for() {
        let before =
            object(&json!({"observedGeneration": 2, "rawOutput": {"a": null}, "ofAnotherVersion": 1}));
        let after = object(&json!({"observedGeneration": 2, "profileKilobytes": 12}));
        let version = json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"});
        let expected = json!([
            version,
            {"op": "add", "path": "/status/profileKilobytes", "value": 12},
            {"op": "remove", "path": "/status/rawOutput"},
        ]);
        assert_eq!(changes(&before, &after).unwrap(), expected);
        let status = json!({"observedGeneration": 2, "profileKilobytes": 12});
        let expected = json!([version, {"op": "add", "path": "/status", "value": status}]);
        assert_eq!(changes(&object(&Value::Null), &after).unwrap(), expected);
    }
}
