//! The Auth0 client against a stand-in for Auth0, over https.

#![allow(clippy::unwrap_used, reason = "a test says so by panicking")]

use auth0_sandbox::{Connection, Fault, FaultKind, Options, Sandbox, Seed};
use auth0_user_operator::api::reason::Reason;
use auth0_user_operator::api::{Auth0UserUpdateSpec, SecretVersion};
use auth0_user_operator::auth0::{
    AllowedDomains, Client, Credentials, Effect, Error, Proof, SigningKey, http_builder, http_client,
};
use auth0_user_operator::plan::{Desired, Memory, Password, Progress, Situation, TriggerKey, plan};
use auth0_user_operator::user::Body;
use auth0_user_operator::user::User;
use futures::future::join_all;
use reqwest::ClientBuilder;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time;

const ANN: &str = "auth0|ann";
const SECRET: &str = "operator-secret";
const USERS: &str = "/api/v2/users/";

fn allowed() -> AllowedDomains {
    AllowedDomains::parse(&["*.auth0.com".to_owned()]).unwrap()
}

async fn sandbox() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::seeded(Seed::example().unwrap())).await.unwrap();
    let client = client_of(&sandbox);
    (sandbox, client)
}

fn client_of(sandbox: &Sandbox) -> Client {
    client(sandbox, "operator", |builder| builder)
}

/// A client with the credentials of one of the stand-in's applications.
fn client(sandbox: &Sandbox, id: &str, set: impl Fn(ClientBuilder) -> ClientBuilder) -> Client {
    let root = reqwest::Certificate::from_pem(sandbox.ca_pem().as_bytes()).unwrap();
    let http = set(http_builder().tls_certs_only([root]).no_proxy()).build().unwrap();
    Client::new(http, &sandbox.domain(), credentials(id), Arc::default()).unwrap()
}

fn credentials(id: &str) -> Credentials {
    Credentials { client_id: id.to_owned(), proof: Proof::Secret(format!("{id}-secret").into()) }
}

fn status(status: u16, body: Option<Value>) -> FaultKind {
    FaultKind::Status { status, body, headers: Vec::new(), after_effect: false }
}

/// The first body that makes the user what `fields` of a spec and a password ask.
fn body(user: Value, mut fields: Value, password: Option<&str>) -> Body {
    fields["tenantRef"] = json!({"name": "tenant"});
    fields["userId"] = user["user_id"].clone();
    fields["passEmptyValues"] = "Yes".into();
    let spec: Auth0UserUpdateSpec = serde_json::from_value(fields).unwrap();
    let version = SecretVersion { uid: "uid".to_owned(), resource_version: "1".to_owned() };
    let password = password.map_or(Password::Undeclared, |text| Password::Read(text.into(), version));
    let situation = Situation {
        desired: &Desired::read(&spec, None, &[]).unwrap(),
        user: &serde_json::from_value::<auth0_user_operator::api::JsonMap>(user).unwrap().into(),
        password: &password,
        memory: &Memory::default(),
        progress: &Progress::default(),
        key: &TriggerKey::new([7; 32]),
        host: "host",
        user_id: &spec.user_id,
    };
    plan(&situation).unwrap().steps.swap_remove(0).body
}

async fn rename(client: &Client) -> Result<User, Error> {
    let body = body(json!({"user_id": ANN}), json!({"nickname": "canary-name"}), None);
    client.patch_user(ANN, &body, "uid/7", false).await
}

fn requests(sandbox: &Sandbox, prefix: &str) -> usize {
    sandbox.log().iter().filter(|exchange| exchange.path.starts_with(prefix)).count()
}

fn says(error: &Error, reason: Reason, effect: Effect) {
    assert_eq!((error.failure.reason, error.effect), (reason, effect), "{error}");
}

