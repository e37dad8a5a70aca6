//! What one resource would send, by the product's own plan. Pure.

use crate::access::{Access, narrow};
use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, JsonMap, SecretVersion};
use crate::plan::{Desired, KEY_BYTES, Memory, Password, Progress, Situation, Step, TriggerKey, plan};
use crate::reconcile::pass::with_choices;
use crate::user::{Attribute, Body, Change, Place, Seen, Target, User};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is known of the password Secret.
#[derive(Clone, Debug, Default)]
pub enum Secret {
    /// It may hold any password.
    #[default]
    Unknown,
    /// It has this content, whatever that is.
    At(SecretVersion),
    /// It cannot be used.
    Unusable(Failure),
}

/// One resource, and what it is judged by.
pub struct Asked<'a> {
    /// The resource as written; its status is that of the cluster, as far as it counts.
    pub object: &'a Auth0UserUpdate,
    /// The spec in the cluster that the memory is about, where there is one.
    pub live: Option<&'a Auth0UserUpdate>,
    /// Host of the tenant, with its port.
    pub host: &'a str,
    /// What the tenant grants.
    pub access: &'a Access,
    /// The tenant and the namespace, as sentences name them.
    pub names: (&'a str, &'a str),
    /// The password Secret.
    pub secret: &'a Secret,
    /// Judges the resource beside others of the same user; the digest is that of the password.
    pub judge: &'a Judge<'a>,
}

/// Judges a resource beside others.
pub type Judge<'a> = dyn Fn(&User, &Target, Option<&str>) -> Result<(), Conflict> + 'a;

/// Another resource owns a field.
pub struct Conflict {
    /// Which one, and what to do.
    pub failure: Failure,
    /// Whether it is about the block of the user.
    pub owns_block: bool,
}

/// What a resource would send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preview {
    /// Requests, in their order.
    pub requests: Vec<Request>,
    /// What is refused before a request, by fields; none for the whole resource.
    pub refusals: Vec<(BTreeSet<String>, Failure)>,
    /// One-time actions of which only the operator can tell whether they were carried out.
    pub unclear: BTreeSet<String>,
    /// Fields that differ and are not sent, because Auth0 rejected them or did not keep them.
    pub left: BTreeSet<String>,
    /// What the author of the manifest should know.
    pub notes: Vec<String>,
}

/// One PATCH.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Field by field.
    pub changes: Vec<Line>,
    /// What goes along: `connection` and `client_id`.
    pub beside: JsonMap,
    /// The body, without the password.
    pub body: JsonMap,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its name in the spec.
    pub field: String,
    /// What becomes of it.
    pub what: What,
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// From one value to another; `None` for no value.
    Changes(Before, Option<Value>),
    /// The password is set.
    PasswordSet,
    /// A verification mail is sent, or none.
    Mail(bool),
}

/// What Auth0 holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    /// This, or nothing.
    Known(Option<Value>),
    /// Auth0 does not show it.
    Unknown,
}

/// Stands for the operator's key: nothing that is compared with it leaves this process.
#[must_use]
pub fn key() -> TriggerKey {
    TriggerKey::new([0; KEY_BYTES])
}

impl Preview {
    /// A resource of which nothing is sent.
    #[must_use]
    pub fn refused(failure: Failure) -> Self {
        Self { refusals: vec![(BTreeSet::new(), failure)], ..Self::default() }
    }

    /// Whether there is nothing to tell about the user.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.requests.is_empty()
            && self.refusals.is_empty()
            && self.unclear.is_empty()
            && self.left.is_empty()
    }
}

