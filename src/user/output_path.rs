//! Paths into the outputs of a user, as `spec.outputsTo` has them. Pure.

use crate::api::{JsonMap, OUTPUTS, RAW_OUTPUT};
use crate::user::User;
use crate::user::observed::MOVED_BY_LOGINS;
use serde_json::Value;

/// One output, or a part of one: a name of the card's, then `.KEY`, `[INDEX]` or `['KEY']`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPath<'a> {
    first: &'a str,
    rest: Vec<Part<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> OutputPath<'a> {
    /// Reads a path.
    ///
    /// # Errors
    /// The sentence of what is wrong with it.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (first, mut rest) = text.split_at(end);
        if !OUTPUTS.contains(&first) {
            return Err(format!(
                "{text:?} does not begin with an output of the card, such as email or appMetadata"
            ));
        }
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (part, behind) = part(rest).ok_or_else(|| {
                format!("{text:?} is not a path such as identities[0].userId or userMetadata['a.b']")
            })?;
            parts.push(part);
            rest = behind;
        }
        Ok(Self { first, rest: parts })
    }

    /// Whether it leads into Auth0's whole answer.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.first == RAW_OUTPUT
    }

    /// Whether every login of the user may move the value.
    #[must_use]
    pub fn is_moved_by_logins(&self) -> bool {
        match self.rest.first() {
            Some(Part::Key(key)) if self.is_raw() => MOVED_BY_LOGINS.contains(key),
            _ => ["lastIp", "lastLogin", "loginsCount", "updatedAt"].contains(&self.first),
        }
    }

    /// The value that it leads to; `null` is none.
    #[must_use]
    pub fn find<'v>(&self, outputs: &'v Outputs) -> Option<&'v Value> {
        let first = if self.is_raw() { &outputs.raw } else { outputs.mapped.get(self.first)? };
        let found = self.rest.iter().try_fold(first, |value, part| match part {
            Part::Key(key) => value.as_object()?.get(*key),
            Part::Index(index) => value.as_array()?.get(*index),
        });
        found.filter(|value| !value.is_null())
    }
}

/// The first part of what follows a name, and what is behind it.
fn part(text: &str) -> Option<(Part<'_>, &str)> {
    if let Some(key) = text.strip_prefix('.') {
        let end = key.find(['.', '[', ']']).unwrap_or(key.len());
        return (end > 0).then(|| (Part::Key(&key[..end]), &key[end..]));
    }
    let inner = text.strip_prefix('[')?;
    if let Some(quoted) = inner.strip_prefix('\'') {
        let (key, behind) = quoted.split_once('\'')?;
        return (!key.is_empty()).then_some((Part::Key(key), behind.strip_prefix(']')?));
    }
    let (index, behind) = inner.split_once(']')?;
    let is_index = index.len() <= 4 && index.bytes().all(|byte| byte.is_ascii_digit());
    Some((Part::Index(index.parse().ok().filter(|_| is_index)?), behind))
}

/// What paths lead into: the outputs of the card as status has them, and Auth0's answer without tokens.
pub struct Outputs {
    mapped: JsonMap,
    raw: Value,
}

impl From<&User> for Outputs {
    fn from(user: &User) -> Self {
        let mapped = serde_json::to_value(user.outputs());
        let mapped = if let Ok(Value::Object(mapped)) = mapped { mapped } else { JsonMap::new() };
        Self { mapped, raw: Value::Object(user.raw_output()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user() -> User {
        let user = json!({
            "user_id": "auth0|a", "email": "a@example.com", "email_verified": true, "name": null, "locale": "en",
            "app_metadata": {"plan": "pro", "a.b": {"c": [1, {"d": null}]}, "it's": 1},
            "identities": [
                {"provider": "auth0", "user_id": "a", "connection": "People", "isSocial": false, "access_token": "t"},
                {"provider": "github", "user_id": 42, "connection": "github"},
            ],
        });
        User::from(user.as_object().unwrap().clone())
    }

    #[test]
    fn a_path_leads_to_an_output_or_a_part_of_it() {
        let outputs = Outputs::from(&user());
        for (path, value) in [
            ("id", Some(json!("auth0|a"))),
            ("emailVerified", Some(json!(true))),
            ("identities[0].userId", Some(json!("a"))),
            ("identities[1].userId", Some(json!("42"))),
            ("identities[2].userId", None),
            ("identities[0]['connection']", Some(json!("People"))),
            ("identities.0.userId", None),
            ("appMetadata.plan", Some(json!("pro"))),
            ("appMetadata.plan.more", None),
            ("appMetadata.plan[0]", None),
            ("appMetadata['a.b'].c[0]", Some(json!(1))),
            ("appMetadata['a.b']['c'][1]", Some(json!({"d": null}))),
            ("appMetadata['a.b'].c[1].d", None),
            ("appMetadata.it's", Some(json!(1))),
            ("name", None),
            ("nickname", None),
            ("userMetadata", None),
            ("userMetadata.plan", None),
            ("rawOutput.locale", Some(json!("en"))),
            ("rawOutput.app_metadata.plan", Some(json!("pro"))),
            ("rawOutput.identities[1].user_id", Some(json!(42))),
            ("rawOutput.identities[0].access_token", None),
            ("rawOutput.name", None),
        ] {
            let found = OutputPath::parse(path).unwrap().find(&outputs).cloned();
            assert_eq!(found, value, "{path}");
        }
        assert_eq!(OutputPath::parse("rawOutput").unwrap().find(&outputs), Some(&outputs.raw));
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_text() {
        for text in [
            "",
            "Email",
            "emails",
            "user.email",
            "app_metadata",
            ".email",
            "[0]",
            "email.",
            "email..a",
            "email[",
            "email[]",
            "email]",
            "email[a]",
            "email[-1]",
            "email[12345]",
            "email[0",
            "email[0]a",
            "email['a]",
            "email['a'",
            "email['']",
            "email['a'b]",
            "email.a]",
            "email[\"a\"]",
            " email",
        ] {
            let refused = OutputPath::parse(text).unwrap_err();
            assert!(refused.starts_with(&format!("{text:?} ")), "{refused}");
        }
    }

    #[test]
    fn what_logins_move_is_known() {
        for (path, moves) in [
            ("lastLogin", true),
            ("updatedAt", true),
            ("rawOutput.last_ip", true),
            ("rawOutput['logins_count']", true),
            ("rawOutput", false),
            ("rawOutput.locale", false),
            ("rawOutput.app_metadata.last_ip", false),
            ("appMetadata.last_ip", false),
            ("createdAt", false),
        ] {
            assert_eq!(OutputPath::parse(path).unwrap().is_moved_by_logins(), moves, "{path}");
        }
    }
}
