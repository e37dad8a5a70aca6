//! The outputs of the card in status, as far as they fit. Pure.

use crate::api::json::{is_within, stored_size};
use crate::api::{Auth0UserUpdateStatus, JsonMap, MOST_VALUES, Output};
use crate::user::User;
use serde_json::Value;
use std::collections::BTreeMap;

/// A larger output is left out.
const LARGEST_OUTPUT: usize = 128 * 1024;

/// All outputs together: etcd takes objects up to 1.5 MiB, and the spec may need the rest of that.
const LARGEST_OUTPUTS: usize = 512 * 1024;

/// An output that is nested deeper is left out: parsers stop at 128 levels, and status adds three.
const DEEPEST_OUTPUT: usize = 64;

const RAW: &str = "rawOutput";
const USER: &str = "user";

/// Fills the outputs, as far as they are wanted and fit, and names those that do not. The smallest go first, so that few
/// are left out.
pub fn show(status: &mut Auth0UserUpdateStatus, user: &User, output: Output) {
    let mut outputs = BTreeMap::new();
    if output != Output::None
        && let Ok(Value::Object(fields)) = serde_json::to_value(user.outputs())
    {
        outputs.extend(fields.into_iter().map(|(field, value)| (format!("{USER}.{field}"), value)));
    }
    if output == Output::Full {
        outputs.insert(RAW.to_owned(), Value::Object(user.raw_output()));
    }
    let mut sizes: Vec<(usize, String)> =
        outputs.iter().map(|(name, value)| (size(value), name.clone())).collect();
    sizes.sort_unstable();
    let mut room = LARGEST_OUTPUTS;
    status.output_omitted.clear();
    for (size, name) in sizes {
        if size > LARGEST_OUTPUT.min(room) {
            outputs.remove(&name);
            status.output_omitted.push(name);
        } else {
            room -= size;
        }
    }
    status.output_omitted.sort_unstable();
    // Taken, not read again: see `json`.
    status.raw_output = if let Some(Value::Object(raw)) = outputs.remove(RAW) { Some(raw) } else { None };
    let fields: JsonMap =
        outputs.into_iter().map(|(name, value)| (name[USER.len() + 1..].to_owned(), value)).collect();
    status.user =
        (output != Output::None).then(|| serde_json::from_value(Value::Object(fields)).unwrap_or_default());
}

/// Takes away what may not be shown.
pub fn withdraw(status: &mut Auth0UserUpdateStatus, most: Output) {
    if most >= Output::Mapped {
        status.raw_output = None;
    }
    if most == Output::None {
        status.user = None;
    }
    if most != Output::Full {
        status.output_omitted.retain(|name| most == Output::Mapped && name != RAW);
    }
}

/// Whether an output that is wanted is neither there nor named as left out.
#[must_use]
pub fn lacks(status: &Auth0UserUpdateStatus, wanted: Output) -> bool {
    let is_omitted = |name: &str| status.output_omitted.iter().any(|omitted| omitted == name);
    (wanted != Output::None && status.user.is_none() && !is_omitted(USER))
        || (wanted == Output::Full && status.raw_output.is_none() && !is_omitted(RAW))
}

/// Leaves out every output and names it. Answers whether there was any.
pub fn omit(status: &mut Auth0UserUpdateStatus) -> bool {
    let omitted = [status.raw_output.take().map(|_| RAW), status.user.take().map(|_| USER)];
    let is_smaller = omitted.iter().any(Option::is_some);
    status.output_omitted.extend(omitted.into_iter().flatten().map(str::to_owned));
    status.output_omitted.sort_unstable();
    is_smaller
}

/// How many bytes the API server stores for a value; the most there are where it is nested too deep, has too many
/// values to be read again, or is not there as a whole.
fn size(value: &Value) -> usize {
    let is_shown = is_within(value, DEEPEST_OUTPUT) && values(value) <= MOST_VALUES;
    is_shown.then(|| stored_size(value)).flatten().unwrap_or(usize::MAX)
}

