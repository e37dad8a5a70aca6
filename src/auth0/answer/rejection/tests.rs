//! Every error text that is known of the endpoints that the operator calls, and what may not be told of one.

mod canaries;
mod texts;

use crate::auth0::answer::rejection::*;
use Effect::{None as Nothing, Refused, Unknown};
use Reason::{
    AlreadyExists, Auth0Unavailable, AuthenticationFailed, InsufficientScope, InternalError, InvalidRequest,
    NotClearable, NotEntitled, NotSupportedByConnection, PasswordRejected, RateLimited, UnknownConnection,
    UserNotFound,
};
use serde_json::{Value, json};
use texts::{BAD_REQUESTS, DATABASE, OTHERS, SYNCED};

/// A body with one field of every kind.
fn whole() -> Body {
    let fields = json!({
        "name": "N", "given_name": "G", "family_name": "F", "nickname": "k", "picture": "https://example.com/p",
        "email": "ada@example.com", "email_verified": true, "verify_email": true, "blocked": true,
        "phone_number": "+15550100", "phone_verified": true, "username": "ada",
        "user_metadata": {"plan": "pro"}, "app_metadata": {"role": "x"},
    });
    Body::of(&fields, None)
}

fn error(status: u16, message: &str, code: &str) -> Vec<u8> {
    let mut body = json!({"statusCode": status, "error": "Bad Request", "message": message});
    if !code.is_empty() {
        body["errorCode"] = code.into();
    }
    body.to_string().into_bytes()
}

#[test]
fn a_part_of_an_odd_shape_costs_no_other_part() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for odd in [deep.as_str(), r#"{"$serde_json::private::RawValue":"["}"#, "[1]", "7", "null"] {
        let body = format!(r#"{{"statusCode":404,"message":{odd},"errorCode":"inexistent_user"}}"#);
        assert_eq!(rejection(404, body.as_bytes(), &whole()).failure.reason, UserNotFound, "{odd}");
        let body = format!(
            r#"{{"statusCode":{odd},"message":"Insufficient scope","errorCode":"insufficient_scope \ud83d"}}"#
        );
        assert_eq!(rejection(403, body.as_bytes(), &whole()).failure.reason, InsufficientScope, "{odd}");
    }
}

/// Names, and whether it is their company that is at fault.
fn blame(names: &str) -> Blame {
    let list = |names: &str| names.split([',', '+']).map(str::to_owned).collect();
    match names {
        "" => Blame::Unknown,
        names if names.contains('+') => Blame::Together(list(names)),
        names => Blame::Each(list(names)),
    }
}

#[test]
fn a_400_is_told_by_its_text_and_blames_what_the_text_names() {
    let lists = [
        (format!("The following user attributes cannot be updated: family_name, picture. {SYNCED}"), "operation_not_supported", NotSupportedByConnection, "family_name,picture"),
        (format!("The following user attributes cannot be removed: nickname. {DATABASE}"), "", NotClearable, "nickname"),
        ("The following user attributes cannot be removed: foo, name. The connection (X) should have disabled 'Sync user profile attributes at each login' (see Configuring Connection Sync with Auth0) or defined these attributes in 'options.non_persistent_attrs' array (see Update Connection operation).".to_owned(), "operation_not_supported", NotClearable, "name"),
    ];
    let lists = lists.iter().map(|(text, code, reason, names)| (text.as_str(), *code, *reason, *names));
    for (text, code, reason, names) in BAD_REQUESTS.iter().copied().chain(lists) {
        let told = rejection(400, &error(400, text, code), &whole());
        assert_eq!(
            (told.failure.reason, told.effect, &told.blame),
            (reason, Refused, &blame(names)),
            "{text}"
        );
        assert_eq!(told.said, text::one_line(text));
        assert!(told.failure.message.contains(&format!("(\"{}\")", told.said)), "{}", told.failure.message);
    }
}

#[test]
fn a_value_is_neither_told_nor_taken_for_a_name() {
    let value = "ada' on property name (x), The following user attributes cannot be removed: name";
    let text = format!(
        "Payload validation error: 'Object didn't pass validation for format email: {value}' on property email (The user's email)."
    );
    let told = rejection(400, &error(400, &text, "invalid_body"), &whole());
    assert_eq!((told.failure.reason, told.blame), (InvalidRequest, blame("email")));
    assert_eq!(
        told.said,
        "Payload validation error: 'Object didn't pass validation for format email: \u{2026}' on property email (The user's email)."
    );
}

