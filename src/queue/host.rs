//! The entries of one host that are ready, fair among namespaces. Pure.

use crate::queue::{Key, Priority};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use tokio::time::Instant;

/// Every so-many-th start of a namespace goes to a lower priority, so that none starves.
pub const LOWER_EVERY: u32 = 8;

/// One host with its limiter; none where the passes call no host.
pub struct Host<L> {
    pub limiter: Option<L>,
    /// Entries of this host, ready or not.
    pub entries: usize,
    /// Passes under way.
    pub running: usize,
    /// The number of the latest start.
    pub latest: u64,
    ready: BTreeMap<Arc<str>, Share>,
    /// The namespace of the latest start.
    served: Arc<str>,
}

/// The ready entries of one namespace: by priority, then by how long they have been ready.
#[derive(Default)]
struct Share {
    lanes: [BTreeSet<(Instant, Key)>; 4],
    starts: u32,
}

impl Share {
    fn next(&self, resyncs: bool) -> Option<(Priority, &Key)> {
        let present = Priority::ALL.into_iter().filter(|priority| resyncs || *priority != Priority::Resync);
        let first_of = |priority| Some((priority, &self.lanes[priority as usize].first()?.1));
        let firsts: Vec<_> = present.filter_map(first_of).collect();
        let (first, lower) = firsts.split_first()?;
        let is_lowers_turn = self.starts % LOWER_EVERY == LOWER_EVERY - 1;
        let turn = (self.starts / LOWER_EVERY) as usize % lower.len().max(1);
        Some(*lower.get(turn).filter(|_| is_lowers_turn).unwrap_or(first))
    }
}

impl<L> Host<L> {
    pub fn new(limiter: Option<L>) -> Self {
        let (ready, served) = (BTreeMap::new(), Arc::default());
        Self { limiter, entries: 0, running: 0, latest: 0, ready, served }
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub fn insert(&mut self, priority: Priority, ready_at: Instant, key: Key) {
        let share = self.ready.entry(Arc::clone(key.namespace())).or_default();
        share.lanes[priority as usize].insert((ready_at, key));
    }

    pub fn remove(&mut self, priority: Priority, ready_at: Instant, key: &Key) {
        let Some(share) = self.ready.get_mut(key.namespace()) else { return };
        share.lanes[priority as usize].remove(&(ready_at, key.clone()));
        if share.lanes.iter().all(BTreeSet::is_empty) {
            self.ready.remove(key.namespace());
        }
    }

    /// Who comes next: of the namespace after the one that was served last. `resyncs` says whether they may.
    pub fn next(&self, resyncs: bool, may_start: impl Fn(&str) -> bool) -> Option<(Priority, &Key)> {
        let after = (Bound::Excluded(&*self.served), Bound::Unbounded);
        let turns = self.ready.range::<str, _>(after).chain(&self.ready);
        turns.filter(|(namespace, _)| may_start(namespace)).find_map(|(_, share)| share.next(resyncs))
    }

    /// One of the namespace is started, the `number`-th of all. To be called before its entry is removed.
    pub fn started(&mut self, namespace: &Arc<str>, number: u64) {
        if let Some(share) = self.ready.get_mut(namespace) {
            share.starts = share.starts.wrapping_add(1);
        }
        self.served = Arc::clone(namespace);
        self.latest = number;
        self.running += 1;
    }

    /// Those that are ready at this priority.
    pub fn ready(&self, priority: Priority) -> impl Iterator<Item = &Key> {
        self.ready.values().flat_map(move |share| &share.lanes[priority as usize]).map(|(_, key)| key)
    }

    /// How many are ready at this priority, and since when the first of them has been.
    pub fn depth(&self, priority: Priority) -> (usize, Option<Instant>) {
        let lanes = self.ready.values().map(|share| &share.lanes[priority as usize]);
        lanes.fold((0, None), |(count, oldest), lane| {
            (count + lane.len(), earlier(oldest, lane.first().map(|(at, _)| *at)))
        })
    }
}

/// The earlier of two, or the only one.
pub fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
