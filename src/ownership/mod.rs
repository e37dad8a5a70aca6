//! Ownership: which resource manages which field of which user, so that two never fight over one.
//!
//! A claimant of the tenant's own namespace goes before those of others, then the oldest owns a field, then the first by
//! namespace and name (the rule of the Gateway API). Who wants the user blocked goes before all. Nothing here does I/O:
//! the index is fed from the watch and from finished passes.

mod claimant;
mod fingerprint;
mod index;
mod leavers;
mod owners;
mod rights;
#[cfg(test)]
mod tests;

pub use fingerprint::{Field, Uid};
pub use leavers::{INHERITANCE, TAKEOVER};
pub use owners::{Conflict, Contest};
pub use rights::{Rights, RightsOf};

use crate::api::{Auth0UserUpdate, Trigger};
use claimant::Claimant;
use fingerprint::fingerprint;
use index::{Affected, Index};
use rights::Competition;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Mutex as Turn, Notify, OwnedMutexGuard};
use tokio::time::{Instant, sleep_until, timeout};

/// Longest stretch of waiting for a turn: whose turn it is may wait for its budget for minutes.
const STRETCH: Duration = Duration::from_mins(1);

/// Namespace and name of a resource.
pub type Named = (String, String);

/// Which resource manages which field, for all resources.
#[derive(Default)]
pub struct Ownership {
    state: Mutex<State>,
    /// Told of each new end of a wait.
    due: Notify,
}

#[derive(Default)]
struct State {
    index: Index,
    wakers: Vec<UnboundedSender<Named>>,
    /// By fingerprint of user id and tenant host. Those that are the same by chance wait for each other.
    turns: HashMap<u64, Weak<Turn<()>>>,
}

impl Ownership {
    /// Resources whose owners changed are told here.
    pub fn subscribe(&self) -> UnboundedReceiver<Named> {
        let (waker, woken) = unbounded_channel();
        self.with(|state| state.wakers.push(waker));
        woken
    }

    /// Takes over a resource as it stands. An older version than the known one changes nothing.
    pub fn update(&self, object: &Auth0UserUpdate) {
        self.change(|index, now| index.update(object, now));
    }

    /// Takes over what a pass has written, before the watch tells it. A resource that is gone stays gone.
    pub fn note(&self, object: &Auth0UserUpdate) {
        self.change(|index, now| {
            if index.get(Uid::of(object)).is_some() { index.update(object, now) } else { Affected::new() }
        });
    }

    /// Takes over a resource of a list. Those that it affects are told once, at the end of the list.
    pub fn list(&self, object: &Auth0UserUpdate) {
        self.change(|index, now| {
            index.list(object, now);
            Affected::new()
        });
    }

    /// Drops the claims of a resource that is gone.
    pub fn remove(&self, uid: Uid) {
        self.change(|index, now| index.remove(uid, now));
    }

    /// At the end of a list: drops the claims of resources of the listed namespaces that are not in it.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<Uid>) {
        self.change(|index, now| index.retain(namespace, listed, now));
    }

    /// Wakes resources that the coming or going of a tenant, or of any, may put in or out of conflict: those
    /// of users that resources of other tenants manage as well.
    pub fn wake_neighbours(&self, of: Option<&Named>) {
        self.change(|index, _| index.neighbours(of));
    }

    /// Lets each takeover happen when it is due, for ever.
    pub async fn run(&self) {
        loop {
            let next = self.with(|state| state.index.next_due());
            let due = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.change(Index::take_over),
                () = self.due.notified() => {}
            }
        }
    }

    /// Where a resource stands by what is known without a call to Auth0.
    #[must_use]
    pub fn contest(&self, uid: Uid, host: &str, rights_of: RightsOf<'_>) -> Contest {
        self.with(|state| {
            let Some(own) = state.index.get(uid) else { return Contest::default() };
            let competition = Competition::new(host, rights_of, None);
            state.index.owners(own, &competition).contest(own)
        })
    }

    /// The resources that want to change the user of this id, whatever their tenant.
    #[must_use]
    pub fn of_user(&self, user_id: &str) -> Vec<Named> {
        self.with(|state| state.index.of_user(user_id))
    }

    /// Whether no other resource of the user has a say.
    #[must_use]
    pub fn is_alone(&self, uid: Uid) -> bool {
        self.with(|state| state.index.is_alone(uid))
    }

    /// The fields of a resource that another one owns and wants otherwise. `password` is the digest of its password,
    /// where that is known; `same_identity` tells whether a connection, or none, names the identity that it is about;
    /// `primary` is the connection of the user's primary identity.
    #[must_use]
    pub fn conflicts(
        &self,
        object: &Auth0UserUpdate,
        host: &str,
        rights_of: RightsOf<'_>,
        password: Option<&str>,
        same_identity: &dyn Fn(Option<&str>) -> bool,
        primary: &str,
    ) -> Vec<Conflict> {
        let Some(own) = Claimant::of(object) else { return Vec::new() };
        self.with(|state| {
            let arrival = state.index.get(own.uid).map_or(own.arrival, |known| known.arrival);
            let own = Claimant { arrival, ..own };
            let competition = Competition::new(host, rights_of, Some(primary));
            let owners = state.index.owners(&own, &competition);
            owners.conflicts(password.map(fingerprint), same_identity)
        })
    }

    /// What other resources of the same user remember of one-time actions that this one wants too, be they gone.
    #[must_use]
    pub fn siblings(&self, uid: Uid, host: &str, rights_of: RightsOf<'_>) -> Vec<Trigger> {
        self.with(|state| {
            let Some(own) = state.index.get(uid) else { return Vec::new() };
            state.index.siblings(own, &Competition::new(host, rights_of, None))
        })
    }

    /// One resource of a user at a time, so that each sees which one-time actions the one before it has carried out.
    /// `None` for a resource that wants none.
    pub async fn turn(&self, uid: Uid, host: &str) -> Option<OwnedMutexGuard<()>> {
        let turn = self.with(|state| {
            let own = state.index.get(uid).filter(|own| own.has_one_time_actions())?;
            let of = fingerprint(&(own.user, host));
            state.turns.retain(|_, turn| turn.strong_count() > 0);
            let turn = state.turns.get(&of).and_then(Weak::upgrade).unwrap_or_default();
            state.turns.insert(of, Arc::downgrade(&turn));
            Some(turn)
        })?;
        let mut turn = pin!(turn.lock_owned());
        loop {
            // In stretches, so that a watcher sees it wait, not hang. It keeps its place.
            if let Ok(turn) = timeout(STRETCH, turn.as_mut()).await {
                return Some(turn);
            }
        }
    }

    fn change(&self, work: impl FnOnce(&mut Index, Instant) -> Affected) {
        self.with(|state| {
            let before = state.index.next_due();
            for named in work(&mut state.index, Instant::now()) {
                state.wakers.retain(|waker| waker.send(named.clone()).is_ok());
            }
            if state.index.next_due() != before {
                self.due.notify_one();
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
