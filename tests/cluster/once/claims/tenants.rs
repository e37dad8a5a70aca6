//! Claims are about the user of a host: whichever tenant resource and namespace names it.

use super::{APPLIED, CONFLICT, about, until_conflict, until_is, until_younger_than, words};
use crate::run::conditions::row;
use crate::world::objects::Objects;
use crate::world::{CLIENT_SECRET, DEADLINE, World, object, objects_of, start_operator, update};
use lab::wait_until;
use serde_json::{Value, json};

/// Applies a tenant of this name and domain, with the credentials of the first one.
async fn add_tenant(objects: &Objects, name: &str, domain: &str) {
    let credentials = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
    let secret = lab::secret("example-credentials", &credentials);
    objects.apply(&secret.to_string()).await.unwrap();
    let spec = json!({"domain": domain, "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": crate::world::unhurried()});
    objects.apply(&object("Auth0Tenant", name, &spec)).await.unwrap();
}

fn through(tenant: &str, mut card: Value) -> Value {
    card["tenantRef"] = json!({"name": tenant});
    card
}

#[tokio::test]
async fn claims_are_about_the_user_of_a_host() {
    let mut world = World::start("claims-here").await;
    let there = world.plane.namespace("claims-there").await.unwrap();
    // The stand-in answers under both names; to everybody else they are two tenants.
    let elsewhere = format!("127.0.0.1:{}", world.sandbox.address().port());
    world.operator.kill().await.unwrap();
    let more = ["--allowed-domain", &elsewhere, "--watch-namespace", &there];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
    tokio::join!(
        two_tenants_of_one_host_share_claims_and_other_hosts_do_not(&world, &elsewhere),
        claims_reach_across_the_namespaces_that_one_operator_watches(&world, &there)
    );
}

async fn two_tenants_of_one_host_share_claims_and_other_hosts_do_not(world: &World, elsewhere: &str) {
    add_tenant(&world.objects, "twin", &world.sandbox.domain()).await;
    add_tenant(&world.objects, "other-host", elsewhere).await;
    for tenant in ["auth0tenant/twin", "auth0tenant/other-host"] {
        world.until_ready(tenant).await;
    }
    world.add_person("ada");
    world.apply_as("owner", about("ada", json!({"name": "Owner"}))).await;
    until_is(world, "owner", APPLIED).await;
    until_younger_than(world, "owner").await;
    world.apply_as("by-twin", through("twin", about("ada", json!({"name": "Twin"})))).await;
    let object = until_conflict(world, "by-twin", "owner").await;
    assert!(words(&object).contains(&"name"));
    // This one has the field for itself, where it is.
    world.apply_as("by-other", through("other-host", about("ada", json!({"name": "Other"})))).await;
    until_is(world, "by-other", APPLIED).await;

    // The twin's claims come and go with its tenant.
    world.objects.delete("auth0userupdate/owner").await.unwrap();
    until_is(world, "by-twin", APPLIED).await;
    until_younger_than(world, "by-twin").await;
    world.apply_as("late", about("ada", json!({"name": "Late"}))).await;
    until_conflict(world, "late", "by-twin").await;
    world.objects.delete("auth0tenant/twin").await.unwrap();
    until_is(world, "late", APPLIED).await;
    add_tenant(&world.objects, "twin", &world.sandbox.domain()).await;
    until_conflict(world, "late", "by-twin").await;
    until_is(world, "by-twin", APPLIED).await;
    assert_eq!(world.sandbox.user("auth0|ada").unwrap()["name"], "Twin");
}

async fn claims_reach_across_the_namespaces_that_one_operator_watches(world: &World, there: &str) {
    let there = objects_of(world.plane, there).await;
    add_tenant(&there, "example", &world.sandbox.domain()).await;
    world.add_person("bea");
    world.apply_as("here", about("bea", json!({"name": "Owner"}))).await;
    until_is(world, "here", APPLIED).await;
    until_younger_than(world, "here").await;
    let manifest = update("a-bea", about("bea", json!({"name": "There"})));
    there.apply(&manifest).await.unwrap();
    let until_there = async |expected: &str| {
        let seen = wait_until(expected, DEADLINE, async || {
            let object = there.get("auth0userupdate/a-bea").await?;
            if row(&object) == expected { Ok(object) } else { Err(object["status"].to_string()) }
        });
        seen.await.unwrap()
    };
    let object = until_there(CONFLICT).await;
    let text = words(&object).join(" ");
    assert!(text.starts_with("a resource of another namespace goes first and manages name"), "{text}");
    assert!(!text.contains(&world.namespace), "{text}");
    assert_eq!(world.bodies_of("auth0|bea"), [json!({"name": "Owner"})]);
    world.objects.delete("auth0userupdate/here").await.unwrap();
    until_there(APPLIED).await;
    assert_eq!(world.bodies_of("auth0|bea")[1..], [json!({"name": "There"})]);
}
