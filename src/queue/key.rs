//! What a pass is of.

use std::sync::Arc;

/// The kinds of resources that have passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `Auth0Tenant`.
    Tenant,
    /// `Auth0UserUpdate`.
    Update,
}

/// A resource. A clone shares its text, so one that is kept elsewhere costs nothing here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<Identity>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Identity {
    namespace: Arc<str>,
    name: Box<str>,
    kind: Kind,
}

impl Key {
    /// The resource of this kind, namespace and name.
    #[must_use]
    pub fn new(kind: Kind, namespace: impl Into<Arc<str>>, name: &str) -> Self {
        Self(Arc::new(Identity { namespace: namespace.into(), name: name.into(), kind }))
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Arc<str> {
        &self.0.namespace
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }
}
