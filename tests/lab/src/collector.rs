use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http_body_util::{BodyExt as _, Full};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
pub use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::Result;

/// In front of a gRPC message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// One request: its headers and its message.
type Export = (HeaderMap, Bytes);
type Exports = Arc<Mutex<Vec<Export>>>;

/// A collector of OpenTelemetry on this machine: keeps the traces that it receives over HTTP and gRPC. It ends with the
/// value.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    exports: Exports,
    serving: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Collector {
    /// Begins to listen.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, exports) = (listener.local_addr()?, Exports::default());
        let routes = Router::new()
            .route("/v1/traces", post(http))
            .route("/opentelemetry.proto.collector.trace.v1.TraceService/Export", post(grpc))
            .with_state(Arc::clone(&exports));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { address, exports, serving })
    }

    /// For `OTEL_EXPORTER_OTLP_ENDPOINT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The messages as they came.
    #[must_use]
    pub fn messages(&self) -> Vec<Bytes> {
        self.exports().into_iter().map(|(_, message)| message).collect()
    }

    /// What came in a header of the requests.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let exports = self.exports();
        let values = exports.iter().filter_map(|(headers, _)| headers.get(name)?.to_str().ok());
        values.map(str::to_owned).collect()
    }

    /// The attributes of what sent the traces.
    #[must_use]
    pub fn resource(&self) -> Vec<(String, String)> {
        let requests = self.requests();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.last().and_then(|spans| spans.resource.as_ref()).map_or_else(Vec::new, |resource| {
            resource.attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
        })
    }

    /// The spans received so far, in the order in which they began.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        let resources = self.requests().into_iter().flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|spans| spans.scope_spans);
        let mut spans: Vec<Span> = scopes.flat_map(|spans| spans.spans).collect();
        spans.sort_by_key(|span| (span.start_time_unix_nano, u64::MAX - span.end_time_unix_nano));
        spans
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let messages = self.messages();
        messages.into_iter().filter_map(|message| ExportTraceServiceRequest::decode(message).ok()).collect()
    }
}

/// An attribute of a span as text; empty where it has none.
#[must_use]
pub fn attribute(span: &Span, name: &str) -> String {
    span.attributes.iter().find(|attribute| attribute.key == name).map(text).unwrap_or_default()
}

/// A span and what is below it, a line each, without times.
#[must_use]
pub fn tree(spans: &[Span], root: &Span) -> String {
    let mut lines = String::new();
    write_tree(spans, root, 0, &mut lines);
    lines
}

fn write_tree(spans: &[Span], span: &Span, depth: usize, lines: &mut String) {
    let micros = span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano) / 1_000;
    let millis = format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100);
    let mut attributes: Vec<String> =
        span.attributes.iter().map(|attribute| format!("{}={}", attribute.key, text(attribute))).collect();
    attributes.sort_unstable();
    // A string takes every write.
    let _ =
        writeln!(lines, "{:depth$}{} ({millis}) {}", "", span.name, attributes.join(" "), depth = 2 * depth);
    for child in spans.iter().filter(|child| child.parent_span_id == span.span_id) {
        write_tree(spans, child, depth + 1, lines);
    }
}

fn text(attribute: &KeyValue) -> String {
    let Some(AnyValue { value: Some(value) }) = &attribute.value else { return String::new() };
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => value.to_string(),
        Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_) => {
            format!("{value:?}")
        }
    }
}

async fn http(State(exports): State<Exports>, headers: HeaderMap, message: Bytes) -> impl IntoResponse {
    keep(&exports, headers, message);
    [(CONTENT_TYPE, "application/x-protobuf")]
}

/// Answers with an empty message, as one that is content does.
async fn grpc(State(exports): State<Exports>, headers: HeaderMap, framed: Bytes) -> Response {
    keep(&exports, headers, framed.slice(PREFIX.min(framed.len())..));
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from_static(&[0; PREFIX]))
        .with_trailers(async move { Some(Ok::<_, Infallible>(trailers)) });
    ([(CONTENT_TYPE, "application/grpc")], Body::new(body)).into_response()
}

fn keep(exports: &Exports, headers: HeaderMap, message: Bytes) {
    exports.lock().unwrap_or_else(PoisonError::into_inner).push((headers, message));
}
