//! What is exported says what is there: applying it sends nothing, and it is valid.

use crate::driver::key;
use crate::generate::{config, stored_user};
use crate::world::{linked, user};
use auth0_sandbox::Seed;
use auth0_user_operator::api::{Auth0UserUpdate, JsonMap, TenantRef};
use auth0_user_operator::command::export::Manifest;
use auth0_user_operator::plan::{Desired, Memory, Password, Progress, Situation, plan};
use auth0_user_operator::user::User;
use lab::people::{MISREAD, recorded};
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn exported(user: &Value) -> Manifest {
    let tenant = TenantRef { name: "example".to_owned(), namespace: None };
    Manifest::of(&observed(user), &tenant, None).unwrap()
}

fn observed(user: &Value) -> User {
    User::from(serde_json::from_value::<JsonMap>(user.clone()).unwrap())
}

fn documents(manifest: &Manifest) -> Vec<Auth0UserUpdate> {
    serde_saphyr::from_multiple(&manifest.text).unwrap_or_else(|error| panic!("{error}\n{}", manifest.text))
}

/// Applies what is exported of a user, to that user. Answers the documents.
fn assert_nothing_is_sent(user: &Value) -> Vec<Auth0UserUpdate> {
    let manifest = exported(user);
    let documents = documents(&manifest);
    for document in &documents {
        let spec = &document.spec;
        let situation = Situation {
            desired: &Desired::read(spec, None, &[]).unwrap(),
            user: &observed(user),
            password: &Password::Undeclared,
            memory: &Memory::default(),
            progress: &Progress::default(),
            key: &key(7),
            host: "host",
            user_id: &spec.user_id,
        };
        let plan = plan(&situation).unwrap();
        let bodies: Vec<_> = plan.steps.iter().map(|step| format!("{:?}", step.fields)).collect();
        assert!(plan.is_empty(), "{bodies:?} of {user}\n{}", manifest.text);
        assert_eq!(spec.inexact_integers(), Vec::<String>::new(), "{}", manifest.text);
    }
    documents
}

fn seeded() -> Vec<Value> {
    Seed::example().unwrap().users.into_iter().map(|user| Value::Object(user.profile)).collect()
}

#[test]
fn applying_what_is_exported_of_every_seeded_and_every_recorded_user_sends_nothing() {
    let users = [seeded(), recorded().unwrap()].concat();
    assert!(users.len() > 40, "{}", users.len());
    let documents: usize = users.iter().map(|user| assert_nothing_is_sent(user).len()).sum();
    assert!(documents > users.len(), "linked accounts are exported too");
}

/// Texts that readers of YAML take for something else, and any others.
fn any_text() -> impl Strategy<Value = Value> {
    let odd = [
        "",
        " ",
        "no",
        "1:30",
        "`a",
        "|",
        "> a",
        "{a}",
        "a,",
        "--- a",
        "a\nb",
        " a\n",
        "a\n\n",
        "\ta",
        "\r",
        "\u{0}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}a",
        "\u{fffe}",
        "\u{fffd}",
        "a\\b",
        "\u{1f600}",
        "a ",
    ];
    let odd = [&MISREAD[..], &odd].concat();
    prop_oneof![1 => select(odd).prop_map(Value::from), 1 => any::<String>().prop_map(Value::from)]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any_text(),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(vec![
            json!(-0.0),
            json!(1.0),
            json!(1e21),
            json!(5e-324),
            json!(u64::MAX),
            json!(true),
            Value::Null
        ]),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    any_text().prop_map(|text| text.as_str().unwrap_or_default().to_owned())
}

