//! How urgent a pass is.

use crate::auth0::USUAL;

/// How urgent a pass is; the first comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A user is to be blocked.
    Block,
    /// The spec asks for something new, or a tenant is visited for the first time.
    Change,
    /// Something failed, or what surrounds the resource is another.
    Retry,
    /// It is time to compare.
    Resync,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Block, Self::Change, Self::Retry, Self::Resync];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Change => "change",
            Self::Retry => "retry",
            Self::Resync => "resync",
        }
    }

    /// How many requests the pass of an `Auth0UserUpdate` most likely takes.
    #[must_use]
    pub const fn requests(self) -> u32 {
        match self {
            Self::Block | Self::Change => USUAL,
            Self::Retry | Self::Resync => 1,
        }
    }
}
