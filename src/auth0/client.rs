//! The calls that the operator makes.

use crate::api::json;
use crate::api::reason::{Failure, Reason};
use crate::auth0::answer::{Effect, Error, judge};
use crate::auth0::connections::{Connections, PAGE, Page};
use crate::auth0::domain::Authority;
use crate::auth0::http::{Answer, Http};
use crate::auth0::limiter::{Limiter, headers};
use crate::auth0::token::{Credentials, Token, Tokens};
use crate::user::{Body, User};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method, RequestBuilder};
use secrecy::ExposeSecret as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

/// A change takes no longer, a wait for the budget and the renewal of a token included. A process that finds a change
/// begun by another one waits longer than this.
const CHANGE_DEADLINE: Duration = Duration::from_secs(14);

/// A token that lacks a scope is not asked for again more often than this.
const SCOPES_AGE: Duration = Duration::from_mins(1);

const USER: &str = "/api/v2/users/{id}";
const CONNECTIONS: &str = "/api/v2/connections";

/// All but the unreserved characters (RFC 3986, section 2.3): an id is one segment, and holds `|`, and
/// sometimes `/` and `%`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters of `X-Correlation-ID` that Auth0 writes to the tenant's log.
const CORRELATION_LENGTH: usize = 64;

/// Connections that cannot be listed within this time are left for later.
const LISTING: Duration = Duration::from_mins(1);

/// Most pages of connections that are read.
const MOST_PAGES: usize = 100;

/// The Management API of one tenant, called with one set of credentials.
pub struct Client {
    pub(super) http: Http,
    /// `https://` and the tenant's domain.
    origin: String,
    /// Shared by all that speak for one application.
    tokens: Arc<Tokens>,
    /// The header `auth0-custom-domain`.
    custom_domain: Option<HeaderValue>,
    limiter: Arc<Limiter>,
    /// How often a search was too large for Auth0.
    pub(super) halvings: AtomicU32,
    pub(super) searching: Mutex<()>,
}

pub(super) struct Call<'a> {
    method: Method,
    url: Url,
    template: &'static str,
    body: Option<&'a Body>,
    correlation: Option<HeaderValue>,
    custom_domain: Option<&'a HeaderValue>,
    /// Waits for no permit.
    at_once: bool,
    /// Whether it was sent, or may have been.
    departed: AtomicBool,
}

impl Client {
    /// Makes a client; nothing is sent yet. Whether `domain` may be talked to is the caller's business. All
    /// that call this host share its `limiter`.
    ///
    /// # Errors
    /// `InvalidRequest` where `domain` is not a host name with an optional port.
    pub fn new(
        http: impl Into<Http>,
        domain: &str,
        credentials: Credentials,
        limiter: Arc<Limiter>,
    ) -> Result<Self, Failure> {
        let http = http.into();
        let refuse = || {
            let message = format!("{domain:?} is not a domain; write one such as example.eu.auth0.com");
            Failure::new(Reason::InvalidRequest, message)
        };
        let authority = Authority::parse(domain).ok_or_else(refuse)?;
        let origin = format!("https://{authority}");
        let endpoint = Url::parse(&format!("{origin}/oauth/token")).map_err(|_| refuse())?;
        // URLs know more spellings of an IP address than one.
        if endpoint.host_str() != Some(authority.host()) {
            return Err(refuse());
        }
        let tokens = Tokens::new(http.clone(), endpoint, &origin, credentials, Arc::clone(&limiter));
        Ok(Self {
            http,
            origin,
            tokens: Arc::new(tokens),
            custom_domain: None,
            limiter,
            halvings: AtomicU32::default(),
            searching: Mutex::default(),
        })
    }

    /// Lets the links in mails that a change causes use this domain (Auth0: "Custom domains", the header
    /// `auth0-custom-domain`).
    ///
    /// # Errors
    /// `InvalidRequest` where it does not fit into a header.
    pub fn with_custom_domain(mut self, domain: Option<&str>) -> Result<Self, Failure> {
        let header = domain.filter(|domain| !domain.is_empty()).map(HeaderValue::from_str).transpose();
        self.custom_domain = header
            .map_err(|_| Failure::new(Reason::InvalidRequest, "customDomain is not a domain: correct it"))?;
        Ok(self)
    }

