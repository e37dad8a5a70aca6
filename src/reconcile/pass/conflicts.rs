//! What other resources of the same user mean for a pass.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Trigger};
use crate::ownership::{Contest, Field, Named, Ownership, Uid};
use crate::reconcile::tenant::directory::Directory;
use crate::user::{Target, User, maps};
use serde_json::Map;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// More fields than these make a message no clearer.
const MOST_FIELDS: usize = 10;

/// Which resource manages which field, and the tenants that this is about.
#[derive(Clone)]
pub struct Conflicts {
    /// All resources.
    pub ownership: Arc<Ownership>,
    /// Where the host of a tenant is found.
    pub tenants: Directory,
}

impl Conflicts {
    /// Where a resource stands by what is declared.
    #[must_use]
    pub fn contest(&self, uid: Uid, host: &str) -> Contest {
        self.ownership.contest(uid, host, &|tenant, namespace| self.host_of(tenant, namespace))
    }

    /// Waits for a resource's turn among those of its user, where that matters.
    pub async fn turn(&self, uid: Uid, host: &str) -> Option<OwnedMutexGuard<()>> {
        self.ownership.turn(uid, host).await
    }

    /// Judges a resource by the user as observed. `password` is the digest of the declared password.
    ///
    /// # Errors
    /// `ManagementConflict`, which names the owners and their fields.
    pub fn judge(
        &self,
        object: &Auth0UserUpdate,
        host: &str,
        user: &User,
        target: &Target,
        password: Option<&str>,
    ) -> Result<(), Failure> {
        let same_identity = |connection: Option<&str>| {
            user.target(connection).is_ok_and(|other| other.identity == target.identity)
        };
        let host_of = |tenant: &Named, namespace: &str| self.host_of(tenant, namespace);
        let conflicts = self.ownership.conflicts(object, host, &host_of, password, &same_identity);
        if conflicts.is_empty() {
            return Ok(());
        }
        let keys = known_keys(object, user);
        let conflicts: BTreeSet<(String, String)> =
            conflicts.into_iter().map(|conflict| (conflict.field.name(&keys), conflict.owner)).collect();
        let Some((_, first)) = conflicts.first() else { return Ok(()) };
        let (theirs, others): (Vec<_>, Vec<_>) = conflicts.iter().partition(|(_, owner)| owner == first);
        let fields: Vec<&str> = theirs.iter().take(MOST_FIELDS).map(|(field, _)| field.as_str()).collect();
        let more = if theirs.len() > MOST_FIELDS || !others.is_empty() { " and more" } else { "" };
        Err(Failure::new(
            Reason::ManagementConflict,
            format!(
                "{first} is older and manages {}{more} of this user, so nothing of this resource is sent: remove the fields from one of the two",
                fields.join(", ")
            ),
        ))
    }

    /// What other resources of the same user remember of one-time actions.
    #[must_use]
    pub fn siblings(&self, uid: Uid, host: &str) -> Vec<Trigger> {
        self.ownership.siblings(uid, host, &|tenant, namespace| self.host_of(tenant, namespace))
    }

    fn host_of(&self, tenant: &Named, namespace: &str) -> Option<String> {
        self.tenants.host(tenant, namespace)
    }
}

/// The keys of metadata that a conflict can be about: those that the resource declares, and of maps that it claims
/// whole those that the user has.
fn known_keys<'a>(object: &'a Auth0UserUpdate, user: &'a User) -> HashMap<Field, &'a str> {
    let maps = maps(&object.spec).into_iter();
    let keys = maps.flat_map(|(map, declared)| {
        let cleared = object.spec.clear.iter();
        let cleared = cleared.filter_map(move |entry| entry.strip_prefix(map.spec_name())?.strip_prefix('.'));
        let keys = [declared, user.metadata(map.auth0_name())].into_iter().flatten().flat_map(Map::keys);
        keys.map(String::as_str).chain(cleared).map(move |key| (Field::key(map, key), key))
    });
    keys.collect()
}
