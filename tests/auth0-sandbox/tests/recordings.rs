//! The recorded exchanges judge the stand-in: it answers each as Auth0 did, but for times that move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use auth0_sandbox::{Client, IssuedToken, Options, Plan, Sandbox, Seed, SeedUser};
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use support::{assertion, client, rsa_key};

/// What changes from run to run.
const MOVING: [&str; 3] = ["updated_at", "last_password_reset", "access_token"];

#[derive(Deserialize)]
struct Recording {
    state: Prior,
    request: Asked,
    response: Answered,
}

#[derive(Deserialize)]
struct Prior {
    #[serde(default)]
    users: Vec<Value>,
    #[serde(default)]
    connections: Vec<auth0_sandbox::Connection>,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    path: String,
    body: Option<Value>,
    form: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    status: u16,
    body: Value,
    #[serde(default)]
    headers: Vec<String>,
}

#[tokio::test]
async fn every_recorded_exchange_is_answered_as_auth0_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let mut judged = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let recording: Recording = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        judge(&name, recording).await;
        judged += 1;
    }
    assert_eq!(judged, 29);
}

async fn judge(name: &str, recording: Recording) {
    let Recording { state, request, response: expected } = recording;
    let before: Vec<Value> = state.users.clone();
    let sandbox = Sandbox::start(Options::seeded(seed(state))).await.unwrap();
    prepare(&sandbox, name).await;
    let response = ask(&sandbox, name, &request).await;
    assert_eq!(response.status().as_u16(), expected.status, "{name}");
    for header in &expected.headers {
        assert!(response.headers().contains_key(header), "{name}: {header}");
    }
    if expected.status < 400 {
        let limited = response.headers().contains_key("x-ratelimit-reset");
        assert_eq!(limited, request.path.starts_with("/api/"), "{name}");
    }
    let mut body: Value = response.json().await.unwrap();
    let mut recorded = expected.body;
    for moving in MOVING {
        assert_eq!(body.get(moving).is_some(), recorded.get(moving).is_some(), "{name}: {moving}");
        if request.method == "PATCH" && body.get(moving).is_some() {
            assert_ne!(Some(&body[moving]), before[0].get(moving), "{name}: {moving} did not move");
        }
        for side in [&mut body, &mut recorded] {
            let _ = side.as_object_mut().and_then(|object| object.remove(moving));
        }
    }
    assert_eq!(body, recorded, "{name}");
}

fn seed(prior: Prior) -> Seed {
    let users = prior
        .users
        .into_iter()
        .map(|user| SeedUser { profile: user.as_object().unwrap().clone(), ..SeedUser::default() });
    Seed { users: users.collect(), connections: prior.connections, ..Seed::default() }
}

/// What a recording shows of the tenant beside users and connections.
async fn prepare(sandbox: &Sandbox, name: &str) {
    sandbox.put_client(Client::with_secret("test-client_id", "test-client_secret"));
    sandbox.change_rules(|rules| rules.scope_in_token_answer = false);
    if name.contains("private_key_jwt") {
        sandbox.put_client(Client::with_key("test-client_id", &rsa_key().public_key_pem(), "RS256"));
    }
    if name.contains("custom_domain") {
        sandbox.change_rules(|rules| {
            rules.custom_domains = vec!["one.example.com".into(), "two.example.com".into()];
        });
    }
    if name.contains("global-limit") {
        sandbox.freeze_clock();
        sandbox.set_plan(Plan::Custom { burst: 1, per_second: 1 });
        authorized(sandbox, name, client(sandbox).get(url(sandbox, "/api/v2/connections")))
            .send()
            .await
            .unwrap();
    }
}

async fn ask(sandbox: &Sandbox, name: &str, asked: &Asked) -> Response {
    let method = Method::from_bytes(asked.method.as_bytes()).unwrap();
    let mut request = client(sandbox).request(method, url(sandbox, &asked.path));
    if let Some(form) = &asked.form {
        let domain = sandbox.domain();
        let form = form
            .replace("test-audience", &format!("https://{domain}/api/v2/"))
            .replace("test-client_assertion", &assertion("test-client_id", &format!("https://{domain}/")));
        return request
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
    }
    if let Some(body) = &asked.body {
        request = request.json(body);
    }
    authorized(sandbox, name, request).send().await.unwrap()
}

fn authorized(sandbox: &Sandbox, name: &str, request: RequestBuilder) -> RequestBuilder {
    if name.starts_with("401") {
        return request;
    }
    let all = ["read:users", "update:users", "read:connections"];
    let scopes: &[&str] = if name.starts_with("403") { &["read:users"] } else { &all };
    let token = IssuedToken { subject: "test@clients", scopes, lifetime: 60 };
    request.bearer_auth(sandbox.issue_token(&token).unwrap())
}

fn url(sandbox: &Sandbox, path: &str) -> String {
    format!("https://{}{path}", sandbox.domain())
}

#[tokio::test]
async fn an_audience_of_another_tenant_is_refused() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.put_client(Client::with_secret("a", "b"));
    let body = json!({ "grant_type": "client_credentials", "client_id": "a", "client_secret": "b",
        "audience": "https://elsewhere.example.com/api/v2/" });
    let response = client(&sandbox).post(url(&sandbox, "/oauth/token")).json(&body).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 403);
}
