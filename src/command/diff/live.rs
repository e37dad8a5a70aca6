//! What the cluster knows of the resources in the manifests (`--live`).

use crate::api::Auth0UserUpdate;
use crate::cluster::secrets::Use;
use crate::command::Problem;
use crate::command::account::{AccountFlags, Cluster};
use crate::command::diff::preview::Secret;
use crate::command::manifests::Manifests;
use crate::ownership::Named;
use crate::reconcile::pass::missing;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::ResourceExt as _;
use std::collections::HashMap;

/// Calls to Kubernetes at once.
const AT_ONCE: usize = 8;

/// What was read of the cluster.
pub struct Live {
    updates: HashMap<Named, Auth0UserUpdate>,
    secrets: HashMap<Named, Secret>,
}

impl Live {
    /// Reads the resources of these names, and which contents their password Secrets have.
    ///
    /// # Errors
    /// Where the cluster does not answer, or does not allow it.
    pub async fn read(flags: &AccountFlags, manifests: &Manifests) -> Result<Self, Problem> {
        let cluster = flags.cluster().await?;
        let names = manifests.updates.iter().map(named);
        let updates = stream::iter(names).map(|named| async {
            let update = cluster.update(&named.0, &named.1).await?;
            Ok::<_, Problem>(update.map(|update| (named, update)))
        });
        let updates: Vec<_> = updates.buffered(AT_ONCE).try_collect().await?;
        let updates: HashMap<Named, Auth0UserUpdate> = updates.into_iter().flatten().collect();
        let secrets = manifests.updates.iter().filter_map(|update| {
            let secret = update.spec.password_secret_ref.value()?;
            Some((update.namespace().unwrap_or_default(), secret.name.clone()))
        });
        // One that is among the manifests may have another content once it is applied.
        let secrets = secrets.filter(|named| !manifests.secrets.contains(named));
        let secrets = stream::iter(secrets).map(|named| async { (secret(&cluster, &named).await, named) });
        let secrets: Vec<_> = secrets.buffered(AT_ONCE).collect().await;
        Ok(Self { updates, secrets: secrets.into_iter().map(|(secret, named)| (named, secret)).collect() })
    }

    /// The resource of this name in the cluster.
    #[must_use]
    pub fn update(&self, named: &Named) -> Option<&Auth0UserUpdate> {
        self.updates.get(named)
    }

    /// The password Secret of a resource.
    #[must_use]
    pub fn secret(&self, update: &Auth0UserUpdate) -> Secret {
        let named =
            update.spec.password_secret_ref.value().map(|secret| (namespace(update), secret.name.clone()));
        named.and_then(|named| self.secrets.get(&named)).cloned().unwrap_or_default()
    }
}

async fn secret(cluster: &Cluster, (namespace, name): &Named) -> Secret {
    match cluster.secret_version(namespace, name, Use::Password).await {
        Ok(Some(version)) => Secret::At(version),
        Ok(None) => Secret::Unusable(missing(name)),
        Err(Some(failure)) => Secret::Unusable(failure),
        // Not for this person to read.
        Err(None) => Secret::Unknown,
    }
}

fn named(update: &Auth0UserUpdate) -> Named {
    (namespace(update), update.name_any())
}

fn namespace(update: &Auth0UserUpdate) -> String {
    update.namespace().unwrap_or_default()
}
