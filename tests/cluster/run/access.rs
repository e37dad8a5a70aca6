//! A tenant that is lent to other namespaces: which of their fields, users and outputs get through, and what is said of
//! the rest. The whole table of fields is in `tests/plan/access.rs`; here is what only a real API server can show.

mod matrix;

use crate::once::claims::{APPLIED, about};
use crate::run::conditions::row;
use crate::world::{DEADLINE, World, object, start_operator, update};
use lab::{AuditEvents as _, Kubectl, Mode, wait_until};
use serde_json::{Value, json};

const REFUSED: &str = "False/TenantNotAllowed Unknown/TenantNotAllowed Stalled";
const PARTLY: &str = "False/TenantNotAllowed False/Refused Stalled";

/// Several namespaces with one operator; the tenant `example` is in the first.
struct Lent {
    world: World,
    teams: Vec<(String, Kubectl)>,
}

impl Lent {
    async fn start(name: &str) -> Self {
        Self::start_with(name, &["a", "b"]).await
    }

    async fn start_with(name: &str, names: &[&str]) -> Self {
        let mut world = World::start(name).await;
        let mut teams = Vec::new();
        for team in names {
            let namespace = world.plane.namespace(&format!("{name}-{team}")).await.unwrap();
            let kubectl = world.plane.admin().in_namespace(&namespace);
            teams.push((namespace, kubectl));
        }
        world.operator.kill().await.unwrap();
        let more: Vec<&str> =
            teams.iter().flat_map(|(namespace, _)| ["--watch-namespace", namespace]).collect();
        world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
        Self { world, teams }
    }

    /// Has the tenant grant this, `A` and `B` being the namespaces of the teams.
    async fn grant(&self, grants: Value) {
        let text = json!({"spec": {"access": grants}}).to_string();
        let text = text.replace("\"A\"", &format!("{:?}", self.teams[0].0));
        let text = text.replace("\"B\"", &format!("{:?}", self.teams[1].0));
        let patch = serde_json::from_str(&text).unwrap();
        self.world.objects.patch("auth0tenant/example", &patch).await.unwrap();
    }

    /// Applies a resource of a team for `auth0|SLUG`, named like it.
    async fn apply(&self, team: usize, slug: &str, mut card: Value) {
        card["tenantRef"] = json!({"name": "example", "namespace": self.world.namespace});
        let manifest = update(slug, about(slug, card));
        self.teams[team].1.submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    }

    async fn until(&self, team: usize, slug: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let seen = wait_until(what, DEADLINE, async || {
            let object = self.teams[team].1.get(&format!("auth0userupdate/{slug}")).await;
            let object = object.map_err(|error| error.to_string())?;
            if holds(&object) { Ok(object) } else { Err(object["status"].to_string()) }
        });
        seen.await.unwrap()
    }

    async fn until_row(&self, team: usize, slug: &str, expected: &str) -> Value {
        self.until(team, slug, expected, |object| row(object) == expected).await
    }
}

