//! Outputs for other workloads: what arrives in other objects, and what is never touched.

use crate::world::{CLIENT_SECRET, DEADLINE, SCOPES, World, condition, start_operator, unhurried, update};
use auth0_sandbox::Client;
use lab::{AuditEvents as _, Mode, wait_until};
use serde_json::{Map, Value, json};

const UPDATE: &str = "auth0userupdate/ann";

fn to(kind: &str, name: &str, data: Value) -> Value {
    json!({kind: {"name": name}, "data": data})
}

impl World {
    /// Waits until an object has this data.
    async fn until_data(&self, target: &str, data: &Value) -> Value {
        let found = wait_until("the data", DEADLINE, async || {
            let object = self.objects.get(target).await?;
            if object["data"] == *data { Ok(object) } else { Err(object["data"].to_string()) }
        });
        match found.await {
            Ok(object) => object,
            Err(error) => panic!("{target}: {error}\n{}", self.operator.log().unwrap_or_default()),
        }
    }

    async fn until_gone(&self, target: &str) {
        let gone = wait_until("it is gone", DEADLINE, async || match self.objects.get(target).await {
            Ok(object) => Err(object.to_string()),
            Err(error) if error.contains("NotFound") || error.contains("not found") => Ok(()),
            Err(error) => Err(error),
        });
        gone.await.unwrap();
    }

    /// How often a `ConfigMap` of the namespace was written, or was to be.
    fn output_writes(&self) -> usize {
        self.plane.audit().unwrap().writes().within(&self.namespace).of("configmaps", "").len()
    }
}

#[tokio::test]
async fn a_workload_finds_chosen_outputs_and_their_changes() {
    let world = World::start("outputs-to").await;
    let data = json!({
        "EMAIL": "email", "USER_ID": "identities[0].userId", "ROLES": "appMetadata.roles", "plan": "userMetadata.plan",
        "VERIFIED": "rawOutput.email_verified", "NONE": "userMetadata.none",
    });
    let card = |plan: &str| {
        json!({"output": "None", "userMetadata": {"plan": plan}, "outputsTo": [
            to("configMap", "ann", data.clone()), to("secret", "ann", json!({"email": "email"})),
        ]})
    };
    world.apply(card("pro")).await;
    let object = world.until_ready(UPDATE).await;
    // As a person, or a pod, sees it.
    let words = ["get", "configmap/ann", "--output=jsonpath={.data.EMAIL}"];
    assert_eq!(world.kubectl.run(words, "").await.unwrap().ok().unwrap(), "ann@example.com");
    let mut expected = json!({
        "EMAIL": "ann@example.com", "USER_ID": "ann", "ROLES": r#"["reader"]"#, "plan": "pro", "VERIFIED": "true",
    });
    let map = world.get("configmap/ann").await;
    assert_eq!(map["data"], expected);
    let owner = json!([{
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate", "name": "ann", "controller": true,
        "uid": object["metadata"]["uid"],
    }]);
    assert_eq!(map["metadata"]["ownerReferences"], owner);
    let managers = map["metadata"]["managedFields"].as_array().unwrap();
    let managers: Vec<_> = managers.iter().map(|entry| (&entry["manager"], &entry["operation"])).collect();
    assert_eq!(managers, [(&json!("auth0-user-operator-outputs"), &json!("Apply"))]);
    let secret = world.get("secret/ann").await;
    assert_eq!(
        (&secret["data"], &secret["type"]),
        (&json!({"email": "YW5uQGV4YW1wbGUuY29t"}), &json!("Opaque"))
    );
    let status = json!([
        {"kind": "ConfigMap", "name": "ann", "omitted": ["NONE"], "data": {
            "EMAIL": "email", "USER_ID": "identities[0].userId", "ROLES": "appMetadata.roles",
            "plan": "userMetadata.plan", "VERIFIED": "rawOutput.email_verified",
        }},
        {"kind": "Secret", "name": "ann", "data": {"email": "email"}},
    ]);
    assert_eq!(object["status"]["outputs"], status);
    assert!(object["status"]["user"].is_null());

    // An edit arrives, and drift that is corrected; another one's key stays.
    world.objects.patch("configmap/ann", &json!({"data": {"THEIRS": "1"}})).await.unwrap();
    world.apply(card("team")).await;
    (expected["plan"], expected["THEIRS"]) = (json!("team"), json!("1"));
    world.until_data("configmap/ann", &expected).await;
    let drift = |user: &mut Map<String, Value>| {
        user.insert("email".to_owned(), json!("ann@new.example.com"));
    };
    world.sandbox.change_user("auth0|ann", drift).unwrap();
    world.until_ready(UPDATE).await;
    world.annotate(UPDATE, "auth0-user-operator.dev/requested-at=1").await;
    expected["EMAIL"] = json!("ann@new.example.com");
    world.until_data("configmap/ann", &expected).await;
    let log = world.operator.log().unwrap();
    assert!(!log.contains("ann@example.com") && !log.contains("new.example.com"), "{log}");
    let status = world.get(UPDATE).await["status"].to_string();
    assert!(!status.contains('@'), "{status}");
}

