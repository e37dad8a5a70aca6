use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The tenant `t` of the namespace `n` with these fields of its spec.
fn tenant(fields: &Value) -> Auth0Tenant {
    let mut spec = json!({"domain": "example.auth0.com", "credentialsSecretRef": {"name": "c"}});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let metadata = json!({"name": "t", "namespace": "n"});
    serde_json::from_value(json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant", "metadata": metadata, "spec": spec,
    }))
    .unwrap()
}

fn of(fields: &Value, namespace: &str, user_id: &str) -> Access {
    Access::of(&tenant(fields), namespace, user_id)
}

#[test]
fn the_own_namespace_may_do_everything_unless_a_grant_names_it() {
    let others = json!({"access": [{"namespaces": ["*"], "fields": ["name"]}], "allowedNamespaces": ["n"]});
    assert_eq!(of(&others, "n", "auth0|1"), Access::Everything);
    assert_eq!(of(&json!({}), "n", "auth0|1"), Access::Everything);
    assert!(of(&json!({}), "m", "auth0|1").is_nothing());
    let held = json!({"access": [{"namespaces": ["n"], "fields": ["name"], "userIds": ["auth0|1"]}]});
    let own = of(&held, "n", "auth0|1");
    assert!(own.allows("name", Some("People")) && !own.allows("email", None));
    assert!(of(&held, "n", "auth0|2").is_nothing());
}

#[test]
fn the_short_form_is_the_profile_the_users_metadata_and_blocking() {
    for allowed in ["m", "*"] {
        let access = of(&json!({"allowedNamespaces": [allowed]}), "m", "auth0|1");
        for field in
            ["name", "givenName", "familyName", "nickname", "picture", "userMetadata", "userMetadata.k"]
        {
            assert!(access.allows(field, Some("People")), "{field}");
        }
        let others = [
            "email",
            "emailVerified",
            "verifyEmail",
            "clientId",
            "phoneNumber",
            "phoneVerified",
            "username",
            "passwordSecretRef",
            "blocked",
            "appMetadata",
            "appMetadata.k",
        ];
        for field in others {
            assert!(!access.allows(field, None), "{field}");
        }
        assert!(access.allows_block(Some("People")));
        assert_eq!(access.outputs(Some("People")), Output::Mapped);
    }
}

#[test]
fn grants_that_cover_half_each_do_not_add_up() {
    let grants = json!({"access": [
        {"namespaces": ["m"], "fields": ["email"], "connections": ["People"], "outputs": "Full"},
        {"namespaces": ["m"], "fields": ["name"], "connections": ["Staff"]},
        {"namespaces": ["m"], "fields": ["*"], "userIds": ["auth0|2", "sms|*"], "connections": ["*"]},
        {"namespaces": ["o"], "fields": ["*"]},
    ]});
    let access = of(&grants, "m", "auth0|1");
    let judged = [("email", "People"), ("email", "Staff"), ("name", "People"), ("name", "Staff")];
    assert_eq!(
        judged.map(|(field, connection)| access.allows(field, Some(connection))),
        [true, false, false, true]
    );
    assert_eq!(access.outputs(Some("People")), Output::Full);
    assert_eq!((access.outputs(Some("Staff")), access.outputs(Some("Other"))), (Output::None, Output::None));
    assert!(access.reaches("Staff") && !access.reaches("Other"));
    assert!(of(&grants, "m", "sms|7").allows("blocked", Some("Other")));
    assert!(!of(&grants, "m", "auth0|22").allows("blocked", None), "an id is no prefix");
}

fn grant() -> impl Strategy<Value = Value> {
    let namespaces = prop::sample::subsequence(vec!["m", "o", "n", "*"], 1..3);
    let fields = prop::sample::subsequence(
        vec!["name", "profile", "blocked", "block", "userMetadata", "userMetadata.a", "email", "*"],
        1..4,
    );
    let connections = prop::sample::subsequence(vec!["People", "Staff"], 0..3);
    let users = prop::sample::subsequence(vec!["auth0|1", "auth0|*", "sms|*"], 0..3);
    let outputs = prop::sample::select(vec!["Full", "Mapped", "None"]);
    (namespaces, fields, connections, users, outputs).prop_map(
        |(namespaces, fields, connections, users, outputs)| {
            json!({"namespaces": namespaces, "fields": fields, "connections": connections, "userIds": users,
               "outputs": outputs})
        },
    )
}

/// Everything that can be asked, with its answer.
fn answers(
    grants: &[Value],
    namespace: &str,
) -> Vec<((&'static str, &'static str, &'static str), bool, Output)> {
    let grants = json!({"access": grants});
    let mut answers = Vec::new();
    for user in ["auth0|1", "auth0|2", "sms|1", "google|1"] {
        let access = of(&grants, namespace, user);
        for connection in ["People", "Staff", "Other"] {
            for field in
                ["name", "picture", "email", "blocked", "userMetadata", "userMetadata.a", "userMetadata.b"]
            {
                let may = access.allows(field, Some(connection));
                answers.push(((user, connection, field), may, access.outputs(Some(connection))));
            }
            answers.push(((user, connection, BLOCK), access.allows_block(Some(connection)), Output::None));
        }
    }
    answers
}

proptest! {
    #[test]
    fn another_grant_takes_nothing_away_and_grants_allow_what_one_of_them_does(
        grants in prop::collection::vec(grant(), 0..5), more in grant(), namespace in prop::sample::select(vec!["m", "o", "p"]),
    ) {
        let alone: Vec<_> = grants.iter().map(|grant| answers(std::slice::from_ref(grant), namespace)).collect();
        let together = answers(&grants, namespace);
        for (at, (what, may, outputs)) in together.iter().enumerate() {
            prop_assert_eq!(*may, alone.iter().any(|one| one[at].1), "{:?}", what);
            let most = alone.iter().map(|one| one[at].2).min().unwrap_or(Output::None);
            prop_assert_eq!(*outputs, most, "{:?}", what);
        }
        let wider = answers(&[grants, vec![more]].concat(), namespace);
        for ((what, before, shown), (_, after, shows)) in together.iter().zip(&wider) {
            prop_assert!(*after || !*before, "{:?}", what);
            prop_assert!(shows <= shown, "{:?}", what);
        }
    }

    #[test]
    fn the_order_of_grants_says_nothing(grants in prop::collection::vec(grant(), 0..5)) {
        let backwards: Vec<_> = grants.iter().rev().cloned().collect();
        let access = |grants: &[Value]| of(&json!({"access": grants}), "m", "auth0|1");
        prop_assert_eq!(access(&grants), access(&backwards));
    }
}
