//! Switches for what is not known about Auth0, or differs between tenants.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{Refusal, Unworded};

/// How Auth0 words the refusal of an email change outside databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailRefusal {
    /// `Cannot update email for this user` (seen in the wild).
    #[default]
    ThisUser,
    /// `Cannot update email for non-database user.` (documented).
    NonDatabaseUser,
}

/// How Auth0 words the refusal of a phone number in a database without the attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneRefusal {
    /// `Cannot update phone_number for non-sms user` (seen in the wild).
    #[default]
    NonSmsUser,
    /// `Can only update phone_number for auth0 connections with attribute configuration enabled and
    /// options.attributes configured.` (seen in the wild).
    AttributesNotConfigured,
    /// `phone_number is not allowed`, as creating such a user is refused (seen in the wild; the rest of the
    /// text is not known).
    NotAllowed,
    /// `Connection is not supported for this operation.` (documented).
    NotSupported,
}

/// Among whom a phone number is unique.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhoneScope {
    /// The users of the connection (inferred).
    #[default]
    Connection,
    /// All users of the tenant (a literal reading of "among all users", which is documented).
    Tenant,
}

/// What a connection makes of the letters of an email or username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterCase {
    /// They become small.
    Lowered,
    /// They stay.
    Kept,
}

/// What remains of `app_metadata` after it was cleared with `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClearedAppMetadata {
    /// The key is gone from every answer (recorded 2022 and 2023).
    #[default]
    Absent,
    /// The key stays as `{}` (seen in search results of 2018).
    Empty,
}

/// The body with which a wrong client id or secret is refused (401).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientRefusal {
    /// `access_denied` / `Unauthorized` (seen in the wild).
    #[default]
    AccessDenied,
    /// `invalid_client` / `Client authentication failed` (documented).
    InvalidClient,
}

/// What a token looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenShape {
    /// Three dot-separated parts, with a `scope` claim.
    #[default]
    Jwt,
    /// A random string. The stand-in accepts it as its own; a client must not look inside a token.
    Opaque,
}

/// How the search of users behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchRules {
    /// It shows each user as of this many milliseconds ago; a user that is younger is not found, one deleted since
    /// still is (documented: eventually consistent). Counts for changes made while it is set. Default 0.
    pub lag_millis: u64,
    /// The largest `per_page`: a larger one is refused. Documented as 50 in the public cloud, as 100 by the API
    /// description. Default 50.
    pub page_limit: usize,
    /// A query for more values than this takes too long: 503 (documented without a number). Default: none does.
    pub values_limit: Option<usize>,
    /// The largest path with query in bytes: a longer one is a 414 (documented without a number). Default 8192.
    pub target_limit: usize,
}

impl Default for SearchRules {
    fn default() -> Self {
        Self { lag_millis: 0, page_limit: 50, values_limit: None, target_limit: 8192 }
    }
}

/// How one stream of events too many is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamRefusal {
    /// 403 `Maximum concurrent event stream connections reached. …` (in Auth0's API description), without a code.
    #[default]
    Forbidden,
    /// 429 (a reading of "rate limit exceeded", which is documented) with that text.
    TooManyRequests {
        /// Seconds in the header `retry-after`.
        retry_after: u64,
    },
}

