//! What is left of a spec once that is taken out which no grant covers.

use crate::access::Access;
use crate::api::reason::{Failure, Reason};
use crate::plan::Desired;
use crate::user::{Attribute, User};
use std::collections::BTreeSet;

const CLIENT_ID: &str = "clientId";
const CONNECTION: &str = "connection";

/// Fields that no grant covers, by what is missing.
pub type Refused = Vec<(BTreeSet<String>, Failure)>;

/// Takes out of a spec what the namespace may not change of this user, whatever value the user has. `tenant` and
/// `namespace` are named in the sentences.
#[must_use]
pub fn narrow(
    desired: Desired,
    access: &Access,
    user: &User,
    (tenant, namespace): (&str, &str),
) -> (Desired, Refused) {
    if *access == Access::Everything {
        return (desired, Refused::new());
    }
    let primary = user.primary_connection();
    let target = desired.connection.clone().unwrap_or_else(|| primary.to_owned());
    let mut narrowing = Narrowing { access, primary, target, refused: BTreeSet::new() };
    let desired = narrowing.narrow(desired);
    let mut by_failure = Refused::new();
    for (field, missing) in narrowing.refused {
        let failure = missing.failure(tenant, namespace);
        match by_failure.iter_mut().find(|(_, known)| *known == failure) {
            Some((fields, _)) => drop(fields.insert(field)),
            None => by_failure.push(([field].into(), failure)),
        }
    }
    (desired, by_failure)
}

/// What is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    /// A grant of the field.
    Field,
    /// A grant of it for this connection.
    Connection,
    /// A grant of `blocked`, not of `block` alone.
    Unblock,
    /// A grant for the connection that the spec names.
    Named,
}

impl Missing {
    fn failure(self, tenant: &str, namespace: &str) -> Failure {
        let what = match self {
            Self::Field => "this field for this user",
            Self::Connection => {
                "this field for the connection of this user; its grants are for other connections"
            }
            Self::Unblock => "blocked, since it may only block users",
            Self::Named => "anything for this connection",
        };
        let message =
            format!("spec.access of the Auth0Tenant {tenant} has to grant the namespace {namespace} {what}");
        Failure::new(Reason::TenantNotAllowed, message)
    }
}

struct Narrowing<'a> {
    access: &'a Access,
    /// Connection of the primary identity, for what belongs to the user as a whole.
    primary: &'a str,
    /// Connection of the identity that is meant, for what belongs to one.
    target: String,
    refused: BTreeSet<(String, Missing)>,
}

impl Narrowing<'_> {
    fn narrow(&mut self, mut desired: Desired) -> Desired {
        let mut withheld = BTreeSet::new();
        if desired.connection.as_ref().is_some_and(|named| !self.access.reaches(named)) {
            desired.connection = None;
            self.refused.insert((CONNECTION.to_owned(), Missing::Named));
        }
        desired.texts.retain(|attribute, _| self.keeps(*attribute, &mut withheld));
        desired.flags.retain(|attribute, wanted| match (attribute, wanted) {
            (Attribute::Blocked, true) if self.access.allows_block(Some(self.primary)) => true,
            _ => self.keeps(*attribute, &mut withheld),
        });
        desired.verify_email.take_if(|_| !self.keeps(Attribute::VerifyEmail, &mut withheld));
        desired.password.take_if(|_| !self.keeps(Attribute::Password, &mut withheld));
        desired.client_id.take_if(|_| !self.may(CLIENT_ID, true));
        for (map, metadata) in &mut desired.metadata {
            metadata.keys.retain(|key, _| self.may(&format!("{}.{key}", map.spec_name()), false));
            if metadata.whole.is_some() && !self.keeps(*map, &mut withheld) {
                (metadata.whole, metadata.held) = (None, BTreeSet::new());
            }
        }
        desired.metadata.retain(|_, metadata| metadata.whole.is_some() || !metadata.keys.is_empty());
        Desired { withheld, ..desired }
    }

    /// Whether an attribute stays. One that does not keeps its memory of what was sent.
    fn keeps(&mut self, attribute: Attribute, withheld: &mut BTreeSet<Attribute>) -> bool {
        let stays = self.may(attribute.spec_name(), attribute.group().is_identity_scoped());
        if !stays {
            withheld.insert(attribute);
        }
        stays
    }

    fn may(&mut self, field: &str, is_identity_scoped: bool) -> bool {
        let connection = Some(if is_identity_scoped { self.target.as_str() } else { self.primary });
        if self.access.allows(field, connection) {
            return true;
        }
        let missing = if field == Attribute::Blocked.spec_name() && self.access.allows_block(connection) {
            Missing::Unblock
        } else if self.access.allows(field, None) {
            Missing::Connection
        } else {
            Missing::Field
        };
        self.refused.insert((field.to_owned(), missing));
        false
    }
}

impl Access {
    /// Makes sure that the user is the one whose id was granted.
    ///
    /// # Errors
    /// `TenantNotAllowed` where Auth0 shows another id than was asked for.
    pub fn check_id(&self, user: &User, asked: &str) -> Result<(), Failure> {
        if *self == Self::Everything || user.text("user_id") == Some(asked) {
            return Ok(());
        }
        let message =
            "Auth0 returns this user with another id, and grants apply to ids: set spec.userId to that id";
        Err(Failure::new(Reason::TenantNotAllowed, message))
    }
}
