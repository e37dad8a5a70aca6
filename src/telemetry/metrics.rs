//! What the operator counts, for Prometheus. No label holds a resource's name, a user or a message.

use crate::api::reason::Reason;
#[cfg(target_os = "linux")]
use crate::telemetry::process::Process;
use crate::telemetry::traces;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Write as _;
use std::hash::Hash;
use std::time::{Duration, SystemTime};

const PREFIX: &str = "auth0_user_operator";

/// What there are passes and watches of.
const KINDS: [&str; 2] = ["Auth0UserUpdate", "Auth0Tenant"];

/// Why a pass began that came to no end of its own.
pub const PANICKED: &str = "unknown";

/// All metrics; each is described where it is registered.
pub struct Metrics {
    registry: Registry,
    /// Of names without our prefix; empty but on Linux.
    process: Registry,
    passes: Family<PassLabels, Counter>,
    pass_seconds: Family<KindLabels, Traced>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<MethodLabels, Traced>,
    waiting: Family<PriorityLabels, Gauge>,
    waiting_seconds: Family<PriorityLabels, Gauge>,
    budget: Family<HostLabels, Gauge>,
    budget_limit: Family<HostLabels, Gauge>,
    watch_errors: Family<KindLabels, Counter>,
    events: Family<EventLabels, Counter>,
    event_gaps: Counter,
    drift_corrected: Counter,
    event_lag: Histogram,
    resources: Family<ResourceLabels, Gauge>,
    synced: Family<SyncedLabels, Gauge>,
    overcommitted: Gauge,
    leader: Gauge,
}

/// A histogram that names a trace for each of its buckets, where traces are sent.
type Traced = HistogramWithExemplars<TraceLabels>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TraceLabels {
    trace_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    kind: &'static str,
    outcome: &'static str,
    reason: &'static str,
    why: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    /// `0` where no answer came.
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PriorityLabels {
    priority: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    kind: &'static str,
    ready: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    r#type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SyncedLabels {
    synced: &'static str,
    reason: &'static str,
}

/// What waits in one priority.
pub struct Waiting {
    /// The priority's name.
    pub priority: &'static str,
    /// How many resources.
    pub count: usize,
    /// For how long the oldest has.
    pub oldest: Duration,
}

/// A form of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What everything that scrapes understands.
    Plain,
    /// `OpenMetrics`, in which buckets name a trace.
    OpenMetrics,
}

/// A condition's status and reason; `None` and `None` where it is not there.
pub type Condition = (&'static str, &'static str);

/// What Auth0 said of a host's budget.
pub struct Told {
    /// The host, with its port.
    pub host: String,
    /// Requests that the bucket holds when full.
    pub limit: u32,
    /// Requests that were left.
    pub remaining: u32,
}

/// From 25 ms to 13 s: a call to Auth0 takes no longer than 12.
fn call_buckets() -> Traced {
    Traced::new(exponential_buckets(0.025, 2.0, 10))
}

/// From 25 ms to 102 s: a pass is some calls, and waits between them for its budget.
fn pass_buckets() -> Traced {
    Traced::new(exponential_buckets(0.025, 2.0, 13))
}

impl Default for Metrics {
    fn default() -> Self {
        let calls = Family::new_with_constructor(call_buckets as fn() -> Traced);
        let passes = Family::new_with_constructor(pass_buckets as fn() -> Traced);
        let metrics = Self {
            registry: Registry::with_prefix(PREFIX),
            process: Registry::default(),
            passes: Family::default(),
            pass_seconds: passes,
            requests: Family::default(),
            request_seconds: calls,
            waiting: Family::default(),
            waiting_seconds: Family::default(),
            budget: Family::default(),
            budget_limit: Family::default(),
            watch_errors: Family::default(),
            events: Family::default(),
            event_gaps: Counter::default(),
            drift_corrected: Counter::default(),
            event_lag: Histogram::new(exponential_buckets(0.025, 2.0, 13)),
            resources: Family::default(),
            synced: Family::default(),
            overcommitted: Gauge::default(),
            leader: Gauge::default(),
        };
        metrics.begin_at_zero();
        metrics.register()
    }
}

