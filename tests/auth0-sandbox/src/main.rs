//! The stand-in as a process of its own.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use auth0_sandbox::{Options, Plan, Sandbox, Seed};
use clap::Parser;

/// A stateful stand-in for the parts of Auth0 that the operator calls, over https.
///
/// Prints one line of JSON with `address`, `domain`, `ca` (path), `adminToken` and `adminUrl` once it
/// accepts connections, and serves until it is interrupted or terminated.
#[derive(Parser)]
struct Arguments {
    /// The state to start with (YAML); without it, the example that ships with the stand-in.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Rate limits: unlimited, free, essentials, enterprise, enterprise-test, `custom:BURST:PER_SECOND`.
    #[arg(long, default_value = "unlimited")]
    plan: Plan,
    /// A further host name of the tenant, without port; may be repeated.
    #[arg(long = "name")]
    names: Vec<String>,
    /// Where to write the certificate authority to trust; default: a file in the temporary directory.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The bearer token of the admin side; default: a random one.
    #[arg(long)]
    admin_token: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(std::io::stderr(), "auth0-sandbox: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let seed = arguments.seed.map_or_else(Seed::example, |path| Seed::from_file(&path))?;
    let sandbox = Sandbox::start(Options {
        listen: arguments.listen,
        seed,
        plan: arguments.plan,
        names: arguments.names,
        admin_token: arguments.admin_token,
    })
    .await?;
    let file = format!("auth0-sandbox-{}.pem", sandbox.address().port());
    let ca = arguments.ca.unwrap_or_else(|| std::env::temp_dir().join(file));
    sandbox.write_ca(&ca).map_err(|error| format!("{}: {error}", ca.display()))?;
    announce(&sandbox, &ca).map_err(|error| error.to_string())?;
    ended().await.map_err(|error| error.to_string())
}

fn announce(sandbox: &Sandbox, ca: &std::path::Path) -> std::io::Result<()> {
    let line = serde_json::json!({
        "address": sandbox.address().to_string(),
        "domain": sandbox.domain(),
        "ca": ca,
        "adminToken": sandbox.admin_token(),
        "adminUrl": format!("https://{}/__sandbox/", sandbox.domain()),
    });
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    out.flush()
}

async fn ended() -> std::io::Result<()> {
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminated.recv() => Ok(()),
    }
}
