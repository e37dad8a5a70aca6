//! Claims: which resource manages which field of which user, so that two never fight over one.
//!
//! The oldest claimant of a field owns it, then the first by namespace and name (the rule of the Gateway
//! API). Nothing here talks to anybody: the index is fed from the watch and from finished passes.

mod claimant;
mod contenders;
#[cfg(test)]
mod tests;

pub use claimant::Claimant;
pub use contenders::{Conflict, Rival};

use crate::api::{Auth0UserUpdate, Trigger};
use contenders::{Contenders, Place};
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::timeout;

/// Longest stretch of waiting for a turn: whose turn it is may wait for its budget for minutes.
const STRETCH: Duration = Duration::from_mins(1);

/// Namespace and name of a resource.
pub type Named = (String, String);

/// Where a pass stands: what it claims, on which tenant host, and what it knows of identities.
pub struct Standpoint<'a> {
    /// The resource as it claims now.
    pub own: &'a Claimant,
    /// Host of its tenant, with its port.
    pub host: &'a str,
    /// Host of a tenant for resources of a namespace; `None` where they have no such tenant, or not its
    /// consent.
    pub host_of: &'a dyn Fn(&Named, &str) -> Option<String>,
    /// Whether a resource that names this connection, or none, acts on the identity of this one.
    pub same_identity: &'a dyn Fn(Option<&str>) -> bool,
}

impl Standpoint<'_> {
    fn competes(&self, place: &Place, identity_scoped: bool) -> bool {
        (self.host_of)(&place.tenant, &place.namespace).as_deref() == Some(self.host)
            && (!identity_scoped || (self.same_identity)(place.connection.as_deref()))
    }
}

/// The claims of all resources.
#[derive(Default)]
pub struct Claims {
    index: Mutex<Index>,
    wakers: Mutex<Vec<UnboundedSender<Named>>>,
}

#[derive(Default)]
struct Index {
    claimants: HashMap<String, Arc<Claimant>>,
    users: HashMap<String, Subject>,
    /// Who is to be told at the end of a list.
    affected_by_list: HashSet<Named>,
}

/// One Auth0 user id, of whatever tenant.
#[derive(Default)]
struct Subject {
    contenders: Contenders,
    /// By tenant host.
    turns: HashMap<String, Arc<Turn<()>>>,
}

