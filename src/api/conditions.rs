//! Conditions after the Kubernetes API conventions. Pure.

use crate::api::reason::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Ready: the current generation and the content of its Secret are applied.
pub const READY: &str = "Ready";
/// Synced: the last check found no drift.
pub const SYNCED: &str = "Synced";
/// Reconciling: only while the operator retries by itself.
pub const RECONCILING: &str = "Reconciling";
/// Stalled: only while an action of the user is needed.
pub const STALLED: &str = "Stalled";

/// Overcommitted: only while the checks of a tenant's resources need more than half of its rate limit.
pub const OVERCOMMITTED: &str = "Overcommitted";

/// What one condition shall say.
pub struct Saying<'a> {
    /// `True`, `False` or `Unknown`.
    pub status: &'static str,
    /// One CamelCase word.
    pub reason: &'a str,
    /// One sentence.
    pub message: &'a str,
}

/// The condition of that type, if it is there.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether `Ready` is `True` for this very generation.
#[must_use]
pub fn is_ready(conditions: &[Condition], generation: i64) -> bool {
    find(conditions, READY)
        .is_some_and(|ready| ready.status == "True" && ready.observed_generation == Some(generation))
}

/// The reason of `Ready` where it is not `True`.
#[must_use]
pub fn failing_reason(conditions: &[Condition]) -> Option<Reason> {
    find(conditions, READY)
        .filter(|ready| ready.status != "True")
        .map(|ready| Reason::from_word(&ready.reason))
}

/// The most important reason: that of `Ready` if it is not `True`, otherwise that of `Synced` if it is not, otherwise
/// that of `Ready`.
#[must_use]
pub fn main_reason(conditions: &[Condition]) -> Option<&str> {
    let (ready, synced) = (find(conditions, READY), find(conditions, SYNCED));
    let troubled = [ready, synced].into_iter().flatten().find(|condition| condition.status != "True");
    troubled.or(ready).map(|condition| condition.reason.as_str())
}

/// Sets a condition; `lastTransitionTime` moves only where `status` flips.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    saying: &Saying<'_>,
    generation: i64,
    now: Timestamp,
) {
    let unmoved = find(conditions, type_)
        .filter(|condition| condition.status == saying.status)
        .map(|condition| condition.last_transition_time.clone());
    let condition = Condition {
        type_: type_.to_owned(),
        status: saying.status.to_owned(),
        reason: saying.reason.to_owned(),
        message: saying.message.to_owned(),
        observed_generation: Some(generation),
        last_transition_time: unmoved.unwrap_or(Time(now)),
    };
    match conditions.iter_mut().find(|existing| existing.type_ == type_) {
        Some(existing) => *existing = condition,
        None => conditions.push(condition),
    }
}

/// Sets `Reconciling` or `Stalled`, whichever is named, and removes the other; removes both for `None`.
pub fn set_abnormal(
    conditions: &mut Vec<Condition>,
    type_: Option<&str>,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) {
    conditions.retain(|condition| {
        (condition.type_ != RECONCILING && condition.type_ != STALLED)
            || Some(condition.type_.as_str()) == type_
    });
    if let Some(type_) = type_ {
        set(conditions, type_, &Saying { status: "True", reason, message }, generation, now);
    }
}
