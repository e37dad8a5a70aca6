//! A tenant of another namespace: used with its consent, and only as long as it lasts.

use crate::once::claims::{APPLIED, CONFLICT, about, until_is, until_younger_than};
use crate::run::conditions::row;
use crate::world::{DEADLINE, World, start_operator, update};
use lab::{Kubectl, Mode, wait_until};
use serde_json::{Value, json};

const REFUSED: &str = "False/TenantNotAllowed Unknown/TenantNotAllowed Stalled";

/// Two namespaces with one operator; the tenant `example` is in the first.
struct Neighbours {
    world: World,
    there: String,
    kubectl: Kubectl,
}

impl Neighbours {
    async fn start(name: &str) -> Self {
        let mut world = World::start(name).await;
        let there = world.plane.namespace(&format!("{name}-there")).await.unwrap();
        let kubectl = world.plane.admin().in_namespace(&there);
        world.operator.kill().await.unwrap();
        let more = ["--watch-namespace", &there];
        world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
        Self { world, there, kubectl }
    }

    /// Applies a resource in the second namespace that names the tenant of the first.
    async fn apply_there(&self, name: &str, mut card: Value) {
        card["tenantRef"] = json!({"name": "example", "namespace": self.world.namespace});
        let manifest = update(name, about("ada", card));
        self.kubectl.submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    }

    async fn allow(&self, namespaces: &[&str]) {
        let patch = json!({"spec": {"allowedNamespaces": namespaces}});
        self.world.objects.patch("auth0tenant/example", &patch).await.unwrap();
    }

    async fn until_there(&self, name: &str, expected: &str) -> Value {
        let seen = wait_until(expected, DEADLINE, async || {
            let object = self.kubectl.get(&format!("auth0userupdate/{name}")).await;
            let object = object.map_err(|error| error.to_string())?;
            if row(&object) == expected { Ok(object) } else { Err(object["status"].to_string()) }
        });
        seen.await.unwrap()
    }
}

#[tokio::test]
async fn consent_is_asked_given_withdrawn_and_given_to_all() {
    let neighbours = Neighbours::start("consent").await;
    neighbours.world.add_person("ada");
    neighbours.world.sandbox.clear_log();
    neighbours.apply_there("ada", json!({"name": "Ada"})).await;
    let object = neighbours.until_there("ada", REFUSED).await;
    let text = object["status"]["conditions"].to_string();
    let advice = format!("has to list {} in its spec.allowedNamespaces", neighbours.there);
    assert!(text.contains(&advice), "{text}");
    assert!(neighbours.world.calls_of("ada").is_empty());

    neighbours.allow(&["somebody", &neighbours.there]).await;
    neighbours.until_there("ada", APPLIED).await;
    assert_eq!(neighbours.world.bodies(), [json!({"name": "Ada"})]);

    neighbours.allow(&["somebody"]).await;
    neighbours.until_there("ada", REFUSED).await;
    neighbours.apply_there("ada", json!({"name": "Ada Lovelace"})).await;
    neighbours.world.until_all_is_quiet().await;
    neighbours.until_there("ada", REFUSED).await;
    assert_eq!(neighbours.world.bodies_of("auth0|ada").len(), 1);

    neighbours.allow(&["*"]).await;
    neighbours.until_there("ada", APPLIED).await;
    assert_eq!(neighbours.world.bodies_of("auth0|ada")[1..], [json!({"name": "Ada Lovelace"})]);

    neighbours.world.objects.delete("auth0tenant/example").await.unwrap();
    neighbours.until_there("ada", REFUSED).await;
}

#[tokio::test]
async fn who_has_no_consent_owns_nothing_and_with_it_what_the_own_namespace_does_not() {
    let neighbours = Neighbours::start("consent-claims").await;
    let world = &neighbours.world;
    world.add_person("ada");
    neighbours.apply_there("stranger", json!({"name": "Stranger", "nickname": "stranger"})).await;
    neighbours.until_there("stranger", REFUSED).await;
    // Only within one second their names would decide.
    world.apply_as("early", about("ada", json!({"picture": "https://example.com/p.png"}))).await;
    until_younger_than(world, "early").await;
    world.apply_as("own", about("ada", json!({"name": "Own"}))).await;
    until_is(world, "own", APPLIED).await;
    neighbours.allow(&[&neighbours.there]).await;
    let stranger = neighbours.until_there("stranger", CONFLICT).await;
    let message = stranger["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("a resource of another namespace goes first and manages name"), "{message}");
    neighbours.apply_there("stranger", json!({"nickname": "stranger"})).await;
    neighbours.until_there("stranger", APPLIED).await;
    let user = world.sandbox.user("auth0|ada").unwrap();
    assert_eq!((&user["name"], &user["nickname"]), (&json!("Own"), &json!("stranger")));
    until_is(world, "own", APPLIED).await;
}
