//! What can be asked of an `Auth0UserUpdate` as it is stored.

use super::conditions::{self, RECONCILING};
use super::{ASSUME_SENT_ANNOTATION, Auth0UserUpdate, Mode, PAUSED_ANNOTATION, REQUESTED_AT_ANNOTATION};
use kube::ResourceExt as _;

/// What the assume-sent annotation says of one-time actions without a usable memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssumeSent {
    /// They were sent.
    Yes,
    /// They were not.
    No,
    /// Nothing that can be read: it may have been meant to keep one from being sent.
    Unclear,
}

/// Yes or no, as people write it in an annotation.
fn meant(value: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| value.trim().eq_ignore_ascii_case(word));
    if is(["true", "yes", "on", "1"]) {
        return Some(true);
    }
    is(["false", "no", "off", "0"]).then_some(false)
}

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

    /// Whether the annotation that pauses it is there, with whatever value but one that means no.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.annotations().get(PAUSED_ANNOTATION).is_some_and(|value| meant(value) != Some(false))
    }

    /// The assume-sent annotation.
    #[must_use]
    pub fn assume_sent(&self) -> Option<AssumeSent> {
        let value = self.annotations().get(ASSUME_SENT_ANNOTATION)?;
        Some(match meant(value) {
            Some(true) => AssumeSent::Yes,
            Some(false) => AssumeSent::No,
            None => AssumeSent::Unclear,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_annotation_means_what_people_write() {
        let with = |annotation: &str, value: &str| {
            let object = json!({
                "metadata": {"name": "a", "annotations": {annotation: value}},
                "spec": {"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"},
            });
            serde_json::from_value::<Auth0UserUpdate>(object).unwrap()
        };
        for (value, is_paused, assume_sent) in [
            ("true", true, AssumeSent::Yes),
            ("True", true, AssumeSent::Yes),
            ("yes", true, AssumeSent::Yes),
            ("on", true, AssumeSent::Yes),
            ("1", true, AssumeSent::Yes),
            ("", true, AssumeSent::Unclear),
            ("until monday", true, AssumeSent::Unclear),
            ("false", false, AssumeSent::No),
            ("No", false, AssumeSent::No),
            ("OFF", false, AssumeSent::No),
            ("0", false, AssumeSent::No),
        ] {
            assert_eq!(with(PAUSED_ANNOTATION, value).is_paused(), is_paused, "{value}");
            assert_eq!(with(ASSUME_SENT_ANNOTATION, value).assume_sent(), Some(assume_sent), "{value}");
        }
        assert_eq!((with("a", "true").is_paused(), with("a", "true").assume_sent()), (false, None));
    }
}
