//! `GET /api/v2/events`: who may open a stream, and from where.

use std::sync::Arc;

use jiff::Timestamp;

use super::bearer::authorized;
use super::message::{Answer, Received};
use super::parameters::{Parameters, bad_query, query_error, value};
use crate::events::BadOffset;
use crate::model::Refusal;
use crate::state::State;
use crate::{Plan, StreamRefusal};

/// The types that Auth0's API description lists.
const TYPES: [&str; 25] = [
    "connection.created",
    "connection.deleted",
    "connection.updated",
    "group.created",
    "group.deleted",
    "group.member.added",
    "group.member.deleted",
    "group.role.assigned",
    "group.role.deleted",
    "group.updated",
    "organization.connection.added",
    "organization.connection.removed",
    "organization.connection.updated",
    "organization.created",
    "organization.deleted",
    "organization.group.role.assigned",
    "organization.group.role.deleted",
    "organization.member.added",
    "organization.member.deleted",
    "organization.member.role.assigned",
    "organization.member.role.deleted",
    "organization.updated",
    "user.created",
    "user.deleted",
    "user.updated",
];

/// What a stream delivers.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    /// Delivery goes on after this position.
    pub(super) position: u64,
    /// Empty: all.
    types: Vec<String>,
    /// The header it opened with: a stream ends with its token (documented).
    pub(super) authorization: String,
    /// How often streams had been ended when it opened.
    pub(super) endings: u64,
    /// Its place among the open streams.
    _place: Arc<()>,
}

impl Subscription {
    pub(super) fn wants(&self, kind: &str) -> bool {
        self.types.is_empty() || self.types.iter().any(|wanted| wanted == kind)
    }
}

pub(super) fn answer(state: &mut State, received: &Received) -> Answer {
    open(state, received).unwrap_or_else(|answer| answer)
}

/// That the number of connections is looked at last is inferred.
fn open(state: &mut State, received: &Received) -> Result<Answer, Answer> {
    authorized(state, received, &["read:events"])?;
    let asked = received.query();
    state.events.forget(state.rules.events.retained);
    let types = types(&asked)?;
    let position = position(state, received, &asked)?;
    let most = state.rules.events.connections.unwrap_or_else(|| connections(state.plan));
    if state.events.open_streams() >= most {
        return Err(too_many(state));
    }
    let stream = Subscription {
        position,
        types,
        authorization: received.header("authorization").unwrap_or_default().to_owned(),
        endings: state.events.ending().0,
        _place: state.events.place_of_stream(),
    };
    Ok(Answer::stream(stream))
}

/// Documented for three plans; the others are this project's choice.
fn connections(plan: Plan) -> usize {
    match plan {
        Plan::Free => 1,
        Plan::Essentials => 4,
        Plan::Enterprise | Plan::EnterpriseTest | Plan::Unlimited | Plan::Custom { .. } => 8,
    }
}

fn types(asked: &Parameters) -> Result<Vec<String>, Answer> {
    let types = asked.iter().filter(|(name, _)| name == "event_type").map(|(_, kind)| kind.clone());
    let types: Vec<String> = types.collect();
    if types.iter().all(|kind| TYPES.contains(&kind.as_str())) {
        return Ok(types);
    }
    Err(bad_query("Unsupported event type."))
}

/// Documented: the header goes before `from`.
fn position(state: &mut State, received: &Received, asked: &Parameters) -> Result<u64, Answer> {
    let (from, since) = (value(asked, "from"), value(asked, "from_timestamp"));
    if from.is_some() && since.is_some() {
        return Err(bad_query("'from' and 'from_timestamp' are mutually exclusive."));
    }
    for (name, text, most) in [("from", from, 1024), ("from_timestamp", since, 20)] {
        if let Some(length) = text.map(|text| text.chars().count()).filter(|length| *length > most) {
            return Err(query_error(&format!("String is too long ({length} chars), maximum {most}"), name));
        }
    }
    let header = received.header("last-event-id").filter(|offset| !offset.is_empty());
    match (header.or(from), since) {
        (Some(offset), _) => state.events.position(offset).map_err(bad_offset),
        (None, Some(text)) => {
            let time: Timestamp = text.parse().map_err(|_| {
                query_error(
                    &format!("Object didn't pass validation for format date-time: {text}"),
                    "from_timestamp",
                )
            })?;
            Ok(state.events.since(u64::try_from(time.as_millisecond()).unwrap_or(0)))
        }
        (None, None) => Ok(state.events.latest()),
    }
}

/// Documented texts; the codes are those of the stream's error messages (inferred).
fn bad_offset(problem: BadOffset) -> Answer {
    match problem {
        BadOffset::Malformed => Refusal::new(400, "Invalid cursor format.").code("invalid_cursor").into(),
        BadOffset::Expired => {
            let text = "Cursor points to data no longer available in the stream.";
            Refusal::new(410, text).code("cursor_expired").into()
        }
    }
}

fn too_many(state: &State) -> Answer {
    let text = "Maximum concurrent event stream connections reached. Please close existing connections.";
    match state.rules.events.too_many {
        StreamRefusal::Forbidden => Refusal::new(403, text).into(),
        StreamRefusal::TooManyRequests { retry_after } => {
            Answer::from(Refusal::new(429, text)).header("retry-after", retry_after)
        }
    }
}
