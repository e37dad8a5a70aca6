//! The connections of a tenant, page by page.

use crate::api::ConnectionChoice;
use serde::Deserialize;

/// Connections asked for at once: the most that Auth0 gives.
pub(super) const PAGE: &str = "100";

/// Most connections that are kept.
const MOST_CHOICES: usize = 1000;

/// The connections of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// At most 1000 of them, in Auth0's order.
    pub choices: Vec<ConnectionChoice>,
    /// How many there are, counted up to 10 000.
    pub total: u32,
}

/// One page of checkpoint pagination; the last has no `next`.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) connections: Vec<Item>,
    #[serde(default)]
    pub(super) next: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(default)]
    name: String,
    #[serde(default)]
    strategy: String,
}

impl Connections {
    pub(super) fn add(&mut self, items: Vec<Item>) {
        self.total = self.total.saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        let room = MOST_CHOICES.saturating_sub(self.choices.len());
        let named = items.into_iter().filter(|item| !item.name.is_empty());
        self.choices.extend(
            named.take(room).map(|item| ConnectionChoice { name: item.name, strategy: item.strategy }),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_counted_beyond_what_is_kept() {
        let mut connections = Connections::default();
        for _ in 0..11 {
            let item = |_| Item { name: "db".to_owned(), strategy: "auth0".to_owned() };
            connections.add((0..100).map(item).collect());
        }
        assert_eq!((connections.choices.len(), connections.total), (1000, 1100));
    }
}
