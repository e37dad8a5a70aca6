//! Outputs in `ConfigMap`s and Secrets: written by server-side apply, only into objects that belong to the resource, and
//! only where they differ.
//!
//! An object is created by a create, which fails where there is one of that name, and changed on the version that was
//! judged: an object of another owner is never taken over, however late it comes. What a create wrote belongs to an
//! *update* in `managedFields`, from which an apply could not take a key away again; so it is handed to the apply first.

use crate::api::TargetKind;
use crate::api::reason::{Failure, Reason};
use crate::cluster::client::{Error, within_deadline};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, OwnerReference};
use kube::Client;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who wrote, as `managedFields` of the objects shows it.
pub const FIELD_MANAGER: &str = "auth0-user-operator-outputs";

/// How many steps one write may take. The most it needs alone are two.
const ATTEMPTS: u32 = 6;

/// One object of a resource: its keys with their texts, `None` for one that stays as it is. Without keys it is not
/// needed.
pub struct Target<'a> {
    /// The resource.
    pub owner: &'a OwnerReference,
    /// Where both are.
    pub namespace: &'a str,
    /// Kind of the object.
    pub kind: TargetKind,
    /// Name of the object.
    pub name: &'a str,
    /// What of it is the resource's.
    pub data: &'a BTreeMap<String, Option<String>>,
}

/// Writes outputs.
pub struct Outputs {
    client: Client,
    grant: String,
}

/// What has to be done to an object.
#[derive(Clone, Debug, PartialEq)]
enum Change {
    None,
    Create,
    /// What a create wrote becomes the apply's.
    HandOver,
    Apply,
    /// Keys of others stay.
    Leave,
    Delete,
    /// It belongs to another one.
    Refuse,
}

impl Outputs {
    /// `grant` says how to let the operator write in `NAMESPACE`.
    #[must_use]
    pub fn new(client: Client, grant: &str) -> Self {
        Self { client, grant: grant.to_owned() }
    }

    /// Whether an object holds what it is to hold.
    ///
    /// # Errors
    /// As [`Outputs::write`].
    pub async fn agrees(&self, target: &Target<'_>) -> Result<bool, Failure> {
        let found = within_deadline(self.api(target).get_opt(target.name)).await;
        let found = found.map_err(|error| self.failure(target, &error))?;
        Ok(change(target, found.as_ref()) == Change::None)
    }

    /// Makes an object hold what it is to hold, and nothing more of this resource.
    ///
    /// # Errors
    /// `OutputConflict` where the object, or one of the keys, is not the resource's; `OutputForbidden` where RBAC does not
    /// allow it; `InternalError` where the API server did not answer usefully.
    pub async fn write(&self, target: &Target<'_>) -> Result<(), Failure> {
        let (api, mut known) = (self.api(target), None);
        for _ in 0..ATTEMPTS {
            let found = match known.take() {
                Some(answered) => Ok(Some(answered)),
                None => within_deadline(api.get_opt(target.name)).await,
            };
            let found = found.map_err(|error| self.failure(target, &error))?;
            let change = change(target, found.as_ref());
            match change {
                Change::None => return Ok(()),
                Change::Refuse => return Err(foreign(target)),
                Change::Create | Change::HandOver | Change::Apply | Change::Leave | Change::Delete => {}
            }
            match carry_out(&api, target, change, found).await {
                Ok(None) => return Ok(()),
                Ok(answered) => known = answered,
                // It was created, changed or deleted meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_conflict() && error.field_conflicts().is_empty() => {}
                Err(error) => return Err(self.failure(target, &error)),
            }
        }
        let message = format!("the {} changes faster than it can be written", title(target));
        Err(Failure::new(Reason::InternalError, message))
    }

    fn api(&self, target: &Target<'_>) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), target.namespace, &resource(target.kind))
    }

    fn failure(&self, target: &Target<'_>, error: &Error) -> Failure {
        let title = title(target);
        let keys = error.field_conflicts();
        if !keys.is_empty() {
            let keys = keys.join(", ");
            let message = format!(
                "the {title} has keys that another writer has set: {keys}; remove them there, or from spec.outputsTo"
            );
            return Failure::new(Reason::OutputConflict, message);
        }
        if error.is_forbidden() {
            let grant = self.grant.replace("NAMESPACE", target.namespace);
            let message = format!(
                "the operator may not write the {title}; unless a quota or an admission policy forbids it, allow it with: {grant}"
            );
            return Failure::new(Reason::OutputForbidden, message);
        }
        if error.is_invalid() {
            let message = format!(
                "the Kubernetes API rejects what spec.outputsTo writes into the {title}: it is immutable, has another controller, or an admission policy forbids it"
            );
            return Failure::new(Reason::OutputConflict, message);
        }
        Failure::new(Reason::InternalError, format!("the {title} could not be written: {error}"))
    }
}

/// Carries out a change of an object that was found so. Answers with the object where that was not the last step.
async fn carry_out(
    api: &Api<DynamicObject>,
    target: &Target<'_>,
    change: Change,
    found: Option<DynamicObject>,
) -> Result<Option<DynamicObject>, Error> {
    let name = target.name;
    let found = found.unwrap_or_else(|| DynamicObject::new(name, &resource(target.kind)));
    match change {
        Change::None | Change::Refuse => Ok(None),
        Change::Create => {
            let field_manager = Some(FIELD_MANAGER.to_owned());
            let parameters = PostParams { field_manager, ..PostParams::default() };
            within_deadline(api.create(&parameters, &applied(target, &found))).await.map(Some)
        }
        Change::HandOver => {
            let patched = async {
                let patch = serde_json::from_value(handed_over(&found)).map_err(kube::Error::SerdeError)?;
                api.patch(name, &PatchParams::default(), &Patch::Json::<()>(patch)).await
            };
            within_deadline(patched).await.map(Some)
        }
        Change::Apply | Change::Leave => {
            let mut object = applied(target, &found);
            object.metadata.owner_references.take_if(|_| change == Change::Leave);
            let patch = Patch::Apply(&object);
            within_deadline(api.patch(name, &PatchParams::apply(FIELD_MANAGER), &patch)).await.map(|_| None)
        }
        Change::Delete => {
            let ObjectMeta { uid, resource_version, .. } = found.metadata;
            let preconditions = Some(Preconditions { uid, resource_version });
            let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
            within_deadline(api.delete(name, &parameters)).await.map(|_| None)
        }
    }
}

