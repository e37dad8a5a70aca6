//! A stateful stand-in for the parts of Auth0 that the operator calls: the token endpoint, reading,
//! searching and updating users, the stream of events, and the list of connections, over https.
//!
//! It answers with Auth0's own texts and keeps state as Auth0 does. What is not known about Auth0 is a
//! switch ([`Rules`]). Faults, limits and a record of all requests serve tests:
//!
//! ```no_run
//! # async fn example() -> Result<(), String> {
//! use auth0_sandbox::{Fault, FaultKind, Options, Sandbox, Seed};
//!
//! let sandbox = Sandbox::start(Options::seeded(Seed::example()?)).await?;
//! sandbox.fault(Fault::new(FaultKind::Cut { after_effect: true }).method("PATCH").times(1));
//! println!("https://{} trusts {}", sandbox.domain(), sandbox.ca_pem());
//! # Ok(()) }
//! ```
//!
//! Rules that a comment calls *recorded* come from exchanges that Auth0's own SDKs recorded; *documented*
//! ones from Auth0's documentation; *seen in the wild* ones from answers quoted in issues; *inferred* ones
//! are this project's reading.

mod client;
mod clock;
mod connection;
mod events;
mod faults;
mod history;
mod http;
mod limits;
mod log;
pub mod model;
mod options;
mod query;
mod rules;
mod sandbox;
mod seed;
mod state;

pub use client::{Client, PublicKey};
pub use connection::{Connection, Kind};
pub use faults::{Fault, FaultKind};
pub use limits::Plan;
pub use log::Exchange;
pub use model::{Effects, Refusal, Unworded};
pub use options::Options;
pub use rules::{
    ClearedAppMetadata, ClientRefusal, EmailRefusal, EventRules, LetterCase, PhoneRefusal, PhoneScope, Rules,
    SearchRules, StreamRefusal, TokenShape,
};
pub use sandbox::{IssuedToken, Sandbox};
pub use seed::{Seed, SeedUser};
