//! What a hostile team may think of, and what is expected of it, written by hand.

use super::nested;
use crate::run::conditions;
use crate::world::{object, update};
use lab::{USE_LABEL, secret};
use serde_json::{Value, json};

/// Where things are.
pub struct Places {
    /// The namespace of the tenants.
    pub platform: String,
    /// The namespace of the team that does no harm.
    pub honest: String,
    /// `HOST:PORT` of the stand-in for Auth0.
    pub auth0: String,
    /// The port of a listener on loopback that must not be called.
    pub port: u16,
    /// `ADDRESS:PORT` of the API server.
    pub api: String,
}

/// One thing that the team tries.
pub struct Row {
    /// The name of its last object.
    pub name: String,
    /// Manifests that are applied, with others before the one that the row is about.
    pub objects: Vec<String>,
    pub expected: Expected,
    /// The path that Auth0 may be asked about; nothing else is.
    pub asked: Option<&'static str>,
    /// Bodies that Auth0 receives for it.
    pub bodies: Vec<Value>,
    /// Rows of one group show the same and cost as much, apart from the names in `masked`.
    pub alike: Option<&'static str>,
    pub masked: Vec<String>,
}

#[derive(Clone, Copy)]
pub enum Expected {
    /// The API server refuses it, with these words.
    Refused(&'static str),
    /// Its conditions, as `conditions::row` puts them, with these words in one of them.
    Told(&'static str, &'static str),
}

use Expected::{Refused, Told};

const APPLIED: Expected = Told("True/Applied True/InSync", "");
const NOT_ALLOWED: &str = "False/TenantNotAllowed Unknown/TenantNotAllowed Stalled";
const NOT_GRANTED: &str = "False/TenantNotAllowed False/Refused Stalled";
const CONFLICT: &str = "False/ManagementConflict Unknown/ManagementConflict Stalled";
const INVALID: &str = "False/InvalidRequest Unknown/InvalidRequest Stalled";
const NO_USER: &str = "False/UserNotFound Unknown/UserNotFound Stalled";
const NO_TENANT: &str = "False/TenantNotFound Unknown/TenantNotFound Reconciling";
const FORBIDDEN: &str = "False/SecretForbidden False/Refused Stalled";
const HOST_NAME: Expected = Refused("domain must be a host name");
const DNS_NAME: Expected = Refused("must be a DNS name");

/// The password that the other team has set.
pub const RIGHT: &str = "Canary-Right-1";
/// What goes to Auth0's token endpoint alone.
pub const CREDENTIALS: &str = "canary-credentials-2";
/// Values of Secrets that go nowhere.
pub const KEPT: [&str; 3] = ["Canary-Wrong-3", "Canary-Unlabelled-4", "Canary-Mislabelled-5"];

impl Expected {
    /// Whether the present generation of an object is told this.
    pub fn is_told_by(self, object: &Value) -> bool {
        let Told(expected, words) = self else { return false };
        let status = &object["status"];
        conditions::row(object) == expected
            && status["conditions"].to_string().contains(words)
            && status["observedGeneration"] == object["metadata"]["generation"]
    }
}

impl Row {
    fn of(name: &str, manifest: String, expected: Expected) -> Self {
        Self {
            name: name.to_owned(),
            objects: vec![manifest],
            expected,
            asked: None,
            bodies: Vec::new(),
            alike: None,
            masked: vec![name.to_owned()],
        }
    }

    fn asking(self, path: &'static str) -> Self {
        Self { asked: Some(path), ..self }
    }

    fn sending(self, body: Value) -> Self {
        Self { bodies: vec![body], ..self }
    }

    fn like(self, group: &'static str, masked: &str) -> Self {
        let masked = [self.masked, vec![masked.to_owned()]].concat();
        Self { alike: Some(group), masked, ..self }
    }

    fn after(mut self, manifest: String) -> Self {
        self.objects.insert(0, manifest);
        self
    }

