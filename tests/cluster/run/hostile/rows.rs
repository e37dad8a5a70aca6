//! What a hostile team may think of, and what is expected of it, written by hand.

mod others;
mod places;
mod sizes;

use crate::run::conditions;
use crate::world::{object, update};
use serde_json::{Value, json};

/// Where things are.
pub struct Places {
    /// The namespace of the tenants.
    pub platform: String,
    /// The namespace of the team that does no harm.
    pub honest: String,
    /// `HOST:PORT` of the stand-in for Auth0.
    pub auth0: String,
    /// The port of a listener on loopback that must not be called.
    pub port: u16,
    /// `ADDRESS:PORT` of the API server.
    pub api: String,
}

/// One thing that the team tries.
pub struct Row {
    /// The name of its last object.
    pub name: String,
    /// Manifests that are applied, with others before the one that the row is about.
    pub objects: Vec<String>,
    pub expected: Expected,
    /// The path that Auth0 may be asked about; nothing else is.
    pub asked: Option<&'static str>,
    /// Bodies that Auth0 receives for it.
    pub bodies: Vec<Value>,
    /// Rows of one group show the same and cost as much, apart from the names in `masked`.
    pub alike: Option<&'static str>,
    pub masked: Vec<String>,
}

#[derive(Clone, Copy)]
pub enum Expected {
    /// The API server refuses it, with these words.
    Refused(&'static str),
    /// Its conditions, as `conditions::row` puts them, with these words in one of them.
    Told(&'static str, &'static str),
    /// No status can be written; an event says these words.
    Noted(&'static str),
}

use Expected::{Noted, Refused, Told};

const APPLIED: Expected = Told("True/Applied True/InSync", "");
const NOT_ALLOWED: &str = "False/TenantNotAllowed Unknown/TenantNotAllowed Stalled";
const INVALID: &str = "False/InvalidRequest Unknown/InvalidRequest Stalled";

/// The password that the other team has set.
pub const RIGHT: &str = "Canary-Right-1";
/// What goes to Auth0's token endpoint alone.
pub const CREDENTIALS: &str = "canary-credentials-2";
/// Values of Secrets that go nowhere.
pub const KEPT: [&str; 3] = ["Canary-Wrong-3", "Canary-Unlabelled-4", "Canary-Mislabelled-5"];

impl Expected {
    /// Whether the present generation of an object is told this, or an event about it among these.
    pub fn is_told_by(self, object: &Value, events: &Value) -> bool {
        let status = &object["status"];
        match self {
            Refused(_) => false,
            Told(expected, words) => {
                conditions::row(object) == expected
                    && status["conditions"].to_string().contains(words)
                    && status["observedGeneration"] == object["metadata"]["generation"]
            }
            Noted(words) => events["items"].as_array().into_iter().flatten().any(|event| {
                let note = event["note"].as_str().unwrap_or_default();
                event["regarding"]["name"] == object["metadata"]["name"] && note.contains(words)
            }),
        }
    }
}

impl Row {
    fn of(name: &str, manifest: String, expected: Expected) -> Self {
        Self {
            name: name.to_owned(),
            objects: vec![manifest],
            expected,
            asked: None,
            bodies: Vec::new(),
            alike: None,
            masked: vec![name.to_owned()],
        }
    }

    fn asking(self, path: &'static str) -> Self {
        Self { asked: Some(path), ..self }
    }

    fn sending(self, body: Value) -> Self {
        Self { bodies: vec![body], ..self }
    }

    fn like(self, group: &'static str, masked: &str) -> Self {
        let masked = [self.masked, vec![masked.to_owned()]].concat();
        Self { alike: Some(group), masked, ..self }
    }

    fn after(mut self, manifest: String) -> Self {
        self.objects.insert(0, manifest);
        self
    }

    fn annotated(self, annotation: &str, value: &str) -> Self {
        self.edited(|manifest| manifest["metadata"]["annotations"] = json!({annotation: value}))
    }

    fn edited(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        let mut manifest: Value = serde_json::from_str(&self.objects[0]).unwrap();
        edit(&mut manifest);
        self.objects = vec![manifest.to_string()];
        self
    }
}

pub fn rows(at: &Places) -> Vec<Row> {
    let kinds = [
        places::domains(at),
        places::names(at),
        places::ids(at),
        others::secrets(at),
        others::tenants(at),
        others::users(at),
        sizes::sizes(at),
        sizes::annotations(at),
    ];
    kinds.into_iter().flatten().collect()
}

/// The resource `NAME` about a user of the tenant that was lent.
fn lent(at: &Places, name: &str, user_id: &str, mut card: Value, expected: Expected) -> Row {
    if card["tenantRef"].is_null() {
        card["tenantRef"] = json!({"name": "example", "namespace": at.platform});
    }
    card["userId"] = json!(user_id);
    Row::of(name, update(name, card), expected)
}

fn tenant(name: &str, mut spec: Value, expected: Expected) -> Row {
    if spec["credentialsSecretRef"].is_null() {
        spec["credentialsSecretRef"] = json!({"name": "credentials"});
    }
    Row::of(name, object("Auth0Tenant", name, &spec), expected)
}
