//! Lets looks begin at the pace of each tenant's host. Whoever has to wait does so without a worker.

use crate::auth0::{Budget, Error, Pace};
use crate::ownership::Named;
use crate::queue::{Lane, Line};
use crate::telemetry::metrics::{Told, Waiting};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
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
    /// How many looks there are at once. More would wait where nobody can overtake them.
    workers: usize,
    /// Which host is asked first, so that none is always.
    turn: AtomicUsize,
}

struct Host {
    pace: Arc<Pace>,
    line: Line,
    /// Looks that have begun.
    under_way: usize,
}

/// The right to look, until it is dropped.
pub struct Entry<'a> {
    to: Option<(&'a Admission, String)>,
    /// Requests that are paid for and were not sent yet.
    paid: AtomicU32,
}

impl Entry<'_> {
    /// Of a look that calls nobody, which needs none.
    #[must_use]
    pub const fn to_nobody() -> Self {
        Self { to: None, paid: AtomicU32::new(0) }
    }

    /// The first request of the look is sent.
    pub fn begin(&self) {
        self.pay();
    }

    /// Waits for the turn of a further request of the look.
    ///
    /// # Errors
    /// As [`Pace::turn`].
    pub async fn turn(&self, pace: &Pace) -> Result<(), Error> {
        if self.pay() { pace.paid_turn().await } else { pace.turn().await }
    }

    fn pay(&self) -> bool {
        self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |paid| paid.checked_sub(1)).is_ok()
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if let Some((admission, host)) = &self.to {
            admission.ended(host, *self.paid.get_mut());
        }
    }
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
            workers: usize::from(workers),
            turn: AtomicUsize::default(),
        }
    }

    /// Where it is told who is let in.
    pub fn subscribe(&self) -> UnboundedReceiver<Named> {
        let (waker, woken) = unbounded_channel();
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
        woken
    }

    /// Whether a resource may look now; its first requests are paid then. Else it waits in line, and is told. It
    /// leaves the lines of other hosts.
    #[must_use]
    pub fn ask(&self, name: &str, pace: &Arc<Pace>, who: &Named, lane: Lane) -> Option<Entry<'_>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.iter_mut().filter(|(other, _)| *other != name).for_each(|(_, host)| host.line.leave(who));
        let host = hosts.entry(name.to_owned()).or_insert_with(|| Host {
            pace: Arc::clone(pace),
            line: Line::default(),
            under_way: 0,
        });
        let paid = host.line.enter(who).or_else(|| host.admits(lane, self.share()));
        if paid.is_some() {
            host.under_way += 1;
        } else {
            host.line.wait(who, lane);
            self.due.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
        self.moved.notify_one();
        paid.map(|paid| Entry { to: Some((self, name.to_owned())), paid: AtomicU32::new(paid) })
    }

    /// How many looks a host may have at once: a slow one leaves some for the others.
    fn share(&self) -> usize {
        (self.workers - self.workers / 4).max(1)
    }

    fn ended(&self, name: &str, unspent: u32) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get_mut(name) {
            host.pace.give_back(unspent);
            host.under_way = host.under_way.saturating_sub(1);
            host.pace.ended();
        }
        self.moved.notify_one();
    }

    /// After a list of a namespace, or of all: lets go of whoever is not in it.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<Named>) {
        let is_there =
            |who: &Named| listed.contains(who) || namespace.is_some_and(|namespace| namespace != who.0);
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.values_mut().for_each(|host| host.line.retain(is_there));
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
        let mut hosts: Vec<&mut Host> = hosts.values_mut().collect();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % hosts.len().max(1);
        hosts.rotate_left(first);
        let busy: usize = hosts.iter_mut().map(|host| host.busy()).sum();
        let mut free = self.workers.saturating_sub(busy);
        let waits =
            hosts.into_iter().filter_map(|host| host.let_in(&mut free, self.share(), |who| self.tell(&who)));
        waits.min()
    }

    fn tell(&self, who: &Named) {
        for waker in self.wakers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = waker.send(who.clone());
        }
    }
}

impl Host {
    /// How many look, or were let in and are on their way.
    fn busy(&mut self) -> usize {
        self.under_way + self.line.coming(Instant::now())
    }

