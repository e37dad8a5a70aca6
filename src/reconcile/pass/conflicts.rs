//! What other resources of the same user mean for a pass.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Trigger};
use crate::ownership::{Contest, Field, Named, Ownership, Uid};
use crate::reconcile::tenant::directory::Directory;
use crate::user::{Attribute, Target, User, maps};
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

    /// Whether another resource owns the block of the user.
    #[must_use]
    pub fn contest_block(&self, object: &Auth0UserUpdate, host: &str, primary: &str) -> bool {
        let rights_of = |tenant: &Named, of: &str| self.tenants.rights(tenant, of, &object.spec.user_id);
        // A block belongs to no identity.
        let conflicts = self.ownership.conflicts(object, host, &rights_of, None, &|_| true, primary);
        conflicts.iter().any(|conflict| conflict.field == Field::of(Attribute::Blocked))
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

    /// How the younger one of two is judged, about a user of two databases: the first is the primary identity.
    fn judged(older: &Value, younger: &Value) -> Result<(), Failure> {
        let (older, younger) = (named("older", 9, older), named("younger", 1, younger));
        let tenants = directory([tenant(1, &ready(1, "1"))]);
        let conflicts = Conflicts { ownership: Arc::default(), tenants };
        conflicts.ownership.update(&older);
        conflicts.ownership.update(&younger);
        let identity = |connection, id| json!({"connection": connection, "provider": "auth0", "user_id": id});
        let Value::Object(user) = json!({
            "user_id": "auth0|a", "user_metadata": {"a": 1, "b": 1},
            "identities": [identity("People", "a"), identity("Staff", "a-2")],
        }) else {
            panic!()
        };
        let user = User::from(user);
        let target = user.target(younger.spec.connection.value().map(String::as_str)).unwrap();
        conflicts.judge(&younger, HOST, &user, &target, None)
    }

    /// The fields that the younger one of two is refused, under Yes.
    fn refused(older: &Value, younger: &Value) -> Vec<String> {
        let yes = |card: &Value| {
            let mut card = card.clone();
            card.as_object_mut().unwrap().entry("passEmptyValues").or_insert(json!("Yes"));
            card
        };
        let Err(failure) = judged(&yes(older), &yes(younger)) else { return Vec::new() };
        let fields = failure.message.strip_prefix("n/older goes first and manages ").unwrap();
        fields.split(" of this user").next().unwrap().split(", ").map(str::to_owned).collect()
    }

    #[test]
    fn different_values_of_a_field_or_metadata_key_conflict_and_equal_ones_do_not() {
        let map = |value: Value| json!({"userMetadata": value});
        let replace = || json!({"userMetadata": {"a": 1}, "clear": ["userMetadata"]});
        let pairs: [(Value, Value, &[&str]); 25] = [
            (json!({"name": "A"}), json!({"name": "B", "givenName": "G"}), &["name"]),
            (json!({"name": "A"}), json!({"name": "A", "givenName": "G"}), &[]),
            (json!({"name": "A"}), json!({"name": "a"}), &["name"]),
            (json!({"name": "A"}), json!({"nickname": "B"}), &[]),
            (json!({"name": "A"}), json!({"name": ""}), &["name"]),
            (json!({"name": ""}), json!({"name": null}), &[]),
            (json!({"name": ""}), json!({"clear": ["name"]}), &[]),
            (json!({"name": "A"}), json!({"name": "", "passEmptyValues": "No"}), &[]),
            (json!({"email": "x1@example.com"}), json!({"email": "X1@Example.com"}), &[]),
            (json!({"email": "x2@example.com"}), json!({"email": "x3@example.com"}), &["email"]),
            (json!({"username": "u-1"}), json!({"username": "U-1"}), &[]),
            (json!({"blocked": true}), json!({"blocked": false, "name": "A"}), &["blocked"]),
            (json!({"emailVerified": false}), json!({"emailVerified": false}), &[]),
            (map(json!({"a": 1})), map(json!({"b": 2})), &[]),
            (map(json!({"a": {"x": 1}})), map(json!({"a": {"x": 1, "y": 2}})), &["userMetadata.a"]),
            (map(json!({"a": {"x": [1, "1"]}})), map(json!({"a": {"x": [1, "1"]}, "b": 1})), &[]),
            (
                map(json!({"a": 1, "b": 1})),
                map(json!({"b": 2, "a": 2, "c": 2})),
                &["userMetadata.a", "userMetadata.b"],
            ),
            (map(json!({"a": 1})), json!({"appMetadata": {"a": 2}}), &[]),
            (map(json!({"a": 1})), json!({"clear": ["userMetadata.a"]}), &["userMetadata.a"]),
            (map(json!({"a": null})), json!({"clear": ["userMetadata.a"]}), &[]),
            (map(json!({})), map(json!({"a": 1})), &["userMetadata.a"]),
            (map(json!({})), map(json!({"a": null})), &[]),
            (map(json!({"a": 1})), map(json!({})), &["userMetadata.a"]),
            (replace(), map(json!({"b": 1})), &["userMetadata.b"]),
            (map(json!({"b": 1})), replace(), &["userMetadata.b"]),
        ];
        for (older, younger, fields) in pairs {
            assert_eq!(refused(&older, &younger), fields, "{older} and then {younger}");
        }
    }

    #[test]
    fn claims_of_an_identity_meet_those_of_the_same_identity_only() {
        let email = |text: &str| json!({"email": format!("{text}@example.com")});
        let of = |connection: &str, mut card: Value| {
            card["connection"] = json!(connection);
            card
        };
        let pairs: [(Value, Value, &[&str]); 7] = [
            (of("People", email("a")), of("Staff", email("b")), &[]),
            (email("a"), of("People", email("b")), &["email"]),
            (of("People", email("a")), email("b"), &["email"]),
            (email("a"), of("Staff", email("b")), &[]),
            (of("Staff", email("a")), of("Staff", email("b")), &["email"]),
            (of("People", json!({"name": "A"})), of("Staff", json!({"name": "B"})), &["name"]),
            (
                of("People", json!({"appMetadata": {"a": 1}})),
                of("Staff", json!({"appMetadata": {"a": 2}})),
                &["appMetadata.a"],
            ),
        ];
        for (older, younger, fields) in pairs {
            assert_eq!(refused(&older, &younger), fields, "{older} and then {younger}");
        }
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
