//! What an accepted PATCH does beside storing values.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::Lab;

#[tokio::test]
async fn a_password_is_stored_leaves_a_trace_and_lifts_the_admin_block() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|bob", &json!({ "password": "New-Garden-77" })).await;
    assert_eq!(lab.sandbox.password("auth0|bob", "People").as_deref(), Some("New-Garden-77"));
    assert_eq!(answer["blocked"], json!(false));
    assert_eq!(answer["last_password_reset"], answer["updated_at"]);
    assert!(answer.get("password").is_none());
    let effects = lab.sandbox.effects("auth0|bob");
    assert_eq!((effects.passwords_set, effects.blocks_lifted, effects.sessions_ended), (1, 1, 1));
}

#[tokio::test]
async fn a_declared_block_survives_a_password_unless_the_switch_says_otherwise() {
    let lab = Lab::new().await;
    let body = json!({ "password": "New-Garden-77", "blocked": true });
    assert_eq!(lab.patched("auth0|bob", &body).await["blocked"], json!(true));
    lab.sandbox.change_rules(|rules| {
        rules.password_beats_blocked = true;
        rules.unblocked_stays_false = false;
    });
    let body = json!({ "password": "New-Garden-78", "blocked": true });
    assert!(lab.patched("auth0|bob", &body).await.get("blocked").is_none());
}

#[tokio::test]
async fn a_new_email_is_stored_in_lower_case_and_may_lose_its_verification() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|ann", &json!({ "email": "Ann.New@Example.com" })).await;
    assert_eq!((&answer["email"], &answer["email_verified"]), (&json!("ann.new@example.com"), &json!(false)));
    lab.sandbox.change_rules(|rules| rules.email_change_resets_verified = false);
    let answer =
        lab.patched("auth0|ann", &json!({ "email": "ann@example.com", "email_verified": true })).await;
    assert_eq!(answer["email_verified"], json!(true));
    let answer = lab.patched("auth0|ann", &json!({ "email": "other@example.com" })).await;
    assert_eq!(answer["email_verified"], json!(true));
}

#[tokio::test]
async fn sessions_end_by_the_documented_rule() {
    let lab = Lab::new().await;
    let ended = || lab.sandbox.effects("auth0|ann").sessions_ended;
    for body in [
        json!({ "email": "ANN@example.com" }),
        json!({ "email_verified": true }),
        json!({ "name": "Someone" }),
        json!({ "blocked": false, "user_metadata": { "a": 1 } }),
    ] {
        lab.patched("auth0|ann", &body).await;
        assert_eq!(ended(), 0, "{body}");
    }
    for (count, body) in (1..).zip([
        json!({ "username": "ann" }),
        json!({ "email_verified": false }),
        json!({ "email": "a@example.com" }),
    ]) {
        lab.patched("auth0|ann", &body).await;
        assert_eq!(ended(), count, "{body}");
    }
}

#[tokio::test]
async fn an_unchanged_phone_number_ends_sessions_and_a_changed_one_loses_its_verification() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|cleo", &json!({ "phone_number": "+15550100" })).await;
    assert_eq!(answer["phone_verified"], json!(true));
    assert_eq!(lab.sandbox.effects("auth0|cleo").sessions_ended, 1);
    let answer = lab.patched("auth0|cleo", &json!({ "phone_number": "+15550199" })).await;
    assert_eq!(answer["phone_verified"], json!(false));
}

#[tokio::test]
async fn triggers_are_counted_and_not_echoed() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|ann", &json!({ "verify_email": true, "client_id": "abc" })).await;
    assert!(answer.get("verify_email").is_none() && answer.get("client_id").is_none());
    lab.patched("auth0|ann", &json!({ "verify_email": false })).await;
    assert_eq!(lab.sandbox.effects("auth0|ann").mails_sent, 1);
    lab.patched("sms|gil", &json!({ "phone_number": "+15550103", "verify_phone_number": true })).await;
    assert_eq!(lab.sandbox.effects("sms|gil").texts_sent, 1);
}

#[tokio::test]
async fn null_removes_and_metadata_merges_at_the_first_level() {
    let lab = Lab::new().await;
    let body = json!({ "nickname": null, "user_metadata": { "plan": null, "deep": { "a": null } }, "app_metadata": {} });
    let answer = lab.patched("auth0|ann", &body).await;
    assert!(answer.get("nickname").is_none() && answer.get("app_metadata").is_none());
    assert_eq!(answer["user_metadata"], json!({ "theme": "dark", "deep": { "a": null } }));
    lab.sandbox.change_rules(|rules| {
        rules.cleared_app_metadata = auth0_sandbox::ClearedAppMetadata::Empty;
    });
    let answer = lab.patched("auth0|ann", &json!({ "user_metadata": {}, "app_metadata": {} })).await;
    assert_eq!((&answer["user_metadata"], &answer["app_metadata"]), (&json!({}), &json!({})));
}

#[tokio::test]
async fn an_action_may_rewrite_or_keep_values_and_auth0_may_trim() {
    let lab = Lab::new().await;
    lab.sandbox.change_rules(|rules| {
        rules.trims = true;
        rules.overrides.insert("nickname".into(), json!("forced"));
        rules.overrides.insert("user_metadata.plan".into(), json!("gold"));
        rules.ignored = vec!["given_name".into(), "app_metadata.roles".into()];
    });
    let body = json!({
        "name": " Ann ", "nickname": "mine", "given_name": "Other",
        "user_metadata": { "plan": "silver" }, "app_metadata": { "roles": [] },
    });
    let answer = lab.patched("auth0|ann", &body).await;
    let values = [&answer["name"], &answer["nickname"], &answer["given_name"]];
    assert_eq!(values, [&json!("Ann"), &json!("forced"), &json!("Ann")]);
    assert_eq!(answer["user_metadata"]["plan"], json!("gold"));
    assert_eq!(answer["app_metadata"]["roles"], json!(["reader"]));
}

#[tokio::test]
async fn updated_at_moves_with_every_patch_and_login_unless_the_switch_says_otherwise() {
    let lab = Lab::new().await;
    let stamp = || lab.sandbox.user("auth0|ann").unwrap()["updated_at"].clone();
    let first = stamp();
    lab.patched("auth0|ann", &json!({ "name": "Ann Example" })).await;
    let second = stamp();
    assert_ne!(first, second);
    lab.sandbox.change_rules(|rules| rules.equal_patch_moves_updated_at = false);
    lab.patched("auth0|ann", &json!({ "name": "Ann Example" })).await;
    assert_eq!(stamp(), second);
    assert!(lab.sandbox.login("auth0|ann"));
    let user = lab.sandbox.user("auth0|ann").unwrap();
    assert_ne!(user["updated_at"], second);
    assert_eq!((&user["last_login"], &user["logins_count"]), (&user["updated_at"], &json!(1)));
}

#[tokio::test]
async fn a_social_login_overwrites_the_root_unless_the_connection_leaves_it() {
    let lab = Lab::new().await;
    let says = json!({ "name": "From The Provider" }).as_object().unwrap().clone();
    for (id, overwritten) in [("google-oauth2|1001", true), ("github|2002", false), ("auth0|ann", false)] {
        assert!(lab.sandbox.login_with(id, &says));
        let name = lab.sandbox.user(id).unwrap()["name"].clone();
        assert_eq!(name == json!("From The Provider"), overwritten, "{id}");
    }
}
