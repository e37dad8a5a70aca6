//! The attributes by the rules they share.

/// Attributes of the person; on a secondary identity they cannot be changed at all.
pub(super) const PROFILE: [&str; 5] = ["family_name", "given_name", "name", "nickname", "picture"];

/// Attributes of one identity: `connection` says of which.
pub(super) const OF_IDENTITY: [&str; 5] =
    ["email", "email_verified", "phone_number", "phone_verified", "username"];

/// The five pairs that Auth0 refuses to change in one request.
pub(super) const PAIRS: [(&str, &str); 5] = [
    ("password", "email"),
    ("password", "email_verified"),
    ("username", "email"),
    ("username", "email_verified"),
    ("username", "password"),
];

/// Keys that `app_metadata` must not contain, as Auth0's documentation lists them.
pub(super) const RESERVED_APP_METADATA: [&str; 18] = [
    "__tenant",
    "_id",
    "blocked",
    "clientID",
    "created_at",
    "email_verified",
    "email",
    "globalClientID",
    "global_client_id",
    "identities",
    "lastIP",
    "lastLogin",
    "loginsCount",
    "metadata",
    "multifactor_last_modified",
    "multifactor",
    "updated_at",
    "user_id",
];
