//! The operator as the process that an installed Deployment would run.

use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, ann, object, unhurried, update};
use auth0_sandbox::{Client, Connection, Options, Sandbox};
use lab::{ControlPlane, Mode, Operator};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A stand-in for Auth0 with one user, and the certificate that it is known by.
pub async fn auth0(plane: &ControlPlane) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
    sandbox.put_connection(Connection::database("People"));
    sandbox.put_user(ann()).unwrap();
    let ca = plane.dir().join("auth0-ca.pem");
    sandbox.write_ca(&ca).unwrap();
    (sandbox, ca)
}

/// Starts what the Deployment's container runs: its arguments and environment, as its pod's `ServiceAccount`.
pub async fn start(plane: &ControlPlane, namespace: &str, more: &[(&str, &str)]) -> Operator {
    let deployments = plane.admin().in_namespace(namespace).get("deployments").await.unwrap();
    let pod = &deployments["items"][0]["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], true);
    let account = pod["serviceAccountName"].as_str().unwrap();
    let accounts = plane.admin().in_namespace(namespace);
    let mounts = accounts.get(&format!("serviceaccount/{account}")).await.unwrap();
    assert_eq!(mounts["automountServiceAccountToken"], false);
    let kubeconfig = plane.kubeconfig_of(namespace, account).await.unwrap();
    let container = &pod["containers"][0];
    let arguments = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let mut operator =
        Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), &kubeconfig).args(arguments);
    for variable in container["env"].as_array().unwrap() {
        let field = variable.pointer("/valueFrom/fieldRef/fieldPath").and_then(Value::as_str);
        let value =
            if field == Some("metadata.namespace") { namespace } else { variable["value"].as_str().unwrap() };
        operator = operator.env(variable["name"].as_str().unwrap(), value);
    }
    for (name, value) in more {
        operator = operator.env(name, value);
    }
    let operator = operator.start().await.unwrap();
    operator.wait_for_log("started", DEADLINE).await.unwrap();
    operator
}

/// Applies a tenant and an `Auth0UserUpdate` that asks for this nickname, and waits until Auth0 has it.
pub async fn update_a_user(plane: &ControlPlane, operator: &Operator, sandbox: &Sandbox, nickname: &str) {
    let kubectl = plane.admin().in_namespace("people").with_deadline(DEADLINE * 2);
    let credentials = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
    let secret = lab::secret("credentials", &credentials);
    let tenant = json!({
        "domain": sandbox.domain(), "credentialsSecretRef": {"name": "credentials"}, "rateLimit": unhurried(),
    });
    let update = update("ann", json!({"nickname": nickname}));
    for manifest in [secret.to_string(), object("Auth0Tenant", "example", &tenant), update] {
        kubectl.submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    }
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "auth0userupdate/ann"];
    let output = kubectl.run(wait, "").await.unwrap();
    assert!(output.status.success(), "{output}\n{}", operator.log().unwrap());
    let bodies: Vec<_> = sandbox.patches().into_iter().filter_map(|exchange| exchange.body).collect();
    assert_eq!(bodies.last(), Some(&json!({"nickname": nickname})));
}
