//! What an answer that says no means, and what the call did to the user.

use crate::api::reason::Reason;

/// What a failed call did to the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing, and this body will never pass. Other bodies may.
    Refused,
    /// Nothing; whatever follows would fail in the same way, so the pass ends.
    None,
    /// Perhaps what it asked for: the answer was lost, or says nothing about it.
    Unknown,
}

/// What happened, and what to do about it.
pub(super) type Sentence = (&'static str, &'static str);

/// The reason for a refusal, and what the call did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: Reason,
    pub(super) effect: Effect,
    /// In place of the reason's own sentence.
    pub(super) sentence: Option<Sentence>,
}
