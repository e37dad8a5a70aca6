//! Edits at once, against the limits of each of Auth0's plans.

use crate::stage::{Stage, update, user_id};
use crate::{bare, process};
use auth0_sandbox::{Exchange, Plan};
use lab::{Error, Result, Signal};
use serde_json::json;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// A plan, what the tenant asks for under it, and how much a second client takes.
struct Row {
    name: &'static str,
    plan: Plan,
    /// Requests per minute that the plan allows the operator: an edit is one write.
    per_minute: u32,
    burst: u32,
    /// Requests per second.
    other: u32,
}

const ROWS: [Row; 7] = [
    Row { name: "Enterprise, 16/s", plan: Plan::Enterprise, per_minute: 960, burst: 8, other: 0 },
    Row { name: "Enterprise, an eighth taken", plan: Plan::Enterprise, per_minute: 960, burst: 8, other: 2 },
    Row { name: "Enterprise, half taken", plan: Plan::Enterprise, per_minute: 960, burst: 8, other: 8 },
    Row {
        name: "Enterprise, seven eighths taken",
        plan: Plan::Enterprise,
        per_minute: 960,
        burst: 8,
        other: 14,
    },
    Row { name: "Essentials, 200 writes/min", plan: Plan::Essentials, per_minute: 200, burst: 4, other: 0 },
    Row { name: "Free, 2/s", plan: Plan::Free, per_minute: 120, burst: 1, other: 0 },
    Row { name: "Enterprise test, 2/s", plan: Plan::EnterpriseTest, per_minute: 120, burst: 2, other: 0 },
];

pub(crate) async fn measure(stage: &mut Stage, edits: usize) -> Result<()> {
    stage.add_people(edits + 1)?;
    stage.apply((0..edits).map(|index| update(index, &json!({"nickname": "first"})))).await?;
    stage.until_named(0..edits, "first").await?;
    stage.until_ready(Duration::from_mins(5)).await?;
    let bare = bare::cpu_per_update(stage, edits, None).await?;
    println!("\n{edits} edits at once; a bare loop of GET and PATCH needs {bare:.1?} of processor for one");
    println!("| plan | share of its rate | 429 of requests | processor for one, over the bare loop |");
    println!("|---|---|---|---|");
    for (round, row) in ROWS.iter().enumerate() {
        row.measure(stage, edits, &format!("round-{round}"), bare).await?;
    }
    Ok(())
}

impl Row {
    async fn measure(&self, stage: &mut Stage, edits: usize, nickname: &str, bare: Duration) -> Result<()> {
        stage.set_limits(self.per_minute, self.burst, Plan::Unlimited).await?;
        // All of them at once: the operator sleeps while they are made.
        stage.operator.signal(Signal::Pause)?;
        stage.apply((0..edits).map(|index| update(index, &json!({"nickname": nickname})))).await?;
        stage.auth0.set_plan(self.plan);
        stage.auth0.clear_log();
        let before = process::cpu(stage.operator.pid())?;
        let other = (self.other > 0).then(|| {
            tokio::spawn(take(bare::client(stage.auth0.ca_pem()), Taker::new(stage, self.other, edits)))
        });
        stage.operator.signal(Signal::Resume)?;
        let took = stage.until_named(0..edits, nickname).await?;
        if let Some(other) = other {
            other.abort();
        }
        let spent = process::cpu(stage.operator.pid())?.saturating_sub(before);
        let log = stage.auth0.log();
        let own = |call: &&Exchange| {
            call.header("user-agent").is_some_and(|agent| agent.starts_with("auth0-user-operator"))
        };
        let calls = log.iter().filter(own).filter(|call| call.path.starts_with("/api/v2/")).count();
        let refused = log.iter().filter(own).filter(|call| call.status == Some(429)).count();
        let allowed = f64::from(self.per_minute) / 60.0 - f64::from(self.other);
        let share = 100.0 * count(calls) / (took.as_secs_f64() * allowed);
        let each = spent.div_f64(count(edits));
        let ratio = each.as_secs_f64() / bare.as_secs_f64();
        let name = self.name;
        println!(
            "| {name} | {share:.1} % ({took:.0?}) | {refused} of {calls} | {each:.1?}, {ratio:.1} times |"
        );
        stage.until_ready(Duration::from_mins(5)).await?;
        stage.unlimit().await
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn count(number: usize) -> f64 {
    number as f64
}

/// What another client of the Management API does.
pub(crate) struct Taker {
    url: String,
    token: Result<String>,
    per_second: u32,
}

impl Taker {
    pub(crate) fn new(stage: &Stage, per_second: u32, index: usize) -> Self {
        let url =
            format!("https://{}/api/v2/users/{}", stage.auth0.domain(), user_id(index).replace('|', "%7C"));
        Self { url, token: bare::token(stage), per_second }
    }
}

/// Reads a user again and again.
pub(crate) async fn take(client: Result<reqwest::Client>, taker: Taker) -> Result<()> {
    let (client, token) = (client?, taker.token?);
    let mut ticks = interval(Duration::from_secs(1) / taker.per_second);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let answer = client.get(&taker.url).bearer_auth(&token).send().await;
        answer.map_err(|error| Error::Failed(error.to_string()))?;
    }
}
