//! The operator as a process, against a real API server and a stand-in for Auth0.

#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "a card reads best where it is passed")]

mod apply;
mod docs;
mod install;
mod once;
mod proxy;
mod run;
mod world;
