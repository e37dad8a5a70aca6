//! What one pass changes in the memory of orders.
//!
//! Only these entries are laid over the status that is written, so that a pass that lost a race does not
//! wipe out what another one has begun.

use crate::api::{Trigger, TriggerState};
use crate::user::Attribute;
use std::collections::BTreeMap;

/// Entries by the name of their order; `None` forgets one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries(BTreeMap<String, Option<Trigger>>);

impl Entries {
    /// Sets an entry.
    pub fn set(&mut self, entry: Trigger) {
        self.0.insert(entry.name.clone(), Some(entry));
    }

    /// Puts an entry back as it was.
    pub fn restore(&mut self, name: &str, earlier: Option<Trigger>) {
        self.0.insert(name.to_owned(), earlier);
    }

    /// Forgets an entry.
    pub fn forget(&mut self, name: &str) {
        self.restore(name, None);
    }

    /// The memory with these changes.
    #[must_use]
    pub fn onto(&self, memory: &[Trigger]) -> Vec<Trigger> {
        let known = memory
            .iter()
            .filter_map(|entry| self.0.get(&entry.name).cloned().unwrap_or_else(|| Some(entry.clone())));
        let is_new = |entry: &&Trigger| !memory.iter().any(|known| known.name == entry.name);
        known.chain(self.0.values().flatten().filter(is_new).cloned()).collect()
    }

    /// Those of these entries that tell the end of an order which the memory shows as begun.
    #[must_use]
    pub fn ended_of(&self, memory: &[Trigger]) -> Self {
        let ends = |entry: &Trigger| {
            !is_begun(entry)
                && memory
                    .iter()
                    .any(|known| known.name == entry.name && known.digest == entry.digest && is_begun(known))
        };
        let ended = self.0.iter().filter(|(_, entry)| entry.as_ref().is_some_and(ends));
        Self(ended.map(|(name, entry)| (name.clone(), entry.clone())).collect())
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Digests of the orders that were begun and whose end is not known.
    pub fn begun(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().filter(|entry| is_begun(entry)).map(|entry| entry.digest.as_str())
    }
}

/// An intent whose write-ahead record may be in status although its request was never sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsent {
    /// As it was to be written.
    pub order: Trigger,
    /// What was there before.
    pub earlier: Option<Trigger>,
}

impl Unsent {
    /// What takes back the entries of a memory that say more than was done. `last_password_reset`: of the user now.
    #[must_use]
    pub fn undo(orders: &[Self], memory: &[Trigger], last_password_reset: Option<&str>) -> Entries {
        let mut entries = Entries::default();
        for Self { order, earlier } in orders.iter().filter(|unsent| memory.contains(&unsent.order)) {
            // Where it moved, another resource or process has begun the same order, and sent it.
            let is_set = order.name == Attribute::Password.spec_name()
                && order.last_password_reset.as_deref() != last_password_reset;
            if !is_set {
                entries.restore(&order.name, earlier.clone());
            }
        }
        entries
    }
}

/// Whether an order was begun and its end is not known.
#[must_use]
pub const fn is_begun(entry: &Trigger) -> bool {
    matches!(entry.state, TriggerState::Sending | TriggerState::Resending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, state: TriggerState) -> Trigger {
        Trigger {
            name: name.to_owned(),
            state,
            digest: format!("digest of {name}"),
            key_id: String::new(),
            user_created_at: None,
            last_password_reset: None,
            secret: None,
        }
    }

    #[test]
    fn entries_of_others_stay() {
        let theirs = [entry("verifyEmail", TriggerState::Sending), entry("userMetadata", TriggerState::Sent)];
        let mut ours = Entries::default();
        ours.set(entry("passwordSecretRef", TriggerState::Sent));
        ours.forget("userMetadata");
        let names: Vec<_> = ours.onto(&theirs).into_iter().map(|entry| entry.name).collect();
        assert_eq!(names, ["verifyEmail", "passwordSecretRef"]);
        assert_eq!(ours.begun().count(), 0);
    }

    #[test]
    fn what_was_not_sent_is_as_if_it_had_not_been_begun() {
        let order = |state, reset: &str| Trigger {
            last_password_reset: Some(reset.to_owned()),
            ..entry("passwordSecretRef", state)
        };
        let (begun, earlier) = (order(TriggerState::Sending, "1"), order(TriggerState::Refused, "1"));
        let undone = |earlier: Option<&Trigger>, memory: &Trigger, reset| {
            let unsent = [Unsent { order: begun.clone(), earlier: earlier.cloned() }];
            let memory = [memory.clone()];
            Unsent::undo(&unsent, &memory, Some(reset)).onto(&memory)
        };
        assert_eq!(undone(Some(&earlier), &begun, "1"), [earlier]);
        assert_eq!(undone(None, &begun, "1"), []);
        assert_eq!(undone(None, &begun, "2"), std::slice::from_ref(&begun), "it was set elsewhere");
        let later = Trigger { digest: "another".to_owned(), ..begun.clone() };
        assert_eq!(undone(None, &later, "1"), [later]);
    }
}
