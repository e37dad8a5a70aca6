//! No error holds a secret that an answer repeats, in whatever form.

use crate::auth0::answer::denial::denied;
use crate::auth0::answer::error::Error;
use crate::auth0::answer::rejection::rejection;
use crate::user::Body;
use serde_json::{Value, json};

/// Holds a character for which each form below is another one.
const SECRET: &str = "zQ7'x<\"wK9\\v&4Jy%2+Hm";

/// The ways in which a script has repeated a secret.
fn forms() -> [String; 9] {
    let each = |form: fn(u8) -> String| SECRET.bytes().map(form).collect::<String>();
    let base64 = json!(k8s_openapi::ByteString(format!("ada@example.com:{SECRET}").into_bytes()));
    let html =
        SECRET.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;");
    [
        SECRET.to_owned(),
        json!({"password": SECRET}).to_string(),
        each(
            |byte| {
                if byte.is_ascii_alphanumeric() { char::from(byte).into() } else { format!("%{byte:02X}") }
            },
        ),
        base64.as_str().unwrap().to_owned(),
        each(|byte| format!("{byte:02x}")),
        SECRET.replace('\'', "''"),
        html,
        SECRET.to_uppercase(),
        SECRET[..10].to_owned(),
    ]
}

/// Texts with a form in them: alone, and in the gaps of sentences that are known.
fn texts(form: &str) -> Vec<String> {
    let around = [
        ("", ""),
        ("Error: login failed for ", ""),
        ("PasswordStrengthError: ", " is too weak"),
        ("Password", "Error: no"),
        ("Payload validation error: 'String does not match pattern ^a$: ", "' on property password (x)."),
        ("Payload validation error: 'x' on property ", " (x)."),
        ("Insufficient scope, expected any of: ", ""),
        ("The following user attributes cannot be removed: ", ", password. x"),
        ("Cannot update ", " and password simultaneously"),
        ("Client is not authorized to access \"", "\""),
        ("Service not enabled within domain: ", ""),
    ];
    around.iter().map(|(before, after)| format!("{before}{form}{after}")).collect()
}

/// Fails where an error holds six characters in a row of a form, in whatever letter case.
fn holds_nothing_of(form: &str, error: &Error) {
    let shown = format!("{error} {error:?} {} {:?}", error.said, error.failure).to_lowercase();
    let form: Vec<char> = form.to_lowercase().replace("{\"password\":", "").chars().collect();
    for run in form.windows(6).map(|run| run.iter().collect::<String>()) {
        assert!(!shown.contains(&run), "{run:?} in {shown}");
    }
}

fn answers(form: &str, fields: &[&str]) -> Vec<Value> {
    let one = |field: &&str| texts(form).into_iter().map(|text| json!({*field: text})).collect::<Vec<_>>();
    let mut answers: Vec<_> = fields.iter().flat_map(one).collect();
    let all: serde_json::Map<String, Value> =
        fields.iter().map(|&field| (field.to_owned(), form.into())).collect();
    answers.extend([all.into(), json!({"message": {"description": form}}), json!([form]), json!(form)]);
    answers
}

#[test]
fn no_answer_to_a_password_brings_it_into_an_error_in_any_form() {
    let mut judged = 0;
    for form in forms() {
        for answer in answers(&form, &["message", "errorCode", "error", "error_description"]) {
            for status in [400, 401, 403, 404, 409, 413, 429, 500, 503] {
                for fields in [json!({}), json!({"connection": "db", "blocked": true})] {
                    let sent = Body::of(&fields, Some(SECRET));
                    let error = rejection(status, answer.to_string().as_bytes(), &sent);
                    holds_nothing_of(&form, &error);
                    judged += 1;
                }
            }
        }
        let page = format!("<html>{form}</html>");
        holds_nothing_of(&form, &rejection(403, page.as_bytes(), &Body::of(&json!({}), Some(SECRET))));
    }
    assert_eq!(judged, 9 * (4 * 11 + 4) * 9 * 2);
}

#[test]
fn no_answer_of_the_token_endpoint_brings_the_clients_secret_into_an_error_in_any_form() {
    for form in forms() {
        for answer in answers(&form, &["error", "error_description", "message", "errorCode"]) {
            for status in [400, 401, 403, 429, 500] {
                holds_nothing_of(&form, &denied(status, answer.to_string().as_bytes(), None));
            }
        }
    }
}

#[test]
fn a_form_of_a_secret_is_found() {
    let error = |text: &str| Error {
        said: text.to_owned(),
        ..Error::unsent(crate::api::reason::Reason::Applied, "")
    };
    for form in forms() {
        let found = std::panic::catch_unwind(|| holds_nothing_of(&form, &error(&form[form.len() - 6..])));
        assert!(found.is_err(), "{form}");
    }
}
