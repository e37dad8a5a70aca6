//! Every file of `examples/` is applied as it is, and Auth0 receives what its first lines say. Only addresses
//! and keys, which no file can know, are put in.

use crate::apply::gitops::judge::{judge, page, words};
use crate::run::conditions::{row, until_row};
use crate::world::{DEADLINE, World, condition, start_operator, unhurried};
use auth0_sandbox::{Client, Connection};
use lab::{Kubectl, Mode, Patch, wait_until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const APPLIED: &str = "True/Applied True/InSync";
const TENANT: &str = "tenant-client-secret.yaml";
const OTHER_TENANTS: [&str; 2] = ["tenant-private-key-jwt.yaml", "tenant-shared.yaml"];
const DEMO: [&str; 4] = [
    "demo/tenant.yaml",
    "demo/user-update.yaml",
    "demo/user-update-edited.yaml",
    "demo/user-update-null.yaml",
];
const TOOLS: [&str; 2] = ["argocd/application.yaml", "flux/kustomization.yaml"];

/// Applied by `apply::admission`.
const POLICY: &str = "policies/team-namespaces.yaml";

/// Run by `tests/diff`.
const WORKFLOW: &str = "github/pull-request.yaml";

/// A file about a user: the resource's name (`auth0|NAME` is the user), the bodies that Auth0 has to receive, and the
/// conditions in the end.
type Task = (&'static str, &'static str, Value, &'static str);

fn tasks() -> Vec<Task> {
    let profile = json!({
        "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "nickname": "countess",
        "picture": "https://example.com/ada.png",
    });
    let mail = json!({
        "email": "hana.new@example.com", "email_verified": false, "verify_email": true, "client_id": "YOUR_APPLICATION",
    });
    let cleared = json!({
        "nickname": null, "picture": null, "user_metadata": {"theme": null}, "app_metadata": {},
    });
    let blank = json!({"name": "Ben Example", "nickname": null, "picture": null, "user_metadata": {}});
    let merged = json!({"user_metadata": {"plan": "pro", "seats": 5}, "app_metadata": {"roles": ["reader", "editor"]}});
    let swapped = json!([{"user_metadata": {"plan": "pro", "theme": null}}]);
    let linked =
        json!([{"name": "Nora Example"}, {"email": "nora@partners.example.com", "connection": "Partners"}]);
    let phone = json!([{"phone_number": "+15551234567", "phone_verified": true}]);
    vec![
        ("update-profile.yaml", "ada", json!([profile]), APPLIED),
        ("blank-fields-clear.yaml", "ben", json!([blank]), APPLIED),
        ("blank-fields-keep.yaml", "cleo", json!([{"name": "Cleo Example"}]), APPLIED),
        ("clear-fields.yaml", "dan", json!([cleared]), APPLIED),
        ("metadata-merge.yaml", "eva", json!([merged]), APPLIED),
        ("metadata-remove-key.yaml", "finn", swapped.clone(), APPLIED),
        ("metadata-replace.yaml", "gil", swapped, APPLIED),
        ("change-email.yaml", "hana", json!([mail]), APPLIED),
        ("set-password.yaml", "ivo", json!([{"password": "Winter-Orchid-7"}]), APPLIED),
        ("block.yaml", "jane", json!([{"blocked": true}]), APPLIED),
        ("unblock.yaml", "karl", json!([{"blocked": false}]), APPLIED),
        ("change-phone.yaml", "lea", phone, APPLIED),
        ("change-username.yaml", "mia", json!([{"username": "mia-miller"}]), APPLIED),
        ("secondary-identity.yaml", "nora", linked, APPLIED),
        ("observe.yaml", "otto", json!([]), "True/Observed False/DriftFound"),
        ("pause.yaml", "pia", json!([]), "Unknown/Paused Unknown/Paused"),
        ("check-now.yaml", "quinn", json!([{"nickname": "quinn"}]), APPLIED),
        ("restore-without-sending.yaml", "rosa", json!([{"nickname": "rosa"}]), APPLIED),
        ("outputs-to.yaml", "uma", json!([{"user_metadata": {"plan": "pro"}}]), APPLIED),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}

/// A file, with the stand-in's address in the place of the tenant's.
fn text(file: &str, world: &World) -> String {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let domain = world.sandbox.domain();
    text.replace("example.eu.auth0.com", &domain).replace("demo.example.com", &domain)
}

/// A world with the application that the examples name, and people with everything that they change.
async fn world(name: &str) -> World {
    let world = World::without_tenant(name).await;
    let scopes = crate::world::SCOPES;
    world.sandbox.put_client(Client::with_secret("YOUR_CLIENT_ID", "YOUR_CLIENT_SECRET").scopes(&scopes));
    world.sandbox.put_connection(Connection::database("People").with("requires_username", json!(true)));
    world.sandbox.put_connection(Connection::database("Phones").with_phone());
    world
}

/// Applies the tenant of the examples, and takes the brake off, which many files at once would feel.
async fn apply_tenant(world: &World) {
    world.kubectl.apply(&text(TENANT, world)).await.unwrap();
    let tenant = world.until_ready("auth0tenant/example").await;
    assert_eq!(tenant["status"]["scopes"].as_array().unwrap().len(), 4);
    assert!(tenant["status"]["connections"].to_string().contains("People"));
    let patch = json!({"spec": {"rateLimit": unhurried()}});
    world.kubectl.patch("auth0tenant/example", Patch::Merge, &patch).await.unwrap().ok().unwrap();
    world.until_ready("auth0tenant/example").await;
}

async fn apply(world: &World, files: &[&str]) {
    let paths = files.iter().map(|file| format!("--filename={}", folder().join(file).display()));
    let words = std::iter::once("apply".to_owned()).chain(paths);
    world.kubectl.run(words, "").await.unwrap().ok().unwrap();
}

#[tokio::test]
async fn each_task_sends_what_its_file_says() {
    let world = world("examples").await;
    world.sandbox.put_connection(Connection::database("Partners"));
    apply_tenant(&world).await;
    for user in lab::people::of_examples() {
        world.sandbox.put_user(user).unwrap();
    }
    let files: Vec<&str> = tasks().iter().map(|(file, ..)| *file).collect();
    apply(&world, &files).await;
    for (file, name, bodies, conditions) in tasks() {
        until_row(&world, &format!("auth0userupdate/{name}"), conditions).await;
        assert_eq!(json!(world.bodies_of(&format!("auth0|{name}"))), bodies, "{file}");
    }
    what_else_the_files_say(&world).await;
    // Orders are carried out once.
    for name in ["ben", "dan", "gil", "hana", "ivo", "rosa"] {
        let sent = world.bodies_of(&format!("auth0|{name}")).len();
        let now = "auth0-user-operator.dev/requested-at=now";
        world.run(["annotate", &format!("auth0userupdate/{name}"), now]).await;
        let looked =
            |object: &Value| object["status"]["lastHandledReconcileAt"] == "now" && row(object) == APPLIED;
        world.until(&format!("auth0userupdate/{name}"), "another look", looked).await;
        assert_eq!(world.bodies_of(&format!("auth0|{name}")).len(), sent, "{name}");
    }
}

async fn what_else_the_files_say(world: &World) {
    let status = async |name: &str| world.get(&format!("auth0userupdate/{name}")).await["status"].clone();
    assert_eq!(world.sandbox.effects("auth0|hana").mails_sent, 1);
    assert_eq!(world.sandbox.password("auth0|ivo", "People").as_deref(), Some("Winter-Orchid-7"));
    assert_eq!(world.sandbox.user("auth0|nora").unwrap()["email"], "nora@example.com");
    assert_eq!(status("otto").await["plan"], json!(["name", "nickname"]));
    assert_eq!(status("quinn").await["lastHandledReconcileAt"], "2026-01-01T09:00:00Z");
    assert_eq!(world.sandbox.password("auth0|rosa", "People"), None);
    assert_eq!(status("rosa").await["triggers"][0]["state"], "Sent");
    let written = async |object: &str| world.get(object).await["data"].clone();
    assert_eq!(written("configmap/uma").await, json!({"PLAN": "pro", "ROLES": r#"["reader"]"#}));
    let encoded = json!({"EMAIL": "dW1hQGV4YW1wbGUuY29t", "CONNECTION": "UGVvcGxl"});
    assert_eq!(written("secret/uma").await, encoded);
    assert!(world.calls_of("pia").is_empty(), "not even a check");
    world.run(["annotate", "a0uu", "pia", "auth0-user-operator.dev/paused-"]).await;
    until_row(world, "auth0userupdate/pia", APPLIED).await;
    assert_eq!(world.bodies_of("auth0|pia"), [json!({"nickname": "pia"})]);
}

#[tokio::test]
async fn a_tenant_is_called_with_a_private_key() {
    let world = world("examples-key").await;
    let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    world.sandbox.put_client(
        Client::with_key("YOUR_CLIENT_ID", &key.public_key_pem(), "RS256").scopes(&crate::world::SCOPES),
    );
    let indented = key.serialize_pem().trim_end().replace('\n', "\n    ");
    let tenant = text(OTHER_TENANTS[0], &world).replace("YOUR_RSA_KEY_IN_PEM", &indented);
    world.kubectl.apply(&tenant).await.unwrap();
    world.until_ready("auth0tenant/example-key").await;
    world.apply(json!({"tenantRef": {"name": "example-key"}, "nickname": "annie"})).await;
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.bodies(), [json!({"nickname": "annie"})]);
}

#[tokio::test]
async fn a_tenant_is_shared_with_another_namespace() {
    let mut world = world("examples-identity").await;
    world.add_person("sam");
    world.sandbox.change_rules(|rules| rules.custom_domains = vec!["login.example.com".to_owned()]);
    let shop = world.plane.namespace("examples-shop").await.unwrap();
    world.operator.kill().await.unwrap();
    let more = ["--watch-namespace", &shop];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &more).await;
    let manifest = text(OTHER_TENANTS[1], &world)
        .replace("namespace: identity", &format!("namespace: {}", world.namespace))
        .replace("namespace: shop", &format!("namespace: {shop}"))
        .replace("[shop]", &format!("[{shop}]"));
    world.plane.admin().apply(&manifest).await.unwrap();
    let there = world.plane.admin().in_namespace(&shop);
    until_is(&there, "auth0userupdate/sam", APPLIED).await;
    assert_eq!(world.bodies(), [json!({"nickname": "sammy"})]);
    assert_eq!(world.sandbox.patches()[0].header("auth0-custom-domain"), Some("login.example.com"));
    let none = json!({"spec": {"allowedNamespaces": []}});
    world.kubectl.patch("auth0tenant/shared", Patch::Merge, &none).await.unwrap().ok().unwrap();
    until_is(&there, "auth0userupdate/sam", "False/TenantNotAllowed Unknown/TenantNotAllowed Stalled").await;
}

async fn until_is(kubectl: &Kubectl, target: &str, expected: &str) {
    let seen = wait_until(expected, DEADLINE, async || {
        let object = kubectl.get(target).await.map_err(|error| error.to_string())?;
        if row(&object) == expected { Ok(()) } else { Err(object["status"].to_string()) }
    });
    seen.await.unwrap();
}

#[tokio::test]
async fn the_demo_tells_what_its_files_say() {
    let world = world("examples-demo").await;
    world
        .apply_secret(
            "demo-credentials",
            &json!({"clientId": "YOUR_CLIENT_ID", "clientSecret": "YOUR_CLIENT_SECRET"}),
        )
        .await;
    world.apply_secret("ann-password", &json!({"password": "Tulip-Meadow-2026!"})).await;
    let [tenant, updates @ ..] = DEMO;
    world.kubectl.apply(&text(tenant, &world)).await.unwrap();
    world.until_ready("auth0tenant/demo").await;
    let first = json!({
        "name": "Ann Miller", "family_name": "Miller", "nickname": "annie", "user_metadata": {"plan": "pro"},
        "app_metadata": {"roles": ["reader", "editor"]},
    });
    let edited = json!({"nickname": null, "user_metadata": {"plan": "enterprise", "theme": null}});
    let expected = [vec![json!({"password": "Tulip-Meadow-2026!"}), first], vec![edited], vec![]];
    for (file, bodies) in updates.into_iter().zip(expected) {
        world.sandbox.clear_log();
        apply(&world, &[file]).await;
        until_row(&world, "auth0userupdate/ann", APPLIED).await;
        assert_eq!(world.bodies(), bodies, "{file}");
    }
    let told = |object: &Value| {
        let conditions = object["status"]["conditions"].to_string();
        condition(object, "Ready").0 == "True"
            && conditions.contains("kubectl apply dropped the null of familyName")
    };
    world.until("auth0userupdate/ann", "the dropped null", told).await;
}

/// The tool's own definition of its kind admits the file, field by field, and what the file sets is how the
/// judges apply.
#[tokio::test]
async fn argo_cd_and_flux_take_their_files() {
    let world = world("examples-tools").await;
    apply_tenant(&world).await;
    let admin = world.plane.admin();
    for (file, kind, definition, namespace) in [
        (TOOLS[0], "application/auth0-users", "application", "argocd"),
        (TOOLS[1], "kustomization/auth0-users", "kustomization", "flux-system"),
    ] {
        let crd = format!("{}/target/foreign-crds/{definition}.yaml", env!("CARGO_MANIFEST_DIR"));
        assert!(Path::new(&crd).is_file(), "{crd} is missing: run `make judges` first");
        admin.run(["apply", "--server-side", "--filename", &crd], "").await.unwrap().ok().unwrap();
        admin.run(["create", "namespace", namespace], "").await.unwrap().ok().unwrap();
        // The API server serves a new kind a little later than its definition.
        let taken = wait_until("the kind", DEADLINE, async || {
            admin.submit(Mode::ServerSideApply, &text(file, &world)).await.and_then(lab::Output::ok)
        });
        taken.await.unwrap();
        let spec = admin.in_namespace(namespace).get(kind).await.unwrap()["spec"].clone();
        let (program, words) = if definition == "application" {
            assert_eq!(spec["syncPolicy"]["syncOptions"], json!(["ServerSideApply=true"]));
            assert_eq!(spec["syncPolicy"]["retry"], json!({"limit": 5, "refresh": true}));
            assert_quoted(&crd, "the maximum number of attempts for retrying a failed sync");
            let refresh =
                "if the latest revision should be used on retry instead of the initial one (default: false)";
            assert_quoted(&crd, refresh);
            ("argo-judge", &["sync", "--server-side-apply"][..])
        } else {
            assert_eq!((&spec["wait"], &spec["prune"]), (&json!(true), &json!(true)));
            assert_quoted(&crd, "The interval at which to retry a previously failed reconciliation");
            ("flux-judge", &["apply"][..])
        };
        let manifest = text("update-profile.yaml", &world)
            .replace("name: ada\n", &format!("name: {definition}\n"))
            .replace("auth0|ada", &format!("auth0|{definition}"));
        world.add_person(definition);
        judge(&world, program, words, &manifest).await.unwrap();
        until_row(&world, &format!("auth0userupdate/{definition}"), APPLIED).await;
        assert_eq!(world.bodies_of(&format!("auth0|{definition}")).len(), 1, "{file}");
    }
}

/// What no judge shows is on the page in the words of the tool's own definition.
fn assert_quoted(crd: &str, sentence: &str) {
    assert!(words(&std::fs::read_to_string(crd).unwrap()).contains(sentence), "{crd}: {sentence}");
    assert!(page().contains(&format!("\"{sentence}\"")), "docs/gitops.md does not quote: {sentence}");
}

#[test]
fn every_file_is_applied_by_a_test_and_says_what_it_does() {
    let mut files = BTreeSet::new();
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension != "md") {
                files.insert(path.strip_prefix(folder()).unwrap().display().to_string());
            }
        }
    }
    let tasks = tasks();
    let applied = tasks
        .iter()
        .map(|(file, ..)| *file)
        .chain([TENANT])
        .chain(OTHER_TENANTS)
        .chain(DEMO)
        .chain(TOOLS)
        .chain([POLICY, WORKFLOW]);
    let applied: BTreeSet<String> = applied.map(str::to_owned).collect();
    assert_eq!(files, applied, "left: what is in examples/; right: what a test of this file applies");
    let index = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for file in &files {
        assert!(index.contains(&format!("({file})")), "examples/README.md lacks {file}");
        let begins = std::fs::read_to_string(folder().join(file)).unwrap();
        let told = begins.contains("\n# Expect: ") || file.starts_with("demo/");
        assert!(
            begins.starts_with("# ") && told,
            "{file} does not begin with what it does and what to expect"
        );
    }
}
