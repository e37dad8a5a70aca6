//! The state a stand-in starts with, from YAML.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Client, Connection, Plan, Rules};

/// Clients, connections and users; see `seed.yaml` for an example of every kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seed {
    /// Applications.
    pub clients: Vec<Client>,
    /// Connections.
    pub connections: Vec<Connection>,
    /// Users.
    pub users: Vec<SeedUser>,
    /// Switches.
    pub rules: Rules,
    /// Rate limits; absent: the plan of the options.
    pub plan: Option<Plan>,
}

/// A user object as Auth0 would answer it, and its passwords.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedUser {
    /// The user object. Only `user_id` is needed; see [`crate::Sandbox::put_user`] for what is filled in.
    pub profile: Map<String, Value>,
    /// Passwords by connection name.
    #[serde(default)]
    pub passwords: BTreeMap<String, String>,
}

impl Seed {
    /// Reads a seed.
    ///
    /// # Errors
    /// The YAML does not have this shape.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads a seed from a file.
    ///
    /// # Errors
    /// The file cannot be read, or does not have this shape.
    pub fn from_file(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::from_yaml(&text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// The example that ships with the stand-in.
    ///
    /// # Errors
    /// Never in a released state: a test reads it.
    pub fn example() -> Result<Self, String> {
        Self::from_yaml(include_str!("../seed.yaml"))
    }
}
