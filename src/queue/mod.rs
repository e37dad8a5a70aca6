//! The line in front of a tenant's host: who may begin to look next. Pure.

pub mod dispatch;

use crate::auth0::USUAL;
use crate::ownership::Named;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// Every so-many-th start goes to one of the lower lanes, in turn, so that none starves.
const LOWER_EVERY: u32 = 8;

/// Whoever was let in and has not come by then is not coming.
const LET_IN: Duration = Duration::from_mins(1);

/// How urgent a look is; the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Somebody is to be blocked.
    Block,
    /// Somebody asked for something.
    Change,
    /// Something failed, or what surrounds the resource is another.
    Retry,
    /// It is time to compare.
    Resync,
}

impl Lane {
    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Change => "change",
            Self::Retry => "retry",
            Self::Resync => "resync",
        }
    }

    /// How many requests a look most likely takes.
    #[must_use]
    pub const fn requests(self) -> u32 {
        match self {
            Self::Block | Self::Change => USUAL,
            Self::Retry | Self::Resync => 1,
        }
    }
}

const LANES: [Lane; 4] = [Lane::Block, Lane::Change, Lane::Retry, Lane::Resync];

/// Who waits, and who was let in and has not come yet.
#[derive(Default)]
pub struct Line {
    queues: [Queue; 4],
    /// Where each waits. Places in a queue that are not here were left.
    places: HashMap<Named, Place>,
    /// How many wait in each lane.
    waiting: [usize; 4],
    let_in: HashMap<Named, LetIn>,
    sequence: u64,
    starts: u32,
}

/// When somebody was let in, and how many requests were paid for then.
struct LetIn {
    since: Instant,
    paid: u32,
}

/// Where somebody waits.
struct Place {
    lane: Lane,
    sequence: u64,
    since: Instant,
}

/// One lane, fair among namespaces.
#[derive(Default)]
struct Queue {
    /// Each that waits, once.
    namespaces: VecDeque<String>,
    names: HashMap<String, VecDeque<(String, u64)>>,
}

impl Line {
    /// How many requests were paid for when the resource was let in; it is no more from here on.
    pub fn enter(&mut self, who: &Named) -> Option<u32> {
        self.let_in.remove(who).map(|let_in| let_in.paid)
    }

    /// Waits in this lane. Who waits in a better one keeps that place.
    pub fn wait(&mut self, who: &Named, lane: Lane) {
        if self.places.get(who).is_some_and(|known| known.lane <= lane) {
            return;
        }
        let since = self.give_up_place(who).map_or_else(Instant::now, |place| place.since);
        self.sequence += 1;
        self.places.insert(who.clone(), Place { lane, sequence: self.sequence, since });
        self.waiting[lane as usize] += 1;
        self.queues[lane as usize].push(who, self.sequence);
    }

    /// Lets go of everybody of whom this does not hold.
    pub fn retain(&mut self, is_there: impl Fn(&Named) -> bool) {
        let gone: Vec<Named> =
            self.places.keys().chain(self.let_in.keys()).filter(|who| !is_there(who)).cloned().collect();
        for who in &gone {
            self.leave(who);
        }
    }

    /// No longer wants to look.
    pub fn leave(&mut self, who: &Named) {
        self.give_up_place(who);
        self.let_in.remove(who);
    }

    fn give_up_place(&mut self, who: &Named) -> Option<Place> {
        let place = self.places.remove(who)?;
        self.waiting[place.lane as usize] -= 1;
        Some(place)
    }

    /// How many wait in each lane, the most urgent first, and since when the first of them has.
    #[must_use]
    pub fn depths(&self) -> [(Lane, usize, Option<Instant>); 4] {
        LANES.map(|lane| {
            let since =
                self.places.values().filter(|place| place.lane == lane).map(|place| place.since).min();
            (lane, self.waiting[lane as usize], since)
        })
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The lane of who comes next; `resyncs` says whether they may.
    #[must_use]
    pub fn next_lane(&self, resyncs: bool) -> Option<Lane> {
        let waiting = LANES
            .into_iter()
            .filter(|lane| self.waiting[*lane as usize] > 0 && (resyncs || *lane != Lane::Resync));
        let waiting: Vec<Lane> = waiting.collect();
        let (first, lower) = waiting.split_first()?;
        let turn = self.starts / LOWER_EVERY;
        let is_lowers_turn = self.starts % LOWER_EVERY == LOWER_EVERY - 1;
        let lower = lower.iter().cycle().nth(turn as usize % lower.len().max(1));
        Some(*lower.filter(|_| is_lowers_turn).unwrap_or(first))
    }

    /// Lets the next of a lane in, for whom so many requests were paid.
    pub fn let_in(&mut self, lane: Lane, paid: u32, now: Instant) -> Option<Named> {
        loop {
            let (who, sequence) = self.queues[lane as usize].pop()?;
            let place = self.places.get(&who);
            if place.is_some_and(|place| (place.lane, place.sequence) == (lane, sequence)) {
                self.give_up_place(&who);
                self.let_in.insert(who.clone(), LetIn { since: now, paid });
                self.starts = self.starts.wrapping_add(1);
                return Some(who);
            }
        }
    }

    /// How many were let in and may still come.
    pub fn coming(&mut self, now: Instant) -> usize {
        self.let_in.retain(|_, let_in| now.saturating_duration_since(let_in.since) < LET_IN);
        self.let_in.len()
    }
}

impl Queue {
    fn push(&mut self, (namespace, name): &Named, sequence: u64) {
        let names = self.names.entry(namespace.clone()).or_insert_with(|| {
            self.namespaces.push_back(namespace.clone());
            VecDeque::new()
        });
        names.push_back((name.clone(), sequence));
    }

