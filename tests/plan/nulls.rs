//! A map or value that lost its nulls is no order, whatever tool took them; other changes are.

use crate::driver::Operator;
use crate::world::{Auth0, user};
use serde_json::{Value, json};

/// What Auth0 holds before each edit.
fn auth0() -> Auth0 {
    let metadata = json!({"theirs": 1, "plan": "gold", "billing": {"seats": 3}});
    Auth0::new(user(json!({"user_metadata": metadata, "app_metadata": {"theirs": 1}})))
}

fn card(fields: &Value, answer: &str) -> Value {
    let mut card = fields.clone();
    card["passEmptyValues"] = json!(answer);
    card
}

/// What the last of these edits makes the operator send, be there a restart before it or not.
fn sent(answer: &str, edits: &[Value]) -> Vec<Value> {
    let [before @ .., last] = edits else { panic!("no edits") };
    let [sent, after_a_restart] = [false, true].map(|restarts| {
        let mut operator = Operator::new(&card(&before[0], answer));
        operator.settle(&mut auth0());
        for edit in &before[1..] {
            operator.edit(&card(edit, answer));
            operator.settle(&mut auth0());
        }
        if restarts {
            operator = operator.restarted();
        }
        // Of another user each time.
        operator.last = None;
        operator.edit(&card(last, answer));
        operator.settle(&mut auth0())
    });
    assert_eq!(sent, after_a_restart, "{edits:?}");
    sent
}

/// The maps `userMetadata` of one edit after the other, as cards.
fn maps(edits: &Value) -> Vec<Value> {
    edits.as_array().unwrap().iter().map(|map| json!({"userMetadata": map})).collect()
}

#[test]
fn what_is_left_of_nulls_is_not_sent() {
    for edits in [
        json!([{"plan": null}, {}]),
        json!([{"plan": null, "theirs": null}, {}]),
        json!([{"plan": null}, {}, {}]),
        // A value goes with it.
        json!([{"plan": null, "x": 1}, {}]),
        json!([{"billing": {"plan": null}}, {"billing": {}}]),
        json!([{"billing": [{"a": {"b": null}}]}, {"billing": [{"a": {}}]}]),
        json!([{"billing": [null]}, {"billing": []}]),
    ] {
        assert_eq!(sent("Yes", &maps(&edits)), Vec::<Value>::new(), "{edits}");
        assert_eq!(sent("No", &maps(&edits)), Vec::<Value>::new(), "{edits}");
    }
    let beside_others =
        [json!({"userMetadata": {"plan": null}}), json!({"userMetadata": {}, "blocked": false})];
    assert_eq!(sent("Yes", &beside_others), Vec::<Value>::new());
}

#[test]
fn every_other_edit_of_a_map_with_nulls_is_sent() {
    for (edits, body) in [
        (json!([{"plan": null, "x": 1}, {"x": 1}]), json!({"x": 1})),
        (json!([{"billing": {"plan": null}, "x": 1}, {"billing": {}, "x": 2}]), json!({"x": 2})),
        (json!([{"billing": {"a": null, "b": 1}}, {"billing": {"b": 1}}]), json!({"billing": {"b": 1}})),
        // The null comes back, or a value.
        (json!([{"plan": null}, {}, {"plan": null}]), json!({"plan": null})),
        (
            json!([{"billing": {"a": null}}, {"billing": {}}, {"billing": {"a": null}}]),
            json!({"billing": {"a": null}}),
        ),
        (
            json!([{"billing": {"a": null}}, {"billing": {}}, {"billing": {"b": 1}}]),
            json!({"billing": {"b": 1}}),
        ),
        // A key that was null leaves no value behind, however empty.
        (json!([{"plan": null}, {"plan": []}]), json!({"plan": []})),
        (json!([{"plan": null}, {"plan": {}}]), json!({"plan": {}})),
        (json!([{"plan": null}, {}, {"plan": {"features": []}}]), json!({"plan": {"features": []}})),
        // What may be a rest is removed, and written again.
        (
            json!([{"prefs": {"a": null, "b": []}}, {"prefs": {"a": 1, "b": []}}, {}, {"prefs": {"a": 1, "b": []}}]),
            json!({"prefs": {"a": 1, "b": []}}),
        ),
        (
            json!([{"x": 1, "prefs": {"a": null, "b": []}}, {"x": 1, "prefs": {"b": []}}, {"x": 1}, {"x": 1, "prefs": {"b": []}}]),
            json!({"x": 1, "prefs": {"b": []}}),
        ),
        // The map is emptied later, or never held a null.
        (json!([{"plan": null}, {}, {"x": 1}, {}]), json!({})),
        (json!([{"plan": "gold"}, {}]), json!({})),
    ] {
        assert_eq!(sent("Yes", &maps(&edits)), [json!({"user_metadata": body})], "{edits}");
    }
    let held = [json!({"userMetadata": {"plan": null}}), json!({"userMetadata": {}})];
    for (more, body) in [
        (vec![json!({}), json!({"userMetadata": {}})], json!({})),
        (vec![json!({"clear": ["userMetadata"]})], json!({})),
        (vec![json!({"clear": ["userMetadata"], "userMetadata": {}})], json!({})),
        (vec![json!({"clear": ["userMetadata.plan"], "userMetadata": {}})], json!({"plan": null})),
    ] {
        let edits = [&held[..], &more].concat();
        assert_eq!(sent("Yes", &edits), [json!({"user_metadata": body})], "{more:?}");
    }
    let other = json!({"appMetadata": {"plan": null}, "userMetadata": {"x": 1}});
    let both = json!({"appMetadata": {}, "userMetadata": {}});
    assert_eq!(sent("Yes", &[other, both]), [json!({"user_metadata": {}})]);
}

#[test]
fn a_replace_spares_what_lost_a_null() {
    let replaced = |metadata: Value| json!({"clear": ["userMetadata"], "userMetadata": metadata});
    for (before, after, body) in [
        (json!({"plan": null, "x": 1}), json!({"x": 2}), json!({"x": 2, "theirs": null, "billing": null})),
        (
            json!({"billing": {"plan": null}, "x": 1}),
            json!({"billing": {}, "x": 1}),
            json!({"x": 1, "theirs": null, "plan": null}),
        ),
    ] {
        let edits = [replaced(before), replaced(after)];
        assert_eq!(sent("Yes", &edits), [json!({"user_metadata": body})], "{edits:?}");
    }
}

#[test]
fn a_clear_that_was_ordered_stays_one() {
    let (mut operator, mut auth0) = (Operator::new(&card(&json!({"userMetadata": {}}), "Yes")), auth0());
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
    operator.edit(&card(&json!({"userMetadata": {}, "appMetadata": {"plan": null}}), "Yes"));
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    assert!(operator.trigger("userMetadata").is_some());
}

#[test]
fn a_held_map_is_no_order_under_the_other_answer_either() {
    let mut operator = Operator::new(&card(&json!({"userMetadata": {"plan": null}}), "No"));
    let mut auth0 = auth0();
    for answer in ["No", "Yes"] {
        operator.settle(&mut auth0);
        operator.edit(&card(&json!({"userMetadata": {}}), answer));
        assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    }
}
