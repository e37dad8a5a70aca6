//! Puts what differs into requests, and those into an order.

use crate::api::Trigger;
use crate::api::reason::{Failure, Reason};
use crate::plan::drift::Part;
use crate::plan::{Desired, Situation};
use crate::user::{Attribute, Target};
use crate::user::{Body, Change, MAX_BYTES};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// One PATCH.
pub struct Step {
    /// What Auth0 accepts or rejects in it, by the name in the lists of status.
    pub fields: BTreeMap<String, Attribute>,
    /// Fields that it sets or clears, without the password.
    pub changes: Vec<Change>,
    /// Entries that must be in status before it is sent.
    pub triggers: Vec<Trigger>,
    /// What is sent.
    pub body: Body,
    /// The password may have been set by an earlier try, so that Auth0's password history refuses it.
    pub again: bool,
    /// Waits for nothing: until it is sent, a user who is to be blocked can log in.
    pub is_urgent: bool,
}

impl Step {
    /// Blocks the user, and nothing else.
    #[must_use]
    pub fn block() -> Self {
        let change = Change::root(Attribute::Blocked, true.into());
        let mut body = Body::default();
        body.put(&change);
        Self {
            fields: [(change.field(), Attribute::Blocked)].into(),
            changes: vec![change],
            triggers: Vec::new(),
            body,
            again: false,
            is_urgent: false,
        }
    }

    /// Whether it says that the user is blocked.
    #[must_use]
    pub fn keeps_block(&self) -> bool {
        self.changes.iter().any(|change| change.attribute == Attribute::Blocked && change.value == true)
    }

    /// Whether it may go out on the word of Auth0's last answer: the profile, metadata keys, or a block alone.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let unblocks =
            |change: &Change| change.attribute == Attribute::Blocked && change.value != Value::Bool(true);
        self.triggers.is_empty()
            && !self.body.has_password()
            && self.fields.values().all(|attribute| !attribute.group().is_identity_scoped())
            && !self.changes.iter().any(unblocks)
            && !self.blocks_beside_others()
    }

    /// Whether it blocks the user along with something that could get in the way.
    #[must_use]
    pub fn blocks_beside_others(&self) -> bool {
        self.keeps_block() && (self.fields.len() > 1 || self.body.has_password())
    }
}

/// A block that may not wait for anything else, the password, everything else that Auth0 takes together, what is
/// retried alone, the username.
pub(super) fn steps(
    situation: &Situation<'_>,
    target: &Target,
    mut parts: Vec<Part>,
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    if situation.progress.owes_block && !situation.user.is_blocked() {
        steps.push(Step { is_urgent: true, ..Step::block() });
    }
    let passwords: Vec<Part> = parts.extract_if(.., |part| part.attribute == Attribute::Password).collect();
    let block_goes_first = !passwords.is_empty() || is_in_doubt(situation);
    if parts.extract_if(.., |part| block_goes_first && part.blocks()).count() > 0 {
        steps.push(Step::block());
    }
    if !passwords.is_empty() && situation.user.is_blocked() {
        // The password lifts the block (Auth0: "Block and unblock users"); else its answer shows that it did not.
        parts.retain(|part| part.attribute != Attribute::Blocked || part.blocks());
    }
    let (half, rest) = halves(situation, &mut parts);
    let mut bodies = vec![passwords, half, rest];
    let alone = alone(situation, &mut parts);
    if target.is_primary() {
        bodies.push(parts);
    } else {
        let (identity, user) =
            parts.into_iter().partition(|part| part.attribute.group().is_identity_scoped());
        bodies.extend([user, identity]);
    }
    bodies.extend(alone);
    for mut parts in bodies {
        take_out_riders(&mut parts);
        if !parts.is_empty() {
            let is_blocked = situation.user.is_blocked() || steps.iter().any(Step::keeps_block);
            steps.push(step(situation, parts, is_blocked)?);
        }
    }
    Ok(steps)
}

/// Whether a block would share a request with something that Auth0 may reject: it rides in no body that was
/// rejected, or has failed, before.
fn is_in_doubt(Situation { memory, progress, .. }: &Situation<'_>) -> bool {
    memory.has_failed
        || !memory.refused.is_empty()
        || !progress.doubt.is_empty()
        || !progress.refused.is_empty()
}

/// Takes out what is in doubt, and cuts it in two. A flag and a mail stay with their address until nothing else is
/// left to cut.
fn halves(situation: &Situation<'_>, parts: &mut Vec<Part>) -> (Vec<Part>, Vec<Part>) {
    let is_in_doubt = |part: &Part| situation.progress.doubt.contains(&part.name);
    let leads: Vec<String> = parts.iter().map(|part| lead(part, parts).to_owned()).collect();
    let doubted: BTreeSet<&String> =
        parts.iter().zip(&leads).filter(|(part, _)| is_in_doubt(part)).map(|(_, lead)| lead).collect();
    let (mut groups, mut others): (Vec<Vec<Part>>, Vec<Part>) = (Vec::new(), Vec::new());
    let mut last = None;
    for (part, lead) in parts.drain(..).zip(&leads) {
        if !doubted.contains(lead) {
            others.push(part);
            continue;
        }
        match groups.last_mut() {
            Some(group) if last == Some(lead) => group.push(part),
            Some(_) | None => groups.push(vec![part]),
        }
        last = Some(lead);
    }
    *parts = others;
    if let [group] = &mut groups[..] {
        return cut_inside(std::mem::take(group), is_in_doubt);
    }
    let half = groups.iter().map(Vec::len).sum::<usize>().div_ceil(2);
    let (mut first, count) = (Vec::new(), groups.len());
    let mut groups = groups.into_iter().enumerate().peekable();
    while let Some((_, group)) = groups.next_if(|(at, _)| first.len() < half && at + 1 < count) {
        first.extend(group);
    }
    (first, groups.flat_map(|(_, group)| group).collect())
}

