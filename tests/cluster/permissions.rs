//! The shipped permissions suffice, and Secrets of other namespaces are opted in one by one.

use crate::world::{DEADLINE, World, ann, condition, object, update};
use lab::{Mode, Operator};
use serde_json::json;

#[tokio::test]
async fn the_operator_works_with_the_shipped_permissions_once_a_namespace_lets_it_read_secrets() {
    let mut world = World::without_tenant("permissions").await;
    world.operator.terminate().await.unwrap();
    let rbac = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rbac.yaml");
    world.plane.admin().run(["apply", "-f", rbac], "").await.unwrap().ok().unwrap();
    let kubeconfig = world.plane.kubeconfig_of("auth0-user-operator", "auth0-user-operator").await.unwrap();
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
    // A change of the tenant spares the wait for the next try.
    let tenant = json!({"domain": domain, "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": {"requestsPerMinute": 300_000, "burst": 4_000}});
    world.kubectl.apply(&object("Auth0Tenant", "example", &tenant)).await.unwrap();
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
