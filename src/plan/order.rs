//! Edge triggers: orders that are carried out once for each value, and the memory that makes it so.

use crate::api::reason::{Failure, Reason};
use crate::api::{AssumeSent, NotPersisted, RefusedField, SecretVersion, Trigger, TriggerState};
use crate::plan::digest::TriggerKey;
use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::user::Attribute;

/// What earlier passes left in status, and what annotations say of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Orders and how far they came.
    pub triggers: Vec<Trigger>,
    /// Fields that Auth0 rejected and that are not due for another try, unless in `retry`.
    pub refused: Vec<RefusedField>,
    /// Rejected fields whose time for another try, alone, has come.
    pub retry: BTreeSet<String>,
    /// Whether the last pass ended early.
    pub has_failed: bool,
    /// Values that Auth0 accepted and does not hold.
    pub not_persisted: Vec<NotPersisted>,
    /// Fields that stay as something else has changed them, for a while.
    pub paused: BTreeSet<String>,
    /// Whether this very generation was applied before, so that an order under a lost key is an old one.
    pub generation_applied: bool,
    /// The assume-sent annotation.
    pub assume_sent: Option<AssumeSent>,
    /// Orders that other resources of the same user remember.
    pub siblings: Vec<Trigger>,
}

impl Memory {
    /// The entry of one order.
    #[must_use]
    pub fn trigger(&self, name: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }

    /// Adds an entry, or replaces the one of that name.
    pub fn remember(&mut self, entry: Trigger) {
        match self.triggers.iter_mut().find(|trigger| trigger.name == entry.name) {
            Some(trigger) => *trigger = entry,
            None => self.triggers.push(entry),
        }
    }

    /// What another resource remembers of the same order. Who remembers another value may know what came in
    /// between: then only a password counts that was set after that one.
    fn sibling(&self, order: &Order<'_>, key: &TriggerKey, recall: &Recall<'_>) -> Option<&Trigger> {
        let own = self.trigger(order.attribute.spec_name()).and_then(|own| own.last_password_reset.clone());
        let is_current = |sibling: &Trigger| {
            matches!(recall, Recall::Nothing)
                || order.attribute == Attribute::VerifyEmail
                || (order.attribute == Attribute::Password && sibling.last_password_reset > own)
        };
        let is_same = |sibling: &&Trigger| {
            sibling.name == order.attribute.spec_name()
                && sibling.digest == order.digest
                && sibling.key_id == key.id()
                && sibling.user_created_at.as_deref() == order.user_created_at
                && is_current(sibling)
        };
        let mut siblings = self.siblings.iter().filter(is_same);
        siblings.clone().find(|sibling| sibling.state == TriggerState::Sent).or_else(|| siblings.next())
    }

    /// Whether Auth0 accepted this value once without holding it.
    #[must_use]
    pub fn is_not_persisted(&self, field: &str, digest: &str) -> bool {
        self.not_persisted.iter().any(|entry| entry.field == field && entry.digest == digest)
    }
}

/// One order as it stands now, to be compared with the memory.
pub(super) struct Order<'a> {
    pub attribute: Attribute,
    pub digest: String,
    pub secret: Option<&'a SecretVersion>,
    pub user_created_at: Option<&'a str>,
    pub last_password_reset: Option<&'a str>,
}

/// What becomes of an order.
pub(super) enum Decision {
    /// It was carried out.
    Done,
    /// Carry it out, after this entry is written. `again` if an earlier try may have arrived.
    Send { entry: Trigger, again: bool },
    /// Nothing is to be sent, but this entry is to be written.
    Record(Trigger),
    /// It is not known whether it was carried out; a person decides.
    Hold(Failure),
}

enum Recall<'a> {
    /// No usable memory.
    Nothing,
    /// Another value was ordered before.
    Another,
    /// The same order. Owned where the entry must be rewritten under the present key.
    Same(Cow<'a, Trigger>),
}

/// Holds an order that was perhaps sent, until the annotation decides.
fn held<'a>(memory: &Memory, because: &str) -> Result<Recall<'a>, Failure> {
    if matches!(memory.assume_sent, Some(AssumeSent::Yes | AssumeSent::No)) {
        return Ok(Recall::Nothing);
    }
    let annotation = crate::api::ASSUME_SENT_ANNOTATION;
    Err(Failure::new(
        Reason::TriggerKeyLost,
        format!(
            "{because}: set the annotation {annotation} to \"true\" (it was sent) or \"false\" (send it)"
        ),
    ))
}

