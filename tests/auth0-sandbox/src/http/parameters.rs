//! Parameters in the query of a request.

use std::ops::RangeInclusive;

use super::message::Answer;
use crate::model::Refusal;

pub(super) type Parameters = [(String, String)];

pub(super) fn value<'a>(query: &'a Parameters, name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

pub(super) fn number(
    query: &Parameters,
    name: &str,
    default: usize,
    range: RangeInclusive<usize>,
) -> Result<usize, Answer> {
    let Some(text) = value(query, name) else { return Ok(default) };
    let number: i128 =
        text.parse().map_err(|_| query_error("Expected type integer but found type string", name))?;
    match usize::try_from(number) {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) if number > *range.end() => {
            Err(query_error(&format!("Value {number} is greater than maximum {}", range.end()), name))
        }
        _ => Err(query_error(&format!("Value {number} is less than minimum {}", range.start()), name)),
    }
}

pub(super) fn flag(query: &Parameters, name: &str, default: bool) -> Result<bool, Answer> {
    match value(query, name) {
        None => Ok(default),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(query_error("Expected type boolean but found type string", name)),
    }
}

/// Auth0's validator names the property; what it adds about it in parentheses is not known here.
pub(super) fn query_error(problem: &str, name: &str) -> Answer {
    bad_query(format!("Query validation error: '{problem}' on property {name}."))
}

pub(super) fn bad_query(message: impl Into<String>) -> Answer {
    Refusal::new(400, message).code("invalid_query_string").into()
}
