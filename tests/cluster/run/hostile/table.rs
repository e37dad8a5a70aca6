//! Everything of [`rows`] at once in one namespace, by a person with the shipped role `admin` there: what is said of each,
//! what is asked for it, and what another team notices of it.

use super::rows::{CREDENTIALS, Expected, KEPT, Places, RIGHT, Row, rows};
use crate::run::conditions::row as conditions;
use crate::world::{
    CLIENT_SECRET, DEADLINE, Objects, World, client, object, person, start_operator, unhurried, update,
};
use auth0_user_operator::api::json::{self, Object};
use k8s_openapi::jiff::Timestamp;
use lab::{AuditEvents as _, secret, wait_until};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// The tenants' namespace is the world's own.
struct Stage {
    world: World,
    places: Places,
    honest: Objects,
    team: Team,
    /// Connections to where nothing may lead.
    caught: Arc<AtomicUsize>,
}

/// A person of the hostile namespace.
struct Team {
    namespace: String,
    client: kube::Client,
}

impl Team {
    /// Creates an object of a manifest, as it is written.
    async fn create(&self, manifest: &str) -> Result<(), String> {
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
    async fn start() -> Self {
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
        let honest = crate::world::objects_of(world.plane, &places.honest).await;
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
        let roles = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize/base/userroles.yaml");
        self.world.plane.admin().run(["apply", "-f", roles], "").await.unwrap().ok().unwrap();
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
    async fn settle_the_honest(&self) {
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
    async fn edit(&self, name: &str) -> Duration {
        let begun = Instant::now();
        self.apply_honest("honest", json!({"name": name, "userMetadata": {"plan": name}})).await;
        self.until_honest("honest", |object| object["status"]["user"]["name"] == name).await;
        begun.elapsed()
    }

    /// Waits until each of these rows is told what it expects, and answers their objects.
    async fn until_told<'a>(&self, rows: &[&'a Row]) -> Vec<(&'a Row, Value)> {
        let (mut waiting, mut told) = (rows.to_vec(), Vec::new());
        let all = wait_until("every row", DEADLINE, async || {
            let mut others = Vec::new();
            for row in std::mem::take(&mut waiting) {
                let object = self.team.get(row).await?;
                if row.expected.is_told_by(&object) {
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
    fn cost(&self, object: &Value) -> (usize, usize) {
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

/// A status without what tells rows of one group apart anyway.
fn masked(value: &Value, names: &[String]) -> Value {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok() => json!("TIME"),
        Value::String(text) => json!(names.iter().fold(text.clone(), |text, name| text.replace(name, "X"))),
        Value::Array(items) => items.iter().map(|item| masked(item, names)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked(value, names))).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn what_a_hostile_team_tries_is_refused_or_harmless_and_another_team_notices_nothing() {
    let stage = Stage::start().await;
    let rows = rows(&stage.places);
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "each row has a name of its own");
    add_people(&stage.world, &rows);
    stage.settle_the_honest().await;
    stage.world.sandbox.clear_log();

    let begun = Instant::now();
    let mut wrong = Vec::new();
    for row in &rows {
        let (last, before) = row.objects.split_last().unwrap();
        for manifest in before {
            stage.team.create(manifest).await.unwrap();
        }
        match (stage.team.create(last).await, row.expected) {
            (Ok(()), Expected::Told(..)) => {}
            (Err(error), Expected::Refused(words)) if error.contains(words) => {}
            (outcome, _) => wrong.push(format!("{}: {outcome:?}", row.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let applied = begun.elapsed();
    let beside = stage.edit("Beside").await;
    let told: Vec<&Row> = rows.iter().filter(|row| matches!(row.expected, Expected::Told(..))).collect();
    let mut groups: BTreeMap<&str, Vec<(Value, (usize, usize))>> = BTreeMap::new();
    for (row, object) in stage.until_told(&told).await {
        println!(
            "LEN {} {} {}",
            row.name,
            object["status"].to_string().len(),
            object["status"]["conditions"].to_string().len()
        );
        if let Some(group) = row.alike {
            let shown = (masked(&object["status"], &row.masked), stage.cost(&object));
            groups.entry(group).or_default().push(shown);
        }
    }
    for (group, mut shown) in groups {
        assert!(shown.len() > 1, "{group} is one row alone");
        shown.dedup();
        assert_eq!(shown.len(), 1, "{group}: {shown:#?}");
    }
    let judged = begun.elapsed();
    what_is_not_the_teams_is_refused(&stage).await;
    let after = stage.edit("After").await;
    println!(
        "{} rows, {} of them told; applied in {applied:.1?}, judged after {judged:.1?}",
        rows.len(),
        told.len()
    );
    println!("an edit of another team: {beside:.2?} beside them, {after:.2?} after them");
    assert!(beside < Duration::from_secs(10) && after < Duration::from_secs(10), "{beside:?} {after:?}");
    nothing_else_was_asked(&stage, &rows);
    nothing_came_out(&stage).await;
}

/// The users of rows that are meant to reach one, and those of the other team.
fn add_people(world: &World, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.asked.is_some() && row.name != "user-gone") {
        let manifest = json::read::<Object>(row.objects.last().unwrap().as_bytes()).unwrap().0.unwrap();
        let id = manifest["spec"]["userId"].as_str().unwrap();
        let (_, slug) = id.split_once('|').unwrap();
        let mut user = person(slug, "People");
        (user["email"], user["username"]) = (json!("x@example.com"), json!(slug));
        (user["app_metadata"], user["user_metadata"]) = (json!({}), json!({}));
        world.sandbox.put_user(user).unwrap();
    }
    let mut blocked = person("blocked", "People");
    blocked["blocked"] = json!(true);
    for user in [person("boss", "People"), blocked] {
        world.sandbox.put_user(user).unwrap();
    }
}

/// What the role does not give: statuses, and other namespaces.
async fn what_is_not_the_teams_is_refused(stage: &Stage) {
    let own = Objects::new(stage.team.client.clone(), &stage.team.namespace);
    let sent = json!([{"name": "passwordSecretRef", "state": "Sent", "digest": "0", "keyId": "0"}]);
    let access = json!([{"namespace": stage.team.namespace, "may": ["*"], "resources": 1}]);
    let ready = json!([{"type": "Ready", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    for (target, status) in [
        ("auth0userupdate/guess-right-ada", json!({"triggers": sent})),
        ("auth0userupdate/fight-b", json!({"observedGeneration": 1, "conditions": ready})),
        ("auth0tenant/domain-shared", json!({"access": access})),
        (
            "auth0tenant/domain-shared",
            json!({"credentials": {"uid": "u", "resourceVersion": "1"}, "conditions": ready}),
        ),
    ] {
        let refused = own.patch_status(target, &json!({"status": status})).await.unwrap_err();
        assert!(refused.contains("forbidden"), "{target} {status}: {refused}");
    }
    for (namespace, target) in [
        (&stage.places.platform, "auth0tenant/example"),
        (&stage.places.platform, "secret/example-credentials"),
        (&stage.places.honest, "auth0userupdate/honest"),
        (&stage.places.honest, "secret/theirs"),
    ] {
        let theirs = Objects::new(stage.team.client.clone(), namespace);
        let read = theirs.get(target).await.unwrap_err();
        let written = theirs.patch(target, &json!({"metadata": {"labels": {"x": "y"}}})).await.unwrap_err();
        assert!(read.contains("forbidden") && written.contains("forbidden"), "{target}: {read} {written}");
    }
}

/// Of Auth0, of the cluster, and of anybody else.
fn nothing_else_was_asked(stage: &Stage, rows: &[Row]) {
    let mut expected: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for row in rows {
        if let Some(path) = row.asked {
            expected.entry(path).or_default().extend(row.bodies.clone());
        }
    }
    let edits = ["Beside", "After"].map(|name| json!({"name": name, "user_metadata": {"plan": name}}));
    expected.entry("/api/v2/users/auth0%7Cteam-honest").or_default().extend(edits);
    let mut seen: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let log = stage.world.sandbox.log();
    let is_of_tenants = |path: &str| path == "/oauth/token" || path.starts_with("/api/v2/connections?");
    for call in log.iter().filter(|call| !is_of_tenants(&call.path)) {
        seen.entry(&call.path).or_default().extend(call.body.clone());
    }
    assert_eq!(seen, expected);
    let sent = format!("{log:?}");
    for kept in KEPT {
        assert!(!sent.contains(kept), "{kept} went to Auth0");
    }
    assert!(sent.contains(CREDENTIALS), "the tenant with the lent one's domain was tried");
    for call in log.iter().filter(|call| format!("{call:?}").contains(CREDENTIALS)) {
        assert_eq!(call.path, "/oauth/token");
    }
    assert_eq!(stage.caught.load(Ordering::Relaxed), 0, "connections to where nothing may lead");

    // Secrets are watched by their label, and read one by one under names that are names.
    let audit = stage.world.plane.audit().unwrap();
    let mut secrets = audit.within(&stage.team.namespace).of("secrets", "");
    secrets.retain(|event| !event.user_agent.contains("kubectl"));
    let gets: BTreeSet<&str> = secrets
        .iter()
        .filter(|event| event.verb == "get")
        .map(|event| event.object_ref.name.as_str())
        .collect();
    println!("Secrets that were asked for by name: {gets:?}");
    for event in &secrets {
        let (uri, name) = (event.request_uri.as_str(), &event.object_ref.name);
        match event.verb.as_str() {
            "get" => assert_eq!(uri, format!("/api/v1/namespaces/{}/secrets/{name}", stage.team.namespace)),
            "list" | "watch" => assert!(uri.contains("labelSelector=auth0-user-operator.dev%2Fuse"), "{uri}"),
            other => panic!("{other} {uri}"),
        }
    }
}

/// No value of a Secret is shown anywhere, and nothing of the hostile team to the other one.
async fn nothing_came_out(stage: &Stage) {
    let log = stage.world.operator.log().unwrap();
    assert!(!log.lines().any(|line| line.starts_with("FORGED")), "{log}");
    let mut shown = vec![("the log", log)];
    let admin = stage.honest.updates().into_client();
    for (place, namespace) in
        [("the team's", &stage.team.namespace), ("the other team's", &stage.places.honest)]
    {
        for (api, plural) in [
            ("auth0-user-operator.dev/v1alpha1", "auth0userupdates"),
            ("auth0-user-operator.dev/v1alpha1", "auth0tenants"),
            ("events.k8s.io/v1", "events"),
        ] {
            let list = http::Request::get(format!("/apis/{api}/namespaces/{namespace}/{plural}"));
            shown.push((place, admin.request_text(list.body(Vec::new()).unwrap()).await.unwrap()));
        }
    }
    for (place, text) in &shown {
        for value in KEPT.into_iter().chain([RIGHT, CREDENTIALS, CLIENT_SECRET]) {
            assert!(!text.contains(value), "{value} in {place}");
        }
        assert!(*place != "the other team's" || !text.contains(&stage.team.namespace), "{text}");
    }
}
