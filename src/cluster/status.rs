//! Status writes: the fields that change, on the version that they were computed from. What another version of the
//! operator keeps in a status stays.

use crate::cluster::client::{Error, FIELD_MANAGER, within_deadline};
use kube::api::{Api, Patch, PatchParams};
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Debug;
use tracing::Span;

/// Writes what the status of `after` has otherwise than that of `before`, which is as the API server last answered it.
///
/// # Errors
/// 409 where there is a later version; see [`Error`].
#[tracing::instrument(name = "write status", skip_all, fields(
    otel.kind = "client",
    http.response.status_code,
    otel.status_code,
))]
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
    let written = within_deadline(written).await;
    if let Err(error) = &written {
        let span = Span::current();
        span.record("http.response.status_code", error.code());
        span.record("otel.status_code", "ERROR");
    }
    written
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
        (Value::Object(before), Value::Object(after)) => {
            in_object("/status", &before, &after, in_list, &mut operations);
        }
        (_, status) => operations.push(add("/status", &status)),
    }
    Ok(Value::Array(operations))
}

type Object = serde_json::Map<String, Value>;

/// Says how a field changes in place. Answers whether it could.
type InPlace = fn(&str, &Value, &Value, &mut Vec<Value>) -> bool;

fn in_object(path: &str, before: &Object, after: &Object, in_place: InPlace, operations: &mut Vec<Value>) {
    for (field, value) in after {
        let (path, known) = (format!("{path}/{field}"), before.get(field));
        if known != Some(value) && !known.is_some_and(|known| in_place(&path, known, value, operations)) {
            operations.push(add(&path, value));
        }
    }
    let gone = before.keys().filter(|field| !after.contains_key(*field));
    operations.extend(gone.map(|field| json!({"op": "remove", "path": format!("{path}/{field}")})));
}

/// The same for a list whose entries have names and stay in their order: what another version keeps in one of them stays.
fn in_list(path: &str, before: &Value, after: &Value, operations: &mut Vec<Value>) -> bool {
    let (Some(before), Some(after)) = (entries(before), entries(after)) else { return false };
    let names = |list: &[(&str, _)]| list.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>();
    let (known, wanted) = (names(&before), names(&after));
    let kept: Vec<_> = before.iter().filter(|(name, _)| wanted.contains(*name)).collect();
    let order = after.iter().filter(|(name, _)| known.contains(*name)).map(|(name, _)| name);
    if !order.eq(kept.iter().map(|(name, _)| name)) {
        return false;
    }
    let gone = before.iter().enumerate().filter(|(_, (name, _))| !wanted.contains(*name)).rev();
    operations.extend(gone.map(|(index, _)| json!({"op": "remove", "path": format!("{path}/{index}")})));
    let mut kept = kept.into_iter().peekable();
    for (index, (name, entry)) in after.into_iter().enumerate() {
        let path = format!("{path}/{index}");
        match kept.next_if(|(known, _)| *known == name) {
            Some((_, known)) => in_object(&path, known, entry, |_, _, _, _| false, operations),
            None => operations.push(add(&path, entry)),
        }
    }
    true
}

/// The entries of a list by what names them, where each has a name of its own.
fn entries(list: &Value) -> Option<Vec<(&str, &Object)>> {
    let entries = list.as_array()?.iter().map(|entry| {
        let entry = entry.as_object()?;
        let name = ["type", "name", "field"].into_iter().find_map(|key| entry.get(key)?.as_str())?;
        Some((name, entry))
    });
    let entries: Vec<_> = entries.collect::<Option<_>>()?;
    let names: BTreeSet<&str> = entries.iter().map(|(name, _)| *name).collect();
    (names.len() == entries.len()).then_some(entries)
}

fn add(path: &str, value: &impl Serialize) -> Value {
    json!({"op": "add", "path": path, "value": value})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Auth0UserUpdate, Trigger, TriggerState};
    use proptest::prelude::{Strategy, prop_assert_eq, proptest};

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

    #[test]
    fn what_another_version_keeps_in_an_entry_stays() {
        let entry = |name: &str, state: &str, more: Value| {
            let mut entry = json!({"name": name, "state": state, "digest": "d", "keyId": "k"});
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        let triggers = |triggers: Value| json!({"triggers": triggers});
        let later = entry("password", "Postponed", json!({"until": 7}));
        let stored =
            triggers(json!([entry("gone", "Sent", json!({})), later, entry("mail", "Sending", json!({}))]));
        let mut status = object(&stored).status.unwrap();
        status.triggers.remove(0);
        status.triggers[1].state = TriggerState::Sent;
        let first = Trigger { name: "first".to_owned(), ..status.triggers[1].clone() };
        status.triggers.insert(0, first);
        let after = Auth0UserUpdate { status: Some(status), ..object(&stored) };
        let mut document = json!({"metadata": {"resourceVersion": "7"}, "status": stored});
        let changes = changes(&object(&stored), &after).unwrap();
        json_patch::patch(&mut document, &serde_json::from_value::<json_patch::Patch>(changes).unwrap())
            .unwrap();
        let mail = entry("mail", "Sent", json!({}));
        assert_eq!(document["status"], triggers(json!([entry("first", "Sent", json!({})), later, mail])));
    }

    proptest! {
        #[test]
        fn a_patched_list_is_the_wanted_one(before in entries_of_some(), after in entries_of_some()) {
            let (before, after) = (json!({"list": before}), json!({"list": after}));
            let mut operations = Vec::new();
            in_object("", before.as_object().unwrap(), after.as_object().unwrap(), in_list, &mut operations);
            let mut patched = before.clone();
            let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
            json_patch::patch(&mut patched, &patch).unwrap();
            prop_assert_eq!(patched, after);
        }
    }

    /// Entries in any order, with few names, so that lists share some.
    fn entries_of_some() -> impl Strategy<Value = Vec<Value>> {
        let entry = ("[a-d]", 0..3).prop_map(|(name, value)| json!({"name": name, "value": value}));
        proptest::collection::vec(entry, 0..5)
    }
}
