//! Events: what `kubectl describe` tells. Only on a real update and on the way into a failure.

use crate::api::conditions::{self, READY};
use crate::api::reason::Reason;
use crate::api::{Auth0UserUpdateSpec, Auth0UserUpdateStatus};
use crate::cluster::events::{LONGEST_NOTE, event, warning};
use crate::reconcile::status::conclude::too_large;
use crate::reconcile::status::outcome::Outcome;
use crate::reconcile::status::{dropped, fit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_runtime::events::{Event, EventType};

/// The events that a pass is worth. Pure.
#[must_use]
pub fn announce(
    previous: &Auth0UserUpdateStatus,
    next: &Auth0UserUpdateStatus,
    outcome: Option<&Outcome>,
) -> Vec<Event> {
    let mut events = Vec::new();
    if let Some(outcome) = outcome.filter(|outcome| outcome.changed_auth0()) {
        let mut parts = Vec::new();
        if !outcome.sent.is_empty() {
            parts.push(format!("set {}", list(&outcome.sent)));
        }
        if !outcome.cleared.is_empty() {
            parts.push(format!("cleared {}", list(&outcome.cleared)));
        }
        events.push(event(EventType::Normal, "Updated", &parts.join("; ")));
    }
    let (before, ready) =
        (conditions::find(&previous.conditions, READY), conditions::find(&next.conditions, READY));
    let dropped = ready.and_then(|ready| dropped::note(&ready.message));
    if let Some(note) = dropped
        && dropped != before.and_then(|before| dropped::note(&before.message))
    {
        events.push(warning("NullDropped", note));
    }
    let is_told =
        previous.profile_kilobytes.is_some() && previous.observed_generation == next.observed_generation;
    let kilobytes = next.profile_kilobytes.filter(|_| !is_told);
    events.extend(kilobytes.map(|kilobytes| warning("ProfileTooLarge", &too_large(kilobytes))));
    let was_refused = |field: &str| previous.refused_fields.iter().any(|refused| refused.field == field);
    let is_more = next.refused_fields.iter().any(|refused| !was_refused(&refused.field));
    events.extend(failed(&previous.conditions, &next.conditions, is_more));
    events
}

/// A warning about integers that may have been rounded. Pure.
#[must_use]
pub fn inexact_integers(spec: &Auth0UserUpdateSpec) -> Option<Event> {
    let fields = spec.inexact_integers();
    (!fields.is_empty()).then(|| {
        let fields = list(&fields);
        warning(
            "InexactInteger",
            &format!("Auth0 and many tools round integers of 2^53 or more: quote those in {fields}"),
        )
    })
}

/// A warning on the way into a failure, and where `is_more` fails. A password that waits for its turn is none.
#[must_use]
pub fn failed(previous: &[Condition], next: &[Condition], is_more: bool) -> Option<Event> {
    let (before, ready) = (conditions::find(previous, READY), conditions::find(next, READY)?);
    let is_new = before.is_none_or(|before| before.status != "False" || before.reason != ready.reason);
    let is_failure = ready.status == "False" && ready.reason != Reason::PasswordPending.as_str();
    (is_failure && (is_new || is_more)).then(|| warning(&ready.reason, dropped::without_note(&ready.message)))
}

/// Two of them fit into a note.
fn list(fields: &[String]) -> String {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fit::list(&fields, LONGEST_NOTE / 2 - 50)
}
