//! The matrix (`tests/matrix`): from what a real API server holds of each cell to what Auth0 receives and holds, and to
//! what the resource says.

use crate::driver::{Fault, Operator, Secret};
use crate::table::cell::{Cell, Held, chosen};
use crate::table::judge::{assert_as_told, compare, compare_users, plain, told};
use crate::table::meaning::{Outcome, password};
use crate::table::way::Way;
use crate::world::{Auth0, PRIMARY};
use auth0_sandbox::{Connection, Rules};
use auth0_user_operator::api::{Auth0UserUpdate, Auth0UserUpdateStatus, LAST_APPLIED_ANNOTATION};
use auth0_user_operator::reconcile::status::{dropped, events};
use serde_json::{Map, Value, json};

#[test]
fn what_arrived_means_to_auth0_what_is_told() {
    let cells = chosen(&Way::ALL, |_| true);
    let mut wrong = Vec::new();
    for cell in &cells {
        play(&mut wrong, cell);
    }
    println!("{} cells", cells.len());
    assert_as_told(&wrong);
}

fn play(wrong: &mut Vec<String>, cell: &Cell) {
    let mut auth0 = auth0(cell.seed());
    let mut operator = None;
    if let Some(held) = cell.held_before() {
        let began = operator.insert(Operator::new(&held.spec.clone().into()));
        pass(wrong, cell, began, &mut auth0, &held, &cell.earlier);
    }
    let (Some(held), Some((_, outcome))) = (cell.held(), &cell.expected) else { return };
    let spec = held.spec.clone().into();
    let operator = match &mut operator {
        Some(operator) => {
            operator.edit(&spec);
            operator
        }
        None => operator.insert(Operator::new(&spec)),
    };
    pass(wrong, cell, operator, &mut auth0, &held, outcome);
    operator.restarted().pass(&mut auth0, Fault::None);
    compare(wrong, cell, "bodies of another process", &Vec::new(), &auth0.take_bodies());
}

/// A pass over what is held.
fn pass(
    wrong: &mut Vec<String>,
    cell: &Cell,
    operator: &mut Operator,
    auth0: &mut Auth0,
    held: &Held,
    expected: &Outcome,
) {
    let object = object(held);
    operator.last_applied = object.last_applied_nulls();
    operator.secret = secret(held);
    let report = operator.pass(auth0, Fault::None);
    compare(wrong, cell, "bodies", &expected.bodies, &auth0.take_bodies());
    let held_password = auth0.password(&format!("auth0|{}", cell.name)).map(str::to_owned);
    compare_users(wrong, cell, &expected.user, &plain(auth0.account.user.clone(), held_password));
    compare(wrong, cell, "ignored", &expected.ignored, &report.ignored.iter().map(String::as_str).collect());
    let mut status = Auth0UserUpdateStatus {
        conditions: operator.conditions.clone(),
        explicit_nulls: operator.explicit_nulls.clone(),
        ..Auth0UserUpdateStatus::default()
    };
    dropped::tell(&mut status, &object);
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
    compare(wrong, cell, "reason", &expected.reason, &ready.reason.as_str());
    compare(wrong, cell, "told", &expected.told, &told(&ready.message));
    let events = events::announce(&Auth0UserUpdateStatus::default(), &status, None);
    let events = events.iter().filter(|event| event.reason == "NullDropped").count();
    compare(wrong, cell, "events", &usize::from(!expected.told.is_empty()), &events);
}

fn object(held: &Held) -> Auth0UserUpdate {
    let mut object = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
        "metadata": {"name": "a", "namespace": "n", "annotations": {}}, "spec": held.spec,
    });
    if let Some(spec) = &held.last_applied {
        object["metadata"]["annotations"][LAST_APPLIED_ANNOTATION] = json!({"spec": spec}).to_string().into();
    }
    serde_json::from_value(object).unwrap()
}

/// What the Secret holds under the key that the spec names.
fn secret(held: &Held) -> Secret {
    let key = held.spec.get("passwordSecretRef").and_then(|reference| reference["key"].as_str());
    let text = match key {
        Some("old") => "Orchid-Garden-old",
        Some(_) => "Orchid-Garden-new",
        None => return Secret::Missing,
    };
    assert_eq!(password(key.unwrap()), text);
    Secret::Content { text, version: 1 }
}

/// A tenant whose connection clears whatever Auth0 may clear.
fn auth0(user: Map<String, Value>) -> Auth0 {
    let rules = Rules {
        username_clearable: true,
        email_change_resets_verified: false,
        phone_change_resets_verified: false,
        ..Rules::default()
    };
    let people = Connection::database(PRIMARY).with_phone().with("requires_username", json!(true));
    let mut auth0 = Auth0::with_rules(user.into(), rules);
    auth0.connections = vec![people];
    auth0
}
