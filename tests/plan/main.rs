//! The plan, driven against a pure model of Auth0: exact requests in tables, everything else as
//! properties of generated specs, users, memories and rules of Auth0.

#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod access_rows;
mod answers;
mod bodies;
mod bounds;
mod contested;
mod convergence;
mod crashes;
mod diff;
mod driver;
mod edits;
mod export;
mod generate;
mod key_lost;
mod mails;
mod matrix;
mod metadata;
mod not_persisted;
mod nulls;
mod order;
mod passwords;
mod refusals;
#[path = "../matrix/mod.rs"]
mod table;
mod unobservable;
mod wish;
mod world;
