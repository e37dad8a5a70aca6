//! The plan, driven against a pure model of Auth0: exact requests in tables, everything else as
//! properties of generated specs, users, memories and rules of Auth0.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod access_rows;
mod answers;
mod bodies;
mod bounds;
mod convergence;
mod crashes;
mod driver;
mod generate;
mod key_lost;
mod mails;
mod metadata;
mod not_persisted;
mod nulls;
mod order;
mod passwords;
mod refusals;
mod unobservable;
mod wish;
mod world;
