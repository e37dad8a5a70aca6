//! What other resources of the same user mean for a pass.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Trigger};
use crate::ownership::{Claimant, Claims, Conflict, Named, Rival, Standpoint};
use crate::reconcile::resource::references::Contest;
use crate::reconcile::tenant::directory::Directory;
use crate::user::{Target, User};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// More fields than these make a message no clearer.
const MOST_FIELDS: usize = 10;

/// The claims of all resources, and the tenants that they are about.
#[derive(Clone)]
pub struct Rivals {
    /// Who claims what.
    pub claims: Arc<Claims>,
    /// Where the host of a tenant is found.
    pub tenants: Directory,
}

impl Rivals {
    /// Compares a resource with its rivals by what is declared.
    #[must_use]
    pub fn standing(&self, object: &Auth0UserUpdate, host: &str) -> Contest {
        let Some(own) = Claimant::of(object) else { return Contest::default() };
        let connection = object.spec.connection.value().map(String::as_str).filter(|name| !name.is_empty());
        let certain = self.conflicts(&own, host, &|other| other == connection);
        // A password that nobody has read and an identity that nobody has looked up may be anything.
        let own = own.with_password(Some(String::new()));
        let possible = self.from(&own, host, &|_| true, |standpoint| {
            self.claims.rivals(standpoint).iter().map(line).collect()
        });
        Contest { mark: possible, contested: !certain.is_empty() }
    }

    /// Waits for a resource's turn among those of its user, where that matters.
    pub async fn turn(&self, object: &Auth0UserUpdate, host: &str) -> Option<OwnedMutexGuard<()>> {
        self.claims.turn(&Claimant::of(object)?, host).await
    }

    /// Judges a resource by the user as observed. `password` is the digest of the declared password.
    ///
    /// # Errors
    /// `ManagementConflict`, which names the owners and their fields.
    pub fn judge(
        &self,
        object: &Auth0UserUpdate,
        host: &str,
        user: &User,
        target: &Target,
        password: Option<String>,
    ) -> Result<(), Failure> {
        let Some(own) = Claimant::of(object) else { return Ok(()) };
        let same_identity = |connection: Option<&str>| {
            user.target(connection).is_ok_and(|other| other.identity == target.identity)
        };
        let conflicts = self.conflicts(&own.with_password(password), host, &same_identity);
        let Some(first) = conflicts.first() else { return Ok(()) };
        let (theirs, others): (Vec<_>, Vec<_>) =
            conflicts.iter().partition(|conflict| conflict.owner == first.owner);
        let fields: Vec<&str> =
            theirs.iter().take(MOST_FIELDS).map(|conflict| conflict.field.as_str()).collect();
        let more = if theirs.len() > MOST_FIELDS || !others.is_empty() { " and more" } else { "" };
        Err(Failure::new(
            Reason::ManagementConflict,
            format!(
                "{} is older and manages {}{more} of this user, so nothing of this resource is sent: remove the fields from one of the two",
                first.owner,
                fields.join(", ")
            ),
        ))
    }

    /// The memory of orders that other resources of the same user hold.
    #[must_use]
    pub fn twins(&self, object: &Auth0UserUpdate, host: &str) -> Vec<Trigger> {
        let Some(own) = Claimant::of(object) else { return Vec::new() };
        self.from(&own, host, &|_| true, |standpoint| self.claims.memory_of_twins(standpoint))
    }

    fn conflicts(
        &self,
        own: &Claimant,
        host: &str,
        same_identity: &dyn Fn(Option<&str>) -> bool,
    ) -> Vec<Conflict> {
        self.from(own, host, same_identity, |standpoint| self.claims.conflicts(standpoint))
    }

    fn from<T>(
        &self,
        own: &Claimant,
        host: &str,
        same_identity: &dyn Fn(Option<&str>) -> bool,
        view: impl FnOnce(&Standpoint<'_>) -> T,
    ) -> T {
        let host_of = |tenant: &Named, namespace: &str| self.tenants.host(tenant, namespace);
        view(&Standpoint { own, host, host_of: &host_of, same_identity })
    }
}

fn line(rival: &Rival) -> String {
    let Rival { field, name, connection, digest, agrees } = rival;
    format!("{field} {name} {connection:?} {digest:?} {agrees}\n")
}
