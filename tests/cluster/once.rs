//! What happens once: orders, owners, crashes, replicas, and what each step costs.

pub mod claims;
pub mod counts;
pub mod kills;
pub mod replicas;
pub mod triggers;