/// How the stream of events behaves. What is said of an opened stream counts for those opened from then on, all
/// else for events raised from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventRules {
    /// Streams at a time. Default: as documented for the plan (free 1, self-service 4, enterprise 8), else 8.
    pub connections: Option<usize>,
    /// How one more is refused.
    pub too_many: StreamRefusal,
    /// The `retry:` of an opened stream. Default 2000, as in Auth0's example.
    pub retry_millis: u64,
    /// An opened stream gets `offset-only` and a comment this often; absent: never. Documented without a number;
    /// default 15000.
    pub heartbeat_millis: Option<u64>,
    /// An opened stream is closed after this; absent: never. Documented as "every few minutes"; default 300000.
    pub close_after_millis: Option<u64>,
    /// How many places of the stream are retained; offsets before them are a 410. Default 10000.
    pub retained: usize,
    /// Events are delivered so much later. Default 0.
    pub delay_millis: u64,
    /// Every n-th event is never delivered. Counts from when it is set, as the next two do. Default: none.
    pub lose_every: Option<u64>,
    /// Every n-th event is delivered twice, with two offsets and one id. Default: none.
    pub double_every: Option<u64>,
    /// Every n-th event is delivered after the next one (or a second later, if none comes). Default: none.
    pub swap_every: Option<u64>,
    /// Fields that `data.object` lacks. Default: none.
    pub omitted: Vec<String>,
}

impl Default for EventRules {
    fn default() -> Self {
        Self {
            connections: None,
            too_many: StreamRefusal::default(),
            retry_millis: 2000,
            heartbeat_millis: Some(15_000),
            close_after_millis: Some(300_000),
            retained: 10_000,
            delay_millis: 0,
            lose_every: None,
            double_every: None,
            swap_every: None,
            omitted: Vec::new(),
        }
    }
}

