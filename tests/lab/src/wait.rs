use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::{Error, Result};

const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until `probe` returns `Ok`, and returns its value.
/// The probe's last `Err` says in the error what was seen instead.
///
/// ```no_run
/// # async fn example() -> lab::Result<()> {
/// # let (seen, deadline) = (3, std::time::Duration::from_secs(5));
/// lab::wait_until("three requests", deadline, async || if seen == 3 { Ok(()) } else { Err(seen) }).await
/// # }
/// ```
///
/// # Errors
/// [`Error::TimedOut`] when the deadline has passed.
pub async fn wait_until<T, E: Display>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    let mut last = "nothing".to_owned();
    loop {
        match timeout_at(end, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => last = seen.to_string(),
            Err(_) => {}
        }
        if Instant::now() + PAUSE >= end {
            return Err(Error::TimedOut { what: what.to_owned(), seconds: deadline.as_secs_f64(), last });
        }
        sleep(PAUSE).await;
    }
}
