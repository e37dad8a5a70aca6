//! Another side that changes back what the operator has put back.

use crate::run::conditions::until_row;
use crate::world::{DEADLINE, World};
use lab::wait_until;
use serde_json::{Value, json};

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

impl World {
    /// Changes the name behind the operator's back, and has the operator check the user for no reason of this resource:
    /// kubectl's annotation says something else of a null, each time.
    async fn interfere(&self, round: usize) {
        self.rename("By another side");
        let annotation = json!({"spec": {"userMetadata": {"a": 1, format!("b{round}"): null}}}).to_string();
        let change = json!({"metadata": {"annotations": {LAST_APPLIED: annotation}}});
        self.objects.patch("auth0userupdate/ann", &change).await.unwrap();
        let told = |object: &Value| object["status"]["conditions"].to_string().contains(&format!("b{round}"));
        self.until("auth0userupdate/ann", "a check", told).await;
    }

    fn rename(&self, name: &str) {
        self.sandbox.change_user("auth0|ann", |user| drop(user.insert("name".into(), json!(name)))).unwrap();
    }
}

#[tokio::test]
async fn what_is_changed_each_time_is_put_back_three_times_then_told_and_left_until_an_edit() {
    let world = World::start("contested").await;
    world.apply(json!({"name": "Ann", "nickname": "ann", "userMetadata": {"a": 1}})).await;
    until_row(&world, "auth0userupdate/ann", "True/Applied True/InSync").await;
    world.sandbox.clear_log();
    for round in 0..3 {
        world.interfere(round).await;
    }
    assert_eq!(world.bodies(), vec![json!({"name": "Ann"}); 3]);
    let row = "True/Applied False/Contested";
    until_row(&world, "auth0userupdate/ann", row).await;
    // Another field is no part of it.
    world.sandbox.change_user("auth0|ann", |user| drop(user.insert("nickname".into(), json!("x")))).unwrap();
    world.interfere(3).await;
    assert_eq!(world.bodies()[3..], [json!({"nickname": "ann"})]);
    until_row(&world, "auth0userupdate/ann", row).await;
    let told = async || {
        let events = world.get("events.events.k8s.io").await["items"].as_array().unwrap().clone();
        let contested = events.iter().filter(|event| event["reason"] == "Contested").count();
        if contested == 1 { Ok(()) } else { Err(format!("{contested} events")) }
    };
    wait_until("the event", DEADLINE, told).await.unwrap();
    // Auth0 holds what is declared: nothing is contested any more.
    world.rename("Ann");
    world.sandbox.clear_log();
    world
        .objects
        .patch("auth0userupdate/ann", &json!({"metadata": {"annotations": {LAST_APPLIED: null}}}))
        .await
        .unwrap();
    until_row(&world, "auth0userupdate/ann", "True/Applied True/InSync").await;
    assert!(world.bodies().is_empty());
    // A person's edit is carried out at once.
    world.interfere(4).await;
    until_row(&world, "auth0userupdate/ann", row).await;
    world.apply(json!({"name": "Anna", "nickname": "ann", "userMetadata": {"a": 1}})).await;
    until_row(&world, "auth0userupdate/ann", "True/Applied True/InSync").await;
    assert_eq!(world.bodies(), [json!({"name": "Anna"})]);
}
