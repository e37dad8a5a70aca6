//! Connections: where an identity comes from decides what may be changed about it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The enterprise strategies, as Auth0's documentation lists them.
const ENTERPRISE: [&str; 12] = [
    "ad",
    "adfs",
    "auth0-adldap",
    "google-apps",
    "ip",
    "office365",
    "oidc",
    "okta",
    "pingfederate",
    "samlp",
    "sharepoint",
    "waad",
];

/// A connection as `GET /api/v2/connections` shows it, plus `disabled`.
///
/// What a connection allows is read from its `options`, under Auth0's own names: `requires_username`,
/// `attributes.{email,phone_number,username}`, `enabledDatabaseCustomization`, `import_mode`, `customScripts`,
/// `set_user_root_attributes`, `non_persistent_attrs`, `passwordPolicy`, `password_history`,
/// `password_dictionary`, `password_no_personal_info`, `password_complexity_options`, `password_options`,
/// `validation`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connection {
    /// `con_…`; made from the name when absent.
    #[serde(default)]
    pub id: String,
    /// The name that `identities[].connection` and a PATCH's `connection` use.
    pub name: String,
    /// Auth0's strategy: `auth0`, `email`, `sms`, `google-oauth2`, `samlp`, …
    pub strategy: String,
    /// Auth0's options, as they are.
    #[serde(default)]
    pub options: Map<String, Value>,
    /// No client may use it: passwords and emails of its users cannot be changed.
    #[serde(default)]
    pub disabled: bool,
    /// Whatever else the list shows (`realms`, `authentication`, …).
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The kinds that Auth0's rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A database in Auth0's own store.
    Auth0Store,
    /// A custom database that imports its users into Auth0's store.
    Importing,
    /// A custom database without import: the external store is the authority.
    External,
    /// Passwordless by email.
    PasswordlessEmail,
    /// Passwordless by text message.
    PasswordlessSms,
    /// Enterprise federation.
    Enterprise,
    /// Everything else.
    Social,
}

impl Kind {
    /// A database of any kind.
    #[must_use]
    pub fn is_database(self) -> bool {
        matches!(self, Self::Auth0Store | Self::Importing | Self::External)
    }
}

impl Connection {
    /// A connection with nothing but a name and a strategy.
    #[must_use]
    pub fn new(name: &str, strategy: &str) -> Self {
        Self {
            id: String::new(),
            name: name.to_owned(),
            strategy: strategy.to_owned(),
            options: Map::new(),
            disabled: false,
            more: Map::new(),
        }
        .completed()
    }

    /// A database in Auth0's own store, with usernames.
    #[must_use]
    pub fn database(name: &str) -> Self {
        Self::new(name, "auth0").with("requires_username", json!(true))
    }

    /// A custom database with these scripts (`change_password`, `change_email`, `change_username`,
    /// `change_phone_number`).
    #[must_use]
    pub fn custom_database(name: &str, import_mode: bool, scripts: &[&str]) -> Self {
        let scripts: Map<String, Value> =
            scripts.iter().map(|script| ((*script).to_owned(), json!("function () {}"))).collect();
        Self::database(name)
            .with("enabledDatabaseCustomization", json!(true))
            .with("import_mode", json!(import_mode))
            .with("customScripts", Value::Object(scripts))
    }

    /// The same connection with one more option.
    #[must_use]
    pub fn with(mut self, option: &str, value: Value) -> Self {
        self.options.insert(option.to_owned(), value);
        self
    }

    /// The same connection with `options.attributes.NAME`: `email`, `phone_number` or `username`.
    #[must_use]
    pub fn with_attribute(self, name: &str, configuration: Value) -> Self {
        let mut attributes = self.options.get("attributes").cloned().unwrap_or_else(|| json!({}));
        attributes[name] = configuration;
        self.with("attributes", attributes)
    }

    /// The same connection with phone numbers as an attribute of its users.
    #[must_use]
    pub fn with_phone(self) -> Self {
        self.with_attribute("phone_number", json!({ "signup": { "status": "optional" } }))
    }

