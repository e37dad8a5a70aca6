//! All resources of the watched namespaces: the one owner of what is known of each.

use super::record::Record;
use super::{Found, State, comparison};
use crate::api::Auth0UserUpdate;
use crate::cluster::guarded::{Guarded, Undecodable};
use crate::ownership::{Named, Uid};
use crate::queue::{Key, Kind};
use crate::reconcile::object::schedule;
use kube::ResourceExt as _;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// What is stored of a resource, as far as it is kept.
#[derive(Clone)]
pub enum Stored {
    /// An object that can be read.
    Readable(Record),
    /// One that cannot.
    Unreadable(Arc<Undecodable>),
}

/// One resource between passes.
#[derive(Clone)]
pub struct Resource {
    /// What is stored of it.
    pub stored: Stored,
    /// What this process remembers of it.
    pub state: State,
    /// Status names the nulls that are known, and no others.
    pub names_nulls: bool,
    /// Status lacks one of them.
    pub lacks_nulls: bool,
    /// A search or an event has shown its user, for the next pass.
    pub is_found: bool,
    version: u64,
    pass: Pass,
}

/// Whether a pass is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    None,
    UnderWay,
    /// And something has happened since it began.
    Overtaken,
}

/// The resources, by namespace and name.
#[derive(Default)]
pub struct Resources(Mutex<All>);

#[derive(Default)]
struct All {
    resources: HashMap<Key, Box<Resource>>,
    /// Users as a search or an event has shown them, for the next pass of their resource.
    found: HashMap<Key, Found>,
    /// Those that only observe, by user id: they claim nothing, and so ownership does not know them.
    observers: HashMap<Box<str>, Vec<Key>>,
    /// What many have in common.
    namespaces: HashSet<Arc<str>>,
    tenants: HashSet<Arc<Named>>,
}

/// The version of an object as a number, which grows with every change of it (Kubernetes API concepts,
/// "Resource versions"); 0 where it is none.
fn version(object: &impl kube::Resource) -> u64 {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or_default()
}

impl Resources {
    /// Takes in an object as it is stored now, and answers with its key. One that is older than what a pass has written
    /// changes nothing, unless `is_listed`: a list is what there is.
    pub fn see(&self, object: &Guarded<Auth0UserUpdate>, is_listed: bool) -> Key {
        let mut all = self.lock();
        let key = all.key(&object.namespace().unwrap_or_default(), &object.name_any());
        all.see(&key, object, is_listed);
        key
    }

    /// Takes in what a pass has written, before the watch tells it. A resource that is gone stays gone.
    pub fn note(&self, key: &Key, object: Auth0UserUpdate) {
        let mut all = self.lock();
        if all.resources.get(key).is_some_and(|known| known.uid() == Uid::of(&object)) {
            all.see(key, &Guarded(Ok(object)), false);
        }
    }

    /// What is known of a resource that something has happened to, unless a pass of it is under way: that pass is told.
    #[must_use]
    pub fn wake(&self, key: &Key) -> Option<Resource> {
        let mut all = self.lock();
        let known = all.resources.get_mut(key)?;
        if known.pass == Pass::None {
            return Some(Resource::clone(known));
        }
        known.pass = Pass::Overtaken;
        None
    }

    /// What is known of a resource of which a pass begins.
    #[must_use]
    pub fn begin(&self, key: &Key) -> Option<Resource> {
        let mut all = self.lock();
        let known = all.resources.get_mut(key)?;
        known.pass = Pass::UnderWay;
        // What the pass learns of them stays known though it panics.
        known.state.nulls.get_or_insert_default();
        known.is_found = false;
        Some(Resource::clone(known))
    }

    /// Its user as a search or an event has shown it; for the pass that begins.
    #[must_use]
    pub fn take_found(&self, key: &Key) -> Option<Found> {
        self.lock().found.remove(key)
    }

    /// What is known of a resource of which a pass ends, with what is to be remembered of it, and whether nothing has
    /// happened since it began.
    pub fn end(&self, key: &Key, uid: Uid, state: State) -> Option<(Resource, bool)> {
        let mut all = self.lock();
        let known = all.resources.get_mut(key)?;
        if known.uid() == uid {
            known.state = state.slim();
        }
        let is_quiet = std::mem::replace(&mut known.pass, Pass::None) == Pass::UnderWay;
        Some((Resource::clone(known), is_quiet))
    }

    /// Keeps what the first sight of a resource has decided.
    pub fn keep(&self, key: &Key, state: State) {
        if let Some(known) = self.lock().resources.get_mut(key) {
            known.state = state.slim();
        }
    }

