//! A client for the tests, and a stand-in with the example's people.
#![allow(dead_code, unreachable_pub)] // each test file uses a part

pub mod stream;

use auth0_sandbox::{Options, Sandbox, Seed};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

pub struct Lab {
    pub sandbox: Sandbox,
    pub http: Client,
    pub token: String,
}

impl Lab {
    /// The example's people, and a token of its operator.
    pub async fn new() -> Self {
        Self::seeded(Seed::example().unwrap()).await
    }

    pub async fn seeded(seed: Seed) -> Self {
        let sandbox = Sandbox::start(Options::seeded(seed)).await.unwrap();
        let http = client(&sandbox);
        let mut lab = Self { sandbox, http, token: String::new() };
        lab.token = lab.token_of("operator", "operator-secret").await;
        lab.sandbox.clear_log();
        lab
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.sandbox.domain())
    }

    pub fn audience(&self) -> String {
        self.url("/api/v2/")
    }

    pub async fn token_of(&self, client_id: &str, client_secret: &str) -> String {
        let body = json!({
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "audience": self.audience(),
        });
        let (status, answer) = self.ask_token(&body).await;
        assert_eq!(status, 200, "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn ask_token(&self, body: &Value) -> (u16, Value) {
        read(self.http.post(self.url("/oauth/token")).json(body).send().await.unwrap()).await
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).bearer_auth(&self.token)
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.request(Method::GET, path).send().await.unwrap()).await
    }

    pub async fn patch(&self, id: &str, body: &Value) -> (u16, Value) {
        read(self.request(Method::PATCH, &user_path(id)).json(body).send().await.unwrap()).await
    }

    /// A PATCH that must be accepted.
    pub async fn patched(&self, id: &str, body: &Value) -> Value {
        let (status, answer) = self.patch(id, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }
}

pub fn client(sandbox: &Sandbox) -> Client {
    let ca = Certificate::from_pem(sandbox.ca_pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([ca]).redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub fn user_path(id: &str) -> String {
    format!("/api/v2/users/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

pub async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// One key for all tests of a file: making one takes a while.
pub fn rsa_key() -> &'static rcgen::KeyPair {
    static KEY: std::sync::OnceLock<rcgen::KeyPair> = std::sync::OnceLock::new();
    KEY.get_or_init(|| {
        rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap()
    })
}

/// A good assertion.
pub fn assertion(client_id: &str, audience: &str) -> String {
    signed(jsonwebtoken::Algorithm::RS256, &claims(client_id, audience))
}

pub fn claims(client_id: &str, audience: &str) -> Value {
    let now = jsonwebtoken::get_current_timestamp();
    let unique = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    json!({ "iss": client_id, "sub": client_id, "aud": audience, "jti": unique.to_string(), "iat": now, "exp": now + 60 })
}

pub fn signed(alg: jsonwebtoken::Algorithm, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(rsa_key().serialize_pem().as_bytes()).unwrap();
    jsonwebtoken::encode(&jsonwebtoken::Header::new(alg), claims, &key).unwrap()
}
