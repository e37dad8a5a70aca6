//! The stream of events: what it tells, and from where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use auth0_sandbox::IssuedToken;
use reqwest::Method;
use serde_json::{Value, json};
use support::stream::{EVENTS, Stream, encoded, listening, put, put_all, refused};
use support::{Lab, read};

const ANN: &str = "auth0|ann";
const BOB: &str = "auth0|bob";

async fn refusal(lab: &Lab, path: &str) -> (u16, Value, Value) {
    let (status, answer) = refused(lab, path).await;
    (status, answer["errorCode"].clone(), answer["message"].clone())
}

#[tokio::test]
async fn a_change_through_the_api_is_told_as_documented() {
    let lab = listening(|_| {}).await;
    let response =
        lab.request(Method::GET, EVENTS).header("accept", "text/event-stream").send().await.unwrap();
    let mut stream = Stream::raw(response);
    assert_eq!(stream.block().await.as_deref(), Some(":connected"));
    assert_eq!(stream.block().await.as_deref(), Some("retry: 2000"));
    lab.sandbox.freeze_clock();
    let user = lab.patched(ANN, &json!({ "nickname": "echo" })).await;
    let block = stream.block().await.unwrap();
    let lines: Vec<&str> = block.lines().collect();
    let offset = lab.sandbox.offset();
    assert_eq!(lines[..2], ["event: user.updated".to_owned(), format!("id: {offset}")]);
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
    let event = &data["event"];
    assert_eq!((lines.len(), &data["offset"]), (3, &json!(offset)));
    assert_eq!(
        (&event["specversion"], &event["type"], &event["source"]),
        (&json!("1.0"), &json!("user.updated"), &json!(format!("urn:auth0:{}", lab.sandbox.domain())))
    );
    assert!(event["id"].as_str().unwrap().starts_with("evt_") && event["id"].as_str().unwrap().len() == 26);
    assert!(event["time"].as_str().unwrap() <= user["updated_at"].as_str().unwrap());
    assert_eq!(event["data"]["object"], user);
}

#[tokio::test]
async fn every_change_of_a_user_is_told_and_nothing_else() {
    let lab = listening(|_| {}).await;
    lab.sandbox.freeze_clock();
    let mut stream = Stream::open(&lab, EVENTS).await;
    lab.patch(ANN, &json!({ "nickname": 1 })).await;
    lab.sandbox.set_password(ANN, "People", "Secret-Ann-9");
    lab.sandbox.change_rules(|rules| rules.equal_patch_moves_updated_at = false);
    let name = lab.sandbox.user(ANN).unwrap()["name"].clone();
    lab.patched(ANN, &json!({ "name": name })).await;
    put(&lab, "auth0|new");
    put(&lab, "auth0|new");
    lab.sandbox.change_user(BOB, |user| user.insert("blocked".into(), json!(true)));
    lab.sandbox.login(BOB);
    assert!(lab.sandbox.remove_user(BOB) && !lab.sandbox.remove_user(BOB));
    for (kind, user) in [
        ("user.created", "auth0|new"),
        ("user.updated", "auth0|new"),
        ("user.updated", BOB),
        ("user.updated", BOB),
    ] {
        assert_eq!(stream.event().await, (kind.to_owned(), user.to_owned()));
    }
    let (kind, _, data) = stream.message().await.unwrap();
    let object = &data["event"]["data"]["object"];
    assert_eq!(
        (kind.as_str(), &object["user_id"], &object["blocked"]),
        ("user.deleted", &json!(BOB), &json!(true))
    );
    assert_eq!(object["deleted_at"], data["event"]["time"]);
    lab.sandbox.change_user("google-oauth2|1001", |user| user.insert("nickname".into(), json!("G")));
    let (_, _, data) = stream.message().await.unwrap();
    assert!(data["event"]["data"]["object"]["identities"][0].get("access_token").is_none());
    lab.sandbox.change_rules(|rules| rules.events.omitted = vec!["identities".into()]);
    lab.sandbox.publish("user.updated", json!({ "user_id": "x", "identities": [] }).as_object().unwrap());
    assert_eq!(stream.message().await.unwrap().2["event"]["data"]["object"], json!({ "user_id": "x" }));
}

