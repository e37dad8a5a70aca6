//! Ownership by hand-written cases.

mod departures;
mod properties;
mod sizes;

use crate::access::Access;
use crate::api::LAST_APPLIED_ANNOTATION;
use crate::ownership::*;
use crate::telemetry::health::Probes;
use crate::user::Attribute;
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

/// The tenants, with the one consent that is missing: that of `m` for `n`.
fn rights_of((namespace, tenant): &Named, of: &str) -> Option<Rights> {
    let rights = Rights { host: format!("{tenant}.example.com"), access: Access::Everything };
    (namespace == "n" || of != "n").then_some(rights)
}

const HOST: &str = "t.example.com";

/// Names of fields and their owners, in order.
fn named(conflicts: Vec<Conflict>) -> Vec<(String, String)> {
    let keys = ["a", "b", "plan"];
    let maps = [Attribute::UserMetadata, Attribute::AppMetadata];
    let keys = maps.into_iter().flat_map(|map| keys.map(|key| (Field::key(map, key), key))).collect();
    let elsewhere = || "elsewhere".to_owned();
    let named = conflicts.into_iter();
    let named = named.map(|conflict| (conflict.field.name(&keys), conflict.owner.unwrap_or_else(elsewhere)));
    let mut named: Vec<_> = named.collect();
    named.sort();
    named
}

/// Fields and owners that stand in the way of one resource, where every connection is another identity.
fn conflicts(ownership: &Ownership, object: &Auth0UserUpdate) -> Vec<(String, String)> {
    let connection = object.spec.connection.value().map(String::as_str);
    let found = ownership.conflicts(object, HOST, &rights_of, None, &|other| other == connection, "People");
    named(found)
}

fn contest(ownership: &Ownership, object: &Auth0UserUpdate) -> Contest {
    ownership.contest(Uid::of(object), HOST, &rights_of)
}

fn siblings(ownership: &Ownership, object: &Auth0UserUpdate) -> Vec<Trigger> {
    ownership.siblings(Uid::of(object), HOST, &rights_of)
}

fn ownership_of<'a>(objects: impl IntoIterator<Item = &'a Auth0UserUpdate>) -> Ownership {
    let ownership = Ownership::default();
    objects.into_iter().for_each(|object| ownership.update(object));
    ownership
}

/// The same once every takeover that may be due has happened.
fn take_over(ownership: &Ownership) {
    ownership.change(|index, now| index.take_over(now + TAKEOVER));
}

fn names(woken: &mut UnboundedReceiver<Named>) -> Vec<String> {
    let mut names: Vec<_> = std::iter::from_fn(|| woken.try_recv().ok()).map(|(_, name)| name).collect();
    names.sort();
    names
}

fn pair(field: &str, owner: &str) -> (String, String) {
    (field.to_owned(), format!("n/{owner}"))
}

#[test]
fn the_oldest_owns_a_field_then_the_first_by_name() {
    let old = resource("z", 1, &json!({"name": "A", "nickname": "n"}));
    let second = resource("b", 1, &json!({"name": "B"}));
    let young = resource("a", 2, &json!({"name": "C", "picture": "https://example.com/c.png"}));
    let ownership = ownership_of([&young, &old, &second]);
    assert_eq!(conflicts(&ownership, &second), []);
    assert_eq!(conflicts(&ownership, &old), [pair("name", "b")]);
    assert_eq!(conflicts(&ownership, &young), [pair("name", "b")]);
    ownership.remove(Uid::new("b"));
    take_over(&ownership);
    assert_eq!(conflicts(&ownership, &young), [pair("name", "z")]);
}

