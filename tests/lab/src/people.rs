//! Made-up users, those of the recordings, and texts that they may have.

use crate::Result;
use serde_json::{Value, json};
use std::path::Path;

/// Texts that a reader of YAML may take for something else.
pub const MISREAD: [&str; 48] = [
    "~",
    "null",
    "Null",
    "Yes",
    "yes",
    "No",
    "n",
    "y",
    "on",
    "Off",
    "true",
    "0",
    "007",
    "0x1f",
    "0o7",
    "0b1",
    "1_000",
    "190:20:30",
    "1e3",
    "1.",
    ".5",
    "-.inf",
    ".NaN",
    "+15550100",
    "2026-01-01",
    "2026-01-01 10:00:00",
    "=",
    "<<",
    "-",
    "- a",
    "? a",
    ": a",
    "a: b",
    "a #b",
    "#a",
    "&a",
    "*a",
    "!a",
    "%a",
    "@a",
    "| a",
    "'a'",
    "\"a\"",
    "[a]",
    "---",
    "...",
    "a\nb\n\n",
    "\u{0}\u{7f}\u{85}\u{2028}\u{feff}\\ \t",
];

/// The one person whom most tests are about.
#[must_use]
pub fn ann() -> Value {
    json!({
        "user_id": "auth0|ann", "email": "ann@example.com", "email_verified": true, "username": "ann",
        "name": "Ann Example", "given_name": "Ann", "family_name": "Example", "nickname": "ann",
        "picture": "https://example.com/ann.png",
        "user_metadata": {"theme": "dark", "plan": "free"}, "app_metadata": {"roles": ["reader"]},
        "identities": [{"connection": "People", "user_id": "ann", "provider": "auth0", "isSocial": false}],
    })
}

/// A person `auth0|SLUG` of a connection, with a value for everything that a card can clear.
#[must_use]
pub fn person(slug: &str, connection: &str) -> Value {
    let mut person = ann();
    for (key, value) in [
        ("user_id", json!(format!("auth0|{slug}"))),
        ("email", json!(format!("{slug}@example.com"))),
        ("username", json!(slug)),
        (
            "identities",
            json!([{"connection": connection, "user_id": slug, "provider": "auth0", "isSocial": false}]),
        ),
    ] {
        person[key] = value;
    }
    person
}

/// The users that the files of `examples/` are about, as they are before.
#[must_use]
pub fn of_examples() -> Vec<Value> {
    let names = [
        "ada", "ben", "cleo", "dan", "eva", "finn", "gil", "hana", "ivo", "jane", "karl", "lea", "mia",
        "nora", "otto", "pia", "quinn", "rosa", "uma",
    ];
    names.into_iter().map(of_example).collect()
}

fn of_example(name: &str) -> Value {
    let mut user = person(name, if name == "lea" { "Phones" } else { "People" });
    match name {
        "karl" => user["blocked"] = json!(true),
        "nora" => {
            user["identities"] = json!([
                {"connection": "People", "user_id": "nora", "provider": "auth0", "isSocial": false},
                {"connection": "Partners", "user_id": "nora-2", "provider": "auth0", "isSocial": false,
                 "profileData": {"email": "old@partners.example.com", "email_verified": true}},
            ]);
        }
        _ => {}
    }
    user
}

/// Every user that the stand-in's recordings of Auth0 show.
///
/// # Errors
/// Where a recording cannot be read.
pub fn recorded() -> Result<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../auth0-sandbox/tests/recordings");
    let mut users = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let recording: Value = serde_json::from_slice(&std::fs::read(entry?.path())?)?;
        users.extend(recording["state"]["users"].as_array().cloned().unwrap_or_default());
        let body = &recording["response"]["body"];
        users.extend(body["users"].as_array().cloned().unwrap_or_default());
        users.extend(Some(body.clone()).filter(|body| body["user_id"].is_string()));
    }
    Ok(users)
}
