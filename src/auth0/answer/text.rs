//! Auth0's own sentences, made fit for a status that many people read.

use crate::user::Body;

/// Most characters of a quotation.
const LONGEST: usize = 300;

/// Where Auth0's validation texts begin to repeat a value (templates of the z-schema library that its
/// payload validation shows).
const BEFORE_VALUES: [&str; 3] = ["validation for format ", "does not match pattern ", "No enum match for"];

/// What ends the sentence of one property in those texts.
const AFTER_VALUES: &str = "' on property ";

/// Cuts the values of the user out of a validation text.
///
/// A value that was sent is known where it ends. Any other may hold anything, so everything goes from where it begins
/// to the last place where one can end.
pub(super) fn without_values(said: &str, sent: Option<&Body>) -> String {
    let mut kept = String::new();
    let mut rest = said;
    while let Some(from) = start_of_value(rest) {
        let (before, value) = rest.split_at(from);
        kept += before;
        kept += " \u{2026}";
        let Some(length) = sent.and_then(|sent| length_of_value(value, sent)) else {
            rest = value.rfind(AFTER_VALUES).map_or("", |to| &value[to..]);
            break;
        };
        rest = &value[length..];
    }
    kept + rest
}

/// Where the first value begins.
fn start_of_value(said: &str) -> Option<usize> {
    let starts = BEFORE_VALUES.iter().filter_map(|template| {
        let end = said.find(template)? + template.len();
        Some(end + said[end..].find(':')? + 1)
    });
    starts.min()
}

/// Length of the value of the property that follows it. One value may look like another one and its property.
fn length_of_value(said: &str, sent: &Body) -> Option<usize> {
    let lengths = sent.fields().iter().filter_map(|(name, value)| {
        let value = value.as_str()?;
        let rest = said.strip_prefix(' ')?.strip_prefix(value)?;
        let is_whole = rest.strip_prefix(AFTER_VALUES)?.strip_prefix(name.as_str())?.starts_with([' ', '.']);
        is_whole.then_some(1 + value.len())
    });
    lengths.max()
}

/// A sentence of Auth0 on one line, bounded, and without anything that looks like a JSON Web Token.
pub(super) fn one_line(said: &str) -> String {
    let one_line = said.replace(char::is_control, " ");
    let words: Vec<_> =
        one_line.split_whitespace().map(|word| if is_jwt(word) { "\u{2026}" } else { word }).collect();
    let words = words.join(" ");
    let cut = words.char_indices().nth(LONGEST).map_or(words.len(), |(at, _)| at);
    let (kept, more) = words.split_at(cut);
    format!("{kept}{}", if more.is_empty() { "" } else { "\u{2026}" })
}

/// The header of a JSON Web Token is a JSON object in base64url, which begins so (RFC 7519).
fn is_jwt(word: &str) -> bool {
    word.contains("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_cut_and_names_kept() {
        for (said, kept) in [
            (
                "Payload validation error: 'Object didn't pass validation for format email: ada@x' on property email (The user's email).",
                "Payload validation error: 'Object didn't pass validation for format email: \u{2026}' on property email (The user's email).",
            ),
            (
                "Object didn't pass validation for format user-id: nobody",
                "Object didn't pass validation for format user-id: \u{2026}",
            ),
            (
                "'String does not match pattern ^\\+[0-9]{1,15}$: 0' on property x' on property phone_number (a).",
                "'String does not match pattern ^\\+[0-9]{1,15}$: \u{2026}' on property phone_number (a).",
            ),
            ("String is too short (0 chars), minimum 1", "String is too short (0 chars), minimum 1"),
        ] {
            assert_eq!(without_values(said, None), kept);
        }
    }

    #[test]
    fn each_sentence_keeps_its_name_where_its_value_is_the_one_that_was_sent() {
        let sentence = |value: &str, name: &str| {
            format!(
                "'Object didn't pass validation for format {name}: {value}' on property {name} (a {name})"
            )
        };
        let both = |email: &str, name| {
            format!("Payload validation error: {}, {}.", sentence(email, "email"), sentence(name, "name"))
        };
        let cut = both("\u{2026}", "\u{2026}");
        let hostile = "a' on property name (x), 'Object didn't pass validation for format y: b";
        for (email, name) in [("a@b", "n"), (hostile, "a"), (hostile, hostile), ("", "n")] {
            let sent = Body::of(&json!({"email": email, "name": name}), None);
            assert_eq!(without_values(&both(email, name), Some(&sent)), cut, "{email} {name}");
        }
        let sent = Body::of(&json!({"email": "A@B", "name": "n"}), None);
        let last = "Payload validation error: 'Object didn't pass validation for format email: \u{2026}' on property name (a name).";
        assert_eq!(without_values(&both("a@b", "n"), Some(&sent)), last, "not as it was sent");
    }

    #[test]
    fn a_quotation_is_one_bounded_line_without_tokens() {
        assert_eq!(one_line("a\nb\u{1b}[1m  c"), "a b [1m c");
        assert_eq!(one_line("Invalid token eyJhbGciOi.eyJpc3MiOi.c2ln"), "Invalid token \u{2026}");
        let long = one_line(&"\u{e4}".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST + 1);
    }
}