#[tokio::test]
async fn keys_and_objects_that_the_spec_names_no_longer_go() {
    let world = World::start("outputs-to-removed").await;
    let card = |targets: Value| json!({"name": "Ann", "outputsTo": targets});
    let both = json!({"EMAIL": "email", "NAME": "name"});
    let targets = [to("configMap", "one", both.clone()), to("configMap", "two", both.clone())];
    let secret = to("secret", "three", both);
    world.apply(card(json!([targets[0], targets[1], secret]))).await;
    world.until_ready(UPDATE).await;
    world.objects.patch("configmap/two", &json!({"data": {"THEIRS": "1"}})).await.unwrap();
    world.apply(card(json!([to("configMap", "one", json!({"NAME": "name"}))]))).await;
    let object = world.until_ready(UPDATE).await;
    assert_eq!(world.get("configmap/one").await["data"], json!({"NAME": "Ann"}));
    world.until_gone("secret/three").await;
    let two = world.get("configmap/two").await;
    assert_eq!((&two["data"], &two["metadata"]["ownerReferences"]), (&json!({"THEIRS": "1"}), &json!(null)));
    let status = json!([{"kind": "ConfigMap", "name": "one", "data": {"NAME": "name"}}]);
    assert_eq!(object["status"]["outputs"], status);

    world.apply(json!({"name": "Ann"})).await;
    let object = world.until_ready(UPDATE).await;
    world.until_gone("configmap/one").await;
    assert_eq!(object["status"]["outputs"], json!(null));
}

#[tokio::test]
async fn an_object_or_a_key_of_another_owner_is_refused_and_left_as_it_is() {
    let world = World::start("outputs-to-foreign").await;
    world.run(["create", "configmap", "theirs", "--from-literal=KEY=theirs"]).await;
    world.run(["create", "secret", "generic", "theirs", "--from-literal=KEY=theirs"]).await;
    let before = [world.get("configmap/theirs").await, world.get("secret/theirs").await];
    let card =
        |kind: &str| json!({"nickname": kind, "outputsTo": [to(kind, "theirs", json!({"EMAIL": "email"}))]});
    for kind in ["configMap", "secret"] {
        world.apply(card(kind)).await;
        let refused = world.until_reason(UPDATE, "OutputConflict").await;
        let refused = world
            .until(UPDATE, "the edit", |object| {
                object["metadata"]["generation"] == refused["metadata"]["generation"]
            })
            .await;
        // The user's own change was not held back.
        assert_eq!(world.bodies().last().unwrap()["nickname"], kind);
        assert_eq!(condition(&refused, "Synced"), ("True".into(), "InSync".into()));
        assert_eq!(condition(&refused, "Stalled").0, "True");
        assert!(refused["status"]["conditions"].to_string().contains("does not belong to this resource"));
    }
    assert_eq!([world.get("configmap/theirs").await, world.get("secret/theirs").await], before);

    // Once it is gone, it is written by itself.
    world.objects.delete("secret/theirs").await.unwrap();
    world.until_ready(UPDATE).await;
    // A key that a person has set is not taken from them.
    world.objects.patch("secret/theirs", &json!({"stringData": {"EMAIL": "mine"}})).await.unwrap();
    world.annotate(UPDATE, "auth0-user-operator.dev/requested-at=1").await;
    let refused = world.until_reason(UPDATE, "OutputConflict").await;
    let conditions = refused["status"]["conditions"].to_string();
    assert!(conditions.contains("has keys that another writer has set: EMAIL"), "{conditions}");
    assert_eq!(world.get("secret/theirs").await["data"], json!({"EMAIL": "bWluZQ=="}));
}

/// What keeps a write from an object that comes between it and the look before it.
#[tokio::test]
async fn an_apply_for_an_object_that_is_another_one_by_now_changes_nothing() {
    let world = World::start("outputs-to-between").await;
    world.run(["create", "configmap", "theirs", "--from-literal=KEY=theirs"]).await;
    let old = world.get("configmap/theirs").await["metadata"].clone();
    let apply = async |name: &str| {
        let metadata = json!({"name": name, "uid": old["uid"], "resourceVersion": old["resourceVersion"]});
        let manifest =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"EMAIL": "a"}});
        let refused = world.kubectl.submit(Mode::ServerSideApply, &manifest.to_string()).await.unwrap();
        let error = refused.ok().unwrap_err().to_string();
        assert!(["has been modified", "uid mismatch"].iter().any(|words| error.contains(words)), "{error}");
    };
    // It was changed, it was made anew, and it is gone.
    world.objects.patch("configmap/theirs", &json!({"data": {"KEY": "changed"}})).await.unwrap();
    apply("theirs").await;
    world.objects.delete("configmap/theirs").await.unwrap();
    apply("theirs").await;
    world.until_gone("configmap/theirs").await;
    world.run(["create", "configmap", "theirs", "--from-literal=KEY=theirs"]).await;
    apply("theirs").await;
    assert_eq!(world.get("configmap/theirs").await["data"], json!({"KEY": "theirs"}));
}

