//! Client of Auth0's Management API: one user, the connections, and the token to ask with.
//!
//! Every call is made once. The one exception is a token that Auth0 no longer accepts: it is renewed and
//! the call repeated, because an answer of 401 had no effect.

mod assertion;
mod blame;
mod classify;
mod client;
mod connections;
mod domain;
mod effect;
mod error;
mod http;
mod known;
mod limiter;
mod rejection;
mod resolver;
mod text;
mod token;

pub use assertion::{Credentials, Proof, SigningKey};
pub use client::Client;
pub use connections::Connections;
pub use domain::AllowedDomains;
pub use effect::Effect;
pub use error::{Blame, Error};
pub use http::{Http, http_builder, http_client};
pub use limiter::headers::Budget;
pub use limiter::{InFlight, Limiter, Rate, Snapshot, USUAL};
pub use rejection::rejection;
pub use token::Tokens;
