//! Traces: one for each reconciliation, sent to the collector that the `OTEL_*` variables name. Without one there are
//! neither spans nor a thread that sends them.
//!
//! A span of this crate is for traces only: the log does not show it.

use opentelemetry::trace::{TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{ExporterBuildError, WithTonicConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Kubernetes kills 30 s after it has asked for the end, and reconciliations under way may take 25 of them.
const FLUSH: Duration = Duration::from_secs(3);

/// A collector that cannot be reached is logged no more often than this.
const REMIND: Duration = Duration::from_mins(10);

const SERVICE: &str = "service.name";

/// Where spans go, if anywhere.
#[derive(Default)]
pub struct Traces(Option<SdkTracerProvider>);

/// How the collector is spoken to.
#[derive(Debug, PartialEq, Eq)]
enum Protocol {
    HttpProtobuf,
    Grpc { tls: bool },
}

impl Traces {
    /// Sends spans where the environment names a collector. To be called within the runtime.
    ///
    /// # Errors
    /// What of the environment is wrong. No value is in it: a header or an address may hold a token.
    pub fn from_env() -> Result<Self, String> {
        let Some(protocol) = wanted(|name| std::env::var(name).ok())? else { return Ok(Self::default()) };
        let exporter = exporter(&protocol).map_err(|_| {
            "cannot create the OTLP exporter: correct the variables OTEL_EXPORTER_OTLP_*".to_owned()
        })?;
        let builder = SdkTracerProvider::builder().with_batch_exporter(Reported::new(exporter));
        Ok(Self(Some(builder.with_resource(resource()).build())))
    }

    /// Whether spans are sent.
    #[must_use]
    pub const fn are_sent(&self) -> bool {
        self.0.is_some()
    }

    /// Turns the spans of this crate into traces, if they are sent.
    #[must_use]
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        let tracer = self.0.as_ref()?.tracer(env!("CARGO_PKG_NAME"));
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false);
        // Log lines stay out: the sentences in them are about users.
        Some(layer.with_filter(filter_fn(is_traced)))
    }

    /// Sends what was not sent yet, for as long as a shutdown can wait.
    pub async fn flush(self) {
        let Some(provider) = self.0 else { return };
        // An error was told when it happened, and spans that are lost hold up no shutdown.
        let _ = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH)).await;
    }
}

/// Whether this is a span of this crate.
pub(super) fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

/// The trace of the present reconciliation, if it is sent.
#[must_use]
pub fn id() -> Option<TraceId> {
    let context: Context = Span::current().context();
    let span = context.span();
    let context = span.span_context();
    context.is_sampled().then(|| context.trace_id())
}

/// What the present reconciliation came to.
pub(super) fn came_to(outcome: &str, reason: &str, why: &str) {
    let span = Span::current();
    span.record("auth0_user_operator.outcome", outcome);
    span.record("auth0_user_operator.reason", reason);
    span.record("auth0_user_operator.why", why);
    if outcome == "failed" {
        span.record("otel.status_code", "ERROR");
    }
}

