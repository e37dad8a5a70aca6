//! What one resource claims.

use crate::api::reason::Reason;
use crate::api::{Auth0UserUpdate, Mode, Trigger};
use crate::plan::{Desired, Metadata, Text, same_json};
use crate::user::{Attribute, Group};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// Who comes first: the oldest, then by namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub created: Option<Timestamp>,
    pub namespace: String,
    pub name: String,
}

/// What a resource wants of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wish {
    /// This value; null for none.
    Value(Value),
    /// No key in the map but those that are wished for themselves; those held back are not claimed.
    Whole(BTreeSet<String>),
    /// The password of this Secret and key, and its digest once it is known.
    Password { secret: [String; 3], digest: Option<String> },
}

/// One resource that manages fields of a user. A paused or stalled one goes on claiming; one in mode
/// Observe, or being deleted, does not.
#[derive(Clone, Debug)]
pub struct Claimant {
    pub(super) uid: String,
    pub(super) rank: Rank,
    pub(super) version: u64,
    pub(super) user_id: String,
    /// Namespace and name of its tenant.
    pub(super) tenant: (String, String),
    pub(super) connection: Option<String>,
    /// By field: a spec field, or a first-level metadata key such as `userMetadata.plan`.
    pub(super) wishes: BTreeMap<String, Wish>,
    pub(super) triggers: Vec<Trigger>,
    pub(super) conflicted: bool,
}

/// The version of an object as a number, which grows with every change of it (Kubernetes API concepts,
/// "Resource versions").
pub(super) fn version(object: &Auth0UserUpdate) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

impl Claimant {
    /// What a resource claims, given its tenant's consent; `None` where it claims nothing.
    #[must_use]
    pub fn of(object: &Auth0UserUpdate) -> Option<Self> {
        let (metadata, spec) = (&object.metadata, &object.spec);
        let namespace = metadata.namespace.clone().unwrap_or_default();
        if spec.mode == Some(Mode::Observe) || metadata.deletion_timestamp.is_some() {
            return None;
        }
        let desired =
            Desired::declared(spec, object.last_applied_nulls().as_ref(), object.remembered_nulls());
        let status = object.status.as_ref();
        let triggers = status.map_or(&[][..], |status| &status.triggers);
        let mut wishes = wishes(&desired);
        if let Some(secret) = &desired.password {
            let name = Attribute::Password.spec_name();
            let known = triggers.iter().find(|entry| entry.name == name);
            let secret = [namespace.clone(), secret.name.clone(), secret.key.clone()];
            let digest = known.map(|entry| entry.digest.clone());
            wishes.insert(name.to_owned(), Wish::Password { secret, digest });
        }
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        let ready = conditions.find(|condition| condition.type_ == "Ready");
        Some(Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            version: version(object),
            user_id: spec.user_id.clone(),
            tenant: spec.tenant_ref.resolve(&namespace),
            connection: desired.connection,
            wishes,
            conflicted: ready.is_some_and(|ready| ready.reason == Reason::ManagementConflict.as_str()),
            triggers: triggers.to_vec(),
            rank: Rank {
                created: metadata.creation_timestamp.as_ref().map(|time| time.0),
                namespace,
                name: metadata.name.clone().unwrap_or_default(),
            },
        })
    }

    /// The same with the password that its Secret holds now; `None` where that is not known.
    #[must_use]
    pub fn with_password(mut self, known: Option<String>) -> Self {
        if let Some(Wish::Password { digest, .. }) = self.wishes.get_mut(Attribute::Password.spec_name()) {
            *digest = known;
        }
        self
    }

    /// Whether anything that it wants is carried out once only.
    pub(super) fn gives_orders(&self) -> bool {
        let mails = self.wishes.contains_key(Attribute::VerifyEmail.spec_name());
        mails || self.wishes.values().any(|wish| matches!(wish, Wish::Whole(_) | Wish::Password { .. }))
    }

    /// What it wants of a field, be it through an order for the whole map.
    pub(super) fn wish_for(&self, field: &str) -> Option<Cow<'_, Wish>> {
        if let Some(wish) = self.wishes.get(field) {
            return Some(Cow::Borrowed(wish));
        }
        let (map, key) = field.split_once('.')?;
        match self.wishes.get(map)? {
            Wish::Whole(held) if !held.contains(key) => Some(Cow::Owned(Wish::Value(Value::Null))),
            Wish::Whole(_) | Wish::Value(_) | Wish::Password { .. } => None,
        }
    }

    /// Whether a younger claimant of this field owns nothing through it, as long as this one is there.
    pub(super) fn covers(&self, younger: &Self, field: &str) -> bool {
        match (self.wishes.get(field), younger.wishes.get(field)) {
            (Some(Wish::Whole(held)), Some(Wish::Whole(theirs))) => held.is_subset(theirs),
            _ => true,
        }
    }

    /// Whether another claimant wants the same of this field.
    pub(super) fn agrees(&self, other: &Self, field: &str) -> bool {
        let (Some(own), Some(theirs)) = (self.wish_for(field), other.wish_for(field)) else { return true };
        match (own.as_ref(), theirs.as_ref()) {
            (Wish::Value(own), Wish::Value(theirs)) => same_wish(field, own, theirs),
            // Each key is compared for itself.
            (Wish::Whole(_), Wish::Whole(_)) => true,
            (
                Wish::Password { secret, digest: own_digest },
                Wish::Password { secret: their_secret, digest },
            ) => secret == their_secret || own_digest.is_none() || own_digest == digest,
            _ => false,
        }
    }

    /// Fields of which another version of the same resource wants something else, or nothing.
    pub(super) fn fields_changed_from(&self, other: Option<&Self>) -> BTreeSet<String> {
        let fields = self.wishes.iter();
        let Some(other) =
            other.filter(|other| other.tenant == self.tenant && other.connection == self.connection)
        else {
            return fields.map(|(field, _)| field.clone()).collect();
        };
        let changed = fields.filter(|(field, wish)| other.wishes.get(*field) != Some(wish));
        changed.map(|(field, _)| field.clone()).collect()
    }
}

