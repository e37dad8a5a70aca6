//! What the documents say is so: commands run, links lead somewhere, and nothing is left out of the lists.

use crate::world::{SCOPES, World, person, update};
use auth0_sandbox::Client;
use lab::{Kubectl, Operator};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What becomes of a documented command.
enum Checked {
    /// It is run here, in the order of its document.
    Here,
    /// The operator is started here with its flags.
    Started,
    /// This test runs what it runs.
    By(&'static str),
    /// A target of the Makefile.
    Target,
    /// A part of what `make test` runs: its test exists.
    Filter,
    /// It cannot be run where tests run, and why.
    Without(&'static str),
}

/// By how a command begins; the first that fits decides.
static COMMANDS: [(&str, Checked); 16] = [
    (
        "kubectl get auth0userupdates,auth0tenants --all-namespaces --output",
        Checked::By("install::upgrade::resources_become_v1"),
    ),
    ("kubectl apply --server-side -k deploy/kustomize/all", Checked::By("install::uninstall::deleting_the")),
    ("kubectl delete -k deploy/kustomize/", Checked::By("install::uninstall::deleting_the")),
    ("kubectl ", Checked::Here),
    ("cargo run --release -- run ", Checked::Started),
    ("make", Checked::Target),
    ("cargo test ", Checked::Filter),
    ("UPDATE_CRDS=1 cargo test ", Checked::Filter),
    ("CELL=", Checked::Filter),
    ("auth0-user-operator diff", Checked::By("tests/diff/printed.rs")),
    ("auth0-user-operator export", Checked::By("tests/export.rs")),
    ("kustomize build", Checked::By("tests/diff/printed.rs")),
    ("cargo fmt", Checked::By(".ci/run")),
    ("cargo clippy ", Checked::By(".ci/run")),
    ("helm ", Checked::By("install::chart::release::it_installs_upgrades_and_uninstalls")),
    ("docker build ", Checked::Without("not run: it needs a container engine")),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files below a folder with this ending.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = format!("{folder}/{}", entry.unwrap().file_name().to_string_lossy());
        if root().join(&path).is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The documents with commands for people, README first.
fn guides() -> Vec<String> {
    ["README.md", "CONTRIBUTING.md"].map(str::to_owned).into_iter().chain(files("docs", ".md")).collect()
}

/// Every document.
fn documents() -> Vec<String> {
    let mut all = guides();
    let others = ["CHANGELOG.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "SUPPORT.md"];
    all.extend(others.map(str::to_owned));
    all.extend(
        [".github", "examples", "tests", "deploy"].into_iter().flat_map(|folder| files(folder, ".md")),
    );
    all
}

/// The commands in the blocks of a shell, each with its continued lines and its here-document.
fn commands(document: &str) -> Vec<String> {
    let text = read(document);
    let mut commands = Vec::new();
    let mut lines = text.lines();
    while let Some(fence) = lines.find(|line| line.trim_start() == "```sh") {
        let margin = fence.len() - fence.trim_start().len();
        let mut block = lines.by_ref().map(|line| line.get(margin..).unwrap_or_default());
        while let Some(line) = block.next().filter(|line| *line != "```") {
            let mut command = line.to_owned();
            while command.ends_with('\\') {
                command = format!("{}{}", command.trim_end_matches('\\'), block.next().unwrap().trim_start());
            }
            if let Some((_, end)) = line.split_once("<<'") {
                let end = end.trim_end_matches('\'');
                for line in block.by_ref() {
                    command = format!("{command}\n{line}");
                    if line == end {
                        break;
                    }
                }
            }
            commands.extend((!command.is_empty() && !command.starts_with('#')).then_some(command));
        }
    }
    commands
}

fn checked(command: &str) -> &'static Checked {
    let found = COMMANDS.iter().find(|(beginning, _)| command.starts_with(beginning));
    &found.unwrap_or_else(|| panic!("no line of COMMANDS says what runs: {command}")).1
}

/// Whether a path of modules and a test, or the beginning of one, is there.
fn is_test(binary: &str, path: &str) -> bool {
    let single = format!("tests/{binary}.rs");
    let is_single = root().join(&single).is_file();
    let files = if is_single { vec![single] } else { files(&format!("tests/{binary}"), ".rs") };
    let (modules, last) = path.rsplit_once("::").unwrap_or(if is_single { ("", path) } else { (path, "") });
    let module = format!("/{}.rs", modules.replace("::", "/"));
    let mut holding = files.iter().filter(|file| modules.is_empty() || file.ends_with(&module));
    holding.any(|file| last.is_empty() || read(file).contains(&format!("fn {last}")))
}

fn check(command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
    let exists = match checked(command) {
        Checked::Here | Checked::Started | Checked::Without(_) => true,
        Checked::By(path) if path.contains("::") => is_test("cluster", path),
        Checked::By(path) => root().join(path).is_file(),
        Checked::Target => {
            let mut targets = words.iter().skip(1).filter(|word| !word.contains('='));
            targets.all(|target| read("Makefile").contains(&format!(".PHONY: {target}\n")))
        }
        Checked::Filter => match (after("--test"), after("--")) {
            (Some(binary), Some(filter)) => is_test(binary, filter),
            (Some(binary), None) => [format!("tests/{binary}.rs"), format!("tests/{binary}/main.rs")]
                .iter()
                .any(|path| root().join(path).is_file()),
            (None, _) => after("-p").is_none_or(|package| root().join("tests").join(package).is_dir()),
        },
    };
    assert!(exists, "nothing of that name is there: {command}");
}

#[test]
fn every_threat_and_every_guarantee_names_a_test_that_is_there() {
    let page = read("docs/security.md") + &read("README.md");
    let sources = files("src", ".rs");
    let mut count = 0;
    for named in page.split('`').skip(1).step_by(2) {
        let exists = match named.split_once(' ') {
            Some((binary @ ("cluster" | "plan"), path)) => is_test(binary, path),
            Some(("lib", path)) => {
                let name = path.rsplit("::").next().unwrap();
                sources.iter().any(|source| read(source).contains(&format!("fn {name}(")))
            }
            _ => continue,
        };
        assert!(exists, "{named}");
        count += 1;
    }
    assert!(count > 10, "{count}");
}

#[test]
fn every_documented_command_is_run_by_a_test() {
    for document in guides() {
        for command in commands(&document) {
            check(&command);
            let by = match checked(&command) {
                Checked::Here | Checked::Started => {
                    "docs::documents::what_readme_and_pages_tell_people_to_type_does_what_they_say"
                }
                Checked::By(path) => path,
                Checked::Target => "make",
                Checked::Filter => "make test",
                Checked::Without(what) => what,
            };
            println!("| {document} | `{}` | {by} |", command.lines().next().unwrap());
        }
    }
}

/// Types a command; the address is the stand-in's.
async fn run(world: &World, kubectl: &Kubectl, command: &str) {
    let command = command.replace("example.eu.auth0.com", &world.sandbox.domain());
    let mut output = kubectl.typed(&command, root()).await.unwrap();
    // Other tests install the same at the same time.
    if command.starts_with("kubectl apply ") && output.stderr.contains("AlreadyExists") {
        output = kubectl.typed(&command, root()).await.unwrap();
    }
    assert!(output.status.success(), "{command}\n{output}");
    println!("$ {command}\n{}", output.stdout);
}

/// Runs the operator as `cargo run` would; it watches the namespace of the documents only.
async fn start(world: &World, command: &str) -> Operator {
    let (_, arguments) = command.split_once(" -- ").unwrap();
    let ca = world.plane.dir().join("documents-ca.pem");
    world.sandbox.write_ca(&ca).unwrap();
    let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), world.plane.kubeconfig())
        .args(arguments.split_whitespace())
        .args(["--watch-namespace", "people", "--allowed-domain", &world.sandbox.domain()])
        .env("SSL_CERT_FILE", ca.to_str().unwrap());
    operator.start().await.unwrap()
}

#[tokio::test]
async fn what_readme_and_pages_tell_people_to_type_does_what_they_say() {
    let world = World::without_tenant("documents").await;
    for slug in ["ada", "ann"] {
        world.sandbox.put_user(person(slug, "People")).unwrap();
    }
    world.sandbox.put_client(Client::with_secret("CLIENT_ID", "CLIENT_SECRET").scopes(&SCOPES));
    // A kubeconfig of its own, whose namespace is the documents' one.
    let kubeconfig = world.plane.dir().join("kubeconfig-documents");
    std::fs::copy(world.plane.kubeconfig(), &kubeconfig).unwrap();
    let kubectl = Kubectl::new(&kubeconfig).unwrap();
    kubectl
        .run(["config", "set-context", "--current", "--namespace=people"], "")
        .await
        .unwrap()
        .ok()
        .unwrap();
    let mut operators = Vec::new();
    for document in guides() {
        for command in commands(&document) {
            match checked(&command) {
                Checked::Here => run(&world, &kubectl, &command).await,
                Checked::Started => operators.push(start(&world, &command).await),
                Checked::By(_) | Checked::Target | Checked::Filter | Checked::Without(_) => {}
            }
        }
        if document == "README.md" {
            let body = world.bodies_of("auth0|ada");
            assert_eq!((body.len(), &body[0]["name"]), (1, &json!("Ada Lovelace")));
            // The other pages speak of this one.
            kubectl.apply(&update("ann", json!({"nickname": "annie"}))).await.unwrap();
        }
    }
    assert_eq!(operators.len(), 1, "README starts one");
    let people = world.plane.admin().in_namespace("people");
    people.get("rolebinding/auth0-user-operator-secret-reader").await.unwrap();
    let annotations = people.get("a0uu/ada").await.unwrap()["metadata"]["annotations"].to_string();
    assert!(annotations.contains("/requested-at") && !annotations.contains("/paused"), "{annotations}");
}

/// The address of a heading, as GitHub makes it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(document: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

#[test]
fn the_versions_of_flux_and_argo_cd_that_are_named_are_those_of_the_judges() {
    let required = |file: &str, module: &str| {
        let text = read(file);
        let (_, rest) = text.split_once(&format!("\t{module} v")).unwrap();
        rest.lines().next().unwrap().to_owned()
    };
    // `make judges` takes it from the archive of kustomize-controller.
    let controller = "target/foreign-crds/kustomize-controller.mod";
    for module in ["github.com/fluxcd/pkg/ssa", "github.com/fluxcd/cli-utils"] {
        assert_eq!(required("tests/gitops/flux/go.mod", module), required(controller, module), "{module}");
    }
    let flux = required(controller, "github.com/fluxcd/kustomize-controller/api");
    let argo = required("tests/gitops/argo/go.mod", "github.com/argoproj/argo-cd/v3");
    for page in ["docs/gitops.md", "tests/gitops/README.md"] {
        for named in [format!("kustomize-controller {flux}"), format!("Argo CD {argo}")] {
            assert!(read(page).contains(&named), "{page} does not name {named}");
        }
    }
}

#[test]
fn every_link_leads_to_something() {
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        let folder = root().join(&document).parent().map(PathBuf::from).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, fragment) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(&document) } else { folder.join(path) };
            assert!(target.exists(), "{document}: {link} leads nowhere");
            assert!(
                fragment.is_empty() || anchors(&target).contains(fragment),
                "{document}: {link} has no such heading"
            );
        }
        // What is named as a path of the repository is one.
        for code in text.split('`').skip(1).step_by(2) {
            let begins = ["src/", "tests/", "docs/", "deploy/", "examples/", "crds/"]
                .iter()
                .any(|top| code.starts_with(top));
            let plain = !code.contains(|letter: char| letter.is_whitespace() || "*{<".contains(letter));
            assert!(
                !begins || !plain || root().join(code).exists() || folder.join(code).exists(),
                "{document}: {code} is not there"
            );
        }
    }
    assert!(links > 30, "{links}");
}

