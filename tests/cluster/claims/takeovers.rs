//! Who follows an owner, and which owners stay although nothing is heard of them.

use super::{APPLIED, CONFLICT, about, until_conflict, until_is, until_younger_than};
use crate::conditions::check_every_status;
use crate::world::{World, condition, person};
use auth0_sandbox::Connection;
use serde_json::{Value, json};

const PAUSED: &str = "auth0-user-operator.dev/paused";

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
async fn the_other_takes_over_when_the_owner_lets_go() {
    let world = World::start("claims-over").await;
    let slugs = ["deleted", "dropped", "observes", "agrees", "leaves"];
    contested(&world, &slugs).await;
    assert!(slugs.iter().all(|slug| name_of(&world, slug) == "Owner"));
    world.objects.delete("auth0userupdate/z-deleted").await.unwrap();
    world.apply_as("z-dropped", about("dropped", json!({"nickname": "n"}))).await;
    world.apply_as("z-observes", about("observes", json!({"name": "Owner", "mode": "Observe"}))).await;
    world.apply_as("z-agrees", about("agrees", json!({"name": "Other"}))).await;
    world.apply_as("a-leaves", about("leaves", json!({"nickname": "n"}))).await;
    for slug in slugs {
        until_is(&world, &format!("a-{slug}"), APPLIED).await;
        assert_eq!(name_of(&world, slug), if slug == "leaves" { "Owner" } else { "Other" }, "{slug}");
    }
    // It may have looked before the other took over.
    world.look_again("a0uu/z-observes").await;
    until_is(&world, "z-observes", "True/Observed False/DriftFound").await;
    for slug in ["dropped", "agrees", "leaves"] {
        until_is(&world, &format!("z-{slug}"), APPLIED).await;
    }
    // Whoever comes back is the older one still.
    world.apply_as("z-dropped", about("dropped", json!({"name": "Owner", "nickname": "n"}))).await;
    until_conflict(&world, "a-dropped", "z-dropped").await;
    until_is(&world, "z-dropped", APPLIED).await;
    assert_eq!(name_of(&world, "dropped"), "Owner");
    world.apply_as("z-observes", about("observes", json!({"name": "Owner", "mode": "Apply"}))).await;
    until_conflict(&world, "a-observes", "z-observes").await;
    check_every_status(&world);
}

