//! One HTTP exchange: sent once, read up to a bound, with errors that repeat nothing of the request.

use crate::api::reason::{Failure, Reason};
use crate::auth0::answer::{Effect, Error};
use crate::auth0::domain::AllowedDomains;
use crate::auth0::resolver::{LeadsInside, NotFound, Resolver};
use crate::telemetry::metrics::Metrics;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Request, RequestBuilder, Response, StatusCode, redirect, retry};
use std::error::Error as _;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tracing::field::Empty;
use tracing::{Instrument as _, Span};

/// For one request, from the first look at the name server to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// For the connection alone. Until it stands nothing was sent, so this failure is known to have no effect.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A name that leads where it should not is asked for again after this long.
const NAME_AGE: Duration = Duration::from_mins(1);

/// Largest answer that is read.
pub(super) const MOST_BYTES: usize = 4 << 20;

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// The settings of [`http_client`], for a caller that needs a further root or another deadline.
///
/// https only, no redirects, no repetition of its own, no compression, the roots of the system
/// (`SSL_CERT_FILE` and `SSL_CERT_DIR` take their place where set) and the proxy of the environment.
pub fn http_builder() -> ClientBuilder {
    let headers = [
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
    ];
    Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers.into_iter().collect())
        .https_only(true)
        .redirect(redirect::Policy::none())
        .referer(false)
        .retry(retry::never())
        .connect_timeout(CONNECT_DEADLINE)
        .timeout(DEADLINE)
}

/// The HTTP client for every tenant: it holds the connections and no credentials.
///
/// A name that resolves to a loopback, link-local, private, unique-local or shared address is refused unless `allowed` names it exactly.
///
/// # Errors
/// `InternalError` where the system has no usable root certificates.
pub fn http_client(allowed: &AllowedDomains) -> Result<Client, Failure> {
    http_builder().dns_resolver(Arc::new(Resolver(allowed.clone()))).build().map_err(|_| {
        Failure::new(
            Reason::InternalError,
            "cannot create an HTTPS client; install root certificates, or set SSL_CERT_FILE to a file that contains them",
        )
    })
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The HTTP client, and where its requests are counted.
#[derive(Clone)]
pub struct Http {
    pub(super) client: Client,
    metrics: Arc<Metrics>,
}

impl Http {
    /// Counts the requests of this client.
    #[must_use]
    pub fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        Self { client, metrics }
    }

    /// Sends a request once, and counts it. `resent`: how often it was sent before.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        template: &'static str,
        resent: u32,
    ) -> Result<Answer, Error> {
        let (client, request) = request.build_split();
        let request = request.map_err(|error| lost(&error))?;
        let (method, started) = (request.method().clone(), Instant::now());
        let span = span(&request, template, resent);
        let outcome = send(&client, request, template).instrument(span.clone()).await;
        let status = outcome.as_ref().map_or(0, |answer| answer.status.as_u16());
        tell(&span, status);
        self.metrics.request(method.as_str(), status, started.elapsed());
        outcome
    }

    /// Sends a request whose answer has no end, once its head has come, and counts it.
    pub(super) async fn open(
        &self,
        request: RequestBuilder,
        template: &'static str,
    ) -> Result<Response, Error> {
        let started = Instant::now();
        let response = match timeout(DEADLINE, request.send()).await {
            Ok(response) => response.map_err(|error| lost(&error)),
            Err(_) => Err(Error::unavailable(Effect::None, "Auth0 did not answer in time")),
        };
        let (status, elapsed) =
            (response.as_ref().map_or(0, |response| response.status().as_u16()), started.elapsed());
        self.metrics.request("GET", status, elapsed);
        tracing::debug!(path = template, status, ?elapsed, "Auth0 answered");
        response
    }
}

impl From<Client> for Http {
    fn from(client: Client) -> Self {
        Self::new(client, Arc::default())
    }
}

