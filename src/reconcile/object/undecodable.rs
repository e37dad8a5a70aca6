//! Resources that this version cannot read. They are told so and otherwise left alone; the others go on.

use crate::api::Auth0UserUpdate;
use crate::api::conditions::{self, READY, RECONCILING, STALLED, SYNCED, Saying};
use crate::api::reason::Standing;
use crate::cluster::client::{Error, FIELD_MANAGER, within_deadline};
use crate::cluster::events;
use crate::cluster::guarded::{Guarded, Undecodable};
use crate::reconcile::object::schedule;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{NamespaceResourceScope, ObjectMeta};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::time::Duration;

/// What was told of an object that cannot be read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// The generation that was told.
    generation: Option<i64>,
    /// Status writes in a row that the API server did not take.
    unpublished: u32,
}

impl Told {
    /// Whether this process has told of an object that cannot be read, and its conditions still say so.
    #[must_use]
    pub fn is_all<K: Resource<DynamicType = ()>>(&self, object: &Undecodable) -> bool {
        let generation = object.metadata.generation.unwrap_or_default();
        self.generation == Some(generation) && judged::<K>(object, generation) == object.conditions
    }
}

/// Writes the conditions of a resource that does not decode; where the API server does not take them, an event. Logs it
/// once for each generation. Answers when to try again; else only a change brings it back.
pub async fn report<K>(client: &Client, told: &mut Told, object: &Undecodable) -> Option<Duration>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
{
    let (metadata, failure) = (&object.metadata, &object.failure);
    let (kind, namespace, name) = (K::kind(&()), &metadata.namespace, &metadata.name);
    let generation = metadata.generation.unwrap_or_default();
    let is_new = told.generation.replace(generation) != Some(generation);
    if is_new {
        tracing::error!(%kind, namespace, name, %failure, "cannot decode the resource");
    }
    let after = judged::<K>(object, generation);
    if after == object.conditions {
        return None;
    }
    let (tells, next) = match write::<K>(client, metadata, &after).await {
        Ok(()) => {
            told.unpublished = 0;
            (true, None)
        }
        // The watch brings what is newer.
        Err(error) if error.is_conflict() || error.is_not_found() => (false, None),
        Err(error) => {
            if is_new {
                tracing::error!(%kind, namespace, name, %error, "cannot decode the resource and cannot report it in its status");
            }
            told.unpublished = told.unpublished.saturating_add(1);
            let wait = schedule::backoff(told.unpublished, None);
            (is_new, (!error.is_invalid()).then_some(wait))
        }
    };
    if tells {
        let event = events::warning(failure.reason.as_str(), &failure.message);
        events::publish(client, &reference::<K>(metadata), vec![event]).await;
    }
    next
}

