//! What a resource refers to, as far as it can be known without a call to Auth0.

use crate::api::SecretVersion;
use crate::api::reason::Failure;
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
}

/// What surrounds a resource, as far as it can be known without a call to Auth0.
pub struct Circumstances {
    /// The tenant, or why it cannot be used.
    pub tenant: Result<Tenant, Failure>,
    /// The password Secret.
    pub secret: SecretState,
    /// Other resources of the same user.
    pub rivals: Contest,
}

impl Circumstances {
    /// What of the tenant is compared from pass to pass.
    #[must_use]
    pub fn tenant_mark(&self) -> String {
        match &self.tenant {
            Ok(tenant) => tenant.fingerprint.clone(),
            Err(failure) => failure.to_string(),
        }
    }
}

/// Who stands in a resource's way, as far as can be told without a look at Auth0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contest {
    /// Changes where the resource has to be judged again.
    pub mark: String,
    /// Whether somebody does, where connections of different names are different identities.
    pub contested: bool,
}
