//! The stream of events: how many there are, how they end, and what they cost.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use auth0_sandbox::{Fault, FaultKind, Plan, StreamRefusal};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use support::stream::{EVENTS, Stream, encoded, listening, put, put_all, refused, until};
use support::{Lab, read};

const ANN: &str = "auth0|ann";

#[tokio::test]
async fn a_stream_that_falls_behind_what_is_retained_ends_with_an_error() {
    let lab = listening(|rules| {
        rules.retained = 1;
        rules.delay_millis = 3_600_000;
    })
    .await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    put_all(&lab, &["a|1", "a|2"]);
    let (kind, id, data) = stream.message().await.unwrap();
    assert_eq!((kind.as_str(), id.as_str(), &data["error"]["code"]), ("error", "", &json!("cursor_expired")));
    assert_eq!(stream.message().await, None);
}

#[tokio::test]
async fn streams_are_counted_by_plan() {
    for (plan, most) in [(Plan::Free, 1), (Plan::Essentials, 4), (Plan::Enterprise, 8)] {
        let lab = listening(|_| {}).await;
        lab.sandbox.set_plan(plan);
        lab.sandbox.freeze_clock();
        let mut streams = Vec::new();
        for _ in 0..most {
            streams.push(Stream::open(&lab, EVENTS).await);
        }
        assert_eq!(lab.sandbox.open_streams(), most, "{plan:?}");
        let (status, answer) = refused(&lab, EVENTS).await;
        assert_eq!((status, answer.get("errorCode")), (403, None), "{plan:?}: {answer}");
        let text = "Maximum concurrent event stream connections reached. Please close existing connections.";
        assert_eq!(answer["message"], json!(text));
        drop(streams.pop());
        until(|| lab.sandbox.open_streams() < most).await;
        lab.sandbox.advance_clock(Duration::from_mins(1));
        Stream::open(&lab, EVENTS).await;
    }
}

#[tokio::test]
async fn one_stream_too_many_may_be_a_429() {
    let lab = listening(|rules| {
        rules.connections = Some(0);
        rules.too_many = StreamRefusal::TooManyRequests { retry_after: 7 };
    })
    .await;
    let refused = lab.request(Method::GET, EVENTS).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "7"));
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let lab = listening(|_| {}).await;
    let ca = reqwest::Certificate::from_pem(lab.sandbox.ca_pem().as_bytes()).unwrap();
    let http1 = Client::builder().tls_certs_only([ca]).http1_only().build().unwrap();
    for http in [&lab.http, &http1] {
        let response = http.get(lab.url(EVENTS)).bearer_auth(&lab.token).send().await.unwrap();
        let mut stream = Stream::with(response).await;
        assert_eq!(lab.sandbox.open_streams(), 1);
        put(&lab, "a|1");
        stream.event().await;
        drop(stream);
        until(|| lab.sandbox.open_streams() == 0).await;
    }
}

#[tokio::test]
async fn streams_end_after_a_time_on_demand_and_with_their_token() {
    let lab = listening(|rules| rules.close_after_millis = Some(50)).await;
    assert_eq!(Stream::open(&lab, EVENTS).await.message().await, None, "after a time");
    lab.sandbox.change_rules(|rules| rules.events.close_after_millis = None);
    let mut streams = [Stream::open(&lab, EVENTS).await, Stream::open(&lab, EVENTS).await];
    lab.sandbox.close_streams();
    for stream in &mut streams {
        assert_eq!(stream.message().await, None, "on demand");
    }
    until(|| lab.sandbox.open_streams() == 0).await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    lab.sandbox.fail_streams("processing_error", "Try again.");
    let error = json!({ "error": { "code": "processing_error", "message": "Try again." } });
    assert_eq!(stream.message().await, Some(("error".into(), String::new(), error)));
    assert_eq!(stream.message().await, None);
    for expire in [
        |lab: &Lab| lab.sandbox.expire_tokens(),
        |lab: &Lab| {
            lab.sandbox.advance_clock(Duration::from_secs(100_000));
        },
    ] {
        let mut lab = listening(|_| {}).await;
        let mut stream = Stream::open(&lab, EVENTS).await;
        expire(&lab);
        assert_eq!(stream.message().await, None, "with its token");
        assert_eq!(refused(&lab, EVENTS).await.0, 401);
        lab.token = lab.token_of("watcher", "watcher-secret").await;
        Stream::open(&lab, EVENTS).await;
    }
}

