//! The plan: which PATCH requests make the observed user what the spec asks, in which order.
//!
//! Pure and total: no I/O, no clock. After every answer of Auth0 the rest is planned again from it.

mod attribute;
mod body;
mod desired;
mod digest;
mod drift;
mod dropped;
mod order;

pub use attribute::{Attribute, Group};
pub use body::{Body, Change, MAX_BYTES};
pub use desired::{Desired, Metadata, Text, Whole};
pub use digest::{KEY_BYTES, TriggerKey};
pub use drift::same_json;
pub use dropped::dropped_nulls;
pub use order::Memory;

use crate::api::{NotPersisted, SecretVersion, Trigger, TriggerState};
use crate::reason::{Failure, Reason};
use crate::user::{Target, User};
use drift::{Comparison, Draft};
use secrecy::{ExposeSecret as _, SecretString};
use std::collections::BTreeSet;

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

/// What one pass has sent so far. No group is sent twice in a pass.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Groups that Auth0 accepted.
    pub sent: BTreeSet<Group>,
    /// Groups that Auth0 refused.
    pub refused: BTreeSet<Group>,
    /// Groups of a refused merged request, to be sent one by one.
    pub split: BTreeSet<Group>,
    /// The block that a password lifts.
    pub block: Block,
}

/// Whether `blocked: true` has to be set again after a password.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Block {
    /// No password was set on a blocked user.
    #[default]
    Untouched,
    /// One was, so the answer must show the block, or it is set again.
    Owed,
    /// It was set again.
    Restored,
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

/// One PATCH.
pub struct Step {
    /// Groups that travel in it.
    pub groups: BTreeSet<Group>,
    /// Fields that it sets or clears, without the password.
    pub changes: Vec<Change>,
    /// Entries that must be in status before it is sent.
    pub triggers: Vec<Trigger>,
    /// What is sent.
    pub body: Body,
    /// The password may have been set by an earlier try, so that Auth0's password history refuses it.
    pub again: bool,
    /// Sets the block again that the password of this pass lifted.
    pub restores_block: bool,
}

/// A group that is not sent, although it may have to be, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// The group.
    pub group: Group,
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
    /// Groups held back.
    pub holds: Vec<Hold>,
    /// Groups left out because Auth0 refused them, and still differing.
    pub left_out: BTreeSet<Group>,
    /// Values that Auth0 accepted and does not hold.
    pub not_persisted: Vec<NotPersisted>,
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
        records: Vec::new(),
        holds: Vec::new(),
        not_persisted: Vec::new(),
        declared_orders: Vec::new(),
    };
    let mut drafts = vec![
        comparison.password(situation.password),
        comparison.account(),
        comparison.profile(),
        comparison.email(),
        comparison.phone(),
        comparison.username(),
    ];
    drafts.retain(|draft| !draft.is_empty());
    settle(situation.progress, &mut drafts, &mut comparison);
    hold_password_of_blocked(situation, &mut drafts, &mut comparison.holds);
    let refused = situation.memory.refused_groups();
    let mut left_out = BTreeSet::new();
    drafts.retain(|draft| {
        let waits = refused.contains(&draft.group) && !situation.memory.retry.contains(&draft.group);
        if waits || situation.progress.refused.contains(&draft.group) {
            left_out.insert(draft.group);
            return false;
        }
        true
    });
    let steps = steps(situation, &target, drafts)?;
    // In one order whatever was found first, or the status would change where nothing did.
    comparison.not_persisted.sort_by(|one, other| one.field.cmp(&other.field));
    Ok(Plan {
        steps,
        forgotten: forgotten(situation.memory, &comparison.declared_orders),
        records: comparison.records,
        holds: comparison.holds,
        left_out,
        not_persisted: comparison.not_persisted,
    })
}

/// Takes out the groups that this pass has sent: what still differs was not persisted.
fn settle(progress: &Progress, drafts: &mut Vec<Draft>, comparison: &mut Comparison<'_>) {
    drafts.retain_mut(|draft| {
        let restored = progress.block == Block::Restored && !progress.refused.contains(&Group::Account);
        if restored && draft.group == Group::Account {
            draft.changes.retain(|change| {
                let lost = change.attribute == Attribute::Blocked;
                if lost {
                    comparison.not_persisted.push(comparison.not_persisted_entry(change));
                }
                !lost
            });
        }
        let sent = progress.sent.contains(&draft.group);
        if sent {
            let lost = draft.changes.iter().filter(|change| comparison.is_lost(change));
            let lost: Vec<_> = lost.map(|change| comparison.not_persisted_entry(change)).collect();
            comparison.not_persisted.extend(lost);
        }
        !sent && !draft.is_empty()
    });
}

