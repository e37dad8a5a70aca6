//! Installing, upgrading and uninstalling on a control plane that nothing else uses.

use super::{CHART, KUSTOMIZE, NAME, ROOT, helm, objects, running};
use crate::world::update;
use lab::{ControlPlane, Kubectl, Mode};
use serde_json::{Value, json};
use std::path::Path;

/// Everything that the chart installs besides CRDs.
const KINDS: [&str; 13] = [
    "deployment",
    "service",
    "serviceaccount",
    "configmap",
    "poddisruptionbudget",
    "networkpolicy",
    "role",
    "rolebinding",
    "clusterrole",
    "clusterrolebinding",
    "servicemonitor",
    "podmonitor",
    "prometheusrule",
];
const CRDS: [&str; 2] = ["auth0tenants.auth0-user-operator.dev", "auth0userupdates.auth0-user-operator.dev"];

/// helm about the release, on this control plane.
async fn on(plane: &ControlPlane, words: &[&str], values: &Value) -> String {
    let kubeconfig = plane.kubeconfig().display().to_string();
    let release = ["--namespace", NAME, "--kubeconfig", &kubeconfig];
    helm(&[words, &release].concat(), values).await.ok().unwrap()
}

/// What is in the cluster of the release, by kind and name.
async fn installed(kubectl: &Kubectl) -> Vec<String> {
    let label = format!("--selector=app.kubernetes.io/instance={NAME}");
    let words = ["get", &KINDS.join(","), "--all-namespaces", &label, "--output=name"];
    let names = kubectl.run(words, "").await.unwrap().ok().unwrap();
    names.lines().map(str::to_owned).collect()
}

/// Whether this CRD is there.
async fn has(kubectl: &Kubectl, crd: &str) -> bool {
    kubectl.run(["get", "crd", crd], "").await.unwrap().status.success()
}

/// A chart as an older version would be: its CRD does not know `spec.output`.
fn older_chart(folder: &Path) -> String {
    let chart = folder.join("older");
    let copied = std::process::Command::new("cp").arg("-rL").arg(CHART).arg(&chart).status().unwrap();
    assert!(copied.success());
    let path = chart.join("files/crds/auth0userupdates.yaml");
    let mut crd = objects(&std::fs::read_to_string(&path).unwrap()).remove(0);
    let fields = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    crd.pointer_mut(fields).unwrap().as_object_mut().unwrap().remove("output").unwrap();
    std::fs::write(&path, crd.to_string()).unwrap();
    chart.display().to_string()
}

/// One after the other on one control plane: the first leaves it without the CRDs, as the second needs it.
#[tokio::test]
async fn releases_come_and_go() {
    let plane = ControlPlane::start().await.unwrap();
    plane.admin().run(["create", "namespace", "people"], "").await.unwrap().ok().unwrap();
    it_installs_upgrades_and_uninstalls(&plane).await;
    the_kustomize_base_works_and_a_release_takes_its_place(&plane).await;
    plane.stop().await.unwrap();
}

