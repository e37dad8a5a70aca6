//! Alert rules and dashboard: valid, about what the operator exposes, and described.

use crate::run::operations::{address, get};
use crate::world::World;
use auth0_user_operator::api::reason::{Reason, Standing};
use lab::{Output, check};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/rules.yaml");
const RULE_TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/monitoring/rules_test.yaml");
const PREFIX: &str = "auth0_user_operator_";

/// Labels that Prometheus adds to what it scrapes, and that of a histogram's buckets.
const ADDED: [&str; 3] = ["namespace", "job", "le"];

async fn promtool(arguments: &[&str], input: &str) -> Output {
    let output = check("promtool", arguments, &[], input).await.unwrap();
    println!("{output}");
    output
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(RULES).unwrap()).unwrap();
    file["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

fn dashboard() -> Value {
    serde_json::from_str(include_str!("../../../deploy/monitoring/dashboard.json")).unwrap()
}

/// The panels that show something.
fn panels() -> Vec<Value> {
    let panels = dashboard()["panels"].as_array().unwrap().clone();
    panels.into_iter().filter(|panel| panel["type"] != "row").collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

/// The queries of rules and dashboard, with what Grafana puts in place of its variables.
fn queries() -> Vec<String> {
    let alerts = rules().iter().map(|rule| text(&rule["expr"]).to_owned()).collect::<Vec<_>>();
    let targets = panels().into_iter().flat_map(|panel| panel["targets"].as_array().unwrap().clone());
    let shown = targets.map(|target| {
        let query = text(&target["expr"]).replace("$__rate_interval", "5m");
        query.replace("$namespace", ".*").replace("$job", ".*")
    });
    let queries: Vec<String> = alerts.into_iter().chain(shown).collect();
    assert!(queries.iter().all(|query| !query.contains('$')), "{queries:?}");
    queries
}

/// Metric, and what is asked of its labels: name and value.
type Selector = (String, Vec<(String, String)>);

fn selectors(query: &str) -> Vec<Selector> {
    let selectors = query.match_indices(PREFIX).map(|(at, _)| {
        let rest = &query[at..];
        let end =
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let matchers = rest[end..].strip_prefix('{').map_or("", |rest| rest.split_once('}').unwrap().0);
        (rest[..end].to_owned(), pairs(matchers))
    });
    selectors.collect()
}

/// Label and value of each `label="value"`, whatever operator is between.
fn pairs(labels: &str) -> Vec<(String, String)> {
    let mut parts = labels.split('"');
    let mut pairs = Vec::new();
    while let (Some(label), Some(value)) = (parts.next(), parts.next()) {
        let label = label.trim_matches([',', ' ', '=', '!', '~']);
        pairs.push((label.to_owned(), value.to_owned()));
    }
    pairs
}

/// Labels by which a query groups or joins.
fn grouped(query: &str) -> BTreeSet<&str> {
    let starts = ["by (", "on ("].iter().flat_map(|word| query.split(word).skip(1));
    starts.flat_map(|rest| rest.split_once(')').unwrap().0.split(',').map(str::trim)).collect()
}

/// What an operator exposes: types of metrics, and the values of each label of each series.
#[derive(Default)]
struct Exposed {
    types: BTreeMap<String, String>,
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Exposed {
    fn read(metrics: &str) -> Self {
        let mut exposed = Self::default();
        for line in metrics.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').unwrap();
                exposed.types.insert(name.to_owned(), kind.to_owned());
            } else if !line.starts_with('#') {
                let name = line.split(['{', ' ']).next().unwrap();
                let labels =
                    line.strip_prefix(name).unwrap().split_once('}').map_or("", |(labels, _)| labels);
                let series = exposed.series.entry(name.to_owned()).or_default();
                for (label, value) in pairs(labels.trim_start_matches('{')) {
                    series.entry(label).or_default().insert(value);
                }
            }
        }
        exposed
    }

    /// Whether a label of a metric may have this value. Those of closed lists are known without having been seen.
    fn knows(&self, name: &str, label: &str, value: &str) -> bool {
        match label {
            _ if ADDED.contains(&label) => true,
            "reason" => Reason::from_word(value).as_str() == value,
            "ready" | "synced" => ["True", "False", "Unknown", "None"].contains(&value),
            "status" => ["0", "429", "5.."].contains(&value),
            "outcome" => ["updated", "unchanged", "failed"].contains(&value),
            _ => self.series[name].get(label).is_some_and(|values| values.contains(value)),
        }
    }
}

#[tokio::test]
async fn every_alert_fires_and_keeps_quiet() {
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", RULES], "").await.ok().unwrap();
    promtool(&["test", "rules", RULE_TESTS], "").await.ok().unwrap();
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(RULE_TESTS).unwrap()).unwrap();
    let mut shown: BTreeMap<&str, BTreeSet<bool>> = BTreeMap::new();
    for case in
        file["tests"].as_array().unwrap().iter().flat_map(|test| test["alert_rule_test"].as_array().unwrap())
    {
        let fires = !case["exp_alerts"].as_array().unwrap().is_empty();
        shown.entry(text(&case["alertname"])).or_default().insert(fires);
    }
    for rule in rules() {
        let alert = text(&rule["alert"]);
        assert!(alert.starts_with("Auth0UserOperator"), "{alert}");
        assert_eq!(shown.get(alert), Some(&BTreeSet::from([false, true])), "{alert}");
        assert!(["info", "warning", "critical"].contains(&text(&rule["labels"]["severity"])), "{alert}");
        for key in ["summary", "description"] {
            assert!(text(&rule["annotations"][key]).ends_with('.'), "{alert}: {key}");
        }
        text(&rule["for"]);
    }
}

