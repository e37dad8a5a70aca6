//! Claims by hand-written cases.

mod properties;

use crate::api::LAST_APPLIED_ANNOTATION;
use crate::ownership::*;
use crate::telemetry::health::Probes;
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

/// The same, as kubectl applied it with a null under this key of `userMetadata`.
fn with_dropped_null(mut object: Auth0UserUpdate, key: &str) -> Auth0UserUpdate {
    let mut map = object.spec.user_metadata.clone().unwrap_or_default();
    map.insert(key.to_owned(), Value::Null);
    let applied = json!({"spec": {"userMetadata": map}}).to_string();
    object.metadata.annotations = Some([(LAST_APPLIED_ANNOTATION.to_owned(), applied)].into());
    object
}

/// What is seen of the claims from one resource.
fn from<T>(
    object: &Auth0UserUpdate,
    same_identity: &dyn Fn(Option<&str>) -> bool,
    view: impl FnOnce(&Standpoint<'_>) -> T,
) -> T {
    let own = Claimant::of(object).unwrap();
    // The one consent that is missing.
    let host_of = |(namespace, tenant): &Named, of: &str| {
        (namespace == "n" || of != "n").then(|| format!("{tenant}.example.com"))
    };
    view(&Standpoint { own: &own, host: "t.example.com", host_of: &host_of, same_identity })
}

/// Fields and owners that stand in the way of one resource, where every connection is another identity.
fn conflicts(claims: &Claims, object: &Auth0UserUpdate) -> Vec<(String, String)> {
    let connection = object.spec.connection.value().map(String::as_str);
    let found = from(object, &|other| other == connection, |standpoint| claims.conflicts(standpoint));
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
fn without_the_tenants_consent_there_is_no_claim() {
    let stranger = resource("old", 1, &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "m"}}));
    let own = resource("young", 2, &json!({"name": "B"}));
    assert_eq!(conflicts(&claims_of([&stranger, &own]), &own), []);
    let friend = resource("old", 1, &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "n"}}));
    assert_eq!(conflicts(&claims_of([&friend, &own]), &own), [pair("name", "old")]);
}

#[test]
fn only_a_replace_leaves_the_key_of_a_dropped_null_to_others() {
    let key = resource("key", 2, &json!({"userMetadata": {"plan": "pro"}}));
    let replace = json!({"clear": ["userMetadata"], "userMetadata": {"seats": 1}});
    let cleared = json!({"clear": ["userMetadata", "userMetadata.plan"], "userMetadata": {"seats": 1}});
    let whole = json!({"clear": ["userMetadata"], "userMetadata": {}});
    for (card, conflict) in [(replace, false), (cleared, true), (whole, true)] {
        let old = with_dropped_null(resource("old", 1, &card), "plan");
        assert_eq!(!conflicts(&claims_of([&old, &key]), &key).is_empty(), conflict, "{card}");
    }
}

#[test]
fn whoever_wants_a_key_is_told_of_the_second_order_for_the_whole_map() {
    let held = json!({"clear": ["userMetadata"], "userMetadata": {"seats": 1}});
    let first = with_dropped_null(resource("first", 1, &held), "plan");
    let second = resource("second", 2, &held);
    let key = resource("key", 3, &json!({"userMetadata": {"plan": "pro"}}));
    let claims = claims_of([&first, &second, &key]);
    assert_eq!(conflicts(&claims, &key), [pair("userMetadata.plan", "second")]);
    let mut woken = claims.subscribe();
    claims.remove("second");
    assert_eq!(conflicts(&claims, &key), []);
    assert!(std::iter::from_fn(|| woken.try_recv().ok()).any(|(_, name)| name == "key"));
}

#[test]
fn a_list_tells_whom_it_affects_at_its_end() {
    let claims = Claims::default();
    let mut woken = claims.subscribe();
    let (old, young) =
        (resource("old", 1, &json!({"name": "A"})), resource("young", 2, &json!({"name": "B"})));
    claims.list(&young);
    claims.list(&old);
    assert!(woken.try_recv().is_err());
    claims.retain(None, &["old".to_owned(), "young".to_owned()].into());
    assert_eq!(woken.try_recv().unwrap().1, "young");
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

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_for_long_is_seen_to_wait() {
    let object = resource("a", 1, &json!({"passwordSecretRef": {"name": "s", "key": "k"}}));
    let claims = Arc::new(claims_of([&object]));
    let own = Claimant::of(&object).unwrap();
    let first = claims.turn(&own, "t.example.com").await.unwrap();
    let probes = Arc::<Probes>::default();
    let second = {
        let (claims, own, probes) =
            (Arc::clone(&claims), Claimant::of(&object).unwrap(), Arc::clone(&probes));
        tokio::spawn(async move { probes.pass(claims.turn(&own, "t.example.com")).await })
    };
    tokio::time::sleep(10 * STRETCH).await;
    probes.heard_kubernetes();
    assert_eq!((probes.stuck(), second.is_finished()), (None, false));
    drop(first);
    assert!(second.await.unwrap().is_some());
}
