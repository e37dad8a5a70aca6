//! What a resource is told: from the outcome of a pass to its status, conditions and events. Pure.

pub mod conclude;
pub mod dropped;
pub mod events;
pub mod fit;
pub mod outcome;
pub mod outputs;
pub mod pruned;
pub mod written;
