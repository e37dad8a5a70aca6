//! What passes by itself: limits, outages, answers that are none.

use super::{card_of, is_ready, message};
use crate::run::conditions::{check_every_status, row, until_row};
use crate::world::{DEADLINE, World, person};
use auth0_sandbox::{Fault, FaultKind};
use lab::wait_until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ANN: &str = "auth0userupdate/ann";

fn answer(status: u16) -> FaultKind {
    FaultKind::Status { status, body: None, headers: Vec::new(), after_effect: false }
}

/// Together, because they mostly wait.
#[tokio::test]
async fn limits_and_outages_are_waited_for_without_hammering() {
    tokio::join!(a_limit_is_waited_for_as_long_as_auth0_says(), an_outage_is_met_with_ever_longer_pauses());
}

async fn a_limit_is_waited_for_as_long_as_auth0_says() {
    let world = World::start("reasons-limit").await;
    let fault = Fault::new(FaultKind::RateLimited { reset_in: Some(10) }).method("PATCH").times(1);
    world.sandbox.fault(fault);
    let started = Instant::now();
    world.apply(json!({"name": "New"})).await;
    let object = until_row(&world, ANN, "False/RateLimited Unknown/RateLimited Reconciling").await;
    assert!(object["status"]["lastUpdate"].is_null());
    until_row(&world, ANN, "True/Applied True/InSync").await;
    // The reset is told in whole seconds.
    assert!(started.elapsed() >= Duration::from_secs(9), "{:?}", started.elapsed());
    assert_eq!(world.bodies().len(), 2);
    check_every_status(&world);
}

async fn an_outage_is_met_with_ever_longer_pauses() {
    let world = World::start("reasons-outage").await;
    world.sandbox.fault(Fault::new(answer(503)).method("GET").path("/api/v2/users/"));
    let started = Instant::now();
    world.apply(json!({"name": "New"})).await;
    until_row(&world, ANN, "False/Auth0Unavailable Unknown/Auth0Unavailable Reconciling").await;
    let third =
        wait_until(
            "a third look",
            DEADLINE,
            async || {
                if world.looks() >= 3 { Ok(()) } else { Err(world.looks()) }
            },
        );
    third.await.unwrap();
    // 2 s and 4 s, each less 20 % at most.
    assert!(started.elapsed() >= Duration::from_millis(4800), "{:?}", started.elapsed());
    assert_eq!(world.status_writes().len(), 1, "the same failure is no reason to write");
    world.sandbox.clear_faults();
    world.apply(json!({"name": "New", "nickname": "new"})).await;
    until_row(&world, ANN, "True/Applied True/InSync").await;
    assert_eq!(world.bodies(), [json!({"name": "New", "nickname": "new"})]);
    check_every_status(&world);
}

/// Answers that are none, and whether the change took effect all the same.
fn nothings() -> Vec<(&'static str, FaultKind, bool)> {
    let redirect = FaultKind::Redirect { location: "https://example.com/".to_owned() };
    vec![
        ("e500", answer(500), false),
        ("e502", answer(502), false),
        ("e408", answer(408), false),
        ("e404", FaultKind::BareNotFound, false),
        ("redirect", redirect, false),
        ("cut-early", FaultKind::Cut { after_effect: false }, false),
        ("cut-late", FaultKind::Cut { after_effect: true }, true),
        ("garbage", FaultKind::Garbage, true),
        ("truncated", FaultKind::Truncated, true),
        ("oversized", FaultKind::Oversized, true),
        (
            "e500-late",
            FaultKind::Status { status: 500, body: None, headers: Vec::new(), after_effect: true },
            true,
        ),
        ("slow", FaultKind::Delay { millis: 11_000, after_effect: true }, true),
    ]
}

#[tokio::test]
async fn an_answer_that_is_none_is_tried_again_and_nothing_is_sent_twice_that_arrived() {
    let world = World::start("reasons-nothing").await;
    for (slug, kind, _) in nothings() {
        world.sandbox.put_user(person(slug, "People")).unwrap();
        let path = format!("/api/v2/users/auth0%7C{slug}");
        world.sandbox.fault(Fault::new(kind).method("PATCH").path(&path).times(1));
    }
    // A cut connection takes along whatever else is under way on it.
    let (cuts, others): (Vec<_>, Vec<_>) =
        nothings().into_iter().map(|(slug, ..)| slug).partition(|slug| slug.starts_with("cut"));
    let card = |slug: &'static str| (slug, card_of(slug, &json!({"name": "canary"})));
    world.apply_all(others.into_iter().map(card)).await;
    world.until_all("Ready=True", is_ready).await;
    for slug in cuts {
        world.apply_all([card(slug)]).await;
        world.until_all("Ready=True", is_ready).await;
    }
    let objects = world.until_all("Ready=True", is_ready).await;
    let said: Vec<Value> =
        world.status_writes().into_iter().map(|event| event.response_object.clone()).collect();
    for (slug, _, arrived) in nothings() {
        let body = json!({"name": "canary"});
        let expected = if arrived { vec![body] } else { vec![body.clone(), body] };
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")), expected, "{slug}");
        assert_eq!(row(&objects[slug]), "True/Applied True/InSync", "{slug}");
        let meanwhile = said.iter().find(|object| object["metadata"]["name"] == slug).unwrap();
        let waiting = "False/Auth0Unavailable Unknown/Auth0Unavailable Reconciling";
        assert_eq!(row(meanwhile), waiting, "{slug}");
        assert!(!message(meanwhile).contains("canary"), "{slug}: {}", message(meanwhile));
    }
    check_every_status(&world);
}
