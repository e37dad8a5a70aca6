//! The process as Linux counts it, under the names of Prometheus' own client libraries.

use procfs::process::{LimitValue, Process as Proc};
use procfs::{ProcResult, WithCurrentSystemInfo as _};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt::Error;
use std::time::Duration;

/// Reads `/proc/self` at each scrape.
#[derive(Debug)]
pub struct Process;

/// What a scrape shows.
struct Usage {
    cpu: Duration,
    start: Duration,
    resident_bytes: u64,
    virtual_bytes: u64,
    open_fds: u64,
    max_fds: Option<u64>,
}

fn usage() -> ProcResult<Usage> {
    let process = Proc::myself()?;
    let stat = process.stat()?;
    let time = |ticks: u64| Duration::from_millis(ticks * 1000 / procfs::ticks_per_second());
    let max_fds = match process.limits()?.max_open_files.soft_limit {
        LimitValue::Value(most) => Some(most),
        LimitValue::Unlimited => None,
    };
    Ok(Usage {
        cpu: time(stat.utime + stat.stime),
        start: Duration::from_secs(procfs::boot_time_secs()?) + time(stat.starttime),
        resident_bytes: stat.rss_bytes().get(),
        virtual_bytes: stat.vsize,
        open_fds: u64::try_from(process.fd_count()?).unwrap_or(u64::MAX),
        max_fds,
    })
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let Ok(usage) = usage() else { return Ok(()) };
        let cpu = ConstCounter::new(usage.cpu.as_secs_f64());
        let help = "Processor time used, in seconds.";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?)?;
        let start = usage.start.as_secs_f64();
        gauge(&mut encoder, "process_start_time_seconds", "Start of the process, since 1970.", start)?;
        let (resident, virtual_) = (usage.resident_bytes, usage.virtual_bytes);
        gauge(&mut encoder, "process_resident_memory_bytes", "Memory in use.", resident)?;
        gauge(&mut encoder, "process_virtual_memory_bytes", "Address space in use.", virtual_)?;
        gauge(&mut encoder, "process_open_fds", "Open file descriptors.", usage.open_fds)?;
        match usage.max_fds {
            Some(most) => gauge(&mut encoder, "process_max_fds", "Limit of open file descriptors.", most),
            None => Ok(()),
        }
    }
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: impl EncodeGaugeValue,
) -> Result<(), Error> {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::hint::black_box;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    #[test]
    fn it_counts_what_this_process_uses() {
        let before = usage().unwrap();
        let files = [(); 10].map(|()| File::open("/proc/self/stat").unwrap());
        let memory = black_box(vec![1_u8; 32 << 20]);
        let started = Instant::now();
        while started.elapsed() < Duration::from_millis(300) {
            black_box(memory.iter().map(|byte| u64::from(*byte)).sum::<u64>());
        }
        let after = usage().unwrap();
        assert!(after.cpu > before.cpu, "{:?} {:?}", after.cpu, before.cpu);
        // Tests in parallel free memory of their own.
        assert!(after.resident_bytes > 32 << 20, "{}", after.resident_bytes);
        assert!(after.virtual_bytes >= after.resident_bytes);
        // Tests in parallel open and close their own.
        assert!(after.open_fds >= 10 && after.max_fds.is_some_and(|most| most > after.open_fds));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let age = now.checked_sub(after.start);
        assert!(age.is_some_and(|age| age < Duration::from_hours(1)), "{age:?}");
        drop(files);
    }
}
