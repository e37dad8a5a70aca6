//! Flux and Argo CD as judges: they apply, compare and wait with their own libraries (`tests/gitops`).

mod appliers;
mod commits;
pub mod judge;
mod nulls;
mod rows;
mod scripts;
mod waves;
