//! What Auth0 says is left of the tenant's rate limit, and whether other applications spend it, too. Pure: every method
//! is told what time it is.

use crate::auth0::Budget;
use std::time::Duration;
use tokio::time::Instant;

/// Auth0's own count is not believed for longer than this after the answer that told it, at least.
const SHORTEST_MEMORY: Duration = Duration::from_secs(1);

/// Nor for longer than this.
const LONGEST_MEMORY: Duration = Duration::from_mins(5);

/// Below this share of Auth0's bucket the rest is for the tenant's logins.
const LOGINS: u32 = 5;

/// Below this share of it nothing is sent for a moment where other applications empty it, too.
const LAST: u32 = 10;

/// Longest such moment. Then one request tells how it stands.
pub const MOMENT: Duration = Duration::from_secs(2);

/// The same where nothing at all was left: sooner, it would be refused.
pub const EMPTY: Duration = Duration::from_secs(6);

/// The other requests wait for that one no longer than this after the bucket was last told of: it may be one that
/// another bucket counts.
const DOUBT: Duration = Duration::from_secs(15);

/// The limit is believed to be shared for so long after the last sign of it.
const SHARING: Duration = Duration::from_mins(1);

/// What Auth0 last said of each of its buckets.
#[derive(Default)]
pub struct ServerBudget {
    /// The latest at the end. Some plans have one for reading and one for writing (Auth0: "Rate Limit
    /// Configurations"); their size tells them apart.
    buckets: Vec<Bucket>,
    /// The last sign that other applications spend it, too.
    shared_at: Option<Instant>,
}

struct Bucket {
    budget: Budget,
    at: Instant,
    spent: Spent,
}

/// What was seen of a bucket since something was last added to it, in whatever order the answers came.
struct Spent {
    most_left: u32,
    least_left: u32,
    /// Answers to us.
    answers: u32,
}

impl Spent {
    fn first(left: u32) -> Self {
        Self { most_left: left, least_left: left, answers: 1 }
    }

    fn and(self, left: u32) -> Self {
        Self {
            most_left: self.most_left.max(left),
            least_left: self.least_left.min(left),
            answers: self.answers.saturating_add(1),
        }
    }

    /// Whether this is more than we can have spent, with so many requests that are not answered yet.
    fn is_shared(&self, unanswered: u32) -> bool {
        self.most_left - self.least_left >= self.answers.saturating_add(unanswered)
    }
}

impl ServerBudget {
    /// Takes in what a response said while so many other requests of ours were on their way. `most` is what we can have
    /// spent in the time in which Auth0 fills every bucket.
    pub fn record(&mut self, budget: Budget, in_flight: u32, most: u32, now: Instant) {
        let Budget { limit, remaining, reset, .. } = budget;
        let known = self.buckets.iter().position(|known| known.budget.limit == limit);
        let known = known.map(|index| self.buckets.remove(index)).filter(|known| known.budget.reset == reset);
        let spent = known.map_or(Spent::first(remaining), |known| known.spent.and(remaining));
        if spent.is_shared(in_flight) || limit.saturating_sub(remaining) > most {
            self.shared_at = Some(now);
        }
        self.buckets.retain(|known| now.saturating_duration_since(known.at) < LONGEST_MEMORY);
        // The answers may come in another order than Auth0 counted them.
        let budget = Budget { remaining: spent.least_left, ..budget };
        self.buckets.push(Bucket { budget, at: now, spent });
    }

    /// Auth0 refused what its count seemed to allow.
    pub fn refused(&mut self, now: Instant) {
        self.shared_at = Some(now);
    }

    pub fn latest(&self) -> Option<Budget> {
        self.buckets.last().map(|known| known.budget)
    }

    /// How long to send nothing, because what Auth0 said was left is as good as gone: the requests on their way
    /// count as if it had not seen them.
    pub fn drained_for(&self, in_flight: u32, now: Instant) -> Duration {
        let is_shared = self.shared_at.is_some_and(|at| now.saturating_duration_since(at) < SHARING);
        let rests = self.buckets.iter().filter_map(|Bucket { budget, at, .. }| {
            let last = if is_shared { budget.limit / LAST } else { 0 };
            if budget.remaining.saturating_sub(in_flight) > last || now >= *at + DOUBT {
                return None;
            }
            let longest = if budget.remaining == 0 { EMPTY } else { MOMENT };
            let rest = (*at + budget.reset_in.clamp(SHORTEST_MEMORY, longest)).saturating_duration_since(now);
            // Then one of the requests that wait finds out.
            Some(if rest.is_zero() && in_flight > 0 { MOMENT } else { rest })
        });
        rests.max().unwrap_or_default()
    }

