//! Secrets, tenants and users that are not theirs.

use super::Expected::{Refused, Told};
use super::{APPLIED, Expected, KEPT, NOT_ALLOWED, Places, RIGHT, Row, lent, tenant};
use lab::{USE_LABEL, secret};
use serde_json::{Value, json};

const NOT_GRANTED: &str = "False/TenantNotAllowed False/Refused Stalled";
const CONFLICT: &str = "False/ManagementConflict Unknown/ManagementConflict Stalled";
const NO_USER: &str = "False/UserNotFound Unknown/UserNotFound Stalled";
const FORBIDDEN: &str = "False/SecretForbidden False/Refused Stalled";
const NO_KEY: &str = "False/SecretKeyMissing Unknown/SecretKeyMissing Reconciling";

/// Values that are not theirs to send.
pub(super) fn secrets(at: &Places) -> Vec<Row> {
    let hidden = |name: &str, label: Option<&str>, value: &str| {
        let texts = json!({"k": value, "clientId": "operator", "clientSecret": value});
        let mut secret = secret(name, &texts);
        secret["metadata"]["labels"] = label.map_or_else(|| json!({}), |label| json!({USE_LABEL: label}));
        secret.to_string()
    };
    let password = |name: &str, key: &str| json!({"passwordSecretRef": {"name": name, "key": key}});
    let own = |name: &str, asked: bool, expected: Expected, card: Value| {
        let row = lent(at, name, "auth0|team-secrets", card, expected);
        if asked { row.asking("/api/v2/users/auth0%7Cteam-secrets") } else { row }
    };
    let exfiltrate = |name: &str, secret: &str| {
        let spec = json!({"domain": at.auth0, "credentialsSecretRef": {"name": secret}});
        tenant(name, spec, Told("False/SecretForbidden none Stalled", "is not labelled for this use"))
    };
    let elsewhere = json!({"passwordSecretRef": {"name": "theirs", "key": "k", "namespace": at.honest}});
    let path = format!("{}/theirs", at.honest);
    let missing = "False/SecretNotFound Unknown/SecretNotFound Reconciling";
    let output = |name: &str| json!({"outputsTo": [{"secret": {"name": name}, "data": {"k": "email"}}]});
    let kept = Told("False/OutputConflict True/InSync Stalled", "does not belong to this resource");
    let labels = [
        ("plain", None, KEPT[1]),
        ("empty", Some(""), KEPT[1]),
        ("case", Some("Password"), KEPT[1]),
        ("other", Some("credentials"), KEPT[2]),
    ];
    let rows = labels.map(|(name, label, value)| {
        let told = Told(FORBIDDEN, "is not labelled for this use");
        own(&format!("secret-{name}"), true, told, password(name, "k")).after(hidden(name, label, value))
    });
    let more = [
        exfiltrate("secret-tenant-plain", "plain-too").after(hidden("plain-too", None, KEPT[1])),
        exfiltrate("secret-tenant-other", "other-too").after(hidden("other-too", Some("password"), KEPT[2])),
        own("output-kept", true, kept, output("kept")).after(hidden("kept", None, KEPT[1])),
        own("output-path", false, Refused("must be a DNS name"), output(&path)),
        own("secret-elsewhere", true, Told(missing, "create it"), elsewhere),
        own("secret-path", false, Refused("must be a DNS name"), password(&path, "k")),
        own("secret-key", true, Told(NO_KEY, "has no key"), password("guess-right", "../k")),
        own("secret-key-line", true, Told(NO_KEY, "has no key"), password("guess-right", "k\nx")),
        own("secret-inline", false, Refused("passwordSecretRef"), json!({"passwordSecretRef": RIGHT})),
    ];
    rows.into_iter().chain(more).collect()
}

