//! `GET /api/v2/users`: the search.

use serde_json::{Map, Value, json};

use super::bearer::authorized;
use super::fields::Fields;
use super::message::{Answer, Received};
use super::parameters::{Parameters, bad_query, flag, number, query_error, value};
use crate::model::Refusal;
use crate::query::Query;
use crate::state::State;

/// Documented: no page leads beyond them.
const RESULTS: usize = 1000;

const PARAMETERS: [&str; 10] = [
    "connection",
    "fields",
    "include_fields",
    "include_totals",
    "page",
    "per_page",
    "primary_order",
    "q",
    "search_engine",
    "sort",
];

pub(super) fn answer(state: &State, received: &Received) -> Answer {
    page(state, received).unwrap_or_else(|answer| answer)
}

/// Documented without its body; that it comes before everything else, and uncounted, is inferred.
pub(super) fn too_long() -> Answer {
    Refusal::new(414, "URI Too Long").into()
}

fn page(state: &State, received: &Received) -> Result<Answer, Answer> {
    let token = authorized(state, received, &["read:users"])?;
    let asked = received.query();
    let query = query(&asked)?;
    let limit =
        number(&asked, "per_page", state.rules.search.page_limit.min(50), 0..=state.rules.search.page_limit)?;
    let page = number(&asked, "page", 0, 0..=usize::MAX)?;
    let start = page.saturating_mul(limit);
    if start.saturating_add(limit) > RESULTS {
        return Err(beyond());
    }
    if query
        .as_ref()
        .is_some_and(|query| state.rules.search.values_limit.is_some_and(|most| query.size() > most))
    {
        return Err(timed_out());
    }
    let mut found = state.searched(query.as_ref().and_then(Query::ids));
    found.retain(|user| query.as_ref().is_none_or(|query| query.matches(user)));
    order(&mut found, &asked)?;
    let fields = Fields::from(&asked);
    let with_tokens = token.scopes.iter().any(|scope| scope == "read:user_idp_tokens");
    let shown = |user: &&Map<String, Value>| fields.of(state.as_shown((*user).clone(), with_tokens), &[]);
    let users: Vec<Map<String, Value>> = found.iter().skip(start).take(limit).map(shown).collect();
    if flag(&asked, "include_totals", false)? {
        // Recorded, `length` too.
        let body = json!({ "start": start, "limit": limit, "length": users.len(), "users": users,
            "total": found.len() });
        return Ok(Answer::json(200, body));
    }
    Ok(Answer::json(200, json!(users)))
}

/// Documented texts; the code of the first three is inferred from that of the validator.
fn query(asked: &Parameters) -> Result<Option<Query>, Answer> {
    if let Some((unknown, _)) = asked.iter().find(|(name, _)| !PARAMETERS.contains(&name.as_str())) {
        return Err(bad_query(format!(
            "Query validation error: 'Additional properties not allowed: {unknown}'."
        )));
    }
    let text = value(asked, "q").filter(|text| !text.is_empty());
    match value(asked, "search_engine") {
        None if text.is_some() => {
            Err(bad_query("The 'q' parameter is available only if you specify 'search_engine=v2|v3'."))
        }
        Some("v1") => Err(bad_query("You are not allowed to use search_engine=v1.")),
        Some("v2") => {
            Err(bad_query("You are not allowed to use search_engine=v2. Use search_engine=v3 instead."))
        }
        None | Some("v3") => {
            let parsed = text.map(Query::parse).transpose();
            parsed.map_err(|problem| bad_query(format!("The search query string has an error: {problem}")))
        }
        Some(other) => Err(query_error(&format!("No enum match for: {other}"), "search_engine")),
    }
}

/// By id, which is as good as any: Auth0 says only that the order is the same each time, and with
/// `primary_order=false` not even that.
fn order(found: &mut [&Map<String, Value>], asked: &Parameters) -> Result<(), Answer> {
    if !flag(asked, "primary_order", true)? {
        found.reverse();
    }
    let Some(sort) = value(asked, "sort") else { return Ok(()) };
    let text = |user: &Map<String, Value>, field: &str| user.get(field).map(Value::to_string);
    match sort.split_once(':') {
        Some((field, "1")) => found.sort_by_key(|user| text(user, field)),
        Some((field, "-1")) => found.sort_by_key(|user| std::cmp::Reverse(text(user, field))),
        _ => return Err(query_error(&format!("String does not match pattern: {sort}"), "sort")),
    }
    Ok(())
}

/// The text is documented, the code seen.
fn beyond() -> Answer {
    let text = "You can only page through the first 1000 records. See \
                https://auth0.com/docs/users/search/v3/view-search-results-by-page#limitation";
    Refusal::new(400, text).code("invalid_paging").into()
}

fn timed_out() -> Answer {
    let text = "The query exceeded the timeout. Please try refining your search criteria. See \
                https://auth0.com/docs/best-practices/search-best-practices.";
    Refusal::new(503, text).into()
}
