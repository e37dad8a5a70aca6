//! Fingerprints of what is only compared, so that nothing of it is kept.

use crate::api::SecretVersion;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::num::NonZeroU64;

/// Stands for a text or a version that is only compared, within one process.
pub type Fingerprint = NonZeroU64;

/// The fingerprint of a value.
#[must_use]
pub fn fingerprint(value: &impl Hash) -> Fingerprint {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
}

/// The fingerprint of a Secret's content.
#[must_use]
pub fn of_version(version: &SecretVersion) -> Fingerprint {
    fingerprint(&(&version.uid, &version.resource_version))
}
