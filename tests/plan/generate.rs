//! Generated specs, users and rules of Auth0. The pools are small, so that wishes and users often meet.

use crate::driver::Secret;
use crate::world::{Auth0, PRIMARY, SECONDARY, linked, user};
use auth0_sandbox::{ClearedAppMetadata, Connection, Rules};
use auth0_user_operator::api::Output;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{Config, RngSeed};
use serde_json::{Map, Value, json};

/// What a case begins with.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Fields of the spec.
    pub card: Value,
    /// The user as Auth0 holds it.
    pub user: Value,
    pub secret: Secret,
    pub rules: Rules,
    /// Of the primary identity.
    pub connection: Connection,
}

impl Scene {
    pub fn auth0(&self) -> Auth0 {
        let mut auth0 = Auth0::with_rules(self.user.clone(), self.rules.clone());
        auth0.connections[0] = self.connection.clone();
        auth0.set_password("auth0|1", "Before-1");
        auth0.set_password("auth0|2", "Before-2");
        auth0
    }
}

/// The same cases at every run; `PROPTEST_CASES=100000` draws as many new ones. No files of failures.
pub fn config(cases: u32) -> Config {
    let config = Config { failure_persistence: None, ..Config::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => Config { cases, rng_seed: RngSeed::Fixed(2026), ..config },
    }
}

/// Databases that take everything; only what is unknown about Auth0 differs.
pub fn willing() -> impl Strategy<Value = Scene> {
    scene(unknown_rules(), Just(Connection::database(PRIMARY).with_phone()))
}

/// Connections that refuse much, and tenants that change what they are sent.
pub fn unwilling() -> impl Strategy<Value = Scene> {
    let connection = prop_oneof![
        4 => Just(Connection::database(PRIMARY).with_phone()),
        1 => Just(Connection::database(PRIMARY)),
        1 => Just(Connection::custom_database(PRIMARY, false, &["change_email"])),
        1 => Just(Connection::new(PRIMARY, "google-oauth2")),
        1 => Just(Connection::new(PRIMARY, "sms")),
        1 => Just(Connection::new(PRIMARY, "samlp")),
    ];
    scene(contrary_rules(), connection)
}

fn scene(
    rules: impl Strategy<Value = Rules>,
    connection: impl Strategy<Value = Connection>,
) -> impl Strategy<Value = Scene> {
    (card(), stored_user(), secret(), rules, connection)
        .prop_map(|(card, user, secret, rules, connection)| Scene { card, user, secret, rules, connection })
}

pub fn secret() -> impl Strategy<Value = Secret> {
    prop_oneof![
        1 => Just(Secret::Missing),
        4 => (select(vec!["After-1", "After-2", "Before-1"]), 1..3_u32)
            .prop_map(|(text, version)| Secret::Content { text, version }),
    ]
}

/// Fields of a spec as the API server admits them.
pub fn card() -> impl Strategy<Value = Value> {
    let one = |name: &'static str, pool: Vec<Value>| optional(name, 4, 5, pool);
    let texts = vec![
        one("name", vec!["Ada".into(), "Bob ".into(), "".into(), Value::Null]),
        one("givenName", vec!["Ada".into(), "".into()]),
        one("familyName", vec!["Love".into(), Value::Null]),
        one("nickname", vec!["ada".into(), "Bob".into(), "".into()]),
        one("picture", vec!["https://example.com/a.png".into(), Value::Null]),
        one(
            "email",
            words(&["ada@example.com", "Ada@Example.com", "bob@example.com", "ada@example.com", ""]),
        ),
        one("phoneNumber", words(&["+4912", "+4913", "+4912", ""])),
        one("username", words(&["ada", "ADA", "bob", ""])),
        one("emailVerified", vec![true.into(), false.into(), Value::Null]),
        one("verifyEmail", vec![true.into(), true.into(), false.into(), Value::Null]),
        one("phoneVerified", vec![true.into(), false.into()]),
        one("blocked", vec![true.into(), false.into(), Value::Null]),
        one("clientId", words(&["app", ""])),
        one(
            "passwordSecretRef",
            vec![json!({"name": "s", "key": "k"}), json!({"name": "s", "key": "k"}), Value::Null],
        ),
        one("connection", words(&[PRIMARY, SECONDARY, SECONDARY, SECONDARY, SECONDARY, "Nowhere", ""])),
        one("passEmptyValues", words(&["Yes", "No"])),
    ];
    let clear = subsequence(
        vec![
            "name",
            "nickname",
            "email",
            "phoneNumber",
            "username",
            "userMetadata",
            "appMetadata",
            "userMetadata.a",
            "userMetadata.d",
            "appMetadata.b",
        ],
        0..4,
    );
    let clear = prop_oneof![2 => Just(Vec::new()), 1 => clear];
    (texts, wanted_metadata("userMetadata"), wanted_metadata("appMetadata"), clear).prop_map(
        |(fields, user_metadata, app_metadata, clear)| {
            let mut card: Map<String, Value> =
                fields.into_iter().chain([user_metadata, app_metadata]).flatten().collect();
            let clear: Vec<&str> = clear.into_iter().filter(|name| may_be_cleared(&card, name)).collect();
            if !clear.is_empty() {
                card.insert("clear".into(), json!(clear));
            }
            Value::Object(card)
        },
    )
}

