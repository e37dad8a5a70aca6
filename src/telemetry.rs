//! The log.

use crate::cli::LogFormat;
use tracing_subscriber::EnvFilter;

/// kube-client quotes whole objects where one does not decode, personal data included.
const DEFAULT_FILTER: &str = "info,kube_client=error";

/// Starts logging to standard error, filtered by `RUST_LOG`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
