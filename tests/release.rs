//! The workflows and forms under `.github`: what they use is named by digest, a release waits for every test, and its scripts do what they say. They
//! are run here with stand-ins for what needs a registry, a container engine or an identity. The versions of Kubernetes
//! that the documents name are those that the workflows test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by panicking")]

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(path)).unwrap()
}

fn workflow(name: &str) -> Value {
    serde_saphyr::from_str(&read(&format!(".github/workflows/{name}.yaml"))).unwrap()
}

#[test]
fn every_action_and_base_image_is_named_by_digest() {
    let is_hex =
        |text: &str, length| text.len() == length && text.chars().all(|digit| digit.is_ascii_hexdigit());
    let mut pins = BTreeMap::new();
    for name in ["ci", "release"] {
        let text = read(&format!(".github/workflows/{name}.yaml"));
        for used in text.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, used)| used) {
            if used.starts_with("./") {
                continue;
            }
            let (action, rest) = used.split_once('@').unwrap();
            let (commit, version) =
                rest.split_once(" # v").unwrap_or_else(|| panic!("{used} does not say its version"));
            assert!(is_hex(commit, 40) && version.split('.').count() == 3, "{used}");
            assert_eq!(
                pins.entry(action.to_owned()).or_insert(rest.to_owned()),
                rest,
                "{action} has two versions"
            );
        }
    }
    assert!(pins.len() > 8, "{pins:?}");
    let text = read("Dockerfile") + &read("tests/kind/read-metrics.sh");
    let beginnings = ["FROM ", "# syntax=", "image="];
    let images = text.lines().filter(|line| beginnings.iter().any(|beginning| line.starts_with(beginning)));
    let digests: Vec<&str> = images.map(|line| line.split_once("@sha256:").unwrap().1).collect();
    assert!(digests.len() == 4 && digests.iter().all(|rest| is_hex(&rest[..64], 64)), "{digests:?}");
}

#[test]
fn the_forms_for_issues_are_whole_and_every_owned_path_is_there() {
    for form in ["fault", "wish"] {
        let form: Value =
            serde_saphyr::from_str(&read(&format!(".github/ISSUE_TEMPLATE/{form}.yaml"))).unwrap();
        assert!(form["name"].is_string() && form["description"].is_string(), "{form}");
        let mut ids = BTreeSet::new();
        for field in form["body"].as_array().unwrap() {
            match field["type"].as_str().unwrap() {
                "markdown" => assert!(field["attributes"]["value"].is_string(), "{field}"),
                "input" | "dropdown" | "textarea" => {
                    assert!(field["attributes"]["label"].is_string(), "{field}");
                    assert!(ids.insert(field["id"].as_str().unwrap()), "{field}");
                }
                kind => panic!("GitHub knows no field of kind {kind}"),
            }
        }
    }
    let owners = read(".github/CODEOWNERS");
    for line in owners.lines().filter(|line| !line.starts_with('#')) {
        let (path, teams) = line.split_once(' ').unwrap();
        assert!(path == "*" || Path::new(ROOT).join(&path[1..]).exists(), "{path} is not there");
        assert!(teams.split(' ').all(|team| team.starts_with("@example/")), "{line}");
    }
}

#[test]
fn a_release_waits_for_everything_that_a_commit_has_to_pass() {
    let (ci, release) = (workflow("ci"), workflow("release"));
    assert!(ci["on"].as_object().unwrap().contains_key("workflow_call"));
    let commands = ci["jobs"].to_string();
    assert!(commands.contains("make test") && commands.contains("make kind IMAGE=operator"), "{commands}");
    assert_eq!(release["jobs"]["test"]["uses"], "./.github/workflows/ci.yaml");
    let jobs = release["jobs"].as_object().unwrap();
    let mut waiting = BTreeSet::from(["test"]);
    for _ in jobs {
        let waits = |job: &Value| {
            let needs = job["needs"].as_array().into_iter().flatten().chain(Some(&job["needs"]));
            needs.filter_map(Value::as_str).any(|need| waiting.contains(need))
        };
        let more: Vec<&str> =
            jobs.iter().filter(|(_, job)| waits(job)).map(|(name, _)| name.as_str()).collect();
        waiting.extend(more);
    }
    for (name, job) in jobs {
        let writes = job["permissions"].as_object().unwrap().values().any(|right| right == "write");
        assert!(!writes || waiting.contains(name.as_str()), "{name} writes before the tests have passed");
    }
    let platforms = |workflow: &Value| workflow["jobs"]["image"]["strategy"]["matrix"]["include"].clone();
    assert_eq!(platforms(&ci), platforms(&release));
    assert_eq!(platforms(&release).as_array().unwrap().len(), 2);
}

