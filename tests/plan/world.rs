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
    /// Auth0's sentence, where it rejected it.
    pub rejected: Option<String>,
}

/// One tenant with one user.
#[derive(Clone, Debug)]
pub struct Auth0 {
    pub account: Account,
    pub connections: Vec<Connection>,
    pub rules: Rules,
    /// Attributes, or `user_metadata.KEY`, that make Auth0 reject a body for good, beside the model's own rules. Beside
    /// a password, only that counts.
    pub refuses: Vec<String>,
    /// Whether Auth0 says which of them it is.
    pub names: bool,
    pub log: Vec<Exchange>,
    /// Every request has to wait for its turn, and this comes in between.
    pub meanwhile: Option<fn(&mut Account)>,
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
            names: false,
            log: Vec::new(),
            meanwhile: None,
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
        let rejected = answer.as_ref().err().map(|refusal| refusal.message.clone());
        self.log.push(Exchange { before, body: body.clone(), rejected });
        self.account = answer?;
        Ok(self.observe().into())
    }

    fn judge(&mut self, body: &JsonMap) -> Result<Account, Refusal> {
        let holds = |name: &str| match name.split_once('.') {
            Some((map, key)) => body.get(map).and_then(|map| map.get(key)).is_some(),
            None => body.contains_key(name),
        };
        let judged = |name: &&String| holds(name) && (*name == "password" || !holds("password"));
        let at_fault: Vec<&str> = self.refuses.iter().filter(judged).map(String::as_str).collect();
        if !at_fault.is_empty() {
            return Err(Refusal { status: 400, message: self.sentence(&at_fault), code: None });
        }
        self.clock += 1;
        let now = format!("2026-02-01T{:02}:{:02}:00.000Z", self.clock / 60, self.clock % 60);
        let tenant = Tenant { connections: &self.connections, rules: &self.rules, others: &[] };
        model::patched(&self.account, body, &tenant, &now)
    }

    /// Auth0's lists name attributes, of a map never a key.
    fn sentence(&self, at_fault: &[&str]) -> String {
        let names: Vec<&str> = at_fault.iter().map(|name| name.split('.').next().unwrap_or(name)).collect();
        if self.names {
            format!("The following user attributes cannot be updated: {}.", names.join(", "))
        } else {
            "The test refuses this body.".to_owned()
        }
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
