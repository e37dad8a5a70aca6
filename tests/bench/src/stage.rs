//! Everything that is measured, up and running, and what can be done to all of it.

use crate::store::Store;
use crate::{bare, process};
use auth0_sandbox::{Client, Connection, Options, Plan, Sandbox};
use lab::{AuditEvent, ControlPlane, Error, Kubectl, Mode, Operator, Patch, Result, secret, wait_until};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const CLIENT_SECRET: &str = "Bench-Client-Secret-5f1a";
pub(crate) const NAMESPACE: &str = "bench";
/// Another team, which uses the same tenant.
pub(crate) const NEIGHBOUR: &str = "neighbour";
pub(crate) const SCOPES: [&str; 4] =
    ["read:users", "update:users", "update:users_app_metadata", "read:connections"];
/// Objects that kubectl is given at once.
const BATCH: usize = 500;
const LONG: Duration = Duration::from_mins(40);
/// The operator has nothing left to do when it takes less than a hundredth of a processor for so long.
const QUIET: Duration = Duration::from_secs(4);
/// How long it is watched then.
const WATCHED: Duration = Duration::from_secs(20);
/// What the operator logs before its address.
const SERVING: &str = "serving /livez";

/// The running parts.
pub(crate) struct Stage {
    pub(crate) operator: Operator,
    pub(crate) auth0: Sandbox,
    pub(crate) plane: ControlPlane,
    pub(crate) kubectl: Kubectl,
    pub(crate) store: Store,
    /// What must come out nowhere.
    pub(crate) secrets: Vec<String>,
}

/// The name of a resource.
pub(crate) fn name(index: usize) -> String {
    format!("p{index:06}")
}

/// The id of the user of a resource.
pub(crate) fn user_id(index: usize) -> String {
    format!("auth0|{}", name(index))
}

/// A tenant's manifest.
pub(crate) fn tenant(name: &str, domain: &str, rate: &Value) -> String {
    let spec = json!({
        "domain": domain, "credentialsSecretRef": {"name": "credentials"}, "rateLimit": rate,
        "access": [{"namespaces": [NEIGHBOUR], "fields": ["*"], "outputs": "Full"}],
    });
    json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant", "metadata": {"name": name},
        "spec": spec,
    })
    .to_string()
}

/// Whether a request to the API server was the operator's.
pub(crate) fn is_own(event: &AuditEvent) -> bool {
    !["kubectl", bare::COMMAND].iter().any(|other| event.user_agent.starts_with(other))
}

/// The resource of a user, with these further fields in its spec.
pub(crate) fn update(index: usize, fields: &Value) -> String {
    let mut spec = json!({
        "tenantRef": {"name": "bench", "namespace": NAMESPACE}, "passEmptyValues": "No", "userId": user_id(index), "resyncInterval": "24h",
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
        "metadata": {"name": name(index)}, "spec": spec,
    })
    .to_string()
}

impl Stage {
    pub(crate) async fn set_up(program: PathBuf) -> Result<Self> {
        let plane = ControlPlane::start().await?;
        let auth0 = Sandbox::start(Options::default()).await.map_err(Error::Failed)?;
        auth0.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
        auth0.put_connection(Connection::database("People"));
        let ca = plane.dir().join("auth0-ca.crt");
        auth0.write_ca(&ca)?;
        let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
        let admin = plane.admin();
        admin.run(["apply", "--server-side", "--filename", crds], "").await?.ok()?;
        admin.until_established().await?;
        for namespace in [NAMESPACE, NEIGHBOUR] {
            admin.run(["create", "namespace", namespace], "").await?.ok()?;
        }
        let kubectl = admin.in_namespace(NAMESPACE).with_deadline(LONG);
        let operator = start_operator(program, &plane, &auth0, &ca).await?;
        let secrets = vec![CLIENT_SECRET.to_owned()];
        let store = Store::of(&plane)?;
        let stage = Self { operator, auth0, plane, kubectl, store, secrets };
        stage.apply_secret("credentials", &credentials()).await?;
        stage.apply_tenant(&unhurried()).await?;
        Ok(stage)
    }

    pub(crate) async fn apply_secret(&self, name: &str, texts: &Value) -> Result<()> {
        self.kubectl.apply(&secret(name, texts).to_string()).await.map(drop)
    }