/// How many values are in a value that is not nested too deep.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(|item| 1 + values(item)).sum(),
        Value::Object(map) => map.values().map(|item| 1 + values(item)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::json;
    use serde_json::json;

    fn shown(user: Value, output: Output) -> Auth0UserUpdateStatus {
        let mut status =
            Auth0UserUpdateStatus { output_omitted: vec!["user.name".to_owned()], ..Default::default() };
        let Value::Object(user) = user else { panic!("{user}") };
        show(&mut status, &user.into(), output);
        status
    }

    /// What is left out, and whether the rest together fits.
    fn omitted(user: Value, output: Output) -> Vec<String> {
        let status = shown(user, output);
        let outputs = json!({"user": status.user, "rawOutput": status.raw_output});
        let size = stored_size(&outputs).unwrap();
        assert!(size < LARGEST_OUTPUTS + 1024, "{size}");
        assert!(is_within(&outputs, DEEPEST_OUTPUT + 2));
        status.output_omitted
    }

    fn text(kib: usize) -> String {
        "x".repeat(kib * 1024)
    }

    fn nested(levels: u32) -> Value {
        (0..levels)
            .rev()
            .fold(json!(1), |inner, level| if level % 2 == 0 { json!({"a": inner}) } else { json!([inner]) })
    }

    #[test]
    fn what_is_too_large_is_left_out_and_named() {
        let huge =
            json!({"user_id": "auth0|a", "name": "Ann", "picture": text(1_800), "nickname": text(1_800)});
        let status = shown(huge, Output::Full);
        assert_eq!(status.output_omitted, ["rawOutput", "user.nickname", "user.picture"]);
        assert_eq!(status.user.unwrap().name.as_deref(), Some("Ann"));
        let identity = json!({"connection": text(100), "user_id": "a", "provider": "auth0"});
        let user = json!({"identities": vec![identity; 18], "multifactor": [text(1_800)]});
        assert_eq!(omitted(user, Output::Full), ["rawOutput", "user.identities", "user.multifactor"]);
    }

    #[test]
    fn each_may_be_as_large_as_the_limit_and_not_larger() {
        for (more, expected) in [(0, &[][..]), (1, &["user.name"][..])] {
            let name = "x".repeat(LARGEST_OUTPUT - 2 + more);
            assert_eq!(omitted(json!({"name": name}), Output::Mapped), expected);
        }
    }

    #[test]
    fn together_they_leave_room_for_the_rest_of_the_object() {
        let names = ["name", "nickname", "picture", "given_name", "family_name", "email"];
        let user: JsonMap = names.iter().map(|name| ((*name).to_owned(), json!(text(100)))).collect();
        assert_eq!(omitted(Value::Object(user), Output::Full), ["rawOutput", "user.picture"]);
    }

    #[test]
    fn what_go_escapes_counts_as_it_is_stored() {
        let user = json!({"name": "<".repeat(30 * 1024), "nickname": "&".repeat(20 * 1024)});
        assert_eq!(omitted(user, Output::Mapped), ["user.name"]);
    }

    #[test]
    fn what_is_nested_too_deep_is_left_out_and_named() {
        let user = |levels| json!({"user_metadata": nested(levels), "multifactor": [nested(levels)]});
        assert_eq!(omitted(user(62), Output::Full), [""; 0]);
        assert_eq!(omitted(user(64), Output::Full), ["rawOutput", "user.multifactor"]);
        let all = ["rawOutput", "user.multifactor", "user.userMetadata"];
        for levels in [66, 126, 1_000] {
            assert_eq!(omitted(user(levels), Output::Full), all);
        }
    }

    #[test]
    fn a_key_of_serde_jsons_own_is_a_key() {
        let magic = json!({"$serde_json::private::RawValue": "{\"a\":[1]}"});
        let status = shown(magic.clone(), Output::Full);
        assert_eq!(status.raw_output.map(Value::Object), Some(magic.clone()));
        let status = shown(json!({"user_metadata": magic, "multifactor": [magic]}), Output::Full);
        assert_eq!(status.output_omitted, [""; 0]);
        assert_eq!(status.raw_output.unwrap()["user_metadata"], magic);
        let user = status.user.unwrap();
        assert_eq!(
            (user.user_metadata.map(Value::Object), user.multifactor),
            (Some(magic.clone()), Some(vec![magic]))
        );
    }

    #[test]
    fn what_is_not_read_whole_is_left_out_and_named() {
        let answer = |values: usize| {
            let many = format!("[{}]", vec!["0"; values].join(","));
            let text =
                format!(r#"{{"user_id":"auth0|a","user_metadata":{{"k":{many}}},"app_metadata":{{"a":1}}}}"#);
            let mut status = Auth0UserUpdateStatus::default();
            show(
                &mut status,
                &json::read::<json::User>(text.as_bytes()).unwrap().0.unwrap().into(),
                Output::Full,
            );
            status
        };
        assert_eq!(answer(MOST_VALUES - 1).output_omitted, ["rawOutput"]);
        let status = answer(MOST_VALUES + 1);
        assert_eq!(status.output_omitted, ["rawOutput", "user.userMetadata"]);
        assert_eq!(status.user.unwrap().app_metadata.map(Value::Object), Some(json!({"a": 1})));
        let names: JsonMap = (0..=MOST_VALUES).map(|n| (format!("{n}"), json!(0))).collect();
        assert_eq!(omitted(json!({"user_metadata": names}), Output::Mapped), ["user.userMetadata"]);
    }

    #[test]
    fn nothing_is_named_where_nothing_is_wanted() {
        let status = shown(json!({"name": text(1_800)}), Output::None);
        assert_eq!(status, Auth0UserUpdateStatus::default());
    }

    #[test]
    fn all_outputs_can_be_left_out() {
        let mut status = shown(json!({"name": "Ann", "picture": text(200)}), Output::Full);
        assert!(omit(&mut status));
        assert_eq!(status.output_omitted, ["rawOutput", "user", "user.picture"]);
        assert!(status.user.is_none() && status.raw_output.is_none() && !omit(&mut status));
    }
}
