//! Many resources about one user. A thousand of them are judged in `src/ownership/tests.rs`.

use super::{APPLIED, CONFLICT, about, words};
use crate::once::counts::restart;
use crate::run::conditions::row;
use crate::world::{DEADLINE, World};
use lab::wait_until;
use serde_json::json;

const CROWD: usize = 40;

fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// Waits until one resource is applied and all others are in conflict with it.
async fn until_one_owns(world: &World, owner: &str, others: usize) {
    let named = format!("{}/{owner}", world.namespace);
    let settled = wait_until("one owner", DEADLINE, async || {
        let list = world.objects.get("auth0userupdates").await?;
        let objects = list["items"].as_array().unwrap();
        let waiting = objects
            .iter()
            .filter(|object| row(object) == CONFLICT && words(object).contains(&named.as_str()));
        let waiting = waiting.count();
        let applied =
            objects.iter().any(|object| object["metadata"]["name"] == owner && row(object) == APPLIED);
        if applied && waiting == others { Ok(()) } else { Err(format!("{applied} {waiting}")) }
    });
    settled.await.unwrap();
}

#[tokio::test]
async fn forty_rivals_cost_a_look_and_a_write_each_a_restart_nothing_and_the_owners_end_the_same_again() {
    let mut world = World::start("crowd").await;
    world.operator.kill().await.unwrap();
    let card = |number: usize| about("ann", json!({"name": format!("Name {number}"), "output": "None"}));
    let mut cards: Vec<_> = (0..CROWD).map(|number| (name(number), card(number))).collect();
    cards[0].1["nickname"] = json!("o");
    world.apply_all(cards.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    world.sandbox.clear_log();
    restart(&mut world).await;
    until_one_owns(&world, &name(0), CROWD - 1).await;
    let (looks, writes) = (world.looks(), world.status_writes().len());
    assert_eq!(world.bodies(), [json!({"name": "Name 0", "nickname": "o"})]);
    // Some are looked at twice where claims were still being learned.
    assert!((CROWD..=CROWD * 11 / 10).contains(&looks), "{looks} looks");
    assert!((CROWD..=CROWD * 11 / 10).contains(&writes), "{writes} writes");

    for restarts in 1..=2 {
        world.sandbox.clear_log();
        restart(&mut world).await;
        world.until_all_is_quiet().await;
        assert_eq!(world.status_writes().len(), writes + restarts, "of the signs");
        assert!(world.looks() <= 1, "{} looks, one of them of the sign", world.looks());
    }

    // What was learned of claims is learned anew: the owner's end is noticed.
    world.sandbox.clear_log();
    let writes = world.status_writes().len();
    world.objects.delete(&format!("auth0userupdate/{}", name(0))).await.unwrap();
    until_one_owns(&world, &name(1), CROWD - 2).await;
    let (looks, writes) = (world.looks(), world.status_writes().len() - writes);
    assert_eq!(world.bodies(), [json!({"name": "Name 1"})]);
    assert!(looks <= CROWD * 11 / 10 && writes <= CROWD * 11 / 10, "{looks} looks, {writes} writes");
    let ann = world.sandbox.user("auth0|ann").unwrap();
    assert_eq!(ann["nickname"], "o", "deleting changes nothing in Auth0");
}
