//! Answers that do not come, names that lead elsewhere, and what the log tells of people.

mod rows;
mod stage;
mod table;

use crate::run::operations::{address, get};
use crate::world::{
    CLIENT_SECRET, DEADLINE, World, condition, object, person, replace_operator, start_operator, unhurried,
    update,
};
use auth0_sandbox::{Fault, FaultKind};
use auth0_user_operator::api::json::{self, Object};
use lab::{Operator, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_tenant_whose_answers_do_not_come_holds_up_no_other() {
    let mut world = World::start("hostile-slow").await;
    // The stand-in answers under both names; to everybody else they are two tenants.
    let elsewhere = format!("127.0.0.1:{}", world.sandbox.address().port());
    world.operator.terminate().await.unwrap();
    let more = ["--allowed-domain", &elsewhere];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
    let spec = json!({"domain": elsewhere, "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": unhurried()});
    world.objects.apply(&object("Auth0Tenant", "slow", &spec)).await.unwrap();
    world.until_ready("auth0tenant/slow").await;
    let slow: Vec<String> = (0..16).map(|index| format!("slow{index}")).collect();
    for slug in slow.iter().map(String::as_str).chain(["quick"]) {
        world.add_person(slug);
    }
    let never = FaultKind::Delay { millis: 120_000, after_effect: false };
    world.sandbox.fault(Fault::new(never).path("/api/v2/users/auth0%7Cslow").times(u32::MAX));
    let card = |slug: &str| json!({"userId": format!("auth0|{slug}"), "nickname": "new", "tenantRef": {"name": "slow"}});
    world.apply_all(slow.iter().map(|slug| (slug.as_str(), card(slug)))).await;
    // All workers that one host may have wait by now.
    let busy = || world.sandbox.log().iter().filter(|call| call.path.contains("slow")).count();
    wait_until("six calls", DEADLINE, async || if busy() >= 6 { Ok(()) } else { Err(busy()) }).await.unwrap();
    let begun = Instant::now();
    world.apply_for("quick", json!({"nickname": "new"})).await;
    world.until_applied("quick").await;
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    world.sandbox.clear_faults();
}

#[tokio::test]
async fn what_would_break_a_header_or_an_address_is_refused_or_harmless() {
    let world = World::start("hostile-names").await;
    let domain = world.sandbox.domain();
    for (index, (field, value)) in [
        ("domain", "example.auth0.com\r\nx: y"),
        ("domain", "example.auth0.com/api"),
        ("domain", "user@example.auth0.com"),
        ("domain", "https://example.auth0.com"),
        ("domain", "example.auth0.com:443"),
        ("domain", "example.auth0.com:0443"),
        ("customDomain", "id.example.com\r\nx: y"),
        ("customDomain", "id.example.com/"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut spec = json!({"domain": domain, "credentialsSecretRef": {"name": "example-credentials"}});
        spec[field] = json!(value);
        let tenant = object("Auth0Tenant", &format!("hostile{index}"), &spec);
        let output = world.kubectl.submit(lab::Mode::ServerSideApply, &tenant).await.unwrap();
        assert!(!output.status.success() && output.stderr.contains(field), "{value}: {}", output.stderr);
    }
    // Credentials go into a body of JSON; an id is one segment of the path.
    let id = "auth0|x\r\ny: z/../..?a=b#c%2e";
    world.sandbox.put_user(json!({"user_id": id, "email": "x@example.com"})).unwrap();
    world.apply_as("odd", json!({"userId": id, "nickname": "Odd"})).await;
    world.until_ready("auth0userupdate/odd").await;
    assert_eq!(world.sandbox.user(id).unwrap()["nickname"], "Odd");
    world
        .apply_secret(
            "odd",
            &json!({"clientId": "operator\r\nx: y", "clientSecret": format!("{CLIENT_SECRET}\",\"a\":\"b")}),
        )
        .await;
    let spec = json!({"domain": domain, "credentialsSecretRef": {"name": "odd"}});
    world.objects.apply(&object("Auth0Tenant", "odd", &spec)).await.unwrap();
    let tenant = world.until_reason("auth0tenant/odd", "AuthenticationFailed").await;
    assert_eq!(condition(&tenant, "Stalled").0, "True");
    assert!(world.sandbox.log().iter().all(|call| call.header("x").is_none() && call.header("y").is_none()));
}

#[tokio::test]
async fn the_log_tells_what_was_done_and_nothing_about_people() {
    let mut world = World::start("hostile-log").await;
    let kubeconfig = world.plane.kubeconfig().to_owned();
    replace_operator(&mut world, &kubeconfig, "info").await;
    world.add_person("ada");
    let card = json!({"email": "ada@private.example.com", "name": "Ada Private", "userMetadata": {"plan": "Private"}});
    world.apply_for("ada", card).await;
    world.until_applied("ada").await;
    world.apply_for("nobody", json!({"name": "Nobody Private"})).await;
    world.until_reason("auth0userupdate/nobody", "UserNotFound").await;
    let log = world.operator.log().unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("look: updated")).count(), 1, "{log}");
    for word in ["auth0|", "auth0%7C", "rivate", "@"] {
        assert!(!log.contains(word), "{word}: {log}");
    }
}

