//! `/livez`, `/readyz` and `/metrics`.

use crate::telemetry::health::Probes;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use tokio::net::TcpListener;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers for as long as the process runs.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener, probes: Arc<Probes>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probes);
    axum::serve(listener, routes).await
}

async fn live(State(probes): State<Arc<Probes>>) -> (StatusCode, &'static str) {
    match probes.stuck() {
        None => (StatusCode::OK, "ok"),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn ready(State(probes): State<Arc<Probes>>) -> (StatusCode, &'static str) {
    if probes.is_ready() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the resources were not listed yet")
    }
}

async fn metrics(State(probes): State<Arc<Probes>>) -> impl IntoResponse {
    match probes.scrape() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, PROMETHEUS_TEXT)], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn livez_fails_and_says_why() {
        let probes = Arc::<Probes>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/livez", listener.local_addr().unwrap());
        let served = tokio::spawn(serve(listener, Arc::clone(&probes)));
        assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
        probes.part("passes", ready(()), pending()).await;
        let answer = reqwest::get(&url).await.unwrap();
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.text().await.unwrap(), "a part of the operator has ended");
        served.abort();
    }
}
