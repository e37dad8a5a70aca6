//! What is said of nulls that were dropped on the way: a note at the end of the Ready message.
//!
//! The note is recognised by its beginning, so that it can be brought up to date without a look at Auth0
//! when only kubectl's annotation has changed.

use crate::api::conditions::READY;
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus};
use crate::plan::{dropped_nulls, is_of_absent_map, remembered_nulls};
use crate::reconcile::status::fit;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use std::collections::BTreeSet;

const BEGINNING: &str = "kubectl apply dropped ";
/// Where it was not kubectl, or where kubectl does not say so.
const OTHER_BEGINNING: &str = "nulls were dropped from ";
/// The names in one sentence of it, in bytes: a condition's message may be 32 KiB long.
const LONGEST_NAMES: usize = 512;

/// The note in a message.
#[must_use]
pub fn note(message: &str) -> Option<&str> {
    start(message).map(|start| &message[start..])
}

/// A message as it is without the note.
#[must_use]
pub fn without_note(message: &str) -> &str {
    start(message).map_or(message, |start| message[..start].trim_end_matches("; "))
}

fn start(message: &str) -> Option<usize> {
    [BEGINNING, OTHER_BEGINNING].into_iter().filter_map(|beginning| message.find(beginning)).min()
}

/// Takes the note out of the Ready condition.
pub fn untell(conditions: &mut [Condition]) {
    for ready in conditions.iter_mut().filter(|condition| condition.type_ == READY) {
        ready.message.truncate(without_note(&ready.message).len());
    }
}

/// Brings the note in the Ready condition up to date.
pub fn tell(status: &mut Auth0UserUpdateStatus, object: &Auth0UserUpdate) {
    let Auth0UserUpdateStatus { conditions, explicit_nulls, .. } = status;
    for ready in conditions.iter_mut().filter(|condition| condition.type_ == READY) {
        ready.message = noted(&ready.message, object, explicit_nulls);
    }
}

/// Whether the Ready condition, if there is one, says what is to be said.
#[must_use]
pub fn is_told(object: &Auth0UserUpdate) -> bool {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().filter(|condition| condition.type_ == READY).all(|ready| {
        let message = &ready.message;
        *message == noted(message, object, object.remembered_nulls())
    })
}

/// The nulls of one resource that this process knows of, whatever became of its status writes.
#[derive(Debug, Default)]
pub struct Nulls {
    /// As status is to name them.
    pub names: Vec<String>,
    /// The API server does not keep them.
    pub is_pruned: bool,
    /// What status still names of those that a later spec made void.
    forgotten: Vec<String>,
    generation: i64,
}

impl Nulls {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.forgotten.is_empty() && !self.is_pruned
    }

    /// Takes in a version of the object. `is_whole` where it is not of a cache, which lacks the maps that kubectl is
    /// about to remove.
    pub fn see(&mut self, object: &Auth0UserUpdate, is_whole: bool) {
        let generation = object.metadata.generation.unwrap_or_default();
        if generation < self.generation {
            // The cache is behind: the later spec may have lost these, and an earlier one makes nothing void.
            self.names.extend(remembered_nulls(&object.spec, &[]));
            self.names.sort();
            self.names.dedup();
            return;
        }
        let is_whole = is_whole || object.last_applied().is_none();
        let status = object.remembered_nulls();
        let mut known = self.names.clone();
        known.extend(status.iter().filter(|name| !self.forgotten.contains(name)).cloned());
        let mut names: BTreeSet<String> = remembered_nulls(&object.spec, &known).into_iter().collect();
        names.extend(known.into_iter().filter(|name| !is_whole && is_of_absent_map(&object.spec, name)));
        self.forgotten = status.iter().filter(|name| !names.contains(*name)).cloned().collect();
        let names: Vec<String> = names.into_iter().collect();
        self.is_pruned &= names == self.names;
        (self.names, self.generation) = (names, generation);
    }
}

fn noted(message: &str, object: &Auth0UserUpdate, remembered: &[String]) -> String {
    let dropped = dropped_nulls(&object.spec, object.last_applied_nulls().as_ref(), remembered);
    let blanks = names(&dropped.blanks).map(|fields| {
        format!("{BEGINNING}the null of {fields}, so it is not cleared: list it in spec.clear, or use kubectl apply --server-side")
    });
    let values = names(&dropped.values).map(|fields| {
        format!("{BEGINNING}a null inside {fields}, so it is not sent: use kubectl apply --server-side")
    });
    let lost = names(&dropped.lost).map(|fields| {
        format!("{OTHER_BEGINNING}{fields}, so what is left of it is not sent: to clear it, write spec.clear: [{fields}]; to bring the nulls back, use kubectl apply --server-side")
    });
    let rests = names(&dropped.rests).map(|fields| {
        format!("{OTHER_BEGINNING}{fields}, so what may be left of it is not sent: to send it as it is, remove it from the spec, apply, and write it again; to clear it, move its name to spec.clear; to bring the nulls back, use kubectl apply --server-side")
    });
    let message = without_note(message).to_owned();
    Some(message)
        .into_iter()
        .chain(blanks)
        .chain(values)
        .chain(lost)
        .chain(rests)
        .collect::<Vec<_>>()
        .join("; ")
}

