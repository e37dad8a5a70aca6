//! The log.

use crate::telemetry::traces::{Traces, is_traced};
use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

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

/// Starts logging to standard error, filtered by `RUST_LOG`, and the traces that the environment asks for. To be called
/// within the runtime.
pub fn start(format: LogFormat) -> Traces {
    let (traces, problem) = match Traces::from_env() {
        Ok(traces) => (traces, None),
        Err(problem) => (Traces::default(), Some(problem)),
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let log = fmt::layer().with_writer(std::io::stderr);
    let log = match format {
        LogFormat::Text => log.with_ansi(false).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    Registry::default().with(log.with_filter(shown(filter))).with(traces.layer()).init();
    if let Some(problem) = problem {
        tracing::error!("no traces are sent: {problem}");
    } else if traces.are_sent() {
        tracing::info!("traces are sent to the collector of OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    traces
}

/// Keeps answers of the Kubernetes API and the spans of traces out of a log, whatever its filter says.
pub(super) fn shown<S: Subscriber>(filter: EnvFilter) -> impl Filter<S> {
    filter.and(filter_fn(|line: &Metadata<'_>| {
        !is_traced(line) && (line.target() != QUOTES_ANSWERS || *line.level() <= Level::ERROR)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_lets_answers_of_the_kubernetes_api_through() {
        for filter in ["trace", "kube_client=debug", "kube_client::client=trace,info", "[look]=trace,error"] {
            let log = Registry::default().with(fmt::layer().with_filter(shown(EnvFilter::new(filter))));
            tracing::subscriber::with_default(log, || {
                let _span = tracing::error_span!(target: "another_crate", "look").entered();
                assert!(!tracing::enabled!(target: "kube_client::client", Level::WARN), "{filter}");
                assert!(tracing::enabled!(target: "kube_client::client", Level::ERROR), "{filter}");
            });
        }
    }
}