/// What a trace shows of a request: no id, no query, no body.
fn span(request: &Request, template: &'static str, resent: u32) -> Span {
    let (method, url) = (request.method().as_str(), request.url());
    tracing::info_span!(
        "request",
        otel.name = format!("{method} {template}"),
        otel.kind = "client",
        http.request.method = method,
        http.request.resend_count = (resent > 0).then_some(resent),
        url.template = template,
        server.address = url.host_str(),
        server.port = url.port_or_known_default(),
        http.response.status_code = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
    )
}

/// `status` is 0 where no answer came.
fn tell(span: &Span, status: u16) {
    if status == 0 {
        span.record("error.type", "no_answer");
    } else {
        span.record("http.response.status_code", status);
    }
    if !(200..400).contains(&status) {
        span.record("otel.status_code", "ERROR");
    }
}

/// `template` is the path with the ids left out, for the log.
async fn send(client: &Client, request: Request, template: &'static str) -> Result<Answer, Error> {
    let method = request.method().clone();
    let host = request.url().host_str().unwrap_or_default().to_owned();
    let started = Instant::now();
    let outcome = match client.execute(request).await {
        Ok(response) => read(response).await,
        Err(error) => Err(lost(&error)),
    };
    let elapsed = started.elapsed();
    match &outcome {
        Ok(answer) => {
            let status = answer.status.as_u16();
            tracing::debug!(%method, host, path = template, status, ?elapsed, "Auth0 answered");
        }
        Err(error) => {
            tracing::debug!(%method, host, path = template, ?elapsed, %error, "Auth0 did not answer");
        }
    }
    outcome
}

pub(super) async fn read(mut response: Response) -> Result<Answer, Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(Error::unavailable(Effect::Unknown, "Auth0's answer is larger than 4 MiB"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status: response.status(), headers: response.headers().clone(), body })
}

/// Names the kind of failure only: the texts of the HTTP client contain the address, and so the user id.
fn lost(error: &reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::unsent(Reason::InternalError, "internal error: the operator built an invalid request");
    }
    if causes(error).any(<dyn std::error::Error>::is::<LeadsInside>) {
        return Error {
            retry_after: Some(NAME_AGE),
            ..Error::unsent(
                Reason::TenantNotAllowed,
                "the tenant's domain resolves to a private address: correct its DNS record, or start the operator with an --allowed-domain that names this host exactly",
            )
        };
    }
    let effect = if error.is_connect() { Effect::None } else { Effect::Unknown };
    let host = error.url().and_then(|url| url.host_str()).unwrap_or("Auth0");
    let what = if error.is_timeout() {
        format!("{host} did not answer in time")
    } else if error.is_connect() && is_about_certificate(error) {
        format!(
            "the TLS certificate of {host} is not trusted: set SSL_CERT_FILE to a file with the certificate of its authority"
        )
    } else if error.is_connect() {
        let lookup = if causes(error).any(<dyn std::error::Error>::is::<NotFound>) {
            ": DNS lookup failed"
        } else {
            ""
        };
        format!("cannot connect to {host}{lookup}; check egress, proxy and DNS")
    } else {
        format!("{host} closed the connection before its answer was complete")
    };
    Error::unavailable(effect, &what)
}

fn is_about_certificate(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.to_string().contains("certificate"))
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    let mut next = error.source();
    iter::from_fn(move || {
        let cause = next?;
        next = cause.source();
        Some(cause)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::dns::{Name, Resolve, Resolving};

    struct LeadingHere;

    impl Resolve for LeadingHere {
        fn resolve(&self, _: Name) -> Resolving {
            Box::pin(async { Err(LeadsInside.into()) })
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_here_is_not_connected_to() {
        let client = http_builder().no_proxy().dns_resolver(Arc::new(LeadingHere)).build().unwrap();
        let request = client.get("https://example.auth0.com/");
        let error = Http::from(client).send(request, "/", 0).await.err().unwrap();
        assert_eq!((error.failure.reason, error.effect), (Reason::TenantNotAllowed, Effect::None));
        assert!(error.retry_after.is_some());
    }
}
