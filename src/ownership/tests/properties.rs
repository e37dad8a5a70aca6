//! The index against a judge that compares everybody with everybody.

use crate::api::JsonMap;
use crate::ownership::tests::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FIELDS: [&str; 4] = ["email", "name", "userMetadata.a", "userMetadata.b"];

/// A card of few fields and fewer values, so that resources often meet, and whether kubectl dropped a null
/// under the key `b`.
fn card() -> impl Strategy<Value = (Value, bool)> {
    let value = prop_oneof![Just(json!(1)), Just(json!(2)), Just(Value::Null)];
    let keys = proptest::collection::btree_map("[ab]", value, 0..3);
    let connection = prop_oneof![Just(None), Just(Some("People")), Just(Some("Staff"))];
    let text = || proptest::option::of("[xy]");
    (text(), text(), connection, proptest::option::of(keys), any::<bool>(), any::<bool>()).prop_map(
        |(name, email, connection, keys, whole, drops)| {
            let given = [
                ("name", name.map(Value::from)),
                ("email", email.map(|name| json!(format!("{name}@example.com")))),
                ("connection", connection.map(Value::from)),
                ("userMetadata", keys.map(|keys| json!(keys))),
                ("clear", whole.then(|| json!(["userMetadata"]))),
            ];
            let given: BTreeMap<_, _> =
                given.into_iter().filter_map(|(field, value)| Some((field, value?))).collect();
            (json!(given), drops)
        },
    )
}

fn made(name: &str, created: u32, (card, drops): &(Value, bool)) -> Auth0UserUpdate {
    let object = resource(name, created, card);
    let map = object.spec.user_metadata.as_ref();
    if *drops && map.is_some_and(|map| !map.contains_key("b")) {
        with_dropped_null(object, "b")
    } else {
        object
    }
}

/// What a resource wants of each field that anybody could mean: `None` where it does not care.
fn wants(object: &Auth0UserUpdate, field: &str) -> Option<Value> {
    let spec = &object.spec;
    let key = match field {
        "name" => return spec.name.value().map(|name| json!(name)),
        "email" => return spec.email.value().map(|email| json!(email)),
        key => key.strip_prefix("userMetadata.").unwrap(),
    };
    let drops = object.metadata.annotations.is_some();
    let (map, is_ordered) = (spec.user_metadata.clone(), !spec.clear.is_empty());
    let is_blank = map.as_ref().is_some_and(JsonMap::is_empty) && !drops;
    let map = map.unwrap_or_default();
    let replaces = is_ordered && map.values().any(|value| !value.is_null());
    let is_held = drops && replaces && key == "b";
    let wiped = ((is_ordered || is_blank) && !is_held).then_some(Value::Null);
    map.get(key).cloned().or(wiped)
}

/// The identity that a resource acts on: the primary one unless it names another.
fn identity(connection: Option<&str>) -> &str {
    connection.unwrap_or("People")
}

/// Fields of which somebody older wants something else than this resource, and whom it is told of.
fn judged(objects: &[Auth0UserUpdate], own: &Auth0UserUpdate) -> Vec<(String, String)> {
    let connection = |object: &Auth0UserUpdate| object.spec.connection.value().cloned();
    let rank = |object: &&Auth0UserUpdate| {
        (object.metadata.creation_timestamp.clone().unwrap().0, object.metadata.name.clone())
    };
    let conflict = |field: &&str| {
        let meets = |other: &&Auth0UserUpdate| {
            *field != "email"
                || identity(connection(other).as_deref()) == identity(connection(own).as_deref())
        };
        let claimants = objects.iter().filter(|object| wants(object, field).is_some()).filter(meets);
        let owner = claimants.min_by_key(rank)?;
        let differs = wants(own, field).is_some() && wants(owner, field) != wants(own, field);
        differs.then(|| pair(field, owner.metadata.name.as_deref().unwrap()))
    };
    FIELDS.iter().filter_map(conflict).collect()
}

fn told(claims: &Claims, own: &Auth0UserUpdate) -> Vec<(String, String)> {
    let connection = own.spec.connection.value().map(String::as_str);
    let same = |other: Option<&str>| identity(other) == identity(connection);
    let found = from(own, &same, |standpoint| claims.conflicts(standpoint));
    found.into_iter().map(|conflict| (conflict.field, conflict.owner)).collect()
}

fn mark(claims: &Claims, own: &Auth0UserUpdate) -> Vec<Rival> {
    from(own, &|_| true, |standpoint| claims.rivals(standpoint))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    /// After every edit each resource is told what a comparison with all others says; and whoever is told
    /// something new by somebody else's edit was woken, and finds its mark moved.
    #[test]
    fn the_index_agrees_with_comparing_everybody_with_everybody(
        cards in proptest::collection::vec((card(), 0_u32..3), 1..6),
        edits in proptest::collection::vec((0_usize..6, proptest::option::of(card())), 0..6),
    ) {
        let mut objects: Vec<Auth0UserUpdate> = cards
            .iter()
            .enumerate()
            .map(|(number, (card, created))| made(&format!("r{number}"), *created, card))
            .collect();
        let claims = claims_of(&objects);
        let mut woken = claims.subscribe();
        for (number, edit) in edits {
            let Some(object) = objects.get(number) else { continue };
            let (name, created) =
                (object.metadata.uid.clone().unwrap(), object.metadata.creation_timestamp.clone());
            let before: BTreeMap<String, _> = objects
                .iter()
                .map(|own| (own.metadata.name.clone().unwrap(), (told(&claims, own), mark(&claims, own))))
                .collect();
            if let Some(card) = edit {
                let mut edited = made(&name, 0, &card);
                edited.metadata.creation_timestamp = created;
                claims.update(&edited);
                objects[number] = edited;
            } else {
                claims.remove(&name);
                objects.remove(number);
            }
            let woken: HashSet<String> = std::iter::from_fn(|| woken.try_recv().ok()).map(|(_, name)| name).collect();
            for own in objects.iter().filter(|own| own.metadata.name.as_ref() != Some(&name)) {
                let (own_name, now) = (own.metadata.name.as_ref().unwrap(), told(&claims, own));
                let (told_before, mark_before) = &before[own_name];
                if *told_before != now {
                    prop_assert!(woken.contains(own_name), "{} was not woken", own_name);
                    prop_assert!(*mark_before != mark(&claims, own), "the mark of {} stayed", own_name);
                }
            }
        }
        for own in &objects {
            prop_assert_eq!(told(&claims, own), judged(&objects, own));
        }
    }
}