#[test]
fn equal_values_do_not_conflict() {
    let old =
        resource("old", 1, &json!({"email": "Ada@Example.com", "userMetadata": {"n": 1}, "clear": ["name"]}));
    let young =
        resource("new", 2, &json!({"email": "ada@example.com", "userMetadata": {"n": 1.0}, "name": ""}));
    assert_eq!(conflicts(&ownership_of([&old, &young]), &young), []);
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
        let ownership = ownership_of([&old, &key, &gone, &other]);
        assert_eq!(conflicts(&ownership, &key), [pair("userMetadata.plan", "whole")]);
        assert_eq!(conflicts(&ownership, &gone).is_empty(), !replaced);
        assert_eq!(conflicts(&ownership, &other), []);
        let young = resource("whole", 3, &whole);
        let ownership = ownership_of([&young, &key]);
        assert_eq!(conflicts(&ownership, &young), [pair("userMetadata.plan", "key")]);
    }
}

#[test]
fn what_belongs_to_one_identity_is_claimed_for_that_identity() {
    let old = resource("old", 1, &json!({"connection": "sms", "email": "a@example.com", "name": "A"}));
    let young = resource("new", 2, &json!({"email": "b@example.com", "name": "B"}));
    assert_eq!(conflicts(&ownership_of([&old, &young]), &young), [pair("name", "old")]);
}

#[test]
fn a_resource_in_mode_observe_or_of_another_host_or_being_deleted_claims_nothing_here() {
    let watcher = resource("watcher", 1, &json!({"name": "A", "mode": "Observe"}));
    let elsewhere = resource("elsewhere", 1, &json!({"name": "A", "tenantRef": {"name": "other"}}));
    let mut leaving = resource("leaving", 1, &json!({"name": "A"}));
    leaving.metadata.deletion_timestamp = leaving.metadata.creation_timestamp.clone();
    let young = resource("new", 2, &json!({"name": "B"}));
    assert_eq!(conflicts(&ownership_of([&watcher, &elsewhere, &leaving, &young]), &young), []);
}

#[test]
fn an_older_version_changes_nothing_and_what_is_gone_stays_gone() {
    let ownership = Ownership::default();
    let mut fresh = resource("a", 1, &json!({"name": "fresh"}));
    fresh.metadata.resource_version = Some("10".to_owned());
    let stale = resource("a", 1, &json!({"name": "stale"}));
    let young = resource("b", 2, &json!({"name": "fresh"}));
    ownership.update(&fresh);
    ownership.update(&stale);
    ownership.list(&stale);
    assert_eq!(conflicts(&ownership, &young), []);
    ownership.remove(Uid::new("a"));
    ownership.note(&stale);
    assert_eq!(conflicts(&ownership, &young), []);
}

#[test]
fn without_the_tenants_consent_there_is_no_claim() {
    let stranger = resource("old", 1, &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "m"}}));
    let own = resource("young", 2, &json!({"name": "B"}));
    assert_eq!(conflicts(&ownership_of([&stranger, &own]), &own), []);
    let friend = resource("old", 1, &json!({"name": "A", "tenantRef": {"name": "t", "namespace": "n"}}));
    assert_eq!(conflicts(&ownership_of([&friend, &own]), &own), [pair("name", "old")]);
}

/// The same of another namespace than the tenant's.
fn of_namespace(namespace: &str, mut object: Auth0UserUpdate) -> Auth0UserUpdate {
    object.metadata.namespace = Some(namespace.to_owned());
    object.spec.tenant_ref.namespace = Some("n".to_owned());
    object
}

/// What `m` is granted of the tenant `n/t`; `o` may do everything.
fn rights_of_m(fields: &[&str], connections: &[&str]) -> impl Fn(&Named, &str) -> Option<Rights> {
    let grant = json!({"namespaces": ["m"], "fields": fields, "connections": connections});
    let all = json!({"namespaces": ["o"], "fields": ["*"]});
    let spec =
        json!({"domain": "t.example.com", "credentialsSecretRef": {"name": "c"}, "access": [grant, all]});
    let tenant = json!({"apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
                        "metadata": {"name": "t", "namespace": "n"}, "spec": spec});
    let tenant: crate::api::Auth0Tenant = serde_json::from_value(tenant).unwrap();
    move |_, of| {
        let access = Access::of(&tenant, of, "auth0|1");
        (!access.is_nothing()).then(|| Rights { host: HOST.to_owned(), access })
    }
}

