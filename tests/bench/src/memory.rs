//! Memory for each resource, and what lists cost.

use crate::ordinary::{self, Template};
use crate::stage::{Stage, is_own};
use crate::{bare, process};
use lab::{AuditEvent, AuditEvents as _, Patch, Result, wait_until};
use serde_json::json;
use std::time::Duration;

/// How often the running operator is made to list everything anew.
const RELISTS: usize = 3;
/// A watch that was cut is begun anew at the latest then.
const LONGEST_WATCH: Duration = Duration::from_mins(10);

pub(crate) async fn measure(stage: &mut Stage, most: usize) -> Result<()> {
    let client = bare::list(stage).await?.resident;
    let template = Template::settle(stage, 0, &ordinary::fields_with(0, &ordinary::never_due())).await?;
    stage.listen(true).await?;
    stage.until_listening().await?;
    println!(
        "\nresident memory, listening to events; resources of {} bytes in etcd, settled, after a restart",
        template.size()
    );
    println!("a process with an HTTP client and no resources: {:.1} MiB", mebibytes(client));
    println!("| resources | resident | for each more |");
    println!("|---|---|---|");
    let (mut before, mut held) = (1, 0);
    for count in [1, most / 10, most] {
        template.copy(stage, before..count).await?;
        stage.restart().await?;
        stage.until_quiet().await?;
        let resident = process::resident(stage.operator.pid())?;
        println!("| {count} | {:.1} MiB | {} |", mebibytes(resident), each(held, resident, count - before));
        (before, held) = (count, resident);
    }
    println!(
        "\n| {most}, a list is read anew | at most | steady before | afterwards | steady before | asked |"
    );
    println!("|---|---|---|---|---|---|");
    for number in 1..=RELISTS {
        process::forget_peak(stage.operator.pid())?;
        let told = stage.undisturbed(async |stage| relist(stage, number).await).await?;
        let (peak, after) = (process::peak(stage.operator.pid())?, process::resident(stage.operator.pid())?);
        println!(
            "| {number} | {:.1} MiB | {:.2} times | {:.1} MiB | {:.2} times | {told} |",
            mebibytes(peak),
            ratio(peak, held),
            mebibytes(after),
            ratio(after, held)
        );
    }
    Ok(())
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

/// The memory that each of `more` resources takes.
fn each(before: u64, after: u64, more: usize) -> String {
    match more {
        0 => String::new(),
        more => format!("{:.2} KiB", ratio(after.saturating_sub(before), more as u64)),
    }
}

#[allow(clippy::cast_precision_loss, reason = "sizes are small")]
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

#[allow(clippy::cast_precision_loss, reason = "sizes are small")]
pub(crate) fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}
