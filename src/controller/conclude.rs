//! conclude: what a pass did → the status to publish. Pure.

use super::conditions::{self, READY, RECONCILING, STALLED, SYNCED, Saying};
use super::entries::Entries;
use super::execute::Refusal;
use crate::api::{Auth0UserUpdateStatus, IgnoredField, LastUpdate, Mode, NotPersisted, Output, RefusedField};
use crate::plan::{Group, Hold};
use crate::reason::{Failure, Reason, Retry, Standing};
use crate::user::User;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;

/// Larger outputs are left out of status, in bytes of JSON; etcd refuses objects above about 1.5 MB.
const LARGEST_OUTPUT: usize = 128 * 1024;

/// After so many passing failures in a row, an applied resource stops claiming to be in sync.
const FAILURES_UNTIL_UNKNOWN: u32 = 3;

/// What one pass came to.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
pub struct Outcome {
    /// Generation of the spec that it worked on.
    pub generation: i64,
    /// What of the user may be shown.
    pub output: Option<Output>,
    /// The user as last observed, if Auth0 was looked at.
    pub user: Option<User>,
    /// Why the pass ended early.
    pub failure: Option<Failure>,
    /// How many passes in a row ended early, this one included.
    pub failures: u32,
    /// The Secret has a content that was not sent yet.
    pub password_pending: bool,
    /// The object was changed meanwhile: only what was sent is told, the next pass judges the rest.
    pub interrupted: bool,
    /// Groups held back.
    pub holds: Vec<Hold>,
    /// Requests that Auth0 refused in this pass.
    pub refusals: Vec<Refusal>,
    /// Groups that an earlier pass was refused and that were left out.
    pub left_out: BTreeSet<Group>,
    /// Fields that were set.
    pub sent: Vec<String>,
    /// Fields that were cleared.
    pub cleared: Vec<String>,
    /// PATCH requests, accepted or not.
    pub requests: u32,
    /// What changed in the memory of orders.
    pub entries: Entries,
    /// Values that Auth0 does not hold; `None` where nothing was judged.
    pub not_persisted: Option<Vec<NotPersisted>>,
    /// Blanks that cannot be cleared; `None` where nothing was judged.
    pub ignored: Option<Vec<IgnoredField>>,
    /// Something changed that makes earlier refusals void.
    pub forgives: bool,
    /// The requested-at annotation that this pass answers.
    pub request: Option<String>,
    /// Whether the spec asks to change Auth0 or to compare only.
    pub mode: Mode,
    /// Fields that mode Apply would send; `None` where nothing was computed.
    pub plan: Option<Vec<String>>,
}

impl Outcome {
    /// Whether Auth0 accepted anything.
    #[must_use]
    pub fn changed_auth0(&self) -> bool {
        !self.sent.is_empty() || !self.cleared.is_empty()
    }
}

/// Computes the status to publish from the present one.
#[must_use]
pub fn conclude(
    previous: &Auth0UserUpdateStatus,
    outcome: &Outcome,
    now: Timestamp,
) -> Auth0UserUpdateStatus {
    let forgiven = outcome.forgives && !outcome.interrupted;
    let refused_before = if forgiven { &[][..] } else { &previous.refused_fields };
    let mut next = Auth0UserUpdateStatus { refused_fields: refused_before.to_vec(), ..previous.clone() };
    next.triggers = outcome.entries.onto(&previous.triggers);
    if outcome.changed_auth0() {
        next.last_update = Some(LastUpdate {
            time: seconds(now),
            generation: outcome.generation,
            requests: outcome.requests,
            sent_fields: outcome.sent.clone(),
            cleared_fields: outcome.cleared.clone(),
        });
    }
    if outcome.interrupted {
        return next;
    }
    if outcome.request.is_some() {
        next.last_handled_reconcile_at.clone_from(&outcome.request);
    }
    if outcome.mode == Mode::Apply {
        next.plan.clear();
    } else if let Some(plan) = &outcome.plan {
        next.plan.clone_from(plan);
    }
    if let Some(ignored) = &outcome.ignored {
        next.ignored_fields.clone_from(ignored);
    }
    if outcome.user.is_some() {
        next.refused_fields = refused_fields(refused_before, outcome, now);
    }
    if let Some(not_persisted) = &outcome.not_persisted {
        next.not_persisted.clone_from(not_persisted);
    }
    judge(&mut next, previous, outcome, now);
    next.observed_generation = Some(outcome.generation);
    if let Some(user) = &outcome.user
        && (outcome.requests > 0 || next != *previous)
    {
        show(&mut next, user, outcome.output.unwrap_or(Output::Full));
    }
    next
}

