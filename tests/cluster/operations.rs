//! Probes, metrics, and several replicas of which one works.

use crate::world::{DEADLINE, World};
use lab::{Operator, Signal, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

/// The address that an operator says it serves.
async fn address(operator: &Operator) -> String {
    operator.wait_for_log("serving", DEADLINE).await.unwrap();
    let log = operator.log().unwrap();
    let line = log.lines().rfind(|line| line.contains("serving")).unwrap();
    line.rsplit("address=").next().unwrap().trim().to_owned()
}

async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn it_tells_that_it_gets_on_and_what_it_did() {
    let world = World::start("operations").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"nickname": "new"})).await;
    world.until_applied("ada").await;
    world.apply_for("nobody", json!({"nickname": "new"})).await;
    world.until_reason("auth0userupdate/nobody", "UserNotFound").await;
    let address = address(&world.operator).await;
    assert_eq!(get(&address, "/livez").await, (200, "ok".to_owned()));
    assert_eq!(get(&address, "/readyz").await, (200, "ok".to_owned()));
    let (status, text) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"auth0_user_operator_passes_total{kind="Auth0UserUpdate",outcome="updated",reason="Applied"} 1"#,
        r#"auth0_user_operator_auth0_requests_total{method="PATCH",status="200"} 1"#,
        r#"auth0_user_operator_auth0_request_seconds_count{method="PATCH"} 1"#,
        r#"auth0_user_operator_resources{kind="Auth0UserUpdate",ready="True",reason="Applied"} 1"#,
        r#"auth0_user_operator_resources{kind="Auth0UserUpdate",ready="False",reason="UserNotFound"} 1"#,
        r#"auth0_user_operator_resources{kind="Auth0Tenant",ready="True",reason="Applied"} 1"#,
        r#"auth0_user_operator_waiting_resources{lane="change"} 0"#,
        "auth0_user_operator_leader 1",
        "auth0_user_operator_build_info{version=",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("auth0_user_operator_auth0_budget_remaining{host="), "{text}");
    assert!(!text.contains("ada") && !text.contains("nobody"), "{text}");
}

/// An operator that works only while it holds the lease.
async fn candidate(world: &World, number: usize) -> Operator {
    let ca = world.plane.dir().join(format!("{}-auth0-ca.pem", world.namespace));
    let operator = Operator::builder(env!("CARGO_BIN_EXE_auth0-user-operator"), world.plane.kubeconfig())
        .args(["--watch-namespace", &world.namespace, "--operator-namespace", &world.namespace])
        .args(["--allowed-domain", &world.sandbox.domain(), "--leader-elect"])
        .env("SSL_CERT_FILE", ca.to_str().unwrap())
        .env("HOSTNAME", &format!("replica-{number}"))
        .start()
        .await
        .unwrap();
    operator.wait_for_log("serving", DEADLINE).await.unwrap();
    operator
}

async fn until_leading(operator: &Operator) -> Duration {
    let begun = Instant::now();
    operator.wait_for_log("started", DEADLINE).await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_takes_over() {
    let mut world = World::start("operations-lease").await;
    world.operator.terminate().await.unwrap();
    world.add_person("ada");
    let mut first = candidate(&world, 1).await;
    until_leading(&first).await;
    let mut second = candidate(&world, 2).await;
    let waits = address(&second).await;
    assert_eq!(get(&waits, "/readyz").await.0, 200, "ready to take over");
    assert!(get(&waits, "/metrics").await.1.contains("auth0_user_operator_leader 0"));
    world.apply_for("ada", json!({"nickname": "first"})).await;
    world.until_applied("ada").await;
    assert!(!second.log().unwrap().contains("started"));

    // Asked to end, it gives the lease back.
    assert!(first.terminate().await.unwrap().success());
    let handed = until_leading(&second).await;
    assert!(handed < Duration::from_secs(6), "{handed:?}");
    world.apply_for("ada", json!({"nickname": "second"})).await;
    world.until_applied("ada").await;

    // Killed, its lease has to expire.
    let third = candidate(&world, 3).await;
    second.kill().await.unwrap();
    let taken = until_leading(&third).await;
    assert!(taken > Duration::from_secs(5) && taken < Duration::from_secs(30), "{taken:?}");
    world.apply_for("ada", json!({"nickname": "third"})).await;
    world.until_applied("ada").await;
    assert_eq!(world.bodies_of("auth0|ada").len(), 3);
    println!("without a leader: {handed:.1?} after SIGTERM, {taken:.1?} after SIGKILL");
}

#[tokio::test]
async fn a_leader_that_slept_ends_instead_of_working_on() {
    let mut world = World::start("operations-sleep").await;
    world.operator.terminate().await.unwrap();
    world.add_person("ada");
    let mut sleeper = candidate(&world, 1).await;
    until_leading(&sleeper).await;
    let successor = candidate(&world, 2).await;
    sleeper.signal(Signal::Pause).unwrap();
    until_leading(&successor).await;
    world.apply_for("ada", json!({"nickname": "new"})).await;
    world.until_applied("ada").await;
    sleeper.signal(Signal::Resume).unwrap();
    let ended = wait_until("the end of the sleeper", DEADLINE, async || {
        sleeper.ended().map_err(|error| error.to_string())?.ok_or_else(|| "it runs".to_owned())
    });
    assert!(!ended.await.unwrap().success());
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"nickname": "new"})]);
}
