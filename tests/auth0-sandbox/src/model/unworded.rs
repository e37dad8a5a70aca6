//! Refusals that Auth0 documents without their text.

use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::Rules;

/// A refusal whose text nobody has recorded or documented. Its wording here is inferred;
/// [`Rules::wordings`] replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unworded {
    /// `null` for an attribute that the connection requires on the profile (documented).
    RequiredOnProfile,
    /// An email where the connection has no email attribute (inferred).
    EmailOff,
    /// A phone number that another user of the connection has (documented: they are unique).
    PhoneTaken,
    /// Under the flexible password policy, as all that follow (documented): length, character types, repeats.
    PasswordTooWeak,
    /// More than 72 bytes, where the policy does not cut them off.
    PasswordTooLong,
    /// A word of the dictionary.
    PasswordTooCommon,
    /// It contains data of the user.
    PasswordHasUserData,
    /// It is one of the last.
    PasswordUsedBefore,
    /// The profile would become larger than [`Rules::profile_limit`] (documented for March 2027).
    ProfileTooLarge,
}

impl Unworded {
    /// `{}` in the text becomes what it is about.
    pub(super) fn refusal(self, about: &str, rules: &Rules) -> Refusal {
        let set = rules.wordings.get(&self).cloned();
        let mut refusal = set.unwrap_or_else(|| self.inferred(rules));
        refusal.message = refusal.message.replace("{}", about);
        refusal
    }

    fn inferred(self, rules: &Rules) -> Refusal {
        let text = match self {
            Self::RequiredOnProfile => "The attribute {} is required on the user profile.",
            Self::EmailOff => "{} is not allowed for this connection.",
            Self::PhoneTaken => {
                return Refusal::new(400, "The specified new {} already exists").code("auth0_idp_error");
            }
            Self::PasswordTooWeak => "Password is too weak",
            Self::PasswordTooLong => "Password is too long",
            Self::PasswordTooCommon => "Password is too common",
            Self::PasswordHasUserData => "Password contains user information",
            Self::PasswordUsedBefore => "Password has previously been used",
            Self::ProfileTooLarge => "The user profile exceeds the maximum size of {} bytes.",
        };
        Refusal::uncoded(text, rules)
    }
}
