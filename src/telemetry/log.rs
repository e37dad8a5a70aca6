//! The log.

use clap::ValueEnum;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// kube-client quotes whole objects where one does not decode, personal data included; kube-runtime repeats what
/// is logged here of watches, and tells of every namespace whose Secrets may not be watched.
const QUIET: &str = "kube_client=error,kube_runtime=error";

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

/// The least severe lines that are logged.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// Warnings too.
    Warn,
    /// What was changed, too.
    Info,
    /// Decisions too.
    Debug,
    /// Everything, that of libraries included.
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

/// Starts logging to standard error, filtered by `RUST_LOG`, else by the level.
pub fn start(format: LogFormat, level: LogLevel) {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let (filter, error) = filter(&wanted, level);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => without_answers(log.with_ansi(false).finish()).init(),
        LogFormat::Json => without_answers(log.json().finish()).init(),
    }
    if let Some(error) = error {
        tracing::warn!(%error, "RUST_LOG is not a filter; the log level is used");
    }
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
            let log = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).finish();
            tracing::subscriber::with_default(without_answers(log), || {
                let _span = tracing::error_span!("look").entered();
                assert!(!tracing::enabled!(target: "kube_client::client", Level::WARN), "{filter}");
                assert!(tracing::enabled!(target: "kube_client::client", Level::ERROR), "{filter}");
            });
        }
    }
}
