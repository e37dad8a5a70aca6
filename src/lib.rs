//! Updates Auth0 users from Kubernetes resources.
//!
//! The rooms and their arrows are listed in `docs/architecture.md`; a test holds them.

#![cfg_attr(test, allow(clippy::too_many_lines, reason = "tables of cases"))]

pub mod access;
pub mod api;
pub mod auth0;
pub mod cli;
pub mod cluster;
pub mod command;
mod jitter;
pub mod ownership;
pub mod plan;
pub mod queue;
pub mod reconcile;
pub mod telemetry;
pub mod user;
