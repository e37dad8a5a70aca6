//! Who owns a field. Pure.
//!
//! A claimant that wants the user blocked goes before all that do not. Of any other field that every identity has, the first
//! claimant among those that compete is the owner. Of a field of one
//! identity it is the first of that identity, and which connections name it is known only once the user was observed.
//! So the first claimant of each connection is found; that answers all three questions: who stands in the way of a
//! resource, whether any seems to, and whether that may have changed.

use crate::ownership::claimant::{Claimant, Wish};
use crate::ownership::fingerprint::{Field, Wanted, fingerprint};
use crate::ownership::rights::Competition;
use crate::user::Attribute;
use std::collections::HashSet;

/// Stands for a password that may be any.
const ANY_PASSWORD: Option<u64> = Some(0);

/// A field that another resource owns and wants otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// A field of the resource, or a key of a map that it claims whole.
    pub field: Field,
    /// The owner as `namespace/name`; `None` for one of another namespace, of which no more is told.
    pub owner: Option<String>,
}

/// What other resources mean for one, as far as it can be told without a call to Auth0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contest {
    /// Changes where the resource has to be judged again.
    pub fingerprint: u64,
    /// Whether another one owns any of its fields, where connections of different names are different identities.
    pub contested: bool,
}

/// An older claimant that comes first for a field among those of its connection.
struct First<'a> {
    field: Field,
    own: Wanted,
    theirs: Wanted,
    by: &'a Claimant,
    /// Of what those of its place may do.
    rights: u64,
    /// It is of another namespace, to which nothing may be told of a password or a whole map: not even that it is the same.
    is_elsewhere: bool,
}

impl<'a> First<'a> {
    fn new(
        field: Field,
        wanted: Wanted,
        theirs: Wanted,
        own: &Claimant,
        by: &'a Claimant,
        competition: &Competition<'_>,
    ) -> Self {
        let rights = competition.fingerprint(&by.place);
        let is_elsewhere = by.place.namespace != own.place.namespace;
        Self { field, own: wanted, theirs, by, rights, is_elsewhere }
    }

    /// Whether both want the same. `password`: digest of one's own, where it is known.
    fn agrees(&self, password: Option<u64>) -> bool {
        if self.is_elsewhere && (self.is_password() || self.own == Wanted::WHOLE) {
            return false;
        }
        self.own == self.theirs
            || (self.is_password() && (password.is_none() || password == self.by.password()))
    }

    fn is_password(&self) -> bool {
        self.field == Field::of(Attribute::Password)
    }
}

/// Who stands in the way of a resource.
pub(super) struct Owners<'a> {
    /// By field, the oldest first.
    firsts: Vec<First<'a>>,
}

