//! How long one edit takes behind a backlog of others.

use crate::stage::{NEIGHBOUR, Stage, update};
use auth0_sandbox::Plan;
use lab::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Requests per minute while there is a backlog: too few for it to end.
const SLOW: u32 = 1_200;

pub(crate) async fn measure(stage: &mut Stage, crowd: usize) -> Result<()> {
    stage.add_people(crowd + 4)?;
    let resources = |nickname: &str, resync: &str| {
        let fields = json!({"nickname": nickname, "resyncInterval": resync});
        (0..crowd).map(move |index| update(index, &fields)).collect::<Vec<_>>()
    };
    stage.apply((crowd..crowd + 3).map(|index| update(index, &json!({"nickname": "first"})))).await?;
    stage.apply(resources("first", "1m")).await?;
    stage.until_named(0..crowd, "first").await?;
    stage.unlimit().await?;
    tokio::time::sleep(Duration::from_secs(5)).await;

    println!("\none edit, from the start of kubectl, in the median of three");
    println!("| behind | until it is in Auth0 | over idle |");
    println!("|---|---|---|");
    let idle = timed(stage, crowd, "idle", &json!({})).await?;
    row("nothing", idle, idle);

    stage.set_limits(SLOW, 2, Plan::Unlimited).await?;
    // After a minute all of them are due, and a minute's budget is a part of them.
    tokio::time::sleep(Duration::from_secs(75)).await;
    stage.auth0.clear_log();
    row(&format!("{crowd} resyncs"), timed(stage, crowd, "resyncs", &json!({})).await?, idle);
    let busy = stage.auth0.log().len();
    println!("(meanwhile {busy} requests of the backlog were made)");

    stage.apply(resources("second", "24h")).await?;
    let waiting = (0..crowd).filter(|index| !stage.is_named(*index, "second")).count();
    let block = timed(stage, crowd, "blocks", &json!({"blocked": true})).await?;
    row(&format!("{waiting} edits, blocked: true"), block, idle);
    let neighbour = stage.kubectl.in_namespace(NEIGHBOUR);
    let begun = Instant::now();
    neighbour.apply(&update(crowd + 3, &json!({"nickname": "late"}))).await?;
    let waiting = (0..crowd).filter(|index| !stage.is_named(*index, "second")).count();
    stage.until_named(crowd + 3..crowd + 4, "late").await?;
    row(&format!("{waiting} edits of another namespace"), begun.elapsed(), idle);
    stage.unlimit().await
}

/// The median of three.
async fn timed(stage: &Stage, first: usize, label: &str, more: &Value) -> Result<Duration> {
    let mut times = Vec::new();
    for round in 0..3 {
        let (index, nickname) = (first + round, format!("{label}-{round}"));
        let mut fields = more.clone();
        fields["nickname"] = json!(nickname);
        let begun = Instant::now();
        stage.patch(index, &fields).await?;
        stage.until_named(index..index + 1, &nickname).await?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[1])
}

fn row(what: &str, took: Duration, idle: Duration) {
    println!("| {what} | {took:.2?} | {:.1} times |", took.as_secs_f64() / idle.as_secs_f64());
}
