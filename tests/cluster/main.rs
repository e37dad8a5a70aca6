//! The operator as a process, against a real API server and a stand-in for Auth0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "a card reads best where it is passed")]

mod access;
mod admission;
mod blanks;
mod blocks;
mod budget;
mod canaries;
mod card;
mod chart;
mod claims;
mod conditions;
mod connections;
mod consent;
mod counts;
mod deploy;
mod documents;
mod dropped;
mod examples;
mod gitops;
mod hostile;
mod input;
mod isolation;
mod kills;
mod matrix;
mod monitoring;
mod observe;
mod operations;
mod outputs;
mod permissions;
mod proxy;
mod quiet;
mod reasons;
mod replicas;
mod requests;
mod restricted;
mod schema;
mod triggers;
mod wakes;
mod watches;
mod world;
