//! Events: what `kubectl describe` tells. Only on a real update and on the way into a failure.

use super::conclude::{Outcome, too_large};
use super::conditions::{self, READY};
use super::kubernetes::{FIELD_MANAGER, within_deadline};
use super::tenant::IDP_TOKENS;
use super::{dropped, fit};
use crate::api::{Auth0TenantStatus, Auth0UserUpdateSpec, Auth0UserUpdateStatus};
use crate::reason::Reason;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};

/// Longest note that the events API takes, in bytes.
const LONGEST_NOTE: usize = 1000;

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

/// The events that a look at a tenant is worth. Pure.
#[must_use]
pub fn announce_tenant(previous: &Auth0TenantStatus, next: &Auth0TenantStatus) -> Vec<Event> {
    let is_excessive = |status: &Auth0TenantStatus| status.scopes.iter().any(|scope| scope == IDP_TOKENS);
    let excessive = (is_excessive(next) && !is_excessive(previous)).then(|| {
        warning(
            "ExcessiveScope",
            &format!("the token has the scope {IDP_TOKENS}, which the operator does not need: take it from the application"),
        )
    });
    failed(&previous.conditions, &next.conditions, false).into_iter().chain(excessive).collect()
}

/// A warning on the way into a failure, and where `is_more` fails. A password that waits for its turn is none.
fn failed(previous: &[Condition], next: &[Condition], is_more: bool) -> Option<Event> {
    let (before, ready) = (conditions::find(previous, READY), conditions::find(next, READY)?);
    let is_new = before.is_none_or(|before| before.status != "False" || before.reason != ready.reason);
    let is_failure = ready.status == "False" && ready.reason != Reason::PasswordPending.as_str();
    (is_failure && (is_new || is_more)).then(|| warning(&ready.reason, dropped::without_note(&ready.message)))
}

/// Publishes events. An event that cannot be published is only told in the log: it decides nothing.
///
/// A recorder folds events of one reason into the first one's note, which would hide what a second update
/// did, so each publication has a recorder of its own.
pub async fn publish(client: &Client, about: &ObjectReference, events: Vec<Event>) {
    if events.is_empty() {
        return;
    }
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: None };
    let recorder = Recorder::new(client.clone(), reporter);
    for event in events {
        if let Err(error) = within_deadline(recorder.publish(&event, about)).await {
            tracing::warn!(%error, reason = event.reason, "the event was not published");
        }
    }
}

/// A warning.
#[must_use]
pub fn warning(reason: &str, note: &str) -> Event {
    event(EventType::Warning, reason, note)
}

/// Two of them fit into a note.
fn list(fields: &[String]) -> String {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fit::list(&fields, LONGEST_NOTE / 2 - 50)
}

fn event(type_: EventType, reason: &str, note: &str) -> Event {
    let mut note = note.to_owned();
    note.truncate(note.floor_char_boundary(LONGEST_NOTE));
    Event { type_, reason: reason.to_owned(), note: Some(note), action: "Update".to_owned(), secondary: None }
}
