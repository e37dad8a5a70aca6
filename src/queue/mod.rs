//! Who goes next, and when. Pure: every method is told the time; nothing here sleeps, locks or spawns.
//!
//! One entry for each resource that wants a pass: now, or at its next resync or retry. A resource that waits for a limiter does
//! so here, without a worker.

pub mod dispatch;
mod host;
mod key;
mod priority;

use host::{Host, LOWER_EVERY, earlier};
pub use key::{Key, Kind};
pub use priority::Priority;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// For each wanted resync of a host, so many timers are looked at.
const LOOKED_AT: usize = 40;

/// The budget of one host.
pub trait Limiter {
    /// Takes the permits of so many requests, as far as there can be as many at once.
    ///
    /// # Errors
    /// When to ask again. Nothing is taken.
    fn start(&mut self, requests: u32, now: Instant) -> Result<u32, Instant>;

    /// A pass has ended, with so many permits unspent.
    fn give_back(&mut self, permits: u32, now: Instant);

    /// How long resyncs wait because the host has little left for others.
    fn scarce_for(&self, now: Instant) -> Duration;
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Start this pass, with so many permits.
    Start(Key, u32),
    /// Nothing before then, unless something is added or ends.
    Wait(Instant),
    /// Nothing until something is added or ends.
    Idle,
}

/// A wish for a pass.
struct Entry {
    host: Arc<str>,
    priority: Priority,
    ready_at: Instant,
    /// Its time has come: it is in the lanes of its host, not among the timers.
    is_ready: bool,
}

impl Entry {
    /// Of two wishes the more urgent and the earlier count, at the later's host.
    fn and(self, later: Self) -> Self {
        let (priority, ready_at) = (self.priority.min(later.priority), self.ready_at.min(later.ready_at));
        Self { priority, ready_at, ..later }
    }
}

/// A pass under way.
struct Running {
    host: Arc<str>,
    /// When its time had come.
    ready_at: Option<Instant>,
    /// What was asked for meanwhile.
    again: Option<Entry>,
}

/// Who comes next at a host.
struct Candidate {
    /// The lowest starts: the namespace that was served longest ago, in it the most urgent (every so often any), then
    /// the host that was served longest ago.
    rank: (u64, Priority, u64),
    host: Arc<str>,
    key: Key,
    /// What it most likely sends.
    requests: u32,
}

#[derive(Default)]
struct Namespace {
    entries: usize,
    running: usize,
    starts: u32,
    /// The number of its latest start.
    latest: u64,
}

/// How many wait at a priority, and since when the first of them has.
pub type Depth = (Priority, usize, Option<Instant>);

/// All that want a pass. Fair among namespaces, then among the hosts of a namespace, with the urgent first.
pub struct Queue<L> {
    limiter_of: Box<dyn Fn(&str) -> L + Send>,
    entries: HashMap<Key, Entry>,
    /// Those whose time has not come, the earliest first.
    timers: BTreeSet<(Instant, Key)>,
    /// By name, which is empty for the passes that call no host. Kept while they have entries or passes.
    hosts: BTreeMap<Arc<str>, Host<L>>,
    /// Kept while they have entries or passes.
    namespaces: HashMap<Arc<str>, Namespace>,
    running: HashMap<Key, Running>,
    workers: usize,
    starts: u64,
    /// When [`Queue::next`] is to be asked.
    due: Option<Instant>,
}

impl<L: Limiter> Queue<L> {
    /// `workers` is how many passes there are at once; `limiter_of` makes or finds the limiter of a host.
    pub fn new(workers: usize, limiter_of: impl Fn(&str) -> L + Send + 'static) -> Self {
        Self {
            limiter_of: Box::new(limiter_of),
            entries: HashMap::new(),
            timers: BTreeSet::new(),
            hosts: BTreeMap::new(),
            namespaces: HashMap::new(),
            running: HashMap::new(),
            workers,
            starts: 0,
            due: None,
        }
    }

    /// Asks for a pass, which calls this host, if any. Of two wishes for one resource the more urgent and the earlier
    /// count. During a pass it is asked for after it.
    pub fn add(&mut self, key: Key, host: Option<&str>, priority: Priority, ready_at: Instant) {
        let host = host.unwrap_or_default();
        let host = self.hosts.get_key_value(host).map_or_else(|| host.into(), |(known, _)| Arc::clone(known));
        let entry = Entry { host, priority, ready_at, is_ready: false };
        if let Some(running) = self.running.get_mut(&key) {
            running.again = Some(match running.again.take() {
                Some(known) => known.and(entry),
                None => entry,
            });
            return;
        }
        let Some(known) = self.take(&key) else { return self.insert(key, entry) };
        let (before, namespace) = (Arc::clone(&known.host), Arc::clone(key.namespace()));
        self.insert(key, known.and(entry));
        self.release(&before, &namespace);
    }