#[tokio::test]
async fn nothing_is_written_where_nothing_changed_and_what_was_deleted_comes_back() {
    let mut world = World::start("outputs-to-quiet").await;
    let targets = json!([to("configMap", "ann", json!({"EMAIL": "email", "LOGIN": "lastLogin"}))]);
    world.apply(json!({"name": "Ann", "outputsTo": targets})).await;
    world.until_ready(UPDATE).await;
    let written = world.get("configmap/ann").await;
    let counts = |world: &World| (world.output_writes(), world.status_writes().len());
    let before = counts(&world);
    world.look_again(UPDATE).await;
    assert_eq!((world.get("configmap/ann").await, counts(&world)), (written.clone(), before));

    // An edit that is sent without reading the user is written, too.
    let data = json!({"EMAIL": "email", "NICKNAME": "nickname"});
    let targets = json!([to("configMap", "ann", data)]);
    world.apply(json!({"nickname": "a", "outputsTo": targets})).await;
    world.until_ready(UPDATE).await;
    let looks = world.looks();
    world.apply(json!({"nickname": "b", "outputsTo": targets})).await;
    world.until_ready(UPDATE).await;
    let written = world.get("configmap/ann").await;
    assert_eq!(written["data"], json!({"EMAIL": "ann@example.com", "NICKNAME": "b"}));
    assert_eq!(world.looks(), looks);

    // A restart asks for nothing.
    world.operator.terminate().await.unwrap();
    world.sandbox.clear_log();
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &[]).await;
    world.until_all_is_quiet().await;
    assert_eq!(world.get("configmap/ann").await, written);
    assert!(world.calls_of("ann").is_empty());

    world.objects.delete("configmap/ann").await.unwrap();
    world.look_again(UPDATE).await;
    world.until_data("configmap/ann", &json!({"EMAIL": "ann@example.com", "NICKNAME": "b"})).await;
}

#[tokio::test]
async fn a_comparison_notices_other_outputs_and_what_is_gone_and_a_login_costs_no_request() {
    let world = World::without_tenant("outputs-to-events").await;
    let scopes = [&SCOPES[..], &["read:events"]].concat();
    world.sandbox.put_client(Client::with_secret("operator", CLIENT_SECRET).scopes(&scopes));
    world.apply_tenant().await;
    let is_connected = |tenant: &Value| tenant["status"]["events"]["state"] == "Connected";
    world.until("auth0tenant/example", "Connected", is_connected).await;
    world.add_person("ada");
    let data = json!({"EMAIL": "email", "LOGINS": "loginsCount"});
    world.apply_for("ada", json!({"nickname": "n", "outputsTo": [to("configMap", "ada", data)]})).await;
    world.until_applied("ada").await;
    world.until_all_is_quiet().await;
    assert_eq!(world.calls_of("ada").len(), 2, "the first apply, and its echo");

    // Declared is the nickname alone.
    let change = |user: &mut Map<String, Value>| drop(user.insert("email".into(), json!("new@example.com")));
    world.sandbox.change_user("auth0|ada", change).unwrap();
    let map = world.until_data("configmap/ada", &json!({"EMAIL": "new@example.com"})).await;
    world.until_all_is_quiet().await;
    assert_eq!(world.calls_of("ada").len(), 3);

    assert!(world.sandbox.login("auth0|ada"));
    world.until_all_is_quiet().await;
    assert_eq!((world.calls_of("ada").len(), world.get("configmap/ada").await), (3, map));

    world.objects.delete("configmap/ada").await.unwrap();
    assert!(world.sandbox.login("auth0|ada"));
    world.until_data("configmap/ada", &json!({"EMAIL": "new@example.com", "LOGINS": "2"})).await;
}

#[tokio::test]
async fn mode_observe_writes_outputs_and_nothing_into_auth0() {
    let world = World::start("outputs-to-observe").await;
    let targets = json!([to("configMap", "ann", json!({"NAME": "name"}))]);
    world.apply(json!({"mode": "Observe", "name": "Other", "outputsTo": targets})).await;
    world.until_ready(UPDATE).await;
    assert_eq!(world.get("configmap/ann").await["data"], json!({"NAME": "Ann Example"}));
    assert_eq!(world.bodies(), [json!(null); 0]);
}

