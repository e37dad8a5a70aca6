//! What the operator tells about itself while it runs: whether it gets on, and its metrics.

use crate::telemetry::metrics::{Format, Metrics};
use futures::FutureExt as _;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Every wait of a pass and every call has a deadline that is shorter, and every watch restarts more often.
const STUCK: Duration = Duration::from_mins(5);

type Describe = Box<dyn Fn(&Metrics) + Send + Sync>;
type Overdue = Box<dyn Fn() -> Duration + Send + Sync>;

/// Shared by all parts of a process.
pub struct Probes {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    ready: AtomicBool,
    heard: Mutex<Instant>,
    /// When each pass under way last got on.
    passes: Mutex<HashMap<u64, Instant>>,
    next: AtomicU64,
    ended: AtomicBool,
    overdue: OnceLock<Overdue>,
    describe: OnceLock<Describe>,
    scraping: Mutex<()>,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            metrics: Arc::default(),
            ready: AtomicBool::default(),
            heard: Mutex::new(Instant::now()),
            passes: Mutex::default(),
            next: AtomicU64::default(),
            ended: AtomicBool::default(),
            overdue: OnceLock::default(),
            describe: OnceLock::default(),
            scraping: Mutex::default(),
        }
    }
}

/// A pass under way, until it is dropped.
struct UnderWay<'a> {
    probes: &'a Probes,
    number: u64,
}

impl UnderWay<'_> {
    fn gets_on(&self) {
        let mut passes = self.probes.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.insert(self.number, Instant::now());
    }
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

    /// From now on it is, or is not.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    /// Kubernetes answered something.
    pub fn heard_kubernetes(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Runs a pass, in a task of its own. It gets on for as long as something wakes it: a pass may wait for its
    /// budget for minutes.
    pub async fn pass<T>(&self, pass: impl Future<Output = T>) -> T {
        let under_way = UnderWay { probes: self, number: self.next.fetch_add(1, Ordering::Relaxed) };
        let mut pass = pin!(pass);
        poll_fn(|context| {
            under_way.gets_on();
            pass.as_mut().poll(context)
        })
        .await
    }

    /// Runs a part that ends after a shutdown only. If it ends before, the others only seem to work.
    pub async fn part(&self, name: &str, work: impl Future<Output = ()>, shutdown: impl Future<Output = ()>) {
        work.await;
        if shutdown.now_or_never().is_none() {
            tracing::error!(name, "a component of the operator stopped unexpectedly");
            self.ended.store(true, Ordering::Relaxed);
        }
    }

    /// Names what tells for how long resources that wait should have been let in.
    pub fn overdue_with(&self, overdue: impl Fn() -> Duration + Send + Sync + 'static) {
        // Once in a process, so there is nothing to replace.
        let _ = self.overdue.set(Box::new(overdue));
    }

    /// Why a restart is the only hope; `None` while there is progress.
    pub fn stuck(&self) -> Option<&'static str> {
        if self.ended.load(Ordering::Relaxed) {
            return Some("a component of the operator stopped unexpectedly");
        }
        if self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed() > STUCK {
            return Some("Kubernetes has not answered for five minutes");
        }
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if passes.values().any(|got_on| got_on.elapsed() > STUCK) {
            return Some("a reconciliation does not end");
        }
        let overdue = self.overdue.get().map_or(Duration::ZERO, |overdue| overdue());
        (overdue > STUCK).then_some("resources are due, but no reconciliation starts")
    }

    /// Names what sets the metrics that are counted only when they are read.
    pub fn describe_with(&self, describe: impl Fn(&Metrics) + Send + Sync + 'static) {
        // Once in a process, so there is nothing to replace.
        let _ = self.describe.set(Box::new(describe));
    }

    /// All metrics as text.
    ///
    /// # Errors
    /// As [`Metrics::encode`].
    pub fn scrape(&self, format: Format) -> Result<String, std::fmt::Error> {
        // One at a time: what is described is counted from nothing.
        let _scraping = self.scraping.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(describe) = self.describe.get() {
            describe(&self.metrics);
        }
        self.metrics.encode(format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth0::{Limiter, Rate};
    use std::future::{pending, ready};
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    /// So many minutes pass, in which Kubernetes answers.
    async fn minutes(minutes: u32, probes: &Probes) {
        for _ in 0..minutes {
            sleep(Duration::from_mins(1)).await;
            probes.heard_kubernetes();
        }
    }

    /// Begins a pass as the controllers do: in a task of its own.
    fn begin<T: Send + 'static>(
        probes: &Arc<Probes>,
        pass: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let probes = Arc::clone(probes);
        tokio::spawn(async move { probes.pass(pass).await })
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_kubernetes_is_no_progress() {
        let probes = Probes::default();
        sleep(STUCK).await;
        assert_eq!(probes.stuck(), None);
        sleep(Duration::from_secs(1)).await;
        assert_eq!(probes.stuck(), Some("Kubernetes has not answered for five minutes"));
        probes.heard_kubernetes();
        assert_eq!(probes.stuck(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_nothing_wakes_is_no_progress() {
        let probes = Arc::<Probes>::default();
        let pass = begin(&probes, pending::<()>());
        minutes(4, &probes).await;
        assert_eq!(probes.stuck(), None);
        minutes(2, &probes).await;
        assert_eq!(probes.stuck(), Some("a reconciliation does not end"));
        pass.abort();
        assert!(pass.await.unwrap_err().is_cancelled());
        assert_eq!(probes.stuck(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_waits_for_a_small_budget_is_progress() {
        let (probes, limiter) = (Arc::<Probes>::default(), Limiter::default());
        limiter.set_rate(Rate { per_minute: 1, burst: 1 });
        (0..20).for_each(|_| limiter.spend());
        let pass = begin(&probes, async move { limiter.acquire(false).await });
        minutes(15, &probes).await;
        assert_eq!((probes.stuck(), pass.is_finished()), (None, false));
        minutes(6, &probes).await;
        assert!(pass.is_finished() && pass.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_part_that_ends_without_a_shutdown_is_no_progress() {
        let probes = Probes::default();
        probes.part("passes", ready(()), ready(())).await;
        assert_eq!(probes.stuck(), None);
        probes.part("passes", ready(()), pending()).await;
        assert_eq!(probes.stuck(), Some("a component of the operator stopped unexpectedly"));
    }

    #[tokio::test]
    async fn resources_that_are_never_started_are_no_progress() {
        for (overdue, stuck) in [(STUCK, false), (STUCK + Duration::from_secs(1), true)] {
            let probes = Probes::default();
            probes.overdue_with(move || overdue);
            assert_eq!(probes.stuck().is_some(), stuck);
        }
    }

    #[test]
    fn two_that_scrape_at_once_count_nothing_twice() {
        let probes = Probes::default();
        probes.describe_with(|metrics| {
            let one = || ("Auth0Tenant", ("True", "Available"));
            metrics.set_resources((0..1_000).map(|_| one()));
        });
        let scrape = || (0..100).map(|_| probes.scrape(Format::Plain).unwrap()).collect::<Vec<_>>();
        let texts = std::thread::scope(|scope| {
            [scope.spawn(scrape), scope.spawn(scrape)].map(|thread| thread.join().unwrap())
        });
        let line =
            r#"auth0_user_operator_resources{kind="Auth0Tenant",ready="True",reason="Available"} 1000"#;
        assert!(texts.concat().iter().all(|text| text.contains(line)));
    }
}
