//! Events: what `kubectl describe` tells of a resource that status alone does not show.

use crate::api::conditions::{self, READY, SYNCED};
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
    if let Some(outcome) = outcome.filter(|outcome| outcome.changed_auth0() && !is_edit(previous, next)) {
        let is_correction = |field: &&String| outcome.corrected.contains(field);
        for (reason, corrects) in [("Updated", false), ("DriftCorrected", true)] {
            let of = |fields: &[String]| -> Vec<String> {
                fields.iter().filter(|field| is_correction(field) == corrects).cloned().collect()
            };
            let parts = [("set", of(&outcome.sent)), ("cleared", of(&outcome.cleared))];
            let parts = parts.iter().filter(|(_, fields)| !fields.is_empty());
            let note: Vec<String> = parts.map(|(verb, fields)| format!("{verb} {}", list(fields))).collect();
            events.extend((!note.is_empty()).then(|| event(EventType::Normal, reason, &note.join("; "))));
        }
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
    events.extend(synced(&previous.conditions, &next.conditions, events.is_empty()));
    events
}

/// An edit of a resource that was Ready, and still is. `status.lastUpdate` tells it: an event would double what an edit
/// writes to Kubernetes.
fn is_edit(previous: &Auth0UserUpdateStatus, next: &Auth0UserUpdateStatus) -> bool {
    let was_ready = |status: &Auth0UserUpdateStatus| {
        conditions::is_ready(&status.conditions, status.observed_generation.unwrap_or_default())
    };
    previous.observed_generation != next.observed_generation && was_ready(previous) && was_ready(next)
}

