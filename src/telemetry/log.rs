//! The log.

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// kube-client quotes whole objects where one does not decode, personal data included; kube-runtime repeats what
/// is logged here of watches, and tells of every namespace whose Secrets may not be watched.
const DEFAULT_FILTER: &str = "info,kube_client=error,kube_runtime=error";

/// Where kube-client quotes answers of the Kubernetes API, Secrets included.
const QUOTES_ANSWERS: &str = "kube_client::client";

/// Form of the log.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error, filtered by `RUST_LOG`.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => without_answers(log.with_ansi(false).finish()).init(),
        LogFormat::Json => without_answers(log.json().finish()).init(),
    }
}

/// Keeps answers of the Kubernetes API out of a log, whatever its filter says.
fn without_answers(log: impl Subscriber + Send + Sync) -> impl Subscriber + Send + Sync {
    log.with(filter_fn(|line: &Metadata<'_>| {
        line.target() != QUOTES_ANSWERS || *line.level() <= Level::ERROR
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_answers_of_the_kubernetes_api_through() {
        for filter in ["trace", "kube_client=debug", "kube_client::client=trace,info", "[look]=trace,error"] {
            let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).finish();
            tracing::subscriber::with_default(without_answers(log), || {
                let _span = tracing::error_span!("look").entered();
                assert!(!tracing::enabled!(target: "kube_client::client", Level::WARN), "{filter}");
                assert!(tracing::enabled!(target: "kube_client::client", Level::ERROR), "{filter}");
            });
        }
    }
}
