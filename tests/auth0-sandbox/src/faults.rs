//! Faults on demand.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::mentions;

/// A fault, which requests it hits, and how often.
///
/// As JSON: `{"method":"PATCH","path_prefix":"/api/v2/users/","times":1,"kind":{"cut":{"after_effect":true}}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests whose raw path (still percent-encoded, with query) starts with this.
    #[serde(default)]
    pub path_prefix: Option<String>,
    /// Only requests whose body has this property at its root, or as `user_metadata.KEY` or
    /// `app_metadata.KEY` in it.
    #[serde(default)]
    pub body_key: Option<String>,
    /// Lets this many matching requests pass first.
    #[serde(default)]
    pub skip: u32,
    /// Ends after this many hits; absent: until the faults are cleared.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub kind: FaultKind,
}

/// What a fault does.
///
/// `Delay`, `WrongClock` and `NoRateHeaders` add to whatever else happens; of the other kinds only the
/// first that matches does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// Waits, before the request is looked at or after its change took effect.
    ///
    /// A client that gives up meanwhile changes nothing about it: the change takes effect after the wait. Only
    /// [`clear_faults`](crate::Sandbox::clear_faults) forgets such a request.
    Delay {
        /// How long at most: until the faults are cleared or the delays released.
        millis: u64,
        /// Whether the change takes effect before the wait.
        #[serde(default)]
        after_effect: bool,
    },
    /// Cuts the connection without an answer.
    Cut {
        /// Whether the change takes effect first.
        after_effect: bool,
    },
    /// Answers this status.
    Status {
        /// HTTP status.
        status: u16,
        /// JSON body; absent: a page of HTML, as a proxy in front of Auth0 would send.
        #[serde(default)]
        body: Option<Value>,
        /// Further headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Whether the change takes effect first.
        #[serde(default)]
        after_effect: bool,
    },
    /// Answers this text byte for byte, whatever it is.
    Raw {
        /// HTTP status.
        #[serde(default = "success")]
        status: u16,
        /// The body; it says that it is JSON unless a header says otherwise.
        body: String,
        /// Further headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// Whether the change takes effect first.
        #[serde(default)]
        after_effect: bool,
    },
    /// A 429 with the recorded body.
    RateLimited {
        /// `x-ratelimit-reset` this many seconds from now (may be negative); absent: no such headers.
        #[serde(default)]
        reset_in: Option<i64>,
    },
    /// A 404 that is not about a user: no `inexistent_user`.
    BareNotFound,
    /// A redirect to this address.
    Redirect {
        /// `Location`.
        location: String,
    },
    /// The change takes effect; the answer is no JSON although it says so.
    Garbage,
    /// The change takes effect; the JSON answer says it is `text/html`.
    WrongContentType,
    /// The change takes effect; the answer ends before its announced length.
    Truncated,
    /// The change takes effect; the answer is valid JSON of more than 4 MiB.
    Oversized,
    /// `Date` and `x-ratelimit-reset` come from a clock that is wrong by this many seconds.
    WrongClock {
        /// Positive: ahead.
        seconds: i64,
    },
    /// No `x-ratelimit-*` headers.
    NoRateHeaders,
}

fn success() -> u16 {
    200
}

impl Fault {
    /// A fault that hits every request until the faults are cleared.
    #[must_use]
    pub fn new(kind: FaultKind) -> Self {
        Self { method: None, path_prefix: None, body_key: None, skip: 0, times: None, kind }
    }

    /// Only for requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only for raw paths that start with this.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        self.path_prefix = Some(prefix.to_owned());
        self
    }

    /// Only for bodies with this root property, or metadata key (`user_metadata.KEY`).
    #[must_use]
    pub fn body_key(mut self, key: &str) -> Self {
        self.body_key = Some(key.to_owned());
        self
    }

    /// Lets this many matching requests pass first.
    #[must_use]
    pub fn skip(mut self, count: u32) -> Self {
        self.skip = count;
        self
    }

    /// Ends after this many hits.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    fn matches(&self, method: &str, path: &str, body: Option<&Value>) -> bool {
        self.times != Some(0)
            && self.method.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path_prefix.as_ref().is_none_or(|prefix| path.starts_with(prefix.as_str()))
            && self
                .body_key
                .as_ref()
                .is_none_or(|key| body.and_then(Value::as_object).is_some_and(|body| mentions(body, key)))
    }

    /// Counts a matching request; whether it is hit.
    fn hit(&mut self) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.times = self.times.map(|left| left.saturating_sub(1));
        true
    }

    fn adds(&self) -> bool {
        matches!(self.kind, FaultKind::Delay { .. } | FaultKind::WrongClock { .. } | FaultKind::NoRateHeaders)
    }
}

/// The faults that hit one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hits {
    pub(crate) added: Vec<FaultKind>,
    pub(crate) decisive: Option<FaultKind>,
}

/// Chooses the faults for a request and counts them.
pub(crate) fn strike(faults: &mut Vec<Fault>, method: &str, path: &str, body: Option<&Value>) -> Hits {
    let mut hits = Hits::default();
    for fault in faults.iter_mut().filter(|fault| fault.matches(method, path, body)) {
        let adds = fault.adds();
        if (!adds && hits.decisive.is_some()) || !fault.hit() {
            continue;
        }
        if adds {
            hits.added.push(fault.kind.clone());
        } else {
            hits.decisive = Some(fault.kind.clone());
        }
    }
    faults.retain(|fault| fault.times != Some(0));
    hits
}
