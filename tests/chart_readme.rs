//! `deploy/chart/README.md` says what `Chart.yaml` and the comments of `values.yaml` say.

#![allow(clippy::unwrap_used, reason = "a test says so by panicking")]

use serde_json::Value;
use std::fmt::Write as _;

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");

const INSTALL: &str = "\
Nothing is published yet: build an image and name it.

```sh
helm install auth0-user-operator deploy/chart --namespace auth0-user-operator --create-namespace \\
  --set image.repository=registry.example.com/auth0-user-operator
```

[Operations](https://github.com/example/auth0-user-operator/blob/main/docs/operations.md#with-helm) describes upgrades, \
several releases, OpenShift, IPv6 and how to uninstall.

A key that the chart does not know is rejected.
";

/// A value as `values.yaml` shows it: where it is, and the comment above it.
struct Entry {
    path: Vec<String>,
    comment: String,
}

/// A group of values under a heading.
struct Group {
    heading: String,
    entries: Vec<Entry>,
}

fn read(name: &str) -> String {
    std::fs::read_to_string(format!("{CHART}/{name}")).unwrap()
}

/// Keys and comments of YAML in blocks of two spaces. A comment is about the key below it.
fn groups(yaml: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let (mut path, mut comment): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
    for line in yaml.lines() {
        let text = line.trim_start();
        if let Some(heading) = text.strip_prefix("## ") {
            groups.push(Group { heading: heading.to_owned(), entries: Vec::new() });
        } else if let Some(more) = text.strip_prefix("# ") {
            comment.push(more);
        } else if let Some((key, _)) = text.split_once(':').filter(|(key, _)| !key.starts_with("- ")) {
            path.truncate((line.len() - text.len()) / 2);
            path.push(key.to_owned());
            let entry = Entry { path: path.clone(), comment: std::mem::take(&mut comment).join(" ") };
            groups.last_mut().unwrap().entries.push(entry);
        } else {
            comment.clear();
        }
    }
    groups
}

/// Rows of a table: what has a default of its own, and what a comment speaks of.
fn rows(entries: &[Entry], values: &Value) -> String {
    let mut rows = String::new();
    for Entry { path, comment } in entries {
        // What is inside of a list has none.
        let Some(value) = values.pointer(&format!("/{}", path.join("/"))) else { continue };
        let is_map = value.as_object().is_some_and(|map| !map.is_empty());
        let explained = |entry: &Entry| path.starts_with(&entry.path) && !entry.comment.is_empty();
        assert!(is_map || entries.iter().any(explained), "values.yaml: {path:?} has no comment");
        if is_map && comment.is_empty() {
            continue;
        }
        let default = if is_map { String::new() } else { format!("`{value}`") };
        let cells =
            [&format!("`{}`", path.join(".")), &default, comment].map(|cell| cell.replace('|', "\\|"));
        writeln!(rows, "| {} |", cells.join(" | ")).unwrap();
    }
    rows
}

#[test]
fn the_readme_of_the_chart_is_current() {
    let (about, text) = (read("Chart.yaml"), read("values.yaml"));
    let [about, values]: [Value; 2] = [&about, &text].map(|yaml| serde_saphyr::from_str(yaml).unwrap());
    let [name, description, kubernetes] =
        ["name", "description", "kubeVersion"].map(|key| about[key].as_str().unwrap());
    let kubernetes = kubernetes.trim_start_matches(">=").trim_end_matches(".0-0");
    let mut page = format!(
        "# {name}\n\n{description}. For Kubernetes {kubernetes} or newer. Made from `Chart.yaml` and `values.yaml` by \
         `make crds`.\n\n{INSTALL}"
    );
    for Group { heading, entries } in groups(&text) {
        let head = "| value | default | |\n|---|---|---|";
        write!(page, "\n## {heading}\n\n{head}\n{}", rows(&entries, &values)).unwrap();
    }
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(format!("{CHART}/README.md"), &page).unwrap();
    }
    let committed = std::fs::read_to_string(format!("{CHART}/README.md")).unwrap_or_default();
    assert!(committed == page, "deploy/chart/README.md is stale: refresh it with `make crds`");
}
