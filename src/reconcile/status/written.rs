//! What of a user goes into which `ConfigMap` or Secret, and what goes out of it. Pure.

use crate::api::json::{is_within, stored_size};
use crate::api::reason::{Failure, Reason};
use crate::api::{MOST_LEVELS, Output, OutputTarget, TargetKind, WrittenOutputs};
use crate::user::{OutputPath, Outputs, User};
use serde_json::Value;
use std::collections::BTreeMap;

/// A larger value is left out.
const LARGEST_VALUE: usize = 128 * 1024;

/// All values of one object: a `ConfigMap` holds 1 MiB, and a Secret a third more than its texts.
const LARGEST_OBJECT: usize = 512 * 1024;

/// One object, and all that is to be in it of this resource's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its kind.
    pub kind: TargetKind,
    /// Its name.
    pub name: String,
    /// The text of each key; `None` where it stays as it is. Without a key the object is not needed.
    pub data: BTreeMap<String, Option<String>>,
    /// The path of each key.
    paths: BTreeMap<String, String>,
    omitted: Vec<String>,
}

impl Wanted {
    fn removed(written: &WrittenOutputs, kind: TargetKind) -> Self {
        let (data, paths, omitted) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        Self { kind, name: written.name.clone(), data, paths, omitted }
    }

    /// What status says of the object once it is written; `None` where there is nothing to say.
    fn written(self) -> Option<WrittenOutputs> {
        let is_told = !self.paths.is_empty() || !self.omitted.is_empty();
        let Self { kind, name, paths: data, omitted, .. } = self;
        is_told.then(|| WrittenOutputs { kind: kind.as_str().to_owned(), name, data, omitted })
    }

    /// The same without an opinion about what every login moves.
    #[must_use]
    pub fn steady(mut self) -> Self {
        for (key, text) in &mut self.data {
            let path = self.paths.get(key).and_then(|path| OutputPath::parse(path).ok());
            text.take_if(|_| path.is_some_and(|path| path.is_moved_by_logins()));
        }
        self
    }
}

/// Makes sure that every path of a spec can be read.
///
/// # Errors
/// `InvalidRequest` with what is wrong: the API server has admitted it under other rules.
pub fn check(targets: &[OutputTarget]) -> Result<(), Failure> {
    let invalid = |what: String| Failure::new(Reason::InvalidRequest, format!("spec.outputsTo: {what}"));
    for target in targets {
        target.object().ok_or_else(|| invalid("an entry names neither configMap nor secret".to_owned()))?;
        for path in target.data.values() {
            OutputPath::parse(path).map_err(invalid)?;
        }
    }
    Ok(())
}

/// What is to be in each object: those of the spec, filled from the user as far as the tenant grants `most`, and those
/// that were written before and that the spec names no longer.
#[must_use]
pub fn of_user(
    targets: &[OutputTarget],
    before: &[WrittenOutputs],
    user: &User,
    most: Output,
) -> Vec<Wanted> {
    let outputs = Outputs::from(user);
    let wanted = targets.iter().filter_map(|target| {
        let (kind, name) = target.object()?;
        Some(fill(kind, name, &target.data, &outputs, most))
    });
    let mut wanted: Vec<Wanted> = wanted.collect();
    for written in before {
        let Some(kind) = written.kind() else { continue };
        if !wanted.iter().any(|wanted| wanted.kind == kind && wanted.name == written.name) {
            wanted.push(Wanted::removed(written, kind));
        }
    }
    wanted
}

/// What is to be taken out of objects because the tenant grants it no longer, without a look at the user.
#[must_use]
pub fn withdrawn(before: &[WrittenOutputs], most: Output) -> Vec<Wanted> {
    let exceeding = before.iter().filter(|written| shown(written) < most);
    let withdrawn = exceeding.filter_map(|written| {
        let mut wanted = Wanted::removed(written, written.kind()?);
        wanted.omitted.clone_from(&written.omitted);
        for (key, path) in &written.data {
            if grants(most, path) {
                wanted.data.insert(key.clone(), None);
                wanted.paths.insert(key.clone(), path.clone());
            } else {
                wanted.omitted.push(key.clone());
            }
        }
        wanted.omitted.sort_unstable();
        Some(wanted)
    });
    withdrawn.collect()
}

/// Notes that an object was written, in what status says of all.
pub fn note(all: &mut Vec<WrittenOutputs>, wanted: Wanted) {
    all.retain(|written| written.kind != wanted.kind.as_str() || written.name != wanted.name);
    all.extend(wanted.written());
    all.sort_by(|one, other| (&one.kind, &one.name).cmp(&(&other.kind, &other.name)));
}

