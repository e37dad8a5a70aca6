//! The handle that a test holds.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::events;
use crate::http::{Certificates, Grant, error_data, expire_tokens, issue, serve};
use crate::model::{Account, Effects};
use crate::state::{Shared, State};
use crate::{Client, Connection, Exchange, Fault, Options, Plan, Rules, SeedUser};

/// A running stand-in; it ends when it is dropped.
///
/// It runs on a thread of its own, so it works under any runtime, and may be shared by tests.
#[derive(Debug)]
pub struct Sandbox {
    shared: Shared,
    address: SocketAddr,
    ca_pem: String,
    admin_token: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A token to issue without a client, see [`Sandbox::issue_token`].
#[derive(Clone, Debug)]
pub struct IssuedToken<'a> {
    /// The user whose own token it is, or `CLIENT@clients`.
    pub subject: &'a str,
    /// Its scopes.
    pub scopes: &'a [&'a str],
    /// Its life in seconds.
    pub lifetime: u64,
}

#[allow(clippy::must_use_candidate)] // whether there was something to change is often not of interest
impl Sandbox {
    /// Listens and serves; when this returns, connections are accepted.
    ///
    /// # Errors
    /// The address is taken, or the seed is contradictory.
    #[allow(clippy::unused_async)] // callers may rely on it being async; only setup is synchronous today
    pub async fn start(options: Options) -> Result<Self, String> {
        let listener = TcpListener::bind(options.listen).map_err(|error| format!("listen: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        let own = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let names: Vec<String> = own.into_iter().chain(options.names.clone()).collect();
        let certificates = Certificates::make(&names)?;
        let state = State::new(options, address.port())?;
        let admin_token = state.admin_token.clone();
        let shared = Shared::new(state);
        let (stop, stopped) = oneshot::channel();
        let (server, ca_pem) = (shared.clone(), certificates.ca_pem.clone());
        let thread = std::thread::Builder::new()
            .name("auth0-sandbox".into())
            // Users may be nested as deeply as a test likes; only what is touched takes memory.
            .stack_size(64 << 20)
            .spawn(move || run(listener, &certificates, server, stopped))
            .map_err(|error| error.to_string())?;
        Ok(Self { shared, address, ca_pem, admin_token, stop: Some(stop), thread: Some(thread) })
    }

    /// The tenant's domain: `localhost:PORT`.
    #[must_use]
    pub fn domain(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust, as PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Writes [`ca_pem`](Self::ca_pem) to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_ca(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, &self.ca_pem)
    }

    /// The bearer token of the admin side.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Every request received, in order of arrival.
    #[must_use]
    pub fn log(&self) -> Vec<Exchange> {
        self.shared.lock().log.clone()
    }

    /// The PATCH requests of the log.
    #[must_use]
    pub fn patches(&self) -> Vec<Exchange> {
        self.log().into_iter().filter(|exchange| exchange.method == "PATCH").collect()
    }

    /// Forgets the requests so far.
    pub fn clear_log(&self) {
        self.shared.lock().log.clear();
    }

    /// What a GET of this user would answer (without tokens of identity providers).
    #[must_use]
    pub fn user(&self, id: &str) -> Option<Value> {
        self.shared.lock().shown(id, false)
    }

    /// The ids of all users.
    #[must_use]
    pub fn user_ids(&self) -> Vec<String> {
        self.shared.lock().accounts.keys().cloned().collect()
    }

    /// The user as it is held: with identity providers' tokens, and all of `profileData`.
    #[must_use]
    pub fn stored_user(&self, id: &str) -> Option<Map<String, Value>> {
        self.account(id).map(|account| account.user)
    }

    /// All that is held about a user, as the model sees it.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<Account> {
        self.shared.lock().accounts.get(id).cloned()
    }

    /// Adds or replaces a user; counters and passwords start anew.
    ///
    /// Only `user_id` is needed. Absent `created_at` and `updated_at` become now, `email_verified` false,
    /// `identities` one identity of the first connection with the id's prefix as strategy.
    ///
    /// # Errors
    /// It is no object with a `user_id`.
    pub fn put_user(&self, user: Value) -> Result<(), String> {
        let Value::Object(profile) = user else { return Err("a user is an object".to_owned()) };
        self.put_seed_user(SeedUser { profile, ..SeedUser::default() })
    }

    /// [`put_user`](Self::put_user) with passwords.
    ///
    /// # Errors
    /// It has no `user_id`, or a password for a connection without an identity.
    pub fn put_seed_user(&self, user: SeedUser) -> Result<(), String> {
        self.shared.lock().put_user(user)
    }

    /// Changes a user behind everybody's back, as the dashboard would; `updated_at` moves. `None` if unknown.
    pub fn change_user<T>(&self, id: &str, change: impl FnOnce(&mut Map<String, Value>) -> T) -> Option<T> {
        self.shared.lock().change(id, change)
    }

    /// Deletes a user; whether there was one.
    pub fn remove_user(&self, id: &str) -> bool {
        self.shared.lock().remove_user(id)
    }

    /// The password in force of the user's first identity in a connection.
    #[must_use]
    pub fn password(&self, id: &str, connection: &str) -> Option<String> {
        self.shared.lock().password(id, connection)
    }

    /// Sets a password behind everybody's back; whether the user has such an identity.
    pub fn set_password(&self, id: &str, connection: &str, password: &str) -> bool {
        self.shared.lock().set_password(id, connection, password)
    }

    /// The side effects so far; zeros for an unknown user.
    #[must_use]
    pub fn effects(&self, id: &str) -> Effects {
        self.account(id).map(|account| account.effects).unwrap_or_default()
    }

    /// A login of the user: `last_login`, `last_ip`, `logins_count` and `updated_at` move.
    pub fn login(&self, id: &str) -> bool {
        self.shared.lock().login(id, &Map::new())
    }

    /// A login with what the identity provider says: where each login fills the root attributes (social,
    /// enterprise and external databases, by default), these overwrite it.
    pub fn login_with(&self, id: &str, from_provider: &Map<String, Value>) -> bool {
        self.shared.lock().login(id, from_provider)
    }

    /// Raises an event of any type about any object, also one that Auth0 would not; users' own changes raise theirs.
    pub fn publish(&self, kind: &str, object: &Map<String, Value>) {
        self.shared.lock().raise(kind, events::copied(object));
    }

    /// How many streams of events are open.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.shared.lock().events.open_streams()
    }

