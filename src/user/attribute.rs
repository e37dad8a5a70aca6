//! The fields that a plan can send: their names on both sides, their place in the spec, and the group that they travel
//! in.

use crate::api::{Auth0UserUpdateSpec, Field, JsonMap};

/// Fields that Auth0 takes together. The order is the order in which a resource reports its reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// `password`.
    Password,
    /// `blocked`, `user_metadata`, `app_metadata`: the user's as a whole, whatever the connection.
    Account,
    /// `name`, `given_name`, `family_name`, `nickname`, `picture`: the root's.
    Profile,
    /// `email`, `email_verified`, `verify_email`.
    Email,
    /// `phone_number`, `phone_verified`.
    Phone,
    /// `username`.
    Username,
}

impl Group {
    /// Whether the group belongs to one identity, so that `connection` rides with it.
    #[must_use]
    pub const fn is_identity_scoped(self) -> bool {
        match self {
            Self::Password | Self::Email | Self::Phone | Self::Username => true,
            Self::Account | Self::Profile => false,
        }
    }

    /// The group of a field named in a status, such as `email` or `userMetadata.plan`.
    #[must_use]
    pub fn of_field(field: &str) -> Option<Self> {
        Attribute::of_field(field).map(Attribute::group)
    }
}

/// One field of the spec that ends up in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named exactly as the spec fields that they are")]
pub enum Attribute {
    Password,
    Blocked,
    UserMetadata,
    AppMetadata,
    Name,
    GivenName,
    FamilyName,
    Nickname,
    Picture,
    Email,
    EmailVerified,
    VerifyEmail,
    PhoneNumber,
    PhoneVerified,
    Username,
}

impl Attribute {
    /// Every attribute.
    pub const ALL: [Self; 15] = [
        Self::Password,
        Self::Blocked,
        Self::UserMetadata,
        Self::AppMetadata,
        Self::Name,
        Self::GivenName,
        Self::FamilyName,
        Self::Nickname,
        Self::Picture,
        Self::Email,
        Self::EmailVerified,
        Self::VerifyEmail,
        Self::PhoneNumber,
        Self::PhoneVerified,
        Self::Username,
    ];

    /// The attribute of a field named in a status, such as `email` or `userMetadata.plan`.
    #[must_use]
    pub fn of_field(field: &str) -> Option<Self> {
        let name = field.split_once('.').map_or(field, |(map, _)| map);
        Self::ALL.into_iter().find(|attribute| attribute.spec_name() == name)
    }

    /// The name in `spec` and in the lists of `status`.
    #[must_use]
    pub const fn spec_name(self) -> &'static str {
        self.names().0
    }

    /// The name in Auth0's request and answer.
    #[must_use]
    pub const fn auth0_name(self) -> &'static str {
        self.names().1
    }

    const fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Password => ("passwordSecretRef", "password"),
            Self::Blocked => ("blocked", "blocked"),
            Self::UserMetadata => ("userMetadata", "user_metadata"),
            Self::AppMetadata => ("appMetadata", "app_metadata"),
            Self::Name => ("name", "name"),
            Self::GivenName => ("givenName", "given_name"),
            Self::FamilyName => ("familyName", "family_name"),
            Self::Nickname => ("nickname", "nickname"),
            Self::Picture => ("picture", "picture"),
            Self::Email => ("email", "email"),
            Self::EmailVerified => ("emailVerified", "email_verified"),
            Self::VerifyEmail => ("verifyEmail", "verify_email"),
            Self::PhoneNumber => ("phoneNumber", "phone_number"),
            Self::PhoneVerified => ("phoneVerified", "phone_verified"),
            Self::Username => ("username", "username"),
        }
    }

    /// The group that it travels in.
    #[must_use]
    pub const fn group(self) -> Group {
        match self {
            Self::Password => Group::Password,
            Self::Blocked | Self::UserMetadata | Self::AppMetadata => Group::Account,
            Self::Name | Self::GivenName | Self::FamilyName | Self::Nickname | Self::Picture => {
                Group::Profile
            }
            Self::Email | Self::EmailVerified | Self::VerifyEmail => Group::Email,
            Self::PhoneNumber | Self::PhoneVerified => Group::Phone,
            Self::Username => Group::Username,
        }
    }

    /// The address that a flag or a mail speaks of.
    #[must_use]
    pub const fn address(self) -> Option<Self> {
        match self {
            Self::EmailVerified | Self::VerifyEmail => Some(Self::Email),
            Self::PhoneVerified => Some(Self::PhoneNumber),
            Self::Password
            | Self::Blocked
            | Self::UserMetadata
            | Self::AppMetadata
            | Self::Name
            | Self::GivenName
            | Self::FamilyName
            | Self::Nickname
            | Self::Picture
            | Self::Email
            | Self::PhoneNumber
            | Self::Username => None,
        }
    }

    /// Auth0's own store keeps these in lower case, so that letter case is no difference there.
    #[must_use]
    pub const fn ignores_ascii_case(self) -> bool {
        matches!(self, Self::Email | Self::Username)
    }
}

/// Both metadata maps.
#[must_use]
pub fn maps(spec: &Auth0UserUpdateSpec) -> [(Attribute, Option<&JsonMap>); 2] {
    [
        (Attribute::UserMetadata, spec.user_metadata.as_ref()),
        (Attribute::AppMetadata, spec.app_metadata.as_ref()),
    ]
}

/// Every text field.
#[must_use]
pub fn texts(spec: &Auth0UserUpdateSpec) -> [(Attribute, &Field<String>); 8] {
    [
        (Attribute::Name, &spec.name),
        (Attribute::GivenName, &spec.given_name),
        (Attribute::FamilyName, &spec.family_name),
        (Attribute::Nickname, &spec.nickname),
        (Attribute::Picture, &spec.picture),
        (Attribute::Email, &spec.email),
        (Attribute::PhoneNumber, &spec.phone_number),
        (Attribute::Username, &spec.username),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_status_find_their_group() {
        assert_eq!(Group::of_field("userMetadata.plan"), Some(Group::Account));
        assert_eq!(Group::of_field("passwordSecretRef"), Some(Group::Password));
        assert_eq!(Group::of_field("connection"), None);
    }
}