    /// What is remembered of a resource, as at the beginning of its pass.
    #[must_use]
    pub fn remembered(&self, key: &Key) -> State {
        self.lock().resources.get(key).map(|known| known.state.clone()).unwrap_or_default()
    }

    /// Those of these resources, but one, that may be compared by a search of this tenant, with their user ids.
    #[must_use]
    pub fn to_compare(&self, keys: &[Key], but: &Key, tenant: &Arc<Named>) -> Vec<(Key, Box<str>)> {
        let all = self.lock();
        let user_of = |key: &Key| {
            let known = all.resources.get(key).filter(|known| known.pass == Pass::None)?;
            let record = known.record().filter(|record| record.tenant == *tenant)?;
            let compares = !known.is_found && comparison::is_plain(record, &known.state);
            compares.then(|| record.user_id.clone())
        };
        let others = keys.iter().filter(|key| *key != but);
        others.filter_map(|key| Some((key.clone(), user_of(key)?))).collect()
    }

    /// Keeps what a search found for a resource, unless a pass of it is under way.
    pub fn find(&self, key: &Key, found: Found) {
        let mut all = self.lock();
        if let Some(known) = all.resources.get_mut(key).filter(|known| known.pass == Pass::None) {
            known.is_found = true;
            all.found.entry(key.clone()).or_insert(found);
        }
    }

    /// Keeps what an event shows of the user of a resource that corrects drift, also during its pass. Of two events that
    /// show it otherwise, neither is believed.
    pub fn hear(&self, key: &Key, found: &Found) {
        let mut all = self.lock();
        let known = all.resources.get_mut(key);
        let Some(known) = known.filter(|known| known.record().is_some_and(|record| record.resync.is_some()))
        else {
            return;
        };
        known.is_found = true;
        let is_doubtful = all.found.get(key).is_some_and(|known| known != found);
        all.found.insert(key.clone(), if is_doubtful { Found(None) } else { found.clone() });
    }

    /// The resources that only observe the user of this id, whatever their tenant.
    #[must_use]
    pub fn observers(&self, user_id: &str) -> Vec<Key> {
        self.lock().observers.get(user_id).cloned().unwrap_or_default()
    }

    /// Brings the comparison of a resource forward to somewhere within its interval. Answers whether it was to come later.
    pub fn compare_sooner(&self, key: &Key, now: Instant) -> bool {
        let mut all = self.lock();
        let Some(known) = all.resources.get_mut(key) else { return false };
        let Some(resync) = known.record().and_then(|record| record.resync) else { return false };
        let is_late = known.state.due.is_some_and(|due| due > now + resync + resync / 10);
        if is_late {
            known.state.due = Some(now + schedule::somewhere_in(resync));
        }
        is_late
    }

    /// The tenant that a resource names.
    #[must_use]
    pub fn tenant_of(&self, key: &Key) -> Option<Arc<Named>> {
        self.lock().resources.get(key)?.record().map(|record| Arc::clone(&record.tenant))
    }

    /// Whether this very resource is there, and neither being deleted nor paused.
    #[must_use]
    pub fn is_wanted(&self, key: &Key, uid: Uid) -> bool {
        let all = self.lock();
        let known = all.resources.get(key).filter(|known| known.uid() == uid);
        known.and_then(|known| known.record()).is_some_and(|record| !record.is_deleted && !record.is_paused)
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, key: &Key) {
        self.lock().forget(key);
    }

    /// The key of a resource, which shares its text with all others.
    #[must_use]
    pub fn key(&self, namespace: &str, name: &str) -> Key {
        self.lock().key(namespace, name)
    }

    /// The key of an object.
    #[must_use]
    pub fn key_of(&self, object: &impl kube::Resource) -> Key {
        self.key(&object.namespace().unwrap_or_default(), &object.name_any())
    }

    /// After a list of a namespace, or of all: forgets what is not in it, and answers with that.
    pub fn retain(&self, namespace: Option<&str>, listed: &HashSet<Key>) -> Vec<Key> {
        let mut all = self.lock();
        let is_gone = |key: &&Key| {
            namespace.is_none_or(|namespace| namespace == &**key.namespace()) && !listed.contains(*key)
        };
        let gone: Vec<Key> = all.resources.keys().filter(is_gone).cloned().collect();
        for key in &gone {
            all.forget(key);
        }
        all.namespaces.retain(|namespace| Arc::strong_count(namespace) > 1);
        all.tenants.retain(|tenant| Arc::strong_count(tenant) > 1);
        gone
    }

    /// The resources of which this holds; those that cannot be read are asked about without a record.
    #[must_use]
    pub fn filtered(&self, concerned: impl Fn(&Key, Option<&Record>) -> bool) -> Vec<Key> {
        let all = self.lock();
        let named = all.resources.iter().filter(|(key, known)| concerned(key, known.record()));
        named.map(|(key, _)| key.clone()).collect()
    }

