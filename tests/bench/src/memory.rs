//! Memory for each resource, and what restarts and lists cost.

use crate::process;
use crate::stage::{Stage, update};
use lab::{AuditEvent, AuditEvents as _, Patch, Result, wait_until};
use serde_json::json;
use std::time::Duration;

/// Restarts after which memory is looked at again.
const RESTARTS: usize = 3;
/// How often the running operator is made to list everything anew.
const RELISTS: usize = 3;
/// A watch that was cut is begun anew at the latest then.
const LONGEST_WATCH: Duration = Duration::from_mins(2);
/// How long the operator is watched after that.
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
        let told = undisturbed(stage, async |stage| stage.operator.restart().await).await?;
        let label = format!("{made}, restart {restart}: {told}");
        row(&label, process::resident(stage.operator.pid())?, empty, made);
    }
    for number in 1..=RELISTS {
        let told = undisturbed(stage, async |stage| relist(stage, number).await).await?;
        let label = format!("{made}, relist {number}: {told}");
        row(&label, process::resident(stage.operator.pid())?, empty, made);
    }
    Ok(())
}

/// What Auth0 and the cluster heard of the operator while and after something happened that is no reason to act.
async fn undisturbed(
    stage: &mut Stage,
    happens: impl AsyncFnOnce(&mut Stage) -> Result<()>,
) -> Result<String> {
    stage.auth0.clear_log();
    let written = writes(stage)?;
    happens(stage).await?;
    settle().await;
    Ok(format!("{} calls, {} writes", stage.auth0.log().len(), writes(stage)? - written))
}

/// Changes the definition, which ends its watches and leaves them nothing to go on from: all is listed anew.
async fn relist(stage: &Stage, number: usize) -> Result<()> {
    let before = lists(stage)?;
    let categories = json!({"spec": {"names": {"categories": ["auth0", format!("relist-{number}")]}}});
    let definition = "crd/auth0userupdates.auth0-user-operator.dev";
    stage.plane.admin().patch(definition, Patch::Merge, &categories).await?.ok()?;
    wait_until("a list by the operator", LONGEST_WATCH, async || {
        let listed = lists(stage).map_err(|error| error.to_string())?;
        if listed > before { Ok(()) } else { Err("none yet".to_owned()) }
    })
    .await
}

fn lists(stage: &Stage) -> Result<usize> {
    let is_list = |event: &AuditEvent| event.verb == "list" && is_own(event);
    Ok(stage.plane.audit()?.of("auth0userupdates", "").into_iter().filter(|event| is_list(event)).count())
}

async fn settle() {
    tokio::time::sleep(WATCHED).await;
}

fn writes(stage: &Stage) -> Result<usize> {
    Ok(stage.plane.audit()?.writes().within("bench").into_iter().filter(|event| is_own(event)).count())
}

fn is_own(event: &AuditEvent) -> bool {
    !event.user_agent.starts_with("kubectl")
}

fn row(what: &str, resident: u64, empty: u64, count: usize) {
    let each = resident.saturating_sub(empty) / count.max(1) as u64;
    println!("| {what} | {:.1} MiB | {each} KiB |", mebibytes(resident));
}

#[allow(clippy::cast_precision_loss, reason = "sizes are small")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
