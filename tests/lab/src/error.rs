use std::fmt;

use crate::Output;

/// What went wrong in the lab; `Debug` prints the same sentence, so that a
/// failed `unwrap()` in a test is readable.
#[derive(thiserror::Error)]
pub enum Error {
    /// A program that the lab needs has not been built.
    #[error(
        "{program} is missing at {path}: run `make control-plane` first, with the same KUBEBUILDER_ASSETS or none"
    )]
    MissingProgram {
        /// The program's name.
        program: String,
        /// Where it was looked for.
        path: String,
    },
    /// A program ended with an error, such as kubectl where the API server refuses.
    #[error("{0}")]
    Refused(Output),
    /// Something did not happen in time.
    #[error("waited {seconds} s for {what}; last seen: {last}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long, in seconds.
        seconds: f64,
        /// What the last look showed.
        last: String,
    },
    /// A program could not be started, or did not do what it is there for.
    #[error("{0}")]
    Failed(String),
    /// A file or a pipe failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Something that should be JSON is not.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A result with the lab's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;
