//! What a comparison came to, for every form of output.

use crate::command::Problem;
use crate::command::diff::preview::Preview;
use std::collections::BTreeMap;

/// What a resource is told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It changes Auth0.
    #[default]
    Applies,
    /// Mode Observe: nothing is sent.
    Observes,
    /// Paused by annotation: nothing is sent.
    Paused,
}

/// One resource.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Namespace and name.
    pub resource: (String, String),
    /// The user.
    pub user_id: String,
    /// Host of the tenant; empty where it is not known.
    pub host: String,
    /// What it is told to do.
    pub state: State,
    /// Whether the user is as Auth0's search shows it, which lags by seconds.
    pub is_searched: bool,
    /// What it would send.
    pub preview: Preview,
}

impl Entry {
    /// Whether applying it changes the user, as far as can be told.
    #[must_use]
    pub fn differs(&self) -> bool {
        let preview = &self.preview;
        self.state == State::Applies && !(preview.requests.is_empty() && preview.unclear.is_empty())
    }

    /// Whether what is told of it may be a few seconds old.
    #[must_use]
    pub fn is_unconfirmed(&self) -> bool {
        self.is_searched && !self.preview.is_quiet()
    }

    /// Whether there is anything to tell of it.
    #[must_use]
    pub fn is_told(&self) -> bool {
        !self.preview.is_quiet() || !self.preview.notes.is_empty()
    }
}

/// All of it.
#[derive(Default)]
pub struct Report {
    /// Each resource, in the order of the manifests.
    pub entries: Vec<Entry>,
    /// Objects of other kinds, by kind.
    pub foreign: BTreeMap<String, usize>,
    /// Resources that could not be compared.
    pub uncompared: usize,
    /// Resources of tenants that were not asked for.
    pub elsewhere: usize,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// Leave values out.
    pub redact: bool,
}

impl Report {
    /// 0 without differences, 1 with, 2 where anything is refused or could not be compared.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let is_refused = self.entries.iter().any(|entry| !entry.preview.refusals.is_empty());
        if is_refused || !self.problems.is_empty() {
            return 2;
        }
        u8::from(self.entries.iter().any(Entry::differs))
    }

    /// One line.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |is: &dyn Fn(&Entry) -> bool| self.entries.iter().filter(|entry| is(entry)).count();
        let requests: usize = self
            .entries
            .iter()
            .filter(|entry| entry.differs())
            .map(|entry| entry.preview.requests.len())
            .sum();
        let differing = count(&Entry::differs);
        let always = [
            format!("{differing} with differences ({})", plural(requests, "request")),
            format!("{} without", count(&|entry| !entry.differs() && entry.preview.refusals.is_empty())),
        ];
        let where_any = [
            (count(&|entry| !entry.preview.refusals.is_empty()), "refused"),
            (count(&|entry| entry.state == State::Observes), "observed only"),
            (count(&|entry| entry.state == State::Paused), "paused"),
            (count(&Entry::is_unconfirmed), "by Auth0's search, which lags by seconds"),
            (self.uncompared, "not compared"),
            (self.elsewhere, "of other tenants left out"),
            (self.foreign.values().sum(), "of other kinds skipped"),
            (self.problems.len(), if self.problems.len() == 1 { "error" } else { "errors" }),
        ];
        let where_any = where_any.into_iter().filter(|(count, _)| *count > 0);
        let parts = always.into_iter().chain(where_any.map(|(count, what)| format!("{count} {what}")));
        let all = plural(self.entries.len() + self.uncompared, "resource");
        format!("{all}: {}", parts.collect::<Vec<_>>().join(", "))
    }
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