    /// Shares the token of clients that have the same credentials for the same domain.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<Tokens>) -> Self {
        Self { tokens, ..self }
    }

    /// Where its token comes from.
    #[must_use]
    pub const fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// The host's rate limiter. Callers acquire a permit before a call; the client takes those that a call needs on
    /// top, and reports every response.
    #[must_use]
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Reads a user: `GET /api/v2/users/{id}`, which is immediately consistent.
    ///
    /// # Errors
    /// `UserNotFound`, or what keeps the call from being answered. Never with an effect.
    pub async fn user(&self, id: &str) -> Result<User, Error> {
        let call = Call::get(self.user_url(id)?, USER);
        let answer = self.call(&call).await.map_err(Error::without_effect)?;
        read_user(&answer).map_err(Error::without_effect)
    }

    /// Changes a user: `PATCH /api/v2/users/{id}`, answered with the whole user.
    ///
    /// `correlation_id` leads from the tenant's log back to the resource: at most 64 printable characters
    /// of ASCII, of which the rest is dropped. `at_once` is for what may not even wait where Auth0 asked to.
    ///
    /// # Errors
    /// Auth0's refusal, or what keeps the call from being answered; [`Error::effect`] says whether the
    /// user may have changed.
    pub async fn patch_user(
        &self,
        id: &str,
        body: &Body,
        correlation_id: &str,
        at_once: bool,
    ) -> Result<User, Error> {
        let call = Call {
            method: Method::PATCH,
            body: Some(body),
            correlation: correlation(correlation_id),
            custom_domain: self.custom_domain.as_ref(),
            at_once,
            ..Call::get(self.user_url(id)?, USER)
        };
        let Ok(answer) = tokio::time::timeout(CHANGE_DEADLINE, self.call(&call)).await else {
            let departed = call.departed.load(Ordering::Relaxed);
            let effect = if departed { Effect::Unknown } else { Effect::None };
            return Err(Error::unavailable(effect, "Auth0 did not answer in time"));
        };
        read_user(&answer?)
    }

    /// Lists the tenant's connections; `None` where there is too much else to do, all of which comes before every page,
    /// or every page but the first if that `is_urgent`. Only names and strategies are asked for, because the options of
    /// a connection hold secrets.
    ///
    /// # Errors
    /// `InsufficientScope` without `read:connections`, or what keeps the call from being answered.
    pub async fn connections(&self, is_urgent: bool) -> Result<Option<Connections>, Error> {
        let mut found = Connections::default();
        let (mut from, end) = (None, Instant::now() + LISTING);
        for number in 0..MOST_PAGES {
            if number == 0 && is_urgent {
                self.limiter.acquire(false).await?;
            } else if !self.limiter.acquire_spare(end).await {
                return Ok(None);
            }
            let page = self.page(from.as_deref()).await.map_err(Error::without_effect)?;
            let (connections, next) = page.parts();
            found.add(connections);
            if next.is_none() || next == from {
                break;
            }
            from = next;
        }
        Ok(Some(found))
    }

    /// Scopes of the token, which is fetched on need; `None` where Auth0 does not tell.
    ///
    /// # Errors
    /// `AuthenticationFailed`, `RateLimited` or `Auth0Unavailable`: no token was had.
    pub async fn scopes(&self) -> Result<Option<BTreeSet<String>>, Error> {
        Ok(self.tokens.get(None).await?.scopes.clone())
    }

    /// Lets the next call ask for another token in place of one that is at least this old, with the scopes that are
    /// granted by then. Where none is had, the old one is used.
    pub async fn outdate_token(&self, age: Duration) {
        self.tokens.outdate(age).await;
    }

    async fn page(&self, from: Option<&str>) -> Result<Page, Error> {
        let mut url = self.url(CONNECTIONS)?;
        url.query_pairs_mut()
            .extend_pairs([("take", PAGE), ("fields", "id,name,strategy"), ("include_fields", "true")])
            .extend_pairs(from.map(|from| ("from", from)));
        let answer = self.call(&Call::get(url, CONNECTIONS)).await?;
        json::read(&answer.body).ok_or_else(|| garbage("a list of connections"))
    }

    /// Makes a call. An answer other than 2xx is an error.
    async fn call(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let answer = self.answer(call).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        let error = refused(&answer, call.body);
        if error.failure.reason == Reason::InsufficientScope {
            self.tokens.outdate(SCOPES_AGE).await;
        }
        Err(error)
    }

    /// Makes a call, and makes it again if the token turns out to be no longer accepted. Answers whatever Auth0 answers.
    pub(super) async fn answer(&self, call: &Call<'_>) -> Result<Answer, Error> {
        let token = self.tokens.get(None).await?;
        let mut answer = self.attempt(call, &token, 0).await?;
        if answer.status == 401 {
            let fresh = self.tokens.get(Some(&token)).await?;
            if !Arc::ptr_eq(&token, &fresh) {
                self.limiter.spend();
                answer = self.attempt(call, &fresh, 1).await?;
            }
        }
        Ok(answer)
    }

    /// A request, without what goes with a change.
    pub(super) fn request(&self, call: &Call<'_>, token: &Token) -> RequestBuilder {
        let request = self.http.client.request(call.method.clone(), call.url.clone());
        request.bearer_auth(token.secret.expose_secret())
    }

    async fn attempt(&self, call: &Call<'_>, token: &Token, resent: u32) -> Result<Answer, Error> {
        let mut request = self.request(call, token);
        if let Some(correlation) = &call.correlation {
            request = request.header("x-correlation-id", correlation);
        }
        if let Some(domain) = call.custom_domain {
            request = request.header("auth0-custom-domain", domain);
        }
        if let Some(body) = &call.body {
            request =
                request.header(CONTENT_TYPE, "application/json").body(body.bytes().expose_secret().to_vec());
        }
        let in_flight = self.limiter.send(call.at_once).await?;
        call.departed.store(true, Ordering::Relaxed);
        let answer = self.http.send(request, call.template, resent).await?;
        in_flight.on_response(&answer);
        Ok(answer)
    }

    fn user_url(&self, id: &str) -> Result<Url, Error> {
        // An empty segment would list the users, and URLs resolve dots even where they are encoded.
        if matches!(id, "" | "." | "..") {
            let message = format!("{id:?} is not a user id; create a resource with the id that Auth0 shows");
            return Err(Error::unsent(Reason::InvalidRequest, message));
        }
        self.url(&format!("/api/v2/users/{}", utf8_percent_encode(id, SEGMENT)))
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, Error> {
        Url::parse(&format!("{}{path}", self.origin)).map_err(|_| {
            Error::unsent(Reason::InternalError, "internal error: the operator built an invalid request URL")
        })
    }
}

