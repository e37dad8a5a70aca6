//! Rate limits, on a stopped clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use auth0_sandbox::Plan;
use reqwest::{Method, Response};
use serde_json::json;
use support::{Lab, user_path};

async fn limited(plan: Plan) -> Lab {
    let lab = Lab::new().await;
    lab.sandbox.freeze_clock();
    lab.sandbox.set_plan(plan);
    lab
}

async fn send(lab: &Lab, method: Method, path: &str) -> Response {
    let body = json!({ "name": "Ann" });
    lab.request(method, path).json(&body).send().await.unwrap()
}

fn number(response: &Response, name: &str) -> i64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

/// How many requests pass before the first 429.
async fn burst(lab: &Lab, method: Method, path: &str) -> u32 {
    let mut passed = 0;
    while send(lab, method.clone(), path).await.status().as_u16() == 200 {
        passed += 1;
    }
    passed
}

#[tokio::test]
async fn the_figures_of_each_plan() {
    let path = user_path("auth0|ann");
    for (plan, figure) in [(Plan::Free, 2), (Plan::Enterprise, 50), (Plan::EnterpriseTest, 10)] {
        let lab = limited(plan).await;
        assert_eq!(burst(&lab, Method::GET, &path).await, figure, "{plan:?}");
        assert_eq!(burst(&lab, Method::PATCH, &path).await, 0, "{plan:?}: one limit for all");
    }
    let lab = limited(Plan::Essentials).await;
    assert_eq!(burst(&lab, Method::PATCH, &path).await, 20);
    assert_eq!(burst(&lab, Method::GET, &path).await, 40);
    assert_eq!(burst(&lab, Method::GET, "/api/v2/connections").await, 5);
    assert_eq!(burst(&lab, Method::GET, "/api/v2/connections/con_people").await, 10);
}

#[tokio::test]
async fn a_bucket_refills_by_the_window() {
    let lab = limited(Plan::Enterprise).await;
    let path = user_path("auth0|ann");
    burst(&lab, Method::GET, &path).await;
    lab.sandbox.advance_clock(Duration::from_secs(1));
    assert_eq!(burst(&lab, Method::GET, &path).await, 16);
    lab.sandbox.set_plan(Plan::Essentials);
    burst(&lab, Method::PATCH, &path).await;
    lab.sandbox.advance_clock(Duration::from_secs(6));
    assert_eq!(burst(&lab, Method::PATCH, &path).await, 20);
}

#[tokio::test]
async fn headers_tell_the_standing_in_unix_seconds() {
    let now = || i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap();
    let before = now();
    let lab = limited(Plan::Free).await;
    let path = user_path("auth0|ann");
    let first = send(&lab, Method::GET, &path).await;
    assert_eq!((number(&first, "x-ratelimit-limit"), number(&first, "x-ratelimit-remaining")), (2, 1));
    assert!((before + 1..=now() + 1).contains(&number(&first, "x-ratelimit-reset")));
    send(&lab, Method::GET, &path).await;
    let refused = send(&lab, Method::PATCH, &path).await;
    assert_eq!((refused.status().as_u16(), number(&refused, "x-ratelimit-remaining")), (429, 0));
    assert!(!refused.headers().contains_key("retry-after"));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["errorCode"], json!("too_many_requests"));
    assert!(!lab.sandbox.patches()[0].took_effect);
}

#[tokio::test]
async fn a_429_may_come_without_headers_or_with_retry_after() {
    let lab = limited(Plan::Custom { burst: 0, per_second: 0 }).await;
    lab.sandbox.change_rules(|rules| {
        rules.limit_headers_on_429 = false;
        rules.retry_after_on_429 = true;
    });
    let refused = send(&lab, Method::GET, "/api/v2/connections").await;
    assert_eq!((refused.status().as_u16(), number(&refused, "retry-after")), (429, 1));
    assert!(!refused.headers().contains_key("x-ratelimit-reset"));
}

#[tokio::test]
async fn the_token_endpoint_has_a_bucket_of_its_own() {
    let lab = limited(Plan::Free).await;
    let body = json!({
        "grant_type": "client_credentials", "client_id": "operator", "client_secret": "operator-secret",
        "audience": lab.audience(),
    });
    for _ in 0..30 {
        assert_eq!(lab.ask_token(&body).await.0, 200);
    }
    assert_eq!(lab.ask_token(&body).await.0, 429);
    assert_eq!(lab.get("/api/v2/connections").await.0, 200);
}

#[test]
fn plans_are_read_and_written_as_text() {
    for text in ["unlimited", "free", "essentials", "enterprise", "enterprise-test", "custom:3:1"] {
        assert_eq!(String::from(text.parse::<Plan>().unwrap()), text);
    }
    assert!("gold".parse::<Plan>().is_err());
}