    /// The same in a manifest with this annotation.
    fn annotated(mut self, annotation: &str, value: &str) -> Self {
        let mut manifest: Value = serde_json::from_str(&self.objects[0]).unwrap();
        manifest["metadata"]["annotations"] = json!({annotation: value});
        self.objects = vec![manifest.to_string()];
        self
    }
}

pub fn rows(at: &Places) -> Vec<Row> {
    let kinds =
        [domains(at), names(at), ids(at), secrets(at), tenants(at), users(at), sizes(at), annotations(at)];
    kinds.into_iter().flatten().collect()
}

/// The resource `NAME` about a user of the tenant that was lent.
fn lent(at: &Places, name: &str, user_id: &str, mut card: Value, expected: Expected) -> Row {
    if card["tenantRef"].is_null() {
        card["tenantRef"] = json!({"name": "example", "namespace": at.platform});
    }
    card["userId"] = json!(user_id);
    Row::of(name, update(name, card), expected)
}

fn tenant(name: &str, mut spec: Value, expected: Expected) -> Row {
    if spec["credentialsSecretRef"].is_null() {
        spec["credentialsSecretRef"] = json!({"name": "credentials"});
    }
    Row::of(name, object("Auth0Tenant", name, &spec), expected)
}

/// Where a tenant's domain may lead: the credentials would go there. The operator allows `*.auth0.com` and the stand-in.
fn domains(at: &Places) -> Vec<Row> {
    let no_host_names = [
        "",
        "[::1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::ffff:7f00:1]:PORT",
        "[fd00::1]:PORT",
        "[fe80::1%25lo]:PORT",
        "[64:ff9b::7f00:1]:PORT",
        "[2002:7f00:1::]:PORT",
        "::1",
        "example.auth0.com@localhost:PORT",
        "example.auth0.com:x@localhost:PORT",
        "localhost:PORT/",
        "localhost:PORT#.auth0.com",
        "localhost:PORT?.auth0.com",
        "localhost:PORT\\.auth0.com",
        "localhost:PORT\r\nHost: example.auth0.com",
        "localhost:PORT\u{0}.auth0.com",
        "https://localhost:PORT",
        "localhost.:PORT",
        "example.auth0.com.",
        "LOCALHOST:PORT",
        " localhost:PORT",
        "%6cocalhost:PORT",
        "localhost:0443",
        "l\u{43e}calhost:PORT",
        "127\u{3002}0\u{3002}0\u{3002}1:PORT",
        "\u{2460}\u{2461}\u{2466}.0.0.1:PORT",
        "\u{ff4c}ocalhost:PORT",
    ];
    let not_allowed = [
        "127.0.0.1:PORT",
        "127.1:PORT",
        "2130706433:PORT",
        "0x7f000001:PORT",
        "0x7f.0.0.1:PORT",
        "017700000001:PORT",
        "0177.0.0.1:PORT",
        "0.0.0.0:PORT",
        "0:PORT",
        "localhost:PORT",
        "localhost",
        "a.localhost:PORT",
        "localhost.localdomain:PORT",
        "169.254.169.254",
        "2852039166",
        "10.0.0.1",
        "172.16.0.1:6443",
        "192.168.0.1",
        "100.64.0.1",
        "kubernetes.default.svc",
        "API",
        "127.0.0.1:AUTH0",
        "localhost:99999",
        "evilauth0.com",
        "auth0.com",
        "auth0.com.example.com",
        "example.auth0.com.example.com",
        "example.auth0.com:8443",
        "a..auth0.com",
        "a.-b.auth0.com",
        "xn--uth0-53d.com",
    ];
    let (_, auth0_port) = at.auth0.split_once(':').unwrap();
    let place = |domain: &str| {
        domain.replace("PORT", &at.port.to_string()).replace("AUTH0", auth0_port).replace("API", &at.api)
    };
    let refused = no_host_names.into_iter().map(|domain| (domain, HOST_NAME));
    let told = Told("False/TenantNotAllowed none Stalled", "is not allowed");
    let told = not_allowed.into_iter().map(move |domain| (domain, told));
    let rows = refused.chain(told).enumerate().map(|(number, (domain, expected))| {
        tenant(&format!("domain-{number}"), json!({"domain": place(domain)}), expected)
    });
    // Of the lent tenant's host: credentials that Auth0 rejects give no say in its rate.
    let guess = json!({"domain": at.auth0, "rateLimit": {"requestsPerMinute": 1, "burst": 1}});
    let guessed = Told("False/AuthenticationFailed none Stalled", "Auth0 rejects");
    rows.chain([
        tenant("domain-shared", guess, guessed),
        tenant("domain-again", json!({"domain": format!("{}:443", at.auth0)}), HOST_NAME),
        tenant("domain-443", json!({"domain": "example.auth0.com:443"}), Refused("leave :443 out")),
        tenant(
            "domain-custom",
            json!({"domain": at.auth0, "customDomain": "id.example.com\r\nx: y"}),
            Refused("customDomain must be a host name"),
        ),
        tenant(
            "domain-long",
            json!({"domain": format!("{}.auth0.com", "a.".repeat(150))}),
            Refused("Too long"),
        ),
    ])
    .collect()
}

/// Names that would become a part of a request.
fn names(at: &Places) -> Vec<Row> {
    let breaking = [
        "?watch=true",
        "creds?x=",
        "creds\nx",
        "creds\r\nx: y",
        "../creds",
        "Creds",
        "creds/",
        "%2e%2e",
        "creds#",
        "creds\u{0}",
        "",
        "\u{43e}",
    ];
    let credentials = breaking.into_iter().enumerate().map(|(number, name)| {
        let spec = json!({"domain": at.auth0, "credentialsSecretRef": {"name": name}});
        let expected = if name.is_empty() { Refused("at least 1 char") } else { DNS_NAME };
        tenant(&format!("credentials-{number}"), spec, expected)
    });
    let passwords = breaking.into_iter().enumerate().map(|(number, name)| {
        let card = json!({"passwordSecretRef": {"name": name, "key": "k"}});
        let expected = if name.is_empty() { Refused("at least 1 char") } else { DNS_NAME };
        lent(at, &format!("password-{number}"), "auth0|team-names", card, expected)
    });
    let long = "a".repeat(254);
    let own = |name: &str| json!({"nickname": "x", "tenantRef": {"name": name}});
    let foreign =
        |namespace: &str| json!({"nickname": "x", "tenantRef": {"name": "example", "namespace": namespace}});
    let id = "auth0|team-names";
    let there = &at.platform;
    credentials
        .chain(passwords)
        .chain([
            tenant(
                "credentials-long",
                json!({"domain": at.auth0, "credentialsSecretRef": {"name": long}}),
                Refused("Too long"),
            ),
            lent(
                at,
                "password-long",
                id,
                json!({"passwordSecretRef": {"name": long, "key": "k"}}),
                Refused("Too long"),
            ),
            lent(
                at,
                "key-long",
                id,
                json!({"passwordSecretRef": {"name": "guess", "key": long}}),
                Refused("Too long"),
            ),
            lent(at, "tenant-long", id, own(&long), Refused("Too long")),
            lent(at, "tenant-empty", id, own(""), Refused("at least 1 char")),
            lent(at, "tenant-path", id, own(&format!("../../{there}/example")), Told(NO_TENANT, "create it")),
            lent(at, "tenant-query", id, own("example?x="), Told(NO_TENANT, "create it")),
            lent(at, "tenant-line", id, own("x\nFORGED level=info"), Told(NO_TENANT, "create it")),
            lent(
                at,
                "tenant-case",
                id,
                foreign(&there.to_uppercase()),
                Told(NOT_ALLOWED, "grants the namespace"),
            ),
            lent(at, "namespace-long", id, foreign(&long[..64]), Refused("Too long")),
            lent(
                at,
                "namespace-path",
                id,
                foreign(&format!("x/../{there}")),
                Told(NOT_ALLOWED, "grants the namespace"),
            ),
            lent(
                at,
                "namespace-slash",
                id,
                foreign(&format!("{there}/")),
                Told(NOT_ALLOWED, "grants the namespace"),
            ),
            lent(at, "namespace-all", id, foreign("*"), Told(NOT_ALLOWED, "grants the namespace")),
        ])
        .collect()
}

/// User ids that would lead elsewhere; those with a path are users, and are meant.
fn ids(at: &Places) -> Vec<Row> {
    let nickname = || json!({"nickname": "meant"});
    let meant = |name: &str, id: &str, path: &'static str| {
        lent(at, name, id, nickname(), APPLIED).asking(path).sending(nickname())
    };
    let outside = |name: &str, id: &str| {
        lent(at, name, id, nickname(), Told(NOT_ALLOWED, "a grant of spec.access that covers this user"))
    };
    let dots = |name: &str, id: &str| lent(at, name, id, nickname(), Told(INVALID, "is no user id"));
    vec![
        meant("id-path", "auth0|team-/../../clients", "/api/v2/users/auth0%7Cteam-%2F..%2F..%2Fclients"),
        meant(
            "id-query",
            "auth0|team-?include_totals=true",
            "/api/v2/users/auth0%7Cteam-%3Finclude_totals%3Dtrue",
        ),
        meant("id-fragment", "auth0|team-#x", "/api/v2/users/auth0%7Cteam-%23x"),
        meant("id-encoded", "auth0|team-%2e%2e%2f", "/api/v2/users/auth0%7Cteam-%252e%252e%252f"),
        meant("id-lines", "auth0|team-\r\nx: y", "/api/v2/users/auth0%7Cteam-%0D%0Ax%3A%20y"),
        meant("id-nul", "auth0|team-\u{0}", "/api/v2/users/auth0%7Cteam-%00"),
        meant("id-backslash", "auth0|team-\\..\\", "/api/v2/users/auth0%7Cteam-%5C..%5C"),
        meant("id-parameter", "auth0|team-;x", "/api/v2/users/auth0%7Cteam-%3Bx"),
        meant("id-roles", "auth0|team-a/roles", "/api/v2/users/auth0%7Cteam-a%2Froles"),
        meant("id-unicode", "auth0|team-\u{202e}\u{e9}", "/api/v2/users/auth0%7Cteam-%E2%80%AE%C3%A9"),
        meant("id-space", "auth0|team- ", "/api/v2/users/auth0%7Cteam-%20"),
        lent(at, "id-long", &format!("auth0|team-{}", "x".repeat(1014)), nickname(), Refused("Too long")),
        lent(at, "id-empty", "", nickname(), Refused("at least 1 char")),
        dots("id-dots", ".."),
        dots("id-dot", "."),
        outside("id-other", "auth0|boss"),
        outside("id-case", "auth0|TEAM-names"),
        outside("id-prefix", "auth0|team"),
        outside("id-escaped", "auth0%7Cteam-names"),
        outside("id-star", "*"),
        outside("id-lookalike", "auth0|te\u{430}m-names"),
    ]
}

