//! The claimants of one Auth0 user id, field by field. Pure.

use crate::api::{Trigger, TriggerState};
use crate::ownership::Named;
use crate::ownership::claimant::{Claimant, Rank, Wish, is_identity_scoped};
use crate::user::Attribute;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// What resources that can be meant by one and the same user and identity have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// Namespace and name of the tenant.
    pub tenant: Named,
    /// Their own namespace, on which the tenant's consent depends.
    pub namespace: String,
    /// `spec.connection`.
    pub connection: Option<String>,
}

impl Place {
    fn of(claimant: &Claimant) -> Self {
        Self {
            tenant: claimant.tenant.clone(),
            namespace: claimant.rank.namespace.clone(),
            connection: claimant.connection.clone(),
        }
    }
}

/// A field that another resource owns and wants otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// A spec field, or a first-level metadata key such as `userMetadata.plan`.
    pub field: String,
    /// The owner as `namespace/name`.
    pub owner: String,
}

/// Somebody older who comes first for a field among those of one tenant and connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// A spec field, or a first-level metadata key such as `userMetadata.plan`.
    pub field: String,
    /// The rival as `namespace/name`.
    pub name: String,
    /// Its `spec.connection`.
    pub connection: Option<String>,
    /// Digest of its password, where it is about that.
    pub digest: Option<String>,
    /// Whether it wants the same.
    pub agrees: bool,
}

/// Claimants by field, oldest first.
type Fields = BTreeMap<String, OfField>;
type OfField = BTreeMap<Rank, Arc<Claimant>>;

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

    /// What others in competing places remember of fields that one claims. One that is in conflict goes on
    /// with nothing, and of what it carried out only that counts which is never forgotten.
    pub fn twins(&self, own: &Claimant, competes: impl Fn(&Place) -> bool) -> impl Iterator<Item = &Trigger> {
        let fields = self.0.iter().filter(move |(place, _)| competes(place)).map(|(_, fields)| fields);
        fields
            .flat_map(move |fields| own.wishes.keys().filter_map(|name| fields.get_key_value(name)))
            .flat_map(move |(name, twins)| {
                let lasts = name == Attribute::Password.spec_name();
                let others = twins.values().filter(|twin| twin.uid != own.uid);
                let counts = move |twin: &Claimant, entry: &Trigger| {
                    !twin.conflicted || (lasts && entry.state == TriggerState::Sent)
                };
                others.flat_map(move |twin| {
                    twin.triggers.iter().filter(move |entry| entry.name == *name && counts(twin, entry))
                })
            })
    }

    /// Resources that share a user with those of a tenant, or of any other, and are of another one.
    pub fn neighbours(&self, of: Option<&Named>) -> Vec<Named> {
        let is_this = |place: &Place| of == Some(&place.tenant);
        if of.is_some() && !self.0.keys().any(is_this) {
            return Vec::new();
        }
        self.claimants(|place| !is_this(place)).map(named).collect()
    }

    /// Other claimants of those fields of which this one comes first in its place, be it for some keys of a
    /// map only, so that whatever it does there concerns them.
    pub fn led_by(&self, claimant: &Claimant, fields: &BTreeSet<String>) -> HashSet<Named> {
        let Some(place) = self.0.get(&Place::of(claimant)) else { return HashSet::new() };
        if self.claimants(|_| true).nth(1).is_none() {
            return HashSet::new();
        }
        let leads = |field: &&String| {
            let mut older = place.get(*field).into_iter().flat_map(|of| of.range(..&claimant.rank));
            !older.any(|(_, older)| older.covers(claimant, field))
        };
        let followers = fields.iter().filter(leads).flat_map(|field| self.followers(field));
        followers.filter(|other| other.uid != claimant.uid).map(|other| named(other)).collect()
    }

    /// Claimants of a field, of the map that it is a key of, and of the keys of the map that it is.
    fn followers(&self, field: &str) -> impl Iterator<Item = &Arc<Claimant>> {
        let map = field.split_once('.').map(|(map, _)| map);
        let concerned = self.0.values().flat_map(move |fields| {
            let of_map = map.and_then(|map| fields.get(map));
            fields.get(field).into_iter().chain(of_map).chain(keys_of(fields, field).map(|(_, of)| of))
        });
        concerned.flat_map(BTreeMap::values)
    }

    /// The fields of one resource that an older one in a competing place owns and wants otherwise.
    /// `competes` tells whether a place does, for fields of one identity and for those of the whole user.
    pub fn conflicts(&self, own: &Claimant, competes: impl Fn(&Place, bool) -> bool) -> Vec<Conflict> {
        let owned = self.claimed(own, &competes).into_iter().filter_map(|field| {
            let owner = self.older(own, field, &competes).min_by_key(|older| &older.rank)?;
            (!own.agrees(owner, field)).then(|| Conflict { field: field.to_owned(), owner: title(owner) })
        });
        owned.collect()
    }

    /// All that comes first and is older, for the fields of which anything of that wants something else.
    pub fn rivals(&self, own: &Claimant, competes: impl Fn(&Place, bool) -> bool) -> Vec<Rival> {
        let contested = self.claimed(own, &competes).into_iter().flat_map(|field| {
            let rivals: Vec<Rival> =
                self.older(own, field, &competes).map(|older| rival(own, older, field)).collect();
            if rivals.iter().any(|rival| !rival.agrees) { rivals } else { Vec::new() }
        });
        contested.collect()
    }

    /// The fields that a resource claims, and the keys that others claim of a map that it claims whole.
    fn claimed<'a>(
        &'a self,
        own: &'a Claimant,
        competes: &impl Fn(&Place, bool) -> bool,
    ) -> BTreeSet<&'a str> {
        let mut fields: BTreeSet<&str> = own.wishes.keys().map(String::as_str).collect();
        let maps = own.wishes.iter().filter(|(_, wish)| matches!(wish, Wish::Whole(_)));
        for (map, _) in maps {
            let competing = self.0.iter().filter(|(place, _)| competes(place, false));
            fields.extend(competing.flat_map(|(_, of)| keys_of(of, map)).map(|(field, _)| field.as_str()));
        }
        fields
    }

    /// Who comes first for a field in each competing place, where that is somebody older.
    fn older<'a>(
        &'a self,
        own: &'a Claimant,
        field: &'a str,
        competes: &'a impl Fn(&Place, bool) -> bool,
    ) -> impl Iterator<Item = &'a Arc<Claimant>> {
        let scoped = is_identity_scoped(field);
        let competing = self.0.iter().filter(move |(place, _)| competes(place, scoped));
        let firsts = competing.filter_map(move |(_, fields)| first_of(fields, field));
        firsts.filter(|first| first.rank < own.rank)
    }
}