#[tokio::test]
async fn a_token_is_fetched_once_however_many_ask_and_used_again() {
    let (sandbox, client) = sandbox().await;
    sandbox.fault(Fault::new(FaultKind::Delay { millis: 50, after_effect: false }).path("/oauth/token"));
    let users = join_all((0..50).map(|_| client.user(ANN))).await;
    assert!(users.into_iter().all(|user| user.unwrap().text("user_id") == Some(ANN)));
    assert!(client.scopes().await.unwrap().unwrap().contains("read:connections"));
    assert_eq!((requests(&sandbox, "/oauth/token"), requests(&sandbox, USERS)), (1, 50));
    assert_eq!(
        sandbox.log()[0].body.as_ref().unwrap()["audience"],
        format!("https://{}/api/v2/", sandbox.domain())
    );
}

#[tokio::test]
async fn those_who_wait_for_a_failing_fetch_share_its_failure_and_the_next_asks_again() {
    let (sandbox, client) = sandbox().await;
    sandbox.fault(Fault::new(status(503, None)).path("/oauth/token"));
    for result in join_all((0..50).map(|_| client.user(ANN))).await {
        says(&result.unwrap_err(), Reason::Auth0Unavailable, Effect::None);
    }
    assert_eq!(requests(&sandbox, "/"), 1);
    sandbox.clear_faults();
    client.user(ANN).await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let (sandbox, client) = sandbox().await;
    let application = auth0_sandbox::Client::with_secret("operator", SECRET);
    sandbox.put_client(auth0_sandbox::Client { token_lifetime: 100, ..application });
    for (seconds, fetches) in [(0, 1), (80, 1), (15, 2)] {
        time::pause();
        time::advance(Duration::from_secs(seconds)).await;
        time::resume();
        client.user(ANN).await.unwrap();
        assert_eq!(requests(&sandbox, "/oauth/token"), fetches);
    }
}

