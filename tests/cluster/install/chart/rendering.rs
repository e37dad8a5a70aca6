//! The chart's default is what `deploy/kustomize` grants and runs; scopes and names.

use super::{CHART, NAME, ROOT, helm, kustomized, objects, of, one, parent, pod, rendered, template};
use crate::world::install_crds;
use auth0_user_operator::cli::Cli;
use clap::Parser as _;
use lab::ControlPlane;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What roles allow and bindings give to whom, whatever their labels are.
fn grants(objects: &[Value]) -> BTreeSet<String> {
    let kinds = ["ServiceAccount", "ClusterRole", "Role", "ClusterRoleBinding", "RoleBinding"];
    let found = objects.iter().filter(|object| kinds.contains(&object["kind"].as_str().unwrap()));
    found.map(|object| without_labels(object).to_string()).collect()
}

fn without_labels(object: &Value) -> Value {
    let mut object = object.clone();
    for labelled in ["/metadata", "/spec/selector/matchLabels", "/spec/podSelector/matchLabels"] {
        if let Some(found) = object.pointer_mut(labelled).and_then(Value::as_object_mut) {
            found.retain(|key, _| key == "name" || key == "namespace");
        }
    }
    object
}

/// The same with 1 and 1.0 alike, as they are in a CRD.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(floats).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), floats(value))).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// What a container's arguments mean to the program.
fn meaning(arguments: &Value) -> String {
    let words = arguments.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    let cli = Cli::parse_from(["auth0-user-operator"].into_iter().chain(words));
    format!("{:?}", cli.command)
}

#[tokio::test]
async fn the_default_grants_and_runs_what_the_kustomize_base_does() {
    for (folder, values) in [
        ("base", json!({})),
        ("overlays/high-availability", json!({"replicaCount": 2})),
        ("overlays/openshift", json!({"openshift": true})),
    ] {
        let (chart, base) = (rendered(&values).await, kustomized(folder).await);
        assert_eq!(grants(&chart), grants(&base), "{folder}");
        for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
            let mut theirs = without_labels(one(&base, kind));
            // What selects is a label more in the chart.
            let mut ours = without_labels(one(&chart, kind));
            for object in [&mut theirs, &mut ours] {
                object["spec"]["selector"] = json!(null);
                object["spec"]["podSelector"] = json!(null);
            }
            assert_eq!(ours, theirs, "{folder}");
        }
        let [mut ours, mut theirs] =
            [&chart, &base].map(|objects| one(objects, "Deployment")["spec"].clone());
        let words = [&ours, &theirs].map(|spec| meaning(&spec["template"]["spec"]["containers"][0]["args"]));
        assert_eq!(words[0], words[1], "{folder}");
        for spec in [&mut ours, &mut theirs] {
            spec["selector"] = json!(null);
            spec["template"]["metadata"] = json!(null);
            spec["template"]["spec"]["containers"][0]["args"] = json!(null);
            if let Some(spread) = spec.pointer_mut("/template/spec/topologySpreadConstraints/0") {
                spread["labelSelector"] = json!(null);
            }
        }
        assert_eq!(ours, theirs, "{folder}");
    }
}

#[tokio::test]
async fn the_crds_are_the_committed_ones_and_the_versions_the_programs() {
    let chart = rendered(&json!({})).await;
    let committed = ["auth0tenants", "auth0userupdates"].map(|name| {
        let text = std::fs::read_to_string(format!("{ROOT}/crds/{name}.yaml")).unwrap();
        objects(&text).remove(0)
    });
    for (ours, committed) in of(&chart, "CustomResourceDefinition").into_iter().zip(&committed) {
        assert_eq!(ours["metadata"]["annotations"], json!({"helm.sh/resource-policy": "keep"}));
        assert_eq!(floats(&without_labels(ours)), floats(committed));
    }
    let text = std::fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!([&about["version"], &about["appVersion"]], [env!("CARGO_PKG_VERSION"); 2]);
}

#[tokio::test]
async fn without_its_symbolic_links_it_says_so() {
    let copy = concat!(env!("CARGO_TARGET_TMPDIR"), "/chart-without-links");
    let _ = std::fs::remove_dir_all(copy);
    std::fs::create_dir_all(format!("{copy}/templates")).unwrap();
    for file in ["Chart.yaml", "values.yaml", "templates/_helpers.tpl", "templates/crds.yaml"] {
        std::fs::copy(format!("{CHART}/{file}"), format!("{copy}/{file}")).unwrap();
    }
    let output = template(copy, NAME, &json!({})).await;
    assert!(output.stderr.contains("lost its symbolic links"), "{output}");
}

