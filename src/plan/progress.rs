//! How far a pass has come, and how a rejected request is narrowed to the fields at fault.

use crate::plan::steps::Step;
use crate::user::Attribute;
use std::collections::BTreeSet;

/// What of a rejected request Auth0's text points at, by Auth0's own attribute names (`nickname`,
/// `user_metadata`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Blame {
    /// The text names nothing.
    #[default]
    Unknown,
    /// Each of these is at fault; what is not named is not.
    Each(Vec<String>),
    /// These do not go together; each may be fine alone.
    Together(Vec<String>),
}

/// What one pass has sent so far. No field is accepted twice in a pass, nor rejected twice.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Fields that Auth0 accepted.
    pub sent: BTreeSet<String>,
    /// Fields that Auth0 rejected.
    pub refused: BTreeSet<String>,
    /// Fields of a rejected request, of which one at least is at fault as far as is known. They go by halves.
    pub doubt: BTreeSet<String>,
    /// A password was set on a user who is to stay blocked, so the answer must show the block, or it is set again.
    pub owes_block: bool,
}

impl Progress {
    /// Takes in that Auth0 accepted a request.
    pub fn accept(&mut self, step: &Step) {
        for field in step.fields.keys() {
            self.doubt.remove(field);
            self.sent.insert(field.clone());
        }
        self.owes_block = step.body.has_password() && step.keeps_block();
    }

    /// Takes in that Auth0 rejected a request for good. Answers with the fields that are at fault; what else it
    /// held is in doubt, or goes with what comes next.
    ///
    /// A single fault among `n` fields stands alone after at most ⌈log₂ n⌉ + 1 further requests, and one more where it
    /// is a mail or a flag beside its address.
    pub fn reject(&mut self, step: &Step, blame: &Blame) -> BTreeSet<String> {
        let all = || step.fields.keys().cloned().collect::<BTreeSet<_>>();
        let (found, doubt) = if step.fields.len() == 1 {
            (all(), BTreeSet::new())
        } else {
            match blame {
                Blame::Each(names) => each(step, names),
                Blame::Together(names) => {
                    (BTreeSet::new(), names.iter().flat_map(|name| meant(step, name)).collect())
                }
                Blame::Unknown => Default::default(),
            }
        };
        let is_narrowed = !found.is_empty() || !doubt.is_empty();
        self.doubt = if is_narrowed { doubt } else { all() };
        self.refused.extend(found.iter().cloned());
        self.owes_block = false;
        found
    }
}

/// The fields that are named, and those of which one must be meant: a map is named as a whole.
fn each(step: &Step, names: &[String]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (one, several): (Vec<_>, Vec<_>) =
        names.iter().map(|name| meant(step, name)).partition(|fields| fields.len() == 1);
    (one.into_iter().flatten().collect(), several.into_iter().flatten().collect())
}

/// The fields of a request that one of Auth0's names means.
fn meant(step: &Step, name: &str) -> Vec<String> {
    let (name, key) = name.split_once('.').map_or((name, None), |(map, key)| (map, Some(key)));
    let is_meant = |(field, attribute): &(&String, &Attribute)| {
        attribute.auth0_name() == name && key.is_none_or(|key| field.ends_with(&format!(".{key}")))
    };
    step.fields.iter().filter(is_meant).map(|(field, _)| field.clone()).collect()
}
