//! A process that dies anywhere, and a request or an answer that is lost, cost nothing and repeat nothing
//! but what cannot be known.

use crate::convergence::assert_settled;
use crate::driver::{End, Fault, Operator};
use crate::generate::{Scene, config, willing};
use crate::wish;
use crate::world::{Auth0, user};
use auth0_user_operator::api::JsonMap;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A verification link may go out twice: whether the first one arrived cannot be seen.
const MOST_MAILS: u64 = 2;

/// Runs until a pass is complete, from nothing but the written memory.
fn recover(operator: &mut Operator, auth0: &mut Auth0) {
    for _ in 0..3 {
        if operator.pass(auth0, Fault::None).end == End::Complete {
            return;
        }
    }
    panic!("no pass gets to its end: {:?}", auth0.log);
}

/// The user without what every accepted request moves. A flag that is false is as good as none.
fn outcome(auth0: &Auth0) -> JsonMap {
    let mut user = auth0.account.user.clone();
    user.retain(|_, value| *value != false);
    user.remove("updated_at");
    user.remove("last_password_reset");
    user
}

fn whole_clears(auth0: &Auth0) -> usize {
    let is_empty = |body: &JsonMap, map: &str| body.get(map) == Some(&json!({}));
    let bodies = auth0.log.iter().map(|exchange| &exchange.body);
    bodies.filter(|body| is_empty(body, "user_metadata") || is_empty(body, "app_metadata")).count()
}

/// Puts the fault into a first pass and compares what comes of it with an undisturbed one, whether another process
/// goes on or the same.
fn check(scene: &Scene, fault: Fault) {
    check_next(scene, fault, true);
    if !matches!(fault, Fault::Crash(_)) {
        check_next(scene, fault, false);
    }
}

fn check_next(scene: &Scene, fault: Fault, restarts: bool) {
    let start = || (scene.auth0(), Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) });
    let (mut smooth, mut operator) = start();
    if operator.pass(&mut smooth, Fault::None).end == End::Failed {
        return;
    }
    let (mut auth0, mut operator) = start();
    operator.pass(&mut auth0, fault);
    if restarts {
        operator = operator.restarted();
    }
    recover(&mut operator, &mut auth0);

    let context = format!("{fault:?}: {:#?}\nundisturbed: {:#?}", auth0.log, smooth.log);
    assert_eq!(outcome(&auth0), outcome(&smooth), "{context}");
    assert_eq!(auth0.account.passwords, smooth.account.passwords, "{context}");
    let (sent, expected) = (auth0.account.effects, smooth.account.effects);
    assert_eq!(sent.passwords_set, expected.passwords_set, "{context}");
    assert!(sent.mails_sent >= expected.mails_sent, "a mail is lost: {context}");
    let is_unheard = matches!(fault, Fault::Crash(_) | Fault::Cut(_))
        || (restarts && matches!(fault, Fault::Unconfirmed(_)));
    let may_repeat = is_unheard && expected.mails_sent > 0;
    let most = if may_repeat { MOST_MAILS } else { expected.mails_sent };
    assert!(sent.mails_sent <= most, "too many mails: {context}");
    assert!(whole_clears(&auth0) <= whole_clears(&smooth) + 1, "{context}");
    assert_settled(&mut operator, &mut auth0);
}

fn every_fault(action: usize) -> [Fault; 6] {
    [
        Fault::Crash(action),
        Fault::Lost(action),
        Fault::Cut(action),
        Fault::Limited(action),
        Fault::Conflict(action),
        Fault::Unconfirmed(action),
    ]
}

