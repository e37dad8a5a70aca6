//! The claimants of every user, by age, and who has to be judged again when one of them changes. Pure: told the time.

use crate::api::{Auth0UserUpdate, Trigger};
use crate::ownership::Named;
use crate::ownership::claimant::{self, Claimant, Place};
use crate::ownership::fingerprint::{Field, Uid, fingerprint};
use crate::ownership::leavers::{
    Departed, Ghost, INHERITANCE, Leavers, TAKEOVER, acts_on, counts, is_shared,
};
use crate::ownership::owners::Owners;
use crate::ownership::rights::Competition;
use crate::user::Attribute;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::Arc;
use tokio::time::Instant;

/// Resources that have to be judged again.
pub(super) type Affected = HashSet<Named>;

/// Users and uids are known by their fingerprints: two that are the same by chance cost a needless or a missed
/// conflict, no more.
#[derive(Default)]
pub(super) struct Index {
    /// By age. Most users have one claimant.
    pub users: HashMap<u64, Box<[Claimant]>>,
    /// The user of each claimant.
    pub user_of: HashMap<Uid, u64>,
    /// Each place once, however many claimants it has.
    pub places: HashSet<Arc<Place>>,
    leavers: HashMap<u64, Leavers>,
    /// When the time of a leaver of a user is over.
    due: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How many claimants there ever were.
    arrivals: u64,
    /// Users whose claimants are told at the end of a list.
    changed_by_list: HashSet<u64>,
}

impl Index {
    /// Takes over a resource as it stands. An older version than the known one changes nothing.
    pub fn update(&mut self, object: &Auth0UserUpdate, now: Instant) -> Affected {
        let uid = Uid::of(object);
        if self.get(uid).is_some_and(|known| known.version > claimant::version(object)) {
            return Affected::new();
        }
        self.replace(uid, Claimant::of(object), now)
    }

    /// The same for one that a list holds. Those that it affects are told at the end of the list.
    pub fn list(&mut self, object: &Auth0UserUpdate, now: Instant) {
        let uid = Uid::of(object);
        let known = self.get(uid);
        if known.is_some_and(|known| known.version >= claimant::version(object)) {
            return;
        }
        let next = Claimant::of(object);
        let users = [known.map(|known| known.user), next.as_ref().map(|next| next.user)];
        self.changed_by_list.extend(users.into_iter().flatten());
        self.swap(uid, next, now);
    }

    pub fn remove(&mut self, uid: Uid, now: Instant) -> Affected {
        self.replace(uid, None, now)
    }

    /// At the end of a list: drops what is gone of the listed namespaces.
    pub fn retain(&mut self, namespace: Option<&str>, listed: &HashSet<Uid>, now: Instant) -> Affected {
        let is_gone = |claimant: &&Claimant| {
            namespace.is_none_or(|namespace| claimant.place.namespace == namespace)
                && !listed.contains(&claimant.uid)
        };
        let gone: Vec<Uid> =
            self.users.values().flatten().filter(is_gone).map(|claimant| claimant.uid).collect();
        let mut affected: Affected = gone.into_iter().flat_map(|uid| self.replace(uid, None, now)).collect();
        for user in std::mem::take(&mut self.changed_by_list) {
            // Before the oldest comes nothing.
            affected.extend(self.claimants(user).iter().skip(1).map(Claimant::named));
        }
        affected
    }

    pub fn get(&self, uid: Uid) -> Option<&Claimant> {
        let user = self.user_of.get(&uid)?;
        self.claimants(*user).iter().find(|claimant| claimant.uid == uid)
    }

    /// Whether a claimant is the only one of its user, and nothing that another one has left concerns it.
    pub fn is_alone(&self, uid: Uid) -> bool {
        self.get(uid).is_some_and(|own| {
            let ghosts = self.leavers.get(&own.user).into_iter().flat_map(|leavers| &leavers.ghosts);
            self.claimants(own.user).len() == 1 && !ghosts.into_iter().any(|ghost| ghost.concerns(own))
        })
    }

    /// The claimants of a user.
    pub fn of_user(&self, user_id: &str) -> Vec<Named> {
        self.claimants(fingerprint(user_id)).iter().map(Claimant::named).collect()
    }

