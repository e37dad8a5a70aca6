//! The image can be built from what `.dockerignore` lets through, with the toolchain that everybody uses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const COMPILE: &str = "cargo auditable build --locked --release --bin auth0-user-operator";

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

/// What stands between the first `before` and the next `after`.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("{before:?} is not in {text}")).1;
    rest.split_once(after).unwrap_or_else(|| panic!("{after:?} does not follow {before:?}")).0
}

#[test]
fn the_image_agrees_with_the_files_that_it_repeats() {
    let dockerfile = read("Dockerfile");
    let (builder, debian) = between(&dockerfile, "FROM rust:", "@sha256:").split_once('-').unwrap();
    assert_eq!(builder, between(&read("rust-toolchain.toml"), "channel = \"", "\""), "rust-toolchain.toml");
    // The binary needs a glibc that is no older than its builder's.
    let base = between(&dockerfile, "FROM gcr.io/distroless/cc-", ":nonroot");
    assert!(
        [("bookworm", "debian12"), ("trixie", "debian13")].contains(&(debian, base)),
        "{debian} on {base}"
    );
    let deployment = read("deploy/kustomize/base/deployment.yaml");
    let (user, group) = between(&dockerfile, "USER ", "\n").split_once(':').unwrap();
    assert_eq!(user, between(&deployment, "runAsUser: ", "\n"));
    assert_eq!(group, between(&deployment, "runAsGroup: ", "\n"));
    assert_eq!(between(&dockerfile, "EXPOSE ", "\n"), between(&deployment, "containerPort: ", "\n"));
}

#[test]
fn the_build_stage_has_every_file_that_cargo_needs() {
    let folder = Folder::new("image");
    // The crates' graph needs every manifest and the lock file as they are, but compiles nothing.
    run_build_stage(
        &folder.0,
        "cargo tree --quiet --locked --offline --edges normal --package auth0-user-operator",
    );
}

#[test]
#[ignore = "compiles everything for release, in minutes: cargo test --test image -- --ignored"]
fn the_build_stage_makes_the_operator() {
    let folder = Folder::new("image-build");
    run_build_stage(&folder.0, &COMPILE.replace(" auditable", ""));
    let operator = folder.0.join("target/release/auth0-user-operator");
    let output = Command::new(operator).arg("crd").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("auth0userupdates"), "an empty program");
}

/// Does what the Dockerfile's first stage does, with another command instead of [`COMPILE`].
fn run_build_stage(folder: &Path, compile: &str) {
    let dockerfile = read("Dockerfile");
    let stage = between(&dockerfile, " AS build\n", "\nFROM ");
    let lines: Vec<&str> = stage.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(stage.matches(COMPILE).count(), 2, "the dependencies, and the operator");
    for line in lines.join("\n").replace("\\\n", "").lines().filter(|line| !line.is_empty()) {
        match line.split_once(' ').unwrap() {
            ("WORKDIR", _) => {}
            // Of no use here: nothing asks for the list that it adds.
            ("RUN", command) if command.starts_with("cargo install ") => {}
            ("RUN", command) => {
                let mut shell = Command::new("sh");
                shell.args(["-euc", &command.replace(COMPILE, compile)]).current_dir(folder);
                let output = shell.env_remove("CARGO_TARGET_DIR").output().unwrap();
                assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
            }
            ("COPY", words) => {
                let (sources, target) = words.rsplit_once(' ').unwrap();
                sources.split(' ').for_each(|source| copy(source, folder, target));
            }
            (instruction, _) => panic!("this test does not know {instruction}"),
        }
    }
}

/// As COPY: a file goes into a folder whose name ends with a slash, and a folder's files into a folder.
fn copy(source: &str, folder: &Path, target: &str) {
    let path = Path::new(ROOT).join(source);
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let below = if Path::new(ROOT).join(source).join(&name).is_dir() {
                format!("{target}/{name}")
            } else {
                format!("{target}/")
            };
            copy(&format!("{source}/{name}"), folder, &below);
        }
        return;
    }
    assert!(is_let_through(source), "{source} is not let through by .dockerignore");
    assert!(target.ends_with('/'), "{target} may be a file");
    let target = folder.join(target);
    fs::create_dir_all(&target).unwrap();
    fs::copy(path, target.join(source.rsplit('/').next().unwrap())).unwrap();
}

/// `.dockerignore` begins with `*`, and then names what is let through; a star stands for one name.
fn is_let_through(path: &str) -> bool {
    let ignore = read(".dockerignore");
    let (first, rest) = ignore.split_once('\n').unwrap();
    assert_eq!(first, "*", "everything is ignored first");
    rest.lines().any(|line| {
        let wanted = line.strip_prefix('!').expect("only exceptions follow");
        let mut names = path.split('/');
        wanted.split('/').all(|want| names.next().is_some_and(|name| want == "*" || want == name))
    })
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("auth0-user-operator-{name}-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