    /// The namespaces in which a Secret is named.
    #[must_use]
    pub fn namespaces_of_secrets(&self) -> HashSet<String> {
        let all = self.lock();
        let named = all
            .resources
            .iter()
            .filter(|(_, known)| known.record().is_some_and(|record| record.secret.is_some()));
        named.map(|(key, _)| key.namespace().to_string()).collect()
    }

    /// Tells of each that names a tenant what is kept of it.
    pub fn for_each_of(&self, tenant: &Named, mut tell: impl FnMut(&Key, &Record)) {
        let all = self.lock();
        let named = all.resources.iter().filter_map(|(key, known)| Some((key, known.record()?)));
        named.filter(|(_, record)| *record.tenant == *tenant).for_each(|(key, record)| tell(key, record));
    }

    /// Tells of each what is stored.
    pub fn for_each(&self, mut tell: impl FnMut(&Stored)) {
        self.lock().resources.values().for_each(|known| tell(&known.stored));
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn forget(&mut self, key: &Key) {
        if let Some(known) = self.resources.remove(key) {
            self.observes_no_more(key, &known);
        }
        self.found.remove(key);
    }

    fn observes_no_more(&mut self, key: &Key, known: &Resource) {
        let Some(record) = known.record().filter(|record| record.observes) else { return };
        if let Entry::Occupied(mut observers) = self.observers.entry(record.user_id.clone()) {
            observers.get_mut().retain(|other| other != key);
            if observers.get().is_empty() {
                observers.remove();
            }
        }
    }

    fn see(&mut self, key: &Key, object: &Guarded<Auth0UserUpdate>, is_listed: bool) {
        let new = version(object);
        let is_same = |known: &Resource| known.uid() == Uid::of(object);
        let known = self.resources.get(key);
        if known.is_some_and(|known| !is_listed && is_same(known) && known.version > new) {
            return;
        }
        let known = self.resources.remove(key);
        if let Some(known) = &known {
            self.observes_no_more(key, known);
        }
        let known = known.filter(|known| is_same(known));
        let pass = known.as_ref().map_or(Pass::None, |known| known.pass);
        let (mut state, is_found) = known.map(|known| (known.state, known.is_found)).unwrap_or_default();
        let (stored, (names_nulls, lacks_nulls)) = match &object.0 {
            Ok(readable) => {
                let mut record = Record::of(readable);
                record.tenant = self.shared(record.tenant);
                if record.observes {
                    self.observers.entry(record.user_id.clone()).or_default().push(key.clone());
                }
                let nulls = see_nulls(&mut state, readable);
                (Stored::Readable(record), nulls)
            }
            Err(undecodable) => (Stored::Unreadable(Arc::new(undecodable.clone())), (true, false)),
        };
        let resource = Resource { stored, state, names_nulls, lacks_nulls, is_found, version: new, pass };
        self.resources.insert(key.clone(), Box::new(resource));
    }

    fn key(&mut self, namespace: &str, name: &str) -> Key {
        let shared = match self.namespaces.get(namespace) {
            Some(known) => Arc::clone(known),
            None => Arc::from(namespace),
        };
        self.namespaces.insert(Arc::clone(&shared));
        let key = Key::new(Kind::Update, shared, name);
        self.resources.get_key_value(&key).map_or(key, |(known, _)| known.clone())
    }

    fn shared(&mut self, tenant: Arc<Named>) -> Arc<Named> {
        if let Some(known) = self.tenants.get(&tenant) {
            return Arc::clone(known);
        }
        self.tenants.insert(Arc::clone(&tenant));
        tenant
    }
}

impl Resource {
    /// `metadata.uid`.
    #[must_use]
    pub fn uid(&self) -> Uid {
        match &self.stored {
            Stored::Readable(record) => record.uid,
            Stored::Unreadable(undecodable) => {
                Uid::new(undecodable.metadata.uid.as_deref().unwrap_or_default())
            }
        }
    }

