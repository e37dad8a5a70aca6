//! The matrix (`tests/matrix`) on the real thing: what a real API server holds of every cell, and of a sample of the cells
//! what the operator makes of it. What it makes of all others is asked in `tests/plan`.

mod arrival;
mod play;
mod send;
#[path = "../../matrix/mod.rs"]
mod table;

use arrival::arrive;
use play::play;
use std::collections::BTreeMap;
use table::cell::{Cell, chosen};
use table::way::Way;

#[tokio::test]
async fn whatever_is_created_arrives_as_told() {
    arrive("matrix-creates", &[Way::Create, Way::ApplyCreate, Way::ServerSideCreate]).await;
}

#[tokio::test]
async fn whatever_is_applied_again_arrives_as_told() {
    arrive("matrix-applies", &[Way::ApplyUpdate, Way::ServerSideUpdate]).await;
}

#[tokio::test]
async fn whatever_is_replaced_or_patched_arrives_as_told() {
    arrive("matrix-replaces", &[Way::Replace, Way::JsonPatch, Way::MergePatch]).await;
}

#[tokio::test]
async fn what_arrives_by_each_way_means_to_auth0_what_is_told() {
    let mut by_outcome: BTreeMap<_, Vec<Cell>> = BTreeMap::new();
    for cell in chosen(&Way::ALL, |_| true) {
        by_outcome.entry((cell.way, cell.start, outcome(&cell))).or_default().push(cell);
    }
    // Of each outcome another one, so that all fields have their turn.
    let sample = by_outcome.into_values().enumerate().map(|(index, mut cells)| {
        let nth = index * 37 % cells.len();
        cells.swap_remove(nth)
    });
    let sample: Vec<_> = sample.collect();
    println!("{} cells", sample.len());
    play("matrix", &sample).await;
}

/// What sort of outcome a cell has, as far as people see one.
fn outcome(cell: &Cell) -> String {
    let Some((stored, outcome)) = &cell.expected else { return "refused".to_owned() };
    let holds_null = outcome.bodies.iter().any(|body| body.to_string().contains("null"));
    let (told, ignored) = (!outcome.told.is_empty(), !outcome.ignored.is_empty());
    let said = (outcome.reason, outcome.bodies.len(), holds_null, told, ignored);
    format!("{said:?} {}", stored.clear.is_some())
}