#[test]
fn a_field_that_is_not_granted_is_not_claimed() {
    let whole = json!({"clear": ["userMetadata"]});
    for (theirs, mine, fields, connections, owned) in [
        (json!({"name": "A"}), json!({"name": "B"}), &["profile"][..], &[][..], true),
        (json!({"name": "A"}), json!({"name": "B"}), &["email"], &[], false),
        (json!({"name": "A"}), json!({"name": "B"}), &["name"], &["Staff"], false),
        (json!({"email": "a@example.com"}), json!({"email": "b@example.com"}), &["*"], &["People"], true),
        (json!({"blocked": true}), json!({"blocked": false}), &["block"], &[], true),
        (json!({"blocked": false}), json!({"blocked": true}), &["block"], &[], false),
        (
            json!({"userMetadata": {"a": 1}}),
            json!({"userMetadata": {"a": 2}}),
            &["userMetadata.a"],
            &[],
            true,
        ),
        (
            json!({"userMetadata": {"b": 1}}),
            json!({"userMetadata": {"b": 2}}),
            &["userMetadata.a"],
            &[],
            false,
        ),
        (whole.clone(), json!({"userMetadata": {"a": 2}}), &["userMetadata"], &[], true),
        (whole.clone(), json!({"userMetadata": {"a": 2}}), &["userMetadata.a"], &[], false),
        (json!({"userMetadata": {"a": 1}}), whole, &["name"], &[], false),
    ] {
        let blocks = theirs["blocked"] == true;
        let theirs = of_namespace("m", resource("old", 1, &theirs));
        let mine = of_namespace("o", resource("young", 2, &mine));
        let (ownership, rights) = (ownership_of([&theirs, &mine]), rights_of_m(fields, connections));
        let found = ownership.conflicts(&mine, HOST, &rights, None, &|_| true, "People");
        assert_eq!(!found.is_empty(), owned, "{:?} {fields:?} {connections:?}", theirs.spec);
        if blocks {
            continue;
        }
        // What it may not change is no conflict of its own either.
        let (mut older, mut younger) = (mine.clone(), theirs.clone());
        std::mem::swap(&mut older.metadata.creation_timestamp, &mut younger.metadata.creation_timestamp);
        let ownership = ownership_of([&older, &younger]);
        let found = ownership.conflicts(&younger, HOST, &rights, None, &|_| true, "People");
        assert_eq!(!found.is_empty(), owned, "{:?} {fields:?} {connections:?}", theirs.spec);
    }
}

#[test]
fn a_change_of_what_the_owner_may_do_has_those_judged_again_that_it_stands_in_the_way_of() {
    let old = of_namespace("m", resource("old", 1, &json!({"name": "A"})));
    let young = of_namespace("o", resource("young", 2, &json!({"name": "B"})));
    let other = of_namespace("o", resource("other", 2, &json!({"nickname": "b"})));
    let ownership = ownership_of([&old, &young, &other]);
    let contest = |object, fields: &[&str], connections: &[&str]| {
        ownership.contest(Uid::of(object), HOST, &rights_of_m(fields, connections)).fingerprint
    };
    for (fields, connections) in [(&["email"][..], &[][..]), (&["name"], &["Staff"])] {
        assert_ne!(contest(&young, fields, connections), contest(&young, &["name"], &[]));
        assert_eq!(contest(&other, fields, connections), contest(&other, &["name"], &[]));
    }
}

