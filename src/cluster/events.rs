//! Events: what `kubectl describe` tells.

use crate::cluster::client::{FIELD_MANAGER, within_deadline};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube_runtime::events::{Event, EventType, Recorder, Reporter};

/// Longest note that the events API takes, in bytes.
pub const LONGEST_NOTE: usize = 1000;

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
            tracing::warn!(%error, reason = event.reason, "could not publish the event");
        }
    }
}

/// A warning.
#[must_use]
pub fn warning(reason: &str, note: &str) -> Event {
    event(EventType::Warning, reason, note)
}

/// An event; a note that is too long is cut.
#[must_use]
pub fn event(type_: EventType, reason: &str, note: &str) -> Event {
    let mut note = note.to_owned();
    note.truncate(note.floor_char_boundary(LONGEST_NOTE));
    Event { type_, reason: reason.to_owned(), note: Some(note), action: "Update".to_owned(), secondary: None }
}
