//! Comparisons in batches: one search finds the users of many resources that are to be compared. What agrees is done; all
//! else is confirmed by reading the user, since a search may show what was.

use crate::access::narrow;
use crate::api::Mode;
use crate::api::reason::Reason;
use crate::ownership::Named;
use crate::plan::{Desired, Password, Progress, must_read_password};
use crate::queue::Key;
use crate::queue::dispatch::Permit;
use crate::reconcile::object::schedule;
use crate::reconcile::object::why::Why;
use crate::reconcile::pass::Updates;
use crate::reconcile::pass::execute::Pass;
use crate::reconcile::pass::look::recall;
use crate::reconcile::pass::status_writer::StatusWriter;
use crate::reconcile::resource::record::Record;
use crate::reconcile::resource::references::{References, SecretState};
use crate::reconcile::resource::{Found, State, comparison, why};
use crate::reconcile::status::outcome::Outcome;
use crate::reconcile::tenant::directory::{self, Tenant};
use crate::user::User;
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// How much earlier than planned a resource is compared along with others, at most.
const EARLY: Duration = Duration::from_mins(30);

/// How often a resource is compared of whose user every change is told.
const WITH_EVENTS: Duration = Duration::from_hours(24);

impl Updates {
    /// Compares a resource that is due with its user as the search of another one has found it, or searches for it and for
    /// those that are to be compared soon. Answers whether that was all: else the pass goes on.
    pub async fn compare(
        &self,
        record: &Record,
        writer: &StatusWriter,
        references: &References,
        found: Option<Found>,
        permit: &Permit,
        state: &mut State,
    ) -> bool {
        let started = Instant::now();
        let why = why::why(record, references, state, started);
        let Ok(tenant) = &references.tenant else { return false };
        if !comparison::is_due(record, state, &why) || !self.is_undisputed(record) {
            return false;
        }
        let found = match found {
            None if permit.host() == Some(&tenant.host) => {
                self.search(&self.resources.key_of(writer.object()), record, tenant, permit).await
            }
            Some(_) | None => found,
        };
        let Some(Found(user)) = found else { return false };
        let agrees = match user {
            Some(user) if self.agrees(writer, references, tenant, state, &user) => {
                let most = references.access.outputs(Some(user.primary_connection()));
                self.outputs_agree(writer.object(), &user, most).await
            }
            Some(_) | None => false,
        };
        if !agrees {
            // It has to be read, in a turn of its own.
            state.unfinished_mut().confirms = true;
            return true;
        }
        let reason = if record.observes { Reason::Observed } else { Reason::Applied };
        let (why, elapsed) = (Why::Due.as_str(), started.elapsed());
        self.probes.metrics.pass("Auth0UserUpdate", "unchanged", reason.as_str(), why, elapsed);
        let interval = self.interval(record, &tenant.host);
        let wait = schedule::next_look(reason, 0, Duration::ZERO, None, interval);
        state.due = wait.map(|wait| Instant::now() + wait);
        true
    }

    /// Whether no other resource of the user has a say. One that only observes asks none.
    #[must_use]
    pub fn is_undisputed(&self, record: &Record) -> bool {
        record.observes || self.conflicts.ownership.is_alone(record.uid)
    }

    /// An event has shown a user: the resources of it at this host compare.
    pub fn hear(&self, host: &str, user_id: &str, found: &Found) {
        let claimants = self.conflicts.ownership.of_user(user_id).into_iter();
        let claimants = claimants.map(|(namespace, name)| self.resources.key(&namespace, &name));
        for key in claimants.chain(self.resources.observers(user_id)) {
            let Some(tenant) = self.resources.tenant_of(&key) else { continue };
            let (_, tenant) = directory::resolve(&self.conflicts.tenants, key.namespace(), &tenant, user_id);
            if tenant.is_ok_and(|tenant| tenant.host == host) {
                self.resources.hear(&key, found);
                self.consider(&key);
            }
        }
    }

    /// Events of a host may have been missed: what waits for them compares within its interval.
    pub fn compare_sooner(&self, host: &str) {
        let tenants: HashSet<Named> = self.conflicts.tenants.of_host(host).collect();
        let of_host = |record: &Record| tenants.contains(&*record.tenant);
        for key in self.resources.filtered(|_, record| record.is_some_and(of_host)) {
            if self.resources.compare_sooner(&key, Instant::now()) {
                self.consider(&key);
            }
        }
    }

