//! Flexible identifiers, the flexible password policy, letter case and size: rules that a connection or a date sets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use auth0_sandbox::{Connection, LetterCase, PhoneRefusal, PhoneScope, Refusal, Unworded};
use serde_json::{Value, json};
use support::Lab;

const MIA: &str = "auth0|members|mia";
const NOT_CONFIGURED: &str = "Can only update phone_number for auth0 connections with attribute configuration \
    enabled and options.attributes configured.";

impl Lab {
    /// What Auth0 says to a body that it must refuse.
    async fn refused(&self, id: &str, body: Value) -> String {
        let (status, answer) = self.patch(id, &body).await;
        assert_eq!(status, 400, "{id} {body} {answer}");
        answer["message"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn the_refusal_of_a_phone_number_has_four_wordings() {
    let lab = Lab::new().await;
    for (wording, text) in [
        (PhoneRefusal::NonSmsUser, "Cannot update phone_number for non-sms user"),
        (PhoneRefusal::AttributesNotConfigured, NOT_CONFIGURED),
        (PhoneRefusal::NotAllowed, "phone_number is not allowed"),
        (PhoneRefusal::NotSupported, "Connection is not supported for this operation."),
    ] {
        lab.sandbox.change_rules(|rules| rules.phone_refusal = wording);
        assert_eq!(lab.refused("auth0|ann", json!({ "phone_number": "+15550111" })).await, text);
    }
    lab.patched("sms|gil", &json!({ "phone_number": "+15550111" })).await;
    lab.sandbox.change_rules(|rules| rules.sms_phone_needs_connection = true);
    assert_eq!(lab.refused("sms|gil", json!({ "phone_number": "+15550112" })).await, NOT_CONFIGURED);
    lab.patched("sms|gil", &json!({ "phone_number": "+15550112", "connection": "Texts" })).await;
}

#[tokio::test]
async fn attributes_decide_what_is_accepted_required_and_unique() {
    let lab = Lab::new().await;
    let mia = json!({ "email": "noa@example.com", "phone_number": null });
    assert!(lab.patched(MIA, &mia).await.get("phone_number").is_none());
    // Both forms that the attribute allows, and an email that another member has.
    lab.patched(MIA, &json!({ "username": "Mia@Example.org" })).await;
    lab.patched(MIA, &json!({ "username": "a-username-of-more-than-15" })).await;
    lab.patched(MIA, &json!({ "email": "family@example.com" })).await;
    let inactive = json!({ "signup": { "status": "inactive" } });
    let off = Connection::database("Members")
        .with_attribute("email", inactive.clone())
        .with_attribute("username", inactive.clone())
        .with_attribute("phone_number", inactive);
    lab.sandbox.put_connection(off);
    let texts = [
        ("email", json!("mia@example.com"), "email is not allowed for this connection."),
        ("phone_number", json!("+15550119"), "Cannot update phone_number for non-sms user"),
        ("username", json!("mia"), "Cannot update username for users without an username already set"),
    ];
    for (attribute, value, text) in texts {
        assert_eq!(lab.refused(MIA, json!({ attribute: value })).await, text);
    }
}

#[tokio::test]
async fn a_phone_number_is_unique_in_its_connection_or_in_the_tenant() {
    let lab = Lab::new().await;
    let taken = "The specified new phone_number already exists";
    // An account that is linked counts with its own number.
    assert_eq!(lab.refused("auth0|cleo", json!({ "phone_number": "+15550102" })).await, taken);
    lab.patched("auth0|cleo", &json!({ "phone_number": "+15550101" })).await;
    lab.patched("auth0|cleo", &json!({ "phone_number": "+15550100" })).await;
    lab.sandbox.change_rules(|rules| rules.phone_scope = PhoneScope::Tenant);
    assert_eq!(lab.refused("auth0|cleo", json!({ "phone_number": "+15550101" })).await, taken);
    lab.patched("auth0|cleo", &json!({ "phone_number": "+15550100" })).await;
}

#[tokio::test]
async fn a_text_that_is_not_known_can_be_any_other() {
    let lab = Lab::new().await;
    let refusal =
        |text: &str| Refusal { status: 400, message: text.into(), code: Some("invalid_body".into()) };
    lab.sandbox.change_rules(|rules| {
        rules.wordings.insert(Unworded::RequiredOnProfile, refusal("{} cannot be empty"));
        rules.wordings.insert(Unworded::PasswordTooWeak, refusal("Choose another one."));
    });
    assert_eq!(lab.refused(MIA, json!({ "email": null })).await, "email cannot be empty");
    let (_, answer) = lab.patch(MIA, &json!({ "password": "short" })).await;
    let expected = json!({ "statusCode": 400, "error": "Bad Request", "errorCode": "invalid_body",
        "message": "Choose another one." });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn a_password_is_cut_off_after_72_bytes_unless_it_is_refused() {
    let lab = Lab::new().await;
    let long = format!("Orchid-Garden-{}", "ab".repeat(40));
    let cut = &long[..72];
    lab.patched("auth0|ann", &json!({ "password": long })).await;
    assert_eq!(lab.sandbox.password("auth0|ann", "People").as_deref(), Some(cut));
    // To the history a password that differs after the cut is the same.
    let same = format!("{cut}-and-more");
    let used = "PasswordHistoryError: Password has previously been used";
    assert_eq!(lab.refused("auth0|ann", json!({ "password": same })).await, used);
    assert_eq!(lab.refused(MIA, json!({ "password": long })).await, "Password is too long");
    let complexity = json!({ "complexity": { "max_length_exceeded": "truncate" } });
    lab.sandbox.put_connection(Connection::database("Members").with("password_options", complexity));
    lab.patched(MIA, &json!({ "password": format!("ü{}", "é".repeat(40)) })).await;
    assert_eq!(lab.sandbox.password(MIA, "Members").unwrap().len(), 72);
    lab.patched("auth0|importing|dan", &json!({ "password": "x" })).await;
}

#[tokio::test]
async fn letters_stay_as_sent_outside_the_store_unless_the_connection_differs() {
    let lab = Lab::new().await;
    let scripts = ["change_email", "change_username"];
    lab.sandbox.put_connection(Connection::custom_database("External", false, &scripts));
    lab.sandbox.change_rules(|rules| rules.passwordless_email_change = true);
    let sent = json!({ "email": "Mixed@Example.com" });
    let cases = [
        ("auth0|external|eve", "External", "Mixed@Example.com"),
        ("email|finn", "Mails", "Mixed@Example.com"),
        ("auth0|importing|dan", "Importing", "mixed@example.com"),
        ("auth0|ann", "People", "mixed@example.com"),
    ];
    for (id, connection, stored) in cases {
        assert_eq!(lab.patched(id, &sent).await["email"], stored, "{id}");
        let other = if stored == "mixed@example.com" { LetterCase::Kept } else { LetterCase::Lowered };
        lab.sandbox.change_rules(|rules| rules.letter_case.extend([(connection.to_owned(), other)]));
        let expected = if other == LetterCase::Kept { "Mixed@Example.com" } else { "mixed@example.com" };
        assert_eq!(lab.patched(id, &sent).await["email"], expected, "{id}");
    }
    assert_eq!(lab.patched("auth0|external|eve", &json!({ "username": "Eve" })).await["username"], "eve");
}

#[tokio::test]
async fn a_text_in_email_verified_stays_until_a_boolean_replaces_it() {
    let lab = Lab::new().await;
    for text in ["True", "1", "t", "jo@example.com", ""] {
        lab.sandbox.change_user("github|2002", |user| user.insert("email_verified".into(), json!(text)));
        assert_eq!(lab.patched("github|2002", &json!({ "name": "Ivo" })).await["email_verified"], text);
        assert_eq!(
            lab.patched("github|2002", &json!({ "email_verified": true })).await["email_verified"],
            true
        );
    }
    let pia = lab.sandbox.user("samlp|Corporate|pia").unwrap();
    assert_eq!(
        (&pia["email_verified"], &pia["identities"][1]["profileData"]["email_verified"]),
        (&json!("pia@example.com"), &json!("t"))
    );
    let body = json!({ "connection": "github", "email_verified": false });
    let answer = lab.patched("samlp|Corporate|pia", &body).await;
    assert_eq!(answer["email_verified"], "pia@example.com");
    assert_eq!(answer["identities"][1]["profileData"]["email_verified"], false);
}

#[tokio::test]
async fn a_profile_may_not_grow_beyond_the_limit() {
    let lab = Lab::new().await;
    let big = json!({ "name": "Ann", "user_metadata": { "big": "x".repeat(60_000) } });
    lab.patched("auth0|ann", &big).await;
    lab.sandbox.change_rules(|rules| rules.profile_limit = Some(10_240));
    let text = "The user profile exceeds the maximum size of 10240 bytes.";
    assert_eq!(lab.refused("auth0|ann", json!({ "blocked": true })).await, text);
    lab.patched("auth0|ann", &json!({ "blocked": true, "user_metadata": { "big": null } })).await;
    assert_eq!(lab.refused("auth0|ann", big).await, text);
    let size = lab.sandbox.user("auth0|ann").unwrap().to_string().len() as u64;
    lab.sandbox.change_rules(|rules| rules.profile_limit = Some(size));
    lab.patched("auth0|ann", &json!({ "name": "Ann" })).await;
    assert_eq!(
        lab.refused("auth0|ann", json!({ "name": "Anna" })).await,
        text.replace("10240", &size.to_string())
    );
}

#[tokio::test]
async fn a_custom_database_needs_a_script_for_phone_numbers() {
    let lab = Lab::new().await;
    let phone = json!({ "phone_number": "+15550144" });
    lab.sandbox.put_connection(Connection::custom_database("Phones", false, &[]).with_phone());
    let (status, answer) = lab.patch("auth0|cleo", &phone).await;
    assert_eq!((status, &answer["message"]), (400, &json!("change_phone_number script does not exist")));
    let scripts = ["change_phone_number"];
    lab.sandbox.put_connection(Connection::custom_database("Phones", false, &scripts).with_phone());
    lab.patched("auth0|cleo", &phone).await;
}
