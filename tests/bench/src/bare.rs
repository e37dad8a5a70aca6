//! The reference: a loop that reads and changes users one after the other, and does nothing else.

use crate::process;
use crate::stage::{Stage, user_id};
use auth0_sandbox::IssuedToken;
use lab::{Error, Result};
use reqwest::{Certificate, Client, Method};
use serde_json::json;
use std::time::Duration;

/// The first argument of the process that is the reference.
pub(crate) const COMMAND: &str = "bare";

/// Processor time for each update of a process that does only that.
pub(crate) async fn cpu_per_update(stage: &Stage, updates: usize) -> Result<Duration> {
    let program = std::env::current_exe()?;
    let arguments = [COMMAND.to_owned(), stage.auth0.domain(), token(stage)?, updates.to_string()];
    let ca = stage.auth0.ca_pem().to_owned();
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(program).args(arguments).env("BENCH_CA", ca).output()
    });
    let output = output.await.map_err(|error| Error::Failed(error.to_string()))??;
    let text = String::from_utf8_lossy(&output.stdout);
    let spent: u64 =
        text.trim().parse().map_err(|_| Error::Failed(format!("the reference said {text:?}")))?;
    Ok(Duration::from_micros(spent))
}

/// A token of another client than the operator.
pub(crate) fn token(stage: &Stage) -> Result<String> {
    let scopes = &["read:users", "update:users"];
    let token = IssuedToken { subject: "somebody-else@clients", scopes, lifetime: 86_400 };
    stage.auth0.issue_token(&token).map_err(Error::Failed)
}

/// A client that trusts the stand-in.
pub(crate) fn client(ca: &str) -> Result<Client> {
    let failed = |error: reqwest::Error| Error::Failed(error.to_string());
    let root = Certificate::from_pem(ca.as_bytes()).map_err(failed)?;
    Client::builder().tls_certs_only([root]).no_proxy().build().map_err(failed)
}

/// In the reference's own process: prints microseconds for each update.
pub(crate) async fn run(words: &[String]) -> Result<()> {
    let [domain, token, updates] = words else {
        return Err(Error::Failed("bare takes three words".to_owned()));
    };
    let ca = std::env::var("BENCH_CA").map_err(|error| Error::Failed(error.to_string()))?;
    let (client, updates) = (client(&ca)?, updates.parse().unwrap_or(1));
    for index in 0..updates {
        let url = format!("https://{domain}/api/v2/users/{}", user_id(index).replace('|', "%7C"));
        for method in [Method::GET, Method::PATCH] {
            let request = client.request(method.clone(), &url).bearer_auth(token);
            let body = json!({"family_name": format!("Bare {index}")}).to_string();
            let request = match method {
                Method::PATCH => request.header("content-type", "application/json").body(body),
                _ => request,
            };
            let answer = request.send().await.map_err(|error| Error::Failed(error.to_string()))?;
            answer.bytes().await.map_err(|error| Error::Failed(error.to_string()))?;
        }
    }
    let spent = process::cpu(std::process::id())?;
    println!("{}", spent.as_micros() / u128::from(updates as u64));
    Ok(())
}
