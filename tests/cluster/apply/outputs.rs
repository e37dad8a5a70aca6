//! What the card answers: status.user, rawOutput, lastUpdate.

use crate::world::{SCOPES, World, ann, condition, person, update};
use auth0_sandbox::{Client, Connection};
use serde_json::{Map, Value, json};

/// A person with every attribute that Auth0 answers, and with tokens of identity providers.
fn everything() -> Value {
    json!({
        "user_id": "auth0|all", "email": "all@example.com", "email_verified": true, "username": "all",
        "phone_number": "+15550100", "phone_verified": false, "created_at": "2026-01-01T00:00:00.000Z",
        "name": "Old", "nickname": "al", "given_name": "A", "family_name": "Ll",
        "picture": "https://example.com/all.png", "blocked": false, "multifactor": ["guardian", {"odd": 1}],
        "last_ip": "2001:db8::1", "last_login": "2026-02-01T00:00:00.000Z", "logins_count": 7,
        "app_metadata": {"roles": ["reader"], "deep": {"n": null}}, "user_metadata": {"theme": "dark"},
        "locale": "en",
        "identities": [
            {"connection": "People", "user_id": "all", "provider": "auth0", "isSocial": false},
            {"connection": "github", "user_id": 2002, "provider": "github", "isSocial": true,
             "access_token": "canary-idp-access", "access_token_secret": "canary-idp-secret",
             "refresh_token": "canary-idp-refresh",
             "profileData": {"email": "all@github.example.com", "access_token": "canary-idp-nested"}},
        ],
    })
}

/// A world whose application may read the tokens of identity providers.
async fn world_with_tokens(name: &str) -> World {
    let world = World::without_tenant(name).await;
    let scopes: Vec<&str> = SCOPES.into_iter().chain(["read:user_idp_tokens"]).collect();
    let client = Client::with_secret("operator", crate::world::CLIENT_SECRET).scopes(&scopes);
    world.sandbox.put_client(client);
    world.sandbox.put_connection(Connection::new("github", "github"));
    world.sandbox.put_user(everything()).unwrap();
    world.apply_tenant().await;
    world.until_ready("auth0tenant/example").await;
    world
}

fn status_of<'a>(object: &'a Value, field: &str) -> &'a Value {
    &object["status"][field]
}

#[tokio::test]
async fn every_output_is_mapped_and_no_token_of_a_provider_is_kept() {
    let world = world_with_tokens("outputs-all").await;
    world.apply_as("all", json!({"userId": "auth0|all", "name": "New"})).await;
    let object = world.until_ready("auth0userupdate/all").await;
    let updated = world.sandbox.user("auth0|all").unwrap()["updated_at"].clone();
    let expected = json!({
        "id": "auth0|all", "email": "all@example.com", "emailVerified": true, "username": "all",
        "phoneNumber": "+15550100", "phoneVerified": false, "createdAt": "2026-01-01T00:00:00.000Z",
        "updatedAt": updated, "name": "New", "nickname": "al", "givenName": "A", "familyName": "Ll",
        "picture": "https://example.com/all.png", "blocked": false, "multifactor": ["guardian", {"odd": 1}],
        "lastIp": "2001:db8::1", "lastLogin": "2026-02-01T00:00:00.000Z", "loginsCount": 7,
        "appMetadata": {"roles": ["reader"], "deep": {"n": null}}, "userMetadata": {"theme": "dark"},
        "identities": [
            {"connection": "People", "userId": "all", "provider": "auth0", "isSocial": false},
            {"connection": "github", "userId": "2002", "provider": "github", "isSocial": true},
        ],
    });
    assert_eq!(*status_of(&object, "user"), expected);

    let answers = world.sandbox.log();
    let answer = answers.iter().rfind(|call| call.method == "PATCH").unwrap().answer.clone().unwrap();
    assert!(answer.to_string().contains("canary-idp-access"), "the stand-in shows no tokens");
    let mut raw = answer;
    let github = raw["identities"][1].as_object_mut().unwrap();
    for token in ["access_token", "access_token_secret", "refresh_token"] {
        github.remove(token);
    }
    github["profileData"].as_object_mut().unwrap().remove("access_token");
    assert_eq!(*status_of(&object, "rawOutput"), raw);
    assert!(!object.to_string().contains("canary-idp"));
    assert!(!world.operator.log().unwrap().contains("canary-idp"));
}

