//! `diff` beside a cluster: its tenants and credentials, and what its resources remember.

use crate::once::triggers::{give_password, password_of};
use crate::world::{World, update};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

/// Exit code, standard output and standard error of a comparison.
async fn diff(
    world: &World,
    kubeconfig: &Path,
    arguments: &[&str],
    manifests: &str,
) -> (i32, String, String) {
    let ca = world.plane.dir().join(format!("{}-auth0-ca.pem", world.namespace));
    let mut child = Command::new(env!("CARGO_BIN_EXE_auth0-user-operator"))
        .args(["diff", "-f", "-", "-n", &world.namespace, "--allowed-domain", &world.sandbox.domain()])
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("SSL_CERT_FILE", ca)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(manifests.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The fields that it shows as sent by a resource, and those of which it cannot tell.
async fn told(world: &World, manifests: &str) -> (Vec<String>, Value) {
    let (_, out, err) = diff(world, world.plane.kubeconfig(), &["--live", "-o", "json"], manifests).await;
    assert_eq!(err, "");
    let report: Value = serde_json::from_str(&out).unwrap();
    let requests = report["resources"][0]["requests"].as_array().unwrap();
    let lines = requests.iter().flat_map(|request| request["changes"].as_array().unwrap());
    let fields = lines.map(|line| line["field"].as_str().unwrap().to_owned()).collect();
    (fields, report["resources"][0]["unclear"].clone())
}

#[tokio::test]
async fn with_live_nothing_is_shown_that_was_sent_once() {
    let world = World::start("diff-live").await;
    world.add_person("ada");
    world.sandbox.change_user("auth0|ada", |user| user.insert("email_verified".into(), json!(false)));
    give_password(&world, "ada", "Correct-Horse-1").await;
    let card = json!({
        "userId": "auth0|ada", "passwordSecretRef": password_of("ada"), "verifyEmail": true, "name": "Ada",
        "clear": ["appMetadata"],
    });
    let with = |field: &str, value: Value| {
        let mut card = card.clone();
        card[field] = value;
        update("ada", card)
    };
    let before = update("ada", card.clone());
    let all = ["passwordSecretRef", "appMetadata", "name", "verifyEmail"];
    assert_eq!(
        told(&world, &before).await,
        (all.map(str::to_owned).to_vec(), json!([])),
        "it is not there yet"
    );

    world.objects.apply(&before).await.unwrap();
    world.until_applied("ada").await;
    // Logins and others bring it back.
    world.sandbox.change_user("auth0|ada", |user| user.insert("app_metadata".into(), json!({"seen": 1})));
    assert_eq!(told(&world, &before).await, (Vec::new(), json!([])));
    let name = told(&world, &with("name", json!("Ada King"))).await;
    assert_eq!(name, (vec!["name".to_owned()], json!([])));
    let email = told(&world, &with("email", json!("ada.king@example.com"))).await;
    assert_eq!(email, (vec!["email".to_owned(), "verifyEmail".to_owned()], json!([])));
    let replaced = told(&world, &with("appMetadata", json!({"plan": "pro"}))).await;
    assert_eq!(replaced, (vec!["appMetadata.seen".to_owned(), "appMetadata.plan".to_owned()], json!([])));

    // Without it, what is sent once is shown as sent.
    let (code, out, _) = diff(&world, world.plane.kubeconfig(), &[], &before).await;
    assert!(
        code == 1 && out.contains("passwordSecretRef: set") && out.contains("verifyEmail: sent"),
        "{out}"
    );
}

#[tokio::test]
async fn a_secret_that_was_written_since_may_hold_another_password() {
    let mut world = World::start("diff-secret").await;
    world.add_person("eve");
    give_password(&world, "eve", "Correct-Horse-1").await;
    let card = json!({"userId": "auth0|eve", "passwordSecretRef": password_of("eve")});
    world.apply_as("eve", card.clone()).await;
    world.until_applied("eve").await;
    world.operator.kill().await.unwrap();
    give_password(&world, "eve", "Correct-Horse-2").await;
    let manifest = update("eve", card);
    assert_eq!(told(&world, &manifest).await, (Vec::new(), json!(["passwordSecretRef"])));
    let (code, out, _) = diff(&world, world.plane.kubeconfig(), &["--live"], &manifest).await;
    assert!(code == 1 && out.contains("passwordSecretRef: sent, unless it was before"), "{out}");
}

/// A kubeconfig of a person without any rights.
fn stranger(world: &World) -> PathBuf {
    let text = std::fs::read_to_string(world.plane.kubeconfig()).unwrap();
    let mut kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
    for user in kubeconfig["users"].as_array_mut().unwrap() {
        user["user"]["as"] = json!("a-stranger");
    }
    let path = world.plane.dir().join(format!("{}-stranger", world.namespace));
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

#[tokio::test]
async fn tenants_and_credentials_are_read_with_the_rights_of_the_person() {
    let world = World::start("diff-tenants").await;
    let admin = world.plane.kubeconfig().to_owned();
    let namespace = &world.namespace;
    let of = |tenant: &Value| update("ann", json!({"tenantRef": tenant, "nickname": "annie"}));
    let own = of(&json!({"name": "example"}));
    let (code, out, err) = diff(&world, &admin, &[], &own).await;
    assert!(code == 1 && out.contains(r#"nickname: "ann" → "annie""#), "{out}{err}");
    let (code, out, _) = diff(&world, &admin, &[], &of(&json!({"name": "nowhere"}))).await;
    assert!(
        code == 2 && out.contains("refused: TenantNotFound: no Auth0Tenant \"nowhere\" in namespace"),
        "{out}"
    );
    let (code, out, _) =
        diff(&world, &admin, &[], &of(&json!({"name": "example", "namespace": "elsewhere"}))).await;
    assert!(code == 2 && out.contains("refused: TenantNotAllowed: "), "{out}");
    let (code, _, err) = diff(&world, &stranger(&world), &[], &own).await;
    let forbidden = format!(
        "the Auth0Tenant {namespace}/example cannot be read: the Kubernetes API answered 403 Forbidden"
    );
    assert!(code == 2 && err.contains(&forbidden), "{err}");
    world.run(["label", "secret", "example-credentials", "auth0-user-operator.dev/use-"]).await;
    let (code, out, err) = diff(&world, &admin, &[], &own).await;
    assert!(
        code == 2
            && out.contains("1 not compared")
            && err.contains("SecretForbidden: the Secret example-credentials is not labelled"),
        "{out}{err}"
    );
    world.objects.delete("secret/example-credentials").await.unwrap();
    let (_, _, err) = diff(&world, &admin, &[], &own).await;
    assert!(err.contains("SecretNotFound: "), "{err}");
    // What a manifest says of a tenant does not decide where its credentials are sent.
    let elsewhere = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant", "metadata": {"name": "planned"},
        "spec": {"domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"}},
    });
    let both = format!("{elsewhere}\n---\n{}", of(&json!({"name": "planned"})));
    let (code, out, _) = diff(&world, &admin, &[], &both).await;
    assert!(code == 2 && out.contains("refused: TenantNotFound"), "{out}");
}