    /// Pays for one that is here already and may begin, before anybody waits.
    fn admits(&mut self, lane: Lane, share: usize) -> Option<u32> {
        let may = self.line.is_empty() && lane != Lane::Resync && self.busy() < share;
        may.then(|| self.pace.start(lane.requests()).ok()).flatten()
    }

    fn let_in(&mut self, free: &mut usize, share: usize, tell: impl Fn(Named)) -> Option<Duration> {
        while !self.line.is_empty() {
            if *free == 0 || self.busy() >= share {
                // Told when one has ended; else asked again for those who do not come.
                return Some(Duration::from_secs(1));
            }
            let scarce = self.pace.scarce_for();
            let Some(lane) = self.line.next_lane(scarce.is_zero()) else { return Some(scarce) };
            let paid = match self.pace.start(lane.requests()) {
                Ok(paid) => paid,
                Err(wait) => return Some(wait),
            };
            if let Some(who) = self.line.let_in(lane, paid, Instant::now()) {
                *free -= 1;
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
            assert!(admission.ask("example.auth0.com", &pace, &who, Lane::Change).is_none());
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

    const HOST: &str = "example.auth0.com";

    fn named(name: &str) -> Named {
        ("a".to_owned(), name.to_owned())
    }

    /// A budget that is never in the way.
    fn plenty() -> Arc<Pace> {
        let pace = Arc::<Pace>::default();
        pace.set_rate(Rate { per_minute: 60_000, burst: 1_000 });
        pace
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_host_leaves_places_for_the_others() {
        let (admission, slow, quick) = (Admission::new(8), plenty(), plenty());
        let looks: Vec<_> = (0..20)
            .filter_map(|index| admission.ask(HOST, &slow, &named(&index.to_string()), Lane::Change))
            .collect();
        assert_eq!(looks.len(), 6);
        assert!(admission.ask("other.auth0.com", &quick, &named("quick"), Lane::Change).is_some());
        let mut told = admission.subscribe();
        admission.let_in();
        assert!(told.try_recv().is_err(), "the slow one has its share");
        drop(looks);
        admission.let_in();
        assert_eq!(told.len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn who_turns_to_another_host_or_is_gone_leaves_the_line() {
        let (admission, other) = (crowd(), plenty());
        assert!(admission.ask("other.auth0.com", &other, &named("0"), Lane::Change).is_some());
        let waiting =
            |admission: &Admission| admission.waiting().iter().map(|lane| lane.count).sum::<usize>();
        assert_eq!(waiting(&admission), 9);
        admission.retain(Some("b"), &HashSet::new());
        assert_eq!(waiting(&admission), 9);
        admission.retain(Some("a"), &HashSet::from([named("1"), named("2")]));
        assert_eq!(waiting(&admission), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_resync_goes_in_by_the_line_only_and_waits_while_little_is_left() {
        let (admission, pace, second) = (Admission::new(8), plenty(), Duration::from_secs(1));
        let waits = |name, lane| admission.ask(HOST, &pace, &named(name), lane).is_none();
        assert!(waits("resync", Lane::Resync) && waits("retry", Lane::Retry));
        pace.hear(Budget { limit: 50, remaining: 9, reset: 1, reset_in: second });
        let mut told = admission.subscribe();
        assert_eq!(admission.let_in(), Some(second));
        assert_eq!((told.try_recv().unwrap(), told.len()), (named("retry"), 0));
        tokio::time::sleep(second).await;
        admission.let_in();
        assert_eq!(told.try_recv().unwrap(), named("resync"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_calls_nobody_gives_its_trial_back() {
        let (admission, pace) = (Admission::new(8), plenty());
        (0..10).for_each(|_| pace.unanswered());
        tokio::time::sleep(Duration::from_secs(3)).await;
        let trial = admission.ask(HOST, &pace, &named("trial"), Lane::Change);
        assert!(trial.is_some() && admission.ask(HOST, &pace, &named("next"), Lane::Change).is_none());
        let mut told = admission.subscribe();
        drop(trial);
        admission.let_in();
        assert_eq!(told.try_recv().unwrap(), named("next"));
    }
}
