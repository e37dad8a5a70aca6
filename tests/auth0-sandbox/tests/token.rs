#![allow(clippy::too_many_lines, reason = "a test reads from top to bottom")]

//! The token endpoint, and what a token is worth.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use auth0_sandbox::{Client, ClientRefusal, IssuedToken, TokenShape};
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use support::{Lab, assertion, claims, rsa_key, signed, user_path};

fn asked(lab: &Lab, change: impl FnOnce(&mut Value)) -> Value {
    let mut body = json!({
        "grant_type": "client_credentials", "client_id": "operator", "client_secret": "operator-secret",
        "audience": lab.audience(),
    });
    change(&mut body);
    body
}

#[tokio::test]
async fn a_secret_gives_a_token_with_the_granted_scopes() {
    let lab = Lab::new().await;
    let (status, answer) = lab.ask_token(&asked(&lab, |_| {})).await;
    assert_eq!(status, 200);
    assert_eq!(answer["scope"], json!("read:users update:users update:users_app_metadata read:connections"));
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(86_400), &json!("Bearer")));
    let token = answer["access_token"].as_str().unwrap();
    let content: Value = jsonwebtoken::dangerous::insecure_decode_claims(token).unwrap();
    assert_eq!((&content["aud"], &content["scope"]), (&json!(lab.audience()), &answer["scope"]));
}

#[tokio::test]
async fn an_opaque_token_works_when_the_switch_says_so() {
    let mut lab = Lab::new().await;
    lab.sandbox.change_rules(|rules| {
        rules.token_shape = TokenShape::Opaque;
        rules.scope_in_token_answer = false;
    });
    let (_, answer) = lab.ask_token(&asked(&lab, |_| {})).await;
    assert!(answer.get("scope").is_none());
    lab.token = answer["access_token"].as_str().unwrap().to_owned();
    assert!(!lab.token.contains('.'));
    assert_eq!(lab.get(&user_path("auth0|ann")).await.0, 200);
}

#[tokio::test]
async fn every_refusal_of_the_token_endpoint() {
    let lab = Lab::new().await;
    let named = |id: &'static str, secret: &'static str| {
        move |body: &mut Value| {
            body["client_id"] = json!(id);
            body["client_secret"] = json!(secret);
        }
    };
    let refusals = [
        (asked(&lab, named("operator", "wrong")), 401, "access_denied", "Unauthorized"),
        (asked(&lab, named("nobody", "wrong")), 401, "access_denied", "Unauthorized"),
        (
            asked(&lab, named("ungranted", "ungranted-secret")),
            403,
            "access_denied",
            "You need to create a \"client-grant\"",
        ),
        (
            asked(&lab, named("browser", "browser-secret")),
            403,
            "unauthorized_client",
            "Grant type 'client_credentials' not allowed",
        ),
        (
            asked(&lab, |body| body["grant_type"] = json!("password")),
            400,
            "unsupported_grant_type",
            "password",
        ),
        (asked(&lab, |body| body["grant_type"] = Value::Null), 400, "invalid_request", "grant_type"),
        (asked(&lab, |body| body["client_id"] = Value::Null), 400, "invalid_request", "client_id"),
        (
            asked(&lab, |body| body["audience"] = json!(lab.audience().trim_end_matches('/'))),
            403,
            "access_denied",
            "Service not enabled",
        ),
    ];
    for (body, status, error, description) in refusals {
        let (got, answer) = lab.ask_token(&body).await;
        assert_eq!((got, &answer["error"]), (status, &json!(error)), "{body}");
        assert!(answer["error_description"].as_str().unwrap().contains(description), "{answer}");
    }
    lab.sandbox.change_rules(|rules| rules.client_refusal = ClientRefusal::InvalidClient);
    let (status, answer) = lab.ask_token(&asked(&lab, named("operator", "wrong"))).await;
    let documented =
        json!({ "error": "invalid_client", "error_description": "Client authentication failed" });
    assert_eq!((status, answer), (401, documented));
}

#[tokio::test]
async fn a_quota_ends_with_429_and_its_headers() {
    let lab = Lab::new().await;
    let mut client = Client::with_secret("operator", "operator-secret");
    client.token_quota = Some(1);
    lab.sandbox.put_client(client);
    assert_eq!(lab.ask_token(&asked(&lab, |_| {})).await.0, 200);
    let body = asked(&lab, |_| {});
    let response = lab.http.post(lab.url("/oauth/token")).json(&body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 429);
    for header in ["auth0-client-quota-limit", "retry-after", "x-ratelimit-reset"] {
        assert!(response.headers().contains_key(header), "{header}");
    }
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer, json!({ "error": "too_many_requests", "error_description": "Client quota exceeded" }));
}

