//! Five minutes of two hundred users, recorded for the picture of the dashboard: `make dashboard` draws it.

use crate::bare;
use crate::limits::{Taker, take};
use crate::stage::{Stage, update, user_id};
use auth0_sandbox::{Fault, FaultKind, Plan};
use lab::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep};

const USERS: usize = 200;
/// So many of the first are paused, of another tenant, or have a field that Auth0 rejects.
const ODD: usize = 11;
/// What an answer of Auth0 takes: the stand-in's own are too quick to be a picture of it.
const ANSWER: Duration = Duration::from_millis(90);

pub(crate) async fn measure(stage: &mut Stage) -> Result<()> {
    stage.listen(true).await?;
    stage.until_listening().await?;
    stage.set_limits(960, 8, Plan::Enterprise).await?;
    slow_down(stage, ANSWER, None);
    let recorder = record(stage)?;
    sleep(Duration::from_secs(15)).await;
    first_apply(stage).await?;
    daily_work(stage, 75).await?;
    // A new value for every user at once.
    stage.apply((ODD..USERS).map(|index| update(index, &fields("everyone")))).await?;
    daily_work(stage, 70).await?;
    outage(stage);
    daily_work(stage, 60).await?;
    let other = || tokio::spawn(take(bare::client(stage.auth0.ca_pem()), Taker::new(stage, 20, ODD)));
    let others = [other(), other(), other()];
    daily_work(stage, 20).await?;
    others.iter().for_each(JoinHandle::abort);
    daily_work(stage, 65).await?;
    end(recorder).await
}

fn fields(nickname: &str) -> Value {
    json!({"nickname": nickname, "resyncInterval": "1m"})
}

/// Answers of Auth0 about users take so much longer, so often.
fn slow_down(stage: &Stage, by: Duration, times: Option<u32>) {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    let delay = Fault::new(FaultKind::Delay { millis, after_effect: false }).path("/api/v2/users");
    stage.auth0.fault(Fault { times, ..delay });
}

/// Starts what scrapes the operator's metrics until its input ends.
fn record(stage: &Stage) -> Result<Child> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/dashboard");
    let mut recorder = Command::new(folder.join("dashboard"));
    recorder.arg("record").args(stage.addresses()?.last()).arg(folder.join("recorded"));
    Ok(recorder.stdin(Stdio::piped()).kill_on_drop(true).spawn()?)
}

async fn end(mut recorder: Child) -> Result<()> {
    drop(recorder.stdin.take());
    let status = recorder.wait().await?;
    if status.success() { Ok(()) } else { Err(Error::Failed(format!("the recorder ended: {status}"))) }
}

/// All users, among them some that are paused, unknown to Auth0 or of another tenant, and some with a field that Auth0 rejects.
async fn first_apply(stage: &Stage) -> Result<()> {
    stage.add_people(USERS)?;
    let manifests = (0..USERS + 3).map(|index| match index {
        0..4 => paused(index),
        4..9 => update(index, &json!({"nickname": "new", "phoneNumber": "+15550100"})),
        9..ODD => update(index, &json!({"nickname": "new", "tenantRef": {"name": "other"}})),
        _ => update(index, &fields("new")),
    });
    stage.apply(manifests).await
}

fn paused(index: usize) -> String {
    let pause = r#""metadata":{"annotations":{"auth0-user-operator.dev/paused":"true"},"#;
    update(index, &fields("new")).replacen(r#""metadata":{"#, pause, 1)
}

/// For so many seconds, an administrator changes a user in Auth0 each second, and three users are edited each other one.
async fn daily_work(stage: &Stage, time: u64) -> Result<()> {
    let (end, mut seconds) = (Instant::now() + Duration::from_secs(time), interval(Duration::from_secs(1)));
    for second in 0.. {
        seconds.tick().await;
        if Instant::now() >= end {
            break;
        }
        let some = |step: usize| ODD + (37 * second + 53 * step) % (USERS - ODD);
        stage
            .auth0
            .change_user(&user_id(some(0)), |user| drop(user.insert("nickname".into(), json!("drift"))));
        if second % 2 == 0 {
            let nickname = format!("edit-{second}");
            stage.apply((1..4).map(|step| update(some(step), &fields(&nickname)))).await?;
        }
    }
    Ok(())
}

/// Auth0 answers some requests with errors, and others late.
fn outage(stage: &Stage) {
    let unavailable = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    stage.auth0.fault(Fault::new(unavailable).path("/api/v2/users").times(8));
    slow_down(stage, 6 * ANSWER, Some(60));
}
