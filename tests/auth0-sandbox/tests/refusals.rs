#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]

//! Every error text of a PATCH, and how to provoke it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use auth0_sandbox::{EmailRefusal, IssuedToken, Rules};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use support::{Lab, read, user_path};

/// User, body, whole message or its beginning, code.
type Case = (&'static str, Value, &'static str, Option<&'static str>);

/// A row of the tables beside this file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    user: String,
    body: Value,
    message: String,
    code: Option<String>,
}

fn rows(table: &str) -> Vec<Row> {
    serde_saphyr::from_str(table).unwrap()
}

impl From<Case> for Row {
    fn from((user, body, message, code): Case) -> Self {
        Self { user: user.into(), body, message: message.into(), code: code.map(str::to_owned) }
    }
}

async fn all_refused(lab: &Lab, cases: Vec<impl Into<Row>>) {
    for Row { user, body, message, code } in cases.into_iter().map(Into::into) {
        let id = user.as_str();
        let before = lab.sandbox.account(id);
        let (status, answer) = lab.patch(id, &body).await;
        assert_eq!(status, 400, "{id} {body} {answer}");
        let said = answer["message"].as_str().unwrap();
        assert!(said.starts_with(&message), "{id} {body}\n  said: {said}\n  not:  {message}");
        assert_eq!(answer.get("errorCode"), code.map(|code| json!(code)).as_ref(), "{id} {body}");
        assert_eq!((&answer["statusCode"], &answer["error"]), (&json!(400), &json!("Bad Request")));
        assert_eq!(lab.sandbox.account(id), before, "{id} {body}: nothing may change");
    }
    assert!(lab.sandbox.patches().iter().all(|exchange| !exchange.took_effect));
}

#[tokio::test]
async fn the_schema() {
    let lab = Lab::new().await;
    all_refused(&lab, rows(include_str!("refusals/schema.yaml"))).await;
    let limits =
        [("given_name", 150), ("family_name", 150), ("name", 300), ("nickname", 300), ("username", 128)];
    for (name, most) in limits {
        let (status, answer) = lab.patch("auth0|ann", &json!({ name: "x".repeat(most + 1) })).await;
        let text = format!("'String is too long ({} chars), maximum {most}' on property {name} (", most + 1);
        assert!(status == 400 && answer["message"].as_str().unwrap().contains(&text), "{answer}");
    }
}

#[tokio::test]
async fn the_five_pairs_and_no_others() {
    let lab = Lab::new().await;
    let pairs = [
        (json!({ "password": "Other-Garden-9", "email": "a@example.com" }), "password and email"),
        (json!({ "password": "Other-Garden-9", "email_verified": true }), "password and email_verified"),
        (json!({ "username": "anna", "email": "a@example.com" }), "username and email"),
        (json!({ "username": "anna", "email_verified": true }), "username and email_verified"),
        (json!({ "username": "anna", "password": "Other-Garden-9" }), "username and password"),
    ];
    for code in [None, Some("operation_not_supported")] {
        lab.sandbox.change_rules(|rules| rules.unknown_error_codes = code.is_some());
        for (body, names) in &pairs {
            let (status, answer) = lab.patch("auth0|ann", body).await;
            assert_eq!(
                (status, &answer["message"]),
                (400, &json!(format!("Cannot update {names} simultaneously.")))
            );
            assert_eq!(answer.get("errorCode").and_then(Value::as_str), code);
        }
    }
    lab.patched("auth0|ann", &json!({ "email": "a@example.com", "email_verified": true })).await;
    let with_phone = json!({ "phone_number": "+15550177", "email": "c@example.com" });
    lab.patched("auth0|cleo", &with_phone).await;
    lab.sandbox.change_rules(|rules| rules.phone_refused_beside_pairs = true);
    let (_, answer) = lab.patch("auth0|cleo", &with_phone).await;
    assert_eq!(answer["message"], json!("Cannot update phone_number and email simultaneously."));
}

#[tokio::test]
async fn what_a_connection_does_not_accept() {
    let lab = Lab::new().await;
    all_refused(&lab, rows(include_str!("refusals/connections.yaml"))).await;
}

