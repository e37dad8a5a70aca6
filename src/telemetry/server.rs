//! `/livez`, `/readyz` and `/metrics`.

use crate::telemetry::health::Probes;
use crate::telemetry::metrics::Format;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens at this address. `[::]` is IPv4 too where the system has both, and IPv4 alone where it has no IPv6.
///
/// # Errors
/// When the address cannot be had.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error) => TcpListener::bind(without_ipv6(address, &error).ok_or(error)?).await,
        bound => bound,
    }
}

/// All addresses of IPv4, in place of all of IPv6 where these cannot be had, but not because of another listener.
fn without_ipv6(address: SocketAddr, error: &Error) -> Option<SocketAddr> {
    let is_all = address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED);
    let is_missing = ![ErrorKind::AddrInUse, ErrorKind::PermissionDenied].contains(&error.kind());
    (is_all && is_missing).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

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
        (StatusCode::SERVICE_UNAVAILABLE, "the resources have not been listed yet")
    }
}

async fn metrics(State(probes): State<Arc<Probes>>, headers: HeaderMap) -> impl IntoResponse {
    let (format, content_type) = match headers.get(ACCEPT).and_then(|accepted| accepted.to_str().ok()) {
        Some(accepted) if accepted.contains("application/openmetrics-text") => {
            (Format::OpenMetrics, OPEN_METRICS)
        }
        Some(_) | None => (Format::Plain, PROMETHEUS_TEXT),
    };
    match probes.scrape(format) {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, content_type)], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(CONTENT_TYPE, "text/plain")], String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn it_listens_on_either_family_and_falls_back_to_ipv4_where_there_is_no_ipv6() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(bind(address).await.unwrap().local_addr().unwrap().ip(), address.ip());
        }
        // EAFNOSUPPORT and EADDRNOTAVAIL, EADDRINUSE and EACCES.
        for (address, code, expected) in [
            ("[::]:8080", 97, Some("0.0.0.0:8080")),
            ("[::]:8080", 99, Some("0.0.0.0:8080")),
            ("[::]:8080", 98, None),
            ("[::]:80", 13, None),
            ("[::1]:8080", 97, None),
            ("0.0.0.0:8080", 99, None),
        ] {
            let found = without_ipv6(address.parse().unwrap(), &Error::from_raw_os_error(code));
            assert_eq!(found, expected.map(|address| address.parse().unwrap()), "{address} {code}");
        }
    }

    #[tokio::test]
    async fn metrics_come_in_the_form_that_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/metrics", listener.local_addr().unwrap());
        let served = tokio::spawn(serve(listener, Arc::default()));
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3";
        for (accepted, expected, ends) in [
            ("*/*", PROMETHEUS_TEXT, false),
            ("text/plain", PROMETHEUS_TEXT, false),
            (prometheus, OPEN_METRICS, true),
        ] {
            let answer = reqwest::Client::new().get(&url).header(ACCEPT, accepted).send().await.unwrap();
            assert_eq!(answer.headers()[CONTENT_TYPE], expected);
            assert_eq!(answer.text().await.unwrap().ends_with("# EOF\n"), ends, "{accepted}");
        }
        served.abort();
    }

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
        assert_eq!(answer.text().await.unwrap(), "a component of the operator stopped unexpectedly");
        served.abort();
    }
}
