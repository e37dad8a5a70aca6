//! What may be quoted of an answer that can repeat a secret.
//!
//! The script of a custom database can put the password into its error in any encoding, in part and in other
//! letter case, so nothing is searched for. Only what stands below is quoted, and as it stands here: what fills
//! the gaps of a sentence is left out.

/// Sentences of the Management API and of the token endpoint. A text that begins like one of them, up to its
/// gap, is that sentence; the first decides.
const SENTENCES: [&str; 46] = [
    "PasswordStrengthError: Password is too weak",
    "PasswordStrengthError",
    "PasswordHistoryError: Password has previously been used",
    "PasswordHistoryError",
    "PasswordDictionaryError: Password is too common",
    "PasswordDictionaryError",
    "PasswordNoUserInfoError: Password contains user information",
    "PasswordNoUserInfoError",
    "Payload validation error: 'String is too short (\u{2026})'",
    "Payload validation error: 'String is too long (\u{2026})'",
    "Payload validation error: 'String does not match pattern \u{2026}'",
    "Payload validation error: 'Object didn't pass validation for format \u{2026}'",
    "Payload validation error: 'Expected type \u{2026}'",
    "Payload validation error: 'Additional properties not allowed: \u{2026}'",
    "Payload validation error: 'None of the valid schemas were met'",
    "Payload validation error",
    "Path validation error",
    "The connection does not exist.",
    "Connection is not supported for this operation.",
    "Cannot update password and email simultaneously.",
    "Cannot update password and email_verified simultaneously.",
    "Cannot update username and password simultaneously.",
    "Cannot change email or password for users in a disabled connection.",
    "change_password script does not exist",
    "The following user attributes cannot be updated: \u{2026}",
    "The following user attributes cannot be removed: \u{2026}",
    "Your account is not allowed to update the following user attributes: \u{2026}",
    "You cannot update the following fields: \u{2026}",
    "User to be acted on does not match subject in bearer token.",
    "Insufficient scope, expected any of: \u{2026}",
    "Insufficient scope",
    "Please upgrade your subscription",
    "There must be a verified credit card on file",
    "Bad HTTP authentication header format",
    "Missing authentication",
    "Expired token received for JSON Web Token validation",
    "Invalid signature received for JSON Web Token validation",
    "Invalid token",
    "Client is not global.",
    "The tenant has multiple verified custom domains.",
    "The custom domain does not exist for the tenant.",
    "Unauthorized",
    "Client authentication failed",
    "Client is not authorized to access \u{2026}. You need to create a \"client-grant\" associated to this API.",
    "Grant type 'client_credentials' not allowed for the client.",
    "Service not enabled within domain: \u{2026}",
];

/// Values of `errorCode`, and of `error` in an answer of the token endpoint.
const CODES: [&str; 20] = [
    "access_denied",
    "auth0_idp_error",
    "custom_domain_conflict",
    "feature_not_enabled",
    "inexistent_connection",
    "inexistent_user",
    "insufficient_entitlement",
    "insufficient_scope",
    "invalid_body",
    "invalid_client",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_uri",
    "operation_not_supported",
    "server_error",
    "temporarily_unavailable",
    "too_many_requests",
    "unauthorized_client",
    "unsupported_grant_type",
];

/// The known sentence that a text is.
pub(super) fn sentence(text: &str) -> Option<&'static str> {
    SENTENCES.into_iter().find(|sentence| {
        let (beginning, _) = sentence.split_once('\u{2026}').unwrap_or((sentence, ""));
        // With or without its full stop.
        text.starts_with(beginning.trim_end_matches('.'))
    })
}

/// The known code that a text is.
pub(super) fn code(text: &str) -> Option<&'static str> {
    CODES.into_iter().find(|code| *code == text)
}

/// How a message quotes what was `said`; `is_cut` where something of the answer is not shown.
pub(super) fn quote(said: &str, is_cut: bool, status: u16) -> String {
    let hidden = "its text is not shown, because it may hold a secret";
    match (said, is_cut) {
        ("", false) => format!("HTTP {status}"),
        ("", true) => format!("HTTP {status}; {hidden}"),
        (said, false) => format!("\"{said}\""),
        (said, true) => format!("\"{said}\"; {hidden}"),
    }
}
