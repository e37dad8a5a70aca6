//! How long one edit takes behind a backlog of others.

use crate::ordinary::{Template, fields, fields_with};
use crate::stage::{NAMESPACE, NEIGHBOUR, Stage};
use auth0_sandbox::Plan;
use lab::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Requests per minute: too few for a backlog to end.
const SLOW: u32 = 1_200;
/// Resources that are edited while there is a backlog, in each of two namespaces.
const ROUNDS: usize = 3;
/// The first resource of the backlog.
const FIRST: usize = 2 * ROUNDS;
/// Edits of a backlog: the others stay resyncs.
const MOST_EDITS: usize = 10_000;

pub(crate) async fn measure(stage: &mut Stage, crowd: usize) -> Result<()> {
    stage.set_limits(SLOW, 2, Plan::Unlimited).await?;
    let lone = Template::settle(stage, 0, &fields(0)).await?;
    let template =
        Template::settle(stage, FIRST, &fields_with(FIRST, &json!({"resyncInterval": "1m"}))).await?;
    lone.copy_users(stage, 1..FIRST)?;
    lone.copy(stage, 1..ROUNDS).await?;
    lone.within(NEIGHBOUR).copy(stage, ROUNDS..FIRST).await?;
    template.copy_users(stage, FIRST + 1..FIRST + crowd)?;

    println!("\none edit, from the start of kubectl, in the median of {ROUNDS}");
    println!("| behind | until it is in Auth0 | over idle |");
    println!("|---|---|---|");
    stage.until_quiet().await?;
    let idle = timed(stage, NAMESPACE, "idle", &json!({})).await?;
    row("nothing", idle, idle);

    template.copy(stage, FIRST + 1..FIRST + crowd).await?;
    stage.restart().await?;
    // After a minute all of them are due, and a minute's budget is a part of them.
    tokio::time::sleep(Duration::from_secs(75)).await;
    stage.auth0.clear_log();
    row(&format!("{crowd} resyncs"), timed(stage, NAMESPACE, "resyncs", &json!({})).await?, idle);
    let busy = stage.auth0.log().len();
    println!("(meanwhile {busy} requests of the backlog were made)");

    let edited = FIRST..FIRST + crowd.min(MOST_EDITS);
    let edit = json!({"nickname": "second", "resyncInterval": "24h"});
    template.edited(&edit).copy(stage, edited.clone()).await?;
    let waiting = |stage: &Stage| edited.clone().filter(|index| !stage.is_named(*index, "second")).count();
    let before = waiting(stage);
    let block = timed(stage, NAMESPACE, "blocks", &json!({"blocked": true})).await?;
    row(&format!("{before} edits, blocked: true"), block, idle);
    let before = waiting(stage);
    let neighbour = timed(stage, NEIGHBOUR, "late", &json!({})).await?;
    row(&format!("{before} edits of another namespace"), neighbour, idle);
    println!("({} of these edits still waited at the end)", waiting(stage));
    Ok(())
}

/// The median over the resources of a namespace that nothing else edits.
async fn timed(stage: &Stage, namespace: &str, label: &str, more: &Value) -> Result<Duration> {
    let first = if namespace == NEIGHBOUR { ROUNDS } else { 0 };
    let mut times = Vec::new();
    for index in first..first + ROUNDS {
        let nickname = format!("{label}-{index}");
        let mut fields = more.clone();
        fields["nickname"] = json!(nickname);
        let begun = Instant::now();
        stage.patch(namespace, index, &fields).await?;
        stage.until_named(index..index + 1, &nickname).await?;
        times.push(begun.elapsed());
    }
    times.sort();
    Ok(times[ROUNDS / 2])
}

fn row(what: &str, took: Duration, idle: Duration) {
    println!("| {what} | {took:.2?} | {:.1} times |", took.as_secs_f64() / idle.as_secs_f64());
}
