//! Nothing to do costs nothing: many resources, many rounds; and what each situation costs one resource.

use crate::once::counts::Cost;
use crate::world::{DEADLINE, World, condition};
use lab::{AuditEvents as _, Mode, wait_until};
use serde_json::json;

const RESOURCES: usize = 200;
const ROUNDS: usize = 20;

/// Every user logs in before each round, so that `last_login`, `logins_count` and `updated_at` move.
#[tokio::test]
async fn twenty_rounds_of_looks_at_two_hundred_users_who_log_in_write_nothing() {
    let world = World::start("quiet").await;
    let slugs: Vec<String> = (0..RESOURCES).map(|number| format!("q{number:03}")).collect();
    for slug in &slugs {
        world.add_person(slug);
    }
    let card = |slug: &String| json!({"userId": format!("auth0|{slug}"), "nickname": "quiet", "resyncInterval": "24h"});
    world.apply_all(slugs.iter().map(|slug| (slug.as_str(), card(slug)))).await;
    world.until_all("Ready", |object| condition(object, "Ready").0 == "True").await;
    until_events(&world, RESOURCES).await;
    world.sandbox.clear_log();

    for round in 1..=ROUNDS {
        for slug in &slugs {
            assert!(world.sandbox.login(&format!("auth0|{slug}")));
        }
        // Another content of the tenant's credentials makes each of its resources look once.
        let more = json!({"stringData": {"note": format!("round {round}")}});
        world.objects.patch("secret/example-credentials", &more).await.unwrap();
        let all_looked = wait_until("a round", DEADLINE, async || {
            let looks = world.looks();
            if looks >= RESOURCES * round { Ok(()) } else { Err(looks) }
        });
        all_looked.await.unwrap();
    }
    world.until_all_is_quiet().await;

    assert_eq!(world.looks(), RESOURCES * ROUNDS + 1, "one for each, and the sign's own");
    assert_eq!(world.bodies().len(), 1, "the sign's");
    assert_eq!(world.status_writes().len(), RESOURCES + 1);
    until_events(&world, RESOURCES + 1).await;
    println!(
        "{ROUNDS} rounds, {RESOURCES} resources: {} looks, 0 requests to change, 0 status writes, 0 events",
        world.looks() - 1
    );
}

/// Waits until so many events were written in the namespace, and no more.
async fn until_events(world: &World, expected: usize) {
    let counted = wait_until("events", DEADLINE, async || {
        let events = world.plane.audit().unwrap().writes().within(&world.namespace).of("events", "").len();
        if events == expected { Ok(()) } else { Err(events) }
    });
    counted.await.unwrap();
}

const fn cost(requests: usize, writes: usize, events: usize) -> Cost {
    Cost { requests, writes, events }
}

/// Situations that are not in a plain resource's life, in the order in which this one meets them.
#[tokio::test]
async fn a_request_a_pause_an_observation_a_conflict_and_a_dropped_null_cost_what_they_must() {
    let world = World::start("costs").await;
    world.add_person("ida");
    let card = json!({"name": "Ida", "userId": "auth0|ida", "resyncInterval": "24h"});
    let manifest = |card: &serde_json::Value| crate::world::update("ida", card.clone());
    let apply = async |card: &serde_json::Value| {
        world.kubectl.submit(Mode::Apply, &manifest(card)).await.unwrap().ok().unwrap();
    };
    apply(&card).await;
    world.until_applied("ida").await;
    world.until_cost("ida", Cost::default(), cost(2, 1, 1)).await;
    let mut table = vec![("first apply", cost(2, 1, 1))];
    let mut situation = async |what: &'static str, expected: Cost, before: Cost| {
        world.until_cost("ida", before, expected).await;
        world.until_all_is_quiet().await;
        world.until_cost("ida", before, expected).await;
        table.push((what, expected));
    };

    let before = world.cost("ida").await;
    world.annotate("a0uu/ida", "auth0-user-operator.dev/requested-at=now").await;
    situation("requested-at, nothing to do", cost(1, 1, 0), before).await;

    let before = world.cost("ida").await;
    world.annotate("a0uu/ida", "auth0-user-operator.dev/paused=true").await;
    situation("pause", cost(0, 1, 1), before).await;
    let before = world.cost("ida").await;
    world.annotate("a0uu/ida", "auth0-user-operator.dev/paused-").await;
    situation("end of the pause", cost(1, 1, 1), before).await;

    let mut observing = card.clone();
    observing["mode"] = json!("Observe");
    observing["nickname"] = json!("other");
    let before = world.cost("ida").await;
    apply(&observing).await;
    situation("mode Observe, drift found", cost(1, 1, 0), before).await;
    let before = world.cost("ida").await;
    apply(&card).await;
    situation("mode Apply again, nothing to do", cost(1, 1, 0), before).await;

    let mut null = card.clone();
    null["familyName"] = json!(null);
    let before = world.cost("ida").await;
    apply(&null).await;
    situation("a dropped null, only in the annotation", cost(0, 1, 1), before).await;
    assert!(world.sandbox.login("auth0|ida"));
    let before = world.cost("ida").await;
    world.look_for_tenant("ida").await;
    situation("two looks after a login, while that is told", cost(2, 0, 0), before).await;
    let before = world.cost("ida").await;
    apply(&card).await;
    situation("the null is gone", cost(0, 1, 0), before).await;

    let before = world.cost("ida").await;
    let rival = json!({"name": "Not Ida", "userId": "auth0|ida", "resyncInterval": "24h"});
    world.apply_as("rival", rival).await;
    world.until_reason("a0uu/rival", "ManagementConflict").await;
    situation("a younger rival (its own look)", cost(1, 0, 0), before).await;

    for (what, cost) in table {
        println!("{what:<46}{:>3} requests{:>3} writes{:>3} events", cost.requests, cost.writes, cost.events);
    }
}