/// RFC 3339 in UTC, whole seconds.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Refusals of this pass, with the time of the first one, and those that were not tried again.
fn refused_fields(before: &[RefusedField], outcome: &Outcome, now: Timestamp) -> Vec<RefusedField> {
    let retried: BTreeSet<Group> = outcome.refusals.iter().map(|refusal| refusal.group).collect();
    let waits = |field: &RefusedField| {
        Group::of_field(&field.field).is_some_and(|group| {
            (outcome.left_out.contains(&group) || outcome.failure.is_some()) && !retried.contains(&group)
        })
    };
    let since = |field: &str| {
        let known = before.iter().find(|refused| refused.field == field);
        known.map_or_else(|| seconds(now), |refused| refused.since.clone())
    };
    let new = outcome.refusals.iter().flat_map(|refusal| {
        refusal.fields.iter().map(move |field| RefusedField {
            field: field.clone(),
            reason: refusal.failure.reason.to_string(),
            since: since(field),
        })
    });
    before.iter().filter(|field| waits(field)).cloned().chain(new).collect()
}

/// Why not all was done that the spec asks, if so: what the resource reports.
#[must_use]
pub fn problem(previous: &Auth0UserUpdateStatus, outcome: &Outcome) -> Option<Failure> {
    outcome.failure.clone().or_else(|| worst_part(previous, outcome))
}

/// The parts that did not go through, in the order in which a resource reports them.
fn worst_part(previous: &Auth0UserUpdateStatus, outcome: &Outcome) -> Option<Failure> {
    let held = outcome.holds.iter().map(|hold| (hold.group, hold.failure.clone()));
    let refused = outcome.refusals.iter().map(|refusal| (refusal.group, refusal.failure.clone()));
    let waiting = outcome.left_out.iter().filter_map(|group| {
        let mut fields =
            previous.refused_fields.iter().filter(|field| Group::of_field(&field.field) == Some(*group));
        let reason = Reason::from_word(&fields.next()?.reason);
        Some((*group, Failure::new(reason, earlier_message(previous, reason))))
    });
    held.chain(refused).chain(waiting).min_by_key(|(group, _)| *group).map(|(_, failure)| failure)
}

/// The sentence of a refusal that was not tried again stays as it was.
fn earlier_message(previous: &Auth0UserUpdateStatus, reason: Reason) -> String {
    let ready = conditions::find(&previous.conditions, READY);
    ready.filter(|ready| ready.reason == reason.as_str()).map_or_else(
        || format!("Auth0 refused a part earlier ({reason}, see status.refusedFields); it is tried again after a change, and ever more rarely without one"),
        |ready| ready.message.clone(),
    )
}

fn judge(
    next: &mut Auth0UserUpdateStatus,
    previous: &Auth0UserUpdateStatus,
    outcome: &Outcome,
    now: Timestamp,
) {
    let was_applied = conditions::is_ready(&previous.conditions, outcome.generation);
    let mut judgement =
        Judgement { conditions: &mut next.conditions, generation: outcome.generation, was_applied, now };
    if let Some(failure) = &outcome.failure {
        judgement.failed(failure, outcome);
    } else if let Some(part) = worst_part(previous, outcome) {
        judgement.partly(&part, outcome);
    } else if let Some(plan) = &outcome.plan {
        judgement.observed(plan, &next.not_persisted);
    } else {
        judgement.applied(&next.not_persisted);
    }
}

struct Judgement<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: i64,
    was_applied: bool,
    now: Timestamp,
}

