//! The plan: which PATCH requests make the observed user what the spec asks, in which order.
//!
//! Pure and total: no I/O, no clock. After every answer of Auth0 the rest is planned again from it.

mod desired;
mod digest;
mod drift;
mod dropped;
pub mod intents;
mod order;
mod progress;
mod steps;

pub use desired::{Desired, Metadata, Text, Whole};
pub use digest::{KEY_BYTES, TriggerKey};
pub use drift::same_json;
pub use dropped::{dropped_nulls, is_of_absent_map, remembered_nulls};
pub use order::Memory;
pub use progress::{Blame, Progress};
pub use steps::Step;

use crate::api::reason::{Failure, Reason};
use crate::api::{NotPersisted, SecretVersion, Trigger, TriggerState};
use crate::user::{Attribute, User};
use drift::{Comparison, Part};
use secrecy::SecretString;
use std::collections::BTreeSet;
use steps::steps;

/// What is known of the declared password.
pub enum Password {
    /// The spec declares none.
    Undeclared,
    /// The Secret is the one that was sent; its content was not read.
    Unchanged,
    /// The content of the Secret.
    Read(SecretString, SecretVersion),
    /// The Secret cannot be used.
    Held(Failure),
}

/// Everything that a plan depends on.
pub struct Situation<'a> {
    /// The spec after the rules for blanks.
    pub desired: &'a Desired,
    /// The user as Auth0 last answered.
    pub user: &'a User,
    /// The declared password.
    pub password: &'a Password,
    /// What earlier passes left behind.
    pub memory: &'a Memory,
    /// What this pass has done.
    pub progress: &'a Progress,
    /// The operator's key.
    pub key: &'a TriggerKey,
    /// Host of the tenant, with its port.
    pub host: &'a str,
    /// The user id of the spec.
    pub user_id: &'a str,
}

/// An attribute that is not sent, although it may have to be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// The attribute.
    pub attribute: Attribute,
    /// Why.
    pub failure: Failure,
}

/// What is to be done.
pub struct Plan {
    /// Requests in order. Those behind the first are what would follow if Auth0 does as it is told.
    pub steps: Vec<Step>,
    /// Memory to write without a request.
    pub records: Vec<Trigger>,
    /// Names of orders that are no longer declared.
    pub forgotten: Vec<String>,
    /// Attributes held back.
    pub holds: Vec<Hold>,
    /// Fields left out because Auth0 rejected them, and still differing.
    pub left_out: BTreeSet<String>,
    /// Fields left as something else has changed them.
    pub contested: BTreeSet<String>,
    /// Values that Auth0 accepted and does not hold.
    pub not_persisted: Vec<NotPersisted>,
}

impl Plan {
    /// The one request that does all there is to do, if it is so.
    #[must_use]
    pub fn only_step(mut self) -> Option<Step> {
        let [step] = <[Step; 1]>::try_from(std::mem::take(&mut self.steps)).ok()?;
        self.is_empty().then_some(step)
    }

    /// Whether there is nothing to do, nothing to remember and nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { steps, records, forgotten, holds, left_out, contested, not_persisted } = self;
        steps.is_empty()
            && records.is_empty()
            && forgotten.is_empty()
            && holds.is_empty()
            && left_out.is_empty()
            && contested.is_empty()
            && not_persisted.is_empty()
    }
}

/// Plans the rest of a pass.
///
/// # Errors
/// `UnknownConnection` or `InvalidRequest`, which hold the whole resource.
pub fn plan(situation: &Situation<'_>) -> Result<Plan, Failure> {
    let target = situation.user.target(situation.desired.connection.as_deref())?;
    let mut comparison = Comparison {
        desired: situation.desired,
        user: situation.user,
        target: &target,
        memory: situation.memory,
        key: situation.key,
        host: situation.host,
        user_id: situation.user_id,
        parts: Vec::new(),
        records: Vec::new(),
        holds: Vec::new(),
        not_persisted: Vec::new(),
        declared_orders: Vec::new(),
    };
    comparison.compare(situation.password);
    take_out_sent(situation.progress, &mut comparison);
    hold_password_of_blocked(situation, &mut comparison);
    let left_out = take_out_refused(situation, &mut comparison.parts);
    // A block is put back at every check.
    let contested = take_out(&mut comparison.parts, |part| {
        situation.memory.paused.contains(&part.name) && !part.blocks()
    });
    let steps = steps(situation, &target, comparison.parts)?;
    // In one order whatever was found first, or the status would change where nothing did.
    comparison.not_persisted.sort_by(|one, other| one.field.cmp(&other.field));
    Ok(Plan {
        steps,
        forgotten: forgotten(situation, &comparison.declared_orders),
        records: comparison.records,
        holds: comparison.holds,
        left_out,
        contested,
        not_persisted: comparison.not_persisted,
    })
}

