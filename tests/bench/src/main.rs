//! `make bench`: what the operator costs and how it bears bad days, as tables.
//!
//! Figures of one machine say little, so most rows are ratios against a reference of the same run.

#![allow(clippy::too_many_lines, reason = "a scene reads from top to bottom")]

mod backlog;
mod bare;
mod beside;
mod dashboard;
mod drift;
mod edit;
mod faults;
mod limits;
mod memory;
mod neighbours;
mod one_user;
mod ordinary;
mod peer;
mod process;
mod restart;
mod stage;
mod store;
mod traces;
mod watch;

use lab::{Error, Result};
use stage::Stage;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str =
    "usage: bench --operator PROGRAM [SCENE]... [--edits N] [--crowd N] [--most N] [--siblings N]";
const SCENES: [&str; 12] = [
    "limits",
    "edit",
    "traces",
    "peer",
    "drift",
    "watch",
    "backlog",
    "neighbours",
    "faults",
    "memory",
    "restart",
    "one-user",
];
/// A scene that measures nothing: it is recorded for a picture.
const RECORDED: &str = "dashboard";

/// What to measure, and how much of it.
struct Arguments {
    operator: PathBuf,
    scenes: Vec<String>,
    /// Edits at once.
    edits: usize,
    /// Resources in a backlog.
    crowd: usize,
    /// Resources that have nothing to do; a tenth of them is measured too.
    most: usize,
    /// Resources of one user.
    siblings: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match words.first().map(String::as_str) {
        Some(bare::COMMAND) => bare::run().await,
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
            "edit" => edit::measure(&mut stage, arguments.edits).await?,
            "traces" => traces::measure(&mut stage, arguments.edits).await?,
            "peer" => peer::measure(&mut stage).await?,
            "drift" => drift::measure(&mut stage).await?,
            "watch" => watch::measure(&mut stage, arguments.most).await?,
            "backlog" => backlog::measure(&mut stage, arguments.crowd).await?,
            "neighbours" => neighbours::measure(&mut stage).await?,
            "faults" => faults::measure(&mut stage).await?,
            "memory" => memory::measure(&mut stage, arguments.most).await?,
            "restart" => restart::measure(&mut stage, arguments.most).await?,
            "one-user" => one_user::measure(&mut stage, arguments.siblings).await?,
            RECORDED => dashboard::measure(&mut stage).await?,
            _ => return Err(Error::Failed(format!("{USAGE}\nscenes: {}", SCENES.join(" ")))),
        }
        // Copies of a resource hold nothing that it does not, and are too many to be shown.
        let has_copies = !["limits", "faults"].contains(&scene.as_str());
        let kinds = if has_copies { "auth0tenants,events" } else { "auth0userupdates,auth0tenants,events" };
        stage.scan_for_secrets(kinds).await?;
        stage.take_down().await?;
    }
    Ok(())
}

impl Arguments {
    fn read(words: &[String]) -> Result<Self> {
        let usage = || Error::Failed(USAGE.to_owned());
        let mut read = Self {
            operator: PathBuf::new(),
            scenes: Vec::new(),
            edits: 1_000,
            crowd: 5_000,
            most: 10_000,
            siblings: 1_000,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|text| text.parse().ok()).ok_or_else(usage);
            match word.as_str() {
                "--edits" => read.edits = number()?,
                "--crowd" => read.crowd = number()?,
                "--most" => read.most = number()?,
                "--siblings" => read.siblings = number()?,
                "--operator" => read.operator = words.next().map(PathBuf::from).ok_or_else(usage)?,
                scene => read.scenes.push(scene.to_owned()),
            }
        }
        if read.operator.as_os_str().is_empty() {
            return Err(usage());
        }
        if read.scenes.is_empty() {
            read.scenes = SCENES.map(str::to_owned).to_vec();
        }
        Ok(read)
    }
}
