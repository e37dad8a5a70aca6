//! What of a refused body Auth0's text points at.

use crate::auth0::answer::error::Blame;
use crate::user::{Attribute, Body};

/// Before and after a list of attributes, which may also end the text.
const LISTS: [(&str, &str); 4] = [
    ("user attributes cannot be removed: ", ". "),
    ("user attributes cannot be updated: ", ". "),
    ("update the following user attributes: ", ". "),
    ("Additional properties not allowed: ", " ("),
];

/// Before and after attributes within a sentence.
const SENTENCES: [(&str, &str); 5] = [
    ("The specified new ", " already exists"),
    ("Cannot update ", " for "),
    ("Can only update ", " for "),
    ("Cannot change ", " for "),
    ("change_", " script does not exist"),
];

/// Reads the names in a text whose values were cut. Only what the body holds is named, so that nothing else of
/// the text gets into a status.
pub(super) fn blame(message: &str, sent: &Body) -> Blame {
    // It goes on to list every attribute that there is.
    if message.contains("None of the valid schemas") {
        return Blame::Unknown;
    }
    if let Some((pair, _)) = between(message, "Cannot update ", " simultaneously") {
        let names = names(pair, sent);
        return if names.len() > 1 { Blame::Together(names) } else { Blame::Unknown };
    }
    let names = names(&pointed_at(message), sent);
    if names.is_empty() { Blame::Unknown } else { Blame::Each(names) }
}

/// The part of a text that holds the names.
fn pointed_at(message: &str) -> String {
    // What else stands there lies within these properties.
    let properties: Vec<&str> =
        message.split(" on property ").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect();
    if !properties.is_empty() {
        return properties.join(" ");
    }
    let list = LISTS.iter().find_map(|(before, after)| {
        let (_, rest) = message.split_once(before)?;
        Some(rest.split_once(after).map_or(rest, |(list, _)| list))
    });
    let sentence = || SENTENCES.iter().find_map(|(before, after)| Some(between(message, before, after)?.0));
    let subject = || message.split_once(" is not allowed")?.0.split_whitespace().next_back();
    let verified = || message.starts_with("Email verification").then_some("email_verified verify_email");
    list.or_else(sentence).or_else(subject).or_else(verified).unwrap_or_default().to_owned()
}

/// What stands between these two, and what comes after.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(before)?.1.split_once(after)
}

/// The names in a list that the body holds. A key of a map is named where the text names it.
fn names(list: &str, sent: &Body) -> Vec<String> {
    let mut names = Vec::new();
    let list = list.replace("phone number", "phone_number");
    for word in list.split(|c: char| c == ',' || c.is_whitespace()) {
        let word = word.trim_matches(['\'', '"', '`', '.', '(', ')', ':']);
        let (root, key) = word.split_once('.').map_or((word, None), |(root, key)| (root, Some(key)));
        let is_known = Attribute::ALL.iter().any(|attribute| attribute.auth0_name() == root);
        if !is_known || !sent.holds(root) {
            continue;
        }
        // What lies within a key is part of it.
        let key = key.and_then(|key| key.split('.').next()).filter(|key| holds_key(sent, root, key));
        let name = key.map_or(root, |key| &word[..=root.len() + key.len()]);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn holds_key(sent: &Body, map: &str, key: &str) -> bool {
    sent.fields().get(map).is_some_and(|map| map.get(key).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn each(names: &[&str]) -> Blame {
        Blame::Each(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn names_are_whole_words_of_the_body_in_their_place_and_nothing_else() {
        let fields = json!({
            "name": "n", "nickname": "n", "given_name": "n", "email": "e", "email_verified": true,
            "user_metadata": {"plan": "pro", "name": "n"}, "connection": "db",
        });
        let sent = Body::of(&fields, Some("secret"));
        for (message, blame) in [
            ("The following user attributes cannot be removed: nickname", each(&["nickname"])),
            (
                "The following user attributes cannot be removed: nickname, given_name.",
                each(&["nickname", "given_name"]),
            ),
            // What follows the list says other names.
            (
                "The following user attributes cannot be updated: foo, name. The connection (email) must",
                each(&["name"]),
            ),
            (
                "The following user attributes cannot be removed: picture, first_name. The connection",
                Blame::Unknown,
            ),
            (
                "Payload validation error: 'Additional properties not allowed: name,foo (consider email)'",
                each(&["name"]),
            ),
            // Of a map, not of the user.
            (
                "'Additional properties not allowed: name' on property user_metadata (x).",
                each(&["user_metadata"]),
            ),
            ("'Additional properties not allowed: name' on property settings (x).", Blame::Unknown),
            ("'Expected type string' on property user_metadata.plan (x).", each(&["user_metadata.plan"])),
            ("'Expected type string' on property user_metadata.other (x).", each(&["user_metadata"])),
            ("'Expected type string' on property user_metadata.plan.sub (x).", each(&["user_metadata.plan"])),
            ("'Expected type string' on property user_metadata.other.plan (x).", each(&["user_metadata"])),
            (
                "'too long' on property name (a name), 'too long' on property nickname.",
                each(&["name", "nickname"]),
            ),
            ("'too short' on property connection (email).", Blame::Unknown),
            (
                "Cannot change email or password for users in a disabled connection.",
                each(&["email", "password"]),
            ),
            (
                "Cannot update name and email simultaneously",
                Blame::Together(vec!["name".into(), "email".into()]),
            ),
            ("Cannot update username and email simultaneously", Blame::Unknown),
            (
                "'None of the valid schemas were met'. Inner errors: [ 'x' on property name (n). ]",
                Blame::Unknown,
            ),
            ("\"email\" is not allowed here", each(&["email"])),
            ("the email of the name cannot be", Blame::Unknown),
            ("", Blame::Unknown),
        ] {
            assert_eq!(super::blame(message, &sent), blame, "{message}");
        }
    }
}
