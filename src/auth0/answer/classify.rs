//! What an answer that says no means.
//!
//! Auth0 mostly leaves `errorCode` out, so the text decides. The texts are those of the error list of
//! "Update a user" in Auth0's Management API reference, and of answers that users of it have reported.

use crate::api::json;
use crate::api::reason::Reason;
use crate::auth0::answer::effect::{Effect, Sentence, Verdict};
use crate::auth0::answer::text;
use crate::user::Body;
use serde::Deserialize;

/// The body of an error: `{"statusCode":400,"error":"Bad Request","message":"…","errorCode":"…"}`, of which any part
/// may be missing, or OAuth's `{"error":"…","error_description":"…"}`.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// Auth0's sentence, without the values in it.
    pub(super) message: String,
    /// `errorCode`.
    pub(super) code: String,
    /// The name of the status, or OAuth's code.
    pub(super) error: String,
    /// Whether Auth0 answers so: what stands before it may have an answer of its own.
    pub(super) is_auth0s: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answered {
    #[serde(deserialize_with = "json::text_if_any")]
    message: Option<String>,
    #[serde(deserialize_with = "json::text_if_any")]
    error_description: Option<String>,
    #[serde(deserialize_with = "json::text_if_any")]
    error: Option<String>,
    #[serde(rename = "errorCode", deserialize_with = "json::text_if_any")]
    code: Option<String>,
    #[serde(rename = "statusCode", deserialize_with = "json::text_if_any")]
    status: Option<String>,
}

impl Refusal {
    /// Reads the body of an answer to a request that may have had one; one that is no such object says nothing.
    pub(super) fn read(body: &[u8], sent: Option<&Body>) -> Self {
        let Answered { message, error_description, error, code, status } =
            json::read(body).unwrap_or_default();
        let is_auth0s = [&error_description, &error, &code, &status].iter().any(|part| part.is_some());
        let [message, description, error, code] =
            [message, error_description, error, code].map(|part| part.unwrap_or_default().trim().to_owned());
        let message = if message.is_empty() { description } else { message };
        // Before anything looks at the text: a value may say what it likes.
        Self { message: text::without_values(&message, sent), code, error, is_auth0s }
    }

    /// The first that there is: Auth0's sentence, its code, the name of the status.
    pub(super) fn text(&self) -> &str {
        [&self.message, &self.code, &self.error]
            .into_iter()
            .find(|text| !text.is_empty())
            .map_or("", |text| text)
    }

    fn says(&self, text: &str) -> bool {
        self.message.contains(text)
    }

    fn says_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.says(text))
    }

    /// Whether Auth0 refuses the password because the user has had it before.
    pub(super) fn is_password_history(&self) -> bool {
        password_rules(&self.message).any(|word| word == "PasswordHistoryError:")
    }
}

/// With the reason's own sentence.
const fn verdict(reason: Reason, effect: Effect) -> Verdict {
    Verdict { reason, effect, sentence: None }
}

/// A 403 that is no answer of Auth0.
pub(super) const NOT_AUTH0: Verdict = Verdict {
    reason: Reason::Auth0Unavailable,
    effect: Effect::None,
    sentence: Some((
        "a firewall or proxy rejects the request in place of Auth0",
        "allow it there; the operator retries",
    )),
};

const FORBIDDEN: Sentence =
    ("Auth0 forbids the request", "check what the tenant's application is allowed to do in Auth0");

/// Texts about a body whose parts do not go together.
const DEFECTS: [&str; 4] =
    ["simultaneously", "None of the valid schemas", "Additional properties", "secondary identity"];

/// Texts about a token of a user, which stands for an application here.
const FOREIGN_TOKEN: [&str; 2] =
    ["You cannot update the following fields", "does not match subject in bearer token"];

/// Texts about what the user's connection does not support.
const UNSUPPORTED: [&str; 11] = [
    "Connection is not supported",
    "non-database user",
    "non-sms user",
    "for this user",
    "disabled connection",
    "not supported for enterprise users",
    "cannot be updated",
    "script does not exist",
    "users without an username",
    "attribute configuration enabled",
    "phone_number is not allowed",
];

/// Of these, and more, what can be said of a password alone. Any other text about one may be its policy's.
const NO_PASSWORDS: [&str; 7] = [
    "The connection does not exist",
    "Connection is not supported",
    "non-database user",
    "disabled connection",
    "script does not exist",
    "Cannot update password for",
    "user attributes cannot be updated",
];

/// Judges an answer whose status is not 2xx to a request that may have had a body.
pub(super) fn classify(status: u16, refusal: &Refusal, sent: Option<&Body>) -> Verdict {
    match status {
        401 => verdict(Reason::AuthenticationFailed, Effect::None),
        403 => forbidden(refusal),
        404 if refusal.code == "inexistent_user" => verdict(Reason::UserNotFound, Effect::None),
        // Not Auth0, which says whether the user is what is missing, and which does not redirect. A
        // redirect asks for another request instead of doing this one (RFC 9110, section 15.4).
        404 | 300..=399 => verdict(Reason::Auth0Unavailable, Effect::None),
        408 => verdict(Reason::Auth0Unavailable, Effect::Unknown),
        429 => verdict(Reason::RateLimited, Effect::None),
        400..=499 => refused(status, refusal, sent),
        _ => verdict(Reason::Auth0Unavailable, Effect::Unknown),
    }
}

