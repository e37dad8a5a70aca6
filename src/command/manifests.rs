//! Manifests as people keep them: files, folders and standard input, with any number of documents.

use crate::api::{Auth0Tenant, Auth0UserUpdate, GROUP, JsonMap, LAST_APPLIED_ANNOTATION};
use crate::command::Problem;
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::options;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Stands for standard input.
const STDIN: &str = "-";

/// The version of both kinds that is understood.
const VERSION: &str = "v1alpha1";

/// What a folder is read for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// Of a folder, what kustomize reads is no manifest.
const KUSTOMIZATION: &str = "kustomization";

/// What was found.
#[derive(Default)]
pub struct Manifests {
    /// The resources, each once, in the order in which they were read.
    pub updates: Vec<Auth0UserUpdate>,
    /// Tenants that are declared beside them.
    pub tenants: Vec<Auth0Tenant>,
    /// Namespace and name of each Secret.
    pub secrets: Vec<(String, String)>,
    /// How many there are of each other kind.
    pub foreign: BTreeMap<String, usize>,
    /// What could not be read, and where.
    pub problems: Vec<Problem>,
    /// Where each resource was read first.
    seen: HashMap<(String, String), String>,
    /// Namespace of what names none.
    namespace: String,
}

impl Manifests {
    /// Reads files, folders with all that is below them, and standard input (`-`). What cannot be read is a problem, and
    /// costs no other document. `namespace` is that of what names none.
    #[must_use]
    pub fn read(paths: &[PathBuf], namespace: &str) -> Self {
        let mut manifests = Self { namespace: namespace.to_owned(), ..Self::default() };
        for path in paths {
            if path.as_os_str() == STDIN {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
                manifests.take_file("standard input", read);
            } else if path.is_dir() {
                manifests.take_folder(path);
            } else {
                manifests.take_file(&path.display().to_string(), std::fs::read(path));
            }
        }
        manifests
    }

    /// How many documents were objects of Kubernetes.
    #[must_use]
    pub fn objects(&self) -> usize {
        self.updates.len() + self.tenants.len() + self.foreign.values().sum::<usize>()
    }

