//! `Auth0Tenant`.

use super::table::{
    Case,
    Verdict::{self, Admitted, NoNull, Refused},
    judge, namespace, whole,
};
use crate::world::object;
use lab::Mode;
use serde_json::{Value, json};

fn tenant(field: &str, value: Value, verdict: Verdict) -> Case {
    let mut spec = json!({"domain": "example.eu.auth0.com", "credentialsSecretRef": {"name": "a"}});
    spec[field] = value;
    whole(spec, verdict)
}

#[tokio::test]
async fn a_tenant_has_a_domain_without_scheme_and_path() {
    let mut cases = Vec::new();
    let longest = format!("{}.com:65535", "x".repeat(250));
    for domain in ["a.auth0.com", "localhost:8443", "a", "a-b.c", longest.as_str()] {
        cases.push(tenant("domain", domain.into(), Admitted));
    }
    for domain in [
        "https://a.auth0.com",
        "a.auth0.com/",
        "a.auth0.com/api",
        "A.auth0.com",
        "a b",
        "-a.com",
        "a:b",
        "a:123456",
        "user@a.com",
        "a_b.com",
    ] {
        cases.push(tenant(
            "domain",
            domain.into(),
            Refused(&["spec.domain", "host name in lower case", "without https://"]),
        ));
    }
    cases.push(tenant("domain", "".into(), Refused(&["spec.domain", "at least 1 char"])));
    cases.push(tenant("domain", format!("x{longest}").into(), Refused(&["spec.domain", "Too long"])));
    cases.push(tenant("domain", Value::Null, Refused(&["spec.domain"])));
    judge("Auth0Tenant", cases).await;
}

#[tokio::test]
async fn the_other_fields_of_a_tenant_have_bounds() {
    let mut cases =
        vec![whole(json!({}), Refused(&["spec.domain", "spec.credentialsSecretRef", "Required"]))];
    for (field, value) in [
        ("customDomain", "login.example.com".into()),
        ("customDomain", "".into()),
        ("customDomain", Value::Null),
        ("rateLimit", Value::Null),
        ("rateLimit", json!({})),
        ("rateLimit", json!({"requestsPerMinute": 1, "burst": 1})),
        ("rateLimit", json!({"requestsPerMinute": 300_000, "burst": 5000})),
        ("allowedNamespaces", json!([])),
        ("allowedNamespaces", json!(["*"])),
        ("allowedNamespaces", json!(["a", "b"])),
    ] {
        cases.push(tenant(field, value, Admitted));
    }
    for (field, value, words) in [
        ("credentialsSecretRef", json!({}), &["spec.credentialsSecretRef.name", "Required"][..]),
        ("credentialsSecretRef", json!({"name": ""}), &["spec.credentialsSecretRef.name", "at least 1 char"]),
        (
            "credentialsSecretRef",
            json!({"name": "x".repeat(254)}),
            &["spec.credentialsSecretRef.name", "Too long"],
        ),
        ("credentialsSecretRef", "a".into(), &["spec.credentialsSecretRef"]),
        ("customDomain", "x".repeat(256).into(), &["spec.customDomain", "Too long"]),
        ("customDomain", "https://login.example.com".into(), &["customDomain must be a host name"]),
        ("rateLimit", json!({"requestsPerMinute": 0}), &["requestsPerMinute", "greater than or equal to 1"]),
        (
            "rateLimit",
            json!({"requestsPerMinute": 300_001}),
            &["requestsPerMinute", "less than or equal to 300000"],
        ),
        ("rateLimit", json!({"burst": 0}), &["burst", "greater than or equal to 1"]),
        ("rateLimit", json!({"burst": 5001}), &["burst", "less than or equal to 5000"]),
        ("rateLimit", json!({"burst": "2"}), &["burst"]),
        ("allowedNamespaces", json!([""]), &["spec.allowedNamespaces[0]", "at least 1 char"]),
        ("allowedNamespaces", json!(["x".repeat(64)]), &["spec.allowedNamespaces[0]", "Too long"]),
        ("allowedNamespaces", json!(["a", "a"]), &["spec.allowedNamespaces", "uplicate"]),
        ("allowedNamespaces", "*".into(), &["spec.allowedNamespaces"]),
    ] {
        cases.push(tenant(field, value, Refused(words)));
    }
    cases.push(tenant("allowedNamespaces", Value::Null, NoNull(&["spec.allowedNamespaces", "array"])));
    cases.push(tenant("credentialsSecretRef", Value::Null, Refused(&["spec.credentialsSecretRef"])));
    judge("Auth0Tenant", cases).await;
}

#[tokio::test]
async fn the_domain_of_a_tenant_does_not_change() {
    let kubectl = namespace("schema").await;
    let tenant = |domain| {
        object("Auth0Tenant", "a", &json!({"domain": domain, "credentialsSecretRef": {"name": "a"}}))
    };
    kubectl.apply(&tenant("a.auth0.com")).await.unwrap();
    for mode in [Mode::Apply, Mode::ServerSideApply] {
        let refusal = kubectl.submit(mode, &tenant("b.auth0.com")).await.unwrap();
        let words = "domain is immutable: create another Auth0Tenant for another domain";
        assert!(refusal.stderr.contains(words), "{mode:?}: {refusal}");
    }
}
