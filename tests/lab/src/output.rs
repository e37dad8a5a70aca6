use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Error, Result, launcher};

/// What a program printed, such as kubectl.
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
    /// [`Error::Refused`] with everything that was printed otherwise.
    pub fn ok(self) -> Result<String> {
        if self.status.success() { Ok(self.stdout) } else { Err(Error::Refused(self)) }
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

/// Runs a program through the launcher, so that not even a `kubectl wait` outlives this process.
pub(crate) async fn run(
    program: &Path,
    words: &[OsString],
    envs: &[(&str, &OsStr)],
    stdin: &str,
    deadline: Duration,
) -> Result<Output> {
    let mut command = Command::new(launcher::program("launcher")?);
    command.args(["exec", "--input", &stdin.len().to_string(), "--"]).arg(program).args(words);
    command.envs(envs.iter().copied());
    // A Ctrl-C is for this process: the launcher follows by its input.
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());

    let line = command_line(program, words);
    let Ok(output) = timeout(deadline, feed(command, stdin)).await else {
        let (what, seconds) = (format!("`{line}`"), deadline.as_secs_f64());
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
    // Open until now: its end would have ended the program.
    drop(stdin);
    Ok(output?)
}

fn command_line(program: &Path, words: &[OsString]) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let words = words.iter().map(|word| word.to_string_lossy());
    [name].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
