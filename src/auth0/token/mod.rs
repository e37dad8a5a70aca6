//! The access token: obtained with the client credentials, kept until shortly before it expires.

mod assertion;

pub use assertion::{Credentials, Proof, SigningKey};

use crate::api::json;
use crate::api::reason::{Failure, Reason};
use crate::auth0::answer::{Effect, Error, denied};
use crate::auth0::http::Http;
use crate::auth0::limiter::{Limiter, headers};
use assertion::Clock;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use url::Url;

const TEMPLATE: &str = "/oauth/token";

/// RFC 7523, section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest time before its expiry at which a token is renewed. Shorter-lived ones: a tenth of their life.
const LEEWAY: Duration = Duration::from_mins(1);

/// Longest lifetime believed, in seconds: the most that Auth0 lets an API configure (30 days).
const LONGEST_LIFE: u64 = 2_592_000;

/// Lifetime where the answer does not tell (RFC 6749 does not demand it), in seconds.
const ASSUMED_LIFE: u64 = 300;

/// After a failure the token endpoint is left alone for so long, doubling: shorter than a tenant's own backoff.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(30);

/// A token that the API refuses although it is new is not the fault of its age.
const RENEWAL_AGE: Duration = Duration::from_secs(30);

/// A newer token is waited for no longer than this while the present one still works.
const COMPARISON: Duration = Duration::from_secs(3);

/// One access token.
pub(super) struct Token {
    pub(super) secret: SecretString,
    /// Scopes, where they are known.
    pub(super) scopes: Option<BTreeSet<String>>,
    obtained_at: Instant,
    renew_at: Instant,
}

/// The current token of one application of one tenant, fetched on need.
pub struct Tokens {
    http: Http,
    endpoint: Url,
    /// `https://` and the tenant's domain.
    origin: String,
    credentials: Credentials,
    clock: Clock,
    limiter: Arc<Limiter>,
    last: Mutex<Last>,
    /// Fetches that have ended.
    fetches: AtomicU64,
}

/// How the last fetch ended.
#[derive(Default)]
struct Last {
    token: Option<Arc<Token>>,
    failure: Option<Error>,
    failures: u32,
    /// No token is asked for before that.
    rests_until: Option<Instant>,
    /// When a token was had in place of a refused one.
    renewed_at: Option<Instant>,
    /// Another token may be able to do more.
    outdated: bool,
    /// When that was last found out.
    compared_at: Option<Instant>,
}

impl Last {
    fn granted(&mut self, token: Token, renewed: bool) -> Arc<Token> {
        let token = Arc::new(token);
        let renewed_at = if renewed { Some(token.obtained_at) } else { self.renewed_at };
        let compared_at = self.compared_at;
        *self = Self { token: Some(Arc::clone(&token)), renewed_at, compared_at, ..Self::default() };
        token
    }

    fn failed(&mut self, error: Error) -> Error {
        self.token = None;
        self.remember(error)
    }

    /// An outage is not remembered: the breaker of the host sees to it.
    fn remember(&mut self, error: Error) -> Error {
        self.failures = self.failures.saturating_add(1);
        let doubled = FIRST_REST.saturating_mul(1 << (self.failures - 1).min(10)).min(LONGEST_REST);
        let rest = error.retry_after.unwrap_or(doubled);
        let rests = error.failure.reason != Reason::Auth0Unavailable;
        self.rests_until = rests.then(|| Instant::now() + rest);
        self.failure.insert(error).clone()
    }

    /// The failure that stands in for another request.
    fn remembered(&self, now: Instant) -> Option<Error> {
        let rest = self.rests_until?.checked_duration_since(now).filter(|rest| !rest.is_zero())?;
        let failure = self.failure.clone()?;
        Some(Error { retry_after: failure.retry_after.and(Some(rest)), ..failure })
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
    #[serde(default)]
    scope: Option<String>,
}

impl Tokens {
    pub(super) fn new(
        http: Http,
        endpoint: Url,
        origin: &str,
        credentials: Credentials,
        limiter: Arc<Limiter>,
    ) -> Self {
        let (last, fetches) = (Mutex::default(), AtomicU64::new(0));
        let (origin, clock) = (origin.to_owned(), Clock::default());
        Self { http, endpoint, origin, credentials, clock, limiter, last, fetches }
    }

