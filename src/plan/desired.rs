//! What the spec asks, with blanks already decided.

use crate::api::reason::{Failure, Reason};
use crate::api::{
    Auth0UserUpdateSpec, Field, IgnoredField, JsonMap, MOST_LEVELS, MOST_VALUES, PassEmptyValues,
    SecretKeyRef, json,
};
use crate::plan::dropped::{Held, held};
use crate::user::{Attribute, maps, texts};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Root keys that Auth0 keeps for itself inside `app_metadata` (Auth0: "Metadata field names and data types").
const RESERVED_APP_METADATA: [&str; 18] = [
    "__tenant",
    "_id",
    "blocked",
    "clientID",
    "created_at",
    "email_verified",
    "email",
    "globalClientID",
    "global_client_id",
    "identities",
    "lastIP",
    "lastLogin",
    "loginsCount",
    "metadata",
    "multifactor_last_modified",
    "multifactor",
    "updated_at",
    "user_id",
];

/// Longest part of a key in a message, in characters: a condition has room for 32 KiB.
const LONGEST_SHOWN_KEY: usize = 100;

/// What one text field shall become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// This value.
    Set(String),
    /// No value.
    Clear,
}

/// What one metadata map shall become.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// An order for the map as a whole.
    pub whole: Option<Whole>,
    /// First-level keys: a value, or `None` to remove the key.
    pub keys: BTreeMap<String, Option<Value>>,
    /// Keys that a replace leaves alone, because a dropped null hides what was meant.
    pub held: BTreeSet<String>,
}

impl Metadata {
    /// Whether an order for the whole map leaves this key alone.
    #[must_use]
    pub fn spares(&self, key: &str) -> bool {
        self.whole == Some(Whole::Replace) && (self.keys.contains_key(key) || self.held.contains(key))
    }
}

/// An order for a whole metadata map. It acts once for each edit, or other people's keys would go at
/// every resync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Remove every key.
    Clear,
    /// Remove every key that is not declared.
    Replace,
}

/// The spec after the rules for blanks: only what is managed is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// Text fields.
    pub texts: BTreeMap<Attribute, Text>,
    /// `blocked`, `emailVerified` and `phoneVerified`.
    pub flags: BTreeMap<Attribute, bool>,
    /// Whether to mail a verification link.
    pub verify_email: Option<bool>,
    /// Rides with a new email or phone number.
    pub client_id: Option<String>,
    /// Names the identity to act on.
    pub connection: Option<String>,
    /// Where the password is.
    pub password: Option<SecretKeyRef>,
    /// `userMetadata` and `appMetadata`.
    pub metadata: BTreeMap<Attribute, Metadata>,
    /// Blanks that Auth0 cannot clear.
    pub ignored: Vec<IgnoredField>,
    /// What is declared and may not be sent: what was sent of it before stays remembered.
    pub withheld: BTreeSet<Attribute>,
}

impl Desired {
    /// Reads the spec. `last_applied` is the `spec` of kubectl's last-applied annotation, `remembered` what status
    /// has of explicit nulls.
    ///
    /// # Errors
    /// `InvalidRequest` for what neither schema nor CEL can see.
    pub fn read(
        spec: &Auth0UserUpdateSpec,
        last_applied: Option<&JsonMap>,
        remembered: &[String],
    ) -> Result<Self, Failure> {
        // Auth0 rejects the path (400 invalid_uri).
        if !spec.user_id.contains('|') {
            let message = format!(
                "spec.userId {:?} is not an Auth0 user id; it has the form PROVIDER|ID, such as auth0|507f1f77bcf86cd799439011",
                spec.user_id
            );
            return Err(Failure::new(Reason::InvalidRequest, message));
        }
        for (attribute, map) in maps(spec) {
            check_keys(spec, attribute, map)?;
        }
        Ok(Self::declared(spec, last_applied, remembered))
    }