impl<'a> Owners<'a> {
    /// `before`: every claimant of the user that comes before this one, in order. `after`: the others.
    pub fn new(
        own: &Claimant,
        before: &[&'a Claimant],
        after: &[&'a Claimant],
        competition: &Competition<'_>,
    ) -> Self {
        let mut pending = claimed(own, before, competition);
        let mut firsts = Vec::new();
        let blocked = Field::of(Attribute::Blocked);
        if let Some(at) = pending.iter().position(|wish| wish.field == blocked) {
            let Wish { wanted, .. } = pending.remove(at);
            let mut known = HashSet::new();
            // What a resource is now goes before what it was.
            let is_now = |other: &&Claimant| {
                let asks = other.declared(blocked).is_some() && competition.has(&other.place);
                asks && known.insert(other.uid)
            };
            let blocks =
                |other: &&Claimant| other.blocks() && competition.may(other, blocked, Wanted::blocked());
            let others = before.iter().chain(after).copied().filter(|_| !own.blocks());
            let by = others.filter(is_now).find(blocks);
            firsts.extend(by.map(|by| First::new(blocked, wanted, Wanted::blocked(), own, by, competition)));
        }
        let mut found = HashSet::new();
        for by in before {
            if pending.is_empty() {
                break;
            }
            let mut theirs = Wishes::of(by);
            pending.retain(|Wish { field, wanted }| {
                let theirs = theirs.next_wanted(*field).filter(|theirs| competition.may(by, *field, *theirs));
                let Some(theirs) = theirs else {
                    return true;
                };
                let is_scoped = field.is_identity_scoped();
                if !is_scoped || found.insert((*field, by.place.connection.as_deref())) {
                    firsts.push(First::new(*field, *wanted, theirs, own, by, competition));
                }
                is_scoped
            });
        }
        firsts.sort_by_key(|first| first.field);
        Self { firsts }
    }

    /// The fields that others own and want otherwise. `same_identity` tells whether a connection, or none, names the
    /// identity that the resource is about.
    pub fn conflicts(
        &self,
        password: Option<u64>,
        same_identity: &dyn Fn(Option<&str>) -> bool,
    ) -> Vec<Conflict> {
        let of_fields = self.firsts.chunk_by(|first, next| first.field == next.field);
        let owners = of_fields.filter_map(|firsts| {
            firsts.iter().find(|first| {
                !first.field.is_identity_scoped() || same_identity(first.by.place.connection.as_deref())
            })
        });
        let conflicts = owners.filter(|owner| !owner.agrees(password));
        let title = |owner: &First<'_>| (!owner.is_elsewhere).then(|| title(owner.by));
        conflicts.map(|owner| Conflict { field: owner.field, owner: title(owner) }).collect()
    }

    /// What does not depend on the user as observed.
    pub fn contest(&self, own: &Claimant) -> Contest {
        let own_connection = own.place.connection.as_deref();
        let certain = self.conflicts(own.password(), &|connection| connection == own_connection);
        // A password that was not read and an identity that was not looked up may be anything.
        let of_fields = self.firsts.chunk_by(|first, next| first.field == next.field);
        let contested =
            of_fields.filter(|firsts| firsts.iter().any(|first| !first.agrees(ANY_PASSWORD))).flatten();
        let lines: Vec<_> = contested
            .map(|first| {
                let password = first.by.password().filter(|_| first.is_password());
                let connection =
                    Some(&first.by.place.connection).filter(|_| first.field.is_identity_scoped());
                (first.field, first.by.rank(), connection, password, first.agrees(ANY_PASSWORD), first.rights)
            })
            .collect();
        Contest { fingerprint: fingerprint(&lines), contested: !certain.is_empty() }
    }
}

/// The fields that a resource claims, and the keys that others claim of a map that it claims whole.
fn claimed(own: &Claimant, older: &[&Claimant], competition: &Competition<'_>) -> Vec<Wish> {
    let is_claimed =
        |wish: &&Wish| wish.wanted != Wanted::HELD && competition.may(own, wish.field, wish.wanted);
    let mut claimed: Vec<Wish> = own.wishes.iter().filter(is_claimed).copied().collect();
    let wholes: Vec<Wish> = claimed.iter().filter(|wish| wish.wanted == Wanted::WHOLE).copied().collect();
    for map in wholes {
        let others = older.iter().filter(|other| competition.has(&other.place));
        let keys = others.flat_map(|other| other.keys(map.field));
        let wiped = keys.filter(|wish| own.declared(wish.field).is_none());
        claimed.extend(wiped.map(|wish| Wish { field: wish.field, wanted: Wanted::NOTHING }));
    }
    claimed.sort_unstable();
    claimed.dedup();
    claimed
}

/// The wishes of a claimant, asked for in the order of their fields.
struct Wishes<'a> {
    claimant: &'a Claimant,
    rest: &'a [Wish],
    /// The last map that was asked for, and what is wanted of its undeclared keys.
    map: Option<(Field, Option<Wanted>)>,
}

impl<'a> Wishes<'a> {
    const fn of(claimant: &'a Claimant) -> Self {
        Self { claimant, rest: &claimant.wishes, map: None }
    }

    /// The same as [`Claimant::wanted`].
    fn next_wanted(&mut self, field: Field) -> Option<Wanted> {
        // Mostly it is the next one or far away.
        if let [first, rest @ ..] = self.rest
            && first.field < field
        {
            let skipped = rest.partition_point(|wish| wish.field < field);
            self.rest = rest.get(skipped..).unwrap_or_default();
        }
        if let [first, ..] = self.rest
            && first.field == field
        {
            return Some(first.wanted).filter(|wanted| *wanted != Wanted::HELD);
        }
        let map = field.map()?;
        let known = self.map.filter(|(known, _)| *known == map);
        let (_, wanted) = *self.map.insert(known.unwrap_or_else(|| {
            let whole = self.claimant.declared(map) == Some(Wanted::WHOLE);
            (map, whole.then_some(Wanted::NOTHING))
        }));
        wanted
    }
}

fn title(claimant: &Claimant) -> String {
    format!("{}/{}", claimant.place.namespace, claimant.name)
}
