//! An Auth0 that does not answer is tried by one call at a time. Pure: every method is told what time it is.

use crate::jitter::chance;
use std::time::Duration;
use tokio::time::Instant;

/// So many calls in a row without an answer, and only one is made at a time until one is answered.
pub const SILENCE: u32 = 5;

/// A single call that tries whether Auth0 answers again is waited for so long: longer than its deadline.
pub const TRIAL: Duration = Duration::from_secs(15);

/// Longest time between two such calls.
const LONGEST_SILENCE: Duration = Duration::from_mins(1);

/// Calls that were not answered.
#[derive(Default)]
pub struct Silence {
    in_a_row: u32,
    /// Nothing is begun before that.
    until: Option<Instant>,
    /// Whether one call is under way to find out.
    on_trial: bool,
}

impl Silence {
    pub fn lasts(&self, now: Instant) -> Duration {
        self.until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Calls that were under way when it began do not make it longer.
    pub fn unanswered(&mut self, now: Instant) {
        if !self.on_trial && !self.lasts(now).is_zero() {
            return;
        }
        self.on_trial = false;
        self.in_a_row = self.in_a_row.saturating_add(1);
        if let Some(more) = self.in_a_row.checked_sub(SILENCE) {
            let wait = Duration::from_secs(1 << more.min(10)).min(LONGEST_SILENCE);
            self.until = Some(now + wait.mul_f64(1.0 + 0.2 * chance()));
        }
    }

    /// Whoever was to find out may have called nobody: then somebody else does.
    pub fn ended(&mut self) {
        if std::mem::take(&mut self.on_trial) {
            self.until = None;
        }
    }

    /// Somebody starts; if that is to find out, nobody else does.
    pub fn started(&mut self, now: Instant) {
        if self.in_a_row >= SILENCE {
            self.on_trial = true;
            self.until = Some(now + TRIAL);
        }
    }
}