/// A value of so many levels.
fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

/// The most memory that the operator has taken.
fn peak_mebibytes(operator: &Operator) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", operator.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// One namespace with objects that are hard to read, and another one that the same operator watches.
struct Neighbours {
    world: World,
    good: String,
    client: kube::Client,
}

impl Neighbours {
    async fn start() -> Self {
        let mut world = World::start("hostile-depth").await;
        let good = world.plane.namespace("hostile-depth-good").await.unwrap();
        world.operator.terminate().await.unwrap();
        let consent = json!({"spec": {"allowedNamespaces": [good]}});
        world.objects.patch("auth0tenant/example", &consent).await.unwrap();
        world.sandbox.put_user(person("good", "People")).unwrap();
        Self { client: world.objects.updates().into_client(), world, good }
    }

    /// An operator that waits to lead.
    async fn candidate(&self) -> Operator {
        let (plane, namespace) = (self.world.plane, &self.world.namespace);
        let ca = plane.dir().join(format!("{namespace}-auth0-ca.pem"));
        let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), plane.kubeconfig())
            .args(["--watch-namespace", namespace, "--watch-namespace", &self.good])
            .args(["--operator-namespace", namespace, "--leader-elect"])
            .args(["--allowed-domain", &self.world.sandbox.domain()])
            .env("SSL_CERT_FILE", ca.to_str().unwrap())
            .start()
            .await
            .unwrap();
        operator.wait_for_log("serving", DEADLINE).await.unwrap();
        operator
    }

    /// Creates an `Auth0UserUpdate` with this text for a value.
    async fn create(&self, name: &str, value: &str) -> Result<(), kube::Error> {
        let card = json!({"userId": format!("auth0|{name}"), "userMetadata": {"deep": "VALUE"}});
        self.post("auth0userupdates", update(name, card).replace(r#""VALUE""#, value)).await
    }

    async fn post(&self, plural: &str, manifest: String) -> Result<(), kube::Error> {
        let request = http::Request::post(self.path(plural)).header("content-type", "application/json");
        self.client.request_text(request.body(manifest.into_bytes()).unwrap()).await.map(drop)
    }

    fn path(&self, plural: &str) -> String {
        format!("/apis/auth0-user-operator.dev/v1alpha1/namespaces/{}/{plural}", self.world.namespace)
    }

    async fn until_told(&self, name: &str, reason: &str, operator: &Operator) -> Value {
        let path = self.path(name);
        // The API server takes seconds to store the largest ones, and beside other tests longer than the operator waits.
        let told = wait_until(reason, 5 * DEADLINE, async || {
            let request = http::Request::get(&path).body(Vec::new()).unwrap();
            let text = self.client.request_text(request).await.map_err(|error| error.to_string())?;
            let object = Value::from(json::read::<Object>(text.as_bytes()).unwrap().0.unwrap());
            if condition(&object, "Ready").1 == reason {
                Ok(object)
            } else {
                Err(object["status"].to_string())
            }
        });
        told.await.unwrap_or_else(|error| panic!("{name}: {error}\n{}", operator.log().unwrap()))
    }

    /// How long an edit in the other namespace takes, kubectl included.
    async fn edit(&self, nickname: &str) -> Duration {
        let kubectl = self.world.plane.admin().in_namespace(&self.good);
        let tenant = json!({"name": "example", "namespace": self.world.namespace});
        let card = json!({"userId": "auth0|good", "nickname": nickname, "tenantRef": tenant});
        let begun = Instant::now();
        kubectl.submit(lab::Mode::ServerSideApply, &update("good", card)).await.unwrap().ok().unwrap();
        let applied = wait_until("the edit", DEADLINE, async || {
            let user = self.world.sandbox.user("auth0|good").unwrap();
            if user["nickname"] == nickname { Ok(()) } else { Err(user) }
        });
        applied.await.unwrap();
        begun.elapsed()
    }
}

#[tokio::test]
async fn objects_that_are_hard_to_read_are_told_so_and_cost_no_other() {
    let neighbours = Neighbours::start().await;
    let mut operator = neighbours.candidate().await;
    neighbours.edit("first").await;
    let mut times = vec![("alone", neighbours.edit("alone").await)];

    let mut full = person("full", "People");
    full["user_metadata"] = serde_json::from_str(&nested(125)).unwrap();
    neighbours.world.sandbox.put_user(full).unwrap();
    let card =
        json!({"userId": "auth0|full", "output": "Full", "appMetadata": {"id": 9_007_199_254_740_993_i64}});
    neighbours.world.apply_as("full", card).await;
    let mut told = Vec::new();
    for levels in [124, 130, 2_000, 9_000, 10_000] {
        let name = format!("deep-{levels}");
        match neighbours.create(&name, &nested(levels)).await {
            Ok(()) => told.push(name),
            Err(_) => println!("{levels} levels are refused by the API server"),
        }
    }
    assert!(told.len() >= 3, "{told:?}");
    // Who wrote which field, as anybody may claim it: below the metadata, where an object is found by.
    let fields = json!([{
        "manager": "x", "operation": "Update", "apiVersion": "auth0-user-operator.dev/v1alpha1",
        "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": "VALUE",
    }]);
    let fields = fields
        .to_string()
        .replace(r#""VALUE""#, &nested(2_000).replace(r#""a":1"#, r#""a":{}"#).replace('a', "f:a"));
    let metadata = format!(r#""metadata":{{"managedFields":{fields},"#);
    let spec = json!({"domain": "example.auth0.com", "credentialsSecretRef": {"name": "none"}});
    for (plural, manifest) in [
        ("auth0userupdates", update("managed", json!({"nickname": "x"}))),
        ("auth0tenants", object("Auth0Tenant", "managed", &spec)),
    ] {
        neighbours.post(plural, manifest.replace(r#""metadata":{"#, &metadata)).await.unwrap();
    }
    neighbours.world.add_person("large");
    neighbours.create("large", &json!("x".repeat(1_400_000)).to_string()).await.unwrap();
    // Each takes a hundred times its text in memory, where it is read as a value.
    let objects = format!("[{}]", vec![r#"{"":0}"#; 200_000].join(","));
    for name in ["many-0", "many-1"] {
        neighbours.create(name, &objects).await.unwrap();
    }
    let all_are_told = async |operator: &Operator| {
        for name in &told {
            let object =
                neighbours.until_told(&format!("auth0userupdates/{name}"), "InvalidRequest", operator).await;
            let conditions = object["status"]["conditions"].to_string();
            assert!(conditions.contains("userMetadata.deep is nested deeper than 64 levels"), "{conditions}");
        }
        neighbours.until_told("auth0userupdates/large", "InvalidRequest", operator).await;
        for name in ["many-0", "many-1"] {
            let object =
                neighbours.until_told(&format!("auth0userupdates/{name}"), "InvalidRequest", operator).await;
            let conditions = object["status"]["conditions"].to_string();
            assert!(conditions.contains("userMetadata has more than 10000 values"), "{conditions}");
        }
        for plural in ["auth0userupdates", "auth0tenants"] {
            let object =
                neighbours.until_told(&format!("{plural}/managed"), "InvalidRequest", operator).await;
            let status = object["status"].to_string();
            assert!(status.contains("metadata.managedFields[0] cannot be read"), "{status}");
            assert_eq!(condition(&object, "Synced").0.is_empty(), plural == "auth0tenants", "{status}");
        }
        neighbours.until_told("auth0userupdates/full", "Applied", operator).await;
        let served = address(operator).await;
        let ready = wait_until("readiness", DEADLINE, async || {
            let (status, why) = get(&served, "/readyz").await;
            if status == 200 { Ok(()) } else { Err(why) }
        });
        ready.await.unwrap();
        let memory = peak_mebibytes(operator);
        println!("memory: at most {memory} MiB");
        assert!(memory < 200, "{memory} MiB");
    };
    all_are_told(&operator).await;
    times.push(("beside them", neighbours.edit("beside").await));

    operator.terminate().await.unwrap();
    operator = neighbours.candidate().await;
    operator.wait_for_log("started", DEADLINE).await.unwrap();
    times.push(("after a restart", neighbours.edit("restarted").await));
    all_are_told(&operator).await;

    let successor = neighbours.candidate().await;
    operator.terminate().await.unwrap();
    successor.wait_for_log("started", DEADLINE).await.unwrap();
    times.push(("after a change of leader", neighbours.edit("succeeded").await));
    all_are_told(&successor).await;
    println!("an edit in another namespace: {times:.2?}");
    let log = successor.log().unwrap();
    let unread: Vec<_> = log.lines().filter(|line| line.contains("cannot decode")).collect();
    assert!(unread.len() == 2 && unread.iter().all(|line| line.contains("managed")), "{log}");
    let events = neighbours.world.objects.get("events.events.k8s.io").await.unwrap();
    let inexact = |event: &&Value| event["reason"] == "InexactInteger";
    let inexact: Vec<_> = events["items"].as_array().unwrap().iter().filter(inexact).collect();
    assert!(
        inexact.len() == 1 && inexact[0]["note"].as_str().unwrap().ends_with("appMetadata.id"),
        "{inexact:?}"
    );
    assert!(times.iter().all(|(_, time)| *time < Duration::from_secs(10)), "{times:?}");
}
