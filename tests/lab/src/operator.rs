use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::launcher::Launcher;
use crate::{Error, Result, Signal, wait_until};

/// How long the operator may take to end when asked: the launcher kills it after 3 s.
const STOP: Duration = Duration::from_secs(10);

/// What to run: the program, its flags, its environment and its log file.
#[derive(Clone, Debug)]
pub struct OperatorBuilder {
    program: PathBuf,
    args: Vec<OsString>,
    envs: BTreeMap<String, String>,
    log: PathBuf,
}

impl OperatorBuilder {
    /// Adds flags.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable, such as `SSL_CERT_FILE` or `RUST_LOG`.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.envs.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Starts the operator; it ends with the value, or with this process.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub async fn start(self) -> Result<Operator> {
        let (launcher, pid) = self.launch().await?;
        Ok(Operator { settings: self, launcher, pid })
    }

    async fn launch(&self) -> Result<(Launcher, u32)> {
        let words: [OsString; 4] = ["exec".into(), "--log".into(), self.log.clone().into(), "--".into()];
        let args =
            words.iter().chain([self.program.as_os_str().to_owned()].iter()).cloned().collect::<Vec<_>>();
        let (launcher, line) = Launcher::start(args.iter().chain(&self.args), self.envs.clone()).await?;
        let pid = line.parse().map_err(|_| Error::Failed(format!("no process id: {line}")))?;
        Ok((launcher, pid))
    }
}

/// A running operator, or what is left of one.
#[derive(Debug)]
pub struct Operator {
    settings: OperatorBuilder,
    launcher: Launcher,
    pid: u32,
}

impl Operator {
    /// An operator that talks to the API server of `kubeconfig`. `program` is
    /// usually `env!("CARGO_BIN_EXE_auth0-user-operator")`. Its log lies next to
    /// the kubeconfig, in a file of its own.
    pub fn builder(program: impl Into<PathBuf>, kubeconfig: &Path) -> OperatorBuilder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let kubeconfig_text = kubeconfig.display().to_string();
        OperatorBuilder {
            program: program.into(),
            args: Vec::new(),
            envs: BTreeMap::from([
                ("KUBECONFIG".to_owned(), kubeconfig_text),
                // Any free port, and for this machine only.
                ("AUTH0_USER_OPERATOR_HEALTH_ADDRESS".to_owned(), "127.0.0.1:0".to_owned()),
            ]),
            log: kubeconfig.with_file_name(format!("operator-{number}.log")),
        }
    }

    /// Sets an environment variable, from the next start on.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.settings.envs.insert(name.to_owned(), value.to_owned());
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file of its log.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.settings.log
    }

    /// Everything logged so far, over all restarts.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.settings.log)?).into_owned())
    }

    /// Waits until `text` is in the log.
    ///
    /// # Errors
    /// When it is not in time; the error holds the end of the log.
    pub async fn wait_for_log(&self, text: &str, deadline: Duration) -> Result<()> {
        wait_until(&format!("{text:?} in the operator's log"), deadline, || async {
            let log = self.log()?;
            if log.contains(text) { Ok(()) } else { Err(Error::Failed(last_lines(&log, 30))) }
        })
        .await
    }

    /// Sends a signal, such as [`Signal::Pause`].
    ///
    /// # Errors
    /// When the operator has already been ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.launcher.signal(signal, "")
    }

    /// SIGKILL: the operator ends in the middle of whatever it does.
    ///
    /// # Errors
    /// When it has already been ended.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::Kill)?;
        self.launcher.wait(STOP).await
    }

    /// SIGTERM, as Kubernetes ends a pod; without the kill that the launcher
    /// would add, so that a shutdown that hangs is an error.
    ///
    /// # Errors
    /// When it does not end in time, or has already been ended.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::Terminate)?;
        self.launcher.wait(STOP).await
    }

    /// The exit status, if the operator has ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.launcher.ended()
    }

    /// Starts the operator again with the same settings, after ending it if it runs.
    ///
    /// # Errors
    /// When it does not end, or does not start.
    pub async fn restart(&mut self) -> Result<()> {
        if self.launcher.ended()?.is_none() {
            self.launcher.stop(STOP).await?;
        }
        (self.launcher, self.pid) = self.settings.launch().await?;
        Ok(())
    }
}

/// The end of a log, for messages.
fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