#[tokio::test]
async fn an_event_shows_a_deep_user_in_part() {
    let lab = listening(|_| {}).await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    let inside = |key: &str, value: Value| Value::Object([(key.to_owned(), value)].into_iter().collect());
    let mut user = inside("user_metadata", (0..3000).fold(json!(1), |deep, _| inside("a", deep)));
    user["user_id"] = json!(ANN);
    lab.sandbox.put_user(user).unwrap();
    lab.sandbox.change_user(ANN, |user| user.insert("nickname".into(), json!("deep")));
    assert!(lab.sandbox.login(ANN));
    for _ in 0..3 {
        let (_, _, data) = stream.message().await.unwrap();
        let text = data["event"]["data"]["object"]["user_metadata"].to_string();
        assert_eq!(text, format!("{}{{}}{}", r#"{"a":"#.repeat(63), "}".repeat(63)));
    }
}

#[tokio::test]
async fn a_stream_resumes_after_an_offset_or_at_a_time() {
    let lab = listening(|_| {}).await;
    lab.sandbox.freeze_clock();
    let mut offsets = Vec::new();
    for name in ["a|1", "a|2", "a|3"] {
        lab.sandbox.advance_clock(Duration::from_secs(10));
        offsets.push(lab.sandbox.offset());
        put(&lab, name);
    }
    let time = lab.sandbox.user("a|2").unwrap()["created_at"].as_str().unwrap().to_owned();
    let from = |index: usize| format!("{EVENTS}?from={}", encoded(&offsets[index]));
    assert_eq!(Stream::open(&lab, &from(0)).await.users(3).await, ["a|1", "a|2", "a|3"]);
    assert_eq!(Stream::open(&lab, &from(2)).await.users(1).await, ["a|3"]);
    let request = lab.request(Method::GET, &from(0)).header("last-event-id", &offsets[2]);
    let mut stream = Stream::with(request.send().await.unwrap()).await;
    assert_eq!(stream.users(1).await, ["a|3"], "the header goes before the parameter");
    let since = format!("{EVENTS}?from_timestamp={}Z", &time[..19]);
    assert_eq!(Stream::open(&lab, &since).await.users(2).await, ["a|2", "a|3"]);
    let mut latest = Stream::open(&lab, EVENTS).await;
    put(&lab, "a|4");
    assert_eq!(latest.users(1).await, ["a|4"], "without either, what comes");
}

#[tokio::test]
async fn types_are_chosen_and_heartbeats_lead_past_the_others() {
    let lab = listening(|rules| rules.heartbeat_millis = Some(20)).await;
    let path = format!("{EVENTS}?event_type=user.created&event_type=user.deleted");
    let mut stream = Stream::open(&lab, &path).await;
    lab.sandbox.login(ANN);
    let latest = lab.sandbox.offset();
    loop {
        let (kind, id, data) = stream.message().await.unwrap();
        assert_eq!((kind.as_str(), &data), ("offset-only", &json!({ "offset": id })));
        assert_eq!(stream.block().await.as_deref(), Some(": heartbeat"));
        if id == latest {
            break;
        }
    }
    lab.sandbox.change_rules(|rules| rules.events.heartbeat_millis = None);
    let mut stream = Stream::open(&lab, &path).await;
    lab.sandbox.login(ANN);
    put(&lab, "a|1");
    lab.sandbox.remove_user("a|1");
    assert_eq!(stream.event().await.0, "user.created");
    assert_eq!(stream.event().await.0, "user.deleted");
}

#[tokio::test]
async fn what_cannot_be_opened_is_refused() {
    let lab = listening(|_| {}).await;
    let offset = lab.sandbox.offset();
    let other = listening(|_| {}).await.sandbox.offset();
    let cursor = (400, json!("invalid_cursor"), json!("Invalid cursor format."));
    for wrong in ["x", "", &offset[1..], &encoded(&other), &offset] {
        // The last one is right, but for its `+`, which is a blank in a query.
        assert_eq!(refusal(&lab, &format!("{EVENTS}?from={wrong}")).await, cursor, "{wrong}");
    }
    let bad = |text: &str| (400, json!("invalid_query_string"), json!(text));
    for (parameters, problem) in [
        ("event_type=user.updated&event_type=user.burnt", "Unsupported event type."),
        ("from=x&from_timestamp=2026-01-01T00:00:00Z", "'from' and 'from_timestamp' are mutually exclusive."),
        (
            "from_timestamp=2026-01-01T00:00:00.000Z",
            "Query validation error: 'String is too long (24 chars), maximum 20' on property from_timestamp.",
        ),
        (
            "from_timestamp=yesterday",
            "Query validation error: 'Object didn't pass validation for format date-time: yesterday' on property \
             from_timestamp.",
        ),
    ] {
        assert_eq!(refusal(&lab, &format!("{EVENTS}?{parameters}")).await, bad(problem));
    }
    assert_eq!(lab.http.get(lab.url(EVENTS)).send().await.unwrap().status().as_u16(), 401);
    let token = IssuedToken { subject: "a@clients", scopes: &["read:users", "update:users"], lifetime: 60 };
    let token = lab.sandbox.issue_token(&token).unwrap();
    let (status, answer) = read(lab.http.get(lab.url(EVENTS)).bearer_auth(token).send().await.unwrap()).await;
    assert_eq!((status, &answer["errorCode"]), (403, &json!("insufficient_scope")));
    assert_eq!(answer["message"], json!("Insufficient scope, expected any of: read:events"));
}

#[tokio::test]
async fn offsets_expire_with_what_is_retained_or_on_demand() {
    let lab = listening(|rules| rules.retained = 2).await;
    let gone =
        (410, json!("cursor_expired"), json!("Cursor points to data no longer available in the stream."));
    let from = |offset: &str| format!("{EVENTS}?from={}", encoded(offset));
    let first = lab.sandbox.offset();
    put(&lab, "a|1");
    let second = lab.sandbox.offset();
    put_all(&lab, &["a|2", "a|3"]);
    assert_eq!(refusal(&lab, &from(&first)).await, gone);
    let mut stream = Stream::open(&lab, &from(&second)).await;
    assert_eq!(stream.users(2).await, ["a|2", "a|3"]);
    let last = lab.sandbox.offset();
    lab.sandbox.expire_offsets();
    assert_eq!(refusal(&lab, &from(&last)).await, gone);
    let newest = lab.sandbox.offset();
    put(&lab, "a|4");
    assert_eq!(stream.users(1).await, ["a|4"], "what is open goes on");
    assert_eq!(Stream::open(&lab, &from(&newest)).await.users(1).await, ["a|4"]);
    let since = format!("{EVENTS}?from_timestamp=2020-01-01T00:00:00Z");
    assert_eq!(Stream::open(&lab, &since).await.users(1).await, ["a|4"], "a time never expires");
}

#[tokio::test]
async fn events_get_lost_doubled_and_out_of_order_on_demand() {
    let lab = listening(|_| {}).await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    let names = ["a|1", "a|2", "a|3", "a|4", "a|5"];
    put(&lab, "a|0");
    assert_eq!(stream.users(1).await, ["a|0"]);
    lab.sandbox.change_rules(|rules| rules.events.lose_every = Some(2));
    put_all(&lab, &names);
    assert_eq!(stream.users(3).await, ["a|1", "a|3", "a|5"]);
    lab.sandbox.change_rules(|rules| rules.events.lose_every = None);
    lab.sandbox.change_rules(|rules| rules.events.double_every = Some(2));
    put_all(&lab, &["b|1", "b|2", "b|3"]);
    let mut seen = Vec::new();
    for _ in 0..4 {
        let (_, offset, data) = stream.message().await.unwrap();
        seen.push((data["event"]["data"]["object"]["user_id"].clone(), data["event"]["id"].clone(), offset));
    }
    assert_eq!(seen.iter().map(|(user, ..)| user).collect::<Vec<_>>(), ["b|1", "b|2", "b|2", "b|3"]);
    assert!(seen[1].1 == seen[2].1 && seen[1].2 != seen[2].2, "one event, two offsets");
    lab.sandbox.change_rules(|rules| rules.events.double_every = None);
    lab.sandbox.change_rules(|rules| rules.events.swap_every = Some(2));
    put_all(&lab, &["c|1", "c|2", "c|3", "c|4"]);
    assert_eq!(stream.users(4).await, ["c|1", "c|3", "c|2", "c|4"], "the last one is not kept back for ever");
    let path = format!("{EVENTS}?from={}", encoded(&seen[3].2));
    assert_eq!(
        Stream::open(&lab, &path).await.users(4).await,
        ["c|1", "c|3", "c|2", "c|4"],
        "nor otherwise later"
    );
}

#[tokio::test]
async fn events_come_late_on_demand() {
    let lab = listening(|rules| rules.delay_millis = 400).await;
    let mut stream = Stream::open(&lab, EVENTS).await;
    let begun = Instant::now();
    put(&lab, "a|1");
    stream.event().await;
    assert!(begun.elapsed() >= Duration::from_millis(400));
}