/// Whether only one identity of the user has this field.
pub(super) fn is_identity_scoped(field: &str) -> bool {
    Group::of_field(field).is_some_and(Group::is_identity_scoped)
}

fn same_wish(field: &str, own: &Value, theirs: &Value) -> bool {
    match (own, theirs) {
        (Value::String(own), Value::String(theirs)) => {
            let ignores_case = Attribute::of_field(field).is_some_and(Attribute::ignores_ascii_case);
            own == theirs || (ignores_case && own.eq_ignore_ascii_case(theirs))
        }
        _ => same_json(own, theirs),
    }
}

fn wishes(desired: &Desired) -> BTreeMap<String, Wish> {
    let texts = desired.texts.iter().map(|(attribute, text)| {
        let value = match text {
            Text::Set(text) => Value::from(text.as_str()),
            Text::Clear => Value::Null,
        };
        (*attribute, value)
    });
    let flags = desired.flags.iter().map(|(attribute, flag)| (*attribute, Value::from(*flag)));
    let mail = desired.verify_email.map(|flag| (Attribute::VerifyEmail, Value::from(flag)));
    let mut wishes: BTreeMap<String, Wish> = texts
        .chain(flags)
        .chain(mail)
        .map(|(attribute, value)| (attribute.spec_name().to_owned(), Wish::Value(value)))
        .collect();
    for (attribute, metadata) in &desired.metadata {
        wishes.extend(wishes_of_map(attribute.spec_name(), metadata));
    }
    wishes
}

fn wishes_of_map(name: &str, metadata: &Metadata) -> impl Iterator<Item = (String, Wish)> {
    let keys = metadata.keys.iter().map(move |(key, value)| {
        (format!("{name}.{key}"), Wish::Value(value.clone().unwrap_or(Value::Null)))
    });
    let whole = metadata.whole.map(|_| (name.to_owned(), Wish::Whole(metadata.held.clone())));
    keys.chain(whole)
}
