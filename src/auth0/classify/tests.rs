//! Every error text that is known of the endpoints that the operator calls.

use super::*;
use Reason::{
    AlreadyExists, Auth0Unavailable, AuthenticationFailed, InsufficientScope, InternalError, InvalidRequest,
    NotClearable, NotEntitled, NotSupportedByConnection, PasswordRejected, RateLimited, UnknownConnection,
    UserNotFound,
};

fn judged(status: u16, message: &str, code: &str, names_connection: bool) -> Verdict {
    let refusal = Refusal { message: message.to_owned(), error_code: code.to_owned() };
    classify(status, &refusal, names_connection)
}

/// Texts of a 400, with the `errorCode` where it is known.
const BAD_REQUESTS: &[(&str, &str, Reason)] = &[
    (
        "Payload validation error: 'String is too short (0 chars), minimum 1' on property connection (The connection).",
        "invalid_body",
        InvalidRequest,
    ),
    (
        "Payload validation error: 'Additional properties not allowed: a,b (consider storing them in app_metadata or user_metadata. See \"Users Metadata\" in https://auth0.com/docs/api/v2/changes for more details)'",
        "invalid_body",
        InternalError,
    ),
    (
        "Payload validation error: 'None of the valid schemas were met'. Inner errors: [ Payload validation error: 'Missing required property: blocked'. (also) ]",
        "",
        InternalError,
    ),
    ("Payload validation error: 'Expected type object but found type null'", "", InvalidRequest),
    ("Payload validation error: 'Object didn't pass validation for format email: …'", "", InvalidRequest),
    (
        "Path validation error: 'Object didn't pass validation for format user-id: …'",
        "invalid_uri",
        InvalidRequest,
    ),
    ("Connection is not supported for this operation.", "", NotSupportedByConnection),
    ("Cannot update password and email simultaneously.", "", InternalError),
    ("Cannot update password and email_verified simultaneously.", "", InternalError),
    ("Cannot update username and email simultaneously.", "operation_not_supported", InternalError),
    ("Cannot update username and email_verified simultaneously.", "", InternalError),
    ("Cannot update username and password simultaneously.", "", InternalError),
    ("Cannot update email for non-database user.", "", NotSupportedByConnection),
    ("Cannot update email for this user", "", NotSupportedByConnection),
    ("Cannot update username for users without an username already set", "", NotSupportedByConnection),
    ("Cannot change email or password for users in a disabled connection.", "", NotSupportedByConnection),
    ("Email verification is not supported for enterprise users", "", NotSupportedByConnection),
    (
        "The following user attributes cannot be updated: family_name. The connection (google-oauth2) must either be a database connection (using the Auth0 store), a passwordless connection (email or sms) or has disabled 'Sync user profile attributes at each login'.",
        "",
        NotSupportedByConnection,
    ),
    (
        "The following user attributes cannot be updated: name. The specified connection belongs to a secondary identity.",
        "operation_not_supported",
        InternalError,
    ),
    ("Your account is not allowed to update the following user attributes: name", "", NotEntitled),
    (
        "The following user attributes cannot be removed: name. The connection (db) must either be a custom database connection with import mode disabled, a social or enterprise connection.",
        "",
        NotClearable,
    ),
    (
        "The following user attributes cannot be removed: foo, bar. The connection (X) should have disabled 'Sync user profile attributes at each login' or defined these attributes in 'options.non_persistent_attrs'",
        "operation_not_supported",
        NotClearable,
    ),
    ("PasswordStrengthError: Password is too weak", "", PasswordRejected),
    ("PasswordHistoryError: Password has previously been used", "", PasswordRejected),
    ("PasswordDictionaryError: Password is too common", "", PasswordRejected),
    ("PasswordNoUserInfoError: Password contains user information", "", PasswordRejected),
    ("The specified new email already exists", "auth0_idp_error", AlreadyExists),
    ("The specified new username already exists", "", AlreadyExists),
    ("change_email script does not exist", "", NotSupportedByConnection),
    ("something new", "operation_not_supported", NotSupportedByConnection),
    ("Bad HTTP authentication header format", "Bearer", AuthenticationFailed),
    ("The custom domain does not exist for the tenant.", "", InvalidRequest),
    ("", "", InvalidRequest),
];

#[test]
fn bad_requests_are_told_apart_by_their_text() {
    for (message, code, reason) in BAD_REQUESTS {
        let ends = matches!(reason, InternalError | AuthenticationFailed);
        let effect = if ends { Effect::None } else { Effect::Refused };
        for names_connection in [false, true] {
            assert_eq!(judged(400, message, code, names_connection), verdict(*reason, effect), "{message}");
        }
    }
}

#[test]
fn a_missing_connection_is_the_specs_mistake_only_where_the_spec_names_one() {
    for code in ["inexistent_connection", ""] {
        let judged = |names| judged(400, "The connection does not exist.", code, names);
        assert_eq!(judged(true), verdict(UnknownConnection, Effect::Refused));
        assert_eq!(judged(false), verdict(NotSupportedByConnection, Effect::Refused));
    }
}

#[test]
fn other_answers_are_told_apart_by_their_status() {
    let expired = "Expired token received for JSON Web Token validation";
    let scope = "Insufficient scope, expected any of: update:users,update:users_app_metadata";
    let fields = "You cannot update the following fields: connection, client_id, password";
    let upgrade = "Please upgrade your subscription to use this feature";
    let subject = "User to be acted on does not match subject in bearer token.";
    for (status, message, code, reason, effect) in [
        (401, "Missing authentication", "", AuthenticationFailed, Effect::None),
        (401, expired, "", AuthenticationFailed, Effect::None),
        (401, "Invalid token", "", AuthenticationFailed, Effect::None),
        (401, "Client is not global.", "", AuthenticationFailed, Effect::None),
        (401, "Bad audience: x", "", AuthenticationFailed, Effect::None),
        (403, scope, "insufficient_scope", InsufficientScope, Effect::None),
        (403, fields, "insufficient_scope", AuthenticationFailed, Effect::None),
        (403, subject, "", InsufficientScope, Effect::None),
        (403, "The subscription lacks it", "insufficient_entitlement", NotEntitled, Effect::None),
        (403, upgrade, "insufficient_scope", NotEntitled, Effect::None),
        (404, "The user does not exist.", "inexistent_user", UserNotFound, Effect::None),
        (404, "Not Found", "", Auth0Unavailable, Effect::None),
        (409, "The tenant has multiple verified custom domains.", "x", InvalidRequest, Effect::Refused),
        (413, "", "", InvalidRequest, Effect::Refused),
        (429, "Global limit has been reached", "too_many_requests", RateLimited, Effect::None),
        (302, "", "", Auth0Unavailable, Effect::None),
        (408, "", "", Auth0Unavailable, Effect::Unknown),
        (500, "Cannot update username and email simultaneously.", "", Auth0Unavailable, Effect::Unknown),
        (503, "", "", Auth0Unavailable, Effect::Unknown),
        (524, "", "", Auth0Unavailable, Effect::Unknown),
    ] {
        assert_eq!(judged(status, message, code, false), verdict(reason, effect), "{status} {message}");
    }
}

#[test]
fn a_body_that_is_no_error_object_says_nothing() {
    for body in ["", "<html>", "[]", "\"text\"", "{\"message\": 7}"] {
        let refusal = Refusal::read(body.as_bytes());
        assert_eq!((refusal.message.as_str(), refusal.error_code.as_str()), ("", ""));
    }
}
