//! The token bucket, which can be overdrawn. Pure: every method is told what time it is.

use std::time::Duration;
use tokio::time::Instant;

/// Requests that may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// On average.
    pub per_minute: u32,
    /// At once.
    pub burst: u32,
}

impl Rate {
    /// What keeps to both.
    #[must_use]
    pub fn lowest(self, other: Self) -> Self {
        Self { per_minute: self.per_minute.min(other.per_minute), burst: self.burst.min(other.burst) }
    }

    /// The most that is spent while Auth0 fills a bucket: its plans add as much as any holds within 6 s or less
    /// (Auth0: "Rate Limit Configurations").
    pub(super) fn in_a_while(self) -> u32 {
        self.burst.saturating_add(self.per_minute.div_ceil(6))
    }
}

impl Default for Rate {
    /// Half of the free plan (Auth0: "Rate Limit Configurations"): the other half is for logins.
    fn default() -> Self {
        Self { per_minute: 60, burst: 2 }
    }
}

/// Tokens, each for one request.
pub struct Bucket {
    rate: Rate,
    tokens: f64,
    counted_at: Option<Instant>,
}

impl Default for Bucket {
    fn default() -> Self {
        let rate = Rate::default();
        Self { rate, tokens: f64::from(rate.burst), counted_at: None }
    }
}

impl Bucket {
    /// Its rate.
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// A higher burst is not a gift: it fills like any other.
    pub fn set_rate(&mut self, rate: Rate, now: Instant) {
        let is_new = self.counted_at.is_none();
        self.refill(now);
        if self.rate != rate {
            self.rate = rate;
            self.tokens = if is_new { f64::from(rate.burst) } else { self.tokens.min(f64::from(rate.burst)) };
        }
    }

    /// Takes tokens, of which there may be fewer.
    pub fn spend(&mut self, requests: u32, now: Instant) {
        self.refill(now);
        self.tokens -= f64::from(requests);
    }

    /// Puts tokens back that were taken for requests that are not sent.
    pub fn give_back(&mut self, requests: u32, now: Instant) {
        self.tokens += f64::from(requests);
        self.refill(now);
    }

    /// How long until it holds this many.
    pub fn until(&mut self, requests: u32, now: Instant) -> Duration {
        self.refill(now);
        Duration::from_secs_f64((f64::from(requests) - self.tokens).max(0.0) / self.per_second())
    }

    fn per_second(&self) -> f64 {
        f64::from(self.rate.per_minute.max(1)) / 60.0
    }

    fn refill(&mut self, now: Instant) {
        let counted_at = self.counted_at.replace(now).unwrap_or(now);
        let gained = now.saturating_duration_since(counted_at).as_secs_f64() * self.per_second();
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst.max(1)));
    }
}
