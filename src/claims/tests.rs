//! Claims by hand-written cases, and against a judge that compares everybody with everybody.

use super::*;
use crate::api::JsonMap;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A resource of the tenant `t` in namespace `n` for `auth0|1`, created that many seconds after the epoch.
fn resource(name: &str, created: u32, card: &Value) -> Auth0UserUpdate {
    let mut spec = json!({"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": "Yes"});
    for (key, value) in card.as_object().unwrap() {
        spec[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate", "spec": spec,
        "metadata": {
            "name": name, "namespace": "n", "uid": name, "resourceVersion": "1",
            "creationTimestamp": format!("2026-01-01T00:00:{:02}Z", created % 60),
        },
    }))
    .unwrap()
}

/// Fields and owners that stand in the way of one resource, where every connection is another identity.
fn conflicts(claims: &Claims, object: &Auth0UserUpdate) -> Vec<(String, String)> {
    let own = Claimant::of(object).unwrap();
    let connection = own.connection.clone();
    let standpoint = Standpoint {
        own: &own,
        host: "t.example.com",
        host_of: &|_, tenant| Some(format!("{tenant}.example.com")),
        same_identity: &|other| other == connection.as_deref(),
    };
    let found = claims.conflicts(&standpoint);
    found.into_iter().map(|conflict| (conflict.field, conflict.owner)).collect()
}

fn claims_of<'a>(objects: impl IntoIterator<Item = &'a Auth0UserUpdate>) -> Claims {
    let claims = Claims::default();
    objects.into_iter().for_each(|object| claims.update(object));
    claims
}

fn pair(field: &str, owner: &str) -> (String, String) {
    (field.to_owned(), format!("n/{owner}"))
}

#[test]
fn the_oldest_owns_a_field_then_the_first_by_name() {
    let old = resource("z", 1, &json!({"name": "A", "nickname": "n"}));
    let twin = resource("b", 1, &json!({"name": "B"}));
    let young = resource("a", 2, &json!({"name": "C", "picture": "https://example.com/c.png"}));
    let claims = claims_of([&young, &old, &twin]);
    assert_eq!(conflicts(&claims, &twin), []);
    assert_eq!(conflicts(&claims, &old), [pair("name", "b")]);
    assert_eq!(conflicts(&claims, &young), [pair("name", "b")]);
    claims.remove("b");
    assert_eq!(conflicts(&claims, &young), [pair("name", "z")]);
}

#[test]
fn equal_values_do_not_conflict() {
    let old =
        resource("old", 1, &json!({"email": "Ada@Example.com", "userMetadata": {"n": 1}, "clear": ["name"]}));
    let young =
        resource("new", 2, &json!({"email": "ada@example.com", "userMetadata": {"n": 1.0}, "name": ""}));
    assert_eq!(conflicts(&claims_of([&old, &young]), &young), []);
}

#[test]
fn a_whole_clear_and_a_replace_claim_every_key() {
    let key = resource("key", 2, &json!({"userMetadata": {"plan": "pro"}}));
    let gone = resource("gone", 2, &json!({"clear": ["userMetadata.plan"]}));
    let other = resource("other", 2, &json!({"appMetadata": {"plan": "pro"}}));
    for (whole, replaced) in [
        (json!({"userMetadata": {}}), false),
        (json!({"clear": ["userMetadata"], "userMetadata": {"plan": "free"}}), true),
    ] {
        let old = resource("whole", 1, &whole);
        let claims = claims_of([&old, &key, &gone, &other]);
        assert_eq!(conflicts(&claims, &key), [pair("userMetadata.plan", "whole")]);
        assert_eq!(conflicts(&claims, &gone).is_empty(), !replaced);
        assert_eq!(conflicts(&claims, &other), []);
        let young = resource("whole", 3, &whole);
        let claims = claims_of([&young, &key]);
        assert_eq!(conflicts(&claims, &young), [pair("userMetadata.plan", "key")]);
    }
}

#[test]
fn what_belongs_to_one_identity_is_claimed_for_that_identity() {
    let old = resource("old", 1, &json!({"connection": "sms", "email": "a@example.com", "name": "A"}));
    let young = resource("new", 2, &json!({"email": "b@example.com", "name": "B"}));
    assert_eq!(conflicts(&claims_of([&old, &young]), &young), [pair("name", "old")]);
}

#[test]
fn a_resource_in_mode_observe_or_of_another_host_claims_nothing_here() {
    let watcher = resource("watcher", 1, &json!({"name": "A", "mode": "Observe"}));
    let elsewhere = resource("elsewhere", 1, &json!({"name": "A", "tenantRef": {"name": "other"}}));
    let young = resource("new", 2, &json!({"name": "B"}));
    assert_eq!(conflicts(&claims_of([&watcher, &elsewhere, &young]), &young), []);
}

