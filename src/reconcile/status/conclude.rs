//! conclude: what a pass did → the status to publish. Pure.

use crate::api::conditions::{self, READY, RECONCILING, STALLED, SYNCED, Saying};
use crate::api::reason::{Failure, Reason, Retry, Standing};
use crate::api::{Auth0UserUpdateStatus, LastUpdate, Mode, NotPersisted, Output, RefusedField};
use crate::plan::Hold;
use crate::reconcile::status::outcome::{Extent, Outcome, Refusal};
use crate::reconcile::status::{fit, outputs};
use crate::user::Attribute;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;

/// Auth0's limit for a user. Whether it counts 1,000 or 1,024 bytes is not known, so the smaller one warns.
const PROFILE_LIMIT_KILOBYTES: i64 = 10;

/// After so many passing failures in a row, an applied resource stops claiming to be in sync.
const FAILURES_UNTIL_UNKNOWN: u32 = 3;

/// Computes the status to publish from the present one.
#[must_use]
pub fn conclude(
    previous: &Auth0UserUpdateStatus,
    outcome: &Outcome,
    now: Timestamp,
) -> Auth0UserUpdateStatus {
    let mut next = previous.clone();
    next.triggers = outcome.entries.onto(&previous.triggers);
    if outcome.changed_auth0() {
        next.last_update = Some(LastUpdate {
            time: seconds(now),
            generation: outcome.generation,
            requests: outcome.requests,
            sent_fields: fit::names(&outcome.sent),
            cleared_fields: fit::names(&outcome.cleared),
        });
    }
    next.refused_fields = refused_fields(previous, outcome, now);
    if outcome.extent == Extent::Interrupted {
        return next;
    }
    if outcome.request.is_some() {
        next.last_handled_reconcile_at.clone_from(&outcome.request);
    }
    if outcome.mode == Mode::Apply {
        next.plan.clear();
    } else if let Some(plan) = &outcome.plan {
        next.plan = fit::names(plan);
    }
    if let Some(ignored) = &outcome.ignored {
        next.ignored_fields.clone_from(ignored);
    }
    if let Some(not_persisted) = &outcome.not_persisted {
        next.not_persisted = fit::not_persisted(not_persisted);
    }
    if let Some(outputs) = &outcome.outputs {
        next.outputs.clone_from(outputs);
    }
    next.profile_kilobytes = profile_kilobytes(previous, outcome);
    judge(&mut next, previous, outcome, now);
    next.observed_generation = Some(outcome.generation);
    show(&mut next, previous, outcome);
    next
}

/// Takes the outputs anew where anything else is new, and never more of them than may be shown.
fn show(next: &mut Auth0UserUpdateStatus, previous: &Auth0UserUpdateStatus, outcome: &Outcome) {
    let most = outcome.most_shown.unwrap_or(Output::Full);
    let wanted = outcome.output.unwrap_or(Output::Full).max(most);
    if let Some(user) = &outcome.user
        && (outcome.requests > 0 || *next != *previous || outputs::lacks(next, wanted))
    {
        outputs::show(next, user, wanted);
    }
    outputs::withdraw(next, most);
}

/// RFC 3339 in UTC, whole seconds.
#[must_use]
pub fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Size of a user that is too large; where the pass came to no end, as it was found for this generation.
fn profile_kilobytes(previous: &Auth0UserUpdateStatus, outcome: &Outcome) -> Option<i64> {
    if outcome.failure.is_none() && outcome.user.is_some() {
        return outcome.profile_kilobytes.filter(|kilobytes| *kilobytes >= PROFILE_LIMIT_KILOBYTES);
    }
    previous.profile_kilobytes.filter(|_| previous.observed_generation == Some(outcome.generation))
}

/// What is said of a user that is too large.
#[must_use]
pub fn too_large(kilobytes: i64) -> String {
    format!(
        "the user has about {kilobytes} KB, and from 2027-03-04 on Auth0 rejects changes that leave a user larger than {PROFILE_LIMIT_KILOBYTES} KB: remove metadata that is not needed, or buy an extended allowance from Auth0"
    )
}

