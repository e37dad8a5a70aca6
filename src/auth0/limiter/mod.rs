//! How fast the Management API of one host may be called, by everybody together.
//!
//! The client only pays and listens; whoever begins something asks here first.

mod breaker;
mod budget;
pub mod headers;

use crate::api::reason::Reason;
use crate::auth0::effect::Effect;
use crate::auth0::error::Error;
use crate::auth0::http::Answer;
use crate::auth0::limiter::headers::Budget;
use crate::jitter::chance;
use breaker::Silence;
use budget::{EMPTY, Heard, MOMENT};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Whoever has begun something waits for a closed door no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nor, with what is paid for, for an empty bucket: until something is added to it, and the first one who goes then
/// has its answer.
const EMPTY_PATIENCE: Duration = Duration::from_secs(EMPTY.as_secs() + 1);

/// Longest stretch of waiting for the budget, so that whoever watches sees a pass wait, not hang.
const STRETCH: Duration = Duration::from_mins(1);

/// How soon whoever has not begun asks again whether it is over.
const GLANCE: Duration = Duration::from_millis(50);

/// A look that changes something reads the user and sends one change, as a rule.
pub const USUAL: u32 = 2;

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
    fn in_a_while(self) -> u32 {
        self.burst.saturating_add(self.per_minute.div_ceil(6))
    }
}

impl Default for Rate {
    /// Half of the free plan (Auth0: "Rate Limit Configurations"): the other half is for logins.
    fn default() -> Self {
        Self { per_minute: 60, burst: 2 }
    }
}

/// The limiter of one host: a token bucket that can be overdrawn and closed.
#[derive(Default)]
pub struct Pace {
    bucket: Mutex<Bucket>,
    /// A request was answered, or lost.
    landed: Notify,
}

/// A request on its way, until it is dropped.
pub struct Flight<'a>(&'a Pace);

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.0.with(|bucket, _| bucket.flying = bucket.flying.saturating_sub(1));
        self.0.landed.notify_waiters();
    }
}

/// Pure: every method is told what time it is.
struct Bucket {
    rate: Rate,
    tokens: f64,
    counted_at: Option<Instant>,
    closed_until: Option<Instant>,
    heard: Heard,
    silence: Silence,
    /// Whether Auth0 asked everybody to wait, and has answered nobody since.
    refused: bool,
    /// Requests on their way.
    flying: u32,
}

impl Default for Bucket {
    fn default() -> Self {
        let rate = Rate::default();
        Self {
            rate,
            tokens: f64::from(rate.burst),
            counted_at: None,
            closed_until: None,
            heard: Heard::default(),
            silence: Silence::default(),
            refused: false,
            flying: 0,
        }
    }
}

impl Bucket {
    fn per_second(&self) -> f64 {
        f64::from(self.rate.per_minute.max(1)) / 60.0
    }

