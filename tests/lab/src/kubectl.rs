use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::output::{Output, run};
use crate::{Error, Result, launcher, wait_until};

/// A way to hand a whole manifest to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `kubectl create`
    Create,
    /// `kubectl apply`: client-side, with the last-applied annotation.
    Apply,
    /// `kubectl apply --server-side`, with conflicts forced.
    ServerSideApply,
    /// `kubectl replace`
    Replace,
}

impl Mode {
    fn args(self) -> &'static [&'static str] {
        match self {
            Self::Create => &["create"],
            Self::Apply => &["apply"],
            Self::ServerSideApply => &["apply", "--server-side", "--force-conflicts"],
            Self::Replace => &["replace"],
        }
    }
}

/// A kind of patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// A JSON merge patch, in which null removes.
    Merge,
    /// A JSON patch: a list of operations.
    Json,
}

/// kubectl with a kubeconfig, a namespace and a deadline. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: Option<String>,
    deadline: Duration,
}

impl Kubectl {
    /// kubectl as whoever the kubeconfig names.
    ///
    /// # Errors
    /// [`Error::MissingProgram`] when kubectl has not been built.
    pub fn new(kubeconfig: &Path) -> Result<Self> {
        let program = launcher::program("kubectl")?;
        Ok(Self {
            program,
            kubeconfig: kubeconfig.to_owned(),
            namespace: None,
            deadline: Duration::from_secs(30),
        })
    }

    /// The kubectl that is run.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The same, in this namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// The same, with this deadline for each call (30 s at first).
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Runs kubectl; a refusal is a normal outcome: see [`Output::ok`].
    ///
    /// # Errors
    /// When kubectl cannot be run or takes longer than the deadline.
    pub async fn run<A>(&self, args: A, stdin: &str) -> Result<Output>
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut words: Vec<_> = args.into_iter().map(|word| word.as_ref().to_owned()).collect();
        if let Some(namespace) = &self.namespace {
            words.extend(["--namespace".into(), namespace.into()]);
        }
        self.start(&self.program, &words, &[], stdin).await
    }

    /// Waits until every custom resource definition is served.
    ///
    /// # Errors
    /// [`Error::TimedOut`] when that takes longer than 30 s.
    pub async fn until_established(&self) -> Result<()> {
        let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd", "--all"];
        // kubectl does not wait for a definition that has no conditions yet.
        wait_until("the definitions are established", Duration::from_secs(30), async || {
            self.run(wait, "").await?.ok().map(drop)
        })
        .await
    }

    /// Runs a command of kubectl as a person types it into a shell: with quotes, `$(…)` and here-documents, in
    /// the kubeconfig's own namespace. `folder` is where it is typed.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn typed(&self, command: &str, folder: &Path) -> Result<Output> {
        let others = std::env::var_os("PATH").unwrap_or_default();
        let folders =
            self.program.parent().map(Path::to_owned).into_iter().chain(std::env::split_paths(&others));
        let path = std::env::join_paths(folders).map_err(|error| Error::Failed(error.to_string()))?;
        // Without a shell in between, the launcher could not end kubectl.
        let script = format!("cd '{}' && exec {command}", folder.display());
        self.start(Path::new("sh"), &["-c".into(), script.into()], &[("PATH", &path)], "").await
    }

    /// Runs a program with neither the settings nor the caches of whoever runs the tests.
    async fn start(
        &self,
        program: &Path,
        words: &[OsString],
        more: &[(&str, &OsStr)],
        stdin: &str,
    ) -> Result<Output> {
        let cache = self.kubeconfig.with_file_name("kubectl-cache");
        let mut envs = vec![
            ("KUBECONFIG", self.kubeconfig.as_os_str()),
            ("KUBERC", "off".as_ref()),
            ("KUBECACHEDIR", cache.as_os_str()),
            // It ends before there is anything to collect.
            ("GOGC", "off".as_ref()),
        ];
        envs.extend(more);
        run(program, words, &envs, stdin, self.deadline).await
    }

    /// Hands over a manifest (YAML or JSON, one or more documents).
    ///
    /// # Errors
    /// Only when kubectl cannot be run; a refusal is in the output.
    pub async fn submit(&self, mode: Mode, manifest: &str) -> Result<Output> {
        // kubectl 1.31 reads JSON documents only without separators; no text within them has a line break.
        let manifest = match manifest {
            json if json.starts_with('{') => &json.replace("}\n---\n{", "}\n{"),
            yaml => yaml,
        };
        self.run(mode.args().iter().chain(&["--filename", "-"]), manifest).await
    }

    /// `kubectl apply` that has to succeed.
    ///
    /// # Errors
    /// When it does not.
    pub async fn apply(&self, manifest: &str) -> Result<String> {
        self.submit(Mode::Apply, manifest).await?.ok()
    }

    /// Patches `target`, such as `auth0userupdate/jane`.
    ///
    /// # Errors
    /// Only when kubectl cannot be run; a refusal is in the output.
    pub async fn patch(&self, target: &str, kind: Patch, patch: &Value) -> Result<Output> {
        self.run(patch_args(target, kind, patch), "").await
    }

    /// Patches the status of `target`.
    ///
    /// # Errors
    /// Only when kubectl cannot be run; a refusal is in the output.
    pub async fn patch_status(&self, target: &str, kind: Patch, patch: &Value) -> Result<Output> {
        let subresource = "--subresource=status".to_owned();
        self.run(patch_args(target, kind, patch).into_iter().chain([subresource]), "").await
    }

    /// The object `target`, such as `auth0userupdate/jane`; or a list, for a kind alone.
    ///
    /// # Errors
    /// When it does not exist or may not be read.
    pub async fn get(&self, target: &str) -> Result<Value> {
        let text = self.run(["get", target, "--output=json", "--show-managed-fields"], "").await?.ok()?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Deletes `target` and waits until it is gone.
    ///
    /// # Errors
    /// When it does not exist or may not be deleted.
    pub async fn delete(&self, target: &str) -> Result<()> {
        self.run(["delete", target], "").await?.ok().map(drop)
    }
}

fn patch_args(target: &str, kind: Patch, patch: &Value) -> Vec<String> {
    let kind = match kind {
        Patch::Merge => "--type=merge",
        Patch::Json => "--type=json",
    };
    vec!["patch".to_owned(), target.to_owned(), kind.to_owned(), format!("--patch={patch}")]
}