#[tokio::test]
async fn assertions_in_the_three_algorithms_are_accepted_once() {
    let lab = Lab::new().await;
    let tenant = lab.url("/");
    for (name, alg) in [("RS256", Algorithm::RS256), ("RS384", Algorithm::RS384), ("PS256", Algorithm::PS256)]
    {
        lab.sandbox.put_client(Client::with_key("keyed", &rsa_key().public_key_pem(), name));
        let body = with_assertion(&lab, &signed(alg, &claims("keyed", &tenant)));
        assert_eq!(lab.ask_token(&body).await.0, 200, "{name}");
        let (status, answer) = lab.ask_token(&body).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "{name}");
    }
}

#[tokio::test]
async fn bad_assertions_are_refused() {
    let lab = Lab::new().await;
    lab.sandbox.put_client(Client::with_key("keyed", &rsa_key().public_key_pem(), "RS256"));
    let tenant = lab.url("/");
    let changed = |name: &str, value: Value| {
        let mut claims = claims("keyed", &tenant);
        claims[name] = value;
        signed(Algorithm::RS256, &claims)
    };
    let now = jsonwebtoken::get_current_timestamp();
    let good = assertion("keyed", &tenant);
    let bad = [
        changed("aud", json!(tenant.trim_end_matches('/'))),
        changed("sub", json!("other")),
        changed("iss", json!("other")),
        changed("exp", json!(now + 900)),
        changed("exp", json!(now - 60)),
        changed("exp", Value::Null),
        changed("nbf", json!(now + 60)),
        changed("jti", Value::Null),
        changed("jti", json!("x".repeat(65))),
        changed("padding", json!("x".repeat(2048))),
        signed(Algorithm::RS384, &claims("keyed", &tenant)),
        format!("{}A", &good[..good.len() - 2]),
        "no JWT".to_owned(),
    ];
    for text in bad {
        let (status, answer) = lab.ask_token(&with_assertion(&lab, &text)).await;
        assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")), "{answer} {text}");
    }
    assert_eq!(lab.ask_token(&with_assertion(&lab, &good)).await.0, 200);
}

fn with_assertion(lab: &Lab, text: &str) -> Value {
    json!({
        "grant_type": "client_credentials", "audience": lab.audience(), "client_assertion": text,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    })
}

#[tokio::test]
async fn tokens_expire_by_the_clock_on_demand_and_with_their_client() {
    let mut lab = Lab::new().await;
    let path = user_path("auth0|ann");
    let expired = "Expired token received for JSON Web Token validation";
    lab.sandbox.advance_clock(std::time::Duration::from_secs(86_399));
    assert_eq!(lab.get(&path).await.0, 200);
    lab.sandbox.advance_clock(std::time::Duration::from_secs(1));
    let (status, answer) = lab.get(&path).await;
    assert_eq!(
        (status, &answer["message"], &answer["attributes"]["error"]),
        (401, &json!(expired), &json!(expired))
    );
    lab.token = lab.token_of("operator", "operator-secret").await;
    assert_eq!(lab.get(&path).await.0, 200);
    lab.sandbox.expire_tokens();
    assert_eq!(lab.get(&path).await.0, 401);
    lab.token = lab.token_of("operator", "operator-secret").await;
    lab.sandbox.remove_client("operator");
    assert_eq!(lab.get(&path).await.1["message"], json!("Client is not global."));
}

#[tokio::test]
async fn tokens_of_identity_providers_need_a_scope_of_their_own() {
    let mut lab = Lab::new().await;
    let path = user_path("google-oauth2|1001");
    assert!(!lab.get(&path).await.1.to_string().contains("idp-"));
    lab.token = lab.token_of("token-reader", "token-reader-secret").await;
    assert!(lab.get(&path).await.1.to_string().contains("idp-refresh-token-of-hana"));
}

#[tokio::test]
async fn a_users_own_token_reaches_that_user_only() {
    let mut lab = Lab::new().await;
    let token = IssuedToken {
        subject: "auth0|ann",
        scopes: &["read:current_user", "update:current_user_metadata"],
        lifetime: 60,
    };
    lab.token = lab.sandbox.issue_token(&token).unwrap();
    assert_eq!(lab.get(&user_path("auth0|ann")).await.0, 200);
    let other = json!("User to be acted on does not match subject in bearer token.");
    assert_eq!(lab.get(&user_path("auth0|bob")).await.1["message"], other);
    lab.patched("auth0|ann", &json!({ "user_metadata": { "a": 1 } })).await;
    let (status, answer) = lab.patch("auth0|bob", &json!({ "user_metadata": { "a": 1 } })).await;
    assert_eq!((status, &answer["message"]), (403, &other));
}
