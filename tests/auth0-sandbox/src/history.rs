//! What users were before their latest changes, for a search that lags behind.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Map, Value};

/// The users' earlier states, as far back as the search lags.
#[derive(Debug, Default)]
pub(crate) struct History {
    earlier: BTreeMap<String, VecDeque<Earlier>>,
}

#[derive(Debug)]
struct Earlier {
    /// Milliseconds at which it ended.
    until: u64,
    /// `None`: there was no such user.
    user: Option<Map<String, Value>>,
}

impl History {
    /// A user changes now; forgets what is older than the lag.
    pub(crate) fn note(&mut self, id: &str, before: Option<&Map<String, Value>>, now: u64, lag: u64) {
        if lag == 0 {
            self.earlier.remove(id);
            return;
        }
        let states = self.earlier.entry(id.to_owned()).or_default();
        while states.front().is_some_and(|state| state.until.saturating_add(lag) <= now) {
            states.pop_front();
        }
        states.push_back(Earlier { until: now, user: before.cloned() });
    }

    /// The user at a moment; `current` is the user today.
    pub(crate) fn at<'a>(
        &'a self,
        id: &str,
        moment: u64,
        current: Option<&'a Map<String, Value>>,
    ) -> Option<&'a Map<String, Value>> {
        let states = self.earlier.get(id);
        let held = states.and_then(|states| states.iter().find(|state| state.until > moment));
        held.map_or(current, |state| state.user.as_ref())
    }

    /// The users that have earlier states, the deleted ones among them.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &String> {
        self.earlier.keys()
    }
}
