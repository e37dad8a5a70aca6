//! The schema of a PATCH body, with the texts of Auth0's validator.

use serde_json::{Map, Value};

use super::Refusal;
use super::attributes::RESERVED_APP_METADATA;
use crate::Rules;

/// What a property must be.
#[derive(Clone, Copy)]
enum Form {
    Flag,
    Metadata,
    Text { nullable: bool, min: usize, max: usize },
    Email,
    Phone,
    Uri,
}

const NAME: Form = Form::Text { nullable: true, min: 1, max: 300 };
const SHORT_NAME: Form = Form::Text { nullable: true, min: 1, max: 150 };
const USERNAME: Form = Form::Text { nullable: true, min: 1, max: 128 };
const PASSWORD: Form = Form::Text { nullable: true, min: 1, max: usize::MAX };
const REFERENCE: Form = Form::Text { nullable: false, min: 1, max: usize::MAX };

/// Name, form, description; in the order in which Auth0 lists what is missing from an empty body.
/// `verify_password` is an old property that Auth0 still lists; it has no effect.
const PROPERTIES: [(&str, Form, &str); 18] = [
    ("blocked", Form::Flag, "Whether this user was blocked by an administrator (true) or not (false)."),
    (
        "email_verified",
        Form::Flag,
        "Whether this email address is verified (true) or unverified (false). If set to false the user will not receive a verification email unless `verify_email` is set to true.",
    ),
    ("email", Form::Email, "Email address of this user."),
    (
        "verify_email",
        Form::Flag,
        "Whether this user will receive a verification email after creation (true) or no email (false). Overrides behavior of `email_verified` parameter.",
    ),
    ("phone_number", Form::Phone, "The user's phone number (following the E.164 recommendation)."),
    ("phone_verified", Form::Flag, "Whether this phone number has been verified (true) or not (false)."),
    (
        "verify_phone_number",
        Form::Flag,
        "Whether this user will receive a text after changing the phone number (true) or no text (false). Only valid when changing phone number for SMS connections.",
    ),
    ("password", PASSWORD, "New password for this user. Only valid for database connections."),
    ("verify_password", Form::Flag, "Whether this user will receive a password verification email"),
    ("user_metadata", Form::Metadata, "User metadata to which this user has read/write access."),
    ("app_metadata", Form::Metadata, "User metadata to which this user has read-only access."),
    ("username", USERNAME, "The user's username. Only valid if the connection requires a username."),
    ("client_id", REFERENCE, "Auth0 client ID. Only valid when updating email address."),
    ("given_name", SHORT_NAME, "Given name/first name/forename of this user."),
    ("family_name", SHORT_NAME, "Family name/last name/surname of this user."),
    ("name", NAME, "Name of this user."),
    ("nickname", NAME, "Preferred nickname or alias of this user."),
    ("picture", Form::Uri, "URL to picture, photo, or avatar of this user."),
];

/// `connection` is a property, but does not make a body valid by itself.
const CONNECTION: (&str, Form, &str) =
    ("connection", REFERENCE, "Name of the connection to target for this user update.");

/// Checks a body against Auth0's schema.
///
/// The order of the checks is inferred: object, none of the properties, unknown properties, each
/// property.
///
/// # Errors
/// 400 `invalid_body`.
pub fn check(body: &Value, rules: &Rules) -> Result<(), Refusal> {
    let Value::Object(body) = body else {
        let text =
            format!("Payload validation error: 'Expected type object but found type {}'.", type_of(body));
        return Err(Refusal::new(400, text).code("invalid_body"));
    };
    let removes_unknown = !rules.strict_root_keys && unknown(body).iter().any(|key| body[*key].is_null());
    if !removes_unknown && !PROPERTIES.iter().any(|(name, ..)| body.contains_key(*name)) {
        return Err(nothing_known());
    }
    if rules.strict_root_keys && !unknown(body).is_empty() {
        return Err(additional(&unknown(body)));
    }
    PROPERTIES
        .iter()
        .chain([&CONNECTION])
        .filter_map(|(name, form, description)| Some((name, form, description, body.get(*name)?)))
        .try_for_each(|(name, form, description, value)| {
            problem(*form, value).map_or(Ok(()), |text| Err(Refusal::payload(&text, name, description)))
        })?;
    metadata_keys(body)
}

