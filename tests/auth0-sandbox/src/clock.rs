//! The stand-in's clock: the machine's, moved or stopped by a test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A clock whose stamps never repeat, so that `updated_at` moves with every change.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    ahead: Duration,
    frozen: Option<Duration>,
    last_stamp: u64,
}

impl Clock {
    pub(crate) fn advance(&mut self, by: Duration) {
        self.ahead += by;
    }

    /// Stops the clock; only [`advance`](Self::advance) moves it from then on.
    pub(crate) fn freeze(&mut self) {
        self.frozen = Some(machine_time());
    }

    /// Milliseconds since the epoch.
    pub(crate) fn millis(&self) -> u64 {
        let since = self.frozen.unwrap_or_else(machine_time) + self.ahead;
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.millis() / 1000
    }

    /// A new ISO 8601 stamp, later than all before it.
    pub(crate) fn stamp(&mut self) -> String {
        self.last_stamp = self.millis().max(self.last_stamp + 1);
        iso(self.last_stamp)
    }
}

/// Milliseconds since the epoch as ISO 8601.
pub(crate) fn iso(millis: u64) -> String {
    let stamp = Timestamp::from_millisecond(signed(millis)).unwrap_or_default();
    stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// The value of an HTTP `Date` header.
pub(crate) fn http_date(seconds: i64) -> String {
    let stamp = Timestamp::from_second(seconds).unwrap_or_default();
    stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Seconds and milliseconds fit into an `i64` for the next few hundred million years.
pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn machine_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