    pub(crate) fn completed(mut self) -> Self {
        if self.id.is_empty() {
            let letters: String = self.name.chars().filter(char::is_ascii_alphanumeric).collect();
            self.id = format!("con_{letters}");
        }
        self
    }

    /// Which of Auth0's rules apply.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.strategy.as_str() {
            "auth0" if !self.is_on("enabledDatabaseCustomization") => Kind::Auth0Store,
            "auth0" if self.is_on("import_mode") => Kind::Importing,
            "auth0" => Kind::External,
            "email" => Kind::PasswordlessEmail,
            "sms" => Kind::PasswordlessSms,
            other if ENTERPRISE.contains(&other) => Kind::Enterprise,
            _ => Kind::Social,
        }
    }

    /// Whether root attributes belong to the tenant after the first login.
    #[must_use]
    pub fn syncs_only_first_login(&self) -> bool {
        self.text("set_user_root_attributes") == Some("on_first_login")
    }

    /// Whether its users may have a username: the attribute decides where it is configured.
    #[must_use]
    pub fn has_usernames(&self) -> bool {
        match self.attribute("username", &[]) {
            Some(_) => self.attribute_is_enabled("username"),
            None => self.is_on("requires_username"),
        }
    }

    /// Whether its users may have an email: all databases, unless the attribute is configured and inactive.
    #[must_use]
    pub fn has_emails(&self) -> bool {
        self.attribute("email", &[]).is_none() || self.attribute_is_enabled("email")
    }

    /// Whether an attribute must stay on the profile (`attributes.NAME.profile_required`, documented).
    #[must_use]
    pub fn requires(&self, attribute: &str) -> bool {
        self.kind().is_database() && self.attribute(attribute, &["profile_required"]) == Some(&json!(true))
    }

    /// Whether two users may have the same email (`attributes.email.unique: false`, documented).
    #[must_use]
    pub fn shares_emails(&self) -> bool {
        self.attribute("email", &["unique"]) == Some(&json!(false))
    }

    /// Whether its users may have a phone number.
    #[must_use]
    pub fn has_phones(&self) -> bool {
        self.kind() == Kind::PasswordlessSms || self.attribute_is_enabled("phone_number")
    }

    /// Whether a custom database can make this change; a database without customization always can.
    #[must_use]
    pub fn can_run(&self, script: &str) -> bool {
        match self.kind() {
            Kind::Importing | Kind::External => {
                self.options.get("customScripts").is_some_and(|scripts| scripts.get(script).is_some())
            }
            Kind::Auth0Store
            | Kind::PasswordlessEmail
            | Kind::PasswordlessSms
            | Kind::Enterprise
            | Kind::Social => true,
        }
    }

    /// An option by its path, for example `password_history.size`.
    #[must_use]
    pub fn option(&self, path: &[&str]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.options.get(*first)?, |value, key| value.get(key))
    }

    /// The configuration of an attribute, or a part of it.
    pub(crate) fn attribute(&self, name: &str, path: &[&str]) -> Option<&Value> {
        let configuration = self.option(&["attributes", name])?;
        path.iter().try_fold(configuration, |value, key| value.get(key))
    }

    fn attribute_is_enabled(&self, name: &str) -> bool {
        self.attribute(name, &[]).is_some()
            && self.attribute(name, &["signup", "status"]) != Some(&json!("inactive"))
    }

    fn is_on(&self, option: &str) -> bool {
        self.options.get(option).and_then(Value::as_bool).unwrap_or(false)
    }

    fn text(&self, option: &str) -> Option<&str> {
        self.options.get(option).and_then(Value::as_str)
    }

    /// What the connections endpoint answers for it.
    #[must_use]
    pub fn shown(&self) -> Map<String, Value> {
        let mut shown = Map::new();
        shown.insert("id".into(), json!(self.id));
        shown.insert("options".into(), Value::Object(self.options.clone()));
        shown.insert("strategy".into(), json!(self.strategy));
        shown.insert("name".into(), json!(self.name));
        shown.insert("is_domain_connection".into(), json!(false));
        shown.insert("realms".into(), json!([self.name]));
        shown.insert("enabled_clients".into(), json!([]));
        shown.extend(self.more.clone());
        shown
    }
}
