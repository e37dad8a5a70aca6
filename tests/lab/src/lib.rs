//! Real parts for tests and the demo: a Kubernetes control plane, kubectl, and
//! the operator's own process. Nothing that is started here outlives the
//! process that started it, however that process ends.

mod audit;
mod control_plane;
mod error;
mod kubectl;
mod launcher;
mod operator;
mod wait;

pub use audit::{AuditEvent, AuditEvents, ObjectRef, ResponseStatus, User};
pub use control_plane::ControlPlane;
pub use error::{Error, Result};
pub use kubectl::{Kubectl, Mode, Output, Patch};
pub use launcher::Signal;
pub use operator::{Operator, OperatorBuilder};
pub use wait::wait_until;