/// Which protocol the variables ask for; `None` where they ask for no traces.
fn wanted(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Protocol>, String> {
    let said = |name: &str| variable(name).filter(|value| !value.is_empty());
    let of_traces = |end: &str| {
        said(&format!("OTEL_EXPORTER_OTLP_TRACES_{end}"))
            .or_else(|| said(&format!("OTEL_EXPORTER_OTLP_{end}")))
    };
    if said("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Ok(None);
    }
    match said("OTEL_TRACES_EXPORTER").as_deref() {
        Some("none") => return Ok(None),
        Some("otlp") | None => {}
        Some(_) => return Err("OTEL_TRACES_EXPORTER is neither otlp nor none".to_owned()),
    }
    let Some(endpoint) = of_traces("ENDPOINT") else { return Ok(None) };
    match of_traces("PROTOCOL").as_deref() {
        Some("http/protobuf") | None => Ok(Some(Protocol::HttpProtobuf)),
        Some("grpc") => Ok(Some(Protocol::Grpc { tls: !endpoint.starts_with("http://") })),
        Some(_) => Err("OTEL_EXPORTER_OTLP_PROTOCOL is neither http/protobuf nor grpc".to_owned()),
    }
}

/// Takes address, headers and deadline from the environment.
fn exporter(protocol: &Protocol) -> Result<opentelemetry_otlp::SpanExporter, ExporterBuildError> {
    let builder = opentelemetry_otlp::SpanExporter::builder();
    match protocol {
        Protocol::HttpProtobuf => builder.with_http().build(),
        Protocol::Grpc { tls: false } => builder.with_tonic().build(),
        Protocol::Grpc { tls: true } => {
            builder.with_tonic().with_tls_config(ClientTlsConfig::new().with_native_roots()).build()
        }
    }
}

/// What sends the spans: this program, unless the environment says more of it.
fn resource() -> Resource {
    let name = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    Resource::builder_empty()
        .with_service_name(env!("CARGO_PKG_NAME"))
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .with_attributes(name.map(|name| KeyValue::new(SERVICE, name)))
        .build()
}

/// Logs that spans cannot be sent.
#[derive(Debug)]
struct Reported<E> {
    exporter: E,
    told: Mutex<Option<Instant>>,
}

impl<E> Reported<E> {
    const fn new(exporter: E) -> Self {
        Self { exporter, told: Mutex::new(None) }
    }

    fn is_to_be_told(&self, now: Instant) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_some_and(|told| now < told + REMIND) {
            return false;
        }
        *told = Some(now);
        true
    }
}