impl Claims {
    /// Resources whose owners changed are told here.
    pub fn subscribe(&self) -> UnboundedReceiver<Named> {
        let (waker, woken) = unbounded_channel();
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner).push(waker);
        woken
    }

    /// Takes over a resource as it stands. An older version than the known one changes nothing.
    pub fn update(&self, object: &Auth0UserUpdate) {
        let affected = self.with_index(|index| index.update(object));
        self.wake(affected);
    }

    /// Takes over what a pass has written, before the watch tells it. A resource that is gone stays gone.
    pub fn note(&self, object: &Auth0UserUpdate) {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let affected = self.with_index(|index| {
            if index.claimants.contains_key(uid) { index.update(object) } else { HashSet::new() }
        });
        self.wake(affected);
    }

    /// Takes over a resource of a list. Whom that affects is told once, at the end of the list.
    pub fn list(&self, object: &Auth0UserUpdate) {
        self.with_index(|index| {
            let affected = index.update(object);
            index.affected_by_list.extend(affected);
        });
    }

    /// Drops the claims of a resource that is gone.
    pub fn remove(&self, uid: &str) {
        let affected = self.with_index(|index| index.replace(uid, None));
        self.wake(affected);
    }

    /// At the end of a list: drops the claims of resources of the listed namespaces that are not in it.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<String>) {
        let affected = self.with_index(|index| {
            let is_gone = |claimant: &&Arc<Claimant>| {
                namespace.is_none_or(|namespace| claimant.rank.namespace == namespace)
                    && !listed.contains(&claimant.uid)
            };
            let gone: Vec<_> = index.claimants.values().filter(is_gone).map(|c| c.uid.clone()).collect();
            let mut affected = std::mem::take(&mut index.affected_by_list);
            affected.extend(gone.iter().flat_map(|uid| index.replace(uid, None)));
            affected
        });
        self.wake(affected);
    }

    /// Wakes resources that the coming or going of a tenant, or of any, may put in or out of conflict: those
    /// of users whom resources of other tenants manage as well.
    pub fn wake_neighbours(&self, of: Option<&Named>) {
        let affected = self.with_index(|index| {
            let subjects = index.users.values().filter(|subject| subject.contenders.places() > 1);
            subjects.flat_map(|subject| subject.contenders.neighbours(of)).collect()
        });
        self.wake(affected);
    }

    /// The fields of a resource that another one owns and wants otherwise.
    #[must_use]
    pub fn conflicts(&self, standpoint: &Standpoint<'_>) -> Vec<Conflict> {
        self.of_user(&standpoint.own.user_id, |contenders| {
            contenders.conflicts(standpoint.own, |place, scoped| standpoint.competes(place, scoped))
        })
    }

    /// Everything older that competes for the fields of which anything older wants something else: what
    /// [`Claims::conflicts`] may depend on.
    #[must_use]
    pub fn rivals(&self, standpoint: &Standpoint<'_>) -> Vec<Rival> {
        self.of_user(&standpoint.own.user_id, |contenders| {
            contenders.rivals(standpoint.own, |place, scoped| standpoint.competes(place, scoped))
        })
    }

    /// What other resources of the same user remember of orders that this one gives too.
    #[must_use]
    pub fn memory_of_twins(&self, standpoint: &Standpoint<'_>) -> Vec<Trigger> {
        self.of_user(&standpoint.own.user_id, |contenders| {
            let twins = contenders.twins(standpoint.own, |place| standpoint.competes(place, false));
            twins.cloned().collect()
        })
    }

    /// One resource of a user at a time, so that each sees which orders the one before it has carried out.
    /// `None` for a resource that gives none.
    pub async fn turn(&self, own: &Claimant, host: &str) -> Option<OwnedMutexGuard<()>> {
        if !own.gives_orders() {
            return None;
        }
        let turn = self.with_index(|index| {
            let subject = index.users.get_mut(&own.user_id)?;
            Some(Arc::clone(subject.turns.entry(host.to_owned()).or_default()))
        })?;
        let mut turn = pin!(turn.lock_owned());
        loop {
            // In stretches, so that whoever watches sees it wait, not hang. It keeps its place.
            if let Ok(turn) = timeout(STRETCH, turn.as_mut()).await {
                return Some(turn);
            }
        }
    }

    fn of_user<T: Default>(&self, user_id: &str, read: impl FnOnce(&Contenders) -> T) -> T {
        self.with_index(|index| index.users.get(user_id).map(|subject| read(&subject.contenders)))
            .unwrap_or_default()
    }

    fn with_index<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        work(&mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wake(&self, affected: HashSet<Named>) {
        if affected.is_empty() {
            return;
        }
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        for named in affected {
            wakers.retain(|waker| waker.send(named.clone()).is_ok());
        }
    }
}

impl Index {
    /// Answers with the resources whose owners changed.
    fn update(&mut self, object: &Auth0UserUpdate) -> HashSet<Named> {
        let uid = object.metadata.uid.as_deref().unwrap_or_default();
        let known = self.claimants.get(uid).map_or(0, |known| known.version);
        if known > claimant::version(object) {
            return HashSet::new();
        }
        self.replace(uid, Claimant::of(object))
    }

    fn replace(&mut self, uid: &str, next: Option<Claimant>) -> HashSet<Named> {
        let before = self.claimants.remove(uid);
        let mut affected = HashSet::new();
        if let Some(before) = &before
            && let Some(subject) = self.users.get_mut(&before.user_id)
        {
            affected.extend(subject.contenders.led_by(before, &before.fields_changed_from(next.as_ref())));
            subject.contenders.remove(before);
        }
        if let Some(next) = next {
            let changed = next.fields_changed_from(before.as_deref());
            let next = Arc::new(next);
            let subject = self.users.entry(next.user_id.clone()).or_default();
            subject.contenders.insert(&next);
            affected.extend(subject.contenders.led_by(&next, &changed));
            self.claimants.insert(uid.to_owned(), next);
        } else if let Some(before) = &before {
            self.drop_if_unclaimed(&before.user_id);
        }
        affected
    }

    fn drop_if_unclaimed(&mut self, user_id: &str) {
        if self.users.get(user_id).is_some_and(|subject| subject.contenders.places() == 0) {
            self.users.remove(user_id);
        }
    }
}