    fn take_folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut paths: Vec<PathBuf> = match entries {
            Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
            Err(error) => return self.problem(folder.display(), error),
        };
        paths.sort();
        let is_hidden =
            |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            let ending = path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known));
            // A link to a folder may lead back here, and reading a pipe may never end.
            if path.is_dir() && !path.is_symlink() {
                self.take_folder(&path);
            } else if ending
                && (path.is_file() || !path.exists())
                && path.file_stem().is_none_or(|stem| stem != KUSTOMIZATION)
            {
                self.take_file(&path.display().to_string(), std::fs::read(&path));
            }
        }
    }

    fn take_file(&mut self, file: &str, read: std::io::Result<Vec<u8>>) {
        let text = read.map_err(|error| error.to_string());
        let text =
            text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned()));
        match text {
            Ok(text) => self.take_text(file, &text),
            Err(error) => self.problem(file, error),
        }
    }

    fn take_text(&mut self, file: &str, text: &str) {
        let mut number = 0;
        for (line, document) in documents(text.trim_start_matches('\u{feff}')) {
            for parsed in parse(document, line) {
                if matches!(parsed, Ok(Value::Null)) {
                    continue;
                }
                number += 1;
                let place = format!("{file}, document {number}");
                match parsed {
                    Ok(value) => self.take(&place, value),
                    Err(error) => self.problem(place, error),
                }
            }
        }
    }

    fn take(&mut self, place: &str, mut value: Value) {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
            return self.problem(place, "is not a Kubernetes object: it has no apiVersion or no kind");
        };
        if let (true, Some(Value::Array(items))) = (kind.ends_with("List"), value.get_mut("items")) {
            let items = std::mem::take(items).into_iter().enumerate();
            return items.for_each(|(at, item)| self.take(&format!("{place}, item {}", at + 1), item));
        }
        match (version.split_once('/'), kind.as_str()) {
            (Some((GROUP, VERSION)), "Auth0UserUpdate") => self.take_update(place, &value),
            (Some((GROUP, VERSION)), "Auth0Tenant") => self.take_tenant(place, &value),
            (Some((GROUP, _)), _) => {
                self.problem(place, format!("{version} {kind} is unknown to this version of the program"));
            }
            _ => {
                if let (Some(name), "Secret") =
                    (value.pointer("/metadata/name").and_then(Value::as_str), &*kind)
                {
                    let namespace = value.pointer("/metadata/namespace").and_then(Value::as_str);
                    let namespace = namespace.unwrap_or(&self.namespace).to_owned();
                    self.secrets.push((namespace, name.to_owned()));
                }
                *self.foreign.entry(kind).or_default() += 1;
            }
        }
    }

    fn take_update(&mut self, place: &str, value: &Value) {
        let Some(mut update) = self.typed::<Auth0UserUpdate>(place, value) else { return };
        update.status = None;
        update.annotations_mut().remove(LAST_APPLIED_ANNOTATION);
        if let Some(named) = self.named(place, &mut update) {
            let known = self.seen.insert(named.clone(), place.to_owned());
            if let Some(first) = known {
                let (namespace, name) = named;
                return self.problem(
                    place,
                    format!("is {namespace}/{name}, and so is {first}: remove or rename one of them"),
                );
            }
            self.updates.push(update);
        }
    }

    fn take_tenant(&mut self, place: &str, value: &Value) {
        if let Some(mut tenant) = self.typed::<Auth0Tenant>(place, value)
            && self.named(place, &mut tenant).is_some()
        {
            self.tenants.push(tenant);
        }
    }

    /// Fills in the namespace. Answers with it and the name.
    fn named(&mut self, place: &str, object: &mut impl kube::Resource) -> Option<(String, String)> {
        let metadata = object.meta_mut();
        let namespace = metadata.namespace.get_or_insert_with(|| self.namespace.clone()).clone();
        let name = metadata.name.clone().filter(|name| !name.is_empty());
        if name.is_none() {
            self.problem(place, "has no metadata.name");
        }
        Some((namespace, name?))
    }

    fn typed<K: DeserializeOwned + serde::Serialize>(&mut self, place: &str, value: &Value) -> Option<K> {
        let text = value.to_string();
        let read = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text));
        let typed: K = match read {
            Ok(typed) => typed,
            Err(error) => {
                let (path, cause) = (error.path().to_string(), error.inner().to_string());
                self.problem(place, format!("{path}: {}", cause_without_value(&cause)));
                return None;
            }
        };
        let known = serde_json::to_value(&typed).unwrap_or_default();
        let unknown = unknown_fields(value.get("spec"), known.get("spec"));
        if !unknown.is_empty() {
            self.problem(place, format!("spec has no field {}", unknown.join(", ")));
            return None;
        }
        Some(typed)
    }

    fn problem(&mut self, place: impl Display, what: impl Display) {
        self.problems.push(Problem(format!("{place}: {what}")));
    }
}

/// What is expected, without the value that is there: it may be none to show.
fn cause_without_value(cause: &str) -> String {
    let (cause, _) = cause.rsplit_once(" at line ").unwrap_or((cause, ""));
    match cause.split_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None if cause.starts_with("missing field") || cause.starts_with("expected ") => cause.to_owned(),
        None => "cannot be read".to_owned(),
    }
}

/// Fields of a spec that its type does not have, which the API server would drop or refuse.
fn unknown_fields(written: Option<&Value>, known: Option<&Value>) -> Vec<String> {
    let empty = JsonMap::new();
    let written = written.and_then(Value::as_object).unwrap_or(&empty);
    let known = known.and_then(Value::as_object).unwrap_or(&empty);
    // An empty list or a null may be left out.
    let says = |value: &Value| !value.is_null() && *value != Value::Array(Vec::new());
    let unknown = written.iter().filter(|(name, value)| says(value) && !known.contains_key(*name));
    unknown.map(|(name, _)| name.clone()).collect()
}