#[test]
fn an_older_version_changes_nothing_and_what_is_gone_stays_gone() {
    let claims = Claims::default();
    let mut fresh = resource("a", 1, &json!({"name": "fresh"}));
    fresh.metadata.resource_version = Some("10".to_owned());
    let stale = resource("a", 1, &json!({"name": "stale"}));
    let young = resource("b", 2, &json!({"name": "fresh"}));
    claims.update(&fresh);
    claims.update(&stale);
    assert_eq!(conflicts(&claims, &young), []);
    claims.remove("a");
    claims.note(&stale);
    assert_eq!(conflicts(&claims, &young), []);
}

#[test]
fn a_thousand_resources_of_one_user_wake_each_other_only_when_the_owner_changes() {
    let claims = Claims::default();
    let mut woken = claims.subscribe();
    let names: Vec<String> = (0..1000).map(|number| format!("r{number:04}")).collect();
    let of = |name: &str| resource(name, 1, &json!({"name": name}));
    for name in &names {
        claims.update(&of(name));
    }
    assert!(woken.try_recv().is_err(), "each new one is younger than the owner");
    claims.update(&resource("r0500", 1, &json!({"name": "edited"})));
    assert!(woken.try_recv().is_err(), "it owns nothing");
    claims.remove("r0000");
    assert_eq!(std::iter::from_fn(|| woken.try_recv().ok()).count(), 999);
}

/// A card of few fields and fewer values, so that resources often meet.
fn card() -> impl Strategy<Value = Value> {
    let value = prop_oneof![Just(json!(1)), Just(json!(2)), Just(Value::Null)];
    let keys = proptest::collection::btree_map("[ab]", value, 0..3);
    (proptest::option::of("[xy]"), proptest::option::of(keys), any::<bool>()).prop_map(
        |(name, keys, whole)| {
            let mut card = json!({});
            if let Some(name) = name {
                card["name"] = json!(name);
            }
            if let Some(keys) = keys {
                card["userMetadata"] = json!(keys);
            }
            if whole {
                card["clear"] = json!(["userMetadata"]);
            }
            card
        },
    )
}

/// What a resource wants of each field that anybody could mean: `None` where it does not care.
fn wants(object: &Auth0UserUpdate, field: &str) -> Option<Value> {
    let spec = &object.spec;
    let Some(key) = field.strip_prefix("userMetadata.") else {
        return spec.name.value().map(|name| json!(name));
    };
    let map = spec.user_metadata.as_ref();
    let is_whole =
        spec.clear.iter().any(|entry| entry == "userMetadata") || map.is_some_and(JsonMap::is_empty);
    let value = map.and_then(|map| map.get(key)).cloned();
    if is_whole { Some(value.unwrap_or_default()) } else { value }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_comparing_everybody_with_everybody(
        cards in proptest::collection::vec((card(), 0_u32..3), 1..6),
        edits in proptest::collection::vec((0_usize..6, proptest::option::of(card())), 0..4),
    ) {
        let mut objects: Vec<Auth0UserUpdate> =
            cards.iter().enumerate().map(|(number, (card, created))| resource(&format!("r{number}"), *created, card)).collect();
        let claims = claims_of(&objects);
        for (number, edit) in edits {
            let Some(object) = objects.get(number) else { continue };
            let (name, created) = (object.metadata.uid.clone().unwrap(), object.metadata.creation_timestamp.clone());
            if let Some(card) = edit {
                let mut edited = resource(&name, 0, &card);
                edited.metadata.creation_timestamp = created;
                claims.update(&edited);
                objects[number] = edited;
            } else {
                claims.remove(&name);
                objects.remove(number);
            }
        }
        for own in &objects {
            let rank = |object: &Auth0UserUpdate| (object.metadata.creation_timestamp.as_ref().unwrap().0, object.metadata.name.clone());
            let expected: Vec<String> = ["name", "userMetadata.a", "userMetadata.b"]
                .into_iter()
                .filter(|field| {
                    let claimants = objects.iter().filter(|object| wants(object, field).is_some());
                    let owner = claimants.min_by_key(|object| rank(object));
                    wants(own, field).is_some() && owner.is_some_and(|owner| wants(owner, field) != wants(own, field))
                })
                .map(str::to_owned)
                .collect();
            let found: Vec<String> = conflicts(&claims, own).into_iter().map(|(field, _)| field).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
