//! Lets looks begin at the pace of each tenant's host. Whoever has to wait does so without a worker.

use super::line::{Lane, Line};
use crate::auth0::{Budget, Pace};
use crate::claims::Named;
use crate::metrics::{Told, Waiting};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

/// The lines in front of all hosts.
pub struct Admission {
    hosts: Mutex<HashMap<String, Host>>,
    moved: Notify,
    /// When somebody is to be let in, as far as is known; `None` where nobody waits.
    due: Mutex<Option<Instant>>,
    wakers: Mutex<Vec<UnboundedSender<Named>>>,
    /// How many of a host may be let in and not have come: more would wait where nobody can overtake them.
    most_coming: usize,
}

struct Host {
    pace: Arc<Pace>,
    line: Line,
}

impl Admission {
    /// `workers` is how many passes there are at once.
    #[must_use]
    pub fn new(workers: u16) -> Self {
        Self {
            hosts: Mutex::default(),
            moved: Notify::new(),
            due: Mutex::default(),
            wakers: Mutex::default(),
            most_coming: 2 * usize::from(workers),
        }
    }

    /// Where it is told who is let in.
    pub fn subscribe(&self) -> UnboundedReceiver<Named> {
        let (waker, woken) = unbounded_channel();
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
        woken
    }

    /// Whether a resource may look now; its first request is paid then. Else it waits in line, and is told.
    #[must_use]
    pub fn ask(&self, host: &str, pace: &Arc<Pace>, who: &Named, lane: Lane) -> bool {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = hosts
            .entry(host.to_owned())
            .or_insert_with(|| Host { pace: Arc::clone(pace), line: Line::default() });
        let enters = host.line.enter(who)
            || (host.line.is_empty() && lane != Lane::Resync && host.pace.start().is_ok());
        if !enters {
            host.line.wait(who, lane);
            self.due.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
        self.moved.notify_one();
        enters
    }

    /// A resource has no reason to look any more, or is gone.
    pub fn leave(&self, who: &Named) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values_mut().for_each(|host| host.line.leave(who));
    }

    /// What waits, in all lines together.
    #[must_use]
    pub fn waiting(&self) -> Vec<Waiting> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lanes: Vec<Waiting> = Vec::new();
        for (lane, count, since) in hosts.values().flat_map(|host| host.line.depths()) {
            let oldest = since.map_or(Duration::ZERO, |since| since.elapsed());
            match lanes.iter_mut().find(|known| known.lane == lane.name()) {
                Some(known) => {
                    known.count += count;
                    known.oldest = known.oldest.max(oldest);
                }
                None => lanes.push(Waiting { lane: lane.name(), count, oldest }),
            }
        }
        lanes
    }

    /// What Auth0 last said, for each host.
    #[must_use]
    pub fn budgets(&self) -> Vec<Told> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let told = hosts.iter().filter_map(|(name, host)| {
            let Budget { limit, remaining, .. } = host.pace.budget()?;
            Some(Told { host: name.clone(), limit, remaining })
        });
        told.collect()
    }

    /// For how long somebody should have been let in.
    #[must_use]
    pub fn overdue(&self) -> Duration {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.map_or(Duration::ZERO, |due| due.elapsed())
    }

    /// Lets resources in, for ever.
    pub async fn run(&self) {
        loop {
            let wait = self.let_in();
            *self.due.lock().unwrap_or_else(PoisonError::into_inner) = wait.map(|wait| Instant::now() + wait);
            match wait {
                Some(wait) => {
                    // Whichever comes first: both only mean to look again.
                    let _ = tokio::time::timeout(wait, self.moved.notified()).await;
                }
                None => self.moved.notified().await,
            }
        }
    }

    /// Lets in whoever may, and answers when the next one may; `None` where nobody waits for time to pass.
    fn let_in(&self) -> Option<Duration> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values_mut().filter_map(|host| host.let_in(self.most_coming, |who| self.tell(&who))).min()
    }

    fn tell(&self, who: &Named) {
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = waker.send(who.clone());
        }
    }
}

impl Host {
    fn let_in(&mut self, most_coming: usize, tell: impl Fn(Named)) -> Option<Duration> {
        while !self.line.is_empty() {
            let now = Instant::now();
            if self.line.coming(now) >= most_coming {
                // Told when one has come; else asked again for those who do not.
                return Some(Duration::from_secs(1));
            }
            let scarce = self.pace.scarce_for();
            let Some(lane) = self.line.next_lane(scarce.is_zero()) else { return Some(scarce) };
            if let Err(wait) = self.pace.start() {
                return Some(wait);
            }
            if let Some(who) = self.line.let_in(lane, now) {
                tell(who);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth0::Rate;

    /// Ten that wait for a budget of one request a minute.
    fn crowd() -> Admission {
        let (admission, pace) = (Admission::new(8), Arc::<Pace>::default());
        pace.set_rate(Rate { per_minute: 1, burst: 1 });
        pace.spend();
        for index in 0..10 {
            let who = ("a".to_owned(), index.to_string());
            assert!(!admission.ask("example.auth0.com", &pace, &who, Lane::Change));
        }
        admission
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_budget_is_not_overdue() {
        let admission = crowd();
        let told = admission.subscribe();
        tokio::select! {
            () = admission.run() => {}
            () = tokio::time::sleep(Duration::from_mins(6)) => {}
        }
        assert!(told.len() >= 5 && admission.overdue() < Duration::from_secs(1), "{}", told.len());
        assert!(admission.waiting().iter().any(|lane| lane.oldest >= Duration::from_mins(6)));
    }

    #[tokio::test(start_paused = true)]
    async fn whom_nobody_lets_in_is_overdue() {
        let admission = crowd();
        tokio::time::sleep(Duration::from_mins(6)).await;
        assert_eq!(admission.overdue(), Duration::from_mins(6));
    }
}
