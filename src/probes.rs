//! What the operator tells about itself while it runs: whether it gets on, and its metrics.

use crate::metrics::Metrics;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Every call has a deadline, so no pass takes that long; and every watch is begun anew more often.
const STUCK: Duration = Duration::from_mins(5);

type Describe = Box<dyn Fn(&Metrics) + Send + Sync>;

/// Shared by all parts of a process.
pub struct Probes {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    ready: AtomicBool,
    heard: Mutex<Instant>,
    passes: Mutex<HashMap<u64, Instant>>,
    next: AtomicU64,
    describe: OnceLock<Describe>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            metrics: Arc::default(),
            ready: AtomicBool::default(),
            heard: Mutex::new(Instant::now()),
            passes: Mutex::default(),
            next: AtomicU64::default(),
            describe: OnceLock::default(),
        }
    }
}

/// A pass under way, until it is dropped.
pub struct UnderWay<'a> {
    probes: &'a Probes,
    number: u64,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.probes.passes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Probes {
    /// The process is ready to work, or to take over.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// From now on it is.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Kubernetes answered something.
    pub fn heard_kubernetes(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// A pass begins.
    pub fn begin(&self) -> UnderWay<'_> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.passes.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Instant::now());
        UnderWay { probes: self, number }
    }

    /// Why a restart is the only hope; `None` while there is progress.
    pub fn stuck(&self, now: Instant) -> Option<&'static str> {
        let since = |then: &Instant| now.saturating_duration_since(*then);
        if since(&self.heard.lock().unwrap_or_else(PoisonError::into_inner)) > STUCK {
            return Some("Kubernetes has not answered for five minutes");
        }
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.values().any(|begun| since(begun) > STUCK).then_some("a pass does not end")
    }

    /// Names what sets the metrics that are counted only when somebody asks.
    pub fn describe_with(&self, describe: impl Fn(&Metrics) + Send + Sync + 'static) {
        // Once in a process, so there is nothing to replace.
        let _ = self.describe.set(Box::new(describe));
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// As [`Metrics::encode`].
    pub fn scrape(&self) -> Result<String, std::fmt::Error> {
        if let Some(describe) = self.describe.get() {
            describe(&self.metrics);
        }
        self.metrics.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_without_end_and_a_silent_kubernetes_are_no_progress() {
        let probes = Probes::default();
        let soon = Instant::now() + Duration::from_mins(4);
        let later = Instant::now() + STUCK + Duration::from_secs(1);
        let pass = probes.begin();
        assert_eq!((probes.stuck(soon), probes.stuck(later).is_some()), (None, true));
        *probes.heard.lock().unwrap() = later;
        assert_eq!(probes.stuck(later), Some("a pass does not end"));
        drop(pass);
        assert_eq!(probes.stuck(later), None);
    }
}
