//! The user as Auth0 last answered it, where status tells that: an edit is planned from it without reading. Pure.

use super::State;
use super::record::{Record, Said};
use crate::api::Auth0UserUpdateStatus;
use crate::api::reason::Reason;
use crate::plan::intents::is_begun;
use crate::reconcile::object::why::Why;
use crate::user::User;

/// The last answer, for a pass that is about an edit of what was in sync, with nothing open. What is not declared may
/// have changed in Auth0 since; the answer to the edit tells.
#[must_use]
pub fn user(record: &Record, status: &Auth0UserUpdateStatus, state: &State, why: &[Why]) -> Option<User> {
    let says = |said: Option<Said>, reason| said == Some(Said { holds: Some(true), reason });
    let was_in_sync = says(record.ready, Reason::Applied) && says(record.synced, Reason::InSync);
    let is_edit = why.contains(&Why::Edited)
        && why.iter().all(|why| matches!(why, Why::Edited | Why::AnnotationChanged | Why::Due));
    let is_open = state.failures > 0 || state.is_unfinished() || status.triggers.iter().any(is_begun);
    let is_whole = status.output_omitted.is_empty();
    if !was_in_sync || !is_edit || is_open || !is_whole || record.observes {
        return None;
    }
    let raw = status.raw_output.clone().map(User::from);
    raw.or_else(|| status.user.as_ref().map(User::from_outputs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::fixtures::{object, ready};
    use serde_json::{Value, json};

    fn in_sync() -> Value {
        let mut status = ready(1, "True", "Applied");
        let synced = json!({"type": "Synced", "status": "True", "reason": "InSync", "message": "",
            "observedGeneration": 1, "lastTransitionTime": "2024-01-01T00:00:00Z"});
        status["conditions"].as_array_mut().unwrap().retain(|condition| condition["type"] != "Synced");
        status["conditions"].as_array_mut().unwrap().push(synced);
        status["user"] =
            json!({"id": "auth0|a", "name": "A", "userMetadata": {"a": 1}, "emailVerified": true});
        status
    }

    fn remembers(status: &Value, state: &State, why: &[Why]) -> Option<User> {
        let object = object(&json!({"name": "B"}), status);
        user(&Record::of(&object), object.status.as_ref().unwrap(), state, why)
    }

    #[test]
    fn the_last_answer_is_the_whole_one_where_status_has_it() {
        let edited = [Why::Edited, Why::Due];
        let known = remembers(&in_sync(), &State::default(), &edited).unwrap();
        let expected =
            json!({"user_id": "auth0|a", "name": "A", "user_metadata": {"a": 1}, "email_verified": true});
        assert_eq!(Value::Object(known.raw_output()), expected);
        let mut full = in_sync();
        full["rawOutput"] = json!({"user_id": "auth0|a", "name": "C", "locale": "en"});
        let known = remembers(&full, &State::default(), &edited).unwrap();
        assert_eq!(Value::Object(known.raw_output()), full["rawOutput"]);
    }

    #[test]
    fn anything_open_or_unusual_reads_first() {
        let edited = [Why::Edited];
        let with = |change: &dyn Fn(&mut Value)| {
            let mut status = in_sync();
            change(&mut status);
            status
        };
        let begun = json!([{"name": "verifyEmail", "state": "Sending", "digest": "", "keyId": ""}]);
        for status in [
            with(&|status| drop(status.as_object_mut().unwrap().remove("user"))),
            with(&|status| status["outputOmitted"] = json!(["user.userMetadata"])),
            with(&|status| status["conditions"][1]["reason"] = json!("NotPersisted")),
            with(&|status| status["conditions"][0]["reason"] = json!("Observed")),
            with(&|status| status["triggers"] = begun.clone()),
        ] {
            assert_eq!(remembers(&status, &State::default(), &edited), None, "{status}");
        }
        for why in [&[Why::Due][..], &[Why::Edited, Why::Requested], &[Why::Edited, Why::TenantChanged]] {
            assert_eq!(remembers(&in_sync(), &State::default(), why), None, "{why:?}");
        }
        let mut late = State::default();
        late.expect_late(tokio::time::Instant::now());
        for state in [State { failures: 1, ..State::default() }, late] {
            assert_eq!(remembers(&in_sync(), &state, &edited), None);
        }
    }
}