/// A user whose attributes hold anything, of any provider.
fn odd_user() -> impl Strategy<Value = Value> {
    let names = [
        "name",
        "given_name",
        "family_name",
        "nickname",
        "picture",
        "email",
        "email_verified",
        "phone_number",
        "phone_verified",
        "username",
        "blocked",
    ];
    let attributes =
        || btree_map(select(names.to_vec()), prop_oneof![4 => any_text(), 1 => any_value()], 0..8);
    let metadata = || btree_map(text(), any_value(), 0..6);
    let providers = select(vec!["auth0", "email", "sms", "google-oauth2"]);
    (attributes(), attributes(), metadata(), metadata(), providers).prop_map(
        |(own, other, app, metadata, provider)| {
            let mut user = linked(json!(own), &json!(other));
            user["app_metadata"] = json!(app);
            user["user_metadata"] = json!(metadata);
            user["user_id"] = json!(format!("{provider}|1"));
            user["identities"][0]["provider"] = json!(provider);
            user
        },
    )
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn applying_what_is_exported_of_any_user_sends_nothing(user in stored_user()) {
        let spec = &assert_nothing_is_sent(&user)[0].spec;
        // Whatever a person would manage is there.
        for (held, exported) in [("email", &spec.email), ("phone_number", &spec.phone_number), ("username", &spec.username), ("given_name", &spec.given_name)] {
            prop_assert_eq!(exported.value().map(String::as_str), user[held].as_str(), "{}", held);
        }
        prop_assert_eq!(spec.blocked.value().copied(), Some(true).filter(|_| user["blocked"] == true));
    }

    #[test]
    fn applying_what_is_exported_of_a_user_with_any_text_in_any_place_sends_nothing(user in odd_user()) {
        let spec = json!(assert_nothing_is_sent(&user)[0].spec);
        for (key, value) in user["user_metadata"].as_object().unwrap() {
            let is_text = value.is_string() && !format!("{key}{value}").contains('\u{fffd}');
            if is_text && !key.contains(['.', '$']) {
                prop_assert_eq!(&spec["userMetadata"][key], value);
            }
        }
    }
}

fn seeded_text(id: &str) -> String {
    let users = seeded();
    exported(users.iter().find(|user| user["user_id"] == id).unwrap()).text
}

#[test]
fn a_user_is_written_in_the_order_of_the_card() {
    assert_eq!(
        seeded_text("auth0|ann"),
        r#"---
apiVersion: auth0-user-operator.dev/v1alpha1
kind: Auth0UserUpdate
metadata:
  name: ann-example-com-846a84d4
spec:
  tenantRef:
    name: example
  passEmptyValues: "No"
  userId: auth0|ann
  name: Ann Example
  givenName: Ann
  familyName: Example
  picture: https://example.com/ann.png
  email: ann@example.com
  emailVerified: true
  username: ann
  appMetadata:
    roles:
    - reader
  userMetadata:
    plan: free
    theme: dark
"#
    );
}

