//! `/api/v2/connections`.

use serde_json::{Map, Value, json};

use super::bearer::authorized;
use super::fields::Fields;
use super::message::{Answer, Received};
use super::parameters::{number, query_error, value};
use crate::connection::Connection;
use crate::model::Refusal;
use crate::state::State;

/// Recorded: these are shown whatever `fields` asks for.
const ALWAYS: [&str; 2] = ["id", "is_domain_connection"];

pub(super) fn list(state: &State, received: &Received) -> Answer {
    page(state, received).unwrap_or_else(|answer| answer)
}

pub(super) fn get(state: &State, received: &Received, id: &str) -> Answer {
    one(state, received, id).unwrap_or_else(|answer| answer)
}

fn one(state: &State, received: &Received, id: &str) -> Result<Answer, Answer> {
    authorized(state, received, &["read:connections"])?;
    // Recorded: without a dot, unlike the same sentence about users.
    let missing = || Refusal::new(404, "The connection does not exist").code("inexistent_connection");
    let found = state.connections.iter().find(|known| known.id == id).ok_or_else(missing)?;
    Ok(Answer::json(200, Value::Object(Fields::from(&received.query()).of(found.shown(), &ALWAYS))))
}

/// Recorded: `take` or `from` give `{connections, next?}`; `include_totals` gives
/// `{total, start, limit, connections}`; otherwise a bare array.
fn page(state: &State, received: &Received) -> Result<Answer, Answer> {
    authorized(state, received, &["read:connections"])?;
    let query = received.query();
    let found: Vec<&Connection> = state.connections.iter().filter(|known| is_asked(known, &query)).collect();
    let fields = Fields::from(&query);
    let show = |part: &[&Connection]| -> Vec<Map<String, Value>> {
        part.iter().map(|known| fields.of(known.shown(), &ALWAYS)).collect()
    };
    if value(&query, "take").is_some() || value(&query, "from").is_some() {
        let take = number(&query, "take", 50, 1..=100)?;
        let start = start_of(&found, value(&query, "from"))?;
        let end = (start + take).min(found.len());
        let mut body = json!({ "connections": show(&found[start..end]) });
        if let Some(next) = found.get(end) {
            body["next"] = json!(checkpoint(next));
        }
        return Ok(Answer::json(200, body));
    }
    let limit = number(&query, "per_page", 50, 1..=100)?;
    let start = number(&query, "page", 0, 0..=usize::MAX)?.saturating_mul(limit);
    let part = show(
        found.get(start.min(found.len())..(start.saturating_add(limit)).min(found.len())).unwrap_or(&[]),
    );
    if value(&query, "include_totals") == Some("true") {
        let body = json!({ "total": found.len(), "start": start, "limit": limit, "connections": part });
        return Ok(Answer::json(200, body));
    }
    Ok(Answer::json(200, json!(part)))
}

fn is_asked(known: &Connection, query: &[(String, String)]) -> bool {
    let is_strategy = |key: &str| key == "strategy" || key.starts_with("strategy[");
    let mut strategies = query.iter().filter(|(key, _)| is_strategy(key)).map(|(_, value)| value).peekable();
    value(query, "name").is_none_or(|name| name == known.name)
        && (strategies.peek().is_none() || strategies.any(|strategy| *strategy == known.strategy))
}

/// Names the element a page starts with, as an opaque text.
fn checkpoint(first: &Connection) -> String {
    first.id.bytes().fold(String::from("cp"), |text, byte| text + &format!("{byte:02x}"))
}

fn start_of(found: &[&Connection], from: Option<&str>) -> Result<usize, Answer> {
    let Some(from) = from else { return Ok(0) };
    let place = found.iter().position(|known| checkpoint(known) == from || known.id == from);
    place.ok_or_else(|| query_error("Invalid checkpoint", "from"))
}
