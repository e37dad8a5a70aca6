//! All of Kubernetes: the client and its deadlines, watches, Secrets, outputs, events, the lease and the trigger key.

pub mod client;
pub mod events;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod guarded;
pub mod lease;
pub mod outputs;
mod pacer;
pub mod secrets;
pub mod status;
pub mod synced;
pub mod trigger_key;
pub mod watch;
