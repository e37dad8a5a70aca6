//! What the operator tells of itself: its log, its traces, its metrics and its health, and the server that shows the last
//! two.

pub mod health;
pub mod log;
pub mod metrics;
#[cfg(target_os = "linux")]
pub mod process;
pub mod server;
pub mod traces;
