//! The forms of output.

pub mod json;
pub mod markdown;
pub mod text;
mod value;

use clap::ValueEnum;

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    Text,
    /// For programs.
    Json,
    /// For the comment of a pull request.
    Markdown,
}