#[tokio::test]
async fn an_outdated_token_is_used_until_there_is_another() {
    let (sandbox, client) = sandbox().await;
    client.user(ANN).await.unwrap();
    sandbox.fault(Fault::new(status(503, None)).path("/oauth/token"));
    for fetches in [2, 3] {
        client.outdate_token(Duration::ZERO).await;
        client.user(ANN).await.unwrap();
        client.user(ANN).await.unwrap();
        assert_eq!(requests(&sandbox, "/oauth/token"), fetches);
    }
    sandbox.clear_faults();
    // A quota is heeded, and the token goes on.
    let quota = FaultKind::Status {
        status: 429,
        body: None,
        headers: vec![("retry-after".to_owned(), "1".to_owned())],
        after_effect: false,
    };
    sandbox.fault(Fault::new(quota).path("/oauth/token").times(1));
    for fetches in [4, 4] {
        client.outdate_token(Duration::ZERO).await;
        client.user(ANN).await.unwrap();
        assert_eq!(requests(&sandbox, "/oauth/token"), fetches);
    }
    time::sleep(Duration::from_millis(1_100)).await;
    for (age, fetches) in [(60, 4), (0, 5), (60, 5)] {
        client.outdate_token(Duration::from_secs(age)).await;
        client.user(ANN).await.unwrap();
        assert_eq!(requests(&sandbox, "/oauth/token"), fetches, "{age}");
    }
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_renewed_once_for_all() {
    let (sandbox, client) = sandbox().await;
    client.user(ANN).await.unwrap();
    sandbox.expire_tokens();
    assert!(join_all((0..20).map(|_| client.user(ANN))).await.iter().all(Result::is_ok));
    assert_eq!(requests(&sandbox, "/oauth/token"), 2);

    // One that is refused right after it was had would not be renewed.
    time::pause();
    time::advance(Duration::from_secs(31)).await;
    time::resume();
    sandbox.clear_log();
    sandbox.fault(Fault::new(status(401, Some(json!({"message": "Invalid token"})))).path("/api/"));
    let error = rename(&client).await.unwrap_err();
    says(&error, Reason::AuthenticationFailed, Effect::None);
    assert_eq!((requests(&sandbox, "/oauth/token"), requests(&sandbox, USERS)), (1, 2));
}

#[tokio::test]
async fn every_id_reaches_its_user() {
    let (sandbox, client) = sandbox().await;
    for (id, segment) in [
        ("oauth2|siwe|eip155%3A5", "oauth2%7Csiwe%7Ceip155%253A5"),
        ("samlp|people|a/../b c?#", "samlp%7Cpeople%7Ca%2F..%2Fb%20c%3F%23"),
        ("auth0|\u{e4}~.", "auth0%7C%C3%A4~."),
    ] {
        sandbox.put_user(json!({"user_id": id, "email": "a@example.com"})).unwrap();
        assert_eq!(client.user(id).await.unwrap().text("user_id"), Some(id));
        assert_eq!(sandbox.log().last().unwrap().path, format!("{USERS}{segment}"));
    }
    says(&client.user("..").await.unwrap_err(), Reason::InvalidRequest, Effect::None);
    assert_eq!(requests(&sandbox, USERS), 3);
}

#[tokio::test]
async fn a_patch_names_its_resource_and_answers_the_user() {
    let (sandbox, client) = sandbox().await;
    assert_eq!(rename(&client).await.unwrap().text("nickname"), Some("canary-name"));
    let sent = &sandbox.patches()[0];
    assert_eq!(sent.body, Some(json!({"nickname": "canary-name"})));
    assert_eq!(sent.header("x-correlation-id"), Some("uid/7"));
    let types = ["content-type", "accept-encoding"].map(|name| sent.header(name).unwrap());
    assert_eq!(types, ["application/json", "identity"]);
    assert!(sent.header("user-agent").unwrap().starts_with("auth0-user-operator/"));
    assert!(client.limiter().snapshot().budget.unwrap().remaining > 0);
}

#[tokio::test]
async fn all_connections_are_listed_without_their_options() {
    let (sandbox, client) = sandbox().await;
    let seeded = client.connections(true).await.unwrap().unwrap().total;
    for index in 0..250 {
        sandbox.put_connection(Connection::database(&format!("extra-{index}")));
    }
    let found = client.connections(true).await.unwrap().unwrap();
    assert_eq!((found.total, found.choices.len()), (seeded + 250, seeded as usize + 250));
    assert!(found.choices.iter().any(|choice| choice.name == "People" && choice.strategy == "auth0"));
    assert_eq!(requests(&sandbox, "/api/v2/connections?"), 1 + 3);
    assert!(!format!("{:?}", sandbox.log()).contains("passwordPolicy"));
}

/// What the caller sees of a lost, spoilt or foreign answer, over both versions of HTTP.
#[tokio::test]
async fn an_answer_that_tells_nothing_is_passing_and_honest_about_its_effect() {
    let ((sandbox, _), (elsewhere, _)) = (sandbox().await, sandbox().await);
    let location = format!("https://{}{USERS}x", elsewhere.domain());
    let cases = [
        (FaultKind::Garbage, Effect::Unknown, "is not a user"),
        (FaultKind::Truncated, Effect::Unknown, ""),
        (FaultKind::Oversized, Effect::Unknown, "4 MiB"),
        (FaultKind::Cut { after_effect: false }, Effect::Unknown, "closed"),
        (FaultKind::Cut { after_effect: true }, Effect::Unknown, "closed"),
        (FaultKind::Delay { millis: 3000, after_effect: true }, Effect::Unknown, "in time"),
        (status(503, None), Effect::Unknown, "HTTP 503"),
        (status(200, Some(json!({"ok": true}))), Effect::Unknown, "is not a user"),
        (FaultKind::Redirect { location }, Effect::None, "redirect"),
        (FaultKind::BareNotFound, Effect::None, "HTTP 404"),
    ];
    for http1 in [false, true] {
        let version = |own: ClientBuilder| if http1 { own.http1_only() } else { own };
        let client = client(&sandbox, "operator", |own| version(own.timeout(Duration::from_millis(1500))));
        for (kind, effect, text) in &cases {
            sandbox.clear_faults();
            sandbox.clear_log();
            sandbox.fault(Fault::new(kind.clone()).path(USERS));
            let error = rename(&client).await.unwrap_err();
            says(&error, Reason::Auth0Unavailable, *effect);
            assert!(error.to_string().contains(text) && !error.to_string().contains("ann"), "{error}");
            assert_eq!(sandbox.patches().len(), 1, "sent once: {kind:?}");
        }
    }
    assert!(elsewhere.log().is_empty());
}

#[tokio::test]
async fn a_rate_limit_is_counted_on_the_servers_clock() {
    let (sandbox, _) = sandbox().await;
    for (reset_in, wait) in [(Some(7), Some(7)), (Some(-90), Some(1)), (None, None)] {
        for skew in [-3600, 3600] {
            sandbox.clear_faults();
            sandbox.fault(Fault::new(FaultKind::RateLimited { reset_in }).path(USERS));
            sandbox.fault(Fault::new(FaultKind::WrongClock { seconds: skew }).path(USERS));
            let client = client_of(&sandbox);
            let error = rename(&client).await.unwrap_err();
            says(&error, Reason::RateLimited, Effect::None);
            assert_eq!(error.retry_after, wait.map(Duration::from_secs));
            let closed = client.limiter().start(1).unwrap_err();
            assert!(
                closed >= Duration::from_millis(1_000 * wait.unwrap_or(1) - 200),
                "for everybody: {closed:?}"
            );
        }
    }
    // Nobody asks again, but for what may not wait.
    sandbox.clear_faults();
    sandbox.fault(Fault::new(FaultKind::RateLimited { reset_in: Some(60) }).path(USERS).times(1));
    let client = client_of(&sandbox);
    rename(&client).await.unwrap_err();
    sandbox.clear_faults();
    sandbox.clear_log();
    let error = rename(&client).await.unwrap_err();
    says(&error, Reason::RateLimited, Effect::None);
    assert_eq!(requests(&sandbox, USERS), 0);
    let block = body(json!({"user_id": ANN}), json!({"blocked": true}), None);
    client.patch_user(ANN, &block, "uid/7", true).await.unwrap();
    let application = auth0_sandbox::Client::with_secret("operator", SECRET);
    sandbox.put_client(auth0_sandbox::Client { token_quota: Some(0), ..application });
    let error = client_of(&sandbox).connections(true).await.unwrap_err();
    says(&error, Reason::RateLimited, Effect::None);
    assert!(error.retry_after.is_some_and(|wait| wait <= Duration::from_hours(1)), "{error:?}");
}

#[tokio::test]
async fn refusals_keep_their_reason_and_lose_every_value() {
    let (sandbox, client) = sandbox().await;
    let ann = || sandbox.user(ANN).unwrap();
    let patch = async |body: Body| client.patch_user(ANN, &body, "uid/7", false).await.unwrap_err();

    let error = patch(body(ann(), json!({}), Some("canary"))).await;
    says(&error, Reason::PasswordRejected, Effect::Refused);
    assert!(!error.is_password_history() && error.to_string().contains("PasswordStrengthError"));
    let error = patch(body(ann(), json!({"email": "canary@example@com"}), None)).await;
    says(&error, Reason::InvalidRequest, Effect::Refused);
    assert!(error.to_string().contains("format email") && !error.to_string().contains("canary"), "{error}");
    let email = body(ann(), json!({"email": "canary@example.com", "connection": "People"}), None);
    sandbox.remove_connection("People");
    says(&patch(email).await, Reason::UnknownConnection, Effect::Refused);

    says(&client.user("auth0|nobody").await.unwrap_err(), Reason::UserNotFound, Effect::None);
    let error = rename(&self::client(&sandbox, "reader", |builder| builder)).await.unwrap_err();
    says(&error, Reason::InsufficientScope, Effect::None);
    assert!(error.to_string().contains("update:users"), "{error}");
}

#[tokio::test]
async fn nothing_that_auth0_answers_brings_a_secret_into_an_error() {
    let (sandbox, client) = sandbox().await;
    client.user(ANN).await.unwrap();
    let token = sandbox.log()[0].answer.as_ref().unwrap()["access_token"].as_str().unwrap().to_owned();
    let echo = json!({"message": format!("No {token}"), "error": "x", "error_description": SECRET});
    for path in [USERS, "/oauth/token"] {
        for code in [400, 401, 403, 404, 418, 429, 500] {
            sandbox.clear_faults();
            sandbox.fault(Fault::new(status(code, Some(echo.clone()))).path(path));
            let error = self::client(&sandbox, "operator", |own| own).user(ANN).await.unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(&token) && !shown.contains(SECRET), "{shown}");
        }
    }
    sandbox.clear_faults();
    let error = self::client(&sandbox, "nobody", |builder| builder).scopes().await.unwrap_err();
    says(&error, Reason::AuthenticationFailed, Effect::None);
    assert!(error.to_string().contains("access_denied: Unauthorized"), "{error}");
}