fn refused_fields(object: &Value) -> Vec<&str> {
    let refused = object["status"]["refusedFields"].as_array().into_iter().flatten();
    refused.map(|refused| refused["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_granted_goes_out_what_is_not_is_named_and_a_change_of_grants_acts_at_once() {
    let lent = Lent::start("access").await;
    let world = &lent.world;
    for slug in ["team-ada", "team-bob", "boss"] {
        world.add_person(slug);
    }
    let part = json!({"namespaces": ["A"], "fields": ["email", "userMetadata.plan", "block"],
                      "userIds": ["auth0|team-*"], "connections": ["People"], "outputs": "Mapped"});
    let profile = json!({"namespaces": ["B"], "fields": ["profile"], "userIds": ["auth0|team-bob"]});
    lent.grant(json!([part, profile])).await;
    world.until_ready("auth0tenant/example").await;
    world.sandbox.clear_log();

    // A part of the fields, a part of the outputs.
    let card = json!({"email": "new@example.com", "emailVerified": true, "name": "New", "blocked": false,
                      "userMetadata": {"plan": "pro", "seat": 1}, "clear": ["nickname", "appMetadata"]});
    lent.apply(0, "team-ada", card.clone()).await;
    let object = lent.until_row(0, "team-ada", PARTLY).await;
    let sent = json!({"email": "new@example.com", "user_metadata": {"plan": "pro"}});
    assert_eq!(world.bodies_of("auth0|team-ada"), [sent]);
    let expected = ["blocked", "userMetadata.seat", "appMetadata", "name", "nickname", "emailVerified"];
    assert_eq!(refused_fields(&object), expected);
    let status = &object["status"];
    assert_eq!((&status["user"]["email"], &status["rawOutput"]), (&json!("new@example.com"), &json!(null)));
    lent.apply(1, "team-bob", json!({"name": "Bob"})).await;
    let bob = lent.until_row(1, "team-bob", APPLIED).await;
    assert_eq!((&bob["status"]["user"], &bob["status"]["rawOutput"]), (&json!(null), &json!(null)));

    // Users outside: the same is said of one that is there and of one that is not, and nobody asks for either.
    let mut answers = Vec::new();
    for slug in ["boss", "nobody"] {
        lent.apply(0, slug, json!({"email": "new@example.com"})).await;
        let object = lent.until_row(0, slug, REFUSED).await;
        answers.push(object["status"]["conditions"][0]["message"].to_string().replace(slug, "X"));
        assert!(world.calls_of(slug).is_empty());
    }
    assert_eq!(answers[0], answers[1]);

    // The plan of mode Observe holds what is granted.
    let mut observed = card.clone();
    (observed["mode"], observed["userMetadata"]["plan"]) = (json!("Observe"), json!("free"));
    lent.apply(0, "team-ada", observed).await;
    let planned = |object: &Value| object["status"]["plan"] == json!(["userMetadata.plan"]);
    lent.until(0, "team-ada", "a plan", planned).await;
    lent.apply(0, "team-ada", card).await;
    lent.until(0, "team-ada", "no plan", |object| {
        object["status"]["plan"].is_null() && row(object) == PARTLY
    })
    .await;

    // A change wakes the namespace that it is about.
    world.until_all_is_quiet().await;
    world.sandbox.clear_log();
    let all = json!({"namespaces": ["A"], "fields": ["*"], "userIds": ["auth0|team-*"]});
    lent.grant(json!([all, profile])).await;
    let object = lent.until_row(0, "team-ada", APPLIED).await;
    assert!(object["status"]["user"].is_null(), "its outputs were withdrawn");
    world.until_all_is_quiet().await;
    assert!(world.calls_of("team-bob").is_empty(), "nothing changed for it");
    lent.grant(json!([profile])).await;
    lent.until_row(0, "team-ada", REFUSED).await;

    // The tenant tells what it is lent for.
    let row = json!({"namespace": lent.teams[1].0, "may": ["profile; users auth0|team-bob"], "resources": 1});
    let told = |tenant: &Value| {
        let status = &tenant["status"];
        status["accessTotal"] == 2 && status["access"].as_array().is_some_and(|rows| rows.contains(&row))
    };
    world.until("auth0tenant/example", "its access", told).await;
}

#[tokio::test]
async fn the_own_namespace_is_held_to_the_grants_that_name_it() {
    let world = World::start("access-own").await;
    let namespace = &world.namespace;
    let held = json!({"spec": {"access": [{"namespaces": [namespace], "fields": ["nickname"]}]}});
    world.objects.patch("auth0tenant/example", &held).await.unwrap();
    world.apply(json!({"nickname": "annie", "name": "Ann"})).await;
    let object = world.until_reason("auth0userupdate/ann", "TenantNotAllowed").await;
    assert_eq!((world.bodies(), refused_fields(&object)), (vec![json!({"nickname": "annie"})], vec!["name"]));
    world.objects.patch("auth0tenant/example", &json!({"spec": {"access": null}})).await.unwrap();
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.bodies()[1..], [json!({"name": "Ann"})]);
}

#[tokio::test]
async fn grants_that_could_mean_anything_else_are_refused() {
    let world = World::without_tenant("access-schema").await;
    let apply = async |grants: Value| {
        let spec =
            json!({"domain": "example.auth0.com", "credentialsSecretRef": {"name": "c"}, "access": grants});
        world.objects.apply(&object("Auth0Tenant", "t", &spec)).await
    };
    let grant = |field: &str, value: Value| {
        let mut grant = json!({"namespaces": ["a"], "fields": ["name"]});
        grant[field] = value;
        grant
    };
    let many =
        |name: &str, count: usize| -> Value { (0..count).map(|number| format!("{name}{number}")).collect() };
    for (grants, words) in [
        (json!([grant("namespaces", json!(["A"]))]), "namespaces takes names of namespaces"),
        (json!([grant("namespaces", json!([]))]), "at least 1 item"),
        (json!([grant("namespaces", json!(null))]), "namespaces"),
        (json!([grant("fields", json!(["nam"]))]), "fields takes names of fields"),
        (json!([grant("fields", json!(["user_metadata"]))]), "fields takes names of fields"),
        (json!([grant("fields", json!(["userMetadata.a.b"]))]), "fields takes names of fields"),
        (json!([grant("fields", json!(["name", "name"]))]), "uplicate"),
        (json!([grant("fields", many("userMetadata.", 65))]), "at most 64 items"),
        (json!([grant("connections", json!([]))]), "at least 1 item"),
        (json!([grant("userIds", json!([""]))]), "at least 1 char"),
        (json!([grant("outputs", json!("All"))]), "supported values"),
        (json!(vec![grant("outputs", json!("Full")); 65]), "at most 64 items"),
    ] {
        let refusal = apply(grants.clone()).await.unwrap_err();
        assert!(refusal.contains(words), "{grants}: {refusal}");
    }
    let largest = json!({"namespaces": many("n", 64), "fields": many("userMetadata.", 64), "connections": many("c", 64),
                         "userIds": many("auth0|", 64), "outputs": "Mapped"});
    apply(json!(vec![largest; 64])).await.unwrap();
    let own = [
        "*",
        "profile",
        "block",
        "blocked",
        "passwordSecretRef",
        "clientId",
        "appMetadata",
        "appMetadata.roles",
    ];
    apply(json!([grant("fields", json!(own)), grant("namespaces", json!(["*"]))])).await.unwrap();
}

#[tokio::test]
async fn a_password_that_is_not_granted_is_neither_announced_nor_sent_and_goes_out_once_it_is() {
    let lent = Lent::start("access-password").await;
    let world = &lent.world;
    world.add_person("ada");
    lent.grant(json!([{"namespaces": ["A"], "fields": ["name"]}])).await;
    world.until_ready("auth0tenant/example").await;
    let secret = async |password: &str| {
        let secret = lab::secret("p", &json!({"k": password}));
        lent.teams[0].1.apply(&secret.to_string()).await.unwrap();
    };
    secret("First-Password-1").await;
    lent.apply(0, "ada", json!({"name": "Ada", "passwordSecretRef": {"name": "p", "key": "k"}})).await;
    let object = lent.until_row(0, "ada", PARTLY).await;
    assert_eq!(refused_fields(&object), ["passwordSecretRef"]);
    secret("Second-Password-2").await;
    world.until_all_is_quiet().await;
    assert_eq!(row(&lent.until_row(0, "ada", PARTLY).await), PARTLY);
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"name": "Ada"})]);
    lent.grant(json!([{"namespaces": ["A"], "fields": ["name", "passwordSecretRef"]}])).await;
    lent.until_row(0, "ada", APPLIED).await;
    assert_eq!(world.bodies_of("auth0|ada")[1..], [json!({"password": "Second-Password-2"})]);
    let all = world.plane.audit().unwrap();
    let writes = all.writes().within(&lent.teams[0].0).of("auth0userupdates", "status");
    assert!(writes.len() < 10, "{}", writes.len());
}
