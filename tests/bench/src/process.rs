//! What Linux tells of a process.

use lab::{Error, Result};
use std::fs;
use std::time::Duration;

/// Time on a processor so far.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in parentheses, may hold spaces. User and system time are fields 14 and 15, in hundredths.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<u64> = fields.skip(11).take(2).filter_map(|text| text.parse().ok()).collect();
    Ok(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
}

/// Resident memory in KiB.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    status(pid, "VmRSS:")
}

/// The most resident memory in KiB since [`forget_peak`].
pub(crate) fn peak(pid: u32) -> Result<u64> {
    status(pid, "VmHWM:")
}

/// From now on, the peak is counted anew.
pub(crate) fn forget_peak(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

fn status(pid: u32, name: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|text| text.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| Error::Failed(format!("no {name} of {pid}")))
}
