//! One test's surroundings: a namespace, a tenant, people, and an operator that watches that namespace.

pub mod objects;
mod wait;

pub use lab::people::{ann, person};
pub use objects::Objects;

use auth0_sandbox::{Client, Connection, Exchange, Options, Sandbox};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use lab::{AuditEvent, AuditEvents, ControlPlane, Kubectl, Operator, secret, wait_until};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for a busy machine, short enough for a person.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// For a look that a change of the tenant's credentials causes, unless the operator had yet to see the resource.
const BEFORE_ANOTHER_ATTEMPT: Duration = Duration::from_secs(10);

/// Planted where they must never come out again.
pub const CLIENT_SECRET: &str = "canary-client-secret-5f1d";

/// Scopes that the operator asks for.
pub const SCOPES: [&str; 4] = ["read:users", "update:users", "update:users_app_metadata", "read:connections"];

/// As much as a tenant may be asked for, so that tests about something else do not wait.
pub fn unhurried() -> Value {
    json!({"requestsPerMinute": 300_000, "burst": 5_000})
}

/// Everything that a test talks to.
pub struct World {
    pub plane: &'static ControlPlane,
    pub namespace: String,
    pub kubectl: Kubectl,
    /// The namespace's objects, without kubectl.
    pub objects: Objects,
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
        let (namespace, objects) = namespace(plane, name).await;
        let kubectl = plane.admin().in_namespace(&namespace);
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
        sandbox.put_connection(Connection::database("People").with("requires_username", json!(true)));
        sandbox.put_user(ann()).unwrap();
        let operator = start_operator(plane, &namespace, &sandbox, &[]).await;
        Self { plane, namespace, kubectl, objects, sandbox, operator }
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
                "domain": self.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": unhurried(),
            }),
        );
        self.objects.apply(&tenant).await.unwrap();
    }

    /// Applies a Secret with these texts.
    pub async fn apply_secret(&self, name: &str, texts: &Value) {
        self.objects.apply(&secret(name, texts).to_string()).await.unwrap();
    }

    /// Applies an `Auth0UserUpdate` named `ann` with this card, by server-side apply (which keeps nulls).
    pub async fn apply(&self, card: Value) {
        self.apply_as("ann", card).await;
    }

    /// The same under another name.
    pub async fn apply_as(&self, name: &str, card: Value) {
        self.objects.apply(&update(name, card)).await.unwrap();
    }

    /// Reads an object.
    pub async fn get(&self, name: &str) -> Value {
        self.objects.get(name).await.unwrap()
    }

    /// Bodies of the requests to change a user that Auth0 received since the log was cleared.
    pub fn bodies(&self) -> Vec<Value> {
        self.sandbox.patches().into_iter().filter_map(|exchange: Exchange| exchange.body).collect()
    }

    /// Writes of the operator to the status of the namespace's resources.
    pub fn status_writes(&self) -> Vec<Arc<AuditEvent>> {
        let events = self.plane.audit().unwrap();
        events.writes().within(&self.namespace).of("auth0userupdates", "status")
    }

    /// Sets an annotation, `KEY=VALUE`, or takes it out, `KEY-`.
    pub async fn annotate(&self, target: &str, change: &str) {
        self.objects.annotate(target, change).await.unwrap();
    }

    /// What kubectl does in one go.
    pub async fn run<const N: usize>(&self, arguments: [&str; N]) {
        self.kubectl.run(arguments, "").await.unwrap().ok().unwrap();
    }
}

/// Many resources of one world at a time, and what woke them.
impl World {
    /// Applies `Auth0UserUpdate`s of these names and cards at once, by server-side apply.
    pub async fn apply_all(&self, cards: impl IntoIterator<Item = (&str, Value)>) {
        let manifests: Vec<String> = cards.into_iter().map(|(name, card)| update(name, card)).collect();
        self.objects.apply(&manifests.join("\n---\n")).await.unwrap();
    }

    /// Bodies of each PATCH that Auth0 received about one user since the log was cleared.
    pub fn bodies_of(&self, user_id: &str) -> Vec<Value> {
        let end = format!("/api/v2/users/{}", user_id.replace('|', "%7C"));
        let patches = self.sandbox.patches().into_iter().filter(|exchange| exchange.path == end);
        patches.filter_map(|exchange| exchange.body).collect()
    }

    /// How often the operator has read a user since the log was cleared.
    pub fn looks(&self) -> usize {
        let calls = self.sandbox.log();
        calls.iter().filter(|call| call.method == "GET" && call.path.starts_with("/api/v2/users/")).count()
    }

    /// Makes the operator look at Auth0 once more, for no other reason than being asked, and waits until
    /// that pass has ended: until the one after it has begun.
    pub async fn look_again(&self, name: &str) {
        for _ in 0..2 {
            let before = self.looks();
            self.wake(name).await;
            wait_until("another look", DEADLINE, async || {
                if self.looks() > before { Ok(()) } else { Err(self.get(name).await["status"].to_string()) }
            })
            .await
            .unwrap();
        }
    }

