//! `export` as a process, against a stand-in for Auth0: what it reads, writes, and says of bad input.

#![allow(clippy::unwrap_used, reason = "a test says so by panicking")]

use auth0_sandbox::{Client, Options, Plan, Sandbox, Seed};
use auth0_user_operator::api::Auth0UserUpdate;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What came of a run.
#[derive(Debug)]
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    fn documents(&self) -> Vec<Auth0UserUpdate> {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        serde_saphyr::from_multiple(&self.out).unwrap()
    }

    fn ids(&self) -> Vec<String> {
        self.documents().into_iter().map(|document| document.spec.user_id).collect()
    }
}

/// A folder of its own for each test, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn sandbox() -> Sandbox {
    let sandbox = Sandbox::start(Options::seeded(Seed::example().unwrap())).await.unwrap();
    sandbox.set_plan(Plan::Custom { burst: 100_000, per_second: 100_000 });
    sandbox
}

/// Runs `export --tenant example` with the environment of a pipeline, and these variables on top.
async fn export(sandbox: &Sandbox, name: &str, args: &[&str], env: &[(&str, &str)]) -> Run {
    let (domain, ca) = (sandbox.domain(), folder(&format!("ca-{name}")).join("ca.pem"));
    sandbox.write_ca(&ca).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_auth0-user-operator"))
        .arg("export")
        .args(args)
        .env_clear()
        .env("SSL_CERT_FILE", ca)
        .env("AUTH0_DOMAIN", &domain)
        .env("AUTH0_CLIENT_ID", "operator")
        .env("AUTH0_CLIENT_SECRET", "operator-secret")
        .env("AUTH0_USER_OPERATOR_TENANT", "example")
        .env("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", &domain)
        .env("AUTH0_USER_OPERATOR_REQUESTS_PER_MINUTE", "300000")
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output();
    let output = tokio::time::timeout(Duration::from_mins(1), run).await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Requests that change a user, and those that search.
fn requests(sandbox: &Sandbox) -> (usize, usize) {
    let searches = sandbox.log().iter().filter(|call| call.path.starts_with("/api/v2/users?")).count();
    (sandbox.patches().len(), searches)
}

#[tokio::test]
async fn users_are_found_by_id_by_email_by_connection_and_by_a_query() {
    let sandbox = sandbox().await;
    for (args, ids) in [
        (&["auth0|ann", "sms|gil", "auth0|ann"][..], &["auth0|ann", "sms|gil"][..]),
        (&["samlp|Corporate|jo/50%@example.com"], &["samlp|Corporate|jo/50%@example.com"]),
        (&["--email", "ANN@example.com"], &["auth0|ann"]),
        (&["--email", "lea.second@example.com"], &["auth0|lea", "auth0|lea"]),
        (&["--email", "family@example.com"], &["auth0|members|mia", "auth0|members|noa"]),
        (&["--connection", "Phones"], &["auth0|cleo", "auth0|lea", "auth0|lea"]),
        (
            &["--connection", "People", "--query", "blocked:true OR name:\"Ann Example\""],
            &["auth0|ann", "auth0|bob"],
        ),
        (&["--query", "user_metadata.plan:free"], &["auth0|ann"]),
    ] {
        assert_eq!(export(&sandbox, "found", args, &[]).await.ids(), ids, "{args:?}");
    }
    assert_eq!(requests(&sandbox).0, 0);
}

#[tokio::test]
async fn the_page_shows_what_is_printed() {
    let (sandbox, page) = (sandbox().await, include_str!("../docs/export.md"));
    for user in [&["--email", "ann@example.com"][..], &["google-oauth2|1001"]] {
        let run = export(&sandbox, "page", user, &[]).await;
        let block = format!("```yaml\n{}```\n", run.out);
        assert!(page.contains(&block), "docs/export.md does not show what is printed:\n{}", run.out);
    }
}

#[tokio::test]
async fn the_tenant_and_the_namespace_are_those_that_were_named() {
    let sandbox = sandbox().await;
    for (args, home, tenant) in [
        (&["--tenant", "prod"][..], None, json!({"name": "prod"})),
        (&["--tenant", "auth/prod"], None, json!({"name": "prod", "namespace": "auth"})),
        (
            &["--tenant", "auth/prod", "-n", "shop"],
            Some("shop"),
            json!({"name": "prod", "namespace": "auth"}),
        ),
        (&["--tenant", "auth/prod", "-n", "auth"], Some("auth"), json!({"name": "prod"})),
    ] {
        let args = [args, &["auth0|ann"]].concat();
        let document = export(&sandbox, "named", &args, &[]).await.documents().swap_remove(0);
        assert_eq!(document.metadata.namespace.as_deref(), home);
        assert_eq!(json!(document.spec.tenant_ref), tenant);
    }
}

#[tokio::test]
async fn what_a_search_shows_late_is_read_again() {
    let sandbox = sandbox().await;
    sandbox.change_rules(|rules| rules.search.lag_millis = 3_600_000);
    sandbox.change_user("auth0|ann", |user| user.insert("name".to_owned(), json!("Ann Miller"))).unwrap();
    let run = export(&sandbox, "late", &["--email", "ann@example.com"], &[]).await;
    assert!(run.out.contains("name: Ann Miller\n"), "{}", run.out);
}

#[tokio::test]
async fn many_users_are_read_page_by_page_and_too_many_are_refused() {
    let sandbox = sandbox().await;
    for number in 0..999 {
        let id = format!("auth0|crowd-{number}");
        let profile = json!({"user_id": id, "email": format!("{number}@example.com"), "app_metadata": {"crowd": "yes"},
                             "identities": [{"connection": "Phones", "user_id": format!("crowd-{number}"), "provider": "auth0"}]});
        sandbox.put_user(profile).unwrap();
    }
    let all = ["--query", "app_metadata.crowd:yes"];
    let run = export(&sandbox, "crowd", &all, &[]).await;
    assert_eq!(run.documents().len(), 999);
    assert_eq!(requests(&sandbox), (0, 20));

    let last = json!({"user_id": "auth0|last", "app_metadata": {"crowd": "yes"}});
    sandbox.put_user(last).unwrap();
    let run = export(&sandbox, "crowd", &all, &[]).await;
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(run.err.contains("1000 users match app_metadata.crowd:yes"), "{}", run.err);
}

#[tokio::test]
async fn a_folder_gets_a_file_for_each_user_and_keeps_what_it_has() {
    let (sandbox, home) = (sandbox().await, folder("files"));
    let users = home.join("users");
    let args = ["--connection", "Phones", "--output-dir", users.to_str().unwrap()];
    let run = export(&sandbox, "files", &args, &[]).await;
    let told = format!("wrote 2 files to {}, and a kustomization.yaml\n", users.display());
    assert_eq!((run.code, run.out.as_str(), run.err), (0, "", told));
    let read = |name: &str| std::fs::read_to_string(users.join(name)).unwrap();
    let (cleo, lea) = ("cleo-example-com-9fb5da18.yaml", "lea-example-com-e76d8242.yaml");
    assert_eq!(
        read("kustomization.yaml"),
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- {cleo}\n- {lea}\n"
        )
    );
    let documents: Vec<Auth0UserUpdate> = serde_saphyr::from_multiple(&read(lea)).unwrap();
    assert_eq!(documents.len(), 2);

    // Again: nothing changes. What somebody wrote stays.
    assert_eq!(export(&sandbox, "files", &args, &[]).await.code, 0);
    std::fs::write(users.join(cleo), "mine").unwrap();
    let run = export(&sandbox, "files", &args, &[]).await;
    assert_eq!(run.code, 2);
    assert!(run.err.contains(cleo) && !run.err.contains(lea), "{}", run.err);
    assert_eq!(read(cleo), "mine");
    std::fs::write(users.join("kustomization.yaml"), "mine").unwrap();
    let run = export(&sandbox, "files", &[&args[..], &["--overwrite"]].concat(), &[]).await;
    assert!(run.err.contains("kustomization.yaml is left as it is"), "{}", run.err);
    assert!(read(cleo).starts_with("---\n"));
    assert_eq!(read("kustomization.yaml"), "mine");
}