/// Tenants that are not theirs: the same is said, be they there or not.
pub(super) fn tenants(at: &Places) -> Vec<Row> {
    let of = |name: &str, tenant: &str, expected: Expected, id: &str| {
        let card = json!({"nickname": "x", "tenantRef": {"name": tenant, "namespace": at.platform}});
        lent(at, name, id, card, expected)
    };
    let no = || Told(NOT_ALLOWED, "does not exist, or grants the namespace");
    vec![
        of("foreign-none", "private", no(), "auth0|team-a").like("tenant", "/private"),
        of("foreign-gone", "gone", no(), "auth0|team-a").like("tenant", "/gone"),
        of("foreign-withdrawn", "withdrawn", no(), "auth0|team-a").like("tenant", "/withdrawn"),
        of("user-outside", "example", no(), "auth0|boss").like("user", "auth0|boss"),
        of("user-outside-gone", "example", no(), "auth0|ghost").like("user", "auth0|ghost"),
        of("user-blocked", "example", no(), "auth0|blocked").like("user", "auth0|blocked"),
        of("user-gone", "example", Told(NO_USER, ""), "auth0|team-gone")
            .asking("/api/v2/users/auth0%7Cteam-gone"),
    ]
}

/// More of a user than was granted, and users that others manage.
pub(super) fn users(at: &Places) -> Vec<Row> {
    let part = |name: &str, card: Value| {
        let row = lent(at, name, "auth0|team-part", card, Told(NOT_GRANTED, "has to grant the namespace"));
        row.asking("/api/v2/users/auth0%7Cteam-part")
    };
    let guess = |name: &str, user: &str, secret: &str| {
        let card = json!({"passwordSecretRef": {"name": secret, "key": "k"}});
        lent(at, name, user, card, Told(CONFLICT, "a resource of another namespace goes first"))
    };
    let watched = |name: &str, user: &str, secret: &str| {
        let card = json!({"passwordSecretRef": {"name": secret, "key": "k"}, "mode": "Observe"});
        let told = Told("True/Observed False/DriftFound", "mode Apply would send: passwordSecretRef");
        lent(at, name, user, card, told)
    };
    let (ada, bob) = ("/api/v2/users/auth0%7Cteam-ada", "/api/v2/users/auth0%7Cteam-bob");
    let fight = |name: &str, nickname: &str, expected: Expected| {
        let row = lent(at, name, "auth0|team-fight", json!({"nickname": nickname}), expected);
        row.asking("/api/v2/users/auth0%7Cteam-fight")
    };
    let shared = |name: &str, card: Value| {
        let told = Told(CONFLICT, "a resource of another namespace goes first");
        let row = lent(at, name, "auth0|team-honest", card, told);
        row.asking("/api/v2/users/auth0%7Cteam-honest")
    };
    vec![
        part("more-roles", json!({"appMetadata": {"roles": ["admin"]}})),
        part("more-email", json!({"email": "mallory@example.com", "emailVerified": true})),
        part("more-username", json!({"username": "mallory"})),
        part("more-phone", json!({"phoneNumber": "+15551234567"})),
        part("more-unblock", json!({"blocked": false})),
        part("more-block", json!({"blocked": true})),
        part("more-clear", json!({"clear": ["email", "appMetadata"]})),
        part("more-observe", json!({"mode": "Observe", "appMetadata": {"roles": ["admin"]}})),
        guess("guess-right-ada", "auth0|team-ada", "guess-right").asking(ada).like("guess", "ada"),
        guess("guess-wrong-bob", "auth0|team-bob", "guess-wrong").asking(bob).like("guess", "bob"),
        watched("watch-right-ada", "auth0|team-ada", "guess-right").asking(ada).like("watched", "ada"),
        watched("watch-wrong-bob", "auth0|team-bob", "guess-wrong").asking(bob).like("watched", "bob"),
        fight("fight-a", "first", APPLIED).sending(json!({"nickname": "first"})),
        fight("fight-b", "second", Told(CONFLICT, "/fight-a goes first")),
        shared("shared-name", json!({"name": "Mallory"})),
        shared("shared-map", json!({"clear": ["userMetadata"]})),
        shared("shared-key", json!({"userMetadata": {"plan": "none"}})),
    ]
}
