//! The operator beside a client that behaves as Terraform's Auth0 provider does: it reads each user at every plan, and a
//! changed one takes a read, a change and a read; ten at a time, and a 429 is waited out.

use crate::bare;
use crate::stage::{Stage, update, user_id};
use auth0_sandbox::Plan;
use futures::stream::{self, StreamExt as _};
use lab::{Error, Result, Signal};
use reqwest::{Client, Method};
use serde_json::json;
use std::time::{Duration, Instant};

/// The provider's default.
const PARALLELISM: usize = 10;
const CROWDS: [usize; 2] = [100, 1_000];
/// Auth0's plan, and requests per minute that the tenant asks for under it.
const LIMITS: [(&str, Plan, u32, u32); 2] =
    [("16/s", Plan::Enterprise, 960, 50), ("none", Plan::Unlimited, 300_000, 5_000)];

pub(crate) async fn measure(stage: &mut Stage) -> Result<()> {
    let most = CROWDS[CROWDS.len() - 1];
    stage.add_people(most)?;
    stage.apply((0..most).map(|index| update(index, &json!({"nickname": "first"})))).await?;
    stage.until_named(0..most, "first").await?;
    stage.until_ready(Duration::from_mins(5)).await?;
    println!("\n| users | limit | what | the operator | a client like Terraform's provider |");
    println!("|---|---|---|---|---|");
    for (name, plan, per_minute, burst) in LIMITS {
        for users in CROWDS {
            stage.set_limits(per_minute, burst, plan).await?;
            stage.until_quiet().await?;
            let nickname = format!("{name}-{users}");
            let unchanged = client(stage, users, None).await?;
            let quiet = stage.undisturbed(async |_| Ok(())).await?;
            println!("| {users} | {name} | nothing changed | {quiet} | {unchanged} |");
            let own = operator(stage, users, &nickname).await?;
            let theirs = client(stage, users, Some(&format!("theirs-{nickname}"))).await?;
            println!("| {users} | {name} | one attribute of each | {own} | {theirs} |");
            stage.unlimit().await?;
        }
    }
    Ok(())
}

/// Edits of all resources at once.
async fn operator(stage: &mut Stage, users: usize, nickname: &str) -> Result<String> {
    stage.operator.signal(Signal::Pause)?;
    stage.apply((0..users).map(|index| update(index, &json!({"nickname": nickname})))).await?;
    stage.auth0.clear_log();
    stage.operator.signal(Signal::Resume)?;
    let took = stage.until_named(0..users, nickname).await?;
    Ok(told(stage, took))
}

/// All users once: compared, and changed where `family_name` is named.
async fn client(stage: &Stage, users: usize, family_name: Option<&str>) -> Result<String> {
    let (http, token, domain) =
        (bare::client(stage.auth0.ca_pem())?, bare::token(stage)?, stage.auth0.domain());
    stage.auth0.clear_log();
    let begun = Instant::now();
    let each = stream::iter(0..users).map(async |index| {
        let url = format!("https://{domain}/api/v2/users/{}", user_id(index).replace('|', "%7C"));
        call(&http, &token, Method::GET, &url, None).await?;
        if let Some(name) = family_name {
            let body = json!({"family_name": name}).to_string();
            call(&http, &token, Method::PATCH, &url, Some(body)).await?;
            call(&http, &token, Method::GET, &url, None).await?;
        }
        Ok::<_, Error>(())
    });
    let done: Vec<Result<()>> = each.buffer_unordered(PARALLELISM).collect().await;
    done.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(told(stage, begun.elapsed()))
}

async fn call(http: &Client, token: &str, method: Method, url: &str, body: Option<String>) -> Result<()> {
    loop {
        let mut request = http.request(method.clone(), url).bearer_auth(token);
        if let Some(body) = &body {
            request = request.header("content-type", "application/json").body(body.clone());
        }
        let answer = request.send().await.map_err(|error| Error::Failed(error.to_string()))?;
        if answer.status() != 429 {
            return answer.error_for_status().map(drop).map_err(|error| Error::Failed(error.to_string()));
        }
        // Until the bucket is filled again, as its headers say.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn told(stage: &Stage, took: Duration) -> String {
    let log = stage.auth0.log();
    let calls: Vec<_> = log.iter().filter(|call| call.path.starts_with("/api/v2/users")).collect();
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    format!("{took:.1?}, {} requests, {refused} times 429", calls.len() - refused)
}
