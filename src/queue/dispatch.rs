//! Starts passes in the order of the queue, as fast as the limiter of each host allows.

use crate::auth0::{self, Budget, Error};
use crate::queue::{Key, Kind, Limiter, Next, Priority, Queue};
use crate::telemetry::metrics::{Told, Waiting};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

impl Limiter for Arc<auth0::Limiter> {
    fn start(&mut self, requests: u32, now: Instant) -> Result<u32, Instant> {
        auth0::Limiter::start(self, requests).map_err(|wait| now + wait)
    }

    fn give_back(&mut self, permits: u32, _: Instant) {
        auth0::Limiter::give_back(self, permits);
    }

    fn scarce_for(&self, _: Instant) -> Duration {
        self.snapshot().scarce_for
    }
}

/// The queue of all passes, shared by those who ask for passes, who run them and who measure.
pub struct Dispatcher {
    state: Mutex<State>,
    moved: Notify,
}

struct State {
    queue: Queue<Arc<auth0::Limiter>>,
    /// The permits of passes that were started and have not begun.
    started: HashMap<Key, u32>,
}

impl Dispatcher {
    /// `workers` is how many passes there are at once; `limiter_of` answers the limiter of a host, the same each time.
    #[must_use]
    pub fn new(workers: u16, limiter_of: impl Fn(&str) -> Arc<auth0::Limiter> + Send + 'static) -> Arc<Self> {
        let queue = Queue::new(usize::from(workers), limiter_of);
        Arc::new(Self { state: Mutex::new(State { queue, started: HashMap::new() }), moved: Notify::new() })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// Asks for a pass, as [`Queue::add`].
    pub fn add(&self, key: Key, host: Option<&str>, priority: Priority, ready_at: Instant) {
        self.with(|state, _| state.queue.add(key, host, priority, ready_at));
        self.moved.notify_one();
    }

    /// As [`Queue::resyncs`].
    #[must_use]
    pub fn resyncs(&self, host: &str, within: Duration, most: usize) -> Vec<Key> {
        self.with(|state, now| state.queue.resyncs(host, now + within, most))
    }

    /// The resource is gone, or wants nothing more.
    pub fn remove(&self, key: &Key) {
        self.with(|state, now| {
            state.queue.remove(key);
            state.skip(key, now);
        });
        self.moved.notify_one();
    }

    /// A pass that was started does not begin. What was asked for since then stays.
    pub fn skipped(&self, key: &Key) {
        self.with(|state, now| state.skip(key, now));
        self.moved.notify_one();
    }

    /// After a list of a kind in a namespace, or in all: removes what is not in it, and makes room for what is.
    pub fn retain(&self, kind: Kind, namespace: Option<&str>, listed: &HashSet<Key>) {
        let is_elsewhere = |key: &Key| namespace.is_some_and(|namespace| namespace != &**key.namespace());
        let is_there = |key: &Key| key.kind() != kind || is_elsewhere(key) || listed.contains(key);
        self.with(|state, now| {
            state.queue.retain(is_there);
            state.queue.make_room(listed.len());
            let gone: Vec<Key> = state.started.keys().filter(|key| !is_there(key)).cloned().collect();
            for key in &gone {
                state.skip(key, now);
            }
        });
        self.moved.notify_one();
    }

    /// Waits for the next pass to start. The runner asks for its [`Dispatcher::permit`]; where none does, it is
    /// [`Dispatcher::skipped`]. To be called by one task.
    pub async fn next(&self) -> Key {
        loop {
            match self.with(State::next) {
                Next::Start(key, _) => return key,
                Next::Wait(until) => {
                    // Whichever comes first: both only mean to ask again.
                    let _ = timeout_at(until, self.moved.notified()).await;
                }
                Next::Idle => self.moved.notified().await,
            }
        }
    }

    /// The permit of a pass that was started, once.
    #[must_use]
    pub fn permit(self: &Arc<Self>, key: &Key) -> Option<Permit> {
        let ((key, unspent), host, waited) = self.with(|state, now| {
            let host = state.queue.host_of(key);
            let waited = state.queue.ready_at(key).map(|at| now.saturating_duration_since(at));
            state.started.remove_entry(key).map(|started| (started, host, waited.unwrap_or_default()))
        })?;
        Some(Permit { dispatcher: Arc::clone(self), key, host, waited, unspent: AtomicU32::new(unspent) })
    }

    /// What waits although its time has come.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let (depths, now) = self.with(|state, now| (state.queue.depths(now), now));
        let waiting = depths.map(|(priority, count, since)| {
            let oldest = since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
            Waiting { priority: priority.name(), count, oldest }
        });
        waiting.into()
    }

    /// What Auth0 last said, for each host.
    #[must_use]
    pub fn budgets(&self) -> Vec<Told> {
        self.with(|state, _| {
            let told = state.queue.limiters().filter_map(|(host, limiter)| {
                let Budget { limit, remaining, .. } = limiter.snapshot().budget?;
                Some(Told { host: host.to_owned(), limit, remaining })
            });
            told.collect()
        })
    }

    /// For how long a pass should have been started.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        self.with(|state, now| state.queue.overdue(now))
    }
}

impl State {
    fn next(&mut self, now: Instant) -> Next {
        let next = self.queue.next(now);
        if let Next::Start(key, permits) = &next {
            self.started.insert(key.clone(), *permits);
        }
        next
    }

    fn skip(&mut self, key: &Key, now: Instant) {
        if let Some(permits) = self.started.remove(key) {
            self.queue.done(key, permits, now);
        }
    }
}

/// The right to run one pass, until it is dropped.
pub struct Permit {
    dispatcher: Arc<Dispatcher>,
    key: Key,
    host: Option<Arc<str>>,
    waited: Duration,
    /// Requests that are paid for and were not sent.
    unspent: AtomicU32,
}

impl Permit {
    /// The host that the pass may call; `None` where it calls none.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// How long the pass has waited in the queue since its time had come.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// The first request of the pass is sent, for which its start waited.
    pub fn begin(&self) {
        self.spend();
    }

    /// Waits until a further request of the pass may be sent.
    ///
    /// # Errors
    /// As [`auth0::Limiter::acquire`].
    pub async fn acquire(&self, limiter: &auth0::Limiter) -> Result<(), Error> {
        limiter.acquire(self.spend()).await
    }

    fn spend(&self) -> bool {
        self.unspent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |unspent| unspent.checked_sub(1))
            .is_ok()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let unspent = *self.unspent.get_mut();
        self.dispatcher.with(|state, now| state.queue.done(&self.key, unspent, now));
        self.dispatcher.moved.notify_one();
    }
}

#[cfg(test)]
mod tests;
