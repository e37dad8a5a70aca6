//! Values as people read them.

use crate::command::diff::preview::{Before, Line, What};
use serde_json::Value;
use std::fmt::Write as _;

/// Before and after, or what is done instead.
pub(super) enum Shown {
    /// Two values.
    Change(String, String),
    /// One word.
    Done(String),
}

/// What becomes of a field, its values left out where `redact`.
pub(super) fn shown(line: &Line, redact: bool) -> Shown {
    let (before, after) = match &line.what {
        What::PasswordSet => return Shown::Done("set".to_owned()),
        What::Mail(true) => return Shown::Done("sent".to_owned()),
        What::Mail(false) => return Shown::Done("not sent".to_owned()),
        What::Changes(before, after) => (before, after),
    };
    if redact {
        let word = match (before, after) {
            (_, None) => "removed",
            (Before::Known(None), Some(_)) => "added",
            (Before::Known(Some(_)) | Before::Unknown, Some(_)) => "changed",
        };
        return Shown::Done(word.to_owned());
    }
    let before = match before {
        Before::Known(Some(value)) => text(value),
        Before::Known(None) => "none".to_owned(),
        Before::Unknown => "unknown".to_owned(),
    };
    Shown::Change(before, after.as_ref().map_or_else(|| "removed".to_owned(), text))
}

/// Compact JSON, which quotes texts.
pub(super) fn text(value: &Value) -> String {
    harmless(&value.to_string())
}

/// A text in which nothing moves the cursor, changes colours or the direction of writing: users can write their own
/// metadata. Escaped as in JSON.
pub(super) fn harmless(text: &str) -> String {
    let is_harmful = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().fold(String::with_capacity(text.len()), |mut shown, letter| {
        if is_harmful(letter) {
            let _ = write!(shown, "\\u{:04x}", u32::from(letter));
        } else {
            shown.push(letter);
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_others_move_no_cursor() {
        for (value, expected) in [
            (json!("Ann"), r#""Ann""#),
            (json!("a\u{1b}[2Jb\nc"), r#""a\u001b[2Jb\nc""#),
            (json!("\u{9b}31m\u{202e}x\u{7f}"), r#""\u009b31m\u202ex\u007f""#),
            (json!({"k": [1, null, "é"]}), r#"{"k":[1,null,"é"]}"#),
        ] {
            assert_eq!(text(&value), expected);
        }
    }
}
