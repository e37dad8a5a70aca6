//! One test's surroundings: a namespace, a tenant, people, and an operator that watches that namespace.

use auth0_sandbox::{Client, Connection, Exchange, Options, Sandbox};
use lab::{AuditEvent, AuditEvents, ControlPlane, Kubectl, Operator, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// Long enough for a busy machine, short enough for a person.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Planted where they must never come out again.
pub const CLIENT_SECRET: &str = "canary-client-secret-5f1d";

/// Scopes that the operator asks for.
pub const SCOPES: [&str; 4] = ["read:users", "update:users", "update:users_app_metadata", "read:connections"];

/// Everything that a test talks to.
pub struct World {
    pub plane: &'static ControlPlane,
    pub namespace: String,
    pub kubectl: Kubectl,
    pub sandbox: Sandbox,
    pub operator: Operator,
}

impl World {
    /// A world with a Ready tenant `example` and one plain user, `auth0|ann`.
    pub async fn start(name: &str) -> Self {
        let world = Self::without_tenant(name).await;
        world.apply_tenant().await;
        world.until_ready("auth0tenant/example").await;
        world.sandbox.clear_log();
        world
    }

    /// The same before anything was applied.
    pub async fn without_tenant(name: &str) -> Self {
        let plane = ControlPlane::shared().await.unwrap();
        install_crds(plane).await;
        let namespace = plane.namespace(name).await.unwrap();
        let kubectl = plane.admin().in_namespace(&namespace);
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
        sandbox.put_connection(Connection::database("People").with("requires_username", json!(true)));
        sandbox.put_user(ann()).unwrap();
        let operator = start_operator(plane, &namespace, &sandbox, &[]).await;
        Self { plane, namespace, kubectl, sandbox, operator }
    }

    /// Applies the tenant and the Secret with its credentials.
    pub async fn apply_tenant(&self) {
        self.apply_secret(
            "example-credentials",
            &json!({"clientId": "operator", "clientSecret": CLIENT_SECRET}),
        )
        .await;
        let tenant = object(
            "Auth0Tenant",
            "example",
            &json!({
                "domain": self.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"},
            }),
        );
        self.kubectl.apply(&tenant).await.unwrap();
    }

    /// Applies a Secret with these texts.
    pub async fn apply_secret(&self, name: &str, texts: &Value) {
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": texts});
        self.kubectl.apply(&secret.to_string()).await.unwrap();
    }

    /// Applies an `Auth0UserUpdate` named `ann` with this card, by server-side apply (which keeps nulls).
    pub async fn apply(&self, card: Value) {
        self.apply_as("ann", card).await;
    }

    /// The same under another name.
    pub async fn apply_as(&self, name: &str, card: Value) {
        let output = self.kubectl.submit(lab::Mode::ServerSideApply, &update(name, card)).await.unwrap();
        output.ok().unwrap();
    }

    /// Reads an object.
    pub async fn get(&self, name: &str) -> Value {
        self.kubectl.get(name).await.unwrap()
    }

    /// Waits until `Ready` is `True` for the present generation, and answers the object.
    pub async fn until_ready(&self, name: &str) -> Value {
        self.until(name, "Ready=True", |object| condition(object, "Ready").0 == "True").await
    }

    /// Waits until `Ready` is not `True` for this reason, and answers the object.
    pub async fn until_reason(&self, name: &str, reason: &str) -> Value {
        self.until(name, reason, |object| condition(object, "Ready").1 == reason).await
    }

    /// Waits until the present generation was observed and this holds.
    pub async fn until(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let result = wait_until(what, DEADLINE, async || {
            let object = self.kubectl.get(name).await.map_err(|error| error.to_string())?;
            if object["status"]["observedGeneration"] == object["metadata"]["generation"] && holds(&object) {
                return Ok(object);
            }
            Err(object["status"].to_string())
        })
        .await;
        match result {
            Ok(object) => object,
            Err(error) => {
                panic!("{name}: {error}\n--- operator ---\n{}", self.operator.log().unwrap_or_default())
            }
        }
    }

    /// Bodies of the PATCHes that Auth0 received since the log was cleared.
    pub fn bodies(&self) -> Vec<Value> {
        self.sandbox.patches().into_iter().filter_map(|exchange: Exchange| exchange.body).collect()
    }

    /// Writes of the operator to the status of the namespace's resources.
    pub fn status_writes(&self) -> Vec<AuditEvent> {
        let events = self.plane.audit().unwrap();
        events.writes().within(&self.namespace).of("auth0userupdates", "status").to_vec()
    }

    /// The annotation, label or other thing that kubectl does in one go.
    pub async fn run<const N: usize>(&self, arguments: [&str; N]) {
        self.kubectl.run(arguments, "").await.unwrap().ok().unwrap();
    }
}

/// Starts an operator that watches one namespace only, so that tests do not meet.
pub async fn start_operator(
    plane: &ControlPlane,
    namespace: &str,
    sandbox: &Sandbox,
    more: &[&str],
) -> Operator {
    let ca: PathBuf = plane.dir().join(format!("{namespace}-auth0-ca.pem"));
    sandbox.write_ca(&ca).unwrap();
    let domain = sandbox.domain();
    let mut arguments = vec![
        "run",
        "--watch-namespace",
        namespace,
        "--operator-namespace",
        namespace,
        "--allowed-domain",
        &domain,
    ];
    arguments.extend(more);
    let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), plane.kubeconfig())
        .args(arguments)
        .env("SSL_CERT_FILE", ca.to_str().unwrap())
        .env("RUST_LOG", "info,auth0_user_operator=debug")
        .start()
        .await
        .unwrap();
    operator.wait_for_log("started", DEADLINE).await.unwrap();
    operator
}

/// Installs the CRDs as committed; again is no change.
pub async fn install_crds(plane: &ControlPlane) {
    static INSTALLED: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let kubectl = plane.admin();
            let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
            kubectl.run(["apply", "--server-side", "-f", crds], "").await.unwrap().ok().unwrap();
            let wait = ["wait", "--for=condition=Established", "--timeout=30s", "-f", crds];
            kubectl.run(wait, "").await.unwrap().ok().unwrap();
        })
        .await;
}

/// A manifest of this group.
pub fn object(kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// A manifest of an `Auth0UserUpdate` for `auth0|ann`, with Pass Empty Values, unless the card says otherwise.
pub fn update(name: &str, card: Value) -> String {
    let mut spec = json!({"tenantRef": {"name": "example"}, "userId": "auth0|ann", "passEmptyValues": "Yes"});
    for (key, value) in card.as_object().unwrap() {
        spec[key] = value.clone();
    }
    object("Auth0UserUpdate", name, &spec)
}

/// Status and reason of a condition; empty where it is not there.
pub fn condition(object: &Value, type_: &str) -> (String, String) {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let found = conditions.into_iter().find(|condition| condition["type"] == type_).unwrap_or_default();
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

/// The one person whom most tests are about.
pub fn ann() -> Value {
    json!({
        "user_id": "auth0|ann", "email": "ann@example.com", "email_verified": true, "username": "ann",
        "name": "Ann Example", "given_name": "Ann", "family_name": "Example", "nickname": "ann",
        "picture": "https://example.com/ann.png",
        "user_metadata": {"theme": "dark", "plan": "free"}, "app_metadata": {"roles": ["reader"]},
        "identities": [{"connection": "People", "user_id": "ann", "provider": "auth0", "isSocial": false}],
    })
}