/// Takes out what this pass has sent: what still differs was not persisted.
fn take_out_sent(progress: &Progress, comparison: &mut Comparison<'_>) {
    let sent: Vec<Part> =
        comparison.parts.extract_if(.., |part| progress.sent.contains(&part.name)).collect();
    for change in sent.iter().flat_map(|part| &part.changes) {
        if comparison.is_lost(change) {
            comparison.not_persisted.push(comparison.not_persisted_entry(change));
        }
    }
}

/// Takes out what Auth0 rejected and what is not due for another try.
fn take_out_refused(situation: &Situation<'_>, parts: &mut Vec<Part>) -> BTreeSet<String> {
    let Situation { memory, progress, .. } = situation;
    let waits = |field: &String| {
        let is_refused = memory.refused.iter().any(|refused| refused.field == *field);
        (is_refused && !memory.retry.contains(field)) || progress.refused.contains(field)
    };
    take_out(parts, |part| waits(&part.name))
}

/// Takes out parts, with what speaks of an address among them. Answers with their names.
fn take_out(parts: &mut Vec<Part>, is_out: impl Fn(&Part) -> bool) -> BTreeSet<String> {
    let out: BTreeSet<String> = parts.extract_if(.., |part| is_out(part)).map(|part| part.name).collect();
    parts.retain(|part| !part.attribute.address().is_some_and(|address| out.contains(address.spec_name())));
    out
}

/// Setting a password lifts an administrator's block (Auth0: "Block and unblock users"), so a blocked
/// user's password waits until the spec says what is wanted.
fn hold_password_of_blocked(situation: &Situation<'_>, comparison: &mut Comparison<'_>) {
    let undecided = situation.user.is_blocked() && !situation.desired.flags.contains_key(&Attribute::Blocked);
    let is_password = |part: &Part| part.attribute == Attribute::Password;
    if !undecided || !comparison.parts.iter().any(is_password) {
        return;
    }
    comparison.parts.retain(|part| !is_password(part));
    comparison.holds.push(Hold {
        attribute: Attribute::Password,
        failure: Failure::new(
            Reason::UserBlocked,
            "the user is blocked, and setting a new password would unblock the user: declare blocked: true or blocked: false",
        ),
    });
}

/// The password's memory stays for ever; any other order is forgotten once it is not declared.
fn forgotten(situation: &Situation<'_>, declared: &[Attribute]) -> Vec<String> {
    let declared = || declared.iter().chain(&situation.desired.withheld);
    let triggers = situation.memory.triggers.iter();
    triggers
        .filter(|trigger| {
            trigger.name != Attribute::Password.spec_name()
                && trigger.state != TriggerState::Unknown
                && !declared().any(|attribute| attribute.spec_name() == trigger.name)
        })
        .map(|trigger| trigger.name.clone())
        .collect()
}

/// Whether the content of the password Secret has to be read to plan.
///
/// A Secret with the same uid and resourceVersion as the one that was sent is not read again, unless the
/// order may now mean something else: another generation, another key, another user under the old id.
#[must_use]
pub fn must_read_password(memory: &Memory, key: &TriggerKey, user: &User, version: &SecretVersion) -> bool {
    memory.trigger(Attribute::Password.spec_name()).is_none_or(|entry| {
        entry.state != TriggerState::Sent
            || entry.secret.as_ref() != Some(version)
            || entry.key_id != key.id()
            || entry.user_created_at.as_deref() != user.text("created_at")
            || !memory.generation_applied
    })
}