    async fn apply_tenant(&self, rate: &Value) -> Result<()> {
        self.kubectl.apply(&tenant("bench", &self.auth0.domain(), rate)).await?;
        let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "auth0tenant/bench"];
        self.kubectl.run(wait, "").await?.ok().map(drop)
    }

    /// What the tenant asks for, and what the stand-in allows. Whoever used the tenant looks once.
    pub(crate) async fn set_limits(&self, per_minute: u32, burst: u32, plan: Plan) -> Result<()> {
        self.auth0.set_plan(Plan::Unlimited);
        self.apply_tenant(&json!({"requestsPerMinute": per_minute, "burst": burst})).await?;
        self.auth0.set_plan(plan);
        Ok(())
    }

    pub(crate) async fn unlimit(&self) -> Result<()> {
        self.auth0.set_plan(Plan::Unlimited);
        self.apply_tenant(&unhurried()).await
    }

    /// Makes the users of so many resources.
    pub(crate) fn add_people(&self, count: usize) -> Result<()> {
        (0..count).try_for_each(|index| self.add_person(index))
    }

    /// Makes the user of a resource, where there is none.
    pub(crate) fn add_person(&self, index: usize) -> Result<()> {
        let (id, local) = (user_id(index), name(index));
        if self.auth0.user(&id).is_some() {
            return Ok(());
        }
        let user = json!({
            "user_id": id, "email": format!("{local}@example.com"), "email_verified": true, "name": local,
            "created_at": "2024-01-01T00:00:00.000Z", "updated_at": "2024-01-01T00:00:00.000Z",
            "identities": [{"connection": "People", "user_id": local, "provider": "auth0", "isSocial": false}],
        });
        self.auth0.put_user(user).map_err(Error::Failed)
    }

    pub(crate) async fn apply(&self, manifests: impl IntoIterator<Item = String>) -> Result<()> {
        let manifests: Vec<String> = manifests.into_iter().collect();
        for batch in manifests.chunks(BATCH) {
            self.kubectl.submit(Mode::ServerSideApply, &batch.join("\n---\n")).await?.ok()?;
        }
        Ok(())
    }

    /// Waits until these users have this nickname in Auth0; answers how long that took.
    pub(crate) async fn until_named(
        &self,
        users: std::ops::Range<usize>,
        nickname: &str,
    ) -> Result<Duration> {
        let begun = Instant::now();
        wait_until(&format!("nickname {nickname}"), LONG, async || {
            let missing = users.clone().filter(|index| !self.is_named(*index, nickname)).count();
            if missing == 0 { Ok(()) } else { Err(format!("{missing} are missing")) }
        })
        .await?;
        Ok(begun.elapsed())
    }

    pub(crate) fn is_named(&self, index: usize, nickname: &str) -> bool {
        self.auth0.user(&user_id(index)).is_some_and(|user| user["nickname"] == nickname)
    }

    /// Waits until all resources are Ready and observed, and the host is quiet.
    pub(crate) async fn until_ready(&self, deadline: Duration) -> Result<Duration> {
        let begun = Instant::now();
        let wait = format!("--timeout={}s", deadline.as_secs());
        let all = ["wait", "--for=condition=Ready", &wait, "auth0userupdates", "--all"];
        self.kubectl.run(all, "").await?.ok()?;
        Ok(begun.elapsed())
    }

    pub(crate) async fn patch(&self, namespace: &str, index: usize, spec: &Value) -> Result<()> {
        let target = format!("auth0userupdate/{}", name(index));
        let kubectl = self.kubectl.in_namespace(namespace);
        kubectl.patch(&target, Patch::Merge, &json!({"spec": spec})).await?.ok().map(drop)
    }

    /// Waits until the operator has nothing left to do.
    pub(crate) async fn until_quiet(&self) -> Result<()> {
        let mut before = process::cpu(self.operator.pid())?;
        loop {
            tokio::time::sleep(QUIET).await;
            let spent = process::cpu(self.operator.pid())?;
            if spent.saturating_sub(before) * 100 < QUIET {
                return Ok(());
            }
            before = spent;
        }
    }

    /// Starts the operator again; answers how long it took to say that it is ready.
    pub(crate) async fn restart(&mut self) -> Result<Duration> {
        self.operator.terminate().await?;
        let (client, before) = (bare::client("")?, self.operator.log()?.matches(SERVING).count());
        let begun = Instant::now();
        self.operator.restart().await?;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if self.says_ready(&client, before).await? {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > LONG {
                return Err(Error::Failed("the operator does not get ready".to_owned()));
            }
        }
    }

    /// Whether the operator says that it is ready.
    pub(crate) async fn is_ready(&self) -> Result<bool> {
        let starts = self.operator.log()?.matches(SERVING).count();
        self.says_ready(&bare::client("")?, starts.saturating_sub(1)).await
    }

    /// Whether it says so after so many earlier starts.
    async fn says_ready(&self, client: &reqwest::Client, starts: usize) -> Result<bool> {
        let Some(address) = self.addresses()?.into_iter().nth(starts) else { return Ok(false) };
        let answer = client.get(format!("http://{address}/readyz")).send().await;
        Ok(answer.is_ok_and(|answer| answer.status().is_success()))
    }

    /// Where it served its metrics, after each of its starts.
    pub(crate) fn addresses(&self) -> Result<Vec<String>> {
        let log = self.operator.log()?;
        let lines = log.lines().filter(|line| line.contains(SERVING));
        Ok(lines.filter_map(|line| Some(line.rsplit_once("address=")?.1.trim().to_owned())).collect())
    }

    /// What Auth0 and Kubernetes are asked by the operator while and after something happens that is no reason to act.
    pub(crate) async fn undisturbed(
        &mut self,
        happens: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<String> {
        self.auth0.clear_log();
        let before = self.asked_of_kubernetes()?.len();
        happens(self).await?;
        self.until_quiet().await?;
        tokio::time::sleep(WATCHED).await;
        let asked = self.asked_of_kubernetes()?.split_off(before);
        let writes = asked.iter().filter(|event| event.is_write()).count();
        Ok(format!("{} requests about users, {writes} writes", self.about_users()))
    }

    /// Requests to Auth0 that are about users: all but the stream of events and its token.
    pub(crate) fn about_users(&self) -> usize {
        self.auth0.log().iter().filter(|call| call.path.starts_with("/api/v2/users")).count()
    }

    /// Gives the operator the scope for events, or takes it away. A restart drops its token, and an edit of the tenant makes it
    /// obtain one.
    pub(crate) async fn listen(&mut self, listens: bool) -> Result<()> {
        let scopes = [&SCOPES[..], if listens { &["read:events"] } else { &[] }].concat();
        self.auth0.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&scopes));
        self.restart().await?;
        self.set_limits(300_000, if listens { 4_999 } else { 4_998 }, Plan::Unlimited).await
    }

    /// Waits until the operator listens to events.
    pub(crate) async fn until_listening(&self) -> Result<()> {
        wait_until("a stream of events", QUIET * 15, async || match self.auth0.open_streams() {
            0 => Err("none"),
            _ => Ok(()),
        })
        .await
    }

    /// Requests to the API server by the operator so far.
    pub(crate) fn asked_of_kubernetes(&self) -> Result<Vec<Arc<AuditEvent>>> {
        let mut events = self.plane.audit()?;
        events.retain(|event| event.stage == "ResponseComplete" && is_own(event));
        Ok(events)
    }

    /// Looks for every secret in the operator's log and in what kubectl shows of these kinds.
    pub(crate) async fn scan_for_secrets(&self, kinds: &str) -> Result<()> {
        let shown = ["get", kinds, "--output=yaml"];
        let shown = self.kubectl.run(shown, "").await?.ok()?;
        let places = [("the log", self.operator.log()?), ("what kubectl shows", shown)];
        for (place, text) in &places {
            if self.secrets.iter().any(|secret| text.contains(secret.as_str())) {
                return Err(Error::Failed(format!("a secret is in {place}")));
            }
        }
        let (secrets, bytes) = (self.secrets.len(), places.iter().map(|(_, text)| text.len()).sum::<usize>());
        println!(
            "\n{secrets} secrets looked for in {} KiB of log, objects and events: in none",
            bytes / 1024
        );
        Ok(())
    }

    pub(crate) async fn take_down(self) -> Result<()> {
        drop(self.operator);
        drop(self.auth0);
        self.plane.stop().await
    }
}

/// What the Secret of a tenant holds.
pub(crate) fn credentials() -> Value {
    json!({"clientId": "operator", "clientSecret": CLIENT_SECRET})
}

fn unhurried() -> Value {
    json!({"requestsPerMinute": 300_000, "burst": 5_000})
}

async fn start_operator(
    program: PathBuf,
    plane: &ControlPlane,
    auth0: &Sandbox,
    ca: &Path,
) -> Result<Operator> {
    let operator = Operator::builder(program, plane.kubeconfig())
        .args(["run", "--operator-namespace", NAMESPACE])
        .args(["--allowed-domain", &auth0.domain(), "--allowed-domain", &auth0.address().to_string()])
        .env("SSL_CERT_FILE", &ca.display().to_string())
        .start()
        .await?;
    operator.wait_for_log("started", Duration::from_secs(30)).await?;
    Ok(operator)
}
