//! Everything that the demo needs, up and running.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth0_sandbox::{Client, Options, Sandbox, Seed};
use lab::{ControlPlane, Error, Kubectl, Operator, Result};
use serde_json::json;

use crate::show;

/// Where all the demo's objects live.
pub(crate) const NAMESPACE: &str = "demo";
/// The resource of the demo.
pub(crate) const UPDATE: &str = "auth0userupdate/ann";
/// The user that it updates.
pub(crate) const USER: &str = "auth0|ann";
/// What `tenant.yaml` says in the place of the stand-in's address.
const PLACEHOLDER: &str = "demo.example.com";

/// All that the operator can use.
const SCOPES: [&str; 5] =
    ["read:users", "update:users", "update:users_app_metadata", "read:connections", "read:events"];

/// The running parts; the operator, if there is one, ends first.
pub(crate) struct Stage {
    pub(crate) operator: Option<Operator>,
    pub(crate) auth0: Sandbox,
    pub(crate) plane: ControlPlane,
    pub(crate) ca: PathBuf,
}

impl Stage {
    /// Starts all parts and applies what is there before the story begins.
    pub(crate) async fn set_up(program: Option<PathBuf>) -> Result<Self> {
        let plane = step("starting etcd and kube-apiserver", ControlPlane::start()).await?;
        let auth0 = step("starting a stand-in for Auth0", start_auth0()).await?;
        let ca = plane.dir().join("auth0-ca.crt");
        auth0.write_ca(&ca)?;
        step("installing the CRDs and the namespace", prepare(plane.admin())).await?;
        let mut stage = Self { operator: None, auth0, plane, ca };
        if let Some(program) = program {
            stage.operator = Some(step("starting the operator", stage.start_operator(program)).await?);
        }
        if let Err(error) = step("applying tenant.yaml", stage.apply_tenant()).await {
            stage.show_operator_log();
            return Err(error);
        }
        Ok(stage)
    }

    /// kubectl, in the demo's namespace.
    pub(crate) fn kubectl(&self) -> Kubectl {
        self.plane.admin().in_namespace(NAMESPACE)
    }

    /// Waits, as a person would, until `target` is Ready; not without an operator.
    pub(crate) async fn wait_ready(&mut self, target: &str) -> Result<()> {
        let kubectl = self.kubectl().with_deadline(Duration::from_secs(50));
        let Some(operator) = &mut self.operator else { return Ok(()) };
        let wait = ["wait", "--for=condition=Ready", "--timeout=40s", target];
        let outcome = tokio::select! {
            outcome = kubectl.run(wait, "") => outcome?.ok(),
            ended = operator_ends(operator) => Err(ended),
        };
        let Err(error) = outcome else { return Ok(()) };
        let conditions = kubectl.get(target).await?["status"]["conditions"].to_string();
        Err(Error::Failed(format!("{error}\nthe conditions of {target}: {conditions}")))
    }

    /// The end of the operator's log, for a failure.
    pub(crate) fn show_operator_log(&mut self) {
        let Some(operator) = &self.operator else { return };
        let log = operator.log().unwrap_or_else(|error| error.to_string());
        show::heading("The end of the operator's log");
        println!("{}", show::last_lines(&log, 25));
    }

    /// Ends everything.
    pub(crate) async fn take_down(self) -> Result<()> {
        println!();
        step("ending everything", async {
            drop(self.operator);
            drop(self.auth0);
            self.plane.stop().await
        })
        .await
    }

    async fn start_operator(&self, program: PathBuf) -> Result<Operator> {
        Operator::builder(program, self.plane.kubeconfig())
            .args(["run", "--allowed-domain", &self.auth0.domain()])
            .env("SSL_CERT_FILE", &self.ca.display().to_string())
            .start()
            .await
    }

    async fn apply_tenant(&mut self) -> Result<()> {
        let kubectl = self.kubectl();
        for (name, texts) in [
            ("demo-credentials", json!({"clientId": "operator", "clientSecret": "operator-secret"})),
            ("ann-password", json!({"password": "Tulip-Meadow-2026!"})),
        ] {
            kubectl.apply(&lab::secret(name, &texts).to_string()).await?;
        }
        kubectl.apply(&example("demo/tenant.yaml")?.replace(PLACEHOLDER, &self.auth0.domain())).await?;
        self.wait_ready("auth0tenant/demo").await
    }
}

/// Ends when the operator does, which it should not.
async fn operator_ends(operator: &mut Operator) -> Error {
    loop {
        match operator.ended() {
            Ok(Some(status)) => return Error::Failed(format!("the operator ended by itself: {status}")),
            Ok(None) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => return error,
        }
    }
}

async fn start_auth0() -> Result<Sandbox> {
    let seed = Seed::example().map_err(Error::Failed)?;
    let auth0 = Sandbox::start(Options::seeded(seed)).await.map_err(Error::Failed)?;
    auth0.put_client(Client::with_secret("operator", "operator-secret").scopes(&SCOPES));
    Ok(auth0)
}

async fn prepare(kubectl: &Kubectl) -> Result<()> {
    let crds = repository().join("crds").display().to_string();
    kubectl.run(["apply", "--server-side", "--filename", &crds], "").await?.ok()?;
    kubectl.until_established().await?;
    kubectl.run(["create", "namespace", NAMESPACE], "").await?.ok()?;
    // So that nobody has to name it: neither the operator nor the guests of the playground.
    kubectl.run(["config", "set-context", "--current", "--namespace", NAMESPACE], "").await?.ok()?;
    Ok(())
}

/// A file of `examples`.
pub(crate) fn example(name: &str) -> Result<String> {
    let path = repository().join("examples").join(name);
    std::fs::read_to_string(&path).map_err(|error| Error::Failed(format!("examples/{name}: {error}")))
}

/// The root of the repository.
pub(crate) fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Says what is being done, and how long it took.
pub(crate) async fn step<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let started = Instant::now();
    eprint!("{what} …");
    let outcome = work.await;
    let verdict = if outcome.is_ok() { "" } else { ", failed" };
    eprintln!(" {:.1} s{verdict}", started.elapsed().as_secs_f64());
    outcome
}