#[tokio::test]
async fn scoped_to_namespaces_it_has_no_rights_beyond_them() {
    let values = json!({
        "scopedNamespaces": ["shop", "people", "shop"], "secretNamespaces": ["people"], "outputNamespaces": ["people"],
        "replicaCount": 2,
    });
    let scoped = rendered(&values).await;
    assert!(of(&scoped, "ClusterRole").is_empty() && of(&scoped, "ClusterRoleBinding").is_empty());
    let places = |kind: &str| -> BTreeSet<String> {
        let found = of(&scoped, kind).into_iter();
        found.map(|it| format!("{}/{}", it["metadata"]["namespace"], it["metadata"]["name"])).collect()
    };
    let of_people = ["resources", "secrets", "outputs"].map(|suffix| ("people", suffix));
    let expected = of_people.into_iter().chain([("shop", "resources"), (NAME, "secrets")]);
    let expected = expected.map(|(namespace, suffix)| format!("\"{namespace}\"/\"{NAME}-{suffix}\""));
    let expected: BTreeSet<_> = expected.chain([format!("\"{NAME}\"/\"{NAME}\"")]).collect();
    assert_eq!([places("Role"), places("RoleBinding")], [expected.clone(), expected]);
    for binding in of(&scoped, "RoleBinding") {
        assert_eq!(binding["roleRef"]["kind"], "Role");
        assert_eq!(binding["roleRef"]["name"], binding["metadata"]["name"]);
    }
    // With the rules that a whole cluster gives. Roles for people are the cluster's affair.
    let of_people = |role: &Value| {
        let name = role["metadata"]["name"].as_str().unwrap();
        ["-view", "-edit", "-admin"].iter().any(|suffix| name.ends_with(suffix))
    };
    let rules = |objects: &[Value]| -> BTreeSet<String> {
        let roles = objects.iter().filter(|it| it["kind"].as_str().unwrap().ends_with("Role"));
        roles.filter(|role| !of_people(role)).map(|role| role["rules"].to_string()).collect()
    };
    assert_eq!(rules(&scoped), rules(&rendered(&json!({})).await));
    let words = pod(&scoped).1["args"].as_array().unwrap();
    let watched: Vec<_> = words.iter().filter(|word| word.as_str().unwrap().contains("watch")).collect();
    assert_eq!(watched, ["--watch-namespace=shop", "--watch-namespace=people"]);

    let mut inside = values.clone();
    inside["crds"] = json!({"enabled": false});
    let inside = rendered(&inside).await;
    assert!(inside.iter().all(|object| object["metadata"]["namespace"].is_string()));

    let mut wide = values;
    wide["scopedRBAC"] = json!(false);
    let wide = rendered(&wide).await;
    assert_eq!(of(&wide, "ClusterRoleBinding").len(), 1);
    let readers = of(&wide, "RoleBinding").into_iter().filter(|it| it["roleRef"]["kind"] == "ClusterRole");
    let readers: Vec<_> = readers.map(|it| &it["metadata"]["namespace"]).collect();
    assert_eq!(readers, [NAME, "people", "people"]);
}

/// The cluster's own role that each role of people is a part of.
fn aggregated(objects: &[Value]) -> Vec<Value> {
    let labels = of(objects, "ClusterRole").into_iter().map(|role| &role["metadata"]["labels"]);
    let into = |labels: &Value| {
        ["view", "edit", "admin"]
            .map(|role| labels[format!("rbac.authorization.k8s.io/aggregate-to-{role}")].clone())
    };
    labels
        .map(into)
        .filter(|labels| labels.iter().any(|label| !label.is_null()))
        .map(|it| json!(it))
        .collect()
}

#[tokio::test]
async fn who_may_edit_or_administer_a_namespace_may_do_so_here_and_who_may_view_it_sees_no_personal_data() {
    for objects in [rendered(&json!({})).await, kustomized("base").await] {
        let mut aggregated = aggregated(&objects);
        aggregated.sort_by_key(Value::to_string);
        assert_eq!(aggregated, [json!([null, "true", null]), json!([null, null, "true"])]);
    }
}

