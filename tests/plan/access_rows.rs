//! Every field and every way to ask for a change of it, with what is expected of it: one table for the plan and for the
//! operator on a real API server.

use serde_json::{Value, json};

/// One row for each field and each way to ask for a change of it: what is asked, what goes out for it, by which name it
/// is refused, whether a namespace may do it that is granted [`PART`], and whether the short form grants it.
pub type Row = (Value, Value, &'static str, bool, bool);

pub const PART: [&str; 8] = [
    "familyName",
    "email",
    "verifyEmail",
    "block",
    "username",
    "userMetadata.k",
    "appMetadata",
    "passwordSecretRef",
];

/// The user before.
pub fn holds() -> Value {
    json!({
        "user_id": "auth0|1", "created_at": "2020-01-01T00:00:00.000Z",
        "identities": [{"provider": "auth0", "user_id": "1", "connection": "People", "isSocial": false}],
        "name": "Old", "given_name": "Old", "family_name": "Old", "nickname": "old", "picture": "https://example.com/old",
        "email": "old@example.com", "email_verified": false, "phone_number": "+491", "phone_verified": false, "username": "old",
        "blocked": false, "user_metadata": {"k": 1, "other": 1}, "app_metadata": {"k": 1},
    })
}

pub fn rows() -> Vec<Row> {
    let texts = [
        ("name", "name", "New", false, true),
        ("givenName", "given_name", "New", false, true),
        ("familyName", "family_name", "New", true, true),
        ("nickname", "nickname", "new", false, true),
        ("picture", "picture", "https://example.com/new", false, true),
        ("email", "email", "new@example.com", true, false),
        ("phoneNumber", "phone_number", "+492", false, false),
        ("username", "username", "new", true, false),
    ];
    let texts = texts.into_iter().flat_map(|(field, attribute, new, part, short)| {
        [
            (json!({field: new}), json!({attribute: new}), field, part, short),
            (json!({"clear": [field]}), json!({attribute: null}), field, part, short),
            (json!({field: "", "passEmptyValues": "Yes"}), json!({attribute: null}), field, part, short),
        ]
    });
    let others = [
        (json!({"emailVerified": true}), json!({"email_verified": true}), "emailVerified", false, false),
        (json!({"verifyEmail": true}), json!({"verify_email": true}), "verifyEmail", true, false),
        (json!({"phoneVerified": true}), json!({"phone_verified": true}), "phoneVerified", false, false),
        (json!({"blocked": true}), json!({"blocked": true}), "blocked", true, true),
        (
            json!({"passwordSecretRef": {"name": "s", "key": "k"}}),
            json!({"password": "Wanted-1"}),
            "passwordSecretRef",
            true,
            false,
        ),
        (json!({"userMetadata": {"k": 2}}), json!({"user_metadata": {"k": 2}}), "userMetadata.k", true, true),
        (
            json!({"userMetadata": {"other": 2}}),
            json!({"user_metadata": {"other": 2}}),
            "userMetadata.other",
            false,
            true,
        ),
        (
            json!({"clear": ["userMetadata.k"]}),
            json!({"user_metadata": {"k": null}}),
            "userMetadata.k",
            true,
            true,
        ),
        (
            json!({"userMetadata": {"k": null}, "passEmptyValues": "Yes"}),
            json!({"user_metadata": {"k": null}}),
            "userMetadata.k",
            true,
            true,
        ),
        (json!({"clear": ["userMetadata"]}), json!({"user_metadata": {}}), "userMetadata", false, true),
        (
            json!({"userMetadata": {}, "passEmptyValues": "Yes"}),
            json!({"user_metadata": {}}),
            "userMetadata",
            false,
            true,
        ),
        (
            json!({"clear": ["userMetadata"], "userMetadata": {"k": 1}}),
            json!({"user_metadata": {"other": null}}),
            "userMetadata",
            false,
            true,
        ),
        (json!({"appMetadata": {"k": 2}}), json!({"app_metadata": {"k": 2}}), "appMetadata.k", true, false),
        (
            json!({"clear": ["appMetadata.k"]}),
            json!({"app_metadata": {"k": null}}),
            "appMetadata.k",
            true,
            false,
        ),
        (json!({"clear": ["appMetadata"]}), json!({"app_metadata": {}}), "appMetadata", true, false),
        (
            json!({"clear": ["appMetadata"], "appMetadata": {"j": 1}}),
            json!({"app_metadata": {"j": 1, "k": null}}),
            "appMetadata",
            true,
            false,
        ),
    ];
    texts.chain(others).collect()
}