impl Judgement<'_> {
    fn applied(&mut self, not_persisted: &[NotPersisted]) {
        self.say(READY, "True", Reason::Applied.as_str(), "Auth0 has taken what the spec asks");
        self.held(not_persisted);
        self.abnormal(None, Reason::Applied, "");
    }

    /// Nothing is left to send.
    fn held(&mut self, not_persisted: &[NotPersisted]) {
        if not_persisted.is_empty() {
            self.say(SYNCED, "True", "InSync", "the user is as the spec asks");
        } else {
            let fields: Vec<&str> = not_persisted.iter().map(|entry| entry.field.as_str()).collect();
            let message = format!(
                "Auth0 accepted but does not hold: {} (it normalises the value, or an Action changes it); write the value that Auth0 keeps",
                fields.join(", ")
            );
            self.say(SYNCED, "False", "NotPersisted", &message);
        }
    }

    fn observed(&mut self, plan: &[String], not_persisted: &[NotPersisted]) {
        self.say(READY, "True", Reason::Observed.as_str(), "compared with Auth0; mode Observe sends nothing");
        if plan.is_empty() {
            self.held(not_persisted);
        } else {
            let message = format!("mode Apply would send: {}", plan.join(", "));
            self.say(SYNCED, "False", "DriftFound", &message);
        }
        self.abnormal(None, Reason::Observed, "");
    }

    /// A part was refused or held; the rest was done.
    fn partly(&mut self, part: &Failure, outcome: &Outcome) {
        match part.reason.standing() {
            Standing::Stalled => {
                self.not_ready(part, STALLED);
                self.say(SYNCED, "False", "Refused", &part.message);
            }
            Standing::Ready | Standing::Reconciling | Standing::Held => self.passing(part, outcome),
        }
    }

    fn failed(&mut self, failure: &Failure, outcome: &Outcome) {
        match failure.reason.standing() {
            Standing::Held => {
                if !self.was_applied {
                    self.say(READY, "Unknown", failure.reason.as_str(), &failure.message);
                }
                self.say(SYNCED, "Unknown", failure.reason.as_str(), &failure.message);
                self.abnormal(None, failure.reason, "");
            }
            Standing::Stalled => {
                self.not_ready(failure, STALLED);
                if outcome.user.is_some() && failure.reason.retry() == Retry::Refusal {
                    self.say(SYNCED, "False", "Refused", &failure.message);
                } else {
                    self.say(SYNCED, "Unknown", failure.reason.as_str(), &failure.message);
                }
            }
            Standing::Ready | Standing::Reconciling => self.passing(failure, outcome),
        }
    }

    fn passing(&mut self, failure: &Failure, outcome: &Outcome) {
        let reason = failure.reason.as_str();
        if !self.was_applied || outcome.password_pending {
            self.not_ready(failure, RECONCILING);
            if !self.was_judged() {
                self.say(SYNCED, "Unknown", reason, &failure.message);
            }
        } else if is_dependency(failure.reason)
            || outcome.failures >= FAILURES_UNTIL_UNKNOWN
            || self.says_paused()
        {
            self.say(SYNCED, "Unknown", reason, &failure.message);
        }
    }

    /// Only a new Secret content can leave an applied generation judged and not ready.
    fn was_judged(&self) -> bool {
        conditions::find(self.conditions, SYNCED).is_some_and(|synced| {
            matches!(synced.reason.as_str(), "InSync" | "NotPersisted" | "DriftFound")
                && synced.observed_generation == Some(self.generation)
        })
    }

    /// The pause is over, whatever comes next.
    fn says_paused(&self) -> bool {
        conditions::find(self.conditions, SYNCED)
            .is_some_and(|synced| synced.reason == Reason::Paused.as_str())
    }

    fn not_ready(&mut self, failure: &Failure, abnormal: &str) {
        self.say(READY, "False", failure.reason.as_str(), &failure.message);
        self.abnormal(Some(abnormal), failure.reason, &failure.message);
    }

    fn say(&mut self, type_: &str, status: &'static str, reason: &str, message: &str) {
        conditions::set(
            self.conditions,
            type_,
            &Saying { status, reason, message },
            self.generation,
            self.now,
        );
    }

    fn abnormal(&mut self, type_: Option<&str>, reason: Reason, message: &str) {
        conditions::set_abnormal(self.conditions, type_, reason.as_str(), message, self.generation, self.now);
    }
}

const fn is_dependency(reason: Reason) -> bool {
    matches!(reason, Reason::TenantNotFound | Reason::SecretNotFound | Reason::SecretKeyMissing)
}

/// Fills the outputs, as far as they are wanted and fit.
fn show(status: &mut Auth0UserUpdateStatus, user: &User, output: Output) {
    status.output_omitted.clear();
    status.user = (output != Output::None).then(|| user.outputs());
    status.raw_output = (output == Output::Full).then(|| user.raw_output());
    let omitted = &mut status.output_omitted;
    let mut limit = |name: &str, map: &mut Option<crate::api::JsonMap>| {
        let size = map.as_ref().and_then(|map| serde_json::to_string(map).ok()).map_or(0, |text| text.len());
        if size > LARGEST_OUTPUT {
            *map = None;
            omitted.push(name.to_owned());
        }
    };
    limit("rawOutput", &mut status.raw_output);
    if let Some(user) = &mut status.user {
        limit("user.appMetadata", &mut user.app_metadata);
        limit("user.userMetadata", &mut user.user_metadata);
    }
}

#[cfg(test)]
mod tests;
