//! Who asks: the bearer token and its scopes.

use serde_json::{Value, json};

use super::message::{Answer, Received};
use crate::model::Refusal;
use crate::state::{State, Token};

/// The token of a request, if it is good and has any of these scopes.
pub(super) fn authorized(state: &State, received: &Received, any_of: &[&str]) -> Result<Token, Answer> {
    let token = token(state, received)?;
    if any_of.iter().any(|scope| token.scopes.iter().any(|held| held == scope)) {
        return Ok(token);
    }
    Err(insufficient(any_of).into())
}

pub(super) fn insufficient(any_of: &[&str]) -> Refusal {
    let text = format!("Insufficient scope, expected any of: {}", any_of.join(","));
    Refusal::new(403, text).code("insufficient_scope")
}

fn token(state: &State, received: &Received) -> Result<Token, Answer> {
    let Some(header) = received.header("authorization") else {
        let refusal = Refusal::new(401, "Missing authentication");
        return Err(Answer::from(refusal).header("www-authenticate", "Bearer"));
    };
    presented(state, header)
}

/// Whether a request with this header would still be let in.
pub(super) fn is_current(state: &State, header: &str) -> bool {
    presented(state, header).is_ok()
}

fn presented(state: &State, header: &str) -> Result<Token, Answer> {
    let text = match header.split_once(' ') {
        Some((kind, text)) if kind.eq_ignore_ascii_case("bearer") => text.trim(),
        _ => return Err(bad_format()),
    };
    let Some(token) = state.tokens.get(text) else { return Err(stranger(state, text)) };
    if token.client_id.as_ref().is_some_and(|id| !state.clients.contains_key(id)) {
        return Err(unauthorized("Client is not global.", false));
    }
    if token.expires_at <= state.clock.seconds() {
        return Err(unauthorized("Expired token received for JSON Web Token validation", true));
    }
    Ok(token.clone())
}

/// A token that was not issued here: Auth0 says what is wrong with it.
fn stranger(state: &State, text: &str) -> Answer {
    if text.split('.').count() != 3 {
        return bad_format();
    }
    let Ok(claims) = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(text) else {
        return unauthorized("Invalid token", true);
    };
    let audience = claims.get("aud").map(|aud| aud.as_str().map_or_else(|| aud.to_string(), str::to_owned));
    match audience {
        Some(audience) if !state.audiences().contains(&audience) => {
            unauthorized(&format!("Bad audience: {audience}"), true)
        }
        _ => unauthorized("Invalid signature received for JSON Web Token validation", true),
    }
}

fn bad_format() -> Answer {
    Refusal::new(400, "Bad HTTP authentication header format").code("Bearer").into()
}

fn unauthorized(message: &str, with_attributes: bool) -> Answer {
    let mut answer = Answer::from(Refusal::new(401, message));
    if let Some(body) = answer.body.as_mut().filter(|_| with_attributes) {
        body["attributes"] = json!({ "error": message });
    }
    answer.header("www-authenticate", "Bearer")
}
