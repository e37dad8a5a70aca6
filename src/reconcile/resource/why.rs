//! Whether a wake-up has to look at Auth0 at all. Pure.
//!
//! A wake-up decides nothing: status changes, labels and foreign annotations wake a resource too.

use crate::api::conditions::{self, READY, SYNCED};
use crate::api::reason::{Reason, Retry, Standing};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus, Mode};
use crate::plan::intents::is_begun;
use crate::queue::Lane;
use crate::reconcile::resource::references::{Circumstances, SecretState};
use crate::reconcile::resource::{Agenda, schedule};
use crate::reconcile::status::dropped;
use crate::user::Attribute;
use tokio::time::Instant;

/// A block that failed so often in a row waits with the others that fail.
const PATIENCE: u32 = 5;

/// What a wake-up leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Wake {
    /// Look at Auth0.
    Look {
        /// Something changed that makes earlier refusals void.
        forgives: bool,
    },
    /// Look, unless the Secret's content proves to be the one that was sent.
    LookIfPasswordChanged,
    /// Look at nothing until the next look is due.
    Sleep,
}

/// Takes the first sight of a resource after a start as the baseline of what is compared in memory.
pub fn begin(object: &Auth0UserUpdate, around: &Circumstances, agenda: &mut Agenda, now: Instant) {
    if agenda.scheduled {
        return;
    }
    agenda.scheduled = true;
    agenda.tenant = Some(around.tenant_mark());
    agenda.rivals = Some(around.rivals.mark.clone());
    agenda.assume_sent = object.assume_sent();
    // Apply remembers the password in status; Observe remembers nothing there.
    if let (true, SecretState::At(version)) =
        (object.mode() == Mode::Observe && object.is_applied(), &around.secret)
    {
        agenda.judged_secret = Some(version.clone());
    }
    let resync = schedule::resync_or_default(&object.spec);
    agenda.due = if is_settled(object, around.rivals.contested) {
        resync.map(|interval| now + schedule::somewhere_in(interval))
    } else {
        Some(now)
    };
}

/// Applied and in sync, or refused for good, or in a conflict that lasts, with no order under way: nothing
/// that a mere restart of the operator would change.
fn is_settled(object: &Auth0UserUpdate, contested: bool) -> bool {
    let generation = object.metadata.generation.unwrap_or_default();
    let Some(status) = &object.status else { return false };
    if status.triggers.iter().any(is_begun) {
        return false;
    }
    let ready = conditions::find(&status.conditions, READY);
    let synced_unknown =
        conditions::find(&status.conditions, SYNCED).is_none_or(|synced| synced.status == "Unknown");
    let in_conflict = ready.is_some_and(|ready| ready.reason == Reason::ManagementConflict.as_str());
    if in_conflict != contested {
        return false;
    }
    ready.is_some_and(|ready| {
        ready.observed_generation == Some(generation)
            && match ready.status.as_str() {
                "True" => !synced_unknown,
                "False" => {
                    let reason = Reason::from_word(&ready.reason);
                    in_conflict || reason.retry() == Retry::Refusal || is_of_a_field(status, reason)
                }
                _ => false,
            }
    })
}

/// Decides what a wake-up leads to.
#[must_use]
pub fn decide(object: &Auth0UserUpdate, around: &Circumstances, agenda: &Agenda, now: Instant) -> Wake {
    let generation = object.metadata.generation.unwrap_or_default();
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    let applied = object.is_applied();
    // A tenant that is away for a moment is no reason to touch what is applied.
    let passing = matches!(&around.tenant, Err(failure) if failure.reason == Reason::TenantNotReady);
    let tenant_changed =
        agenda.tenant.as_ref().is_some_and(|mark| *mark != around.tenant_mark()) && !(applied && passing);
    let asked = agenda.assume_sent != object.assume_sent() || object.unhandled_request().is_some();
    let secret_is_back = agenda.secret_unavailable && matches!(around.secret, SecretState::At(_));
    if observed != Some(generation) || tenant_changed || asked || secret_is_back || was_paused(object) {
        return Wake::Look { forgives: true };
    }
    if password_changed(object, &around.secret, agenda) {
        return Wake::LookIfPasswordChanged;
    }
    // What kubectl's annotation says of a map decides what the map means.
    let reads_otherwise = (object.spec.user_metadata.is_some() || object.spec.app_metadata.is_some())
        && !dropped::is_told(object);
    let rivals_changed =
        around.tenant.is_ok() && agenda.rivals.as_ref().is_some_and(|mark| *mark != around.rivals.mark);
    if reads_otherwise
        || rivals_changed
        || awaits_password(object)
        || agenda.due.is_some_and(|due| due <= now)
    {
        return Wake::Look { forgives: false };
    }
    Wake::Sleep
}

/// How urgent the look is that a wake-up leads to.
#[must_use]
pub fn lane(object: &Auth0UserUpdate, around: &Circumstances, agenda: &Agenda) -> Lane {
    let observed = object.status.as_ref().and_then(|status| status.observed_generation);
    let edited = observed != object.metadata.generation;
    // For Auth0's limit everybody waits.
    let still_blocks =
        held_up_by(object).is_some_and(|reason| agenda.failures < PATIENCE || reason == Reason::RateLimited);
    if (edited || still_blocks) && object.spec.blocked.value() == Some(&true) {
        return Lane::Block;
    }
    let asked = agenda.assume_sent != object.assume_sent() || object.unhandled_request().is_some();
    if edited || asked || was_paused(object) || password_changed(object, &around.secret, agenda) {
        return Lane::Change;
    }
    let is_settled = agenda.failures == 0 && is_settled(object, around.rivals.contested);
    let same = agenda.tenant.as_ref().is_none_or(|mark| *mark == around.tenant_mark())
        && agenda.rivals.as_ref().is_none_or(|mark| *mark == around.rivals.mark);
    if is_settled && same { Lane::Resync } else { Lane::Retry }
}