/// The root keys that are none of Auth0's properties.
pub(super) fn unknown(body: &Map<String, Value>) -> Vec<&str> {
    let known = |key: &str| PROPERTIES.iter().chain([&CONNECTION]).any(|(name, ..)| *name == key);
    body.keys().map(String::as_str).filter(|key| !known(key)).collect()
}

fn nothing_known() -> Refusal {
    let missing: Vec<String> = PROPERTIES
        .iter()
        .map(|(name, ..)| format!("Payload validation error: 'Missing required property: {name}'."))
        .collect();
    let text = format!(
        "Payload validation error: 'None of the valid schemas were met'. Inner errors: [ {} ]",
        missing.join(" (also) ")
    );
    Refusal::new(400, text).code("invalid_body")
}

fn additional(keys: &[&str]) -> Refusal {
    let text = format!(
        "Payload validation error: 'Additional properties not allowed: {} (consider storing them in \
         app_metadata or user_metadata. See \"Users Metadata\" in https://auth0.com/docs/api/v2/changes for \
         more details)'.",
        keys.join(",")
    );
    Refusal::new(400, text).code("invalid_body")
}

/// What the validator would say about a value; `None` is fine.
fn problem(form: Form, value: &Value) -> Option<String> {
    let nullable = match form {
        Form::Flag | Form::Metadata => false,
        Form::Text { nullable, .. } => nullable,
        Form::Email | Form::Phone | Form::Uri => true,
    };
    if value.is_null() && nullable {
        return None;
    }
    let wrong_type = |expected: &str| format!("Expected type {expected} but found type {}", type_of(value));
    match form {
        Form::Flag => (!value.is_boolean()).then(|| wrong_type("boolean")),
        Form::Metadata => (!value.is_object()).then(|| wrong_type("object")),
        Form::Text { .. } | Form::Email | Form::Phone | Form::Uri => {
            let expected = if nullable { "string,null" } else { "string" };
            value.as_str().map_or_else(|| Some(wrong_type(expected)), |text| text_problem(form, text))
        }
    }
}

fn text_problem(form: Form, text: &str) -> Option<String> {
    let length = text.chars().count();
    match form {
        Form::Text { min, .. } if length < min => {
            Some(format!("String is too short ({length} chars), minimum {min}"))
        }
        Form::Text { max, .. } if length > max => {
            Some(format!("String is too long ({length} chars), maximum {max}"))
        }
        Form::Email => {
            (!is_email(text)).then(|| format!("Object didn't pass validation for format email: {text}"))
        }
        Form::Phone => {
            (!is_phone(text)).then(|| format!("String does not match pattern ^\\+[0-9]{{1,15}}$: {text}"))
        }
        Form::Uri => {
            (!is_uri(text)).then(|| format!("Object didn't pass validation for format strict-uri: {text}"))
        }
        Form::Flag | Form::Metadata | Form::Text { .. } => None,
    }
}

/// Documented limits: 64 in front of the `@`, 254 in all.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c == '@');
    plain(local)
        && plain(domain)
        && local.len() <= 64
        && text.len() <= 254
        && domain.contains('.')
        && !domain.split('.').any(str::is_empty)
}

pub(super) fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        && !rest.is_empty()
        && !rest.starts_with('/')
        && !rest.contains(char::is_whitespace)
}

/// Documented: no `.` or `$` in a key, and no reserved name in `app_metadata`. The wording is inferred.
fn metadata_keys(body: &Map<String, Value>) -> Result<(), Refusal> {
    for property in ["user_metadata", "app_metadata"] {
        let Some(Value::Object(metadata)) = body.get(property) else { continue };
        let reserved = |key: &str| property == "app_metadata" && RESERVED_APP_METADATA.contains(&key);
        if let Some(key) = metadata.keys().find(|key| key.contains(['.', '$']) || reserved(key)) {
            let text =
                format!("Payload validation error: 'Invalid property name: {key}' on property {property}.");
            return Err(Refusal::new(400, text).code("invalid_body"));
        }
    }
    Ok(())
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