impl Metrics {
    /// Names and describes all of them.
    fn register(mut self) -> Self {
        let registry = &mut self.registry;
        let passes = "Reconciliations by outcome, reason and cause";
        registry.register("reconcile", passes, self.passes.clone());
        registry.register_with_unit(
            "reconcile_duration",
            "Reconcile duration",
            Unit::Seconds,
            self.pass_seconds.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Resources that are due and wait for their reconciliation",
            self.waiting.clone(),
        );
        registry.register_with_unit(
            "workqueue_oldest",
            "Wait of the oldest of these resources",
            Unit::Seconds,
            self.waiting_seconds.clone(),
        );
        registry.register("watch_errors", "Failed watch and list calls", self.watch_errors.clone());
        registry.register("resources", "Resources by their Ready condition", self.resources.clone());
        let synced = "Auth0UserUpdates by their Synced condition";
        registry.register("resources_synced", synced, self.synced.clone());
        registry.register("leader", "Whether this replica is active", self.leader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Build information", build);
        self.register_auth0();
        #[cfg(target_os = "linux")]
        self.process.register_collector(Box::new(Process));
        self
    }

    fn register_auth0(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "auth0_requests",
            "Requests to Auth0; status 0: no response",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "auth0_request",
            "Response time of Auth0",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        let remaining = "Remaining requests of the rate limit, as last reported by Auth0";
        registry.register("auth0_rate_limit_remaining", remaining, self.budget.clone());
        let limit = "Requests that the rate limit allows at once, as last reported by Auth0";
        registry.register("auth0_rate_limit", limit, self.budget_limit.clone());
        registry.register("auth0_events", "Events received from Auth0 about users", self.events.clone());
        let overcommitted = "Tenants whose checks need more than half of their rate limit";
        registry.register("tenants_overcommitted", overcommitted, self.overcommitted.clone());
        let gaps = "Gaps in Auth0's event stream";
        registry.register("auth0_event_gaps", gaps, self.event_gaps.clone());
        let corrected = "Reconciliations that corrected drift: changes made in Auth0 to declared fields";
        registry.register("drift_corrected", corrected, self.drift_corrected.clone());
        let lag = "Time from the change of a user to its event";
        registry.register_with_unit("auth0_event_lag", lag, Unit::Seconds, self.event_lag.clone());
    }

    /// Alerts look for an increase, and a counter that appears with 1 has had none.
    fn begin_at_zero(&self) {
        for kind in KINDS {
            let (outcome, reason, why) = ("failed", Reason::InternalError.as_str(), PANICKED);
            drop(self.passes.get_or_create(&PassLabels { kind, outcome, reason, why }));
            drop(self.watch_errors.get_or_create(&KindLabels { kind: kind.to_owned() }));
        }
        for kind in ["user.created", "user.updated", "user.deleted"] {
            drop(self.events.get_or_create(&EventLabels { r#type: kind }));
        }
        for method in ["GET", "PATCH", "POST"].map(str::to_owned) {
            for status in [0, 429] {
                let method = method.clone();
                drop(self.requests.get_or_create(&RequestLabels { method, status }));
            }
        }
    }

    /// A reconciliation ended; `reason` is one of the closed list of reasons, and `why` its cause. Its trace records
    /// both, too.
    pub fn pass(
        &self,
        kind: &'static str,
        outcome: &'static str,
        reason: &'static str,
        why: &'static str,
        elapsed: Duration,
    ) {
        self.passes.get_or_create(&PassLabels { kind, outcome, reason, why }).inc();
        let labels = KindLabels { kind: kind.to_owned() };
        observe(&self.pass_seconds, &labels, elapsed);
        traces::came_to(outcome, reason, why);
    }

    /// A watch of this kind broke, or its list failed.
    pub fn watch_error(&self, kind: &str) {
        self.watch_errors.get_or_create(&KindLabels { kind: kind.to_owned() }).inc();
    }

    /// Auth0 answered a request with this status, or did not (0).
    pub fn request(&self, method: &str, status: u16, elapsed: Duration) {
        let method = method.to_owned();
        self.requests.get_or_create(&RequestLabels { method: method.clone(), status }).inc();
        observe(&self.request_seconds, &MethodLabels { method }, elapsed);
    }

    /// How many tenants are overcommitted.
    pub fn set_overcommitted(&self, tenants: i64) {
        self.overcommitted.set(tenants);
    }

    /// Auth0 told of a user by an event of this type, so long after it happened.
    pub fn event(&self, kind: &'static str, lag: Option<Duration>) {
        self.events.get_or_create(&EventLabels { r#type: kind }).inc();
        if let Some(lag) = lag {
            self.event_lag.observe(lag.as_secs_f64());
        }
    }

    /// Events of Auth0 were missed.
    pub fn event_gap(&self) {
        self.event_gaps.inc();
    }

    /// A pass corrected drift.
    pub fn drift_corrected(&self) {
        self.drift_corrected.inc();
    }

    /// Whether this process does the work now.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// What waits now.
    pub fn set_waiting(&self, priorities: impl IntoIterator<Item = Waiting>) {
        for Waiting { priority, count, oldest } in priorities {
            let labels = PriorityLabels { priority };
            self.waiting.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            let seconds = i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX);
            self.waiting_seconds.get_or_create(&labels).set(seconds);
        }
    }

    /// What Auth0 said, for each host.
    pub fn set_budget(&self, hosts: impl IntoIterator<Item = Told>) {
        self.budget.clear();
        self.budget_limit.clear();
        for Told { host, limit, remaining } in hosts {
            let labels = HostLabels { host };
            self.budget.get_or_create(&labels).set(i64::from(remaining));
            self.budget_limit.get_or_create(&labels).set(i64::from(limit));
        }
    }

    /// The resources there are: kind, status of Ready and its reason.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = (&'static str, Condition)>) {
        self.resources.clear();
        for (kind, (ready, reason)) in resources {
            self.resources.get_or_create(&ResourceLabels { kind, ready, reason }).inc();
        }
    }

    /// What `Auth0UserUpdate`s say in Synced.
    pub fn set_synced(&self, conditions: impl IntoIterator<Item = Condition>) {
        self.synced.clear();
        for (synced, reason) in conditions {
            self.synced.get_or_create(&SyncedLabels { synced, reason }).inc();
        }
    }

    /// All of it as text.
    ///
    /// # Errors
    /// None that is known; the encoder's signature has one.
    pub fn encode(&self, format: Format) -> Result<String, std::fmt::Error> {
        let mut open = String::new();
        text::encode_registry(&mut open, &self.registry)?;
        text::encode_registry(&mut open, &self.process)?;
        text::encode_eof(&mut open)?;
        Ok(match format {
            Format::Plain => plain(&open),
            Format::OpenMetrics => open,
        })
    }
}

/// Measures a time, of the present trace where there is one.
fn observe<L>(times: &Family<L, Traced>, labels: &L, elapsed: Duration)
where
    L: Clone + Eq + Hash,
{
    let trace = traces::id().map(|id| TraceLabels { trace_id: id.to_string() });
    let at = trace.is_some().then(SystemTime::now);
    times.get_or_create(labels).observe(elapsed.as_secs_f64(), trace, at);
}

/// Turns `OpenMetrics` into the text format, version 0.0.4: there, descriptions name a counter as its samples do,
/// and there are neither infos nor units nor exemplars nor an end.
fn plain(open: &str) -> String {
    let mut out = String::with_capacity(open.len());
    let mut help = "";
    for line in open.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(_), Some(text)) => help = text,
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                let (suffix, kind) = match kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    kind => ("", kind),
                };
                // A string takes every write.
                let _ = writeln!(out, "# HELP {name}{suffix} {help}\n# TYPE {name}{suffix} {kind}");
            }
            (Some("#"), ..) => {}
            _ => out.extend([line.split_once(" # {").map_or(line, |(sample, _)| sample), "\n"]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::traces::tests::Sent;
    use opentelemetry_sdk::trace::Sampler;
    use tracing::subscriber::with_default;
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    #[test]
    fn the_text_is_what_every_scraper_reads() {
        let metrics = Metrics::default();
        metrics.pass(KINDS[0], "updated", "Applied", "edited", Duration::from_millis(30));
        let text = metrics.encode(Format::Plain).unwrap();
        for lines in [
            "# HELP auth0_user_operator_reconcile_total Reconciliations by outcome, reason and cause.\n# TYPE auth0_user_operator_reconcile_total counter\nauth0_user_operator_reconcile_total{",
            "# TYPE auth0_user_operator_reconcile_duration_seconds histogram\nauth0_user_operator_reconcile_duration_seconds_sum{kind=\"Auth0UserUpdate\"} 0.03\n",
            "# TYPE auth0_user_operator_build_info gauge\nauth0_user_operator_build_info{version=\"",
            "auth0_user_operator_reconcile_total{kind=\"Auth0Tenant\",outcome=\"failed\",reason=\"InternalError\",why=\"unknown\"} 0\n",
        ] {
            assert!(text.contains(lines), "{lines}: {text}");
        }
        assert!(!text.contains("# UNIT") && !text.contains("# EOF"), "{text}");
    }

    #[test]
    fn a_bucket_names_its_trace_to_those_that_understand_it() {
        let (sent, metrics) = (Sent::default(), Metrics::default());
        let traces = sent.traces(Sampler::AlwaysOn);
        let trace = with_default(Registry::default().with(traces.layer()), || {
            let _root = tracing::info_span!("root").entered();
            metrics.pass(KINDS[0], "updated", "Applied", "edited", Duration::from_millis(30));
            metrics.request("PATCH", 200, Duration::from_millis(30));
            traces::id().unwrap().to_string()
        });
        let open = metrics.encode(Format::OpenMetrics).unwrap();
        for name in ["reconcile_duration_seconds", "auth0_request_seconds"] {
            let line = open.lines().find(|line| line.contains(name) && line.contains("# {")).unwrap();
            let (_, exemplar) = line.split_once(" 1 # ").unwrap();
            assert!(exemplar.starts_with(&format!("{{trace_id=\"{trace}\"}} 0.03 ")), "{line}");
        }
        assert!(open.ends_with("# EOF\n"), "{open}");
        let plain = metrics.encode(Format::Plain).unwrap();
        assert!(
            !plain.contains("trace_id") && plain.contains("le=\"0.05\",method=\"PATCH\"} 1\n"),
            "{plain}"
        );
        // The same samples, but for the trace; what the process uses changes all the time.
        let own = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.contains("process_")).map(str::to_owned).collect()
        };
        let untraced = Metrics::default();
        untraced.pass(KINDS[0], "updated", "Applied", "edited", Duration::from_millis(30));
        untraced.request("PATCH", 200, Duration::from_millis(30));
        assert_eq!(own(&untraced.encode(Format::Plain).unwrap()).len(), own(&plain).len());
    }
}