impl<E: SpanExporter> SpanExporter for Reported<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.exporter.export(batch).await;
        if let Err(error) = &sent
            && self.is_to_be_told(Instant::now())
        {
            tracing::warn!(
                %error,
                "cannot send traces to the collector of OTEL_EXPORTER_OTLP_ENDPOINT; check its address, the headers, and what the NetworkPolicy allows"
            );
        }
        sent
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::Sampler;
    use std::io;
    use std::sync::{Arc, OnceLock};
    use tracing::Dispatch;
    use tracing::subscriber::{NoSubscriber, with_default};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::{Registry, fmt};

    /// Spans as they would be sent.
    #[derive(Clone, Debug, Default)]
    pub struct Sent(Arc<Mutex<Vec<SpanData>>>);

    impl SpanExporter for Sent {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.0.lock().unwrap().extend(batch);
            Ok(())
        }
    }

    impl Sent {
        /// What turns spans into these, as in the product.
        pub fn traces(&self, sampler: Sampler) -> Traces {
            // Of a single subscriber, tracing takes the one of the thread that meets a span first for that of all threads.
            static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
            ANOTHER.get_or_init(|| Dispatch::new(NoSubscriber::new()));
            let builder = SdkTracerProvider::builder().with_simple_exporter(self.clone());
            Traces(Some(builder.with_sampler(sampler).build()))
        }

        /// Each span with the name of the one above it, in the order in which they ended.
        pub fn names(&self) -> Vec<(String, String)> {
            let spans = self.0.lock().unwrap();
            let name_of = |id| spans.iter().find(|span| span.span_context.span_id() == id);
            let above = |span: &SpanData| name_of(span.parent_span_id).map(|above| above.name.to_string());
            spans.iter().map(|span| (above(span).unwrap_or_default(), span.name.to_string())).collect()
        }

        /// An attribute of the last span of this name.
        pub fn attribute(&self, span: &str, name: &str) -> Option<String> {
            let spans = self.0.lock().unwrap();
            let span = spans.iter().rfind(|known| known.name == span)?;
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
            Some(found.value.to_string())
        }

        /// How the last span of this name ended.
        pub fn failed(&self, span: &str) -> bool {
            let spans = self.0.lock().unwrap();
            let span = spans.iter().rfind(|known| known.name == span).unwrap();
            matches!(span.status, opentelemetry::trace::Status::Error { .. })
        }
    }

    #[test]
    fn the_environment_says_whether_and_how_traces_are_sent() {
        let (endpoint, grpc) = (("ENDPOINT", "http://c:4317"), ("PROTOCOL", "grpc"));
        let plain = Some(Protocol::Grpc { tls: false });
        for (variables, expected) in [
            (&[][..], Ok(None)),
            (&[("ENDPOINT", "")], Ok(None)),
            (&[grpc], Ok(None)),
            (&[endpoint], Ok(Some(Protocol::HttpProtobuf))),
            (&[endpoint, ("PROTOCOL", "http/protobuf")], Ok(Some(Protocol::HttpProtobuf))),
            (&[endpoint, grpc], Ok(plain)),
            (&[("TRACES_ENDPOINT", "https://c"), grpc], Ok(Some(Protocol::Grpc { tls: true }))),
            (&[endpoint, grpc, ("TRACES_PROTOCOL", "http/protobuf")], Ok(Some(Protocol::HttpProtobuf))),
            (&[endpoint, ("OTEL_SDK_DISABLED", "True")], Ok(None)),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], Ok(None)),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], Ok(Some(Protocol::HttpProtobuf))),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "zipkin")], Err(())),
            (&[endpoint, ("PROTOCOL", "http/json")], Err(())),
        ] {
            let variable = |name: &str| {
                let known =
                    |(key, _): &&(&str, &str)| *key == name || format!("OTEL_EXPORTER_OTLP_{key}") == name;
                variables.iter().find(known).map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(wanted(variable).map_err(drop), expected, "{variables:?}");
        }
    }

    #[test]
    fn spans_of_this_crate_are_traced_and_log_lines_and_other_spans_are_not() {
        let sent = Sent::default();
        let traces = sent.traces(Sampler::AlwaysOn);
        with_default(Registry::default().with(traces.layer()), || {
            let _root = tracing::info_span!("root").entered();
            tracing::warn!(user = "ann", "a line");
            let _other = tracing::info_span!(target: "another_crate", "other").entered();
            drop(tracing::info_span!("child", "error.type" = "a"));
        });
        let pair = |above: &str, name: &str| (above.to_owned(), name.to_owned());
        assert_eq!(sent.names(), [pair("root", "child"), pair("", "root")]);
        assert_eq!(sent.attribute("child", "error.type").as_deref(), Some("a"));
        assert!(sent.0.lock().unwrap().iter().all(|span| span.events.is_empty()));
    }

    /// What is logged in a span.
    fn line(traces: &Traces) -> String {
        #[derive(Clone, Default)]
        struct Written(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Written {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().extend(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let written = Written::default();
        let writer = written.clone();
        let log = fmt::layer().without_time().with_ansi(false).with_writer(move || writer.clone());
        let log = log.with_filter(crate::telemetry::log::shown("trace".parse().unwrap()));
        with_default(Registry::default().with(log).with(traces.layer()), || {
            let _root = tracing::info_span!("root", a = 1).entered();
            let trace_id = id().map(tracing::field::display);
            tracing::info!(target: "t", trace_id, "a line");
        });
        String::from_utf8(written.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_log_line_says_its_trace_where_that_is_sent_and_nothing_else_of_spans() {
        let sent = Sent::default();
        assert_eq!(line(&Traces::default()), " INFO t: a line\n");
        assert_eq!(line(&sent.traces(Sampler::AlwaysOff)), " INFO t: a line\n");
        let traced = line(&sent.traces(Sampler::AlwaysOn));
        let trace = sent.0.lock().unwrap()[0].span_context.trace_id();
        assert_eq!(traced, format!(" INFO t: a line trace_id={trace}\n"));
    }

    #[derive(Debug)]
    struct Unreachable;

    impl SpanExporter for Unreachable {
        async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
            Err(OTelSdkError::InternalFailure("no".to_owned()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_collector_that_cannot_be_reached_is_told_of_once_in_a_while() {
        let exporter = Reported::new(Unreachable);
        let mut told = Vec::new();
        for minutes in [0, 1, 8, 1, 1] {
            tokio::time::advance(Duration::from_mins(minutes)).await;
            assert!(exporter.export(Vec::new()).await.is_err());
            told.push(exporter.told.lock().unwrap().unwrap().elapsed().is_zero());
        }
        assert_eq!(told, [true, false, false, true, false]);
    }
}
