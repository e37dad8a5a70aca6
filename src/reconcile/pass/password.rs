//! The declared password: read from its Secret only where that is needed.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, SecretKeyRef, TriggerState};
use crate::cluster::secrets::{Content, Secrets};
use crate::plan::{Desired, Memory, Password, TriggerKey, must_read_password};
use crate::reconcile::resource::references::SecretState;
use crate::user::{Attribute, Target, User};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};

/// Why a Secret that is not there holds the password.
#[must_use]
pub fn missing(name: &str) -> Failure {
    Failure::new(Reason::SecretNotFound, format!("the Secret {name} is not in this namespace: create it"))
}

/// Reads what the plan has to know of the password.
pub async fn observe(
    object: &Auth0UserUpdate,
    desired: &Desired,
    state: &SecretState,
    memory: &Memory,
    user: &User,
    secrets: &Secrets,
    key: &TriggerKey,
) -> Password {
    let Some(reference) = &desired.password else { return Password::Undeclared };
    match state {
        SecretState::Undeclared => Password::Undeclared,
        // No pass begins to send before it has asked.
        SecretState::Pending | SecretState::Unwatched => Password::Held(missing(&reference.name)),
        SecretState::Unavailable(failure) => Password::Held(failure.clone()),
        SecretState::At(version) if !must_read_password(memory, key, user, version) => Password::Unchanged,
        SecretState::At(_) => {
            let namespace = object.namespace().unwrap_or_default();
            match read(&namespace, reference, secrets).await {
                Ok((password, content)) => Password::Read(password, content.version),
                Err(failure) => Password::Held(failure),
            }
        }
    }
}

async fn read(
    namespace: &str,
    reference: &SecretKeyRef,
    secrets: &Secrets,
) -> Result<(SecretString, Content), Failure> {
    let SecretKeyRef { name, key } = reference;
    let content = secrets.read(namespace, name).await?.ok_or_else(|| missing(name))?;
    let bytes = content.get(key).ok_or_else(|| {
        Failure::new(Reason::SecretKeyMissing, format!("the Secret {name} lacks the key {key}: add it"))
    })?;
    let invalid = |what: &str| {
        Failure::new(Reason::InvalidRequest, format!("the key {key} of the Secret {name} {what}"))
    };
    let text = std::str::from_utf8(bytes.expose_secret())
        .map_err(|_| invalid("is not UTF-8 text, so it cannot be a password"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() {
        return Err(invalid("is empty: Auth0 takes no empty password"));
    }
    Ok((SecretString::from(text), content))
}

/// Digest of the declared password; `None` where it is not known.
pub fn digest(
    password: &Password,
    memory: &Memory,
    key: &TriggerKey,
    host: &str,
    user_id: &str,
    target: &Target,
) -> Option<String> {
    match password {
        Password::Read(password, _) => {
            Some(key.digest(&[host, user_id, &target.identity, password.expose_secret()]))
        }
        Password::Unchanged => {
            memory.trigger(Attribute::Password.spec_name()).map(|entry| entry.digest.clone())
        }
        Password::Undeclared | Password::Held(_) => None,
    }
}

/// What a Secret that was written again holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewritten {
    /// The password that Auth0 took or refused.
    Judged,
    /// Another one.
    Another,
    /// Only a look can tell.
    Unclear,
}

/// Compares a Secret that was written again with the password that Auth0 took or refused.
pub async fn compare(
    object: &Auth0UserUpdate,
    secrets: &Secrets,
    key: &TriggerKey,
    host: &str,
    identity: &str,
) -> Rewritten {
    let entry = object
        .status
        .as_ref()
        .iter()
        .flat_map(|status| &status.triggers)
        .find(|entry| entry.name == Attribute::Password.spec_name() && entry.key_id == key.id())
        .filter(|entry| matches!(entry.state, TriggerState::Sent | TriggerState::Refused));
    let (Some(entry), Some(reference)) = (entry, object.spec.password_secret_ref.value()) else {
        return Rewritten::Unclear;
    };
    let namespace = object.namespace().unwrap_or_default();
    let Ok((password, _)) = read(&namespace, reference, secrets).await else { return Rewritten::Unclear };
    let digest = key.digest(&[host, &object.spec.user_id, identity, password.expose_secret()]);
    if digest != entry.digest {
        Rewritten::Another
    } else if entry.state == TriggerState::Refused || object.is_applied() {
        Rewritten::Judged
    } else {
        // The Secret may be what keeps the resource from being Ready.
        Rewritten::Unclear
    }
}
