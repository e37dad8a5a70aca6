//! Everything of [`rows`] at once in one namespace, by a person with the shipped role `admin` there: what is said of each,
//! what is asked for it, and what another team notices of it.

use super::rows::{CREDENTIALS, Expected, KEPT, RIGHT, Row, rows};
use super::stage::Stage;
use crate::world::{CLIENT_SECRET, Objects, World, person};
use auth0_user_operator::api::json::{self, Object};
use k8s_openapi::jiff::Timestamp;
use lab::AuditEvents as _;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A status without what tells rows of one group apart anyway.
fn masked(value: &Value, names: &[String]) -> Value {
    match value {
        Value::String(text) if text.parse::<Timestamp>().is_ok() => json!("TIME"),
        Value::String(text) => json!(names.iter().fold(text.clone(), |text, name| text.replace(name, "X"))),
        Value::Array(items) => items.iter().map(|item| masked(item, names)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), masked(value, names))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

#[tokio::test]
async fn what_a_hostile_team_tries_is_refused_or_harmless() {
    let stage = Stage::start().await;
    let rows = rows(&stage.places);
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "each row has a name of its own");
    add_people(&stage.world, &rows);
    stage.settle_the_honest().await;
    stage.world.sandbox.clear_log();
    let versions = stage.versions().await;

    let begun = Instant::now();
    create(&stage, &rows).await;
    let applied = begun.elapsed();
    let beside = stage.edit("Beside").await;
    let told: Vec<&Row> = rows.iter().filter(|row| !matches!(row.expected, Expected::Refused(_))).collect();
    what_is_alike_shows_the_same(&stage, stage.until_told(&told).await);
    let judged = begun.elapsed();
    what_is_not_the_teams_is_refused(&stage).await;
    let after = stage.edit("After").await;
    println!(
        "{} rows, {} of them told; applied in {applied:.1?}, judged after {judged:.1?}",
        rows.len(),
        told.len()
    );
    println!("an edit of another team: {beside:.2?} beside them, {after:.2?} after them");
    assert!(beside < Duration::from_secs(10) && after < Duration::from_secs(10), "{beside:?} {after:?}");
    assert_eq!(stage.versions().await, versions, "what was not edited was not written");
    nothing_else_was_asked(&stage, &rows);
    nothing_came_out(&stage).await;
}

