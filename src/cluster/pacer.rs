//! Keeps watches that end at once from being begun again at once.
//!
//! kube-runtime backs off where a watch fails. One that is answered and ends is no failure to it (kubernetes#138194).

use crate::telemetry::metrics::Metrics;
use http::Uri;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A watch that lasted for less ended at once: the API server ends one after some minutes, the operator after one.
const SHORTEST: Duration = Duration::from_secs(1);

/// Longest pause between two of them.
const LONGEST: Duration = Duration::from_secs(30);

/// The latest watch of each path.
pub struct Pacer {
    watches: Mutex<HashMap<String, Watch>>,
    metrics: Arc<Metrics>,
}

struct Watch {
    begun: Instant,
    /// How many in a row ended at once.
    short: u32,
}

impl Pacer {
    /// Counts what ends at once as a watch that broke.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { watches: Mutex::default(), metrics }
    }

    /// Returns when a request may be sent: at once, unless it begins a watch again that has just ended.
    pub async fn turn(&self, uri: &Uri) {
        if uri.query().unwrap_or_default().split('&').any(|part| part == "watch=true") {
            sleep(self.pause(uri.path())).await;
        }
    }

    fn pause(&self, path: &str) -> Duration {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some(watch) = watches.get_mut(path) else {
            watches.insert(path.to_owned(), Watch { begun: now, short: 0 });
            return Duration::ZERO;
        };
        let is_short = now.saturating_duration_since(watch.begun) < SHORTEST;
        watch.short = if is_short { watch.short.saturating_add(1) } else { 0 };
        // After a change of mind of one list, or of two, a watch may begin again soon.
        let pause = match watch.short.checked_sub(2) {
            Some(more) => SHORTEST.saturating_mul(1 << more.min(5)).min(LONGEST),
            None => Duration::ZERO,
        };
        watch.begun = now + pause;
        if !pause.is_zero() {
            let kind = kind(path);
            self.metrics.watch_error(kind);
            tracing::warn!(kind, ?pause, "watch ended immediately, pausing before the next one");
        }
        pause
    }
}

/// The kind that is watched at a path.
fn kind(path: &str) -> &'static str {
    match path.rsplit('/').next() {
        Some("auth0userupdates") => "Auth0UserUpdate",
        Some("auth0tenants") => "Auth0Tenant",
        _ => "Secret",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Uri {
        uri.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_ends_at_once_is_begun_ever_more_rarely_until_one_lasts() {
        let pacer = Pacer::new(Arc::default());
        let watch =
            request("/apis/auth0-user-operator.dev/v1alpha1/auth0userupdates?watch=true&timeoutSeconds=60");
        let begun = Instant::now();
        for _ in 0..20 {
            pacer.turn(&watch).await;
        }
        let elapsed = begun.elapsed();
        assert!((Duration::from_mins(6)..Duration::from_mins(8)).contains(&elapsed), "{elapsed:?}");
        sleep(SHORTEST).await;
        let begun = Instant::now();
        pacer.turn(&watch).await;
        pacer.turn(&watch).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn other_watches_and_other_requests_do_not_wait() {
        let (pacer, begun) = (Pacer::new(Arc::default()), Instant::now());
        for index in 0..100 {
            pacer.turn(&request(&format!("/api/v1/namespaces/{index}/secrets?watch=true"))).await;
            pacer.turn(&request("/api/v1/namespaces/a/secrets?limit=500")).await;
        }
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
