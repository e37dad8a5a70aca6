//! The shipped permissions suffice, and Secrets of other namespaces are opted in one by one.

use crate::proxy::Proxy;
use crate::world::{DEADLINE, World, ann, condition, update};
use lab::{ControlPlane, Kubectl, Mode, Operator};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::OnceCell;

#[tokio::test]
async fn the_operator_works_with_the_shipped_permissions_once_a_namespace_lets_it_read_secrets() {
    let mut world = World::without_tenant("permissions").await;
    world.operator.terminate().await.unwrap();
    let kubeconfig = shipped_account(world.plane).await;
    let ca = world.plane.dir().join("permissions-ca.pem");
    world.sandbox.write_ca(&ca).unwrap();
    let domain = world.sandbox.domain();
    world.operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), &kubeconfig)
        .args(["--watch-namespace", &world.namespace, "--operator-namespace", "auth0-user-operator"])
        .args(["--allowed-domain", &domain])
        .env("SSL_CERT_FILE", ca.to_str().unwrap())
        .start()
        .await
        .unwrap();

    world.apply_tenant().await;
    let forbidden = world.until_reason("auth0tenant/example", "SecretForbidden").await;
    assert_eq!(condition(&forbidden, "Stalled").0, "True");
    let message = condition_message(&forbidden);
    let command = message.split("kubectl ").nth(1).expect("the message prints the command");
    world.plane.admin().run(command.split_whitespace(), "").await.unwrap().ok().unwrap();
    // Nobody has to tell the operator.
    world.until_ready("auth0tenant/example").await;

    world.apply_secret("new-password", &json!({"password": "Orchid-Garden-7"})).await;
    let card =
        json!({"name": "Ann Lovelace", "passwordSecretRef": {"name": "new-password", "key": "password"}});
    world.kubectl.submit(Mode::Apply, &update("ann", card)).await.unwrap().ok().unwrap();
    world.until_ready("auth0userupdate/ann").await;
    let id = ann()["user_id"].as_str().unwrap().to_owned();
    assert_eq!(world.sandbox.password(&id, "People").as_deref(), Some("Orchid-Garden-7"));
    lab::wait_until("the Updated event", DEADLINE, async || {
        let events = world
            .kubectl
            .run(["get", "events", "-o", "json"], "")
            .await
            .map_err(|error| error.to_string())?;
        if events.stdout.contains("\"Updated\"") { Ok(()) } else { Err("no event yet".to_owned()) }
    })
    .await
    .unwrap();
}

fn condition_message(object: &serde_json::Value) -> String {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
    ready["message"].as_str().unwrap().to_owned()
}

/// Lets the operator read a namespace's Secrets, as its message says.
const GRANT: [&str; 7] = [
    "create",
    "rolebinding",
    "auth0-user-operator-secret-reader",
    "--clusterrole",
    "auth0-user-operator-secret-reader",
    "--serviceaccount",
    "auth0-user-operator:auth0-user-operator",
];

/// The kubeconfig of the operator's account, once it has the shipped permissions.
async fn shipped_account(plane: &ControlPlane) -> PathBuf {
    static SHIPPED: OnceCell<()> = OnceCell::const_new();
    let namespace =
        concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/crds-and-namespace/namespace.yaml");
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base/rbac.yaml");
    let apply = ["apply", "-f", namespace, "-f", rbac];
    let ship = async || drop(plane.admin().run(apply, "").await.unwrap().ok().unwrap());
    SHIPPED.get_or_init(ship).await;
    plane.kubeconfig_of("auth0-user-operator", "auth0-user-operator").await.unwrap()
}

/// Starts the world's operator anew, with the shipped permissions and those of its namespace, by way of a proxy.
async fn with_shipped_permissions(world: &mut World) -> Proxy {
    let kubeconfig = shipped_account(world.plane).await;
    world.run(GRANT).await;
    let path = world.plane.dir().join(format!("{}-proxied.kubeconfig", world.namespace));
    let proxy = Proxy::start(&kubeconfig, world.plane.server(), path).await;
    world.operator.terminate().await.unwrap();
    let ca = world.plane.dir().join(format!("{}-auth0-ca.pem", world.namespace));
    world.operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), proxy.kubeconfig())
        .args(["--watch-namespace", &world.namespace, "--operator-namespace", "auth0-user-operator"])
        .args(["--allowed-domain", &world.sandbox.domain()])
        .env("SSL_CERT_FILE", ca.to_str().unwrap())
        .env("RUST_LOG", "info,kube_runtime=warn")
        .start()
        .await
        .unwrap();
    proxy
}

