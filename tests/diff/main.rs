//! `auth0-user-operator diff` as a person runs it, against a stand-in for Auth0 and without a cluster.

#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]

mod bad;
mod many;
mod printed;
mod program;