#[tokio::test]
async fn an_open_stream_is_one_request_and_holds_up_nothing() {
    let lab = listening(|rules| rules.heartbeat_millis = Some(10)).await;
    lab.sandbox.freeze_clock();
    lab.sandbox.set_plan(Plan::Custom { burst: 3, per_second: 0 });
    let path = format!("{EVENTS}?event_type=user.updated");
    let mut stream = Stream::open(&lab, &path).await;
    assert_eq!(stream.response.headers()["x-ratelimit-remaining"], "2");
    lab.patched(ANN, &json!({ "nickname": "N" })).await;
    while stream.message().await.unwrap().0 != "user.updated" {
        assert_eq!(stream.block().await.as_deref(), Some(": heartbeat"));
    }
    assert_eq!(lab.get("/api/v2/connections").await.0, 403, "the third request, without the scope");
    let refused = lab.request(Method::GET, EVENTS).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after") && lab.sandbox.open_streams() == 1);
    let log = lab.sandbox.log();
    let asked: Vec<(&str, Option<u16>)> =
        log.iter().map(|entry| (entry.path.as_str(), entry.status)).collect();
    assert_eq!((asked[0], asked.len()), ((path.as_str(), Some(200)), 4));
    let begun = Instant::now();
    lab.sandbox.stop();
    assert!(begun.elapsed() < Duration::from_secs(5));
    while let Ok(Some(_)) = stream.response.chunk().await {}
}

#[tokio::test]
async fn faults_hit_the_opening_of_a_stream() {
    let lab = listening(|_| {}).await;
    let status = FaultKind::Status { status: 503, body: None, headers: vec![], after_effect: false };
    lab.sandbox.fault(Fault::new(status).path(EVENTS).times(1));
    lab.sandbox.fault(Fault::new(FaultKind::Cut { after_effect: true }).path(EVENTS).times(1));
    lab.sandbox.fault(Fault::new(FaultKind::WrongContentType).path(EVENTS).times(1));
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let body = "event: user.updated\ndata: {\n\n".to_owned();
    let raw = FaultKind::Raw { status: 200, body: body.clone(), headers, after_effect: false };
    lab.sandbox.fault(Fault::new(raw).path(EVENTS).times(1));
    assert_eq!(refused(&lab, EVENTS).await.0, 503);
    assert!(lab.request(Method::GET, EVENTS).send().await.is_err());
    let page = lab.request(Method::GET, EVENTS).send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()),
        (200, "text/html")
    );
    assert_eq!(lab.get(EVENTS).await, (200, Value::String(body)));
    until(|| lab.sandbox.open_streams() == 0).await;
    Stream::open(&lab, EVENTS).await;
}

#[tokio::test]
async fn another_process_drives_streams_through_the_admin_side() {
    let lab = listening(|_| {}).await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    let admin = async |method: &str, path: &str, body: &Value| {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = lab.http.request(method, lab.url(&format!("/__sandbox/{path}"))).json(body);
        read(request.bearer_auth(lab.sandbox.admin_token()).send().await.unwrap()).await
    };
    admin("PUT", "users", &json!({ "profile": { "user_id": "auth0|new" } })).await;
    admin("DELETE", "users/auth0%7Cnew", &Value::Null).await;
    admin("POST", "events", &json!({ "type": "user.updated", "object": { "user_id": "a|1" } })).await;
    for kind in ["user.created", "user.deleted", "user.updated"] {
        assert_eq!(stream.event().await.0, kind);
    }
    let (_, offset) = admin("GET", "events/offset", &Value::Null).await;
    admin("DELETE", "events/offsets", &Value::Null).await;
    assert_eq!(refused(&lab, &format!("{EVENTS}?from={}", encoded(offset.as_str().unwrap()))).await.0, 410);
    assert_eq!(admin("GET", "events/streams", &Value::Null).await, (200, json!(1)));
    admin("POST", "events/error", &json!({ "code": "timeout", "message": "Late." })).await;
    assert_eq!(stream.message().await.unwrap().2["error"]["code"], json!("timeout"));
    let mut stream = Stream::open(&lab, EVENTS).await;
    assert_eq!(admin("DELETE", "events/streams", &Value::Null).await.0, 200);
    assert_eq!(stream.message().await, None);
    assert_eq!(admin("GET", "events", &Value::Null).await.0, 404);
    let rules =
        json!({ "events": { "too_many": { "too_many_requests": { "retry_after": 1 } }, "connections": 0 } });
    assert_eq!(admin("PUT", "rules", &rules).await.0, 200);
    assert_eq!(refused(&lab, EVENTS).await.0, 429);
}
