//! What each fault does to two hundred resources that each set a password and a nickname.

use crate::stage::{Stage, update, user_id};
use auth0_sandbox::{Fault, FaultKind};
use lab::{Result, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

const PEOPLE: usize = 200;
/// How often a fault strikes.
const TIMES: u32 = 60;
const PATIENCE: Duration = Duration::from_mins(5);

/// What goes wrong.
enum Evil {
    Auth0(FaultKind),
    Token(FaultKind),
    Kill,
    PauseKubernetes,
    Nothing,
}

fn evils() -> Vec<(&'static str, Evil)> {
    let status = |status, body| FaultKind::Status { status, body, headers: Vec::new(), after_effect: false };
    let unauthorized = json!({"statusCode": 401, "error": "Unauthorized", "message": "Invalid token"});
    vec![
        ("nothing", Evil::Nothing),
        ("503", Evil::Auth0(status(503, None))),
        (
            "503 after the change",
            Evil::Auth0(FaultKind::Status {
                status: 503,
                body: None,
                headers: Vec::new(),
                after_effect: true,
            }),
        ),
        ("401", Evil::Auth0(status(401, Some(unauthorized)))),
        ("429", Evil::Auth0(FaultKind::RateLimited { reset_in: Some(2) })),
        ("404 of a proxy", Evil::Auth0(FaultKind::BareNotFound)),
        ("cut before the change", Evil::Auth0(FaultKind::Cut { after_effect: false })),
        ("cut after the change", Evil::Auth0(FaultKind::Cut { after_effect: true })),
        ("11 s, then the answer", Evil::Auth0(FaultKind::Delay { millis: 11_000, after_effect: true })),
        ("garbage", Evil::Auth0(FaultKind::Garbage)),
        ("half an answer", Evil::Auth0(FaultKind::Truncated)),
        ("over 4 MiB", Evil::Auth0(FaultKind::Oversized)),
        ("no token: 503", Evil::Token(status(503, None))),
        ("operator killed", Evil::Kill),
        ("API server frozen for 15 s", Evil::PauseKubernetes),
    ]
}

pub(crate) async fn measure(stage: &mut Stage) -> Result<()> {
    stage.add_people(PEOPLE)?;
    println!("\n{PEOPLE} resources, each with a new password and nickname; a fault strikes {TIMES} PATCHes");
    println!("| fault | lost | passwords set twice | until all are right | over no fault |");
    println!("|---|---|---|---|---|");
    let mut calm = None;
    for (round, (name, evil)) in evils().into_iter().enumerate() {
        let took = strike(stage, name, evil, round, calm).await?;
        calm.get_or_insert(took);
    }
    Ok(())
}

async fn strike(
    stage: &mut Stage,
    name: &str,
    evil: Evil,
    round: usize,
    calm: Option<Duration>,
) -> Result<Duration> {
    let (nickname, password) = (format!("round-{round}"), format!("Harvest-Moon-{round}-Q!"));
    stage.secrets.push(password.clone());
    let before = passwords_set(stage);
    stage.apply_secret(&nickname, &json!({"password": password})).await?;
    let fields = json!({"nickname": nickname, "passwordSecretRef": {"name": nickname, "key": "password"}});
    let fault = |kind: &FaultKind| Fault::new(kind.clone()).times(TIMES);
    match &evil {
        Evil::Auth0(kind) => stage.auth0.fault(fault(kind).method("PATCH").path("/api/v2/users/")),
        Evil::Token(kind) => {
            stage.auth0.expire_tokens();
            stage.auth0.fault(fault(kind).path("/oauth/token").times(5));
        }
        Evil::Kill | Evil::PauseKubernetes | Evil::Nothing => {}
    }
    let begun = Instant::now();
    stage.apply((0..PEOPLE).map(|index| update(index, &fields))).await?;
    match evil {
        Evil::Kill => {
            stage.operator.kill().await?;
            stage.operator.restart().await?;
        }
        Evil::PauseKubernetes => {
            stage.plane.pause()?;
            tokio::time::sleep(Duration::from_secs(15)).await;
            stage.plane.resume()?;
        }
        Evil::Auth0(_) | Evil::Token(_) | Evil::Nothing => {}
    }
    let right = wait_until("all are right", PATIENCE, async || {
        let wrong = (0..PEOPLE).filter(|index| !is_right(stage, *index, &nickname, &password)).count();
        if wrong == 0 { Ok(()) } else { Err(wrong) }
    })
    .await;
    let settled = match &right {
        Ok(()) => stage.until_ready(PATIENCE).await.map(drop),
        Err(_) => Ok(()),
    };
    let took = begun.elapsed();
    stage.auth0.clear_faults();
    let lost = (0..PEOPLE).filter(|index| !is_right(stage, *index, &nickname, &password)).count();
    let twice =
        passwords_set(stage).into_iter().zip(before).filter(|(after, before)| after - before > 1).count();
    let ratio = calm.map_or(1.0, |calm| took.as_secs_f64() / calm.as_secs_f64());
    let unsettled = if settled.is_ok() { "" } else { " (some are not Ready)" };
    println!("| {name} | {lost} | {twice} | {:.1} s{unsettled} | {ratio:.1} times |", took.as_secs_f64());
    Ok(took)
}

fn is_right(stage: &Stage, index: usize, nickname: &str, password: &str) -> bool {
    stage.is_named(index, nickname)
        && stage.auth0.password(&user_id(index), "People").as_deref() == Some(password)
}

fn passwords_set(stage: &Stage) -> Vec<u64> {
    (0..PEOPLE).map(|index| stage.auth0.effects(&user_id(index)).passwords_set).collect()
}
