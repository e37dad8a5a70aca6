//! Refusals in the shape of Auth0's error bodies.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Rules;

/// An error answer: `{"statusCode","error","message"?,"errorCode"?}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// HTTP status; 400 when absent.
    #[serde(default = "bad_request")]
    pub status: u16,
    /// Auth0's sentence; empty: the answer has none (seen).
    #[serde(default)]
    pub message: String,
    /// Auth0's code; several recorded bodies have none.
    #[serde(default)]
    pub code: Option<String>,
}

fn bad_request() -> u16 {
    400
}

impl Refusal {
    /// A refusal without `errorCode`.
    #[must_use]
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), code: None }
    }

    /// The same with an `errorCode`.
    #[must_use]
    pub fn code(mut self, code: &str) -> Self {
        self.code = Some(code.to_owned());
        self
    }

    /// A 400 whose `errorCode` nobody has recorded: a switch decides about it.
    pub(crate) fn uncoded(message: impl Into<String>, rules: &Rules) -> Self {
        let refusal = Self::new(400, message);
        if rules.unknown_error_codes { refusal.code("operation_not_supported") } else { refusal }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(400, message).code("operation_not_supported")
    }

    pub(crate) fn unknown_connection() -> Self {
        Self::new(400, "The connection does not exist.").code("inexistent_connection")
    }

    /// A schema error about one property, worded as Auth0's validator does.
    pub(crate) fn payload(problem: &str, property: &str, description: &str) -> Self {
        let description = description.trim_end_matches('.');
        Self::new(
            400,
            format!("Payload validation error: '{problem}' on property {property} ({description})."),
        )
        .code("invalid_body")
    }

    /// The answer's body.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut body = json!({ "statusCode": self.status, "error": reason(self.status) });
        if !self.message.is_empty() {
            body["message"] = json!(self.message);
        }
        if let Some(code) = &self.code {
            body["errorCode"] = json!(code);
        }
        body
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        410 => "Gone",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