    /// The same of a spec that may be invalid.
    #[must_use]
    pub fn declared(
        spec: &Auth0UserUpdateSpec,
        last_applied: Option<&JsonMap>,
        remembered: &[String],
    ) -> Self {
        let blanks_clear = spec.pass_empty_values == PassEmptyValues::Yes;
        let reader = Reader { spec, blanks_clear };
        let mut desired = Self { texts: reader.texts(), ..Self::default() };
        for (attribute, field) in [
            (Attribute::Blocked, &spec.blocked),
            (Attribute::EmailVerified, &spec.email_verified),
            (Attribute::PhoneVerified, &spec.phone_verified),
        ] {
            if let Some(flag) = desired.unless_blank(attribute.spec_name(), field, blanks_clear) {
                desired.flags.insert(attribute, flag);
            }
        }
        desired.verify_email = desired.unless_blank("verifyEmail", &spec.verify_email, blanks_clear);
        desired.password = desired.unless_blank("passwordSecretRef", &spec.password_secret_ref, blanks_clear);
        desired.client_id = desired.unless_blank("clientId", &without_empty(&spec.client_id), blanks_clear);
        desired.connection =
            desired.unless_blank("connection", &without_empty(&spec.connection), blanks_clear);
        for (attribute, map) in maps(spec) {
            let name = attribute.spec_name();
            let applied = last_applied.and_then(|spec| spec.get(name));
            let held = map.map_or_else(Held::default, |live| held(spec, name, live, applied, remembered));
            if let Some(metadata) = reader.metadata(attribute, map, held) {
                desired.metadata.insert(attribute, metadata);
            }
        }
        desired
    }

    /// The value of a field that Auth0 cannot clear. Its blank is reported where blanks are meant to clear.
    fn unless_blank<T: Clone>(&mut self, name: &str, field: &Field<T>, blanks_clear: bool) -> Option<T> {
        if matches!(field, Field::Null) && blanks_clear {
            let reason = "Auth0 cannot clear this field; remove it from the spec".to_owned();
            self.ignored.push(IgnoredField { field: name.to_owned(), reason });
        }
        field.value().cloned()
    }
}

fn without_empty(field: &Field<String>) -> Field<String> {
    match field {
        Field::Value(text) if text.is_empty() => Field::Null,
        Field::Absent | Field::Null | Field::Value(_) => field.clone(),
    }
}

struct Reader<'a> {
    spec: &'a Auth0UserUpdateSpec,
    blanks_clear: bool,
}

impl Reader<'_> {
    fn texts(&self) -> BTreeMap<Attribute, Text> {
        let texts = texts(self.spec).into_iter();
        texts.filter_map(|(attribute, field)| Some((attribute, self.text(attribute, field)?))).collect()
    }

    fn text(&self, attribute: Attribute, field: &Field<String>) -> Option<Text> {
        if self.clears(attribute.spec_name()) {
            return Some(Text::Clear);
        }
        match field {
            Field::Absent => None,
            Field::Value(text) if !text.is_empty() => Some(Text::Set(text.clone())),
            Field::Null | Field::Value(_) => self.blanks_clear.then_some(Text::Clear),
        }
    }

    fn clears(&self, name: &str) -> bool {
        self.spec.clear.iter().any(|entry| entry == name)
    }

    fn metadata(&self, attribute: Attribute, map: Option<&JsonMap>, held: Held) -> Option<Metadata> {
        let empty = JsonMap::new();
        let declared = map.unwrap_or(&empty);
        let mut keys: BTreeMap<String, Option<Value>> = declared
            .iter()
            .filter(|(key, value)| !held.keys.contains(*key) && (self.blanks_clear || !value.is_null()))
            .map(|(key, value)| (key.clone(), Some(value.clone()).filter(|value| !value.is_null())))
            .collect();
        let whole = if self.clears(attribute.spec_name()) {
            let replaces = declared.values().any(|value| !value.is_null());
            Some(if replaces { Whole::Replace } else { Whole::Clear })
        } else {
            let blank = map.is_some_and(JsonMap::is_empty) && self.blanks_clear && !held.whole;
            blank.then_some(Whole::Clear)
        };
        match whole {
            Some(Whole::Clear) => keys.clear(),
            Some(Whole::Replace) => keys.retain(|_, value| value.is_some()),
            None => keys.extend(cleared_keys(self.spec, attribute).map(|key| (key.to_owned(), None))),
        }
        let mut held = held.keys;
        held.retain(|key| {
            whole == Some(Whole::Replace) && cleared_keys(self.spec, attribute).all(|cleared| cleared != key)
        });
        let metadata = Metadata { whole, keys, held };
        (metadata.whole.is_some() || !metadata.keys.is_empty()).then_some(metadata)
    }
}