    /// Resources that wait to be compared at a host, be it until then only, at most so many; the first ones first.
    #[must_use]
    pub fn resyncs(&self, host: &str, until: Instant, most: usize) -> Vec<Key> {
        let is_resync = |key: &Key| {
            let entry = self.entries.get(key);
            entry.is_some_and(|entry| entry.priority == Priority::Resync && &*entry.host == host)
        };
        let ready = self.hosts.get(host).into_iter().flat_map(|host| host.ready(Priority::Resync));
        let timers = self.timers.iter().take_while(|(at, _)| *at <= until).map(|(_, key)| key);
        let all = ready.chain(timers.take(most * LOOKED_AT).filter(|key| is_resync(key)));
        all.filter(|key| key.kind() == Kind::Update).take(most).cloned().collect()
    }

    /// The resource is gone, or wants nothing more. A pass under way ends as it will.
    pub fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.take(key) {
            self.release(&entry.host, key.namespace());
        }
        if let Some(running) = self.running.get_mut(key) {
            running.again = None;
        }
    }

    /// Removes every resource of which this does not hold.
    pub fn retain(&mut self, is_there: impl Fn(&Key) -> bool) {
        let known = self.entries.keys().chain(self.running.keys());
        let gone: Vec<Key> = known.filter(|key| !is_there(key)).cloned().collect();
        for key in &gone {
            self.remove(key);
        }
    }

    /// Makes room for so many entries in all, so that a long list does not leave the tables behind that it outgrew.
    pub fn make_room(&mut self, entries: usize) {
        self.entries.reserve(entries.saturating_sub(self.entries.len()));
    }

    /// What to do now.
    pub fn next(&mut self, now: Instant) -> Next {
        self.promote(now);
        let next = if self.running.len() < self.workers { self.choose(now) } else { Next::Idle };
        self.due = match &next {
            Next::Start(..) => Some(now),
            Next::Wait(until) => Some(*until),
            Next::Idle => None,
        };
        next
    }

    /// A pass has ended, with so many permits unspent.
    pub fn done(&mut self, key: &Key, unspent: u32, now: Instant) {
        let Some(Running { host: name, again, .. }) = self.running.remove(key) else { return };
        self.call_by(now);
        if let Some(host) = self.hosts.get_mut(&name) {
            host.running -= 1;
            if let Some(limiter) = &mut host.limiter {
                limiter.give_back(unspent, now);
            }
        }
        if let Some(namespace) = self.namespaces.get_mut(key.namespace()) {
            namespace.running -= 1;
        }
        if let Some(entry) = again {
            self.insert(key.clone(), entry);
        }
        self.release(&name, key.namespace());
    }

    /// The host that a pass under way may call, if any.
    #[must_use]
    pub fn host_of(&self, key: &Key) -> Option<Arc<str>> {
        let host = &self.running.get(key)?.host;
        (!host.is_empty()).then(|| Arc::clone(host))
    }

    /// When the time of a pass under way had come.
    #[must_use]
    pub fn ready_at(&self, key: &Key) -> Option<Instant> {
        self.running.get(key)?.ready_at
    }

    /// How many are ready at each priority, the most urgent first.
    #[must_use]
    pub fn depths(&self, now: Instant) -> [Depth; 4] {
        let mut depths = Priority::ALL.map(|priority| {
            self.hosts
                .values()
                .map(|host| host.depth(priority))
                .fold((priority, 0, None), |(priority, count, oldest), (more, since)| {
                    (priority, count + more, earlier(oldest, since))
                })
        });
        for (at, key) in self.timers.iter().take_while(|(at, _)| *at <= now) {
            if let Some(entry) = self.entries.get(key) {
                let (_, count, oldest) = &mut depths[entry.priority as usize];
                *count += 1;
                *oldest = earlier(*oldest, Some(*at));
            }
        }
        depths
    }

    /// For how long [`Queue::next`] should have been asked.
    #[must_use]
    pub fn overdue(&self, now: Instant) -> Duration {
        self.due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due))
    }

    /// The limiters of the hosts that passes call.
    pub fn limiters(&self) -> impl Iterator<Item = (&str, &L)> {
        self.hosts.iter().filter_map(|(name, host)| Some((&**name, host.limiter.as_ref()?)))
    }

    /// How many passes a host or a namespace may have at once: a slow one leaves some for the others.
    fn share(&self) -> usize {
        (self.workers - self.workers / 4).max(1)
    }

    fn call_by(&mut self, at: Instant) {
        self.due = earlier(self.due, Some(at));
    }

    /// Puts those whose time has come into the lanes of their hosts.
    fn promote(&mut self, now: Instant) {
        while self.timers.first().is_some_and(|(at, _)| *at <= now)
            && let Some((at, key)) = self.timers.pop_first()
        {
            if let Some(entry) = self.entries.get_mut(&key)
                && let Some(host) = self.hosts.get_mut(&entry.host)
            {
                entry.is_ready = true;
                host.insert(entry.priority, at, key);
            }
        }
    }

    /// The first whose limiter allows it.
    fn choose(&mut self, now: Instant) -> Next {
        let (candidates, mut until) = self.candidates(now);
        for Candidate { host, key, requests, .. } in candidates {
            let limiter = self.hosts.get_mut(&host).and_then(|host| host.limiter.as_mut());
            match limiter.map_or(Ok(0), |limiter| limiter.start(requests, now)) {
                Ok(permits) => {
                    self.start(&host, &key);
                    return Next::Start(key, permits);
                }
                Err(at) => until = earlier(until, Some(at)),
            }
        }
        until.map_or(Next::Idle, Next::Wait)
    }

    /// Who comes next at each host, and when time alone changes that.
    fn candidates(&self, now: Instant) -> (Vec<Candidate>, Option<Instant>) {
        let share = self.share();
        let is_below_share =
            |namespace: &str| self.namespaces.get(namespace).is_none_or(|known| known.running < share);
        let mut until = self.timers.first().map(|(at, _)| *at);
        let mut candidates = Vec::new();
        for (name, host) in self.hosts.iter().filter(|(_, host)| host.has_ready()) {
            let next = match &host.limiter {
                None => host.next(true, |_| true),
                Some(_) if host.running >= share => continue,
                Some(limiter) => {
                    let scarce = limiter.scarce_for(now);
                    if !scarce.is_zero() {
                        until = earlier(until, Some(now + scarce));
                    }
                    host.next(scarce.is_zero(), is_below_share)
                }
            };
            candidates.extend(next.map(|(priority, key)| self.candidate(name, host.latest, priority, key)));
        }
        candidates.sort_unstable_by_key(|candidate| candidate.rank);
        (candidates, until)
    }

    fn candidate(&self, host: &Arc<str>, latest: u64, priority: Priority, key: &Key) -> Candidate {
        let namespace = self.namespaces.get(key.namespace());
        let (served, starts) = namespace.map_or((0, 0), |known| (known.latest, known.starts));
        let is_lowers_turn = starts % LOWER_EVERY == LOWER_EVERY - 1;
        let urgency = if is_lowers_turn { Priority::Block } else { priority };
        let requests = match key.kind() {
            Kind::Tenant => 1,
            Kind::Update => priority.requests(),
        };
        Candidate { rank: (served, urgency, latest), host: Arc::clone(host), key: key.clone(), requests }
    }

    fn start(&mut self, name: &Arc<str>, key: &Key) {
        self.starts += 1;
        if let Some(host) = self.hosts.get_mut(name) {
            host.started(key.namespace(), self.starts);
        }
        if let Some(namespace) = self.namespaces.get_mut(key.namespace()) {
            namespace.running += 1;
            namespace.starts = namespace.starts.wrapping_add(1);
            namespace.latest = self.starts;
        }
        let ready_at = self.take(key).map(|entry| entry.ready_at);
        self.running.insert(key.clone(), Running { host: Arc::clone(name), ready_at, again: None });
    }

    fn insert(&mut self, key: Key, entry: Entry) {
        self.call_by(entry.ready_at);
        let limiter = || (!entry.host.is_empty()).then(|| (self.limiter_of)(&entry.host));
        self.hosts.entry(Arc::clone(&entry.host)).or_insert_with(|| Host::new(limiter())).entries += 1;
        self.namespaces.entry(Arc::clone(key.namespace())).or_default().entries += 1;
        self.timers.insert((entry.ready_at, key.clone()));
        self.entries.insert(key, Entry { is_ready: false, ..entry });
    }

    /// Without [`Queue::release`], which is to follow.
    fn take(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        if let Some(host) = self.hosts.get_mut(&entry.host) {
            host.entries -= 1;
            if entry.is_ready {
                host.remove(entry.priority, entry.ready_at, key);
            } else {
                self.timers.remove(&(entry.ready_at, key.clone()));
            }
        }
        if let Some(namespace) = self.namespaces.get_mut(key.namespace()) {
            namespace.entries -= 1;
        }
        Some(entry)
    }

    /// Forgets a host and a namespace that have nothing left.
    fn release(&mut self, host: &str, namespace: &str) {
        if self.hosts.get(host).is_some_and(|host| host.entries + host.running == 0) {
            self.hosts.remove(host);
        }
        if self.namespaces.get(namespace).is_some_and(|known| known.entries + known.running == 0) {
            self.namespaces.remove(namespace);
        }
    }
}

#[cfg(test)]
mod tests;