#[tokio::test]
async fn output_says_how_much_of_the_user_is_kept() {
    let world = World::start("outputs-modes").await;
    for name in ["full", "mapped", "none"] {
        world.sandbox.put_user(person(name, "People")).unwrap();
    }
    let card = |name: &str, output: &str| json!({"userId": format!("auth0|{name}"), "output": output, "name": "New"});
    let modes = [("full", "Full"), ("mapped", "Mapped"), ("none", "None")];
    world.apply_all(modes.map(|(name, output)| (name, card(name, output)))).await;
    world.apply(json!({"name": "New"})).await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    let kept = |name: &str| {
        let status = &objects[name]["status"];
        (!status["user"].is_null(), !status["rawOutput"].is_null())
    };
    assert_eq!(
        ["ann", "full", "mapped", "none"].map(kept),
        [(true, true), (true, true), (true, false), (false, false)]
    );
    assert_eq!(objects["none"]["status"]["lastUpdate"]["sentFields"], json!(["name"]));
    // Whoever stops keeping personal data finds it gone.
    world.apply_as("full", card("full", "None")).await;
    let full = world.until_ready("auth0userupdate/full").await;
    assert!(full["status"]["user"].is_null() && full["status"]["rawOutput"].is_null());
    assert!(!full["status"].to_string().contains("full@example.com"));
    assert!(status_of(&full, "outputOmitted").is_null());
}

#[tokio::test]
async fn outputs_above_128_kib_are_left_out_and_named() {
    let world = World::start("outputs-large").await;
    let large = |length: usize| json!({"text": "x".repeat(length)});
    let put = |slug: &str, user: Value, app: Value| {
        let mut person = person(slug, "People");
        person["user_metadata"] = user;
        person["app_metadata"] = app;
        world.sandbox.put_user(person).unwrap();
    };
    put("small", large(60 * 1024), large(60 * 1024));
    put("raw", large(70 * 1024), large(70 * 1024));
    put("user", large(130 * 1024), json!({}));
    put("app", json!({}), large(130 * 1024));
    put("both", large(130 * 1024), large(130 * 1024));
    let names = ["small", "raw", "user", "app", "both"];
    world
        .apply_all(names.map(|name| (name, json!({"userId": format!("auth0|{name}"), "nickname": "n"}))))
        .await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    let omitted = names.map(|name| objects[name]["status"]["outputOmitted"].clone());
    assert_eq!(
        omitted,
        [
            json!(null),
            json!(["rawOutput"]),
            json!(["rawOutput", "user.userMetadata"]),
            json!(["rawOutput", "user.appMetadata"]),
            json!(["rawOutput", "user.appMetadata", "user.userMetadata"]),
        ]
    );
    let user = |name: &str| objects[name]["status"]["user"].clone();
    assert_eq!(objects["small"]["status"]["rawOutput"]["nickname"], "n");
    assert_eq!(user("raw")["userMetadata"]["text"].as_str().unwrap().len(), 70 * 1024);
    assert!(objects["raw"]["status"]["rawOutput"].is_null());
    assert!(user("both")["userMetadata"].is_null() && user("both")["appMetadata"].is_null());
    assert_eq!(user("both")["nickname"], "n");
}

