//! What a namespace may do with the users of a tenant, by the grants of that tenant. Pure.
//!
//! One grant has to cover all of what is asked: namespace, field, user and connection. Grants that cover half of it
//! each do not add up.

mod narrow;

pub use narrow::{Refused, narrow};

use crate::api::{Auth0Tenant, Grant, Output};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Stands for everything of its kind.
const ALL: &str = "*";

/// Stands for `blocked: true` alone.
pub const BLOCK: &str = "block";

/// What one namespace may do with one user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Everything: the tenant is its own.
    Everything,
    /// What any one of these allows.
    Granted(Arc<[Right]>),
}

/// What one grant leaves, once namespace and user are known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// Names of fields, with those of each group.
    fields: BTreeSet<String>,
    /// Names of connections; `None` for any.
    connections: Option<BTreeSet<String>>,
    outputs: Output,
}

impl Access {
    /// What resources of a namespace may do with the user of this id.
    #[must_use]
    pub fn of(tenant: &Auth0Tenant, namespace: &str, user_id: &str) -> Self {
        if !is_held(tenant, namespace) {
            return Self::Everything;
        }
        let spec = &tenant.spec;
        let granted = spec.access.iter();
        let granted =
            granted.filter(|grant| has(&grant.namespaces, namespace) && covers_user(grant, user_id));
        let short_form = has(&spec.allowed_namespaces, namespace).then(|| Right::of(&short_form(&[])));
        let mut rights: Vec<Right> = granted.map(Right::of).chain(short_form).collect();
        // In one order, so that nothing is judged anew where only the order changed.
        rights.sort();
        rights.dedup();
        Self::Granted(rights.into())
    }

    /// What those may do of whose tenant nothing is known.
    #[must_use]
    pub fn nothing() -> Self {
        Self::Granted(Arc::default())
    }

    /// Whether no grant covers the user.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Granted(rights) if rights.is_empty())
    }

    /// Whether one grant for this connection, or for any where it is not known, has a field of which this holds.
    #[must_use]
    pub fn grants(&self, connection: Option<&str>, covers: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Everything => true,
            Self::Granted(rights) => rights.iter().any(|right| {
                connection.is_none_or(|connection| right.reaches(connection))
                    && right.fields.iter().any(|name| name == ALL || covers(name))
            }),
        }
    }

    /// Whether a field, such as `name` or `userMetadata.plan`, may be changed in this connection, or in any.
    #[must_use]
    pub fn allows(&self, field: &str, connection: Option<&str>) -> bool {
        let map = field.split_once('.').map_or(field, |(map, _)| map);
        self.grants(connection, |name| name == field || name == map)
    }

    /// Whether a user of this connection may be blocked.
    #[must_use]
    pub fn allows_block(&self, connection: Option<&str>) -> bool {
        self.grants(connection, |name| name == BLOCK || name == "blocked")
    }

    /// Whether any grant is for this connection.
    #[must_use]
    pub fn reaches(&self, connection: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Granted(rights) => rights.iter().any(|right| right.reaches(connection)),
        }
    }

    /// Whether it depends on the user's connections.
    #[must_use]
    pub fn asks_for_connection(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::Granted(rights) => rights.iter().any(|right| right.connections.is_some()),
        }
    }

    /// The most that may be shown of a user of this connection, or of any.
    #[must_use]
    pub fn outputs(&self, connection: Option<&str>) -> Output {
        match self {
            Self::Everything => Output::Full,
            Self::Granted(rights) => {
                let reaching = rights
                    .iter()
                    .filter(|right| connection.is_none_or(|connection| right.reaches(connection)));
                reaching.map(|right| right.outputs).min().unwrap_or(Output::None)
            }
        }
    }
}

impl Right {
    fn of(grant: &Grant) -> Self {
        let is_any = grant.connections.is_empty() || grant.connections.iter().any(|name| name == ALL);
        Self {
            fields: grant.fields.iter().flat_map(|name| members(name)).collect(),
            connections: (!is_any).then(|| grant.connections.iter().cloned().collect()),
            outputs: grant.outputs.unwrap_or(Output::None),
        }
    }

    fn reaches(&self, connection: &str) -> bool {
        self.connections.as_ref().is_none_or(|names| names.contains(connection))
    }
}

/// Whether a namespace is held to grants: any but the tenant's own, and that too where a grant names it.
#[must_use]
pub fn is_held(tenant: &Auth0Tenant, namespace: &str) -> bool {
    let mut named = tenant.spec.access.iter().flat_map(|grant| &grant.namespaces);
    tenant.metadata.namespace.as_deref() != Some(namespace) || named.any(|name| name == namespace)
}

/// All grants of a tenant, with the one that `allowedNamespaces` stands for.
#[must_use]
pub fn grants(tenant: &Auth0Tenant) -> Vec<Grant> {
    let allowed = &tenant.spec.allowed_namespaces;
    let short_form = (!allowed.is_empty()).then(|| short_form(allowed));
    tenant.spec.access.iter().cloned().chain(short_form).collect()
}

fn short_form(namespaces: &[String]) -> Grant {
    Grant {
        namespaces: namespaces.to_vec(),
        fields: ["profile", "userMetadata", BLOCK].map(str::to_owned).to_vec(),
        connections: Vec::new(),
        user_ids: Vec::new(),
        outputs: Some(Output::Mapped),
    }
}

/// The fields of a group; else the field itself.
fn members(name: &str) -> Vec<String> {
    let members: &[&str] = match name {
        "profile" => &["name", "givenName", "familyName", "nickname", "picture"],
        _ => &[name],
    };
    members.iter().map(|name| (*name).to_owned()).collect()
}

/// Whether names hold this one, be it by the one that stands for all.
#[must_use]
pub fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|listed| listed == ALL || listed == name)
}

fn covers_user(grant: &Grant, user_id: &str) -> bool {
    let is_this = |listed: &String| match listed.strip_suffix(ALL) {
        Some(prefix) => user_id.starts_with(prefix),
        None => listed == user_id,
    };
    grant.user_ids.is_empty() || grant.user_ids.iter().any(is_this)
}

#[cfg(test)]
mod tests;