fn may_be_cleared(card: &Map<String, Value>, name: &str) -> bool {
    match name.split_once('.') {
        Some((map, key)) => card.get(map).and_then(|map| map.get(key)).is_none_or(Value::is_null),
        None => card.get(name).is_none_or(|value| !value.is_string() || value == ""),
    }
}

/// A user with every corner that Auth0 has been seen to answer.
pub fn stored_user() -> impl Strategy<Value = Value> {
    let root = vec![
        optional("name", 1, 2, words(&["Ada", "Bob"])),
        optional("given_name", 1, 1, words(&["Ada"])),
        optional("family_name", 1, 1, words(&["Love", "Lace"])),
        optional("nickname", 1, 2, vec!["ada".into(), "bob".into(), Value::Null]),
        optional("picture", 1, 2, words(&["https://example.com/a.png", "https://example.com/b.png"])),
        optional("blocked", 1, 2, vec![true.into(), true.into(), false.into()]),
        held_metadata("user_metadata"),
        held_metadata("app_metadata"),
    ];
    let second = prop_oneof![1 => Just(None), 2 => (identity(), any::<bool>(), 0..8_u8).prop_map(Some)];
    (root, identity(), second).prop_map(|(root, own, second)| {
        let attributes: Map<String, Value> = root.into_iter().flatten().chain(own).collect();
        let Some((data, first, odd)) = second else { return user(Value::Object(attributes)) };
        let mut user = linked(Value::Object(attributes), &Value::Object(data));
        let identities = user["identities"].as_array_mut().unwrap();
        match odd {
            0 => drop(identities[1].as_object_mut().unwrap().remove("profileData")),
            1 => identities[1]["user_id"] = json!(2),
            2 => identities[1]["connection"] = json!(PRIMARY),
            _ => {}
        }
        if first {
            identities.reverse();
        }
        user
    })
}

fn identity() -> impl Strategy<Value = Map<String, Value>> {
    vec![
        optional("email", 1, 4, words(&["ada@example.com", "bob@example.com"])),
        optional("email_verified", 1, 3, vec![true.into(), false.into(), "true".into(), "false".into()]),
        optional("phone_number", 1, 3, words(&["+4912", "+4914"])),
        optional("phone_verified", 1, 2, vec![true.into(), false.into()]),
        optional("username", 1, 4, words(&["ada", "eve"])),
    ]
    .prop_map(|fields| fields.into_iter().flatten().collect())
}

fn wanted_metadata(name: &'static str) -> impl Strategy<Value = Option<(String, Value)>> {
    prop_oneof![2 => Just(None), 3 => metadata(0..4).prop_map(Some)]
        .prop_map(|map| map.map(|map| (name.to_owned(), map)))
}

fn held_metadata(name: &'static str) -> BoxedStrategy<Option<(String, Value)>> {
    prop_oneof![1 => Just(None), 4 => metadata(0..4).prop_map(Some)]
        .prop_map(|map| map.map(|map| (name.to_owned(), map)))
        .boxed()
}

fn metadata(size: std::ops::Range<usize>) -> impl Strategy<Value = Value> {
    let value = select(vec![
        json!(1),
        json!(1.0),
        json!(2.5),
        json!(9_007_199_254_740_993_u64),
        json!(""),
        json!("x"),
        json!(true),
        json!({}),
        json!({"n": null}),
        json!({"n": 1}),
        json!({"n": 1.0}),
        json!([1, {"z": null}]),
        Value::Null,
    ]);
    btree_map(select(vec!["a", "b", "c", "d"]), value, size).prop_map(|map| json!(map))
}