impl Asked<'_> {
    /// What it would send for this user.
    #[must_use]
    pub fn preview(&self, user: &User) -> Preview {
        let read = Desired::read(&self.object.spec, None, self.object.remembered_nulls());
        match read {
            Ok(desired) => {
                let notes = notes(self.object, &desired);
                let refused = |failure| Preview::refused(with_choices(failure, Some(user), self.access));
                let mut preview = self.planned(desired, user).unwrap_or_else(refused);
                preview.notes.extend(notes);
                preview
            }
            Err(failure) => Preview::refused(failure),
        }
    }

    fn planned(&self, desired: Desired, user: &User) -> Result<Preview, Failure> {
        self.access.check_id(user, &self.object.spec.user_id)?;
        let key = key();
        let (desired, refusals) = narrow(desired, self.access, user, self.names);
        let (memory, password) = (self.memory(user, &key), self.password(self.object, &desired));
        if let Ok(target) = user.target(desired.connection.as_deref())
            && let Err(conflict) = self.judge(&desired, user, &target, &key)
        {
            let blocks = desired.flags.get(&Attribute::Blocked) == Some(&true) && !user.is_blocked();
            let block = (blocks && !conflict.owns_block).then(Step::block);
            let requests = block.iter().map(|step| request(step, user, &target)).collect();
            return Ok(Preview { requests, ..Preview::refused(conflict.failure) });
        }
        let nothing_done = Progress::default();
        let plan = plan(&self.situation(&desired, user, &password, &memory, &nothing_done, &key))?;
        let target = user.target(desired.connection.as_deref())?;
        let (lost, other): (Vec<_>, Vec<_>) =
            plan.holds.into_iter().partition(|hold| hold.failure.reason == Reason::TriggerKeyLost);
        let held =
            other.into_iter().map(|hold| ([hold.attribute.spec_name().to_owned()].into(), hold.failure));
        let lacking = plan.not_persisted.into_iter().map(|entry| entry.field);
        let lifts = desired.flags.get(&Attribute::Blocked) == Some(&false)
            && user.is_blocked()
            && plan.steps.iter().any(|step| step.body.has_password());
        let lifts =
            lifts.then(|| "blocked: true → false, by the new password, which lifts the block".to_owned());
        Ok(Preview {
            requests: plan.steps.iter().map(|step| request(step, user, &target)).collect(),
            refusals: refusals.into_iter().chain(held).collect(),
            unclear: lost.into_iter().map(|hold| hold.attribute.spec_name().to_owned()).collect(),
            left: plan.left_out.into_iter().chain(lacking).collect(),
            notes: lifts.into_iter().collect(),
        })
    }

    fn judge(
        &self,
        desired: &Desired,
        user: &User,
        target: &Target,
        key: &TriggerKey,
    ) -> Result<(), Conflict> {
        let password = desired.password.as_ref().map(|_| stand_in(self.object, desired));
        let digest = password.map(|password| {
            key.digest(&[self.host, &self.object.spec.user_id, &target.identity, password.expose_secret()])
        });
        (self.judge)(user, target, digest.as_deref())
    }

    fn situation<'a>(
        &'a self,
        desired: &'a Desired,
        user: &'a User,
        password: &'a Password,
        memory: &'a Memory,
        progress: &'a Progress,
        key: &'a TriggerKey,
    ) -> Situation<'a> {
        let (host, user_id) = (self.host, self.object.spec.user_id.as_str());
        Situation { desired, user, password, memory, progress, key, host, user_id }
    }

    /// The content of a Secret is read by the operator alone: here its place stands for it.
    fn password(&self, object: &Auth0UserUpdate, desired: &Desired) -> Password {
        if desired.password.is_none() {
            return Password::Undeclared;
        }
        let any = SecretVersion { uid: String::new(), resource_version: String::new() };
        match self.secret {
            Secret::Unknown => Password::Read(stand_in(object, desired), any),
            Secret::At(version) => Password::Read(stand_in(object, desired), version.clone()),
            Secret::Unusable(failure) => Password::Held(failure.clone()),
        }
    }

    /// What the operator remembers, in digests of this process's key. Without a resource in the cluster nothing is.
    ///
    /// Its own digests cannot be compared without its key. But where the spec in the cluster was applied, they are about
    /// that spec, so the plan for it says what they are (as it does for an operator that has lost its key).
    fn memory(&self, user: &User, key: &TriggerKey) -> Memory {
        let assume_sent = self.object.assume_sent();
        let Some(live) = self.live else { return Memory { assume_sent, ..Memory::default() } };
        let status = live.status.clone().unwrap_or_default();
        let is_same = serde_json::to_value(&live.spec).ok() == serde_json::to_value(&self.object.spec).ok();
        let mut memory =
            Memory { triggers: status.triggers, generation_applied: live.is_applied(), ..Memory::default() };
        let nulls = live.last_applied_nulls();
        let read = Desired::read(&live.spec, nulls.as_ref(), live.remembered_nulls());
        let desired =
            read.map(|desired| narrow(desired, self.access, user, self.names).0).unwrap_or_default();
        let password = self.password(live, &desired);
        let sent = status.not_persisted.into_iter().map(|entry| entry.field).collect();
        let progress = Progress { sent, ..Progress::default() };
        let known = plan(&self.situation(&desired, user, &password, &memory, &progress, key));
        if let Ok(known) = known {
            memory.triggers.retain(|entry| !known.forgotten.contains(&entry.name));
            memory.not_persisted = known.not_persisted;
            known.records.into_iter().for_each(|entry| memory.remember(entry));
        }
        if is_same {
            memory.refused = status.refused_fields;
            memory.refused.retain(crate::api::RefusedField::is_of_auth0);
        }
        Memory { generation_applied: is_same && memory.generation_applied, assume_sent, ..memory }
    }
}

