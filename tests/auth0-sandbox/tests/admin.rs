//! The admin side, as another process uses it, and the program itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use auth0_sandbox::{Options, Seed};
use reqwest::{Certificate, Client, Method};
use serde_json::{Value, json};
use support::{Lab, read};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn admin(lab: &Lab, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = lab.http.request(method, lab.url(&format!("/__sandbox/{path}")));
    read(request.bearer_auth(lab.sandbox.admin_token()).json(body).send().await.unwrap()).await
}

#[tokio::test]
async fn users_and_what_happened_to_them() {
    let lab = Lab::new().await;
    let zoe = json!({ "profile": { "user_id": "auth0|zoe", "email": "zoe@example.com" },
        "passwords": { "People": "Secret-Zoe-1" } });
    assert_eq!(admin(&lab, "PUT", "users", &zoe).await, (200, Value::Null));
    let (_, user) = admin(&lab, "GET", "users/auth0%7Czoe", &Value::Null).await;
    assert_eq!(user["identities"][0]["connection"], json!("People"));
    let password = "users/auth0%7Czoe/passwords/People";
    assert_eq!(admin(&lab, "GET", password, &Value::Null).await.1, json!("Secret-Zoe-1"));
    assert_eq!(admin(&lab, "PUT", password, &json!("Secret-Zoe-2")).await.0, 200);
    assert_eq!(lab.sandbox.password("auth0|zoe", "People").as_deref(), Some("Secret-Zoe-2"));
    assert_eq!(admin(&lab, "POST", "users/auth0%7Czoe/login", &Value::Null).await.0, 200);
    let (_, stored) = admin(&lab, "GET", "users/auth0%7Czoe/stored", &Value::Null).await;
    assert_eq!(stored["logins_count"], json!(1));
    let (_, effects) = admin(&lab, "GET", "users/auth0%7Czoe/effects", &Value::Null).await;
    assert_eq!(effects["passwords_set"], json!(0));
    assert_eq!(admin(&lab, "DELETE", "users/auth0%7Czoe", &Value::Null).await.0, 200);
    assert_eq!(admin(&lab, "GET", "users/auth0%7Czoe", &Value::Null).await.0, 404);
    assert_eq!(admin(&lab, "PUT", "users", &json!({ "profile": {} })).await.0, 400);
}

