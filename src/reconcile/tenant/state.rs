//! What this process remembers of each tenant between passes: what it has seen, and when to check again. Pure.

use crate::api::{Auth0Tenant, Auth0TenantStatus, SecretVersion, conditions};
use crate::reconcile::object::schedule;
use crate::reconcile::object::undecodable::Told;
use crate::reconcile::object::why::Why;
use crate::reconcile::tenant::conclude::{Failed, Findings, Listing};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How often the choices and the token's scopes are refreshed.
pub const REFRESH: Duration = Duration::from_hours(1);

/// How often the resources that use a tenant are counted, where it is lent to other namespaces.
const RECOUNT: Duration = Duration::from_mins(5);

/// One tenant between passes.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When to check again; `None` before the first sight.
    due: Option<Instant>,
    /// Checks in a row that failed.
    failures: u32,
    /// Status writes in a row that the API server did not take.
    unpublished: u32,
    /// The generation that was last checked; the cache may be behind it.
    generation: Option<i64>,
    /// The credentials that were last checked.
    credentials: Option<SecretVersion>,
    /// When to count its resources again.
    recount: Option<Instant>,
    /// Digest of their content, once it was read.
    content: Option<[u8; 32]>,
    /// What was told of an object that cannot be read.
    pub undecodable: Told,
}

/// A check that begins.
#[derive(Debug, PartialEq)]
pub struct Check {
    /// What it is for.
    pub why: Why,
    /// What Auth0 rejected before is another thing now.
    pub is_mended: bool,
}

impl State {
    /// The check that a tenant wants now, if any. `credentials`: the version of its Secret. At first sight, its status
    /// says what was checked last.
    pub fn begin(
        &mut self,
        tenant: &Auth0Tenant,
        credentials: Option<SecretVersion>,
        now: Instant,
    ) -> Option<Check> {
        let generation = tenant.metadata.generation.unwrap_or_default();
        let is_known = self.due.is_some();
        if !is_known {
            let status = tenant.status.as_ref();
            let is_ready = status.is_some_and(|status| conditions::is_ready(&status.conditions, generation));
            self.due = Some(if is_ready { now + schedule::somewhere_in(REFRESH) } else { now });
            self.generation = status.and_then(|status| status.observed_generation);
            self.credentials = status.and_then(|status| status.credentials.clone());
        }
        let why = if self.generation != Some(generation) {
            Why::Edited
        } else if self.credentials != credentials {
            Why::SecretChanged
        } else if self.until_check(now).is_zero() {
            Why::Due
        } else {
            return None;
        };
        let is_changed = why != Why::Due;
        if is_changed {
            self.failures = 0;
        }
        (self.generation, self.credentials) = (Some(generation), credentials);
        Some(Check { why, is_mended: is_changed && is_known })
    }

    /// Takes in what a check found, and decides when to check again. Answers whether the credentials have another
    /// content than before.
    pub fn end(
        &mut self,
        before: &Auth0TenantStatus,
        found: &Result<Findings, Failed>,
        now: Instant,
    ) -> bool {
        let (is_whole, asked) = match found {
            Ok(Findings { connections: Listing::Listed(_), .. }) => (true, None),
            Ok(Findings { connections: Listing::Later, .. }) => (false, None),
            Ok(Findings { connections: Listing::Failed(error), .. }) => (false, error.retry_after),
            Err(failed) => (false, failed.retry_after),
        };
        self.failures = if is_whole { 0 } else { self.failures.saturating_add(1) };
        let wait = if is_whole {
            schedule::spread(REFRESH, 0.1)
        } else {
            schedule::backoff(self.failures, Some(REFRESH)).max(asked.unwrap_or_default())
        };
        self.due = Some(now + wait);
        let Ok(findings) = found else { return false };
        self.credentials = Some(findings.credentials.clone());
        match self.content.replace(findings.content) {
            Some(known) => known != findings.content,
            // What is not known to this process is told by the version alone.
            None => before.credentials.as_ref().is_some_and(|known| *known != findings.credentials),
        }
    }

    /// Notes whether the API server took the status. Where it did not, the next check comes soon.
    pub fn published(&mut self, is_written: bool, now: Instant) {
        self.unpublished = if is_written { 0 } else { self.unpublished.saturating_add(1) };
        if !is_written {
            self.due = Some(now + schedule::backoff(self.unpublished, None));
        }
    }

