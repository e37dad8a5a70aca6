//! The operator under the restrictions that its Deployment asks for, in a container that `runc` makes from a
//! folder with nothing in it but the program and the libraries that it links: what the image is.

use crate::install::deploy::{of, rendered};
use crate::run::operations::{address, get};
use crate::world::{DEADLINE, World};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use lab::Operator;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

const OPERATOR: &str = env!("CARGO_BIN_EXE_auth0-user-operator");
const RUNC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/checkers/runc");
/// What distroless/cc has.
const LIBRARIES: [&str; 4] = ["ld-linux", "libc.so", "libgcc_s.so", "libm.so"];

/// A container and its folder; both go at the end, the container with the value.
struct Container {
    name: String,
    folder: PathBuf,
    mounts: Vec<Value>,
}

impl Container {
    fn new(folder: PathBuf) -> Self {
        for name in ["proc", "usr/local/bin"] {
            fs::create_dir_all(folder.join("rootfs").join(name)).unwrap();
        }
        let proc = json!({"destination": "/proc", "type": "proc", "source": "proc"});
        let container =
            Self { name: format!("auth0-user-operator-{}", std::process::id()), folder, mounts: vec![proc] };
        let output = Command::new("ldd").arg(OPERATOR).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        print!("ldd auth0-user-operator:\n{text}");
        for path in text.split_whitespace().filter(|word| word.starts_with('/')) {
            assert!(LIBRARIES.iter().any(|name| path.contains(name)), "{path} is not in the image");
            container.copy(path, path);
        }
        container.copy(OPERATOR, "/usr/local/bin/auth0-user-operator");
        container
    }