    /// Who owns the fields of a claimant.
    pub fn owners(&self, own: &Claimant, competition: &Competition<'_>) -> Owners<'_> {
        let leavers = self.leavers.get(&own.user);
        let ghosts = leavers.into_iter().flat_map(|leavers| leavers.ghosts.iter().rev());
        let ghosts: Vec<_> =
            ghosts.filter(|ghost| ghost.concerns(own)).map(|ghost| &ghost.claimant).collect();
        let has_ghosts = !ghosts.is_empty();
        let living = self.claimants(own.user).iter().filter(|other| other.uid != own.uid);
        let mut all: Vec<_> = living.chain(ghosts).collect();
        if has_ghosts {
            // Stable: what a resource is now goes before what it was.
            all.sort_by_key(|other| other.rank());
        }
        let (before, after) = all.split_at(all.partition_point(|other| other.rank() < own.rank()));
        Owners::new(own, before, after, competition)
    }

    /// What other resources of the user remember of one-time actions that this one wants too, be they there no more.
    pub fn siblings(&self, own: &Claimant, competition: &Competition<'_>) -> Vec<Trigger> {
        let others = self.claimants(own.user).iter().filter(|other| other.uid != own.uid);
        let living = others.filter(|other| competition.has(&other.place)).flat_map(|other| {
            let known = other.memory.iter().filter(|entry| is_shared(own, &other.place, entry));
            known.filter(move |entry| acts_on(own, entry) && counts(other, entry))
        });
        let departed = self.leavers.get(&own.user).into_iter().flat_map(|leavers| &leavers.departed);
        let left = departed.filter(|one| competition.has(one.place())).flat_map(|one| one.inherited_by(own));
        living.chain(left).cloned().collect()
    }

    /// Resources that share a user with those of a tenant, or of any, and are of another one.
    pub fn neighbours(&self, of: Option<&Named>) -> Affected {
        let is_this = |claimant: &&Claimant| of == Some(&claimant.place.tenant);
        let shared = self.users.values().filter(|claimants| {
            claimants.len() > 1 && (of.is_none() || claimants.iter().any(|claimant| is_this(&claimant)))
        });
        shared.flatten().filter(|claimant| !is_this(claimant)).map(Claimant::named).collect()
    }

    /// When the next takeover is due, or the time of what was sent is over.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Lets the takeovers happen that are due.
    pub fn take_over(&mut self, now: Instant) -> Affected {
        let mut affected = Affected::new();
        while let Some(Reverse((at, user))) = self.due.peek().copied()
            && at <= now
        {
            self.due.pop();
            let Some(leavers) = self.leavers.get_mut(&user) else { continue };
            let over = leavers.ghosts.extract_if(.., |ghost| ghost.until <= now);
            let over: Vec<Claimant> = over.map(|ghost| ghost.claimant).collect();
            for departed in leavers.departed.iter_mut().filter(|departed| departed.until <= now) {
                departed.heirs.get_or_insert(self.arrivals);
            }
            for ghost in over {
                let lost = ghost.fields_lost_to(self.get(ghost.uid));
                affected.extend(self.led_by(&ghost, lost));
            }
            self.forget_leavers(user);
        }
        affected
    }

    fn replace(&mut self, uid: Uid, next: Option<Claimant>, now: Instant) -> Affected {
        let (changed, mut affected) = self.swap(uid, next, now);
        if let Some(next) = self.get(uid) {
            affected.extend(self.led_by(next, changed));
        }
        affected
    }

    /// Puts a claimant in the place of its earlier version. Answers with the fields that changed, and with those that
    /// have the same name, which do not wait for what it leaves.
    fn swap(&mut self, uid: Uid, next: Option<Claimant>, now: Instant) -> (Vec<Field>, Affected) {
        let before = self.take(uid);
        let users = [before.as_ref().map(|before| before.user), next.as_ref().map(|next| next.user)];
        let changed = next.as_ref().map(|next| next.fields_changed_from(before.as_ref())).unwrap_or_default();
        let stays = |before: &Claimant| next.as_ref().is_some_and(|next| next.user == before.user);
        let arrival = before.as_ref().filter(|before| stays(before)).map(|before| before.arrival);
        let mut namesakes = Affected::new();
        if let Some(before) = before {
            let others = self.claimants(before.user).iter();
            let is_namesake = |other: &&Claimant| other.is_namesake_of(&before.place, &before.name);
            namesakes.extend(others.filter(is_namesake).map(Claimant::named));
            self.leave(before, next.as_ref(), arrival.is_none(), now);
        }
        if let Some(next) = next {
            self.insert(next, arrival);
        }
        users.into_iter().flatten().for_each(|user| self.forget_leavers(user));
        (changed, namesakes)
    }

    /// Keeps of an earlier version what others have to know of it for a while.
    fn leave(&mut self, before: Claimant, next: Option<&Claimant>, is_gone: bool, now: Instant) {
        let user = before.user;
        let until = now + INHERITANCE;
        let departed = Departed::of(&before, until).filter(|_| is_gone);
        if is_gone && let Some(leavers) = self.leavers.get_mut(&user) {
            // What it was to take over and did not is left to those that follow it.
            let inherited = leavers.departed.iter_mut().filter(|departed| departed.awaits(&before));
            for departed in inherited {
                (departed.heirs, departed.until) = (None, until);
                self.due.push(Reverse((until, user)));
            }
        }
        let haunts = !self.claimants(user).is_empty() && !before.fields_lost_to(next).is_empty();
        if departed.is_none() && !haunts {
            return;
        }
        let leavers = self.leavers.entry(user).or_default();
        if let Some(departed) = departed {
            self.due.push(Reverse((until, user)));
            leavers.departed.push(departed);
        }
        if haunts {
            let until = now + TAKEOVER;
            self.due.push(Reverse((until, user)));
            leavers.ghosts.push(Ghost { claimant: before, arrivals: self.arrivals, until });
        }
    }

    fn insert(&mut self, next: Claimant, arrival: Option<u64>) {
        let place = self.shared(next.place.clone());
        let arrival = arrival.unwrap_or(self.arrivals);
        self.arrivals = self.arrivals.max(arrival + 1);
        let next = Claimant { place, arrival, ..next };
        let (uid, user) = (next.uid, next.user);
        self.user_of.insert(uid, user);
        let mut claimants = self.users.remove(&user).unwrap_or_default().into_vec();
        let index = claimants.partition_point(|other| other.rank() <= next.rank());
        claimants.reserve_exact(1);
        claimants.insert(index, next);
        self.users.insert(user, claimants.into());
    }

    fn take(&mut self, uid: Uid) -> Option<Claimant> {
        let user = self.user_of.remove(&uid)?;
        let mut claimants = self.users.remove(&user)?.into_vec();
        let index = claimants.iter().position(|claimant| claimant.uid == uid)?;
        let taken = claimants.remove(index);
        if !claimants.is_empty() {
            self.users.insert(user, claimants.into());
        }
        Some(taken)
    }

    fn claimants(&self, user: u64) -> &[Claimant] {
        self.users.get(&user).map(AsRef::as_ref).unwrap_or_default()
    }

    /// Claimants that come after this one and want those fields of which it comes first in its place, be it for some keys
    /// of a map only, so that whatever it does there concerns them; of a block, those that come before it too.
    fn led_by(&self, claimant: &Claimant, mut fields: Vec<Field>) -> Affected {
        let claimants = self.claimants(claimant.user);
        let (older, younger) =
            claimants.split_at(claimants.partition_point(|other| other.rank() < claimant.rank()));
        for older in older {
            fields.retain(|field| !older.covers(claimant, *field));
            if fields.is_empty() {
                return Affected::new();
            }
        }
        let followers = younger.iter().filter(|other| fields.iter().any(|field| other.follows(*field)));
        let blocked = Field::of(Attribute::Blocked);
        let led = older.iter().filter(|other| fields.contains(&blocked) && other.follows(blocked));
        let others = followers.chain(led).filter(|other| other.uid != claimant.uid);
        others.map(Claimant::named).collect()
    }

    /// Forgets what was sent once its time is over and no claimant waits that came in time.
    fn forget_leavers(&mut self, user: u64) {
        let claimants = self.users.get(&user).map(AsRef::as_ref).unwrap_or_default();
        let Some(leavers) = self.leavers.get_mut(&user) else { return };
        leavers
            .departed
            .retain(|departed| departed.heirs.is_none() || claimants.iter().any(|own| departed.awaits(own)));
        if leavers.departed.is_empty() && leavers.ghosts.is_empty() {
            self.leavers.remove(&user);
        }
    }

    /// The place as all its claimants share it.
    fn shared(&mut self, place: Arc<Place>) -> Arc<Place> {
        if let Some(known) = self.places.get(&place) {
            return Arc::clone(known);
        }
        if self.places.len() == self.places.capacity() {
            self.places.retain(|place| Arc::strong_count(place) > 1);
        }
        self.places.insert(Arc::clone(&place));
        place
    }
}