#[tokio::test]
async fn rules_and_dashboard_ask_for_what_the_operator_exposes() {
    let world = World::start("monitoring").await;
    world.apply(json!({"nickname": "new"})).await;
    world.until_ready("auth0userupdate/ann").await;
    let (status, metrics) = get(&address(&world.operator).await, "/metrics").await;
    assert_eq!(status, 200);
    let checked = promtool(&["check", "metrics"], &metrics).await;
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked}");

    let exposed = Exposed::read(&metrics);
    for query in queries() {
        let mut labels = BTreeSet::from(ADDED);
        let selectors = selectors(&query);
        assert!(!selectors.is_empty(), "{query}");
        for (name, matchers) in &selectors {
            let series = exposed.series.get(name).unwrap_or_else(|| panic!("{name} is not exposed: {query}"));
            labels.extend(series.keys().map(String::as_str));
            for (label, values) in matchers {
                for value in values.split('|') {
                    assert!(exposed.knows(name, label, value), "{name}{{{label}={value}}}: {query}");
                }
                assert!(labels.contains(label.as_str()), "{name} has no label {label}: {query}");
            }
        }
        assert!(grouped(&query).is_subset(&labels), "{query}: {labels:?}");
    }
    let documented: BTreeSet<&str> = table("Metrics").iter().map(|row| row[0].trim_matches('`')).collect();
    assert_eq!(documented, exposed.types.keys().map(String::as_str).collect());
}

#[tokio::test]
async fn every_query_of_the_dashboard_is_valid() {
    let rules: Vec<Value> = queries()
        .into_iter()
        .enumerate()
        .map(|(number, query)| json!({"record": format!("query:{number}"), "expr": query}))
        .collect();
    let count = rules.len();
    let file = json!({"groups": [{"name": "queries", "rules": rules}]}).to_string();
    let output = promtool(&["check", "rules", "--lint=all", "--lint-fatal"], &file).await.ok().unwrap();
    assert!(output.contains(&format!("{count} rules found")), "{output}");
}

#[test]
fn the_dashboard_is_bound_to_no_grafana_and_explains_itself() {
    let dashboard = dashboard();
    assert!(dashboard.get("id").is_none() && dashboard.get("version").is_none());
    let variables: Vec<&str> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|it| text(&it["name"])).collect();
    assert_eq!(variables, ["datasource", "namespace", "job"]);
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = text(&panel["title"]);
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let [x, y, width, height] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + width <= 24, "{title}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title} covers another");
        }
    }
    for panel in panels() {
        let title = text(&panel["title"]);
        assert_eq!(panel["datasource"], json!({"type": "prometheus", "uid": "${datasource}"}), "{title}");
        assert!(!text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            for (name, matchers) in selectors(text(&target["expr"])) {
                let chosen = [("namespace", "$namespace"), ("job", "$job")]
                    .map(|(label, value)| (label.to_owned(), value.to_owned()));
                assert_eq!(matchers.get(..2), Some(chosen.as_slice()), "{title}: {name}");
            }
        }
    }
}

/// The cells of the table below a heading, without its head.
pub fn cells(document: &'static str, heading: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = document.split_once(&format!("\n{heading}\n")).unwrap();
    let section = rest.split("\n##").next().unwrap();
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    lines.skip(1).map(|line| line.split(" | ").collect()).collect()
}

/// Those of a section of the document for operators.
fn table(section: &str) -> Vec<Vec<&'static str>> {
    cells(include_str!("../../../docs/operations.md"), &format!("## {section}"))
}

#[test]
fn the_picture_shows_every_panel() {
    let picture = include_str!("../../../docs/dashboard.svg");
    for panel in dashboard()["panels"].as_array().unwrap() {
        let title = format!(">{}</text>", text(&panel["title"]));
        assert!(picture.contains(&title), "{title}: make dashboard");
    }
}

#[test]
fn the_documents_list_every_panel_and_every_alert() {
    let described: Vec<(String, String)> =
        table("Dashboard").into_iter().map(|row| (row[0].to_owned(), row[1].replace('`', ""))).collect();
    let shown: Vec<(String, String)> = panels()
        .iter()
        .map(|panel| (text(&panel["title"]).to_owned(), text(&panel["description"]).to_owned()))
        .collect();
    assert_eq!(described, shown);

    let described: Vec<&str> = table("Alerts").into_iter().map(|row| row[0]).collect();
    let raised: Vec<String> = rules()
        .iter()
        .map(|rule| {
            let alert = text(&rule["alert"]);
            let anchor = alert.to_lowercase();
            let page = "https://github.com/example/auth0-user-operator/blob/main/docs/operations.md";
            assert_eq!(rule["annotations"]["runbook_url"], format!("{page}#{anchor}"));
            format!("<a id=\"{anchor}\"></a>`{alert}`")
        })
        .collect();
    assert_eq!(described, raised);
}

#[test]
fn stalled_means_the_reasons_that_do_not_pass() {
    let reasons = cells(include_str!("../../../docs/semantics.md"), "### Reasons").into_iter();
    let reasons = reasons.map(|row| row[0].trim_matches('`'));
    let passing: BTreeSet<&str> =
        reasons.filter(|word| Reason::from_word(word).standing() == Standing::Reconciling).collect();
    let rules = rules();
    let rule = rules.iter().find(|rule| rule["alert"] == "Auth0UserOperatorResourcesStalled").unwrap();
    let excluded = selectors(text(&rule["expr"])).into_iter().flat_map(|(_, matchers)| matchers);
    let excluded: Vec<String> =
        excluded.filter(|(label, _)| label == "reason").map(|(_, reasons)| reasons).collect();
    assert_eq!(excluded.len(), 2);
    for reasons in &excluded {
        assert_eq!(reasons.split('|').collect::<BTreeSet<_>>(), passing);
    }
}