fn names(fields: &[String]) -> Option<String> {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    (!fields.is_empty()).then(|| fit::list(&fields, LONGEST_NAMES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::LAST_APPLIED_ANNOTATION;
    use kube::ResourceExt as _;
    use serde_json::{Value, json};

    /// A version with this `userMetadata`, whose status names these nulls.
    fn version(generation: i64, metadata: &Value, status: &[&str]) -> Auth0UserUpdate {
        let mut object = json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
            "metadata": {"name": "a", "namespace": "n", "generation": generation},
            "spec": {"tenantRef": {"name": "t"}, "passEmptyValues": "Yes", "userId": "auth0|a"},
            "status": {"explicitNulls": status},
        });
        if !metadata.is_null() {
            object["spec"]["userMetadata"] = metadata.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    /// What is known after the cache brought these maps one after the other, and no status was written.
    fn known(maps: &Value, status: &[&str]) -> Vec<String> {
        let mut nulls = Nulls::default();
        for (generation, map) in (1..).zip(maps.as_array().unwrap()) {
            nulls.see(&version(generation, map, status), false);
        }
        nulls.names
    }

    #[test]
    fn a_null_is_known_that_no_status_names() {
        assert_eq!(known(&json!([{"plan": null}, {}]), &[]), ["userMetadata.plan"]);
    }

    #[test]
    fn a_spec_between_makes_a_null_void_whatever_status_still_names() {
        for status in [&[][..], &["userMetadata.plan"]] {
            assert_eq!(known(&json!([{"plan": null}, {"x": 1}, {}]), status), [""; 0]);
            assert_eq!(known(&json!([{"a": null}, {"b": null}, {"c": null}]), status), ["userMetadata.c"]);
        }
    }

    #[test]
    fn of_a_map_that_a_cache_may_lack_nothing_is_forgotten() {
        let applied = json!({"spec": {"nickname": "a"}}).to_string();
        for (is_whole, applied, known) in [
            (false, Some(&applied), &["userMetadata.plan"][..]),
            (false, None, &[]),
            (true, Some(&applied), &[]),
        ] {
            let mut nulls = Nulls::default();
            for (generation, map) in [(1, json!({"plan": null})), (2, Value::Null), (3, json!({}))] {
                let mut object = version(generation, &map, &[]);
                object
                    .annotations_mut()
                    .extend(applied.map(|text| (LAST_APPLIED_ANNOTATION.to_owned(), text.clone())));
                nulls.see(&object, is_whole);
            }
            assert_eq!(nulls.names, known);
        }
    }

    #[test]
    fn a_cache_that_is_behind_makes_nothing_void() {
        let mut nulls = Nulls::default();
        for (generation, map) in [(4, json!({"plan": null})), (3, json!({"x": 1})), (4, json!({}))] {
            nulls.see(&version(generation, &map, &[]), true);
            assert_eq!(nulls.names, ["userMetadata.plan"]);
        }
        // It brings what a later spec has lost.
        let mut nulls = Nulls::default();
        for (generation, map) in [(3, json!({})), (2, json!({"plan": null})), (3, json!({}))] {
            nulls.see(&version(generation, &map, &[]), true);
        }
        assert_eq!(nulls.names, ["userMetadata.plan"]);
    }

    #[test]
    fn names_of_any_number_and_length_leave_the_message_room() {
        let fields: Vec<String> = (0..100).map(|number| format!("userMetadata.key{number:02}")).collect();
        let told = names(&fields).unwrap();
        assert!(told.len() < 600 && told.ends_with(" more"), "{told}");
        assert_eq!(names(&["k".repeat(100_000)]).unwrap(), "1 with long names");
        assert_eq!(names(&fields[..2]).unwrap(), "userMetadata.key00, userMetadata.key01");
        assert_eq!(names(&[]), None);
    }

    #[test]
    fn a_value_that_may_be_a_rest_is_told_with_the_way_out() {
        let object = version(2, &json!({"prefs": {"theme": "dark", "tags": []}}), &[]);
        let message = noted("all is applied", &object, &["inside userMetadata.prefs".to_owned()]);
        assert_eq!(without_note(&message), "all is applied");
        let way_out = "nulls were dropped from userMetadata.prefs, so what may be left of it is not sent: to send it as it is, remove it from the spec, apply, and write it again";
        assert!(message.contains(way_out), "{message}");
    }
}
