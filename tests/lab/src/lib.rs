//! Real parts for tests and the demo: a Kubernetes control plane, kubectl, and
//! the operator's own process. Nothing that is started here outlives the
//! process that started it, however that process ends.

mod audit;
mod checker;
mod collector;
mod control_plane;
mod error;
mod kubectl;
mod launcher;
mod manifest;
mod operator;
mod output;
pub mod people;
mod wait;

pub use audit::{AuditEvent, AuditEvents, ObjectRef, ResponseStatus, User};
pub use checker::check;
pub use collector::{Collector, Span, attribute, tree};
pub use control_plane::ControlPlane;
pub use error::{Error, Result};
pub use kubectl::{Kubectl, Mode, Patch};
pub use launcher::Signal;
pub use manifest::{USE_LABEL, secret};
pub use operator::{Operator, OperatorBuilder};
pub use output::Output;
pub use wait::wait_until;
