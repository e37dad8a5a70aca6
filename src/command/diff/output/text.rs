//! Text for a terminal.

use super::value::{Shown, harmless, shown, text};
use crate::command::diff::preview::Request;
use crate::command::diff::report::{Entry, Report, State};
use std::fmt::Write as _;

const BOLD: &str = "1";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// The whole report, in colours or without.
#[must_use]
pub fn render(report: &Report, colours: bool) -> String {
    let paint = Paint(colours);
    let mut out = String::new();
    for entry in report.entries.iter().filter(|entry| entry.is_told()) {
        of_entry(&mut out, entry, report.redact, paint);
        out.push('\n');
    }
    let _ = writeln!(out, "{}", report.summary());
    out
}

/// Whether to use colours.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn on(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn of_entry(out: &mut String, entry: &Entry, redact: bool, paint: Paint) {
    let (namespace, name) = &entry.resource;
    let title = harmless(&format!("{namespace}/{name}: {} at {}", entry.user_id, entry.host));
    let _ = writeln!(out, "{}", paint.on(BOLD, title.trim_end_matches(" at ")));
    let preview = &entry.preview;
    match entry.state {
        State::Applies => {}
        State::Observes => {
            let _ = writeln!(out, "  mode Observe: nothing is sent; Apply would send what follows");
        }
        State::Paused => {
            let _ =
                writeln!(out, "  paused by annotation: nothing is sent; without it, what follows would be");
        }
    }
    let count = preview.requests.len();
    for (at, request) in preview.requests.iter().enumerate() {
        let _ = writeln!(out, "  request {} of {count}", at + 1);
        of_request(out, request, redact, paint);
    }
    for field in &preview.unclear {
        let what = "sent, unless it was before: only the operator can tell";
        let _ = writeln!(out, "  {}: {}", harmless(field), paint.on(YELLOW, what));
    }
    for field in &preview.left {
        let what = "differs and is not sent: Auth0 rejected this value, or did not keep it";
        let _ = writeln!(out, "  {}: {}", harmless(field), paint.on(YELLOW, what));
    }
    for (fields, failure) in &preview.refusals {
        let fields: Vec<String> = fields.iter().map(|field| harmless(field)).collect();
        let what = if fields.is_empty() { String::new() } else { format!("{}: ", fields.join(", ")) };
        let reason = paint.on(RED, failure.reason.as_str());
        let _ = writeln!(out, "  refused: {what}{reason}: {}", harmless(&failure.message));
    }
    for note in &preview.notes {
        let _ = writeln!(out, "  note: {}", harmless(note));
    }
}

fn of_request(out: &mut String, request: &Request, redact: bool, paint: Paint) {
    for line in &request.changes {
        let what = match shown(line, redact) {
            Shown::Change(before, after) => {
                format!("{} → {}", paint.on(RED, &before), paint.on(GREEN, &after))
            }
            Shown::Done(word) => paint.on(GREEN, &word),
        };
        let _ = writeln!(out, "    {}: {what}", harmless(&line.field));
    }
    for (name, value) in &request.beside {
        let value = if redact { String::new() } else { format!(" {}", text(value)) };
        let _ = writeln!(out, "    with {name}{value}");
    }
}
