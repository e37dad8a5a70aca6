//! How many passes of tenants a namespace may have at once, so that one with many slow hosts leaves some for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Passes under way, by namespace.
#[derive(Default)]
pub struct Shares(Arc<Mutex<HashMap<String, usize>>>);

/// One pass under way, until it is dropped.
pub struct Share {
    all: Arc<Mutex<HashMap<String, usize>>>,
    namespace: String,
}

impl Shares {
    /// Counts a pass in, unless its namespace has `most` under way.
    #[must_use]
    pub fn take(&self, namespace: &str, most: usize) -> Option<Share> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let under_way = all.entry(namespace.to_owned()).or_default();
        if *under_way >= most {
            return None;
        }
        *under_way += 1;
        Some(Share { all: Arc::clone(&self.0), namespace: namespace.to_owned() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = all.get_mut(&self.namespace) {
            *under_way -= 1;
        }
        all.retain(|_, under_way| *under_way > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_its_share_and_no_more_and_leaves_nothing_behind() {
        let shares = Shares::default();
        let held: Vec<_> = (0..3).filter_map(|_| shares.take("crowd", 2)).collect();
        assert_eq!(held.len(), 2);
        assert!(shares.take("small", 2).is_some());
        drop(held);
        assert!(shares.take("crowd", 2).is_some());
        assert!(shares.0.lock().unwrap().is_empty());
    }
}
