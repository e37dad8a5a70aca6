//! Three namespaces with one operator: who owns the tenants, a team that does no harm, and one that does what it can.

use super::rows::{CREDENTIALS, KEPT, Places, RIGHT, Row};
use crate::run::conditions::row as conditions;
use crate::world::{
    CLIENT_SECRET, DEADLINE, Objects, World, client, object, objects_of, start_operator, unhurried, update,
};
use auth0_user_operator::api::json::{self, Object};
use lab::{AuditEvents as _, secret, wait_until};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The tenants' namespace is the world's own.
pub struct Stage {
    pub world: World,
    pub places: Places,
    pub honest: Objects,
    pub team: Team,
    /// Connections to where nothing may lead.
    pub caught: Arc<AtomicUsize>,
}

/// A person of the hostile namespace.
pub struct Team {
    pub namespace: String,
    pub client: kube::Client,
}

impl Team {
    /// Creates an object of a manifest, as it is written.
    pub async fn create(&self, manifest: &str) -> Result<(), String> {
        let read = json::read::<Object>(manifest.as_bytes()).unwrap().0.unwrap();
        let path = self.path(read["kind"].as_str().unwrap(), "");
        let request = http::Request::post(path).header("content-type", "application/json");
        let request = request.body(manifest.as_bytes().to_vec()).unwrap();
        self.client.request_text(request).await.map(drop).map_err(|error| error.to_string())
    }

    async fn get(&self, row: &Row) -> Result<Value, String> {
        let manifest = json::read::<Object>(row.objects.last().unwrap().as_bytes()).unwrap().0.unwrap();
        let path = self.path(manifest["kind"].as_str().unwrap(), &row.name);
        let text = self.client.request_text(http::Request::get(path).body(Vec::new()).unwrap()).await;
        let text = text.map_err(|error| error.to_string())?;
        Ok(Value::from(json::read::<Object>(text.as_bytes()).unwrap().0.unwrap()))
    }

    fn path(&self, kind: &str, name: &str) -> String {
        let (api, plural) = match kind {
            "Secret" => ("api/v1", "secrets"),
            "Auth0Tenant" => ("apis/auth0-user-operator.dev/v1alpha1", "auth0tenants"),
            _ => ("apis/auth0-user-operator.dev/v1alpha1", "auth0userupdates"),
        };
        format!("/{api}/namespaces/{}/{plural}/{name}", self.namespace)
    }
}

impl Stage {
    pub async fn start() -> Self {
        let mut world = World::without_tenant("hostile-platform").await;
        let honest = world.plane.namespace("hostile-honest").await.unwrap();
        let namespace = world.plane.namespace("hostile-team").await.unwrap();
        world.operator.terminate().await.unwrap();
        let more = [
            "--watch-namespace",
            &honest,
            "--watch-namespace",
            &namespace,
            "--allowed-domain",
            "*.auth0.com",
        ];
        world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
        let (port, caught) = listen().await;
        let places = Places {
            platform: world.namespace.clone(),
            auth0: world.sandbox.domain(),
            api: world.plane.server().trim_start_matches("https://").to_owned(),
            honest,
            port,
        };
        let team = Team { client: client(world.plane, Some("mallory")).await, namespace };
        let honest = objects_of(world.plane, &places.honest).await;
        let stage = Self { world, places, honest, team, caught };
        stage.lend().await;
        stage.let_the_team_in().await;
        stage
    }

