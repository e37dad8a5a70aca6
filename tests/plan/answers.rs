//! Every way in which Auth0 is known to say no, to a field alone and in company: what is sent, what is applied at the
//! end, and what Ready says.

use crate::bounds::{check_count, check_once};
use crate::driver::{Fault, Operator, Secret};
use crate::world::{Auth0, user};
use auth0_sandbox::Refusal;
use serde_json::{Value, json};

/// Auth0's name of the field at fault, status, code, text, and the reason that it gives.
type Answer = (&'static str, u16, &'static str, &'static str, &'static str);

const REJECTED: [Answer; 28] = [
    (
        "user_metadata.big",
        400,
        "",
        "Payload validation error: 'Object has too many properties' on property user_metadata (User metadata).",
        "InvalidRequest",
    ),
    ("user_metadata.big", 400, "", "The user profile is too large.", "InvalidRequest"),
    ("app_metadata.role", 400, "operation_not_supported", "something new", "NotSupportedByConnection"),
    (
        "name",
        400,
        "invalid_body",
        "Payload validation error: 'Additional properties not allowed: name (consider storing them in app_metadata or user_metadata)'",
        "InternalError",
    ),
    (
        "name",
        400,
        "invalid_body",
        "Payload validation error: 'None of the valid schemas were met'.",
        "InternalError",
    ),
    (
        "name",
        400,
        "",
        "The following user attributes cannot be updated: name. The specified connection belongs to a secondary identity.",
        "InternalError",
    ),
    (
        "nickname",
        400,
        "",
        "The following user attributes cannot be removed: nickname. The connection (People) must either be a custom database connection.",
        "NotClearable",
    ),
    (
        "nickname",
        400,
        "operation_not_supported",
        "The following user attributes cannot be updated: nickname. The connection (google-oauth2) must either be a database connection.",
        "NotSupportedByConnection",
    ),
    (
        "nickname",
        400,
        "",
        "Your account is not allowed to update the following user attributes: nickname",
        "NotEntitled",
    ),
    (
        "picture",
        400,
        "invalid_body",
        "Payload validation error: 'Object didn't pass validation for format strict-uri: x' on property picture (URL to picture).",
        "InvalidRequest",
    ),
    ("email", 400, "auth0_idp_error", "The specified new email already exists", "AlreadyExists"),
    ("email", 400, "auth0_idp_error", "", "InvalidRequest"),
    ("email", 400, "", "Cannot update email for this user", "NotSupportedByConnection"),
    ("email", 400, "", "Cannot update email for non-database user.", "NotSupportedByConnection"),
    (
        "email",
        400,
        "",
        "Cannot change email or password for users in a disabled connection.",
        "NotSupportedByConnection",
    ),
    ("email", 400, "", "change_email script does not exist", "NotSupportedByConnection"),
    (
        "email_verified",
        400,
        "operation_not_supported",
        "Email verification is not supported for enterprise users",
        "NotSupportedByConnection",
    ),
    ("phone_number", 400, "", "Cannot update phone_number for non-sms user", "NotSupportedByConnection"),
    (
        "phone_number",
        400,
        "",
        "Can only update phone_number for auth0 connections with attribute configuration enabled and options.attributes configured.",
        "NotSupportedByConnection",
    ),
    ("phone_number", 400, "", "Connection is not supported for this operation.", "NotSupportedByConnection"),
    ("username", 400, "auth0_idp_error", "The specified new username already exists", "AlreadyExists"),
    (
        "username",
        400,
        "",
        "Cannot update username for users without an username already set",
        "NotSupportedByConnection",
    ),
    ("password", 400, "", "PasswordStrengthError: Password is too weak", "PasswordRejected"),
    ("password", 400, "", "PasswordHistoryError: Password has previously been used", "PasswordRejected"),
    ("password", 400, "", "The password is too long", "PasswordRejected"),
    ("password", 400, "inexistent_connection", "The connection does not exist.", "NotSupportedByConnection"),
    ("name", 403, "feature_not_enabled", "This feature is not enabled for this tenant.", "NotEntitled"),
    (
        "name",
        403,
        "operation_not_supported",
        "There must be a verified credit card on file to perform this operation",
        "NotEntitled",
    ),
];

/// The same of answers that end a pass.
const ENDING: [Answer; 8] = [
    (
        "email",
        409,
        "custom_domain_conflict",
        "The tenant has multiple verified custom domains.",
        "InvalidRequest",
    ),
    (
        "name",
        403,
        "insufficient_scope",
        "Insufficient scope, expected any of: update:users",
        "InsufficientScope",
    ),
    ("name", 403, "insufficient_scope", "", "InsufficientScope"),
    ("name", 401, "", "Invalid token", "AuthenticationFailed"),
    ("name", 400, "Bearer", "Bad HTTP authentication header format", "AuthenticationFailed"),
    ("name", 429, "too_many_requests", "Global limit has been reached", "RateLimited"),
    ("name", 500, "", "Internal Server Error", "Auth0Unavailable"),
    ("password", 503, "", "Service Unavailable", "Auth0Unavailable"),
];

const COMPANY: [&str; 4] = ["alone", "blocked", "metadata", "everything"];

/// What a card declares for a field, by Auth0's name.
fn declared(name: &str) -> Value {
    match name {
        "user_metadata.big" => json!({"userMetadata": {"big": "x"}}),
        "app_metadata.role" => json!({"appMetadata": {"role": "x"}}),
        "name" => json!({"name": "Ada"}),
        "nickname" => json!({"nickname": ""}),
        "picture" => json!({"picture": "https://example.com/a.png"}),
        "email" => json!({"email": "new@example.com"}),
        "email_verified" => json!({"emailVerified": true}),
        "phone_number" => json!({"phoneNumber": "+4912"}),
        "username" => json!({"username": "new"}),
        _ => json!({"passwordSecretRef": {"name": "s", "key": "k"}}),
    }
}

