//! What is printed, in each form, and the exit code. The page shows the same.

use crate::program::{World, manifest, person};
use auth0_sandbox::Client;
use serde_json::{Value, json};

/// A pull request as the page has it.
const MANIFESTS: &str = r#"apiVersion: auth0-user-operator.dev/v1alpha1
kind: Auth0UserUpdate
metadata: {name: ann, namespace: demo}
spec:
  tenantRef: {name: example}
  userId: auth0|ann
  passEmptyValues: Yes
  name: Ann Miller
  nickname: ""
  email: ann.miller@example.com
  verifyEmail: true
  passwordSecretRef: {name: ann-password, key: password}
  userMetadata: {plan: pro}
  clear: [userMetadata.theme]
---
apiVersion: auth0-user-operator.dev/v1alpha1
kind: Auth0UserUpdate
metadata: {name: ann-of-shop, namespace: demo}
spec:
  tenantRef: {name: example}
  userId: auth0|ann
  passEmptyValues: "No"
  name: Ann of the shop
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
"#;

/// As the page names the tenant.
fn of_page(world: &World, text: &str) -> String {
    text.replace(&world.sandbox.domain(), "example.eu.auth0.com")
}

#[track_caller]
fn assert_on_page(printed: &str) {
    let page = include_str!("../../docs/diff.md");
    assert!(page.contains(printed.trim_end()), "docs/diff.md does not show what is printed:\n{printed}");
}

#[tokio::test]
async fn the_page_shows_what_is_printed() {
    let world = World::start().await;
    assert_on_page(MANIFESTS);
    for form in ["text", "markdown"] {
        let output = world.piped(&["-o", form], MANIFESTS).await;
        assert_eq!((output.code, output.err.as_str()), (2, ""), "{}", output.out);
        assert_on_page(&of_page(&world, &output.out));
    }
    let redacted = world.piped(&["--redact"], MANIFESTS).await;
    assert_on_page(&of_page(&world, &redacted.out));
}

#[tokio::test]
async fn redacted_output_holds_no_value_in_any_form() {
    let world = World::start().await;
    let (held, wanted) = ("canary-held-7b", "canary-wanted-3e");
    let mut user = person("bob", held);
    user["user_metadata"] = json!({"plan": held, "stale": held});
    world.sandbox.put_user(user).unwrap();
    let card = json!({
        "name": wanted, "nickname": wanted, "username": wanted, "userMetadata": {"plan": {"deep": wanted}},
        "clear": ["userMetadata"],
    });
    for form in ["text", "json", "markdown"] {
        let output = world.piped(&["--redact", "-o", form], &manifest("bob", "bob", &card)).await;
        assert_eq!(output.code, 1, "{}{}", output.out, output.err);
        assert!(output.out.contains("userMetadata.stale"), "{}", output.out);
        for canary in [held, wanted] {
            assert!(!(output.out.contains(canary) || output.err.contains(canary)), "{form}: {}", output.out);
        }
    }
}

#[tokio::test]
async fn json_tells_the_bodies_in_order() {
    let world = World::start().await;
    let card =
        json!({"name": "Ann Miller", "username": "miller", "passwordSecretRef": {"name": "s", "key": "k"}});
    let output = world.piped(&["-o", "json"], &manifest("ann", "ann", &card)).await;
    let report: Value = serde_json::from_str(&output.out).unwrap();
    let requests = report["resources"][0]["requests"].as_array().unwrap();
    let told: Vec<(&Value, &Value)> =
        requests.iter().map(|request| (&request["body"], &request["setsPassword"])).collect();
    let (no, yes) = (json!(false), json!(true));
    let bodies = [json!({}), json!({"name": "Ann Miller"}), json!({"username": "miller"})];
    assert_eq!(told, [(&bodies[0], &yes), (&bodies[1], &no), (&bodies[2], &no)]);
    let name = &requests[1]["changes"][0];
    assert_eq!((&name["before"], &name["after"]), (&json!("Ann Example"), &json!("Ann Miller")));
}

#[tokio::test]
async fn exit_codes_are_those_of_kubectl_diff() {
    let world = World::start().await;
    let paused = manifest("a", "ann", &json!({"name": "B"})).replace(
        r#""metadata":{"#,
        r#""metadata":{"annotations":{"auth0-user-operator.dev/paused":"true"},"#,
    );
    for (manifests, code, summary) in [
        (paused, 0, "1 paused"),
        (
            manifest("a", "ann", &json!({"name": "Ann Example"})),
            0,
            "1 resource: 0 with differences (0 requests), 1 without",
        ),
        (
            manifest("a", "ann", &json!({"name": "B"})),
            1,
            "1 resource: 1 with differences (1 request), 0 without",
        ),
        (manifest("a", "ann", &json!({"name": "B", "mode": "Observe"})), 0, "1 observed only"),
        (manifest("a", "nobody", &json!({"name": "B"})), 2, "1 refused"),
        (manifest("a", "ann", &json!({"connection": "Nowhere", "email": "b@example.com"})), 2, "1 refused"),
        (String::new(), 0, "0 resources"),
    ] {
        let output = world.piped(&[], &manifests).await;
        assert_eq!(output.code, code, "{manifests}{}{}", output.out, output.err);
        assert!(output.out.contains(summary), "{}", output.out);
    }
}