/// Two passwords are the same where they come from the same place.
fn stand_in(object: &Auth0UserUpdate, desired: &Desired) -> SecretString {
    let place = desired.password.as_ref().map(|secret| (&secret.name, &secret.key));
    format!("{:?} {place:?}", object.metadata.namespace).into()
}

fn request(step: &Step, user: &User, target: &Target) -> Request {
    let password = step
        .body
        .has_password()
        .then(|| Line { field: Attribute::Password.spec_name().to_owned(), what: What::PasswordSet });
    let changes =
        step.changes.iter().map(|change| Line { field: change.field(), what: what(change, user, target) });
    let mut of_changes = Body::default();
    step.changes.iter().for_each(|change| of_changes.put(change));
    let body = step.body.fields().clone();
    let beside = body.iter().filter(|(name, _)| !of_changes.holds(name));
    Request {
        changes: password.into_iter().chain(changes).collect(),
        beside: beside.map(|(name, value)| (name.clone(), value.clone())).collect(),
        body,
    }
}

fn what(change: &Change, user: &User, target: &Target) -> What {
    if change.attribute == Attribute::VerifyEmail {
        return What::Mail(change.value == true);
    }
    let name = change.attribute.auth0_name();
    let before = match &change.place {
        Place::Key(key) => Before::Known(user.metadata(name).and_then(|map| map.get(key)).cloned()),
        Place::Root if change.attribute.group().is_identity_scoped() => match user.seen(target, name) {
            Seen::Known(value) => Before::Known(value.cloned()),
            Seen::Unobservable => Before::Unknown,
        },
        Place::Root => Before::Known(user.root(name).cloned()),
    };
    What::Changes(before, Some(change.value.clone()).filter(|value| !value.is_null()))
}

/// What is not sent, or may not arrive, although it is written.
fn notes(object: &Auth0UserUpdate, desired: &Desired) -> Vec<String> {
    let ignored = desired.ignored.iter().map(|entry| format!("{}: {}", entry.field, entry.reason));
    let cleared = crate::user::texts(&object.spec).into_iter();
    let cleared =
        cleared.filter(|(_, field)| field.is_null()).map(|(attribute, _)| attribute.spec_name().to_owned());
    let keys = crate::user::maps(&object.spec).into_iter().flat_map(|(map, declared)| {
        let nulls = declared.into_iter().flatten().filter(|(_, value)| value.is_null());
        nulls.map(move |(key, _)| format!("{}.{key}", map.spec_name()))
    });
    let nulls: Vec<String> = cleared.chain(keys).collect();
    let dropped = (!nulls.is_empty()).then(|| {
        format!(
            "null in {}: client-side kubectl apply drops nulls on the way; name the fields in spec.clear to be sure",
            nulls.join(", ")
        )
    });
    ignored.chain(dropped).collect()
}
