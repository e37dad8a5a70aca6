//! Keyed digests: how status remembers a value without holding it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Length of the trigger key in bytes.
pub const KEY_BYTES: usize = 32;

/// The random key that only the operator holds.
pub struct TriggerKey {
    bytes: SecretBox<[u8; KEY_BYTES]>,
    id: String,
}

impl TriggerKey {
    /// Takes over a key of exactly [`KEY_BYTES`] bytes.
    #[must_use]
    pub fn new(bytes: [u8; KEY_BYTES]) -> Self {
        let id = hex(&Sha256::digest(bytes)[..8]);
        Self { bytes: SecretBox::new(Box::new(bytes)), id }
    }

    /// 16 hexadecimal digits that tell one key from another.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 over the parts, each preceded by its length, so that no two lists of parts agree.
    #[must_use]
    pub fn digest(&self, parts: &[&str]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.bytes.expose_secret()) else {
            return String::new(); // not reached: HMAC takes keys of every length
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        hex(&mac.finalize().into_bytes())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = TriggerKey::new([7; KEY_BYTES]);
        assert_ne!(key.digest(&["ab", "c"]), key.digest(&["a", "bc"]));
        assert_ne!(key.digest(&["a"]), TriggerKey::new([8; KEY_BYTES]).digest(&["a"]));
        assert_eq!(key.id().len(), 16);
    }
}