fn unknown_rules() -> impl Strategy<Value = Rules> {
    let hidden =
        subsequence(vec!["email", "email_verified", "phone_number", "phone_verified", "username"], 0..=5);
    let hidden = prop_oneof![1 => Just(Vec::new()), 1 => hidden];
    (vec![any::<bool>(); 7], hidden).prop_map(|(switches, hidden)| Rules {
        email_change_resets_verified: switches[0],
        phone_change_resets_verified: switches[1],
        phone_refused_beside_pairs: switches[2],
        password_beats_blocked: switches[3],
        unblocked_stays_false: switches[4],
        equal_patch_moves_updated_at: switches[5],
        cleared_app_metadata: if switches[6] {
            ClearedAppMetadata::Absent
        } else {
            ClearedAppMetadata::Empty
        },
        profile_data_hides: hidden.into_iter().map(str::to_owned).collect(),
        username_clearable: true,
        ..Rules::default()
    })
}

fn contrary_rules() -> impl Strategy<Value = Rules> {
    let overrides = subsequence(
        vec![
            ("name", json!("Norm")),
            ("nickname", Value::Null),
            ("email", json!("norm@example.com")),
            ("email_verified", json!(false)),
            ("phone_number", json!("+4999")),
            ("username", json!("norm")),
            ("blocked", json!(false)),
            ("user_metadata.a", json!("act")),
            ("app_metadata.b", Value::Null),
        ],
        0..3,
    );
    let ignored = subsequence(
        vec!["name", "email", "phone_verified", "username", "blocked", "user_metadata", "app_metadata.a"],
        0..2,
    );
    (
        unknown_rules(),
        overrides,
        ignored,
        vec![any::<bool>(); 4],
        select(vec!["", "", "", "name", "blocked", "email"]),
    )
        .prop_map(|(rules, overrides, ignored, switches, forbidden)| Rules {
            overrides: overrides.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ignored: ignored.into_iter().map(str::to_owned).collect(),
            profile_clearable: switches[0],
            contact_clearable: switches[1],
            username_clearable: switches[2],
            trims: switches[3],
            forbidden_attributes: Some(forbidden.to_owned())
                .into_iter()
                .filter(|name| !name.is_empty())
                .collect(),
            ..rules
        })
}

/// A field that is absent in `absent` of `absent + present` cases.
fn optional(
    name: &'static str,
    absent: u32,
    present: u32,
    pool: Vec<Value>,
) -> BoxedStrategy<Option<(String, Value)>> {
    prop_oneof![
        absent => Just(None),
        present => select(pool).prop_map(move |value| Some((name.to_owned(), value))),
    ]
    .boxed()
}

fn words(pool: &[&str]) -> Vec<Value> {
    pool.iter().map(|word| json!(word)).collect()
}

/// Several specs with what somebody else did to the user before each.
pub fn history() -> impl Strategy<Value = (Scene, Vec<(Value, Secret, Option<Value>)>)> {
    let drift = prop_oneof![Just(None), stored_user().prop_map(Some)];
    (unwilling(), vec((card(), secret(), drift), 1..3))
}

/// A user who is brought in sync, then edits of the profile and of metadata keys; and what status shows of the user.
pub fn profile_edits() -> impl Strategy<Value = (Scene, Vec<Value>, Output)> {
    let shows = select(vec![Output::Full, Output::Mapped, Output::None]);
    (willing(), vec(profile_card(), 1..6), shows).prop_flat_map(|(scene, edits, shows)| {
        profile_card().prop_map(move |card| (Scene { card, ..scene.clone() }, edits.clone(), shows))
    })
}

fn profile_card() -> impl Strategy<Value = Value> {
    let one = |name: &'static str, pool: Vec<Value>| optional(name, 1, 4, pool);
    let map = |name: &'static str| {
        // What may be the rest of a null is held.
        let is_plain =
            |map: &Value| !map.to_string().contains("[1") && !map.to_string().contains("{\"n\":null}");
        let metadata = metadata(1..4).prop_filter("nulls inside", is_plain);
        prop_oneof![1 => Just(None), 3 => metadata.prop_map(Some)]
            .prop_map(move |map| map.map(|map| (name.to_owned(), map)))
    };
    let texts = vec![
        one("name", vec!["Ada".into(), "Bob ".into(), "".into(), Value::Null]),
        one("givenName", vec!["Ada".into(), "Eve".into(), "".into()]),
        one("familyName", vec!["Love".into(), Value::Null]),
        one("nickname", vec!["ada".into(), "Bob".into(), "".into()]),
        one("picture", vec!["https://example.com/a.png".into(), Value::Null]),
        one("passEmptyValues", words(&["Yes", "No"])),
    ];
    (texts, map("userMetadata"), map("appMetadata")).prop_map(|(fields, user_metadata, app_metadata)| {
        Value::Object(fields.into_iter().chain([user_metadata, app_metadata]).flatten().collect())
    })
}
