//! What holds of every status, whatever passes came before.

use super::*;
use crate::api::JsonMap;
use crate::reason::Standing;
use proptest::prelude::*;

const REASONS: [Reason; 14] = [
    Reason::InvalidRequest,
    Reason::UnknownConnection,
    Reason::PasswordRejected,
    Reason::UserBlocked,
    Reason::UserNotFound,
    Reason::ManagementConflict,
    Reason::TenantNotAllowed,
    Reason::AuthenticationFailed,
    Reason::TenantNotFound,
    Reason::TenantNotReady,
    Reason::SecretNotFound,
    Reason::Auth0Unavailable,
    Reason::InternalError,
    Reason::Paused,
];

fn failure() -> impl Strategy<Value = Failure> {
    proptest::sample::select(REASONS.to_vec())
        .prop_map(|reason| Failure::new(reason, format!("because {reason}")))
}

/// A part can be held for a missing Secret, or refused.
fn part() -> impl Strategy<Value = Failure> {
    failure().prop_filter("a part", |failure| {
        matches!(failure.reason.retry(), Retry::Refusal) || failure.reason == Reason::SecretNotFound
    })
}

fn groups() -> impl Strategy<Value = Group> {
    proptest::sample::select(vec![Group::Password, Group::Account, Group::Profile, Group::Email])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let ends = (proptest::option::weighted(0.5, failure()), any::<bool>(), 0_u32..5, any::<bool>());
    let parts = (
        proptest::collection::vec((groups(), part()), 0..2),
        proptest::collection::vec((groups(), part()), 0..2),
        proptest::collection::btree_set(groups(), 0..2),
    );
    let more = (
        any::<bool>(),
        any::<bool>(),
        proptest::option::weighted(0.2, Just(vec!["name".to_owned()])),
        0_i64..2,
    );
    (ends, parts, more).prop_map(
        |((failure, looked, failures, interrupted), (holds, refusals, left_out), more)| {
            let (password_pending, forgives, plan, step) = more;
            let looked = looked || failure.is_none();
            Outcome {
                generation: step,
                user: looked.then(|| User::from(JsonMap::new())),
                failure,
                failures,
                interrupted: interrupted && looked,
                password_pending,
                forgives,
                holds: holds.into_iter().map(|(group, failure)| Hold { group, failure }).collect(),
                refusals: refusals
                    .into_iter()
                    .map(|(group, failure)| Refusal {
                        group,
                        fields: vec![field_of(group).to_owned()],
                        failure,
                    })
                    .collect(),
                left_out: if forgives { BTreeSet::new() } else { left_out },
                mode: if plan.is_some() { Mode::Observe } else { Mode::Apply },
                plan,
                ..Outcome::default()
            }
        },
    )
}

const fn field_of(group: Group) -> &'static str {
    match group {
        Group::Password => "passwordSecretRef",
        Group::Account => "blocked",
        Group::Profile => "name",
        Group::Email | Group::Phone | Group::Username => "email",
    }
}

fn is_true(status: &Auth0UserUpdateStatus, type_: &str) -> bool {
    conditions::find(&status.conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// What a reader of conditions may rely on.
fn check(status: &Auth0UserUpdateStatus) -> Result<(), TestCaseError> {
    let Some(ready) = conditions::find(&status.conditions, READY) else {
        // Only an interrupted pass leaves a resource unjudged.
        prop_assert!(status.conditions.is_empty() && status.observed_generation.is_none());
        return Ok(());
    };
    let abnormal = [RECONCILING, STALLED].map(|type_| conditions::find(&status.conditions, type_));
    let expected = usize::from(ready.status == "False");
    prop_assert_eq!(abnormal.iter().flatten().count(), expected, "{:?}", status.conditions);
    for condition in abnormal.into_iter().flatten() {
        prop_assert_eq!(condition.status.as_str(), "True");
        prop_assert_eq!((&condition.reason, &condition.message), (&ready.reason, &ready.message));
    }
    let reason = Reason::from_word(&ready.reason);
    let by_standing = match reason.standing() {
        Standing::Ready => "True",
        Standing::Held => "Unknown",
        Standing::Reconciling | Standing::Stalled => "False",
    };
    prop_assert_eq!(ready.status.as_str(), by_standing);
    prop_assert_eq!(is_true(status, STALLED), reason.standing() == Standing::Stalled);
    prop_assert!(conditions::find(&status.conditions, SYNCED).is_some());
    Ok(())
}

#[test]
fn observing_does_not_hide_what_auth0_does_not_hold() {
    let entry = NotPersisted { field: "name".to_owned(), digest: String::new() };
    let outcome = Outcome {
        generation: 1,
        mode: Mode::Observe,
        plan: Some(Vec::new()),
        not_persisted: Some(vec![entry]),
        ..Outcome::default()
    };
    let status = conclude(&Auth0UserUpdateStatus::default(), &outcome, Timestamp::from_second(1).unwrap());
    let synced = conditions::find(&status.conditions, SYNCED).unwrap();
    assert_eq!((synced.status.as_str(), synced.reason.as_str()), ("False", "NotPersisted"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_status_can_be_read(outcomes in proptest::collection::vec(outcome(), 1..8)) {
        let mut status = Auth0UserUpdateStatus::default();
        let mut generation = 1;
        for (second, mut outcome) in (0..).zip(outcomes) {
            generation += outcome.generation;
            outcome.generation = generation;
            let now = Timestamp::from_second(second).unwrap();
            let next = conclude(&status, &outcome, now);
            check(&next)?;
            for condition in &next.conditions {
                let before = conditions::find(&status.conditions, &condition.type_);
                let flipped = before.is_none_or(|before| before.status != condition.status);
                prop_assert_eq!(condition.last_transition_time.0 == now, flipped);
            }
            if !outcome.interrupted {
                prop_assert_eq!(next.observed_generation, Some(generation));
                prop_assert!(outcome.mode == Mode::Observe || next.plan.is_empty());
            }
            let again = Outcome { forgives: false, ..outcome };
            let later = Timestamp::from_second(1_000).unwrap();
            prop_assert_eq!(&conclude(&next, &again, later), &next, "nothing new is no write");
            status = next;
        }
    }
}
