//! One bad object does not stop the others.
//!
//! These tests replace the CRDs, so each has a control plane of its own.

use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, ann, condition, object, person, start_operator, update};
use auth0_sandbox::{Client, Connection, Options, Sandbox};
use auth0_user_operator::api::crds;
use lab::{AuditEvent, AuditEvents, ControlPlane, Kubectl, Mode, Operator, Patch, secret, wait_until};
use serde_json::{Value, json};
use std::sync::Arc;

/// A value that must not be quoted anywhere.
const CANARY: &str = "canary-7d1c";

/// A control plane of its own, with CRDs that are not the present ones.
struct Cluster {
    plane: ControlPlane,
    namespace: String,
    kubectl: Kubectl,
    sandbox: Sandbox,
}

impl Cluster {
    /// With the CRD of `Auth0UserUpdate` changed by `age`, which is given its schema.
    async fn with(age: impl FnOnce(&mut Value)) -> Self {
        let plane = ControlPlane::start().await.unwrap();
        let namespace = plane.namespace("isolation").await.unwrap();
        let kubectl = plane.admin().in_namespace(&namespace);
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
        sandbox.put_connection(Connection::database("People"));
        sandbox.put_user(ann()).unwrap();
        let cluster = Self { plane, namespace, kubectl, sandbox };
        cluster.install(age).await;
        let credentials = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
        cluster.apply_secret("example", &credentials).await;
        let tenant = json!({"domain": cluster.sandbox.domain(), "credentialsSecretRef": {"name": "example"}, "rateLimit": crate::world::unhurried()});
        cluster.kubectl.apply(&object("Auth0Tenant", "example", &tenant)).await.unwrap();
        cluster
    }