#[tokio::test]
async fn a_status_is_written_whatever_auth0_answers() {
    let world = World::start("outputs-huge").await;
    let text = |kib: usize| "x".repeat(kib * 1024);
    let identity = |number: u32| {
        let id = if number == 0 { "lists".to_owned() } else { format!("{number}{}", text(100)) };
        json!({"connection": "People", "user_id": id, "provider": "auth0", "isSocial": false})
    };
    let deep = (0..100).fold(json!(1), |inner, _| json!({"a": inner}));
    let users = [
        (
            "texts",
            json!({"picture": text(1_800), "nickname": text(1_800)}),
            json!(["rawOutput", "user.nickname", "user.picture"]),
        ),
        (
            "lists",
            json!({"identities": (0..18).map(identity).collect::<Vec<_>>(), "multifactor": [text(1_800)]}),
            json!(["rawOutput", "user.identities", "user.multifactor"]),
        ),
        // The API server stores six bytes for each of these.
        (
            "escaped",
            json!({"nickname": "<".repeat(100 * 1024), "picture": "&".repeat(100 * 1024)}),
            json!(["rawOutput", "user.nickname", "user.picture"]),
        ),
        ("deep", json!({"user_metadata": deep}), json!(["rawOutput", "user.userMetadata"])),
        // Each fits, and all together; the object is too large with them.
        (
            "many",
            json!({"name": text(120), "nickname": text(120), "picture": text(120), "family_name": text(120)}),
            json!(["rawOutput", "user", "user.appMetadata"]),
        ),
    ];
    for (slug, change, _) in &users {
        let mut person = person(slug, "People");
        change.as_object().unwrap().iter().for_each(|(key, value)| person[key] = value.clone());
        world.sandbox.put_user(person).unwrap();
    }
    let manifests = users.iter().map(|(slug, ..)| {
        let mut card = json!({"userId": format!("auth0|{slug}"), "givenName": "New"});
        let is_large = *slug == "many";
        if is_large {
            card["appMetadata"] = (0..8).map(|number| (format!("k{number}"), json!(text(120)))).collect();
        }
        let mut manifest: Value = serde_json::from_str(&update(slug, card)).unwrap();
        if is_large {
            manifest["metadata"]["annotations"] = json!({"example.com/note": text(200)});
        }
        manifest.to_string()
    });
    let manifests = manifests.collect::<Vec<_>>().join("\n---\n");
    world.kubectl.submit(lab::Mode::ServerSideApply, &manifests).await.unwrap().ok().unwrap();
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (slug, _, omitted) in &users {
        let status = &objects[*slug]["status"];
        assert_eq!(status["outputOmitted"], *omitted, "{slug}");
        assert_eq!(status["user"]["givenName"] == "New", *slug != "many", "{slug}");
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")).len(), 1, "{slug}");
    }
    // Each can be read back, and be written again.
    world.run(["annotate", "auth0userupdates", "--all", "auth0-user-operator.dev/requested-at=now"]).await;
    world.until_all("a look", |object| object["status"]["lastHandledReconcileAt"] == "now").await;
}

#[tokio::test]
async fn odd_types_of_an_answer_never_fail_a_pass() {
    let world = World::start("outputs-odd").await;
    let odd = [
        (
            "text-flag",
            json!({"email_verified": "true", "blocked": "false"}),
            json!({"emailVerified": true, "blocked": false}),
        ),
        ("empty-flag", json!({"email_verified": ""}), json!({"emailVerified": false})),
        ("mail-flag", json!({"email_verified": "a@example.com"}), json!({"emailVerified": true})),
        (
            "number",
            json!({"family_name": 7, "given_name": null}),
            json!({"familyName": "7", "givenName": null}),
        ),
        ("count", json!({"logins_count": "many"}), json!({"loginsCount": null})),
        (
            "object",
            json!({"last_ip": {"a": 1}, "last_login": ["x"]}),
            json!({"lastIp": null, "lastLogin": null}),
        ),
        ("factor", json!({"multifactor": "guardian"}), json!({"multifactor": null})),
        (
            "map",
            json!({"user_metadata": null, "app_metadata": "text"}),
            json!({"userMetadata": null, "appMetadata": null}),
        ),
    ];
    for (slug, change, _) in &odd {
        let mut person = person(slug, "People");
        change.as_object().unwrap().iter().for_each(|(key, value)| person[key] = value.clone());
        world.sandbox.put_user(person).unwrap();
    }
    let card = |slug: &str| json!({"userId": format!("auth0|{slug}"), "nickname": "n"});
    world.apply_all(odd.iter().map(|(slug, _, _)| (*slug, card(slug)))).await;
    let objects = world.until_all("Ready=True", |object| condition(object, "Ready").0 == "True").await;
    for (slug, _, outputs) in odd {
        for (key, value) in outputs.as_object().unwrap() {
            assert_eq!(objects[slug]["status"]["user"][key], *value, "{slug}: {key}");
        }
    }
}