    fn pop(&mut self) -> Option<(Named, u64)> {
        let namespace = self.namespaces.pop_front()?;
        let names = self.names.get_mut(&namespace)?;
        let next = names.pop_front();
        if names.is_empty() {
            self.names.remove(&namespace);
        } else {
            self.namespaces.push_back(namespace.clone());
        }
        next.map(|(name, sequence)| ((namespace, name), sequence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(namespace: &str, name: &str) -> Named {
        (namespace.to_owned(), name.to_owned())
    }

    fn next(line: &mut Line) -> Option<String> {
        let first = line.next_lane(true)?;
        let (namespace, name) = line.let_in(first, 1, Instant::now())?;
        Some(format!("{namespace}/{name}"))
    }

    fn all(line: &mut Line) -> Vec<String> {
        std::iter::from_fn(|| next(line)).collect()
    }

    #[test]
    fn the_more_urgent_comes_first() {
        let mut line = Line::default();
        for (name, lane) in
            [("resync", Lane::Resync), ("retry", Lane::Retry), ("edit", Lane::Change), ("block", Lane::Block)]
        {
            line.wait(&named("a", name), lane);
        }
        assert_eq!(all(&mut line), ["a/block", "a/edit", "a/retry", "a/resync"]);
        assert!(line.is_empty());
    }

    #[test]
    fn a_crowded_namespace_takes_turns_with_the_others() {
        let mut line = Line::default();
        for index in 0..1_000 {
            line.wait(&named("crowd", &index.to_string()), Lane::Change);
        }
        line.wait(&named("small", "one"), Lane::Change);
        assert_eq!([next(&mut line).unwrap(), next(&mut line).unwrap()], ["crowd/0", "small/one"]);
    }

    #[test]
    fn no_lane_starves_and_nothing_is_lost() {
        let mut line = Line::default();
        for index in 0..100 {
            line.wait(&named("a", &format!("block-{index}")), Lane::Block);
        }
        for (name, lane) in [("edit", Lane::Change), ("retry", Lane::Retry), ("resync", Lane::Resync)] {
            line.wait(&named("a", name), lane);
        }
        let order = all(&mut line);
        assert_eq!(order.len(), 103);
        for name in ["a/edit", "a/retry", "a/resync"] {
            assert!(order.iter().position(|who| who == name).unwrap() < 40, "{order:?}");
        }
        assert_eq!(order[..7].iter().filter(|who| who.contains("block")).count(), 7);
    }

    #[test]
    fn a_retry_is_served_while_edits_and_resyncs_keep_coming() {
        let mut line = Line::default();
        line.wait(&named("a", "retry"), Lane::Retry);
        let mut served = Vec::new();
        for index in 0..40 {
            line.wait(&named("a", &format!("edit-{index}")), Lane::Change);
            line.wait(&named("a", &format!("resync-{index}")), Lane::Resync);
            served.extend(next(&mut line));
        }
        assert!(served.contains(&"a/retry".to_owned()), "{served:?}");
    }

    #[test]
    fn who_is_gone_holds_no_place() {
        let (mut line, now) = (Line::default(), Instant::now());
        for name in ["gone", "there"] {
            line.wait(&named("a", name), Lane::Change);
        }
        assert_eq!(line.let_in(Lane::Change, 1, now), Some(named("a", "gone")));
        line.wait(&named("a", "gone too"), Lane::Change);
        line.retain(|(_, name)| name == "there");
        assert_eq!((line.coming(now), all(&mut line)), (0, vec!["a/there".to_owned()]));
    }

    #[test]
    fn a_better_lane_replaces_the_place_and_a_worse_one_does_not() {
        let mut line = Line::default();
        line.wait(&named("a", "first"), Lane::Change);
        line.wait(&named("a", "second"), Lane::Resync);
        line.wait(&named("a", "second"), Lane::Block);
        line.wait(&named("a", "second"), Lane::Retry);
        assert_eq!(all(&mut line), ["a/second", "a/first"]);
        assert_eq!([(); 2].map(|()| line.enter(&named("a", "second"))), [Some(1), None]);
    }

    #[test]
    fn who_left_is_not_let_in_and_who_does_not_come_is_not_waited_for() {
        let mut line = Line::default();
        let now = Instant::now();
        line.wait(&named("a", "one"), Lane::Change);
        line.leave(&named("a", "one"));
        assert_eq!(line.next_lane(true), None);
        line.wait(&named("a", "two"), Lane::Resync);
        assert_eq!(line.next_lane(false), None);
        assert_eq!(line.let_in(Lane::Resync, 1, now), Some(named("a", "two")));
        assert_eq!((line.coming(now), line.coming(now + LET_IN)), (1, 0));
    }
}
