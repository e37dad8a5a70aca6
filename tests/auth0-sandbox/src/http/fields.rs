//! `fields` and `include_fields`.

use serde_json::{Map, Value};

/// Which keys of an object an answer shows.
pub(super) struct Fields {
    named: Vec<String>,
    include: bool,
}

impl Fields {
    pub(super) fn from(query: &[(String, String)]) -> Self {
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let named = value("fields").unwrap_or_default().split(',').map(str::trim);
        Self {
            named: named.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            include: value("include_fields") != Some("false"),
        }
    }

    /// The object with what was asked for, and with `always` in any case.
    pub(super) fn of(&self, mut object: Map<String, Value>, always: &[&str]) -> Map<String, Value> {
        if !self.named.is_empty() {
            object
                .retain(|key, _| always.contains(&key.as_str()) || self.named.contains(key) == self.include);
        }
        object
    }
}
