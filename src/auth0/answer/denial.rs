//! What an answer of the token endpoint means that grants nothing.

use crate::api::reason::Reason;
use crate::auth0::answer::classify::{self, Refusal};
use crate::auth0::answer::effect::Effect;
use crate::auth0::answer::error::{Error, sentence};
use crate::auth0::answer::known;
use std::time::Duration;

/// Judges an answer of the token endpoint that grants nothing. The API was not called, so no effect.
pub(in crate::auth0) fn denied(status: u16, body: &[u8], retry_after: Option<Duration>) -> Error {
    match status {
        400 | 401 | 403 => {
            let refusal = Refusal::read(body, None);
            if status == 403 && !refusal.is_auth0s {
                let verdict = classify::NOT_AUTH0;
                let message = sentence(&verdict, status, &known::quote("", false, status));
                return Error::new(verdict.reason, verdict.effect, message);
            }
            let code = known::code(&refusal.error);
            let description = known::sentence(&refusal.message);
            let said = code.into_iter().chain(description).collect::<Vec<_>>().join(": ");
            let is_cut = (code.is_none() && !refusal.error.is_empty())
                || (description.is_none() && !refusal.message.is_empty());
            let message = format!(
                "Auth0 rejects the tenant's credentials ({}); check clientId and clientSecret, or privateKey, and that the application may use the Management API",
                known::quote(&said, is_cut, status)
            );
            Error { said, ..Error::new(Reason::AuthenticationFailed, Effect::None, message) }
        }
        429 => Error {
            retry_after,
            ..Error::new(
                Reason::RateLimited,
                Effect::None,
                "Auth0 issues no more access tokens for now; the operator retries when Auth0 allows it",
            )
        },
        status => Error::unavailable(Effect::None, &format!("Auth0's token endpoint answered HTTP {status}")),
    }
}