#[test]
fn linked_accounts_are_resources_of_their_own() {
    let documents =
        assert_nothing_is_sent(seeded().iter().find(|user| user["user_id"] == "auth0|lea").unwrap());
    let specs: Vec<Value> = documents.iter().map(|document| json!(document.spec)).collect();
    let shared = json!({"tenantRef": {"name": "example"}, "passEmptyValues": "No", "userId": "auth0|lea"});
    let with = |more: Value| {
        let mut spec = shared.clone();
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    assert_eq!(
        specs,
        [
            with(
                json!({"name": "Lea Example", "email": "lea@example.com", "emailVerified": true, "username": "lea"})
            ),
            with(json!({"connection": "Phones", "email": "lea.second@example.com", "emailVerified": true,
                        "phoneNumber": "+15550102", "phoneVerified": true})),
        ]
    );
    let text = seeded_text("auth0|lea");
    assert!(text.contains("  phoneNumber: \"+15550102\"\n"), "{text}");
}

#[test]
fn what_is_not_for_a_person_to_manage_is_left_out_and_told() {
    let told = |id: &str| {
        let text = seeded_text(id);
        text.lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        told("google-oauth2|1001"),
        [
            "# Left out: name, givenName, familyName, picture, email (connection \"google-oauth2\" sets them itself, or does not let them be changed)"
        ]
    );
    assert_eq!(
        told("auth0|max"),
        ["# Left out: linked accounts in \"People\" (the user has several identities in this connection)"]
    );
    // Auth0 made these names of the address; they would not follow it.
    for id in ["email|finn", "sms|gil"] {
        assert!(!seeded_text(id).contains("\n  name:\n"), "{id}");
        assert_eq!(told(id), Vec::<String>::new());
    }
    let spec = &assert_nothing_is_sent(&user(json!({
        "name": "ada@example.com", "nickname": "ada", "email": "ada@example.com", "blocked": false, "last_login": "2026-01-01T00:00:00.000Z",
        "picture": "https://s.gravatar.com/avatar/0?s=480&r=pg&d=https%3A%2F%2Fcdn.auth0.com%2Favatars%2Fad.png",
    })))[0]
        .spec;
    let fields: Vec<String> = json!(spec).as_object().unwrap().keys().cloned().collect();
    assert_eq!(fields, ["email", "passEmptyValues", "tenantRef", "userId"]);
}

#[test]
fn what_a_spec_cannot_hold_is_left_out_and_named() {
    let mut deep = json!(1);
    for _ in 0..65 {
        deep = json!([deep]);
    }
    let user = user(json!({
        "name": "n".repeat(301), "picture": "ada.png", "email": "no address", "email_verified": true,
        "phone_number": "0049", "username": 7,
        "user_metadata": {"kept": 1, "big": 9_007_199_254_740_993_u64, "a.b\n": 1, "null": null, "nulls": [null],
                          "lost": "\u{fffd}", "deep": deep, "many": vec![1; 10_001]},
        "app_metadata": {"roles": ["r"], "email": "reserved", "large": "x".repeat(200_001)},
    }));
    let spec = json!(assert_nothing_is_sent(&user)[0].spec);
    assert_eq!(spec["userMetadata"], json!({"kept": 1}));
    assert_eq!(spec["appMetadata"], json!({"roles": ["r"]}));
    let manifest = exported(&user);
    let told: Vec<&str> =
        manifest.text.lines().filter_map(|line| line.strip_prefix("# Left out: ")).collect();
    assert_eq!(
        told,
        [
            "name (it has more than 300 characters)",
            "picture (it is no absolute URL)",
            "email (it is not one address)",
            "phoneNumber (it is not + and 1 to 15 digits)",
            "username (it is not a string)",
            r#"appMetadata.email (appMetadata has the key "email", which Auth0 reserves; rename it)"#,
            "appMetadata.large (there is more than a manifest can hold)",
            r#"userMetadata.a.b\n (userMetadata has the key "a.b\n": Auth0 rejects keys that contain . or $; rename it)"#,
            "userMetadata.big (it holds an integer of 2^53 or more, which tools round)",
            "userMetadata.deep (userMetadata.deep is nested deeper than 64 levels: flatten it, or encode it as a string)",
            "userMetadata.lost (it holds what is no character)",
            "userMetadata.many (there is more than a manifest can hold)",
            "userMetadata.nulls (it holds null, which kubectl apply drops)",
        ]
    );
}

#[test]
fn names_are_dns_labels_that_stay_the_same_and_apart() {
    let name = |user: Value| documents(&exported(&user))[0].metadata.name.clone().unwrap();
    assert_eq!(
        name(user(json!({"email": "Ädam.O'Neil+x@EXAMPLE.com"}))),
        "dam-o-neil-x-example-com-13fedef9"
    );
    assert_eq!(name(user(json!({"username": "ada"}))), "ada-13fedef9");
    assert_eq!(name(user(json!({"phone_number": "+4912"}))), "4912-13fedef9");
    assert_eq!(name(user(json!({"name": "艾达"}))), "auth0-1-13fedef9");
    // Two users with one address, and two linked accounts.
    let mut other = user(json!({"username": "ada"}));
    other["user_id"] = json!("auth0|other");
    assert_ne!(name(other), "ada-13fedef9");
    let mut linked =
        linked(json!({"email": "e".repeat(250) + "@example.com"}), &json!({"email": "b@example.com"}));
    linked["identities"][1]["connection"] = json!("C".repeat(100));
    let names: Vec<_> =
        documents(&exported(&linked)).into_iter().filter_map(|document| document.metadata.name).collect();
    assert_eq!(names.len(), 2);
    assert!(names.iter().all(|name| name.len() <= 63), "{names:?}");
    assert_ne!(names[0], names[1]);
}
