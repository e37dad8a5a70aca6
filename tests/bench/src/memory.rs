//! Memory for each resource, and what a restart costs.

use crate::process;
use crate::stage::{Stage, update};
use lab::{AuditEvents as _, Result};
use serde_json::json;
use std::time::Duration;

/// Restarts after which memory is looked at again: each lists everything anew.
const RESTARTS: usize = 3;
/// How long the operator is watched after a restart.
const WATCHED: Duration = Duration::from_secs(20);

pub(crate) async fn measure(stage: &mut Stage, most: usize) -> Result<()> {
    stage.add_people(most)?;
    let empty = process::resident(stage.operator.pid())?;
    println!("\nresident memory, the operator without resources: {:.1} MiB", mebibytes(empty));
    println!("| resources | resident | for each |");
    println!("|---|---|---|");
    let mut made = 0;
    for count in [most / 10, most] {
        // Without resyncs, so that a restart has nothing to do.
        let fields = json!({"nickname": "first", "resyncInterval": "0s"});
        stage.apply((made..count).map(|index| update(index, &fields))).await?;
        stage.until_named(made..count, "first").await?;
        made = count;
        settle().await;
        row(&count.to_string(), process::resident(stage.operator.pid())?, empty, count);
    }
    for restart in 1..=RESTARTS {
        stage.auth0.clear_log();
        let written = writes(stage)?;
        stage.operator.restart().await?;
        settle().await;
        let (calls, writes) = (stage.auth0.log().len(), writes(stage)? - written);
        let label = format!("{made}, restart {restart}: {calls} calls, {writes} writes");
        row(&label, process::resident(stage.operator.pid())?, empty, made);
    }
    Ok(())
}

async fn settle() {
    tokio::time::sleep(WATCHED).await;
}

fn writes(stage: &Stage) -> Result<usize> {
    let own = |event: &lab::AuditEvent| !event.user_agent.starts_with("kubectl");
    Ok(stage.plane.audit()?.writes().within("bench").into_iter().filter(own).count())
}

fn row(what: &str, resident: u64, empty: u64, count: usize) {
    let each = resident.saturating_sub(empty) / count.max(1) as u64;
    println!("| {what} | {:.1} MiB | {each} KiB |", mebibytes(resident));
}

#[allow(clippy::cast_precision_loss, reason = "sizes are small")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
