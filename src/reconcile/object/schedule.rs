//! How long to wait. Pure but for chance.

use crate::api::Auth0UserUpdateSpec;
use crate::api::reason::{Failure, Reason, Retry};
use crate::jitter::jitter;
use std::time::Duration;

/// Resync interval where the spec names none.
pub const DEFAULT_RESYNC: Duration = Duration::from_hours(1);
/// The CRD refuses shorter ones; a resource that an older CRD admitted is held to it too.
const SHORTEST_RESYNC: Duration = Duration::from_mins(1);
/// First delay after a passing failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
/// What Auth0 rejected is retried at least this often, unless resyncs are switched off.
const LONGEST_REFUSAL: Duration = Duration::from_hours(24);

/// `spec.resyncInterval` as a duration; `None` means never.
///
/// # Errors
/// `InvalidRequest` for a text that is no Go duration.
pub fn resync_interval(spec: &Auth0UserUpdateSpec) -> Result<Option<Duration>, Failure> {
    let text = spec.resync_interval.value().filter(|text| !text.is_empty());
    let Some(text) = text else { return Ok(Some(DEFAULT_RESYNC)) };
    let parsed: kube::core::Duration = text.parse().map_err(|_| {
        let message = "resyncInterval is not a Go duration: use for example 30m, 1h or 0s";
        Failure::new(Reason::InvalidRequest, message)
    })?;
    let interval = Duration::from(parsed);
    Ok((!interval.is_zero()).then_some(interval.max(SHORTEST_RESYNC)))
}

/// The resync interval, the default one where the text is no duration: that is reported elsewhere.
#[must_use]
pub fn resync_or_default(spec: &Auth0UserUpdateSpec) -> Option<Duration> {
    resync_interval(spec).unwrap_or(Some(DEFAULT_RESYNC))
}

/// How far apart checks are, the default one where there are no resyncs.
#[must_use]
pub fn interval(spec: &Auth0UserUpdateSpec) -> Duration {
    resync_or_default(spec).unwrap_or(DEFAULT_RESYNC)
}

/// The delay after the `failures`-th passing failure in a row: 2 s, doubling, ± 20 %, never longer than a
/// resync, so that an error costs no more calls than success.
#[must_use]
pub fn backoff(failures: u32, resync: Option<Duration>) -> Duration {
    let doubled = FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(20));
    spread(doubled, 0.2).min(resync.unwrap_or(DEFAULT_RESYNC))
}

/// The delay until a rejected request is retried: as long as it has been refused, between a resync and
/// a day. That doubles without a counter.
#[must_use]
pub fn refusal_delay(refused_for: Duration, resync: Duration) -> Duration {
    refused_for.clamp(resync.min(LONGEST_REFUSAL), LONGEST_REFUSAL)
}

/// The delay until the next look after a pass that ended with this reason.
#[must_use]
pub fn next_look(
    reason: Reason,
    failures: u32,
    refused_for: Duration,
    asked: Option<Duration>,
    resync: Option<Duration>,
) -> Option<Duration> {
    match reason.retry() {
        Retry::Resync => resync.map(|interval| spread(interval, 0.1)),
        Retry::Refusal => resync.map(|interval| refusal_delay(refused_for, interval)),
        // The limiter of the host keeps the pace, so a resource waits no longer than Auth0 asks for.
        Retry::Backoff if reason == Reason::RateLimited && asked.is_some() => asked,
        Retry::Backoff => Some(backoff(failures, resync).max(asked.unwrap_or_default())),
        // No watch tells of a name server that changed.
        Retry::Change => asked,
    }
}

/// A duration that varies by chance by this share in both directions.
#[must_use]
pub fn spread(duration: Duration, share: f64) -> Duration {
    duration.mul_f64(1.0 - share + 2.0 * share * jitter())
}

/// Uniform in (0, `duration`].
#[must_use]
pub fn somewhere_in(duration: Duration) -> Duration {
    duration.mul_f64(1.0 - jitter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Field;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn backoff_doubles_and_never_exceeds_the_resync() {
        for (failures, seconds) in [(1, 2.0), (2, 4.0), (5, 32.0)] {
            let delay = backoff(failures, Some(HOUR)).as_secs_f64();
            assert!((seconds * 0.8..=seconds * 1.2).contains(&delay), "{failures}: {delay}");
        }
        assert_eq!(backoff(40, Some(HOUR)), HOUR);
        assert_eq!(backoff(40, None), HOUR);
    }

    #[test]
    fn refusals_double_up_to_a_day() {
        assert_eq!(refusal_delay(Duration::ZERO, HOUR), HOUR);
        assert_eq!(refusal_delay(3 * HOUR, HOUR), 3 * HOUR);
        assert_eq!(refusal_delay(100 * HOUR, HOUR), 24 * HOUR);
    }

    #[test]
    fn a_resync_of_zero_means_never() {
        let resync_interval = |text: Option<&str>| {
            let resync_interval = text.map_or(Field::Absent, |text| Field::Value(text.to_owned()));
            super::resync_interval(&Auth0UserUpdateSpec { resync_interval, ..Auth0UserUpdateSpec::default() })
        };
        assert_eq!(resync_interval(Some("0s")).unwrap(), None);
        assert_eq!(resync_interval(Some("1h30m")).unwrap(), Some(HOUR * 3 / 2));
        assert_eq!(resync_interval(None).unwrap(), Some(HOUR));
        assert!(resync_interval(Some("never")).is_err());
        assert_eq!(next_look(Reason::InvalidRequest, 0, Duration::ZERO, None, None), None);
        assert!(next_look(Reason::Auth0Unavailable, 1, Duration::ZERO, None, None).is_some());
    }

    #[test]
    fn auth0s_own_delay_counts_and_no_other_where_it_limits_the_rate() {
        let asked = Duration::from_secs(10);
        let next =
            |reason, failures, asked| next_look(reason, failures, Duration::ZERO, asked, Some(HOUR)).unwrap();
        for failures in [1, 20] {
            assert_eq!(next(Reason::RateLimited, failures, Some(asked)), asked);
        }
        assert_eq!(next(Reason::RateLimited, 20, None), HOUR);
        assert_eq!(next(Reason::Auth0Unavailable, 1, Some(asked)), asked);
        assert_eq!(next(Reason::Auth0Unavailable, 20, Some(asked)), HOUR);
    }
}
