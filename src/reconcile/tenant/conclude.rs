//! From what a check of a tenant found to its status and events. Pure.

use crate::api::conditions::{self, OVERCOMMITTED, READY, RECONCILING, STALLED, Saying};
use crate::api::reason::{Failure, Reason, Standing};
use crate::api::{Auth0TenantStatus, SecretVersion};
use crate::auth0;
use crate::cluster::events;
use crate::reconcile::status;
use crate::reconcile::tenant::scopes::IDP_TOKENS;
use k8s_openapi::jiff::Timestamp;
use kube_runtime::events::Event;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a check of a tenant found.
pub struct Findings {
    /// The version of the Secret that Auth0 accepted.
    pub credentials: SecretVersion,
    /// Digest of its content.
    pub content: [u8; 32],
    /// The scopes of the token, where they are known.
    pub scopes: Option<BTreeSet<String>>,
    /// The connections to choose from.
    pub connections: Listing,
}

/// What came of listing the connections, without which a tenant can do.
pub enum Listing {
    /// They are these.
    Listed(auth0::Connections),
    /// There was too much else to do.
    Later,
    /// A call failed.
    Failed(auth0::Error),
}

/// A failed check, with the delay that Auth0 asked for.
pub struct Failed {
    /// Why.
    pub failure: Failure,
    /// For how long Auth0 asks to wait.
    pub retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None }
    }
}

impl From<auth0::Error> for Failed {
    fn from(error: auth0::Error) -> Self {
        Self { failure: error.failure, retry_after: error.retry_after }
    }
}

/// The status to publish, from the present one.
#[must_use]
pub fn conclude(
    before: &Auth0TenantStatus,
    generation: i64,
    found: &Result<Findings, Failed>,
    now: Timestamp,
) -> Auth0TenantStatus {
    let mut after = Auth0TenantStatus { observed_generation: Some(generation), ..before.clone() };
    let was_ready = conditions::is_ready(&before.conditions, generation);
    let (status, failure, abnormal) = match found {
        Ok(findings) => {
            take_over(&mut after, findings);
            // Whether the connections can be listed is as unknown as before.
            let unheard = conditions::find(&before.conditions, READY)
                .filter(|_| was_ready && matches!(findings.connections, Listing::Later));
            let message = unheard.map_or_else(|| accepted(findings), |ready| ready.message.clone());
            ("True", &Failure::new(Reason::Available, message), None)
        }
        Err(Failed { failure, .. }) => match failure.reason.standing() {
            Standing::Stalled => ("False", failure, Some(STALLED)),
            // A tenant that worked goes on working while Auth0 is away; its token may still be good.
            Standing::Reconciling | Standing::Ready | Standing::Held
                if was_ready && !is_dependency(failure.reason) =>
            {
                return after;
            }
            Standing::Reconciling | Standing::Ready | Standing::Held => ("False", failure, Some(RECONCILING)),
        },
    };
    if failure.reason == Reason::AuthenticationFailed {
        // Whatever becomes of the Secret, the tenant has no say until Auth0 accepts its credentials again.
        (after.credentials, after.scopes) = (None, Vec::new());
    }
    let (reason, message) = (failure.reason.as_str(), &failure.message);
    conditions::set(&mut after.conditions, READY, &Saying { status, reason, message }, generation, now);
    conditions::set_abnormal(&mut after.conditions, abnormal, reason, message, generation, now);
    after
}

fn take_over(status: &mut Auth0TenantStatus, findings: &Findings) {
    status.credentials = Some(findings.credentials.clone());
    status.scopes = findings.scopes.iter().flatten().cloned().collect();
    if let Listing::Listed(connections) = &findings.connections {
        status.connections.clone_from(&connections.choices);
        status.connections_total = Some(connections.total);
    }
}

fn accepted(findings: &Findings) -> String {
    let mut message = match &findings.scopes {
        Some(_) => "an access token was obtained and has the required scopes",
        None => "an access token was obtained; Auth0 did not report its scopes",
    }
    .to_owned();
    if findings.scopes.as_ref().is_some_and(|scopes| scopes.contains(IDP_TOKENS)) {
        message += "; the operator does not need the scope ";
        message += IDP_TOKENS;
        message += ": remove it from the application";
    }
    if let Listing::Failed(error) = &findings.connections {
        message += "; the connections could not be listed: ";
        message += &error.failure.message;
    }
    message
}

const fn is_dependency(reason: Reason) -> bool {
    matches!(reason, Reason::SecretNotFound | Reason::SecretKeyMissing)
}

