//! The operator's random key, kept in a Secret of its own namespace.

use crate::cluster::client::{Error, within_deadline};
use crate::plan::{KEY_BYTES, TriggerKey};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use kube::api::{Api, ObjectMeta, PostParams};
use std::time::Duration;

/// Name of the Secret.
pub const SECRET_NAME: &str = "auth0-user-operator-trigger-key";
/// Key inside the Secret.
const KEY: &str = "key";
/// Pause between tries at start.
const PAUSE: Duration = Duration::from_secs(5);

/// Why there is no trigger key.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The API server did not give it.
    #[error("{0}")]
    Kubernetes(#[from] Error),
    /// The operator's own namespace is not there.
    #[error("namespace {0} does not exist: create it or set --operator-namespace")]
    NoNamespace(String),
    /// The Secret does not hold a key.
    #[error(
        "the Secret {SECRET_NAME} does not hold {KEY_BYTES} bytes under {KEY:?}: delete it and set assume-sent on the resources"
    )]
    Malformed,
    /// The machine has no randomness.
    #[error("no random bytes were to be had")]
    NoRandomness,
}

/// Waits until the key can be had. Nothing may be sent before that.
pub async fn obtain(client: &Client, namespace: &str) -> TriggerKey {
    loop {
        match read_or_create(client, namespace).await {
            Ok(key) => return key,
            Err(error) => {
                tracing::error!(%error, namespace, secret = SECRET_NAME, "no trigger key yet: nothing is sent; check that the namespace exists and the operator may write Secrets there");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn read_or_create(client: &Client, namespace: &str) -> Result<TriggerKey, Unavailable> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = within_deadline(api.get_opt(SECRET_NAME)).await? {
        return decode(&secret);
    }
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|_| Unavailable::NoRandomness)?;
    let secret = Secret {
        metadata: ObjectMeta { name: Some(SECRET_NAME.to_owned()), ..ObjectMeta::default() },
        immutable: Some(true),
        data: Some([(KEY.to_owned(), ByteString(bytes.to_vec()))].into()),
        ..Secret::default()
    };
    match within_deadline(api.create(&PostParams::default(), &secret)).await {
        Ok(created) => decode(&created),
        // Another operator was first: its key is the key.
        Err(error) if error.is_conflict() => decode(&within_deadline(api.get(SECRET_NAME)).await?),
        Err(error) if error.is_not_found() => Err(Unavailable::NoNamespace(namespace.to_owned())),
        Err(error) => Err(error.into()),
    }
}

fn decode(secret: &Secret) -> Result<TriggerKey, Unavailable> {
    let bytes = secret.data.as_ref().and_then(|data| data.get(KEY)).ok_or(Unavailable::Malformed)?;
    bytes.0.as_slice().try_into().map(TriggerKey::new).map_err(|_| Unavailable::Malformed)
}