/// The value of a flag of a release with these values.
async fn flag(flag: &str, release: &str, values: &Value) -> String {
    let objects = objects(&template(CHART, release, values).await.ok().unwrap());
    let words = pod(&objects).1["args"].as_array().unwrap().clone();
    let mut words = words.iter().filter_map(|word| word.as_str().unwrap().strip_prefix(flag));
    words.next().unwrap().to_owned()
}

async fn lease(release: &str, namespaces: &[&str]) -> String {
    let values = json!({"leaderElection": {"enabled": true}, "scopedNamespaces": namespaces});
    flag("--lease-name=", release, &values).await
}

#[tokio::test]
async fn what_lets_a_release_read_secrets_and_write_outputs_is_said_in_its_own_names() {
    for (argument, role, value) in [
        ("--secret-grant=", "secret-reader", "secretNamespaces"),
        ("--output-grant=", "output-writer", "outputNamespaces"),
    ] {
        for (values, namespace) in
            [(json!({}), NAME), (json!({"namespaceOverride": "elsewhere"}), "elsewhere")]
        {
            let whole = flag(argument, "mine", &values).await;
            let account = format!("--serviceaccount {namespace}:mine-{NAME} --namespace NAMESPACE");
            assert!(whole.contains(&format!("--clusterrole mine-{NAME}-{role} {account}")), "{whole}");
        }
        let scoped = flag(argument, "mine", &json!({"scopedNamespaces": ["people"]})).await;
        assert_eq!(scoped, format!("add NAMESPACE to the value {value} of the release mine"));
    }
}

#[tokio::test]
async fn leases_differ_by_release_and_by_watched_namespaces() {
    let longest = "r".repeat(53);
    let mut leases = BTreeSet::new();
    for release in ["one", "two", &longest] {
        for namespaces in [&[][..], &["people"], &["people", "shop"]] {
            let lease = lease(release, namespaces).await;
            assert!(lease.len() <= 63, "{lease}");
            assert!(leases.insert(lease));
        }
    }
    assert_eq!(lease("one", &["a", "b"]).await, lease("one", &["b", "a", "b"]).await);
}

#[tokio::test]
async fn the_longest_release_names_give_valid_names_that_differ() {
    let (prefix, mut seen) = ("r".repeat(52), BTreeSet::new());
    let everything = json!({"serviceMonitor": {"enabled": true}, "grafanaDashboard": {"enabled": true}});
    for release in [format!("{prefix}a"), format!("{prefix}b"), "with.dots".to_owned()] {
        let objects = objects(&template(CHART, &release, &everything).await.ok().unwrap());
        for object in objects.iter().filter(|it| it["kind"] != "CustomResourceDefinition") {
            let (kind, name) = (&object["kind"], object["metadata"]["name"].as_str().unwrap());
            let most = if kind == "Service" || kind == "Deployment" { 63 } else { 253 };
            let valid =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(name.len() <= most && name.chars().all(valid) && !name.ends_with('-'), "{kind} {name}");
            for label in object["metadata"]["labels"].as_object().unwrap().values() {
                assert!(label.as_str().unwrap().len() <= 63, "{kind}: {label}");
            }
            // One role and its binding share a name.
            assert!(seen.insert(format!("{kind} {name}")), "{kind} {name}");
        }
    }
}

#[tokio::test]
async fn a_chart_that_depends_on_it_may_switch_it_and_share_values() {
    let dependency = json!({"name": NAME, "version": ">0.0.0-0", "condition": format!("{NAME}.enabled")});
    let parent = parent("parent", &[dependency]).await;
    let values = |enabled: bool| json!({"global": {"team": "identity"}, NAME: {"enabled": enabled}});
    let on = objects(&template(&parent, "identity", &values(true)).await.ok().unwrap());
    assert_eq!(of(&on, "CustomResourceDefinition").len(), 2);
    assert_eq!(one(&on, "Deployment")["metadata"]["name"], format!("identity-{NAME}"));
    assert!(objects(&template(&parent, "identity", &values(false)).await.ok().unwrap()).is_empty());
}

#[tokio::test]
async fn helm_finds_nothing_to_complain_of() {
    let output = helm(&["lint", "--strict", CHART], &json!({})).await.ok().unwrap();
    println!("{output}");
    assert!(output.contains("1 chart(s) linted, 0 chart(s) failed") && !output.contains("[WARNING]"));
    assert!(!output.contains("[INFO]"));
}

