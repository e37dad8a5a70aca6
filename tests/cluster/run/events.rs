//! Auth0's stream of events: drift is corrected within seconds, and what agrees costs no request.

use crate::once::replicas::{candidate, until_leading};
use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, World, condition};
use auth0_sandbox::Client;
use lab::wait_until;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// A world whose token may listen.
async fn listening(name: &str) -> World {
    let world = World::without_tenant(name).await;
    let scopes = [&SCOPES[..], &["read:events"]].concat();
    world.sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&scopes));
    world
}

async fn until_state(world: &World, state: &str) -> Value {
    world.until("auth0tenant/example", state, |tenant| tenant["status"]["events"]["state"] == state).await
}

fn rename(world: &World, slug: &str, name: &str) {
    let change = |user: &mut Map<String, Value>| drop(user.insert("nickname".into(), json!(name)));
    world.sandbox.change_user(&format!("auth0|{slug}"), change).unwrap();
}

async fn until_named(world: &World, slug: &str, name: &str) {
    wait_until("the correction", DEADLINE, async || {
        let user = world.sandbox.user(&format!("auth0|{slug}")).unwrap();
        if user["nickname"] == name { Ok(()) } else { Err(user) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn drift_is_corrected_within_seconds_and_an_echo_or_a_login_costs_no_request() {
    let world = listening("events").await;
    world.apply_tenant().await;
    until_state(&world, "Connected").await;
    for slug in ["ada", "ben"] {
        world.add_person(slug);
        world.apply_for(slug, json!({"nickname": slug})).await;
        world.until_applied(slug).await;
    }
    world.until_all_is_quiet().await;
    assert_eq!(
        (world.calls_of("ada").len(), world.calls_of("ben").len()),
        (2, 2),
        "nothing but the first applies"
    );

    let begun = Instant::now();
    rename(&world, "ada", "drift");
    until_named(&world, "ada", "ada").await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    let methods =
        |slug: &str| world.calls_of(slug).into_iter().skip(2).map(|call| call.method).collect::<Vec<_>>();
    assert_eq!((methods("ada"), methods("ben")), (vec!["GET".to_owned(), "PATCH".to_owned()], vec![]));

    // Streams end, and go on where they were.
    world.sandbox.close_streams();
    rename(&world, "ben", "drift");
    until_named(&world, "ben", "ben").await;
    let before = (world.calls_of("ada").len(), world.calls_of("ben").len(), world.status_writes().len());
    assert!(world.sandbox.login("auth0|ada"));
    world.until_all_is_quiet().await;
    let after = (world.calls_of("ada").len(), world.calls_of("ben").len());
    assert_eq!(after, (before.0, before.1), "a login");
}

#[tokio::test]
async fn a_deleted_user_is_told_at_once_and_one_that_is_back_is_updated() {
    let world = listening("events-deleted").await;
    world.apply_tenant().await;
    until_state(&world, "Connected").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"nickname": "ada"})).await;
    world.until_applied("ada").await;
    assert!(world.sandbox.remove_user("auth0|ada"));
    world.until_reason("auth0userupdate/ada", "UserNotFound").await;
    world.add_person("ada");
    until_named(&world, "ada", "ada").await;
}

#[tokio::test]
async fn a_tenant_says_whether_it_listens_or_why_not() {
    let world = listening("events-off").await;
    world.sandbox.change_rules(|rules| rules.events.connections = Some(0));
    world.apply_tenant().await;
    let refused = until_state(&world, "Refused").await;
    let message = refused["status"]["events"]["message"].as_str().unwrap();
    assert!(message.contains("Maximum concurrent event stream connections"), "{message}");
    world.objects.patch("auth0tenant/example", &json!({"spec": {"drift": "Resync"}})).await.unwrap();
    until_state(&world, "Off").await;
    world.sandbox.change_rules(|rules| rules.events.connections = None);
    world.objects.patch("auth0tenant/example", &json!({"spec": {"drift": "Events"}})).await.unwrap();
    until_state(&world, "Connected").await;
    assert_eq!(world.sandbox.open_streams(), 1);
    // The events since then are gone: it listens from now on.
    world.sandbox.expire_offsets();
    world.sandbox.close_streams();
    world.add_person("ada");
    world.apply_for("ada", json!({"nickname": "ada"})).await;
    world.until_applied("ada").await;
    wait_until("a stream", DEADLINE, async || match world.sandbox.open_streams() {
        1 => Ok(()),
        other => Err(other),
    })
    .await
    .unwrap();
    rename(&world, "ada", "drift");
    until_named(&world, "ada", "ada").await;
}

#[tokio::test]
async fn what_only_observes_shows_drift_and_its_end_within_seconds() {
    let world = listening("events-observe").await;
    world.apply_tenant().await;
    until_state(&world, "Connected").await;
    world.add_person("ada");
    rename(&world, "ada", "ada");
    world.apply_for("ada", json!({"nickname": "ada", "mode": "Observe"})).await;
    let until_synced = async |reason: &str| {
        world.until("a0uu/ada", reason, |object| condition(object, "Synced").1 == reason).await
    };
    until_synced("InSync").await;
    rename(&world, "ada", "drift");
    let drifted = until_synced("DriftFound").await;
    assert_eq!(drifted["status"]["plan"], json!(["nickname"]));
    rename(&world, "ada", "ada");
    until_synced("InSync").await;
    assert_eq!(world.bodies_of("auth0|ada"), Vec::<Value>::new());
}

#[tokio::test]
async fn a_restart_and_a_change_of_leader_ask_for_no_user_and_go_on_listening() {
    let mut world = listening("events-leader").await;
    world.operator.terminate().await.unwrap();
    let until_streams = async |world: &World, streams: usize| {
        wait_until("the streams", DEADLINE, async || match world.sandbox.open_streams() {
            open if open == streams => Ok(()),
            other => Err(other),
        })
        .await
        .unwrap();
    };
    let mut leader = candidate(&world, 1).await;
    world.apply_tenant().await;
    until_state(&world, "Connected").await;
    let slugs = ["ada", "ben", "cid", "dan", "eve"];
    for slug in slugs {
        world.add_person(slug);
        world.apply_for(slug, json!({"nickname": slug, "resyncInterval": "24h"})).await;
        world.until_applied(slug).await;
    }
    for number in 2..4 {
        until_streams(&world, 1).await;
        world.sandbox.clear_log();
        let next = candidate(&world, number).await;
        assert!(leader.terminate().await.unwrap().success());
        until_leading(&next).await;
        until_streams(&world, 1).await;
        world.until_all_is_quiet().await;
        let asked: Vec<_> = slugs.iter().flat_map(|slug| world.calls_of(slug)).collect();
        assert_eq!(asked, [], "by replica {number}");
        rename(&world, "ada", "drift");
        until_named(&world, "ada", "ada").await;
        leader = next;
    }
}
