//! Answers that do not come, names that lead elsewhere, and what the log tells of people.

use crate::world::{
    CLIENT_SECRET, DEADLINE, World, condition, object, replace_operator, start_operator, unhurried,
};
use auth0_sandbox::{Fault, FaultKind};
use lab::wait_until;
use serde_json::json;
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
    world.kubectl.apply(&object("Auth0Tenant", "slow", &spec)).await.unwrap();
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
    world.kubectl.apply(&object("Auth0Tenant", "odd", &spec)).await.unwrap();
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
