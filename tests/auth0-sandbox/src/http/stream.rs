//! An open stream of events, as Server-Sent Events.

use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Interval, interval_at, sleep};

use super::bearer::is_current;
use super::events::Subscription;
use crate::events::Next;
use crate::state::Shared;

/// What a stream does now.
enum Step {
    Send(String),
    /// The last words, and the end.
    End(String),
    Wait(Option<Instant>),
}

/// Starts a stream; what it delivers ends when it does, and it ends when its client is gone.
pub(super) fn start(shared: Shared, stream: Subscription) -> mpsc::Receiver<Bytes> {
    let (out, delivered) = mpsc::channel(16);
    tokio::spawn(run(shared, stream, out));
    delivered
}

async fn run(shared: Shared, mut stream: Subscription, out: mpsc::Sender<Bytes>) {
    let (rules, mut news) = {
        let state = shared.lock();
        (state.rules.events.clone(), state.events.listen())
    };
    let mut beats = rules.heartbeat_millis.map(|millis| beat(Duration::from_millis(millis.max(1))));
    let end = until(rules.close_after_millis.map(|millis| Instant::now() + Duration::from_millis(millis)));
    tokio::pin!(end);
    let mut text = format!(":connected\n\nretry: {}\n\n", rules.retry_millis);
    loop {
        if !text.is_empty() && out.send(Bytes::from(std::mem::take(&mut text))).await.is_err() {
            return;
        }
        let wake = match step(&shared, &mut stream) {
            Step::Send(message) => {
                text = message;
                continue;
            }
            Step::End(message) => {
                let _ = out.send(Bytes::from(message)).await;
                return;
            }
            Step::Wait(wake) => wake,
        };
        tokio::select! {
            _ = news.changed() => {}
            () = until(wake) => {}
            () = next_beat(&mut beats) => text = heartbeat(&shared, &stream),
            () = &mut end => return,
            () = out.closed() => return,
        }
    }
}

fn step(shared: &Shared, stream: &mut Subscription) -> Step {
    let mut state = shared.lock();
    let (endings, error) = state.events.ending();
    if endings != stream.endings {
        return Step::End(error.map(|error| message("error", None, error)).unwrap_or_default());
    }
    if !is_current(&state, &stream.authorization) {
        return Step::End(String::new());
    }
    loop {
        match state.events.next(&mut stream.position) {
            Next::Event(event) if stream.wants(&event.kind) => {
                let offset = state.events.offset(stream.position);
                let data = json!({ "offset": offset, "event": event.body });
                return Step::Send(message(&event.kind, Some(&offset), &data));
            }
            Next::Event(_) => {}
            Next::Wait(until) => return Step::Wait(until),
            Next::Expired => {
                let text = "Cursor points to data no longer available in the stream.";
                return Step::End(message("error", None, &error_data("cursor_expired", text)));
            }
        }
    }
}

/// The data of an `error` message.
pub(crate) fn error_data(code: &str, text: &str) -> Value {
    json!({ "error": { "code": code, "message": text } })
}

fn message(kind: &str, offset: Option<&str>, data: &Value) -> String {
    let id = offset.map(|offset| format!("id: {offset}\n")).unwrap_or_default();
    format!("event: {kind}\n{id}data: {data}\n\n")
}

fn heartbeat(shared: &Shared, stream: &Subscription) -> String {
    let offset = shared.lock().events.offset(stream.position);
    message("offset-only", Some(&offset), &json!({ "offset": offset })) + ": heartbeat\n\n"
}

fn beat(every: Duration) -> Interval {
    interval_at(tokio::time::Instant::now() + every, every)
}

async fn next_beat(beats: &mut Option<Interval>) {
    match beats {
        Some(beats) => {
            beats.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep(moment.saturating_duration_since(Instant::now())).await,
        None => std::future::pending().await,
    }
}