    /// How long the little that Auth0 has left is for logins.
    pub fn scarce_for(&self, now: Instant) -> Duration {
        let rests = self.buckets.iter().filter_map(|Bucket { budget, at, .. }| {
            let is_scarce = budget.remaining.saturating_mul(LOGINS) < budget.limit;
            is_scarce.then(|| (*at + budget.reset_in.max(SHORTEST_MEMORY)).saturating_duration_since(now))
        });
        rests.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(remaining: u32, reset: i64) -> Budget {
        Budget { limit: 20, remaining, reset, reset_in: SECOND }
    }

    /// More than any bucket holds.
    const ANY: u32 = 20;

    /// What is held back after these answers: how much was left, when something is added, others on their way.
    fn held_back(answers: &[(u32, i64, u32)], most: u32) -> u32 {
        let (mut server, now) = (ServerBudget::default(), Instant::now());
        for (remaining, reset, in_flight) in answers {
            server.record(told(*remaining, *reset), *in_flight, most, now);
        }
        let is_held = |left: &u32| {
            server.record(told(*left, -1 - i64::from(*left)), 0, ANY, now);
            !server.drained_for(0, now).is_zero()
        };
        (0..20).rev().find(is_held).unwrap()
    }

    #[test]
    fn who_is_alone_uses_it_up_and_where_it_is_shared_the_last_tenth_is_left() {
        const ALONE: u32 = 0;
        const SHARED: u32 = 2;
        for (answers, held) in [
            (vec![], ALONE),
            (vec![(19, 6, 0), (18, 6, 0), (17, 6, 0)], ALONE),
            (vec![(19, 6, 0), (17, 6, 0)], SHARED),
            // Something was added in between: it says nothing.
            (vec![(19, 6, 0), (17, 12, 0), (16, 12, 0)], ALONE),
            // The answers came in another order.
            (vec![(17, 6, 2), (18, 6, 1), (19, 6, 0), (16, 6, 0)], ALONE),
            (vec![(17, 6, 2), (18, 6, 1), (19, 6, 0), (15, 6, 0)], SHARED),
            // It may be ours that were not answered yet.
            (vec![(19, 6, 2), (16, 6, 2)], ALONE),
            (vec![(19, 6, 2), (15, 6, 2)], SHARED),
        ] {
            assert_eq!(held_back(&answers, ANY), held, "{answers:?}");
        }
        // We cannot have spent as much.
        let one = [(15, 6, 0)];
        assert_eq!((held_back(&one, 5), held_back(&one, 4)), (ALONE, SHARED));
    }

    #[test]
    fn an_answer_that_comes_late_gives_nothing_back() {
        let (mut server, now) = (ServerBudget::default(), Instant::now());
        server.record(told(0, 6), 1, ANY, now);
        server.record(told(1, 6), 0, ANY, now);
        assert_eq!(server.drained_for(0, now), SECOND);
        server.record(told(1, 7), 0, ANY, now);
        assert_eq!(server.drained_for(0, now), Duration::ZERO);
    }

    #[test]
    fn no_request_is_sent_before_something_is_added_to_what_is_empty() {
        let (mut server, now) = (ServerBudget::default(), Instant::now());
        let wait = 4 * SECOND;
        server.record(Budget { reset_in: wait, ..told(0, 6) }, 0, ANY, now);
        assert_eq!(server.drained_for(0, now), wait);
        assert_eq!(server.drained_for(0, now + wait), Duration::ZERO);
        assert_eq!(server.drained_for(1, now + wait), MOMENT, "one finds out for the others");
    }

    #[test]
    fn sharing_is_forgotten_after_a_while() {
        let (mut server, begun) = (ServerBudget::default(), Instant::now());
        server.refused(begun);
        for (later, held) in [(SECOND, true), (SHARING, false)] {
            server.record(told(1, 6), 0, ANY, begun + later);
            assert_eq!(!server.drained_for(0, begun + later).is_zero(), held, "{later:?}");
        }
    }
}
