//! What this process remembers of each object between passes.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// What this process remembers of each object of a kind, by uid.
pub struct Remembered<T>(Mutex<HashMap<String, T>>);

impl<T: Clone + Default> Remembered<T> {
    /// What is remembered of one object; nothing yet where it is new.
    pub fn of(&self, uid: &str) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(uid.to_owned()).or_default().clone()
    }

    /// Keeps it for the next pass, unless the object has gone meanwhile.
    pub fn keep(&self, uid: &str, remembered: T) {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(uid) {
            *kept = remembered;
        }
    }

    /// After a list: forgets what is not in it.
    pub fn retain(&self, listed: &HashSet<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| listed.contains(uid));
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
