//! What is deep or large, or means something elsewhere.

use super::Expected::{Noted, Refused, Told};
use super::{APPLIED, Expected, INVALID, Places, Row, lent, tenant};
use crate::run::hostile::nested;
use serde_json::{Value, json};

/// Texts and maps that are deep, large, or mean something elsewhere.
pub(super) fn sizes(at: &Places) -> Vec<Row> {
    let path = "/api/v2/users/auth0%7Cteam-sizes";
    let of = |name: &str, card: Value, expected: Expected| lent(at, name, "auth0|team-sizes", card, expected);
    let deep = |name: &str, levels: usize| {
        let mut row = of(
            name,
            json!({"userMetadata": {"deep": "VALUE"}}),
            Told(INVALID, "nested deeper than 64 levels"),
        );
        row.objects[0] = row.objects[0].replace(r#""VALUE""#, &nested(levels));
        row
    };
    let map = |name: &str, map: Value, words: &'static str| {
        of(name, json!({"userMetadata": map}), Told(INVALID, words))
    };
    let many: Value = (0..65).map(|number| format!("userMetadata.k{number}")).collect();
    let objects: Vec<Value> = vec![json!({}); 10_001];
    let too_large = Told("False/InvalidRequest False/Refused Stalled", "1 MB");
    let harmless =
        json!({"__proto__": {"isAdmin": true}, "constructor": {"prototype": 1}, "\u{0}": "\u{0}\u{1b}[2J"});
    vec![
        deep("deep-65", 65),
        deep("deep-124", 124),
        deep("deep-2000", 2_000),
        map("many", json!({"many": objects}), "more than 10000 values"),
        map("key-dollar", json!({"$where": "1"}), ". or $"),
        map("key-dot", json!({"a.b": 1}), ". or $"),
        of("key-reserved", json!({"appMetadata": {"__tenant": "x"}}), Told(INVALID, "__tenant")),
        of("large", json!({"userMetadata": {"large": "x".repeat(1_000_000)}}), too_large).asking(path),
        of(
            "key-huge",
            json!({"userMetadata": {"k".repeat(400_000): 1}, "mode": "Observe"}),
            Told("True/Observed False/DriftFound", "1 with long names"),
        )
        .asking(path),
        of(
            "connection-long",
            json!({"connection": "c".repeat(1_000_000), "nickname": "x"}),
            Told("False/UnknownConnection False/Refused Stalled", "and more"),
        )
        .asking(path),
        of("clear-many", json!({"clear": many}), Refused("at most 64 items")),
        of("clear-else", json!({"clear": ["user_id"]}), Refused("clear takes name")),
        of("clear-deep", json!({"clear": ["userMetadata.a.b"]}), Refused("clear takes name")),
        of("clear-twice", json!({"clear": ["name", "name"]}), Refused("uplicate")),
        of("interval", json!({"nickname": "x", "resyncInterval": "1ms"}), Refused("at least 1m")),
        of("interval-back", json!({"nickname": "x", "resyncInterval": "-1h"}), Refused("at least 1m")),
        of("picture", json!({"picture": "//127.0.0.1/x"}), Refused("picture must be")),
        lent(at, "proto", "auth0|team-proto", json!({"userMetadata": harmless}), APPLIED)
            .asking("/api/v2/users/auth0%7Cteam-proto")
            .sending(json!({"user_metadata": harmless})),
        lent(
            at,
            "fetch",
            "auth0|team-fetch",
            json!({"picture": format!("http://127.0.0.1:{}/x", at.port)}),
            APPLIED,
        )
        .asking("/api/v2/users/auth0%7Cteam-fetch")
        .sending(json!({"picture": format!("http://127.0.0.1:{}/x", at.port)})),
        tenant(
            "rate",
            json!({"domain": at.auth0, "rateLimit": {"requestsPerMinute": 300_001}}),
            Refused("300000"),
        ),
    ]
}

/// Annotations are free texts.
pub(super) fn annotations(at: &Places) -> Vec<Row> {
    let of = |name: &str, expected: Expected| {
        lent(at, name, &format!("auth0|team-{name}"), json!({"nickname": "noted"}), expected)
    };
    let noted = json!({"nickname": "noted"});
    let ours = |name: &str| format!("auth0-user-operator.dev/{name}");
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
    let large = json!({"userMetadata": {"k": "x".repeat(930_000)}});
    let mut full = large.clone();
    full["clientId"] = json!("c".repeat(260_000));
    let sent = json!([{"name": "userMetadata", "state": "Sent", "digest": "0", "keyId": "0"}]);
    let ready = json!({"type": "Ready", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let forged = json!({"observedGeneration": 1, "conditions": [ready], "triggers": sent, "lastHandledReconcileAt": "x"});
    let deep = format!(r#"{{"spec":{{"userMetadata":{}}}}}"#, nested(10_000).replace('1', "null"));
    vec![
        of("asked-long", APPLIED)
            .annotated(&ours("requested-at"), &"x".repeat(200_000))
            .asking("/api/v2/users/auth0%7Cteam-asked-long")
            .sending(noted.clone()),
        of("asked-nul", APPLIED)
            .annotated(&ours("requested-at"), "\u{0}\r\n\u{1b}[2J")
            .asking("/api/v2/users/auth0%7Cteam-asked-nul")
            .sending(noted.clone()),
        // As large as an object may be, so that what was asked cannot be repeated in its status.
        lent(at, "full", "auth0|team-full", full, Noted("its status cannot be written"))
            .annotated(&ours("requested-at"), &"x".repeat(250_000))
            .asking("/api/v2/users/auth0%7Cteam-full")
            .sending(json!({"user_metadata": large["userMetadata"]})),
        of("asked-more", Refused("Too long")).annotated(&ours("requested-at"), &"x".repeat(300_000)),
        of("sent-odd", APPLIED)
            .annotated(&ours("assume-sent"), "TRUE\u{0}")
            .asking("/api/v2/users/auth0%7Cteam-sent-odd")
            .sending(noted.clone()),
        of("applied-deep", APPLIED)
            .annotated(applied, &deep)
            .asking("/api/v2/users/auth0%7Cteam-applied-deep")
            .sending(noted.clone()),
        of("applied-odd", APPLIED)
            .annotated(applied, "{\"spec\": null, \"a\": [}")
            .asking("/api/v2/users/auth0%7Cteam-applied-odd")
            .sending(noted.clone()),
        of("forged", APPLIED)
            .edited(|manifest| manifest["status"] = forged)
            .asking("/api/v2/users/auth0%7Cteam-forged")
            .sending(noted),
    ]
}