#[test]
fn a_block_goes_before_its_absence_whoever_is_older() {
    let old = resource("old", 1, &json!({"blocked": false, "name": "A"}));
    let young = |blocked: bool| resource("young", 2, &json!({"blocked": blocked}));
    let foreign = of_namespace("m", resource("foreign", 3, &json!({"blocked": true})));
    let ownership = ownership_of([&old, &young(false)]);
    assert_eq!((conflicts(&ownership, &old), conflicts(&ownership, &young(false))), (vec![], vec![]));
    let (before, mut woken) = (contest(&ownership, &old), ownership.subscribe());
    let second = |blocked: bool, version: &str| {
        let mut object = young(blocked);
        object.metadata.resource_version = Some(version.to_owned());
        object
    };
    ownership.update(&second(true, "2"));
    assert_eq!(names(&mut woken), ["old"]);
    assert_eq!(conflicts(&ownership, &old), [pair("blocked", "young")]);
    assert_eq!(conflicts(&ownership, &second(true, "2")), []);
    assert!(contest(&ownership, &old).contested && contest(&ownership, &old) != before);
    // Of several that block the first counts.
    let before = contest(&ownership, &old);
    ownership.update(&foreign);
    assert_eq!(conflicts(&ownership, &old), [pair("blocked", "young")]);
    assert_eq!(contest(&ownership, &old), before);
    names(&mut woken);
    ownership.update(&second(false, "3"));
    assert_eq!(names(&mut woken), ["foreign", "old"]);
    assert_eq!(conflicts(&ownership, &old), [("blocked".to_owned(), "elsewhere".to_owned())]);
    ownership.remove(Uid::new("foreign"));
    assert_eq!(names(&mut woken), [""; 0], "it is waited for");
    take_over(&ownership);
    assert_eq!(
        (conflicts(&ownership, &old), names(&mut woken)),
        (vec![], vec!["old".to_owned(), "young".to_owned()])
    );
}

#[test]
fn the_tenants_own_namespace_goes_before_others_whoever_is_older() {
    let foreign = of_namespace("m", resource("foreign", 1, &json!({"name": "A", "email": "a@example.com"})));
    let other = of_namespace("o", resource("other", 2, &json!({"email": "b@example.com"})));
    let own = resource("own", 3, &json!({"name": "B"}));
    let ownership = ownership_of([&foreign, &other, &own]);
    let elsewhere = |field: &str| vec![(field.to_owned(), "elsewhere".to_owned())];
    assert_eq!(conflicts(&ownership, &own), []);
    assert_eq!(conflicts(&ownership, &foreign), elsewhere("name"));
    assert_eq!(conflicts(&ownership, &other), elsewhere("email"));
    let near = of_namespace("m", resource("near", 4, &json!({"name": "B"})));
    let named = conflicts(&ownership_of([&foreign, &near]), &near);
    assert_eq!(
        named,
        [("name".to_owned(), "m/foreign".to_owned())],
        "those of one namespace may know of each other"
    );
}

#[test]
fn of_passwords_and_whole_maps_nothing_is_told_to_another_namespace() {
    let whole = json!({"clear": ["userMetadata"], "verifyEmail": true});
    for (card, order, field) in [
        (
            json!({"passwordSecretRef": {"name": "s", "key": "k"}, "verifyEmail": true}),
            "passwordSecretRef",
            "passwordSecretRef",
        ),
        (whole, "userMetadata", "userMetadata"),
    ] {
        let memory = |object| with_memory(object, [(order, "Sent", "same"), ("verifyEmail", "Sent", "mail")]);
        let old = of_namespace("m", memory(resource("old", 1, &card)));
        let young = of_namespace("o", resource("young", 2, &card));
        let near = of_namespace("m", resource("near", 3, &card));
        let ownership = ownership_of([&old, &young]);
        for known in [None, Some("same"), Some("other")] {
            let found = ownership.conflicts(&young, HOST, &rights_of, known, &|_| true, "People");
            assert_eq!(named(found), [(field.to_owned(), "elsewhere".to_owned())], "{known:?}");
        }
        let told = |ownership: &Ownership, own| -> Vec<String> {
            siblings(ownership, own).into_iter().map(|entry| entry.digest).collect()
        };
        assert_eq!(told(&ownership, &young), ["mail"]);
        ownership.remove(Uid::new("old"));
        assert_eq!(told(&ownership, &young), ["mail"], "nor once it is gone");
        assert_eq!(told(&ownership_of([&old, &near]), &near), ["same", "mail"]);
    }
}