/// The events that a check of a tenant is worth.
#[must_use]
pub fn announce(previous: &Auth0TenantStatus, next: &Auth0TenantStatus) -> Vec<Event> {
    let is_excessive = |status: &Auth0TenantStatus| status.scopes.iter().any(|scope| scope == IDP_TOKENS);
    let excessive = (is_excessive(next) && !is_excessive(previous)).then(|| {
        let message = format!(
            "the token has the scope {IDP_TOKENS}, which the operator does not need: remove it from the application"
        );
        events::warning("ExcessiveScope", &message)
    });
    let failed = status::events::failed(&previous.conditions, &next.conditions, false);
    let told = conditions::find(&next.conditions, OVERCOMMITTED)
        .filter(|_| conditions::find(&previous.conditions, OVERCOMMITTED).is_none());
    let overcommitted = told.map(|told| events::warning(&told.reason, &told.message));
    failed.into_iter().chain(excessive).chain(overcommitted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tenant::fixtures::{ready, tenant};
    use serde_json::{Value, json};

    fn found(scopes: &[&str], connections: Listing) -> Findings {
        let credentials = SecretVersion { uid: "s".to_owned(), resource_version: "2".to_owned() };
        let scopes = Some(scopes.iter().map(|scope| (*scope).to_owned()).collect());
        Findings { credentials, content: [0; 32], scopes, connections }
    }

    fn listed(total: u32) -> Listing {
        Listing::Listed(auth0::Connections { total, ..auth0::Connections::default() })
    }

    fn failed(reason: Reason) -> Result<Findings, Failed> {
        Err(Failure::new(reason, "because").into())
    }

    fn status(value: &Value) -> Auth0TenantStatus {
        tenant(1, value).status.unwrap()
    }

    fn after(before: &Auth0TenantStatus, found: &Result<Findings, Failed>) -> Auth0TenantStatus {
        conclude(before, 1, found, Timestamp::UNIX_EPOCH)
    }

    /// The conditions: type, status and reason.
    fn said(status: &Auth0TenantStatus) -> Vec<(&str, &str, &str)> {
        let conditions = status.conditions.iter();
        conditions.map(|condition| (&*condition.type_, &*condition.status, &*condition.reason)).collect()
    }

    fn message(status: &Auth0TenantStatus) -> &str {
        &conditions::find(&status.conditions, READY).unwrap().message
    }

    #[test]
    fn a_tenant_whose_connections_cannot_be_listed_is_ready_says_so_and_keeps_the_last_list() {
        let first = after(&Auth0TenantStatus::default(), &Ok(found(&[], listed(7))));
        assert_eq!(message(&first), "an access token was obtained and has the required scopes");
        let why = Failure::new(Reason::Auth0Unavailable, "Auth0's answer is not a list of connections");
        let failed = after(&first, &Ok(found(&[], Listing::Failed(why.into()))));
        assert_eq!(
            message(&failed),
            "an access token was obtained and has the required scopes; the connections could not be listed: Auth0's answer is not a list of connections"
        );
        assert_eq!(said(&failed), [("Ready", "True", "Available")]);
        assert_eq!(failed.connections_total, Some(7));
        let later = after(&failed, &Ok(found(&[], Listing::Later)));
        assert_eq!(later, failed, "nothing more is known");
    }

    #[test]
    fn what_was_accepted_stands_in_status() {
        let accepted = after(&Auth0TenantStatus::default(), &Ok(found(&["read:users", "a"], listed(1))));
        assert_eq!((accepted.observed_generation, accepted.scopes.len()), (Some(1), 2));
        assert_eq!(accepted.credentials.unwrap().resource_version, "2");
    }

    #[test]
    fn a_tenant_that_worked_goes_on_while_auth0_is_away_and_stops_where_its_secret_is_gone_or_rejected() {
        let (worked, new) = (status(&ready(1, "1")), Auth0TenantStatus::default());
        let edited = status(&ready(0, "1"));
        let stalled =
            [("Ready", "False", "AuthenticationFailed"), ("Stalled", "True", "AuthenticationFailed")];
        let waits = |reason| [("Ready", "False", reason), ("Reconciling", "True", reason)];
        for (before, reason, expected) in [
            (&worked, Reason::Auth0Unavailable, &[("Ready", "True", "Available")][..]),
            (&worked, Reason::RateLimited, &[("Ready", "True", "Available")]),
            (&worked, Reason::SecretNotFound, &waits("SecretNotFound")),
            (&worked, Reason::SecretKeyMissing, &waits("SecretKeyMissing")),
            (&worked, Reason::AuthenticationFailed, &stalled),
            (&edited, Reason::Auth0Unavailable, &waits("Auth0Unavailable")),
            (&new, Reason::Auth0Unavailable, &waits("Auth0Unavailable")),
        ] {
            let after = after(before, &failed(reason));
            assert_eq!(said(&after), expected, "{reason}");
            assert_eq!(after.observed_generation, Some(1));
            let accepted = before.credentials.clone().filter(|_| reason != Reason::AuthenticationFailed);
            assert_eq!(
                after.credentials, accepted,
                "those that were accepted last, unless Auth0 took that back"
            );
        }
    }

    #[test]
    fn a_scope_that_nothing_needs_is_named_and_warned_of_once() {
        let (before, found) = (status(&ready(1, "1")), Ok(found(&[IDP_TOKENS], listed(1))));
        let after = after(&before, &found);
        assert!(message(&after).contains("does not need the scope read:user_idp_tokens"));
        let reasons = |before, after| -> Vec<String> {
            announce(before, after).into_iter().map(|event| event.reason).collect()
        };
        assert_eq!(reasons(&before, &after), ["ExcessiveScope"]);
        assert_eq!(reasons(&after, &after), [""; 0]);
    }

    #[test]
    fn a_failure_is_worth_one_event() {
        let before = status(&json!({}));
        let failing = after(&before, &failed(Reason::SecretNotFound));
        assert_eq!(announce(&before, &failing)[0].reason, "SecretNotFound");
        assert!(announce(&failing, &after(&failing, &failed(Reason::SecretNotFound))).is_empty());
    }
}