impl Call<'_> {
    pub(super) fn get(url: Url, template: &'static str) -> Self {
        Self {
            method: Method::GET,
            url,
            template,
            body: None,
            correlation: None,
            custom_domain: None,
            at_once: false,
            departed: AtomicBool::default(),
        }
    }
}

/// Reads a user. Auth0 always shows `user_id`; without it the answer comes from something else, and its
/// missing attributes must not be taken for differences.
fn read_user(answer: &Answer) -> Result<User, Error> {
    json::read::<json::User>(&answer.body)
        .and_then(|answer| answer.0)
        .filter(|user| user.contains_key("user_id"))
        .map(User::from)
        .ok_or_else(|| garbage("a user"))
}

pub(super) fn garbage(expected: &str) -> Error {
    Error::unavailable(Effect::Unknown, &format!("Auth0's answer is not {expected}"))
}

pub(super) fn refused(answer: &Answer, sent: Option<&Body>) -> Error {
    let status = answer.status.as_u16();
    let retry_after = if status == 429 { headers::wait(&answer.headers, headers::LONGEST) } else { None };
    Error { retry_after, ..judge(status, &answer.body, sent) }
}

fn correlation(id: &str) -> Option<HeaderValue> {
    let kept: String = id.chars().filter(char::is_ascii_graphic).take(CORRELATION_LENGTH).collect();
    HeaderValue::from_str(&kept).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