#[tokio::test]
async fn the_next_in_age_follows_and_the_others_name_it() {
    let world = World::start("claims-line").await;
    contested(&world, &["ada"]).await;
    until_younger_than(&world, "a-ada").await;
    world.apply_as("0-ada", about("ada", json!({"name": "Third"}))).await;
    until_conflict(&world, "0-ada", "z-ada").await;
    world.objects.delete("auth0userupdate/z-ada").await.unwrap();
    until_is(&world, "a-ada", APPLIED).await;
    until_conflict(&world, "0-ada", "a-ada").await;
    assert_eq!(name_of(&world, "ada"), "Other");
    // Of the one in between nothing is left when it goes: it sent what it sent, once.
    world.objects.delete("auth0userupdate/a-ada").await.unwrap();
    until_is(&world, "0-ada", APPLIED).await;
    let names: Vec<Value> = world.bodies_of("auth0|ada").iter().map(|body| body["name"].clone()).collect();
    assert_eq!(names, ["Owner", "Other", "Third"]);
    check_every_status(&world);
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

#[tokio::test]
async fn a_paused_and_a_stalled_owner_keep_their_claims() {
    let world = World::start("claims-kept").await;
    contested(&world, &["paused", "stalled", "tenantless"]).await;
    world.add_person("taken");
    let paused = json!({"metadata": {"annotations": {PAUSED: "true"}}});
    world.objects.patch("auth0userupdate/z-paused", &paused).await.unwrap();
    until_is(&world, "z-paused", "True/Applied Unknown/Paused").await;
    let refused = json!({"name": "Owner", "nickname": "n", "email": "taken@example.com"});
    world.apply_as("z-stalled", about("stalled", refused)).await;
    until_is(&world, "z-stalled", "False/AlreadyExists False/Refused Stalled").await;
    // Who has no tenant cannot act, and claims nothing.
    let elsewhere = json!({"name": "Owner", "tenantRef": {"name": "nowhere"}});
    world.apply_as("z-tenantless", about("tenantless", elsewhere)).await;
    until_is(&world, "a-tenantless", APPLIED).await;
    for slug in ["paused", "stalled"] {
        world.request(&format!("a-{slug}"), "please").await;
        until_conflict(&world, &format!("a-{slug}"), &format!("z-{slug}")).await;
        assert_eq!(name_of(&world, slug), "Owner");
    }
    assert_eq!(name_of(&world, "tenantless"), "Other");
    check_every_status(&world);
}

/// A user of two databases, the first of which is the primary identity.
fn linked(slug: &str) -> Value {
    let mut user = person(slug, "People");
    let second = json!({
        "connection": "Staff", "user_id": format!("{slug}-2"), "provider": "auth0", "isSocial": false,
        "profileData": {"email": format!("{slug}-2@example.com"), "email_verified": true},
    });
    user["identities"].as_array_mut().unwrap().push(second);
    user
}

#[tokio::test]
async fn claims_of_an_identity_meet_those_of_the_same_identity_only() {
    let world = World::start("claims-linked").await;
    world.sandbox.put_connection(Connection::database("Staff"));
    let cases = [
        (
            "apart",
            json!({"connection": "People", "email": "new1@example.com"}),
            json!({"connection": "Staff", "email": "new2@example.com"}),
            None,
        ),
        (
            "implied",
            json!({"email": "new3@example.com"}),
            json!({"connection": "People", "email": "new4@example.com"}),
            Some("email"),
        ),
        (
            "absent",
            json!({"email": "new5@example.com"}),
            json!({"connection": "Staff", "email": "new6@example.com"}),
            None,
        ),
        (
            "second",
            json!({"connection": "Staff", "email": "new7@example.com"}),
            json!({"connection": "Staff", "email": "new8@example.com"}),
            Some("email"),
        ),
        (
            "root",
            json!({"connection": "People", "name": "One"}),
            json!({"connection": "Staff", "name": "Two"}),
            Some("name"),
        ),
        (
            "key",
            json!({"connection": "People", "appMetadata": {"a": 1}}),
            json!({"connection": "Staff", "appMetadata": {"a": 2}}),
            Some("appMetadata.a"),
        ),
    ];
    for (slug, ..) in &cases {
        world.sandbox.put_user(linked(slug)).unwrap();
    }
    let names: Vec<String> =
        cases.iter().flat_map(|(slug, ..)| [format!("z-{slug}"), format!("a-{slug}")]).collect();
    world
        .apply_all(
            cases
                .iter()
                .enumerate()
                .map(|(index, case)| (names[2 * index].as_str(), about(case.0, case.1.clone()))),
        )
        .await;
    world.until_all("Ready", |object| condition(object, "Ready").0 == "True").await;
    until_younger_than(&world, "z-key").await;
    world
        .apply_all(
            cases
                .iter()
                .enumerate()
                .map(|(index, case)| (names[2 * index + 1].as_str(), about(case.0, case.2.clone()))),
        )
        .await;
    for (slug, _, _, field) in &cases {
        let (owner, other) = (format!("z-{slug}"), format!("a-{slug}"));
        let Some(field) = field else {
            let ready = |object: &Value| condition(object, "Ready").0 == "True";
            world.until(&format!("auth0userupdate/{other}"), "Ready", ready).await;
            continue;
        };
        let object = until_conflict(&world, &other, &owner).await;
        assert!(super::words(&object).contains(field), "{:?}", super::words(&object));
    }
    assert_eq!(
        condition(&world.get("auth0userupdate/a-root").await, "Ready").1,
        "ManagementConflict",
        "{CONFLICT}"
    );
}

#[tokio::test]
async fn whoever_turns_to_another_identity_lets_go_of_this_one() {
    let world = World::start("claims-moved").await;
    world.sandbox.put_connection(Connection::database("Staff"));
    for slug in ["moved", "behind"] {
        world.sandbox.put_user(linked(slug)).unwrap();
    }
    let email = |slug: &str, connection: Option<&str>, email: &str| {
        let mut card = about(slug, json!({"email": format!("{email}@{slug}.example.com")}));
        if let Some(connection) = connection {
            card["connection"] = json!(connection);
        }
        card
    };
    world.apply_as("z-moved", email("moved", Some("People"), "one")).await;
    world.apply_as("z-behind", email("behind", Some("Staff"), "one")).await;
    until_is(&world, "z-moved", APPLIED).await;
    until_is(&world, "z-behind", APPLIED).await;
    until_younger_than(&world, "z-behind").await;
    world.apply_as("y-behind", email("behind", None, "two")).await;
    until_is(&world, "y-behind", APPLIED).await;
    until_younger_than(&world, "y-behind").await;
    world.apply_as("a-moved", email("moved", None, "two")).await;
    world.apply_as("a-behind", email("behind", Some("People"), "three")).await;
    until_conflict(&world, "a-moved", "z-moved").await;
    // The oldest of all has another identity and is not in the way.
    until_conflict(&world, "a-behind", "y-behind").await;

    world.apply_as("z-moved", email("moved", Some("Staff"), "one")).await;
    world.objects.delete("auth0userupdate/y-behind").await.unwrap();
    until_is(&world, "a-moved", APPLIED).await;
    until_is(&world, "a-behind", APPLIED).await;
    assert_eq!(world.sandbox.user("auth0|moved").unwrap()["email"], "two@moved.example.com");
    assert_eq!(world.sandbox.user("auth0|behind").unwrap()["email"], "three@behind.example.com");
    check_every_status(&world);
}
