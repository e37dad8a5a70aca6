//! What a restart costs that has nothing to do.

use crate::ordinary::{self, Template};
use crate::stage::Stage;
use crate::{bare, process};
use lab::{Error, Result};
use std::time::Duration;

pub(crate) async fn measure(stage: &mut Stage, most: usize) -> Result<()> {
    let template = Template::settle(stage, 0, &ordinary::fields_with(0, &ordinary::never_due())).await?;
    stage.listen(true).await?;
    stage.until_listening().await?;
    println!("\na restart, listening to events, with settled resources of {} bytes in etcd", template.size());
    println!("| resources | a bare list | ready | over the list | processor | over the list | asked |");
    println!("|---|---|---|---|---|---|---|");
    let mut before = 1;
    for count in [1, most / 10, most] {
        template.copy(stage, before..count).await?;
        before = count;
        // What the API server has not read yet is no time of either.
        bare::list(stage).await?;
        let list = bare::list(stage).await?;
        let mut ready = Duration::ZERO;
        let told = stage.undisturbed(async |stage| {
            ready = stage.restart().await?;
            Ok(())
        });
        let told = told.await?;
        if !stage.is_ready().await? {
            return Err(Error::Failed("the operator is no longer ready".to_owned()));
        }
        let cpu = process::cpu(stage.operator.pid())?;
        println!(
            "| {count} | {:.2?} | {ready:.2?} | {:.1} times | {cpu:.2?} | {:.1} times | {told} |",
            list.time,
            ready.as_secs_f64() / list.time.as_secs_f64(),
            cpu.as_secs_f64() / list.cpu.as_secs_f64()
        );
    }
    Ok(())
}
