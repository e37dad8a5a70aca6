//! Whether what a pass relies on was listed once.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// A namespace whose list does not come holds the others up for no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// The watched namespaces whose lists came; `None` for all.
#[derive(Default)]
pub struct Synced(Mutex<HashSet<Option<String>>>);

impl Synced {
    /// From now on passes may begin in this namespace, or in all.
    pub fn set(&self, namespace: Option<&str>) {
        let mut synced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        synced.insert(namespace.map(str::to_owned));
    }

    /// Whether passes may begin in this namespace.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        let synced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        synced.contains(&None) || synced.contains(&Some(namespace.to_owned()))
    }
}

/// Returns once the tenants of a namespace were listed, which `tenants` tells, and all other lists came or their time is
/// over: `missing` is how many have not.
pub async fn listed(mut tenants: watch::Receiver<Option<Instant>>, mut missing: watch::Receiver<usize>) {
    let Ok(came) = tenants.wait_for(Option::is_some).await.map(|came| came.unwrap_or_else(Instant::now))
    else {
        // The watch has ended.
        return std::future::pending().await;
    };
    // Whether they came or not, passes go on with what is known.
    let _ = timeout_at(came + PATIENCE, missing.wait_for(|missing| *missing == 0)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test(start_paused = true)]
    async fn tenants_are_waited_for_and_other_lists_for_no_longer_than_their_time() {
        let (told, tenants) = watch::channel(None);
        let (_lists, missing) = watch::channel(1);
        let mut listed = Box::pin(listed(tenants, missing));
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert!(listed.as_mut().now_or_never().is_none());
        told.send_replace(Some(Instant::now()));
        let begun = Instant::now();
        listed.await;
        assert_eq!(begun.elapsed(), PATIENCE);
    }

    #[test]
    fn a_namespace_is_synced_by_its_own_lists_or_by_those_of_all() {
        let synced = Synced::default();
        assert!(!synced.has("a"));
        synced.set(Some("a"));
        assert!(synced.has("a") && !synced.has("b"));
        synced.set(None);
        assert!(synced.has("b"));
    }
}