    fn copy(&self, from: &str, to: &str) {
        let target = self.folder.join("rootfs").join(&to[1..]);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from, target).unwrap();
    }

    /// A file that everybody may read, as kubelet mounts it, but read-only.
    fn mount(&mut self, destination: &str, content: &[u8]) {
        let source = self.folder.join(destination.replace('/', "-"));
        fs::write(&source, content).unwrap();
        fs::set_permissions(&source, fs::Permissions::from_mode(0o444)).unwrap();
        let options = ["bind", "ro", "nosuid", "nodev", "noexec"];
        self.mounts
            .push(json!({"destination": destination, "type": "bind", "source": source, "options": options}));
    }

    /// The runtime's form of what the pod's YAML says.
    fn describe(&self, pod: &Value, arguments: &[String], environment: &[String]) {
        let container = &pod["containers"][0];
        let (outer, inner) = (&pod["securityContext"], &container["securityContext"]);
        assert_eq!(inner["capabilities"], json!({"drop": ["ALL"]}));
        let memory = container["resources"]["limits"]["memory"].as_str().unwrap();
        let mebibytes: u64 = memory.strip_suffix("Mi").unwrap().parse().unwrap();
        let args: Vec<String> = ["/usr/local/bin/auth0-user-operator".to_owned()]
            .into_iter()
            .chain(serde_json::from_value::<Vec<String>>(container["args"].clone()).unwrap())
            .chain(arguments.iter().cloned())
            .collect();
        // Not "network": the API server is on loopback here.
        let namespaces = ["pid", "mount", "ipc", "uts"].map(|kind| json!({"type": kind}));
        let config = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": outer["runAsUser"], "gid": outer["runAsGroup"]},
                "cwd": "/", "args": args, "env": environment, "capabilities": {},
                "noNewPrivileges": inner["allowPrivilegeEscalation"] == json!(false),
            },
            "root": {"path": "rootfs", "readonly": inner["readOnlyRootFilesystem"]},
            "mounts": self.mounts,
            "linux": {
                "namespaces": namespaces,
                "resources": {"memory": {"limit": mebibytes * 1024 * 1024}},
            },
        });
        fs::write(self.folder.join("config.json"), config.to_string()).unwrap();
    }

    fn runc(&self, words: &[&str]) -> String {
        let output =
            Command::new(RUNC).arg("--root").arg(self.folder.join("state")).args(words).output().unwrap();
        assert!(output.status.success(), "runc {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A file of the program's own folder under /proc.
    fn proc(&self, name: &str) -> String {
        let state: Value = serde_json::from_str(&self.runc(&["state", &self.name])).unwrap();
        fs::read_to_string(Path::new("/proc").join(state["pid"].to_string()).join(name)).unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new(RUNC)
            .arg("--root")
            .arg(self.folder.join("state"))
            .args(["delete", "--force", &self.name])
            .output();
    }
}

#[tokio::test]
#[ignore = "needs Linux, root and runc: make restricted"]
async fn it_works_under_the_restrictions_of_its_pod() {
    assert!(Path::new(RUNC).exists(), "runc is missing: make restricted");
    let mut world = World::without_tenant("restricted").await;
    world.operator.terminate().await.unwrap();
    let base = rendered(&world, "all").await;
    let manifests = base.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n");
    world
        .plane
        .admin()
        .run(["apply", "--server-side", "--force-conflicts", "-f", "-"], &manifests)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let (account, reader) = ("auth0-user-operator:auth0-user-operator", "auth0-user-operator-secret-reader");
    world.run(["create", "rolebinding", reader, "--clusterrole", reader, "--serviceaccount", account]).await;

    let folder = world.plane.dir().join("restricted");
    fs::DirBuilder::new().mode(0o755).create(&folder).unwrap();
    let mut container = Container::new(folder);
    let admin = world.plane.admin();
    let token = ["create", "token", "auth0-user-operator", "--namespace", "auth0-user-operator"];
    let token = admin.run(token, "").await.unwrap().ok().unwrap();
    let authority =
        ["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.certificate-authority-data}"];
    let authority = admin.run(authority, "").await.unwrap().ok().unwrap();
    let ca = world.plane.dir().join("restricted-ca.pem");
    world.sandbox.write_ca(&ca).unwrap();
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    container.mount(&format!("{account}/token"), token.trim().as_bytes());
    container.mount(&format!("{account}/namespace"), b"auth0-user-operator");
    container.mount(&format!("{account}/ca.crt"), &BASE64_STANDARD.decode(authority).unwrap());
    container.mount("/etc/ssl/certs/ca-certificates.crt", &fs::read(ca).unwrap());
    container.mount("/etc/hosts", b"127.0.0.1 localhost\n");

    let server = world.plane.server().rsplit_once("//").unwrap().1;
    let (host, port) = server.rsplit_once(':').unwrap();
    let environment = [
        format!("KUBERNETES_SERVICE_HOST={host}"),
        format!("KUBERNETES_SERVICE_PORT={port}"),
        "POD_NAMESPACE=auth0-user-operator".to_owned(),
        "AUTH0_USER_OPERATOR_HEALTH_ADDRESS=127.0.0.1:0".to_owned(),
    ];
    let pod = &of(&base, "Deployment")[0]["spec"]["template"]["spec"];
    container.describe(pod, &["--allowed-domain".to_owned(), world.sandbox.domain()], &environment);
    let state = container.folder.join("state");
    world.operator = Operator::builder(RUNC, world.plane.kubeconfig())
        .args(["--root", state.to_str().unwrap(), "run", "--bundle", container.folder.to_str().unwrap()])
        .args([&container.name])
        .start()
        .await
        .unwrap();
    world.operator.wait_for_log("started", DEADLINE).await.unwrap();

    let status = container.proc("status");
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line}: {status}");
        println!("{line}");
    }
    let mounts = container.proc("mountinfo");
    for mount in mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
        println!("mount {} {}", mount[4], mount[5]);
        assert!(mount[4] == "/proc" || mount[5].split(',').any(|option| option == "ro"), "{mounts}");
    }

    world.apply_tenant().await;
    world.until_ready("auth0tenant/example").await;
    world.apply_secret("new-password", &json!({"password": "Orchid-Garden-7"})).await;
    world
        .apply(json!({"nickname": "new", "passwordSecretRef": {"name": "new-password", "key": "password"}}))
        .await;
    world.until_ready("auth0userupdate/ann").await;
    let address = address(&world.operator).await;
    for path in ["/livez", "/readyz"] {
        let answer = get(&address, path).await;
        println!("GET {path}: {answer:?}");
        assert_eq!(answer, (200, "ok".to_owned()));
    }
    let status = container.proc("status");
    println!("{}", status.lines().find(|line| line.starts_with("VmHWM")).unwrap());
    let ended = world.operator.terminate().await.unwrap();
    println!("SIGTERM: {ended}");
    assert!(ended.success(), "{}", world.operator.log().unwrap());
}