    /// Moves the annotation assume-sent: the resource has to be looked at, and refusals are forgotten.
    pub async fn wake(&self, name: &str) {
        let annotation = "auth0-user-operator.dev/assume-sent";
        let is_set = !self.get(name).await["metadata"]["annotations"][annotation].is_null();
        let change = format!("{annotation}{}", if is_set { "-" } else { "=false" });
        self.annotate(name, &change).await;
    }
}

/// The objects of a namespace.
pub async fn objects_of(plane: &ControlPlane, namespace: &str) -> Objects {
    Objects::new(client(plane, None).await, namespace)
}

/// The admin, or a person without any rights but those that a test gives; without kubectl.
pub async fn client(plane: &ControlPlane, person: Option<&str>) -> kube::Client {
    let access = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    let mut access =
        kube::Config::from_custom_kubeconfig(access, &KubeConfigOptions::default()).await.unwrap();
    // So that the audit log tells these requests, which stand for kubectl's, from the operator's.
    access.auth_info.impersonate = person.map(str::to_owned);
    access.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static("kubectl (played)")));
    access.try_into().unwrap()
}

/// A new namespace, whose name begins so, and its objects.
pub async fn namespace(plane: &ControlPlane, prefix: &str) -> (String, Objects) {
    let (name, client) = (plane.name(prefix), client(plane, None).await);
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    let objects = Objects::new(client, &name);
    (name, objects)
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
            kubectl.until_established().await.unwrap();
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

/// Resources that are named like the user that they are about: `ada` for `auth0|ada`.
impl World {
    /// Makes the user `auth0|SLUG`.
    pub fn add_person(&self, slug: &str) {
        self.sandbox.put_user(person(slug, "People")).unwrap();
    }

    /// Applies the resource `SLUG` for the user `auth0|SLUG`, which looks by itself once a day only.
    pub async fn apply_for(&self, slug: &str, mut card: Value) {
        card["userId"] = json!(format!("auth0|{slug}"));
        card["resyncInterval"] = json!("24h");
        self.apply_as(slug, card).await;
    }

    /// Waits until the resource is Ready, and answers it.
    pub async fn until_applied(&self, slug: &str) -> Value {
        self.until_ready(&format!("auth0userupdate/{slug}")).await
    }

    /// Requests about one user since the log was cleared.
    pub fn calls_of(&self, slug: &str) -> Vec<Exchange> {
        let path = format!("/api/v2/users/auth0%7C{slug}");
        self.sandbox.log().into_iter().filter(|call| call.path == path).collect()
    }

    /// Requests for a token since the log was cleared.
    pub fn token_requests(&self) -> usize {
        self.sandbox.log().iter().filter(|call| call.path == "/oauth/token").count()
    }

    /// Waits until a new resource is Ready, so that whatever woke others before has had its effect.
    pub async fn until_all_is_quiet(&self) {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let slug = format!("sign-{}", NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        self.add_person(&slug);
        self.apply_for(&slug, json!({"nickname": "signed"})).await;
        self.until_applied(&slug).await;
    }

    /// Changes the credentials of the tenant, so that its resources look, and waits until this one has looked twice: the
    /// first of these looks is over then. A change before an operator's first sight of the resource is its baseline and
    /// no reason to look, so the change is made again while no look comes.
    pub async fn look_for_tenant(&self, slug: &str) {
        let gets = || self.calls_of(slug).iter().filter(|call| call.method == "GET").count();
        for _ in 0..2 {
            let before = gets();
            let attempts = std::cell::Cell::new(0);
            wait_until("a look", DEADLINE, async || {
                // Other content, and the same credentials.
                let note = format!("{before} looks, attempt {}", attempts.replace(attempts.get() + 1));
                let more = json!({"stringData": {"note": note}});
                self.objects.patch("secret/example-credentials", &more).await.unwrap();
                let came = async || if gets() > before { Ok(()) } else { Err(gets()) };
                wait_until("a look", BEFORE_ANOTHER_ATTEMPT, came).await
            })
            .await
            .unwrap();
        }
    }
}

/// Ends the world's operator and starts one with this kubeconfig and log filter in its place.
pub async fn replace_operator(world: &mut World, kubeconfig: &std::path::Path, log: &str) {
    replace_operator_with(world, kubeconfig, &[("RUST_LOG", log)]).await;
}

/// The same with these environment variables.
pub async fn replace_operator_with(
    world: &mut World,
    kubeconfig: &std::path::Path,
    variables: &[(&str, &str)],
) {
    world.operator.kill().await.unwrap();
    let (namespace, domain) = (world.namespace.as_str(), world.sandbox.domain());
    let ca = world.plane.dir().join(format!("{namespace}-auth0-ca.pem"));
    let arguments = ["run", "--watch-namespace", namespace, "--operator-namespace", namespace];
    let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), kubeconfig)
        .args(arguments)
        .args(["--allowed-domain", &domain])
        .env("SSL_CERT_FILE", ca.to_str().unwrap());
    let operator = variables.iter().fold(operator, |operator, (name, value)| operator.env(name, value));
    world.operator = operator.start().await.unwrap();
    world.operator.wait_for_log("started", DEADLINE).await.unwrap();
}
