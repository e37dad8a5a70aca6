//! `diff`: what manifests would change in Auth0. The plan is the operator's own; Auth0 is only read.

mod compare;
mod live;
pub mod output;
pub mod preview;
pub mod report;
mod tenants;
mod users;

use crate::command::Problem;
use crate::command::account::AccountFlags;
use crate::command::manifests::Manifests;
use clap::Args;
use compare::Comparison;
use live::Live;
use output::Form;
use report::Report;
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use tenants::Tenants;

/// Flags of `diff`.
#[derive(Args, Clone, Debug)]
pub struct Diff {
    /// File or folder with manifests, or - for standard input; repeat the flag for several.
    #[arg(short, long, required = true)]
    pub filename: Vec<PathBuf>,

    /// Output format.
    #[arg(short, long, value_enum, default_value = "text", env = "AUTH0_USER_OPERATOR_OUTPUT")]
    pub output: Form,

    /// Omit values: print names of fields only.
    #[arg(long, env = "AUTH0_USER_OPERATOR_REDACT")]
    pub redact: bool,

    /// Also read the status of the resources in the cluster, so that completed one-time actions are not shown again.
    #[arg(long, env = "AUTH0_USER_OPERATOR_LIVE")]
    pub live: bool,

    /// Compare only resources of this `Auth0Tenant`: NAME or NAMESPACE/NAME.
    #[arg(long, env = "AUTH0_USER_OPERATOR_TENANT")]
    pub tenant: Option<String>,

    /// Maximum number of users with differences that are read one by one for each tenant. Other users are compared as
    /// Auth0's search returns them, which lags by seconds.
    #[arg(long, env = "AUTH0_USER_OPERATOR_CONFIRM", default_value_t = 25)]
    pub confirm: usize,

    /// Where tenants are.
    #[command(flatten)]
    pub account: AccountFlags,
}

/// Compares. Exit codes as those of `kubectl diff`: 0 without differences, 1 with, 2 for errors and what is refused.
pub async fn run(diff: Diff) -> ExitCode {
    let mut manifests = Manifests::read(&diff.filename, &diff.account.namespace().await);
    let mut report = Report {
        foreign: std::mem::take(&mut manifests.foreign),
        problems: std::mem::take(&mut manifests.problems),
        redact: diff.redact,
        ..Report::default()
    };
    if !manifests.updates.is_empty()
        && let Err(problem) = compare(&diff, &manifests, &mut report).await
    {
        report.problems.push(problem);
        report.uncompared = manifests.updates.len();
    }
    match print(&report, diff.output) {
        // The reader may have closed the pipe.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let _ = writeln!(std::io::stderr(), "error: standard output cannot be written: {error}");
            ExitCode::from(2)
        }
        Ok(()) | Err(_) => ExitCode::from(report.exit_code()),
    }
}

async fn compare(diff: &Diff, manifests: &Manifests, report: &mut Report) -> Result<(), Problem> {
    let own = diff.account.namespace().await;
    let only = diff.tenant.as_deref().map(|tenant| {
        let (namespace, name) = tenant.split_once('/').unwrap_or((&own, tenant));
        (namespace.to_owned(), name.to_owned())
    });
    let live = if diff.live { Some(Live::read(&diff.account, manifests).await?) } else { None };
    let tenants = Tenants::find(diff.account.source().await?, manifests, only.as_ref()).await?;
    let comparison = Comparison::new(manifests, tenants, live, only.as_ref());
    comparison.run(diff.confirm, report).await;
    Ok(())
}

fn print(report: &Report, form: Form) -> std::io::Result<()> {
    let out = std::io::stdout();
    let text = match form {
        Form::Text => output::text::render(report, out.is_terminal() && has_colours()),
        Form::Json => output::json::render(report),
        Form::Markdown => output::markdown::render(report),
    };
    if form == Form::Text {
        for problem in &report.problems {
            let _ = writeln!(std::io::stderr(), "error: {problem}");
        }
    }
    let mut out = out.lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// See <https://no-color.org>.
fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
