//! One exchange: record the request, strike with faults, answer, record the answer.

use std::time::Duration;

use hyper::Response;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::message::{Answer, Payload, Received};
use super::{admin, router, stream};
use crate::clock::{http_date, signed};
use crate::faults::{FaultKind, Hits, strike};
use crate::log::Exchange;
use crate::model::Refusal;
use crate::state::{Shared, State};

/// What goes out instead of a plain answer.
enum Spoilt {
    No,
    Garbage,
    WrongContentType,
    Truncated { breaks: bool },
    Oversized,
    Raw(String),
}

/// The response, or `None` where the connection is to be cut. `is_gone` says whether the client gave up.
pub(super) async fn exchange(
    shared: &Shared,
    received: Received,
    is_gone: impl Fn() -> bool,
) -> Option<Response<Payload>> {
    if received.path.starts_with(admin::PREFIX) {
        let answer = admin::answer(&mut shared.lock(), &received);
        return Some(sent(&answer, &Spoilt::No, &http_date(signed(shared.lock().clock.seconds()))));
    }
    let (sequence, hits, released) = arrive(&mut shared.lock(), &received);
    wait(&hits, false, &released).await;
    let was_cleared = released.has_changed().unwrap_or(false) && !*released.borrow();
    if was_cleared && is_gone() {
        return None;
    }
    let (outcome, spoilt, date) = decide(&mut shared.lock(), &received, &hits, sequence, is_gone());
    wait(&hits, true, &released).await;
    let mut answer = outcome?;
    match (answer.stream.take(), &spoilt) {
        (Some(events), Spoilt::No) => {
            let payload = Payload::streamed(stream::start(shared.clone(), *events));
            Some(with_head(&answer, &date, answer.content_type, payload))
        }
        _ => Some(sent(&answer, &spoilt, &date)),
    }
}

/// Records and strikes; the last is how it hears that the delays were ended since.
fn arrive(state: &mut State, received: &Received) -> (u64, Hits, watch::Receiver<bool>) {
    state.sequence += 1;
    let body = received.body();
    let bytes = received.bytes.as_ref().filter(|bytes| !bytes.is_empty());
    let hits = strike(&mut state.faults, &received.method, &received.path, body.as_ref());
    state.log.push(Exchange {
        sequence: state.sequence,
        method: received.method.clone(),
        path: received.path.clone(),
        headers: received.headers.clone(),
        body,
        text: bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        status: None,
        answer: None,
        took_effect: false,
    });
    (state.sequence, hits, state.released.subscribe())
}

async fn wait(hits: &Hits, after: bool, released: &watch::Receiver<bool>) {
    for kind in &hits.added {
        if let FaultKind::Delay { millis, after_effect } = kind
            && *after_effect == after
        {
            // A clone has seen as little as its original, so one release ends every wait.
            let _ = timeout(Duration::from_millis(*millis), released.clone().changed()).await;
        }
    }
}

/// Answers and records; the date is that of the stand-in's clock, or of the wrong one that a fault asks for.
fn decide(
    state: &mut State,
    received: &Received,
    hits: &Hits,
    sequence: u64,
    gone: bool,
) -> (Option<Answer>, Spoilt, String) {
    let (mut outcome, spoilt, effect) = outcome(state, received, hits);
    let now = signed(state.clock.seconds());
    let mut date = http_date(now);
    for kind in &hits.added {
        match (kind, &mut outcome) {
            (FaultKind::WrongClock { seconds }, Some(answer)) => {
                date = http_date(now + seconds);
                skew(answer, *seconds);
            }
            (FaultKind::NoRateHeaders, Some(answer)) => {
                answer.headers.retain(|(name, _)| !name.starts_with("x-ratelimit-"));
            }
            _ => {}
        }
    }
    // The log may have been cleared since the request arrived.
    if let Some(entry) = state.log.iter_mut().rev().find(|entry| entry.sequence == sequence) {
        let heard = outcome.as_ref().filter(|_| !gone);
        entry.status = heard.map(|answer| answer.status);
        entry.answer = heard.and_then(|answer| answer.body.clone());
        entry.took_effect = effect;
    }
    (outcome, spoilt, date)
}

