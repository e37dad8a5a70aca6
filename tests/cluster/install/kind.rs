//! The scripts that CI and a release run on kind, played here. `update-a-user.sh` has a control plane without a kubelet: the
//! test is what runs the Deployment's pod. `read-metrics.sh` has no docker: the test is what kube-state-metrics serves.

use super::chart::running;
use super::monitoring::cells;
use crate::world::DEADLINE;
use axum::{Router, routing::get};
use lab::{ControlPlane, wait_until};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAME: &str = "auth0-user-operator";

fn write_program(path: &Path, script: &str) {
    fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A kubectl whose `rollout status` waits for this test; everything else is the real one's.
fn write_kubectl(folder: &Path, real: &Path) {
    let script = format!(
        "case \" $* \" in *\" rollout status \"*)\n  touch {0}/installed\n  \
         while [ ! -e {0}/started ]; do sleep 0.1; done\n  exit 0;;\nesac\n\
         exec {1} \"$@\"",
        folder.display(),
        real.display()
    );
    write_program(&folder.join("kubectl"), &script);
}

#[tokio::test]
async fn the_script_for_kind_installs_the_chart_and_updates_a_user() {
    let stand_in = Path::new(env!("CARGO_BIN_EXE_auth0-user-operator")).with_file_name("auth0-sandbox");
    assert!(
        stand_in.is_file(),
        "{} is missing: run `cargo build -p auth0-sandbox` first",
        stand_in.display()
    );
    let plane = ControlPlane::start().await.unwrap();
    let folder = plane.dir().join("kind");
    fs::create_dir(&folder).unwrap();
    write_kubectl(&folder, plane.admin().program());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = format!("{}:{ROOT}/target/checkers:{}", folder.display(), std::env::var("PATH").unwrap());
    let mut script = Command::new(format!("{ROOT}/tests/kind/update-a-user.sh"));
    script.env("PATH", path).env("KUBECONFIG", plane.kubeconfig()).env("KUBERC", "off");
    script.env("STAND_IN", stand_in).env("ADDRESS", "192.0.2.1").env("LISTEN", "127.0.0.1");
    script.env("HOST", "localhost");
    script.env("PORT", port.to_string()).env("IMAGE_REPOSITORY", "operator").env("IMAGE_TAG", "trial");
    for home in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        script.env(home, folder.join("helm"));
    }
    let script = script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let script = tokio::task::spawn_blocking(move || script.wait_with_output().unwrap());
    let installed = wait_until("the chart's installation", DEADLINE, async || {
        if script.is_finished() || folder.join("installed").exists() {
            Ok(())
        } else {
            Err("not yet".to_owned())
        }
    });
    installed.await.unwrap();
    let operator = if script.is_finished() { None } else { Some(run_the_pod(&plane, &folder).await) };
    let output = script.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.ends_with("the operator has updated auth0|ann\n"), "{said}");
    let metered = wait_until("all that read-metrics.sh wants", DEADLINE, async || {
        let tenant = plane.admin().in_namespace("people").get("auth0tenant/stand-in").await.unwrap();
        let told = ["connectionsTotal", "checks", "events"].map(|field| !tenant["status"][field].is_null());
        if told == [true; 3] { Ok(()) } else { Err(tenant["status"].to_string()) }
    });
    metered.await.unwrap();
    operator.unwrap().terminate().await.unwrap();
    plane.stop().await.unwrap();
}

/// Starts what the Deployment says, with the image and the certificate that it names.
async fn run_the_pod(plane: &ControlPlane, folder: &Path) -> lab::Operator {
    let objects = plane.admin().in_namespace(NAME);
    let deployment = objects.get(&format!("deployment/{NAME}")).await.unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "operator:trial");
    assert_eq!(container["volumeMounts"][0]["mountPath"], "/etc/auth0-ca");
    let ca = objects.get("configmap/auth0-ca").await.unwrap()["data"]["ca.pem"].clone();
    let path = folder.join("ca.pem");
    fs::write(&path, ca.as_str().unwrap()).unwrap();
    let operator = running::start(plane, NAME, &[("SSL_CERT_FILE", path.to_str().unwrap())]).await;
    fs::write(folder.join("started"), "").unwrap();
    operator
}

/// What kube-state-metrics serves if it reads its file as `docs/operations.md` describes, when `ready` tells of ann.
fn metrics(ready: u8) -> String {
    let described = cells(include_str!("../../../docs/operations.md"), "### Metrics of each resource");
    let lines = described.iter().map(|row| {
        let (name, labels) = (row[0].trim_matches('`'), r#"condition="Ready",status="True""#);
        format!("{name}{{namespace=\"people\",name=\"ann\",{labels}}} {ready}\n")
    });
    lines.collect()
}

/// How the script ends, with a docker whose container serves `metrics`, and what docker was called with.
async fn read_metrics(folder: &Path, metrics: String) -> (bool, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/metrics", get(|| async { metrics }));
    let server = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    let calls = folder.join("calls");
    let docker = format!("echo \"$*\" >> {}\n[ \"$1\" != port ] || echo {address}", calls.display());
    write_program(&folder.join("docker"), &docker);
    let mut script = tokio::process::Command::new(format!("{ROOT}/tests/kind/read-metrics.sh"));
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    script.env("PATH", path).env("KUBECONFIG", "/kubeconfig-of-kind").env("NETWORK", "kind");
    let success = script.stdin(Stdio::null()).output().await.unwrap().status.success();
    server.abort();
    (success, fs::read_to_string(calls).unwrap())
}

#[tokio::test]
async fn the_script_for_kube_state_metrics_wants_what_is_described_of_a_user_who_is_ready() {
    let folder = std::env::temp_dir().join(format!("auth0-user-operator-state-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let (success, calls) = read_metrics(&folder, metrics(1)).await;
    assert!(success, "{calls}");
    let calls: Vec<&str> = calls.lines().collect();
    assert!(calls[0].starts_with("run ") && calls[0].contains("--volume /kubeconfig-of-kind:/kubeconfig:ro"));
    let file = calls[0].split(' ').find_map(|part| part.strip_suffix(":/config.yaml:ro")).unwrap();
    assert_eq!(file, format!("{ROOT}/deploy/monitoring/kube-state-metrics.yaml"));
    assert!(calls.last().unwrap().starts_with("rm --force "), "{calls:?}");
    assert!(!read_metrics(&folder, metrics(0)).await.0);
    fs::remove_dir_all(folder).unwrap();
}
