//! Markdown as GitHub and GitLab show it.

use super::value::{Shown, harmless, shown, text};
use crate::command::diff::preview::Request;
use crate::command::diff::report::{Entry, Report, State};
use std::fmt::Write as _;

/// The whole report.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut out = String::from("### Auth0 users\n\n");
    let _ = writeln!(out, "{}.", report.summary());
    for entry in report.entries.iter().filter(|entry| entry.is_told()) {
        of_entry(&mut out, entry, report.redact);
    }
    if !report.problems.is_empty() {
        out.push_str("\n#### Errors\n\n");
    }
    for problem in &report.problems {
        let _ = writeln!(out, "- {}", code(&problem.to_string()));
    }
    out
}

fn of_entry(out: &mut String, entry: &Entry, redact: bool) {
    let (namespace, name) = &entry.resource;
    let (resource, user) = (code(&format!("{namespace}/{name}")), code(&entry.user_id));
    let state = match entry.state {
        State::Applies => "",
        State::Observes => " (mode Observe: nothing is sent)",
        State::Paused => " (paused: nothing is sent)",
    };
    let _ = writeln!(out, "\n#### {resource} {user}{state}\n");
    let preview = &entry.preview;
    if !preview.requests.is_empty() {
        out.push_str("| request | field | before | after |\n|---|---|---|---|\n");
    }
    for (at, request) in preview.requests.iter().enumerate() {
        of_request(out, at + 1, request, redact);
    }
    let is_all = preview.unclear.is_empty()
        && preview.left.is_empty()
        && preview.refusals.is_empty()
        && preview.notes.is_empty();
    if !preview.requests.is_empty() && !is_all {
        out.push('\n');
    }
    for field in &preview.unclear {
        let _ = writeln!(out, "- {}: sent, unless it was before: only the operator can tell", code(field));
    }
    for field in &preview.left {
        let _ = writeln!(
            out,
            "- {}: differs and is not sent: Auth0 rejected this value, or did not keep it",
            code(field)
        );
    }
    for (fields, failure) in &preview.refusals {
        let fields: Vec<String> = fields.iter().map(|field| code(field)).collect();
        let what = if fields.is_empty() { String::new() } else { format!(" {}:", fields.join(", ")) };
        let _ = writeln!(out, "- **refused**{what} {}: {}", failure.reason.as_str(), code(&failure.message));
    }
    for note in &preview.notes {
        let _ = writeln!(out, "- note: {}", code(note));
    }
}

fn of_request(out: &mut String, number: usize, request: &Request, redact: bool) {
    for line in &request.changes {
        let (before, after) = match shown(line, redact) {
            Shown::Change(before, after) => (cell(&before), cell(&after)),
            Shown::Done(word) => (String::new(), word),
        };
        let _ = writeln!(out, "| {number} | {} | {before} | {after} |", cell(&line.field));
    }
    for (name, value) in &request.beside {
        let value = if redact { String::new() } else { cell(&text(value)) };
        let _ = writeln!(out, "| {number} | with {} | | {value} |", cell(name));
    }
}

/// The same in a table, where a bar ends a cell even in code.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// A span of code, in which nothing is a mark, a link or a mention.
fn code(text: &str) -> String {
    let text = harmless(text);
    let longest = text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let pad = if text.is_empty() || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_span_of_code() {
        for (text, expected) in [
            ("\"Ann\"", "`\"Ann\"`"),
            ("auth0|ann", "`auth0|ann`"),
            ("a`b", "``a`b``"),
            ("``", "``` `` ```"),
            ("@team <b>", "`@team <b>`"),
            ("a\nb", "`a\\u000ab`"),
            ("", "`  `"),
        ] {
            assert_eq!(code(text), expected);
        }
        assert_eq!(cell("auth0|ann"), "`auth0\\|ann`");
    }
}
