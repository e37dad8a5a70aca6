//! Made-up users.

use serde_json::{Value, json};

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
