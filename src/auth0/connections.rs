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

/// One page of checkpoint pagination; the last has no `next`. Without pagination the list stands alone.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Page {
    Checkpoint {
        connections: Vec<Item>,
        #[serde(default)]
        next: Option<String>,
    },
    Whole(Vec<Item>),
}

impl Page {
    /// The connections, and where the next page begins.
    pub(super) fn parts(self) -> (Vec<Item>, Option<String>) {
        match self {
            Self::Checkpoint { connections, next } => (connections, next.filter(|next| !next.is_empty())),
            Self::Whole(connections) => (connections, None),
        }
    }
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
    fn a_list_is_read_with_and_without_pages() {
        let read = |text: &str| serde_json::from_str::<Page>(text).ok().map(Page::parts);
        let (items, next) = read(r#"{"connections": [{"id": "c", "name": "db"}], "next": "x"}"#).unwrap();
        assert_eq!((items[0].name.as_str(), next.as_deref()), ("db", Some("x")));
        let (items, next) = read(r#"[{"name": "db", "strategy": "auth0"}, {}]"#).unwrap();
        assert_eq!((items.len(), items[0].strategy.as_str(), next), (2, "auth0", None));
        assert_eq!(read(r#"{"connections": [], "next": ""}"#).unwrap().1, None);
        for other in ["{}", "7", r#"{"connections": {}}"#, "[7]"] {
            assert!(read(other).is_none(), "{other}");
        }
    }

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
