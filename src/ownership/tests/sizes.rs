//! What is kept of resources, in bytes, and how long a crowd takes.

use crate::ownership::claimant::{Claimant, Place, Wish};
use crate::ownership::tests::*;
use std::time::Instant as Clock;

/// Entries of a hash table of the standard library for which there is room: seven eighths of its buckets.
fn table<T>(capacity: usize) -> usize {
    capacity.div_ceil(7) * 8 * (size_of::<T>() + 1)
}

fn heap_bytes(index: &Index) -> usize {
    let tables = table::<(u64, Box<[Claimant]>)>(index.users.capacity())
        + table::<(Uid, u64)>(index.user_of.capacity())
        + table::<Arc<Place>>(index.places.capacity());
    let claimants = index.users.values().flatten().map(|claimant| {
        let memory = claimant.memory.iter().map(|entry| {
            let optional = [&entry.user_created_at, &entry.last_password_reset].into_iter().flatten();
            let texts = [&entry.name, &entry.digest, &entry.key_id].into_iter().chain(optional);
            size_of::<Trigger>() + texts.map(String::capacity).sum::<usize>()
        });
        size_of::<Claimant>()
            + claimant.name.len()
            + size_of_val::<[Wish]>(&claimant.wishes)
            + memory.sum::<usize>()
    });
    let places = index.places.iter().map(|place| {
        let Place { tenant: (tenant_namespace, tenant), namespace, connection } = place.as_ref();
        let texts = [tenant_namespace, tenant, namespace].into_iter().chain(connection);
        2 * size_of::<usize>() + size_of::<Place>() + texts.map(String::capacity).sum::<usize>()
    });
    tables + claimants.sum::<usize>() + places.sum::<usize>()
}

/// A resource of a user of its own with fourteen declared fields and keys.
fn ordinary(number: usize) -> Auth0UserUpdate {
    let text = |what: &str| format!("{what} {number} of a person whose values are not kept here");
    let keys: serde_json::Map<String, Value> =
        (0..4).map(|key| (format!("key{key}"), json!({"value": text("Value")}))).collect();
    let card = json!({
        "userId": format!("auth0|65f0c0ffee{number:014}"), "name": text("Name"), "givenName": text("Given"),
        "familyName": text("Family"), "nickname": text("Nick"), "picture": "https://example.com/a.png",
        "email": format!("person-{number}@example.com"), "blocked": false, "connection": "Username-Password",
        "emailVerified": true, "userMetadata": keys, "appMetadata": {"roles": ["a", "b"], "plan": "pro"},
    });
    let mut object = resource(&format!("person-{number:06}"), 1, &card);
    object.metadata.uid = Some(format!("65f0c0ff-0000-4000-8000-{number:012}"));
    object
}

#[test]
fn an_ordinary_resource_takes_less_than_450_bytes() {
    let ownership = Ownership::default();
    for number in 0..10_000 {
        ownership.list(&ordinary(number));
        // A table is largest for its entries just after it has grown.
        if [3_600, 7_200, 9_999].contains(&number) {
            let each = ownership.with(|state| heap_bytes(&state.index)) / (number + 1);
            println!("{each} bytes for each of {}", number + 1);
            assert!(each <= 450, "{each} bytes for each of {number}");
        }
    }
}

/// A thousand resources of one user with 64 keys each, and a connection of its own each.
fn crowd(key: impl Fn(usize, usize) -> String) -> Vec<Auth0UserUpdate> {
    let card = |number: usize| {
        let keys: serde_json::Map<String, Value> =
            (0..64).map(|index| (key(number, index), json!(format!("value of {number}")))).collect();
        json!({"userMetadata": keys, "connection": format!("c{number}"), "email": format!("{number}@example.com")})
    };
    // Some are listed before older ones.
    (0..1000).map(|number| resource(&format!("r{:04}", number * 7 % 1000), 1, &card(number))).collect()
}

#[test]
fn a_crowd_takes_little_memory_and_little_time_at_a_start() {
    // Where all keys differ, each is compared with those of all others, so some stand for all.
    for (what, objects, judged) in [
        ("the same keys", crowd(|_, index| format!("key{index}")), 1000),
        ("other keys", crowd(|number, index| format!("key{number}-{index}")), 100),
    ] {
        let ownership = Ownership::default();
        let begun = Clock::now();
        for object in &objects {
            ownership.list(object);
        }
        ownership.retain(None, &objects.iter().map(Uid::of).collect());
        let listed = begun.elapsed();
        let contested =
            objects.iter().take(judged).filter(|object| contest(&ownership, object).contested).count();
        let (all, bytes) = (begun.elapsed(), ownership.with(|state| heap_bytes(&state.index)));
        println!("{what}: {bytes} bytes, listed in {listed:.2?}, {judged} judged after {all:.2?}");
        assert_eq!(contested, if what == "the same keys" { 999 } else { 0 });
        assert!(bytes <= 20 << 20, "{bytes} bytes");
        assert!(all < Duration::from_mins(1), "{all:?} on a busy machine, without optimization");
    }
}