#[test]
fn only_a_replace_leaves_the_key_of_a_dropped_null_to_others() {
    let key = resource("key", 2, &json!({"userMetadata": {"plan": "pro"}}));
    let replace = json!({"clear": ["userMetadata"], "userMetadata": {"seats": 1}});
    let cleared = json!({"clear": ["userMetadata", "userMetadata.plan"], "userMetadata": {"seats": 1}});
    let whole = json!({"clear": ["userMetadata"], "userMetadata": {}});
    for (card, conflict) in [(replace, false), (cleared, true), (whole, true)] {
        let old = with_dropped_null(resource("old", 1, &card), "plan");
        assert_eq!(!conflicts(&ownership_of([&old, &key]), &key).is_empty(), conflict, "{card}");
    }
}

#[test]
fn a_claimant_of_a_key_is_woken_by_the_second_order_for_the_whole_map() {
    let held = json!({"clear": ["userMetadata"], "userMetadata": {"seats": 1}});
    let first = with_dropped_null(resource("first", 1, &held), "plan");
    let second = resource("second", 2, &held);
    let key = resource("key", 3, &json!({"userMetadata": {"plan": "pro"}}));
    let ownership = ownership_of([&first, &second, &key]);
    assert_eq!(conflicts(&ownership, &key), [pair("userMetadata.plan", "second")]);
    let mut woken = ownership.subscribe();
    ownership.remove(Uid::new("second"));
    take_over(&ownership);
    assert_eq!(conflicts(&ownership, &key), []);
    assert_eq!(names(&mut woken), ["key"]);
}

/// A resource with this password Secret, whose status remembers that digest.
fn with_password(name: &str, created: u32, secret: &str, digest: Option<&str>) -> Auth0UserUpdate {
    let card = json!({"passwordSecretRef": {"name": secret, "key": "password"}});
    with_memory(resource(name, created, &card), digest.map(|digest| ("passwordSecretRef", "Sent", digest)))
}

/// The same with this memory of one-time actions: name, state and digest.
fn with_memory(
    object: Auth0UserUpdate,
    memory: impl IntoIterator<Item = (&'static str, &'static str, impl Into<String>)>,
) -> Auth0UserUpdate {
    let mut object = object;
    let entry = |(name, state, digest): (_, _, _)| {
        let digest: String = Into::into(digest);
        json!({"name": name, "state": state, "digest": digest, "keyId": "0123456789abcdef"})
    };
    let triggers: Vec<Value> = memory.into_iter().map(entry).collect();
    object.status = serde_json::from_value(json!({"triggers": triggers})).unwrap();
    object
}

#[test]
fn passwords_agree_by_their_secret_or_by_what_is_known_of_them() {
    let old = with_password("old", 1, "first", Some("one"));
    for (secret, known, agrees) in [
        ("first", Some("two"), true),
        ("second", Some("one"), true),
        ("second", Some("two"), false),
        ("second", None, true),
    ] {
        let young = with_password("new", 2, secret, known);
        let ownership = ownership_of([&old, &young]);
        let found = ownership.conflicts(&young, HOST, &rights_of, known, &|_| true, "People");
        assert_eq!(found.is_empty(), agrees, "{secret} {known:?}");
        assert_eq!(contest(&ownership, &young).contested, !agrees, "{secret} {known:?}");
        let before = contest(&ownership, &young).fingerprint;
        ownership.update(&with_password("old", 1, "first", Some("three")));
        let moved = contest(&ownership, &young).fingerprint != before;
        assert_eq!(moved, secret == "second", "{secret}: another password of the owner");
    }
}

#[test]
fn a_contest_stays_the_same_where_the_owners_do() {
    let old = resource("old", 1, &json!({"name": "A", "nickname": "n"}));
    let young = resource("new", 2, &json!({"name": "B", "email": "b@example.com"}));
    let ownership = ownership_of([&old, &young]);
    let before = contest(&ownership, &young);
    assert!(before.contested);
    for change in [
        resource("old", 1, &json!({"name": "C", "nickname": "other", "picture": "https://example.com/p"})),
        resource("between", 2, &json!({"name": "D", "email": "B@example.com"})),
        resource("youngest", 3, &json!({"name": "E", "email": "e@example.com"})),
        resource("elsewhere", 0, &json!({"name": "F", "tenantRef": {"name": "other"}})),
    ] {
        ownership.update(&change);
        assert_eq!(contest(&ownership, &young), before, "{:?}", change.metadata.name);
    }
    ownership.update(&resource("oldest", 0, &json!({"name": "G"})));
    assert_ne!(contest(&ownership, &young), before);
}

