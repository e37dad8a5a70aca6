//! What holds of every status, whatever passes came before.

use crate::api::JsonMap;
use crate::api::reason::Standing;
use crate::reconcile::status::conclude::*;
use crate::reconcile::status::events;
use crate::user::User;
use proptest::prelude::*;

const REASONS: [Reason; 15] = [
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
    Reason::PasswordPending,
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

fn attributes() -> impl Strategy<Value = Attribute> {
    proptest::sample::select(vec![Attribute::Password, Attribute::Blocked, Attribute::Name, Attribute::Email])
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let ends = (proptest::option::weighted(0.5, failure()), any::<bool>(), 0_u32..5, any::<bool>());
    let parts = (
        proptest::collection::vec((attributes(), part()), 0..2),
        proptest::collection::vec((attributes(), part()), 0..2),
        proptest::collection::btree_set(attributes(), 0..2),
    );
    let unwritten = [Reason::OutputForbidden, Reason::OutputConflict, Reason::InternalError];
    let unwritten = proptest::sample::select(unwritten.to_vec());
    let more = (
        any::<bool>(),
        any::<bool>(),
        proptest::option::weighted(0.2, Just(vec!["name".to_owned()])),
        0_i64..2,
        proptest::option::weighted(0.2, unwritten.prop_map(|reason| Failure::new(reason, "not written"))),
    );
    (ends, parts, more).prop_map(
        |((failure, looked, failures, interrupted), (holds, refusals, left_out), more)| {
            let (password_pending, forget_refusals, plan, step, unwritten) = more;
            let looked = looked || failure.is_none();
            Outcome {
                generation: step,
                user: looked.then(|| User::from(JsonMap::new())),
                failure,
                failures,
                extent: if interrupted && looked { Extent::Interrupted } else { Extent::Whole },
                password_pending,
                forget_refusals,
                holds: holds.into_iter().map(|(attribute, failure)| Hold { attribute, failure }).collect(),
                refusals: refusals
                    .into_iter()
                    .map(|(attribute, failure)| Refusal { fields: [field_of(attribute)].into(), failure })
                    .collect(),
                left_out: left_out.into_iter().filter(|_| !forget_refusals).map(field_of).collect(),
                mode: if plan.is_some() { Mode::Observe } else { Mode::Apply },
                plan,
                unwritten,
                ..Outcome::default()
            }
        },
    )
}

fn field_of(attribute: Attribute) -> String {
    attribute.spec_name().to_owned()
}

fn refusal(fields: &[&str], reason: Reason, message: &str) -> Refusal {
    let fields = fields.iter().map(|field| (*field).to_owned()).collect();
    Refusal { fields, failure: Failure::new(reason, message) }
}

fn looked(refusals: Vec<Refusal>) -> Outcome {
    Outcome { generation: 1, user: Some(User::from(JsonMap::new())), refusals, ..Outcome::default() }
}

fn concluded(status: &Auth0UserUpdateStatus, outcome: &Outcome) -> Auth0UserUpdateStatus {
    conclude(status, outcome, Timestamp::from_second(1).unwrap())
}

fn ready(status: &Auth0UserUpdateStatus) -> (&str, &str) {
    let ready = conditions::find(&status.conditions, READY).unwrap();
    (&ready.reason, &ready.message)
}

#[test]
fn no_more_is_shown_than_the_tenant_allows_and_what_it_allows_no_longer_goes() {
    let outcome = |output, most_shown, user: bool| {
        let user = user.then(|| User::from(JsonMap::from_iter([("user_id".to_owned(), "auth0|1".into())])));
        Outcome { generation: 1, output, most_shown, user, ..Outcome::default() }
    };
    let shown = |status: &Auth0UserUpdateStatus| (status.user.is_some(), status.raw_output.is_some());
    let full = concluded(&Auth0UserUpdateStatus::default(), &outcome(None, Some(Output::Full), true));
    assert_eq!(shown(&full), (true, true));
    let mut omitted = full.clone();
    omitted.output_omitted = vec!["rawOutput".to_owned(), "user.picture".to_owned()];
    for (output, most, expected, names) in [
        (None, None, (true, true), 2),
        (None, Some(Output::Full), (true, true), 2),
        (None, Some(Output::Mapped), (true, false), 1),
        (None, Some(Output::None), (false, false), 0),
        (Some(Output::Mapped), Some(Output::None), (false, false), 0),
    ] {
        // Be the user looked at or not.
        assert_eq!(shown(&concluded(&full, &outcome(output, most, true))), expected, "{most:?}");
        let without = concluded(&omitted, &outcome(output, most, false));
        assert_eq!((shown(&without), without.output_omitted.len()), (expected, names), "{most:?}");
    }
    let none = concluded(&full, &outcome(None, Some(Output::None), true));
    let again = concluded(&none, &outcome(None, Some(Output::None), true));
    assert!(again == none, "nothing is left to write");
    assert_eq!(
        shown(&concluded(&none, &outcome(None, Some(Output::Mapped), true))),
        (true, false),
        "granted at once"
    );
}

#[test]
fn every_rejected_field_is_named_with_its_reason_and_its_sentence() {
    let both = looked(vec![
        refusal(&["username"], Reason::AlreadyExists, "taken"),
        refusal(&["email"], Reason::NotSupportedByConnection, "not here"),
        refusal(&["userMetadata.b", "userMetadata.a"], Reason::InvalidRequest, "too big"),
    ]);
    let status = concluded(&Auth0UserUpdateStatus::default(), &both);
    let told = "userMetadata.a, userMetadata.b (InvalidRequest): too big \u{b7} email (NotSupportedByConnection): not here \u{b7} username (AlreadyExists): taken";
    assert_eq!(ready(&status), ("InvalidRequest", told));
    let email = status.refused_fields.iter().find(|refused| refused.field == "email").unwrap();
    assert_eq!(email.message, "not here");
    let one = concluded(&Auth0UserUpdateStatus::default(), &looked(vec![both.refusals[0].clone()]));
    assert_eq!(ready(&one), ("AlreadyExists", "username: taken"));

    let more = looked(vec![
        refusal(&["email"], Reason::AlreadyExists, "taken"),
        refusal(&["username"], Reason::AlreadyExists, "taken"),
    ]);
    let two = concluded(&one, &more);
    let notes = |before, after| {
        let events = events::announce(before, after, Some(&more));
        events.into_iter().filter_map(|event| event.note).collect::<Vec<_>>()
    };
    assert_eq!(notes(&one, &two), ["email, username: taken"]);
    assert_eq!(notes(&two, &two), [""; 0]);
}

#[test]
fn a_field_that_auth0_rejects_keeps_an_applied_resource_from_being_ready() {
    let applied = concluded(&Auth0UserUpdateStatus::default(), &looked(Vec::new()));
    assert!(is_true(&applied, READY));
    let rejected = concluded(&applied, &looked(vec![refusal(&["name"], Reason::InternalError, "a defect")]));
    assert_eq!(ready(&rejected), ("InternalError", "name: a defect"));
    assert!(!is_true(&rejected, READY) && !is_true(&rejected, SYNCED));
}

#[test]
fn a_sentence_stays_through_a_failure_and_while_the_field_is_left_out() {
    let first = looked(vec![refusal(&["email"], Reason::AlreadyExists, "taken")]);
    let rejected = concluded(&Auth0UserUpdateStatus::default(), &first);
    let failure = Some(Failure::new(Reason::Auth0Unavailable, "away"));
    let failed = concluded(&rejected, &Outcome { failure, failures: 1, ..looked(Vec::new()) });
    assert_eq!(ready(&failed), ("Auth0Unavailable", "away \u{b7} email: taken"));
    let left_out = Outcome { left_out: ["email".to_owned()].into(), ..looked(Vec::new()) };
    assert_eq!(ready(&concluded(&failed, &left_out)), ("AlreadyExists", "email: taken"));
    assert!(concluded(&failed, &looked(Vec::new())).refused_fields.is_empty());
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

#[test]
fn outputs_that_were_not_written_keep_a_resource_from_being_ready_and_not_from_being_in_sync() {
    let unwritten = |reason, failures| Outcome {
        unwritten: Some(Failure::new(reason, "because")),
        failures,
        ..looked(Vec::new())
    };
    let new = Auth0UserUpdateStatus::default();
    let applied = concluded(&new, &looked(Vec::new()));
    for (before, reason, failures, is_ready) in [
        (&new, Reason::OutputForbidden, 1, false),
        (&applied, Reason::OutputConflict, 1, false),
        (&new, Reason::InternalError, 1, false),
        // The API server is away for a moment.
        (&applied, Reason::InternalError, 1, true),
        (&applied, Reason::InternalError, FAILURES_UNTIL_UNKNOWN, false),
    ] {
        let status = concluded(before, &unwritten(reason, failures));
        assert_eq!((is_true(&status, READY), is_true(&status, SYNCED)), (is_ready, true), "{reason}");
        if !is_ready {
            assert_eq!(ready(&status), (reason.as_str(), "outputsTo: because"));
            assert_eq!(told(before, &status), [reason.as_str()]);
        }
    }
    let refusals = vec![refusal(&["email"], Reason::AlreadyExists, "taken")];
    let both = concluded(&applied, &Outcome { refusals, ..unwritten(Reason::OutputForbidden, 1) });
    assert_eq!(ready(&both), ("AlreadyExists", "email: taken \u{b7} outputsTo: because"));
}

#[test]
fn what_is_contested_is_told_once_beside_what_was_rejected_too() {
    let contested = |fields: &[&str]| Outcome {
        generation: 1,
        user: Some(User::from(JsonMap::new())),
        contested: fields.iter().copied().map(String::from).collect(),
        ..Outcome::default()
    };
    let before = concluded(&Auth0UserUpdateStatus::default(), &contested(&[]));
    let status = concluded(&before, &contested(&["name", "nickname"]));
    let synced =
        |status: &Auth0UserUpdateStatus| conditions::find(&status.conditions, SYNCED).unwrap().clone();
    assert_eq!((synced(&status).status.as_str(), synced(&status).reason.as_str()), ("False", "Contested"));
    assert!(synced(&status).message.contains("name, nickname;"), "{}", synced(&status).message);
    assert_eq!(ready(&status).0, "Applied");
    assert_eq!(told(&before, &status), ["Contested"]);
    assert_eq!(concluded(&status, &contested(&["name", "nickname"])), status, "no write");
    assert_eq!(told(&status, &concluded(&status, &contested(&["name"]))), ["Contested"], "of another field");
    let holds = concluded(&status, &contested(&[]));
    assert_eq!(
        (synced(&holds).reason.as_str(), told(&status, &holds)),
        ("InSync", vec!["InSync".to_owned()])
    );
    let refusals = vec![refusal(&["email"], Reason::AlreadyExists, "taken")];
    let beside = concluded(&before, &Outcome { refusals, ..contested(&["name"]) });
    assert_eq!((ready(&beside).0, synced(&beside).reason.as_str()), ("AlreadyExists", "Contested"));
}

/// The status after a pass that did all it should, of a user with so many bytes of metadata.
fn done(previous: &Auth0UserUpdateStatus, generation: i64, bytes: usize) -> Auth0UserUpdateStatus {
    let user = serde_json::json!({"user_id": "auth0|a", "user_metadata": {"notes": "x".repeat(bytes)}});
    let user: User = serde_json::from_value::<JsonMap>(user).unwrap().into();
    let profile_kilobytes = Some(user.kilobytes());
    let outcome = Outcome { generation, user: Some(user), profile_kilobytes, ..Outcome::default() };
    conclude(previous, &outcome, Timestamp::from_second(1).unwrap())
}

/// Names of the events between two statuses.
fn told(previous: &Auth0UserUpdateStatus, next: &Auth0UserUpdateStatus) -> Vec<String> {
    events::announce(previous, next, None).into_iter().map(|event| event.reason).collect()
}

#[test]
fn a_user_that_is_too_large_is_told_once_for_each_generation() {
    let small = done(&Auth0UserUpdateStatus::default(), 1, 9_900);
    assert_eq!(small.profile_kilobytes, None);
    let ready = |status: &Auth0UserUpdateStatus| conditions::find(&status.conditions, READY).unwrap().clone();
    let large = done(&small, 1, 60_000);
    assert_eq!((large.profile_kilobytes, ready(&large).status.as_str()), (Some(60), "True"));
    assert!(
        ready(&large).message.contains("about 60 KB, and from 2027-03-04 on"),
        "{}",
        ready(&large).message
    );
    assert_eq!(told(&small, &large), ["ProfileTooLarge"]);
    assert_eq!(done(&large, 1, 60_400), large, "a few bytes more are no reason to write");
    let larger = done(&large, 1, 70_000);
    assert_eq!((larger.profile_kilobytes, told(&large, &larger)), (Some(70), vec![]));
    let next = done(&larger, 2, 70_000);
    assert_eq!(told(&larger, &next), ["ProfileTooLarge"]);
    let mended = done(&next, 2, 100);
    assert_eq!((mended.profile_kilobytes, &ready(&mended).message), (None, &ready(&small).message));
}

#[test]
fn a_user_that_is_too_large_is_told_beside_what_failed() {
    let user = || Some(User::from(JsonMap::new()));
    let refusals = vec![refusal(&["name"], Reason::InvalidRequest, "no")];
    let outcome =
        Outcome { generation: 1, user: user(), refusals, profile_kilobytes: Some(60), ..Outcome::default() };
    let rejected = concluded(&Auth0UserUpdateStatus::default(), &outcome);
    let told = format!("name: no; {}", too_large(60));
    assert_eq!(ready(&rejected), ("InvalidRequest", told.as_str()));
    let stalled = conditions::find(&rejected.conditions, STALLED).unwrap();
    assert_eq!(stalled.message, told);
    let away = Some(Failure::new(Reason::Auth0Unavailable, "away"));
    let failed = concluded(&rejected, &Outcome { generation: 1, failure: away, ..Outcome::default() });
    assert_eq!(ready(&failed), ("Auth0Unavailable", format!("away; {}", too_large(60)).as_str()));
}

#[test]
fn a_status_of_tens_of_thousands_of_keys_fits() {
    let keys: Vec<String> = (0..60_000).map(|key| format!("userMetadata.k{key:05}")).collect();
    let lost = |field: &String| NotPersisted { field: field.clone(), digest: "d".repeat(64) };
    let lost: Vec<NotPersisted> = keys.iter().map(lost).collect();
    let rejected = keys
        .iter()
        .take(300)
        .map(|key| refusal(&[key], Reason::InvalidRequest, &format!("{key} {}", "m".repeat(400))));
    let rejected: Vec<Refusal> = rejected.collect();
    let together = keys.iter().map(String::as_str).take(1_000).collect::<Vec<_>>();
    for (plan, refusals) in [
        (None, rejected),
        (None, vec![refusal(&together, Reason::InvalidRequest, &"m".repeat(300))]),
        (None, Vec::new()),
        (Some(keys.clone()), Vec::new()),
        (Some(Vec::new()), Vec::new()),
    ] {
        let outcome = Outcome {
            requests: 1,
            sent: keys.clone(),
            cleared: keys.clone(),
            not_persisted: Some(lost.clone()),
            mode: if plan.is_some() { Mode::Observe } else { Mode::Apply },
            plan,
            ..looked(refusals)
        };
        let status = concluded(&Auth0UserUpdateStatus::default(), &outcome);
        let size = serde_json::to_string(&status).unwrap().len();
        assert!(size < 320 * 1024, "{size}");
        for condition in &status.conditions {
            assert!(
                condition.message.len() <= 9 * 1024 && condition.message.ends_with(|last: char| last != ' ')
            );
        }
        assert_eq!(status.last_update.as_ref().unwrap().sent_fields, ["userMetadata"]);
        assert_eq!(concluded(&status, &outcome), status, "and does not change");
        let updated = events::announce(&Auth0UserUpdateStatus::default(), &status, Some(&outcome)).remove(0);
        let note = updated.note.unwrap();
        assert!(note.contains("more; cleared userMetadata.k00000, ") && note.ends_with(" more"), "{note}");
    }
}

#[test]
fn a_failure_in_between_does_not_tell_of_the_size_again() {
    let large = done(&Auth0UserUpdateStatus::default(), 1, 60_000);
    let fail = |generation| {
        let failure = Some(Failure::new(Reason::UserNotFound, "gone"));
        let outcome = Outcome { generation, failure, ..Outcome::default() };
        conclude(&large, &outcome, Timestamp::from_second(2).unwrap())
    };
    let failed = fail(1);
    assert_eq!(told(&large, &failed), ["UserNotFound"]);
    assert_eq!(told(&failed, &done(&failed, 1, 60_000)), [""; 0]);
    let failed = fail(2);
    assert_eq!((failed.profile_kilobytes, told(&large, &failed)), (None, vec!["UserNotFound".to_owned()]));
    assert_eq!(told(&failed, &done(&failed, 2, 60_000)), ["ProfileTooLarge"]);
}

#[test]
fn a_new_password_makes_an_applied_or_stalled_resource_wait_without_an_event() {
    let applied = done(&Auth0UserUpdateStatus::default(), 1, 1);
    let refusal = Some(Failure::new(Reason::PasswordRejected, "too weak"));
    let outcome = Outcome {
        generation: 1,
        failure: refusal,
        user: Some(User::from(JsonMap::new())),
        ..Outcome::default()
    };
    let now = Timestamp::from_second(2).unwrap();
    let stalled = conclude(&applied, &outcome, now);
    for (before, synced) in [(applied, ("True", "InSync")), (stalled, ("Unknown", "PasswordPending"))] {
        let failure = Some(Failure::new(Reason::PasswordPending, "soon"));
        let outcome = Outcome { generation: 1, failure, password_pending: true, ..Outcome::default() };
        let next = conclude(&before, &outcome, now);
        let said = |type_| {
            conditions::find(&next.conditions, type_).map(|said| (said.status.as_str(), said.reason.as_str()))
        };
        assert_eq!(said(READY), Some(("False", "PasswordPending")));
        assert_eq!(said(SYNCED), Some(synced));
        assert_eq!((said(RECONCILING), said(STALLED)), (Some(("True", "PasswordPending")), None));
        assert_eq!(told(&before, &next), [""; 0]);
    }
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
            if outcome.extent != Extent::Interrupted {
                prop_assert_eq!(next.observed_generation, Some(generation));
                prop_assert!(outcome.mode == Mode::Observe || next.plan.is_empty());
            }
            let again = Outcome { forget_refusals: false, ..outcome };
            let later = Timestamp::from_second(1_000).unwrap();
            prop_assert_eq!(&conclude(&next, &again, later), &next, "nothing new is no write");
            status = next;
        }
    }
}
