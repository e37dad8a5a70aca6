//! The command line. Every flag has an environment twin.

use crate::command::account::AllowedFlag;
use crate::command::diff::Diff;
use crate::command::export::Export;
use crate::telemetry::log::{LogFormat, LogLevel};
use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

/// Updates Auth0 users from Kubernetes resources.
#[derive(Parser, Debug)]
#[command(name = "auth0-user-operator", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Command; `run` by default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `run`.
    #[command(flatten)]
    pub run: Run,
}

/// Commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run the operator (default).
    Run(Run),
    /// Print the custom resource definitions as YAML.
    Crd,
    /// Show what manifests would change in Auth0, without changing anything.
    Diff(Diff),
    /// Write existing Auth0 users as manifests, without changing anything.
    Export(Export),
}

/// With the permissions of `deploy/kustomize/base`.
const SECRET_GRANT: &str = "kubectl create rolebinding auth0-user-operator-secret-reader \
    --clusterrole auth0-user-operator-secret-reader \
    --serviceaccount auth0-user-operator:auth0-user-operator --namespace NAMESPACE";

/// With the permissions of `deploy/kustomize/base`.
const OUTPUT_GRANT: &str = "kubectl create rolebinding auth0-user-operator-output-writer \
    --clusterrole auth0-user-operator-output-writer \
    --serviceaccount auth0-user-operator:auth0-user-operator --namespace NAMESPACE";

/// Flags of the operator.
#[derive(Args, Debug, Clone)]
pub struct Run {
    /// Namespace to watch; repeat the flag for several. Default: all namespaces.
    #[arg(long, env = "AUTH0_USER_OPERATOR_WATCH_NAMESPACE", value_delimiter = ',')]
    pub watch_namespace: Vec<String>,

    /// Namespace of the operator's own Secret. Default: `POD_NAMESPACE`, otherwise the kubeconfig's namespace.
    #[arg(long, env = "AUTH0_USER_OPERATOR_OPERATOR_NAMESPACE")]
    pub operator_namespace: Option<String>,

    /// Which domains may be called.
    #[command(flatten)]
    pub allowed: AllowedFlag,

    /// Number of resources reconciled at the same time.
    #[arg(long, env = "AUTH0_USER_OPERATOR_CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Command shown to users when the operator lacks access to the Secrets of NAMESPACE (`SecretForbidden`).
    #[arg(long, env = "AUTH0_USER_OPERATOR_SECRET_GRANT", default_value = SECRET_GRANT)]
    pub secret_grant: String,

    /// Command shown to users when the operator may not write their outputs (spec.outputsTo) in NAMESPACE.
    #[arg(long, env = "AUTH0_USER_OPERATOR_OUTPUT_GRANT", default_value = OUTPUT_GRANT)]
    pub output_grant: String,

    /// Enable leader election: only one replica is active.
    #[arg(long, env = "AUTH0_USER_OPERATOR_LEADER_ELECT", default_value_t = false)]
    pub leader_elect: bool,

    /// Name of the Lease shared by the replicas of one installation. Each installation needs its own.
    #[arg(long, env = "AUTH0_USER_OPERATOR_LEASE_NAME", default_value = "auth0-user-operator")]
    pub lease_name: String,

    /// Address that serves `/livez`, `/readyz` and `/metrics`; port 0 selects a free port. `[::]` listens on all
    /// addresses, including IPv4.
    #[arg(long, env = "AUTH0_USER_OPERATOR_HEALTH_ADDRESS", default_value = "[::]:8080")]
    pub health_address: SocketAddr,

    /// Lowest severity that is logged. `RUST_LOG`, if set, overrides it.
    #[arg(long, env = "AUTH0_USER_OPERATOR_LOG_LEVEL", default_value = "info")]
    pub log_level: LogLevel,

    /// Log format.
    #[arg(long, env = "AUTH0_USER_OPERATOR_LOG_FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default() {
        let cli = Cli::parse_from(["auth0-user-operator", "--allowed-domain", "localhost:1"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.run.allowed.allowed_domain, ["localhost:1"]);
    }
}