#[tokio::test]
async fn what_those_connections_do_accept() {
    let lab = Lab::new().await;
    let jo = "samlp|Corporate|jo/50%@example.com";
    for (id, body) in [
        ("github|2002", json!({ "name": "Ivo", "nickname": null })),
        ("auth0|importing|dan", json!({ "name": "Dan", "email": "d@example.com" })),
        ("auth0|importing|dan", json!({ "password": "Other-Garden-9" })),
        ("email|finn", json!({ "name": "Finn", "email_verified": true })),
        ("sms|gil", json!({ "name": "Gil", "phone_number": "+15550122", "phone_verified": true })),
        ("auth0|cleo", json!({ "phone_number": null, "email": null })),
        (jo, json!({ "blocked": true, "user_metadata": { "a": 1 }, "app_metadata": { "b": 2 } })),
        (jo, json!({ "nickname": null })),
        ("google-oauth2|1001", json!({ "email_verified": false, "blocked": true })),
        ("auth0|retired|kim", json!({ "name": "Kim" })),
    ] {
        lab.patched(id, &body).await;
    }
}

#[tokio::test]
async fn passwords() {
    let lab = Lab::new().await;
    let cases = vec![
        ("auth0|ann", json!({ "password": "short" }), "PasswordStrengthError: Password is too weak", None),
        (
            "auth0|ann",
            json!({ "password": "alllowercase" }),
            "PasswordStrengthError: Password is too weak",
            None,
        ),
        (
            "auth0|ann",
            json!({ "password": "Passw0rd!" }),
            "PasswordDictionaryError: Password is too common",
            None,
        ),
        (
            "auth0|ann",
            json!({ "password": "Sunflower-2026" }),
            "PasswordDictionaryError: Password is too common",
            None,
        ),
        (
            "auth0|ann",
            json!({ "password": "My-Ann-Garden-1" }),
            "PasswordNoUserInfoError: Password contains user information",
            None,
        ),
        (
            "auth0|ann",
            json!({ "password": "Orchid-Garden-1" }),
            "PasswordHistoryError: Password has previously been used",
            None,
        ),
    ];
    all_refused(&lab, cases).await;
    for number in 2..=4 {
        lab.patched("auth0|ann", &json!({ "password": format!("Orchid-Garden-{number}") })).await;
    }
    // The history holds three: the first password may come back, the second may not.
    assert_eq!(lab.patch("auth0|ann", &json!({ "password": "Orchid-Garden-2" })).await.0, 400);
    lab.patched("auth0|ann", &json!({ "password": "Orchid-Garden-1" })).await;
}

#[tokio::test]
async fn duplicates_connections_and_secondary_identities() {
    let lab = Lab::new().await;
    let cases = vec![
        (
            "auth0|ann",
            json!({ "email": "BOB@example.com" }),
            "The specified new email already exists",
            Some("auth0_idp_error"),
        ),
        (
            "auth0|ann",
            json!({ "username": "bob" }),
            "The specified new username already exists",
            Some("auth0_idp_error"),
        ),
        (
            "auth0|ann",
            json!({ "email": "max.two@example.com" }),
            "The specified new email already exists",
            Some("auth0_idp_error"),
        ),
        (
            "auth0|ann",
            json!({ "email": "new@example.com", "connection": "Nowhere" }),
            "The connection does not exist.",
            Some("inexistent_connection"),
        ),
        (
            "auth0|ann",
            json!({ "name": "A", "connection": "Phones" }),
            "The connection does not exist.",
            Some("inexistent_connection"),
        ),
        (
            "auth0|lea",
            json!({ "name": "L", "picture": "https://example.com/l", "connection": "Phones" }),
            "The following user attributes cannot be updated: name, picture. The specified connection belongs to a secondary identity.",
            None,
        ),
    ];
    all_refused(&lab, cases).await;
    // An email of another connection is free.
    lab.patched("auth0|ann", &json!({ "email": "cleo@example.com" })).await;
    lab.sandbox.remove_connection("People");
    let (status, answer) = lab.patch("auth0|bob", &json!({ "username": "bobby" })).await;
    assert_eq!((status, &answer["errorCode"]), (400, &json!("inexistent_connection")));
    lab.patched("auth0|bob", &json!({ "blocked": false })).await;
}