/// Values that are not theirs to send.
fn secrets(at: &Places) -> Vec<Row> {
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
    let forbidden = || Told(FORBIDDEN, "is not labelled for this use");
    let exfiltrate = |name: &str, secret: &str| {
        let spec = json!({"domain": at.auth0, "credentialsSecretRef": {"name": secret}});
        tenant(name, spec, Told("False/SecretForbidden none Stalled", "is not labelled for this use"))
    };
    let elsewhere = json!({"passwordSecretRef": {"name": "theirs", "key": "k", "namespace": at.honest}});
    let path = format!("{}/theirs", at.honest);
    let missing = "False/SecretNotFound Unknown/SecretNotFound Reconciling";
    vec![
        own("secret-plain", true, forbidden(), password("plain", "k")).after(hidden("plain", None, KEPT[1])),
        own("secret-other", true, forbidden(), password("other", "k")).after(hidden(
            "other",
            Some("credentials"),
            KEPT[2],
        )),
        own("secret-case", true, forbidden(), password("case", "k")).after(hidden(
            "case",
            Some("Password"),
            KEPT[1],
        )),
        own("secret-empty", true, forbidden(), password("empty", "k")).after(hidden(
            "empty",
            Some(""),
            KEPT[1],
        )),
        exfiltrate("secret-tenant-plain", "plain-too").after(hidden("plain-too", None, KEPT[1])),
        exfiltrate("secret-tenant-other", "other-too").after(hidden("other-too", Some("password"), KEPT[2])),
        own("secret-elsewhere", true, Told(missing, "create it"), elsewhere),
        own("secret-path", false, DNS_NAME, password(&path, "k")),
        own(
            "secret-key",
            true,
            Told("False/SecretKeyMissing Unknown/SecretKeyMissing Reconciling", "lacks the key"),
            password("guess-right", "../k"),
        ),
        own(
            "secret-key-line",
            true,
            Told("False/SecretKeyMissing Unknown/SecretKeyMissing Reconciling", "lacks the key"),
            password("guess-right", "k\nx"),
        ),
        own("secret-inline", false, Refused("passwordSecretRef"), json!({"passwordSecretRef": RIGHT})),
    ]
}

/// Tenants that are not theirs: the same is said, be they there or not.
fn tenants(at: &Places) -> Vec<Row> {
    let of = |name: &str, tenant: &str, expected: Expected, id: &str| {
        let card = json!({"nickname": "x", "tenantRef": {"name": tenant, "namespace": at.platform}});
        lent(at, name, id, card, expected)
    };
    let no = || Told(NOT_ALLOWED, "is not there, or grants the namespace");
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
fn users(at: &Places) -> Vec<Row> {
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
        let row = lent(
            at,
            name,
            "auth0|team-honest",
            card,
            Told(CONFLICT, "a resource of another namespace goes first"),
        );
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

/// Texts and maps that are deep, large, or mean something elsewhere.
fn sizes(at: &Places) -> Vec<Row> {
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
fn annotations(at: &Places) -> Vec<Row> {
    let of = |name: &str, expected: Expected| {
        lent(at, name, &format!("auth0|team-{name}"), json!({"nickname": "noted"}), expected)
    };
    let noted = json!({"nickname": "noted"});
    let ours = |name: &str| format!("auth0-user-operator.dev/{name}");
    let applied = "kubectl.kubernetes.io/last-applied-configuration";
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
            .sending(noted),
    ]
}
