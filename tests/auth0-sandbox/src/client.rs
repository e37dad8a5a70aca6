//! Applications that may ask for a token.

use serde::{Deserialize, Serialize};

/// A machine-to-machine application and its grant for the Management API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `client_id`.
    pub client_id: String,
    /// Its secret; absent: it authenticates by key only.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// Keys for `private_key_jwt`; Auth0 allows two.
    #[serde(default)]
    pub public_keys: Vec<PublicKey>,
    /// The scopes granted.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether it has a grant at all (without: 403, "client-grant").
    #[serde(default = "yes")]
    pub granted: bool,
    /// Whether it may use `client_credentials` (without: 403 `unauthorized_client`).
    #[serde(default = "yes")]
    pub client_credentials: bool,
    /// How long its tokens live, in seconds; Auth0's default for the Management API is 86400.
    #[serde(default = "a_day")]
    pub token_lifetime: u64,
    /// How many tokens it may still take (then 429 `too_many_requests`); absent: no quota.
    #[serde(default)]
    pub token_quota: Option<u32>,
}

/// A public key of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicKey {
    /// PEM of the public key (`BEGIN PUBLIC KEY`).
    pub pem: String,
    /// `RS256`, `RS384` or `PS256`; an assertion must use exactly this.
    #[serde(default = "rs256")]
    pub alg: String,
    /// Compared with the assertion's `kid`, if it has one.
    #[serde(default)]
    pub kid: Option<String>,
}

impl Client {
    /// A client with a secret and the scopes an operator needs.
    #[must_use]
    pub fn with_secret(client_id: &str, client_secret: &str) -> Self {
        Self { client_secret: Some(client_secret.to_owned()), ..Self::bare(client_id) }
    }

    /// A client that authenticates by a key; `pem` is the public key.
    #[must_use]
    pub fn with_key(client_id: &str, pem: &str, alg: &str) -> Self {
        let key = PublicKey { pem: pem.to_owned(), alg: alg.to_owned(), kid: None };
        Self { public_keys: vec![key], ..Self::bare(client_id) }
    }

    /// The same client with these scopes instead.
    #[must_use]
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self
    }

    fn bare(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            client_secret: None,
            public_keys: Vec::new(),
            scopes: Vec::new(),
            granted: true,
            client_credentials: true,
            token_lifetime: a_day(),
            token_quota: None,
        }
        .scopes(&["read:users", "update:users", "update:users_app_metadata", "read:connections"])
    }
}

fn yes() -> bool {
    true
}

fn a_day() -> u64 {
    86_400
}

fn rs256() -> String {
    "RS256".to_owned()
}
