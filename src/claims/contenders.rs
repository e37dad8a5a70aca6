//! The claimants of one Auth0 user id, field by field. Pure.

use super::Named;
use super::claimant::{Claimant, Rank, Wish, is_identity_scoped};
use crate::api::Trigger;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What resources that can be meant by one and the same user and identity have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Namespace and name of the tenant.
    pub tenant: Named,
    /// `spec.connection`.
    pub connection: Option<String>,
}

impl Place {
    fn of(claimant: &Claimant) -> Self {
        Self { tenant: claimant.tenant.clone(), connection: claimant.connection.clone() }
    }
}

/// A field that another resource owns and wants otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// A spec field, or a first-level metadata key such as `userMetadata.plan`.
    pub field: String,
    /// The owner as `namespace/name`.
    pub owner: String,
    /// Digest of the owner's password, where it is about that.
    pub digest: Option<String>,
}

/// Claimants by field, oldest first.
type Fields = BTreeMap<String, BTreeMap<Rank, Arc<Claimant>>>;

/// The claimants of one user id.
#[derive(Default)]
pub(super) struct Contenders(BTreeMap<Place, Fields>);

impl Contenders {
    pub fn insert(&mut self, claimant: &Arc<Claimant>) {
        let fields = self.0.entry(Place::of(claimant)).or_default();
        for field in claimant.wishes.keys() {
            let of_field = fields.entry(field.clone()).or_default();
            of_field.insert(claimant.rank.clone(), Arc::clone(claimant));
        }
    }

    pub fn remove(&mut self, claimant: &Claimant) {
        let place = Place::of(claimant);
        let Some(fields) = self.0.get_mut(&place) else { return };
        for field in claimant.wishes.keys() {
            if let Some(of_field) = fields.get_mut(field) {
                if of_field.get(&claimant.rank).is_some_and(|known| known.uid == claimant.uid) {
                    of_field.remove(&claimant.rank);
                }
                if of_field.is_empty() {
                    fields.remove(field);
                }
            }
        }
        if fields.is_empty() {
            self.0.remove(&place);
        }
    }

    pub fn places(&self) -> usize {
        self.0.len()
    }

    /// Every claimant of these places, once.
    pub fn claimants(&self, of: impl Fn(&Place) -> bool) -> impl Iterator<Item = &Claimant> {
        let mut seen = HashSet::new();
        let fields =
            self.0.iter().filter(move |(place, _)| of(place)).flat_map(|(_, fields)| fields.values());
        fields.flat_map(BTreeMap::values).filter(move |claimant| seen.insert(&claimant.uid)).map(Arc::as_ref)
    }

    /// What others in competing places, which are not in conflict, remember of fields that one claims.
    pub fn twins(&self, own: &Claimant, competes: impl Fn(&Place) -> bool) -> impl Iterator<Item = &Trigger> {
        let fields = self.0.iter().filter(move |(place, _)| competes(place)).map(|(_, fields)| fields);
        fields
            .flat_map(move |fields| own.wishes.keys().filter_map(|name| fields.get_key_value(name)))
            .flat_map(|(name, twins)| {
                let others = twins.values().filter(|twin| twin.uid != own.uid && !twin.conflicted);
                others.flat_map(move |twin| twin.triggers.iter().filter(move |entry| entry.name == *name))
            })
    }

    /// Resources that share a user with those of this tenant, and are of another one.
    pub fn neighbours_of(&self, namespace: &str, tenant: &str) -> Vec<Named> {
        let is_this = |place: &Place| place.tenant.0 == namespace && place.tenant.1 == tenant;
        if !self.0.keys().any(is_this) {
            return Vec::new();
        }
        self.claimants(|place| !is_this(place)).map(named).collect()
    }

