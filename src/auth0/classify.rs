//! What an answer that says no means.
//!
//! Auth0 mostly leaves `errorCode` out, so the text decides. The texts are those of the error list of
//! "Update a user" in Auth0's Management API reference, and of answers that users of it have reported.

use super::error::Effect;
use crate::reason::Reason;
use serde::Deserialize;

/// The body of an error: `{"statusCode":400,"error":"Bad Request","message":"…","errorCode":"…"}`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) error_code: String,
}

impl Refusal {
    /// Reads a body; one that is no such object says nothing.
    pub(super) fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    fn says(&self, text: &str) -> bool {
        self.message.contains(text)
    }

    fn says_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.says(text))
    }
}

/// The reason for a refusal, and what the call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: Reason,
    pub(super) effect: Effect,
}

const fn verdict(reason: Reason, effect: Effect) -> Verdict {
    Verdict { reason, effect }
}

/// Texts about a request that should never have been composed.
const DEFECTS: [&str; 4] =
    ["simultaneously", "None of the valid schemas", "Additional properties", "secondary identity"];

/// Texts about what the user's connection does not take.
const UNSUPPORTED: [&str; 8] = [
    "Connection is not supported",
    "non-database user",
    "for this user",
    "disabled connection",
    "not supported for enterprise users",
    "cannot be updated",
    "change_email script",
    "users without an username",
];

/// Judges an answer whose status is not 2xx. `names_connection`: the request body had a `connection`.
pub(super) fn classify(status: u16, refusal: &Refusal, names_connection: bool) -> Verdict {
    match status {
        401 => verdict(Reason::AuthenticationFailed, Effect::None),
        403 => verdict(forbidden(refusal), Effect::None),
        404 if refusal.error_code == "inexistent_user" => verdict(Reason::UserNotFound, Effect::None),
        // Not Auth0, which says whether the user is what is missing, and which does not redirect. A
        // redirect asks for another request instead of doing this one (RFC 9110, section 15.4).
        404 | 300..=399 => verdict(Reason::Auth0Unavailable, Effect::None),
        408 => verdict(Reason::Auth0Unavailable, Effect::Unknown),
        429 => verdict(Reason::RateLimited, Effect::None),
        400..=499 => refused(refusal, names_connection),
        _ => verdict(Reason::Auth0Unavailable, Effect::Unknown),
    }
}

fn forbidden(refusal: &Refusal) -> Reason {
    // Auth0 has used insufficient_scope for both, so the text comes before the code.
    if refusal.error_code == "insufficient_entitlement" || refusal.says_any(&["upgrade", "entitle"]) {
        Reason::NotEntitled
    } else if refusal.says("You cannot update the following fields") {
        Reason::AuthenticationFailed
    } else {
        Reason::InsufficientScope
    }
}

/// The first that matches decides.
fn refused(refusal: &Refusal, names_connection: bool) -> Verdict {
    if refusal.says_any(&DEFECTS) {
        return verdict(Reason::InternalError, Effect::None);
    }
    if refusal.says_any(&["Bad HTTP authentication header format", "You cannot update the following fields"])
    {
        return verdict(Reason::AuthenticationFailed, Effect::None);
    }
    let missing_connection = refusal.says("The connection does not exist");
    let reason = if refusal.says("Your account is not allowed") {
        Reason::NotEntitled
    } else if names_password_rule(&refusal.message) {
        Reason::PasswordRejected
    } else if refusal.says("already exists") {
        Reason::AlreadyExists
    } else if refusal.says("cannot be removed") {
        Reason::NotClearable
    } else if missing_connection && names_connection {
        Reason::UnknownConnection
    // Without a named connection this is how a password for a social user is refused.
    } else if missing_connection
        || refusal.error_code == "operation_not_supported"
        || refusal.says_any(&UNSUPPORTED)
    {
        Reason::NotSupportedByConnection
    } else {
        Reason::InvalidRequest
    };
    verdict(reason, Effect::Refused)
}

/// `PasswordStrengthError:`, `PasswordHistoryError:` and the like.
fn names_password_rule(message: &str) -> bool {
    message.split_whitespace().any(|word| word.starts_with("Password") && word.ends_with("Error:"))
}

#[cfg(test)]
mod tests;
