//! Auth0's endpoints, and the limits in front of them.

use super::message::{Answer, Received};
use super::{connections, events, search, token, users};
use crate::limits::{Class, Standing};
use crate::model::Refusal;
use crate::state::State;

enum Endpoint {
    Token,
    SearchUsers,
    GetUser(String),
    PatchUser(String),
    Connections,
    Connection(String),
    Events,
}

/// What Auth0 would answer.
pub(super) fn answer(state: &mut State, received: &Received) -> Answer {
    let Some(endpoint) = endpoint(received) else { return Answer::no_such_endpoint() };
    if matches!(endpoint, Endpoint::SearchUsers) && received.path.len() > state.rules.search.target_limit {
        return search::too_long();
    }
    let now = state.clock.seconds();
    let standing = state.limiter.draw(state.plan, class(&endpoint), now);
    if !standing.allowed {
        // Documented for the events alone.
        let says_when = state.rules.retry_after_on_429 || matches!(endpoint, Endpoint::Events);
        return too_many(state, standing, says_when);
    }
    let answer = match &endpoint {
        Endpoint::Token => return token::answer(state, received),
        Endpoint::SearchUsers => search::answer(state, received),
        Endpoint::GetUser(id) => users::get(state, received, id),
        Endpoint::PatchUser(id) => users::patch(state, received, id),
        Endpoint::Connections => connections::list(state, received),
        Endpoint::Connection(id) => connections::get(state, received, id),
        Endpoint::Events => events::answer(state, received),
    };
    let answer = answer.header("cache-control", "no-cache");
    // Recorded: no error but perhaps a 429 carries the limit.
    if answer.status < 300 { with_standing(answer, standing) } else { answer }
}

fn endpoint(received: &Received) -> Option<Endpoint> {
    let segments = received.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (received.method.as_str(), segments.as_slice()) {
        ("POST", ["oauth", "token"]) => Some(Endpoint::Token),
        ("GET", ["api", "v2", "users"]) => Some(Endpoint::SearchUsers),
        ("GET", ["api", "v2", "users", id]) if !id.is_empty() => Some(Endpoint::GetUser((*id).to_owned())),
        ("PATCH", ["api", "v2", "users", id]) if !id.is_empty() => {
            Some(Endpoint::PatchUser((*id).to_owned()))
        }
        ("GET", ["api", "v2", "events"]) => Some(Endpoint::Events),
        ("GET", ["api", "v2", "connections"]) => Some(Endpoint::Connections),
        ("GET", ["api", "v2", "connections", id]) => Some(Endpoint::Connection((*id).to_owned())),
        _ => None,
    }
}

fn class(endpoint: &Endpoint) -> Class {
    match endpoint {
        Endpoint::Token => Class::Token,
        Endpoint::SearchUsers | Endpoint::GetUser(_) => Class::ReadUsers,
        Endpoint::PatchUser(_) => Class::WriteUsers,
        Endpoint::Connections => Class::ReadConnections,
        Endpoint::Connection(_) | Endpoint::Events => Class::Rest,
    }
}

fn with_standing(answer: Answer, standing: Standing) -> Answer {
    answer
        .header("x-ratelimit-limit", standing.limit)
        .header("x-ratelimit-remaining", standing.remaining)
        .header("x-ratelimit-reset", standing.reset)
}

fn too_many(state: &State, standing: Standing, says_when: bool) -> Answer {
    let refusal = Refusal::new(429, "Global limit has been reached").code("too_many_requests");
    let mut answer = Answer::from(refusal);
    if state.rules.limit_headers_on_429 {
        answer = with_standing(answer, standing);
    }
    if says_when {
        let wait = standing.reset - crate::clock::signed(state.clock.seconds());
        answer = answer.header("retry-after", wait.max(1));
    }
    answer
}