#[test]
fn a_list_wakes_those_that_it_affects_at_its_end_and_nobody_where_nothing_changed() {
    let ownership = Ownership::default();
    let mut woken = ownership.subscribe();
    let (old, young) =
        (resource("old", 1, &json!({"name": "A"})), resource("young", 2, &json!({"name": "B"})));
    let listed = ["old", "young"].map(Uid::new).into();
    for expected in [&["young"][..], &[]] {
        ownership.list(&young);
        ownership.list(&old);
        assert!(woken.try_recv().is_err());
        ownership.retain(None, &listed);
        assert_eq!(names(&mut woken), expected);
    }
    ownership.retain(Some("elsewhere"), &HashSet::new());
    assert_eq!(conflicts(&ownership, &young), [pair("name", "old")], "of another namespace");
}

#[test]
fn a_thousand_resources_of_one_user_wake_each_other_only_when_the_owner_changes() {
    let ownership = Ownership::default();
    let mut woken = ownership.subscribe();
    let all: Vec<String> = (0..1000).map(|number| format!("r{number:04}")).collect();
    // Each of another connection: a name belongs to all identities.
    let of = |name: &str| resource(name, 1, &json!({"name": name, "connection": name}));
    for name in &all {
        ownership.update(&of(name));
    }
    assert!(woken.try_recv().is_err(), "each new one is younger than the owner");
    ownership.update(&resource("r0500", 1, &json!({"name": "edited", "connection": "r0500"})));
    assert!(woken.try_recv().is_err(), "it owns nothing");
    ownership.remove(Uid::new("r0000"));
    assert!(woken.try_recv().is_err(), "the takeover waits");
    take_over(&ownership);
    assert_eq!(names(&mut woken).len(), 999);
}

