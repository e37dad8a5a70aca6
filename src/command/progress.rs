//! Progress of reading many users, on standard error.

use std::io::{IsTerminal as _, Write as _};
use tokio::time::{Duration, Instant};

/// Where standard error is no terminal, a line each time that this long has passed.
const EVERY: Duration = Duration::from_secs(10);

/// How many users were read.
pub struct Progress {
    read: usize,
    of: usize,
    is_terminal: bool,
    told: Instant,
}

impl Progress {
    /// Of so many users.
    #[must_use]
    pub fn new(of: usize) -> Self {
        Self { read: 0, of, is_terminal: std::io::stderr().is_terminal(), told: Instant::now() }
    }

    /// So many more were read.
    pub fn advance(&mut self, users: usize) {
        self.read += users;
        let (mut err, read, of) = (std::io::stderr().lock(), self.read, self.of);
        if self.is_terminal {
            let _ = write!(err, "\r{read} of {of} users read");
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            let _ = writeln!(err, "{read} of {of} users read");
        }
    }

    /// Clears the line of a terminal.
    pub fn end(&self) {
        if self.is_terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}
