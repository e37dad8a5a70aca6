//! The tenant: all that the stand-in knows, behind one lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::clock::{Clock, iso};
use crate::events::{self, Events};
use crate::faults::Fault;
use crate::history::History;
use crate::limits::Limiter;
use crate::log::Exchange;
use crate::model::{self, Account, Passwords, Refusal, Target, Tenant};
use crate::seed::SeedUser;
use crate::{Client, Connection, Options, Plan, Rules};

/// A token that was issued.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The client, or the user whose own token it is.
    pub(crate) subject: String,
    pub(crate) client_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    /// Unix seconds.
    pub(crate) expires_at: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) clock: Clock,
    pub(crate) rules: Rules,
    pub(crate) plan: Plan,
    pub(crate) limiter: Limiter,
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) accounts: BTreeMap<String, Account>,
    pub(crate) history: History,
    pub(crate) events: Events,
    pub(crate) tokens: HashMap<String, Token>,
    /// Signs the tokens.
    pub(crate) key: [u8; 32],
    /// `client_id` and `jti` of assertions already used.
    pub(crate) assertions: HashSet<(String, String)>,
    pub(crate) faults: Vec<Fault>,
    /// Tells those that a delay holds that it ended, and whether also for those whose client gave up.
    pub(crate) released: watch::Sender<bool>,
    pub(crate) log: Vec<Exchange>,
    pub(crate) sequence: u64,
    /// The tenant's hosts with port; the first one is the domain.
    pub(crate) hosts: Vec<String>,
    pub(crate) admin_token: String,
}