#[test]
fn every_page_is_in_the_site() {
    let summary = read("site/SUMMARY.md");
    let links = summary.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned());
    let listed: BTreeSet<String> = links.collect();
    let pages = documents().into_iter().filter(|page| {
        // Forms, and what is about one folder only.
        let is_own = [".github/", "tests/control-plane/", "tests/gitops/"];
        !is_own.iter().any(|folder| page.starts_with(folder))
    });
    assert_eq!(listed, pages.collect(), "left: site/SUMMARY.md; right: the pages");
}

#[test]
fn every_module_has_its_sentence() {
    let page = read("docs/architecture.md");
    let part = page.split("## Files").nth(1).unwrap().split("\n## ").next().unwrap();
    let first_cells = part.lines().filter_map(|line| line.strip_prefix("| `")?.split(" |").next());
    let entries = first_cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `"));
    let described: BTreeSet<&str> = entries.map(|name| name.rsplit('/').next().unwrap()).collect();
    let sources = files("src", ".rs").into_iter().filter(|path| !path.contains("tests"));
    let modules: BTreeSet<String> =
        sources.map(|path| path.trim_end_matches(".rs").rsplit('/').next().unwrap().to_owned()).collect();
    let modules: BTreeSet<&str> = modules.iter().map(String::as_str).collect();
    assert_eq!(described, modules, "left: docs/architecture.md; right: src/");
}

#[test]
fn every_reason_says_what_to_do() {
    let words = read("src/api/reason.rs");
    let list = words.split("const ALL").nth(1).unwrap().split("];").next().unwrap();
    let reasons: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(reasons.len() > 20, "{reasons:?}");
    let page = read("docs/semantics.md");
    let part = page.split("### Reasons").nth(1).unwrap().split("\n##").next().unwrap();
    let rows: BTreeSet<&str> =
        part.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, reasons, "left: docs/semantics.md; right: src/api/reason.rs");
}
