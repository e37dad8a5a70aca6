//! What a tenant does not grant is never sent, whatever is asked and whatever the user holds; the rest is, and what is
//! said of it does not depend on the user's values.

use crate::access_rows::{PART, holds, rows};
use crate::driver::{End, Fault, Operator, Secret};
use crate::generate::{config, willing};
use crate::wish;
use crate::world::{Auth0, PRIMARY, SECONDARY, linked, user};
use auth0_user_operator::access::Access;
use auth0_user_operator::api::Auth0Tenant;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const NONE: [Value; 0] = [];

/// What resources of a namespace may do with `auth0|1` of the tenant `n/t`, which has these fields.
fn access(fields: &Value, namespace: &str) -> Access {
    let mut spec = json!({"domain": "example.auth0.com", "credentialsSecretRef": {"name": "c"}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let tenant = json!({"apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
                        "metadata": {"name": "t", "namespace": "n"}, "spec": spec});
    Access::of(&serde_json::from_value::<Auth0Tenant>(tenant).unwrap(), namespace, "auth0|1")
}

fn granting(fields: &[&str]) -> Access {
    access(&json!({"access": [{"namespaces": ["m"], "fields": fields}]}), "m")
}

fn operator(card: &Value, access: Access) -> Operator {
    let secret = Secret::Content { text: "Wanted-1", version: 1 };
    Operator { access, secret, ..Operator::new(card) }
}

/// The fields that a pass says are not granted, and how Ready ends.
fn refused(operator: &Operator) -> (Vec<&str>, &str) {
    let fields = operator.not_granted.iter().map(|refused| refused.field.as_str()).collect();
    (fields, operator.ready().map_or("", |ready| ready.reason.as_str()))
}

#[test]
fn every_field_and_way_goes_out_where_it_is_granted_and_is_named_where_it_is_not() {
    let own = access(&json!({}), "n");
    let all = granting(&["*"]);
    let short = access(&json!({"allowedNamespaces": ["m"]}), "m");
    for (card, body, field, in_part, in_short) in rows() {
        for (access, is_granted) in [
            (&own, true),
            (&all, true),
            (&granting(&PART), in_part),
            (&short, in_short),
            (&granting(&["clientId"]), false),
        ] {
            let mut auth0 = Auth0::new(holds());
            let mut operator = operator(&card, access.clone());
            operator.pass(&mut auth0, Fault::None);
            let bodies = auth0.take_bodies();
            if is_granted {
                assert_eq!(bodies, std::slice::from_ref(&body), "{card} {access:?}");
                assert_eq!(refused(&operator), (vec![], "Applied"), "{card}");
                continue;
            }
            assert_eq!(bodies, NONE, "{card} {access:?}");
            let (fields, reason) = refused(&operator);
            assert!(fields.contains(&field) && reason == "TenantNotAllowed", "{card}: {fields:?} {reason}");
            // It goes out once it is granted.
            operator.access = Access::Everything;
            operator.pass(&mut auth0, Fault::None);
            assert_eq!(auth0.take_bodies(), std::slice::from_ref(&body), "{card} once granted");
            assert_eq!(refused(&operator), (vec![], "Applied"), "{card}");
        }
    }
}

#[test]
fn what_is_said_does_not_depend_on_what_the_user_holds() {
    for (card, _, _, _, _) in rows() {
        let said = |user: Value| {
            let mut operator = operator(&card, granting(&["clientId"]));
            operator.pass(&mut Auth0::new(user), Fault::None);
            (operator.conditions, operator.not_granted)
        };
        let mut done = Auth0::new(holds());
        operator(&card, Access::Everything).pass(&mut done, Fault::None);
        let [before, after, empty] = [holds(), Value::Object(done.observe()), user(json!({}))].map(said);
        assert!(before == after && before == empty, "{card}: {before:?} {after:?} {empty:?}");
    }
}

#[test]
fn a_part_that_is_not_granted_holds_up_nothing_else_and_nothing_of_it_rides_along() {
    let card = json!({
        "email": "new@example.com", "emailVerified": true, "verifyEmail": false, "clientId": "app", "blocked": false,
        "familyName": "New", "name": "New", "userMetadata": {"k": 2, "other": 2},
    });
    let mut auth0 = Auth0::new(holds());
    let mut operator = operator(&card, granting(&PART));
    let report = operator.pass(&mut auth0, Fault::None);
    assert_eq!(report.end, End::Complete);
    let body = json!({"email": "new@example.com", "verify_email": false, "family_name": "New", "user_metadata": {"k": 2}});
    assert_eq!(auth0.take_bodies(), [body]);
    let fields = ["blocked", "userMetadata.other", "name", "emailVerified", "clientId"];
    let (mut named, reason) = refused(&operator);
    named.sort_unstable();
    let mut fields = fields.to_vec();
    fields.sort_unstable();
    assert_eq!((named, reason), (fields, "TenantNotAllowed"));
    let message = |field: &str| {
        operator
            .not_granted
            .iter()
            .find(|refused| refused.field == field)
            .map(|refused| refused.message.as_str())
            .unwrap()
    };
    assert_eq!(
        message("name"),
        "spec.access of the Auth0Tenant n/t has to grant the namespace m this field for this user"
    );
    assert!(message("blocked").ends_with("blocked, since it may only block users"), "{}", message("blocked"));
    operator.pass(&mut auth0, Fault::None);
    assert_eq!(auth0.take_bodies(), NONE);
}

#[test]
fn a_user_stays_blocked_whose_password_is_granted_and_whose_block_is_not() {
    let mut user = holds();
    user["blocked"] = json!(true);
    for (blocked, body) in
        [(json!(false), None), (json!(true), Some(json!({"password": "Wanted-1", "blocked": true})))]
    {
        let mut auth0 = Auth0::new(user.clone());
        let card = json!({"blocked": blocked, "passwordSecretRef": {"name": "s", "key": "k"}});
        operator(&card, granting(&["passwordSecretRef", "block"])).pass(&mut auth0, Fault::None);
        assert_eq!(auth0.take_bodies(), body.into_iter().collect::<Vec<_>>());
        assert_eq!(auth0.account.user["blocked"], true);
    }
}

#[test]
fn a_field_counts_for_the_connection_of_its_identity_and_what_is_the_users_for_the_primary_one() {
    let staff = json!({"access": [{"namespaces": ["m"], "fields": ["*"], "connections": [SECONDARY]}]});
    let people = json!({"access": [{"namespaces": ["m"], "fields": ["*"], "connections": [PRIMARY]}]});
    let halves = json!({"access": [
        {"namespaces": ["m"], "fields": ["name"], "connections": [SECONDARY]},
        {"namespaces": ["m"], "fields": ["email"], "connections": [PRIMARY]},
    ]});
    let (name, email) = (json!({"name": "New"}), json!({"email": "new@example.com"}));
    let named = json!({"email": "new@example.com", "connection": SECONDARY});
    for (grants, connection, bodies, fields) in [
        (&staff, None, vec![], vec!["name", "email"]),
        (&staff, Some(SECONDARY), vec![named.clone()], vec!["name"]),
        (&people, None, vec![json!({"name": "New", "email": "new@example.com"})], vec![]),
        (&people, Some(SECONDARY), vec![name.clone()], vec!["email", "connection"]),
        (&people, Some("Nowhere"), vec![name], vec!["email", "connection"]),
        (&halves, None, vec![email], vec!["name"]),
        (&halves, Some(SECONDARY), vec![], vec!["name", "email"]),
    ] {
        let mut card = json!({"name": "New", "email": "new@example.com"});
        if let Some(connection) = connection {
            card["connection"] = json!(connection);
        }
        let mut auth0 = Auth0::new(linked(
            json!({"name": "Old", "email": "old@example.com"}),
            &json!({"email": "s@example.com"}),
        ));
        let mut operator = operator(&card, access(grants, "m"));
        operator.pass(&mut auth0, Fault::None);
        assert_eq!(auth0.take_bodies(), bodies, "{grants} {connection:?}");
        let (mut named, _) = refused(&operator);
        let mut fields = fields;
        named.sort_unstable();
        fields.sort_unstable();
        assert_eq!(named, fields, "{grants} {connection:?}");
    }
}

#[test]
fn what_was_done_once_is_not_done_again_when_its_grant_comes_back() {
    for card in [
        json!({"clear": ["userMetadata"]}),
        json!({"verifyEmail": true}),
        json!({"passwordSecretRef": {"name": "s", "key": "k"}}),
    ] {
        let mut auth0 = Auth0::new(holds());
        let mut operator = operator(&card, granting(&["*"]));
        operator.pass(&mut auth0, Fault::None);
        assert_eq!(auth0.take_bodies().len(), 1, "{card}");
        auth0.account.user.insert("user_metadata".to_owned(), json!({"of_others": 1}));
        for access in [granting(&["name"]), granting(&["*"])] {
            operator.access = access;
            operator.pass(&mut auth0, Fault::None);
            assert_eq!(auth0.take_bodies(), NONE, "{card}");
        }
    }
}

/// The fields that a request changes, as grants name them.
fn changed(body: &serde_json::Map<String, Value>) -> Vec<String> {
    let field = |attribute: &str| match attribute {
        "password" => "passwordSecretRef".to_owned(),
        "client_id" => "clientId".to_owned(),
        "given_name" => "givenName".to_owned(),
        "family_name" => "familyName".to_owned(),
        "email_verified" => "emailVerified".to_owned(),
        "verify_email" => "verifyEmail".to_owned(),
        "phone_number" => "phoneNumber".to_owned(),
        "phone_verified" => "phoneVerified".to_owned(),
        "user_metadata" => "userMetadata".to_owned(),
        "app_metadata" => "appMetadata".to_owned(),
        same => same.to_owned(),
    };
    let mut fields = Vec::new();
    for (attribute, value) in body {
        if let Some(keys) = value.as_object().filter(|keys| !keys.is_empty()) {
            fields.extend(keys.keys().map(|key| format!("{}.{key}", field(attribute))));
        } else if attribute == "blocked" && value == true {
            fields.push("block".to_owned());
        } else if attribute != "connection" {
            fields.push(field(attribute));
        }
    }
    fields
}

fn names() -> impl Strategy<Value = (Vec<&'static str>, Vec<&'static str>)> {
    let fields = vec![
        "profile",
        "name",
        "email",
        "emailVerified",
        "verifyEmail",
        "clientId",
        "phoneNumber",
        "phoneVerified",
        "username",
        "passwordSecretRef",
        "blocked",
        "block",
        "userMetadata",
        "userMetadata.a",
        "appMetadata",
        "appMetadata.b",
        "*",
    ];
    (
        subsequence(fields, 1..6),
        select(vec![vec![], vec![PRIMARY], vec![SECONDARY], vec![PRIMARY, SECONDARY]]),
    )
}

/// Whether one of the grants has it all; a rule of its own.
fn is_granted(grants: &[(Vec<&str>, Vec<&str>)], field: &str, connection: &str) -> bool {
    const PROFILE: [&str; 5] = ["name", "givenName", "familyName", "nickname", "picture"];
    let (map, _) = field.split_once('.').unwrap_or((field, ""));
    grants.iter().any(|(fields, connections)| {
        let has = fields.iter().any(|name| {
            [field, map, "*"].contains(name)
                || (*name == "profile" && PROFILE.contains(&field))
                || (*name == "blocked" && field == "block")
        });
        has && (connections.is_empty() || connections.contains(&connection))
    })
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn nothing_goes_out_that_is_not_granted_and_everything_that_is(
        scene in willing(),
        grants in prop::collection::vec(names(), 0..4),
    ) {
        let listed = grants.iter().map(|(fields, connections)| {
            json!({"namespaces": ["m"], "fields": fields, "connections": connections})
        });
        let access = access(&json!({"access": listed.collect::<Vec<_>>()}), "m");
        let before = scene.auth0();
        let mut auth0 = before.clone();
        let mut operator = Operator { access, secret: scene.secret.clone(), ..Operator::new(&scene.card) };
        let report = operator.pass(&mut auth0, Fault::None);
        for exchange in &auth0.log {
            let target = exchange.body.get("connection").and_then(Value::as_str).unwrap_or(PRIMARY);
            for field in changed(&exchange.body) {
                let scoped = ["passwordSecretRef", "email", "emailVerified", "verifyEmail", "clientId", "phoneNumber",
                              "phoneVerified", "username"].contains(&field.as_str());
                let connection = if scoped { target } else { PRIMARY };
                let is_whole = field.ends_with("Metadata") || scene.card["clear"].to_string().contains("Metadata\"");
                prop_assert!(
                    is_granted(&grants, &field, connection)
                        || (is_whole && is_granted(&grants, field.split('.').next().unwrap(), connection)),
                    "{} in {:?} by {:?}", field, exchange.body, grants
                );
            }
        }
        let given_up: BTreeSet<String> =
            report.refused.into_iter().chain(report.holds.iter().map(|hold| hold.attribute.spec_name().to_owned())).collect();
        if report.failure.is_none() && wish::is_possible(&before, &scene.card) {
            let mut wrong = wish::unfulfilled(&scene.card, &scene.secret, &before, &auth0, &given_up);
            // An order for the whole map is more than the keys that it names.
            wrong.retain(|field| !given_up.contains(field.split('.').next().unwrap()));
            prop_assert_eq!(wrong, Vec::<String>::new(), "{:?} by {:?}", auth0.log, grants);
        }
    }
}