#[tokio::test]
async fn bad_input_is_answered_with_what_to_do_and_nothing_is_printed() {
    let sandbox = sandbox().await;
    sandbox.put_client(Client::with_secret("unscoped", "unscoped-secret").scopes(&["update:users"]));
    let ann = &["auth0|ann"][..];
    let env = |name: &'static str, value: &'static str| vec![(name, value)];
    let nowhere = vec![("AUTH0_DOMAIN", ""), ("KUBECONFIG", "/nowhere")];
    let unscoped = vec![("AUTH0_CLIENT_ID", "unscoped"), ("AUTH0_CLIENT_SECRET", "unscoped-secret")];
    for (args, env, said) in [
        (ann, nowhere, "no tenant to read: set AUTH0_DOMAIN"),
        (ann, env("AUTH0_CLIENT_SECRET", ""), "neither AUTH0_CLIENT_SECRET nor AUTH0_PRIVATE_KEY_FILE"),
        (ann, env("AUTH0_CLIENT_SECRET", "wrong"), "AuthenticationFailed: "),
        (ann, unscoped, "InsufficientScope: "),
        (ann, env("AUTH0_USER_OPERATOR_TENANT", ""), "--tenant NAME"),
        (ann, env("AUTH0_USER_OPERATOR_TENANT", "a/b/c"), "is neither NAME nor NAMESPACE/NAME"),
        (&["auth0|ann", "auth0|no", "auth0|none"], vec![], r#"has no user "auth0|no", "auth0|none""#),
        (&["ann"], vec![], r#""ann" is no Auth0 user id"#),
        (&["--email", "nobody@example.com"], vec![], "no user of "),
        (&["--connection", "Peopel"], vec![], r#"matches identities.connection:"Peopel""#),
        (
            &["--query", "name:"],
            vec![],
            "Auth0 rejects the query name: (\"The search query string has an error: it ends too early\")",
        ),
        (&[], vec![], "<ID|--email <EMAIL>|"),
        (&["auth0|ann", "--email", "ann@example.com"], vec![], "cannot be used with"),
        (&["auth0|ann", "--output-dir", "/dev/null/users"], vec![], "cannot be written"),
    ] {
        let run = export(&sandbox, "bad", args, &env).await;
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{args:?} {env:?}: {}", run.err);
        assert!(run.err.contains(said), "{args:?} {env:?}: {}", run.err);
        println!("{args:?}\n{}", run.err);
    }
}
