//! The second axis: what a person may write for a field.

use super::field::{Field, Kind};
use serde_json::{Map, Value, json};

/// What a person writes: a value or a blank, an entry in `clear`, or both.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What is written for the field; `None` where it is left out.
    pub value: Option<Value>,
    /// What is written for `clear`; `None` where it is left out.
    pub clear: Option<Value>,
}

impl Wish {
    /// As it stands in the spec.
    pub fn fragment(&self, field: &Field) -> Map<String, Value> {
        let value = self.value.clone().map(|value| (field.name.to_owned(), value));
        value.into_iter().chain(self.clear.clone().map(|clear| ("clear".to_owned(), clear))).collect()
    }
}

/// Everything that is tried for a field of this kind. A null inside a map is a key's blank, or deeper down
/// a part of a value.
pub fn wishes(field: &Field) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = values(field).into_iter().map(|value| wish(Some(value), None)).collect();
    let (name, key) = (field.name, format!("{}.k", field.name));
    match field.kind {
        Kind::Orders => {}
        Kind::Text => {
            let beside = [None, Some(field.value.clone()), Some("".into()), Some(Value::Null)];
            wishes.extend(beside.map(|value| wish(value, Some(json!([name])))));
        }
        Kind::Map => {
            let (new, null, mixed) = (json!({"k": "new"}), json!({"k": null}), json!({"k": null, "s": "x"}));
            let blank = [Some(json!({})), Some(Value::Null), Some(null.clone())];
            let values = [Some(new.clone()), Some(mixed)];
            wishes.extend(
                [None].into_iter().chain(blank).chain(values).map(|value| wish(value, Some(json!([name])))),
            );
            let besides = [None, Some(new), Some(null), Some(json!({"s": "x"}))];
            wishes.extend(besides.map(|value| wish(value, Some(json!([key])))));
            wishes.push(wish(None, Some(json!([name, key]))));
        }
        Kind::Label | Kind::Flag | Kind::Reference | Kind::Setting | Kind::Choice | Kind::Required => {
            wishes.push(wish(None, Some(json!([name]))));
        }
    }
    wishes
}

fn values(field: &Field) -> Vec<Value> {
    let blanks = [json!(""), Value::Null, json!({})];
    let more = match field.kind {
        Kind::Required => return blanks.into(),
        Kind::Orders => vec![field.value.clone(), json!([])],
        Kind::Map => vec![
            field.value.clone(),
            json!({"k": null}),
            json!({"k": null, "s": "x"}),
            json!({"k": ""}),
            json!({"k": {}}),
            json!({"k": {"n": null}}),
            json!({"unheld": null}),
        ],
        Kind::Reference => vec![field.value.clone(), json!({"key": null})],
        Kind::Text | Kind::Label | Kind::Flag | Kind::Setting | Kind::Choice => {
            vec![field.value.clone(), json!({"k": null})]
        }
    };
    more.into_iter().chain(blanks).collect()
}

fn wish(value: Option<Value>, clear: Option<Value>) -> Wish {
    Wish { value, clear }
}