    fn record(&self) -> Option<&Record> {
        if let Stored::Readable(record) = &self.stored { Some(record) } else { None }
    }
}

/// Takes the nulls of an object in, and answers whether its status names those that are known then, and whether it
/// lacks one.
fn see_nulls(state: &mut State, object: &Auth0UserUpdate) -> (bool, bool) {
    let known = Arc::clone(state.nulls.get_or_insert_default());
    let mut nulls = known.lock().unwrap_or_else(PoisonError::into_inner);
    nulls.see(object, false);
    // A pass under way has them, too, and may learn more.
    if nulls.is_empty() && Arc::strong_count(&known) == 2 {
        state.nulls = None;
    }
    let named = object.remembered_nulls();
    let lacks = !nulls.is_pruned && nulls.names.iter().any(|name| !named.contains(name));
    (nulls.is_pruned || nulls.names == named, lacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::resource::fixtures::{object, ready};
    use serde_json::json;

    fn at(version: u64, uid: &str) -> Guarded<Auth0UserUpdate> {
        let mut object = object(&json!({"name": "A"}), &ready(2, "True", "Applied"));
        object.metadata.resource_version = Some(version.to_string());
        object.metadata.uid = Some(uid.to_owned());
        Guarded(Ok(object))
    }

    #[test]
    fn what_a_pass_has_written_is_not_undone_by_an_older_event_but_by_a_list() {
        let resources = Resources::default();
        let key = resources.see(&at(7, "u"), false);
        for (version, is_listed, expected) in [(6, false, 7), (8, false, 8), (5, true, 5)] {
            resources.see(&at(version, "u"), is_listed);
            assert_eq!(resources.wake(&key).unwrap().version, expected);
        }
    }

    #[test]
    fn what_a_pass_has_written_brings_nothing_back_that_is_gone_or_made_again() {
        let resources = Resources::default();
        let key = resources.see(&at(1, "u"), false);
        let written = || at(5, "u").0.unwrap();
        resources.note(&key, written());
        assert_eq!(resources.wake(&key).unwrap().version, 5);
        resources.see(&at(6, "v"), false);
        resources.note(&key, written());
        assert_eq!(resources.wake(&key).unwrap().uid(), Uid::new("v"));
        resources.forget(&key);
        resources.note(&key, written());
        assert!(resources.wake(&key).is_none());
    }

    #[test]
    fn something_that_happens_during_a_pass_is_known_at_its_end() {
        let resources = Resources::default();
        let key = resources.see(&at(1, "u"), false);
        for happens in [false, true] {
            let state = resources.begin(&key).unwrap().state;
            if happens {
                assert!(resources.wake(&key).is_none());
            }
            let (known, is_quiet) =
                resources.end(&key, Uid::new("u"), State { failures: 3, ..state }).unwrap();
            assert_eq!((known.state.failures, is_quiet), (3, !happens));
        }
    }

    #[test]
    fn a_resource_that_is_made_again_remembers_nothing_of_the_one_before() {
        let resources = Resources::default();
        let key = resources.see(&at(1, "u"), false);
        let state = resources.begin(&key).unwrap().state;
        resources.see(&at(2, "v"), false);
        resources.end(&key, Uid::new("u"), State { failures: 3, ..state });
        assert_eq!(resources.wake(&key).unwrap().state.failures, 0);
        assert!(!resources.is_wanted(&key, Uid::new("u")) && resources.is_wanted(&key, Uid::new("v")));
    }

    #[test]
    fn a_resource_takes_two_hundred_bytes_beside_its_names() {
        let bytes = size_of::<Resource>();
        assert!(bytes <= 200, "{bytes}");
    }

    #[test]
    fn those_that_only_observe_a_user_are_known_as_long_as_they_do() {
        let resources = Resources::default();
        let with = |mode: &str, version: u64, uid: &str| {
            let mut object =
                object(&json!({"userId": "auth0|ann", "mode": mode}), &ready(2, "True", "Applied"));
            object.metadata.resource_version = Some(version.to_string());
            object.metadata.uid = Some(uid.to_owned());
            Guarded(Ok(object))
        };
        let key = resources.see(&with("Observe", 1, "a"), false);
        for (mode, version, uid, observes) in [
            ("Observe", 2, "a", true),
            ("Apply", 3, "a", false),
            ("Observe", 4, "a", true),
            ("Apply", 2, "a", true),
            ("Apply", 5, "b", false),
        ] {
            resources.see(&with(mode, version, uid), false);
            let known = resources.observers("auth0|ann");
            assert_eq!(known == [key.clone()], observes, "{mode} {version} {uid}: {known:?}");
        }
        resources.see(&with("Observe", 6, "b"), false);
        resources.forget(&key);
        assert!(resources.observers("auth0|ann").is_empty() && resources.lock().observers.is_empty());
    }

    #[test]
    fn what_is_not_listed_is_forgotten_in_the_listed_namespace_only() {
        let resources = Resources::default();
        let key = resources.see(&at(1, "u"), false);
        assert_eq!(resources.retain(Some("elsewhere"), &HashSet::new()), []);
        assert_eq!(resources.retain(Some("n"), &HashSet::from([key.clone()])), []);
        assert_eq!(resources.retain(None, &HashSet::new()), std::slice::from_ref(&key));
        assert!(resources.wake(&key).is_none() && !resources.is_wanted(&key, Uid::new("u")));
    }
}
