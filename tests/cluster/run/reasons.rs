//! Every reason, provoked through what Auth0 really says.

mod answers;
mod dependencies;
mod outages;
mod refusals;

use crate::world::condition;
use serde_json::Value;

/// The sentence of `Ready`.
fn message(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|entry| entry["type"] == "Ready").unwrap();
    ready["message"].as_str().unwrap().to_owned()
}

/// Whether the resource is Ready.
fn is_ready(object: &Value) -> bool {
    condition(object, "Ready").0 == "True"
}

/// The card of a resource for the person `auth0|NAME`.
fn card_of(name: &str, card: &Value) -> Value {
    let mut card = card.clone();
    if card["userId"].is_null() {
        card["userId"] = format!("auth0|{name}").into();
    }
    card
}
