//! Who follows an owner, and which owners stay although nothing is heard of them.

use super::{APPLIED, about, until_conflict, until_is, until_younger_than};
use crate::run::conditions::check_every_status;
use crate::world::World;
use serde_json::{Value, json};

/// For each of these an owner `z-SLUG` of the name, and then `a-SLUG`, which is in conflict with it.
async fn contested(world: &World, slugs: &[&str]) {
    let cards = |prefix: &'static str, name: &'static str| {
        let card = move |slug: &&str| {
            (format!("{prefix}-{slug}"), about(slug, json!({"name": name, "nickname": "n"})))
        };
        slugs.iter().map(card).collect::<Vec<_>>()
    };
    let owners = cards("z", "Owner");
    for slug in slugs {
        world.add_person(slug);
    }
    world.apply_all(owners.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    for slug in slugs {
        until_is(world, &format!("z-{slug}"), APPLIED).await;
    }
    until_younger_than(world, &owners.last().unwrap().0).await;
    let others = cards("a", "Other");
    world.apply_all(others.iter().map(|(name, card)| (name.as_str(), card.clone()))).await;
    for slug in slugs {
        until_conflict(world, &format!("a-{slug}"), &format!("z-{slug}")).await;
    }
}

fn name_of(world: &World, slug: &str) -> Value {
    world.sandbox.user(&format!("auth0|{slug}")).unwrap()["name"].clone()
}

#[tokio::test]
async fn claims_go_from_one_to_the_next() {
    let world = World::start("claims-over").await;
    tokio::join!(
        the_other_takes_over_when_the_owner_lets_go(&world),
        the_next_in_age_follows_and_the_others_name_it(&world)
    );
    check_every_status(&world);
}

async fn the_other_takes_over_when_the_owner_lets_go(world: &World) {
    let slugs = ["deleted", "dropped", "observes", "agrees", "leaves"];
    contested(world, &slugs).await;
    assert!(slugs.iter().all(|slug| name_of(world, slug) == "Owner"));
    world.objects.delete("auth0userupdate/z-deleted").await.unwrap();
    world.apply_as("z-dropped", about("dropped", json!({"nickname": "n"}))).await;
    world.apply_as("z-observes", about("observes", json!({"name": "Owner", "mode": "Observe"}))).await;
    world.apply_as("z-agrees", about("agrees", json!({"name": "Other"}))).await;
    world.apply_as("a-leaves", about("leaves", json!({"nickname": "n"}))).await;
    for slug in slugs {
        until_is(world, &format!("a-{slug}"), APPLIED).await;
        assert_eq!(name_of(world, slug), if slug == "leaves" { "Owner" } else { "Other" }, "{slug}");
    }
    // It may have looked before the other took over.
    world.look_again("a0uu/z-observes").await;
    until_is(world, "z-observes", "True/Observed False/DriftFound").await;
    for slug in ["dropped", "agrees", "leaves"] {
        until_is(world, &format!("z-{slug}"), APPLIED).await;
    }
    // Whoever comes back is the older one still.
    world.apply_as("z-dropped", about("dropped", json!({"name": "Owner", "nickname": "n"}))).await;
    until_conflict(world, "a-dropped", "z-dropped").await;
    until_is(world, "z-dropped", APPLIED).await;
    assert_eq!(name_of(world, "dropped"), "Owner");
    world.apply_as("z-observes", about("observes", json!({"name": "Owner", "mode": "Apply"}))).await;
    until_conflict(world, "a-observes", "z-observes").await;
}

async fn the_next_in_age_follows_and_the_others_name_it(world: &World) {
    contested(world, &["ada"]).await;
    until_younger_than(world, "a-ada").await;
    world.apply_as("0-ada", about("ada", json!({"name": "Third"}))).await;
    until_conflict(world, "0-ada", "z-ada").await;
    world.objects.delete("auth0userupdate/z-ada").await.unwrap();
    until_is(world, "a-ada", APPLIED).await;
    until_conflict(world, "0-ada", "a-ada").await;
    assert_eq!(name_of(world, "ada"), "Other");
    // Of the one in between nothing is left when it goes: it sent what it sent, once.
    world.objects.delete("auth0userupdate/a-ada").await.unwrap();
    until_is(world, "0-ada", APPLIED).await;
    let names: Vec<Value> = world.bodies_of("auth0|ada").iter().map(|body| body["name"].clone()).collect();
    assert_eq!(names, ["Owner", "Other", "Third"]);
}

#[tokio::test]
async fn rivals_that_are_deleted_together_change_nothing() {
    let world = World::start("claims-all").await;
    let slugs = ["ada", "bea", "cleo", "dora"];
    contested(&world, &slugs).await;
    let sent = world.bodies().len();
    world.run(["delete", "auth0userupdates", "--all"]).await;
    // A takeover of what was there would come before the one that follows.
    world.apply_as("z-late", about("ada", json!({"name": "Late"}))).await;
    until_is(&world, "z-late", APPLIED).await;
    until_younger_than(&world, "z-late").await;
    world.apply_as("a-late", about("ada", json!({"name": "Later"}))).await;
    until_conflict(&world, "a-late", "z-late").await;
    world.objects.delete("auth0userupdate/z-late").await.unwrap();
    until_is(&world, "a-late", APPLIED).await;
    assert_eq!(world.bodies()[sent..], [json!({"name": "Late"}), json!({"name": "Later"})]);
    for slug in &slugs[1..] {
        assert_eq!(name_of(&world, slug), "Owner", "{slug}");
    }
}