/// Refusals of this pass, with the time of the first one, and those that were not retried.
fn refused_fields(previous: &Auth0UserUpdateStatus, outcome: &Outcome, now: Timestamp) -> Vec<RefusedField> {
    let before = if outcome.forget_refusals { &[][..] } else { &previous.refused_fields };
    if outcome.user.is_none() {
        return before.to_vec();
    }
    let ended_early = outcome.failure.is_some() || outcome.extent != Extent::Whole;
    let is_refused_now = |field: &str| outcome.refusals.iter().any(|refusal| refusal.fields.contains(field));
    let is_done = |field: &String| outcome.sent.contains(field) || outcome.cleared.contains(field);
    let waits = |refused: &&RefusedField| {
        let RefusedField { field, .. } = refused;
        !is_refused_now(field) && (outcome.left_out.contains(field) || (ended_early && !is_done(field)))
    };
    let since = |field: &str| {
        let known = before.iter().find(|refused| refused.field == field);
        known.map_or_else(|| seconds(now), |refused| refused.since.clone())
    };
    let new = outcome.refusals.iter().flat_map(|Refusal { fields, failure }| {
        fields.iter().map(move |field| RefusedField {
            field: field.clone(),
            reason: failure.reason.to_string(),
            message: failure.message.clone(),
            since: since(field),
        })
    });
    let mut refused: Vec<RefusedField> = before.iter().filter(waits).cloned().chain(new).collect();
    refused.sort_by(|one, other| place(&one.field).cmp(&place(&other.field)));
    fit::refused(&mut refused);
    refused
}

/// Where a field stands in the order in which a resource reports.
fn place(field: &str) -> (Option<Attribute>, &str) {
    (Attribute::of_field(field), field)
}

/// What did not go through.
struct Part {
    field: String,
    failure: Failure,
}

/// Everything that did not go through, in the order in which a resource reports it.
fn parts(refused: &[RefusedField], outcome: &Outcome) -> Vec<Part> {
    let held = outcome.holds.iter().map(|Hold { attribute, failure }| Part {
        field: attribute.spec_name().to_owned(),
        failure: failure.clone(),
    });
    let refused = refused.iter().map(|RefusedField { field, reason, message, .. }| Part {
        field: field.clone(),
        failure: Failure::new(Reason::from_word(reason), message.as_str()),
    });
    let mut parts: Vec<Part> = held.chain(refused).collect();
    parts.sort_by(|one, other| place(&one.field).cmp(&place(&other.field)));
    parts
}

/// Why not all was done that the spec asks, if so: what the resource reports.
#[must_use]
pub fn problem(previous: &Auth0UserUpdateStatus, outcome: &Outcome, now: Timestamp) -> Option<Failure> {
    reported(&refused_fields(previous, outcome, now), outcome).or_else(|| outcome.unwritten.clone())
}

/// Why the user is not as the spec asks, if so. The message names the outputs that were not written, too.
fn reported(refused: &[RefusedField], outcome: &Outcome) -> Option<Failure> {
    let failure = unapplied(refused, outcome)?;
    let Some(unwritten) = &outcome.unwritten else { return Some(failure) };
    let message = format!("{}{SEPARATOR}{OUTPUTS_TO}: {}", failure.message, unwritten.message);
    Some(Failure::new(failure.reason, message))
}

/// The failure of the pass, else that of the first part; the message names all.
fn unapplied(refused: &[RefusedField], outcome: &Outcome) -> Option<Failure> {
    let parts = if outcome.user.is_some() { parts(refused, outcome) } else { Vec::new() };
    let first = parts.first().map(|part| part.failure.reason);
    let Some(failure) = &outcome.failure else { return Some(Failure::new(first?, tell(&parts))) };
    if first.is_none() {
        return Some(failure.clone());
    }
    Some(Failure::new(failure.reason, format!("{}{SEPARATOR}{}", failure.message, tell(&parts))))
}

/// Of a search that goes on, nothing else is known yet.
#[must_use]
pub fn searching(failure: &Failure) -> Failure {
    let message = format!(
        "Auth0 rejects one of many fields, and the operator is still finding out which: {}",
        failure.message
    );
    Failure::new(Reason::InvalidRequest, message)
}

/// The field that asks for outputs.
const OUTPUTS_TO: &str = "outputsTo";

/// Between the sentences of one message.
const SEPARATOR: &str = " \u{b7} ";

