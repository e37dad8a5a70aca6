//! Traces, as a collector receives them.

use crate::run::canaries::forms;
use crate::run::operations::address;
use crate::world::{CLIENT_SECRET, DEADLINE, World, replace_operator_with};
use lab::{Collector, Span, attribute, tree, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;

/// Planted where they must not come out: in the spec, in Secrets and in the variables for the collector.
const PASSWORD: &str = "Canary-Password-44d0";
const EMAIL: &str = "canary-mail-91@example.com";
const NICKNAME: &str = "canary-nickname-17";
const USER: &str = "canaryuser8c";
const TOKEN: &str = "canary-collector-token-2b";

const ROOT: &str = "reconcile Auth0UserUpdate";

/// The trace of the last reconciliation that changed Auth0: its first span, and all of it.
fn last_update(collector: &Collector) -> Option<(Span, Vec<Span>)> {
    let spans = collector.spans();
    let is_update =
        |span: &&Span| span.name == ROOT && attribute(span, "auth0_user_operator.outcome") == "updated";
    let root = spans.iter().rfind(is_update)?.clone();
    let trace = spans.into_iter().filter(|span| span.trace_id == root.trace_id).collect();
    Some((root, trace))
}

/// The name of each span, below the name of the one above it.
fn shape(spans: &[Span]) -> Vec<(&str, &str)> {
    let above = |span: &Span| spans.iter().find(|above| above.span_id == span.parent_span_id);
    spans.iter().map(|span| (above(span).map_or("", |above| &above.name), span.name.as_str())).collect()
}

/// A world whose operator sends its traces, after an edit with a password, and a second one for which it needs another
/// token.
async fn traced(name: &str, protocol: &str) -> (World, Collector) {
    let (mut world, collector) = (World::without_tenant(name).await, Collector::start().await.unwrap());
    let kubeconfig = world.plane.kubeconfig().to_owned();
    let variables = [
        ("RUST_LOG", "trace"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer%20{TOKEN}")),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=lab"),
        // So that only the end of the process sends them.
        ("OTEL_BSP_SCHEDULE_DELAY", "600000"),
    ];
    replace_operator_with(&mut world, &kubeconfig, &variables).await;
    world.apply_tenant().await;
    world.until_ready("auth0tenant/example").await;
    world.add_person(USER);
    world.apply_secret("card", &json!({"password": PASSWORD})).await;
    let mut card = json!({
        "userId": format!("auth0|{USER}"), "email": EMAIL, "nickname": NICKNAME, "resyncInterval": "24h",
        "passwordSecretRef": {"name": "card", "key": "password"},
    });
    world.apply_as("card", card.clone()).await;
    world.until_applied("card").await;
    world.sandbox.expire_tokens();
    world.sandbox.clear_log();
    card["nickname"] = json!(format!("{NICKNAME}-2"));
    world.apply_as("card", card).await;
    world.until_applied("card").await;
    (world, collector)
}

fn holds_no_canary(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for canary in [PASSWORD, EMAIL, NICKNAME, USER, TOKEN, CLIENT_SECRET] {
        let hex: Vec<String> = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
        let others = [hex.concat(), canary.replace('@', "%40"), canary.to_uppercase()];
        for form in forms(canary).into_iter().chain(others) {
            assert!(!text.contains(&form), "{form} is in {place}");
        }
    }
}

/// What arrives is the same over each protocol.
async fn an_edit_is_one_trace(name: &str, protocol: &str) {
    let (mut world, collector) = traced(name, protocol).await;
    let correlation_id = world.sandbox.patches()[0].header("x-correlation-id").unwrap().to_owned();
    let metrics = format!("http://{}/metrics", address(&world.operator).await);
    let open = reqwest::Client::new().get(metrics).header("accept", "application/openmetrics-text");
    let metrics = open.send().await.unwrap().text().await.unwrap();
    // What was not sent yet is sent at the end.
    world.operator.terminate().await.unwrap();

    let (root, spans) = last_update(&collector).unwrap();
    println!("{}", tree(&spans, &root));
    let (get, patch) = ("GET /api/v2/users/{id}", "PATCH /api/v2/users/{id}");
    let shape = shape(&spans);
    assert_eq!(shape[..2], [("", ROOT), (ROOT, "read object")]);
    for expected in [(ROOT, "plan"), (ROOT, "POST /oauth/token"), (ROOT, patch), (ROOT, "write status")] {
        assert!(shape.contains(&expected), "{expected:?}: {shape:?}");
    }
    let all = collector.spans();
    let tenant = "reconcile Auth0Tenant";
    for expected in
        [("read user", get), ("", tenant), (tenant, "POST /oauth/token"), (tenant, "write status")]
    {
        assert!(self::shape(&all).contains(&expected), "{expected:?}");
    }

    let trace = format!("{:032x}", u128::from_be_bytes(root.trace_id[..].try_into().unwrap()));
    for (key, expected) in [
        ("k8s.namespace.name", world.namespace.as_str()),
        ("auth0_user_operator.kind", "Auth0UserUpdate"),
        ("auth0_user_operator.name", "card"),
        ("auth0_user_operator.why", "edited"),
        ("auth0_user_operator.reason", "Applied"),
        ("auth0_user_operator.correlation_id", &correlation_id),
    ] {
        assert_eq!(attribute(&root, key), expected, "{key}");
    }
    assert!(attribute(&root, "auth0_user_operator.queue_seconds").parse::<f64>().unwrap() < 60.0);
    let requests: Vec<&Span> = spans.iter().filter(|span| span.name == patch).collect();
    let answers: Vec<[String; 2]> = requests
        .iter()
        .map(|span| {
            ["http.response.status_code", "http.request.resend_count"].map(|key| attribute(span, key))
        })
        .collect();
    assert_eq!(answers, [["401", ""], ["200", "1"]]);
    assert_eq!(attribute(requests[1], "http.request.method"), "PATCH");
    assert_eq!(attribute(requests[1], "url.template"), "/api/v2/users/{id}");

    let resource = collector.resource();
    for (key, expected) in [("service.name", "auth0-user-operator"), ("deployment.environment.name", "lab")] {
        assert!(resource.contains(&(key.to_owned(), expected.to_owned())), "{key}: {resource:?}");
    }
    assert!(collector.header("authorization").contains(&format!("Bearer {TOKEN}")));

    let log = world.operator.log().unwrap();
    let line = log.lines().rfind(|line| line.ends_with(&format!("trace_id={trace}")));
    let line = line.filter(|line| line.contains(&format!("correlation_id=\"{correlation_id}\"")));
    assert!(line.is_some_and(|line| line.contains("updated")), "{trace} {correlation_id}");
    assert!(!log.contains("read object"), "spans are in the log");
    assert!(metrics.contains(&format!("# {{trace_id=\"{trace}\"}}")), "{metrics}");
    let messages = collector.messages().concat();
    assert!(String::from_utf8_lossy(&messages).contains(&world.namespace), "texts are as they were");
    holds_no_canary("the traces", &messages);
    for secret in [PASSWORD, TOKEN, CLIENT_SECRET] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn an_edit_is_one_trace_over_http() {
    an_edit_is_one_trace("traces-http", "http/protobuf").await;
}

#[tokio::test]
async fn an_edit_is_one_trace_over_grpc() {
    an_edit_is_one_trace("traces-grpc", "grpc").await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_neither_an_edit_nor_the_end() {
    let mut world = World::start("traces-silent").await;
    // It takes connections, and nothing more.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kubeconfig = world.plane.kubeconfig().to_owned();
    let variables = [
        ("RUST_LOG", "info"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{}", silent.local_addr().unwrap())),
        ("OTEL_EXPORTER_OTLP_HEADERS", &format!("authorization=Bearer%20{TOKEN}")),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "300"),
    ];
    replace_operator_with(&mut world, &kubeconfig, &variables).await;
    world.operator.wait_for_log("cannot send traces", DEADLINE).await.unwrap();
    world.add_person("ada");
    for nickname in ["a", "b", "c"] {
        let begun = Instant::now();
        world.apply_for("ada", json!({"nickname": nickname})).await;
        world.until_applied("ada").await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    }
    let begun = Instant::now();
    world.operator.terminate().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let log = world.operator.log().unwrap();
    assert_eq!(log.matches("cannot send traces").count(), 1, "{log}");
    assert!(!log.contains(TOKEN));
    wait_until("the connection of the exporter", DEADLINE, async || {
        silent.accept().await.map(drop).map_err(|error| error.to_string())
    })
    .await
    .unwrap();
}
