//! The tenant's budget: never faster than asked, and the urgent first.

use crate::world::{World, condition};
use auth0_sandbox::Plan;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn with_rate(name: &str, per_minute: u32, burst: u32, people: usize) -> (World, Vec<String>) {
    let world = World::start(name).await;
    let rate = json!({"spec": {"rateLimit": {"requestsPerMinute": per_minute, "burst": burst}}});
    let rate = rate.to_string();
    world.run(["patch", "auth0tenant/example", "--type", "merge", "--patch", &rate]).await;
    world.until_ready("auth0tenant/example").await;
    let slugs: Vec<String> = (0..people).map(|index| format!("p{index}")).collect();
    for slug in &slugs {
        world.add_person(slug);
    }
    world.sandbox.clear_log();
    (world, slugs)
}

fn cards(slugs: &[String]) -> impl Iterator<Item = (&str, Value)> {
    slugs.iter().map(|slug| {
        let id = format!("auth0|{slug}");
        (slug.as_str(), json!({"userId": id, "nickname": "new", "resyncInterval": "24h"}))
    })
}

fn is_applied(object: &Value) -> bool {
    condition(object, "Ready").1 == "Applied"
}

#[tokio::test]
async fn a_crowd_of_edits_is_served_at_the_rate_and_never_meets_a_429() {
    let (world, slugs) = with_rate("budget-crowd", 540, 2, 40).await;
    // A busy machine delays requests, so some arrive together.
    world.sandbox.set_plan(Plan::Custom { burst: 20, per_second: 10 });
    let begun = Instant::now();
    world.apply_all(cards(&slugs)).await;
    world.until_all("all applied", is_applied).await;
    let log = world.sandbox.log();
    assert_eq!(log.iter().filter(|call| call.status == Some(429)).count(), 0);
    assert_eq!(log.len(), 80);
    let least = Duration::from_secs_f64(78.0 / 9.0);
    assert!(begun.elapsed() >= least, "80 requests in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_block_does_not_wait_behind_a_backlog() {
    let (world, slugs) = with_rate("budget-block", 240, 1, 40).await;
    world.add_person("eve");
    world.apply_all(cards(&slugs)).await;
    world.apply_for("eve", json!({"blocked": true})).await;
    world.until_applied("eve").await;
    let before_eve = world.sandbox.patches().len();
    assert!(before_eve < 30, "{before_eve} edits came first");
    world.until_all("all applied", is_applied).await;
}
