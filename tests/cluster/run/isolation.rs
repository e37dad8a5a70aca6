//! One bad object does not stop the others.
//!
//! These cases replace the CRDs, so they have a control plane of their own, which they share: those that a CRD suits go
//! side by side, each in its namespace with its operator.

use crate::world::{
    CLIENT_SECRET, DEADLINE, Objects, SCOPES, ann, condition, namespace, object, person, start_operator,
    update,
};
use auth0_sandbox::{Client, Connection, Fault, FaultKind, Options, Sandbox};
use auth0_user_operator::api::crds;
use kube::api::PostParams;
use lab::{AuditEvent, AuditEvents, ControlPlane, Mode, Operator, secret, wait_until};
use serde_json::{Value, json};
use std::sync::Arc;

/// A field of a later version's status.
const LATER: &str = "ofALaterVersion";

/// A value that must not be quoted anywhere.
const CANARY: &str = "canary-7d1c";

/// A namespace with its stand-in for Auth0.
struct Case<'a> {
    plane: &'a ControlPlane,
    namespace: String,
    objects: Objects,
    sandbox: Sandbox,
}

/// Installs the CRDs, that of `Auth0UserUpdate` changed by `age`, which is given its schema, and waits until they are in
/// force.
async fn install(plane: &ControlPlane, age: impl FnOnce(&mut Value)) {
    let [tenants, updates] = crds().map(|crd| serde_json::to_value(crd).unwrap());
    let mut updates = updates;
    age(&mut updates["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
    let manifest = format!("{tenants}\n---\n{updates}");
    plane.admin().submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    plane.admin().until_established().await.unwrap();
}

impl<'a> Case<'a> {
    /// With a tenant, and no operator yet.
    async fn start(plane: &'a ControlPlane, name: &str) -> Self {
        let (namespace, objects) = namespace(plane, name).await;
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&SCOPES));
        sandbox.put_connection(Connection::database("People"));
        sandbox.put_user(ann()).unwrap();
        let case = Self { plane, namespace, objects, sandbox };
        case.apply_secret("example", &json!({"clientId": "operator", "clientSecret": CLIENT_SECRET})).await;
        let tenant = json!({"domain": case.sandbox.domain(), "credentialsSecretRef": {"name": "example"}, "rateLimit": crate::world::unhurried()});
        case.objects.apply(&object("Auth0Tenant", "example", &tenant)).await.unwrap();
        case
    }

    /// Waits until the API server judges by the CRD that was installed last: until it refuses this.
    async fn until_refused(&self, probe: Value) {
        let probe: Value = serde_json::from_str(&update("probe", probe)).unwrap();
        let probe = serde_json::from_value(probe).unwrap();
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        wait_until("the CRD in force", DEADLINE, async || {
            match self.objects.updates().create(&dry_run, &probe).await {
                Ok(taken) => Err(format!("{taken:?}")),
                Err(kube::Error::Api(refusal)) if refusal.code == 422 => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await
        .unwrap();
    }

    async fn apply_secret(&self, name: &str, texts: &Value) {
        self.objects.apply(&secret(name, texts).to_string()).await.unwrap();
    }

    async fn apply(&self, name: &str, card: Value) {
        self.objects.apply(&update(name, card)).await.unwrap();
    }

    async fn operator(&self) -> Operator {
        start_operator(self.plane, &self.namespace, &self.sandbox, &[]).await
    }

    async fn until(&self, operator: &Operator, name: &str, type_: &str, status: &str, reason: &str) -> Value {
        let found = wait_until(reason, DEADLINE, async || {
            let target = format!("auth0userupdate/{name}");
            let object = self.objects.get(&target).await?;
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
        let audit = self.plane.audit().unwrap();
        let mut writes = audit.writes().within(&self.namespace).of("auth0userupdates", "status");
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
        self.objects.get(&format!("auth0userupdate/{name}")).await.unwrap()
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
        let list = self.objects.get("events.events.k8s.io").await.unwrap();
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

/// The rule errors on every value that is no duration, and the API server then refuses every write.
fn refuse_every_status(schema: &mut Value) {
    untyped(schema, "blocked");
    schema["spec"]["properties"]["nickname"]["x-kubernetes-validations"] =
        json!([{"rule": "duration(self) > duration('0s')", "message": "nickname is odd"}]);
}

#[tokio::test]
async fn under_crds_of_every_age_one_bad_object_does_not_stop_the_others() {
    let plane = ControlPlane::start().await.unwrap();
    install(&plane, |schema| {
        for field in ["blocked", "clear", "userMetadata"] {
            untyped(schema, field);
        }
        schema["status"]["properties"]["triggers"] = json!({"x-kubernetes-preserve-unknown-fields": true});
    })
    .await;
    let (undecodable, stuck) = tokio::join!(Case::start(&plane, "undecodable"), Case::start(&plane, "stuck"));
    store_what_does_not_decode(&undecodable).await;
    store_what_is_to_be_stuck(&stuck).await;
    tokio::join!(
        a_good_object_beside_a_bad_one_is_updated_after_a_restart_too(&plane),
        a_status_that_does_not_decode_sends_nothing_and_says_so(&plane),
    );

    install(&plane, |_| ()).await;
    undecodable.until_refused(json!({"blocked": "maybe"})).await;
    an_object_that_does_not_decode_is_told_so_and_the_others_go_on(&undecodable).await;

    install(&plane, |schema| {
        refuse_every_status(schema);
        for forgotten in
            ["triggers", "explicitNulls", "refusedFields", "notPersisted", "lastHandledReconcileAt"]
        {
            schema["status"]["properties"].as_object_mut().unwrap().remove(forgotten).unwrap();
        }
    })
    .await;
    stuck.until_refused(json!({"nickname": "never"})).await;
    let ((), forgotten, nulls, rejected) = tokio::join!(
        an_object_whose_every_status_write_is_refused_does_not_loop(&stuck),
        a_password_is_not_sent_under_a_crd_that_forgets_it(&plane),
        beside_nulls_nothing_is_sent_under_a_crd_that_forgets_them(&plane),
        what_auth0_rejects_is_sent_once_for_each_edit_under_a_crd_that_forgets_it(&plane),
    );

    install(&plane, |schema| schema["status"]["properties"][LATER] = json!({"type": "string"})).await;
    let (case, operator) = forgotten;
    case.until_ready(&operator, "ann").await;
    assert_eq!(case.sandbox.password("auth0|ann", "People").as_deref(), Some("Str0ng-Pass!"));
    assert_eq!(case.sandbox.effects("auth0|ann").passwords_set, 1);
    what_a_later_version_keeps_in_status_stays(&case, &operator).await;
    let (case, operator) = nulls;
    case.until_ready(&operator, "ann").await;
    assert_eq!(case.sandbox.patches().len(), 1);
    let (case, _operator) = rejected;
    case.objects.annotate("auth0userupdate/ann", "auth0-user-operator.dev/requested-at=2").await.unwrap();
    wait_until("the request", DEADLINE, async || {
        let told = case.get("ann").await;
        let status = &told["status"];
        let is_kept = status["refusedFields"][0]["field"] == "givenName";
        if is_kept && status["lastHandledReconcileAt"] == "2" { Ok(()) } else { Err(status.to_string()) }
    })
    .await
    .unwrap();
    assert_eq!(condition(&case.get("ann").await, "Ready").1, "InvalidRequest");
}

async fn store_what_does_not_decode(case: &Case<'_>) {
    case.apply("bad", json!({"blocked": CANARY, "name": "Bad"})).await;
    case.apply("worse", json!({"userMetadata": [CANARY], "name": "Worse"})).await;
    case.apply("list", json!({"clear": [{"field": CANARY}], "name": "List"})).await;
}

async fn an_object_that_does_not_decode_is_told_so_and_the_others_go_on(case: &Case<'_>) {
    let operator = case.operator().await;
    case.sandbox.put_user(person("good", "People")).unwrap();
    case.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    case.until_ready(&operator, "good").await;
    for (name, field) in [("bad", "spec.blocked"), ("worse", "spec.userMetadata")] {
        let object = case.until(&operator, name, "Ready", "False", "InvalidRequest").await;
        assert_eq!(condition(&object, "Stalled"), ("True".into(), "InvalidRequest".into()), "{name}");
        assert_eq!(condition(&object, "Synced"), ("Unknown".into(), "InvalidRequest".into()), "{name}");
        let status = object["status"].to_string();
        assert!(status.contains(field) && !status.contains(CANARY), "{name}: {status}");
        assert!(status.contains("kubectl replace"), "{name}: {status}");
        case.until_warned_once(name, field).await;
    }
    // A CEL rule errors on this one, so the API server takes no status: the event and the log have to do.
    case.until_warned_once("list", "spec.clear").await;
    assert_eq!(case.get("list").await["status"], json!({"observedGeneration": -1}));
    assert_eq!(operator.log().unwrap().matches("cannot report it in its status").count(), 1);
    assert!(!operator.log().unwrap().contains(CANARY));
    let bodies: Vec<_> = case.sandbox.patches().into_iter().filter_map(|call| call.body).collect();
    assert_eq!(bodies, [json!({"name": "Good"})]);

    // Server-side apply refuses any live object with a value of another type; replacing it works.
    let better = update("bad", json!({"blocked": true, "name": "Better"}));
    case.plane
        .admin()
        .in_namespace(&case.namespace)
        .submit(Mode::Replace, &better)
        .await
        .unwrap()
        .ok()
        .unwrap();
    let object = case.until_ready(&operator, "bad").await;
    assert_eq!(condition(&object, "Stalled").0, "");
    for name in ["worse", "list"] {
        assert_eq!(case.status_writes(name).len(), 1, "{name} was told once");
    }
}

async fn a_good_object_beside_a_bad_one_is_updated_after_a_restart_too(plane: &ControlPlane) {
    let case = Case::start(plane, "beside").await;
    let mut operator = case.operator().await;
    case.apply("bad", json!({"blocked": "maybe"})).await;
    case.until(&operator, "bad", "Ready", "False", "InvalidRequest").await;
    // The event comes after the status.
    case.until_warned_once("bad", "spec.blocked").await;
    let told = case.status_writes("bad").len();
    operator.kill().await.unwrap();
    operator.restart().await.unwrap();
    case.apply("good", json!({"name": "Good"})).await;
    case.until_ready(&operator, "good").await;
    assert_eq!(case.status_writes("bad").len(), told, "what is there already is not written again");
    assert_eq!(case.warnings("bad").await.len(), 1);
}

async fn a_status_that_does_not_decode_sends_nothing_and_says_so(plane: &ControlPlane) {
    let case = Case::start(plane, "odd").await;
    case.apply("odd", json!({"name": "Odd"})).await;
    let status = json!({"status": {"triggers": {"name": CANARY}}});
    case.objects.patch_status("a0uu/odd", &status).await.unwrap();
    case.sandbox.put_user(person("good", "People")).unwrap();
    case.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    let operator = case.operator().await;
    case.until_ready(&operator, "good").await;
    let object = case.until(&operator, "odd", "Ready", "False", "InternalError").await;
    assert_eq!(condition(&object, "Reconciling"), ("True".into(), "InternalError".into()), "{object}");
    assert_eq!(condition(&object, "Stalled").0, "");
    let conditions = object["status"]["conditions"].to_string();
    assert!(conditions.contains("status of this resource cannot be read"), "{conditions}");
    assert!(!conditions.contains(CANARY), "{conditions}");
    assert_eq!(case.sandbox.patches().len(), 1, "only the good one was sent");
}

async fn a_password_is_not_sent_under_a_crd_that_forgets_it(plane: &ControlPlane) -> (Case<'_>, Operator) {
    let case = Case::start(plane, "forgotten").await;
    let operator = case.operator().await;
    case.apply_secret("secret", &json!({"password": "Str0ng-Pass!"})).await;
    let reference = json!({"name": "secret", "key": "password"});
    case.apply("ann", json!({"passwordSecretRef": reference})).await;
    let object = case.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    assert_eq!(condition(&object, "Stalled"), ("True".into(), "CRDOutdated".into()));
    let text = object["status"]["conditions"].to_string();
    assert!(text.contains("status.triggers") && text.contains("apply the CRDs"), "{text}");
    assert_eq!(case.sandbox.password("auth0|ann", "People"), None);

    // Without orders to remember the older CRD will do.
    case.sandbox.put_user(person("good", "People")).unwrap();
    case.apply("good", json!({"userId": "auth0|good", "name": "Good"})).await;
    case.until_ready(&operator, "good").await;
    assert_eq!(case.sandbox.patches().len(), 1);
    (case, operator)
}

async fn what_a_later_version_keeps_in_status_stays(case: &Case<'_>, operator: &Operator) {
    case.objects.patch_status("a0uu/ann", &json!({"status": {LATER: "kept"}})).await.unwrap();
    case.apply("ann", json!({"name": "New Name"})).await;
    let object = case.until_ready(operator, "ann").await;
    assert_eq!(
        (&object["status"]["user"]["name"], &object["status"][LATER]),
        (&json!("New Name"), &json!("kept"))
    );
}

async fn store_what_is_to_be_stuck(case: &Case<'_>) {
    case.sandbox.put_user(person("stuck", "People")).unwrap();
    case.apply("stuck", json!({"userId": "auth0|stuck", "name": "Stuck", "nickname": "never"})).await;
    case.apply("bad", json!({"blocked": "maybe", "nickname": "never"})).await;
}

async fn an_object_whose_every_status_write_is_refused_does_not_loop(case: &Case<'_>) {
    let write = json!({"status": {"observedGeneration": 0}});
    for name in ["a0uu/stuck", "a0uu/bad"] {
        let refusal = case.objects.patch_status(name, &write).await;
        assert!(refusal.is_err(), "the premise of this test: {refusal:?}");
    }
    let operator = case.operator().await;
    case.apply("good", json!({"name": "Good"})).await;
    case.until_ready(&operator, "good").await;
    case.until_a_missing_user_was_looked_for_four_times().await;

    let tried = case.status_writes("bad");
    assert_eq!(tried.len(), 1, "{tried:?}");
    assert_eq!(tried[0].response_status.code, 422);
    assert_eq!(case.warnings("bad").await.len(), 1);
    assert!(operator.log().unwrap().matches("cannot be read").count() >= 1);

    // At once and after 2, 4 and 8 s at most; Auth0 is changed once.
    let tried = case.status_writes("stuck");
    assert!((1..=5).contains(&tried.len()), "{} writes", tried.len());
    let log = case.sandbox.log();
    let of = |method| log.iter().filter(|call| call.method == method && call.path.ends_with("stuck")).count();
    assert_eq!(of("PATCH"), 1);
    assert!((1..=5).contains(&of("GET")), "{} looks", of("GET"));
    assert_eq!(case.warnings("stuck").await.len(), 1);
}

async fn beside_nulls_nothing_is_sent_under_a_crd_that_forgets_them(
    plane: &ControlPlane,
) -> (Case<'_>, Operator) {
    let case = Case::start(plane, "nulls").await;
    let operator = case.operator().await;
    case.apply("ann", json!({"name": "New", "userMetadata": {"plan": null}})).await;
    let told = case.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    assert_eq!(condition(&told, "Stalled"), ("True".into(), "CRDOutdated".into()));
    let text = told["status"]["conditions"].to_string();
    assert!(text.contains("status.explicitNulls") && text.contains("apply the CRDs"), "{text}");
    case.until_a_missing_user_was_looked_for_four_times().await;
    assert_eq!(case.sandbox.patches().len(), 0);
    let writes = case.status_writes("ann").len();
    assert!(writes <= 8, "{writes} status writes");
    (case, operator)
}

async fn what_auth0_rejects_is_sent_once_for_each_edit_under_a_crd_that_forgets_it(
    plane: &ControlPlane,
) -> (Case<'_>, Operator) {
    let case = Case::start(plane, "rejected").await;
    let body = json!({"statusCode": 400, "error": "Bad Request", "message": "givenName is odd", "errorCode": "invalid_body"});
    let refusal = FaultKind::Status { status: 400, body: Some(body), headers: vec![], after_effect: false };
    case.sandbox.fault(Fault::new(refusal).method("PATCH").body_key("given_name"));
    case.sandbox.change_rules(|rules| drop(rules.overrides.insert("name".to_owned(), json!("By Action"))));
    let operator = case.operator().await;
    case.apply("ann", json!({"givenName": "odd", "name": "New"})).await;
    let told = case.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    let text = told["status"]["conditions"].to_string();
    assert!(text.contains("status.notPersisted, status.refusedFields"), "{text}");
    let sent = case.sandbox.patches().len();
    case.objects.annotate("auth0userupdate/ann", "auth0-user-operator.dev/requested-at=1").await.unwrap();
    case.until_a_missing_user_was_looked_for_four_times().await;
    assert_eq!(case.sandbox.patches().len(), sent, "nothing is sent again");
    let writes = case.status_writes("ann");
    assert!(writes.len() <= 12, "{} status writes: {writes:#?}", writes.len());
    // A block is an edit.
    case.apply("ann", json!({"givenName": "odd", "name": "New", "blocked": true})).await;
    wait_until("the block", DEADLINE, async || {
        let user = case.sandbox.user("auth0|ann").unwrap();
        if user["blocked"] == true { Ok(()) } else { Err(user) }
    })
    .await
    .unwrap();
    case.until(&operator, "ann", "Ready", "False", "CRDOutdated").await;
    (case, operator)
}
