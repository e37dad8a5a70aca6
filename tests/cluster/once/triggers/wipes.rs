//! Clearing or replacing a whole metadata map: once for each edit, so that other people's keys live.

use super::{bodies, trigger};
use crate::world::World;
use serde_json::{Value, json};

fn metadata(world: &World) -> Value {
    world.sandbox.user("auth0|kim").unwrap()["user_metadata"].clone()
}

/// Somebody else writes a key.
fn interfere(world: &World, key: &str) {
    world.sandbox.change_user("auth0|kim", |user| user["user_metadata"][key] = json!("theirs")).unwrap();
}

#[tokio::test]
async fn a_whole_clear_acts_once_for_each_edit() {
    let world = World::start("wipe").await;
    world.add_person("kim");
    world.apply_for("kim", json!({"userMetadata": {}})).await;
    let object = world.until_applied("kim").await;
    assert_eq!(bodies(&world, "kim"), [json!({"user_metadata": {}})]);
    assert_eq!(trigger(&object, "userMetadata")["state"], "Sent");
    assert_eq!(object["status"]["lastUpdate"]["clearedFields"], json!(["userMetadata"]));

    interfere(&world, "later");
    world.look_for_tenant("kim").await;
    world.apply_for("kim", json!({"userMetadata": {}, "nickname": "kimmy"})).await;
    world.until_applied("kim").await;
    assert_eq!(bodies(&world, "kim")[1..], [json!({"nickname": "kimmy"})]);
    assert_eq!(metadata(&world), json!({"later": "theirs"}));

    // Not declared: forgotten. Declared again: an edit, and so another order.
    world.apply_for("kim", json!({"nickname": "kimmy"})).await;
    let object = world.until_applied("kim").await;
    assert_eq!(trigger(&object, "userMetadata"), Value::Null);
    world.apply_for("kim", json!({"userMetadata": {}, "nickname": "kimmy"})).await;
    world.until_applied("kim").await;
    assert_eq!(bodies(&world, "kim")[2..], [json!({"user_metadata": {}})]);
}

#[tokio::test]
async fn a_replace_acts_once_for_each_edit_in_one_body() {
    let world = World::start("replace").await;
    world.add_person("kim");
    let card = |plan: &str| json!({"userMetadata": {"plan": plan}, "clear": ["userMetadata"]});
    world.apply_for("kim", card("pro")).await;
    world.until_applied("kim").await;
    assert_eq!(bodies(&world, "kim"), [json!({"user_metadata": {"plan": "pro", "theme": null}})]);
    interfere(&world, "later");
    interfere(&world, "plan");
    world.look_for_tenant("kim").await;
    assert_eq!(bodies(&world, "kim")[1..], [json!({"user_metadata": {"plan": "pro"}})]);
    assert_eq!(metadata(&world), json!({"plan": "pro", "later": "theirs"}));
    world.apply_for("kim", card("gold")).await;
    world.until_applied("kim").await;
    assert_eq!(bodies(&world, "kim")[2..], [json!({"user_metadata": {"plan": "gold", "later": null}})]);
}
