//! The circuit breaker: an Auth0 that does not answer is probed by one call at a time. Pure: every method is told what
//! time it is.

use crate::jitter::jitter;
use std::time::Duration;
use tokio::time::Instant;

/// So many calls in a row without an answer open it.
pub const THRESHOLD: u32 = 5;

/// How long a probe may take: longer than the deadline of its call.
pub const PROBE: Duration = Duration::from_secs(15);

/// Longest time between two probes.
const LONGEST: Duration = Duration::from_mins(1);

/// Calls that were not answered.
#[derive(Default)]
pub struct Breaker {
    in_a_row: u32,
    state: State,
}

#[derive(Default)]
enum State {
    /// Calls are answered.
    #[default]
    Closed,
    /// Nothing is started before then; what is started then is a probe.
    Open { until: Instant },
    /// One call finds out. Another does where it has not by then.
    Probing { until: Instant },
}

impl Breaker {
    /// How long nothing may be started.
    pub fn open_for(&self, now: Instant) -> Duration {
        match self.state {
            State::Closed => Duration::ZERO,
            State::Open { until } | State::Probing { until } => until.saturating_duration_since(now),
        }
    }

    /// A call was answered.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// A call was not answered. Calls that were under way when it opened do not keep it open for longer.
    pub fn unanswered(&mut self, now: Instant) {
        if matches!(self.state, State::Open { until } if now < until) {
            return;
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        if let Some(more) = self.in_a_row.checked_sub(THRESHOLD) {
            let wait = Duration::from_secs(1 << more.min(10)).min(LONGEST);
            self.state = State::Open { until: now + wait.mul_f64(1.0 + 0.2 * jitter()) };
        }
    }

    /// Something is started; where the breaker is not closed, as its probe.
    pub fn started(&mut self, now: Instant) {
        if !matches!(self.state, State::Closed) {
            self.state = State::Probing { until: now + PROBE };
        }
    }

    /// What was started has ended. A probe that made no call leaves it to the next one.
    pub fn ended(&mut self, now: Instant) {
        if matches!(self.state, State::Probing { .. }) {
            self.state = State::Open { until: now };
        }
    }
}