#[tokio::test]
async fn a_tenant_of_another_namespace_bounds_what_is_written_and_takes_it_back() {
    let mut world = World::start("outputs-to-access").await;
    let shop = world.plane.namespace("outputs-shop").await.unwrap();
    world.operator.kill().await.unwrap();
    world.operator =
        start_operator(world.plane, &world.namespace, &world.sandbox, &["--watch-namespace", &shop]).await;
    let grant = async |outputs: &str| {
        let access = json!([{"namespaces": [shop], "fields": ["*"], "outputs": outputs}]);
        let spec = json!({"spec": {"access": access, "rateLimit": unhurried()}});
        world.objects.patch("auth0tenant/example", &spec).await.unwrap();
    };
    grant("Full").await;
    let there = crate::world::objects_of(world.plane, &shop).await;
    let targets = json!([to("configMap", "ann", json!({"EMAIL": "email", "RAW": "rawOutput.user_id"}))]);
    let tenant = json!({"name": "example", "namespace": world.namespace});
    there
        .apply(&update("ann", json!({"tenantRef": tenant, "name": "Ann", "outputsTo": targets})))
        .await
        .unwrap();
    let until = async |data: Value| {
        let found = wait_until("the data", DEADLINE, async || {
            let found = there.get("configmap/ann").await.map_or(json!(null), |object| object["data"].clone());
            if found == data { Ok(()) } else { Err(found.to_string()) }
        });
        found.await.unwrap();
    };
    until(json!({"EMAIL": "ann@example.com", "RAW": "auth0|ann"})).await;
    grant("Mapped").await;
    until(json!({"EMAIL": "ann@example.com"})).await;
    // Paused, too.
    let paused = "auth0-user-operator.dev/paused";
    there.annotate(UPDATE, &format!("{paused}=true")).await.unwrap();
    grant("None").await;
    until(json!(null)).await;
    there.annotate(UPDATE, &format!("{paused}-")).await.unwrap();
    grant("Full").await;
    until(json!({"EMAIL": "ann@example.com", "RAW": "auth0|ann"})).await;
}

#[tokio::test]
async fn the_api_server_refuses_targets_that_cannot_be_written() {
    let world = World::start("outputs-to-schema").await;
    let one = |target: Value| json!([target]);
    let map = |data: Value| json!([to("configMap", "a", data)]);
    let many: Map<String, Value> = (0..33).map(|key| (format!("K{key}"), json!("email"))).collect();
    for (targets, words) in [
        (one(json!({"data": {"A": "email"}})), "either a configMap or a secret"),
        (
            one(json!({"configMap": {"name": "a"}, "secret": {"name": "a"}, "data": {"A": "email"}})),
            "either a configMap or a secret",
        ),
        (one(to("configMap", "Not A Name", json!({"A": "email"}))), "DNS name"),
        (one(json!({"configMap": {"name": "a"}})), "data"),
        (map(json!({})), "data"),
        (map(Value::Object(many)), "Too many"),
        (map(json!({"A B": "email"})), "keys of a ConfigMap"),
        (map(json!({"..a": "email"})), "keys of a ConfigMap"),
        (map(json!({"A": "emails"})), "paths into the outputs"),
        (map(json!({"A": "app_metadata"})), "paths into the outputs"),
        (map(json!({"A": "identities[a]"})), "paths into the outputs"),
        (map(json!({"A": "appMetadata['a'b']"})), "paths into the outputs"),
        (map(json!({"A": "email."})), "paths into the outputs"),
        (map(json!({"A": ""})), "paths into the outputs"),
        (map(json!({"A": 1})), "string"),
        (
            json!([to("configMap", "a", json!({"A": "email"})), to("configMap", "a", json!({"B": "email"}))]),
            "names an object twice",
        ),
        (json!(vec![to("configMap", "a", json!({"A": "email"})); 9]), "Too many"),
    ] {
        let manifest = update("ann", json!({"outputsTo": targets}));
        let refused = world.kubectl.submit(Mode::ServerSideApply, &manifest).await.unwrap();
        let error = refused.ok().expect_err(&targets.to_string()).to_string();
        assert!(error.contains(words), "{targets}: {error}");
    }
    let longest = format!("appMetadata['{}']", "x".repeat(256 - "appMetadata['']".len()));
    let full: Map<String, Value> = (0..32).map(|key| (format!("{key:x<253}"), json!(longest))).collect();
    let targets: Vec<Value> = (0..8).map(|n| to("secret", &format!("a{n}"), json!(full))).collect();
    world.apply(json!({"outputsTo": targets})).await;
    world.apply(json!({"outputsTo": [
        to("configMap", "a", json!({".a-_B": "userMetadata['a.b'].c[0]"})), to("secret", "a", json!({"A": "rawOutput"})),
    ]}))
    .await;
    world.until_ready(UPDATE).await;
}
