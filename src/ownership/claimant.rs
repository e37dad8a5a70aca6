//! What is kept of one resource that claims fields: a record of some four hundred bytes, without a text of any value.

use crate::api::reason::Reason;
use crate::api::{Auth0UserUpdate, Mode, Trigger};
use crate::ownership::Named;
use crate::ownership::fingerprint::{Field, Uid, Wanted, fingerprint};
use crate::plan::{Desired, Metadata, Text};
use crate::user::Attribute;
use serde_json::Value;
use std::sync::Arc;

/// What resources that can be meant by one and the same user and identity have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Namespace and name of the tenant.
    pub tenant: Named,
    /// Their own namespace, on which the tenant's consent depends.
    pub namespace: String,
    /// `spec.connection`.
    pub connection: Option<String>,
}

/// What a resource wants of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wish {
    pub field: Field,
    pub wanted: Wanted,
}

/// One resource that manages fields of a user. A paused or stalled one goes on claiming; one in mode
/// Observe, or being deleted, does not.
#[derive(Clone, Debug)]
pub(super) struct Claimant {
    pub uid: Uid,
    /// Fingerprint of the user id, of whatever tenant.
    pub user: u64,
    /// `creationTimestamp` in microseconds since the epoch.
    pub created: i64,
    pub name: Box<str>,
    pub place: Arc<Place>,
    pub version: u64,
    /// How many had come before it.
    pub arrival: u64,
    /// In the order of their fields.
    pub wishes: Box<[Wish]>,
    /// `status.triggers` without their Secrets.
    pub memory: Box<[Trigger]>,
    /// Whether its status tells of a conflict.
    pub conflicted: bool,
}

/// The version of an object as a number, which grows with every change of it (Kubernetes API concepts,
/// "Resource versions").
pub(super) fn version(object: &Auth0UserUpdate) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

impl Claimant {
    /// What a resource claims, given its tenant's consent; `None` where it claims nothing.
    pub fn of(object: &Auth0UserUpdate) -> Option<Self> {
        let (metadata, spec) = (&object.metadata, &object.spec);
        let namespace = metadata.namespace.clone().unwrap_or_default();
        if spec.mode == Some(Mode::Observe) || metadata.deletion_timestamp.is_some() {
            return None;
        }
        let desired =
            Desired::declared(spec, object.last_applied_nulls().as_ref(), object.remembered_nulls());
        let mut wishes: Vec<Wish> = wishes(&desired, &namespace).collect();
        wishes.sort_unstable();
        let status = object.status.as_ref();
        let triggers = status.map_or(&[][..], |status| &status.triggers);
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        let ready = conditions.find(|condition| condition.type_ == "Ready");
        Some(Self {
            uid: Uid::of(object),
            user: fingerprint(spec.user_id.as_str()),
            created: metadata
                .creation_timestamp
                .as_ref()
                .map_or(i64::MIN, |created| created.0.as_microsecond()),
            name: metadata.name.clone().unwrap_or_default().into(),
            version: version(object),
            arrival: u64::MAX,
            wishes: wishes.into(),
            memory: triggers.iter().map(|entry| Trigger { secret: None, ..entry.clone() }).collect(),
            conflicted: ready.is_some_and(|ready| ready.reason == Reason::ManagementConflict.as_str()),
            place: Arc::new(Place {
                tenant: spec.tenant_ref.resolve(&namespace),
                namespace,
                connection: desired.connection,
            }),
        })
    }

    /// Who comes first: those of the tenant's own namespace, then the oldest, then by namespace and name.
    pub fn rank(&self) -> (bool, i64, &str, &str) {
        let is_foreign = self.place.tenant.0 != self.place.namespace;
        (is_foreign, self.created, &self.place.namespace, &self.name)
    }

    /// Whether it wants the user to be blocked, which goes before everything else that is wanted of that.
    pub fn blocks(&self) -> bool {
        self.declared(Field::of(Attribute::Blocked)) == Some(Wanted::blocked())
    }

    pub fn named(&self) -> Named {
        (self.place.namespace.clone(), self.name.to_string())
    }

    /// Whether it has the name of another one, which it then follows as a new resource.
    pub fn is_namesake_of(&self, place: &Place, name: &str) -> bool {
        self.place.namespace == place.namespace && *self.name == *name
    }

    /// Whether anything that it wants is carried out once only.
    pub fn has_one_time_actions(&self) -> bool {
        let once = [Attribute::VerifyEmail, Attribute::Password].map(Field::of);
        self.wishes.iter().any(|wish| wish.wanted == Wanted::WHOLE || once.contains(&wish.field))
    }

    /// What it wants of this very field.
    pub fn declared(&self, field: Field) -> Option<Wanted> {
        let index = self.wishes.binary_search_by_key(&field, |wish| wish.field).ok()?;
        self.wishes.get(index).map(|wish| wish.wanted)
    }

    /// What it wants of a field, be it through an order for the whole map.
    pub fn wanted(&self, field: Field) -> Option<Wanted> {
        match self.declared(field) {
            Some(Wanted::HELD) => None,
            Some(wanted) => Some(wanted),
            None => {
                let whole = self.declared(field.map()?)? == Wanted::WHOLE;
                whole.then_some(Wanted::NOTHING)
            }
        }
    }

