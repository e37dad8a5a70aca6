//! The admin side: everything the library can do, for another process, under one prefix.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::message::{Answer, Received};
use super::stream::error_data;
use super::token::{Grant, issue};
use crate::seed::SeedUser;
use crate::state::State;
use crate::{Client, Connection, Fault, Plan, Rules};

/// None of Auth0's endpoints is below it.
pub(super) const PREFIX: &str = "/__sandbox/";

type Done = Result<Value, (u16, String)>;

pub(super) fn answer(state: &mut State, received: &Received) -> Answer {
    let presented = received.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
    if presented != Some(state.admin_token.as_str()) {
        return Answer::json(401, json!({ "problem": "the admin side needs its bearer token" }));
    }
    match handle(state, received) {
        Ok(body) => Answer::json(200, body),
        Err((status, problem)) => Answer::json(status, json!({ "problem": problem })),
    }
}

fn handle(state: &mut State, received: &Received) -> Done {
    let segments = received.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    match (received.method.as_str(), path.as_slice()) {
        (_, ["users", ..]) => users(state, received, &path[1..]),
        (_, ["connections", ..]) => connections(state, received, &path[1..]),
        (_, ["clients" | "tokens", ..]) => credentials(state, received, &path),
        (_, ["events", ..]) => events(state, received, &path[1..]),
        (_, ["log" | "faults", ..]) => observation(state, received, &path),
        _ => settings(state, received, &path),
    }
}

fn users(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("PUT", []) => done(state.put_user(parsed::<SeedUser>(received)?)),
        ("GET", [id]) => state.shown(id, false).ok_or_else(no_user),
        ("DELETE", [id]) => found(state.remove_user(id)),
        ("GET", [id, "stored"]) => {
            state.accounts.get(*id).map(|account| json!(account.user)).ok_or_else(no_user)
        }
        ("GET", [id, "effects"]) => {
            state.accounts.get(*id).map(|account| json!(account.effects)).ok_or_else(no_user)
        }
        ("POST", [id, "login"]) => {
            let profile = received.body().and_then(|body| body.as_object().cloned()).unwrap_or_default();
            found(state.login(id, &profile))
        }
        ("GET", [id, "passwords", connection]) => Ok(json!(state.password(id, connection))),
        ("PUT", [id, "passwords", connection]) => {
            found(state.set_password(id, connection, &parsed::<String>(received)?))
        }
        _ => Err(no_such()),
    }
}

fn connections(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("GET", []) => Ok(json!(state.connections)),
        ("PUT", []) => {
            state.put_connection(parsed::<Connection>(received)?);
            Ok(Value::Null)
        }
        ("DELETE", [name]) => {
            state.connections.retain(|known| known.name != *name);
            Ok(Value::Null)
        }
        ("PUT", [name, "disabled"]) => {
            let disabled = parsed::<bool>(received)?;
            let known = state.connections.iter_mut().find(|known| known.name == *name);
            known.map(|known| known.disabled = disabled).ok_or_else(no_such)?;
            Ok(Value::Null)
        }
        _ => Err(no_such()),
    }
}

fn credentials(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("PUT", ["clients"]) => {
            let client = parsed::<Client>(received)?;
            state.clients.insert(client.client_id.clone(), client);
            Ok(Value::Null)
        }
        ("DELETE", ["clients", id]) => {
            state.clients.remove(*id);
            Ok(Value::Null)
        }
        ("POST", ["tokens"]) => {
            let body = parsed::<Value>(received)?;
            let scopes = body["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let grant = Grant {
                subject: body["subject"].as_str().unwrap_or_default().to_owned(),
                client_id: None,
                scopes: scopes.map(str::to_owned).collect(),
                audience: state.audiences().swap_remove(0),
                lifetime: body["lifetime"].as_u64().unwrap_or(86_400),
            };
            issue(state, grant).map(|token| json!({ "token": token })).map_err(|problem| (500, problem))
        }
        ("POST", ["tokens", "expire"]) => {
            expire_tokens(state);
            Ok(Value::Null)
        }
        _ => Err(no_such()),
    }
}

fn events(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("POST", []) => {
            let body = parsed::<Value>(received)?;
            let object = body["object"].as_object().cloned().unwrap_or_default();
            state.raise(body["type"].as_str().unwrap_or_default(), object);
        }
        ("GET", ["offset"]) => {
            let latest = state.events.latest();
            return Ok(json!(state.events.offset(latest)));
        }
        ("DELETE", ["offsets"]) => state.events.expire_offsets(),
        ("GET", ["streams"]) => return Ok(json!(state.events.open_streams())),
        ("DELETE", ["streams"]) => state.events.end_streams(None),
        ("POST", ["error"]) => {
            let body = parsed::<Value>(received)?;
            let text = |name: &str| body[name].as_str().unwrap_or_default();
            state.events.end_streams(Some(error_data(text("code"), text("message"))));
        }
        _ => return Err(no_such()),
    }
    Ok(Value::Null)
}

fn observation(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("GET", ["log"]) => Ok(json!(state.log)),
        ("DELETE", ["log"]) => {
            state.log.clear();
            Ok(Value::Null)
        }
        ("GET", ["faults"]) => Ok(json!(state.faults)),
        ("POST", ["faults"]) => {
            state.faults.push(parsed::<Fault>(received)?);
            Ok(Value::Null)
        }
        ("POST", ["faults", "release"]) => {
            state.released.send_replace(true);
            Ok(Value::Null)
        }
        ("DELETE", ["faults"]) => {
            state.clear_faults();
            Ok(Value::Null)
        }
        _ => Err(no_such()),
    }
}

fn settings(state: &mut State, received: &Received, path: &[&str]) -> Done {
    match (received.method.as_str(), path) {
        ("GET", ["rules"]) => Ok(json!(state.rules)),
        ("PUT", ["rules"]) => {
            state.rules = parsed::<Rules>(received)?;
            Ok(Value::Null)
        }
        ("GET", ["plan"]) => Ok(json!(state.plan)),
        ("PUT", ["plan"]) => {
            state.plan = parsed::<Plan>(received)?;
            state.limiter.reset();
            Ok(Value::Null)
        }
        ("POST", ["clock", "advance"]) => {
            state.advance(Duration::from_millis(parsed::<u64>(received)?));
            Ok(Value::Null)
        }
        ("POST", ["clock", "freeze"]) => {
            state.clock.freeze();
            Ok(Value::Null)
        }
        _ => Err(no_such()),
    }
}

/// Every token issued so far is expired from now on.
pub(crate) fn expire_tokens(state: &mut State) {
    for token in state.tokens.values_mut() {
        token.expires_at = 0;
    }
    state.events.wake();
}

fn parsed<T: DeserializeOwned>(received: &Received) -> Result<T, (u16, String)> {
    let bytes = received.bytes.as_deref().ok_or((413, "larger than 16 megabytes".to_owned()))?;
    serde_json::from_slice(bytes).map_err(|error| (400, error.to_string()))
}

fn done(outcome: Result<(), String>) -> Done {
    outcome.map(|()| Value::Null).map_err(|problem| (400, problem))
}

fn found(was: bool) -> Done {
    if was { Ok(Value::Null) } else { Err(no_user()) }
}

fn no_user() -> (u16, String) {
    (404, "no such user, or no such identity".to_owned())
}

fn no_such() -> (u16, String) {
    (404, "nothing here by this name and method".to_owned())
}