/// What the operator does, as kubectl's words and what it is given. Writes are dry runs.
const ALLOWED: [(&str, &str); 11] = [
    ("get auth0userupdates --all-namespaces", ""),
    ("get auth0tenants --all-namespaces", ""),
    ("get --raw /apis/auth0-user-operator.dev/v1alpha1/auth0userupdates?watch=true&timeoutSeconds=1", ""),
    ("get secrets --namespace auth0-user-operator", ""),
    (
        "create secret generic auth0-user-operator-trigger-key --dry-run=server --from-literal=key=x --namespace auth0-user-operator",
        "",
    ),
    ("auth can-i patch auth0userupdates.auth0-user-operator.dev --subresource=status", ""),
    ("auth can-i patch auth0tenants.auth0-user-operator.dev --subresource=status", ""),
    ("create --dry-run=server --filename -", "EVENT"),
    ("get secrets", ""),
    ("auth can-i create leases.coordination.k8s.io --namespace auth0-user-operator", ""),
    ("auth can-i update leases.coordination.k8s.io --namespace auth0-user-operator", ""),
];

/// What it must not be able to do, even where a namespace lets it read its Secrets.
const REFUSED: [&str; 27] = [
    "get secrets --all-namespaces",
    "get secrets --namespace kube-system",
    "get secret/theirs --namespace default",
    "create secret generic mine --from-literal=key=x --dry-run=server",
    "delete secret/example-credentials --dry-run=server",
    "patch secret/example-credentials --patch={} --dry-run=server",
    "auth can-i deletecollection secrets --namespace auth0-user-operator",
    "auth can-i update secrets --namespace auth0-user-operator",
    "delete auth0userupdate/ann --dry-run=server",
    "patch auth0userupdate/ann --type=merge --patch={\"spec\":{\"name\":\"X\"}} --dry-run=server",
    "annotate auth0userupdate/ann example.com/note=x --dry-run=server",
    "auth can-i update auth0userupdates.auth0-user-operator.dev --subresource=status",
    "delete auth0tenant/example --dry-run=server",
    "patch auth0tenant/example --type=merge --patch={\"spec\":{\"allowedNamespaces\":[\"*\"]}} --dry-run=server",
    "get events",
    "get leases",
    "get configmaps",
    "create configmap mine --from-literal=key=x --dry-run=server",
    "get pods",
    "get nodes",
    "get serviceaccounts",
    "create token auth0-user-operator --namespace auth0-user-operator",
    "get clusterroles",
    "create rolebinding more --clusterrole=cluster-admin --serviceaccount=auth0-user-operator:auth0-user-operator --dry-run=server",
    "delete crd/auth0userupdates.auth0-user-operator.dev --dry-run=server",
    "create ns more --dry-run=server",
    "get secrets --as=system:admin",
];

#[tokio::test]
async fn the_shipped_permissions_are_what_is_needed_and_no_more() {
    let world = World::start("permissions-table").await;
    world.apply(json!({"name": "Ann"})).await;
    world.until_ready("auth0userupdate/ann").await;
    let kubeconfig = shipped_account(world.plane).await;
    world.run(GRANT).await;
    let everywhere = Kubectl::new(&kubeconfig).unwrap();
    let here = everywhere.in_namespace(&world.namespace);
    let operator = |call: &str| if call.contains("namespace") { &everywhere } else { &here };
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "ann.1", "namespace": world.namespace},
        "eventTime": "2024-01-01T00:00:00.000000Z", "action": "Update", "reason": "Updated", "type": "Normal",
        "reportingController": "auth0-user-operator", "reportingInstance": "x", "note": "x",
        "regarding": {"kind": "Auth0UserUpdate", "name": "ann", "namespace": world.namespace},
    })
    .to_string();
    for (call, input) in ALLOWED {
        let input = input.replace("EVENT", &event);
        let output = operator(call).run(call.split_whitespace(), &input).await.unwrap();
        let is_there_already = output.stderr.contains("already exists");
        assert!(output.status.success() || is_there_already, "{call}: {}", output.stderr);
        println!("| allowed | `{call}` |");
    }
    for call in REFUSED {
        let output = operator(call).run(call.split_whitespace(), "").await.unwrap();
        let says_no = output.stdout.trim() == "no" || output.stderr.to_lowercase().contains("forbidden");
        assert!(!output.status.success() && says_no, "{call}: {}{}", output.stdout, output.stderr);
        println!("| refused | `{call}` |");
    }
}

