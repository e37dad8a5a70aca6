//! What differs between the desired and the observed user, group by group.

use crate::api::{JsonMap, NotPersisted, SecretVersion, Trigger};
use crate::plan::desired::{Desired, Metadata, Text, Whole};
use crate::plan::digest::TriggerKey;
use crate::plan::order::{Decision, Memory, Order};
use crate::plan::{Hold, Password};
use crate::user::{Attribute, Change};
use crate::user::{Seen, Target, User, is_true};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// What Auth0 accepts or rejects as one: a field, a first-level metadata key, or a whole metadata map.
pub(super) struct Part {
    /// Name in the lists of status, such as `name` or `userMetadata.plan`.
    pub name: String,
    pub attribute: Attribute,
    pub changes: Vec<Change>,
    /// Entry to write before the request.
    pub trigger: Option<Trigger>,
    pub password: Option<SecretString>,
    /// An earlier try of the password may have arrived.
    pub again: bool,
    /// No difference by itself: it only goes beside the address that it speaks of.
    pub rides: bool,
}

impl Part {
    fn new(attribute: Attribute, changes: Vec<Change>) -> Self {
        let name = attribute.spec_name().to_owned();
        Self { name, attribute, changes, trigger: None, password: None, again: false, rides: false }
    }

    fn of(change: Change) -> Self {
        Self { name: change.field(), ..Self::new(change.attribute, vec![change]) }
    }

    /// Whether it blocks the user.
    pub fn blocks(&self) -> bool {
        self.attribute == Attribute::Blocked && self.changes.iter().any(|change| change.value == true)
    }
}

/// Compares, and collects on the way what is to be remembered without a request.
pub(super) struct Comparison<'a> {
    pub desired: &'a Desired,
    pub user: &'a User,
    pub target: &'a Target,
    pub memory: &'a Memory,
    pub key: &'a TriggerKey,
    pub host: &'a str,
    pub user_id: &'a str,
    /// What differs, in the order of the groups.
    pub parts: Vec<Part>,
    pub records: Vec<Trigger>,
    pub holds: Vec<Hold>,
    /// Differences that are not sent because Auth0 did not keep the value before.
    pub not_persisted: Vec<NotPersisted>,
    /// Orders that are still declared; every other entry but the password's is forgotten.
    pub declared_orders: Vec<Attribute>,
}

