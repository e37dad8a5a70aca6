//! What can be asked of an `Auth0UserUpdate` as it is stored.

use super::conditions::{self, RECONCILING};
use super::{ASSUME_SENT_ANNOTATION, Auth0UserUpdate, Mode, PAUSED_ANNOTATION, REQUESTED_AT_ANNOTATION};
use kube::ResourceExt as _;

impl Auth0UserUpdate {
    /// Whether the present generation is applied.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        let generation = self.metadata.generation.unwrap_or_default();
        self.status.as_ref().is_some_and(|status| conditions::is_ready(&status.conditions, generation))
    }

    /// Whether the status says that nothing more is sent for the present generation, be it applied or stalled.
    #[must_use]
    pub fn seems_done(&self) -> bool {
        self.status.as_ref().is_some_and(|status| {
            self.mode() == Mode::Apply
                && status.observed_generation == self.metadata.generation
                && conditions::find(&status.conditions, RECONCILING).is_none()
        })
    }

    /// Whether the annotation that pauses it is there.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.annotations().get(PAUSED_ANNOTATION).is_some_and(|value| value == "true")
    }

    /// The assume-sent annotation; anything but `"true"` and `"false"` is no answer.
    #[must_use]
    pub fn assume_sent(&self) -> Option<bool> {
        self.annotations().get(ASSUME_SENT_ANNOTATION).and_then(|value| value.parse().ok())
    }

    /// The requested-at annotation, where it was not acted on yet.
    #[must_use]
    pub fn unhandled_request(&self) -> Option<&String> {
        let handled = self.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_ref());
        self.annotations().get(REQUESTED_AT_ANNOTATION).filter(|asked| Some(*asked) != handled)
    }

    /// Whether the spec asks to change Auth0 or to compare only.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.spec.mode.unwrap_or_default()
    }
}
