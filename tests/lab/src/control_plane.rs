use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::audit::AuditLog;
use crate::launcher::{self, Launcher};
use crate::{AuditEvent, Kubectl, Output, Result, Signal};

/// What the launcher says when the control plane is ready.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    dir: PathBuf,
    kubeconfig: PathBuf,
    server: String,
    audit_log: PathBuf,
    pids: BTreeMap<String, u32>,
}

/// A real etcd and a real kube-apiserver, on loopback only. There is no
/// controller-manager: a deleted namespace stays, and so do the dependents of a
/// deleted owner; use a fresh namespace for each test instead.
#[derive(Debug)]
pub struct ControlPlane {
    launcher: Mutex<Launcher>,
    report: Report,
    audit: AuditLog,
    kubectl: Kubectl,
    /// How many things were named here, so that no two have the same name.
    named: AtomicU32,
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready (about 3 s). It ends
    /// with the value, or with this process.
    ///
    /// # Errors
    /// When a program is missing (the error says which `make` target builds
    /// it), or does not start.
    pub async fn start() -> Result<Self> {
        for program in ["etcd", "kube-apiserver"] {
            launcher::program(program)?;
        }
        let assets = launcher::assets();
        let args = ["control-plane".as_ref(), "--assets".as_ref(), assets.as_os_str()];
        let (launcher, line) = Launcher::start(args, iter::empty()).await?;
        let report: Report = serde_json::from_str(&line)?;
        let kubectl = Kubectl::new(&report.kubeconfig)?;
        let audit = AuditLog::new(&report.audit_log);
        Ok(Self { launcher: Mutex::new(launcher), report, audit, kubectl, named: AtomicU32::new(0) })
    }

    /// The one control plane of this process, started at first use.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// The admin's kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.report.kubeconfig
    }

    /// The API server's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.report.server
    }

    /// A directory for logs and the like; it is removed at the end.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.report.dir
    }

    /// The process ids of `launcher`, `etcd` and `kube-apiserver`.
    #[must_use]
    pub fn pids(&self) -> &BTreeMap<String, u32> {
        &self.report.pids
    }

    /// kubectl as the admin.
    #[must_use]
    pub fn admin(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Runs kubectl as the admin.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn kubectl(&self, args: &[&str], stdin: &str) -> Result<Output> {
        self.kubectl.run(args, stdin).await
    }

    /// Makes a namespace that nothing else uses and returns its name, which
    /// begins with `prefix`.
    ///
    /// # Errors
    /// When the API server refuses the name.
    pub async fn namespace(&self, prefix: &str) -> Result<String> {
        let name = self.name(prefix);
        self.kubectl(&["create", "namespace", &name], "").await?.ok()?;
        Ok(name)
    }

    /// A name that nothing else here has, which begins with `prefix`.
    #[must_use]
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.named.fetch_add(1, Ordering::Relaxed))
    }

    /// A kubeconfig of its own for an existing `ServiceAccount`, so that RBAC applies.
    ///
    /// # Errors
    /// When the `ServiceAccount` does not exist.
    pub async fn kubeconfig_of(&self, namespace: &str, service_account: &str) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", service_account, "-n", namespace], "").await?.ok()?;
        let path = self.dir().join(self.name("kubeconfig"));
        std::fs::copy(self.kubeconfig(), &path)?;
        let own = Kubectl::new(&path)?;
        let token = format!("--token={}", token.trim());
        own.run(["config", "set-credentials", "service-account", &token], "").await?.ok()?;
        let user = "--user=service-account";
        own.run(["config", "set-context", "--current", user, "--namespace", namespace], "").await?.ok()?;
        Ok(path)
    }

    /// Everything that was asked of the API server so far. A request is logged
    /// right after its answer: use [`wait_until`](crate::wait_until) for what has to be there.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn audit(&self) -> Result<Vec<Arc<AuditEvent>>> {
        self.audit.events()
    }

    /// Freezes the API server, as an outage that clients see as time-outs.
    ///
    /// # Errors
    /// When the control plane has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::Pause)
    }

    /// Lets a frozen API server go on.
    ///
    /// # Errors
    /// When the control plane has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::Resume)
    }

    /// Ends the control plane and removes its directory.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn stop(self) -> Result<()> {
        let mut launcher = self.launcher.into_inner().unwrap_or_else(PoisonError::into_inner);
        launcher.stop(Duration::from_secs(20)).await.map(drop)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let mut launcher = self.launcher.lock().unwrap_or_else(PoisonError::into_inner);
        launcher.signal(signal, "kube-apiserver")
    }
}
