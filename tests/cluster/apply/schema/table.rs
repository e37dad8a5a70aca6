//! Many specs at once, through `kubectl create` and through server-side apply.

use crate::world::{self, install_crds, object};
use lab::{ControlPlane, Kubectl, Mode, Output};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::join;

/// What the API server has to make of a spec.
pub enum Verdict {
    /// Stored exactly as written, nulls included.
    Admitted,
    /// Refused, with these words in the message.
    Refused(&'static [&'static str]),
    /// The null is no value of this field: `create` leaves it out, server-side apply refuses it with these
    /// words in the message.
    NoNull(&'static [&'static str]),
}

/// A spec and what becomes of it.
pub struct Case {
    spec: Value,
    verdict: Verdict,
}

/// A whole spec, for any kind.
pub fn whole(spec: Value, verdict: Verdict) -> Case {
    Case { spec, verdict }
}

/// The shortest `Auth0UserUpdate` with these fields.
pub fn with(fields: Value, verdict: Verdict) -> Case {
    let mut spec = json!({"tenantRef": {"name": "example"}, "userId": "auth0|ann", "passEmptyValues": "Yes"});
    merge(&mut spec, fields);
    whole(spec, verdict)
}

/// This field of an `Auth0UserUpdate`, with each of these values, admitted.
pub fn admitted<const N: usize>(field: &str, values: [Value; N]) -> impl Iterator<Item = Case> {
    values.into_iter().map(move |value| with(json!({field: value}), Verdict::Admitted))
}

/// The same, refused for one reason.
pub fn refused<const N: usize>(
    field: &str,
    values: [Value; N],
    words: &'static [&'static str],
) -> impl Iterator<Item = Case> {
    values.into_iter().map(move |value| with(json!({field: value}), Verdict::Refused(words)))
}

fn merge(spec: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { panic!("fields are an object: {fields}") };
    for (field, value) in fields {
        spec[field] = value;
    }
}

/// A namespace with the CRDs there, and kubectl in it.
pub async fn namespace(name: &str) -> Kubectl {
    let plane = ControlPlane::shared().await.unwrap();
    install_crds(plane).await;
    let (namespace, _) = world::namespace(plane, name).await;
    plane.admin().in_namespace(&namespace)
}

/// Hands every spec to the API server in both ways and compares what becomes of it. Names all that differ.
pub async fn judge(kind: &str, cases: impl IntoIterator<Item = Case>) {
    let cases: Vec<Case> = cases.into_iter().collect();
    let documents: Vec<String> =
        cases.iter().enumerate().map(|(index, case)| object(kind, &name(index), &case.spec)).collect();
    let manifest = documents.join("\n---\n");
    let (created, applied) = join!(
        answers(kind, &manifest, Mode::Create, cases.len()),
        answers(kind, &manifest, Mode::ServerSideApply, cases.len())
    );
    let mut surprises = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for (mode, answer) in [(Mode::Create, &created[index]), (Mode::ServerSideApply, &applied[index])] {
            if let Some(surprise) = case.surprise(mode, answer) {
                let shown: String = case.spec.to_string().chars().take(300).collect();
                surprises.push(format!("{mode:?} {shown}\n  {surprise}"));
            }
        }
    }
    assert!(!cases.is_empty() && surprises.is_empty(), "{}", surprises.join("\n"));
}

impl Case {
    fn surprise(&self, mode: Mode, answer: &Result<Value, String>) -> Option<String> {
        let (wanted, words) = match (&self.verdict, mode) {
            (Verdict::Admitted, _) => (Some(self.spec.clone()), &[][..]),
            (Verdict::NoNull(_), Mode::Create) => (Some(without_nulls(&self.spec)), &[][..]),
            (Verdict::NoNull(words) | Verdict::Refused(words), _) => (None, *words),
        };
        match (wanted, answer) {
            (Some(wanted), Ok(stored)) if wanted == *stored => None,
            (Some(_), Ok(stored)) => Some(format!("was stored as {stored}")),
            (Some(_), Err(message)) => Some(format!("was refused: {message}")),
            (None, Ok(_)) => Some(format!("was admitted; expected a refusal with {words:?}")),
            (None, Err(message)) => {
                let missing: Vec<_> = words.iter().filter(|word| !message.contains(**word)).collect();
                (!missing.is_empty()).then(|| format!("the message lacks {missing:?}: {message}"))
            }
        }
    }
}

fn without_nulls(spec: &Value) -> Value {
    let fields = spec.as_object().unwrap().clone().into_iter();
    Value::Object(fields.filter(|(_, value)| !value.is_null()).collect())
}

fn name(index: usize) -> String {
    format!("case-{index:03}")
}

/// For every case the stored spec, or what the refusal said.
async fn answers(kind: &str, manifest: &str, mode: Mode, count: usize) -> Vec<Result<Value, String>> {
    let kubectl = namespace("schema").await;
    let output = kubectl.submit(mode, manifest).await.unwrap();
    let list = kubectl.get(kind).await.unwrap();
    let stored: BTreeMap<&str, &Value> = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["metadata"]["name"].as_str().unwrap(), &item["spec"]))
        .collect();
    let refusals = refusals(&output);
    (0..count)
        .map(|index| match stored.get(name(index).as_str()) {
            Some(spec) => Ok((*spec).clone()),
            None => Err(refusals.iter().find(|text| text.contains(&name(index))).map_or_else(
                || panic!("{} is neither there nor refused: {output}", name(index)),
                Clone::clone,
            )),
        })
        .collect()
}

/// What kubectl printed, one text for each object; a refusal may have many lines.
fn refusals(output: &Output) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for line in output.stderr.lines() {
        match texts.last_mut() {
            Some(text) if !line.starts_with("The ") && !line.starts_with("Error") => {
                text.push('\n');
                text.push_str(line);
            }
            _ => texts.push(line.to_owned()),
        }
    }
    texts
}
