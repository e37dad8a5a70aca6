//! `make bench`: what the operator costs and how it bears bad days, as tables.
//!
//! Figures of one machine say little, so most rows are ratios against a reference of the same run.

mod backlog;
mod bare;
mod faults;
mod limits;
mod memory;
mod process;
mod stage;

use lab::{Error, Result};
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "usage: bench --operator PROGRAM [limits|backlog|faults|memory]... [--edits N] [--crowd N]";

/// What to measure, and how much of it.
struct Arguments {
    operator: PathBuf,
    scenes: Vec<String>,
    /// Edits at once against each plan.
    edits: usize,
    /// Resources in a backlog; twice as many for memory.
    crowd: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some(bare::COMMAND) => bare::run(&words[1..]).await,
        _ => run(&words).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfailed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[String]) -> Result<()> {
    let arguments = Arguments::read(words)?;
    for scene in &arguments.scenes {
        let mut stage = Stage::set_up(arguments.operator.clone()).await?;
        match scene.as_str() {
            "limits" => limits::measure(&mut stage, arguments.edits).await?,
            "backlog" => backlog::measure(&mut stage, arguments.crowd).await?,
            "faults" => faults::measure(&mut stage).await?,
            "memory" => memory::measure(&mut stage, arguments.crowd * 2).await?,
            _ => return Err(Error::Failed(USAGE.to_owned())),
        }
        stage.scan_for_secrets().await?;
        stage.take_down().await?;
    }
    Ok(())
}

impl Arguments {
    fn read(words: &[String]) -> Result<Self> {
        let usage = || Error::Failed(USAGE.to_owned());
        let (mut operator, mut scenes, mut edits, mut crowd) = (None, Vec::new(), 1_000, 5_000);
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|text| text.parse().ok()).ok_or_else(usage);
            match word.as_str() {
                "--edits" => edits = number()?,
                "--crowd" => crowd = number()?,
                "--operator" => operator = words.next().map(PathBuf::from),
                scene => scenes.push(scene.to_owned()),
            }
        }
        if scenes.is_empty() {
            scenes = ["limits", "backlog", "faults", "memory"].map(str::to_owned).to_vec();
        }
        Ok(Self { operator: operator.ok_or_else(usage)?, scenes, edits, crowd })
    }
}
