//! The log.

use crate::telemetry::traces::{Traces, is_traced};
use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, ParseError, filter_fn};
use tracing_subscriber::layer::{Filter, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

/// kube-client quotes whole objects where one does not decode, personal data included; kube-runtime repeats what is
/// logged here about watches, and reports every namespace whose Secrets may not be watched.
const QUIET: &str = "kube_client=error,kube_runtime=error";

/// Where kube-client quotes answers of the Kubernetes API, Secrets included.
const QUOTES_ANSWERS: &str = "kube_client::client";

/// Log format.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Human-readable lines.
    Text,
    /// One JSON object per line.
    Json,
}

/// Lowest severity that is logged.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Errors and warnings.
    Warn,
    /// Also every change.
    Info,
    /// Also decisions.
    Debug,
    /// Everything, including the lines of libraries.
    Trace,
}

impl LogLevel {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
            Self::Trace => Level::TRACE,
        }
    }
}

/// Starts logging to standard error, filtered by `RUST_LOG`, else by the level, and the traces that the environment asks
/// for. To be called within the runtime.
pub fn start(format: LogFormat, level: LogLevel) -> Traces {
    let (traces, problem) = match Traces::from_env() {
        Ok(traces) => (traces, None),
        Err(problem) => (Traces::default(), Some(problem)),
    };
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, error) = filter(&wanted, level);
    let log = fmt::layer().with_writer(std::io::stderr);
    let log = match format {
        LogFormat::Text => log.with_ansi(false).boxed(),
        LogFormat::Json => log.json().boxed(),
    };
    Registry::default().with(log.with_filter(shown(filter))).with(traces.layer()).init();
    if let Some(error) = error {
        tracing::warn!(%error, "RUST_LOG is not a valid filter, using the log level");
    }
    if let Some(problem) = problem {
        tracing::error!("sending no traces: {problem}");
    } else if traces.are_sent() {
        tracing::info!("sending traces to the collector of OTEL_EXPORTER_OTLP_ENDPOINT");
    }
    traces
}

/// The filter that a `RUST_LOG` which says something asks for, else that of the level; and why it is not the first.
fn filter(wanted: &str, level: LogLevel) -> (EnvFilter, Option<ParseError>) {
    let ours = || EnvFilter::new(format!("{},{QUIET}", level.level()));
    // Charts set an empty variable where there is nothing to say.
    if wanted.is_empty() {
        return (ours(), None);
    }
    EnvFilter::try_new(wanted).map_or_else(|error| (ours(), Some(error)), |filter| (filter, None))
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
    fn rust_log_wins_over_the_level_where_it_is_a_filter() {
        for (wanted, level, expected) in [
            ("", LogLevel::Info, "info,kube_client=error,kube_runtime=error"),
            ("", LogLevel::Trace, "trace,kube_client=error,kube_runtime=error"),
            ("kube_client=debug,warn", LogLevel::Trace, "kube_client=debug,warn"),
            ("a=b=c", LogLevel::Warn, "warn,kube_client=error,kube_runtime=error"),
        ] {
            let (filter, error) = filter(wanted, level);
            assert_eq!(filter.to_string(), EnvFilter::new(expected).to_string(), "{wanted}");
            assert_eq!(error.is_some(), wanted == "a=b=c", "{wanted}");
        }
    }

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
