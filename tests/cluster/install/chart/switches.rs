//! Every value of the chart arrives where it belongs.

use super::{leaves, of, pod, rendered_each, shipped};
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_value_arrives_where_it_belongs() {
    let table = include_str!("switches.yaml").replace("VERSION", env!("CARGO_PKG_VERSION"));
    let rows: Vec<Value> = serde_saphyr::from_str(&table).unwrap();
    let shipped = shipped();
    let mut untried: BTreeSet<String> = leaves(&shipped, "").into_iter().collect();
    let sets: Vec<Value> = rows.iter().map(|row| row["set"].clone()).collect();
    let each = rendered_each("switches", &sets).await;
    for (row, objects) in rows.iter().zip(&each) {
        let (place, expected) = (row["in"].as_str().unwrap(), &row["is"]);
        let (whole_pod, container) = pod(objects);
        let found: Vec<&Value> = match place {
            "pod" => vec![whole_pod],
            "container" => vec![container],
            "args" => container["args"].as_array().unwrap().iter().collect(),
            kind => of(objects, kind),
        };
        let pointer = row["at"].as_str().unwrap_or_default();
        let found: Vec<&Value> = found.into_iter().filter_map(|object| object.pointer(pointer)).collect();
        let holds = if expected.is_null() { found.is_empty() } else { found.contains(&expected) };
        assert!(holds, "{row}: {}", json!(found));
        // What sets a value that is there already shows nothing.
        untried.retain(|leaf| row["set"].pointer(leaf).is_none_or(|set| Some(set) == shipped.pointer(leaf)));
    }
    assert!(untried.is_empty(), "no row sets {untried:?}");
    println!("{} rows", rows.len());
}
