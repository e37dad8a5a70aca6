//! Faults on demand, and what they leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::{Duration, Instant};

use auth0_sandbox::{Fault, FaultKind};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{Lab, user_path};

const ANN: &str = "auth0|ann";

fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

fn http1(lab: &Lab) -> reqwest::Client {
    let ca = reqwest::Certificate::from_pem(lab.sandbox.ca_pem().as_bytes()).unwrap();
    reqwest::Client::builder().tls_certs_only([ca]).http1_only().build().unwrap()
}

async fn until(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends `{"name":"New"}`, which is held before it takes effect, and gives up once it has arrived.
async fn give_up(lab: &Lab, http: &reqwest::Client, millis: u64) {
    let held = FaultKind::Delay { millis, after_effect: false };
    lab.sandbox.fault(Fault::new(held).method("PATCH").times(1));
    let request =
        http.patch(lab.url(&user_path(ANN))).bearer_auth(&lab.token).json(&json!({ "name": "New" }));
    let waiting = tokio::spawn(request.send());
    until(|| !lab.sandbox.patches().is_empty()).await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
}

/// Sends `{"name":"New"}` under one fault; the answer, and whether the name changed.
async fn under(kind: FaultKind) -> (Result<Response, reqwest::Error>, bool, Lab) {
    let lab = Lab::new().await;
    lab.sandbox.fault(Fault::new(kind).method("PATCH").path("/api/v2/users/").times(1));
    let request = lab.request(Method::PATCH, &user_path(ANN)).json(&json!({ "name": "New" }));
    let response = request.send().await;
    let changed = lab.sandbox.user(ANN).unwrap()["name"] == json!("New");
    assert_eq!(lab.sandbox.patches()[0].took_effect, changed);
    (response, changed, lab)
}

#[tokio::test]
async fn a_cut_connection_before_and_after_the_change() {
    for after_effect in [false, true] {
        let (response, changed, lab) = under(FaultKind::Cut { after_effect }).await;
        assert!(response.is_err());
        assert_eq!((changed, lab.sandbox.patches()[0].status), (after_effect, None));
        lab.patched(ANN, &json!({ "name": "Again" })).await;
    }
}

#[tokio::test]
async fn a_status_before_and_after_the_change() {
    for after_effect in [false, true] {
        let kind = FaultKind::Status { status: 503, body: None, headers: vec![], after_effect };
        let (response, changed, _lab) = under(kind).await;
        let response = response.unwrap();
        assert_eq!((response.status().as_u16(), changed), (503, after_effect));
        assert!(response.json::<Value>().await.is_err());
    }
    let body = json!({ "statusCode": 403, "error": "Forbidden", "errorCode": "insufficient_entitlement",
        "message": "Please upgrade your subscription" });
    let headers = vec![("x-made-up".to_owned(), "yes".to_owned())];
    let kind = FaultKind::Status { status: 403, body: Some(body.clone()), headers, after_effect: false };
    let (response, _, _lab) = under(kind).await;
    let response = response.unwrap();
    assert_eq!(response.headers()["x-made-up"], "yes");
    assert_eq!(response.json::<Value>().await.unwrap(), body);
}

#[tokio::test]
async fn unreadable_answers_after_the_change() {
    for kind in [FaultKind::Garbage, FaultKind::Truncated] {
        let (response, changed, _lab) = under(kind).await;
        assert!(changed);
        let response = response.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert!(response.json::<Value>().await.is_err());
    }
    let (response, changed, _lab) = under(FaultKind::WrongContentType).await;
    let response = response.unwrap();
    assert_eq!((changed, response.headers()["content-type"].to_str().unwrap()), (true, "text/html"));
    let (response, changed, _lab) = under(FaultKind::Oversized).await;
    let length = response.unwrap().bytes().await.unwrap().len();
    assert!(changed && length > 4 << 20);
}

#[tokio::test]
async fn refusals_that_are_not_about_the_user() {
    let (response, changed, _lab) = under(FaultKind::BareNotFound).await;
    let body: Value = response.unwrap().json().await.unwrap();
    assert_eq!((changed, &body["statusCode"], body.get("errorCode")), (false, &json!(404), None));
    let (response, changed, _lab) =
        under(FaultKind::Redirect { location: "https://elsewhere.example/".into() }).await;
    let response = response.unwrap();
    assert_eq!((changed, response.status().as_u16()), (false, 302));
    assert_eq!(response.headers()["location"], "https://elsewhere.example/");
    let before = now();
    let (response, _, _lab) = under(FaultKind::RateLimited { reset_in: Some(-3) }).await;
    let reset: i64 = response.unwrap().headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!((before - 3..=now() - 3).contains(&reset));
    let (response, _, _lab) = under(FaultKind::RateLimited { reset_in: None }).await;
    let response = response.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.headers().contains_key("x-ratelimit-reset")),
        (429, false)
    );
}