#[tokio::test]
async fn a_namespace_may_take_its_consent_back_and_give_it_again() {
    let mut world = World::start("permissions-revoked").await;
    let _proxy = with_shipped_permissions(&mut world).await;
    world.apply_secret("first", &json!({"password": "Orchid-Garden-7"})).await;
    world.apply(json!({"passwordSecretRef": {"name": "first", "key": "password"}})).await;
    world.until_ready("auth0userupdate/ann").await;
    world.run(["delete", "rolebinding", "auth0-user-operator-secret-reader"]).await;
    world.apply_secret("second", &json!({"password": "Orchid-Garden-8"})).await;
    world.apply(json!({"passwordSecretRef": {"name": "second", "key": "password"}})).await;
    let refused = world.until_reason("auth0userupdate/ann", "SecretForbidden").await;
    assert!(condition_message(&refused).contains("kubectl create rolebinding"), "{refused}");
    let id = ann()["user_id"].as_str().unwrap().to_owned();
    assert_eq!(world.sandbox.password(&id, "People").as_deref(), Some("Orchid-Garden-7"));
    world.run(GRANT).await;
    world.run(["annotate", "auth0userupdate/ann", "auth0-user-operator.dev/requested-at=now"]).await;
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.sandbox.password(&id, "People").as_deref(), Some("Orchid-Garden-8"));
}

#[tokio::test]
async fn where_secrets_may_be_got_and_no_longer_watched_a_change_is_noticed_at_the_next_look() {
    let mut world = World::start("permissions-get").await;
    let proxy = with_shipped_permissions(&mut world).await;
    world.apply_secret("first", &json!({"password": "Orchid-Garden-7"})).await;
    world.apply(json!({"passwordSecretRef": {"name": "first", "key": "password"}})).await;
    world.until_ready("auth0userupdate/ann").await;
    let get = ["create", "role", "get-secrets", "--verb=get", "--resource=secrets"];
    world.run(get).await;
    let bind = ["create", "rolebinding", "get-secrets", "--role=get-secrets", GRANT[5], GRANT[6]];
    world.run(bind).await;
    world.run(["delete", "rolebinding", GRANT[2]]).await;
    // The watch that is open goes on until it ends; the next one is refused, and then the list.
    proxy.cut();
    world.operator.wait_for_log("initlist error", 2 * DEADLINE).await.unwrap();
    world.apply_secret("first", &json!({"password": "Orchid-Garden-8"})).await;
    world.run(["annotate", "auth0userupdate/ann", "auth0-user-operator.dev/requested-at=now"]).await;
    let password = || world.sandbox.password("auth0|ann", "People");
    lab::wait_until("the new password", DEADLINE, async || {
        if password().as_deref() == Some("Orchid-Garden-8") { Ok(()) } else { Err("the old one") }
    })
    .await
    .unwrap();
}

/// Lets the operator write outputs in a namespace, as its message says.
const OUTPUT_GRANT: [&str; 7] = [
    GRANT[0],
    GRANT[1],
    "auth0-user-operator-output-writer",
    GRANT[3],
    "auth0-user-operator-output-writer",
    GRANT[5],
    GRANT[6],
];

/// What it may do then, and what it may not, with objects that it did not make, too: that is up to the operator.
const OF_OUTPUTS: [(&str, bool); 12] = [
    ("get configmap/theirs", true),
    ("create configmap mine --from-literal=key=x --dry-run=server", true),
    ("patch configmap/theirs --patch={} --dry-run=server", true),
    ("delete configmap/theirs --dry-run=server", true),
    ("create secret generic mine --from-literal=key=x --dry-run=server", true),
    ("get secret/example-credentials", true),
    ("get configmaps", false),
    ("get secrets", false),
    ("auth can-i update configmaps", false),
    ("auth can-i deletecollection secrets", false),
    ("get configmaps --namespace kube-system", false),
    ("create configmap mine --from-literal=key=x --dry-run=server --namespace default", false),
];

