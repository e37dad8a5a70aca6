use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Error, Result, launcher};

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

/// What a kubectl call printed.
#[derive(Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error: where the API server's refusals and warnings are.
    pub stderr: String,
}

impl Output {
    /// Standard output of a successful call.
    ///
    /// # Errors
    /// [`Error::Kubectl`] with everything that was printed otherwise.
    pub fn ok(self) -> Result<String> {
        if self.status.success() { Ok(self.stdout) } else { Err(Error::Kubectl(self)) }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stdout, stderr) = (self.stdout.trim_end(), self.stderr.trim_end());
        write!(formatter, "`{}`: {}\n{stderr}{stdout}", self.command, self.status)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
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
        // Through the launcher, so that not even a `kubectl wait` outlives this process.
        let mut command = Command::new(launcher::program("launcher")?);
        command.args(["exec", "--input", &stdin.len().to_string(), "--"]).arg(&self.program).args(&words);
        // Neither the settings nor the caches of whoever runs the tests.
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBERC", "off");
        command.env("KUBECACHEDIR", self.kubeconfig.with_file_name("kubectl-cache"));
        // A Ctrl-C is for this process: the launcher follows by its input.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());

        let line = command_line(&words);
        let Ok(output) = timeout(self.deadline, feed(command, stdin)).await else {
            let (what, seconds) = (format!("`{line}`"), self.deadline.as_secs_f64());
            return Err(Error::TimedOut { what, seconds, last: "it still ran".to_owned() });
        };
        let output = output?;
        Ok(Output {
            command: line,
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Hands over a manifest (YAML or JSON, one or more documents).
    ///
    /// # Errors
    /// Only when kubectl cannot be run; a refusal is in the output.
    pub async fn submit(&self, mode: Mode, manifest: &str) -> Result<Output> {
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

/// Runs the launcher with this input; a dropped future closes the pipe, which ends it.
async fn feed(mut command: Command, input: &str) -> Result<std::process::Output> {
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take();
    let write = async {
        if let Some(stdin) = &mut stdin {
            // Should the launcher not read it, its output says why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let ((), output) = tokio::join!(write, child.wait_with_output());
    // Open until now: its end would have ended kubectl.
    drop(stdin);
    Ok(output?)
}

fn command_line(words: &[OsString]) -> String {
    let words = words.iter().map(|word| word.to_string_lossy());
    ["kubectl".into()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
