//! Client of Auth0's Management API: one user, the connections, and the token to ask with.
//!
//! Every call is made once. The one exception is a token that Auth0 no longer accepts: it is renewed and
//! the call repeated, because an answer of 401 had no effect.

mod answer;
mod client;
mod connections;
mod domain;
mod events;
mod http;
mod limiter;
mod resolver;
mod search;
mod token;

pub use answer::{Blame, Effect, Error, rejection};
pub use client::Client;
pub use connections::Connections;
pub use domain::AllowedDomains;
pub use events::{Events, Heard, Lost, SCOPE as EVENTS_SCOPE};
pub use http::{Http, http_builder, http_client};
pub use limiter::headers::Budget;
pub use limiter::{InFlight, Limiter, Rate, Snapshot, USUAL};
pub use search::{MOST as SEARCHED, Page, quoted};
pub use token::{Credentials, Proof, SigningKey, Tokens};
