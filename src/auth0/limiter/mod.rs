//! The rate limiter of one host's Management API, which everything that calls it shares.
//!
//! A pass takes permits when it is started and acquires more in its course. Each request is announced before it is sent,
//! and its response is reported.

mod breaker;
mod bucket;
mod budget;
pub mod headers;

use crate::api::reason::Reason;
use crate::auth0::answer::{Effect, Error, SLOW_DOWN};
use crate::auth0::http::Answer;
use crate::auth0::limiter::headers::Budget;
use crate::jitter::jitter;
use breaker::Breaker;
use bucket::Bucket;
pub use bucket::Rate;
use budget::{EMPTY, MOMENT, ServerBudget};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// A pass that is under way waits for a closed limiter no longer than this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Nor, with a permit, for an empty bucket of Auth0: until something is added to it, and the first request then has its
/// answer.
const EMPTY_PATIENCE: Duration = Duration::from_secs(EMPTY.as_secs() + 1);

/// Longest stretch of waiting for a permit, so that what watches sees a pass wait, not hang.
const STRETCH: Duration = Duration::from_mins(1);

/// How soon a pass that is not started asks again whether Auth0's bucket holds more.
const GLANCE: Duration = Duration::from_millis(50);

/// A pass that changes something reads the user and sends one change, as a rule.
pub const USUAL: u32 = 2;

/// The limiter of one host: a token bucket, what Auth0 says of its own, and a circuit breaker.
#[derive(Default)]
pub struct Limiter {
    state: Mutex<State>,
    /// A request was answered, or lost.
    landed: Notify,
}

/// What is known of a host.
#[derive(Debug)]
pub struct Snapshot {
    /// Auth0's own count, as the last response told it; `None` before the first that did.
    pub budget: Option<Budget>,
    /// How long resyncs should wait because Auth0 has little left, which is for logins.
    pub scarce_for: Duration,
}

/// A request on its way. Dropped without a response, it was not answered.
pub struct InFlight<'a> {
    limiter: &'a Limiter,
    is_answered: bool,
}

impl InFlight<'_> {
    /// Auth0 has responded. A server error is no answer.
    pub(super) fn on_response(mut self, answer: &Answer) {
        self.is_answered = !answer.status.is_server_error();
        if self.is_answered {
            self.limiter.with(|state, _| state.breaker.answered());
        }
        if let Some(budget) = Budget::read(&answer.headers) {
            self.limiter.record(budget);
        }
        if answer.status == 429 {
            self.limiter.close(headers::wait(&answer.headers, headers::LONGEST).unwrap_or(headers::SHORTEST));
        } else {
            self.limiter.opened();
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.limiter.with(|state, now| {
            state.in_flight = state.in_flight.saturating_sub(1);
            if !self.is_answered {
                state.breaker.unanswered(now);
            }
        });
        self.limiter.landed.notify_waiters();
    }
}

/// Pure: every method is told what time it is.
#[derive(Default)]
struct State {
    bucket: Bucket,
    server: ServerBudget,
    breaker: Breaker,
    closed_until: Option<Instant>,
    /// Whether Auth0 has asked to wait, and has answered nothing since.
    refused: bool,
    /// Requests on their way.
    in_flight: u32,
}

impl State {
    /// How long until the bucket holds this much, and the limiter is open.
    fn until(&mut self, requests: u32, now: Instant) -> Duration {
        let lacking = self.bucket.until(requests, now);
        lacking.max(self.closed_for(now)).max(self.breaker.open_for(now))
    }

    /// How long to send nothing although there is a permit: Auth0 has next to nothing left, or one request finds out
    /// for all whether it is open again.
    fn held_for(&self, now: Instant) -> Duration {
        let finding_out = if self.refused && self.in_flight > 0 { MOMENT } else { Duration::ZERO };
        self.server.drained_for(self.in_flight, now).max(finding_out)
    }