/// A warning about integers that may have been rounded. Pure.
#[must_use]
pub fn inexact_integers(spec: &Auth0UserUpdateSpec) -> Option<Event> {
    let fields = spec.inexact_integers();
    (!fields.is_empty()).then(|| {
        let fields = list(&fields);
        warning(
            "InexactInteger",
            &format!("many tools round integers of 2^53 or more: quote those in {fields}"),
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

/// Where Synced alone changes, and nothing else of the pass is told; and where other fields than before are contested.
fn synced(previous: &[Condition], next: &[Condition], is_alone: bool) -> Option<Event> {
    let says = |conditions, type_| {
        conditions::find(conditions, type_).map(|known| (known.status.clone(), known.reason.clone()))
    };
    let (before, synced) = (conditions::find(previous, SYNCED)?, conditions::find(next, SYNCED)?);
    let is_contested = synced.reason == Reason::Contested.as_str();
    let is_new = is_alone
        && says(previous, SYNCED) != says(next, SYNCED)
        && says(previous, READY) == says(next, READY);
    let is_expected = synced.status == "True" || synced.reason == Reason::Paused.as_str();
    let type_ = if is_expected { EventType::Normal } else { EventType::Warning };
    (is_new || is_contested && before.message != synced.message)
        .then(|| event(type_, &synced.reason, &synced.message))
}

/// Two of them fit into a note.
fn list(fields: &[String]) -> String {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    fit::list(&fields, LONGEST_NOTE / 2 - 50)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::{Saying, set};
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{from_value, json};

    const EPOCH: &str = "1970-01-01T00:00:00Z";

    fn status(generation: i64, ready: &'static str, reason: &str) -> Auth0UserUpdateStatus {
        let mut status = Auth0UserUpdateStatus {
            observed_generation: Some(generation),
            ..Auth0UserUpdateStatus::default()
        };
        let saying = Saying { status: ready, reason, message: "one sentence" };
        set(&mut status.conditions, READY, &saying, generation, Timestamp::UNIX_EPOCH);
        status
    }

    fn told(previous: &Auth0UserUpdateStatus, next: &Auth0UserUpdateStatus, sent: &[&str]) -> Vec<String> {
        let sent = sent.iter().copied().map(String::from).collect();
        let outcome = Outcome { sent, ..Outcome::default() };
        let events = announce(previous, next, Some(&outcome)).into_iter();
        events.map(|event| format!("{} {}", event.reason, event.note.unwrap())).collect()
    }

    #[test]
    fn what_was_sent_is_told_except_of_an_edit_of_what_was_ready() {
        let applied = |generation| status(generation, "True", "Applied");
        let never = Auth0UserUpdateStatus::default();
        let failed = status(1, "False", "UserNotFound");
        for (what, previous, next, is_told) in [
            ("first apply", &never, applied(1), true),
            ("repair of drift, or a new password", &applied(1), applied(1), true),
            ("retry", &failed, applied(1), true),
            ("edit that mends a failure", &failed, applied(2), true),
            ("edit", &applied(1), applied(2), false),
        ] {
            let expected: &[&str] = if is_told { &["Updated set name"] } else { &[] };
            assert_eq!(told(previous, &next, &["name"]), expected, "{what}");
            assert!(told(previous, &next, &[]).is_empty(), "{what}, with nothing sent");
        }
        let next = status(2, "False", "AlreadyExists");
        let expected = ["Updated set name", "AlreadyExists one sentence"];
        assert_eq!(told(&applied(1), &next, &["name"]), expected, "an edit of which a part is rejected");
    }

    #[test]
    fn drift_that_was_corrected_is_an_event_of_its_own() {
        let applied = status(1, "True", "Applied");
        let texts = |texts: &[&str]| texts.iter().copied().map(String::from).collect::<Vec<_>>();
        let outcome = Outcome {
            sent: texts(&["passwordSecretRef", "name"]),
            cleared: texts(&["nickname"]),
            corrected: texts(&["name", "nickname"]),
            ..Outcome::default()
        };
        let events = announce(&applied, &applied, Some(&outcome)).into_iter();
        let told: Vec<_> = events.map(|event| (event.reason, event.note.unwrap())).collect();
        let expected =
            [("Updated", "set passwordSecretRef"), ("DriftCorrected", "set name; cleared nickname")];
        assert_eq!(told, expected.map(|(reason, note)| (reason.to_owned(), note.to_owned())));
    }

    #[test]
    fn synced_is_told_where_it_alone_changes() {
        let with = |ready: (&'static str, &str), synced: (&'static str, &str)| {
            let mut status = status(1, ready.0, ready.1);
            let saying = Saying { status: synced.0, reason: synced.1, message: "because" };
            set(&mut status.conditions, SYNCED, &saying, 1, Timestamp::UNIX_EPOCH);
            status
        };
        let (applied, in_sync) = (("True", "Applied"), ("True", "InSync"));
        let gone = ("Unknown", "TenantNotFound");
        for (before, next, expected) in [
            ((applied, in_sync), (applied, gone), Some(EventType::Warning)),
            ((applied, gone), (applied, in_sync), Some(EventType::Normal)),
            ((applied, in_sync), (applied, ("Unknown", "Paused")), Some(EventType::Normal)),
            (
                (("True", "Observed"), in_sync),
                (("True", "Observed"), ("False", "DriftFound")),
                Some(EventType::Warning),
            ),
            ((applied, in_sync), (applied, in_sync), None),
            ((("Unknown", "Paused"), gone), (applied, in_sync), None),
        ] {
            let (before, next) = (with(before.0, before.1), with(next.0, next.1));
            let told = synced(&before.conditions, &next.conditions, true).map(|event| event.type_);
            assert_eq!(told, expected, "{next:?}");
        }
        let first = synced(&[], &with(applied, in_sync).conditions, true);
        assert!(first.is_none(), "the first check tells by Ready");
    }

    #[test]
    fn a_failure_is_told_on_the_way_in_and_where_it_grows() {
        let failing = |generation, fields: &[&str]| {
            let refused =
                |field| json!({"field": field, "reason": "AlreadyExists", "message": "", "since": EPOCH});
            let refused_fields = fields.iter().map(|field| from_value(refused(field)).unwrap()).collect();
            Auth0UserUpdateStatus { refused_fields, ..status(generation, "False", "AlreadyExists") }
        };
        let before = failing(1, &["email"]);
        for (next, is_told) in [
            (failing(1, &["email"]), false),
            (failing(2, &["email"]), false),
            (failing(2, &["email", "username"]), true),
            (status(1, "False", "InvalidRequest"), true),
            (status(1, "False", "PasswordPending"), false),
            (status(1, "True", "Applied"), false),
        ] {
            assert_eq!(told(&before, &next, &[]).len(), usize::from(is_told), "{next:?}");
        }
    }
}
