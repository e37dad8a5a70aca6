//! What the operator counts, for Prometheus. No label holds a resource's name, a user or a message.

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

const PREFIX: &str = "auth0_user_operator";

/// All metrics; each is described where it is registered.
pub struct Metrics {
    registry: Registry,
    passes: Family<PassLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<MethodLabels, Histogram>,
    waiting: Family<LaneLabels, Gauge>,
    waiting_seconds: Family<LaneLabels, Gauge>,
    budget: Family<HostLabels, Gauge>,
    resources: Family<ResourceLabels, Gauge>,
    leader: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PassLabels {
    kind: &'static str,
    outcome: &'static str,
    reason: &'static str,
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
struct LaneLabels {
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HostLabels {
    host: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResourceLabels {
    kind: &'static str,
    ready: String,
    reason: String,
}

/// What waits in one lane.
pub struct Waiting {
    /// The lane's name.
    pub lane: &'static str,
    /// How many resources.
    pub count: usize,
    /// For how long the oldest has.
    pub oldest: Duration,
}

/// From 25 ms to 13 s: a call to Auth0 takes no longer than 12.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.025, 2.0, 10))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let (passes, requests) = (Family::default(), Family::default());
        let request_seconds =
            Family::<MethodLabels, Histogram>::new_with_constructor(buckets as fn() -> Histogram);
        let (waiting, waiting_seconds, budget) = (Family::default(), Family::default(), Family::default());
        let (resources, leader) = (Family::default(), Gauge::default());
        registry.register("passes", "Passes, by what came of them", passes.clone());
        registry.register("auth0_requests", "Requests to Auth0; status 0: no answer", requests.clone());
        registry.register_with_unit(
            "auth0_request",
            "Time until Auth0 had answered",
            Unit::Seconds,
            request_seconds.clone(),
        );
        registry.register("waiting_resources", "Resources that wait for the budget", waiting.clone());
        registry.register_with_unit(
            "waiting_oldest",
            "For how long the first of them has waited",
            Unit::Seconds,
            waiting_seconds.clone(),
        );
        registry.register(
            "auth0_budget_remaining",
            "Requests that Auth0 last said were left",
            budget.clone(),
        );
        registry.register("resources", "Resources by their Ready condition", resources.clone());
        registry.register("leader", "Whether this process does the work", leader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What runs", build);
        Self {
            registry,
            passes,
            requests,
            request_seconds,
            waiting,
            waiting_seconds,
            budget,
            resources,
            leader,
        }
    }
}

impl Metrics {
    /// A pass ended; `reason` is a word of the closed list of reasons.
    pub fn pass(&self, kind: &'static str, outcome: &'static str, reason: &'static str) {
        self.passes.get_or_create(&PassLabels { kind, outcome, reason }).inc();
    }

    /// Auth0 answered a request with this status, or did not (0).
    pub fn request(&self, method: &str, status: u16, elapsed: Duration) {
        let method = method.to_owned();
        self.requests.get_or_create(&RequestLabels { method: method.clone(), status }).inc();
        self.request_seconds.get_or_create(&MethodLabels { method }).observe(elapsed.as_secs_f64());
    }

    /// Whether this process does the work now.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// What waits now.
    pub fn set_waiting(&self, lanes: impl IntoIterator<Item = Waiting>) {
        for Waiting { lane, count, oldest } in lanes {
            let labels = LaneLabels { lane };
            self.waiting.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            let seconds = i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX);
            self.waiting_seconds.get_or_create(&labels).set(seconds);
        }
    }

    /// What Auth0 said was left, for each host.
    pub fn set_budget(&self, hosts: impl IntoIterator<Item = (String, u32)>) {
        self.budget.clear();
        for (host, remaining) in hosts {
            self.budget.get_or_create(&HostLabels { host }).set(i64::from(remaining));
        }
    }

    /// The resources there are: kind, status of Ready and its reason.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = (&'static str, String, String)>) {
        self.resources.clear();
        for (kind, ready, reason) in resources {
            self.resources.get_or_create(&ResourceLabels { kind, ready, reason }).inc();
        }
    }

    /// All of it in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// None that is known; the encoder's signature has one.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