#[test]
fn half_a_character_in_a_value_hides_nothing() {
    let body = br#"{"statusCode":400,"message":"'Object didn't pass validation for format email: \ud83d' on property email (x)."}"#;
    let told = rejection(400, body, &whole());
    assert_eq!(told.blame, blame("email"));
    assert!(told.said.ends_with("on property email (x)."), "{}", told.said);
}

#[test]
fn a_missing_connection_is_the_specs_mistake_only_where_the_spec_names_one() {
    for code in ["inexistent_connection", ""] {
        let answer = error(400, "The connection does not exist.", code);
        let judged =
            |fields: Value, password| rejection(400, &answer, &Body::of(&fields, password)).failure.reason;
        assert_eq!(judged(json!({"email": "a", "connection": "db"}), None), UnknownConnection);
        assert_eq!(judged(json!({"connection": "db"}), Some("x")), UnknownConnection);
        assert_eq!(judged(json!({"email": "a"}), None), NotSupportedByConnection);
        assert_eq!(judged(json!({}), Some("x")), NotSupportedByConnection);
    }
}

#[test]
fn an_unknown_text_is_about_the_one_thing_that_the_body_holds() {
    let judged = |status, text: &str, fields: Value, password| {
        let told = rejection(status, &error(status, text, ""), &Body::of(&fields, password));
        assert_eq!(told.effect, Refused);
        (told.failure.reason, told.blame)
    };
    let unknown = "Choose another one";
    let (password, secret) = (blame("password"), Some("secret"));
    for fields in [json!({}), json!({"connection": "db"}), json!({"connection": "db", "blocked": true})] {
        assert_eq!(judged(400, unknown, fields, secret), (PasswordRejected, password.clone()));
    }
    assert_eq!(judged(400, unknown, json!({"name": "n"}), secret), (InvalidRequest, Blame::Unknown));
    assert_eq!(judged(413, unknown, json!({}), secret), (InvalidRequest, Blame::Unknown));
    let about_more = ["'too short' on property connection (x).", "Path validation error: 'x'"];
    for text in about_more {
        assert_eq!(judged(400, text, json!({}), secret).0, InvalidRequest, "{text}");
    }
    for words in [
        "This password cannot be used for this user",
        "This password already exists in a breach",
        "The password cannot be updated so soon",
    ] {
        assert_eq!(
            judged(400, words, json!({"blocked": true}), secret),
            (PasswordRejected, password.clone())
        );
        assert_ne!(judged(400, words, json!({"name": "n"}), secret).0, PasswordRejected);
    }
    for connection in [
        "Connection is not supported for this operation.",
        "Cannot change email or password for users in a disabled connection.",
        "Cannot update password for this user",
    ] {
        assert_eq!(judged(400, connection, json!({}), secret).0, NotSupportedByConnection, "{connection}");
    }
    let script = judged(400, "change_password script does not exist", json!({}), secret);
    assert_eq!(script, (NotSupportedByConnection, password));
    // A required attribute.
    assert_eq!(judged(400, unknown, json!({"email": null, "connection": "db"}), None).0, NotClearable);
    assert_eq!(judged(400, unknown, json!({"email": null, "name": "n"}), None).0, InvalidRequest);
    assert_eq!(judged(400, unknown, json!({"connection": "db"}), None).0, InvalidRequest);
}

#[test]
fn other_answers_are_told_by_status_code_and_text() {
    for &(status, text, code, reason, effect, part) in OTHERS {
        let told = rejection(status, &error(status, text, code), &whole());
        assert_eq!((told.failure.reason, told.effect), (reason, effect), "{status} {text} {code}");
        assert!(told.failure.message.contains(part), "{status} {text}: {}", told.failure.message);
        assert_eq!(told.blame, Blame::Unknown, "{status} {text}");
    }
}

