//! What it costs to send traces.

use crate::edit::processor;
use crate::ordinary::{self, Template};
use crate::stage::Stage;
use lab::{Collector, Result};
use std::time::Duration;

/// One after the other, so that whatever grows with time is in both.
const TURNS: usize = 3;

pub(crate) async fn measure(stage: &mut Stage, edits: usize) -> Result<()> {
    let template = Template::settle(stage, 0, &ordinary::fields(0)).await?;
    template.copy_users(stage, 1..edits)?;
    template.copy(stage, 1..edits).await?;
    stage.until_quiet().await?;
    let collector = Collector::start().await?;
    let (mut off, mut on) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..TURNS {
        for (endpoint, sum) in [(String::new(), &mut off), (collector.endpoint(), &mut on)] {
            stage.operator.set_env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
            stage.restart().await?;
            stage.until_quiet().await?;
            *sum += processor(stage, &template, edits, &format!("{turn}{}", endpoint.len())).await?;
        }
    }
    let turns = u32::try_from(TURNS).unwrap_or(u32::MAX);
    let (off, on, spans) = (off / turns, on / turns, collector.spans().len());
    println!("\n| processor for one of {edits} edits at once, {TURNS} times | |\n|---|---|");
    println!("| without traces | {off:.2?} |");
    println!("| with traces, {} spans an edit | {on:.2?} |", spans / (TURNS * edits).max(1));
    println!("| | {:.3} times |", on.as_secs_f64() / off.as_secs_f64());
    Ok(())
}