#[tokio::test]
async fn a_wrong_clock_moves_date_and_reset() {
    let (response, changed, _lab) = under(FaultKind::WrongClock { seconds: -7200 }).await;
    let response = response.unwrap();
    let reset: i64 = response.headers()["x-ratelimit-reset"].to_str().unwrap().parse().unwrap();
    assert!(changed && reset < now() - 7000);
    assert!(response.headers()["date"].to_str().unwrap().ends_with(" GMT"));
    let (response, _, _lab) = under(FaultKind::NoRateHeaders).await;
    assert!(!response.unwrap().headers().contains_key("x-ratelimit-reset"));
}

#[tokio::test]
async fn a_delay_before_or_after_the_change_outlasts_a_client() {
    for after_effect in [false, true] {
        let lab = Lab::new().await;
        lab.sandbox.fault(Fault::new(FaultKind::Delay { millis: 60_000, after_effect }).method("PATCH"));
        let request = lab.request(Method::PATCH, &user_path(ANN)).json(&json!({ "name": "New" }));
        let waiting = tokio::spawn(request.send());
        let begun = Instant::now();
        let arrived = || lab.sandbox.patches().first().is_some_and(|one| one.took_effect == after_effect);
        while !arrived() && begun.elapsed() < Duration::from_secs(20) {
            tokio::task::yield_now().await;
        }
        let name = lab.sandbox.user(ANN).unwrap()["name"].clone();
        assert_eq!((name == json!("New"), waiting.is_finished()), (after_effect, false));
        lab.sandbox.stop();
        assert!(waiting.await.unwrap().is_err(), "it ends although a request waits");
    }
}

#[tokio::test]
async fn any_text_is_answered_byte_for_byte() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(3000), "}".repeat(3000));
    let large = json!({ "picture": "x".repeat(1_800_000) }).to_string();
    let texts = [
        r#"{"user_metadata":{"bio":"hi \ud83d"},"n":12.917521550408111}"#.to_owned(),
        r#"{"statusCode":400,"error":"Bad Request","errorCode":"auth0_idp_error"}"#.to_owned(),
        "no JSON at all".to_owned(),
        deep,
        large,
    ];
    let lab = Lab::new().await;
    for (index, text) in texts.iter().enumerate() {
        for (method, status, after_effect) in
            [(Method::GET, 200, false), (Method::PATCH, 200, true), (Method::PATCH, 400, false)]
        {
            let kind = FaultKind::Raw { status, body: text.clone(), headers: Vec::new(), after_effect };
            lab.sandbox.fault(Fault::new(kind).times(1));
            let name = format!("{index} {status}");
            let request = lab.request(method.clone(), &user_path(ANN)).json(&json!({ "name": name }));
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
            assert_eq!(&response.text().await.unwrap(), text);
            assert_eq!(
                lab.sandbox.user(ANN).unwrap()["name"] == name.as_str(),
                after_effect,
                "{method} {name}"
            );
        }
    }
    let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
    let kind = FaultKind::Raw { status: 403, body: "Forbidden".into(), headers, after_effect: false };
    let (response, _, _lab) = under(kind).await;
    let types: Vec<_> = response.unwrap().headers().get_all("content-type").iter().cloned().collect();
    assert_eq!(types, ["text/plain"]);
}

