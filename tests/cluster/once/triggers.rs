//! Orders that are carried out once.

mod again;
mod keys;
mod mails;
mod passwords;
mod races;
mod wipes;

use crate::world::World;
use serde_json::{Value, json};

/// Applies the Secret `SLUG` with this password.
pub async fn give_password(world: &World, slug: &str, password: &str) {
    world.apply_secret(slug, &json!({"password": password})).await;
}

/// The card's input for that Secret.
pub fn password_of(slug: &str) -> Value {
    json!({"name": slug, "key": "password"})
}

/// The memory of one order.
fn trigger(object: &Value, name: &str) -> Value {
    let triggers = object["status"]["triggers"].as_array().cloned().unwrap_or_default();
    triggers.into_iter().find(|trigger| trigger["name"] == name).unwrap_or_default()
}

/// Bodies that Auth0 received about this user.
fn bodies(world: &World, slug: &str) -> Vec<Value> {
    world.bodies_of(&format!("auth0|{slug}"))
}

/// What happened to this user.
fn effects(world: &World, slug: &str) -> auth0_sandbox::Effects {
    world.sandbox.effects(&format!("auth0|{slug}"))
}