#[test]
fn a_403_that_is_no_answer_of_auth0_is_told_as_a_firewalls() {
    for body in [
        "",
        "<html>Request blocked</html>",
        "[]",
        "null",
        r#"{"message":"Forbidden"}"#,
        r#"{"title":"Error 1020"}"#,
    ] {
        let told = rejection(403, body.as_bytes(), &whole());
        assert_eq!((told.failure.reason, told.effect), (Auth0Unavailable, Nothing), "{body}");
        assert!(told.failure.message.starts_with("a firewall or proxy rejects"), "{}", told.failure.message);
    }
}

#[test]
fn what_auth0_gives_in_place_of_a_message_is_quoted() {
    for (status, body, said) in [
        (
            400,
            json!({"statusCode": 400, "error": "Bad Request", "errorCode": "auth0_idp_error"}),
            "auth0_idp_error",
        ),
        (400, json!({"error_description": "Mailbox is full"}), "Mailbox is full"),
        (400, json!({"error": "invalid_request", "error_description": ""}), "invalid_request"),
        (400, json!({"message": {"en": "no"}, "errorCode": "invalid_body"}), "invalid_body"),
        (400, json!({"message": 7, "error": "Bad Request"}), "Bad Request"),
        (400, json!({"message": ["no"], "errorCode": 3, "error": null}), ""),
        (403, json!({"errorCode": "insufficient_scope"}), "insufficient_scope"),
        (400, json!({"message": "\n a \t b", "errorCode": "invalid_body"}), "a b"),
    ] {
        let told = rejection(status, body.to_string().as_bytes(), &whole());
        assert_eq!(told.said, said, "{body}");
        let quoted = if said.is_empty() { format!("(HTTP {status})") } else { format!("(\"{said}\")") };
        assert!(told.failure.message.contains(&quoted), "{}", told.failure.message);
    }
    for body in ["", "<html>", "[]", "\"text\"", "{\"message\": 7}"] {
        let told = rejection(400, body.as_bytes(), &whole());
        assert_eq!((told.failure.reason, told.said.as_str()), (InvalidRequest, ""), "{body}");
    }
}

#[test]
fn a_known_sentence_about_a_password_is_quoted_and_nothing_beside_it() {
    let sent = Body::of(&json!({"connection": "db"}), Some("Sunflower"));
    for (status, text, code, reason, said) in [
        (
            400,
            "PasswordStrengthError: Password is too weak",
            "",
            PasswordRejected,
            "PasswordStrengthError: Password is too weak",
        ),
        (400, "PasswordStrengthError: Sunflower is too weak", "", PasswordRejected, "PasswordStrengthError"),
        (
            400,
            "PasswordHistoryError: Password has previously been used",
            "",
            PasswordRejected,
            "PasswordHistoryError: Password has previously been used",
        ),
        (
            400,
            "PasswordDictionaryError: Password is too common",
            "",
            PasswordRejected,
            "PasswordDictionaryError: Password is too common",
        ),
        (
            400,
            "PasswordNoUserInfoError: Password contains user information",
            "",
            PasswordRejected,
            "PasswordNoUserInfoError: Password contains user information",
        ),
        (400, "PasswordSunflowerError: no", "", PasswordRejected, ""),
        (400, "Sunflower", "auth0_idp_error", PasswordRejected, "auth0_idp_error"),
        (400, "Sunflower", "Sunflower", PasswordRejected, ""),
        (
            400,
            "Payload validation error: 'String is too short (9 chars), minimum 12' on property password (Sunflower).",
            "invalid_body",
            PasswordRejected,
            "Payload validation error: 'String is too short (\u{2026})'",
        ),
        (
            400,
            "Connection is not supported for this operation",
            "",
            NotSupportedByConnection,
            "Connection is not supported for this operation.",
        ),
        (401, "Invalid token Sunflower", "", AuthenticationFailed, "Invalid token"),
        (
            403,
            "Insufficient scope, expected any of: Sunflower",
            "",
            InsufficientScope,
            "Insufficient scope, expected any of: \u{2026}",
        ),
        (500, "Sunflower", "", Auth0Unavailable, ""),
    ] {
        let told = rejection(status, &error(status, text, code), &sent);
        assert_eq!((told.failure.reason, told.said.as_str()), (reason, said), "{text}");
        assert!(!format!("{told} {told:?}").contains("flower"), "{told:?}");
        assert_eq!(told.is_password_history(), text.starts_with("PasswordHistory"), "{text}");
        assert!(!told.failure.message.contains("(HTTP 400)"), "{}", told.failure.message);
    }
}
