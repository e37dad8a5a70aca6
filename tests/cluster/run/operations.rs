//! Probes and metrics.

use crate::world::{DEADLINE, World, start_operator};
use lab::{Operator, wait_until};
use serde_json::{Value, json};

/// The address that an operator says it serves.
pub async fn address(operator: &Operator) -> String {
    operator.wait_for_log("serving", DEADLINE).await.unwrap();
    let log = operator.log().unwrap();
    let line = log.lines().rfind(|line| line.contains("serving")).unwrap();
    line.rsplit("address=").next().unwrap().trim().to_owned()
}

pub async fn get(address: &str, path: &str) -> (u16, String) {
    let answer = reqwest::get(format!("http://{address}{path}")).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn it_tells_that_it_gets_on_and_what_it_did() {
    let world = World::start("operations").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"nickname": "new"})).await;
    world.until_applied("ada").await;
    world.apply_for("nobody", json!({"nickname": "new"})).await;
    world.until_reason("auth0userupdate/nobody", "UserNotFound").await;
    world.add_person("bob");
    world.apply_for("bob", json!({"email": "ada@example.com"})).await;
    world.until_reason("auth0userupdate/bob", "AlreadyExists").await;
    let address = address(&world.operator).await;
    assert_eq!(get(&address, "/livez").await, (200, "ok".to_owned()));
    assert_eq!(get(&address, "/readyz").await, (200, "ok".to_owned()));
    let (status, text) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        r#"auth0_user_operator_reconcile_total{kind="Auth0UserUpdate",outcome="updated",reason="Applied",why="edited"} 1"#,
        r#"auth0_user_operator_reconcile_total{kind="Auth0UserUpdate",outcome="failed",reason="AlreadyExists",why="edited"} 1"#,
        r#"auth0_user_operator_auth0_requests_total{method="PATCH",status="200"} 1"#,
        r#"auth0_user_operator_auth0_request_seconds_count{method="PATCH"} 2"#,
        r#"auth0_user_operator_resources{kind="Auth0UserUpdate",ready="True",reason="Applied"} 1"#,
        r#"auth0_user_operator_resources{kind="Auth0UserUpdate",ready="False",reason="UserNotFound"} 1"#,
        r#"auth0_user_operator_resources{kind="Auth0Tenant",ready="True",reason="Available"} 1"#,
        r#"auth0_user_operator_workqueue_depth{priority="change"} 0"#,
        "auth0_user_operator_leader 1",
        "auth0_user_operator_build_info{version=",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("auth0_user_operator_auth0_rate_limit_remaining{host="), "{text}");
    assert!(!text.contains("ada") && !text.contains("nobody"), "{text}");
}

/// The lines at `info`, of a log in JSON and of nothing else.
fn told(operator: &Operator) -> Vec<Value> {
    let log = operator.log().unwrap();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["level"] == "INFO").collect()
}

#[tokio::test]
async fn as_json_the_log_has_a_line_for_each_pass_that_did_something_and_names_nobody() {
    let mut world = World::start("json-log").await;
    world.operator.terminate().await.unwrap();
    let json = ["--log-format", "json"];
    world.operator = start_operator(world.plane, &world.namespace, &world.sandbox, &json).await;
    world.add_person("ada");
    for nickname in ["Countess", "Enchantress"] {
        let card = json!({"userId": "auth0|ada", "email": "ada@new.example.com", "nickname": nickname});
        world.apply_as("card", card).await;
        world.until_ready("auth0userupdate/card").await;
        world.look_again("auth0userupdate/card").await;
    }
    let updated = || -> Vec<Value> {
        told(&world.operator).into_iter().filter(|line| line["fields"]["message"] == "updated").collect()
    };
    let lines = wait_until("two lines", DEADLINE, async || match updated() {
        lines if lines.len() >= 2 => Ok(lines),
        lines => Err(lines.len()),
    });
    let lines = lines.await.unwrap();
    let about: Vec<_> =
        lines.iter().map(|line| (&line["fields"]["name"], &line["fields"]["generation"])).collect();
    assert_eq!(about, [(&json!("card"), &json!(1)), (&json!("card"), &json!(2))]);
    for line in told(&world.operator) {
        let text = line.to_string();
        assert!(
            ["auth0|ada", "ada@", "Countess", "Enchantress"].iter().all(|word| !text.contains(word)),
            "{text}"
        );
    }
}

/// Starts an operator whose API server does not answer, and waits until it has said so.
async fn without_cluster(name: &str, flags: &[&str], environment: &[(&str, &str)]) -> Operator {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("operations-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let kubeconfig = folder.join("kubeconfig");
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "none", "users": [{"name": "none", "user": {}}],
        "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    });
    std::fs::write(&kubeconfig, config.to_string()).unwrap();
    let program = env!("CARGO_BIN_EXE_auth0-user-operator");
    let mut operator = Operator::builder(program, &kubeconfig).args(["run"]).args(flags).env("RUST_LOG", "");
    for (variable, value) in environment {
        operator = operator.env(variable, value);
    }
    let operator = operator.start().await.unwrap();
    operator.wait_for_log("ERROR kube_client", DEADLINE).await.unwrap();
    operator
}

#[tokio::test]
async fn the_log_has_what_the_level_says_unless_rust_log_says_otherwise() {
    let twin = "AUTH0_USER_OPERATOR_LOG_LEVEL";
    for (name, flags, environment, shows_info) in [
        ("default", &[][..], &[][..], true),
        ("flag", &["--log-level=warn"], &[], false),
        ("twin", &[], &[(twin, "warn")], false),
        ("flag-first", &["--log-level=info"], &[(twin, "warn")], true),
        ("rust-log", &["--log-level=info"], &[("RUST_LOG", "error")], false),
    ] {
        let operator = without_cluster(name, flags, environment).await;
        assert_eq!(operator.log().unwrap().contains(" INFO "), shows_info, "{name}");
    }
}

#[tokio::test]
async fn probes_are_answered_over_ipv6() {
    let operator = without_cluster("ipv6", &["--health-address=[::1]:0"], &[]).await;
    let address = address(&operator).await;
    assert!(address.starts_with("[::1]:"), "{address}");
    assert_eq!(get(&address, "/livez").await, (200, "ok".to_owned()));
}
