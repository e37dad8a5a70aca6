//! What is kept of resources that claim no more, for a while: what they claimed, so that no other one takes it over
//! where both leave one after the other, and what they have sent, so that a successor does not send it again. Pure.

use crate::api::{Trigger, TriggerState};
use crate::ownership::claimant::{Claimant, Place};
use crate::ownership::fingerprint::Field;
use crate::user::Attribute;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a field waits for its owner to come back, or for its claimants to leave as well.
pub const TAKEOVER: Duration = Duration::from_secs(5);

/// How long what a resource has sent is known to those that come after it.
pub const INHERITANCE: Duration = Duration::from_mins(10);

/// A claimant as it was before it claimed less, or nothing.
pub(super) struct Ghost {
    pub claimant: Claimant,
    /// It stands in the way of those that had arrived before, and not of one that is made in its place.
    pub arrivals: u64,
    pub until: Instant,
}

impl Ghost {
    pub fn concerns(&self, own: &Claimant) -> bool {
        own.arrival < self.arrivals && !own.is_namesake_of(&self.claimant.place, &self.claimant.name)
    }
}

/// What a claimant that left has sent.
pub(super) struct Departed {
    place: Arc<Place>,
    name: Box<str>,
    memory: Box<[Trigger]>,
    pub until: Instant,
    /// Once its time is over: who had arrived until then.
    pub heirs: Option<u64>,
}

impl Departed {
    /// `None` where nothing was sent that another one has to know of.
    pub fn of(claimant: &Claimant, until: Instant) -> Option<Self> {
        let sent = claimant.memory.iter().filter(|entry| entry.state == TriggerState::Sent);
        let memory: Box<[Trigger]> = sent.filter(|entry| counts(claimant, entry)).cloned().collect();
        let (place, name) = (Arc::clone(&claimant.place), claimant.name.clone());
        (!memory.is_empty()).then_some(Self { place, name, memory, until, heirs: None })
    }

    /// What a claimant that may be its successor has to know of it. A new resource of the same name is meant to send
    /// everything again. Once the time is over, only that counts which the successor could not note down yet.
    pub fn inherited_by<'a>(&'a self, own: &'a Claimant) -> impl Iterator<Item = &'a Trigger> {
        let is_heir = !own.is_namesake_of(&self.place, &self.name)
            && self.heirs.is_none_or(|arrivals| own.arrival < arrivals);
        let notes = move |entry: &Trigger| own.memory.iter().any(|known| known.name == entry.name);
        let entries = self.memory.iter().filter(move |entry| is_heir && is_shared(own, &self.place, entry));
        entries.filter(move |entry| acts_on(own, entry) && (self.heirs.is_none() || !notes(entry)))
    }

    /// Whether its time is over and a claimant that came in time could not note down yet what was sent.
    pub fn awaits(&self, own: &Claimant) -> bool {
        self.heirs.is_some() && self.inherited_by(own).next().is_some()
    }

    pub fn place(&self) -> &Place {
        &self.place
    }
}

/// Those of one user that left.
#[derive(Default)]
pub(super) struct Leavers {
    pub ghosts: Vec<Ghost>,
    pub departed: Vec<Departed>,
}

/// Whether a claimant wants what this entry is about.
pub(super) fn acts_on(own: &Claimant, entry: &Trigger) -> bool {
    let attribute = Attribute::of_field(&entry.name);
    attribute.is_some_and(|attribute| own.wanted(Field::of(attribute)).is_some())
}

/// Whether an entry of a resource of this place may be known to a claimant. What equal digests tell of a password, a map
/// or a value does not leave the namespace; a mail says nothing.
pub(super) fn is_shared(own: &Claimant, place: &Place, entry: &Trigger) -> bool {
    place.namespace == own.place.namespace || entry.name == Attribute::VerifyEmail.spec_name()
}

/// Whether an entry of this claimant says anything to others. One that is in conflict goes on with nothing, and of
/// what it carried out only that counts which is never forgotten.
pub(super) fn counts(claimant: &Claimant, entry: &Trigger) -> bool {
    let lasts = entry.name == Attribute::Password.spec_name();
    !claimant.conflicted || (lasts && entry.state == TriggerState::Sent)
}
