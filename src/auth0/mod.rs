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
mod error;
mod http;
mod known;
mod limit;
mod pace;
mod rejection;
mod resolver;
mod text;
mod token;

pub use assertion::SigningKey;
pub use client::{Client, Credentials, Proof};
pub use connections::Connections;
pub use domain::AllowedDomains;
pub use error::{Blame, Effect, Error};
pub use http::{Http, http_builder, http_client};
pub use limit::Budget;
pub use pace::{Pace, Rate, USUAL};
pub use rejection::rejection;
pub use token::Tokens;