/// How much of the user an object shows.
#[must_use]
pub fn shown(written: &WrittenOutputs) -> Output {
    let of = |path: &String| if is_raw(path) { Output::Full } else { Output::Mapped };
    written.data.values().map(of).min().unwrap_or(Output::None)
}

fn is_raw(path: &str) -> bool {
    // One that cannot be read may be of another version.
    OutputPath::parse(path).map_or(true, |path| path.is_raw())
}

fn grants(most: Output, path: &str) -> bool {
    match most {
        Output::Full => true,
        Output::Mapped => !is_raw(path),
        Output::None => false,
    }
}

/// Fills an object, the smallest values first, so that few are left out.
fn fill(
    kind: TargetKind,
    name: &str,
    data: &BTreeMap<String, String>,
    outputs: &Outputs,
    most: Output,
) -> Wanted {
    let find = |path: &str| {
        let path = OutputPath::parse(path).ok().filter(|_| grants(most, path))?;
        path.find(outputs).and_then(text)
    };
    let mut texts: Vec<(&String, &String, Option<String>)> =
        data.iter().map(|(key, path)| (key, path, find(path))).collect();
    texts.sort_by_key(|(.., text)| text.as_ref().map_or(0, String::len));
    let mut wanted = Wanted {
        kind,
        name: name.to_owned(),
        data: BTreeMap::new(),
        paths: BTreeMap::new(),
        omitted: Vec::new(),
    };
    let mut room = LARGEST_OBJECT;
    for (key, path, text) in texts {
        let fitting = text.and_then(|text| Some((room.checked_sub(size(&text))?, text)));
        if let Some((rest, text)) = fitting {
            room = rest;
            wanted.data.insert(key.clone(), Some(text));
            wanted.paths.insert(key.clone(), path.clone());
        } else {
            wanted.omitted.push(key.clone());
        }
    }
    wanted.omitted.sort_unstable();
    wanted
}

/// The text of a value: its own, or its JSON. `None` where it is too large, or was not read as a whole.
fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    };
    (is_within(value, MOST_LEVELS) && size(&text) <= LARGEST_VALUE).then_some(text)
}

