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
    pub fn contest(&self, uid: Uid, host: &str, user_id: &str) -> Contest {
        let rights_of = |tenant: &Named, namespace: &str| self.tenants.rights(tenant, namespace, user_id);
        self.ownership.contest(uid, host, &rights_of)
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
        let rights_of = |tenant: &Named, of: &str| self.tenants.rights(tenant, of, &object.spec.user_id);
        let primary = user.primary_connection();
        let conflicts = self.ownership.conflicts(object, host, &rights_of, password, &same_identity, primary);
        if conflicts.is_empty() {
            return Ok(());
        }
        let keys = known_keys(object, user);
        let elsewhere = || "a resource of another namespace".to_owned();
        let named = conflicts
            .into_iter()
            .map(|conflict| (conflict.field.name(&keys), conflict.owner.unwrap_or_else(elsewhere)));
        let conflicts: BTreeSet<(String, String)> = named.collect();
        let Some((_, first)) = conflicts.first() else { return Ok(()) };
        let (theirs, others): (Vec<_>, Vec<_>) = conflicts.iter().partition(|(_, owner)| owner == first);
        let fields: Vec<&str> = theirs.iter().take(MOST_FIELDS).map(|(field, _)| field.as_str()).collect();
        let more = if theirs.len() > MOST_FIELDS || !others.is_empty() { " and more" } else { "" };
        Err(Failure::new(
            Reason::ManagementConflict,
            format!(
                "{first} goes first and manages {}{more} of this user, so nothing of this resource is sent: remove the fields from one of the two",
                fields.join(", ")
            ),
        ))
    }

    /// What other resources of the same user remember of one-time actions.
    #[must_use]
    pub fn siblings(&self, uid: Uid, host: &str, user_id: &str) -> Vec<Trigger> {
        let rights_of = |tenant: &Named, namespace: &str| self.tenants.rights(tenant, namespace, user_id);
        self.ownership.siblings(uid, host, &rights_of)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::fixtures::object;
    use crate::reconcile::tenant::fixtures::{directory, ready, tenant};
    use serde_json::{Value, json};

    const HOST: &str = "example.auth0.com";

    /// The resource of this name with these fields, as old as the number.
    fn named(name: &str, age: u32, fields: &Value) -> Auth0UserUpdate {
        let mut object = object(fields, &json!({}));
        (object.metadata.name, object.metadata.uid) = (Some(name.to_owned()), Some(name.to_owned()));
        let created = json!(format!("2024-01-01T00:00:{:02}Z", 59 - age));
        object.metadata.creation_timestamp = serde_json::from_value(created).unwrap();
        object
    }

    /// How the younger one of two is judged.
    fn judged(older: &Value, younger: &Value) -> Result<(), Failure> {
        let (older, younger) = (named("older", 9, older), named("younger", 1, younger));
        let tenants = directory([tenant(1, &ready(1, "1"))]);
        let conflicts = Conflicts { ownership: Arc::default(), tenants };
        conflicts.ownership.update(&older);
        conflicts.ownership.update(&younger);
        let Value::Object(user) = json!({
            "user_id": "auth0|a", "user_metadata": {"of_the_user": 1},
            "identities": [{"connection": "db", "provider": "auth0", "user_id": "a"}],
        }) else {
            panic!()
        };
        let user = User::from(user);
        let target = user.target(None).unwrap();
        conflicts.judge(&younger, HOST, &user, &target, None)
    }

    #[test]
    fn the_older_resource_and_its_fields_are_named() {
        assert_eq!(judged(&json!({"name": "A"}), &json!({"name": "A"})), Ok(()));
        assert_eq!(judged(&json!({"name": "A"}), &json!({"nickname": "B"})), Ok(()));
        let failure = judged(&json!({"name": "A", "nickname": "A"}), &json!({"name": "B", "nickname": "B"}));
        let failure = failure.unwrap_err();
        assert_eq!(failure.reason, Reason::ManagementConflict);
        assert_eq!(
            failure.message,
            "n/older goes first and manages name, nickname of this user, so nothing of this resource is sent: remove the fields from one of the two"
        );
    }

    #[test]
    fn of_many_fields_the_first_are_named() {
        let keys = |value: u32| -> Value {
            let keys: Map<String, Value> = (0..30).map(|key| (format!("k{key:02}"), json!(value))).collect();
            json!({"appMetadata": keys})
        };
        let message = judged(&keys(1), &keys(2)).unwrap_err().message;
        assert!(
            message.contains("manages appMetadata.k00, ") && message.contains("k09 and more of"),
            "{message}"
        );
    }

    #[test]
    fn keys_of_a_map_that_is_claimed_whole_are_known_by_the_user_and_by_clear() {
        let whole = named(
            "a",
            1,
            &json!({"clear": ["userMetadata", "appMetadata.cleared"], "userMetadata": {"own": 1}}),
        );
        let user = User::from(
            json!({"user_id": "auth0|a", "user_metadata": {"theirs": 1}}).as_object().unwrap().clone(),
        );
        let known = known_keys(&whole, &user);
        let mut keys: Vec<&str> = known.values().copied().collect();
        keys.sort_unstable();
        assert_eq!(keys, ["cleared", "own", "theirs"]);
    }
}