    /// Installs the CRDs, that of `Auth0UserUpdate` changed by `age`, and waits until they are in force.
    async fn install(&self, age: impl FnOnce(&mut Value)) {
        let [tenants, updates] = crds().map(|crd| serde_json::to_value(crd).unwrap());
        let mut updates = updates;
        age(&mut updates["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
        for crd in [tenants, updates] {
            let output = self.kubectl.submit(Mode::ServerSideApply, &crd.to_string()).await.unwrap();
            output.ok().unwrap();
        }
        self.kubectl.until_established().await.unwrap();
    }

    /// Waits until the API server judges by the CRD that was installed last: until it answers so.
    async fn until_in_force(&self, probe: Value, refused: bool) {
        let probe = update("probe", probe);
        wait_until("the CRD in force", DEADLINE, async || {
            let arguments = ["create", "--dry-run=server", "-f", "-"];
            let output = self.kubectl.run(arguments, &probe).await.map_err(|error| error.to_string())?;
            if output.status.success() == refused { Err(output.to_string()) } else { Ok(()) }
        })
        .await
        .unwrap();
    }

    async fn apply_secret(&self, name: &str, texts: &Value) {
        self.kubectl.apply(&secret(name, texts).to_string()).await.unwrap();
    }

    async fn apply(&self, name: &str, card: Value) {
        self.kubectl.submit(Mode::ServerSideApply, &update(name, card)).await.unwrap().ok().unwrap();
    }

    async fn operator(&self) -> Operator {
        start_operator(&self.plane, &self.namespace, &self.sandbox, &[]).await
    }

    async fn until(&self, operator: &Operator, name: &str, type_: &str, status: &str, reason: &str) -> Value {
        let found = wait_until(reason, DEADLINE, async || {
            let target = format!("auth0userupdate/{name}");
            let object = self.kubectl.get(&target).await.map_err(|error| error.to_string())?;
            let observed = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let is_so = condition(&object, type_) == (status.to_owned(), reason.to_owned());
            if observed && is_so { Ok(object) } else { Err(object["status"].to_string()) }
        })
        .await;
        found.unwrap_or_else(|error| panic!("{name}: {error}\n{}", operator.log().unwrap()))
    }

    async fn until_ready(&self, operator: &Operator, name: &str) -> Value {
        self.until(operator, name, "Ready", "True", "Applied").await
    }

    /// What the operator tried to write to the status of one resource.
    fn status_writes(&self, name: &str) -> Vec<Arc<AuditEvent>> {
        let mut writes = self.plane.audit().unwrap().writes().of("auth0userupdates", "status");
        writes.retain(|write| write.object_ref.name == name && !write.user_agent.contains("kubectl"));
        writes
    }

    /// Waits until about 14 s of the operator's time have passed: a user that Auth0 does not have is looked
    /// for at once and after 2, 4 and 8 s (± 20 %).
    async fn until_a_missing_user_was_looked_for_four_times(&self) {
        self.apply("ghost", json!({"userId": "auth0|ghost", "name": "X"})).await;
        wait_until("four looks at a missing user", DEADLINE, async || {
            let log = self.sandbox.log();
            let looks = log.iter().filter(|call| call.path.ends_with("ghost")).count();
            if looks >= 4 { Ok(()) } else { Err(looks) }
        })
        .await
        .unwrap();
    }

    async fn get(&self, name: &str) -> Value {
        self.kubectl.get(&format!("auth0userupdate/{name}")).await.unwrap()
    }

    /// Waits for the one Warning event about a resource, which names this field and no value.
    async fn until_warned_once(&self, name: &str, field: &str) {
        let warnings = wait_until("a warning", DEADLINE, async || {
            let warnings = self.warnings(name).await;
            if warnings.is_empty() { Err("none") } else { Ok(warnings) }
        })
        .await
        .unwrap();
        assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
        let note = warnings[0]["note"].as_str().unwrap();
        assert!(note.contains(field) && !note.contains(CANARY), "{name}: {note}");
    }

    /// Warning events about one resource.
    async fn warnings(&self, name: &str) -> Vec<Value> {
        let list = self.kubectl.get("events.events.k8s.io").await.unwrap();
        let events = list["items"].as_array().unwrap().iter();
        events
            .filter(|event| event["regarding"]["name"] == name && event["type"] == "Warning")
            .cloned()
            .collect()
    }
}

/// No type, no rule, no bound: whatever is written is stored.
fn untyped(properties: &mut Value, field: &str) {
    properties["spec"].as_object_mut().unwrap().remove("x-kubernetes-validations");
    properties["spec"]["properties"][field] = json!({"x-kubernetes-preserve-unknown-fields": true});
}

#[tokio::test]
async fn an_object_that_does_not_decode_is_told_so_and_the_others_go_on() {
    let cluster = Cluster::with(|schema| {
        for field in ["blocked", "clear", "userMetadata"] {
            untyped(schema, field);
        }
    })
    .await;
    cluster.apply("bad", json!({"blocked": CANARY, "name": "Bad"})).await;
    cluster.apply("worse", json!({"userMetadata": [CANARY], "name": "Worse"})).await;
    cluster.apply("list", json!({"clear": [{"field": CANARY}], "name": "List"})).await;
    cluster.install(|_| ()).await;
    cluster.until_in_force(json!({"blocked": "maybe"}), true).await;
    let operator = cluster.operator().await;
    cluster.sandbox.put_user(person("good", "People")).unwrap();
    cluster.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    cluster.until_ready(&operator, "good").await;
    for (name, field) in [("bad", "spec.blocked"), ("worse", "spec.userMetadata")] {
        let object = cluster.until(&operator, name, "Ready", "False", "InvalidRequest").await;
        assert_eq!(condition(&object, "Stalled"), ("True".into(), "InvalidRequest".into()), "{name}");
        assert_eq!(condition(&object, "Synced"), ("Unknown".into(), "InvalidRequest".into()), "{name}");
        let status = object["status"].to_string();
        assert!(status.contains(field) && !status.contains(CANARY), "{name}: {status}");
        assert!(status.contains("kubectl replace"), "{name}: {status}");
        cluster.until_warned_once(name, field).await;
    }
    // A CEL rule errors on this one, so the API server takes no status: the event and the log have to do.
    cluster.until_warned_once("list", "spec.clear").await;
    assert_eq!(cluster.get("list").await["status"], json!({"observedGeneration": -1}));
    assert_eq!(operator.log().unwrap().matches("cannot report in its status").count(), 1);
    assert!(!operator.log().unwrap().contains(CANARY));
    let bodies: Vec<_> = cluster.sandbox.patches().into_iter().filter_map(|call| call.body).collect();
    assert_eq!(bodies, [json!({"name": "Good"})]);

    // Server-side apply refuses any live object with a value of another type; replacing it works.
    let better = update("bad", json!({"blocked": true, "name": "Better"}));
    cluster.kubectl.submit(Mode::Replace, &better).await.unwrap().ok().unwrap();
    let object = cluster.until_ready(&operator, "bad").await;
    assert_eq!(condition(&object, "Stalled").0, "");
    for name in ["worse", "list"] {
        assert_eq!(cluster.status_writes(name).len(), 1, "{name} was told once");
    }
}

#[tokio::test]
async fn a_good_object_beside_a_bad_one_is_updated_after_a_restart_too() {
    let cluster = Cluster::with(|schema| untyped(schema, "blocked")).await;
    let mut operator = cluster.operator().await;
    cluster.apply("bad", json!({"blocked": "maybe"})).await;
    cluster.until(&operator, "bad", "Ready", "False", "InvalidRequest").await;
    // The event comes after the status.
    cluster.until_warned_once("bad", "spec.blocked").await;
    let told = cluster.status_writes("bad").len();
    operator.kill().await.unwrap();
    operator.restart().await.unwrap();
    cluster.apply("good", json!({"name": "Good"})).await;
    cluster.until_ready(&operator, "good").await;
    assert_eq!(cluster.status_writes("bad").len(), told, "what is there already is not written again");
    assert_eq!(cluster.warnings("bad").await.len(), 1);
}

#[tokio::test]
async fn a_status_that_does_not_decode_sends_nothing_and_says_so() {
    let cluster = Cluster::with(|schema| {
        schema["status"]["properties"]["triggers"] = json!({"x-kubernetes-preserve-unknown-fields": true});
    })
    .await;
    cluster.apply("odd", json!({"name": "Odd"})).await;
    let status = json!({"status": {"triggers": {"name": CANARY}}});
    let patched = cluster.kubectl.patch_status("a0uu/odd", Patch::Merge, &status).await.unwrap();
    patched.ok().unwrap();
    cluster.sandbox.put_user(person("good", "People")).unwrap();
    cluster.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    let operator = cluster.operator().await;
    cluster.until_ready(&operator, "good").await;
    let object = cluster.until(&operator, "odd", "Ready", "False", "InternalError").await;
    assert_eq!(condition(&object, "Reconciling"), ("True".into(), "InternalError".into()), "{object}");
    assert_eq!(condition(&object, "Stalled").0, "");
    let conditions = object["status"]["conditions"].to_string();
    assert!(conditions.contains("status of this resource cannot be read"), "{conditions}");
    assert!(!conditions.contains(CANARY), "{conditions}");
    assert_eq!(cluster.sandbox.patches().len(), 1, "only the good one was sent");
}

#[tokio::test]
async fn a_password_is_not_sent_under_a_crd_that_forgets_it() {
    let cluster = Cluster::with(|schema| {
        schema["status"]["properties"].as_object_mut().unwrap().remove("triggers").unwrap();
    })
    .await;
    let operator = cluster.operator().await;
    cluster.apply_secret("secret", &json!({"password": "Str0ng-Pass!"})).await;
    let reference = json!({"name": "secret", "key": "password"});
    cluster.apply("ann", json!({"passwordSecretRef": &reference})).await;
    let object = cluster.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    assert_eq!(condition(&object, "Stalled"), ("True".into(), "CRDOutdated".into()));
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("status.triggers") && text.contains("apply the CRDs"), "{text}");
    assert_eq!(cluster.sandbox.password("auth0|ann", "People"), None);

    // Without orders to remember the older CRD will do.
    cluster.sandbox.put_user(person("good", "People")).unwrap();
    cluster.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    cluster.until_ready(&operator, "good").await;
    assert_eq!(cluster.sandbox.patches().len(), 1);

    cluster
        .install(|schema| schema["status"]["properties"]["ofALaterVersion"] = json!({"type": "string"}))
        .await;
    cluster.until_ready(&operator, "ann").await;
    assert_eq!(cluster.sandbox.password("auth0|ann", "People").as_deref(), Some("Str0ng-Pass!"));
    assert_eq!(cluster.sandbox.effects("auth0|ann").passwords_set, 1);

    // What a later version keeps in status stays.
    let kept = ["patch", "a0uu/ann", "--subresource=status", "--type=merge"];
    let kept = kept.into_iter().chain(["--patch={\"status\": {\"ofALaterVersion\": \"kept\"}}"]);
    cluster.kubectl.run(kept, "").await.unwrap().ok().unwrap();
    cluster.apply("ann", json!({"passwordSecretRef": reference, "name": "New Name"})).await;
    let object = cluster.until_ready(&operator, "ann").await;
    assert_eq!(object["status"]["user"]["name"], "New Name");
    assert_eq!(object["status"]["ofALaterVersion"], "kept");
}

/// The rule errors on every value that is no duration, and the API server then refuses every write.
fn refuse_every_status(schema: &mut Value) {
    untyped(schema, "blocked");
    schema["spec"]["properties"]["nickname"]["x-kubernetes-validations"] =
        json!([{"rule": "duration(self) > duration('0s')", "message": "nickname is odd"}]);
}

#[tokio::test]
async fn an_object_whose_every_status_write_is_refused_does_not_loop() {
    let cluster = Cluster::with(|schema| untyped(schema, "blocked")).await;
    cluster.sandbox.put_user(person("stuck", "People")).unwrap();
    cluster.apply("stuck", json!({"userId": "auth0|stuck", "name": "Stuck", "nickname": "never"})).await;
    cluster.apply("bad", json!({"blocked": "maybe", "nickname": "never"})).await;
    cluster.install(refuse_every_status).await;
    cluster.until_in_force(json!({"nickname": "never"}), true).await;
    let write = json!({"status": {"observedGeneration": 0}});
    for name in ["a0uu/stuck", "a0uu/bad"] {
        let refusal = cluster.kubectl.patch_status(name, Patch::Merge, &write).await.unwrap();
        assert!(!refusal.status.success(), "the premise of this test: {refusal}");
    }
    let operator = cluster.operator().await;
    cluster.apply("good", json!({"name": "Good"})).await;
    cluster.until_ready(&operator, "good").await;
    cluster.until_a_missing_user_was_looked_for_four_times().await;

    let tried = cluster.status_writes("bad");
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert_eq!(tried[0].response_status.code, 422);
    assert_eq!(cluster.warnings("bad").await.len(), 1);
    assert!(operator.log().unwrap().matches("cannot be read").count() >= 1);

    // At once and after 2, 4 and 8 s at most; Auth0 is changed once.
    let tried = cluster.status_writes("stuck");
    assert!((1..=5).contains(&tried.len()), "{} writes", tried.len());
    let log = cluster.sandbox.log();
    let of = |method| log.iter().filter(|call| call.method == method && call.path.ends_with("stuck")).count();
    assert_eq!(of("PATCH"), 1);
    assert!((1..=5).contains(&of("GET")), "{} looks", of("GET"));
    assert_eq!(cluster.warnings("stuck").await.len(), 1);
}

#[tokio::test]
async fn beside_nulls_nothing_is_sent_under_a_crd_that_forgets_them() {
    let cluster = Cluster::with(|schema| {
        schema["status"]["properties"].as_object_mut().unwrap().remove("explicitNulls").unwrap();
    })
    .await;
    let operator = cluster.operator().await;
    cluster.apply("ann", json!({"name": "New", "userMetadata": {"plan": null}})).await;
    let told = cluster.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    assert_eq!(condition(&told, "Stalled"), ("True".into(), "CRDOutdated".into()));
    let text = told["status"]["conditions"].to_string();
    assert!(text.contains("status.explicitNulls") && text.contains("apply the CRDs"), "{text}");
    cluster.until_a_missing_user_was_looked_for_four_times().await;
    assert_eq!(cluster.sandbox.patches().len(), 0);
    let writes = cluster.status_writes("ann").len();
    assert!(writes <= 8, "{writes} status writes");

    cluster.install(|_| ()).await;
    cluster.until_ready(&operator, "ann").await;
    assert_eq!(cluster.sandbox.patches().len(), 1);
}
