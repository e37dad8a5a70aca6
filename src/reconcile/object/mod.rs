//! One object of either kind: how long it waits, what is remembered of it, what it is told where it cannot be read.

pub mod fingerprint;
pub mod remembered;
pub mod schedule;
pub mod undecodable;