    /// Ends all streams of events, as Auth0 does every few minutes.
    pub fn close_streams(&self) {
        self.shared.lock().events.end_streams(None);
    }

    /// Ends all streams of events with an `error` message. Auth0's codes: `invalid_cursor`, `cursor_expired`,
    /// `timeout`, `payload_too_large`, `processing_error`, `connection_timeout`.
    pub fn fail_streams(&self, code: &str, message: &str) {
        self.shared.lock().events.end_streams(Some(error_data(code, message)));
    }

    /// Every offset given out so far is expired from now on (410); open streams go on, with new ones.
    pub fn expire_offsets(&self) {
        self.shared.lock().events.expire_offsets();
    }

    /// The offset after which the next event comes.
    #[must_use]
    pub fn offset(&self) -> String {
        let mut state = self.shared.lock();
        let latest = state.events.latest();
        state.events.offset(latest)
    }

    /// Adds a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.lock().faults.push(fault);
    }

    /// Removes all faults; requests that one delays wait no longer, and those whose client gave up before their
    /// change took effect are forgotten.
    pub fn clear_faults(&self) {
        self.shared.lock().clear_faults();
    }

    /// Requests that a fault delays wait no longer; a change takes effect although its client gave up.
    pub fn release_delays(&self) {
        self.shared.lock().released.send_replace(true);
    }

    /// The faults that may still hit, with what is left of their counts.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        self.shared.lock().faults.clone()
    }

    /// The switches.
    #[must_use]
    pub fn rules(&self) -> Rules {
        self.shared.lock().rules.clone()
    }

    /// Replaces all switches.
    pub fn set_rules(&self, rules: Rules) {
        self.shared.lock().rules = rules;
    }

    /// Changes switches: `sandbox.change_rules(|rules| rules.trims = true)`.
    pub fn change_rules(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.shared.lock().rules);
    }

    /// Changes the rate limits; all buckets are full again.
    pub fn set_plan(&self, plan: Plan) {
        let mut state = self.shared.lock();
        state.plan = plan;
        state.limiter.reset();
    }

    /// Adds or replaces a client.
    pub fn put_client(&self, client: Client) {
        self.shared.lock().clients.insert(client.client_id.clone(), client);
    }

    /// Removes a client; its tokens are refused from now on.
    pub fn remove_client(&self, client_id: &str) -> bool {
        self.shared.lock().clients.remove(client_id).is_some()
    }

    /// Every token issued so far is expired from now on.
    pub fn expire_tokens(&self) {
        expire_tokens(&mut self.shared.lock());
    }

    /// A token without the token endpoint, for example a user's own.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn issue_token(&self, token: &IssuedToken<'_>) -> Result<String, String> {
        let mut state = self.shared.lock();
        let grant = Grant {
            subject: token.subject.to_owned(),
            client_id: None,
            scopes: token.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            audience: format!("https://{}/api/v2/", self.domain()),
            lifetime: token.lifetime,
        };
        issue(&mut state, grant)
    }

    /// Adds or replaces a connection by its name.
    pub fn put_connection(&self, connection: Connection) {
        self.shared.lock().put_connection(connection);
    }

    /// Removes a connection by its name; identities keep naming it.
    pub fn remove_connection(&self, name: &str) {
        self.shared.lock().connections.retain(|known| known.name != name);
    }

    /// Disables or enables a connection; whether it exists.
    pub fn disable_connection(&self, name: &str, disabled: bool) -> bool {
        let mut state = self.shared.lock();
        let known = state.connections.iter_mut().find(|known| known.name == name);
        known.map(|known| known.disabled = disabled).is_some()
    }

    /// Moves the stand-in's clock ahead: tokens expire and limits refill by it.
    pub fn advance_clock(&self, by: Duration) {
        self.shared.lock().advance(by);
    }

    /// Stops the stand-in's clock; only [`advance_clock`](Self::advance_clock) moves it from then on.
    pub fn freeze_clock(&self) {
        self.shared.lock().clock.freeze();
    }

    /// Ends it: no connection remains. Dropping does the same.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

/// The server's thread: a runtime that ends with the handle, and with it every connection.
fn run(listener: TcpListener, certificates: &Certificates, shared: Shared, stopped: oneshot::Receiver<()>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        tokio::select! {
            () = serve(listener, certificates.acceptor.clone(), shared) => {}
            _ = stopped => {}
        }
    });
}
