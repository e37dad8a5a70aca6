//! What is shipped: chart, kustomizations, roles, rules of alerts.

pub mod chart;
pub mod deploy;
mod kind;
pub mod kube_state_metrics;
pub mod monitoring;
pub mod permissions;
pub mod restricted;
mod uninstall;
mod upgrade;
