//! The user as Auth0 last answered it, as far as status or this process knows that: an edit is planned from it without
//! reading. Pure.

use super::State;
use super::record::{Record, Said};
use crate::api::reason::Reason;
use crate::api::{Auth0UserUpdateSpec, Auth0UserUpdateStatus, PassEmptyValues};
use crate::plan::intents::is_begun;
use crate::reconcile::object::fingerprint::{Fingerprint, fingerprint};
use crate::reconcile::object::why::Why;
use crate::user::{Attribute, User};
use serde_json::{Map, Value, json};

/// What is known of an answer of which status shows nothing: fingerprints of what was declared, and so held.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    created_at: Box<str>,
    held: Box<[Fingerprint]>,
}

impl Answered {
    /// Of the answer that is in sync with a spec.
    #[must_use]
    pub fn of(spec: &Auth0UserUpdateSpec, user: &User) -> Self {
        let held = declared(spec).iter().map(|(place, value)| mark(spec, place, value)).collect();
        Self { created_at: user.text("created_at").unwrap_or_default().into(), held }
    }

    /// The user with what is declared as it was declared then. `None` where something is to be cleared, of which only the
    /// user tells whether it is there.
    #[must_use]
    pub fn user(&self, spec: &Auth0UserUpdateSpec) -> Option<User> {
        let mut shown = Map::from_iter([("createdAt".to_owned(), json!(&*self.created_at))]);
        shown.insert("id".to_owned(), json!(spec.user_id));
        for (place, value) in declared(spec) {
            let is_held = self.held.contains(&mark(spec, &place, &value));
            let (field, key) = place;
            let decides = DECIDES.contains(&field.as_str());
            let is_blank = is_blank(key.as_deref(), &value);
            if !is_held && (is_blank || decides) {
                return None;
            }
            if !is_held || is_blank || decides {
                continue;
            }
            match (key, shown.entry(field).or_insert_with(|| json!({}))) {
                (None, place) => *place = value,
                (Some(key), Value::Object(map)) => drop(map.insert(key, value)),
                (Some(_), _) => return None,
            }
        }
        serde_json::from_value(Value::Object(shown)).ok().map(|outputs| User::from_outputs(&outputs))
    }
}

/// What decides how others are meant, and is no field of the user.
const DECIDES: [&str; 2] = ["connection", "clear"];

/// A field of a spec, or a first-level key of one that is a map.
type Place = (String, Option<String>);

fn declared(spec: &Auth0UserUpdateSpec) -> Vec<(Place, Value)> {
    let Ok(Value::Object(fields)) = serde_json::to_value(spec) else { return Vec::new() };
    let is_once = |attribute| matches!(attribute, Attribute::Password | Attribute::VerifyEmail);
    let is_held = |field: &str| Attribute::of_field(field).is_some_and(|attribute| !is_once(attribute));
    let fields = fields.into_iter().filter(|(field, _)| is_held(field) || DECIDES.contains(&field.as_str()));
    let places = fields.flat_map(|(field, value)| match value.as_object().filter(|map| !map.is_empty()) {
        Some(map) => {
            map.iter().map(|(key, value)| ((field.clone(), Some(key.clone())), value.clone())).collect()
        }
        None => vec![((field, None), value)],
    });
    places.collect()
}

/// Of a metadata key, only null is one.
fn is_blank(key: Option<&str>, value: &Value) -> bool {
    value.is_null() || key.is_none() && (value == "" || *value == json!({}))
}

/// Stands for a declared value; for a blank one, with what blanks mean.
fn mark(spec: &Auth0UserUpdateSpec, place: &Place, value: &Value) -> Fingerprint {
    let clears = is_blank(place.1.as_deref(), value) && spec.pass_empty_values == PassEmptyValues::Yes;
    fingerprint(&(place, value.to_string(), clears))
}

/// The last answer, for a pass that is about an edit of what was in sync, with nothing open. What is not declared may
/// have changed in Auth0 since; the answer to the edit tells.
#[must_use]
pub fn user(
    spec: &Auth0UserUpdateSpec,
    record: &Record,
    status: &Auth0UserUpdateStatus,
    state: &State,
    why: &[Why],
) -> Option<User> {
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
    let mapped = || status.user.as_ref().map(User::from_outputs);
    raw.or_else(mapped).or_else(|| state.unfinished().answered.as_ref()?.user(spec))
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
        user(&object.spec, &Record::of(&object), object.status.as_ref().unwrap(), state, why)
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
    fn what_status_does_not_show_is_known_by_what_was_declared() {
        let spec = |fields: &Value| object(fields, &in_sync()).spec;
        let answer =
            json!({"user_id": "auth0|a", "created_at": "2024", "name": "A", "given_name": "Of others"});
        let Value::Object(answer) = answer else { panic!() };
        let declared = json!({"name": "A", "nickname": "a", "blocked": true, "userMetadata": {"a": 1, "b": {"c": 2}, "e": ""}});
        let answered = Answered::of(&spec(&declared), &User::from(answer));
        let known =
            |fields: &Value| answered.user(&spec(fields)).map(|user| Value::Object(user.raw_output()));
        let with = |mut user: Value| {
            user.as_object_mut()
                .unwrap()
                .extend([("user_id".to_owned(), json!("auth0|a")), ("created_at".to_owned(), json!("2024"))]);
            Some(user)
        };
        for (edit, expected) in [
            (json!({"name": "B", "nickname": "a"}), with(json!({"nickname": "a"}))),
            (json!({"name": "A", "picture": "https://example.com/a.png"}), with(json!({"name": "A"}))),
            (
                json!({"userMetadata": {"a": 2, "b": {"c": 2}}}),
                with(json!({"user_metadata": {"b": {"c": 2}}})),
            ),
            (json!({"userMetadata": {"a": 2, "e": ""}}), with(json!({"user_metadata": {"e": ""}}))),
            (json!({"blocked": true, "email": "a@example.com"}), with(json!({"blocked": true}))),
            (json!({"name": ""}), None),
            (json!({"userMetadata": {}}), None),
            (json!({"userMetadata": {"a": null}}), None),
            (json!({"name": "A", "clear": ["picture"]}), None),
            (json!({"name": "A", "passEmptyValues": "Yes"}), with(json!({"name": "A"}))),
            (json!({"name": "A", "connection": "People"}), None),
        ] {
            assert_eq!(known(&edit), expected, "{edit}");
        }
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
