//! What each way leaves in a real API server, which no operator watches.

use super::send::Sender;
use super::table::cell::{Cell, Held, chosen};
use super::table::field::fields;
use super::table::judge::{assert_as_told, compare};
use super::table::way::{Start, Way};
use crate::world::{install_crds, objects_of};
use lab::ControlPlane;
use serde_json::{Map, Value};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Writes the cells of these ways that the way itself makes something of.
pub async fn arrive(namespace: &str, ways: &[Way]) {
    let cells = chosen(ways, is_about);
    if cells.is_empty() {
        return println!("not a cell of this test");
    }
    let plane = ControlPlane::shared().await.unwrap();
    install_crds(plane).await;
    let namespace = plane.namespace(namespace).await.unwrap();
    let kubectl = plane.admin().in_namespace(&namespace);
    let sender = Sender::new(&kubectl, &objects_of(plane, &namespace).await);
    let exist: Vec<&Cell> = cells.iter().filter(|cell| cell.start != Start::Nothing).collect();
    let refused = sender.prepare(&exist).await;
    assert!(refused.is_empty(), "{refused:?}");
    let before = sender.objects().await.unwrap();
    let refused = sender.wish(&cells).await;
    let after = sender.objects().await.unwrap();
    let mut wrong = Vec::new();
    for cell in &cells {
        compare(&mut wrong, cell, "held before", &cell.held_before(), &before.get(&cell.name).map(held));
        compare(&mut wrong, cell, "refused", &cell.expected.is_none(), &refused.contains_key(&cell.name));
        let expected = if cell.expected.is_some() { cell.held() } else { cell.held_before() };
        compare(&mut wrong, cell, "held", &expected, &after.get(&cell.name).map(held));
        if cell.expected.is_none() {
            let generation = after.get(&cell.name).map(|object| &object["metadata"]["generation"]);
            let untouched = (cell.start != Start::Nothing).then_some(Value::from(1));
            compare(&mut wrong, cell, "generation", &untouched.as_ref(), &generation);
        }
    }
    for way in ways {
        let of_way = || cells.iter().filter(|cell| cell.way == *way);
        let refused = of_way().filter(|cell| cell.expected.is_none()).count();
        println!("{way:?}: {} cells, {refused} of them refused by the API server", of_way().count());
    }
    assert_as_told(&wrong);
}

/// Yes or No and what a field rides with are the operator's business. What the schema says of each field shows where it is
/// created, and how it is merged in server-side apply; what the other ways do depends on the kind of field alone.
fn is_about(cell: &Cell) -> bool {
    let is_of_each_field = matches!(cell.way, Way::Create | Way::ServerSideUpdate);
    let first = fields().into_iter().find(|field| field.kind == cell.field.kind);
    let stands_for_kind = first.is_some_and(|field| field.name == cell.field.name);
    cell.yes && cell.field.beside.is_none() && (is_of_each_field || stands_for_kind)
}

fn held(object: &Value) -> Held {
    let spec = |object: &Value| -> Map<String, Value> { object["spec"].as_object().unwrap().clone() };
    let noted = object["metadata"]["annotations"][LAST_APPLIED].as_str();
    let noted = noted.map(|text| spec(&serde_json::from_str(text).unwrap()));
    Held { spec: spec(object), last_applied: noted }
}
