//! `crds/*.yaml` and `docs/fields.md` say what the Rust types say.

#![allow(clippy::unwrap_used, reason = "a test says so by panicking")]

use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

/// Compares a file with what it should be; with `UPDATE_CRDS` set, writes it.
fn check(path: &str, current: &str) {
    let absolute = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_CRDS").is_some() {
        std::fs::write(&absolute, current).unwrap();
    }
    let committed = std::fs::read_to_string(&absolute).unwrap_or_default();
    assert!(committed == current, "{path} is stale: refresh it with `make crds`");
}

#[test]
fn the_committed_crds_are_current() {
    for crd in auth0_user_operator::api::crds() {
        check(&format!("crds/{}.yaml", crd.spec.names.plural), &serde_saphyr::to_string(&crd).unwrap());
    }
}

#[test]
fn the_page_of_fields_is_current() {
    let mut page = String::from(
        "# Fields\n\nEvery field of both kinds, made from `crds/` by `make crds`. `kubectl explain auth0userupdate.spec` \
         says the same at the prompt. What the fields mean together is in [Semantics](semantics.md).\n",
    );
    for crd in auth0_user_operator::api::crds() {
        kind(&mut page, &serde_json::to_value(&crd).unwrap()["spec"]);
    }
    check("docs/fields.md", &page);
}

fn kind(page: &mut String, crd: &Value) {
    let (names, version) = (&crd["names"], &crd["versions"][0]);
    let schema = &version["schema"]["openAPIV3Schema"];
    let kind = text(&names["kind"]);
    let columns = version["additionalPrinterColumns"].as_array().unwrap();
    let shown = |wide: bool| {
        let shown = columns.iter().filter(|column| column["priority"].is_null() != wide);
        shown.map(|column| text(&column["name"])).collect::<Vec<_>>().join(", ")
    };
    write!(
        page,
        "\n## {kind}\n\n{}\n\nShort name `{}`, category `{}`. `kubectl get` shows {}; with `-o wide` also {}.\n",
        text(&schema["description"]),
        text(&names["shortNames"][0]),
        text(&names["categories"][0]),
        shown(false),
        shown(true),
    )
    .unwrap();
    for part in ["spec", "status"] {
        let schema = &schema["properties"][part];
        write!(page, "\n### {kind} {part}\n\n{}\n", text(&schema["description"])).unwrap();
        let rules: Vec<String> = sentences(schema).map(|rule| format!("- {rule}\n")).collect();
        if !rules.is_empty() {
            write!(page, "\nThe API server rejects:\n\n{}", rules.concat()).unwrap();
        }
        page.push_str("\n| field | type | rules | |\n|---|---|---|---|\n");
        rows(page, "", schema);
    }
}

/// A row for each property, and for what is inside of it.
fn rows(page: &mut String, prefix: &str, schema: &Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut rules: Vec<String> = Vec::new();
        rules.extend(required.contains(&json!(name)).then(|| "required".to_owned()));
        constraints(&mut rules, "", property);
        constraints(&mut rules, "each ", &property["items"]);
        let (path, type_) = (format!("{prefix}{name}"), type_of(property));
        let (rules, said) = (rules.join("; "), text(&property["description"]).replace("\n\n", " "));
        writeln!(page, "| `{path}` | {type_} | {} | {} |", cell(&rules), cell(&said)).unwrap();
        rows(page, &format!("{path}."), property);
        rows(page, &format!("{path}[]."), &property["items"]);
    }
}

fn constraints(rules: &mut Vec<String>, of: &str, schema: &Value) {
    if let Some(choices) = schema["enum"].as_array() {
        let choices = choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ");
        rules.push(format!("{of}one of {choices}"));
    }
    let bounds = [
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " keys"),
        ("minimum", "maximum", ""),
    ];
    for (least, most, unit) in bounds {
        rules.extend(match (schema[least].as_f64(), schema[most].as_f64()) {
            (Some(least), Some(most)) => Some(format!("{of}{least} to {most}{unit}")),
            (Some(least), None) => Some(format!("{of}at least {least}{unit}")),
            (None, Some(most)) => Some(format!("{of}at most {most}{unit}")),
            (None, None) => None,
        });
    }
    rules.extend(schema["pattern"].as_str().map(|pattern| format!("{of}matches `{pattern}`")));
    rules.extend((schema["nullable"] == true).then(|| format!("{of}may be null")));
    rules.extend(sentences(schema).map(|sentence| format!("{of}{sentence}")));
}

/// What the API server answers where a CEL rule does not hold.
fn sentences(schema: &Value) -> impl Iterator<Item = &str> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| text(&rule["message"]))
}

fn type_of(schema: &Value) -> String {
    match (text(&schema["type"]), schema["x-kubernetes-list-type"].as_str()) {
        ("array", Some("set")) => format!("set of {}", type_of(&schema["items"])),
        ("array", _) => format!("list of {}", type_of(&schema["items"])),
        ("object", _) if schema["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&schema["additionalProperties"]))
        }
        ("", _) => "anything".to_owned(),
        (type_, _) => type_.to_owned(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Inside a table a bar ends the cell, also in code. Two stars would put the text between them into italics.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('*', "\\*").replace('\n', " ")
}