#[tokio::test]
async fn last_update_tells_the_last_pass_that_sent_something() {
    let world = World::start("outputs-last").await;
    let card = json!({
        "name": "New", "nickname": "", "username": "ann-2", "emailVerified": true,
        "userMetadata": {"plan": null, "size": 1}, "clear": ["appMetadata"], "connection": "People",
    });
    world.apply(card.clone()).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    let last = status_of(&object, "lastUpdate").clone();
    assert_eq!((&last["generation"], &last["requests"]), (&json!(1), &json!(2)));
    let sorted = |field: &str| {
        let mut names: Vec<String> = serde_json::from_value(last[field].clone()).unwrap();
        names.sort_unstable();
        names
    };
    assert_eq!(sorted("sentFields"), ["name", "userMetadata.size", "username"]);
    assert_eq!(sorted("clearedFields"), ["appMetadata", "nickname", "userMetadata.plan"]);
    let time = last["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.ends_with('Z'), "{time}");

    // A generation that changes nothing in Auth0 does not touch it.
    let mut same = card;
    same["resyncInterval"] = json!("2h");
    world.apply(same).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert_eq!(object["status"]["observedGeneration"], 2);
    assert_eq!(*status_of(&object, "lastUpdate"), last);
    assert_eq!(world.bodies().len(), 2);
}

#[tokio::test]
async fn a_login_alone_is_no_reason_to_write_but_the_next_generation_shows_it() {
    let world = World::start("outputs-login").await;
    world.apply(json!({"name": "New"})).await;
    world.until_ready("auth0userupdate/ann").await;
    world.look_again("auth0userupdate/ann").await;
    let before = world.get("auth0userupdate/ann").await["status"].clone();
    let writes = world.status_writes().len();
    let profile: Map<String, Value> = json!({"last_ip": "192.0.2.1"}).as_object().unwrap().clone();
    assert!(world.sandbox.login_with("auth0|ann", &profile));
    world.look_again("auth0userupdate/ann").await;
    assert_eq!(world.get("auth0userupdate/ann").await["status"], before);
    assert_eq!(world.status_writes().len(), writes);

    world.apply(json!({"name": "New", "nickname": "ann"})).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert_eq!(object["status"]["user"]["loginsCount"], 1);
    assert_eq!(world.bodies().len(), 1);

    // Drift of something declared is corrected, and then the answer is shown.
    let drift = |user: &mut Map<String, Value>| drop(user.insert("name".to_owned(), json!("Drifted")));
    world.sandbox.change_user("auth0|ann", drift).unwrap();
    assert!(world.sandbox.login("auth0|ann"));
    world.look_again("auth0userupdate/ann").await;
    let user = world.get("auth0userupdate/ann").await["status"]["user"].clone();
    assert_eq!((&user["name"], &user["loginsCount"]), (&json!("New"), &json!(2)));
    assert_eq!(world.bodies().last(), Some(&json!({"name": "New"})));
}

#[tokio::test]
async fn metadata_named_like_a_token_is_compared_although_it_is_not_shown_raw() {
    let world = World::start("outputs-names").await;
    let mut user = ann();
    user["app_metadata"] = json!({"crm": {"access_token": "t1", "id": 1}, "refresh_token": "t2"});
    world.sandbox.put_user(user).unwrap();
    let same = json!({"appMetadata": {"crm": {"access_token": "t1", "id": 1}, "refresh_token": "t2"}});
    world.apply(same).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert!(world.bodies().is_empty(), "{:?}", world.bodies());
    assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()));
    assert_eq!(object["status"]["rawOutput"]["app_metadata"], json!({"crm": {"id": 1}}));
}
