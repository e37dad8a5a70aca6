//! Linked accounts: which identity a PATCH acts on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Lab, user_path};

#[tokio::test]
async fn a_named_secondary_identity_changes_in_its_profile_data() {
    let lab = Lab::new().await;
    let body = json!({ "connection": "Phones", "email": "Second@Example.com", "phone_number": "+15550188" });
    let answer = lab.patched("auth0|lea", &body).await;
    assert_eq!(answer["email"], json!("lea@example.com"));
    let data = &answer["identities"][1]["profileData"];
    assert_eq!((&data["email"], &data["email_verified"]), (&json!("second@example.com"), &json!(false)));
    assert_eq!((&data["phone_number"], &data["phone_verified"]), (&json!("+15550188"), &json!(false)));
    assert!(answer.get("phone_number").is_none());
}

#[tokio::test]
async fn each_identity_has_its_own_password() {
    let lab = Lab::new().await;
    lab.patched("auth0|lea", &json!({ "connection": "Phones", "password": "Second-Password-1" })).await;
    assert_eq!(lab.sandbox.password("auth0|lea", "Phones").as_deref(), Some("Second-Password-1"));
    assert_eq!(lab.sandbox.password("auth0|lea", "People").as_deref(), Some("Orchid-Garden-5"));
}

#[tokio::test]
async fn without_a_connection_the_primary_identity_is_meant() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|lea", &json!({ "email": "lea.new@example.com" })).await;
    assert_eq!(answer["email"], json!("lea.new@example.com"));
    assert_eq!(answer["identities"][1]["profileData"]["email"], json!("lea.second@example.com"));
}

#[tokio::test]
async fn metadata_and_block_belong_to_the_user_whatever_identity_is_named() {
    let lab = Lab::new().await;
    let body = json!({ "connection": "google-oauth2", "blocked": true, "user_metadata": { "a": 1 } });
    let answer = lab.patched("auth0|lea", &body).await;
    assert_eq!((&answer["blocked"], &answer["user_metadata"]), (&json!(true), &json!({ "a": 1 })));
}

#[tokio::test]
async fn of_two_identities_in_one_connection_the_first_is_meant() {
    let lab = Lab::new().await;
    let answer = lab.patched("auth0|max", &json!({ "connection": "People", "username": "maxi" })).await;
    assert_eq!(answer["username"], json!("maxi"));
    assert_eq!(answer["identities"][1]["profileData"]["username"], json!("max-two"));
    let (status, answer) = lab.patch("auth0|max", &json!({ "username": "max-two" })).await;
    assert_eq!((status, &answer["errorCode"]), (400, &json!("auth0_idp_error")));
}

#[tokio::test]
async fn profile_data_may_hide_what_auth0_holds() {
    let lab = Lab::new().await;
    lab.sandbox.change_rules(|rules| rules.profile_data_hides = vec!["email".into(), "phone_number".into()]);
    let answer =
        lab.patched("auth0|lea", &json!({ "connection": "Phones", "email": "hid@example.com" })).await;
    assert!(answer["identities"][1]["profileData"].get("email").is_none());
    let held = lab.sandbox.stored_user("auth0|lea").unwrap();
    assert_eq!(held["identities"][1]["profileData"]["email"], json!("hid@example.com"));
}

#[tokio::test]
async fn odd_ids_and_types_are_kept() {
    let lab = Lab::new().await;
    let id = "samlp|Corporate|jo/50%@example.com";
    let (status, user) = lab.get(&user_path(id)).await;
    assert_eq!((status, &user["user_id"], &user["email_verified"]), (200, &json!(id), &json!("true")));
    let (_, user) = lab.get(&user_path("github|2002")).await;
    assert_eq!(user["identities"][0]["user_id"], json!(2002));
    let answer = lab.patched("github|2002", &json!({ "name": "Numbered" })).await;
    assert_eq!(answer["name"], json!("Numbered"));
}

#[tokio::test]
async fn fields_may_be_chosen_or_left_out() {
    let lab = Lab::new().await;
    let path = user_path("auth0|ann");
    let (_, chosen) = lab.get(&format!("{path}?fields=email,name&include_fields=true")).await;
    assert_eq!(chosen, json!({ "email": "ann@example.com", "name": "Ann Example" }));
    let (_, rest) = lab.get(&format!("{path}?fields=email,identities&include_fields=false")).await;
    assert!(rest.get("email").is_none() && rest["name"] == "Ann Example");
}