    /// Whether to count the resources of a tenant now: with each check, and every few minutes. `is_lent`: to other
    /// namespaces.
    pub fn counts(&mut self, is_lent: bool, checked: bool, now: Instant) -> bool {
        if !is_lent {
            self.recount = None;
            return checked;
        }
        let counts = checked || self.recount.is_some_and(|recount| recount <= now);
        if counts || self.recount.is_none() {
            self.recount = Some(now + schedule::spread(RECOUNT, 0.2));
        }
        counts
    }

    /// How long nothing is to be done, unless something changes.
    #[must_use]
    pub fn rest(&self, now: Instant) -> Duration {
        let rest = self.until_check(now);
        self.recount.map_or(rest, |recount| rest.min(recount.saturating_duration_since(now)))
    }

    fn until_check(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }
}

/// The state of each tenant, by uid.
#[derive(Default)]
pub struct States(Mutex<HashMap<String, State>>);

impl States {
    /// The state of one tenant; an empty one where it is new.
    pub fn of(&self, uid: &str) -> State {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(uid.to_owned()).or_default().clone()
    }

    /// Keeps it for the next pass, unless the tenant has gone meanwhile.
    pub fn keep(&self, uid: &str, state: State) {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(uid) {
            *kept = state;
        }
    }

    /// After a list: forgets what is not in it.
    pub fn retain(&self, listed: &HashSet<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| listed.contains(uid));
    }

    /// Forgets a tenant that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reason::{Failure, Reason};
    use crate::auth0::Connections;
    use crate::reconcile::tenant::fixtures::{ready, tenant};
    use serde_json::{Value, json};

    fn version(number: &str) -> SecretVersion {
        SecretVersion { uid: "s".to_owned(), resource_version: number.to_owned() }
    }

    fn found(number: &str, content: u8, connections: Listing) -> Findings {
        Findings { credentials: version(number), content: [content; 32], scopes: None, connections }
    }

    fn listed() -> Listing {
        Listing::Listed(Connections::default())
    }

    /// A state that has seen the first generation of a tenant with this status, and the Secret of version 1.
    fn first_sight(status: &Value, now: Instant) -> (State, Option<Check>) {
        let mut state = State::default();
        let check = state.begin(&tenant(1, status), Some(version("1")), now);
        (state, check)
    }

    /// Why the first generation is checked now, with a Secret of this version.
    fn why(state: &mut State, number: &str, now: Instant) -> Option<(Why, bool)> {
        let check = state.begin(&tenant(1, &ready(1, "1")), Some(version(number)), now)?;
        Some((check.why, check.is_mended))
    }

    #[test]
    fn a_restart_checks_at_once_what_is_not_ready_and_within_an_hour_what_is() {
        let now = Instant::now();
        let (mut state, check) = first_sight(&ready(1, "1"), now);
        assert_eq!(check, None);
        assert!(state.rest(now) > Duration::ZERO && state.rest(now) <= REFRESH);
        assert_eq!(why(&mut state, "1", now + REFRESH), Some((Why::Due, false)));
        for (status, why) in [
            (json!({}), Why::Edited),
            (ready(0, "1"), Why::Edited),
            (ready(1, "0"), Why::SecretChanged),
            (json!({"observedGeneration": 1, "credentials": version("1")}), Why::Due),
        ] {
            // What Auth0 said of it before may still hold.
            assert_eq!(first_sight(&status, now).1, Some(Check { why, is_mended: false }), "{status}");
        }
    }

    #[test]
    fn a_change_is_checked_at_once_and_mends() {
        let now = Instant::now();
        let (mut state, _) = first_sight(&ready(1, "1"), now);
        assert_eq!(why(&mut state, "2", now), Some((Why::SecretChanged, true)));
        assert_eq!(why(&mut state, "2", now), None, "it was checked");
        let edited = state.begin(&tenant(2, &ready(1, "2")), Some(version("2")), now);
        assert_eq!(edited, Some(Check { why: Why::Edited, is_mended: true }));
        let deleted = state.begin(&tenant(2, &ready(1, "2")), None, now);
        assert_eq!(deleted, Some(Check { why: Why::SecretChanged, is_mended: true }));
    }

    #[test]
    fn failures_come_back_ever_more_rarely_and_a_change_begins_at_the_first_delay() {
        let now = Instant::now();
        let (mut state, _) = first_sight(&ready(1, "1"), now);
        let mut rest_after = |found: &Result<Findings, Failed>| {
            state.end(&Auth0TenantStatus::default(), found, now);
            state.rest(now).as_secs_f64()
        };
        let failed = |retry_after| {
            Err(Failed { failure: Failure::new(Reason::Auth0Unavailable, "away"), retry_after })
        };
        for seconds in [2.0, 4.0, 8.0] {
            let rest = rest_after(&failed(None));
            assert!((seconds * 0.8..=seconds * 1.2).contains(&rest), "{seconds}: {rest}");
        }
        assert!((rest_after(&failed(Some(Duration::from_secs(200)))) - 200.0).abs() < f64::EPSILON);
        assert!(rest_after(&Ok(found("1", 0, Listing::Later))) > 20.0, "the list is still missing");
        assert!(rest_after(&Ok(found("1", 0, listed()))) > 3000.0);
        assert!(rest_after(&failed(None)) < 3.0);
        for _ in 0..5 {
            rest_after(&failed(None));
        }
        assert!(why(&mut state, "2", now).is_some());
        state.end(&Auth0TenantStatus::default(), &failed(None), now);
        assert!(state.rest(now).as_secs_f64() < 3.0);
    }

    #[test]
    fn credentials_are_others_where_their_content_is() {
        let now = Instant::now();
        let before = tenant(1, &ready(1, "1")).status.unwrap();
        for (first, is_other) in [("1", false), ("2", true)] {
            let (mut state, _) = first_sight(&ready(1, "1"), now);
            assert_eq!(
                state.end(&before, &Ok(found(first, 0, listed())), now),
                is_other,
                "the first is {first}"
            );
            assert!(!state.end(&before, &Ok(found("3", 0, listed())), now), "written again");
            assert!(state.end(&before, &Ok(found("3", 1, listed())), now), "another content");
            assert_eq!(why(&mut state, "3", now), None, "this version was checked");
        }
        let (mut state, _) = first_sight(&json!({}), now);
        assert!(
            !state.end(&Auth0TenantStatus::default(), &Ok(found("1", 0, listed())), now),
            "none were known"
        );
    }

    #[test]
    fn a_status_that_was_not_written_brings_the_next_check_soon() {
        let now = Instant::now();
        let (mut state, _) = first_sight(&ready(1, "1"), now);
        state.end(&Auth0TenantStatus::default(), &Ok(found("1", 0, listed())), now);
        for most in [3.0, 5.0] {
            state.published(false, now);
            assert!(state.rest(now).as_secs_f64() < most);
        }
        state.end(&Auth0TenantStatus::default(), &Ok(found("1", 0, listed())), now);
        state.published(true, now);
        assert!(state.rest(now).as_secs_f64() > 3000.0);
    }

    #[test]
    fn the_resources_of_a_tenant_that_is_lent_are_counted_with_each_check_and_every_few_minutes() {
        let now = Instant::now();
        let (mut state, _) = first_sight(&ready(1, "1"), now);
        let minutes = |minutes: u64| now + Duration::from_mins(minutes);
        assert!(!state.counts(true, false, now), "a restart counts nothing");
        assert!(state.rest(now) <= RECOUNT.mul_f64(1.2));
        assert!(!state.counts(true, false, minutes(3)));
        assert!(state.counts(true, false, minutes(7)));
        assert!(!state.counts(true, false, minutes(7)));
        assert!(state.counts(true, true, minutes(7)));
        assert!(!state.counts(false, false, minutes(60)), "it is lent no longer");
    }

    #[test]
    fn of_a_tenant_that_is_gone_nothing_is_kept() {
        let states = States::default();
        let [gone, unlisted, there] = ["gone", "unlisted", "there"];
        for uid in [gone, unlisted, there] {
            let state = states.of(uid);
            states.keep(uid, State { failures: 3, ..state });
        }
        let state = states.of(gone);
        states.forget(gone);
        states.keep(gone, state);
        states.retain(&HashSet::from([there.to_owned()]));
        for (uid, failures) in [(gone, 0), (unlisted, 0), (there, 3)] {
            assert_eq!(states.of(uid).failures, failures, "{uid}");
        }
    }
}