/// A condition's message may be 32 KiB long, and stands in three of them. The rest is in `refusedFields`.
const LONGEST_MESSAGE: usize = 8 * 1024;

/// The names in one sentence of it.
const LONGEST_NAMES: usize = 4 * 1024;

/// Every part with its reason, those with the same sentence together. One alone needs no reason: it is the
/// condition's.
fn tell(parts: &[Part]) -> String {
    let mut told: Vec<(&Failure, Vec<&str>)> = Vec::new();
    for Part { field, failure } in parts {
        match told.iter_mut().find(|(known, _)| *known == failure) {
            Some((_, fields)) => fields.push(field),
            None => told.push((failure, vec![field])),
        }
    }
    let is_alone = told.len() == 1;
    let sentences: Vec<String> = told
        .into_iter()
        .map(|(Failure { reason, message }, fields)| {
            let fields = fit::list(&fields, LONGEST_NAMES);
            match (is_alone, message.is_empty()) {
                (_, true) => format!("{fields} ({reason})"),
                (true, false) => format!("{fields}: {message}"),
                (false, false) => format!("{fields} ({reason}): {message}"),
            }
        })
        .collect();
    fit::text(&sentences.join(SEPARATOR), LONGEST_MESSAGE)
}

fn judge(
    next: &mut Auth0UserUpdateStatus,
    previous: &Auth0UserUpdateStatus,
    outcome: &Outcome,
    now: Timestamp,
) {
    let is_rejected = !next.refused_fields.is_empty();
    let was_applied = !is_rejected && conditions::is_ready(&previous.conditions, outcome.generation);
    let problem = reported(&next.refused_fields, outcome);
    let mut judgement = Judgement {
        conditions: &mut next.conditions,
        generation: outcome.generation,
        was_applied,
        is_rejected,
        profile_kilobytes: next.profile_kilobytes,
        contested: &outcome.contested,
        now,
    };
    if let Some(problem) = &problem {
        if outcome.failure.is_some() {
            judgement.failed(problem, outcome);
        } else {
            judgement.partly(problem, outcome);
        }
    } else {
        let done = match &outcome.plan {
            Some(plan) => judgement.observed(plan, &next.not_persisted),
            None => judgement.applied(&next.not_persisted),
        };
        judgement.ready(done, outcome);
    }
}

struct Judgement<'a> {
    conditions: &'a mut Vec<Condition>,
    generation: i64,
    was_applied: bool,
    /// Auth0 does not hold a field because it rejected it.
    is_rejected: bool,
    profile_kilobytes: Option<i64>,
    contested: &'a BTreeSet<String>,
    now: Timestamp,
}

