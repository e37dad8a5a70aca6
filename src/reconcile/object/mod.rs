//! One object of either kind: why it is reconciled, how long it waits, what it is told where it cannot be read.

pub mod fingerprint;
pub mod schedule;
pub mod undecodable;
pub mod why;