#[tokio::test]
async fn a_private_key_in_a_file_is_as_good_as_a_secret_and_the_domain_may_be_an_address() {
    let world = World::start().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    world.sandbox.put_client(Client::with_key("keyed", &key.public_key_pem(), "PS256"));
    let file = world.file("key.pem", &key.serialize_pem());
    let address = format!("https://{}/", world.sandbox.domain());
    let environment = [
        ("AUTH0_CLIENT_ID", "keyed"),
        ("AUTH0_CLIENT_SECRET", ""),
        ("AUTH0_PRIVATE_KEY_FILE", &file),
        ("AUTH0_SIGNING_ALGORITHM", "PS256"),
        ("AUTH0_DOMAIN", &address),
    ];
    let manifest = manifest("ann", "ann", &json!({"name": "Ann Miller"}));
    let output = world.diff(&["-f", "-"], &manifest, &environment).await;
    assert_eq!((output.code, output.err.as_str()), (1, ""), "{}", output.out);
}

#[tokio::test]
async fn colours_are_for_terminals_and_no_value_has_control_characters() {
    let world = World::start().await;
    world
        .sandbox
        .change_user("auth0|ann", |user| user.insert("name".into(), json!("\u{1b}[2J\u{9b}31m\u{202e}x")));
    for form in ["text", "json", "markdown"] {
        let output = world.piped(&["-o", form], &manifest("a", "ann", &json!({"name": "B"}))).await;
        let harmful =
            output.out.chars().find(|letter| letter.is_control() && *letter != '\n' || *letter == '\u{202e}');
        assert_eq!(harmful, None, "{form}: {:?}", output.out);
    }
}

#[tokio::test]
async fn files_folders_lists_and_both_syntaxes_are_read() {
    let world = World::start().await;
    let named = |name: &str| manifest(name, "ann", &json!({"name": "B"}));
    world.file("m/one.yaml", &named("one"));
    world.file("m/deeper/two.yml", &format!("# a comment\n{}--- # the end\n", named("two")));
    world.file("m/kustomization.yaml", "resources: [one.yaml]\n");
    world.file("m/.hidden/three.yaml", "[\n");
    world.file("m/notes.txt", "[\n");
    let one: Value = serde_json::from_str(named("three").trim_start_matches("---")).unwrap();
    let list =
        json!({"apiVersion": "v1", "kind": "List", "items": [one, {"apiVersion": "v1", "kind": "Secret"}]});
    let file = world.file("stream.json", &format!("{list}\n{}", named("four").trim_start_matches("---")));
    let folder = std::path::Path::new(&file).with_file_name("m").display().to_string();
    let output = world.diff(&["-o", "json", "-f", &folder, "-f", &file], "", &[]).await;
    let report: Value = serde_json::from_str(&output.out).unwrap();
    let resources = report["resources"].as_array().unwrap().iter();
    let found: Vec<&str> = resources.map(|resource| resource["name"].as_str().unwrap()).collect();
    assert_eq!(found, ["two", "one", "three", "four"]);
    assert_eq!((&report["errors"], &report["skipped"]), (&json!([]), &json!({"Secret": 1})));
}

#[tokio::test]
async fn yaml_means_what_it_means_to_kubectl() {
    let world = World::start().await;
    let card = "{a: yes, b: \"yes\", c: 010, d: 1.0, e: off, f: ~, g: 12e3}";
    let manifest = manifest("a", "ann", &json!({"userMetadata": "CARD"})).replace("\"CARD\"", card);
    let output = world.piped(&["-o", "json"], &manifest).await;
    let report: Value = serde_json::from_str(&output.out).unwrap();
    let sent = &report["resources"][0]["requests"][0]["body"]["user_metadata"];
    assert_eq!(
        *sent,
        json!({"a": true, "b": "yes", "c": 8, "d": 1.0, "e": false, "g": 12000.0}),
        "{}",
        output.out
    );
}

/// The step of the example that compares, with stand-ins for what a runner has.
#[tokio::test]
async fn the_example_of_a_pull_request_writes_a_summary_and_fails_on_errors_only() {
    let world = World::start().await;
    let text = include_str!("../../examples/github/pull-request.yaml");
    let workflow: Value = serde_saphyr::from_str(text).unwrap();
    let steps = workflow["jobs"]["diff"]["steps"].as_array().unwrap();
    let script = steps.iter().find(|step| step["id"] == "compare").unwrap()["run"].as_str().unwrap();
    for (name, succeeds) in [("Ann Example", true), ("Ann Miller", true)] {
        let output = world.script(script, &manifest("ann", "ann", &json!({"name": name}))).await;
        assert_eq!(output.code == 0, succeeds, "{}", output.err);
        assert_eq!(output.out.contains("| 1 | `name` |"), name == "Ann Miller", "{}", output.out);
    }
    let refused = world.script(script, &manifest("ann", "nobody", &json!({"name": "A"}))).await;
    assert!(
        refused.code != 0 && refused.out.contains("**refused** UserNotFound"),
        "{}{}",
        refused.out,
        refused.err
    );
}