    /// How often a resource in sync is compared.
    fn interval(&self, record: &Record, host: &str) -> Option<Duration> {
        interval(record, self.clients.streams.whole_for(host, Instant::now()))
    }

    /// Searches for the user of a resource and those of others of its tenant; keeps theirs for them. `None` where there is
    /// none to search for along with it.
    async fn search(&self, key: &Key, record: &Record, tenant: &Tenant, permit: &Permit) -> Option<Found> {
        let resource = tenant.object.0.as_ref().ok()?;
        let auth0 = self.clients.of(resource, &self.secrets).await.ok()?;
        // Two at once would search for the same users.
        let _turn = auth0.search_turn().await;
        let interval = self.interval(record, &tenant.host);
        let early = interval.map_or(EARLY, |interval| (interval / 10).min(EARLY));
        let soon = self.queue.resyncs(&tenant.host, early, auth0.batch().saturating_sub(1));
        let others = self.resources.to_compare(&soon, key, &record.tenant);
        if others.is_empty() {
            return None;
        }
        permit.begin();
        let ids: Vec<&str> = others.iter().map(|(_, id)| &**id).chain([&*record.user_id]).collect();
        let Ok(mut users) = auth0.search(&ids).await else { return Some(Found(None)) };
        let own = users.get(&*record.user_id).cloned();
        for (other, id) in others {
            self.resources.find(&other, Found(users.remove(&*id).map(Box::new)));
            self.consider(&other);
        }
        Some(Found(own.map(Box::new)))
    }

    /// Whether nothing of what a resource asks is open for this user.
    fn agrees(
        &self,
        writer: &StatusWriter,
        references: &References,
        tenant: &Tenant,
        state: &State,
        user: &User,
    ) -> bool {
        let object = writer.object();
        let (spec, nulls) = (&object.spec, object.last_applied_nulls());
        let Ok(desired) = Desired::read(spec, nulls.as_ref(), &writer.known_nulls()) else {
            return false;
        };
        let (desired, refused) = narrow(desired, &references.access, user, ("", ""));
        let outcome = Outcome { mode: object.mode(), ..Outcome::default() };
        let memory = recall(writer, object, &outcome, state);
        let password = match (&desired.password, &references.secret) {
            (None, _) => Password::Undeclared,
            (Some(_), SecretState::At(version)) if object.mode() == Mode::Apply => {
                if must_read_password(&memory, &self.key, user, version) {
                    return false;
                }
                Password::Unchanged
            }
            (Some(_), _) => return false,
        };
        let (key, user_id) = (&self.key, &spec.user_id);
        let pass = Pass { desired: &desired, password: &password, key, host: &tenant.host, user_id };
        refused.is_empty() && pass.is_done(user, &memory, &Progress::default())
    }
}

/// How often a resource in sync is compared: rarely once events have told of every change of its user for so long.
#[must_use]
pub fn interval(record: &Record, whole_for: Duration) -> Option<Duration> {
    let resync = record.resync?;
    Some(if whole_for >= resync { resync.max(WITH_EVENTS) } else { resync })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::pass::fixtures::cluster;
    use crate::reconcile::resource::fixtures::{object, ready};
    use crate::reconcile::tenant;
    use crate::reconcile::tenant::fixtures::tenant_with;
    use futures::FutureExt as _;
    use serde_json::json;

    #[tokio::test(start_paused = true)]
    async fn a_user_that_a_search_or_an_event_shows_as_declared_needs_no_request_of_its_own() {
        for (mode, reason) in [("Apply", "Applied"), ("Observe", "Observed")] {
            let object = object(&json!({"name": "A", "mode": mode}), &ready(2, "True", reason));
            let tenant = tenant_with("t", &tenant::fixtures::ready(1, "1"), &json!({}));
            let (updates, _) = cluster([tenant], &object);
            let key = updates.see(&object);
            let user = json!({"user_id": "auth0|a", "name": "A"}).as_object().unwrap().clone();
            let due = Some(Instant::now() + Duration::from_mins(5));
            let mut state = State::default();
            (state.due, state.scheduled) = (due, true);
            updates.resources.keep(&key, state);
            updates.hear("example.auth0.com", "auth0|a", &Found(Some(Box::new(user.into()))));
            assert_eq!(updates.queue.next().now_or_never(), Some(key.clone()));
            updates.pass(&key, updates.queue.permit(&key).unwrap()).await;
            assert_eq!(updates.queue.next().now_or_never(), None, "{mode}");
            assert!(updates.resources.remembered(&key).due > due, "{mode}");
        }
    }
}
