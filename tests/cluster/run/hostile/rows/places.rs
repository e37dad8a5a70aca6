//! Domains, names and ids that would lead elsewhere.

use super::Expected::{Refused, Told};
use super::{APPLIED, Expected, INVALID, NOT_ALLOWED, Places, Row, lent, tenant};
use serde_json::json;

const NO_TENANT: &str = "False/TenantNotFound Unknown/TenantNotFound Reconciling";
const HOST_NAME: Expected = Refused("domain must be a host name");
const DNS_NAME: Expected = Refused("must be a DNS name");

/// Where a tenant's domain may lead: the credentials would go there. The operator allows `*.auth0.com` and the stand-in.
pub(super) fn domains(at: &Places) -> Vec<Row> {
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
pub(super) fn names(at: &Places) -> Vec<Row> {
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
            lent(
                at,
                "tenant-path",
                id,
                own(&format!("../../{there}/example")),
                Told(NO_TENANT, "correct spec.tenantRef.name"),
            ),
            lent(at, "tenant-query", id, own("example?x="), Told(NO_TENANT, "correct spec.tenantRef.name")),
            lent(
                at,
                "tenant-line",
                id,
                own("x\nFORGED level=info"),
                Told(NO_TENANT, "correct spec.tenantRef.name"),
            ),
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
pub(super) fn ids(at: &Places) -> Vec<Row> {
    let nickname = || json!({"nickname": "meant"});
    let meant = |name: &str, id: &str, path: &'static str| {
        lent(at, name, id, nickname(), APPLIED).asking(path).sending(nickname())
    };
    let outside = |name: &str, id: &str| {
        lent(at, name, id, nickname(), Told(NOT_ALLOWED, "a grant of spec.access that covers this user"))
    };
    let malformed =
        |name: &str, id: &str| lent(at, name, id, nickname(), Told(INVALID, "is not an Auth0 user id"));
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
        malformed("id-dots", ".."),
        malformed("id-dot", "."),
        malformed("id-escaped", "auth0%7Cteam-names"),
        malformed("id-star", "*"),
        outside("id-other", "auth0|boss"),
        outside("id-case", "auth0|TEAM-names"),
        outside("id-prefix", "auth0|team"),
        outside("id-lookalike", "auth0|te\u{430}m-names"),
    ]
}
