//! How a stand-in starts.

use std::net::SocketAddr;

use crate::{Plan, Seed};

/// Where it listens and what it holds.
#[derive(Clone, Debug)]
pub struct Options {
    /// Default: a free port of 127.0.0.1.
    pub listen: SocketAddr,
    /// The state at the start; default: empty.
    pub seed: Seed,
    /// Rate limits, unless the seed has a plan.
    pub plan: Plan,
    /// Further host names of the tenant (without port): in the certificate, and as audiences.
    pub names: Vec<String>,
    /// The bearer token of the admin side; default: a random one.
    pub admin_token: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            seed: Seed::default(),
            plan: Plan::default(),
            names: Vec::new(),
            admin_token: None,
        }
    }
}

impl Options {
    /// The defaults with this seed.
    #[must_use]
    pub fn seeded(seed: Seed) -> Self {
        Self { seed, ..Self::default() }
    }
}