fn reference<K: Resource<DynamicType = ()>>(metadata: &ObjectMeta) -> ObjectReference {
    ObjectReference {
        api_version: Some(K::api_version(&()).into_owned()),
        kind: Some(K::kind(&()).into_owned()),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// Merges the conditions into the status of the version that they were computed from.
async fn write<K>(client: &Client, metadata: &ObjectMeta, conditions: &[Condition]) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug,
{
    let api: Api<Guarded<K>> =
        Api::namespaced(client.clone(), metadata.namespace.as_deref().unwrap_or_default());
    let patch = json!({
        "metadata": {"resourceVersion": metadata.resource_version},
        "status": {"observedGeneration": metadata.generation, "conditions": conditions},
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let name = metadata.name.as_deref().unwrap_or_default();
    within_deadline(api.patch_status(name, &parameters, &Patch::Merge(&patch))).await.map(drop)
}

fn judged<K: Resource<DynamicType = ()>>(object: &Undecodable, generation: i64) -> Vec<Condition> {
    let (failure, mut conditions, now) = (&object.failure, object.conditions.clone(), Timestamp::now());
    let reason = failure.reason.as_str();
    let saying = |status| Saying { status, reason, message: &failure.message };
    conditions::set(&mut conditions, READY, &saying("False"), generation, now);
    if K::kind(&()) == Auth0UserUpdate::kind(&()) {
        conditions::set(&mut conditions, SYNCED, &saying("Unknown"), generation, now);
    }
    let abnormal = if failure.reason.standing() == Standing::Stalled { STALLED } else { RECONCILING };
    conditions::set_abnormal(&mut conditions, Some(abnormal), reason, &failure.message, generation, now);
    conditions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Auth0Tenant;
    use crate::cluster::fixtures::api_server;
    use serde_json::Value;

    /// A resource whose user id is a number.
    fn broken(conditions: &Value) -> Undecodable {
        let object = json!({
            "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 3, "resourceVersion": "7"},
            "spec": {"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": 7},
            "status": {"conditions": conditions},
        });
        serde_json::from_value::<Guarded<Auth0UserUpdate>>(object).unwrap().0.unwrap_err()
    }

    /// What becomes of two reports to an API server that answers with this code, or takes it: whether each wants
    /// another one, and how many writes and events there were.
    async fn two_reports(code: Option<u16>) -> ([bool; 2], usize, usize) {
        let (client, requests) =
            api_server(move |method, _, body| match code.filter(|_| method == "PATCH") {
                Some(code) => Err(code),
                None if method == "PATCH" => Ok(serde_json::to_value(object_of(body)).unwrap()),
                None => Ok(body.clone()),
            });
        let (mut told, object) = (Told::default(), broken(&json!([])));
        let first = report::<Auth0UserUpdate>(&client, &mut told, &object).await;
        let second = report::<Auth0UserUpdate>(&client, &mut told, &object).await;
        let events = requests.take_events().len();
        ([first.is_some(), second.is_some()], requests.take_statuses().len(), events)
    }

    /// The object that a patch leads to, as far as an answer needs it.
    fn object_of(patch: &Value) -> Value {
        json!({"apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
               "metadata": {"name": "a", "namespace": "n"}, "status": patch["status"]})
    }

    #[tokio::test(start_paused = true)]
    async fn a_report_that_fails_is_retried_unless_it_never_can_be_written_and_is_one_event() {
        for (code, retries, events) in [
            (Some(500), true, 1),
            // Its status cannot be written at all.
            (Some(422), false, 1),
            // The watch brings what is newer.
            (Some(409), false, 0),
            (Some(404), false, 0),
        ] {
            assert_eq!(two_reports(code).await, ([retries; 2], 2, events), "{code:?}");
        }
        assert_eq!(
            two_reports(None).await,
            ([false; 2], 2, 2),
            "the object that is known has no conditions yet"
        );
    }

    #[tokio::test]
    async fn what_status_says_already_is_not_written_again() {
        let (client, requests) = api_server(|_, _, body| Ok(object_of(body)));
        let object = broken(&json!([]));
        let mut told = Told::default();
        assert!(!told.is_all::<Auth0UserUpdate>(&object));
        report::<Auth0UserUpdate>(&client, &mut told, &object).await;
        let written = requests.take_statuses().remove(0);
        assert_eq!(written["metadata"]["resourceVersion"], "7");
        let object = broken(&written["status"]["conditions"]);
        assert!(
            told.is_all::<Auth0UserUpdate>(&object) && !Told::default().is_all::<Auth0UserUpdate>(&object)
        );
        assert_eq!(report::<Auth0UserUpdate>(&client, &mut Told::default(), &object).await, None);
        assert!(requests.take_statuses().is_empty());
    }

    #[test]
    fn only_resources_have_a_sync_to_speak_of() {
        let object = broken(&json!([]));
        let types = |conditions: Vec<Condition>| -> Vec<String> {
            conditions.into_iter().map(|condition| condition.type_).collect()
        };
        assert_eq!(types(judged::<Auth0UserUpdate>(&object, 3)), ["Ready", "Synced", "Stalled"]);
        assert_eq!(types(judged::<Auth0Tenant>(&object, 3)), ["Ready", "Stalled"]);
    }
}
