//! What is said of nulls that `kubectl apply` dropped: a note at the end of the Ready message.
//!
//! The note is recognised by its beginning, so that it can be brought up to date without a look at Auth0
//! when only kubectl's annotation has changed.

use super::conditions::READY;
use crate::api::Auth0UserUpdate;
use crate::plan::dropped_nulls;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

const BEGINNING: &str = "kubectl apply dropped the null of ";
const ENDING: &str = ", so it is not cleared: list it in spec.clear, or use kubectl apply --server-side";
/// More names than these make a message no clearer.
const MOST_NAMES: usize = 10;

/// The note in a message.
#[must_use]
pub fn note(message: &str) -> Option<&str> {
    message.find(BEGINNING).map(|start| &message[start..])
}

/// A message as it is without the note.
#[must_use]
pub fn without_note(message: &str) -> &str {
    message.find(BEGINNING).map_or(message, |start| message[..start].trim_end_matches("; "))
}

/// Brings the note in the Ready condition up to date.
pub fn tell(conditions: &mut [Condition], object: &Auth0UserUpdate) {
    for ready in conditions.iter_mut().filter(|condition| condition.type_ == READY) {
        ready.message = noted(&ready.message, object);
    }
}

/// Whether the Ready condition, if there is one, says what is to be said.
#[must_use]
pub fn is_told(object: &Auth0UserUpdate) -> bool {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions.iter().filter(|condition| condition.type_ == READY).all(|ready| {
        let message = &ready.message;
        *message == noted(message, object)
    })
}

fn noted(message: &str, object: &Auth0UserUpdate) -> String {
    let message = without_note(message);
    let fields =
        object.last_applied_spec().map_or_else(Vec::new, |applied| dropped_nulls(&object.spec, &applied));
    if fields.is_empty() {
        return message.to_owned();
    }
    let more = fields.len().saturating_sub(MOST_NAMES);
    let mut names = fields[..fields.len() - more].join(", ");
    if more > 0 {
        names = format!("{names} and {more} more");
    }
    format!("{message}; {BEGINNING}{names}{ENDING}")
}
