//! Which claims count: those on the same host that the tenant's grants allow. A field that is not granted is not
//! claimed.

use crate::access::{Access, BLOCK};
use crate::ownership::Named;
use crate::ownership::claimant::{Claimant, Place};
use crate::ownership::fingerprint::{Field, Wanted, fingerprint};
use crate::user::Attribute;
use std::cell::RefCell;

/// What resources of a namespace have of a tenant.
#[derive(Clone, Debug)]
pub struct Rights {
    /// Host of the tenant, with its port.
    pub host: String,
    /// What they may do with the user in question.
    pub access: Access,
}

/// What a tenant gives to resources of a namespace; `None` where they have no such tenant, or not its consent.
pub type RightsOf<'a> = &'a dyn Fn(&Named, &str) -> Option<Rights>;

/// Which claimants compete for a user of one host, and for what.
pub(super) struct Competition<'a> {
    host: &'a str,
    rights_of: RightsOf<'a>,
    /// Connection of the user's primary identity, once it was observed. Before, any may be granted.
    primary: Option<&'a str>,
    /// Neighbours in age are often of one place, so the last answer is kept.
    last: RefCell<Option<(Named, String, Option<Access>)>>,
}

impl<'a> Competition<'a> {
    pub const fn new(host: &'a str, rights_of: RightsOf<'a>, primary: Option<&'a str>) -> Self {
        Self { host, rights_of, primary, last: RefCell::new(None) }
    }

    /// Whether those of a place have any claim.
    pub fn has(&self, place: &Place) -> bool {
        self.with(place, |access| access.is_some())
    }

    /// Whether a claimant may claim what it wants of a field, be it through the whole map.
    pub fn may(&self, claimant: &Claimant, field: Field, wanted: Wanted) -> bool {
        self.with(&claimant.place, |access| match access {
            None => false,
            Some(Access::Everything) => true,
            Some(access) => {
                let declared = claimant.declared(field).map(|_| field).or_else(|| field.map());
                let declared = declared.unwrap_or(field);
                let named = claimant.place.connection.as_deref().filter(|_| field.is_identity_scoped());
                access.grants(named.or(self.primary), |name| is_named(name, declared, wanted))
            }
        })
    }

    /// Changes with what those of a place may do.
    pub fn fingerprint(&self, place: &Place) -> u64 {
        self.with(place, |access| match access {
            None | Some(Access::Everything) => 0,
            Some(access) => fingerprint(access),
        })
    }

    fn with<T>(&self, place: &Place, judge: impl FnOnce(Option<&Access>) -> T) -> T {
        let mut last = self.last.borrow_mut();
        let known = last
            .take()
            .filter(|(tenant, namespace, _)| *tenant == place.tenant && *namespace == place.namespace);
        let (_, _, access) = last.insert(known.unwrap_or_else(|| {
            let rights = (self.rights_of)(&place.tenant, &place.namespace);
            let access = rights.filter(|rights| rights.host == self.host).map(|rights| rights.access);
            (place.tenant.clone(), place.namespace.clone(), access)
        }));
        judge(access.as_ref())
    }
}

/// Whether a name of a grant means this field.
fn is_named(name: &str, field: Field, wanted: Wanted) -> bool {
    if name == BLOCK {
        return field == Field::of(Attribute::Blocked) && wanted == Wanted::blocked();
    }
    let Some(attribute) = Attribute::of_field(name) else { return false };
    match name.split_once('.') {
        Some((_, key)) => field == Field::key(attribute, key),
        None => field == Field::of(attribute) || field.map() == Some(Field::of(attribute)),
    }
}