/// Creates the objects of all rows, one after the other; what is to be refused is.
async fn create(stage: &Stage, rows: &[Row]) {
    let mut wrong = Vec::new();
    for row in rows {
        let (last, before) = row.objects.split_last().unwrap();
        for manifest in before {
            stage.team.create(manifest).await.unwrap();
        }
        match (stage.team.create(last).await, row.expected) {
            (Ok(()), Expected::Told(..) | Expected::Noted(_)) => {}
            (Err(error), Expected::Refused(words)) if error.contains(words) => {}
            (outcome, _) => wrong.push(format!("{}: {outcome:?}", row.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Rows of one group: their statuses, and how often these were written and Auth0 was asked.
fn what_is_alike_shows_the_same(stage: &Stage, told: Vec<(&Row, Value)>) {
    let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (row, object) in told {
        let Some(group) = row.alike else { continue };
        let shown = format!("{} {:?}", masked(&object["status"], &row.masked), stage.cost(&object));
        groups.entry(group).or_default().push(shown);
    }
    for (group, mut shown) in groups {
        assert!(shown.len() > 1, "{group} is one row alone");
        shown.dedup();
        assert_eq!(shown.len(), 1, "{group}: {shown:#?}");
    }
}

/// The users of rows that are meant to reach one, and those of the other team.
fn add_people(world: &World, rows: &[Row]) {
    for row in rows.iter().filter(|row| row.asked.is_some() && row.name != "user-gone") {
        let manifest = json::read::<Object>(row.objects.last().unwrap().as_bytes()).unwrap().0.unwrap();
        let id = manifest["spec"]["userId"].as_str().unwrap();
        let (_, slug) = id.split_once('|').unwrap();
        let mut user = person(slug, "People");
        (user["email"], user["username"]) = (json!("x@example.com"), json!(slug));
        (user["app_metadata"], user["user_metadata"]) = (json!({}), json!({}));
        world.sandbox.put_user(user).unwrap();
    }
    let mut blocked = person("blocked", "People");
    blocked["blocked"] = json!(true);
    for user in [person("boss", "People"), blocked] {
        world.sandbox.put_user(user).unwrap();
    }
}

/// What the role does not give: statuses, and other namespaces.
async fn what_is_not_the_teams_is_refused(stage: &Stage) {
    let own = Objects::new(stage.team.client.clone(), &stage.team.namespace);
    let sent = json!([{"name": "passwordSecretRef", "state": "Sent", "digest": "0", "keyId": "0"}]);
    let access = json!([{"namespace": stage.team.namespace, "may": ["*"], "resources": 1}]);
    let ready = json!([{"type": "Ready", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    for (target, status) in [
        ("auth0userupdate/guess-right-ada", json!({"triggers": sent})),
        ("auth0userupdate/fight-b", json!({"observedGeneration": 1, "conditions": ready})),
        ("auth0tenant/domain-shared", json!({"access": access})),
        (
            "auth0tenant/domain-shared",
            json!({"credentials": {"uid": "u", "resourceVersion": "1"}, "conditions": ready}),
        ),
    ] {
        let refused = own.patch_status(target, &json!({"status": status})).await.unwrap_err();
        assert!(refused.contains("forbidden"), "{target} {status}: {refused}");
    }
    for (namespace, target) in [
        (&stage.places.platform, "auth0tenant/example"),
        (&stage.places.platform, "secret/example-credentials"),
        (&stage.places.honest, "auth0userupdate/honest"),
        (&stage.places.honest, "secret/theirs"),
    ] {
        let theirs = Objects::new(stage.team.client.clone(), namespace);
        let read = theirs.get(target).await.unwrap_err();
        let written = theirs.patch(target, &json!({"metadata": {"labels": {"x": "y"}}})).await.unwrap_err();
        assert!(read.contains("forbidden") && written.contains("forbidden"), "{target}: {read} {written}");
    }
}

/// Of Auth0, of the cluster, and of anybody else.
fn nothing_else_was_asked(stage: &Stage, rows: &[Row]) {
    let mut expected: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for row in rows {
        if let Some(path) = row.asked {
            expected.entry(path).or_default().extend(row.bodies.clone());
        }
    }
    let edits = ["Beside", "After"].map(|name| json!({"name": name, "user_metadata": {"plan": name}}));
    expected.entry("/api/v2/users/auth0%7Cteam-honest").or_default().extend(edits);
    let mut seen: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    let log = stage.world.sandbox.log();
    let is_of_tenants = |path: &str| path == "/oauth/token" || path.starts_with("/api/v2/connections?");
    for call in log.iter().filter(|call| !is_of_tenants(&call.path)) {
        seen.entry(&call.path).or_default().extend(call.body.clone());
    }
    assert_eq!(seen, expected);
    let sent = format!("{log:?}");
    for kept in KEPT {
        assert!(!sent.contains(kept), "{kept} went to Auth0");
    }
    assert!(sent.contains(CREDENTIALS), "the tenant with the lent one's domain was tried");
    for call in log.iter().filter(|call| format!("{call:?}").contains(CREDENTIALS)) {
        assert_eq!(call.path, "/oauth/token");
    }
    assert_eq!(stage.caught.load(Ordering::Relaxed), 0, "connections to where nothing may lead");

    // Secrets are watched by their label, and read one by one under names that are names.
    let audit = stage.world.plane.audit().unwrap();
    let mut secrets = audit.within(&stage.team.namespace).of("secrets", "");
    secrets.retain(|event| !event.user_agent.contains("kubectl"));
    for event in &secrets {
        let (uri, name) = (event.request_uri.as_str(), &event.object_ref.name);
        match event.verb.as_str() {
            "get" => assert_eq!(uri, format!("/api/v1/namespaces/{}/secrets/{name}", stage.team.namespace)),
            "list" | "watch" => assert!(uri.contains("labelSelector=auth0-user-operator.dev%2Fuse"), "{uri}"),
            other => panic!("{other} {uri}"),
        }
    }
}

/// No value of a Secret is shown anywhere, and nothing of the hostile team to the other one.
async fn nothing_came_out(stage: &Stage) {
    let log = stage.world.operator.log().unwrap();
    assert!(!log.lines().any(|line| line.starts_with("FORGED")), "{log}");
    let mut shown = vec![("the log", log)];
    let admin = stage.honest.updates().into_client();
    for (place, namespace) in
        [("the team's", &stage.team.namespace), ("the other team's", &stage.places.honest)]
    {
        for (api, plural) in [
            ("auth0-user-operator.dev/v1alpha1", "auth0userupdates"),
            ("auth0-user-operator.dev/v1alpha1", "auth0tenants"),
            ("events.k8s.io/v1", "events"),
        ] {
            let list = http::Request::get(format!("/apis/{api}/namespaces/{namespace}/{plural}"));
            shown.push((place, admin.request_text(list.body(Vec::new()).unwrap()).await.unwrap()));
        }
    }
    for (place, text) in &shown {
        for value in KEPT.into_iter().chain([RIGHT, CREDENTIALS, CLIENT_SECRET]) {
            assert!(!text.contains(value), "{value} in {place}");
        }
        assert!(*place != "the other team's" || !text.contains(&stage.team.namespace), "{text}");
    }
}
