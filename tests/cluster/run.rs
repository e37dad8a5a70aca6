//! A day in the life: answers and outages, neighbours, budgets, waking up, and what must never be said.

pub mod access;
pub mod blocks;
pub mod budget;
pub mod canaries;
pub mod comparisons;
pub mod conditions;
pub mod consent;
pub mod contested;
pub mod diff;
pub mod events;
pub mod hostile;
pub mod isolation;
pub mod labels;
pub mod operations;
pub mod quiet;
pub mod reasons;
pub mod requests;
pub mod traces;
pub mod upkeep;
pub mod wakes;