#[tokio::test]
async fn the_shipped_permissions_to_write_outputs_are_opted_in_by_namespace() {
    let world = World::start("permissions-outputs").await;
    let kubeconfig = shipped_account(world.plane).await;
    world.run(["create", "configmap", "theirs"]).await;
    world.run(OUTPUT_GRANT).await;
    let everywhere = Kubectl::new(&kubeconfig).unwrap();
    let here = everywhere.in_namespace(&world.namespace);
    for (call, is_allowed) in OF_OUTPUTS {
        let operator = if call.contains("--namespace") { &everywhere } else { &here };
        let output = operator.run(call.split_whitespace(), "").await.unwrap();
        let says_no = output.stdout.trim() == "no" || output.stderr.to_lowercase().contains("forbidden");
        assert_eq!(
            (output.status.success(), says_no),
            (is_allowed, !is_allowed),
            "{call}: {}",
            output.stderr
        );
        println!(
            "| {} | `{call}`, where outputs may be written |",
            if is_allowed { "allowed" } else { "refused" }
        );
    }
}

#[tokio::test]
async fn outputs_are_written_once_a_namespace_lets_the_operator() {
    let mut world = World::start("permissions-outputs-granted").await;
    let _proxy = with_shipped_permissions(&mut world).await;
    let data = json!({"EMAIL": "email"});
    let targets = ["configMap", "secret"].map(|kind| json!({kind: {"name": "ann"}, "data": data}));
    world.apply(json!({"nickname": "annie", "outputsTo": targets})).await;
    let forbidden = world.until_reason("auth0userupdate/ann", "OutputForbidden").await;
    // The user's own change was not held back.
    assert_eq!(world.bodies(), [json!({"nickname": "annie"})]);
    assert_eq!(condition(&forbidden, "Synced"), ("True".into(), "InSync".into()));
    assert_eq!(condition(&forbidden, "Stalled").0, "True");
    let message = condition_message(&forbidden);
    let command = message.split("kubectl ").nth(1).expect("the message prints the command");
    world.plane.admin().run(command.split_whitespace(), "").await.unwrap().ok().unwrap();
    // The operator tries again by itself.
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.get("configmap/ann").await["data"], json!({"EMAIL": "ann@example.com"}));
    assert_eq!(world.bodies().len(), 1);

    // What it may write no longer stays, and is told.
    world.run(["delete", "rolebinding", OUTPUT_GRANT[2]]).await;
    world.apply(json!({"nickname": "annie"})).await;
    world.until_reason("auth0userupdate/ann", "OutputForbidden").await;
    assert_eq!(world.get("configmap/ann").await["data"], json!({"EMAIL": "ann@example.com"}));
}

/// What people may do with a role of theirs: each kind, and what `kubectl auth can-i --list` says of it.
const OF_PEOPLE: [(&str, [&str; 2]); 3] = [
    ("view", ["get list watch", "get list watch"]),
    ("edit", ["get list watch create update patch delete deletecollection", "get list watch"]),
    (
        "admin",
        [
            "get list watch create update patch delete deletecollection",
            "get list watch create update patch delete deletecollection",
        ],
    ),
];

#[tokio::test]
async fn the_shipped_permissions_of_people_are_those_of_their_role() {
    let world = World::start("people").await;
    let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base/userroles.yaml");
    world.plane.admin().run(["apply", "-f", roles], "").await.unwrap().ok().unwrap();
    for (role, expected) in OF_PEOPLE {
        let name = format!("auth0-user-operator-{role}");
        let (cluster_role, user) = (format!("--clusterrole={name}"), format!("--user={role}er"));
        world.run(["create", "rolebinding", &name, &cluster_role, &user]).await;
        let user = format!("--as={role}er");
        let list = world.kubectl.run(["auth", "can-i", "--list", &user], "").await.unwrap().stdout;
        for (kind, expected) in ["auth0userupdates", "auth0tenants"].into_iter().zip(expected) {
            let rows = list.lines().filter(|row| row.starts_with(&format!("{kind}.")));
            let verbs: BTreeSet<&str> = rows
                .flat_map(|row| row.rsplit('[').next().unwrap().trim_end_matches(']').split(' '))
                .collect();
            assert_eq!(verbs, expected.split(' ').collect(), "{role} {kind}\n{list}");
            println!("| {role} | `{kind}` | {expected} |");
        }
        assert!(!list.contains("secrets") && !list.contains("/status"), "{list}");
    }
}