    /// Other claimants of those fields of which this one comes first in its place, so that whatever it does
    /// there concerns them.
    pub fn led_by(&self, claimant: &Claimant, fields: &BTreeSet<String>) -> HashSet<Named> {
        let Some(place) = self.0.get(&Place::of(claimant)) else { return HashSet::new() };
        if self.claimants(|_| true).nth(1).is_none() {
            return HashSet::new();
        }
        let leads = |field: &&String| {
            place
                .get(*field)
                .and_then(BTreeMap::first_key_value)
                .is_some_and(|(rank, _)| *rank == claimant.rank)
        };
        let followers = fields.iter().filter(leads).flat_map(|field| self.followers(field));
        followers.filter(|other| other.uid != claimant.uid).map(|other| named(other)).collect()
    }

    /// Claimants of a field, of the map that it is a key of, and of the keys of the map that it is.
    fn followers(&self, field: &str) -> impl Iterator<Item = &Arc<Claimant>> {
        let map = field.split_once('.').map(|(map, _)| map.to_owned());
        let field = field.to_owned();
        let concerned = move |(name, _): &(&String, _)| {
            **name == field
                || map.as_ref() == Some(name)
                || name.strip_prefix(&field).is_some_and(|rest| rest.starts_with('.'))
        };
        self.0
            .values()
            .flat_map(move |fields| fields.iter().filter(concerned.clone()))
            .flat_map(|(_, of)| of.values())
    }

    /// The fields of one resource that an older one in a competing place owns and wants otherwise.
    /// `competes` tells whether a place does, for fields of one identity and for those of the whole user.
    pub fn conflicts(&self, own: &Claimant, competes: impl Fn(&Place, bool) -> bool) -> Vec<Conflict> {
        let competing = |scoped: bool| {
            let competes = &competes;
            self.0.iter().filter(move |(place, _)| competes(place, scoped)).map(|(_, fields)| fields)
        };
        let owner = |field: &str| {
            let first = competing(is_identity_scoped(field)).filter_map(|fields| first_of(fields, field));
            first.min_by_key(|claimant| &claimant.rank).filter(|owner| owner.rank < own.rank)
        };
        let claimed = own.wishes.keys().map(String::as_str).collect::<BTreeSet<_>>();
        let wiped =
            own.wishes.iter().filter(|(_, wish)| matches!(wish, Wish::Whole(_))).flat_map(|(map, _)| {
                let keys_from = format!("{map}.");
                competing(false).flat_map(move |fields| {
                    let from = keys_from.clone();
                    fields
                        .range(keys_from.clone()..)
                        .map(|(field, _)| field.as_str())
                        .take_while(move |field| field.starts_with(&from))
                })
            });
        let fields: BTreeSet<&str> = wiped.chain(claimed).collect();
        let differs = |field: &&str| {
            owner(field).filter(|owner| !own.agrees(owner, field)).map(|owner| conflict(field, owner))
        };
        fields.iter().filter_map(differs).collect()
    }
}

/// The first claimant of a field, or of the map that it is a key of.
fn first_of<'a>(fields: &'a Fields, field: &str) -> Option<&'a Arc<Claimant>> {
    let of = |name: &str| fields.get(name).into_iter().flat_map(BTreeMap::values);
    let map = field.split_once('.').map_or(field, |(map, _)| map);
    let first = of(field).next();
    let whole = of(map).find(|claimant| claimant.wish_for(field).is_some());
    first.into_iter().chain(whole).min_by_key(|claimant| &claimant.rank)
}

fn conflict(field: &str, owner: &Claimant) -> Conflict {
    let digest = match owner.wishes.get(field) {
        Some(Wish::Password { digest, .. }) => digest.clone(),
        Some(Wish::Value(_) | Wish::Whole(_)) | None => None,
    };
    Conflict {
        field: field.to_owned(),
        owner: format!("{}/{}", owner.rank.namespace, owner.rank.name),
        digest,
    }
}

fn named(claimant: &Claimant) -> Named {
    (claimant.rank.namespace.clone(), claimant.rank.name.clone())
}
