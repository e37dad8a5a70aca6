//! What a token has to allow, and what it had better not (Auth0: "Management API scopes").

use crate::api::reason::{Failure, Reason};
use crate::auth0::EVENTS_SCOPE;
use std::collections::BTreeSet;

/// Reads the tokens with which users are logged in elsewhere. Nothing here asks for it (Auth0: "Identity
/// Provider Access Tokens").
pub const IDP_TOKENS: &str = "read:user_idp_tokens";

/// Lists the choices of `connection`; a tenant does without.
pub const CONNECTIONS: &str = "read:connections";

/// Whether a newer token may have what these lack, or lack what they have too much: a token has the scopes that were
/// granted when it was issued.
#[must_use]
pub fn may_change(scopes: &BTreeSet<String>) -> bool {
    !scopes.contains(CONNECTIONS) || !scopes.contains(EVENTS_SCOPE) || scopes.contains(IDP_TOKENS)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn set(scopes: &[&str]) -> BTreeSet<String> {
        scopes.iter().map(|scope| (*scope).to_owned()).collect()
    }

    #[test]
    fn the_first_scope_that_is_missing_is_named() {
        for (scopes, missing) in [
            (&["read:users", "update:users"][..], None),
            (&["read:users", "update:users_app_metadata"], None),
            (&["update:users"], Some("lacks the scope read:users:")),
            (&["read:users"], Some("lacks the scope update:users:")),
            (&[], Some("lacks the scope read:users:")),
        ] {
            match (check(&set(scopes)), missing) {
                (Ok(()), None) => {}
                (Err(failure), Some(missing)) => {
                    assert_eq!(failure.reason, Reason::InsufficientScope);
                    assert!(failure.message.contains(missing), "{}", failure.message);
                }
                (checked, _) => panic!("{scopes:?}: {checked:?}"),
            }
        }
    }

    #[test]
    fn another_token_may_help_where_scopes_lack_the_connections_or_have_too_much() {
        assert!(!may_change(&set(&[CONNECTIONS, EVENTS_SCOPE])));
        assert!(may_change(&set(&[CONNECTIONS])));
        assert!(may_change(&set(&[])));
        assert!(may_change(&set(&[CONNECTIONS, IDP_TOKENS])));
    }
}
