//! The references: a loop that reads and changes users one after the other, and one that lists resources, each in a
//! process that does nothing else.

use crate::process;
use crate::stage::{NAMESPACE, Stage, name, user_id};
use auth0_sandbox::IssuedToken;
use auth0_user_operator::api::Auth0UserUpdate;
use auth0_user_operator::cluster::watch::PAGE;
use kube::api::{Api, ListParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use lab::{Error, Result};
use reqwest::header::{HeaderValue, USER_AGENT};
use reqwest::{Certificate, Client, Method, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first argument of the process that is a reference.
pub(crate) const COMMAND: &str = "bare";
const MERGE: &str = "application/merge-patch+json";

/// What a reference does.
#[derive(Serialize, Deserialize)]
enum Task {
    /// A GET and a PATCH of each user, and then a PATCH of the resource's status where there is one.
    Updates { domain: String, token: String, count: usize, status: Option<Value> },
    /// All resources, read as what they are in pages like the operator's, which are thrown away.
    List,
}

/// Where Kubernetes is, and whom to trust.
#[derive(Serialize, Deserialize)]
struct Order {
    task: Task,
    server: String,
    kubernetes_token: String,
    kubeconfig: PathBuf,
    ca: String,
}

/// What it took.
#[derive(Serialize, Deserialize)]
pub(crate) struct Spent {
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    /// KiB of memory at the end.
    pub(crate) resident: u64,
}

/// Processor time for each update of a process that does only that, with this status written where there is one.
pub(crate) async fn cpu_per_update(stage: &Stage, count: usize, status: Option<Value>) -> Result<Duration> {
    let updates = Task::Updates { domain: stage.auth0.domain(), token: token(stage)?, count, status };
    Ok(spend(stage, updates).await?.cpu / u32::try_from(count.max(1)).unwrap_or(u32::MAX))
}

/// What it takes to list all resources.
pub(crate) async fn list(stage: &Stage) -> Result<Spent> {
    spend(stage, Task::List).await
}

async fn spend(stage: &Stage, task: Task) -> Result<Spent> {
    let view = ["config", "view", "--raw", "--output=jsonpath={.users[0].user.token}"];
    let order = Order {
        task,
        server: stage.plane.server().to_owned(),
        kubernetes_token: stage.kubectl.run(view, "").await?.ok()?,
        kubeconfig: stage.plane.kubeconfig().to_owned(),
        ca: stage.auth0.ca_pem().to_owned() + &std::fs::read_to_string(stage.plane.dir().join("ca.crt"))?,
    };
    let (program, order) = (std::env::current_exe()?, serde_json::to_string(&order)?);
    let output = tokio::task::spawn_blocking(move || {
        std::process::Command::new(program).arg(COMMAND).env("BENCH_ORDER", order).output()
    });
    let output = output.await.map_err(failed)??;
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    serde_json::from_slice(&output.stdout)
        .map_err(|_| Error::Failed(format!("the reference said {:?}", String::from_utf8_lossy(&said))))
}

/// A token of another client than the operator.
pub(crate) fn token(stage: &Stage) -> Result<String> {
    let scopes = &["read:users", "update:users"];
    let token = IssuedToken { subject: "somebody-else@clients", scopes, lifetime: 86_400 };
    stage.auth0.issue_token(&token).map_err(Error::Failed)
}

/// A client that trusts these authorities.
pub(crate) fn client(ca: &str) -> Result<Client> {
    let roots = Certificate::from_pem_bundle(ca.as_bytes()).map_err(failed)?;
    Client::builder().tls_certs_only(roots).user_agent(COMMAND).no_proxy().build().map_err(failed)
}

/// A client of the API server that is not the operator.
pub(crate) async fn kubernetes(kubeconfig: &Path) -> Result<kube::Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(failed)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(failed)?;
    config.headers.push((USER_AGENT, HeaderValue::from_static(COMMAND)));
    kube::Client::try_from(config).map_err(failed)
}

/// In the reference's own process: prints what it took.
pub(crate) async fn run() -> Result<()> {
    let order: Order = serde_json::from_str(&std::env::var("BENCH_ORDER").map_err(failed)?)?;
    let (client, begun) = (client(&order.ca)?, Instant::now());
    match &order.task {
        Task::Updates { domain, token, count, status } => {
            for index in 0..*count {
                update(&client, domain, token, index).await?;
                if let Some(status) = status {
                    write_status(&client, &order, index, status).await?;
                }
            }
        }
        Task::List => list_all(&order).await?,
    }
    let (time, own) = (begun.elapsed(), std::process::id());
    let spent = Spent { time, cpu: process::cpu(own)?, resident: process::resident(own)? };
    println!("{}", serde_json::to_string(&spent)?);
    Ok(())
}

async fn update(client: &Client, domain: &str, token: &str, index: usize) -> Result<()> {
    let url = format!("https://{domain}/api/v2/users/{}", user_id(index).replace('|', "%7C"));
    let body = json!({"family_name": format!("Bare {index}")}).to_string();
    answer(client.get(&url).bearer_auth(token)).await?;
    let patch = client.request(Method::PATCH, &url).bearer_auth(token);
    answer(patch.header("content-type", "application/json").body(body)).await.map(drop)
}

async fn write_status(client: &Client, order: &Order, index: usize, status: &Value) -> Result<()> {
    let mut status = status.clone();
    status["lastUpdate"]["requests"] = (index + 2).into();
    let url = order.resources(&format!("namespaces/{NAMESPACE}/"), &format!("/{}/status", name(index)));
    let patch = client.request(Method::PATCH, url).bearer_auth(&order.kubernetes_token);
    answer(patch.header("content-type", MERGE).body(json!({"status": status}).to_string())).await.map(drop)
}

async fn list_all(order: &Order) -> Result<()> {
    let api: Api<Auth0UserUpdate> = Api::all(kubernetes(&order.kubeconfig).await?);
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&parameters).await.map_err(failed)?;
        parameters.continue_token = page.metadata.continue_.filter(|more| !more.is_empty());
        if parameters.continue_token.is_none() {
            return Ok(());
        }
    }
}

impl Order {
    fn resources(&self, before: &str, after: &str) -> String {
        format!("{}/apis/auth0-user-operator.dev/v1alpha1/{before}auth0userupdates{after}", self.server)
    }
}

async fn answer(request: RequestBuilder) -> Result<Vec<u8>> {
    let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
    Ok(answer.bytes().await.map_err(failed)?.into())
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
