//! Which resources may be compared by a search, which may show what was. Pure.

use super::State;
use super::record::{Record, Said};
use crate::api::reason::Reason;
use crate::reconcile::object::why::Why;

/// Whether a pass for these reasons only compares, and may do so by a search.
#[must_use]
pub fn is_due(record: &Record, state: &State, why: &[Why]) -> bool {
    why == [Why::Due] && is_plain(record, state)
}

/// Whether a resource was in sync when it was last looked at, with nothing open since.
#[must_use]
pub fn is_plain(record: &Record, state: &State) -> bool {
    let ready = [Reason::Applied, Reason::Observed].map(|reason| Some(Said { holds: Some(true), reason }));
    ready.contains(&record.ready)
        && record.synced == Some(Said { holds: Some(true), reason: Reason::InSync })
        && !record.is_edited
        && !record.is_deleted
        && !record.is_paused
        && state.failures == 0
        && !state.is_unfinished()
        && !state.unfinished().confirms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::fixtures::{object, ready};
    use serde_json::{Value, json};

    fn record(ready: Value, synced: &str) -> Record {
        let mut status = ready;
        let conditions = status["conditions"].as_array_mut().unwrap();
        conditions.retain(|condition| condition["type"] != "Synced");
        let holds = if synced == "InSync" { "True" } else { "False" };
        conditions.push(json!({"type": "Synced", "status": holds, "reason": synced, "message": "",
            "observedGeneration": 2, "lastTransitionTime": "2024-01-01T00:00:00Z"}));
        Record::of(&object(&json!({"name": "A"}), &status))
    }

    #[test]
    fn only_what_was_in_sync_with_nothing_open_is_searched_for() {
        let in_sync = record(ready(2, "True", "Applied"), "InSync");
        let due = [Why::Due];
        assert!(is_due(&in_sync, &State::default(), &due));
        assert!(is_due(&record(ready(2, "True", "Observed"), "InSync"), &State::default(), &due));
        for other in [
            record(ready(2, "True", "Applied"), "NotPersisted"),
            record(ready(2, "True", "Applied"), "Contested"),
            record(ready(2, "False", "AlreadyExists"), "InSync"),
            record(ready(1, "True", "Applied"), "InSync"),
        ] {
            assert!(!is_due(&other, &State::default(), &due), "{other:?}");
        }
        for why in [&[][..], &[Why::Edited], &[Why::OwnersChanged, Why::Due]] {
            assert!(!is_due(&in_sync, &State::default(), why), "{why:?}");
        }
        let mut confirms = State::default();
        confirms.unfinished_mut().confirms = true;
        for state in [State { failures: 1, ..State::default() }, confirms] {
            assert!(!is_due(&in_sync, &state, &due));
        }
    }
}