    fn refill(&mut self, now: Instant) {
        let counted_at = self.counted_at.replace(now).unwrap_or(now);
        let gained = now.saturating_duration_since(counted_at).as_secs_f64() * self.per_second();
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst.max(1)));
    }

    /// A higher burst is not a gift: it fills like any other.
    fn set_rate(&mut self, rate: Rate, now: Instant) {
        let is_new = self.counted_at.is_none();
        self.refill(now);
        if self.rate != rate {
            self.rate = rate;
            self.tokens = if is_new { f64::from(rate.burst) } else { self.tokens.min(f64::from(rate.burst)) };
        }
    }

    fn spend(&mut self, requests: u32, now: Instant) {
        self.refill(now);
        self.tokens -= f64::from(requests);
    }

    /// How long until the bucket holds this much, and is open.
    fn until(&mut self, tokens: f64, now: Instant) -> Duration {
        self.refill(now);
        let lacking = Duration::from_secs_f64((tokens - self.tokens).max(0.0) / self.per_second());
        lacking.max(self.closed_for(now)).max(self.silence.lasts(now))
    }

    /// How long to send nothing although it was paid for: Auth0 has next to nothing left, or one finds out for all
    /// whether it is open again.
    fn held_for(&self, now: Instant) -> Duration {
        let finding_out = if self.refused && self.flying > 0 { MOMENT } else { Duration::ZERO };
        self.heard.drained_for(self.flying, now).max(finding_out)
    }

    fn closed_for(&self, now: Instant) -> Duration {
        self.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

impl Pace {
    fn with<T>(&self, act: impl FnOnce(&mut Bucket, Instant) -> T) -> T {
        act(&mut self.bucket.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// Changes the rate from now on.
    pub fn set_rate(&self, rate: Rate) {
        self.with(|bucket, now| bucket.set_rate(rate, now));
    }

    /// Pays for the requests that something new most likely takes, as far as the burst allows, if the first may be sent
    /// at once. Answers how many were paid for.
    ///
    /// # Errors
    /// How long to wait before asking again. Nothing is paid.
    pub fn start(&self, requests: u32) -> Result<u32, Duration> {
        self.with(|bucket, now| {
            let paid = requests.min(bucket.rate.burst.max(1));
            let glance = bucket.held_for(now).min(GLANCE);
            let wait = bucket.until(f64::from(paid), now).max(glance);
            if !wait.is_zero() {
                return Err(wait);
            }
            bucket.spend(paid, now);
            bucket.silence.started(now);
            Ok(paid)
        })
    }

    /// Gives back what was paid for requests that are not sent.
    pub fn give_back(&self, requests: u32) {
        self.with(|bucket, now| {
            bucket.tokens += f64::from(requests);
            bucket.refill(now);
        });
    }

    /// Pays for a further request of something that has begun, and waits until it may be sent. It comes before
    /// everything that has not begun.
    ///
    /// # Errors
    /// `RateLimited` where Auth0 asked everybody to wait for longer than a few seconds, and `Auth0Unavailable`
    /// where it answers nobody.
    pub async fn turn(&self) -> Result<(), Error> {
        self.closed()?;
        let wait = self.with(|bucket, now| {
            let wait = bucket.until(1.0, now);
            bucket.spend(1, now);
            wait
        });
        self.wait(wait).await
    }

    /// Waits until a further request may be sent that was paid for at the start.
    ///
    /// # Errors
    /// As [`Pace::turn`].
    pub async fn paid_turn(&self) -> Result<(), Error> {
        self.wait(self.closed()?).await
    }

    async fn wait(&self, mut wait: Duration) -> Result<(), Error> {
        while !wait.is_zero() {
            let stretch = wait.min(STRETCH);
            tokio::time::sleep(stretch).await;
            wait = wait.saturating_sub(stretch).max(self.closed()?);
        }
        Ok(())
    }

    /// How long nobody may send anything, if that is worth waiting for.
    fn closed(&self) -> Result<Duration, Error> {
        let (closed, silent) = self.with(|bucket, now| (bucket.closed_for(now), bucket.silence.lasts(now)));
        if closed > PATIENCE {
            return Err(slow_down(closed));
        }
        if silent > PATIENCE {
            return Err(Error::unavailable(Effect::None, "Auth0 does not answer"));
        }
        Ok(closed.max(silent))
    }

    /// How long resyncs should wait because Auth0 has little left, which is for logins.
    #[must_use]
    pub fn scarce_for(&self) -> Duration {
        self.with(|bucket, now| bucket.heard.scarce_for(now))
    }

    /// Pays for a request that everything else may overtake, and waits until it may be sent. False where that is not
    /// before `end`.
    pub async fn spare(&self, end: Instant) -> bool {
        loop {
            // As much as a look needs, or it would overtake one.
            match self.start(USUAL) {
                Ok(paid) => {
                    self.give_back(paid - 1);
                    return true;
                }
                Err(wait) if Instant::now() + wait > end => return false,
                Err(wait) => tokio::time::sleep(wait.min(STRETCH)).await,
            }
        }
    }

    /// Pays for a request that cannot wait.
    pub fn spend(&self) {
        self.with(|bucket, now| bucket.spend(1, now));
    }

    /// Lets nobody in for this long, and a little longer by chance, so that not all come back at once.
    pub fn close(&self, wait: Duration) {
        self.with(|bucket, now| {
            let until = now + wait.mul_f64(1.0 + 0.2 * chance());
            bucket.closed_until = bucket.closed_until.max(Some(until));
            bucket.refused = true;
            bucket.heard.refused(now);
        });
    }

    /// Auth0 has answered, and asked nobody to wait. While it is closed, that was asked before.
    pub fn opened(&self) {
        self.with(|bucket, now| bucket.refused &= !bucket.closed_for(now).is_zero());
    }

    /// A request goes, whatever Auth0 asked for.
    pub fn depart(&self) -> Flight<'_> {
        self.with(|bucket, _| bucket.flying += 1);
        Flight(self)
    }

    /// Waits while Auth0 has next to nothing left, without sending anything.
    ///
    /// # Errors
    /// `RateLimited` where Auth0 asks everybody to wait for longer.
    pub async fn clear(&self) -> Result<(), Error> {
        self.take_off().await.map(drop)
    }

    /// Waits for a moment where Auth0 has next to nothing left; then the request that was paid for may go.
    ///
    /// # Errors
    /// `RateLimited` where Auth0 has asked everybody to wait for longer since it was paid for.
    pub async fn take_off(&self) -> Result<Flight<'_>, Error> {
        let patience = Instant::now() + EMPTY_PATIENCE;
        loop {
            let mut landed = pin!(self.landed.notified());
            // From here on none is missed.
            landed.as_mut().enable();
            let wait = self.with(|bucket, now| {
                let closed = bucket.closed_for(now);
                if !closed.is_zero() && now + closed > patience {
                    return Err(slow_down(closed));
                }
                let wait = closed.max(bucket.held_for(now).min(patience.saturating_duration_since(now)));
                bucket.flying += u32::from(wait.is_zero());
                Ok(wait)
            })?;
            if wait.is_zero() {
                return Ok(Flight(self));
            }
            // Whichever comes first: both only mean to look again.
            let _ = timeout(wait, landed).await;
        }
    }

    /// Something that was begun here has ended.
    pub fn ended(&self) {
        self.with(|bucket, _| bucket.silence.ended());
    }

    /// A call was answered, or lost; an Auth0 that is out of order has not answered. After some in a row nobody
    /// starts for a while, then one does to find out.
    pub(super) fn note(&self, answer: &Result<Answer, Error>) {
        if answer.as_ref().is_ok_and(|answer| !answer.status.is_server_error()) {
            self.answered();
        } else {
            self.unanswered();
        }
    }

    fn answered(&self) {
        self.with(|bucket, _| bucket.silence = Silence::default());
    }

    pub(crate) fn unanswered(&self) {
        self.with(|bucket, now| bucket.silence.unanswered(now));
    }

    /// An answer told Auth0's own count; its request is still on its way.
    pub(crate) fn hear(&self, budget: Budget) {
        self.with(|bucket, now| {
            let (flying, most) = (bucket.flying.saturating_sub(1), bucket.rate.in_a_while());
            bucket.heard.hear(budget, flying, most, now);
        });
    }

    /// Auth0's own count, as the last answer told it; `None` before the first that did.
    #[must_use]
    pub fn budget(&self) -> Option<Budget> {
        self.with(|bucket, _| bucket.heard.latest())
    }
}

fn slow_down(closed: Duration) -> Error {
    Error {
        retry_after: Some(closed),
        ..Error::new(
            Reason::RateLimited,
            Effect::None,
            "Auth0 asks to slow down; it is tried again when Auth0 allows it",
        )
    }
}

#[cfg(test)]
mod tests;
