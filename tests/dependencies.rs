//! Every dependency is used by the package that names it, and has its reason in `docs/dependencies.md`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The folders of each package's sources.
const PACKAGES: [(&str, &[&str]); 4] = [
    ("", &["src", "tests"]),
    ("tests/auth0-sandbox", &["tests/auth0-sandbox/src", "tests/auth0-sandbox/tests"]),
    ("tests/bench", &["tests/bench/src"]),
    ("tests/lab", &["tests/lab/src"]),
];

fn dependencies(package: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(ROOT).join(package).join("Cargo.toml")).unwrap();
    let sections =
        manifest.split("\n[").filter(|section| section.split(']').next().unwrap().ends_with("dependencies"));
    let lines = sections.flat_map(|section| section.lines().skip(1)).filter(|line| !line.contains("path = "));
    lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
}

fn sources(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| {
            path.is_dir() && !path.join("Cargo.toml").exists()
                || path.extension().is_some_and(|end| end == "rs")
        })
        .map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).unwrap() })
        .collect()
}

#[test]
fn every_dependency_is_used() {
    for (package, folders) in PACKAGES {
        let text: String = folders.iter().map(|folder| sources(&Path::new(ROOT).join(folder))).collect();
        let words: BTreeSet<&str> =
            text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
        for name in dependencies(package) {
            assert!(
                words.contains(name.replace('-', "_").as_str()),
                "{package}/Cargo.toml: {name} is not used"
            );
        }
    }
}

#[test]
fn every_dependency_has_a_reason() {
    let document = fs::read_to_string(Path::new(ROOT).join("docs/dependencies.md")).unwrap();
    let (operator, tests) = document.split_once("\n## Tests").unwrap();
    // Go's modules have a path, or are said to be such.
    let crates = |text: &str| -> BTreeSet<String> {
        let cells = text
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(|row| row.split('|').nth(1).unwrap().trim());
        let cells = cells.filter(|cell| !cell.starts_with("crate") && !cell.contains(['/', '(']));
        cells.flat_map(|cell| cell.split(", ").map(str::to_owned)).collect()
    };
    let all: BTreeSet<String> = PACKAGES.iter().flat_map(|(package, _)| dependencies(package)).collect();
    let (operator, tests) = (crates(operator), crates(tests));
    assert_eq!(all, operator.union(&tests).cloned().collect(), "docs/dependencies.md");
    let own = dependencies("");
    assert!(operator.is_subset(&own), "{:?} is not the operator's", operator.difference(&own));
}
