//! Whether what a pass relies on was listed once.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

/// A namespace whose list does not come holds the others up for no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

/// A pass waits for the tenants of its own namespace no longer than this before it comes back later.
const FIRST_PATIENCE: Duration = Duration::from_secs(30);

/// The tenants were not listed in time: nothing is known of them.
pub struct Unlisted;

/// The first lists of the watches. Not the stores' own `wait_until_ready`: that wakes only one of those who
/// wait, and the controllers are among them.
#[derive(Clone)]
pub struct Listed {
    /// When the tenants of the pass's own scope were listed.
    pub tenants: watch::Receiver<Option<Instant>>,
    /// How many lists are still to come, of all scopes.
    pub missing: watch::Receiver<usize>,
}

impl Listed {
    /// Returns once the tenants are there, and all other lists or the end of patience.
    ///
    /// # Errors
    /// Where the tenants do not come, because they may not be listed or Kubernetes is away. No pass waits for ever.
    pub async fn wait(&self) -> Result<(), Unlisted> {
        let (mut tenants, mut missing) = (self.tenants.clone(), self.missing.clone());
        let came = match timeout(FIRST_PATIENCE, tenants.wait_for(Option::is_some)).await {
            Ok(Ok(came)) => came.unwrap_or_else(Instant::now),
            Ok(Err(_)) | Err(_) => return Err(Unlisted),
        };
        // Whether they came or not, the pass goes on with what is known.
        let _ = timeout_at(came + PATIENCE, missing.wait_for(|missing| *missing == 0)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tenants_that_never_come_hold_no_pass_for_ever() {
        let (told, tenants) = watch::channel(None);
        let (_lists, missing) = watch::channel(1);
        let listed = Listed { tenants, missing };
        assert!(listed.wait().await.is_err());
        told.send_replace(Some(Instant::now()));
        let begun = Instant::now();
        assert!(listed.wait().await.is_ok() && begun.elapsed() == PATIENCE);
    }
}
