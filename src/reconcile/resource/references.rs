//! What a resource refers to, as far as it can be known without a call to Auth0.

use crate::access::Access;
use crate::api::SecretVersion;
use crate::api::reason::Failure;
use crate::ownership::Contest;
use crate::reconcile::object::fingerprint::{Fingerprint, fingerprint};
use crate::reconcile::tenant::directory::Tenant;

/// The password Secret as it stands.
#[derive(Clone, Debug, PartialEq)]
pub enum SecretState {
    /// The spec names none.
    Undeclared,
    /// This content.
    At(SecretVersion),
    /// Not there, or not readable.
    Unavailable(Failure),
    /// Not known yet: the watch of its namespace has begun, and will tell.
    Pending,
    /// Not known, and no watch tells: it has to be asked for.
    Unwatched,
}

/// What surrounds a resource, as far as it can be known without a call to Auth0.
pub struct References {
    /// The tenant, or why it cannot be used.
    pub tenant: Result<Tenant, Failure>,
    /// What the resource may do with its user.
    pub access: Access,
    /// The password Secret.
    pub secret: SecretState,
    /// Other resources of the same user.
    pub contest: Contest,
}

impl References {
    /// What of the tenant is compared from pass to pass.
    #[must_use]
    pub fn tenant_fingerprint(&self) -> Fingerprint {
        match &self.tenant {
            Ok(tenant) => tenant.fingerprint,
            Err(failure) => fingerprint(&(failure.reason, &failure.message)),
        }
    }
}