proptest! {
    #![proptest_config(config(80))]

    #[test]
    fn a_fault_at_any_action_loses_nothing_and_repeats_nothing(scene in willing()) {
        let mut undisturbed = scene.auth0();
        let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
        let actions = operator.pass(&mut undisturbed, Fault::None).actions;
        for fault in (0..actions).flat_map(every_fault) {
            check(&scene, fault);
        }
    }

    #[test]
    fn two_faults_still_end_in_the_declared_user(scene in willing(), first in 0..8_usize, second in 0..8_usize) {
        for (one, other) in every_fault(first).into_iter().flat_map(|one| every_fault(second).map(|other| (one, other))) {
            let before = scene.auth0();
            let mut auth0 = before.clone();
            let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
            operator.pass(&mut auth0, one);
            operator.pass(&mut auth0, other);
            let report = operator.pass(&mut auth0, Fault::None);
            if report.end == End::Failed {
                continue;
            }
            let refused = report.refused.union(&report.left_out).cloned().collect();
            let wrong = wish::unfulfilled(&scene.card, &scene.secret, &before, &auth0, &refused);
            prop_assert_eq!(wrong, Vec::<String>::new(), "{:?}", auth0.log);
            prop_assert!(auth0.account.effects.passwords_set <= 1, "{:?}", auth0.log);
            prop_assert!(auth0.account.effects.mails_sent <= MOST_MAILS, "{:?}", auth0.log);
        }
    }
}

#[test]
fn once_a_deletion_is_known_no_further_request_begins() {
    let mut card = orders();
    card.as_object_mut()
        .unwrap()
        .extend(json!({"username": "new", "name": "New"}).as_object().unwrap().clone());
    let scene = Scene { card, ..plain_scene() };
    let requests = |fault| {
        let (mut auth0, mut operator) =
            (scene.auth0(), Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) });
        operator.pass(&mut auth0, fault);
        auth0.log.len()
    };
    let all = requests(Fault::None);
    assert!(all >= 3, "{all}");
    let sent: Vec<usize> = (0..20).map(|action| requests(Fault::Deleted(action))).collect();
    assert_eq!(sent[0], 0);
    assert!(sent.is_sorted() && (0..=all).all(|count| sent.contains(&count)), "{sent:?}");
}

/// Everything that acts once, in one spec.
fn orders() -> Value {
    json!({"passwordSecretRef": {"name": "s", "key": "k"}, "email": "new@example.com", "verifyEmail": true,
           "clear": ["userMetadata"]})
}

#[test]
fn orders_are_written_down_before_and_after_the_request_that_carries_them() {
    let scene = Scene { card: orders(), ..plain_scene() };
    let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
    let report = operator.pass(&mut scene.auth0(), Fault::None);
    assert_eq!(report.actions, 7, "write, password, write, write, the rest, write, and the end of the pass");
}

#[test]
fn a_request_that_is_turned_away_leaves_the_memory_as_it_was() {
    let scene = Scene { card: orders(), ..plain_scene() };
    for request in [1, 4] {
        let mut auth0 = scene.auth0();
        let mut operator = Operator { secret: scene.secret.clone(), ..Operator::new(&scene.card) };
        operator.pass(&mut auth0, Fault::Limited(request));
        let states: Vec<&str> =
            operator.memory.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
        assert_eq!(states, if request == 1 { vec![] } else { vec!["passwordSecretRef"] });
        recover(&mut operator, &mut auth0);
        assert_eq!(auth0.account.effects.mails_sent, 1);
        assert_eq!(auth0.account.effects.passwords_set, 1);
    }
}

#[test]
fn a_request_without_an_answer_is_one_that_may_still_be_carried_out() {
    let scene = Scene { card: json!({"name": "New", "username": "new"}), ..plain_scene() };
    for (fault, gave_up) in [
        (Fault::None, false),
        (Fault::Limited(0), false),
        (Fault::Lost(0), true),
        (Fault::Cut(0), true),
        (Fault::Cut(1), true),
    ] {
        let report = Operator::new(&scene.card).pass(&mut scene.auth0(), fault);
        assert_eq!(report.gave_up, gave_up, "{fault:?}");
    }
}

fn plain_scene() -> Scene {
    let auth0 = Auth0::new(json!({}));
    Scene {
        card: json!({}),
        user: user(json!({"email": "old@example.com", "email_verified": true, "user_metadata": {"a": 1}})),
        secret: crate::driver::Secret::Content { text: "After-1", version: 1 },
        rules: auth0.rules,
        connection: auth0.connections[0].clone(),
    }
}