/// The switches. Every default is the likeliest behaviour; a test that depends on an unknown rule
/// runs under both positions.
///
/// As JSON or YAML it is an object with these field names; absent fields have their default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // independent switches, not a state
pub struct Rules {
    /// A new `email` sets `email_verified` to false unless the same body sets it. Unknown; default true.
    pub email_change_resets_verified: bool,
    /// A new `phone_number` sets `phone_verified` to false unless the same body sets it. Unknown; default true.
    pub phone_change_resets_verified: bool,
    /// `null` removes `name`, `nickname`, `given_name`, `family_name` and `picture` of a user in an
    /// Auth0 store, an importing database or a passwordless connection. Documented both ways; default true.
    /// When false: `The following user attributes cannot be removed: …`.
    pub profile_clearable: bool,
    /// `null` removes `email` and `phone_number` where they may be set. Default true.
    pub contact_clearable: bool,
    /// `null` removes `username`. Default false (refused as not removable).
    pub username_clearable: bool,
    /// What `app_metadata: {}` leaves behind.
    pub cleared_app_metadata: ClearedAppMetadata,
    /// Adds `errorCode: operation_not_supported` to refusals whose code nobody has recorded
    /// (the five pairs among them). Default false: absent.
    pub unknown_error_codes: bool,
    /// Wording of the refusal of an email outside databases.
    pub email_refusal: EmailRefusal,
    /// Wording of the refusal of a phone number in a database without the attribute.
    pub phone_refusal: PhoneRefusal,
    /// A phone number of an SMS identity needs `connection` beside it; without, the text of
    /// [`PhoneRefusal::AttributesNotConfigured`] (seen in the wild in one tenant of two). Default false.
    pub sms_phone_needs_connection: bool,
    /// Among whom a phone number is unique.
    pub phone_scope: PhoneScope,
    /// Other texts, codes or statuses for refusals whose text is not known; `{}` becomes the attribute or
    /// the limit.
    pub wordings: BTreeMap<Unworded, Refusal>,
    /// Connections by name that treat letters unlike their kind. Documented: Auth0's store (importing
    /// databases too) lowers emails and usernames, all others keep them.
    pub letter_case: BTreeMap<String, LetterCase>,
    /// The largest profile in bytes of JSON: a PATCH that would make a larger one is refused. Documented:
    /// 10 KB from 2027-03-04 on. Default: none.
    pub profile_limit: Option<u64>,
    /// A passwordless `email` connection accepts a new `email`. Reported refused; default false.
    pub passwordless_email_change: bool,
    /// Unknown root attributes are refused (`Additional properties not allowed`). Default true. When
    /// false, their values are ignored, and `null` removes an attribute the identity provider supplied.
    pub strict_root_keys: bool,
    /// `phone_number` may not stand beside `email`, `email_verified`, `password` or `username`. Unknown;
    /// default false (allowed).
    pub phone_refused_beside_pairs: bool,
    /// A password lifts the admin block even if the same body says `blocked: true`. Unknown; default false.
    pub password_beats_blocked: bool,
    /// A lifted block leaves `blocked: false` instead of no key. Default true.
    pub unblocked_stays_false: bool,
    /// A body that changes nothing still moves `updated_at`. Unknown; default true.
    pub equal_patch_moves_updated_at: bool,
    /// `update:users_app_metadata` alone may write only `app_metadata`. Not documented; default true.
    pub app_metadata_scope_is_narrow: bool,
    /// Auth0 trims stored strings. Default false.
    pub trims: bool,
    /// What an Action makes of an attribute whenever a PATCH mentions it: this value is stored instead
    /// (`null` removes it). Names are root attributes or `user_metadata.KEY` / `app_metadata.KEY`.
    pub overrides: BTreeMap<String, Value>,
    /// Attributes that are accepted and silently not stored; named as in `overrides`.
    pub ignored: Vec<String>,
    /// Root attributes the account may not update (`Your account is not allowed to update …`).
    pub forbidden_attributes: Vec<String>,
    /// Any body that mentions the attribute is answered with this; named as in `overrides`. Of several, the
    /// first by name counts; it comes before all other rules that look at the user.
    pub refused: BTreeMap<String, Refusal>,
    /// Keys that `profileData` of a secondary identity never shows, although Auth0 holds them.
    pub profile_data_hides: Vec<String>,
    /// Token answers carry `scope`. Default true; recorded both ways.
    pub scope_in_token_answer: bool,
    /// What a token looks like.
    pub token_shape: TokenShape,
    /// Wording of the refusal of a wrong client id or secret.
    pub client_refusal: ClientRefusal,
    /// A 429 carries the `x-ratelimit-*` headers. Documented, never recorded; default true.
    pub limit_headers_on_429: bool,
    /// A 429 carries `retry-after` (seconds). Documented for token quotas only; default false.
    pub retry_after_on_429: bool,
    /// Verified custom domains of the tenant. With two or more and no default one, a PATCH without the header
    /// `auth0-custom-domain` is a 409 (recorded).
    pub custom_domains: Vec<String>,
    /// One of them is the default one. Default false.
    pub default_custom_domain: bool,
    /// The search of users.
    pub search: SearchRules,
    /// The stream of events.
    pub events: EventRules,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            email_change_resets_verified: true,
            phone_change_resets_verified: true,
            profile_clearable: true,
            contact_clearable: true,
            username_clearable: false,
            cleared_app_metadata: ClearedAppMetadata::default(),
            unknown_error_codes: false,
            email_refusal: EmailRefusal::default(),
            phone_refusal: PhoneRefusal::default(),
            sms_phone_needs_connection: false,
            phone_scope: PhoneScope::default(),
            wordings: BTreeMap::new(),
            letter_case: BTreeMap::new(),
            profile_limit: None,
            passwordless_email_change: false,
            strict_root_keys: true,
            phone_refused_beside_pairs: false,
            password_beats_blocked: false,
            unblocked_stays_false: true,
            equal_patch_moves_updated_at: true,
            app_metadata_scope_is_narrow: true,
            trims: false,
            overrides: BTreeMap::new(),
            ignored: Vec::new(),
            forbidden_attributes: Vec::new(),
            refused: BTreeMap::new(),
            profile_data_hides: Vec::new(),
            scope_in_token_answer: true,
            token_shape: TokenShape::default(),
            client_refusal: ClientRefusal::default(),
            limit_headers_on_429: true,
            retry_after_on_429: false,
            custom_domains: Vec::new(),
            default_custom_domain: false,
            search: SearchRules::default(),
            events: EventRules::default(),
        }
    }
}
