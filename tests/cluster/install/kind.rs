//! `tests/kind/update-a-user.sh`, which CI and a release run on kind, played on a control plane without a kubelet: this
//! test is what runs the Deployment's pod.

use super::chart::running;
use crate::world::DEADLINE;
use lab::{ControlPlane, wait_until};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NAME: &str = "auth0-user-operator";

/// A kubectl whose `rollout status` waits for this test; everything else is the real one's.
fn write_kubectl(folder: &Path) {
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *\" rollout status \"*)\n  touch {0}/installed\n  \
         while [ ! -e {0}/started ]; do sleep 0.1; done\n  exit 0;;\nesac\n\
         exec {ROOT}/target/control-plane/kubectl \"$@\"\n",
        folder.display()
    );
    let path = folder.join("kubectl");
    fs::write(&path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
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
    write_kubectl(&folder);
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
