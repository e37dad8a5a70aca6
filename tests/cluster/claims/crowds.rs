//! Very many resources about one user.

use super::{APPLIED, CONFLICT, about, until_is};
use crate::conditions::row;
use crate::counts::restart;
use crate::world::{World, update};
use lab::{Mode, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CROWD: usize = 1000;
/// What each round may take on a busy machine.
const LONGEST: Duration = Duration::from_mins(2);

fn name(number: usize) -> String {
    format!("c{number:04}")
}

/// Waits until one resource is applied and all others are in conflict, by a cheap look at all of them.
async fn until_one_owns(world: &World, owner: &str, others: usize) -> Duration {
    let begun = Instant::now();
    let columns = "jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=='Ready')].reason} {.status.conditions[?(@.type=='Ready')].message}{'\\n'}{end}";
    let arguments = ["get", "auth0userupdates", "--output", columns];
    let named = format!("{}/{owner}", world.namespace);
    let settled = wait_until("one owner", LONGEST, async || {
        let table = world.kubectl.run(arguments, "").await.and_then(lab::Output::ok);
        let table = table.map_err(|error| error.to_string())?;
        let in_conflict =
            table.lines().filter(|line| line.contains("ManagementConflict") && line.contains(&named));
        let (applied, waiting) = (table.contains(&format!("{owner} Applied")), in_conflict.count());
        if applied && waiting == others { Ok(()) } else { Err(format!("{applied} {waiting}")) }
    });
    settled.await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn a_thousand_rivals_cost_a_look_and_a_write_each_and_so_does_the_owners_end() {
    let mut world = World::start("crowd").await;
    world.operator.kill().await.unwrap();
    let card = |number: usize| about("ann", json!({"name": format!("Name {number}"), "output": "None"}));
    let manifests: Vec<String> = (0..CROWD).map(|number| update(&name(number), card(number))).collect();
    let kubectl = world.kubectl.with_deadline(LONGEST);
    kubectl.submit(Mode::Create, &manifests.join("\n---\n")).await.unwrap().ok().unwrap();
    world.sandbox.clear_log();
    restart(&mut world).await;
    let first = until_one_owns(&world, &name(0), CROWD - 1).await;
    let (looks, writes) = (world.looks(), world.status_writes().len());
    assert_eq!(world.bodies(), [json!({"name": "Name 0"})]);
    // Some are looked at twice where claims were still being learned.
    assert!((CROWD..=CROWD * 11 / 10).contains(&looks), "{looks} looks");
    assert!((CROWD..=CROWD * 11 / 10).contains(&writes), "{writes} writes");

    world.sandbox.clear_log();
    world.objects.delete(&format!("auth0userupdate/{}", name(0))).await.unwrap();
    let second = until_one_owns(&world, &name(1), CROWD - 2).await;
    let (looks, writes) = (world.looks(), world.status_writes().len() - writes);
    assert_eq!(world.bodies(), [json!({"name": "Name 1"})]);
    assert!(looks <= CROWD * 11 / 10 && writes <= CROWD * 11 / 10, "{looks} looks, {writes} writes");

    // A restart asks nothing and writes nothing.
    world.sandbox.clear_log();
    let before = world.status_writes().len();
    restart(&mut world).await;
    world.until_all_is_quiet().await;
    assert_eq!(world.status_writes().len(), before + 1, "of the sign");
    assert!(world.looks() <= 1, "{} looks, one of them of the sign", world.looks());
    let is = |object: &Value| row(object);
    assert_eq!(is(&until_is(&world, &name(2), CONFLICT).await), CONFLICT);
    until_is(&world, &name(1), APPLIED).await;
    println!(
        "{CROWD} resources about one user: {first:.1?} until all are told, {second:.1?} after the owner's end"
    );
}