#[tokio::test]
async fn what_switches_refuse() {
    let lab = Lab::new().await;
    lab.sandbox.change_rules(|rules| {
        rules.profile_clearable = false;
        rules.contact_clearable = false;
        rules.email_refusal = EmailRefusal::NonDatabaseUser;
        rules.strict_root_keys = false;
        rules.forbidden_attributes = vec!["picture".into(), "blocked".into()];
    });
    let cases = vec![
        (
            "auth0|ann",
            json!({ "name": null, "nickname": null }),
            "The following user attributes cannot be removed: name, nickname. The connection (People) must either be a custom database",
            None,
        ),
        (
            "auth0|ann",
            json!({ "email": null }),
            "The following user attributes cannot be removed: email. The connection (People) must",
            None,
        ),
        (
            "google-oauth2|1001",
            json!({ "email": "h@example.com" }),
            "Cannot update email for non-database user.",
            None,
        ),
        (
            "google-oauth2|1001",
            json!({ "locale": null, "foo": null }),
            "The following user attributes cannot be removed: foo, locale. The connection (google-oauth2) should have disabled",
            None,
        ),
        (
            "auth0|ann",
            json!({ "picture": null, "blocked": true }),
            "Your account is not allowed to update the following user attributes: picture, blocked",
            None,
        ),
    ];
    all_refused(&lab, cases).await;
    // Unknown root keys: a value is ignored, null removes where the profile is the tenant's to change.
    let answer = lab.patched("auth0|ann", &json!({ "unknown": 1, "name": "Ann" })).await;
    assert!(answer.get("unknown").is_none());
    lab.sandbox.change_user("github|2002", |user| user.insert("locale".into(), json!("en")));
    assert!(lab.patched("github|2002", &json!({ "locale": null })).await.get("locale").is_none());
    lab.sandbox.change_rules(|rules| *rules = Rules { username_clearable: true, ..Rules::default() });
    assert!(lab.patched("auth0|ann", &json!({ "username": null })).await.get("username").is_none());
}