impl Judgement<'_> {
    /// The user is as the spec asks. Ready says so, unless outputs of it could not be written.
    fn ready(&mut self, (reason, message): (Reason, &str), outcome: &Outcome) {
        let unwritten = outcome.unwritten.as_ref();
        let failing = unwritten.filter(|failure| {
            let is_passing = failure.reason.standing() == Standing::Reconciling;
            !is_passing || !self.was_applied || outcome.failures >= FAILURES_UNTIL_UNKNOWN
        });
        let Some(failure) = failing else {
            let message = self.with_size(message);
            self.say(READY, "True", reason, &message);
            return self.abnormal(None, reason, "");
        };
        let is_stalled = failure.reason.standing() == Standing::Stalled;
        let message = format!("{OUTPUTS_TO}: {}", failure.message);
        let failure = Failure::new(failure.reason, message);
        self.not_ready(&failure, if is_stalled { STALLED } else { RECONCILING });
    }

    fn applied(&mut self, not_persisted: &[NotPersisted]) -> (Reason, &'static str) {
        if !self.contested() {
            self.held(not_persisted);
        }
        (Reason::Applied, "all declared fields are applied in Auth0")
    }

    /// Says what is changed each time after it was put back, if anything is.
    fn contested(&mut self) -> bool {
        let fields: Vec<&str> = self.contested.iter().map(String::as_str).collect();
        if !fields.is_empty() {
            let message = format!(
                "another writer keeps changing declared fields in Auth0: {}; find it (another operator, a script, an Action, a person) and let only one of them manage these fields; until then the operator corrects them with increasing delays, up to one day, and only a block at every check",
                fit::list(&fields, LONGEST_NAMES)
            );
            self.say(SYNCED, "False", Reason::Contested, &message);
        }
        !fields.is_empty()
    }

    /// Nothing is left to send.
    fn held(&mut self, not_persisted: &[NotPersisted]) {
        if not_persisted.is_empty() {
            self.say(SYNCED, "True", Reason::InSync, "no drift: the user matches the spec");
        } else {
            let fields: Vec<&str> = not_persisted.iter().map(|entry| entry.field.as_str()).collect();
            let message = format!(
                "Auth0 accepted but did not store: {} (it normalises the value, or an Action changes it); declare the value that Auth0 stores",
                fit::list(&fields, LONGEST_NAMES)
            );
            self.say(SYNCED, "False", Reason::NotPersisted, &message);
        }
    }

    fn observed(&mut self, plan: &[String], not_persisted: &[NotPersisted]) -> (Reason, &'static str) {
        if plan.is_empty() {
            self.held(not_persisted);
        } else {
            let fields: Vec<&str> = plan.iter().map(String::as_str).collect();
            let message = format!("mode Apply would send: {}", fit::list(&fields, LONGEST_NAMES));
            self.say(SYNCED, "False", Reason::DriftFound, &message);
        }
        (Reason::Observed, "compared with Auth0; mode Observe sends nothing")
    }

    /// A part was refused or held; the rest was done.
    fn partly(&mut self, part: &Failure, outcome: &Outcome) {
        match part.reason.standing() {
            Standing::Stalled => {
                self.not_ready(part, STALLED);
                if !self.contested() {
                    self.say(SYNCED, "False", Reason::Refused, &part.message);
                }
            }
            Standing::Ready | Standing::Reconciling | Standing::Held => self.passing(part, outcome),
        }
    }

    fn failed(&mut self, failure: &Failure, outcome: &Outcome) {
        match failure.reason.standing() {
            Standing::Held => {
                if !self.was_applied {
                    self.say(READY, "Unknown", failure.reason, &failure.message);
                }
                self.say(SYNCED, "Unknown", failure.reason, &failure.message);
                self.abnormal(None, failure.reason, "");
            }
            Standing::Stalled => {
                self.not_ready(failure, STALLED);
                if outcome.user.is_some() && failure.reason.retry() == Retry::Refusal {
                    self.say(SYNCED, "False", Reason::Refused, &failure.message);
                } else {
                    self.say(SYNCED, "Unknown", failure.reason, &failure.message);
                }
            }
            Standing::Ready | Standing::Reconciling => self.passing(failure, outcome),
        }
    }

    fn passing(&mut self, failure: &Failure, outcome: &Outcome) {
        let reason = failure.reason;
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
        !self.is_rejected
            && conditions::find(self.conditions, SYNCED).is_some_and(|synced| {
                matches!(
                    Reason::from_word(&synced.reason),
                    Reason::InSync | Reason::NotPersisted | Reason::DriftFound | Reason::Contested
                ) && synced.observed_generation == Some(self.generation)
            })
    }

    /// The pause is over, whatever comes next.
    fn says_paused(&self) -> bool {
        conditions::find(self.conditions, SYNCED)
            .is_some_and(|synced| synced.reason == Reason::Paused.as_str())
    }

    fn not_ready(&mut self, failure: &Failure, abnormal: &str) {
        let message = self.with_size(&fit::text(&failure.message, LONGEST_MESSAGE));
        self.say(READY, "False", failure.reason, &message);
        self.abnormal(Some(abnormal), failure.reason, &message);
    }

    /// A message of Ready, with what is said of a user that is too large.
    fn with_size(&self, message: &str) -> String {
        let size = self.profile_kilobytes.map(too_large);
        size.map_or_else(|| message.to_owned(), |size| format!("{message}; {size}"))
    }

    fn say(&mut self, type_: &str, status: &'static str, reason: Reason, message: &str) {
        let message = &fit::text(message, 2 * LONGEST_MESSAGE);
        conditions::set(
            self.conditions,
            type_,
            &Saying { status, reason: reason.as_str(), message },
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

#[cfg(test)]
mod tests;
