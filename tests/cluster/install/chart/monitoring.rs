//! The chart's rules and dashboard are those of `deploy/monitoring`, whole.

use super::{ROOT, one, rendered};
use serde_json::{Value, json};

#[tokio::test]
async fn rules_and_dashboard_arrive_as_they_are() {
    let values = json!({"prometheusRule": {"enabled": true}, "grafanaDashboard": {"enabled": true}});
    let objects = rendered(&values).await;
    let read = |name: &str| std::fs::read_to_string(format!("{ROOT}/deploy/monitoring/{name}")).unwrap();
    let rules: Value = serde_saphyr::from_str(&read("rules.yaml")).unwrap();
    assert_eq!(one(&objects, "PrometheusRule")["spec"], rules);
    // With its braces, which are for Prometheus.
    assert!(rules.to_string().contains("{{ $labels") || rules.to_string().contains("{{ $value"), "{rules}");
    let dashboard: Value = serde_json::from_str(&read("dashboard.json")).unwrap();
    let shipped = one(&objects, "ConfigMap")["data"]["auth0-user-operator.json"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(shipped).unwrap(), dashboard);
}
