//! Fields that are changed in Auth0 each time after the operator has put them back. Pure.
//!
//! Two installations that do not know each other would else change a user for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Repairs of one field within [`WINDOW`] of each other that nothing but a rival explains.
const CONTESTED: u32 = 3;
/// Resync intervals within which one repair follows another, beyond the pause before it.
const WINDOW: u32 = 10;
/// A contested field is put back at least this often, unless resyncs are rarer.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);

/// How often fields were put back; kept in memory, for one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repairs(BTreeMap<String, Repair>);

#[derive(Clone, Debug, PartialEq)]
struct Repair {
    count: u32,
    last: Instant,
}

impl Repair {
    /// How long the field stays as it was changed, from the last repair on.
    fn pause(&self, resync: Duration) -> Duration {
        let Some(doublings) = (self.count + 1).checked_sub(CONTESTED) else { return Duration::ZERO };
        resync.saturating_mul(1 << doublings.min(20)).min(LONGEST_PAUSE.max(resync))
    }

    fn is_past(&self, now: Instant, resync: Duration) -> bool {
        now.duration_since(self.last) > self.pause(resync) + resync * WINDOW
    }
}

impl Repairs {
    /// Fields that are not put back yet.
    #[must_use]
    pub fn paused(&self, now: Instant, resync: Duration) -> BTreeSet<String> {
        let is_paused =
            |repair: &Repair| repair.count >= CONTESTED && now < repair.last + repair.pause(resync);
        self.0.iter().filter(|(_, repair)| is_paused(repair)).map(|(field, _)| field.clone()).collect()
    }

    /// Counts fields that were put back now. Answers with those of them that are contested.
    pub fn count<'a>(
        &mut self,
        fields: impl Iterator<Item = &'a String>,
        now: Instant,
        resync: Duration,
    ) -> BTreeSet<String> {
        self.0.retain(|_, repair| !repair.is_past(now, resync));
        let mut contested = BTreeSet::new();
        for field in fields {
            let repair = self.0.entry(field.clone()).or_insert(Repair { count: 0, last: now });
            (repair.count, repair.last) = (repair.count.saturating_add(1), now);
            if repair.count >= CONTESTED {
                contested.insert(field.clone());
            }
        }
        contested
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// A rival changes the field before each check; answers with the hours at which it is put back.
    fn put_back(resync: Duration, checks: u32) -> Vec<u64> {
        let (start, field) = (Instant::now(), "name".to_owned());
        let mut repairs = Repairs::default();
        let checks = (1..=checks).map(|check| start + resync * check);
        let repaired = checks.filter(|now| {
            let is_due = !repairs.paused(*now, resync).contains(&field);
            if is_due {
                repairs.count([&field].into_iter(), *now, resync);
            }
            is_due
        });
        repaired.map(|now| now.duration_since(start).as_secs() / 3_600).collect()
    }

    #[test]
    fn a_field_that_is_changed_each_time_is_put_back_ever_more_rarely_and_once_a_day() {
        assert_eq!(put_back(HOUR, 110), [1, 2, 3, 5, 9, 17, 33, 57, 81, 105]);
        // Rarer than that already.
        assert_eq!(put_back(48 * HOUR, 6), [48, 96, 144, 192, 240, 288]);
    }

    #[test]
    fn the_third_repair_within_ten_resyncs_makes_a_field_contested_and_only_that_one() {
        let (start, name, email) = (Instant::now(), "name".to_owned(), "email".to_owned());
        let mut repairs = Repairs::default();
        let mut count = |hour, fields: &[&String]| {
            repairs.count(fields.iter().copied(), start + HOUR * hour, HOUR).into_iter().collect::<Vec<_>>()
        };
        assert!(count(0, &[&name]).is_empty());
        assert!(count(9, &[&name, &email]).is_empty());
        assert_eq!(count(18, &[&name, &email]), ["name"]);
        // It has held for longer than that: a later change is a new one.
        assert!(count(31, &[&name]).is_empty());
    }
}