#[tokio::test]
async fn before_the_user_is_looked_at() {
    let lab = Lab::new().await;
    let path = user_path("auth0|ann");
    let name = json!({ "name": "A" });
    let with = |header: Option<&str>| {
        let request = lab.http.request(Method::PATCH, lab.url(&path)).json(&name);
        match header {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    };
    let foreign = |claims: &Value| {
        let key = jsonwebtoken::EncodingKey::from_secret(b"not ours");
        let text = jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap();
        format!("Bearer {text}")
    };
    let invalid_signature = "Invalid signature received for JSON Web Token validation";
    let cases = [
        (with(None), 401, "Missing authentication", None),
        (with(Some("Basic abc")), 400, "Bad HTTP authentication header format", Some("Bearer")),
        (with(Some("Bearer no-jwt")), 400, "Bad HTTP authentication header format", Some("Bearer")),
        (with(Some("Bearer a.b.c")), 401, "Invalid token", None),
        (with(Some(&foreign(&json!({ "aud": lab.audience() })))), 401, invalid_signature, None),
        (
            with(Some(&foreign(&json!({ "aud": "https://other/" })))),
            401,
            "Bad audience: https://other/",
            None,
        ),
    ];
    for (request, status, message, code) in cases {
        let response = request.send().await.unwrap();
        assert!(!response.headers().contains_key("x-ratelimit-limit"));
        assert_eq!(response.headers().contains_key("www-authenticate"), status == 401);
        let (got, answer) = read(response).await;
        assert_eq!((got, &answer["message"]), (status, &json!(message)));
        assert_eq!(answer.get("errorCode").and_then(Value::as_str), code);
        let attributes = status == 401 && message != "Missing authentication";
        assert_eq!(answer.get("attributes").is_some(), attributes, "{answer}");
    }
}

#[tokio::test]
async fn scopes() {
    let mut lab = Lab::new().await;
    let expected = "Insufficient scope, expected any of: update:users,update:users_app_metadata,update:current_user_metadata";
    lab.token = lab.token_of("reader", "reader-secret").await;
    let (status, answer) = lab.patch("auth0|nobody", &json!({})).await;
    assert_eq!(
        (status, &answer["message"], &answer["errorCode"]),
        (403, &json!(expected), &json!("insufficient_scope"))
    );
    lab.token = lab.token_of("app-metadata-only", "app-metadata-secret").await;
    lab.patched("auth0|ann", &json!({ "app_metadata": { "a": 1 } })).await;
    let (status, answer) = lab.patch("auth0|ann", &json!({ "app_metadata": { "a": 1 }, "name": "A" })).await;
    assert_eq!((status, &answer["message"]), (403, &json!("You cannot update the following fields: name")));
    lab.sandbox.change_rules(|rules| rules.app_metadata_scope_is_narrow = false);
    lab.patched("auth0|ann", &json!({ "name": "A" })).await;
    let own = IssuedToken { subject: "auth0|ann", scopes: &["update:current_user_metadata"], lifetime: 60 };
    lab.token = lab.sandbox.issue_token(&own).unwrap();
    let body = json!({ "client_id": "x", "connection": "People", "password": "Other-Garden-9" });
    let (status, answer) = lab.patch("auth0|ann", &body).await;
    assert_eq!((status, &answer["errorCode"]), (403, &json!("insufficient_scope")));
    assert_eq!(
        answer["message"],
        json!("You cannot update the following fields: client_id, connection, password")
    );
}

#[tokio::test]
async fn paths_bodies_and_unknown_users() {
    let lab = Lab::new().await;
    let (status, answer) = lab.patch("no-provider", &json!({ "name": "A" })).await;
    let text = answer["message"].as_str().unwrap();
    assert_eq!((status, &answer["errorCode"]), (400, &json!("invalid_uri")));
    assert!(text.contains("Object didn't pass validation for format user-id: no-provider"));
    let (status, answer) = lab.patch("auth0|nobody", &json!({ "name": "A" })).await;
    assert_eq!((status, &answer["errorCode"]), (404, &json!("inexistent_user")));
    // The schema comes before the user, the rest after.
    assert_eq!(lab.patch("auth0|nobody", &json!({ "name": 1 })).await.0, 400);
    assert_eq!(lab.patch("auth0|nobody", &json!({ "username": "a", "email": "a@example.com" })).await.0, 404);
    let path = user_path("auth0|ann");
    let send = |kind: &'static str, body: String| {
        let request = lab.request(Method::PATCH, &path).header("content-type", kind).body(body);
        async { read(request.send().await.unwrap()).await }
    };
    assert_eq!(
        send("application/json", "{".into()).await.1["message"],
        json!("Invalid request payload JSON format")
    );
    assert_eq!(send("application/x-www-form-urlencoded", "name=A".into()).await.0, 415);
    let large = json!({ "user_metadata": { "a": "x".repeat(1 << 20) } }).to_string();
    assert_eq!(send("application/json", large).await.0, 413);
    for path in ["/", "/api/v2/users/", "/api/v2/users/auth0%7Cann/roles", "/__sandbox", "/__sandboxed/log"] {
        let (status, answer) = lab.get(path).await;
        assert_eq!(
            (status, &answer["error"], answer.get("errorCode")),
            (404, &json!("Not Found"), None),
            "{path}"
        );
    }
}

#[tokio::test]
async fn custom_domains() {
    let lab = Lab::new().await;
    lab.sandbox
        .change_rules(|rules| rules.custom_domains = vec!["a.example.com".into(), "b.example.com".into()]);
    let with = |domain: &str| {
        let request = lab.request(Method::PATCH, &user_path("auth0|ann")).json(&json!({ "name": "A" }));
        let request = request.header("auth0-custom-domain", domain);
        async { read(request.send().await.unwrap()).await }
    };
    let (status, answer) = lab.patch("auth0|ann", &json!({ "name": "A" })).await;
    let conflict = json!({ "statusCode": 409, "error": "Conflict", "errorCode": "custom_domain_conflict",
        "message": "The tenant has multiple verified custom domains." });
    assert_eq!((status, answer), (409, conflict));
    assert_eq!(with("a.example.com").await.0, 200);
    lab.sandbox.change_rules(|rules| rules.default_custom_domain = true);
    lab.patched("auth0|ann", &json!({ "name": "A" })).await;
    let (status, answer) = with("c.example.com").await;
    assert_eq!(
        (status, &answer["message"]),
        (400, &json!("The custom domain does not exist for the tenant."))
    );
    let (status, answer) = with("x").await;
    assert_eq!((status, &answer["message"]), (400, &json!("Invalid auth0-custom-domain header format.")));
}
