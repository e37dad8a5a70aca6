//! `private_key_jwt`: a client proves itself with a signed assertion.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use crate::client::{Client, PublicKey};
use crate::state::State;

/// Seconds by which clocks may differ (documented).
const LEEWAY: u64 = 10;
/// The longest life of an assertion in seconds (documented).
const LIFETIME: u64 = 300;
/// The longest assertion in bytes (documented).
const LENGTH: usize = 2048;

/// The client an assertion proves, or what is wrong with it. An assertion counts once.
pub(super) fn client(state: &mut State, text: &str, named: Option<&str>) -> Result<Client, &'static str> {
    if text.len() > LENGTH {
        return Err("assertion is too long");
    }
    let header = jsonwebtoken::decode_header(text).map_err(|_| "assertion is not a JWT")?;
    let claims: Value =
        jsonwebtoken::dangerous::insecure_decode_claims(text).map_err(|_| "assertion is not a JWT")?;
    let claim = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let id = claim("iss");
    if id.is_empty() || id.len() > 64 || id != claim("sub") || named.is_some_and(|named| named != id) {
        return Err("iss and sub must be the client_id");
    }
    let client = state.clients.get(id).cloned().ok_or("unknown client")?;
    let keys = client.public_keys.iter().filter(|key| fits(key, header.alg, header.kid.as_deref()));
    if !keys.into_iter().any(|key| is_signed_by(text, key, header.alg)) {
        return Err("signature verification failed");
    }
    let audience = claim("aud");
    if !state.hosts.iter().any(|host| audience == format!("https://{host}/")) {
        return Err("aud must be the tenant with a trailing slash");
    }
    in_time(&claims, state.clock.seconds())?;
    let jti = claim("jti");
    if jti.is_empty() || jti.len() > 64 {
        return Err("jti is missing or too long");
    }
    if !state.assertions.insert((id.to_owned(), jti.to_owned())) {
        return Err("jti was already used");
    }
    Ok(client)
}

/// Only the credential's own algorithm counts, and Auth0 accepts three.
fn fits(key: &PublicKey, alg: Algorithm, kid: Option<&str>) -> bool {
    let accepted = match key.alg.as_str() {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "PS256" => Algorithm::PS256,
        _ => return false,
    };
    accepted == alg && (kid.is_none() || key.kid.is_none() || key.kid.as_deref() == kid)
}

/// The times are judged apart, by the stand-in's own clock.
fn is_signed_by(text: &str, key: &PublicKey, alg: Algorithm) -> bool {
    let Ok(key) = DecodingKey::from_rsa_pem(key.pem.as_bytes()) else { return false };
    let mut validation = Validation::new(alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(text, &key, &validation).is_ok()
}

fn in_time(claims: &Value, now: u64) -> Result<(), &'static str> {
    let expires = claims.get("exp").and_then(Value::as_u64).ok_or("exp is missing")?;
    if expires + LEEWAY < now {
        return Err("assertion has expired");
    }
    if expires > now + LIFETIME + LEEWAY {
        return Err("exp is too far in the future");
    }
    let starts = |name: &str| claims.get(name).and_then(Value::as_u64).unwrap_or(0);
    if starts("iat").max(starts("nbf")) > now + LEEWAY {
        return Err("assertion is not valid yet");
    }
    Ok(())
}