/// What has to be done to an object that was found so.
fn change(target: &Target<'_>, found: Option<&DynamicObject>) -> Change {
    let needs_it = target.data.values().any(Option::is_some);
    let Some(found) = found else { return if needs_it { Change::Create } else { Change::None } };
    let owners = found.metadata.owner_references.iter().flatten();
    if owners.clone().all(|owner| owner.uid != target.owner.uid) {
        return if needs_it { Change::Refuse } else { Change::None };
    }
    if entries(found).any(|entry| !is_applied(entry)) {
        return Change::HandOver;
    }
    let (wanted, own) = (wanted(target, found), own_keys(found));
    if wanted.is_empty() {
        let of_others = |part: &str| keys(found, part).any(|key| part != "data" || !own.contains(key));
        return if of_others("data") || of_others("binaryData") { Change::Leave } else { Change::Delete };
    }
    let is_there = |(key, text): (&&str, &String)| stored(found, key) == Some(text);
    if wanted.keys().copied().eq(own) && wanted.iter().all(is_there) { Change::None } else { Change::Apply }
}

/// The keys of this resource with their texts as the API server stores them.
fn wanted<'a>(target: &Target<'a>, found: &DynamicObject) -> BTreeMap<&'a str, String> {
    let own = own_keys(found);
    let texts = target.data.iter().filter_map(|(key, text)| {
        let stays = || stored(found, key).filter(|_| own.contains(key.as_str())).map(str::to_owned);
        let text = text.as_ref().map_or_else(stays, |text| Some(encoded(target.kind, text)))?;
        Some((key.as_str(), text))
    });
    texts.collect()
}

/// What is applied: for this very version of the object, if there is one.
fn applied(target: &Target<'_>, found: &DynamicObject) -> DynamicObject {
    let mut object = DynamicObject::new(target.name, &resource(target.kind));
    object.metadata.uid.clone_from(&found.metadata.uid);
    object.metadata.resource_version.clone_from(&found.metadata.resource_version);
    object.metadata.owner_references = Some(vec![target.owner.clone()]);
    object.data = json!({"data": wanted(target, found)});
    object
}

/// The JSON patch that makes what a create wrote the apply's, so that an apply without a key removes it.
fn handed_over(found: &DynamicObject) -> Value {
    let is_there = entries(found).any(is_applied);
    let mut all = found.metadata.managed_fields.clone().unwrap_or_default();
    all.retain(|entry| !is_there || !is_own(entry) || is_applied(entry));
    for entry in all.iter_mut().filter(|entry| is_own(entry)) {
        entry.operation = Some(APPLY.to_owned());
    }
    json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": found.metadata.resource_version},
        {"op": "replace", "path": "/metadata/managedFields", "value": all},
    ])
}

const APPLY: &str = "Apply";

/// What `managedFields` says of this writer.
fn entries(object: &DynamicObject) -> impl Iterator<Item = &ManagedFieldsEntry> {
    object.metadata.managed_fields.iter().flatten().filter(|entry| is_own(entry))
}

fn is_own(entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(FIELD_MANAGER)
}

fn is_applied(entry: &ManagedFieldsEntry) -> bool {
    entry.operation.as_deref() == Some(APPLY)
}

/// The keys that an apply without them would remove.
fn own_keys(object: &DynamicObject) -> BTreeSet<&str> {
    let applied = entries(object).filter(|entry| is_applied(entry));
    let fields = applied.filter_map(|entry| entry.fields_v1.as_ref()?.0.get("f:data")?.as_object());
    fields.flat_map(Map::keys).filter_map(|field| field.strip_prefix("f:")).collect()
}

fn keys<'a>(object: &'a DynamicObject, part: &str) -> impl Iterator<Item = &'a str> {
    let part = object.data.get(part).and_then(Value::as_object);
    part.into_iter().flat_map(Map::keys).map(String::as_str)
}

fn stored<'a>(object: &'a DynamicObject, key: &str) -> Option<&'a str> {
    object.data.get("data")?.get(key)?.as_str()
}

/// A text as an object of this kind stores it.
fn encoded(kind: TargetKind, text: &str) -> String {
    match kind {
        TargetKind::ConfigMap => text.to_owned(),
        TargetKind::Secret => BASE64_STANDARD.encode(text),
    }
}

fn resource(kind: TargetKind) -> ApiResource {
    match kind {
        TargetKind::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
        TargetKind::Secret => ApiResource::erase::<Secret>(&()),
    }
}

fn title(target: &Target<'_>) -> String {
    format!("{} {}", target.kind.as_str(), target.name)
}

fn foreign(target: &Target<'_>) -> Failure {
    let message = format!(
        "the {} exists and does not belong to this resource, so the operator does not change it: choose another name in spec.outputsTo, or delete it",
        title(target)
    );
    Failure::new(Reason::OutputConflict, message)
}

#[cfg(test)]
mod tests;
