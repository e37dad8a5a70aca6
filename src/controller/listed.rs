//! Whether what a pass relies on was listed once.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A namespace whose list does not come holds the others up for no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);

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
    pub async fn wait(&self) {
        let (mut tenants, mut missing) = (self.tenants.clone(), self.missing.clone());
        let Ok(came) = tenants.wait_for(Option::is_some).await.map(|came| *came) else { return };
        let until = came.unwrap_or_else(Instant::now) + PATIENCE;
        // Whether they came or not, the pass goes on with what is known.
        let _ = tokio::time::timeout_at(until, missing.wait_for(|missing| *missing == 0)).await;
    }
}