    /// The current token, fetched on need. `refused`: one that Auth0 no longer takes; it is answered all the
    /// same where it was had a moment ago in place of another one.
    ///
    /// One fetch at a time: calls that wait for it share its outcome, and a failure too, so that a failing token
    /// endpoint is not asked once for each of them.
    pub(super) async fn get(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, Error> {
        let ended = self.fetches.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        if let Some(token) = &last.token
            && Instant::now() < token.renew_at
            && !refused.is_some_and(|refused| Arc::ptr_eq(refused, token))
        {
            let token = Arc::clone(token);
            return Ok(self.newer(&mut last, token).await);
        }
        if let Some(token) = last.token.as_ref().filter(|_| refused.is_some())
            && last.renewed_at.is_some_and(|at| at.elapsed() < RENEWAL_AGE)
        {
            return Ok(Arc::clone(token));
        }
        if let Some(failure) = last.remembered(Instant::now()) {
            return Err(failure);
        }
        if let Some(failure) = &last.failure
            && self.fetches.load(Ordering::Acquire) != ended
        {
            return Err(failure.clone());
        }
        let fetched = self.fetch().await;
        self.fetches.fetch_add(1, Ordering::Release);
        match fetched {
            Ok(token) => Ok(last.granted(token, refused.is_some())),
            Err(error) => Err(last.failed(error)),
        }
    }

    /// Another token where this one is outdated and another one can be had; else this one, which does what it did.
    async fn newer(&self, last: &mut Last, token: Arc<Token>) -> Arc<Token> {
        if !std::mem::take(&mut last.outdated) || last.remembered(Instant::now()).is_some() {
            return token;
        }
        last.compared_at = Some(Instant::now());
        match timeout(COMPARISON, self.fetch()).await {
            Ok(Ok(newer)) => last.granted(newer, false),
            Ok(Err(error)) => {
                tracing::warn!(%error, "could not refresh the access token, using the current one");
                last.remember(error);
                token
            }
            Err(_) => token,
        }
    }

    /// Lets the next call try to have another token in place of one that is at least this old, so that a scope that
    /// was granted since then counts. Not more often than that, either.
    pub(super) async fn outdate(&self, age: Duration) {
        let mut last = self.last.lock().await;
        let is_due = |at: Instant| at.elapsed() >= age;
        last.outdated |= last.token.as_ref().is_some_and(|token| is_due(token.obtained_at))
            && last.compared_at.is_none_or(is_due);
    }

    /// Asks for a token, and once more where an assertion was dated by a clock that is off.
    async fn fetch(&self) -> Result<Token, Error> {
        let (granted, was_off) = self.ask().await;
        if granted.is_err() && was_off { self.ask().await.0 } else { granted }
    }

    /// Answers with the token, and whether the assertion was dated wrongly.
    async fn ask(&self) -> (Result<Token, Error>, bool) {
        let started = Instant::now();
        let form = match self.form() {
            Ok(form) => form,
            Err(failure) => return (Err(failure.into()), false),
        };
        let request = self.http.client.post(self.endpoint.clone()).header(CONTENT_TYPE, "application/json");
        let answer = self.http.send(request.body(form.to_string()), TEMPLATE, 0).await;
        self.limiter.on_token_response(&answer);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return (Err(error.without_effect()), false),
        };
        let was_off = self.clock.correct(&answer.headers) && matches!(self.credentials.proof, Proof::Key(_));
        let granted = if answer.status.is_success() {
            Token::read(&answer.body, started).ok_or_else(|| {
                Error::unavailable(
                    Effect::None,
                    "the response of the token endpoint contains no usable access token",
                )
            })
        } else {
            let wait = headers::wait(&answer.headers, headers::LONGEST_QUOTA);
            Err(denied(answer.status.as_u16(), &answer.body, wait))
        };
        (granted, was_off)
    }