#[tokio::test]
async fn a_host_that_cannot_be_trusted_or_reached_fails_at_once_and_without_effect() {
    let ((sandbox, _), started) = (sandbox().await, Instant::now());
    for (domain, text) in
        [(sandbox.domain().as_str(), "certificate"), ("127.0.0.1:1", "cannot connect to 127.0.0.1;")]
    {
        let client =
            Client::new(http_client(&allowed()).unwrap(), domain, credentials("operator"), Arc::default())
                .unwrap();
        let error = client.user(ANN).await.unwrap_err();
        says(&error, Reason::Auth0Unavailable, Effect::None);
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(sandbox.log().is_empty() && started.elapsed() < Duration::from_secs(5));
}

/// The variable is read when a process first makes a client, so this test runs itself in another process.
#[tokio::test]
async fn an_own_authority_is_trusted_through_ssl_cert_file() {
    if let Ok(domain) = std::env::var("TEST_DOMAIN") {
        let client =
            Client::new(http_client(&allowed()).unwrap(), &domain, credentials("operator"), Arc::default())
                .unwrap();
        return drop(client.user(ANN).await.unwrap());
    }
    let (sandbox, _) = sandbox().await;
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("auth0-client-authority.pem");
    sandbox.write_ca(&file).unwrap();
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "an_own_authority_is_trusted_through_ssl_cert_file"])
        .envs([("SSL_CERT_FILE", file.as_os_str()), ("TEST_DOMAIN", sandbox.domain().as_ref())])
        .output()
        .unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stdout));
    assert_eq!(requests(&sandbox, USERS), 1);
}