/// Keys of this map that `clear` names one by one.
fn cleared_keys(spec: &Auth0UserUpdateSpec, attribute: Attribute) -> impl Iterator<Item = &str> {
    let name = attribute.spec_name();
    spec.clear.iter().filter_map(move |entry| entry.strip_prefix(name)?.strip_prefix('.'))
}

fn check_keys(
    spec: &Auth0UserUpdateSpec,
    attribute: Attribute,
    declared: Option<&JsonMap>,
) -> Result<(), Failure> {
    let empty = JsonMap::new();
    let declared = declared.unwrap_or(&empty);
    let name = attribute.spec_name();
    let refuse = |message| Err(Failure::new(Reason::InvalidRequest, message));
    if declared.values().filter_map(Value::as_str).any(json::is_left_out) {
        return refuse(format!(
            "{name} has more than {MOST_VALUES} values: shorten it, or encode parts of it as a string"
        ));
    }
    for key in cleared_keys(spec, attribute) {
        if declared.get(key).is_some_and(|value| !value.is_null()) {
            return refuse(format!("{name}.{key} is listed in clear and has a value: remove one of the two"));
        }
    }
    for (key, value) in declared {
        let shown: String = key.chars().take(LONGEST_SHOWN_KEY).collect();
        if !json::is_within(value, MOST_LEVELS) {
            return refuse(format!(
                "{name}.{shown} is nested deeper than {MOST_LEVELS} levels: flatten it, or encode it as a string"
            ));
        }
        if key.contains(['.', '$']) {
            return refuse(format!(
                "{name} has the key {shown:?}: Auth0 rejects keys that contain . or $; rename it"
            ));
        }
        if attribute == Attribute::AppMetadata && RESERVED_APP_METADATA.contains(&key.as_str()) {
            return refuse(format!("{name} has the key {shown:?}, which Auth0 reserves; rename it"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(mut card: Value, pass_empty_values: &str) -> Result<Desired, Failure> {
        card["tenantRef"] = json!({"name": "t"});
        card["userId"] = json!("auth0|1");
        card["passEmptyValues"] = json!(pass_empty_values);
        Desired::read(&serde_json::from_value(card).unwrap(), None, &[])
    }

    fn metadata(card: Value, pass_empty_values: &str) -> Option<Metadata> {
        read(card, pass_empty_values).unwrap().metadata.remove(&Attribute::UserMetadata)
    }

    #[test]
    fn a_blank_text_clears_under_yes_only() {
        for blank in [json!({"name": ""}), json!({"name": null})] {
            assert_eq!(read(blank.clone(), "Yes").unwrap().texts[&Attribute::Name], Text::Clear);
            assert_eq!(read(blank, "No").unwrap().texts.get(&Attribute::Name), None);
        }
        assert_eq!(read(json!({}), "Yes").unwrap(), Desired::default());
    }

    #[test]
    fn clear_is_an_order_under_both() {
        for answer in ["Yes", "No"] {
            let desired = read(json!({"clear": ["name"], "name": ""}), answer).unwrap();
            assert_eq!(desired.texts[&Attribute::Name], Text::Clear);
        }
    }

    #[test]
    fn an_empty_map_clears_under_yes_only() {
        let cleared = metadata(json!({"userMetadata": {}}), "Yes").unwrap();
        assert_eq!(cleared.whole, Some(Whole::Clear));
        assert_eq!(metadata(json!({"userMetadata": {}}), "No"), None);
    }

    #[test]
    fn a_null_key_is_removed_under_yes_and_left_out_under_no() {
        let card = json!({"userMetadata": {"plan": null, "seat": "", "nested": {"x": null}}});
        let yes = metadata(card.clone(), "Yes").unwrap().keys;
        assert_eq!(yes["plan"], None);
        assert_eq!(yes["seat"], Some(json!("")));
        let no = metadata(card, "No").unwrap().keys;
        assert!(!no.contains_key("plan"));
        assert_eq!(no["nested"], Some(json!({"x": null})));
    }

    #[test]
    fn clear_with_values_replaces_and_without_values_clears() {
        let replace = metadata(json!({"clear": ["userMetadata"], "userMetadata": {"a": 1}}), "No").unwrap();
        assert_eq!(replace.whole, Some(Whole::Replace));
        for card in [
            json!({"clear": ["userMetadata"]}),
            json!({"clear": ["userMetadata", "userMetadata.k"], "userMetadata": {}}),
        ] {
            assert_eq!(metadata(card, "No").unwrap().whole, Some(Whole::Clear));
        }
    }

    #[test]
    fn blanks_that_auth0_cannot_clear_are_reported_under_yes_only() {
        let card = json!({"blocked": null, "emailVerified": null, "phoneVerified": null, "verifyEmail": null,
                          "passwordSecretRef": null, "clientId": "", "connection": ""});
        assert_eq!(read(card.clone(), "Yes").unwrap().ignored.len(), 7);
        assert_eq!(read(card, "No").unwrap(), Desired::default());
    }

    #[test]
    fn a_cleared_key_with_a_value_is_refused() {
        let card = json!({"clear": ["userMetadata.k"], "userMetadata": {"k": 1}});
        assert_eq!(read(card, "No").unwrap_err().reason, Reason::InvalidRequest);
        assert!(read(json!({"clear": ["userMetadata.k"], "userMetadata": {"k": null}}), "No").is_ok());
    }

    #[test]
    fn keys_that_auth0_forbids_are_refused() {
        for card in [
            json!({"userMetadata": {"a.b": 1}}),
            json!({"appMetadata": {"$x": 1}}),
            json!({"appMetadata": {"user_id": 1}}),
        ] {
            assert_eq!(read(card, "Yes").unwrap_err().reason, Reason::InvalidRequest);
        }
        assert!(read(json!({"userMetadata": {"user_id": 1}}), "Yes").is_ok());
        let long = json!({"userMetadata": {"k.".repeat(20_000): 1}});
        assert!(read(long, "Yes").unwrap_err().message.len() < 1000);
    }

    #[test]
    fn more_values_than_are_read_are_refused() {
        let spec = |objects: usize| {
            let many = vec![json!({"": 0}); objects];
            json!({"userMetadata": {"k": many}, "clear": ["appMetadata"]})
        };
        assert!(read(spec(MOST_VALUES / 2 - 1), "Yes").is_ok());
        let refusal = read(spec(MOST_VALUES / 2), "Yes").unwrap_err();
        assert_eq!(refusal.reason, Reason::InvalidRequest);
        assert!(refusal.message.contains("userMetadata has more than 10000 values"), "{}", refusal.message);
    }

    #[test]
    fn a_dropped_null_neither_clears_the_map_nor_sends_its_rest() {
        let spec = json!({"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": "Yes",
                          "userMetadata": {}, "appMetadata": {"billing": {}, "seat": 1}});
        let applied =
            json!({"userMetadata": {"plan": null}, "appMetadata": {"billing": {"plan": null}, "seat": 1}});
        let desired =
            Desired::read(&serde_json::from_value(spec).unwrap(), applied.as_object(), &[]).unwrap();
        assert_eq!(desired.metadata.get(&Attribute::UserMetadata), None);
        let app: Vec<_> = desired.metadata[&Attribute::AppMetadata].keys.keys().collect();
        assert_eq!(app, ["seat"]);
    }

    #[test]
    fn a_replace_spares_the_key_of_a_dropped_null_unless_clear_names_it() {
        let applied = json!({"userMetadata": {"plan": null, "seats": 1}});
        let held = |clear: Value| {
            let spec = json!({"tenantRef": {"name": "t"}, "userId": "auth0|1", "passEmptyValues": "Yes",
                              "userMetadata": {"seats": 1}, "clear": clear});
            let spec = serde_json::from_value(spec).unwrap();
            let desired = Desired::read(&spec, applied.as_object(), &[]).unwrap();
            desired.metadata[&Attribute::UserMetadata].spares("plan")
        };
        assert!(held(json!(["userMetadata"])));
        assert!(!held(json!(["userMetadata", "userMetadata.plan"])));
    }
}