/// The documents of a text, each with the number of lines before it. YAML ends a document at a line that begins with
/// `---` or `...`, wherever that stands.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let is_marker = |line: &str, marker: &str| {
        line.strip_prefix(marker)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
    };
    let (mut found, mut begin, mut first, mut at) = (Vec::new(), 0, 0, 0);
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line, "---") || is_marker(line, "...") {
            found.push((first, &text[begin..at]));
            (begin, first) = (at + 3, number);
        }
        at += line.len();
    }
    found.push((first, &text[begin..]));
    found
}

/// The values of a document: one of YAML, or any number of JSON, one after the other.
fn parse(document: &str, lines_before: usize) -> Vec<Result<Value, String>> {
    if document.trim_start().starts_with('{') {
        let values: Result<Vec<Value>, _> =
            serde_json::Deserializer::from_str(document).into_iter().collect();
        if let Ok(values) = values {
            return values.into_iter().map(Ok).collect();
        }
    }
    // As kubectl reads it: `yes` is true, and 010 is 8.
    let options = || options! { legacy_octal_numbers: true, with_snippet: false };
    let parsed = serde_saphyr::from_str_with_options::<Option<Value>>(document, options());
    let parsed = parsed.map(Option::unwrap_or_default).map_err(|error| {
        // So that the error tells the line of the file.
        let padded = "\n".repeat(lines_before) + document;
        let again = serde_saphyr::from_str_with_options::<Option<Value>>(&padded, options());
        again.err().map_or_else(|| error.to_string(), |error| error.to_string())
    });
    vec![parsed]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is read of a text, each document with its line.
    fn read(text: &str) -> Vec<(usize, Result<Value, String>)> {
        let documents = documents(text).into_iter();
        documents
            .flat_map(|(line, document)| parse(document, line).into_iter().map(move |value| (line, value)))
            .filter(|(_, value)| *value != Ok(Value::Null))
            .collect()
    }

    #[test]
    fn documents_end_where_yaml_ends_them() {
        let one = |line, value| vec![(line, Ok(value))];
        for (text, expected) in [
            ("", vec![]),
            ("---\n---\n# nothing\n---\n", vec![]),
            ("a: 1", one(0, json!({"a": 1}))),
            ("a: 1\r\n---\r\n", one(0, json!({"a": 1}))),
            ("--- {a: 1} # here\n", one(0, json!({"a": 1}))),
            ("a: |\n  x\n  ---\n  y\n", one(0, json!({"a": "x\n---\ny\n"}))),
            ("a: ---b\n", one(0, json!({"a": "---b"}))),
            ("---a: 1\n", one(0, json!({"---a": 1}))),
            ("a: 1\n...\n---\nb: 2\n", vec![(0, Ok(json!({"a": 1}))), (2, Ok(json!({"b": 2})))]),
            (
                "{\"a\": 1} {\"b\": 2}\n{\"c\": 3}",
                vec![(0, Ok(json!({"a": 1}))), (0, Ok(json!({"b": 2}))), (0, Ok(json!({"c": 3})))],
            ),
            ("{a: 1}", one(0, json!({"a": 1}))),
        ] {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_without_its_value() {
        for (cause, told) in [
            ("invalid type: string \"secret\", expected a boolean at line 1 column 7", "expected a boolean"),
            ("missing field `userId` at line 1 column 7", "missing field `userId`"),
            ("expected Yes, No, true or false at line 1 column 7", "expected Yes, No, true or false"),
            ("secret is no word for it", "cannot be read"),
        ] {
            assert_eq!(cause_without_value(cause), told);
        }
    }

    #[test]
    fn fields_that_no_spec_has_are_found_and_blanks_are_none() {
        let known = json!({"a": 1});
        let found = |written: Value| unknown_fields(Some(&written), Some(&known));
        assert_eq!(found(json!({"a": 1, "b": 2, "c": null, "d": []})), ["b"]);
        assert!(unknown_fields(None, None).is_empty());
    }
}
