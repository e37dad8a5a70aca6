//! Documents and examples do what they say.

pub mod documents;
pub mod examples;