    fn closed_for(&self, now: Instant) -> Duration {
        self.closed_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Takes as many permits as the burst allows, if the first request may be sent at once.
    fn start(&mut self, requests: u32, now: Instant) -> Result<u32, Duration> {
        let permits = requests.min(self.bucket.rate().burst.max(1));
        let wait = self.until(permits, now).max(self.held_for(now).min(GLANCE));
        if !wait.is_zero() {
            return Err(wait);
        }
        self.bucket.spend(permits, now);
        self.breaker.started(now);
        Ok(permits)
    }
}

impl Limiter {
    fn with<T>(&self, act: impl FnOnce(&mut State, Instant) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner), Instant::now())
    }

    /// Changes the rate from now on.
    pub fn set_rate(&self, rate: Rate) {
        self.with(|state, now| state.bucket.set_rate(rate, now));
    }

    /// Takes the permits of the requests that a pass most likely sends, as far as the burst allows, if the first may be
    /// sent at once. Answers how many were taken. The pass ends with [`Limiter::give_back`].
    ///
    /// # Errors
    /// How long to wait before asking again. Nothing is taken.
    pub fn start(&self, requests: u32) -> Result<u32, Duration> {
        self.with(|state, now| state.start(requests, now))
    }

    /// A pass that was started here has ended, with so many permits unspent.
    pub fn give_back(&self, permits: u32) {
        self.with(|state, now| {
            state.bucket.give_back(permits, now);
            state.breaker.ended(now);
        });
    }

    /// Waits until a further request of a pass may be sent. Without a permit it takes one, before every pass that is
    /// not started.
    ///
    /// # Errors
    /// `RateLimited` where Auth0 asked to wait for longer than a few seconds, and `Auth0Unavailable` where it does not
    /// answer.
    pub async fn acquire(&self, has_permit: bool) -> Result<(), Error> {
        let mut wait = self.closed()?;
        if !has_permit {
            wait = self.with(|state, now| {
                let wait = state.until(1, now);
                state.bucket.spend(1, now);
                wait
            });
        }
        while !wait.is_zero() {
            let stretch = wait.min(STRETCH);
            tokio::time::sleep(stretch).await;
            wait = wait.saturating_sub(stretch).max(self.closed()?);
        }
        self.ready(|_| ()).await
    }

    /// Takes a permit that comes after every pass, and waits for it. False where that is not before `end`.
    pub async fn acquire_spare(&self, end: Instant) -> bool {
        loop {
            // As much as a pass needs, or it would overtake one.
            let taken = self.with(|state, now| {
                let permits = state.start(USUAL, now)?;
                state.bucket.give_back(permits - 1, now);
                Ok(())
            });
            match taken {
                Ok(()) => return true,
                Err(wait) if Instant::now() + wait > end => return false,
                Err(wait) => tokio::time::sleep(wait.min(STRETCH)).await,
            }
        }
    }

    /// Takes a permit for a request that does not wait.
    pub fn spend(&self) {
        self.with(|state, now| state.bucket.spend(1, now));
    }

    /// Announces a request that has its permit: waits, unless it is `at_once`, while Auth0 has next to nothing left.
    ///
    /// # Errors
    /// `RateLimited` where Auth0 has asked to wait for longer since the permit was taken.
    pub async fn send(&self, at_once: bool) -> Result<InFlight<'_>, Error> {
        let depart = |state: &mut State| state.in_flight += 1;
        if at_once {
            self.with(|state, _| depart(state));
        } else {
            self.ready(depart).await?;
        }
        Ok(InFlight { limiter: self, is_answered: false })
    }

    /// The token endpoint has responded, or has not. It has a rate limit of its own, but an Auth0 that is down is down.
    pub(super) fn on_token_response(&self, answer: &Result<Answer, Error>) {
        let is_answered = answer.as_ref().is_ok_and(|answer| !answer.status.is_server_error());
        self.with(
            |state, now| {
                if is_answered { state.breaker.answered() } else { state.breaker.unanswered(now) }
            },
        );
    }

    /// What is known of the host.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.with(|state, now| Snapshot {
            budget: state.server.latest(),
            scarce_for: state.server.scarce_for(now),
        })
    }

    /// Waits until Auth0 has more than next to nothing left, and acts in that instant.
    async fn ready(&self, act: impl Fn(&mut State)) -> Result<(), Error> {
        let patience = Instant::now() + EMPTY_PATIENCE;
        loop {
            let mut landed = pin!(self.landed.notified());
            // From here on none is missed.
            landed.as_mut().enable();
            let wait = self.with(|state, now| {
                let closed = state.closed_for(now);
                if !closed.is_zero() && now + closed > patience {
                    return Err(slow_down(closed));
                }
                let wait = closed.max(state.held_for(now).min(patience.saturating_duration_since(now)));
                if wait.is_zero() {
                    act(state);
                }
                Ok(wait)
            })?;
            if wait.is_zero() {
                return Ok(());
            }
            // Whichever comes first: both only mean to look again.
            let _ = timeout(wait, landed).await;
        }
    }

    /// How long nothing may be sent, if that is worth waiting for.
    fn closed(&self) -> Result<Duration, Error> {
        let (closed, open) = self.with(|state, now| (state.closed_for(now), state.breaker.open_for(now)));
        if closed > PATIENCE {
            return Err(slow_down(closed));
        }
        if open > PATIENCE {
            return Err(Error::unavailable(Effect::None, "Auth0 does not answer"));
        }
        Ok(closed.max(open))
    }

    /// Closes the limiter for `wait` plus up to 20 % jitter, so that not all callers retry at once.
    fn close(&self, wait: Duration) {
        self.with(|state, now| {
            let until = now + wait.mul_f64(1.0 + 0.2 * jitter());
            state.closed_until = state.closed_until.max(Some(until));
            state.refused = true;
            state.server.refused(now);
        });
    }

    /// Auth0 has answered, and did not ask to wait. While the limiter is closed, that request was sent before.
    fn opened(&self) {
        self.with(|state, now| state.refused &= !state.closed_for(now).is_zero());
    }

    /// A response told Auth0's own count; its request is still on its way.
    pub(crate) fn record(&self, budget: Budget) {
        self.with(|state, now| {
            let (others, most) = (state.in_flight.saturating_sub(1), state.bucket.rate().in_a_while());
            state.server.record(budget, others, most, now);
        });
    }
}

fn slow_down(closed: Duration) -> Error {
    Error { retry_after: Some(closed), ..Error::new(Reason::RateLimited, Effect::None, SLOW_DOWN) }
}

#[cfg(test)]
mod tests;
