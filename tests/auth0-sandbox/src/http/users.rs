//! `/api/v2/users/{id}`.

use serde_json::{Map, Value};

use super::bearer::{authorized, insufficient};
use super::fields::Fields;
use super::message::{Answer, Received};
use crate::model::{Refusal, schema};
use crate::state::{State, Token, unknown_user};

const READ: [&str; 3] = ["read:users", "read:current_user", "read:user_idp_tokens"];
const UPDATE: [&str; 3] = ["update:users", "update:users_app_metadata", "update:current_user_metadata"];

pub(super) fn get(state: &State, received: &Received, id: &str) -> Answer {
    read(state, received, id).unwrap_or_else(|answer| answer)
}

/// The statuses come in this order (inferred): bad header 400, 401, 403, path and body 400, 404, the rest 400.
pub(super) fn patch(state: &mut State, received: &Received, id: &str) -> Answer {
    update(state, received, id).unwrap_or_else(|answer| answer)
}

fn read(state: &State, received: &Received, id: &str) -> Result<Answer, Answer> {
    let token = authorized(state, received, &READ)?;
    if !has(&token, "read:users") && !has(&token, "read:user_idp_tokens") {
        own(&token, id)?;
    }
    user_id(id)?;
    let user = shown(state, &token, id).ok_or_else(unknown_user)?;
    Ok(Answer::json(200, Value::Object(Fields::from(&received.query()).of(user, &[]))))
}

fn update(state: &mut State, received: &Received, id: &str) -> Result<Answer, Answer> {
    custom_domain_form(received)?;
    let token = authorized(state, received, &UPDATE)?;
    user_id(id)?;
    let body = body(received)?;
    allowed(state, &token, id, &body)?;
    schema::check(&body, &state.rules)?;
    custom_domain(state, received)?;
    let Value::Object(body) = body else { return Err(Answer::no_such_endpoint()) };
    state.patch(id, &body)?;
    let user = shown(state, &token, id).ok_or_else(unknown_user)?;
    Ok(Answer { effect: true, ..Answer::json(200, Value::Object(user)) })
}

/// Documented: the identity providers' tokens are shown only under a scope of their own.
fn shown(state: &State, token: &Token, id: &str) -> Option<Map<String, Value>> {
    state.shown(id, has(token, "read:user_idp_tokens")).and_then(|user| user.as_object().cloned())
}

fn has(token: &Token, scope: &str) -> bool {
    token.scopes.iter().any(|held| held == scope)
}

/// What a token that lacks `update:users` may write.
fn allowed(state: &State, token: &Token, id: &str, body: &Value) -> Result<(), Answer> {
    if has(token, "update:users") {
        return Ok(());
    }
    let Value::Object(body) = body else { return Ok(()) };
    let for_app = has(token, "update:users_app_metadata");
    if for_app && !state.rules.app_metadata_scope_is_narrow {
        return Ok(());
    }
    if !for_app {
        own(token, id)?;
    }
    let own_metadata = has(token, "update:current_user_metadata") && token.subject == id;
    let writable =
        |field: &str| (for_app && field == "app_metadata") || (own_metadata && field == "user_metadata");
    let refused: Vec<&str> = body.keys().map(String::as_str).filter(|field| !writable(field)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!("You cannot update the following fields: {}", refused.join(", "));
    Err(Refusal { message: text, ..insufficient(&UPDATE) }.into())
}

/// A user's own token reaches that user only.
fn own(token: &Token, id: &str) -> Result<(), Answer> {
    if token.subject == id {
        return Ok(());
    }
    Err(Refusal::new(403, "User to be acted on does not match subject in bearer token.").into())
}

fn user_id(id: &str) -> Result<(), Answer> {
    if id.split_once('|').is_some_and(|(provider, own)| !provider.is_empty() && !own.is_empty()) {
        return Ok(());
    }
    let text = format!(
        "Path validation error: 'Object didn't pass validation for format user-id: {id}' on property id (The \
         user_id of the user)."
    );
    Err(Refusal::new(400, text).code("invalid_uri").into())
}

/// Only JSON is accepted here. Auth0 documents forms too; an operator never sends one.
fn body(received: &Received) -> Result<Value, Answer> {
    let Some(bytes) = &received.bytes else {
        let text = "Payload content length greater than maximum allowed: 1048576";
        return Err(Refusal::new(413, text).into());
    };
    if received.content_type() != "application/json" {
        return Err(Refusal::new(415, "Unsupported Media Type").into());
    }
    serde_json::from_slice(bytes).map_err(|_| Refusal::new(400, "Invalid request payload JSON format").into())
}

fn custom_domain_form(received: &Received) -> Result<(), Answer> {
    match received.header("auth0-custom-domain") {
        Some(name) if !(3..=255).contains(&name.len()) => {
            Err(Refusal::new(400, "Invalid auth0-custom-domain header format.").into())
        }
        _ => Ok(()),
    }
}

/// Recorded for POST, listed for PATCH: without the header, several verified domains are a conflict.
fn custom_domain(state: &State, received: &Received) -> Result<(), Answer> {
    let domains = &state.rules.custom_domains;
    match received.header("auth0-custom-domain") {
        Some(name) if !domains.iter().any(|known| known == name) => {
            Err(Refusal::new(400, "The custom domain does not exist for the tenant.").into())
        }
        None if domains.len() > 1 && !state.rules.default_custom_domain => {
            let text = "The tenant has multiple verified custom domains.";
            Err(Refusal::new(409, text).code("custom_domain_conflict").into())
        }
        _ => Ok(()),
    }
}
