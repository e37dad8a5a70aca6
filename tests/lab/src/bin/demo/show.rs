//! How things are printed.

use auth0_sandbox::Exchange;
use serde_json::Value;

/// The parts of a user that the demo is about.
const SHOWN: [&str; 8] =
    ["name", "given_name", "family_name", "nickname", "email", "blocked", "user_metadata", "app_metadata"];

/// A heading.
pub(crate) fn heading(text: &str) {
    println!("\n── {text}");
}

/// A user, one field a line; fields that the user does not have are left out.
pub(crate) fn user(user: Option<&Value>) {
    let user = user.cloned().unwrap_or_default();
    for field in SHOWN.iter().filter(|field| !user[**field].is_null()) {
        println!("{field:14} {}", user[*field]);
    }
}

/// One request. Only changes are shown with their body, and never a password.
pub(crate) fn request(exchange: &Exchange) -> String {
    let status = exchange.status.map_or_else(|| "no answer".to_owned(), |code| code.to_string());
    let line = format!("{} {}  → {status}", exchange.method, exchange.path);
    match &exchange.body {
        Some(body) if exchange.method == "PATCH" => format!("{line}\n      {}", without_password(body)),
        _ => line,
    }
}

fn without_password(body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(password) = body.get_mut("password") {
        *password = "•••".into();
    }
    body
}

/// The lines of `new` that are not in `old`, and the other way round.
pub(crate) fn difference(old: &str, new: &str) {
    for line in old.lines().filter(|line| !new.lines().any(|other| other == *line)) {
        println!("- {line}");
    }
    for line in new.lines().filter(|line| !old.lines().any(|other| other == *line)) {
        println!("+ {line}");
    }
}

/// The status of an object, which is the last part of its YAML.
pub(crate) fn status_part(yaml: &str) -> &str {
    yaml.find("\nstatus:").map_or("status: none", |start| yaml[start..].trim())
}

/// The end of a log.
pub(crate) fn last_lines(log: &str, count: usize) -> String {
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
