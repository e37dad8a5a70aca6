//! What an answer of Auth0 that says no means: the error, and what the call did.

mod blame;
mod classify;
mod denial;
mod effect;
mod error;
mod known;
mod rejection;
mod text;

pub(super) use denial::denied;
pub use effect::Effect;
pub(super) use error::SLOW_DOWN;
pub use error::{Blame, Error};
pub(super) use rejection::judge;
pub use rejection::rejection;
