//! What is kept of an object: what it asks for and what its status and annotations say, without any value of it.

use crate::api::conditions::{self, READY, SYNCED};
use crate::api::reason::{Reason, Retry, Standing};
use crate::api::{AssumeSent, Auth0UserUpdate, Auth0UserUpdateStatus, Mode, Output};
use crate::ownership::{Named, Uid};
use crate::plan::intents::is_begun;
use crate::reconcile::object::fingerprint::{Fingerprint, of_version};
use crate::reconcile::object::schedule;
use crate::reconcile::status::{dropped, written};
use crate::user::Attribute;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use std::sync::Arc;
use std::time::Duration;

/// What a condition says: `True`, `False` or `Unknown`, and why. Other clients may write a status, so neither is a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its status; `None` for `Unknown` and for words that no condition has.
    pub holds: Option<bool>,
    /// Its reason.
    pub reason: Reason,
}

impl Said {
    /// What the condition of that type says, if it is there.
    #[must_use]
    pub fn of(conditions: &[Condition], type_: &str) -> Option<Self> {
        let condition = conditions::find(conditions, type_)?;
        let holds = match condition.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        Some(Self { holds, reason: Reason::from_word(&condition.reason) })
    }
}

/// One `Auth0UserUpdate` as it is stored, as far as anything but a pass has to know it.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each answers a question of its own")]
pub struct Record {
    /// `metadata.uid`.
    pub uid: Uid,
    /// Namespace and name of the tenant; shared by all that name it.
    pub tenant: Arc<Named>,
    /// The user, of whom the tenant may say that the namespace has nothing to do with it.
    pub user_id: Box<str>,
    /// The Secret that holds the password, of the same namespace.
    pub secret: Option<Box<str>>,
    /// How often to compare; `None` for never.
    pub resync: Option<Duration>,
    /// The `Ready` condition.
    pub ready: Option<Said>,
    /// The `Synced` condition.
    pub synced: Option<Said>,
    /// It is being deleted.
    pub is_deleted: bool,
    /// The annotation that pauses it is there.
    pub is_paused: bool,
    /// Its conditions speak of a pause.
    pub was_paused: bool,
    /// Status speaks of another generation, or of none.
    pub is_edited: bool,
    /// This generation is applied.
    pub is_applied: bool,
    /// Status says that nothing more is sent for this generation, be it applied or stalled.
    pub seems_done: bool,
    /// It compares only.
    pub observes: bool,
    /// What status, and what was written into other objects, shows of the user.
    pub shows: Output,
    /// It asks to block the user.
    pub blocks: bool,
    /// The requested-at annotation was not acted on yet.
    pub is_requested: bool,
    /// The assume-sent annotation.
    pub assume_sent: Option<AssumeSent>,
    /// The content of the Secret that status remembers as sent or refused.
    pub password: Option<Fingerprint>,
    /// Ready announces a password that no pass has answered yet.
    pub awaits_password: bool,
    /// Ready says what kubectl's annotation and status say of nulls that were dropped.
    pub tells_nulls: bool,
    /// It declares metadata, of which kubectl's annotation may say something.
    pub has_metadata: bool,
    /// Applied and in sync, or refused for good, with no intent under way: nothing that a mere restart of the operator
    /// would change, unless it comes into a conflict or out of one.
    pub is_settled: bool,
    /// Ready speaks of a conflict.
    pub in_conflict: bool,
    /// What passes and keeps the generation that was tried from being applied.
    pub held_up_by: Option<Reason>,
}

impl Record {
    /// What is kept of an object.
    #[must_use]
    pub fn of(object: &Auth0UserUpdate) -> Self {
        let (metadata, spec) = (&object.metadata, &object.spec);
        let empty = Auth0UserUpdateStatus::default();
        let status = object.status.as_ref().unwrap_or(&empty);
        let generation = metadata.generation.unwrap_or_default();
        let ready = Said::of(&status.conditions, READY);
        let synced = Said::of(&status.conditions, SYNCED);
        let says = |reason| [ready, synced].iter().flatten().any(|said| said.reason == reason);
        let fails_for =
            |reason| ready.is_some_and(|ready| ready.holds != Some(true) && ready.reason == reason);
        let password = status.triggers.iter().find(|entry| entry.name == Attribute::Password.spec_name());
        Self {
            uid: Uid::of(object),
            tenant: Arc::new(spec.tenant_ref.resolve(metadata.namespace.as_deref().unwrap_or_default())),
            user_id: spec.user_id.as_str().into(),
            secret: spec.password_secret_ref.value().map(|reference| reference.name.as_str().into()),
            resync: schedule::resync_or_default(spec),
            ready,
            synced,
            is_deleted: metadata.deletion_timestamp.is_some(),
            is_paused: object.is_paused(),
            was_paused: says(Reason::Paused),
            is_edited: status.observed_generation != Some(generation),
            is_applied: object.is_applied(),
            seems_done: object.seems_done(),
            observes: object.mode() == Mode::Observe,
            shows: shows(status),
            blocks: spec.blocked.value() == Some(&true),
            is_requested: object.unhandled_request().is_some(),
            assume_sent: object.assume_sent(),
            password: password.and_then(|entry| entry.secret.as_ref()).map(of_version),
            awaits_password: fails_for(Reason::PasswordPending),
            tells_nulls: dropped::is_told(object),
            has_metadata: spec.user_metadata.is_some() || spec.app_metadata.is_some(),
            is_settled: is_settled(status, generation),
            in_conflict: ready.is_some_and(|ready| ready.reason == Reason::ManagementConflict),
            held_up_by: held_up_by(status, ready),
        }
    }
}

