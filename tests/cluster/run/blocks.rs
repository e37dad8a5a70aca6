//! A block gets through, whatever else Auth0 rejects or fails at.

use crate::run::conditions::until_row;
use crate::world::{DEADLINE, World, condition, person};
use auth0_sandbox::{Fault, FaultKind, Refusal};
use lab::wait_until;
use serde_json::{Value, json};

fn failing() -> FaultKind {
    FaultKind::Status { status: 500, body: None, headers: Vec::new(), after_effect: false }
}

/// A fault that lasts, about one user.
fn about(slug: &str, method: &str) -> Fault {
    Fault::new(failing()).method(method).path(&format!("/api/v2/users/auth0%7C{slug}"))
}

#[tokio::test]
async fn a_block_gets_through_beside_a_rejected_key_and_beside_what_fails_for_ever() {
    let world = World::start("blocks").await;
    world.apply_secret("passwords", &json!({"new": "Canary-Winter-7"})).await;
    let password = json!({"name": "passwords", "key": "new"});
    let refusal = Refusal { status: 400, message: "The test rejects this body.".into(), code: None };
    world.sandbox.change_rules(|rules| {
        rules.refused = [("user_metadata.big".to_owned(), refusal)].into();
    });
    world.sandbox.fault(about("password", "PATCH").body_key("password"));
    world.sandbox.fault(about("email", "PATCH").body_key("email"));
    world.sandbox.fault(about("unread", "GET"));
    let cards = [
        ("key", json!({"name": "New", "userMetadata": {"big": "x", "plan": "pro"}})),
        ("password", json!({"passwordSecretRef": password, "email": "password-2@example.com"})),
        ("email", json!({"email": "email-2@example.com"})),
        ("unread", json!({"name": "New"})),
    ];
    let card = |slug: &str, fields: &Value| {
        let mut card = fields.clone();
        (card["userId"], card["blocked"]) = (json!(format!("auth0|{slug}")), json!(true));
        card
    };
    for (slug, _) in &cards {
        world.sandbox.put_user(person(slug, "People")).unwrap();
    }
    world.apply_all(cards.iter().map(|(slug, fields)| (*slug, card(slug, fields)))).await;
    for (slug, _) in &cards {
        let blocked = wait_until("the block", DEADLINE, async || {
            let user = world.sandbox.user(&format!("auth0|{slug}")).unwrap();
            if user.get("blocked") == Some(&json!(true)) { Ok(()) } else { Err(format!("{slug}: {user:?}")) }
        });
        blocked.await.unwrap();
    }
    let name = "auth0userupdate/key";
    let object = until_row(&world, name, "False/InvalidRequest False/Refused Stalled").await;
    let refused = &object["status"]["refusedFields"];
    assert_eq!((&refused[0]["field"], &refused[1]), (&json!("userMetadata.big"), &Value::Null));
    let user = world.sandbox.user("auth0|key").unwrap();
    assert_eq!((&user["name"], &user["user_metadata"]["plan"]), (&json!("New"), &json!("pro")));

    assert_eq!(world.bodies_of("auth0|password")[0], json!({"blocked": true}), "before the password");
    assert_eq!(
        world.bodies_of("auth0|email")[..2],
        [json!({"blocked": true, "email": "email-2@example.com"}), json!({"blocked": true})]
    );
    let unread = world.until_applied("unread").await;
    assert_eq!(world.bodies_of("auth0|unread"), [json!({"blocked": true}), json!({"name": "New"})]);
    assert_eq!(unread["status"]["lastUpdate"]["sentFields"], json!(["blocked", "name"]));
    assert_eq!(condition(&unread, "Synced"), ("True".into(), "InSync".into()));
}

#[tokio::test]
async fn a_block_gets_through_beside_a_conflict_about_something_else() {
    let world = World::start("blocks-conflict").await;
    world.add_person("ada");
    world.apply_as("older", json!({"userId": "auth0|ada", "nickname": "x"})).await;
    world.until_ready("auth0userupdate/older").await;
    world.sandbox.clear_log();
    let younger = json!({"userId": "auth0|ada", "nickname": "y", "blocked": true});
    world.apply_as("younger", younger).await;
    world.until_reason("auth0userupdate/younger", "ManagementConflict").await;
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"blocked": true})]);
    world.look_again("auth0userupdate/younger").await;
    assert_eq!(world.bodies_of("auth0|ada").len(), 1);
}
