//! What Auth0 says about its rate limits.
//!
//! Times are whole seconds of the server's clock, so they are compared with the answer's own `Date`: a
//! clock that differs from ours must not turn a wait into a hot loop.

use k8s_openapi::jiff::{Timestamp, fmt::rfc2822};
use reqwest::header::{AsHeaderName, DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// Shortest wait: Auth0 counts in whole seconds, so its "now" may still lie ahead.
pub const SHORTEST: Duration = Duration::from_secs(1);

/// Longest wait before looking again, whatever the clocks say.
pub const LONGEST: Duration = Duration::from_mins(5);

/// The same for access tokens: their quotas are counted by the hour (Auth0: "Fine-grained M2M token quotas").
pub const LONGEST_QUOTA: Duration = Duration::from_hours(1);

/// The tenant's budget, as an answer of the Management API told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Requests that the bucket holds when full (`x-ratelimit-limit`).
    pub limit: u32,
    /// Requests that were left (`x-ratelimit-remaining`).
    pub remaining: u32,
    /// The second of the server's clock at which requests are added (`x-ratelimit-reset`).
    pub reset: i64,
    /// From the answer until then, by its `Date`.
    pub reset_in: Duration,
}

impl Budget {
    /// Reads the headers of an answer; `None` unless all are there, as on most refusals.
    #[must_use]
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let count = |name| u32::try_from(number(headers, name)?).ok();
        Some(Self {
            limit: count("x-ratelimit-limit")?,
            remaining: count("x-ratelimit-remaining")?,
            reset: reset(headers)?,
            reset_in: until_reset(headers)?.min(LONGEST),
        })
    }
}

/// How long to wait after a 429: `Retry-After`, else the reset of the rate limit; no longer than `longest`.
pub fn wait(headers: &HeaderMap, longest: Duration) -> Option<Duration> {
    retry_after(headers).or_else(|| until_reset(headers)).map(|wait| wait.clamp(SHORTEST, longest))
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    match number(headers, RETRY_AFTER) {
        Some(seconds) => Some(Duration::from_secs(u64::try_from(seconds).ok()?)),
        None => Some(since_answer(headers, date(headers, RETRY_AFTER)?)?),
    }
}

fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    since_answer(headers, reset(headers)?)
}

fn reset(headers: &HeaderMap) -> Option<i64> {
    number(headers, "x-ratelimit-reset")
}

/// From the answer's `Date` to `second` of the Unix epoch; zero where that has passed.
fn since_answer(headers: &HeaderMap, second: i64) -> Option<Duration> {
    let wait = second.saturating_sub(date(headers, DATE)?);
    Some(Duration::from_secs(u64::try_from(wait).unwrap_or_default()))
}

/// The second of the server's clock at which it answered.
pub fn server_second(headers: &HeaderMap) -> Option<i64> {
    date(headers, DATE)
}

fn date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<i64> {
    let text = headers.get(name)?.to_str().ok()?;
    rfc2822::parse(text).ok().map(|date| Timestamp::from(date).as_second())
}

fn number(headers: &HeaderMap, name: impl AsHeaderName) -> Option<i64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    const NOON: &str = "Tue, 11 Jul 2023 12:00:00 GMT";
    const NOON_SECOND: i64 = 1_689_076_800;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn the_wait_is_counted_on_the_servers_clock_and_bounded() {
        let reset = |ahead: i64| (NOON_SECOND + ahead).to_string();
        let waits = |ahead| wait(&headers(&[("date", NOON), ("x-ratelimit-reset", &reset(ahead))]), LONGEST);
        assert_eq!(waits(7), Some(Duration::from_secs(7)));
        assert_eq!(waits(0), Some(SHORTEST));
        assert_eq!(waits(-60), Some(SHORTEST));
        assert_eq!(waits(86_400), Some(LONGEST));
        assert_eq!(wait(&headers(&[("x-ratelimit-reset", &reset(7))]), LONGEST), None);
        assert_eq!(wait(&headers(&[("date", NOON)]), LONGEST), None);
    }

    #[test]
    fn retry_after_comes_first_in_both_spellings() {
        let reset = (NOON_SECOND + 99).to_string();
        let waits = |after| {
            let reset = ("x-ratelimit-reset", reset.as_str());
            wait(&headers(&[("retry-after", after), ("date", NOON), reset]), LONGEST_QUOTA)
        };
        assert_eq!(waits("3"), Some(Duration::from_secs(3)));
        assert_eq!(waits("Tue, 11 Jul 2023 12:00:30 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(waits("3540"), Some(Duration::from_mins(59)));
        assert_eq!(waits("86400"), Some(LONGEST_QUOTA));
        assert_eq!(waits("-3"), Some(Duration::from_secs(99)));
        assert_eq!(waits("soon"), Some(Duration::from_secs(99)));
        assert_eq!(waits("99999999999999999999"), Some(Duration::from_secs(99)));
    }

    #[test]
    fn a_budget_needs_all_of_its_headers() {
        let reset = (NOON_SECOND + 1).to_string();
        let mut whole = headers(&[
            ("date", NOON),
            ("x-ratelimit-limit", "50"),
            ("x-ratelimit-remaining", "49"),
            ("x-ratelimit-reset", &reset),
        ]);
        let budget = Budget { limit: 50, remaining: 49, reset: NOON_SECOND + 1, reset_in: SHORTEST };
        assert_eq!(Budget::read(&whole), Some(budget));
        for far in [NOON_SECOND + 86_400, i64::MAX] {
            whole.insert("x-ratelimit-reset", HeaderValue::from(far));
            assert_eq!(Budget::read(&whole), Some(Budget { reset: far, reset_in: LONGEST, ..budget }));
        }
        whole.remove("x-ratelimit-remaining");
        assert_eq!(Budget::read(&whole), None);
    }
}
