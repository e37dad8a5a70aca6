//! Claims are about the user of a host: whichever tenant resource and namespace names it.

use super::{APPLIED, CONFLICT, about, until_conflict, until_is, until_younger_than, words};
use crate::conditions::row;
use crate::world::{CLIENT_SECRET, DEADLINE, World, object, start_operator, update};
use lab::{Kubectl, Mode, wait_until};
use serde_json::{Value, json};

/// Applies a tenant of this name and domain, with the credentials of the first one.
async fn add_tenant(kubectl: &Kubectl, name: &str, domain: &str) {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "example-credentials"},
        "stringData": {"clientId": "operator", "clientSecret": CLIENT_SECRET},
    });
    kubectl.apply(&secret.to_string()).await.unwrap();
    let spec = json!({"domain": domain, "credentialsSecretRef": {"name": "example-credentials"}, "rateLimit": crate::world::unhurried()});
    kubectl.apply(&object("Auth0Tenant", name, &spec)).await.unwrap();
}

fn through(tenant: &str, mut card: Value) -> Value {
    card["tenantRef"] = json!({"name": tenant});
    card
}

#[tokio::test]
async fn two_tenants_of_one_host_share_claims_and_other_hosts_do_not() {
    let mut world = World::start("claims-hosts").await;
    // The stand-in answers under both names; to everybody else they are two tenants.
    let elsewhere = format!("127.0.0.1:{}", world.sandbox.address().port());
    world.operator.kill().await.unwrap();
    let more = ["--allowed-domain", &elsewhere];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
    add_tenant(&world.kubectl, "twin", &world.sandbox.domain()).await;
    add_tenant(&world.kubectl, "other-host", &elsewhere).await;
    for tenant in ["auth0tenant/twin", "auth0tenant/other-host"] {
        world.until_ready(tenant).await;
    }
    world.add_person("ada");
    world.apply_as("owner", about("ada", json!({"name": "Owner"}))).await;
    until_is(&world, "owner", APPLIED).await;
    until_younger_than(&world, "owner").await;
    world.apply_as("by-twin", through("twin", about("ada", json!({"name": "Twin"})))).await;
    let object = until_conflict(&world, "by-twin", "owner").await;
    assert!(words(&object).contains(&"name"));
    // This one has the field for itself, where it is.
    world.apply_as("by-other", through("other-host", about("ada", json!({"name": "Other"})))).await;
    until_is(&world, "by-other", APPLIED).await;

    // The twin's claims come and go with its tenant.
    world.objects.delete("auth0userupdate/owner").await.unwrap();
    until_is(&world, "by-twin", APPLIED).await;
    until_younger_than(&world, "by-twin").await;
    world.apply_as("late", about("ada", json!({"name": "Late"}))).await;
    until_conflict(&world, "late", "by-twin").await;
    world.objects.delete("auth0tenant/twin").await.unwrap();
    until_is(&world, "late", APPLIED).await;
    add_tenant(&world.kubectl, "twin", &world.sandbox.domain()).await;
    until_conflict(&world, "late", "by-twin").await;
    until_is(&world, "by-twin", APPLIED).await;
    assert_eq!(world.sandbox.user("auth0|ada").unwrap()["name"], "Twin");
}

#[tokio::test]
async fn claims_reach_across_the_namespaces_that_one_operator_watches() {
    let mut world = World::start("claims-here").await;
    let there = world.plane.namespace("claims-there").await.unwrap();
    let kubectl = world.plane.admin().in_namespace(&there);
    world.operator.kill().await.unwrap();
    let more = ["--watch-namespace", &there];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
    add_tenant(&kubectl, "example", &world.sandbox.domain()).await;
    world.add_person("ada");
    world.apply_as("owner", about("ada", json!({"name": "Owner"}))).await;
    until_is(&world, "owner", APPLIED).await;
    until_younger_than(&world, "owner").await;
    let manifest = update("a-ada", about("ada", json!({"name": "There"})));
    kubectl.submit(Mode::ServerSideApply, &manifest).await.unwrap().ok().unwrap();
    let until_there = async |expected: &str| {
        let seen = wait_until(expected, DEADLINE, async || {
            let object = kubectl.get("auth0userupdate/a-ada").await.map_err(|error| error.to_string())?;
            if row(&object) == expected { Ok(object) } else { Err(object["status"].to_string()) }
        });
        seen.await.unwrap()
    };
    let object = until_there(CONFLICT).await;
    let text = words(&object).join(" ");
    assert!(text.starts_with("a resource of another namespace goes first and manages name"), "{text}");
    assert!(!text.contains(&world.namespace), "{text}");
    assert_eq!(world.bodies(), [json!({"name": "Owner"})]);
    world.objects.delete("auth0userupdate/owner").await.unwrap();
    until_there(APPLIED).await;
    assert_eq!(world.bodies()[1..], [json!({"name": "There"})]);
}