/// The same as a pass leaves it that found a conflict.
fn in_conflict(mut object: Auth0UserUpdate) -> Auth0UserUpdate {
    let ready = json!([{
        "type": "Ready", "status": "False", "reason": "ManagementConflict", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    object.status.get_or_insert_default().conditions = serde_json::from_value(ready).unwrap();
    object.metadata.resource_version = Some("2".to_owned());
    object
}

#[test]
fn a_thousand_rivals_are_judged_once_each_and_once_more_at_the_owners_end_and_not_by_a_restart() {
    let rivals: Vec<_> = (0..1000)
        .map(|number| resource(&format!("c{number:04}"), 1, &json!({"name": format!("Name {number}")})))
        .collect();
    let started = |objects: &[Auth0UserUpdate]| {
        let ownership = Ownership::default();
        for object in objects {
            ownership.list(object);
        }
        ownership.retain(None, &objects.iter().map(Uid::of).collect());
        ownership
    };
    let ownership = started(&rivals);
    let mut woken = ownership.subscribe();
    // A pass of each: what it notes is no news to the others.
    let judge_all = |ownership: &Ownership, rivals: &[Auth0UserUpdate]| {
        let [owner, others @ ..] = rivals else { panic!() };
        let name = owner.metadata.name.as_deref().unwrap();
        assert_eq!(conflicts(ownership, owner), []);
        for other in others {
            assert_eq!(conflicts(ownership, other), [pair("name", name)]);
            ownership.note(&in_conflict(other.clone()));
        }
    };
    judge_all(&ownership, &rivals);
    assert!(woken.try_recv().is_err());
    let told: Vec<_> = rivals.iter().map(|rival| contest(&ownership, rival)).collect();

    let again: Vec<_> = rivals[1..].iter().cloned().map(in_conflict).collect();
    // A list may come in another order.
    let restarted = started(&[&again, &rivals[..1]].concat());
    let retold: Vec<_> = rivals.iter().map(|rival| contest(&restarted, rival)).collect();
    assert_eq!(told, retold, "what was judged need not be judged again");

    ownership.remove(Uid::of(&rivals[0]));
    assert!(woken.try_recv().is_err());
    take_over(&ownership);
    assert_eq!(names(&mut woken).len(), 999);
    judge_all(&ownership, &rivals[1..]);
    assert!(woken.try_recv().is_err());
}

#[test]
fn a_paused_and_a_refused_owner_go_on_claiming_and_one_without_a_tenant_does_not() {
    let old = || resource("old", 1, &json!({"name": "A"}));
    let young = resource("new", 2, &json!({"name": "B"}));
    let mut paused = old();
    let annotation = (crate::api::PAUSED_ANNOTATION.to_owned(), "true".to_owned());
    paused.metadata.annotations = Some([annotation].into());
    let mut refused = in_conflict(old());
    refused.status.as_mut().unwrap().conditions[0].reason = "AlreadyExists".to_owned();
    let tenantless = resource("old", 1, &json!({"name": "A", "tenantRef": {"name": "nowhere"}}));
    for (owner, is_owner) in
        [(paused, true), (refused, true), (in_conflict(old()), true), (tenantless, false)]
    {
        let found = conflicts(&ownership_of([&owner, &young]), &young);
        assert_eq!(!found.is_empty(), is_owner, "{owner:?}");
    }
}

#[test]
fn who_turns_to_another_identity_lets_go_of_this_one() {
    let email = |name: &str, created, connection: Option<&str>| {
        let mut card = json!({"email": format!("{name}@example.com")});
        if let Some(connection) = connection {
            card["connection"] = json!(connection);
        }
        resource(name, created, &card)
    };
    // No connection means the first database.
    let judged = |ownership: &Ownership, object: &Auth0UserUpdate| {
        let identity = |connection: Option<&str>| connection.unwrap_or("People").to_owned();
        let own = identity(object.spec.connection.value().map(String::as_str));
        named(ownership.conflicts(object, HOST, &rights_of, None, &|other| identity(other) == own, "People"))
    };
    let (owner, young) = (email("owner", 1, Some("People")), email("young", 2, None));
    let ownership = ownership_of([&owner, &young]);
    assert_eq!(judged(&ownership, &young), [pair("email", "owner")]);
    let mut woken = ownership.subscribe();
    ownership.update(&email("owner", 1, Some("Staff")));
    names(&mut woken);
    take_over(&ownership);
    assert_eq!(names(&mut woken), ["young"]);
    assert_eq!(judged(&ownership, &young), []);

    // The oldest of all has another identity and is not in the way.
    let (behind, last) = (email("behind", 2, None), email("last", 3, Some("People")));
    let ownership = ownership_of([&email("oldest", 1, Some("Staff")), &behind, &last]);
    assert_eq!(judged(&ownership, &last), [pair("email", "behind")]);
    let mut woken = ownership.subscribe();
    ownership.remove(Uid::of(&behind));
    take_over(&ownership);
    assert_eq!(names(&mut woken), ["last"]);
    assert_eq!(judged(&ownership, &last), []);
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_for_a_turn_is_seen_as_a_wait() {
    let object = resource("a", 1, &json!({"passwordSecretRef": {"name": "s", "key": "k"}}));
    let plain = resource("b", 1, &json!({"name": "B"}));
    let ownership = Arc::new(ownership_of([&object, &plain]));
    let first = ownership.turn(Uid::new("a"), HOST).await.unwrap();
    assert!(ownership.turn(Uid::new("b"), HOST).await.is_none(), "it has no one-time action");
    assert!(ownership.turn(Uid::new("a"), "elsewhere.example.com").await.is_some());
    let probes = Arc::<Probes>::default();
    let second = {
        let (ownership, probes) = (Arc::clone(&ownership), Arc::clone(&probes));
        tokio::spawn(async move { probes.pass(ownership.turn(Uid::new("a"), HOST)).await })
    };
    tokio::time::sleep(10 * STRETCH).await;
    probes.heard_kubernetes();
    assert_eq!((probes.stuck(), second.is_finished()), (None, false));
    drop(first);
    assert!(second.await.unwrap().is_some());
}
