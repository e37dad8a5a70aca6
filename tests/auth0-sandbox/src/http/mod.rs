//! The https side.

mod admin;
mod assertion;
mod bearer;
mod connections;
mod events;
mod exchange;
mod fields;
mod message;
mod parameters;
mod router;
mod search;
mod serve;
mod stream;
mod tls;
mod token;
mod users;

pub(crate) use admin::expire_tokens;
pub(crate) use serve::serve;
pub(crate) use stream::error_data;
pub(crate) use tls::Certificates;
pub(crate) use token::{Grant, issue};
