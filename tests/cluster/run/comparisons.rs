//! Comparisons: many users by one search, on whose word nothing is changed.

use crate::world::{DEADLINE, World, condition};
use auth0_sandbox::Exchange;
use lab::wait_until;
use serde_json::{Value, json};

/// Resources that are compared every minute, each applied once.
async fn people(name: &str, count: usize) -> (World, Vec<String>) {
    let world = World::start(name).await;
    let slugs: Vec<String> = (0..count).map(|number| format!("r{number}")).collect();
    for slug in &slugs {
        world.add_person(slug);
    }
    apply(&world, &slugs, "r").await;
    (world, slugs)
}

async fn apply(world: &World, slugs: &[String], nickname: &str) {
    let card =
        |slug: &str| json!({"userId": format!("auth0|{slug}"), "nickname": nickname, "resyncInterval": "1m"});
    world.apply_all(slugs.iter().map(|slug| (slug.as_str(), card(slug)))).await;
    let is_applied = |object: &Value| {
        condition(object, "Ready").0 == "True"
            && object["status"]["observedGeneration"] == object["metadata"]["generation"]
    };
    world.until_all("applied", is_applied).await;
}

/// After a start the next comparison is uniform within the interval, so of many some come soon.
async fn restart(world: &mut World) {
    world.sandbox.clear_log();
    world.operator.kill().await.unwrap();
    world.operator.restart().await.unwrap();
}

fn searches(world: &World) -> Vec<Exchange> {
    world.sandbox.log().into_iter().filter(|call| call.path.starts_with("/api/v2/users?")).collect()
}

/// Calls about one of these people.
fn calls(world: &World) -> Vec<Exchange> {
    world.sandbox.log().into_iter().filter(|call| call.path.starts_with("/api/v2/users/auth0%7Cr")).collect()
}

fn written(world: &World) -> usize {
    world.status_writes().iter().filter(|write| write.object_ref.name.starts_with('r')).count()
}

/// Waits until there are so many, and answers them.
async fn until(what: &str, count: usize, seen: impl Fn() -> Vec<Exchange>) -> Vec<Exchange> {
    let come = wait_until(what, DEADLINE, async || {
        let seen = seen();
        if seen.len() >= count { Ok(seen) } else { Err(seen.len()) }
    });
    come.await.unwrap()
}

#[tokio::test]
async fn comparisons_with_nothing_to_do_share_searches_and_write_nothing() {
    // So many that none is ever due without another one: it would be read by itself.
    let (mut world, slugs) = people("comparisons", 96).await;
    assert_eq!((written(&world), world.bodies().len()), (96, 96));
    restart(&mut world).await;
    let seen = until("three searches", 3, || searches(&world)).await;
    world.until_all_is_quiet().await;
    let asked: usize = seen.iter().map(|call| call.path.matches("auth0%7C").count()).sum();
    assert!(asked >= 2 * seen.len(), "{asked} users by {} searches", seen.len());
    assert!(
        slugs.iter().any(|slug| !seen.iter().any(|call| call.path.contains(&format!("auth0%7C{slug}%22"))))
    );
    assert_eq!((calls(&world).len(), written(&world)), (0, 96));
}

#[tokio::test]
async fn what_a_search_shows_otherwise_is_read_before_it_is_corrected() {
    let (mut world, slugs) = people("comparisons-drift", 24).await;
    for slug in &slugs {
        let drift =
            |user: &mut serde_json::Map<String, Value>| drop(user.insert("nickname".into(), json!("x")));
        world.sandbox.change_user(&format!("auth0|{slug}"), drift).unwrap();
    }
    restart(&mut world).await;
    until("two corrections", 2, || world.sandbox.patches()).await;
    world.until_all_is_quiet().await;
    assert!(!searches(&world).is_empty());
    let log = calls(&world);
    for (index, patch) in log.iter().enumerate().filter(|(_, call)| call.method == "PATCH") {
        assert_eq!(patch.body, Some(json!({"nickname": "r"})));
        let read = log[..index].iter().any(|call| call.method == "GET" && call.path == patch.path);
        assert!(read, "{} was changed unread", patch.path);
    }
    let patches = log.iter().filter(|call| call.method == "PATCH").count();
    assert_eq!(written(&world), 24 + patches);
}

#[tokio::test]
async fn a_search_that_shows_what_was_corrects_nothing() {
    let (mut world, slugs) = people("comparisons-lag", 24).await;
    world.sandbox.change_rules(|rules| rules.search.lag_millis = 600_000);
    apply(&world, &slugs, "s").await;
    restart(&mut world).await;
    until("two searches", 2, || searches(&world)).await;
    until("two reads", 2, || calls(&world)).await;
    world.until_all_is_quiet().await;
    assert!(calls(&world).iter().all(|call| call.method == "GET"));
}