#[tokio::test]
async fn log_faults_and_settings() {
    let lab = Lab::new().await;
    let fault = json!({ "method": "GET", "times": 1, "kind": { "status": { "status": 502 } } });
    assert_eq!(admin(&lab, "POST", "faults", &fault).await.0, 200);
    assert_eq!(lab.get("/api/v2/connections").await.0, 502);
    let (_, log) = admin(&lab, "GET", "log", &Value::Null).await;
    assert_eq!((log.as_array().unwrap().len(), &log[0]["status"]), (1, &json!(502)));
    assert_eq!(admin(&lab, "POST", "faults", &json!({ "kind": "garbage" })).await.0, 200);
    assert_eq!(admin(&lab, "GET", "faults", &Value::Null).await.1.as_array().unwrap().len(), 1);
    for path in ["log", "faults"] {
        admin(&lab, "DELETE", path, &Value::Null).await;
        assert_eq!(admin(&lab, "GET", path, &Value::Null).await.1, json!([]));
    }
    assert_eq!(admin(&lab, "PUT", "rules", &json!({ "trims": true })).await.0, 200);
    assert_eq!(admin(&lab, "GET", "rules", &Value::Null).await.1["trims"], json!(true));
    assert_eq!(admin(&lab, "PUT", "rules", &json!({ "trimms": true })).await.0, 400);
    assert_eq!(admin(&lab, "PUT", "plan", &json!("custom:1:0")).await.0, 200);
    assert_eq!(admin(&lab, "GET", "plan", &Value::Null).await.1, json!("custom:1:0"));
    assert_eq!(lab.get("/api/v2/connections").await.0, 200);
    assert_eq!(lab.get("/api/v2/connections").await.0, 429);
    assert_eq!(admin(&lab, "POST", "clock/advance", &json!(90_000_000)).await.0, 200);
    assert_eq!(admin(&lab, "POST", "clock/freeze", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn connections_clients_and_tokens() {
    let mut lab = Lab::new().await;
    assert_eq!(admin(&lab, "PUT", "connections", &json!({ "name": "New", "strategy": "oidc" })).await.0, 200);
    assert_eq!(admin(&lab, "PUT", "connections/New/disabled", &json!(true)).await.0, 200);
    let (_, all) = admin(&lab, "GET", "connections", &Value::Null).await;
    assert_eq!(all.as_array().unwrap().last().unwrap()["disabled"], json!(true));
    assert_eq!(admin(&lab, "DELETE", "connections/New", &Value::Null).await.0, 200);
    let client = json!({ "client_id": "new", "client_secret": "s", "scopes": ["read:connections"] });
    assert_eq!(admin(&lab, "PUT", "clients", &client).await.0, 200);
    lab.token = lab.token_of("new", "s").await;
    assert_eq!(lab.get("/api/v2/connections").await.0, 200);
    admin(&lab, "POST", "tokens/expire", &Value::Null).await;
    assert_eq!(lab.get("/api/v2/connections").await.0, 401);
    let (_, issued) =
        admin(&lab, "POST", "tokens", &json!({ "subject": "x", "scopes": ["read:connections"] })).await;
    lab.token = issued["token"].as_str().unwrap().to_owned();
    assert_eq!(lab.get("/api/v2/connections").await.0, 200);
    assert_eq!(admin(&lab, "DELETE", "clients/new", &Value::Null).await.0, 200);
}

#[tokio::test]
async fn the_admin_side_and_auth0s_endpoints_keep_apart() {
    let lab = Lab::new().await;
    assert_eq!(lab.get("/__sandbox/log").await.0, 401);
    assert_eq!(lab.get("/__sandbox/api/v2/connections").await.0, 401);
    assert_eq!(admin(&lab, "GET", "api/v2/connections", &Value::Null).await.0, 404);
    assert!(lab.sandbox.log().is_empty(), "the admin side is not recorded");
    let path = lab.url("/api/v2/connections");
    let response = lab.http.get(path).bearer_auth(lab.sandbox.admin_token()).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
}

#[tokio::test]
async fn the_log_holds_what_was_sent() {
    let lab = Lab::new().await;
    let request = lab.request(Method::PATCH, "/api/v2/users/auth0%7Cann?x=1").json(&json!({ "name": "N" }));
    request.header("X-Correlation-ID", "abc/1").send().await.unwrap();
    lab.patch("auth0|ann", &json!({ "name": 1 })).await;
    let log = lab.sandbox.log();
    assert_eq!(
        (log[0].path.as_str(), log[0].header("x-correlation-id")),
        ("/api/v2/users/auth0%7Cann?x=1", Some("abc/1"))
    );
    assert_eq!(
        (&log[0].body, log[0].status, log[0].took_effect),
        (&Some(json!({ "name": "N" })), Some(200), true)
    );
    assert_eq!((log[1].status, log[1].took_effect), (Some(400), false));
    assert!(log[0].sequence < log[1].sequence);
    assert_eq!(log[0].answer.as_ref().unwrap()["name"], json!("N"));
}

#[tokio::test]
async fn the_program_announces_itself_and_can_be_driven() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let ca = format!("{folder}/sandbox-ca-{}.pem", std::process::id());
    let child = Command::new(env!("CARGO_BIN_EXE_auth0-sandbox"))
        .args(["--ca", &ca, "--admin-token", "open", "--plan", "free"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap();
    let trusted = Certificate::from_pem(&std::fs::read(said["ca"].as_str().unwrap()).unwrap()).unwrap();
    let http = Client::builder().tls_certs_only([trusted]).build().unwrap();
    let url = format!("{}users/auth0%7Cann", said["adminUrl"].as_str().unwrap());
    let (status, user) = read(http.get(url).bearer_auth("open").send().await.unwrap()).await;
    assert_eq!((status, &user["email"]), (200, &json!("ann@example.com")));
    std::fs::remove_file(ca).unwrap();
}

#[tokio::test]
async fn contradictory_seeds_and_taken_addresses_are_refused() {
    assert!(Seed::from_yaml("users: [{ profile: { user_id: 'auth0|a' }, surplus: 1 }]").is_err());
    assert!(Seed::from_file(std::path::Path::new("/nowhere.yaml")).unwrap_err().starts_with("/nowhere.yaml"));
    let seed =
        Seed::from_yaml("users: [{ profile: { user_id: 'auth0|a' }, passwords: { Nowhere: x } }]").unwrap();
    let refused = auth0_sandbox::Sandbox::start(Options::seeded(seed)).await.unwrap_err();
    assert!(refused.contains("Nowhere"));
    let lab = Lab::new().await;
    let taken = Options { listen: lab.sandbox.address(), ..Options::default() };
    assert!(auth0_sandbox::Sandbox::start(taken).await.is_err());
}