/// Setting a password lifts an administrator's block (Auth0: "Block and unblock users"), so a blocked
/// user's password waits until the spec says what is wanted.
fn hold_password_of_blocked(situation: &Situation<'_>, drafts: &mut Vec<Draft>, holds: &mut Vec<Hold>) {
    let undecided = situation.user.is_blocked() && !situation.desired.flags.contains_key(&Attribute::Blocked);
    if !undecided || !drafts.iter().any(|draft| draft.group == Group::Password) {
        return;
    }
    drafts.retain(|draft| draft.group != Group::Password);
    holds.push(Hold {
        group: Group::Password,
        failure: Failure::new(
            Reason::UserBlocked,
            "the user is blocked and a new password would lift the block: declare blocked: true or blocked: false",
        ),
    });
}

/// The password's memory stays for ever; any other order is forgotten once it is not declared.
fn forgotten(memory: &Memory, declared: &[Attribute]) -> Vec<String> {
    memory
        .triggers
        .iter()
        .filter(|trigger| {
            trigger.name != Attribute::Password.spec_name()
                && trigger.state != TriggerState::Unknown
                && !declared.iter().any(|attribute| attribute.spec_name() == trigger.name)
        })
        .map(|trigger| trigger.name.clone())
        .collect()
}

/// Puts the drafts into requests: password, everything else that Auth0 takes together, username.
fn steps(situation: &Situation<'_>, target: &Target, drafts: Vec<Draft>) -> Result<Vec<Step>, Failure> {
    let alone = |group: Group| {
        group == Group::Password
            || group == Group::Username
            || situation.progress.split.contains(&group)
            || situation.memory.retry.contains(&group)
    };
    let mut steps = Vec::new();
    if situation.progress.block == Block::Owed && !situation.user.is_blocked() {
        steps.push(restore_block());
    }
    let (password, rest): (Vec<_>, Vec<_>) =
        drafts.into_iter().partition(|draft| draft.group == Group::Password);
    let mut merged: Vec<Vec<Draft>> = Vec::new();
    for draft in password {
        merged.push(vec![draft]);
    }
    let (single, together): (Vec<_>, Vec<_>) = rest.into_iter().partition(|draft| alone(draft.group));
    if target.is_primary() {
        merged.push(together);
    } else {
        let (identity, user): (Vec<_>, Vec<_>) =
            together.into_iter().partition(|draft| draft.group.is_identity_scoped());
        merged.extend([user, identity]);
    }
    merged.extend(single.into_iter().map(|draft| vec![draft]));
    for drafts in merged {
        if !drafts.is_empty() {
            steps.push(step(situation, drafts)?);
        }
    }
    Ok(steps)
}

fn restore_block() -> Step {
    let change = Change::root(Attribute::Blocked, true.into());
    let mut body = Body::default();
    body.put(&change);
    Step {
        groups: BTreeSet::new(),
        changes: vec![change],
        triggers: Vec::new(),
        body,
        again: false,
        restores_block: true,
    }
}

fn step(situation: &Situation<'_>, drafts: Vec<Draft>) -> Result<Step, Failure> {
    let mut step = Step {
        groups: drafts.iter().map(|draft| draft.group).collect(),
        changes: Vec::new(),
        triggers: Vec::new(),
        body: Body::default(),
        again: drafts.iter().any(|draft| draft.again),
        restores_block: false,
    };
    for draft in drafts {
        if let Some(password) = &draft.password {
            step.body.put_password(password);
            if situation.user.is_blocked() && situation.desired.flags.get(&Attribute::Blocked) == Some(&true)
            {
                step.changes.push(Change::root(Attribute::Blocked, true.into()));
            }
        }
        step.triggers.extend(draft.triggers);
        step.changes.extend(draft.changes);
    }
    for change in &step.changes {
        step.body.put(change);
    }
    ride_along(situation.desired, &mut step);
    if step.body.bytes().expose_secret().len() > MAX_BYTES {
        return Err(Failure::new(
            Reason::InvalidRequest,
            "the request would be larger than the 1 MB that Auth0 takes: make the metadata smaller",
        ));
    }
    Ok(step)
}

/// `connection` goes with what belongs to one identity, `client_id` with a new email or phone number.
fn ride_along(desired: &Desired, step: &mut Step) {
    let sets_address = step.changes.iter().any(|change| {
        matches!(change.attribute, Attribute::Email | Attribute::PhoneNumber) && !change.clears
    });
    if let Some(connection) = &desired.connection
        && step.groups.iter().any(|group| group.is_identity_scoped())
    {
        step.body.put_text("connection", connection);
    }
    if let Some(client_id) = &desired.client_id
        && sets_address
    {
        step.body.put_text("client_id", client_id);
    }
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