    /// What it wants of the keys of a map.
    pub fn keys(&self, map: Field) -> &[Wish] {
        let begin = self.wishes.partition_point(|wish| wish.field <= map);
        let end = self.wishes.partition_point(|wish| wish.field <= map.last_key());
        self.wishes.get(begin..end).unwrap_or_default()
    }

    /// Whether a younger claimant of this field owns nothing through it, as long as this one is there.
    pub fn covers(&self, younger: &Self, field: Field) -> bool {
        let meets = self.place.tenant == younger.place.tenant
            && self.place.namespace == younger.place.namespace
            && (!field.is_identity_scoped() || self.place.connection == younger.place.connection);
        let is_held = |wish: &&Wish| wish.wanted == Wanted::HELD;
        meets
            && match self.declared(field) {
                None | Some(Wanted::HELD) => false,
                Some(Wanted::WHOLE) => {
                    let mut held = self.keys(field).iter().filter(is_held);
                    held.all(|wish| younger.declared(wish.field) == Some(Wanted::HELD))
                }
                Some(_) if field == Field::of(Attribute::Blocked) => self.blocks(),
                Some(_) => true,
            }
    }

    /// Whether what becomes of this field of another one may concern it: it claims the field, the map that the field is
    /// a key of, or a key of the map that the field is.
    pub fn follows(&self, field: Field) -> bool {
        self.wanted(field).is_some() || (field.map().is_none() && !self.keys(field).is_empty())
    }

    /// Fields that it claims and another version of the same resource does not.
    pub fn fields_lost_to(&self, next: Option<&Self>) -> Vec<Field> {
        let next = next.filter(|next| next.place == self.place && next.user == self.user);
        let theirs = next.map_or(&[][..], |next| &next.wishes);
        let fields = self.wishes.iter().chain(theirs).map(|wish| wish.field);
        let is_lost = |field: &Field| {
            self.wanted(*field).is_some() && next.and_then(|next| next.wanted(*field)).is_none()
        };
        fields.filter(is_lost).collect()
    }

    /// Fields that it claims otherwise than an earlier version of the same resource did, or that the earlier one did
    /// not claim.
    pub fn fields_changed_from(&self, before: Option<&Self>) -> Vec<Field> {
        let Some(before) = before.filter(|before| before.place == self.place && before.user == self.user)
        else {
            let wishes = self.wishes.iter().filter(|wish| wish.wanted != Wanted::HELD);
            return wishes.map(|wish| wish.field).collect();
        };
        let password = Field::of(Attribute::Password);
        let fields = self.wishes.iter().chain(&before.wishes).map(|wish| wish.field);
        let is_changed = |field: &Field| {
            self.wanted(*field).is_some()
                && (self.wanted(*field) != before.wanted(*field)
                    || (*field == password && self.password() != before.password()))
        };
        fields.filter(is_changed).collect()
    }

    /// Fingerprint of the digest of the password that its status remembers.
    pub fn password(&self) -> Option<u64> {
        let name = Attribute::Password.spec_name();
        self.memory.iter().find(|entry| entry.name == name).map(|entry| fingerprint(entry.digest.as_str()))
    }
}

fn wishes<'a>(desired: &'a Desired, namespace: &str) -> impl Iterator<Item = Wish> + use<'a> {
    let value = |attribute: Attribute, value: &Value| Wish {
        field: Field::of(attribute),
        wanted: Wanted::value(attribute, value),
    };
    let texts = desired.texts.iter().map(move |(attribute, text)| match text {
        Text::Set(text) => value(*attribute, &Value::from(text.as_str())),
        Text::Clear => value(*attribute, &Value::Null),
    });
    let flags = desired.flags.iter().map(move |(attribute, flag)| value(*attribute, &Value::from(*flag)));
    let mail = desired.verify_email.map(|flag| value(Attribute::VerifyEmail, &Value::from(flag)));
    let password = desired.password.as_ref().map(|secret| Wish {
        field: Field::of(Attribute::Password),
        wanted: Wanted::password(namespace, &secret.name, &secret.key),
    });
    let maps = desired.metadata.iter().flat_map(|(attribute, metadata)| wishes_of_map(*attribute, metadata));
    texts.chain(flags).chain(mail).chain(password).chain(maps)
}

fn wishes_of_map(map: Attribute, metadata: &Metadata) -> impl Iterator<Item = Wish> {
    let key = move |key: &str, wanted| Wish { field: Field::key(map, key), wanted };
    let keys = metadata.keys.iter().map(move |(name, value)| {
        key(name, value.as_ref().map_or(Wanted::NOTHING, |value| Wanted::value(map, value)))
    });
    let held = metadata.held.iter().map(move |name| key(name, Wanted::HELD));
    let whole = metadata.whole.map(|_| Wish { field: Field::of(map), wanted: Wanted::WHOLE });
    keys.chain(held).chain(whole)
}