impl Order<'_> {
    pub fn decide(&self, memory: &Memory, key: &TriggerKey) -> Decision {
        let found = match self.recall(memory, key) {
            Ok(Recall::Same(found)) => found,
            Ok(recall @ (Recall::Nothing | Recall::Another))
                if let Some(decision) =
                    memory.sibling(self, key, &recall).and_then(|sibling| self.follow(sibling, key)) =>
            {
                return decision;
            }
            Ok(Recall::Nothing) if memory.assume_sent == Some(AssumeSent::Yes) => {
                return Decision::Record(self.entry(TriggerState::Sent, key));
            }
            Ok(Recall::Nothing) if memory.assume_sent == Some(AssumeSent::Unclear) => {
                let annotation = crate::api::ASSUME_SENT_ANNOTATION;
                let message = format!(
                    "the annotation {annotation} is neither true nor false: write one of them, or remove it"
                );
                return Decision::Hold(Failure::new(Reason::InvalidRequest, message));
            }
            Ok(Recall::Nothing | Recall::Another) => return self.send(TriggerState::Sending, key, false),
            Err(hold) => return Decision::Hold(hold),
        };
        match found.state {
            TriggerState::Sent => match found {
                Cow::Borrowed(_) => Decision::Done,
                Cow::Owned(rewritten) => Decision::Record(rewritten),
            },
            TriggerState::Refused => self.send(TriggerState::Sending, key, false),
            TriggerState::Sending | TriggerState::Resending | TriggerState::Unknown => {
                self.resume(&found, key)
            }
        }
    }

    /// Decides on an order that another resource has given already.
    fn follow(&self, sibling: &Trigger, key: &TriggerKey) -> Option<Decision> {
        // It is as old as the sibling's, or it would seem to know more.
        let adopted = || Trigger {
            last_password_reset: sibling.last_password_reset.clone(),
            ..self.entry(TriggerState::Sent, key)
        };
        match sibling.state {
            TriggerState::Sent => Some(Decision::Record(adopted())),
            TriggerState::Sending if self.was_set_since(sibling) => Some(Decision::Record(adopted())),
            TriggerState::Sending | TriggerState::Resending => Some(Decision::Hold(Failure::new(
                Reason::Auth0Unavailable,
                format!(
                    "another resource is already sending the same {} for this user; this resource waits for Auth0's response, so that it is not sent twice",
                    self.attribute.spec_name()
                ),
            ))),
            TriggerState::Refused | TriggerState::Unknown => None,
        }
    }

    /// Decides on an order whose sending was begun and whose end is not known.
    fn resume(&self, found: &Trigger, key: &TriggerKey) -> Decision {
        let mails = self.attribute == Attribute::VerifyEmail;
        let arrived = self.was_set_since(found) || (mails && found.state == TriggerState::Resending);
        if arrived {
            return Decision::Record(self.entry(TriggerState::Sent, key));
        }
        self.send(if mails { TriggerState::Resending } else { TriggerState::Sending }, key, true)
    }

    /// Whether a password was set after this entry was written.
    fn was_set_since(&self, entry: &Trigger) -> bool {
        self.attribute == Attribute::Password
            && entry.last_password_reset.as_deref() != self.last_password_reset
    }

    fn recall<'a>(&self, memory: &'a Memory, key: &TriggerKey) -> Result<Recall<'a>, Failure> {
        let name = self.attribute.spec_name();
        let Some(entry) = memory.trigger(name) else { return Ok(Recall::Nothing) };
        if entry.state == TriggerState::Unknown {
            return held(
                memory,
                &format!(
                    "status.triggers records {name} with a state that this version of the operator does not know"
                ),
            );
        }
        if entry.user_created_at.as_deref() != self.user_created_at {
            return Ok(Recall::Nothing);
        }
        if entry.key_id == key.id() {
            return Ok(if entry.digest == self.digest {
                Recall::Same(Cow::Borrowed(entry))
            } else {
                Recall::Another
            });
        }
        if memory.generation_applied && entry.secret.as_ref() == self.secret {
            let rewritten =
                Trigger { digest: self.digest.clone(), key_id: key.id().to_owned(), ..entry.clone() };
            return Ok(Recall::Same(Cow::Owned(rewritten)));
        }
        held(memory, &format!("the operator's trigger key changed, so it is unknown whether {name} was sent"))
    }

    fn send(&self, state: TriggerState, key: &TriggerKey, again: bool) -> Decision {
        Decision::Send { entry: self.entry(state, key), again }
    }

    fn entry(&self, state: TriggerState, key: &TriggerKey) -> Trigger {
        let is_password = self.attribute == Attribute::Password;
        Trigger {
            name: self.attribute.spec_name().to_owned(),
            state,
            digest: self.digest.clone(),
            key_id: key.id().to_owned(),
            user_created_at: self.user_created_at.map(str::to_owned),
            last_password_reset: self.last_password_reset.filter(|_| is_password).map(str::to_owned),
            secret: self.secret.cloned(),
        }
    }
}