fn key() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
}

/// A client that proves itself by this key.
fn keyed(sandbox: &Sandbox, pem: &str, algorithm: Option<&str>) -> Client {
    let root = reqwest::Certificate::from_pem(sandbox.ca_pem().as_bytes()).unwrap();
    let http = http_builder().tls_certs_only([root]).no_proxy().build().unwrap();
    let proof = Proof::Key(SigningKey::new(pem, algorithm).unwrap());
    Client::new(http, &sandbox.domain(), Credentials { client_id: "keyed".to_owned(), proof }, Arc::default())
        .unwrap()
}

#[tokio::test]
async fn a_private_key_proves_the_client_in_each_algorithm_as_often_as_needed() {
    let (sandbox, _) = sandbox().await;
    let key = key();
    for algorithm in ["RS256", "RS384", "PS256"] {
        sandbox.put_client(auth0_sandbox::Client::with_key("keyed", &key.public_key_pem(), algorithm));
        let client = keyed(&sandbox, &key.serialize_pem(), Some(algorithm));
        for _ in 0..3 {
            client.user(ANN).await.unwrap();
            client.outdate_token(Duration::ZERO).await;
        }
    }
    assert_eq!(requests(&sandbox, "/oauth/token"), 9, "each assertion is a new one");
    sandbox.put_client(auth0_sandbox::Client::with_key("keyed", &key.public_key_pem(), "RS256"));
    keyed(&sandbox, &key.serialize_pem(), None).user(ANN).await.unwrap();
}

