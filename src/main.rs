//! The `auth0-user-operator` program: reads the command line and hands over.

use auth0_user_operator::api;
use auth0_user_operator::auth0::{self, AllowedDomains};
use auth0_user_operator::cli::{Cli, Command, Run};
use auth0_user_operator::cluster;
use auth0_user_operator::cluster::lease::{self, Candidacy};
use auth0_user_operator::command::{Problem, diff, export};
use auth0_user_operator::reconcile::{self, Settings};
use auth0_user_operator::telemetry::health::Probes;
use auth0_user_operator::telemetry::{log, server};
use clap::Parser as _;
use futures::FutureExt as _;
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Crd) => print_crds(),
        Some(Command::Run(run)) => start(run),
        Some(Command::Diff(asked)) => return read_only(async { Ok(diff::run(asked).await) }),
        Some(Command::Export(asked)) => return read_only(export::run(asked)),
        None => start(cli.run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "auth0-user-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command that changes nothing. Exit code 2 where it cannot go on: 1 means differences.
#[tokio::main(flavor = "current_thread")]
async fn read_only(command: impl Future<Output = Result<ExitCode, Problem>>) -> ExitCode {
    command.await.unwrap_or_else(|problem| {
        let _ = writeln!(std::io::stderr(), "auth0-user-operator: {problem}");
        ExitCode::from(2)
    })
}

fn print_crds() -> Result<(), Box<dyn Error>> {
    let mut out = std::io::stdout().lock();
    for crd in api::crds() {
        match write!(out, "---\n{}", serde_saphyr::to_string(&crd)?) {
            // The reader has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
            written => written?,
        }
    }
    Ok(())
}

#[tokio::main]
#[expect(
    clippy::too_many_lines,
    reason = "wiring: every part is named once, in the order in which it starts"
)]
async fn start(run: Run) -> Result<(), Box<dyn Error>> {
    let traces = log::start(run.log_format, run.log_level);
    let allowed = AllowedDomains::parse(&run.allowed.allowed_domain)?;
    let probes = Arc::new(Probes::default());
    let client = cluster::client::connect(Arc::clone(&probes)).await?;
    let pod_namespace = std::env::var("POD_NAMESPACE").ok();
    // Charts set an empty variable where there is nothing to say.
    let said = |text: &String| !text.is_empty();
    let namespaces: BTreeSet<String> = run.watch_namespace.into_iter().filter(said).collect();
    let settings = Settings {
        namespaces: namespaces.into_iter().collect(),
        operator_namespace: run
            .operator_namespace
            .filter(said)
            .or(pod_namespace.filter(said))
            .unwrap_or_else(|| client.default_namespace().to_owned()),
        allowed,
        concurrency: run.concurrency,
        secret_grant: run.secret_grant,
        output_grant: run.output_grant,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let shutdown = shutdown.shared();
    let listener = server::bind(run.health_address).await?;
    tracing::info!(address = %listener.local_addr()?, "serving /livez, /readyz and /metrics");
    let candidacy = Candidacy { namespace: settings.operator_namespace.clone(), lease: run.lease_name };
    let http = auth0::http_client(&settings.allowed)?;
    let work =
        Box::pin(reconcile::run(client.clone(), http, settings, Arc::clone(&probes), shutdown.clone()));
    let led = async {
        if run.leader_elect {
            return lease::lead(client, &candidacy, &probes, shutdown, work).await;
        }
        probes.metrics.set_leader(true);
        work.await;
        Ok(())
    };
    let ended = tokio::select! {
        led = led => led.map_err(Into::into),
        served = server::serve(listener, Arc::clone(&probes)) => served.map_err(Into::into),
    };
    traces.flush().await;
    ended
}
