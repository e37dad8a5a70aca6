//! What an uninstall leaves behind, and that a later installation goes on from there.

use super::chart::running;
use crate::world::{DEADLINE, update};
use auth0_sandbox::Sandbox;
use lab::{ControlPlane, Mode, Operator};
use serde_json::json;
use std::path::{Path, PathBuf};
use tokio::process::Command;

const KUSTOMIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize");
pub const NAME: &str = "auth0-user-operator";

pub async fn kubectl(plane: &ControlPlane, words: &[&str]) -> String {
    plane.admin().with_deadline(DEADLINE).run(words, "").await.unwrap().ok().unwrap()
}

pub async fn install(plane: &ControlPlane, sandbox: &Sandbox, ca: &Path) -> Operator {
    apply(plane, sandbox, ca, ["-k", &format!("{KUSTOMIZE}/all")]).await
}

async fn apply(plane: &ControlPlane, sandbox: &Sandbox, ca: &Path, what: [&str; 2]) -> Operator {
    kubectl(plane, &[&["apply", "--server-side"][..], &what].concat()).await;
    plane.admin().until_established().await.unwrap();
    let domain = sandbox.domain();
    let surroundings =
        [("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", domain.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    running::start(plane, NAME, &surroundings).await
}

/// Applies a password for the user that `update_a_user` has updated, and waits until nothing is left to do.
pub async fn set_password(plane: &ControlPlane, nickname: &str) {
    let people = plane.admin().in_namespace("people").with_deadline(DEADLINE);
    let password = json!({"passwordSecretRef": {"name": "password", "key": "new"}, "nickname": nickname});
    let secret = lab::secret("password", &json!({"new": "Winter-Orchid-7"}));
    for manifest in [secret.to_string(), update("ann", password)] {
        people.submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    }
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "auth0userupdate/ann"];
    people.run(wait, "").await.unwrap().ok().unwrap();
}

/// Lets the operator read the Secrets of `people`, a new namespace.
pub async fn grant(plane: &ControlPlane) {
    kubectl(plane, &["create", "namespace", "people"]).await;
    let reader = format!("{NAME}-secret-reader");
    let account = format!("{NAME}:{NAME}");
    let grant = ["create", "rolebinding", &reader, "--clusterrole", &reader, "--serviceaccount", &account];
    kubectl(plane, &[&grant[..], &["--namespace", "people"]].concat()).await;
}

/// The files of a release, whose image has this digest.
async fn release(plane: &ControlPlane, digest: &str) -> PathBuf {
    let dist = plane.dir().join("dist");
    let arguments = [format!("DIST={}", dist.display()), format!("DIGEST={digest}")];
    let mut make = Command::new("make");
    // Not that make's jobs and variables that runs the tests.
    make.arg("dist").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("MAKEFLAGS");
    let output = make.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sums = String::from_utf8(output.stdout).unwrap();
    let files: Vec<&str> = sums.lines().filter_map(|line| Some(line.split_once("  ")?.1)).collect();
    let chart = format!("{NAME}-{}.tgz", env!("CARGO_PKG_VERSION"));
    assert_eq!(files, [&chart, "crds-and-namespace.yaml", "crds.yaml", "install.yaml", "operator.yaml"]);
    dist
}

#[tokio::test]
async fn deleting_the_operator_keeps_crds_resources_and_the_trigger_key() {
    let plane = ControlPlane::start().await.unwrap();
    let (sandbox, ca) = running::auth0(&plane).await;
    let mut operator = install(&plane, &sandbox, &ca).await;
    grant(&plane).await;
    running::update_a_user(&plane, &operator, &sandbox, "before").await;
    set_password(&plane, "before").await;
    operator.terminate().await.unwrap();

    kubectl(&plane, &["delete", "-k", &format!("{KUSTOMIZE}/base")]).await;
    let kinds = "deployment,serviceaccount,poddisruptionbudget,networkpolicy,role,rolebinding,clusterrole,clusterrolebinding";
    let ours = ["get", kinds, "--all-namespaces", "--output=name", "--selector"];
    let left =
        kubectl(&plane, &[&ours[..], &["app.kubernetes.io/part-of=auth0-user-operator"]].concat()).await;
    assert_eq!(left, "");
    for kept in [
        "crd/auth0tenants.auth0-user-operator.dev",
        "crd/auth0userupdates.auth0-user-operator.dev",
        "namespace/auth0-user-operator",
    ] {
        let object = plane.admin().get(kept).await.unwrap();
        assert_eq!(object["metadata"]["deletionTimestamp"], json!(null), "{kept}");
        let annotations = &object["metadata"]["annotations"];
        assert_eq!(annotations["kustomize.toolkit.fluxcd.io/prune"], "disabled", "{kept}");
        assert_eq!(annotations["argocd.argoproj.io/sync-options"], "Prune=false,Delete=false", "{kept}");
    }
    let operators = plane.admin().in_namespace(NAME);
    assert!(operators.get(&format!("secret/{NAME}-trigger-key")).await.is_ok());
    let people = plane.admin().in_namespace("people");
    let status = people.get("auth0userupdate/ann").await.unwrap()["status"].clone();
    assert_eq!(status["conditions"][0]["status"], "True", "{status}");

    // From here on with the files of a release in place of the folders.
    let digest = format!("sha256:{}", "0a".repeat(32));
    let dist = release(&plane, &digest).await;
    let file = |name: &str| dist.join(name).to_str().unwrap().to_owned();
    sandbox.clear_log();
    let mut operator = apply(&plane, &sandbox, &ca, ["-f", &file("install.yaml")]).await;
    let deployment = plane.admin().in_namespace(NAME).get(&format!("deployment/{NAME}")).await.unwrap();
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, &json!(format!("ghcr.io/example/{NAME}@{digest}")));
    running::update_a_user(&plane, &operator, &sandbox, "after").await;
    set_password(&plane, "after").await;
    operator.terminate().await.unwrap();
    assert_eq!(sandbox.effects("auth0|ann").passwords_set, 1, "{:?}", sandbox.patches());

    // Asked for, it takes everything along; a namespace waits for a controller that this control plane has not.
    kubectl(&plane, &["delete", "-f", &file("operator.yaml")]).await;
    kubectl(&plane, &["delete", "--wait=false", "-f", &file("crds-and-namespace.yaml")]).await;
    let gone = ["wait", "--for=delete", "--timeout=30s", "crd/auth0userupdates.auth0-user-operator.dev"];
    kubectl(&plane, &gone).await;
    let namespace = plane.admin().get(&format!("namespace/{NAME}")).await.unwrap();
    assert_ne!(namespace["metadata"]["deletionTimestamp"], json!(null));
    plane.stop().await.unwrap();
}
