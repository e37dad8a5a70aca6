//! Users that do not change: what it takes to watch over them for a day, with events and without.

use crate::ordinary::{Template, fields_with};
use crate::stage::Stage;
use lab::Result;
use serde_json::json;
use std::time::Duration;

/// Short, so that whole intervals pass while it is measured.
const INTERVAL: Duration = Duration::from_mins(2);
/// Comparisons come at random within so much more than the interval.
const SPREAD: Duration = Duration::from_secs(12);
/// Intervals that are measured: six minutes.
const MEASURED: u32 = 3;
/// A day holds so many of these, and of the hours after which resources are compared where they do not say otherwise.
const PERIODS: usize = 24 * 60 / 6;
const HOURS: usize = 24;

pub(crate) async fn measure(stage: &mut Stage, most: usize) -> Result<()> {
    let resync = json!({"resyncInterval": format!("{}s", INTERVAL.as_secs())});
    let template = Template::settle(stage, 0, &fields_with(0, &resync)).await?;
    println!("\nusers that do not change, compared every {INTERVAL:?}: requests in {MEASURED} intervals");
    println!(
        "| users | without events | for one comparison of all | a day, compared every hour | with events | a day, compared once |"
    );
    println!("|---|---|---|---|---|---|");
    let mut before = 1;
    for count in [most / 10, most] {
        stage.listen(false).await?;
        template.copy_users(stage, before..count)?;
        template.copy(stage, before..count).await?;
        before = count;
        stage.restart().await?;
        tokio::time::sleep(INTERVAL + SPREAD).await;
        let without = asked(stage).await;
        let once = without.div_ceil(MEASURED as usize);
        stage.listen(true).await?;
        stage.until_listening().await?;
        // Each is compared once more; then the stream has been whole for an interval.
        tokio::time::sleep((INTERVAL + SPREAD) * 2).await;
        let with = asked(stage).await;
        println!("| {count} | {without} | {once} | {} | {with} | {} |", once * HOURS, once + with * PERIODS);
    }
    Ok(())
}

/// Requests about users in so many intervals.
async fn asked(stage: &Stage) -> usize {
    stage.auth0.clear_log();
    tokio::time::sleep(INTERVAL * MEASURED).await;
    stage.about_users()
}