fn outcome(state: &mut State, received: &Received, hits: &Hits) -> (Option<Answer>, Spoilt, bool) {
    let now = signed(state.clock.seconds());
    let mut truly = || {
        let answer = router::answer(state, received);
        let effect = answer.effect;
        (answer, effect)
    };
    let spoil = |(answer, effect): (Answer, bool), how: Spoilt| (Some(answer), how, effect);
    match &hits.decisive {
        None => spoil(truly(), Spoilt::No),
        Some(FaultKind::Garbage) => spoil(truly(), Spoilt::Garbage),
        Some(FaultKind::WrongContentType) => spoil(truly(), Spoilt::WrongContentType),
        Some(FaultKind::Truncated) => spoil(truly(), Spoilt::Truncated { breaks: !received.over_http2 }),
        Some(FaultKind::Oversized) => spoil(truly(), Spoilt::Oversized),
        Some(FaultKind::Cut { after_effect }) => (None, Spoilt::No, *after_effect && truly().1),
        Some(FaultKind::Status { status, body, headers, after_effect }) => {
            let answer = false_answer(*status, body.clone(), headers);
            (Some(answer), Spoilt::No, *after_effect && truly().1)
        }
        Some(FaultKind::Raw { status, body, headers, after_effect }) => {
            let parsed = serde_json::from_str(body).ok();
            let answer =
                Answer { body: parsed, headers: headers.clone(), ..Answer::json(*status, Value::Null) };
            (Some(answer), Spoilt::Raw(body.clone()), *after_effect && truly().1)
        }
        Some(FaultKind::RateLimited { reset_in }) => {
            (Some(limited(reset_in.map(|seconds| now + seconds))), Spoilt::No, false)
        }
        Some(FaultKind::BareNotFound) => (Some(Answer::no_such_endpoint()), Spoilt::No, false),
        Some(FaultKind::Redirect { location }) => {
            let answer = false_answer(302, None, &[("location".to_owned(), location.clone())]);
            (Some(answer), Spoilt::No, false)
        }
        Some(FaultKind::Delay { .. } | FaultKind::WrongClock { .. } | FaultKind::NoRateHeaders) => {
            spoil(truly(), Spoilt::No)
        }
    }
}

fn false_answer(status: u16, body: Option<Value>, headers: &[(String, String)]) -> Answer {
    let content_type = if body.is_some() { "application/json; charset=utf-8" } else { "text/html" };
    Answer { content_type, body, headers: headers.to_vec(), ..Answer::json(status, Value::Null) }
}

fn limited(reset: Option<i64>) -> Answer {
    let refusal = Refusal::new(429, "Global limit has been reached").code("too_many_requests");
    match reset {
        None => refusal.into(),
        Some(reset) => Answer::from(refusal)
            .header("x-ratelimit-limit", 10)
            .header("x-ratelimit-remaining", 0)
            .header("x-ratelimit-reset", reset),
    }
}

fn skew(answer: &mut Answer, seconds: i64) {
    for (name, value) in &mut answer.headers {
        if name == "x-ratelimit-reset"
            && let Ok(reset) = value.parse::<i64>()
        {
            *value = (reset + seconds).to_string();
        }
    }
}

fn sent(answer: &Answer, spoilt: &Spoilt, date: &str) -> Response<Payload> {
    let html = || b"<html><body>A proxy's page</body></html>".to_vec();
    let plain = answer.body.as_ref().map_or_else(html, |body| body.to_string().into_bytes());
    let plain = if matches!(answer.status, 204 | 304) { Vec::new() } else { plain };
    let length = plain.len();
    let content_type =
        if matches!(spoilt, Spoilt::WrongContentType) { "text/html" } else { answer.content_type };
    let payload = match spoilt {
        Spoilt::No | Spoilt::WrongContentType => Payload::whole(plain),
        Spoilt::Raw(text) => Payload::whole(text.clone().into_bytes()),
        Spoilt::Garbage => Payload::whole(b"{\"user_id\": <html>".to_vec()),
        Spoilt::Truncated { breaks } => Payload::truncated(plain, *breaks),
        Spoilt::Oversized => {
            Payload::whole(json!({ "padding": "x".repeat(5 << 20) }).to_string().into_bytes())
        }
    };
    let mut response = with_head(answer, date, content_type, payload);
    if matches!(spoilt, Spoilt::Truncated { .. }) {
        response.headers_mut().insert("content-length", length.into());
    }
    response
}

fn with_head(answer: &Answer, date: &str, content_type: &str, payload: Payload) -> Response<Payload> {
    let mut builder = Response::builder().status(answer.status).header("date", date);
    if !answer.headers.iter().any(|(name, _)| name == "content-type") {
        builder = builder.header("content-type", content_type);
    }
    for (name, value) in &answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(payload).unwrap_or_else(|_| Response::new(Payload::whole(Vec::new())))
}
