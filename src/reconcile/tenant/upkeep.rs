//! What the checks of a tenant's resources need of its rate limit. Pure.

use crate::api::conditions::{self, OVERCOMMITTED, Saying};
use crate::api::reason::Reason;
use crate::api::{Auth0TenantStatus, EventsState, TenantChecks};
use crate::auth0::{Rate, SEARCHED};
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Requests are counted in millionths, so that many that are rare add up.
const MILLIONTHS: u64 = 1_000_000;

/// What is counted of the resources of a tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// How many there are, by namespace.
    pub by_namespace: BTreeMap<String, u32>,
    /// Millionths of requests an hour that their checks need.
    checks: u64,
}

impl Resources {
    /// Counts one. `interval`: how often it is checked; `in_sync`: along with others, by one search for 50 users, else by a
    /// request of its own.
    pub fn count(&mut self, namespace: &str, interval: Option<Duration>, in_sync: bool) {
        *self.by_namespace.entry(namespace.to_owned()).or_default() += 1;
        let Some(interval) = interval else { return };
        let users = if in_sync { SEARCHED.try_into().unwrap_or(1) } else { 1 };
        self.checks += 3600 * MILLIONTHS / (interval.as_secs().max(1) * users);
    }

    /// What status says of it.
    #[must_use]
    pub fn checks(&self, rate: Rate) -> TenantChecks {
        TenantChecks {
            requests_per_hour: rounded(self.checks),
            allowed_per_hour: rate.per_minute.saturating_mul(60),
        }
    }
}

/// Up, to two digits, so that one resource more is no reason to write.
fn rounded(millionths: u64) -> u32 {
    let number = millionths.div_ceil(MILLIONTHS);
    let mut unit = 1;
    while number.div_ceil(unit) > 99 {
        unit *= 10;
    }
    (number.div_ceil(unit) * unit).try_into().unwrap_or(u32::MAX)
}

/// Says how much the checks need, and with a condition where that is more than half of what there is.
pub fn say(status: &mut Auth0TenantStatus, checks: TenantChecks, generation: i64, now: Timestamp) {
    let TenantChecks { requests_per_hour: needed, allowed_per_hour: allowed } = checks;
    if needed > allowed / 2 {
        let times = needed.div_ceil((allowed / 2).max(1));
        let is_connected =
            status.events.as_ref().is_some_and(|events| events.state == EventsState::Connected);
        let events = if is_connected {
            ""
        } else {
            ", or grant the scope read:events, with which one check a day is enough"
        };
        let message = format!(
            "the checks of its resources need about {needed} of the {allowed} requests an hour that its rate limit allows, and edits wait behind them: raise spec.rateLimit as far as the Auth0 plan allows, or lengthen spec.resyncInterval of the resources at least {times}-fold{events}"
        );
        let saying = Saying { status: "True", reason: Reason::Overcommitted.as_str(), message: &message };
        conditions::set(&mut status.conditions, OVERCOMMITTED, &saying, generation, now);
    } else {
        status.conditions.retain(|condition| condition.type_ != OVERCOMMITTED);
    }
    status.checks = Some(checks);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tenant::conclude::announce;

    const MINUTE: Duration = Duration::from_mins(1);

    fn checks(in_sync: u32, others: u32, interval: Option<Duration>) -> TenantChecks {
        let mut resources = Resources::default();
        for number in 0..in_sync + others {
            resources.count("n", interval, number < in_sync);
        }
        resources.checks(Rate { per_minute: 60, burst: 2 })
    }

    #[test]
    fn fifty_users_in_sync_take_one_request_and_each_other_one_of_its_own() {
        let hour = Some(60 * MINUTE);
        for (in_sync, others, interval, needed) in [
            (0, 0, hour, 0),
            (50, 0, hour, 1),
            (51, 0, hour, 2),
            (0, 50, hour, 50),
            (10_000, 0, hour, 200),
            (10_000, 0, Some(24 * 60 * MINUTE), 9),
            (10_000, 123, hour, 330),
            (0, 1_001, hour, 1_100),
            (100, 0, Some(MINUTE), 120),
            (100, 100, None, 0),
        ] {
            assert_eq!(
                checks(in_sync, others, interval).requests_per_hour,
                needed,
                "{in_sync} {others} {interval:?}"
            );
        }
    }

    #[test]
    fn more_than_half_of_the_rate_limit_is_told_until_it_is_less() {
        let mut status = Auth0TenantStatus::default();
        let now = Timestamp::UNIX_EPOCH;
        let said = |status: &Auth0TenantStatus| conditions::find(&status.conditions, OVERCOMMITTED).cloned();
        let with = |needed| TenantChecks { requests_per_hour: needed, allowed_per_hour: 3600 };
        say(&mut status, with(1800), 1, now);
        assert_eq!(said(&status), None);
        say(&mut status, with(1900), 1, now);
        let condition = said(&status).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Overcommitted"));
        assert!(condition.message.contains("about 1900 of the 3600 requests"), "{}", condition.message);
        assert!(
            condition.message.contains("2-fold, or grant the scope read:events"),
            "{}",
            condition.message
        );
        let told = |before: &Auth0TenantStatus, after: &Auth0TenantStatus| announce(before, after).len();
        assert_eq!((told(&Auth0TenantStatus::default(), &status), told(&status, &status)), (1, 0));
        say(&mut status, with(90), 1, now);
        assert_eq!((said(&status), status.checks), (None, Some(with(90))));
    }
}
