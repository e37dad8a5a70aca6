//! Metadata maps that `kubectl apply --server-side` is about to remove.
//!
//! Where kubectl changes an object over from client-side apply, it writes the new manifest, then its last-applied
//! annotation, then takes over what client-side apply owned, and last removes what the manifest does not have.
//! Between these requests the rest of an old map stands in the spec, perhaps only the `{}` of dropped nulls, and
//! nobody asks for it. It shows in the annotation, which lacks the map, and in the owners, who are kubectl's.

use crate::api::Auth0UserUpdate;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;

/// Field managers of `kubectl apply`, client-side and server-side.
const KUBECTL: [&str; 2] = ["kubectl-client-side-apply", "kubectl"];

/// Takes such maps out of a spec, whose `managedFields` must be there. Answers whether there were any.
pub fn forget(object: &mut Auth0UserUpdate) -> bool {
    let [user, app] = left(object);
    object.spec.user_metadata.take_if(|_| user);
    object.spec.app_metadata.take_if(|_| app);
    user || app
}

/// Of `userMetadata` and `appMetadata`.
fn left(object: &Auth0UserUpdate) -> [bool; 2] {
    let spec = &object.spec;
    let live = [("userMetadata", &spec.user_metadata), ("appMetadata", &spec.app_metadata)];
    if live.iter().all(|(_, map)| map.is_none()) {
        return [false; 2];
    }
    let Some(applied) = object.last_applied() else { return [false; 2] };
    let owners = object.metadata.managed_fields.as_deref().unwrap_or_default();
    live.map(|(name, map)| {
        let mut owners = owners.iter().filter(|entry| owns(entry, name)).peekable();
        map.is_some() && !applied.contains_key(name) && owners.peek().is_some() && owners.all(is_kubectl)
    })
}

fn owns(entry: &ManagedFieldsEntry, name: &str) -> bool {
    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0["f:spec"]);
    fields.is_some_and(|spec| spec.get(format!("f:{name}")).is_some())
}

fn is_kubectl(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref().is_some_and(|manager| KUBECTL.contains(&manager))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LAST_APPLIED_ANNOTATION;
    use serde_json::{Value, json};

    /// Which of the maps are left, of an object with this annotation whose `userMetadata` this manager owns.
    fn left(applied: Option<Value>, manager: &str) -> bool {
        let annotations =
            applied.map(|spec| json!({LAST_APPLIED_ANNOTATION: json!({"spec": spec}).to_string()}));
        let fields = json!({"f:spec": {"f:userMetadata": {}}});
        let mut object: Auth0UserUpdate = serde_json::from_value(json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
            "metadata": {"annotations": annotations, "managedFields": [
                {"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": fields},
                {"manager": "auth0-user-operator", "operation": "Update", "fieldsV1": {"f:status": {}}},
            ]},
            "spec": {"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": "Yes", "userMetadata": {}},
        }))
        .unwrap();
        let is_left = forget(&mut object);
        assert_eq!(object.spec.user_metadata.is_none(), is_left);
        is_left
    }

    #[test]
    fn what_kubectl_owns_and_its_annotation_does_not_know_is_left_over() {
        for manager in KUBECTL {
            assert!(left(Some(json!({"nickname": ""})), manager));
            assert!(!left(Some(json!({"userMetadata": {}})), manager));
            assert!(!left(None, manager));
        }
    }

    #[test]
    fn what_others_wrote_is_meant() {
        for manager in ["kubectl-edit", "kubectl-patch", "kustomize-controller", "argocd-controller"] {
            assert!(!left(Some(json!({"nickname": ""})), manager));
        }
    }
}