impl Comparison<'_> {
    /// Compares all that is declared.
    pub fn compare(&mut self, password: &Password) {
        self.password(password);
        self.flag(Attribute::Blocked, false);
        for (attribute, metadata) in &self.desired.metadata {
            self.metadata(*attribute, metadata);
        }
        for attribute in [
            Attribute::Name,
            Attribute::GivenName,
            Attribute::FamilyName,
            Attribute::Nickname,
            Attribute::Picture,
        ] {
            self.text(attribute);
        }
        self.email();
        self.phone();
        self.text(Attribute::Username);
    }

    fn password(&mut self, password: &Password) {
        let (value, version) = match password {
            Password::Undeclared | Password::Unchanged => return,
            Password::Held(failure) => {
                self.holds.push(Hold { attribute: Attribute::Password, failure: failure.clone() });
                return;
            }
            Password::Read(value, version) => (value, version),
        };
        let digest = self.order_digest(Attribute::Password, value.expose_secret());
        if let Some((entry, again)) = self.order(Attribute::Password, digest, Some(version)) {
            let (trigger, password) = (Some(entry), Some(value.clone()));
            self.parts.push(Part { trigger, password, again, ..Part::new(Attribute::Password, Vec::new()) });
        }
    }

    fn email(&mut self) {
        self.text(Attribute::Email);
        if self.desired.verify_email == Some(true) {
            self.declared_orders.push(Attribute::VerifyEmail);
        }
        if self.desired.texts.get(&Attribute::Email) != Some(&Text::Clear) {
            self.flag(Attribute::EmailVerified, self.sets(Attribute::Email));
            self.verify_email();
        }
    }

    fn phone(&mut self) {
        self.text(Attribute::PhoneNumber);
        if self.desired.texts.get(&Attribute::PhoneNumber) != Some(&Text::Clear) {
            self.flag(Attribute::PhoneVerified, self.sets(Attribute::PhoneNumber));
        }
    }

    fn sets(&self, attribute: Attribute) -> bool {
        self.parts.iter().any(|part| part.attribute == attribute)
    }

    fn text(&mut self, attribute: Attribute) {
        let Some(wanted) = self.desired.texts.get(&attribute) else { return };
        match (wanted, self.seen(attribute)) {
            (Text::Set(wanted), Seen::Known(seen)) => {
                if !self.same_text(attribute, wanted, seen) {
                    self.push(Change::root(attribute, wanted.as_str().into()));
                }
            }
            (Text::Clear, Seen::Known(seen)) => {
                if seen.is_some_and(|seen| seen != "") {
                    self.push(Change::root(attribute, Value::Null));
                }
            }
            (Text::Set(wanted), Seen::Unobservable) => {
                if let Some(entry) = self.unobservable(attribute, wanted) {
                    let change = Change::root(attribute, wanted.as_str().into());
                    self.parts.push(Part { trigger: Some(entry), ..Part::of(change) });
                }
            }
            (Text::Clear, Seen::Unobservable) => {}
        }
    }

    /// `rides`: the address that the flag speaks of is set, which Auth0 may answer with a reset flag.
    fn flag(&mut self, attribute: Attribute, rides: bool) {
        let Some(&wanted) = self.desired.flags.get(&attribute) else { return };
        let change = Change::root(attribute, wanted.into());
        match self.seen(attribute) {
            Seen::Known(seen) if is_true(seen) != wanted => {
                if rides {
                    self.parts.push(Part::of(change));
                } else {
                    self.push(change);
                }
            }
            Seen::Known(_) if rides => self.parts.push(Part { rides, ..Part::of(change) }),
            Seen::Known(_) => {}
            Seen::Unobservable => {
                let trigger = self.unobservable(attribute, if wanted { "true" } else { "false" });
                if rides || trigger.is_some() {
                    self.parts.push(Part { rides: trigger.is_none(), trigger, ..Part::of(change) });
                }
            }
        }
    }

    fn verify_email(&mut self) {
        let rides = self.sets(Attribute::Email) || self.sets(Attribute::EmailVerified);
        let Some(wanted) = self.desired.verify_email else { return };
        let part = |flag: bool| Part::of(Change::root(Attribute::VerifyEmail, flag.into()));
        if !wanted {
            if rides {
                self.parts.push(Part { rides, ..part(false) });
            }
            return;
        }
        let Some(email) = self.ordered_email().map(str::to_ascii_lowercase) else { return };
        let digest = self.order_digest(Attribute::VerifyEmail, &email);
        let held = self.holds.len();
        let unverified = self.says_unverified();
        match self.order(Attribute::VerifyEmail, digest, None) {
            Some((entry, _)) if rides || unverified => {
                self.parts.push(Part { trigger: Some(entry), rides: !unverified, ..part(true) });
            }
            None if rides && self.holds.len() == held => self.parts.push(Part { rides, ..part(false) }),
            Some(_) | None => {}
        }
    }

    /// The address that a mail is ordered for: the declared one, whether or not Auth0 keeps it as written.
    fn ordered_email(&self) -> Option<&str> {
        match (self.desired.texts.get(&Attribute::Email), self.seen(Attribute::Email)) {
            (Some(Text::Set(wanted)), _) => Some(wanted),
            (Some(Text::Clear) | None, Seen::Known(seen)) => seen?.as_str(),
            (Some(Text::Clear) | None, Seen::Unobservable) => None,
        }
    }

    fn says_unverified(&self) -> bool {
        match self.seen(Attribute::EmailVerified) {
            Seen::Known(seen) => !is_true(seen),
            Seen::Unobservable => false,
        }
    }

    fn metadata(&mut self, attribute: Attribute, wanted: &Metadata) {
        let empty = JsonMap::new();
        let user = self.user;
        let observed = user.metadata(attribute.auth0_name()).unwrap_or(&empty);
        if let Some(whole) = wanted.whole {
            self.declared_orders.push(attribute);
            let stale: Vec<Change> = observed
                .iter()
                .filter(|(key, value)| !value.is_null() && !wanted.spares(key))
                .map(|(key, _)| Change::key(attribute, key, None))
                .collect();
            let digest = self.order_digest(attribute, &serde_json::json!(wanted.keys).to_string());
            let held = self.holds.len();
            match self.order(attribute, digest, None) {
                Some((entry, _)) if stale.is_empty() => {
                    self.records.push(Trigger { state: crate::api::TriggerState::Sent, ..entry });
                }
                Some((entry, _)) => {
                    let changes = match whole {
                        Whole::Clear => vec![Change::clear_map(attribute)],
                        Whole::Replace => stale,
                    };
                    self.parts.push(Part { trigger: Some(entry), ..Part::new(attribute, changes) });
                }
                None if self.holds.len() > held => return,
                None => {}
            }
        }
        for (key, value) in &wanted.keys {
            if !same_value(value.as_ref(), observed.get(key)) {
                self.push(Change::key(attribute, key, value.as_ref()));
            }
        }
    }

    fn seen(&self, attribute: Attribute) -> Seen<'_> {
        if attribute.group().is_identity_scoped() {
            self.user.seen(self.target, attribute.auth0_name())
        } else {
            Seen::Known(self.user.root(attribute.auth0_name()))
        }
    }

    /// Adds a change, unless Auth0 accepted this very value before and did not keep it.
    fn push(&mut self, change: Change) {
        let entry = self.not_persisted_entry(&change);
        if self.memory.is_not_persisted(&entry.field, &entry.digest) {
            self.not_persisted.push(entry);
        } else {
            self.parts.push(Part::of(change));
        }
    }

    /// Whether a change that was sent is missing from the answer. A flag that rides with an address may be
    /// held although the address is not.
    pub fn is_lost(&self, change: &Change) -> bool {
        let rides = [Attribute::EmailVerified, Attribute::PhoneVerified].contains(&change.attribute);
        match self.seen(change.attribute) {
            _ if change.attribute == Attribute::VerifyEmail => false,
            Seen::Known(seen) => !rides || change.value != is_true(seen),
            Seen::Unobservable => false,
        }
    }

    pub fn not_persisted_entry(&self, change: &Change) -> NotPersisted {
        let field = change.field();
        let created = self.user.text("created_at").unwrap_or_default();
        let value = change.value.to_string();
        let digest =
            self.key.digest(&[self.host, self.user_id, &self.target.identity, created, &field, &value]);
        NotPersisted { field, digest }
    }

    /// A value that cannot be compared is sent once and remembered.
    fn unobservable(&mut self, attribute: Attribute, value: &str) -> Option<Trigger> {
        self.declared_orders.push(attribute);
        let digest = if attribute.ignores_ascii_case() {
            self.order_digest(attribute, &value.to_ascii_lowercase())
        } else {
            self.order_digest(attribute, value)
        };
        self.order(attribute, digest, None).map(|(entry, _)| entry)
    }

    /// Letter case is no difference only of what Auth0's own store lowers. That store never shows a capital letter.
    fn same_text(&self, attribute: Attribute, wanted: &str, seen: Option<&Value>) -> bool {
        let Some(seen) = seen.and_then(Value::as_str) else { return false };
        let lowered = attribute.ignores_ascii_case()
            && self.target.is_of_auth0()
            && !seen.contains(|letter: char| letter.is_ascii_uppercase());
        if lowered { wanted.eq_ignore_ascii_case(seen) } else { wanted == seen }
    }

    fn order_digest(&self, attribute: Attribute, value: &str) -> String {
        let identity =
            if attribute.group().is_identity_scoped() { self.target.identity.as_str() } else { "" };
        self.key.digest(&[self.host, self.user_id, identity, value])
    }

    /// The entry to write before sending, if the order is to be sent; and whether it may have arrived.
    fn order(
        &mut self,
        attribute: Attribute,
        digest: String,
        secret: Option<&SecretVersion>,
    ) -> Option<(Trigger, bool)> {
        let order = Order {
            attribute,
            digest,
            secret,
            user_created_at: self.user.text("created_at"),
            last_password_reset: self.user.text("last_password_reset"),
        };
        match order.decide(self.memory, self.key) {
            Decision::Send { entry, again } => return Some((entry, again)),
            Decision::Record(entry) => self.records.push(entry),
            Decision::Hold(failure) => self.holds.push(Hold { attribute, failure }),
            Decision::Done => {}
        }
        None
    }
}

/// Integers are compared exactly and a float by its value, so that `1` equals `1.0`; null equals absent.
fn same_value(wanted: Option<&Value>, seen: Option<&Value>) -> bool {
    match (wanted, seen.filter(|seen| !seen.is_null())) {
        (None, None) => true,
        (Some(wanted), Some(seen)) => same_json(wanted, seen),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Whether two JSON values are equal, numbers by their value.
#[must_use]
pub fn same_json(wanted: &Value, seen: &Value) -> bool {
    match (wanted, seen) {
        (Value::Number(wanted), Value::Number(seen)) => {
            wanted == seen || ((wanted.is_f64() || seen.is_f64()) && wanted.as_f64() == seen.as_f64())
        }
        (Value::Array(wanted), Value::Array(seen)) => {
            wanted.len() == seen.len()
                && wanted.iter().zip(seen).all(|(wanted, seen)| same_json(wanted, seen))
        }
        (Value::Object(wanted), Value::Object(seen)) => {
            wanted.len() == seen.len()
                && wanted.iter().all(|(key, value)| seen.get(key).is_some_and(|seen| same_json(value, seen)))
        }
        _ => wanted == seen,
    }
}