fn size(text: &str) -> usize {
    stored_size(&text).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn user() -> User {
        let user = json!({
            "user_id": "auth0|a", "email": "a@example.com", "email_verified": true, "logins_count": 3,
            "app_metadata": {"plan": "pro", "roles": ["a", "b"]}, "locale": "en",
        });
        User::from(user.as_object().unwrap().clone())
    }

    fn targets(targets: Value) -> Vec<OutputTarget> {
        serde_json::from_value(targets).unwrap()
    }

    fn written(entries: Value) -> Vec<WrittenOutputs> {
        serde_json::from_value(entries).unwrap()
    }

    /// The texts of an object, of those that have one.
    fn texts(wanted: &Wanted) -> Value {
        json!(wanted.data)
    }

    #[test]
    fn texts_are_written_as_they_are_and_all_else_as_json() {
        let data = json!({
            "EMAIL": "email", "VERIFIED": "emailVerified", "ROLES": "appMetadata.roles", "PLAN": "appMetadata.plan",
            "LOGINS": "loginsCount", "LOCALE": "rawOutput.locale", "NICKNAME": "nickname",
        });
        let wanted = of_user(
            &targets(json!([{"configMap": {"name": "m"}, "data": data}])),
            &[],
            &user(),
            Output::Full,
        );
        let expected = json!({
            "EMAIL": "a@example.com", "VERIFIED": "true", "ROLES": r#"["a","b"]"#, "PLAN": "pro", "LOGINS": "3",
            "LOCALE": "en",
        });
        assert_eq!(texts(&wanted[0]), expected);
        let told = wanted[0].clone().written().unwrap();
        assert_eq!((told.kind.as_str(), told.name.as_str(), told.data.len()), ("ConfigMap", "m", 6));
        assert_eq!((told.data["EMAIL"].as_str(), &told.omitted[..]), ("email", &["NICKNAME".to_owned()][..]));
        assert!(!json!(told).to_string().contains("example.com"), "a value");
    }

    #[test]
    fn the_tenant_grants_what_is_written() {
        let targets = targets(json!([
            {"configMap": {"name": "m"}, "data": {"EMAIL": "email", "LOCALE": "rawOutput.locale"}},
        ]));
        for (most, keys) in
            [(Output::Full, &["EMAIL", "LOCALE"][..]), (Output::Mapped, &["EMAIL"]), (Output::None, &[])]
        {
            let wanted = of_user(&targets, &[], &user(), most);
            assert_eq!(wanted[0].data.keys().collect::<Vec<_>>(), keys, "{most:?}");
            assert_eq!(wanted[0].omitted.len(), 2 - keys.len());
        }
    }

    #[test]
    fn what_the_spec_names_no_longer_is_emptied() {
        let before = written(json!([
            {"kind": "ConfigMap", "name": "m", "data": {"EMAIL": "email"}},
            {"kind": "Secret", "name": "m", "data": {"EMAIL": "email"}},
            {"kind": "ConfigMap", "name": "old", "data": {"EMAIL": "email"}},
            {"kind": "Volume", "name": "of-another-version"},
        ]));
        let spec = targets(json!([{"secret": {"name": "m"}, "data": {"EMAIL": "email"}}]));
        let wanted = of_user(&spec, &before, &user(), Output::Full);
        let objects: Vec<_> =
            wanted.iter().map(|it| (it.kind.as_str(), it.name.as_str(), it.data.len())).collect();
        assert_eq!(objects, [("Secret", "m", 1), ("ConfigMap", "m", 0), ("ConfigMap", "old", 0)]);
        let mut told = before;
        for wanted in wanted {
            note(&mut told, wanted);
        }
        let told: Vec<_> =
            told.iter().map(|written| (written.kind.as_str(), written.name.as_str())).collect();
        assert_eq!(told, [("Secret", "m"), ("Volume", "of-another-version")]);
    }

    #[test]
    fn what_is_granted_no_longer_is_taken_out_without_the_user_and_the_rest_stays() {
        let before = written(json!([
            {"kind": "ConfigMap", "name": "m", "data": {"EMAIL": "email", "LOCALE": "rawOutput.locale"}},
            {"kind": "Secret", "name": "s", "data": {"PLAN": "appMetadata.plan"}, "omitted": ["X"]},
        ]));
        assert_eq!(withdrawn(&before, Output::Full), []);
        let mapped = withdrawn(&before, Output::Mapped);
        assert_eq!((mapped.len(), texts(&mapped[0])), (1, json!({"EMAIL": null})));
        let none = withdrawn(&before, Output::None);
        assert_eq!(none.iter().map(texts).collect::<Vec<_>>(), [json!({}), json!({})]);
        let mut told = before.clone();
        for wanted in none.into_iter().rev() {
            assert_ne!(withdrawn(&told, Output::None), []);
            note(&mut told, wanted);
        }
        assert_eq!(
            (&told[0].omitted.join(" ")[..], &told[1].omitted.join(" ")[..]),
            ("EMAIL LOCALE", "PLAN X")
        );
        assert_eq!(withdrawn(&told, Output::None), []);
    }

    #[test]
    fn a_comparison_leaves_out_what_logins_move() {
        let spec =
            targets(json!([{"secret": {"name": "m"}, "data": {"N": "loginsCount", "EMAIL": "email"}}]));
        let wanted = of_user(&spec, &[], &user(), Output::Full).remove(0).steady();
        assert_eq!(texts(&wanted), json!({"N": null, "EMAIL": "a@example.com"}));
    }

    #[test]
    fn what_is_too_large_or_was_not_read_is_left_out_and_named() {
        let mut root = json!({"user_id": "auth0|a", "app_metadata": {}});
        for (key, length) in [("a", 128 * 1024 - 2), ("b", 128 * 1024 - 1), ("c", 100 * 1024)] {
            root["app_metadata"][key] = json!("x".repeat(length));
        }
        let user = User::from(root.as_object().unwrap().clone());
        let fill = |data: Value| {
            let spec = targets(json!([{"configMap": {"name": "m"}, "data": data}]));
            of_user(&spec, &[], &user, Output::Full).remove(0)
        };
        assert_eq!(fill(json!({"A": "appMetadata.a", "B": "appMetadata.b"})).omitted, ["B"]);
        let many: BTreeMap<String, &str> = (0..6).map(|key| (format!("K{key}"), "appMetadata.c")).collect();
        assert_eq!(fill(json!(many)).omitted, ["K5"]);
        let values = format!("[{}]", vec!["0"; 20_000].join(","));
        let text = format!(r#"{{"user_id":"auth0|a","user_metadata":{{"k":{values}}}}}"#);
        let unread = crate::api::json::read::<crate::api::json::User>(text.as_bytes()).unwrap().0.unwrap();
        let spec = targets(json!([{"configMap": {"name": "m"}, "data": {"K": "userMetadata.k"}}]));
        assert_eq!(of_user(&spec, &[], &unread.into(), Output::Full)[0].omitted, ["K"]);
    }

    #[test]
    fn a_path_that_an_older_schema_admitted_is_refused_before_any_call() {
        assert!(check(&targets(json!([{"secret": {"name": "m"}, "data": {"A": "email"}}]))).is_ok());
        for target in [json!({"secret": {"name": "m"}, "data": {"A": "emails"}}), json!({"data": {}})] {
            let refused = check(&targets(json!([target]))).unwrap_err();
            assert_eq!(refused.reason, Reason::InvalidRequest);
        }
    }
}