/// The state as the server and the handle share it.
#[derive(Clone, Debug)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// A test that panicked while it held the lock must not take the others down.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(crate) fn new(options: Options, port: u16) -> Result<Self, String> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()].into_iter().chain(options.names);
        let mut state = Self {
            plan: options.seed.plan.unwrap_or(options.plan),
            rules: options.seed.rules,
            hosts: names.map(|name| format!("{name}:{port}")).collect(),
            admin_token: options.admin_token.map_or_else(random_text, Ok)?,
            ..Self::default()
        };
        getrandom::fill(&mut state.key).map_err(|error| error.to_string())?;
        for client in options.seed.clients {
            state.clients.insert(client.client_id.clone(), client);
        }
        for connection in options.seed.connections {
            state.put_connection(connection);
        }
        for user in options.seed.users {
            state.put_user(user)?;
        }
        // The seed has been there for ever.
        state.history = History::default();
        state.events = Events::new(u64::from_le_bytes(std::array::from_fn(|index| state.key[index])));
        Ok(state)
    }

    /// Moves the clock; streams whose token has expired by then end.
    pub(crate) fn advance(&mut self, by: Duration) {
        self.clock.advance(by);
        self.events.wake();
    }

    /// Removes all faults and lets go what they hold, unless its client gave up.
    pub(crate) fn clear_faults(&mut self) {
        self.faults.clear();
        self.released.send_replace(false);
    }

    /// Adds or replaces a connection of this name.
    pub(crate) fn put_connection(&mut self, connection: Connection) {
        let connection = connection.completed();
        match self.connections.iter_mut().find(|known| known.name == connection.name) {
            Some(known) => *known = connection,
            None => self.connections.push(connection),
        }
    }

    /// Before any change of what a user shows: a search may go on showing it as it is.
    fn remember(&mut self, id: &str) {
        let user = self.accounts.get(id).map(|account| &account.user);
        self.history.note(id, user, self.clock.millis(), self.rules.search.lag_millis);
    }

    /// After any change of what a user shows.
    fn tell(&mut self, kind: &str, id: &str) {
        let Some(user) = self.accounts.get(id).map(|account| events::copied(&account.user)) else { return };
        self.raise(kind, self.as_shown(user, false));
    }

    /// Tells the streams that something happened to this object.
    pub(crate) fn raise(&mut self, kind: &str, object: Map<String, Value>) {
        let now = self.clock.millis();
        self.events.raise(kind, object, (now, iso(now)), &self.hosts[0], &self.rules.events);
    }

    /// Deletes a user; whether there was one.
    pub(crate) fn remove_user(&mut self, id: &str) -> bool {
        self.remember(id);
        let Some(account) = self.accounts.remove(id) else { return false };
        let mut last = self.as_shown(events::copied(&account.user), false);
        last.insert("deleted_at".into(), json!(iso(self.clock.millis())));
        self.raise("user.deleted", last);
        true
    }

    /// The users as a search sees them, or those of these ids, in the same order each time.
    pub(crate) fn searched(&self, ids: Option<&BTreeSet<String>>) -> Vec<&Map<String, Value>> {
        let moment = self.clock.millis().saturating_sub(self.rules.search.lag_millis);
        let seen = |id: &String| {
            let current = self.accounts.get(id).map(|account| &account.user);
            self.history.at(id, moment, current)
        };
        let gone = self.history.ids().filter(|id| !self.accounts.contains_key(*id));
        match ids {
            Some(ids) => ids.iter().filter_map(seen).collect(),
            None => self.accounts.keys().chain(gone).filter_map(seen).collect(),
        }
    }

    /// Adds or replaces a user; fills in what every user object has.
    pub(crate) fn put_user(&mut self, seed: SeedUser) -> Result<(), String> {
        let mut user = seed.profile;
        let id = user.get("user_id").and_then(Value::as_str).ok_or("a user needs a `user_id`")?.to_owned();
        let stamp = self.clock.stamp();
        user.entry("created_at").or_insert_with(|| json!(stamp));
        user.entry("updated_at").or_insert_with(|| json!(stamp));
        user.entry("email_verified").or_insert(json!(false));
        let identity = self.identity_of(&id);
        user.entry("identities").or_insert_with(|| json!([identity]));
        let mut account = Account::new(user);
        for (connection, password) in seed.passwords {
            let key = password_key(&account.user, &connection)
                .ok_or_else(|| format!("`{id}` has no identity in `{connection}`"))?;
            account.passwords.insert(key, Passwords { current: password, earlier: Vec::new() });
        }
        self.remember(&id);
        let was = self.accounts.insert(id.clone(), account).is_some();
        self.tell(if was { "user.updated" } else { "user.created" }, &id);
        Ok(())
    }

    /// The identity that a `user_id` like `auth0|1` stands for.
    fn identity_of(&self, id: &str) -> Value {
        let (provider, own) = id.split_once('|').unwrap_or(("auth0", id));
        let connection = self.connections.iter().find(|known| known.strategy == provider);
        let name = connection.map_or(provider, |known| known.name.as_str());
        let is_social = connection.is_some_and(|known| known.kind() == crate::Kind::Social);
        json!({ "connection": name, "user_id": own, "provider": provider, "isSocial": is_social })
    }

    /// A PATCH: the body against the user, and the account afterwards.
    pub(crate) fn patch(&mut self, id: &str, body: &Map<String, Value>) -> Result<(), Refusal> {
        let now = self.clock.stamp();
        let account = self.accounts.get(id).ok_or_else(unknown_user)?;
        let others: Vec<&Map<String, Value>> = self
            .accounts
            .iter()
            .filter(|(other, _)| other.as_str() != id)
            .map(|(_, other)| &other.user)
            .collect();
        let tenant = Tenant { connections: &self.connections, rules: &self.rules, others: &others };
        let next = model::patched(account, body, &tenant, &now)?;
        let changes = next.user != account.user;
        self.remember(id);
        self.accounts.insert(id.to_owned(), next);
        if changes {
            self.tell("user.updated", id);
        }
        Ok(())
    }

    /// What a GET of a user answers.
    pub(crate) fn shown(&self, id: &str, with_tokens: bool) -> Option<Value> {
        let account = self.accounts.get(id)?;
        Some(Value::Object(self.as_shown(account.user.clone(), with_tokens)))
    }

    /// What Auth0 shows of a user object.
    pub(crate) fn as_shown(&self, mut user: Map<String, Value>, with_tokens: bool) -> Map<String, Value> {
        let identities = user.get_mut("identities").and_then(Value::as_array_mut);
        for identity in identities.into_iter().flatten().filter_map(Value::as_object_mut) {
            if !with_tokens {
                for secret in ["access_token", "access_token_secret", "refresh_token"] {
                    identity.remove(secret);
                }
            }
            if let Some(Value::Object(data)) = identity.get_mut("profileData") {
                data.retain(|key, _| !self.rules.profile_data_hides.contains(key));
            }
        }
        user
    }

    pub(crate) fn password(&self, id: &str, connection: &str) -> Option<String> {
        let account = self.accounts.get(id)?;
        let key = password_key(&account.user, connection)?;
        account.passwords.get(&key).map(|held| held.current.clone())
    }

    /// Sets a password behind Auth0's back: no policy, no side effects, no history.
    pub(crate) fn set_password(&mut self, id: &str, connection: &str, password: &str) -> bool {
        let Some(account) = self.accounts.get_mut(id) else { return false };
        let Some(key) = password_key(&account.user, connection) else { return false };
        password.clone_into(&mut account.passwords.entry(key).or_default().current);
        true
    }

    /// A login: Auth0 counts it as an update, so `updated_at` moves (documented). What the identity
    /// provider says overwrites the root, unless the connection leaves it to the tenant.
    pub(crate) fn login(&mut self, id: &str, from_provider: &Map<String, Value>) -> bool {
        let stamp = self.clock.stamp();
        self.remember(id);
        let connections = &self.connections;
        let Some(account) = self.accounts.get_mut(id) else { return false };
        let user = &mut account.user;
        let target = Target::of(user, &Map::new(), connections);
        if target.is_ok_and(|target| target.is_filled_by_provider()) {
            user.extend(from_provider.clone());
        }
        let count = user.get("logins_count").and_then(Value::as_u64).unwrap_or(0) + 1;
        user.insert("logins_count".into(), json!(count));
        user.insert("last_ip".into(), json!(format!("192.0.2.{}", count % 250 + 1)));
        user.insert("last_login".into(), json!(stamp));
        user.insert("updated_at".into(), json!(stamp));
        self.tell("user.updated", id);
        true
    }

    /// A change of the user object behind everybody's back; `updated_at` moves. `None` if unknown.
    pub(crate) fn change<T>(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Map<String, Value>) -> T,
    ) -> Option<T> {
        let stamp = self.clock.stamp();
        self.remember(id);
        let user = &mut self.accounts.get_mut(id)?.user;
        let outcome = change(user);
        user.insert("updated_at".into(), json!(stamp));
        self.tell("user.updated", id);
        Some(outcome)
    }

    pub(crate) fn audiences(&self) -> Vec<String> {
        self.hosts.iter().map(|host| format!("https://{host}/api/v2/")).collect()
    }
}

pub(crate) fn unknown_user() -> Refusal {
    Refusal::new(404, "The user does not exist.").code("inexistent_user")
}

/// The password of the first identity in a connection.
fn password_key(user: &Map<String, Value>, connection: &str) -> Option<String> {
    let identities = user.get("identities").and_then(Value::as_array)?;
    let named = |identity: &&Value| identity.get("connection").and_then(Value::as_str) == Some(connection);
    identities.iter().find(named).map(model::identity_key)
}

pub(crate) fn random_text() -> Result<String, String> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
