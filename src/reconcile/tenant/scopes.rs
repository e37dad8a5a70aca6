//! What a token has to allow, and what it had better not (Auth0: "Management API scopes").

use crate::api::reason::{Failure, Reason};
use std::collections::BTreeSet;

/// Reads the tokens with which users are logged in elsewhere. Nothing here asks for it (Auth0: "Identity
/// Provider Access Tokens").
pub const IDP_TOKENS: &str = "read:user_idp_tokens";

/// Lists the choices of `connection`; a tenant does without.
pub const CONNECTIONS: &str = "read:connections";

/// Whether somebody may have mended what these lack or have too much. A token tells what was granted when it was had.
#[must_use]
pub fn may_change(scopes: &BTreeSet<String>) -> bool {
    !scopes.contains(CONNECTIONS) || scopes.contains(IDP_TOKENS)
}

/// Names a missing scope before a call fails for it.
///
/// # Errors
/// `InsufficientScope`.
pub fn check(scopes: &BTreeSet<String>) -> Result<(), Failure> {
    let has = |scope: &str| scopes.contains(scope);
    let missing = if !has("read:users") {
        "read:users"
    } else if !has("update:users") && !has("update:users_app_metadata") {
        "update:users"
    } else {
        return Ok(());
    };
    Err(Failure::new(
        Reason::InsufficientScope,
        format!(
            "the token lacks the scope {missing}: grant it to the application for the Auth0 Management API"
        ),
    ))
}
