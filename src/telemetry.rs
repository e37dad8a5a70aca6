//! The log.

use crate::cli::LogFormat;
use tracing_subscriber::EnvFilter;

/// kube-client quotes whole objects where one does not decode, personal data included; kube-runtime repeats what
/// is logged here of watches, and tells of every namespace whose Secrets may not be watched.
const DEFAULT_FILTER: &str = "info,kube_client=error,kube_runtime=error";

/// Starts logging to standard error, filtered by `RUST_LOG`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
