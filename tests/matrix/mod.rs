//! The matrix: every field of the spec, with every value and blank that a person may write, under Yes and under No, by
//! every way into the cluster. Two small tables say what has to come of it: `way` (what arrives in the cluster) and
//! `meaning` (what that means to Auth0).
//!
//! `tests/cluster` asks a real API server about the first, `tests/plan` the operator's executor about the second. Where
//! the first ends, at [`cell::Held`], the second begins.

pub mod cell;
pub mod field;
pub mod judge;
pub mod meaning;
pub mod way;
mod wish;
