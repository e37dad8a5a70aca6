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
        operator.edit(&card(last, answer));
        operator.settle(&mut auth0())
    });
    assert_eq!(sent, after_a_restart, "{edits:?}");
    sent
}

fn map(metadata: Value) -> Value {
    json!({"userMetadata": metadata})
}

fn replaced(metadata: Value) -> Value {
    json!({"clear": ["userMetadata"], "userMetadata": metadata})
}

#[test]
fn what_is_left_of_nulls_is_not_sent_and_every_other_edit_is() {
    let nothing = Vec::new;
    let body = |metadata: Value| vec![json!({"user_metadata": metadata})];
    let table: [(&str, Vec<Value>, Vec<Value>); 21] = [
        ("the null is dropped", vec![map(json!({"plan": null})), map(json!({}))], nothing()),
        ("all of several", vec![map(json!({"plan": null, "theirs": null})), map(json!({}))], nothing()),
        (
            "and another field is edited",
            vec![map(json!({"plan": null})), json!({"userMetadata": {}, "blocked": false})],
            nothing(),
        ),
        (
            "and once more",
            vec![map(json!({"plan": null})), map(json!({})), json!({"userMetadata": {}, "blocked": false})],
            nothing(),
        ),
        ("a value goes with it", vec![map(json!({"plan": null, "x": 1})), map(json!({}))], nothing()),
        (
            "a value is left beside it",
            vec![map(json!({"plan": null, "x": 1})), map(json!({"x": 1}))],
            body(json!({"x": 1})),
        ),
        (
            "a nested null is dropped",
            vec![map(json!({"billing": {"plan": null}})), map(json!({"billing": {}}))],
            nothing(),
        ),
        (
            "deep in a list",
            vec![map(json!({"billing": [{"a": {"b": null}}]})), map(json!({"billing": [{"a": {}}]}))],
            nothing(),
        ),
        (
            "the others are sent",
            vec![map(json!({"billing": {"plan": null}, "x": 1})), map(json!({"billing": {}, "x": 2}))],
            body(json!({"x": 2})),
        ),
        (
            "the nested null comes back",
            vec![
                map(json!({"billing": {"plan": null}})),
                map(json!({"billing": {}})),
                map(json!({"billing": {"plan": null}})),
            ],
            body(json!({"billing": {"plan": null}})),
        ),
        (
            "the value is written anew",
            vec![
                map(json!({"billing": {"plan": null}})),
                map(json!({"billing": {}})),
                map(json!({"billing": {"seats": 4}})),
            ],
            body(json!({"billing": {"seats": 4}})),
        ),
        (
            "the null comes back",
            vec![map(json!({"plan": null})), map(json!({})), map(json!({"plan": null}))],
            body(json!({"plan": null})),
        ),
        (
            "a value is written, then emptied",
            vec![map(json!({"plan": null})), map(json!({})), map(json!({"x": 1})), map(json!({}))],
            body(json!({})),
        ),
        (
            "the map is removed, then emptied",
            vec![map(json!({"plan": null})), map(json!({})), json!({}), map(json!({}))],
            body(json!({})),
        ),
        (
            "clear names the map",
            vec![map(json!({"plan": null})), map(json!({})), replaced(json!({}))],
            body(json!({})),
        ),
        (
            "clear names the key",
            vec![
                map(json!({"plan": null})),
                map(json!({})),
                json!({"clear": ["userMetadata.plan"], "userMetadata": {}}),
            ],
            body(json!({"plan": null})),
        ),
        (
            "a replace spares what lost a null",
            vec![replaced(json!({"plan": null, "x": 1})), replaced(json!({"x": 2}))],
            body(json!({"x": 2, "theirs": null, "billing": null})),
        ),
        (
            "and what is left of a value",
            vec![
                replaced(json!({"billing": {"plan": null}, "x": 1})),
                replaced(json!({"billing": {}, "x": 1})),
            ],
            body(json!({"x": 1, "theirs": null, "plan": null})),
        ),
        ("no null was there", vec![map(json!({"plan": "gold"})), map(json!({}))], body(json!({}))),
        (
            "the other map had it",
            vec![
                json!({"appMetadata": {"plan": null}, "userMetadata": {"x": 1}}),
                json!({"appMetadata": {}, "userMetadata": {}}),
            ],
            body(json!({})),
        ),
        ("nothing is remembered", vec![json!({}), map(json!({}))], body(json!({}))),
    ];
    for (what, edits, expected) in table {
        assert_eq!(sent("Yes", &edits), expected, "{what}");
        let unsent = sent("No", &edits);
        assert!(
            !unsent.contains(&json!({"user_metadata": {}})) || what.contains("clear"),
            "{what}: {unsent:?}"
        );
    }
}

#[test]
fn a_clear_that_was_ordered_stays_one() {
    let (mut operator, mut auth0) = (Operator::new(&card(&map(json!({})), "Yes")), auth0());
    assert_eq!(operator.settle(&mut auth0), [json!({"user_metadata": {}})]);
    operator.edit(&card(&json!({"userMetadata": {}, "appMetadata": {"plan": null}}), "Yes"));
    assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    assert!(operator.trigger("userMetadata").is_some());
}

#[test]
fn a_held_map_is_no_order_under_the_other_answer_either() {
    let mut operator = Operator::new(&card(&map(json!({"plan": null})), "No"));
    let mut auth0 = auth0();
    for answer in ["No", "Yes"] {
        operator.settle(&mut auth0);
        operator.edit(&card(&map(json!({})), answer));
        assert_eq!(operator.settle(&mut auth0), Vec::<Value>::new());
    }
}