/// Cuts one field with what speaks of it: the mail goes with the address as long as possible, or it would not go at
/// all. An address that is not in doubt goes first, with all.
fn cut_inside(mut group: Vec<Part>, is_in_doubt: impl Fn(&Part) -> bool) -> (Vec<Part>, Vec<Part>) {
    if group.first().is_some_and(|part| !is_in_doubt(part)) {
        return (group, Vec::new());
    }
    group.sort_by_key(|part| part.attribute == Attribute::EmailVerified);
    let (mut doubtful, rest): (Vec<_>, Vec<_>) = group.into_iter().partition(is_in_doubt);
    let second = doubtful.split_off(doubtful.len().div_ceil(2));
    (doubtful, second.into_iter().chain(rest).collect())
}

/// Takes out what goes alone: the username, and each field that was rejected and whose time has come, with what
/// speaks of it.
fn alone(situation: &Situation<'_>, parts: &mut Vec<Part>) -> Vec<Vec<Part>> {
    let leads: Vec<String> = parts.iter().map(|part| lead(part, parts).to_owned()).collect();
    let is_retried = |name: &String| situation.memory.retry.contains(name);
    let mut together: Vec<(String, Vec<Part>)> = Vec::new();
    let mut rest = Vec::new();
    for (part, lead) in parts.drain(..).zip(leads) {
        let by = if is_retried(&lead) { lead } else { part.name.clone() };
        if !is_retried(&by) && part.attribute != Attribute::Username {
            rest.push(part);
        } else if let Some((_, parts)) = together.iter_mut().find(|(known, _)| *known == by) {
            parts.push(part);
        } else {
            together.push((by, vec![part]));
        }
    }
    *parts = rest;
    together.into_iter().map(|(_, parts)| parts).collect()
}

/// The field that a part goes with, where that is sent: a flag and a mail go with the address that they speak of, and a
/// mail else with the flag.
fn lead<'a>(part: &'a Part, parts: &[Part]) -> &'a str {
    let flag = (part.attribute == Attribute::VerifyEmail).then_some(Attribute::EmailVerified);
    let leads = [part.attribute.address(), flag];
    let lead = leads.into_iter().flatten().find(|lead| parts.iter().any(|part| part.attribute == *lead));
    lead.map_or(&part.name, |lead| lead.spec_name())
}

/// Takes out what rides where its address is not in the same request. A mail also rides beside a flag.
fn take_out_riders(parts: &mut Vec<Part>) {
    let has = |parts: &[Part], attribute| parts.iter().any(|part| part.attribute == attribute);
    let (email, phone) = (has(parts, Attribute::Email), has(parts, Attribute::PhoneNumber));
    parts.retain(|part| part.attribute != Attribute::EmailVerified || !part.rides || email);
    parts.retain(|part| part.attribute != Attribute::PhoneVerified || !part.rides || phone);
    let flag = has(parts, Attribute::EmailVerified);
    parts.retain(|part| part.attribute != Attribute::VerifyEmail || !part.rides || email || flag);
}

/// `is_blocked`: the user is when this is sent.
fn step(situation: &Situation<'_>, parts: Vec<Part>, is_blocked: bool) -> Result<Step, Failure> {
    let mut step = Step {
        fields: parts.iter().map(|part| (part.name.clone(), part.attribute)).collect(),
        changes: Vec::new(),
        triggers: Vec::new(),
        body: Body::default(),
        again: parts.iter().any(|part| part.again),
        is_urgent: false,
    };
    for part in parts {
        if let Some(password) = &part.password {
            step.body.put_password(password);
            if is_blocked && situation.desired.flags.get(&Attribute::Blocked) == Some(&true) {
                step.changes.push(Change::root(Attribute::Blocked, true.into()));
            }
        }
        step.triggers.extend(part.trigger);
        step.changes.extend(part.changes);
    }
    for change in &step.changes {
        step.body.put(change);
    }
    ride_along(situation.desired, &mut step);
    if step.body.bytes().expose_secret().len() > MAX_BYTES {
        return Err(Failure::new(
            Reason::InvalidRequest,
            "the request would be larger than the 1 MB that Auth0 accepts: make the metadata smaller",
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
        && step.fields.values().any(|attribute| attribute.group().is_identity_scoped())
    {
        step.body.put_text("connection", connection);
    }
    if let Some(client_id) = &desired.client_id
        && sets_address
    {
        step.body.put_text("client_id", client_id);
    }
}