    /// The request's body.
    fn form(&self) -> Result<Value, Failure> {
        let id = &self.credentials.client_id;
        let mut form = json!({
            "grant_type": "client_credentials", "client_id": id, "audience": format!("{}/api/v2/", self.origin),
        });
        match &self.credentials.proof {
            Proof::Secret(secret) => form["client_secret"] = secret.expose_secret().into(),
            Proof::Key(key) => {
                let assertion = key.assertion(id, &format!("{}/", self.origin), self.clock.now())?;
                form["client_assertion_type"] = ASSERTION_TYPE.into();
                form["client_assertion"] = assertion.expose_secret().into();
            }
        }
        Ok(form)
    }
}

impl Token {
    /// Reads a grant. `started` is when it was asked for, from which its life is counted.
    fn read(body: &[u8], started: Instant) -> Option<Self> {
        let granted: Granted = json::read(body)?;
        let token = granted.access_token.as_str();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let scope = granted.scope.or_else(|| claimed_scope(token));
        let scopes = scope.map(|scope| scope.split_whitespace().map(str::to_owned).collect());
        let life = Duration::from_secs(granted.expires_in.unwrap_or(ASSUMED_LIFE).min(LONGEST_LIFE));
        let renew_at = started + life - LEEWAY.min(life / 10);
        Some(Self { secret: granted.access_token.into(), scopes, obtained_at: started, renew_at })
    }
}

/// The claim `scope` of a JSON Web Token (RFC 8693, section 4.2). It is not verified: it only tells a
/// person what Auth0 will decide anyway.
fn claimed_scope(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        scope: Option<String>,
    }
    let mut parts = token.split('.');
    let payload = parts.nth(1).filter(|_| parts.count() == 1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Claims>(&payload).ok()?.scope
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"scope":"read:users update:users","iss":"?>~"}`
    const JWT: &str = "e30.eyJzY29wZSI6InJlYWQ6dXNlcnMgdXBkYXRlOnVzZXJzIiwiaXNzIjoiPz5-In0.c2ln";

    fn read(answer: &serde_json::Value) -> Option<Token> {
        Token::read(answer.to_string().as_bytes(), Instant::now())
    }

    #[test]
    fn scopes_come_from_the_answer_then_the_claim_then_nowhere() {
        let scopes = |answer| read(&answer).unwrap().scopes.map(|set| set.into_iter().collect::<Vec<_>>());
        assert_eq!(scopes(json!({"access_token": JWT, "scope": "a  b"})).unwrap(), ["a", "b"]);
        assert_eq!(scopes(json!({"access_token": JWT})).unwrap(), ["read:users", "update:users"]);
        assert_eq!(scopes(json!({"access_token": "opaque"})), None);
        assert_eq!(scopes(json!({"access_token": "e30.e30.c2ln"})), None);
        assert_eq!(scopes(json!({"access_token": "a.!.c"})), None);
        assert_eq!(scopes(json!({"access_token": JWT, "scope": ""})).unwrap(), [""; 0]);
    }

    #[test]
    fn a_token_is_renewed_a_tenth_of_its_life_and_at_most_a_minute_early() {
        let started = Instant::now();
        let life = |answer: serde_json::Value| {
            Token::read(answer.to_string().as_bytes(), started).unwrap().renew_at - started
        };
        let expires_in = |seconds: u64| life(json!({"access_token": "t", "expires_in": seconds}));
        assert_eq!(expires_in(86_400), Duration::from_mins(1440 - 1));
        assert_eq!(expires_in(100), Duration::from_secs(90));
        assert_eq!(expires_in(0), Duration::ZERO);
        assert_eq!(expires_in(u64::MAX), Duration::from_secs(LONGEST_LIFE - 60));
        assert_eq!(life(json!({"access_token": "t"})), Duration::from_secs(270));
    }

    #[test]
    fn what_fits_into_no_header_is_no_token() {
        for token in ["", "a b", "a\nb", "\u{e4}"] {
            assert!(read(&json!({"access_token": token})).is_none(), "{token:?}");
        }
        assert!(Token::read(b"[]", Instant::now()).is_none());
    }
}