#[tokio::test]
async fn another_key_and_another_algorithm_are_refused_once() {
    let (sandbox, _) = sandbox().await;
    let (key, other) = (key(), key());
    sandbox.put_client(auth0_sandbox::Client::with_key("keyed", &key.public_key_pem(), "RS256"));
    for (pem, algorithm) in [(other.serialize_pem(), "RS256"), (key.serialize_pem(), "PS256")] {
        let before = requests(&sandbox, "/oauth/token");
        let error = keyed(&sandbox, &pem, Some(algorithm)).user(ANN).await.unwrap_err();
        says(&error, Reason::AuthenticationFailed, Effect::None);
        assert_eq!(requests(&sandbox, "/oauth/token"), before + 1);
    }
}

#[tokio::test]
async fn an_assertion_is_dated_by_the_servers_clock() {
    let (sandbox, _) = sandbox().await;
    let key = key();
    sandbox.put_client(auth0_sandbox::Client::with_key("keyed", &key.public_key_pem(), "RS256"));
    sandbox.advance_clock(Duration::from_hours(1));
    let client = keyed(&sandbox, &key.serialize_pem(), None);
    client.user(ANN).await.unwrap();
    assert_eq!(requests(&sandbox, "/oauth/token"), 2, "the first answer tells the time");
    client.outdate_token(Duration::ZERO).await;
    client.user(ANN).await.unwrap();
    assert_eq!(requests(&sandbox, "/oauth/token"), 3, "which is remembered");
}

#[tokio::test]
async fn a_refused_client_does_not_ask_for_a_token_again_and_again() {
    let sandbox = sandbox().await.0;
    let client = self::client(&sandbox, "nobody", |builder| builder);
    for _ in 0..20 {
        says(&client.user(ANN).await.unwrap_err(), Reason::AuthenticationFailed, Effect::None);
    }
    assert_eq!(sandbox.log().len(), 1);
    // After a while it does: the application may have been created.
    sandbox.put_client(auth0_sandbox::Client::with_secret("nobody", "nobody-secret").scopes(&["read:users"]));
    time::sleep(Duration::from_millis(1_100)).await;
    client.user(ANN).await.unwrap();
}

#[tokio::test]
async fn a_new_token_that_is_refused_is_not_replaced_again_and_again() {
    let (sandbox, client) = sandbox().await;
    sandbox.fault(
        Fault::new(status(401, Some(json!({"statusCode": 401, "message": "Invalid token"})))).path(USERS),
    );
    for _ in 0..20 {
        says(&client.user(ANN).await.unwrap_err(), Reason::AuthenticationFailed, Effect::None);
    }
    let log = sandbox.log();
    assert_eq!(log.iter().filter(|call| call.path == "/oauth/token").count(), 2);
    assert_eq!(log.len(), 2 + 21);
}

#[tokio::test]
async fn a_search_finds_users_of_any_id_and_asks_for_half_as_many_after_one_that_was_too_large() {
    let (sandbox, client) = sandbox().await;
    let odd = r#"custom|a" OR "\"#;
    let identity =
        json!([{"provider": "custom", "user_id": r#"a" OR "\"#, "connection": "Users", "isSocial": false}]);
    sandbox.put_user(json!({"user_id": odd, "identities": identity})).unwrap();
    let found = client.search(&[ANN, odd, "auth0|nobody"]).await.unwrap();
    let mut found: Vec<String> = found.values().map(id).collect();
    found.sort();
    assert_eq!(found, [ANN, odd]);
    assert_eq!(client.batch(), 50);
    sandbox.change_rules(|rules| rules.search.target_limit = 100);
    says(&client.search(&[ANN, odd]).await.unwrap_err(), Reason::InvalidRequest, Effect::None);
    assert_eq!(client.batch(), 25);
    sandbox.change_rules(|rules| (rules.search.target_limit, rules.search.values_limit) = (8192, Some(1)));
    says(&client.search(&[ANN, odd]).await.unwrap_err(), Reason::Auth0Unavailable, Effect::None);
    assert_eq!(client.batch(), 12);
    sandbox.fault(Fault::new(status(429, None)).path("/api/v2/users?"));
    says(&client.search(&[ANN]).await.unwrap_err(), Reason::RateLimited, Effect::None);
    assert_eq!(client.batch(), 12);
}

fn id(user: &User) -> String {
    user.text("user_id").unwrap().to_owned()
}
