//! The launcher of `tests/control-plane`, as a child of this process. Rust
//! never drops a `static`, and a killed process drops nothing at all: the
//! launcher therefore ends its programs when its standard input closes, which
//! the kernel sees to.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{Error, Result, wait_until};

/// A signal for a started program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGKILL: the program ends at once, with no chance to clean up.
    Kill,
    /// SIGTERM: the program is asked to end.
    Terminate,
    /// SIGSTOP: the program is frozen.
    Pause,
    /// SIGCONT: the program goes on.
    Resume,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Terminate => "TERM",
            Self::Pause => "STOP",
            Self::Resume => "CONT",
        }
    }
}

/// A running launcher.
#[derive(Debug)]
pub(crate) struct Launcher {
    child: Child,
}

impl Launcher {
    /// Starts the launcher and returns it with the first line that it prints.
    pub(crate) async fn start<A, E>(args: A, envs: E) -> Result<(Self, String)>
    where
        A: IntoIterator<Item: AsRef<OsStr>>,
        E: IntoIterator<Item = (String, String)>,
    {
        let child = Command::new(program("launcher")?)
            .args(args)
            .envs(envs)
            // A Ctrl-C is for this process: the launcher follows by its input.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut launcher = Self { child };
        let stdout = launcher.child.stdout.take();
        let line = tokio::task::spawn_blocking(move || first_line(stdout)).await;
        match line.map_err(|error| Error::Failed(error.to_string()))?? {
            line if line.is_empty() => Err(launcher.complaint()),
            line => Ok((launcher, line)),
        }
    }

    /// Signals the launcher's program, or one of them.
    pub(crate) fn signal(&mut self, signal: Signal, program: &str) -> Result<()> {
        match &mut self.child.stdin {
            Some(stdin) => Ok(writeln!(stdin, "{} {program}", signal.name())?),
            None => Err(Error::Failed("the program has already been stopped".to_owned())),
        }
    }

    /// The exit status, if the launcher has ended.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until the launcher, and with it its programs, has ended.
    pub(crate) async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        let mut look = || match child.try_wait() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("it still runs".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        wait_until("the end of the program", deadline, async || look()).await
    }

    /// Ends the launcher and its programs.
    pub(crate) async fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        drop(self.child.stdin.take());
        self.wait(deadline).await
    }

    /// Why the launcher ended instead of printing its line.
    fn complaint(mut self) -> Error {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            // Best effort: this is only the explanation of another error.
            let _ = stderr.read_to_string(&mut text);
        }
        let _ = self.child.wait();
        Error::Failed(text.trim_end().to_owned())
    }
}

impl Drop for Launcher {
    /// Closes the pipe and waits for the end, which the launcher bounds: a
    /// panicking test leaves neither a process nor a zombie.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn first_line(stdout: Option<impl Read>) -> Result<String> {
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    Ok(line.trim_end().to_owned())
}

/// Where `make control-plane` puts what it builds.
fn built() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/control-plane");
    built.canonicalize().unwrap_or(built)
}

/// Where etcd, kube-apiserver and kubectl are.
pub(crate) fn assets() -> PathBuf {
    match env::var_os("KUBEBUILDER_ASSETS") {
        Some(assets) if !assets.is_empty() => assets.into(),
        _ => built(),
    }
}

/// The path of a program; an error says how to build it.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let path = if name == "launcher" { built() } else { assets() }.join(name);
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::MissingProgram { program: name.to_owned(), path: path.display().to_string() })
}
