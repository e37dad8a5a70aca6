//! The record of what was asked and answered.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One request to one of Auth0's endpoints (the admin side is not recorded).
///
/// It holds what was sent as it was sent, credentials included: it is for tests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// Counts from 1, in order of arrival, and is never reused.
    pub sequence: u64,
    /// HTTP method.
    pub method: String,
    /// The raw path with query, still percent-encoded.
    pub path: String,
    /// Request headers in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as JSON; a form becomes an object of strings; `None` if there was none or it is neither.
    pub body: Option<Value>,
    /// The body as it came, with what a JSON value does not keep: digits, order, repeats.
    #[serde(default)]
    pub text: Option<String>,
    /// The status answered; `None` while it is not answered, if the connection was cut, or if the client had
    /// given up before.
    pub status: Option<u16>,
    /// The JSON answered, if any.
    pub answer: Option<Value>,
    /// Whether a change of state took effect, whatever was answered.
    pub took_effect: bool,
}

impl Exchange {
    /// A request header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}
