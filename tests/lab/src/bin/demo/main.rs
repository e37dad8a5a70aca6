//! `make demo` and `make playground`: the operator at work, on a real
//! Kubernetes API server and a stand-in for Auth0, all on this machine.

mod playground;
mod show;
mod stage;
mod story;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use lab::{Error, Result};
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: demo run|playground [--operator PROGRAM] [--no-operator]";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nfailed: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let (command, operator) = arguments()?;
    let mut stage = unless_interrupted(Stage::set_up(operator)).await?;
    let outcome = match command.as_str() {
        "run" => unless_interrupted(story::tell(&mut stage)).await,
        _ => playground::stay(&mut stage, interrupted()).await,
    };
    if outcome.is_err() {
        stage.show_operator_log();
    }
    outcome.and(stage.take_down().await)
}

/// What to do, and the operator's program: next to this one unless it is named; `None` where there is to be none.
fn arguments() -> Result<(String, Option<PathBuf>)> {
    let words: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let (command, mut options) = match words.split_first() {
        Some((command @ &("run" | "playground"), options)) => ((*command).to_owned(), options),
        _ => return Err(Error::Failed(USAGE.to_owned())),
    };
    let mut program = Some(env::current_exe()?.with_file_name("auth0-user-operator"));
    loop {
        options = match options {
            [] => return Ok((command, program)),
            ["--operator", path, rest @ ..] => {
                program = program.map(|_| path.into());
                rest
            }
            ["--no-operator", rest @ ..] if command == "playground" => {
                program = None;
                rest
            }
            _ => return Err(Error::Failed(USAGE.to_owned())),
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome?,
        _ = terminate.recv() => {}
    }
    Ok(())
}

async fn unless_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        outcome = work => outcome,
        outcome = interrupted() => Err(outcome.err().unwrap_or_else(|| Error::Failed("interrupted".to_owned()))),
    }
}
