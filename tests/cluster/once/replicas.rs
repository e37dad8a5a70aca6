//! Several replicas, of which one works.

use crate::once::triggers::{give_password, password_of};
use crate::run::operations::{address, get};
use crate::world::{DEADLINE, World};
use auth0_sandbox::{Fault, FaultKind};
use lab::{Operator, Signal, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const LEASE: &str = "lease/auth0-user-operator";

/// An operator that works only while it holds the lease.
pub async fn candidate(world: &World, number: usize) -> Operator {
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

pub async fn until_leading(operator: &Operator) -> Duration {
    let begun = Instant::now();
    operator.wait_for_log("started", DEADLINE).await.unwrap();
    begun.elapsed()
}

#[tokio::test]
async fn of_two_replicas_one_works_and_the_other_takes_over() {
    let mut world = World::start("replicas").await;
    world.operator.terminate().await.unwrap();
    world.add_person("ada");
    let mut first = candidate(&world, 1).await;
    until_leading(&first).await;
    let mut second = candidate(&world, 2).await;
    let waits = address(&second).await;
    // It says that it serves a moment before it stands for election.
    let ready = wait_until("a replica that is ready to take over", DEADLINE, async || {
        let (status, why) = get(&waits, "/readyz").await;
        if status == 200 { Ok(()) } else { Err(why) }
    });
    ready.await.unwrap();
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

/// Waits until an operator has ended by itself; answers whether it called that a success.
async fn until_ended(operator: &mut Operator) -> bool {
    let ended = wait_until("its end", DEADLINE, async || {
        operator.ended().map_err(|error| error.to_string())?.ok_or_else(|| "it runs".to_owned())
    });
    ended.await.unwrap().success()
}

#[tokio::test]
async fn a_leader_that_slept_for_a_minute_ends_and_its_password_is_set_once() {
    let mut world = World::start("replicas-asleep").await;
    world.operator.terminate().await.unwrap();
    world.add_person("ada");
    let mut sleeper = candidate(&world, 1).await;
    until_leading(&sleeper).await;
    let successor = candidate(&world, 2).await;
    // It falls asleep after Auth0 has set the password and before it hears of it.
    let slow = FaultKind::Delay { millis: 9_000, after_effect: true };
    world.sandbox.fault(Fault::new(slow).method("PATCH"));
    give_password(&world, "ada", "Correct-Horse-1").await;
    world.apply_for("ada", json!({"passwordSecretRef": password_of("ada"), "nickname": "new"})).await;
    let set = || world.sandbox.effects("auth0|ada").passwords_set;
    wait_until("the password", DEADLINE, async || if set() == 1 { Ok(()) } else { Err(set()) })
        .await
        .unwrap();
    sleeper.signal(Signal::Pause).unwrap();
    let asleep = Instant::now();
    until_leading(&successor).await;
    world.until_applied("ada").await;
    tokio::time::sleep_until((asleep + Duration::from_mins(1)).into()).await;
    sleeper.signal(Signal::Resume).unwrap();
    assert!(!until_ended(&mut sleeper).await);
    assert_eq!(set(), 1);
    assert_eq!(
        world.bodies_of("auth0|ada"),
        [json!({"password": "Correct-Horse-1"}), json!({"nickname": "new"})]
    );
}

/// Writes another time into the lease, as a holder whose clock jumped would have.
async fn jump(world: &World, time: &str) {
    let spec = json!({"spec": {"renewTime": time}});
    world.objects.patch(LEASE, &spec).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_makes_nobody_lead_and_nobody_wait() {
    let mut world = World::start("replicas-clock").await;
    world.operator.terminate().await.unwrap();
    world.add_person("ada");
    let mut first = candidate(&world, 1).await;
    until_leading(&first).await;
    let second = candidate(&world, 2).await;
    for time in ["1999-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"] {
        jump(&world, time).await;
        let renewed = wait_until("the next renewal", DEADLINE, async || {
            let spec = world.get(LEASE).await["spec"].clone();
            if spec["renewTime"] == time { Err(spec) } else { Ok(spec) }
        });
        let spec: Value = renewed.await.unwrap();
        assert!(spec["holderIdentity"].as_str().unwrap().starts_with("replica-1"), "{spec}");
    }
    assert!(!second.log().unwrap().contains("started"));
    first.kill().await.unwrap();
    jump(&world, "2099-01-01T00:00:00.000000Z").await;
    let taken = until_leading(&second).await;
    assert!(taken < Duration::from_secs(30), "{taken:?}");
    world.apply_for("ada", json!({"nickname": "new"})).await;
    world.until_applied("ada").await;
}
