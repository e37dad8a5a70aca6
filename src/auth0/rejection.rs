//! From an answer that says no to the error that is told.

use super::classify::{Refusal, classify};
use super::error::{Effect, Error};
use super::text;
use crate::plan::Body;

/// What an answer to `PATCH /api/v2/users/{id}` means whose status is not 2xx.
#[must_use]
pub fn rejection(status: u16, body: &[u8], sent: &Body) -> Error {
    judge(status, body, Some(sent))
}

/// The same for a request that may have had no body.
pub(super) fn judge(status: u16, body: &[u8], sent: Option<&Body>) -> Error {
    if (300..400).contains(&status) {
        return Error::unavailable(
            Effect::None,
            "the tenant's domain answers with a redirect, which is not followed; check the domain",
        );
    }
    let mut refusal = Refusal::read(body);
    // Before anything looks at the text: a value may say what it likes.
    refusal.message = text::without_values(&refusal.message).into_owned();
    let names_connection = sent.is_some_and(|body| body.fields().contains_key("connection"));
    let verdict = classify(status, &refusal, names_connection);
    // The script of a custom database may say the password. A gap in a known sentence would say it too, so
    // only the name of the error is quoted then, or nothing.
    let betrays = |said: &str| sent.is_some_and(|body| body.is_betrayed_by(said));
    let name = refusal.message.split(':').next().unwrap_or_default();
    let said = [refusal.message.as_str(), name].into_iter().find(|said| !betrays(said)).unwrap_or_default();
    let is_password_history = name == "PasswordHistoryError";
    Error { is_password_history, ..Error::answered(verdict, status, said) }
}
