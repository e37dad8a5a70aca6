//! The program, and what it reads.

use auth0_sandbox::{Client, Connection, Options, Sandbox};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Planted where it must never come out again.
pub const CLIENT_SECRET: &str = "canary-client-secret-91ac";

const PROGRAM: &str = env!("CARGO_BIN_EXE_auth0-user-operator");

/// What the program came to.
pub struct Output {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A stand-in for Auth0, and a folder for files.
pub struct World {
    pub sandbox: Sandbox,
    folder: PathBuf,
}

impl World {
    /// With one user, `auth0|ann`, and an application that may only read users.
    pub async fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("diff-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.put_client(Client::with_secret("reader", CLIENT_SECRET).scopes(&["read:users"]));
        sandbox.put_connection(Connection::database("People").with("requires_username", json!(true)));
        sandbox.put_user(person("ann", "Ann Example")).unwrap();
        sandbox.write_ca(&folder.join("ca.pem")).unwrap();
        Self { sandbox, folder }
    }

    /// Writes a file. Answers with its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs `diff` with these arguments and this standard input. A variable of no text is not set.
    pub async fn diff(&self, arguments: &[&str], input: &str, environment: &[(&str, &str)]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.arg("diff").args(arguments);
        self.run(command, input, environment).await
    }

    /// Runs a step of a workflow, where kustomize prints these manifests and a container has the program. Answers with the
    /// summary of the job for its output.
    pub async fn script(&self, script: &str, manifests: &str) -> Output {
        let summary = self.file("job/summary.md", "");
        let folder = self.folder.join("job");
        self.file("job/manifests.yaml", manifests);
        self.file("job/bin/kustomize", "#!/bin/sh\ncat manifests.yaml\n");
        let docker = format!("#!/bin/sh\nwhile [ \"$1\" != diff ]; do shift; done\nexec {PROGRAM} \"$@\"\n");
        self.file("job/bin/docker", &docker);
        for name in ["kustomize", "docker"] {
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.join("bin").join(name), executable).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
        let mut command = Command::new("bash");
        // As GitHub runs it.
        command.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]).current_dir(&folder);
        let output = self.run(command, "", &[("PATH", &path), ("GITHUB_STEP_SUMMARY", &summary)]).await;
        Output { out: std::fs::read_to_string(summary).unwrap(), ..output }
    }

    async fn run(&self, mut command: Command, input: &str, environment: &[(&str, &str)]) -> Output {
        let domain = self.sandbox.domain();
        command.env_clear();
        let usual = [
            ("SSL_CERT_FILE", self.folder.join("ca.pem").display().to_string()),
            ("HOME", self.folder.display().to_string()),
            ("AUTH0_DOMAIN", domain.clone()),
            ("AUTH0_CLIENT_ID", "reader".to_owned()),
            ("AUTH0_CLIENT_SECRET", CLIENT_SECRET.to_owned()),
            ("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", domain),
            ("AUTH0_USER_OPERATOR_REQUESTS_PER_MINUTE", "300000".to_owned()),
        ];
        command.envs(usual);
        for (name, value) in environment {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let written = tokio::spawn(async move {
            let _ = stdin.write_all(input.as_bytes()).await;
        });
        let output = child.wait_with_output().await.unwrap();
        written.await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let output = Output {
            code: output.status.code().unwrap(),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        for shown in [&output.out, &output.err] {
            assert!(!shown.contains(CLIENT_SECRET), "the client secret is shown");
        }
        assert!(self.sandbox.patches().is_empty(), "something was changed");
        output
    }

    /// The same of standard input.
    pub async fn piped(&self, arguments: &[&str], input: &str) -> Output {
        self.diff(&[&["-f", "-"], arguments].concat(), input, &[]).await
    }

    /// How many requests Auth0 received, that for the token included; forgets them.
    pub fn requests(&self) -> usize {
        let count = self.sandbox.log().len();
        self.sandbox.clear_log();
        count
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A user of the connection People.
pub fn person(slug: &str, name: &str) -> Value {
    json!({
        "user_id": format!("auth0|{slug}"), "email": format!("{slug}@example.com"), "email_verified": true,
        "username": slug, "name": name, "nickname": slug,
        "user_metadata": {"plan": "free", "theme": "dark"},
        "identities": [{"connection": "People", "user_id": slug, "provider": "auth0", "isSocial": false}],
    })
}

/// A manifest for the user `auth0|SLUG`.
pub fn manifest(name: &str, slug: &str, card: &Value) -> String {
    let mut spec = json!({"tenantRef": {"name": "example"}, "userId": format!("auth0|{slug}"), "passEmptyValues": "Yes"});
    spec.as_object_mut().unwrap().extend(card.as_object().unwrap().clone());
    let manifest = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
        "metadata": {"name": name, "namespace": "demo"}, "spec": spec,
    });
    format!("---\n{manifest}\n")
}
