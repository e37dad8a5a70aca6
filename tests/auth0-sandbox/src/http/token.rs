//! `POST /oauth/token`: client credentials, by secret or by signed assertion.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};

use super::assertion;
use super::message::{Answer, Received};
use crate::rules::{ClientRefusal, TokenShape};
use crate::state::{State, Token, random_text};
use crate::{Client, Rules};

const GRANT: &str = "client_credentials";

/// What a token is issued for.
pub(crate) struct Grant {
    pub(crate) subject: String,
    pub(crate) client_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) audience: String,
    pub(crate) lifetime: u64,
}

pub(super) fn answer(state: &mut State, received: &Received) -> Answer {
    let mut answer = token(state, received).unwrap_or_else(|answer| answer);
    answer.content_type = "application/json";
    answer.header("cache-control", "no-store")
}

fn token(state: &mut State, received: &Received) -> Result<Answer, Answer> {
    let Some(Value::Object(body)) = received.body() else {
        return Err(error(400, "invalid_request", "Missing required parameter: grant_type"));
    };
    let grant_type = parameter(&body, "grant_type")?;
    if grant_type != GRANT {
        return Err(error(400, "unsupported_grant_type", &format!("Unsupported grant type: {grant_type}")));
    }
    let client = client(state, &body)?;
    may_use_grant(&client)?;
    let audience = body.get("audience").and_then(Value::as_str).unwrap_or_default().to_owned();
    granted(state, &client, &audience)?;
    draw_quota(state, &client)?;
    let scopes = requested(&body, &client);
    let grant = Grant {
        subject: format!("{}@clients", client.client_id),
        client_id: Some(client.client_id.clone()),
        scopes: scopes.clone(),
        audience,
        lifetime: client.token_lifetime,
    };
    let text = issue(state, grant).map_err(|problem| error(500, "server_error", &problem))?;
    let mut body =
        json!({ "access_token": text, "expires_in": client.token_lifetime, "token_type": "Bearer" });
    if state.rules.scope_in_token_answer {
        body["scope"] = json!(scopes.join(" "));
    }
    Ok(Answer::json(200, body))
}

/// A token for a grant. Without an audience it is opaque, and the Management API refuses it.
pub(crate) fn issue(state: &mut State, grant: Grant) -> Result<String, String> {
    let now = state.clock.seconds();
    let expires_at = now + grant.lifetime;
    if grant.audience.is_empty() {
        return random_text();
    }
    let text = match state.rules.token_shape {
        TokenShape::Opaque => random_text()?,
        TokenShape::Jwt => signed(state, &grant, now, expires_at)?,
    };
    let Grant { subject, client_id, scopes, .. } = grant;
    state.tokens.insert(text.clone(), Token { subject, client_id, scopes, expires_at });
    Ok(text)
}

fn signed(state: &State, grant: &Grant, now: u64, expires_at: u64) -> Result<String, String> {
    let host = state.hosts.first().map_or("localhost", String::as_str);
    let claims = json!({
        "iss": format!("https://{host}/"),
        "sub": grant.subject,
        "aud": grant.audience,
        "iat": now,
        "exp": expires_at,
        "scope": grant.scopes.join(" "),
        "gty": "client-credentials",
        "azp": grant.client_id,
        "jti": random_text()?,
    });
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(&state.key))
        .map_err(|error| error.to_string())
}

fn client(state: &mut State, body: &Map<String, Value>) -> Result<Client, Answer> {
    if let Some(text) = body.get("client_assertion").and_then(Value::as_str) {
        let kind = body.get("client_assertion_type").and_then(Value::as_str);
        if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
            return Err(error(400, "invalid_request", "Invalid client_assertion_type"));
        }
        let named = body.get("client_id").and_then(Value::as_str);
        return assertion::client(state, text, named).map_err(|problem| {
            error(401, "invalid_client", &format!("Client authentication failed: {problem}"))
        });
    }
    let id = parameter(body, "client_id")?;
    let secret = body.get("client_secret").and_then(Value::as_str);
    let known = state.clients.get(id).filter(|client| client.client_secret.is_some());
    match known {
        Some(client) if client.client_secret.as_deref() == secret => Ok(client.clone()),
        _ => Err(wrong_client(&state.rules)),
    }
}

fn wrong_client(rules: &Rules) -> Answer {
    match rules.client_refusal {
        ClientRefusal::AccessDenied => error(401, "access_denied", "Unauthorized"),
        ClientRefusal::InvalidClient => error(401, "invalid_client", "Client authentication failed"),
    }
}

fn may_use_grant(client: &Client) -> Result<(), Answer> {
    if client.client_credentials {
        return Ok(());
    }
    let text = format!("Grant type '{GRANT}' not allowed for the client.");
    let mut refused = error(403, "unauthorized_client", &text);
    if let Some(body) = &mut refused.body {
        body["error_uri"] = json!("https://auth0.com/docs/clients/client-grant-types");
    }
    Err(refused)
}

fn granted(state: &State, client: &Client, audience: &str) -> Result<(), Answer> {
    if !audience.is_empty() && !state.audiences().iter().any(|known| known == audience) {
        return Err(error(403, "access_denied", &format!("Service not enabled within domain: {audience}")));
    }
    if client.granted || audience.is_empty() {
        return Ok(());
    }
    let text = format!(
        "Client is not authorized to access \"{audience}\". You need to create a \"client-grant\" associated to \
         this API. See: https://auth0.com/docs/api/v2#!/Client_Grants/post_client_grants"
    );
    Err(error(403, "access_denied", &text))
}

fn draw_quota(state: &mut State, client: &Client) -> Result<(), Answer> {
    let now = state.clock.seconds();
    let held = state.clients.get_mut(&client.client_id).and_then(|client| client.token_quota.as_mut());
    let Some(left) = held else { return Ok(()) };
    if *left > 0 {
        *left -= 1;
        return Ok(());
    }
    let wait = 3600 - now % 3600;
    Err(error(429, "too_many_requests", "Client quota exceeded")
        .header("auth0-client-quota-limit", format!("b=per_hour;q=10;r=0;t={wait}"))
        .header("x-ratelimit-limit", 10)
        .header("x-ratelimit-remaining", 0)
        .header("x-ratelimit-reset", now + wait)
        .header("retry-after", wait))
}

/// All scopes of the grant, or those of them that were asked for.
fn requested(body: &Map<String, Value>, client: &Client) -> Vec<String> {
    let asked = body.get("scope").and_then(Value::as_str);
    let wanted = |scope: &&String| asked.is_none_or(|asked| asked.split(' ').any(|name| name == *scope));
    client.scopes.iter().filter(wanted).cloned().collect()
}

fn parameter<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Answer> {
    let value = body.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| error(400, "invalid_request", &format!("Missing required parameter: {name}")))
}

/// The token endpoint's errors have OAuth's shape.
fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, json!({ "error": code, "error_description": description }))
}
