//! What status tells of many fields, as far as it fits beside a spec of any size. Pure.
//!
//! Metadata may have tens of thousands of keys. Where the keys of one map are too many, its name stands for them.

use crate::api::{NotPersisted, RefusedField};
use std::collections::{BTreeMap, BTreeSet};

/// Of a map with more keys, or longer ones together, only the map is named.
const MOST_KEYS: usize = 256;
const LONGEST_KEYS: usize = 16 * 1024;

/// Values that Auth0 does not hold, as far as they are remembered, in bytes.
const LARGEST_VALUES: usize = 96 * 1024;

/// What one of them takes beside its name.
const VALUE: usize = 100;

/// The sentences of all rejected fields, in bytes.
const LARGEST_SENTENCES: usize = 64 * 1024;

/// Names for people.
#[must_use]
pub fn names(fields: &[String]) -> Vec<String> {
    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for field in fields {
        let (keys, length) = sizes.entry(map_of(field)).or_default();
        *keys += 1;
        *length += field.len();
    }
    let is_large =
        |map| sizes.get(map).is_some_and(|&(keys, length)| keys > MOST_KEYS || length > LONGEST_KEYS);
    let mut seen = BTreeSet::new();
    let named = fields.iter().map(|field| if is_large(map_of(field)) { map_of(field) } else { field });
    named.filter(|name| seen.insert(*name)).map(str::to_owned).collect()
}

/// The field itself where it is no metadata key.
fn map_of(field: &str) -> &str {
    field.split_once('.').map_or(field, |(map, _)| map)
}

/// Values that Auth0 does not hold, as far as they can be remembered. A map stands for the rest of its keys: they are
/// sent again with the next check.
#[must_use]
pub fn not_persisted(entries: &[NotPersisted]) -> Vec<NotPersisted> {
    let mut room = Room(LARGEST_VALUES);
    let (mut kept, rest): (Vec<_>, Vec<_>) =
        entries.iter().cloned().partition(|entry| room.takes(VALUE + entry.field.len()));
    let maps: BTreeSet<&str> = rest.iter().map(|entry| map_of(&entry.field)).collect();
    kept.extend(maps.into_iter().map(|map| NotPersisted { field: map.to_owned(), digest: String::new() }));
    kept.sort_by(|one, other| one.field.cmp(&other.field));
    kept
}

/// Leaves out what does not fit of the sentences of rejected fields. Each field is remembered, or it would be sent again.
pub fn refused(fields: &mut [RefusedField]) {
    let mut room = Room(LARGEST_SENTENCES);
    for refused in fields {
        if !room.takes(refused.message.len()) {
            refused.message.clear();
        }
    }
}

/// Bytes that are left.
struct Room(usize);

impl Room {
    const fn takes(&mut self, bytes: usize) -> bool {
        match self.0.checked_sub(bytes) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

/// Names in one sentence of at most about so many bytes.
#[must_use]
pub fn list(names: &[&str], most: usize) -> String {
    let mut length = 0;
    let fitting = names.iter().take_while(|name| {
        length += name.len() + 2;
        length <= most
    });
    let count = fitting.count();
    let told = names.get(..count).unwrap_or(names).join(", ");
    match (count, names.len().saturating_sub(count)) {
        (_, 0) => told,
        (0, more) => format!("{more} with long names"),
        (_, more) => format!("{told} and {more} more"),
    }
}

/// A text of at most so many bytes.
#[must_use]
pub fn text(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}\u{2026} and more", &text[..text.floor_char_boundary(most)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|key| format!("userMetadata.k{key}")).collect()
    }

    #[test]
    fn a_map_stands_for_many_or_long_keys() {
        let with = |keys: Vec<String>| {
            let mut fields = vec!["name".to_owned()];
            fields.extend(keys);
            fields.push("appMetadata.a".to_owned());
            names(&fields)
        };
        assert_eq!(with(keys(256)).len(), 258);
        for keys in [keys(257), vec![format!("userMetadata.{}", "k".repeat(16 * 1024))]] {
            assert_eq!(with(keys), ["name", "userMetadata", "appMetadata.a"]);
        }
        assert_eq!(names(&["userMetadata".to_owned()]), ["userMetadata"]);
    }

    #[test]
    fn as_much_as_fits_is_remembered_and_the_map_named_for_the_rest() {
        let entries = |count| {
            let entry = |field| NotPersisted { field, digest: "d".repeat(64) };
            keys(count).into_iter().map(entry).collect::<Vec<_>>()
        };
        let few = entries(2);
        assert!(not_persisted(&few) == few);
        let many = not_persisted(&entries(60_000));
        assert!(serde_json::to_string(&many).unwrap().len() < 100 * 1024);
        assert!(many.len() > 500, "{}", many.len());
        let unremembered: Vec<_> = many.iter().filter(|entry| entry.digest.is_empty()).collect();
        assert_eq!((unremembered.len(), unremembered[0].field.as_str()), (1, "userMetadata"));
    }

    #[test]
    fn of_many_rejected_fields_the_names_outlast_the_sentences() {
        let rejected = |field| RefusedField {
            field,
            reason: "NotSupportedByConnection".to_owned(),
            message: "m".repeat(400),
            since: "2026-08-01T00:00:00Z".to_owned(),
        };
        let mut fields: Vec<_> = keys(300).into_iter().map(rejected).collect();
        refused(&mut fields);
        let told = fields.iter().take_while(|refused| !refused.message.is_empty()).count();
        assert_eq!((fields.len(), told), (300, 64 * 1024 / 400));
        assert!(fields[told..].iter().all(|refused| refused.message.is_empty()));
        let before = fields.clone();
        refused(&mut fields);
        assert_eq!(fields, before);
    }

    #[test]
    fn a_sentence_says_how_many_more_there_are() {
        assert_eq!(list(&["a", "b"], 6), "a, b");
        assert_eq!(list(&["a", "b", "c"], 6), "a, b and 1 more");
        assert_eq!(list(&["abcdef"], 6), "1 with long names");
        assert_eq!((text("ab", 2), text("a\u{e4}", 2)), ("ab".to_owned(), "a\u{2026} and more".to_owned()));
    }
}
