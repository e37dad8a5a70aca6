//! Auth0 as the tests see it: the stand-in's pure model, a log of what was sent, and a clock.

use auth0_sandbox::model::{self, Account, Passwords, Tenant};
use auth0_sandbox::{Connection, Refusal, Rules};
use auth0_user_operator::api::JsonMap;
use auth0_user_operator::user::User;
use serde_json::{Value, json};

/// The connection of the primary identity, unless a test says otherwise.
pub const PRIMARY: &str = "People";
/// The connection of the secondary identity.
pub const SECONDARY: &str = "Staff";

/// One PATCH.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The user as observed when it was sent.
    pub before: JsonMap,
    /// The whole JSON body.
    pub body: JsonMap,
    /// Whether Auth0 took it.
    pub accepted: bool,
}

/// One tenant with one user.
#[derive(Clone, Debug)]
pub struct Auth0 {
    pub account: Account,
    pub connections: Vec<Connection>,
    pub rules: Rules,
    /// Keys that make Auth0 refuse a body for good, beside the model's own rules. Beside a password, only that
    /// counts.
    pub refuses: Vec<&'static str>,
    pub log: Vec<Exchange>,
    clock: u32,
}

impl Auth0 {
    /// A tenant whose databases take everything that any database takes.
    pub fn new(user: Value) -> Self {
        let Value::Object(user) = user else { panic!("a user is an object") };
        Self {
            account: Account::new(user),
            connections: [PRIMARY, SECONDARY].map(|name| Connection::database(name).with_phone()).to_vec(),
            rules: Rules { username_clearable: true, ..Rules::default() },
            refuses: Vec::new(),
            log: Vec::new(),
            clock: 0,
        }
    }

    pub fn with_rules(user: Value, rules: Rules) -> Self {
        Self { rules, ..Self::new(user) }
    }

    /// What a GET answers.
    pub fn observe(&self) -> JsonMap {
        let mut user = self.account.user.clone();
        let id = user.get("user_id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let identities = user.get_mut("identities").and_then(Value::as_array_mut);
        for identity in identities.into_iter().flatten().filter(|identity| identity_id(identity) != id) {
            if let Some(Value::Object(data)) = identity.get_mut("profileData") {
                data.retain(|key, _| !self.rules.profile_data_hides.contains(key));
            }
        }
        user
    }

    /// Takes a body, or refuses it.
    pub fn patch(&mut self, body: &JsonMap) -> Result<User, Refusal> {
        let before = self.observe();
        let answer = self.judge(body);
        self.log.push(Exchange { before, body: body.clone(), accepted: answer.is_ok() });
        self.account = answer?;
        Ok(self.observe().into())
    }

    fn judge(&mut self, body: &JsonMap) -> Result<Account, Refusal> {
        let judged =
            |key: &str| body.contains_key(key) && (key == "password" || !body.contains_key("password"));
        if self.refuses.iter().any(|key| judged(key)) {
            return Err(Refusal { status: 400, message: "The test refuses this body.".into(), code: None });
        }
        self.clock += 1;
        let now = format!("2026-02-01T{:02}:{:02}:00.000Z", self.clock / 60, self.clock % 60);
        let tenant = Tenant { connections: &self.connections, rules: &self.rules, others: &[] };
        model::patched(&self.account, body, &tenant, &now)
    }

    /// The bodies sent so far; forgets them.
    pub fn take_bodies(&mut self) -> Vec<Value> {
        self.log.drain(..).map(|exchange| Value::Object(exchange.body)).collect()
    }

    pub fn set_password(&mut self, identity: &str, password: &str) {
        let held = Passwords { current: password.to_owned(), ..Passwords::default() };
        self.account.passwords.insert(identity.to_owned(), held);
    }

    pub fn password(&self, identity: &str) -> Option<&str> {
        self.account.passwords.get(identity).map(|held| held.current.as_str())
    }
}

/// `provider|user_id`; ids that are numbers count as text.
pub fn identity_id(identity: &Value) -> String {
    let id = identity.get("user_id").map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let provider = identity.get("provider").and_then(Value::as_str).unwrap_or_default();
    format!("{provider}|{}", id.unwrap_or_default())
}

/// A user with one identity and these attributes.
pub fn user(attributes: Value) -> Value {
    let mut user = json!({
        "user_id": "auth0|1",
        "created_at": "2020-01-01T00:00:00.000Z",
        "identities": [{"provider": "auth0", "user_id": "1", "connection": PRIMARY, "isSocial": false}],
    });
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    user.as_object_mut().unwrap().extend(attributes);
    user
}

/// The same with a second identity that shows this `profileData`.
pub fn linked(attributes: Value, profile_data: &Value) -> Value {
    let mut user = user(attributes);
    let second = json!({"provider": "auth0", "user_id": "2", "connection": SECONDARY, "isSocial": false,
                        "profileData": profile_data});
    user["identities"].as_array_mut().unwrap().push(second);
    user
}
