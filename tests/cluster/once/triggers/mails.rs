//! Verification mails: once for each address, whatever else happens.

use super::{bodies, effects, trigger};
use crate::once::counts::Cost;
use crate::world::{World, person};
use serde_json::{Value, json};

fn with_unverified(world: &World, slug: &str) {
    let mut user = person(slug, "People");
    user["email_verified"] = json!(false);
    world.sandbox.put_user(user).unwrap();
}

#[tokio::test]
async fn a_mail_goes_out_once_for_each_address() {
    let world = World::start("mails").await;
    with_unverified(&world, "may");
    let card = |email: &str, verify: bool| json!({"email": email, "verifyEmail": verify});
    world.apply_for("may", card("may@new.example.com", true)).await;
    let object = world.until_applied("may").await;
    assert_eq!(bodies(&world, "may"), [json!({"email": "may@new.example.com", "verify_email": true})]);
    assert_eq!(trigger(&object, "verifyEmail")["state"], "Sent");
    assert_eq!(effects(&world, "may").mails_sent, 1);

    // A look, another field, and other letters of the same address.
    world.look_for_tenant("may").await;
    world.apply_for("may", json!({"email": "may@new.example.com", "verifyEmail": true, "name": "May"})).await;
    world.until_applied("may").await;
    world.apply_for("may", card("May@New.example.com", true)).await;
    world.until_applied("may").await;
    assert_eq!(bodies(&world, "may")[1..], [json!({"name": "May"})]);
    assert_eq!(effects(&world, "may").mails_sent, 1);

    // Somebody else changes the address: the repair does not mail again.
    world.sandbox.change_user("auth0|may", |user| user.insert("email".into(), json!("other@example.com")));
    world.look_for_tenant("may").await;
    let repair = json!({"email": "May@New.example.com", "verify_email": false});
    assert_eq!(bodies(&world, "may")[2..], [repair]);

    // Another address is another order.
    world.apply_for("may", card("third@example.com", true)).await;
    world.until_applied("may").await;
    assert_eq!(bodies(&world, "may")[3..], [json!({"email": "third@example.com", "verify_email": true})]);
    assert_eq!(effects(&world, "may").mails_sent, 2);
}

#[tokio::test]
async fn false_or_removed_forgets_and_true_mails_again() {
    let world = World::start("forgets").await;
    with_unverified(&world, "may");
    world.apply_for("may", json!({"verifyEmail": true})).await;
    world.until_applied("may").await;
    assert_eq!(bodies(&world, "may"), [json!({"verify_email": true})]);
    for forgotten in [json!({"verifyEmail": false}), json!({"nickname": "ann"})] {
        let mails = effects(&world, "may").mails_sent;
        world.apply_for("may", forgotten).await;
        let object = world.until_applied("may").await;
        assert_eq!(trigger(&object, "verifyEmail"), Value::Null);
        assert_eq!(effects(&world, "may").mails_sent, mails);
        world.apply_for("may", json!({"verifyEmail": true})).await;
        world.until_applied("may").await;
        assert_eq!(effects(&world, "may").mails_sent, mails + 1);
    }
    assert_eq!(bodies(&world, "may").len(), 3, "false alone is never sent");
}

#[tokio::test]
async fn a_verified_address_gets_no_mail() {
    let world = World::start("verified").await;
    world.add_person("may");
    world.apply_for("may", json!({"verifyEmail": true})).await;
    world.until_applied("may").await;
    world.until_cost("may", Cost::default(), Cost { requests: 1, writes: 1, events: 0 }).await;
    assert_eq!(effects(&world, "may").mails_sent, 0);
}