fn card(field: &str, company: &str) -> Value {
    let mut card = declared(field);
    card["passEmptyValues"] = json!("Yes");
    let others = match company {
        "blocked" => vec![json!({"blocked": true})],
        "metadata" => vec![json!({"userMetadata": {"plan": "pro"}, "appMetadata": {"seat": 1}})],
        "everything" => {
            let names = [
                "name",
                "nickname",
                "picture",
                "email",
                "email_verified",
                "phone_number",
                "username",
                "password",
            ];
            let metadata =
                json!({"userMetadata": {"plan": "pro"}, "appMetadata": {"seat": 1}, "blocked": true});
            names.into_iter().map(declared).chain([metadata]).collect()
        }
        _ => vec![],
    };
    for (name, value) in others.iter().flat_map(|other| other.as_object().unwrap()) {
        match (card.get_mut(name), value) {
            (Some(Value::Object(own)), Value::Object(more)) if name.ends_with("Metadata") => {
                own.extend(more.clone());
            }
            (Some(_), _) => {}
            (None, _) => card[name] = value.clone(),
        }
    }
    card
}

fn auth0(answer: &Answer) -> Auth0 {
    let (field, status, code, message, _) = *answer;
    let mut auth0 = Auth0::new(user(json!({
        "email": "old@example.com", "email_verified": false, "phone_number": "+4911", "username": "old",
        "nickname": "old",
    })));
    let code = Some(code.to_owned()).filter(|code| !code.is_empty());
    let refusal = Refusal { status, message: message.to_owned(), code };
    auth0.rules.refused = [(field.to_owned(), refusal)].into();
    auth0
}

/// Plays a row and prints it. Answers with the operator, the bodies of both passes, and Auth0 at the end.
fn play(answer: &Answer, company: &str) -> (Operator, Auth0, [Vec<Value>; 2]) {
    let card = card(answer.0, company);
    let mut auth0 = auth0(answer);
    let secret = Secret::Content { text: "After-1", version: 1 };
    let mut operator = Operator { secret, ..Operator::new(&card) };
    let report = operator.pass(&mut auth0, Fault::None);
    check_count(&card, &auth0.log, report.refused.len());
    check_once(&auth0.log);
    let told = operator.ready().map(|ready| ready.message.clone()).unwrap_or_default();
    let first = auth0.take_bodies();
    operator.pass(&mut auth0, Fault::None);
    let bodies = [first, auth0.take_bodies()];
    let (field, status, _, text, reason) = answer;
    let text: String = text.chars().take(40).collect();
    println!(
        "| {field} | {status} {text} | {company} | {} + {} | {reason}: {told} | {:?} |",
        bodies[0].len(),
        bodies[1].len(),
        auth0.account.user.keys().collect::<Vec<_>>(),
    );
    (operator, auth0, bodies)
}

fn check_block(company: &str, auth0: &Auth0, row: &str) {
    if ["blocked", "everything"].contains(&company) {
        assert_eq!(auth0.account.user.get("blocked"), Some(&json!(true)), "{row}");
    }
}

#[test]
fn a_field_that_auth0_rejects_is_told_and_everything_else_is_applied() {
    for answer in &REJECTED {
        for company in COMPANY {
            let row = format!("{answer:?} {company}");
            let (operator, auth0, [_, again]) = play(answer, company);
            check_block(company, &auth0, &row);
            let refused: Vec<&str> =
                operator.memory.refused.iter().map(|refused| refused.field.as_str()).collect();
            let field = declared(answer.0);
            let (name, value) = field.as_object().unwrap().iter().next().unwrap();
            let key =
                value.as_object().filter(|_| name.ends_with("Metadata")).and_then(|map| map.keys().next());
            let name = key.map_or_else(|| name.clone(), |key| format!("{name}.{key}"));
            assert_eq!(refused, [name.as_str()], "{row}");
            let ready = operator.ready().unwrap();
            assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", answer.4), "{row}");
            assert!(ready.message.starts_with(&name), "{row}: {}", ready.message);
            assert!(again.is_empty(), "{row}: {again:?}");
            if company == "everything" {
                let held = |name: &str| auth0.account.user.get(name).cloned().unwrap_or_default();
                for (name, wanted) in
                    [("name", json!("Ada")), ("username", json!("new")), ("phone_number", json!("+4912"))]
                {
                    assert!(answer.0 == name || held(name) == wanted, "{row}: {name}");
                }
                assert_eq!(
                    (&held("user_metadata")["plan"], &held("app_metadata")["seat"]),
                    (&json!("pro"), &json!(1)),
                    "{row}"
                );
            }
        }
    }
}

#[test]
fn a_block_gets_through_beside_every_answer_that_ends_a_pass() {
    for answer in &ENDING {
        for company in COMPANY {
            let row = format!("{answer:?} {company}");
            let (operator, auth0, [first, _]) = play(answer, company);
            check_block(company, &auth0, &row);
            let ready = operator.ready().unwrap();
            assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", answer.4), "{row}");
            let blocks = first.iter().filter(|body| **body == json!({"blocked": true})).count();
            assert!(first.len() - blocks <= 1 + usize::from(company == "everything"), "{row}: {first:?}");
        }
    }
}
