//! What is said of nulls that were dropped on the way: a note at the end of the Ready message.
//!
//! The note is recognised by its beginning, so that it can be brought up to date without a look at Auth0
//! when only kubectl's annotation has changed.

use super::conditions::READY;
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus};
use crate::plan::{dropped_nulls, explicit_nulls};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

const BEGINNING: &str = "kubectl apply dropped ";
/// Where it was not kubectl, or where kubectl does not say so.
const OTHER_BEGINNING: &str = "nulls were dropped from ";
/// More names than these make a message no clearer.
const MOST_NAMES: usize = 10;

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

/// Whether status names the explicit nulls that the spec has now.
#[must_use]
pub fn is_remembered(object: &Auth0UserUpdate) -> bool {
    explicit_nulls(&object.spec).iter().all(|name| object.remembered_nulls().contains(name))
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
    let message = without_note(message).to_owned();
    Some(message).into_iter().chain(blanks).chain(values).chain(lost).collect::<Vec<_>>().join("; ")
}

fn names(fields: &[String]) -> Option<String> {
    let named = fields.get(..MOST_NAMES).unwrap_or(fields).join(", ");
    match fields.len().saturating_sub(MOST_NAMES) {
        0 => (!fields.is_empty()).then_some(named),
        more => Some(format!("{named} and {more} more")),
    }
}
