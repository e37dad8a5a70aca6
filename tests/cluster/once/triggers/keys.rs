//! A lost trigger key, and the annotation that decides where there is no usable memory.

use super::{bodies, effects, give_password, password_of, trigger};
use crate::once::counts::restart;
use crate::world::{World, condition};
use serde_json::{Value, json};

const FIELD: &str = "passwordSecretRef";
const ASSUME_SENT: &str = "auth0-user-operator.dev/assume-sent";

async fn assume(world: &World, slug: &str, sent: bool) {
    world.annotate(&format!("auth0userupdate/{slug}"), &format!("{ASSUME_SENT}={sent}")).await;
}

#[tokio::test]
async fn with_a_lost_key_an_old_order_is_rewritten_and_not_sent() {
    let mut world = World::start("key-lost").await;
    world.add_person("same");
    give_password(&world, "same", "Correct-Horse-1").await;
    world.apply_for("same", json!({"passwordSecretRef": password_of("same")})).await;
    world.until_applied("same").await;
    let before = trigger(&world.get("auth0userupdate/same").await, FIELD);
    world.objects.delete("secret/auth0-user-operator-trigger-key").await.unwrap();
    restart(&mut world).await;

    // The same generation and Secret are the same order: rewritten under the new key, not sent.
    world.look_for_tenant("same").await;
    let after = trigger(&world.until_applied("same").await, FIELD);
    assert_ne!(after["keyId"], before["keyId"]);
    assert_ne!(after["digest"], before["digest"]);
    assert_eq!(after["state"], "Sent");
    assert_eq!(effects(&world, "same").passwords_set, 1);
}

#[tokio::test]
async fn with_a_lost_key_a_changed_order_waits_for_a_person() {
    let mut world = World::start("key-changed").await;
    let slugs = ["sent", "unsent", "rotated"];
    for slug in slugs {
        world.add_person(slug);
        give_password(&world, slug, "Correct-Horse-1").await;
        world.apply_for(slug, json!({"passwordSecretRef": password_of(slug)})).await;
    }
    for slug in slugs {
        world.until_applied(slug).await;
    }
    world.operator.kill().await.unwrap();
    world.objects.delete("secret/auth0-user-operator-trigger-key").await.unwrap();
    for slug in ["sent", "unsent"] {
        let card = json!({"passwordSecretRef": password_of(slug), "name": "Renamed"});
        world.apply_for(slug, card).await;
    }
    give_password(&world, "rotated", "Battery-Staple-2").await;
    world.operator.restart().await.unwrap();

    for slug in slugs {
        let object = world.until_reason(&format!("auth0userupdate/{slug}"), "TriggerKeyLost").await;
        assert_eq!(condition(&object, "Stalled").0, "True", "{slug}");
        assert_eq!(effects(&world, slug).passwords_set, 1, "{slug}");
    }
    assert_eq!(bodies(&world, "sent")[1..], [json!({"name": "Renamed"})], "the rest is not held");

    assume(&world, "sent", true).await;
    assume(&world, "unsent", false).await;
    assume(&world, "rotated", false).await;
    for (slug, times) in [("sent", 1), ("unsent", 2), ("rotated", 2)] {
        let object = world.until_applied(slug).await;
        assert_eq!(trigger(&object, FIELD)["state"], "Sent", "{slug}");
        assert_eq!(effects(&world, slug).passwords_set, times, "{slug}");
    }
    let held = world.sandbox.password("auth0|rotated", "People");
    assert_eq!(held.as_deref(), Some("Battery-Staple-2"));
}

#[tokio::test]
async fn assume_sent_records_without_sending_and_the_next_change_is_sent() {
    let world = World::start("assumed").await;
    world.add_person("joe");
    give_password(&world, "joe", "Correct-Horse-1").await;
    let mut manifest: Value = serde_json::from_str(&crate::world::update(
        "joe",
        json!({
            "userId": "auth0|joe", "verifyEmail": true, "userMetadata": {},
            "passwordSecretRef": password_of("joe"),
        }),
    ))
    .unwrap();
    world.sandbox.change_user("auth0|joe", |user| user.insert("email_verified".into(), json!(false)));
    manifest["metadata"]["annotations"] = json!({ASSUME_SENT: "true"});
    world.kubectl.submit(lab::Mode::ServerSideApply, &manifest.to_string()).await.unwrap().ok().unwrap();
    let object = world.until_applied("joe").await;
    assert_eq!(bodies(&world, "joe"), [] as [Value; 0]);
    for order in [FIELD, "verifyEmail", "userMetadata"] {
        assert_eq!(trigger(&object, order)["state"], "Sent", "{order}");
    }
    give_password(&world, "joe", "Battery-Staple-2").await;
    world.until("auth0userupdate/joe", "an update", |object| !object["status"]["lastUpdate"].is_null()).await;
    assert_eq!(bodies(&world, "joe"), [json!({"password": "Battery-Staple-2"})]);
}
