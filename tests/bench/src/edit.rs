//! What one edit of an ordinary resource costs.

use crate::ordinary::{self, Template};
use crate::stage::Stage;
use crate::{bare, process};
use lab::{Result, Signal};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the operator takes for one of so many edits, which give the users this nickname.
pub(crate) async fn processor(
    stage: &mut Stage,
    template: &Template,
    edits: usize,
    nickname: &str,
) -> Result<Duration> {
    let before = process::cpu(stage.operator.pid())?;
    // All of them at once: the operator sleeps while they are made.
    stage.operator.signal(Signal::Pause)?;
    template.clone().edited(&json!({"nickname": nickname})).copy(stage, 0..edits).await?;
    stage.operator.signal(Signal::Resume)?;
    stage.until_named(0..edits, nickname).await?;
    stage.until_quiet().await?;
    let count = u32::try_from(edits.max(1)).unwrap_or(u32::MAX);
    Ok(process::cpu(stage.operator.pid())?.saturating_sub(before) / count)
}

pub(crate) async fn measure(stage: &mut Stage, edits: usize) -> Result<()> {
    let template = Template::settle(stage, 0, &ordinary::fields(0)).await?;
    let status = template.status().clone();
    template.copy_users(stage, 1..edits)?;
    template.copy(stage, 1..edits).await?;
    stage.restart().await?;
    stage.until_quiet().await?;

    let asked = stage.asked_of_kubernetes()?.len();
    stage.auth0.clear_log();
    let spent = processor(stage, &template, edits, "second").await?;
    let count = u32::try_from(edits.max(1)).unwrap_or(u32::MAX);
    let mut requests: BTreeMap<String, u32> = BTreeMap::new();
    for exchange in stage.auth0.log() {
        *requests.entry(format!("Auth0: {}", exchange.method)).or_default() += 1;
    }
    for event in stage.asked_of_kubernetes()?.split_off(asked) {
        let (object, verb) = (&event.object_ref, &event.verb);
        *requests
            .entry(format!("Kubernetes: {verb} {} {}", object.resource, object.subresource))
            .or_default() += 1;
    }

    // The reference writes the same statuses while the operator sleeps.
    stage.operator.signal(Signal::Pause)?;
    let (two, three) = (
        bare::cpu_per_update(stage, edits, None).await?,
        bare::cpu_per_update(stage, edits, Some(status)).await?,
    );
    stage.operator.signal(Signal::Resume)?;
    println!("\nprocessor for one of {edits} edits at once: {spent:.2?}");
    println!("| a bare loop of | takes | the operator takes |");
    println!("|---|---|---|");
    for (what, bare) in [("GET and PATCH", two), ("GET, PATCH and a write of status", three)] {
        println!("| {what} | {bare:.2?} | {:.1} times |", spent.as_secs_f64() / bare.as_secs_f64());
    }
    println!("\n| requests of the operator | for one edit |");
    println!("|---|---|");
    for (request, times) in requests {
        println!("| {} | {:.3} |", request.trim_end(), f64::from(times) / f64::from(count));
    }
    Ok(())
}
