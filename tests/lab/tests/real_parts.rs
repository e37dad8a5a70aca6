//! The lab itself: what it starts works, and what it started is gone afterwards.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, outside of #[test] functions"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::{AuditEvents, ControlPlane, Error, Kubectl, Mode, Operator, Patch, wait_until};
use serde_json::json;

const SECONDS_30: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_control_plane_does_what_it_is_asked() {
    let plane = ControlPlane::start().await.unwrap();
    tokio::join!(a_write_is_stored_and_audited(&plane), a_service_account_may_do_what_its_roles_say(&plane));
    plane.stop().await.unwrap();
}

async fn a_write_is_stored_and_audited(plane: &ControlPlane) {
    let namespace = plane.namespace("lab").await.unwrap();
    let kubectl = plane.admin().in_namespace(&namespace);

    let map = |value: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "map"}, "data": {"key": value}})
            .to_string()
    };
    for (value, mode) in
        [("1", Mode::Create), ("2", Mode::Replace), ("3", Mode::Apply), ("4", Mode::ServerSideApply)]
    {
        kubectl.submit(mode, &map(value)).await.unwrap().ok().unwrap();
        assert_eq!(kubectl.get("configmap/map").await.unwrap()["data"]["key"], value);
    }
    let patch = json!({"data": {"key": "5"}});
    kubectl.patch("configmap/map", Patch::Merge, &patch).await.unwrap().ok().unwrap();
    let patch = json!([{"op": "test", "path": "/data/key", "value": "5"}, {"op": "remove", "path": "/data"}]);
    kubectl.patch("configmap/map", Patch::Json, &patch).await.unwrap().ok().unwrap();
    kubectl.delete("configmap/map").await.unwrap();
    let refused = kubectl.get("configmap/map").await.unwrap_err();
    assert!(matches!(&refused, Error::Refused(output) if output.stderr.contains("NotFound")), "{refused}");

    // Some applies take several patches: kubectl also moves over who owns a field.
    let verbs = ["create", "update", "patch", "delete"];
    wait_until("every write in the audit log", SECONDS_30, async || {
        let writes = plane.audit().unwrap().writes().within(&namespace).of("configmaps", "").by("admin");
        let mut seen: Vec<_> = writes.iter().map(|event| event.verb.clone()).collect();
        seen.dedup();
        if seen == verbs { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await
    .unwrap();
}

async fn a_service_account_may_do_what_its_roles_say(plane: &ControlPlane) {
    let namespace = plane.namespace("rbac").await.unwrap();
    let admin = plane.admin().in_namespace(&namespace);
    admin.run(["create", "serviceaccount", "reader"], "").await.unwrap().ok().unwrap();
    let role = ["create", "role", "read", "--verb=get", "--resource=secrets"];
    admin.run(role, "").await.unwrap().ok().unwrap();
    let account = format!("--serviceaccount={namespace}:reader");
    admin.run(["create", "rolebinding", "read", "--role=read", &account], "").await.unwrap().ok().unwrap();
    admin.run(["create", "secret", "generic", "s", "--from-literal=k=v"], "").await.unwrap().ok().unwrap();

    let reader = Kubectl::new(&plane.kubeconfig_of(&namespace, "reader").await.unwrap()).unwrap();
    assert_eq!(reader.get("secret/s").await.unwrap()["data"]["k"], "dg==");
    let refused = reader.delete("secret/s").await.unwrap_err().to_string();
    assert!(refused.contains("Forbidden"), "{refused}");
}

#[tokio::test]
async fn a_program_is_signalled_restarted_and_ended() {
    let dir = std::env::temp_dir().join(format!("lab-operator-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let mut program = Operator::builder("sh", &dir.join("kubeconfig"))
        .args(["-c", "trap 'echo asked; exit 7' TERM; echo up $RUST_LOG; while :; do sleep 0.1; done"])
        .env("RUST_LOG", "debug")
        .start()
        .await
        .unwrap();
    program.wait_for_log("up debug", SECONDS_30).await.unwrap();
    assert_eq!(program.terminate().await.unwrap().code(), Some(7));
    program.wait_for_log("asked", SECONDS_30).await.unwrap();

    let first = program.pid();
    program.restart().await.unwrap();
    assert_ne!(program.pid(), first);
    assert!(program.ended().unwrap().is_none());
    assert_eq!(program.kill().await.unwrap().code(), Some(128 + 9));
    assert!(!runs(program.pid()));

    let missing = program.wait_for_log("never", Duration::from_millis(200)).await.unwrap_err().to_string();
    assert!(missing.contains("up debug"), "the end of the log is in the error: {missing}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why() {
    let error =
        Operator::builder("./no-such-program", Path::new("/tmp/kubeconfig")).start().await.unwrap_err();
    assert!(error.to_string().contains("no-such-program"), "{error}");
}

/// Where an API server would be that never answers; without it, a process starts a control plane.
const SILENT: &str = "LAB_TEST_SILENT_SERVER";

/// Not a test: the body of the processes that the tests below start and end.
#[tokio::test]
#[ignore = "started by other tests as a process of its own"]
async fn process_with_children() {
    let silent = std::env::var(SILENT).ok();
    let (mut pids, dir, kubectl) = match &silent {
        None => {
            let plane = ControlPlane::shared().await.unwrap();
            (plane.pids().clone(), plane.dir().to_owned(), plane.admin().clone())
        }
        Some(server) => {
            let dir = std::env::temp_dir().join(format!("lab-process-{}", std::process::id()));
            std::fs::create_dir(&dir).unwrap();
            let cluster = json!([{"name": "silent", "cluster": {"server": server}}]);
            let context = json!([{"name": "silent", "context": {"cluster": "silent", "user": ""}}]);
            let access = json!({
                "apiVersion": "v1", "kind": "Config", "clusters": cluster, "contexts": context, "current-context": "silent",
            });
            std::fs::write(dir.join("kubeconfig"), access.to_string()).unwrap();
            let kubectl = Kubectl::new(&dir.join("kubeconfig")).unwrap();
            (BTreeMap::new(), dir, kubectl)
        }
    };
    let program = Operator::builder("sleep", &dir.join("kubeconfig")).args(["1000"]).start().await.unwrap();
    // Like the control plane, kept in a place that is never dropped.
    let program = Box::leak(Box::new(program));
    let dir = dir.display().to_string();
    let cache = format!("--cache-dir={dir}/cache");
    let forever = ["wait", "--for=delete", "namespace/default", "--timeout=1h", &cache].map(str::to_owned);
    tokio::spawn(async move { kubectl.with_deadline(10 * SECONDS_30).run(forever, "").await });
    // By their arguments: kubectl, and the launchers of kubectl and of the program.
    let three = wait_until("the start of kubectl", SECONDS_30, async || {
        let found = mentioning(&dir);
        if found.len() == 3 { Ok(found) } else { Err(format!("{found:?}")) }
    });
    let three = three.await.unwrap();
    let launcher = pids.get("launcher").copied().unwrap_or_default();
    pids.insert("program".to_owned(), program.pid());
    let pids: Vec<_> = pids.into_values().chain(three).collect();
    println!("\nready {launcher} {pids:?} {dir}");
    assert!(std::env::var_os("LAB_TEST_PANIC").is_none(), "a test that fails");
    std::future::pending::<()>().await;
}

/// However the process ends, its launchers notice that their input closes.
#[tokio::test]
async fn nothing_is_left_after_a_panic() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut process = Process::start(Some(&server), true);
    assert!(!process.child.wait().unwrap().success());
    process.assert_nothing_left(4, false).await;
    std::fs::remove_dir_all(&process.dir).unwrap();
}

#[tokio::test]
async fn nothing_is_left_after_ctrl_c() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut process = Process::start(Some(&server), false);
    signal("INT", process.child.id());
    process.child.wait().unwrap();
    process.assert_nothing_left(4, false).await;
    std::fs::remove_dir_all(&process.dir).unwrap();
}

#[tokio::test]
async fn nothing_is_left_after_a_kill() {
    let mut process = Process::start(None, false);
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    process.assert_nothing_left(7, true).await;
}

#[tokio::test]
async fn nothing_is_left_after_a_kill_of_the_launcher_and_its_caller() {
    let mut process = Process::start(None, false);
    signal("KILL", process.launcher);
    process.child.kill().unwrap();
    process.child.wait().unwrap();
    process.assert_nothing_left(7, false).await;
    std::fs::remove_dir_all(&process.dir).unwrap();
}

/// A test process that has started things.
struct Process {
    child: Child,
    launcher: u32,
    pids: Vec<u32>,
    dir: String,
}

impl Process {
    fn start(silent: Option<&TcpListener>, panics: bool) -> Self {
        // Where the suite runs in the background of a shell, Ctrl-C is ignored, which programs inherit.
        let mut command = Command::new("env");
        command.arg("--default-signal=INT").arg(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "process_with_children", "--nocapture"]);
        if let Some(server) = silent {
            command.env(SILENT, format!("https://{}", server.local_addr().unwrap()));
        }
        if panics {
            command.env("LAB_TEST_PANIC", "1");
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("ready ")).expect("the process says that it is ready");
        let (numbers, dir) = line["ready ".len()..].split_once("] ").unwrap();
        let (launcher, pids) = numbers.split_once(" [").unwrap();
        let pids = pids.split(", ").map(|pid| pid.parse().unwrap()).collect();
        Self { child, launcher: launcher.parse().unwrap(), pids, dir: dir.to_owned() }
    }

    async fn assert_nothing_left(&self, count: usize, dir_too: bool) {
        assert_eq!(self.pids.len(), count);
        wait_until("the end of every process", SECONDS_30, async || {
            let left: Vec<_> = self.pids.iter().filter(|pid| runs(**pid)).collect();
            let dir = dir_too && Path::new(&self.dir).exists();
            if left.is_empty() && !dir { Ok(()) } else { Err(format!("{left:?}, directory left: {dir}")) }
        })
        .await
        .unwrap();
    }
}

/// Whether a process runs; one that has ended but was not yet asked about does not.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| !rest.starts_with('Z')))
}

/// The processes whose command line holds `text`.
fn mentioning(text: &str) -> Vec<u32> {
    let names = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok());
    let holds = |pid: &u32| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains(text)
    };
    pids.filter(holds).collect()
}

fn signal(name: &str, pid: u32) {
    let order = format!("kill -{name} {pid}");
    assert!(Command::new("sh").args(["-c", &order]).status().unwrap().success());
}
