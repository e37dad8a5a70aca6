//! Updates Auth0 users from Kubernetes resources.
//!
//! `controller` runs the passes and is the only part that talks to Kubernetes. `auth0` is the only part
//! that talks to Auth0. `plan` decides what to send and knows neither. `claims` decides which resource
//! manages which field. `api`, `user` and `reason` are the data that they share, and `json` reads what others wrote.

pub mod api;
pub mod auth0;
mod chance;
pub mod claims;
pub mod cli;
pub mod controller;
pub mod json;
pub mod leader;
pub mod metrics;
pub mod plan;
pub mod probes;
pub mod reason;
pub mod server;
pub mod telemetry;
pub mod user;