/// The first that matches decides. What the tenant's Auth0 plan leaves out is about this body: others may pass.
fn forbidden(refusal: &Refusal) -> Verdict {
    // Auth0 has used insufficient_scope for plans too, so the text comes before the code.
    if matches!(refusal.code.as_str(), "insufficient_entitlement" | "feature_not_enabled")
        || refusal.says_any(&["upgrade", "entitle", "verified credit card", "Your account is not allowed"])
    {
        verdict(Reason::NotEntitled, Effect::Refused)
    } else if refusal.says_any(&FOREIGN_TOKEN) {
        verdict(Reason::AuthenticationFailed, Effect::None)
    } else if refusal.code == "insufficient_scope" || refusal.says("Insufficient scope") {
        verdict(Reason::InsufficientScope, Effect::None)
    } else if !refusal.is_auth0s {
        NOT_AUTH0
    } else if refusal.code == "operation_not_supported" {
        verdict(Reason::NotSupportedByConnection, Effect::Refused)
    } else {
        // Unknown, and 403 is about the caller: no other body would pass, and its application is where to look.
        Verdict { sentence: Some(FORBIDDEN), ..verdict(Reason::AuthenticationFailed, Effect::None) }
    }
}

/// The first that matches decides.
fn refused(status: u16, refusal: &Refusal, sent: Option<&Body>) -> Verdict {
    if refusal.says_any(&DEFECTS) {
        return verdict(Reason::InternalError, Effect::Refused);
    }
    if refusal.says("Bad HTTP authentication header format") || refusal.says_any(&FOREIGN_TOKEN) {
        return verdict(Reason::AuthenticationFailed, Effect::None);
    }
    if let Some(sentence) = custom_domain(refusal) {
        return Verdict { sentence: Some(sentence), ..verdict(Reason::InvalidRequest, Effect::None) };
    }
    let missing_connection = refusal.says("The connection does not exist");
    let names_connection = sent.is_some_and(|body| body.fields().contains_key("connection"));
    let reason = if refusal.says("Your account is not allowed") {
        Reason::NotEntitled
    } else if password_rules(&refusal.message).next().is_some()
        || (status == 400 && sent.is_some_and(|sent| is_about_password(refusal, sent)))
    {
        Reason::PasswordRejected
    } else if refusal.says("already exists") {
        Reason::AlreadyExists
    } else if refusal.says("cannot be removed") {
        Reason::NotClearable
    } else if missing_connection && names_connection {
        Reason::UnknownConnection
    // Without a named connection this is how a password for a social user is refused.
    } else if missing_connection
        || refusal.code == "operation_not_supported"
        || refusal.says_any(&UNSUPPORTED)
    {
        Reason::NotSupportedByConnection
    } else if status == 400 && !is_about_another_part(refusal) {
        sent.map_or(Reason::InvalidRequest, by_body)
    } else {
        Reason::InvalidRequest
    };
    verdict(reason, Effect::Refused)
}

/// Texts about the header that names a custom domain, which every body goes with.
fn custom_domain(refusal: &Refusal) -> Option<Sentence> {
    if refusal.code == "custom_domain_conflict" || refusal.says("multiple verified custom domains") {
        Some((
            "the tenant has several custom domains and no default",
            "set Auth0Tenant.spec.customDomain, or a default custom domain in Auth0",
        ))
    } else if refusal.says_any(&["custom domain does not exist", "auth0-custom-domain"]) {
        Some(("Auth0 rejects the custom domain", "correct Auth0Tenant.spec.customDomain"))
    } else {
        None
    }
}

/// Whether the text is about the address or about the connection's name.
fn is_about_another_part(refusal: &Refusal) -> bool {
    refusal.code == "invalid_uri"
        || refusal.says_any(&["Path validation error", "on property connection", "format user-id"])
}

/// Whether a text is about a password alone: the words of the connection's own password policy can be any.
fn is_about_password(refusal: &Refusal, sent: &Body) -> bool {
    sent.has_password()
        && sent.fields().keys().all(|name| matches!(name.as_str(), "connection" | "blocked"))
        && refusal.code != "operation_not_supported"
        && !refusal.says_any(&NO_PASSWORDS)
        && !is_about_another_part(refusal)
}

/// A text that is not known is about the one thing that the body holds: the words of the connection's required
/// attributes can be any.
fn by_body(sent: &Body) -> Reason {
    let mut others = sent.fields().iter().filter(|(name, _)| *name != "connection").peekable();
    if !sent.has_password() && others.peek().is_some() && others.all(|(_, value)| value.is_null()) {
        Reason::NotClearable
    } else {
        Reason::InvalidRequest
    }
}

/// `PasswordStrengthError:`, `PasswordHistoryError:` and the like.
fn password_rules(message: &str) -> impl Iterator<Item = &str> {
    message.split_whitespace().filter(|word| word.starts_with("Password") && word.ends_with("Error:"))
}