/// The minor version of Kubernetes that a `go.mod` of the tests pins.
fn kubernetes(module: &str) -> String {
    let text = read(&format!("tests/{module}/go.mod"));
    let (_, version) = text.split_once("k8s.io/kubernetes v").unwrap();
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

#[test]
fn the_versions_of_kubernetes_that_are_named_are_those_that_are_tested() {
    let [oldest, newest] = ["control-plane/oldest", "control-plane"].map(kubernetes);
    assert!(workflow("ci")["jobs"].to_string().contains("make oldest"));
    let chart: Value = serde_saphyr::from_str(&read("deploy/chart/Chart.yaml")).unwrap();
    assert_eq!(chart["kubeVersion"], format!(">={oldest}.0-0"));
    for page in ["README.md", "docs/operations.md", "deploy/chart/README.md"] {
        let text = read(page);
        let named: Vec<&str> = text.split("Kubernetes 1.").skip(1).collect();
        let minor = oldest.strip_prefix("1.").unwrap();
        let agrees = |named: &&str| named.starts_with(&format!("{minor} or newer"));
        assert!(!named.is_empty() && named.iter().all(agrees), "{page} names another version than {oldest}");
    }
    assert!(read("README.md").contains(&format!("setup-envtest@v0.25.1 use {newest}.x --print path")));
    let support = read("SUPPORT.md");
    for (version, module) in [(&oldest, "control-plane/oldest"), (&newest, "control-plane")] {
        assert!(support.contains(&format!("[{version}](tests/{module}/go.mod)")), "SUPPORT.md: {version}");
    }
}

/// A checkout with stand-ins for the programs that a release calls; each call becomes a line of `calls`.
struct Checkout(PathBuf);

impl Checkout {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("auth0-user-operator-{name}-{}", std::process::id()));
        for below in ["bin", "target/checkers", "target/dist", "deploy/chart", "deploy/kustomize/base"] {
            fs::create_dir_all(folder.join(below)).unwrap();
        }
        for file in ["Cargo.toml", "deploy/chart/Chart.yaml", "deploy/kustomize/base/kustomization.yaml"] {
            fs::copy(Path::new(ROOT).join(file), folder.join(file)).unwrap();
        }
        let log = folder.join("calls");
        for (program, says) in [
            (
                "bin/docker",
                "case \"$*\" in run*) echo 'kind: CustomResourceDefinition';; *inspect*) echo sha256:index;; esac",
            ),
            ("bin/cosign", "case \"$*\" in *--bundle*) touch \"$4\";; esac"),
            ("bin/gh", "cat notes.md"),
            ("bin/make", ":"),
            ("target/checkers/helm", "echo Pushed: x; echo Digest: sha256:chart"),
        ] {
            let path = folder.join(program);
            let name = program.rsplit('/').next().unwrap();
            fs::write(&path, format!("#!/bin/sh\necho \"{name} $*\" >> {}\n{says}\n", log.display()))
                .unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Self(folder)
    }

    /// Runs the script of a step as GitHub does, in the folder that the step names.
    fn run(&self, job: &str, id: &str, envs: &[(&str, &str)]) -> Output {
        let release = workflow("release");
        let steps = release["jobs"][job]["steps"].as_array().unwrap();
        let step =
            steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("{job} has no step {id}"));
        let mut bash = Command::new("bash");
        bash.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"].as_str().unwrap()]);
        bash.current_dir(self.0.join(step["working-directory"].as_str().unwrap_or(".")));
        bash.env("PATH", format!("{}:{}", self.0.join("bin").display(), std::env::var("PATH").unwrap()));
        for name in ["IMAGE", "CHARTS"] {
            bash.env(name, release["env"][name].as_str().unwrap());
        }
        bash.env("GITHUB_OUTPUT", self.0.join("output")).env("GITHUB_REF_NAME", format!("v{VERSION}"));
        bash.env("VERSION", VERSION).envs(envs.iter().copied()).output().unwrap()
    }

    /// The same, of a step that succeeds; what was called.
    fn calls(&self, job: &str, id: &str, envs: &[(&str, &str)]) -> Vec<String> {
        let _ = fs::remove_file(self.0.join("calls"));
        let output = self.run(job, id, envs);
        assert!(output.status.success(), "{job} {id}: {}", String::from_utf8_lossy(&output.stderr));
        let calls = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn changelog(&self, text: &str) {
        fs::write(self.0.join("CHANGELOG.md"), text).unwrap();
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_tag_that_disagrees_with_what_it_names_is_not_released() {
    let checkout = Checkout::new("tag");
    checkout.changelog(&read("CHANGELOG.md"));
    assert_eq!(checkout.calls("version", "version", &[]), [""; 0]);
    assert_eq!(fs::read_to_string(checkout.0.join("output")).unwrap(), format!("version={VERSION}\n"));
    assert!(!checkout.run("version", "version", &[("GITHUB_REF_NAME", "v99.0.0")]).status.success());
    checkout.changelog("# Changelog\n\n## Unreleased\n\n- All of it.\n");
    assert!(!checkout.run("version", "version", &[]).status.success(), "it has no part in the changelog");
}

#[test]
fn what_was_pushed_is_started_and_signed_by_its_digest() {
    let checkout = Checkout::new("image");
    let image = "ghcr.io/example/auth0-user-operator";
    let envs = [("DIGEST", "sha256:amd"), ("PLATFORM", "linux/amd64")];
    let calls = checkout.calls("image", "start", &envs);
    assert_eq!(calls[0], format!("docker pull --quiet --platform linux/amd64 {image}@sha256:amd"));
    assert!(
        calls[1].starts_with("docker run ") && calls[1].ends_with(&format!("{image}@sha256:amd crd")),
        "{calls:?}"
    );
    assert_eq!(calls[2..], [format!("make kind IMAGE={image}@sha256:amd")]);
    fs::write(checkout.0.join("digests/arm"), "").unwrap();
    let calls = checkout.calls("index", "index", &[]);
    let sources = format!("{image}@sha256:amd {image}@sha256:arm");
    assert_eq!(calls[0], format!("docker buildx imagetools create --tag {image}:{VERSION} {sources}"));
    assert_eq!(fs::read_to_string(checkout.0.join("output")).unwrap(), "digest=sha256:index\n");
    let calls = checkout.calls("index", "sign", &[("DIGEST", "sha256:index")]);
    assert_eq!(calls, [format!("cosign sign --yes --recursive {image}@sha256:index")]);

    // An image that starts and says something else ends the release.
    fs::write(checkout.0.join("bin/docker"), "#!/bin/sh\necho hello\n").unwrap();
    assert!(!checkout.run("image", "start", &envs).status.success());
}

#[test]
fn what_is_built_says_what_it_was_built_from() {
    let release = workflow("release");
    let inputs = |job: &str, action: &str| {
        let steps = release["jobs"][job]["steps"].as_array().unwrap().iter();
        let uses = |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action));
        steps.clone().find(uses).unwrap()["with"].clone()
    };
    let build = inputs("image", "docker/build-push-action@");
    assert_eq!(
        (&build["provenance"], &build["sbom"], &build["no-cache"]),
        (&json!("mode=max"), &json!(true), &json!(true))
    );
    assert_eq!(inputs("release", "actions/attest@")["subject-path"], "target/dist/*");
}

