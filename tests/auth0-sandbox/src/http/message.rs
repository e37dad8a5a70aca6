//! Requests as they are judged, answers as they are composed, and bodies as they are sent.

use std::fmt::Display;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::events::Subscription;
use crate::model::Refusal;

/// A request, read completely.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Raw path with query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) over_http2: bool,
    /// `None`: larger than the limit.
    pub(crate) bytes: Option<Bytes>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The decoded segments of the path; a segment may hold any character, `/` included.
    pub(crate) fn segments(&self) -> Vec<String> {
        let path = self.path.split('?').next().unwrap_or_default();
        let decode = |part: &str| percent_decode_str(part).decode_utf8_lossy().into_owned();
        path.trim_start_matches('/').split('/').map(decode).collect()
    }

    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    pub(crate) fn is_form(&self) -> bool {
        self.content_type() == "application/x-www-form-urlencoded"
    }

    pub(crate) fn content_type(&self) -> &str {
        let header = self.header("content-type").unwrap_or_default();
        header.split(';').next().unwrap_or_default().trim()
    }

    /// The body as JSON, a form as an object of strings.
    pub(crate) fn body(&self) -> Option<Value> {
        let bytes = self.bytes.as_ref().filter(|bytes| !bytes.is_empty())?;
        if self.is_form() {
            let pairs = form_urlencoded::parse(bytes).into_owned();
            return Some(Value::Object(pairs.map(|(key, value)| (key, json!(value))).collect::<Map<_, _>>()));
        }
        serde_json::from_slice(bytes).ok()
    }
}

/// An answer before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Option<Value>,
    /// Whether a change of state took effect.
    pub(crate) effect: bool,
    /// What follows instead of a body.
    pub(crate) stream: Option<Box<Subscription>>,
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content_type: "application/json; charset=utf-8",
            body: Some(body),
            effect: false,
            stream: None,
        }
    }

    pub(crate) fn stream(stream: Subscription) -> Self {
        let content_type = "text/event-stream";
        Self { content_type, body: None, stream: Some(Box::new(stream)), ..Self::json(200, Value::Null) }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<HeaderText>) -> Self {
        self.headers.push((name.to_owned(), value.into().0));
        self
    }

    /// What Auth0 answers where it has no endpoint.
    pub(crate) fn no_such_endpoint() -> Self {
        Refusal::new(404, "Not Found").into()
    }
}

/// The text of a header's value.
pub(crate) struct HeaderText(String);

impl<T: Display> From<T> for HeaderText {
    fn from(value: T) -> Self {
        Self(value.to_string())
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::json(refusal.status, refusal.body())
    }
}

/// A body that may end before its announced length, or last until its stream ends.
pub(crate) struct Payload {
    stream: Option<mpsc::Receiver<Bytes>>,
    bytes: Option<Bytes>,
    breaks: bool,
    paused: bool,
    /// The length is announced by a header of its own.
    announced: bool,
}

impl Payload {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        let bytes = Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty());
        Self { stream: None, bytes, breaks: false, paused: false, announced: false }
    }

    pub(crate) fn streamed(stream: mpsc::Receiver<Bytes>) -> Self {
        Self { stream: Some(stream), ..Self::whole(Vec::new()) }
    }

    /// The first half. Over HTTP/1 the connection then breaks; over HTTP/2 the stream just ends, because a
    /// reset would overtake the half that was sent.
    pub(crate) fn truncated(mut bytes: Vec<u8>, breaks: bool) -> Self {
        bytes.truncate(bytes.len() / 2);
        Self { breaks, announced: true, ..Self::whole(bytes) }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(stream) = &mut self.stream {
            return stream.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))));
        }
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.breaks && !std::mem::replace(&mut self.paused, true) {
            // The half is written out while the body pauses; an error right away would swallow it.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let broken = std::mem::take(&mut self.breaks);
        Poll::Ready(broken.then(|| Err(io::Error::other("cut on demand"))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.breaks && self.stream.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len) as u64;
        let is_open = self.announced || self.stream.is_some();
        if is_open { SizeHint::default() } else { SizeHint::with_exact(length) }
    }
}
