//! The streams of Auth0's events: for which hosts there is one, and since when it has missed nothing. Pure.

use crate::api::{Auth0Tenant, Drift, EventsState, TenantEvents};
use crate::auth0::EVENTS_SCOPE;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Auth0 ends a stream every few minutes; one that does not come back for longer has missed something.
const PATIENCE: Duration = Duration::from_mins(10);

/// One that fails is told of after this long.
const TOLD_AFTER: Duration = Duration::from_mins(1);

/// The streams by host.
#[derive(Default)]
pub struct Streams(Mutex<HashMap<String, Stream>>);

/// What is known of the stream of a host.
struct Stream {
    /// Nothing was missed since then.
    whole_since: Instant,
    /// It was last open then; now, where nothing is wrong.
    open_until: Option<Instant>,
    /// What is wrong.
    trouble: Option<(EventsState, String)>,
}

impl Streams {
    /// A stream is open. `resumes`: after the last event of the one before.
    pub fn opened(&self, host: &str, resumes: bool, now: Instant) {
        self.with(|streams| match streams.get_mut(host) {
            Some(known) if resumes && known.is_whole(now) => (known.open_until, known.trouble) = (None, None),
            Some(_) | None => {
                let opened = Stream { whole_since: now, open_until: None, trouble: None };
                streams.insert(host.to_owned(), opened);
            }
        });
    }

    /// It ended, or could not be opened for this reason.
    pub fn failed(&self, host: &str, trouble: Option<(EventsState, String)>, now: Instant) {
        self.with(|streams| {
            let new = Stream { whole_since: now, open_until: Some(now), trouble: None };
            let known = streams.entry(host.to_owned()).or_insert(new);
            known.open_until.get_or_insert(now);
            known.trouble = trouble.or(known.trouble.take());
        });
    }

    /// No stream is wanted.
    pub fn forget(&self, host: &str) {
        self.with(|streams| streams.remove(host));
    }

    /// For how long nothing was missed.
    #[must_use]
    pub fn whole_for(&self, host: &str, now: Instant) -> Duration {
        self.with(|streams| {
            let known = streams.get(host).filter(|known| known.is_whole(now));
            known.map_or(Duration::ZERO, |known| {
                known.open_until.unwrap_or(now).duration_since(known.whole_since)
            })
        })
    }

    /// What the status of a tenant says of them.
    #[must_use]
    pub fn status(&self, tenant: &Auth0Tenant, now: Instant) -> Option<TenantEvents> {
        let said = |state, message: &str| Some(TenantEvents { state, message: message.to_owned() });
        if tenant.spec.drift == Some(Drift::Resync) {
            return said(EventsState::Off, "spec.drift is Resync: drift is detected only by resyncs");
        }
        if !is_granted(tenant) {
            return said(
                EventsState::NotGranted,
                "the access token has no scope read:events: grant it to the application to have drift corrected within seconds",
            );
        }
        self.with(|streams| {
            let Some(known) = streams.get(&tenant.spec.domain) else { return before_a_restart(tenant) };
            let is_told = |until: Instant| now.duration_since(until) > TOLD_AFTER;
            match (&known.trouble, known.open_until) {
                (Some((state @ EventsState::Refused, message)), _) => said(*state, message),
                (Some((state, message)), Some(until)) if is_told(until) => said(*state, message),
                _ => said(EventsState::Connected, ""),
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<String, Stream>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What status says until the first try of this process, so that a restart alone changes nothing.
fn before_a_restart(tenant: &Auth0Tenant) -> Option<TenantEvents> {
    let told = tenant.status.as_ref()?.events.clone();
    told.filter(|events| !matches!(events.state, EventsState::Off | EventsState::NotGranted))
}

impl Stream {
    fn is_whole(&self, now: Instant) -> bool {
        self.open_until.is_none_or(|until| now.duration_since(until) < PATIENCE)
    }
}

/// Whether events are wanted, and the token has their scope.
#[must_use]
pub fn is_wanted(tenant: &Auth0Tenant) -> bool {
    tenant.spec.drift != Some(Drift::Resync) && is_granted(tenant)
}

fn is_granted(tenant: &Auth0Tenant) -> bool {
    let mut scopes = tenant.status.iter().flat_map(|status| &status.scopes);
    scopes.any(|scope| scope == EVENTS_SCOPE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tenant::fixtures::{ready, tenant_with};
    use serde_json::json;

    const HOST: &str = "example.auth0.com";
    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_stream_is_whole_from_its_first_opening_on_unless_events_are_missed() {
        let (streams, now) = (Streams::default(), Instant::now());
        assert_eq!(streams.whole_for(HOST, now), Duration::ZERO);
        streams.opened(HOST, false, now);
        streams.failed(HOST, None, now + 5 * MINUTE);
        streams.opened(HOST, true, now + 6 * MINUTE);
        assert_eq!(streams.whole_for(HOST, now + 60 * MINUTE), 60 * MINUTE);
        // Auth0 does not have the offset any more.
        streams.opened(HOST, false, now + 60 * MINUTE);
        assert_eq!(streams.whole_for(HOST, now + 61 * MINUTE), MINUTE);
        streams.failed(HOST, None, now + 70 * MINUTE);
        assert_eq!(streams.whole_for(HOST, now + 81 * MINUTE), Duration::ZERO);
        streams.failed("never-open.auth0.com", None, now);
        assert_eq!(streams.whole_for("never-open.auth0.com", now + 5 * MINUTE), Duration::ZERO);
        streams.opened(HOST, true, now + 90 * MINUTE);
        assert_eq!(streams.whole_for(HOST, now + 91 * MINUTE), MINUTE, "away for too long");
    }

    #[test]
    fn the_status_says_connected_or_why_not() {
        let (streams, now) = (Streams::default(), Instant::now());
        let mut status = ready(1, "1");
        let tenant = |status: &serde_json::Value, spec: serde_json::Value| tenant_with("t", status, &spec);
        let state = |status: &serde_json::Value, spec, now| {
            streams.status(&tenant(status, spec), now).map(|events| events.state)
        };
        assert_eq!(state(&status, json!({}), now), Some(EventsState::NotGranted));
        status["scopes"] = json!(["read:users", "read:events"]);
        assert_eq!(state(&status, json!({"drift": "Resync"}), now), Some(EventsState::Off));
        assert_eq!(state(&status, json!({}), now), None, "not tried yet");
        for (before, kept) in [("Connected", Some(EventsState::Connected)), ("NotGranted", None)] {
            let mut restarted = status.clone();
            restarted["events"] = json!({"state": before, "message": ""});
            assert_eq!(state(&restarted, json!({}), now), kept);
        }
        streams.opened(HOST, false, now);
        assert_eq!(state(&status, json!({}), now), Some(EventsState::Connected));
        streams.failed(HOST, Some((EventsState::Disconnected, "away".to_owned())), now);
        assert_eq!(
            state(&status, json!({}), now + MINUTE / 2),
            Some(EventsState::Connected),
            "it comes back"
        );
        assert_eq!(state(&status, json!({}), now + 2 * MINUTE), Some(EventsState::Disconnected));
        streams.failed(HOST, Some((EventsState::Refused, "one too many".to_owned())), now);
        assert_eq!(state(&status, json!({}), now), Some(EventsState::Refused));
    }
}
