//! Bad input: what is said, and the exit code.

use crate::program::{World, manifest};
use serde_json::json;

/// How it is called, what is set differently, the input, and what is said.
type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], String, &'a str);

#[tokio::test]
async fn what_cannot_be_compared_is_said_and_is_an_error() {
    let world = World::start().await;
    let good = manifest("ann", "ann", &json!({"name": "Ann Example"}));
    let garbage = world.file("garbage.yaml", &format!("{good}---\na: [1, 2\nb: {{\n---\nhello\n"));
    let binary = world.file("binary.yaml", "");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    let key = world.file("key.pem", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let stdin = ["-f", "-"];
    let no_cluster = [("AUTH0_DOMAIN", ""), ("KUBECONFIG", "/dev/null")];
    let broken = |from: &str, to: &str| good.replace(from, to);
    let (unreachable, elsewhere) = ("localhost:1", "tenant.example.com");
    let rows: [Row<'_>; 22] = [
        (&[], &[], String::new(), "--filename"),
        (&["-f", "/nowhere.yaml"], &[], String::new(), "/nowhere.yaml: No such file or directory"),
        (&["-f", &garbage], &[], String::new(), "garbage.yaml, document 2: "),
        (&["-f", &garbage], &[], String::new(), " at line 5, column 2"),
        (&["-f", &garbage], &[], String::new(), "garbage.yaml, document 3: is not a Kubernetes object"),
        (&["-f", &binary], &[], String::new(), "binary.yaml: is not UTF-8 text"),
        (&stdin, &no_cluster, good.clone(), "no tenant to read: set AUTH0_DOMAIN"),
        (&["-f", "-", "--context", "nowhere"], &[], good.clone(), "no tenant to read"),
        (&["-f", "-", "--live"], &no_cluster[1..], good.clone(), "no tenant to read"),
        (
            &stdin,
            &[("AUTH0_CLIENT_SECRET", "wrong")],
            good.clone(),
            "AuthenticationFailed: Auth0 rejects the tenant's credentials",
        ),
        (
            &stdin,
            &[("AUTH0_CLIENT_SECRET", "")],
            good.clone(),
            "neither AUTH0_CLIENT_SECRET nor AUTH0_PRIVATE_KEY_FILE is",
        ),
        (&stdin, &[("AUTH0_CLIENT_ID", "")], good.clone(), "AUTH0_CLIENT_ID is not: set it too"),
        (&stdin, &[("AUTH0_PRIVATE_KEY_FILE", &key)], good.clone(), "so are both"),
        (
            &stdin,
            &[("AUTH0_PRIVATE_KEY_FILE", &key), ("AUTH0_CLIENT_SECRET", "")],
            good.clone(),
            "key.pem is not an RSA private key in PEM",
        ),
        (
            &stdin,
            &[("AUTH0_DOMAIN", elsewhere)],
            good.clone(),
            "the domain tenant.example.com is not allowed: add --allowed-domain",
        ),
        (
            &stdin,
            &[("AUTH0_DOMAIN", unreachable), ("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", unreachable)],
            good.clone(),
            "localhost:1: Auth0Unavailable: cannot connect to localhost",
        ),
        (
            &stdin,
            &[],
            broken(r#""name":"Ann Example""#, r#""name":{"secret":1}"#),
            "document 1: spec.name: expected a string",
        ),
        (
            &stdin,
            &[],
            broken(r#""name":"Ann Example""#, r#""nmae":"x""#),
            "document 1: spec has no field nmae",
        ),
        (&stdin, &[], broken(r#""userId""#, r#""user""#), "document 1: spec: missing field `userId`"),
        (&stdin, &[], broken("v1alpha1", "v9"), "auth0-user-operator.dev/v9 Auth0UserUpdate is unknown"),
        (
            &stdin,
            &[],
            format!("{good}{good}"),
            "document 2: declares demo/ann again; standard input, document 1 declares it already",
        ),
        (
            &["-f", "-", "--tenant", "other"],
            &[("AUTH0_USER_OPERATOR_NAMESPACE", "demo")],
            good.clone(),
            "no resource of the manifests names the Auth0Tenant demo/other",
        ),
    ];
    for (arguments, environment, input, said) in rows {
        let output = world.diff(arguments, &input, environment).await;
        assert_eq!(output.code, 2, "{said}: {}{}", output.out, output.err);
        assert!(output.err.contains(said), "{said:?} is not in {}{}", output.out, output.err);
    }
}

#[tokio::test]
async fn one_bad_document_costs_no_other() {
    let world = World::start().await;
    let (good, bad) = (manifest("ann", "ann", &json!({"name": "B"})), "---\n[\n");
    let output = world.piped(&[], &format!("{bad}{good}{bad}")).await;
    assert_eq!(output.code, 2);
    assert!(output.out.contains("1 with differences (1 request), 0 without, 2 errors"), "{}", output.out);
}

#[tokio::test]
async fn foreign_kinds_are_counted_and_ask_for_nothing() {
    let world = World::start().await;
    let foreign = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n".repeat(10_000);
    let output =
        world.diff(&["-f", "-"], &foreign, &[("AUTH0_DOMAIN", ""), ("KUBECONFIG", "/dev/null")]).await;
    assert_eq!((output.code, output.err.as_str()), (0, ""));
    assert_eq!(
        output.out,
        "0 resources: 0 with differences (0 requests), 0 without, 10000 of other kinds skipped\n"
    );
    assert_eq!(world.requests(), 0);
}

#[tokio::test]
async fn several_tenants_without_their_manifests_are_not_taken_for_one() {
    let world = World::start().await;
    let of = |tenant: &str, name: &str| {
        manifest(name, "ann", &json!({"name": "B", "tenantRef": {"name": tenant}}))
    };
    let both = of("one", "a") + &of("two", "b");
    for (form, told) in
        [("text", "2 not compared"), ("markdown", "several tenants"), ("json", "several tenants")]
    {
        let output = world.piped(&["-o", form], &both).await;
        assert_eq!(output.code, 2);
        assert!(output.out.contains(told), "{form}: {}", output.out);
        assert_eq!(output.err.contains("several tenants"), form == "text", "{}", output.err);
    }
    let output = world.piped(&["--tenant", "demo/one"], &both).await;
    assert_eq!(output.code, 1);
    assert!(
        output.out.contains("1 with differences (1 request), 0 without, 1 of other tenants left out"),
        "{}",
        output.out
    );
    let declared = |name: &str, domain: &str| {
        let tenant = json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
            "metadata": {"name": name, "namespace": "demo"},
            "spec": {"domain": domain, "credentialsSecretRef": {"name": "c"}},
        });
        format!("---\n{tenant}\n")
    };
    let declared = declared("one", &world.sandbox.domain()) + &declared("two", "two.eu.auth0.com");
    let output = world.piped(&[], &(declared + &both)).await;
    assert_eq!(output.code, 2);
    assert!(
        output.out.contains("2 resources: 1 with differences (1 request), 0 without, 1 not compared"),
        "{}",
        output.out
    );
    assert!(output.err.contains("the Auth0Tenant demo/two is for two.eu.auth0.com"), "{}", output.err);
}

#[tokio::test]
async fn grants_of_a_tenant_among_the_manifests_count() {
    let world = World::start().await;
    let tenant = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0Tenant",
        "metadata": {"name": "example", "namespace": "identity"},
        "spec": {
            "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "c"},
            "access": [{"namespaces": ["demo"], "fields": ["profile"]}],
        },
    });
    let card = json!({
        "tenantRef": {"name": "example", "namespace": "identity"}, "name": "B", "username": "b",
    });
    let output = world.piped(&[], &format!("---\n{tenant}\n{}", manifest("ann", "ann", &card))).await;
    assert_eq!(output.code, 2);
    assert!(output.out.contains("name: \"Ann Example\" → \"B\""), "{}", output.out);
    assert!(output.out.contains("refused: username: TenantNotAllowed: "), "{}", output.out);
}
