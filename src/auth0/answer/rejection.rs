//! From an answer that says no to the error that is told.

use crate::api::reason::Reason;
use crate::auth0::answer::blame::blame;
use crate::auth0::answer::classify::{Refusal, classify};
use crate::auth0::answer::effect::Effect;
use crate::auth0::answer::error::{Blame, Error, sentence};
use crate::auth0::answer::{known, text};
use crate::user::{Attribute, Body};

/// What an answer to `PATCH /api/v2/users/{id}` means whose status is not 2xx.
#[must_use]
pub fn rejection(status: u16, body: &[u8], sent: &Body) -> Error {
    judge(status, body, Some(sent))
}

/// The same for a request that may have had no body.
pub(in crate::auth0) fn judge(status: u16, body: &[u8], sent: Option<&Body>) -> Error {
    if (300..400).contains(&status) {
        return Error::unavailable(
            Effect::None,
            "the tenant's domain answers with a redirect, which is not followed; check the domain",
        );
    }
    let refusal = Refusal::read(body, sent);
    let verdict = classify(status, &refusal, sent);
    let (said, is_cut) = said(&refusal, sent.is_some_and(Body::has_password));
    let quoted = known::quote(&said, is_cut, status);
    let message = sentence(&verdict, status, &quoted);
    let blame = match sent.filter(|_| verdict.effect == Effect::Refused) {
        Some(sent) if verdict.reason == Reason::PasswordRejected && sent.has_password() => {
            Blame::Each(vec![Attribute::Password.auth0_name().to_owned()])
        }
        Some(sent) => blame(&refusal.message, sent),
        None => Blame::Unknown,
    };
    let is_password_history = verdict.reason == Reason::PasswordRejected && refusal.is_password_history();
    Error { blame, said, is_password_history, ..Error::new(verdict.reason, verdict.effect, message) }
}

/// What is shown of Auth0's text, and whether something of it is not. `is_secret`: the answer can repeat a secret.
fn said(refusal: &Refusal, is_secret: bool) -> (String, bool) {
    if !is_secret {
        return (text::one_line(refusal.text()), false);
    }
    match known::sentence(&refusal.message) {
        Some(sentence) => (sentence.to_owned(), false),
        None => (known::code(&refusal.code).unwrap_or_default().to_owned(), !refusal.text().is_empty()),
    }
}

#[cfg(test)]
mod tests;
