//! Conflicting writes, and two operators at once.

use super::{bodies, effects, give_password, password_of, trigger};
use crate::once::counts::Cost;
use crate::proxy::Proxy;
use crate::world::{DEADLINE, World, person, replace_operator, start_operator};
use auth0_sandbox::{Fault, FaultKind};
use lab::wait_until;
use serde_json::json;

async fn until_called(world: &World, slug: &str, method: &str) {
    wait_until(method, DEADLINE, async || {
        if world.calls_of(slug).iter().any(|call| call.method == method) { Ok(()) } else { Err("none") }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_conflict_before_the_request_begins_the_pass_anew_and_sends_once() {
    let world = World::start("conflict").await;
    world.add_person("pat");
    give_password(&world, "pat", "Correct-Horse-1").await;
    let held = FaultKind::Delay { millis: 9_000, after_effect: false };
    world.sandbox.fault(Fault::new(held).method("GET").path("/api/v2/users/").times(1));
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat")})).await;
    until_called(&world, "pat", "GET").await;
    world.annotate("auth0userupdate/pat", "example.com/note=hello").await;
    assert!(world.calls_of("pat").len() == 1 && world.sandbox.log().last().unwrap().status.is_none());
    world.sandbox.clear_faults();
    world.until_applied("pat").await;
    // The refused write of `Sending`, then Sending, Sent and the end; two GETs and one PATCH.
    world.until_cost("pat", Cost::default(), Cost { requests: 3, writes: 4, events: 1 }).await;
    assert_eq!(world.status_writes()[0].response_status.code, 409);
    assert_eq!(effects(&world, "pat").passwords_set, 1);
}

#[tokio::test]
async fn an_edit_while_the_request_is_under_way_loses_no_memory() {
    let world = World::start("edited").await;
    world.add_person("pat");
    give_password(&world, "pat", "Correct-Horse-1").await;
    let held = FaultKind::Delay { millis: 9_000, after_effect: true };
    world.sandbox.fault(Fault::new(held).method("PATCH").times(1));
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat"), "name": "Old"})).await;
    until_called(&world, "pat", "PATCH").await;
    world.apply_for("pat", json!({"passwordSecretRef": password_of("pat"), "name": "New"})).await;
    world.sandbox.clear_faults();
    let object = world.until_applied("pat").await;
    assert_eq!(trigger(&object, "passwordSecretRef")["state"], "Sent");
    assert_eq!(bodies(&world, "pat"), [json!({"password": "Correct-Horse-1"}), json!({"name": "New"})]);
}

#[tokio::test]
async fn an_order_whose_announcement_was_not_confirmed_is_one_that_was_not_sent() {
    let mut world = World::start("unconfirmed").await;
    let path = world.plane.dir().join(format!("{}-proxied.kubeconfig", world.namespace));
    let proxy = Proxy::start(world.plane.kubeconfig(), world.plane.server(), path).await;
    replace_operator(&mut world, proxy.kubeconfig(), "info,auth0_user_operator=debug").await;
    let mut user = person("pat", "People");
    user["email_verified"] = json!(false);
    world.sandbox.put_user(user).unwrap();
    let held = FaultKind::Delay { millis: 9_000, after_effect: false };
    world.sandbox.fault(Fault::new(held).method("GET").path("/api/v2/users/").times(1));
    world.apply_for("pat", json!({"verifyEmail": true})).await;
    until_called(&world, "pat", "GET").await;
    proxy.lose_answers(true);
    world.sandbox.clear_faults();
    let states = || -> Vec<String> {
        let writes = world.status_writes();
        let states =
            writes.iter().map(|write| trigger(&write.response_object, "verifyEmail")["state"].clone());
        states.filter_map(|state| state.as_str().map(str::to_owned)).collect()
    };
    wait_until("Sending", DEADLINE, async || if states().is_empty() { Err("none") } else { Ok(()) })
        .await
        .unwrap();
    // The answer to that has got lost.
    world.operator.wait_for_log("InternalError", DEADLINE).await.unwrap();
    proxy.lose_answers(false);
    world.until_applied("pat").await;
    // Nobody wrote that it may have been sent before.
    assert!(states().iter().all(|state| state != "Resending"), "{:?}", states());
    assert!(states().iter().filter(|state| *state == "Sending").count() > 1, "{:?}", states());
    assert_eq!(effects(&world, "pat").mails_sent, 1);
}

/// Many resources, two operators that see each of them at the same time.
async fn two_operators(name: &str, millis: u64) {
    let world = World::start(name).await;
    let second = start_operator(world.plane, &world.namespace, &world.sandbox, &[]).await;
    let slugs: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
    for slug in &slugs {
        let mut user = person(slug, "People");
        user["email_verified"] = json!(false);
        world.sandbox.put_user(user).unwrap();
        give_password(&world, slug, "Correct-Horse-1").await;
    }
    let slow = FaultKind::Delay { millis, after_effect: false };
    world.sandbox.fault(Fault::new(slow).method("PATCH"));
    let card = |slug: &str| json!({"userId": format!("auth0|{slug}"), "passwordSecretRef": password_of(slug), "verifyEmail": true});
    world.apply_all(slugs.iter().map(|slug| (slug.as_str(), card(slug)))).await;
    world
        .until_all("Sent", |object| {
            let sent = |name| trigger(object, name)["state"] == "Sent";
            sent("passwordSecretRef") && sent("verifyEmail")
        })
        .await;
    world.sandbox.clear_faults();
    world.until_all_is_quiet().await;
    assert!(second.log().unwrap().contains("Auth0 answered"), "the second operator took no part");
    let twice: Vec<_> = slugs
        .iter()
        .filter(|slug| effects(&world, slug).passwords_set != 1 || effects(&world, slug).mails_sent != 1)
        .map(|slug| (slug, bodies(&world, slug)))
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
}

#[tokio::test]
async fn two_operators_send_no_password_and_no_mail_twice() {
    two_operators("duel", 0).await;
}

#[tokio::test]
async fn two_operators_send_nothing_twice_while_auth0_is_slow() {
    two_operators("slow-duel", 2000).await;
}