    /// The tenants: one that is lent to both, one that is not, and one that was.
    async fn lend(&self) {
        let (team, honest) = (&self.team.namespace, &self.places.honest);
        let world = &self.world;
        let credentials = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
        world.apply_secret("example-credentials", &credentials).await;
        let fields = ["profile", "userMetadata", "passwordSecretRef"];
        let lent = json!([
            {"namespaces": [team], "fields": fields, "userIds": ["auth0|team-*", ".", ".."], "outputs": "Mapped"},
            {"namespaces": [honest], "fields": ["*"], "userIds": ["auth0|team-*"], "outputs": "Full"},
        ]);
        let was_lent = json!([{"namespaces": [team], "fields": ["*"]}]);
        for (name, access) in [("example", lent), ("private", json!([])), ("withdrawn", was_lent)] {
            let spec = json!({
                "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"},
                "rateLimit": unhurried(), "access": access,
            });
            world.objects.apply(&object("Auth0Tenant", name, &spec)).await.unwrap();
        }
        for name in ["example", "private", "withdrawn"] {
            world.until_ready(&format!("auth0tenant/{name}")).await;
        }
        let withdrawn = json!({"spec": {"access": []}});
        world.objects.patch("auth0tenant/withdrawn", &withdrawn).await.unwrap();
    }

    /// The shipped role `admin`, and Secrets as the cluster's own role has them.
    async fn let_the_team_in(&self) {
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base/userroles.yaml");
        self.world.plane.admin().run(["apply", "-f", shipped], "").await.unwrap().ok().unwrap();
        let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["*"]}]);
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "secrets"}, "rules": rules,
        });
        let binding = |kind: &str, name: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}],
            })
        };
        let bindings =
            [role, binding("Role", "secrets"), binding("ClusterRole", "auth0-user-operator-admin")];
        let manifests = bindings.map(|manifest| manifest.to_string()).join("\n---\n");
        self.world.plane.admin().in_namespace(&self.team.namespace).apply(&manifests).await.unwrap();
        let secrets = [
            secret("guess-right", &json!({"k": RIGHT})),
            secret("guess-wrong", &json!({"k": KEPT[0]})),
            secret("credentials", &json!({"clientId": "operator", "clientSecret": CREDENTIALS})),
        ];
        for secret in secrets {
            self.team.create(&secret.to_string()).await.unwrap();
        }
    }

    /// What the other team has in the cluster: three users, two of them with a password.
    pub async fn settle_the_honest(&self) {
        self.honest.apply(&secret("theirs", &json!({"k": RIGHT})).to_string()).await.unwrap();
        let password = json!({"passwordSecretRef": {"name": "theirs", "key": "k"}});
        let card = json!({"name": "Honest", "userMetadata": {"plan": "free"}});
        for (slug, card) in [("ada", password.clone()), ("bob", password), ("honest", card)] {
            self.apply_honest(slug, card).await;
            self.until_honest(slug, |_| true).await;
        }
    }

    async fn apply_honest(&self, slug: &str, mut card: Value) {
        card["tenantRef"] = json!({"name": "example", "namespace": self.places.platform});
        card["userId"] = json!(format!("auth0|team-{slug}"));
        self.honest.apply(&update(slug, card)).await.unwrap();
    }

    async fn until_honest(&self, slug: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let seen = wait_until("applied", DEADLINE, async || {
            let object = self.honest.get(&format!("auth0userupdate/{slug}")).await?;
            let is_observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let is_applied = conditions(&object) == "True/Applied True/InSync";
            if is_observed && is_applied && holds(&object) {
                Ok(object)
            } else {
                Err(object["status"].to_string())
            }
        });
        seen.await.unwrap()
    }

    /// Edits the other team's resource, and answers how long that takes until it shows that it is done.
    pub async fn edit(&self, name: &str) -> Duration {
        let begun = Instant::now();
        self.apply_honest("honest", json!({"name": name, "userMetadata": {"plan": name}})).await;
        self.until_honest("honest", |object| object["status"]["user"]["name"] == name).await;
        begun.elapsed()
    }

    /// Which versions the other team's resources have that it does not edit.
    pub async fn versions(&self) -> Vec<Value> {
        let mut versions = Vec::new();
        for name in ["auth0userupdate/ada", "auth0userupdate/bob"] {
            versions.push(self.honest.get(name).await.unwrap()["metadata"]["resourceVersion"].clone());
        }
        versions
    }

    /// Waits until each of these rows is told what it expects, and answers their objects.
    pub async fn until_told<'a>(&self, rows: &[&'a Row]) -> Vec<(&'a Row, Value)> {
        let (mut waiting, mut told) = (rows.to_vec(), Vec::new());
        let theirs = objects_of(self.world.plane, &self.team.namespace).await;
        let all = wait_until("every row", DEADLINE, async || {
            let (events, mut others) = (theirs.get("events.events.k8s.io").await?, Vec::new());
            for row in std::mem::take(&mut waiting) {
                let object = self.team.get(row).await?;
                if row.expected.is_told_by(&object, &events) {
                    told.push((row, object));
                } else {
                    let shown: String =
                        object["status"]["conditions"].to_string().chars().take(800).collect();
                    others.push(format!("{}: {} {shown}", row.name, conditions(&object)));
                    waiting.push(row);
                }
            }
            if waiting.is_empty() { Ok(()) } else { Err(others.join("\n")) }
        });
        all.await.unwrap();
        told
    }

    /// How often the operator has written the status of a resource, and asked Auth0 for it.
    pub fn cost(&self, object: &Value) -> (usize, usize) {
        let audit = self.world.plane.audit().unwrap();
        let mut writes = audit.writes().within(&self.team.namespace).of("auth0userupdates", "status");
        writes.retain(|write| {
            object["metadata"]["name"] == write.object_ref.name && !write.user_agent.contains("kubectl")
        });
        let uid = object["metadata"]["uid"].as_str().unwrap();
        let log = self.world.sandbox.log();
        let is_for_it = |id: &str| id.starts_with(uid);
        let calls = log.iter().filter(|call| call.header("x-correlation-id").is_some_and(is_for_it));
        (writes.len(), calls.count())
    }
}

/// A port on loopback, and how often it was called.
async fn listen() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, caught) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::default()));
    let count = Arc::clone(&caught);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    (port, caught)
}