/// The keys of a metadata map.
fn keys_of<'a>(fields: &'a Fields, map: &str) -> impl Iterator<Item = (&'a String, &'a OfField)> {
    // `/` comes right after `.`.
    fields.range(format!("{map}.")..format!("{map}/"))
}

/// The first claimant of a field, or of the map that it is a key of.
fn first_of<'a>(fields: &'a Fields, field: &str) -> Option<&'a Arc<Claimant>> {
    let of = |name: &str| fields.get(name).into_iter().flat_map(BTreeMap::values);
    let map = field.split_once('.').map_or(field, |(map, _)| map);
    let first = of(field).next();
    let whole = of(map).find(|claimant| claimant.wish_for(field).is_some());
    first.into_iter().chain(whole).min_by_key(|claimant| &claimant.rank)
}

fn rival(own: &Claimant, rival: &Claimant, field: &str) -> Rival {
    let digest = match rival.wishes.get(field) {
        Some(Wish::Password { digest, .. }) => digest.clone(),
        Some(Wish::Value(_) | Wish::Whole(_)) | None => None,
    };
    Rival {
        field: field.to_owned(),
        name: title(rival),
        connection: rival.connection.clone(),
        digest,
        agrees: own.agrees(rival, field),
    }
}

fn title(claimant: &Claimant) -> String {
    format!("{}/{}", claimant.rank.namespace, claimant.rank.name)
}

fn named(claimant: &Claimant) -> Named {
    (claimant.rank.namespace.clone(), claimant.rank.name.clone())
}