#[tokio::test]
async fn openshift_assigns_the_ids_of_its_pods() {
    let ids = json!({"runAsUser": 1, "runAsGroup": 1, "fsGroup": 1});
    for (openshift, served, left_out) in [
        (json!("auto"), false, false),
        (json!("auto"), true, true),
        (json!(true), false, true),
        (json!(false), true, false),
    ] {
        let values =
            json!({"openshift": openshift, "podSecurityContext": ids, "securityContext": {"runAsUser": 1}});
        let words = ["template", NAME, CHART, "--values", "-", "--api-versions", "security.openshift.io/v1"];
        let words = if served { &words[..] } else { &words[..5] };
        let objects = objects(&helm(words, &values).await.ok().unwrap());
        let (pod, container) = pod(&objects);
        for (context, id) in
            [(pod, "runAsUser"), (pod, "runAsGroup"), (pod, "fsGroup"), (container, "runAsUser")]
        {
            let found = context["securityContext"].get(id);
            assert_eq!(found.is_none(), left_out, "{openshift} {served} {id}: {found:?}");
        }
        // The rest of what the level restricted asks for stays.
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(container["securityContext"]["capabilities"], json!({"drop": ["ALL"]}));
    }
}

#[tokio::test]
async fn the_notes_say_when_the_image_is_the_examples() {
    let mirrored = json!({"global": {"imageRegistry": "mirror.example.com"}});
    for (values, is_example) in [
        (json!({}), true),
        (json!({"image": {"tag": "1.2.3"}}), true),
        (json!({"image": {"repository": "registry.example.com/auth0-user-operator"}}), false),
        (mirrored, false),
    ] {
        let words = ["install", NAME, CHART, "--dry-run=client", "--values", "-"];
        let output = helm(&words, &values).await.ok().unwrap();
        let notes = output.split_once("\nNOTES:\n").unwrap().1;
        assert!(notes.contains("watches all namespaces"), "{notes}");
        assert_eq!(notes.contains("is an example that does not exist"), is_example, "{values}: {notes}");
    }
}

/// What Artifact Hub reads, for which nothing else here has a use.
#[tokio::test]
async fn the_annotations_for_artifact_hub_are_true() {
    let about = std::fs::read_to_string(format!("{CHART}/Chart.yaml")).unwrap();
    let about: Value = serde_saphyr::from_str(&about).unwrap();
    let annotation = |name: &str| -> Value {
        let text = about["annotations"][format!("artifacthub.io/{name}")].as_str().unwrap();
        serde_saphyr::from_str(text).unwrap()
    };
    let crds = auth0_user_operator::api::crds().map(|crd| {
        json!({"kind": crd.spec.names.kind, "version": crd.spec.versions[0].name, "name": crd.metadata.name})
    });
    let shown = annotation("crds")
        .as_array()
        .unwrap()
        .iter()
        .map(|crd| json!({"kind": crd["kind"], "version": crd["version"], "name": crd["name"]}))
        .collect::<Vec<_>>();
    assert_eq!(shown, crds);
    let examples = annotation("crdsExamples");
    let plane = ControlPlane::shared().await.unwrap();
    install_crds(plane).await;
    for (example, crd) in examples.as_array().unwrap().iter().zip(&crds) {
        assert_eq!(example["kind"], crd["kind"]);
        let words = ["create", "--dry-run=server", "--validate=strict", "--filename=-"];
        plane.admin().run(words, &example.to_string()).await.unwrap().ok().unwrap();
    }
    let image = format!("ghcr.io/example/auth0-user-operator:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(annotation("images")[0]["image"], image);
    assert_eq!(about["annotations"]["artifacthub.io/license"], env!("CARGO_PKG_LICENSE"));
    for change in annotation("changes").as_array().unwrap() {
        let kinds = ["added", "changed", "deprecated", "removed", "fixed", "security"];
        assert!(kinds.contains(&change["kind"].as_str().unwrap()), "{change}");
    }
    // Files of the repository, under its address.
    let base = format!("{}/blob/main/", about["home"].as_str().unwrap());
    let raw = base.replace("github.com", "raw.githubusercontent.com").replace("/blob/", "/");
    let links = annotation("links");
    let links = links.as_array().unwrap().iter().map(|link| link["url"].as_str().unwrap());
    for link in links.chain([about["icon"].as_str().unwrap()]) {
        let path = link.strip_prefix(&base).or(link.strip_prefix(&raw)).unwrap_or_else(|| panic!("{link}"));
        assert!(std::path::Path::new(ROOT).join(path).exists(), "{link}");
    }
}
