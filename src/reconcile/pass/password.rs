//! The declared password: read from its Secret only where that is needed.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, SecretKeyRef, TriggerState};
use crate::cluster::secrets::{Content, Secrets, Use};
use crate::plan::{Desired, Memory, Password, TriggerKey, must_read_password};
use crate::reconcile::resource::references::SecretState;
use crate::user::{Attribute, Target, User};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};

/// Why a Secret that is not there holds the password.
#[must_use]
pub fn missing(name: &str) -> Failure {
    Failure::new(
        Reason::SecretNotFound,
        format!("no Secret {name:?} in this namespace: create it, or correct spec.passwordSecretRef.name"),
    )
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

/// The password for an edit of something else; `None` where it may have to be sent.
pub fn remembered(desired: &Desired, state: &SecretState, memory: &Memory) -> Option<Password> {
    if desired.password.is_none() {
        return Some(Password::Undeclared);
    }
    let SecretState::At(version) = state else { return None };
    let sent = memory.trigger(Attribute::Password.spec_name())?;
    let is_sent = sent.state == TriggerState::Sent && sent.secret.as_ref() == Some(version);
    is_sent.then_some(Password::Unchanged)
}

async fn read(
    namespace: &str,
    reference: &SecretKeyRef,
    secrets: &Secrets,
) -> Result<(SecretString, Content), Failure> {
    let SecretKeyRef { name, key } = reference;
    let content = secrets.read(namespace, name, Use::Password).await?.ok_or_else(|| missing(name))?;
    let bytes = content.get(key).ok_or_else(|| {
        Failure::new(
            Reason::SecretKeyMissing,
            format!("Secret {name:?} has no key {key:?}: add it, or correct spec.passwordSecretRef.key"),
        )
    })?;
    let invalid = |what: &str| {
        Failure::new(Reason::InvalidRequest, format!("the key {key} of the Secret {name} {what}"))
    };
    let text = std::str::from_utf8(bytes.expose_secret())
        .map_err(|_| invalid("is not UTF-8 text, so it cannot be a password"))?;
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.starts_with('\u{feff}') {
        return Err(invalid(
            "begins with a byte order mark, which would become part of the password: save it without one",
        ));
    }
    if text.is_empty() {
        return Err(invalid("is empty: Auth0 does not accept an empty password"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures::api_server;
    use crate::reconcile::resource::fixtures::{object, ready, version};
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::json;
    use tokio::sync::mpsc::unbounded_channel;

    /// A cluster whose only Secret `s` has these bytes under the key `k`.
    fn secrets(bytes: &'static [u8]) -> Secrets {
        let (client, _) = api_server(move |_, path, _| {
            let data = json!({"k": BASE64_STANDARD.encode(bytes)});
            let labels = json!({"auth0-user-operator.dev/use": "password"});
            let metadata = json!({"name": "s", "uid": "s", "resourceVersion": "2", "labels": labels});
            let secret = json!({"metadata": metadata, "data": data});
            if path.ends_with("/secrets/s") { Ok(secret) } else { Err(404) }
        });
        Secrets::new(client, "a grant", unbounded_channel().0)
    }

    fn reference(name: &str, key: &str) -> SecretKeyRef {
        serde_json::from_value(json!({"name": name, "key": key})).unwrap()
    }

    #[tokio::test]
    async fn one_line_end_is_none_of_the_password() {
        for (bytes, expected) in [
            (&b"secret"[..], "secret"),
            (b"secret\n", "secret"),
            (b"secret\r\n", "secret"),
            (b"secret\n\n", "secret\n"),
            (b" secret\r", " secret\r"),
        ] {
            let (password, _) = read("n", &reference("s", "k"), &secrets(bytes)).await.unwrap();
            assert_eq!(password.expose_secret(), expected);
        }
    }

    #[tokio::test]
    async fn a_secret_without_a_usable_password_says_what_is_wrong() {
        for (bytes, name, key, reason) in [
            (&b"secret"[..], "gone", "k", Reason::SecretNotFound),
            (b"secret", "s", "other", Reason::SecretKeyMissing),
            (b"\n", "s", "k", Reason::InvalidRequest),
            (b"\xff", "s", "k", Reason::InvalidRequest),
            (b"\xef\xbb\xbfsecret", "s", "k", Reason::InvalidRequest),
        ] {
            let failure = read("n", &reference(name, key), &secrets(bytes)).await.err().unwrap();
            assert_eq!(failure.reason, reason);
        }
    }

    #[tokio::test]
    async fn a_secret_that_was_written_again_is_compared_with_what_auth0_took() {
        let key = TriggerKey::new([7; 32]);
        let (host, identity) = ("example.auth0.com", "auth0|a");
        let digest = key.digest(&[host, "auth0|a", identity, "secret"]);
        for (bytes, state, ready_, key_id, expected) in [
            (&b"secret"[..], "Sent", "True", key.id(), Rewritten::Judged),
            (b"other", "Sent", "True", key.id(), Rewritten::Another),
            (b"secret", "Refused", "False", key.id(), Rewritten::Judged),
            // What the Secret held may be what keeps it from being Ready.
            (b"secret", "Sent", "False", key.id(), Rewritten::Unclear),
            (b"secret", "Sending", "True", key.id(), Rewritten::Unclear),
            (b"secret", "Sent", "True", "another", Rewritten::Unclear),
            (b"\n", "Sent", "True", key.id(), Rewritten::Unclear),
        ] {
            let mut status = ready(2, ready_, "Applied");
            status["triggers"] = json!([{"name": Attribute::Password.spec_name(), "state": state, "digest": digest, "keyId": key_id}]);
            let mut fields = json!({"passwordSecretRef": {"name": "s", "key": "k"}});
            let declared = object(&fields, &status);
            let found = compare(&declared, &secrets(bytes), &key, host, identity).await;
            assert_eq!(found, expected, "{state} {ready_}");
            fields = json!({});
            let found = compare(&object(&fields, &status), &secrets(bytes), &key, host, identity).await;
            assert_eq!(found, Rewritten::Unclear, "none is declared");
        }
    }

    #[tokio::test]
    async fn a_password_is_held_for_as_long_as_its_secret_is_not_known() {
        let declared = object(&json!({"passwordSecretRef": {"name": "s", "key": "k"}}), &json!({}));
        let desired = Desired::declared(&declared.spec, None, &[]);
        let user = User::from(json!({"user_id": "auth0|a"}).as_object().unwrap().clone());
        let (key, memory, secrets) = (TriggerKey::new([7; 32]), Memory::default(), secrets(b"secret"));
        let gone = SecretState::Unavailable(missing("s"));
        for state in [SecretState::Pending, SecretState::Unwatched, gone] {
            let found = observe(&declared, &desired, &state, &memory, &user, &secrets, &key).await;
            assert!(matches!(found, Password::Held(failure) if failure == missing("s")), "{state:?}");
        }
        let at = SecretState::At(version("1"));
        let found = observe(&declared, &desired, &at, &memory, &user, &secrets, &key).await;
        // With the version that was read.
        assert!(matches!(found, Password::Read(_, version) if version.resource_version == "2"));
        let undeclared = Desired::default();
        let found = observe(&declared, &undeclared, &at, &memory, &user, &secrets, &key).await;
        assert!(matches!(found, Password::Undeclared));
    }
}
