//! What a person runs beside the operator: commands that read Auth0 and the cluster, and change neither.

pub mod account;
pub mod diff;
pub mod export;
pub mod manifests;
mod progress;

use crate::api::reason::Failure;
use crate::auth0::Error;

/// What errors of a client say of the operator, and is not so here.
const OPERATOR_RETRIES: &str = "; the operator retries";

/// Why a command cannot go on: one sentence that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Problem(pub String);

impl From<Failure> for Problem {
    fn from(Failure { reason, message }: Failure) -> Self {
        let message = message.strip_suffix(OPERATOR_RETRIES).unwrap_or(&message);
        Self(format!("{}: {message}", reason.as_str()))
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        error.failure.into()
    }
}
