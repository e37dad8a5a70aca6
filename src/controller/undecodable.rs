//! Resources that this version cannot read: an older CRD admitted them, or a newer operator wrote them.
//!
//! They are told so and otherwise left alone; the others go on.

use super::conditions::{self, READY, RECONCILING, STALLED, SYNCED, Saying};
use super::events;
use super::kubernetes::{FIELD_MANAGER, within_deadline};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateSpec};
use crate::reason::{Failure, Reason, Standing};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use std::time::Duration;

/// Pause after the API server could not be asked.
const AGAIN: Duration = Duration::from_mins(1);

/// Writes the conditions of a resource that does not decode. Only a change brings it back.
pub async fn report(client: &Client, metadata: &ObjectMeta) -> Option<Duration> {
    let (namespace, name) =
        (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default());
    let resource = ApiResource::erase::<Auth0UserUpdate>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let object = match within_deadline(api.get_opt(&name)).await {
        Ok(Some(object)) => object,
        Ok(None) => return None,
        Err(_) => return Some(AGAIN),
    };
    let generation = object.metadata.generation.unwrap_or_default();
    let before: Vec<Condition> =
        serde_json::from_value(object.data["status"]["conditions"].clone()).unwrap_or_default();
    let failure = diagnose(&object.data);
    let after = judged(&before, &failure, generation);
    if before == after {
        return None;
    }
    let status = json!({"status": {"observedGeneration": generation, "conditions": after}});
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let written = within_deadline(api.patch_status(&name, &parameters, &Patch::Merge(&status))).await;
    if let Err(error) = &written {
        tracing::error!(namespace, name, %failure, %error, "the resource cannot be read, nor told so");
        if !error.is_invalid() {
            return Some(AGAIN);
        }
    }
    let about = ObjectReference {
        api_version: Some(format!("{}/v1alpha1", crate::api::GROUP)),
        kind: Some("Auth0UserUpdate".to_owned()),
        namespace: Some(namespace),
        name: Some(name),
        uid: object.uid(),
        ..ObjectReference::default()
    };
    let event = events::warning(failure.reason.as_str(), &failure.message);
    events::publish(client, &about, vec![event]).await;
    None
}

/// Finds the field that cannot be read. Never quotes its value.
fn diagnose(data: &Value) -> Failure {
    match serde_path_to_error::deserialize::<_, Auth0UserUpdateSpec>(&data["spec"]) {
        Err(error) => Failure::new(
            Reason::InvalidRequest,
            format!(
                "spec.{} cannot be read by this version of the operator: correct it with kubectl edit or kubectl replace (server-side apply cannot), or delete the resource and apply it again",
                error.path()
            ),
        ),
        Ok(_) => Failure::new(
            Reason::InternalError,
            "the status of this resource cannot be read by this version of the operator, so nothing is sent",
        ),
    }
}

fn judged(before: &[Condition], failure: &Failure, generation: i64) -> Vec<Condition> {
    let mut conditions = before.to_vec();
    let now = Timestamp::now();
    let reason = failure.reason.as_str();
    let saying = |status| Saying { status, reason, message: &failure.message };
    conditions::set(&mut conditions, READY, &saying("False"), generation, now);
    conditions::set(&mut conditions, SYNCED, &saying("Unknown"), generation, now);
    let abnormal = if failure.reason.standing() == Standing::Stalled { STALLED } else { RECONCILING };
    conditions::set_abnormal(&mut conditions, Some(abnormal), reason, &failure.message, generation, now);
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_named_and_its_value_is_not() {
        let spec = json!({"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": "Yes", "blocked": "canary"});
        let failure = diagnose(&json!({"spec": spec}));
        assert_eq!(failure.reason, Reason::InvalidRequest);
        assert!(failure.message.starts_with("spec.blocked "), "{failure}");
        assert!(!failure.message.contains("canary"));
    }
}