/// What passes and keeps the generation that was tried from being applied.
fn held_up_by(object: &Auth0UserUpdate) -> Option<Reason> {
    let status = object.status.as_ref()?;
    let ready = conditions::find(&status.conditions, READY).filter(|ready| ready.status == "False")?;
    let reason = Reason::from_word(&ready.reason);
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

/// Whether the conditions announce a password, and no look has answered that yet.
fn awaits_password(object: &Auth0UserUpdate) -> bool {
    let conditions = object.status.as_ref().map_or(&[][..], |status| &status.conditions);
    conditions::failing_reason(conditions) == Some(Reason::PasswordPending)
}

/// Whether the conditions still speak of a pause that is over.
fn was_paused(object: &Auth0UserUpdate) -> bool {
    object.status.as_ref().is_some_and(|status| {
        [READY, SYNCED].iter().any(|type_| {
            conditions::find(&status.conditions, type_)
                .is_some_and(|condition| condition.reason == Reason::Paused.as_str())
        })
    })
}

/// Whether the Secret's content may be another one than the one that was sent.
#[must_use]
pub fn password_changed(object: &Auth0UserUpdate, secret: &SecretState, agenda: &Agenda) -> bool {
    let SecretState::At(version) = secret else { return false };
    let triggers = object.status.as_ref().map_or(&[][..], |status| &status.triggers);
    let entry = triggers.iter().find(|entry| entry.name == Attribute::Password.spec_name());
    entry.is_none_or(|entry| entry.secret.as_ref() != Some(version))
        && agenda.judged_secret.as_ref() != Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reason::Failure;
    use crate::reconcile::resource::references::Contest;
    use serde_json::{Value, json};

    fn lane_of(fields: &Value, status: &Value) -> Lane {
        lane_after(0, fields, status)
    }

    fn lane_after(failures: u32, fields: &Value, status: &Value) -> Lane {
        let (object, around) = object_of(fields, status);
        lane(&object, &around, &Agenda { failures, ..Agenda::default() })
    }

    fn object_of(fields: &Value, status: &Value) -> (Auth0UserUpdate, Circumstances) {
        let mut spec = json!({"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"});
        for (field, value) in fields.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let object = json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
            "metadata": {"name": "a", "namespace": "n", "generation": 2}, "spec": spec, "status": status,
        });
        let around = Circumstances {
            tenant: Err(Failure::new(Reason::TenantNotFound, "none")),
            secret: SecretState::Undeclared,
            rivals: Contest::default(),
        };
        (serde_json::from_value(object).unwrap(), around)
    }

    #[test]
    fn a_block_is_the_most_urgent_until_it_is_done_and_a_comparison_the_least() {
        let ready = |generation, status, reason| {
            let condition = |type_, status, reason| {
                json!({"type": type_, "status": status, "reason": reason, "message": "", "observedGeneration": generation,
                       "lastTransitionTime": "2024-01-01T00:00:00Z"})
            };
            json!({"observedGeneration": generation, "conditions": [condition("Ready", status, reason), condition("Synced", status, "InSync")]})
        };
        let (blocked, named) = (json!({"blocked": true}), json!({"name": "A"}));
        for (fields, status, lane) in [
            (&blocked, ready(1, "True", "Applied"), Lane::Block),
            (&blocked, ready(2, "False", "RateLimited"), Lane::Block),
            (&blocked, ready(2, "False", "UserNotFound"), Lane::Retry),
            (&blocked, ready(2, "True", "Applied"), Lane::Resync),
            (&named, ready(1, "True", "Applied"), Lane::Change),
            (&named, ready(2, "False", "RateLimited"), Lane::Retry),
            (&named, ready(2, "True", "Applied"), Lane::Resync),
            (&json!({"blocked": false}), ready(1, "True", "Applied"), Lane::Change),
        ] {
            assert_eq!(lane_of(fields, &status), lane, "{fields} {status}");
        }
        let (blocks, failed) = (json!({"blocked": true}), ready(2, "False", "Auth0Unavailable"));
        assert_eq!(lane_after(PATIENCE - 1, &blocks, &failed), Lane::Block);
        assert_eq!(lane_after(PATIENCE, &blocks, &failed), Lane::Retry);
        assert_eq!(lane_after(PATIENCE, &blocks, &ready(2, "False", "RateLimited")), Lane::Block);
    }

    #[test]
    fn a_password_that_is_announced_is_looked_for_and_overtakes_no_edit() {
        let status = json!({"observedGeneration": 2, "conditions": [{
            "type": "Ready", "status": "False", "reason": "PasswordPending", "message": "", "observedGeneration": 2,
            "lastTransitionTime": "2024-01-01T00:00:00Z",
        }]});
        assert_eq!(lane_of(&json!({"blocked": true}), &status), Lane::Retry);
        let (object, around) = object_of(&json!({}), &status);
        // Whatever became of the Secret.
        assert_eq!(
            decide(&object, &around, &Agenda::default(), Instant::now()),
            Wake::Look { forgives: false }
        );
    }
}
