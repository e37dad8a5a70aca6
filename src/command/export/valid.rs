//! Pure: what a spec can hold, as its schema and its rules say.

use crate::user::Attribute;
use serde_json::Value;
use url::Url;

/// Longest picture, in characters: a tenth of it is a long URL, and a profile has no room for more.
const LONGEST_PICTURE: usize = 10_000;

/// Longest name of a metadata key, in characters: YAML has room for no more in front of a colon.
const LONGEST_KEY: usize = 1000;

/// Stands for what is no character: half of a surrogate pair, bytes of another encoding.
const NO_CHARACTER: char = char::REPLACEMENT_CHARACTER;

/// The text of a field, if a spec can hold it.
///
/// # Errors
/// Why it cannot.
pub(super) fn text(attribute: Attribute, value: &Value) -> Result<&str, String> {
    let text = value.as_str().ok_or("it is not a string")?;
    characters(text)?;
    let most = longest(attribute);
    if text.chars().count() > most {
        return Err(format!("it has more than {most} characters"));
    }
    let fault = match attribute {
        Attribute::Picture if !is_url(text) => "it is no absolute URL",
        Attribute::Email if !is_email(text) => "it is not one address",
        Attribute::PhoneNumber if !is_phone_number(text) => "it is not + and 1 to 15 digits",
        Attribute::Password
        | Attribute::Blocked
        | Attribute::UserMetadata
        | Attribute::AppMetadata
        | Attribute::Name
        | Attribute::GivenName
        | Attribute::FamilyName
        | Attribute::Nickname
        | Attribute::Picture
        | Attribute::Email
        | Attribute::EmailVerified
        | Attribute::VerifyEmail
        | Attribute::PhoneNumber
        | Attribute::PhoneVerified
        | Attribute::Username => return Ok(text),
    };
    Err(fault.to_owned())
}

/// A metadata value at any depth.
///
/// # Errors
/// Why a manifest cannot hold it.
pub(super) fn value(value: &Value) -> Result<(), String> {
    match value {
        Value::Null => Err("it holds null, which kubectl apply drops".to_owned()),
        Value::String(text) => characters(text),
        Value::Array(items) => items.iter().try_for_each(self::value),
        Value::Object(map) => {
            map.iter().try_for_each(|(name, inner)| key(name).and_then(|()| self::value(inner)))
        }
        Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// A name in a metadata map at any depth.
///
/// # Errors
/// Why a manifest cannot hold it.
pub(super) fn key(name: &str) -> Result<(), String> {
    if name.chars().count() > LONGEST_KEY {
        return Err(format!("a key has more than {LONGEST_KEY} characters"));
    }
    characters(name)
}

/// How many values there are in a value, itself included.
pub(super) fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

fn characters(text: &str) -> Result<(), String> {
    if text.contains(NO_CHARACTER) { Err("it holds what is no character".to_owned()) } else { Ok(()) }
}

/// `maxLength` of the schema, where there is one.
const fn longest(attribute: Attribute) -> usize {
    match attribute {
        Attribute::Name | Attribute::Nickname => 300,
        Attribute::GivenName | Attribute::FamilyName => 150,
        Attribute::Email => 254,
        Attribute::PhoneNumber => 16,
        Attribute::Username => 128,
        Attribute::Picture => LONGEST_PICTURE,
        Attribute::Password
        | Attribute::Blocked
        | Attribute::UserMetadata
        | Attribute::AppMetadata
        | Attribute::EmailVerified
        | Attribute::VerifyEmail
        | Attribute::PhoneVerified => 0,
    }
}

fn is_email(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && !part.contains(|letter: char| letter == '@' || letter.is_ascii_whitespace())
    };
    text.split_once('@').is_some_and(|(local, domain)| is_part(local) && is_part(domain))
}

fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    (1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// What every parser of URLs takes for one: the rule of the schema is that of Go, the `url` of this crate that of browsers,
/// and Auth0's is RFC 3986.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"+-.".contains(&letter));
    let authority = rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?', '#']).next());
    let has_host = authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('%'));
    let needs_host = rest.starts_with("//") || scheme.to_ascii_lowercase().starts_with("http");
    is_scheme && has_ordinary_characters(rest) && (has_host || !needs_host) && Url::parse(text).is_ok()
}

fn has_ordinary_characters(text: &str) -> bool {
    let is_escape =
        |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, letter)| match letter {
        b'%' => is_escape(&bytes[at + 1..]),
        letter => letter.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=".contains(letter),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pictures_are_absolute_urls() {
        for picture in [
            "https://example.com/ada.png",
            "HTTP://example.com:8080/a%20b?c=d#e",
            "http://[::1]/a",
            "data:image/png;base64,iVBORw0KGgo=",
            "ftp://example.com/a",
        ] {
            assert_eq!(text(Attribute::Picture, &json!(picture)), Ok(picture));
        }
        for picture in [
            "ada.png",
            "/ada.png",
            "//example.com/ada.png",
            "https:/ada.png",
            "https:///ada.png",
            "https://example.com/a b",
            "https://example.com/ä",
            "https://example.com/%zz",
            "https://example.com/%4",
            "https://exa%6dple.com/a",
            "https://example.com:port/a",
            "https:\\example.com",
            "1https://example.com",
            "https",
            "ftp:///a",
        ] {
            assert!(text(Attribute::Picture, &json!(picture)).is_err(), "{picture}");
        }
    }

    #[test]
    fn texts_are_as_long_as_the_schema_takes_them() {
        for (attribute, most) in [
            (Attribute::Name, 300),
            (Attribute::GivenName, 150),
            (Attribute::FamilyName, 150),
            (Attribute::Nickname, 300),
            (Attribute::Username, 128),
        ] {
            assert!(text(attribute, &json!("ä".repeat(most))).is_ok());
            assert!(text(attribute, &json!("ä".repeat(most + 1))).is_err());
        }
        assert!(text(Attribute::Name, &json!(7)).is_err());
        assert!(text(Attribute::Name, &json!("a\u{fffd}")).is_err());
    }

    #[test]
    fn addresses_are_those_of_the_rules() {
        for (email, is_valid) in
            [("a@b", true), ("a@b@c", false), ("a b@c", false), ("@b", false), ("a@", false), ("ann", false)]
        {
            assert_eq!(text(Attribute::Email, &json!(email)).is_ok(), is_valid, "{email}");
        }
        for (number, is_valid) in
            [("+1", true), ("+", false), ("1", false), ("+1 2", false), ("+1234567890123456", false)]
        {
            assert_eq!(text(Attribute::PhoneNumber, &json!(number)).is_ok(), is_valid, "{number}");
        }
    }
}
