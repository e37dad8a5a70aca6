//! Compares what came of cells with what the tables say.

use super::cell::Cell;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Tells where a cell came out otherwise than expected.
pub fn compare<T: PartialEq + Serialize>(
    wrong: &mut Vec<String>,
    cell: &Cell,
    what: &str,
    expected: &T,
    got: &T,
) {
    if expected != got {
        let (expected, got) = (json!(expected), json!(got));
        wrong.push(format!("{cell}\n    {what}: expected {expected}\n    {what}: got      {got}"));
    }
}

/// Users, attribute by attribute, so that only what differs is told.
pub fn compare_users(
    wrong: &mut Vec<String>,
    cell: &Cell,
    expected: &Map<String, Value>,
    got: &Map<String, Value>,
) {
    let names: BTreeSet<_> = expected.keys().chain(got.keys()).collect();
    for name in names {
        compare(wrong, cell, name, &expected.get(name), &got.get(name));
    }
}

/// A user as the table has it: without times, with the password, and with both maps, of which a cleared one may stay as
/// an empty one or go.
pub fn plain(mut user: Map<String, Value>, password: Option<String>) -> Map<String, Value> {
    for time in ["created_at", "updated_at", "last_password_reset"] {
        user.remove(time);
    }
    for map in ["user_metadata", "app_metadata"] {
        user.entry(map).or_insert_with(|| json!({}));
    }
    user.extend(password.map(|password| ("password".to_owned(), password.into())));
    user
}

/// The fields of which the Ready message says that kubectl dropped their null, or one inside.
pub fn told(message: &str) -> BTreeSet<String> {
    let notes = message.split("kubectl apply dropped ").skip(1).flat_map(|note| {
        let names = note.trim_start_matches("the null of ").trim_start_matches("a null inside ");
        names.split_whitespace().map_while(|word| word.strip_suffix(','))
    });
    notes.map(str::to_owned).collect()
}

/// Fails where anything differs.
pub fn assert_as_told(wrong: &[String]) {
    let names: BTreeSet<_> = wrong.iter().filter_map(|difference| difference.split(' ').next()).collect();
    assert!(wrong.is_empty(), "{} differences in {} cells:\n{}", wrong.len(), names.len(), wrong.join("\n"));
}
