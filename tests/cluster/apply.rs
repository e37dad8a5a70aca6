//! What is applied, in every way and with every value: what arrives, what Auth0 receives, what is shown, also after a
//! watch has died.

pub mod admission;
pub mod blanks;
pub mod card;
pub mod connections;
pub mod dropped;
pub mod export;
pub mod gitops;
pub mod input;
pub mod matrix;
pub mod observe;
pub mod outputs;
pub mod outputs_to;
pub mod schema;
pub mod watches;
