//! Password Secrets that cannot be used hold the password, and nothing else.

use super::{assert_stalled, assert_waits, ready};
use crate::world::{World, condition, person, update};
use lab::Mode;
use serde_json::{Value, json};

/// A case: its Secret's data in base64 (`None` for no Secret), and what becomes of the password.
struct Case {
    name: &'static str,
    data: Option<Value>,
    reason: &'static str,
    passing: bool,
    words: &'static [&'static str],
}

const fn case(
    name: &'static str,
    data: Option<Value>,
    reason: &'static str,
    passing: bool,
    words: &'static [&'static str],
) -> Case {
    Case { name, data, reason, passing, words }
}

async fn apply_secret(world: &World, name: &str, data: &Value) {
    let mut secret = lab::secret(name, &json!({}));
    secret["data"] = data.clone();
    world.kubectl.submit(Mode::ServerSideApply, &secret.to_string()).await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn a_secret_that_cannot_be_used_holds_the_password_only_and_is_used_once_it_is_right() {
    let world = World::start("password").await;
    let cases = [
        case("missing", None, "SecretNotFound", true, &["no Secret \"missing\"", "create it"]),
        case(
            "keyless",
            Some(json!({"other": "eA=="})),
            "SecretKeyMissing",
            true,
            &["Secret \"keyless\" has no key \"password\"", "add it"],
        ),
        case(
            "empty",
            Some(json!({"password": ""})),
            "InvalidRequest",
            false,
            &["key password of the Secret empty", "is empty"],
        ),
        case(
            "blank",
            Some(json!({"password": "Cg=="})),
            "InvalidRequest",
            false,
            &["key password of the Secret blank", "is empty"],
        ),
        case(
            "latin",
            Some(json!({"password": "/+g="})),
            "InvalidRequest",
            false,
            &["key password of the Secret latin", "not UTF-8"],
        ),
    ];
    for Case { name, data, .. } in &cases {
        world.sandbox.put_user(person(name, "People")).unwrap();
        if let Some(data) = data {
            apply_secret(&world, name, data).await;
        }
        world.apply_as(name, card(name)).await;
    }
    for Case { name, reason, passing, words, .. } in &cases {
        let object = world.until_reason(&format!("a0uu/{name}"), reason).await;
        if *passing {
            assert_waits(name, &object, reason, words);
            assert_eq!(condition(&object, "Synced"), ("Unknown".into(), (*reason).into()), "{name}");
        } else {
            assert_stalled(name, &object, reason, words);
            assert_eq!(condition(&object, "Synced"), ("False".into(), "Refused".into()), "{name}");
        }
        assert_eq!(world.bodies_of(&id(name)), [json!({"nickname": "new"})], "{name}");
        assert_eq!(object["status"]["lastUpdate"]["sentFields"], json!(["nickname"]), "{name}");
        assert!(object["status"]["triggers"].is_null(), "{name}");
    }
    // "Str0ng-Pass!", without touching the resources.
    for Case { name, .. } in &cases {
        apply_secret(&world, name, &json!({"password": "U3RyMG5nLVBhc3Mh"})).await;
    }
    for Case { name, .. } in &cases {
        let object = world.until_ready(&format!("a0uu/{name}")).await;
        assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()), "{name}");
        assert_eq!(
            (condition(&object, "Stalled").0, condition(&object, "Reconciling").0),
            Default::default()
        );
        assert_eq!(world.sandbox.password(&id(name), "People").as_deref(), Some("Str0ng-Pass!"), "{name}");
        let bodies = world.bodies_of(&id(name));
        assert_eq!(bodies, [json!({"nickname": "new"}), json!({"password": "Str0ng-Pass!"})], "{name}");
    }
}

fn id(name: &str) -> String {
    format!("auth0|{name}")
}

fn card(name: &str) -> Value {
    json!({"userId": id(name), "nickname": "new", "passwordSecretRef": {"name": name, "key": "password"}})
}

#[tokio::test]
async fn one_trailing_newline_is_not_part_of_a_password() {
    let world = World::start("password").await;
    for (name, written, set) in [
        ("one", "Str0ng-Pass!\n", "Str0ng-Pass!"),
        ("two", "Str0ng-Pass!\n\n", "Str0ng-Pass!\n"),
        ("spaces", " Str0ng Pass! ", " Str0ng Pass! "),
    ] {
        world.sandbox.put_user(person(name, "People")).unwrap();
        world.apply_secret(name, &json!({"password": written})).await;
        world.apply_as(name, card(name)).await;
        world.until_ready(&format!("a0uu/{name}")).await;
        assert_eq!(world.sandbox.password(&id(name), "People").as_deref(), Some(set), "{name}");
    }
}

#[tokio::test]
async fn a_password_is_not_taken_from_another_namespace() {
    let world = World::start("password").await;
    let elsewhere = world.plane.namespace("elsewhere").await.unwrap();
    let secret = lab::secret("theirs", &json!({"password": "Str0ng-Pass!"}));
    world.plane.admin().in_namespace(&elsewhere).apply(&secret.to_string()).await.unwrap();
    world.sandbox.put_user(person("theirs", "People")).unwrap();
    world.kubectl.apply(&update("theirs", card("theirs"))).await.unwrap();
    let object = world.until_reason("a0uu/theirs", "SecretNotFound").await;
    assert!(ready(&object).2.contains("in this namespace"));
    assert_eq!(world.sandbox.password("auth0|theirs", "People"), None);
}
