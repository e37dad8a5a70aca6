//! JSON: one object.

use super::value::harmless;
use crate::command::diff::preview::{Before, Line, Preview, Request, What};
use crate::command::diff::report::{Entry, Report, State};
use serde_json::{Value, json};

/// The whole report.
#[must_use]
pub fn render(report: &Report) -> String {
    let problems = report.problems.iter().map(ToString::to_string);
    let all = json!({
        "resources": report.entries.iter().map(|entry| of_entry(entry, report.redact)).collect::<Vec<_>>(),
        "summary": report.summary(),
        "errors": problems.collect::<Vec<_>>(),
        "skipped": report.foreign,
    });
    // Line ends are the form's own: those of values are escaped.
    let lines: Vec<String> = format!("{all:#}").lines().map(harmless).collect();
    lines.join("\n") + "\n"
}

fn of_entry(entry: &Entry, redact: bool) -> Value {
    let (namespace, name) = &entry.resource;
    let mut all = json!({
        "namespace": namespace, "name": name, "userId": entry.user_id, "host": entry.host,
        "state": match entry.state {
            State::Applies => "Apply",
            State::Observes => "Observe",
            State::Paused => "Paused",
        },
        "differs": entry.differs(), "confirmed": !entry.is_searched,
    });
    if let (Value::Object(all), Value::Object(preview)) = (&mut all, of_preview(&entry.preview, redact)) {
        all.extend(preview);
    }
    all
}

/// What one resource would send.
#[must_use]
pub fn of_preview(preview: &Preview, redact: bool) -> Value {
    let refusals = preview.refusals.iter().map(|(fields, failure)| {
        json!({"fields": fields, "reason": failure.reason.as_str(), "message": failure.message})
    });
    json!({
        "requests": preview.requests.iter().map(|request| of_request(request, redact)).collect::<Vec<_>>(),
        "refused": refusals.collect::<Vec<_>>(),
        "unclear": preview.unclear,
        "left": preview.left,
        "notes": preview.notes,
    })
}

fn of_request(request: &Request, redact: bool) -> Value {
    let sets_password = request.changes.iter().any(|line| line.what == What::PasswordSet);
    let changes: Vec<Value> = request.changes.iter().map(|line| of_line(line, redact)).collect();
    let mut all = json!({"method": "PATCH", "changes": changes, "setsPassword": sets_password});
    if !redact {
        all["body"] = json!(request.body);
    }
    all
}

fn of_line(line: &Line, redact: bool) -> Value {
    let mut all = json!({"field": line.field});
    match &line.what {
        What::PasswordSet => all["action"] = json!("set"),
        What::Mail(is_sent) => all["action"] = json!(if *is_sent { "send" } else { "send nothing" }),
        What::Changes(before, after) => {
            all["action"] = json!(if after.is_some() { "change" } else { "remove" });
            if !redact {
                if let Before::Known(before) = before {
                    all["before"] = json!(before);
                }
                all["after"] = json!(after);
            }
        }
    }
    all
}