#[test]
fn every_file_of_a_release_is_signed_and_has_the_notes_of_its_version() {
    let checkout = Checkout::new("files");
    let files = ["SHA256SUMS", "crds.yaml", "install.yaml"];
    for file in files {
        fs::write(checkout.0.join("target/dist").join(file), "").unwrap();
    }
    let calls = checkout.calls("release", "chart", &[]);
    let chart = format!("auth0-user-operator-{VERSION}.tgz");
    assert_eq!(calls[0], format!("helm push target/dist/{chart} oci://ghcr.io/example/charts"));
    assert_eq!(calls[1], "cosign sign --yes ghcr.io/example/charts/auth0-user-operator@sha256:chart");
    let calls = checkout.calls("release", "sign", &[]);
    let signed = files.map(|file| {
        format!("cosign sign-blob --yes --bundle target/dist/{file}.sigstore.json target/dist/{file}")
    });
    assert_eq!(calls, signed);
    checkout.changelog(&format!(
        "# Changelog\n\n## Unreleased\n\n- Later.\n\n## {VERSION} - 2026-01-31\n\n- This.\n\n## 0.0.1 - 2025-01-31\n\n- Before.\n"
    ));
    let output = checkout.run("release", "publish", &[]);
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "- This.");
    let calls = fs::read_to_string(checkout.0.join("calls")).unwrap();
    let last = calls.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("gh release create v{VERSION} --verify-tag --notes-file notes.md ")),
        "{last}"
    );
    assert!(files.iter().all(|file| last.contains(&format!("target/dist/{file}.sigstore.json"))), "{last}");
}
