//! Client assertions: proof of a private key instead of a secret.
//!
//! Auth0: "Authenticate with Private Key JWT": `iss` and `sub` are the client id, `aud` the tenant's origin with a
//! trailing slash, each assertion is used once and lives for a minute; RFC 7523, section 3.

use crate::api::reason::{Failure, Reason};
use crate::auth0::limiter::headers;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use k8s_openapi::jiff::Timestamp;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use std::sync::atomic::{AtomicI64, Ordering};

/// How long an assertion is good for, in seconds. Auth0 recommends at most a minute.
const LIFE: i64 = 60;

/// What Auth0 forgives a clock, in seconds, less a little for the way.
const TOLERANCE: u64 = 5;

/// What proves to Auth0 which application calls. No `Debug`.
pub struct Credentials {
    /// Id of a machine-to-machine application.
    pub client_id: String,
    /// What only this application has.
    pub proof: Proof,
}

/// How an application proves that it is the one.
pub enum Proof {
    /// By its secret.
    Secret(SecretString),
    /// By signing with its private key (`private_key_jwt`).
    Key(SigningKey),
}

/// A private RSA key and the algorithm that the application is registered with. No `Debug`.
pub struct SigningKey {
    pem: SecretString,
    algorithm: Algorithm,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    exp: i64,
}

impl SigningKey {
    /// Takes a key in PEM (PKCS #8 or PKCS #1). `algorithm` is `RS256`, `RS384` or `PS256`; absent: `RS256`.
    ///
    /// # Errors
    /// `AuthenticationFailed` where it is no such key or algorithm.
    pub fn new(pem: &str, algorithm: Option<&str>) -> Result<Self, Failure> {
        let refuse = |message: &str| Failure::new(Reason::AuthenticationFailed, message);
        let algorithm = match algorithm.unwrap_or("RS256") {
            "RS256" => Algorithm::RS256,
            "RS384" => Algorithm::RS384,
            "PS256" => Algorithm::PS256,
            _ => return Err(refuse("the key signingAlgorithm of the Secret must be RS256, RS384 or PS256")),
        };
        let key = Self { pem: pem.into(), algorithm };
        // Signing tells more than reading does: a key may be too short.
        key.assertion("", "", 0).map_err(|_| {
            refuse("the key privateKey of the Secret is not an RSA private key in PEM of at least 2048 bits: store the one whose public key is registered with the application")
        })?;
        Ok(key)
    }

    /// A new assertion, as of this second of the server's clock.
    pub(super) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: i64,
    ) -> Result<SecretString, Failure> {
        let fail = || {
            Failure::new(Reason::InternalError, "internal error: the client assertion could not be signed")
        };
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|_| fail())?;
        let jti = format!("{:032x}", u128::from_ne_bytes(id));
        let claims = Claims { iss: client_id, sub: client_id, aud: audience, jti, iat: now, exp: now + LIFE };
        let key = EncodingKey::from_rsa_pem(self.pem.expose_secret().as_bytes()).map_err(|_| fail())?;
        encode(&Header::new(self.algorithm), &claims, &key).map(SecretString::from).map_err(|_| fail())
    }
}

/// The server's clock, as far as its answers tell: ours and the difference, in seconds.
#[derive(Default)]
pub(super) struct Clock(AtomicI64);

impl Clock {
    /// The present second of the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        Timestamp::now().as_second().saturating_add(self.0.load(Ordering::Relaxed))
    }

    /// Goes by the `Date` of an answer from now on. Answers whether it was off by more than is forgiven.
    pub(super) fn correct(&self, headers: &HeaderMap) -> bool {
        let Some(date) = headers::server_second(headers) else { return false };
        let was_off = self.now().abs_diff(date) > TOLERANCE;
        if was_off {
            self.0.store(date.saturating_sub(Timestamp::now().as_second()), Ordering::Relaxed);
        }
        was_off
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{DATE, HeaderValue};

    #[test]
    fn a_clock_that_is_off_goes_by_the_servers() {
        for date in ["Tue, 11 Jul 2023 12:00:00 GMT", "Tue, 11 Jul 2090 12:00:00 GMT"] {
            let headers: HeaderMap = [(DATE, HeaderValue::from_static(date))].into_iter().collect();
            let clock = Clock::default();
            assert!(clock.correct(&headers), "{date}");
            assert!(!clock.correct(&headers), "{date}");
            assert!(clock.now().abs_diff(headers::server_second(&headers).unwrap()) <= 1, "{date}");
        }
        assert!(!Clock::default().correct(&HeaderMap::new()));
    }

    #[test]
    fn what_is_no_key_is_told_without_repeating_it() {
        for (pem, algorithm) in
            [("canary", None), ("", None), ("canary", Some("none")), ("canary", Some("HS256"))]
        {
            let failure = SigningKey::new(pem, algorithm).err().unwrap();
            assert_eq!(failure.reason, Reason::AuthenticationFailed);
            assert!(!failure.message.contains("canary"));
        }
    }
}