fn shows(status: &Auth0UserUpdateStatus) -> Output {
    let own = match (&status.raw_output, &status.user) {
        (Some(_), _) => Output::Full,
        (None, Some(_)) => Output::Mapped,
        (None, None) => Output::None,
    };
    status.outputs.iter().map(written::shown).min().map_or(own, |others| own.min(others))
}

fn is_settled(status: &Auth0UserUpdateStatus, generation: i64) -> bool {
    let Some(ready) = conditions::find(&status.conditions, READY) else { return false };
    let synced = Said::of(&status.conditions, SYNCED);
    if status.triggers.iter().any(is_begun) || ready.observed_generation != Some(generation) {
        return false;
    }
    let reason = Reason::from_word(&ready.reason);
    // The grants may have changed while no operator ran.
    if is_of_a_field(status, Reason::TenantNotAllowed) {
        return false;
    }
    match ready.status.as_str() {
        "True" => synced.is_some_and(|synced| synced.holds.is_some()),
        "False" => {
            reason == Reason::ManagementConflict
                || reason.retry() == Retry::Refusal
                || is_of_a_field(status, reason)
        }
        _ => false,
    }
}

fn held_up_by(status: &Auth0UserUpdateStatus, ready: Option<Said>) -> Option<Reason> {
    let reason = ready.filter(|ready| ready.holds == Some(false))?.reason;
    // A password that is announced holds up nothing else, nor does a field that Auth0 rejected.
    let holds_up = reason.standing() == Standing::Reconciling
        && reason != Reason::PasswordPending
        && !is_of_a_field(status, reason);
    holds_up.then_some(reason)
}

/// Whether it is the reason of a field that Auth0 rejected.
fn is_of_a_field(status: &Auth0UserUpdateStatus, reason: Reason) -> bool {
    status.refused_fields.iter().any(|refused| refused.reason == reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::fixtures::{object, ready};
    use serde_json::{Value, json};

    fn with(mut status: Value, more: &Value) -> Record {
        status.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Record::of(&object(&json!({"name": "A"}), &status))
    }

    #[test]
    fn what_a_restart_would_change_is_not_settled() {
        let begun =
            json!({"triggers": [{"name": "verifyEmail", "state": "Sending", "digest": "d", "keyId": "k"}]});
        let of = |reason: &str| json!({"refusedFields": [{"field": "name", "reason": reason, "since": "2024-01-01T00:00:00Z"}]});
        let refused = of("InternalError");
        for (status, more, is_settled) in [
            (ready(2, "True", "Applied"), json!({}), true),
            (ready(1, "True", "Applied"), json!({}), false),
            (ready(2, "True", "Applied"), begun, false),
            (ready(2, "False", "AlreadyExists"), json!({}), true),
            (ready(2, "False", "ManagementConflict"), json!({}), true),
            (ready(2, "False", "Auth0Unavailable"), json!({}), false),
            (ready(2, "False", "InternalError"), refused, true),
            // What was granted meanwhile goes out.
            (ready(2, "False", "TenantNotAllowed"), of("TenantNotAllowed"), false),
            (ready(2, "False", "AlreadyExists"), of("TenantNotAllowed"), false),
            (ready(2, "Unknown", "Paused"), json!({}), false),
        ] {
            assert_eq!(with(status.clone(), &more).is_settled, is_settled, "{status} {more}");
        }
    }

    #[test]
    fn a_rejected_field_and_an_announced_password_hold_nothing_else_up() {
        let refused = json!({"refusedFields": [{"field": "name", "reason": "InternalError", "since": "2024-01-01T00:00:00Z"}]});
        for (reason, more, held_up_by) in [
            ("RateLimited", json!({}), Some(Reason::RateLimited)),
            ("PasswordPending", json!({}), None),
            ("InternalError", refused, None),
            ("AlreadyExists", json!({}), None),
        ] {
            assert_eq!(with(ready(2, "False", reason), &more).held_up_by, held_up_by, "{reason}");
        }
    }
}
