//! The Auth0 user as data: as observed, the names of its attributes, and what a request asks of it.

mod attribute;
mod body;
mod observed;
mod output_path;

pub use attribute::{Attribute, Group, maps, texts};
pub use body::{Body, Change, MAX_BYTES, Place};
pub use observed::{Seen, Target, User, is_true};
pub use output_path::{OutputPath, Outputs};