#[tokio::test]
async fn a_user_may_be_held_as_deep_and_large_as_no_request_could_make_it() {
    let lab = Lab::new().await;
    let inside = |key: &str, value: Value| Value::Object([(key.to_owned(), value)].into_iter().collect());
    // Step by step, because the macro would copy all of it on this thread's small stack.
    let mut user = inside("user_metadata", (0..3000).fold(json!(1), |deep, _| inside("a", deep)));
    user["user_id"] = json!("auth0|deep");
    user["picture"] = json!("x".repeat(1_800_000));
    lab.sandbox.put_user(user).unwrap();
    for method in [Method::GET, Method::PATCH] {
        let request = lab.request(method, &user_path("auth0|deep")).json(&json!({ "blocked": true }));
        let text = request.send().await.unwrap().text().await.unwrap();
        assert!(text.contains(&r#"{"a":"#.repeat(3000)) && text.len() > 1_800_000);
    }
}

#[tokio::test]
async fn the_log_keeps_a_body_as_it_came() {
    let lab = Lab::new().await;
    let text = r#"{"user_metadata": {"lat": 12.917521550408111, "lat": 1.50}}"#;
    let request = lab.request(Method::PATCH, &user_path(ANN)).header("content-type", "application/json");
    assert_eq!(request.body(text).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(lab.sandbox.patches()[0].text.as_deref(), Some(text));
    lab.get(&user_path(ANN)).await;
    assert_eq!(lab.sandbox.log()[1].text, None);
}

/// Both versions of HTTP, because each ends a request in a way of its own.
#[tokio::test]
async fn a_held_change_takes_effect_although_its_client_gave_up() {
    for (old, lapses) in [(false, false), (true, false), (false, true), (true, true)] {
        let lab = Lab::new().await;
        let http = if old { http1(&lab) } else { lab.http.clone() };
        give_up(&lab, &http, if lapses { 1000 } else { 60_000 }).await;
        if !lapses {
            assert_eq!(lab.patched(ANN, &json!({ "name": "Second" })).await["name"], "Second");
            lab.sandbox.release_delays();
        }
        until(|| lab.sandbox.patches()[0].took_effect).await;
        assert_eq!(lab.sandbox.user(ANN).unwrap()["name"], "New");
        assert_eq!(lab.sandbox.patches()[0].status, None);
    }
}

#[tokio::test]
async fn a_test_says_when_a_given_up_request_takes_effect_or_that_it_never_does() {
    for lands in [true, false] {
        let lab = Lab::new().await;
        give_up(&lab, &lab.http, 60_000).await;
        // What the server hears of next comes after the end of the first request.
        lab.get(&user_path(ANN)).await;
        if lands {
            lab.sandbox.release_delays();
            until(|| lab.sandbox.patches()[0].took_effect).await;
        } else {
            lab.sandbox.clear_faults();
        }
        lab.get(&user_path(ANN)).await;
        assert_eq!(lab.sandbox.user(ANN).unwrap()["name"] == "New", lands);
    }
}

#[tokio::test]
async fn clearing_the_faults_ends_every_delay() {
    let lab = Lab::new().await;
    for after_effect in [false, true] {
        lab.sandbox.fault(Fault::new(FaultKind::Delay { millis: 60_000, after_effect }).method("PATCH"));
    }
    let waiting =
        tokio::spawn(lab.request(Method::PATCH, &user_path(ANN)).json(&json!({ "name": "New" })).send());
    let begun = Instant::now();
    while lab.sandbox.patches().is_empty() && begun.elapsed() < Duration::from_secs(20) {
        tokio::task::yield_now().await;
    }
    lab.sandbox.clear_faults();
    assert_eq!(waiting.await.unwrap().unwrap().status().as_u16(), 200);
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn faults_choose_their_requests() {
    let lab = Lab::new().await;
    let teapot = || FaultKind::Status { status: 500, body: None, headers: vec![], after_effect: false };
    lab.sandbox.fault(Fault::new(teapot()).body_key("password").skip(1).times(1));
    let statuses = async |body: Value| lab.patch(ANN, &body).await.0;
    assert_eq!(statuses(json!({ "name": "A" })).await, 200);
    assert_eq!(statuses(json!({ "password": "Other-Garden-7" })).await, 200);
    assert_eq!(statuses(json!({ "password": "Other-Garden-8" })).await, 500);
    assert_eq!(statuses(json!({ "password": "Other-Garden-8" })).await, 200);
    assert!(lab.sandbox.faults().is_empty());
    lab.sandbox.fault(Fault::new(teapot()).body_key("user_metadata.big"));
    assert_eq!(statuses(json!({ "user_metadata": { "small": 1 }, "app_metadata": { "big": 1 } })).await, 200);
    assert_eq!(statuses(json!({ "name": "B", "user_metadata": { "big": null } })).await, 500);
    lab.sandbox.clear_faults();
    lab.sandbox.fault(Fault::new(teapot()));
    assert_eq!(lab.get("/api/v2/connections").await.0, 500);
    lab.sandbox.clear_faults();
    assert_eq!(lab.get("/api/v2/connections").await.0, 200);
}

#[tokio::test]
async fn both_http_versions_are_served_and_cut() {
    let lab = Lab::new().await;
    let old = http1(&lab);
    for (http, version) in [(&lab.http, reqwest::Version::HTTP_2), (&old, reqwest::Version::HTTP_11)] {
        let get = || http.get(lab.url("/api/v2/connections")).bearer_auth(&lab.token).send();
        assert_eq!(get().await.unwrap().version(), version);
        lab.sandbox.fault(Fault::new(FaultKind::Truncated).times(1));
        assert!(get().await.unwrap().bytes().await.is_err());
        // Clients repeat a GET whose connection breaks, so this fault stays.
        lab.sandbox.fault(Fault::new(FaultKind::Cut { after_effect: false }));
        assert!(get().await.is_err());
        lab.sandbox.clear_faults();
        assert_eq!(get().await.unwrap().status().as_u16(), 200);
    }
}