async fn it_installs_upgrades_and_uninstalls(plane: &ControlPlane) {
    let kubectl = plane.admin();
    let monitoring = format!("{ROOT}/target/checkers/prometheus-operator");
    kubectl.run(["apply", "--server-side", "--filename", &monitoring], "").await.unwrap().ok().unwrap();
    kubectl.until_established().await.unwrap();
    let (sandbox, ca) = running::auth0(plane).await;
    let mut values = json!({
        "allowedDomains": [sandbox.domain()], "secretNamespaces": ["people"], "replicaCount": 2,
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": ca}],
        "serviceMonitor": {"enabled": true}, "podMonitor": {"enabled": true},
        "prometheusRule": {"enabled": true}, "grafanaDashboard": {"enabled": true},
    });

    let older = older_chart(plane.dir());
    on(plane, &["install", NAME, &older, "--create-namespace", "--values", "-"], &values).await;
    let card = update("ann", json!({"output": "Mapped"}));
    let people = kubectl.in_namespace("people");
    let refused = people.submit(Mode::ServerSideApply, &card).await.unwrap();
    assert!(refused.stderr.contains(".spec.output"), "{refused}");

    // To the present version, as a package.
    let destination = plane.dir().display().to_string();
    let package = format!("{destination}/{NAME}-{}.tgz", env!("CARGO_PKG_VERSION"));
    helm(&["package", CHART, "--destination", &destination], &json!({})).await.ok().unwrap();
    let notes = on(plane, &["upgrade", NAME, &package, "--reset-then-reuse-values"], &values).await;
    assert!(notes.contains("watches all namespaces"), "{notes}");
    people.submit(Mode::ServerSideApply, &card).await.unwrap().ok().unwrap();
    let whole = installed(kubectl).await;
    for kind in KINDS {
        let is_one = |name: &String| name.split(['.', '/']).next() == Some(kind);
        assert!(whole.iter().any(is_one), "{kind}: {whole:?}");
    }
    let mut operator = running::start(plane, NAME, &[]).await;
    running::update_a_user(plane, &operator, &sandbox, "everywhere").await;
    assert!(kubectl.get(&format!("lease/{NAME}")).await.is_err(), "it lies in the release's namespace");
    assert!(kubectl.in_namespace(NAME).get(&format!("lease/{NAME}")).await.is_ok());
    operator.terminate().await.unwrap();

    // Other scopes mean other kinds of roles, and a lease of their own.
    values["scopedNamespaces"] = json!(["people"]);
    on(plane, &["upgrade", NAME, CHART, "--values", "-"], &values).await;
    let cluster_wide = installed(kubectl).await.into_iter().filter(|name| name.starts_with("clusterrole"));
    assert_eq!(cluster_wide.count(), 0);
    let mut operator = running::start(plane, NAME, &[]).await;
    running::update_a_user(plane, &operator, &sandbox, "scoped").await;
    let account = format!("--as=system:serviceaccount:{NAME}:{NAME}");
    for (namespace, answer) in [("people", "yes"), ("default", "no")] {
        let words = ["auth", "can-i", "list", "auth0userupdates", &account, "--namespace", namespace];
        assert_eq!(kubectl.run(words, "").await.unwrap().stdout.trim(), answer, "{namespace}");
    }
    operator.terminate().await.unwrap();
    values["scopedNamespaces"] = json!([]);
    on(plane, &["upgrade", NAME, CHART, "--values", "-"], &values).await;

    // Another release beside it leaves the CRDs to this one.
    let kubeconfig = plane.kubeconfig().display().to_string();
    let other = ["install", "other", CHART, "--namespace", "people", "--kubeconfig", &kubeconfig];
    let refused = helm(&other, &json!({})).await;
    assert!(refused.stderr.contains("CustomResourceDefinition") && !refused.status.success(), "{refused}");
    let without = [&other[..], &["--set", "crds.enabled=false"]].concat();
    helm(&without, &json!({})).await.ok().unwrap();

    // CRDs that the release gives up, or leaves behind, stay with what people wrote.
    values["crds"] = json!({"enabled": false});
    on(plane, &["upgrade", NAME, CHART, "--values", "-"], &values).await;
    assert!(has(kubectl, CRDS[0]).await && has(kubectl, CRDS[1]).await);
    values["crds"] = json!({"enabled": true});
    on(plane, &["upgrade", NAME, CHART, "--values", "-"], &values).await;
    on(plane, &["uninstall", NAME], &json!({})).await;
    assert!(has(kubectl, CRDS[0]).await && has(kubectl, CRDS[1]).await);
    assert_eq!(people.get("auth0userupdate/ann").await.unwrap()["spec"]["nickname"], "scoped");
    assert_eq!(installed(kubectl).await, [""; 0]);
    assert!(kubectl.in_namespace(NAME).get(&format!("secret/{NAME}-trigger-key")).await.is_ok());

    // The same release finds its CRDs again; without crds.keep they go with it.
    values["crds"] = json!({"keep": false});
    on(plane, &["install", NAME, CHART, "--values", "-"], &values).await;
    on(plane, &["uninstall", NAME], &json!({})).await;
    for crd in CRDS {
        let gone = ["wait", "--for=delete", "--timeout=30s", "crd", crd];
        kubectl.with_deadline(crate::world::DEADLINE).run(gone, "").await.unwrap().ok().unwrap();
    }
}

async fn the_kustomize_base_works_and_a_release_takes_its_place(plane: &ControlPlane) {
    let kubectl = plane.admin();
    let all = format!("{KUSTOMIZE}/all");
    kubectl.run(["apply", "--server-side", "--kustomize", &all], "").await.unwrap().ok().unwrap();
    let reader = format!("{NAME}-secret-reader");
    let account = format!("{NAME}:{NAME}");
    let grant = ["create", "rolebinding", &reader, "--clusterrole", &reader, "--serviceaccount", &account];
    kubectl.in_namespace("people").run(grant, "").await.unwrap().ok().unwrap();
    let (sandbox, ca) = running::auth0(plane).await;
    let domain = sandbox.domain();
    let surroundings =
        [("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", domain.as_str()), ("SSL_CERT_FILE", ca.to_str().unwrap())];
    let mut operator = running::start(plane, NAME, &surroundings).await;
    running::update_a_user(plane, &operator, &sandbox, "kustomize").await;
    operator.terminate().await.unwrap();

    // A Deployment's selector cannot be changed: that one goes first.
    kubectl.in_namespace(NAME).delete(&format!("deployment/{NAME}")).await.unwrap();
    let values = json!({"allowedDomains": [domain], "extraEnv": [{"name": "SSL_CERT_FILE", "value": ca}]});
    let take = ["--take-ownership", "--force-conflicts"];
    on(plane, &[&["install", NAME, CHART, "--values", "-"][..], &take].concat(), &values).await;
    let mut operator = running::start(plane, NAME, &[]).await;
    running::update_a_user(plane, &operator, &sandbox, "helm").await;
    operator.terminate().await.unwrap();
}
