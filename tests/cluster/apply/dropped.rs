//! Nulls that `kubectl apply` drops on its way to the API server: told, and never guessed at.

use crate::once::counts::{Cost, restart};
use crate::world::{DEADLINE, World, condition, unhurried, update};
use auth0_sandbox::{Fault, FaultKind};
use kube::api::{Patch, PatchParams};
use lab::{Mode, wait_until};
use serde_json::{Value, json};

/// Every field that a null clears, and every metadata key of these tests.
const NAMES: [&str; 15] = [
    "name",
    "givenName",
    "familyName",
    "nickname",
    "picture",
    "email",
    "phoneNumber",
    "username",
    "userMetadata",
    "appMetadata",
    "userMetadata.plan",
    "userMetadata.theme",
    NESTED,
    "appMetadata.roles",
    "blocked",
];

/// What `kubectl apply` remembers.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A metadata key whose value holds the null: no blank, but a part of the value.
const NESTED: &str = "userMetadata.billing";

fn manifest(slug: &str, mut card: Value) -> String {
    card["userId"] = json!(format!("auth0|{slug}"));
    card["resyncInterval"] = json!("24h");
    update(slug, card)
}

/// The client-side `kubectl apply`, with the annotation.
async fn apply(world: &World, slug: &str, card: Value) {
    world.kubectl.submit(Mode::Apply, &manifest(slug, card)).await.unwrap().ok().unwrap();
}

/// Server-side apply as `GitOps` controllers do it: unlike kubectl, they leave kubectl's annotation alone.
async fn apply_by_controller(world: &World, slug: &str, card: Value) {
    patch_as(world, slug, "gitops", &manifest(slug, card)).await;
}

/// One server-side apply by a field manager.
async fn patch_as(world: &World, slug: &str, manager: &str, manifest: &str) {
    let manifest: Value = serde_json::from_str(manifest).unwrap();
    world
        .objects
        .updates()
        .patch(slug, &PatchParams::apply(manager).force(), &Patch::Apply(manifest))
        .await
        .unwrap();
}

fn message(object: &Value) -> &str {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    conditions.iter().find(|entry| entry["type"] == "Ready").unwrap()["message"].as_str().unwrap()
}

/// The fields that the Ready message speaks of as not cleared.
fn told(object: &Value) -> Vec<&'static str> {
    // What comes before speaks of something else.
    let Some((_, told)) = message(object).split_once("null") else { return Vec::new() };
    let words: Vec<&str> = told.split(|letter: char| !letter.is_alphabetic() && letter != '.').collect();
    NAMES.into_iter().filter(|name| words.contains(name)).collect()
}

/// Waits until the Ready message speaks of these fields, and says how to write it instead.
async fn until_told(world: &World, slug: &str, fields: &[&str]) -> Value {
    let says = |object: &Value| object["status"]["conditions"].is_array() && told(object) == fields;
    let object = world.until(&format!("auth0userupdate/{slug}"), &fields.join(", "), says).await;
    let (text, blanks) = (message(&object), fields.iter().any(|field| *field != NESTED));
    for (word, is_there) in
        [("null", !fields.is_empty()), ("spec.clear", blanks), ("--server-side", !fields.is_empty())]
    {
        assert_eq!(text.contains(word), is_there, "{word}: {text}");
    }
    object
}

/// Notes of the warnings `NullDropped` about a resource.
async fn warnings(world: &World, slug: &str) -> Vec<String> {
    let events = world.get("events.events.k8s.io").await["items"].as_array().unwrap().clone();
    let ours =
        events.iter().filter(|event| event["regarding"]["name"] == slug && event["reason"] == "NullDropped");
    ours.map(|event| {
        assert_eq!(event["type"], "Warning");
        assert!(event["series"]["count"].is_null(), "told again: {event}");
        event["note"].as_str().unwrap().to_owned()
    })
    .collect()
}

async fn until_warnings(world: &World, slug: &str, count: usize) -> Vec<String> {
    let seen = wait_until("warnings", DEADLINE, async || {
        let warnings = warnings(world, slug).await;
        if warnings.len() == count { Ok(warnings) } else { Err(format!("{slug}: {warnings:?}")) }
    });
    seen.await.unwrap()
}

/// What is written with nulls, and the fields that are told.
fn cases() -> Vec<(String, Value, Vec<&'static str>)> {
    let texts =
        ["name", "givenName", "familyName", "nickname", "picture", "email", "phoneNumber", "username"];
    let mut cases: Vec<(Value, Vec<&'static str>)> =
        texts.into_iter().map(|field| (json!({field: null}), vec![field])).collect();
    cases.extend([
        (json!({"userMetadata": {"plan": null}}), vec!["userMetadata.plan"]),
        (
            json!({"userMetadata": {"plan": null, "theme": null}}),
            vec!["userMetadata.plan", "userMetadata.theme"],
        ),
        (json!({"userMetadata": {"plan": null, "theme": "dark"}}), vec!["userMetadata.plan"]),
        (json!({"userMetadata": {"billing": {"plan": null}}}), vec![NESTED]),
        (json!({"userMetadata": {"billing": {"plan": null, "seats": 3}}}), vec![NESTED]),
        (
            json!({"userMetadata": {"plan": null, "billing": {"plan": null, "seats": 3}}}),
            vec!["userMetadata.plan", NESTED],
        ),
        (json!({"appMetadata": {"roles": null}}), vec!["appMetadata.roles"]),
        (json!({"userMetadata": null}), vec!["userMetadata"]),
        (json!({"appMetadata": null}), vec!["appMetadata"]),
        (
            json!({"name": null, "email": null, "appMetadata": {"roles": null}}),
            vec!["name", "email", "appMetadata.roles"],
        ),
        // Nothing that a null could clear.
        (json!({"blocked": null, "connection": null, "clientId": null, "passwordSecretRef": null}), vec![]),
        (json!({"emailVerified": null, "resyncInterval": null}), vec![]),
        // The empty map is an order, and so is the empty text.
        (json!({"nickname": ""}), vec![]),
    ]);
    cases.into_iter().enumerate().map(|(index, (card, told))| (format!("d{index}"), card, told)).collect()
}

#[tokio::test]
async fn every_dropped_null_is_told_once_and_clears_nothing() {
    let world = World::start("dropped").await;
    let cases = cases();
    for (slug, ..) in &cases {
        world.add_person(slug);
    }
    let manifests: Vec<String> = cases.iter().map(|(slug, card, _)| manifest(slug, card.clone())).collect();
    world.kubectl.apply(&manifests.join("\n---\n")).await.unwrap();
    for (slug, card, fields) in &cases {
        let object = until_told(&world, slug, fields).await;
        let ready = ("True".to_owned(), "Applied".to_owned());
        assert_eq!(condition(&object, "Ready"), ready, "{slug} {card}");
        assert_eq!(condition(&object, "Synced").1, "InSync", "{slug} {card}");
        let warnings = until_warnings(&world, slug, usize::from(!fields.is_empty())).await;
        assert!(warnings.iter().all(|note| fields.iter().all(|field| note.contains(field))), "{warnings:?}");
        let sent = world.bodies_of(&format!("auth0|{slug}"));
        let wanted = if card["nickname"] == "" { vec![json!({"nickname": null})] } else { vec![] };
        assert_eq!(sent, wanted, "{slug} {card}");
        let spec = object["spec"].to_string();
        assert!(!spec.contains("null"), "this kubectl drops no nulls: {spec}");
    }
}

#[tokio::test]
async fn under_no_a_dropped_blank_is_what_the_person_wants_and_a_dropped_value_is_told() {
    let world = World::start("dropped-no").await;
    let cases = cases();
    let card = |card: &Value| {
        let mut card = card.clone();
        card["passEmptyValues"] = json!("No");
        card
    };
    for (slug, ..) in &cases {
        world.add_person(slug);
    }
    let manifests: Vec<String> = cases.iter().map(|(slug, own, _)| manifest(slug, card(own))).collect();
    world.kubectl.apply(&manifests.join("\n---\n")).await.unwrap();
    let told_of = |fields: &[&'static str]| -> Vec<&str> {
        fields.iter().copied().filter(|field| *field == NESTED).collect()
    };
    for (slug, _, fields) in &cases {
        until_told(&world, slug, &told_of(fields)).await;
        world.until_applied(slug).await;
    }
    world.until_all_is_quiet().await;
    assert_eq!(world.bodies().len(), 1, "the sign only: {:?}", world.bodies());
    for (slug, _, fields) in &cases {
        until_warnings(&world, slug, told_of(fields).len()).await;
    }
}

#[tokio::test]
async fn an_edit_repairs_it() {
    let world = World::start("dropped-edit").await;
    world.add_person("ada");
    apply(&world, "ada", json!({"name": null, "userMetadata": {"plan": null}})).await;
    until_told(&world, "ada", &["name", "userMetadata.plan"]).await;
    assert!(world.bodies().is_empty());
    apply(&world, "ada", json!({"name": "", "clear": ["userMetadata.plan"]})).await;
    let object = until_told(&world, "ada", &[]).await;
    assert_eq!(world.bodies(), [json!({"name": null, "user_metadata": {"plan": null}})]);
    assert_eq!(object["status"]["user"]["userMetadata"], json!({"theme": "dark"}));
    until_warnings(&world, "ada", 1).await;

    // A field that clear names is cleared, whatever became of its null.
    apply(&world, "ada", json!({"nickname": null, "userMetadata": {"theme": null}, "clear": ["nickname", "userMetadata.theme"]}))
        .await;
    until_told(&world, "ada", &[]).await;
    assert_eq!(world.bodies()[1..], [json!({"nickname": null, "user_metadata": {"theme": null}})]);
    until_warnings(&world, "ada", 1).await;
    // Dropped again is told again.
    apply(&world, "ada", json!({"name": null})).await;
    until_told(&world, "ada", &["name"]).await;
    until_warnings(&world, "ada", 2).await;
    // Under No it is no blank that was meant to clear.
    apply(&world, "ada", json!({"name": null, "passEmptyValues": "No"})).await;
    until_told(&world, "ada", &[]).await;
    assert_eq!(world.bodies().len(), 2);
}

#[tokio::test]
async fn a_change_of_the_annotation_alone_changes_what_is_said_and_nothing_else() {
    let mut world = World::start("dropped-note").await;
    world.add_person("ada");
    apply(&world, "ada", json!({"nickname": "ada"})).await;
    let plain = world.until_applied("ada").await;
    until_told(&world, "ada", &[]).await;
    let steps: [(Value, &[&str], usize); 4] = [
        (json!({"nickname": "ada", "name": null}), &["name"], 1),
        (json!({"nickname": "ada", "name": null, "email": null}), &["name", "email"], 1),
        // One less is repaired in part, and told as it is now.
        (json!({"nickname": "ada", "email": null}), &["email"], 1),
        (json!({"nickname": "ada"}), &[], 0),
    ];
    for (card, fields, events) in steps {
        let before = world.cost("ada").await;
        apply(&world, "ada", card).await;
        let object = until_told(&world, "ada", fields).await;
        assert_eq!(object["metadata"]["generation"], 1);
        world.until_cost("ada", before, Cost { requests: 0, writes: 1, events }).await;
        assert_eq!(object["status"]["lastUpdate"], plain["status"]["lastUpdate"]);
        let moved = |object: &Value| object["status"]["conditions"][0]["lastTransitionTime"].clone();
        assert_eq!(moved(&object), moved(&plain));
    }
    let before = world.cost("ada").await;
    apply(&world, "ada", json!({"nickname": "ada", "name": null})).await;
    until_told(&world, "ada", &["name"]).await;
    world.until_cost("ada", before, Cost { requests: 0, writes: 1, events: 1 }).await;

    // It stays said, once, over looks and restarts; a change of it while nobody looked is noticed.
    let before = world.cost("ada").await;
    world.look_for_tenant("ada").await;
    restart(&mut world).await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, Cost { requests: 2, writes: 0, events: 0 }).await;
    world.operator.kill().await.unwrap();
    apply(&world, "ada", json!({"nickname": "ada"})).await;
    restart(&mut world).await;
    until_told(&world, "ada", &[]).await;
    world.until_cost("ada", before, Cost { requests: 2, writes: 1, events: 0 }).await;
}

#[tokio::test]
async fn it_is_said_beside_a_failure_too() {
    let world = World::start("dropped-no-use").await;
    for slug in ["ada", "taken"] {
        world.add_person(slug);
    }
    apply(&world, "ada", json!({"email": "taken@example.com", "nickname": null})).await;
    let object = until_told(&world, "ada", &["nickname"]).await;
    assert_eq!(condition(&object, "Ready").1, "AlreadyExists");
    let alone = message(&object).to_owned();
    apply(&world, "ada", json!({"email": "taken@example.com"})).await;
    let object = until_told(&world, "ada", &[]).await;
    assert!(alone.starts_with(message(&object)), "{alone}: {}", message(&object));
    assert_eq!(world.bodies().len(), 1);
    // The refusal is told without it when it is found again.
    apply(&world, "ada", json!({"email": "taken@example.com", "nickname": null})).await;
    until_told(&world, "ada", &["nickname"]).await;
    world.look_for_tenant("ada").await;
    let object = until_told(&world, "ada", &["nickname"]).await;
    assert_eq!(message(&object), alone);
}

#[tokio::test]
async fn a_stale_annotation_clears_nothing_after_a_switch_to_server_side_apply() {
    let world = World::start("dropped-stale").await;
    for slug in ["ada", "bea"] {
        world.add_person(slug);
        apply(&world, slug, json!({"name": null, "nickname": null, "userMetadata": {"plan": null}})).await;
        until_told(&world, slug, &["name", "nickname", "userMetadata.plan"]).await;
    }
    // The annotation stays, so what the `{}` beside it means is not known.
    apply_by_controller(&world, "ada", json!({"name": "Ada", "userMetadata": {}})).await;
    until_told(&world, "ada", &["nickname", "userMetadata.plan"]).await;
    world.look_for_tenant("ada").await;
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"name": "Ada"})]);
    let user = world.sandbox.user("auth0|ada").unwrap();
    assert_eq!(user["user_metadata"], json!({"theme": "dark", "plan": "free"}));
    // A null that arrives is an order.
    let nulls = json!({"name": "Ada", "nickname": null, "userMetadata": {"plan": null}});
    apply_by_controller(&world, "ada", nulls).await;
    until_told(&world, "ada", &[]).await;
    let bodies = world.bodies_of("auth0|ada");
    assert_eq!(bodies[1..], [json!({"nickname": null, "user_metadata": {"plan": null}})]);

    // kubectl keeps its annotation up to date when it changes over, so what is left are orders.
    let output = world.kubectl.submit(Mode::ServerSideApply, &manifest("bea", json!({"nickname": ""}))).await;
    output.unwrap().ok().unwrap();
    until_told(&world, "bea", &[]).await;
    assert_eq!(world.bodies_of("auth0|bea"), [json!({"nickname": null})]);
}

/// kubectl needs several requests for it: what is left of the old map must not be taken for an order meanwhile.
#[tokio::test]
async fn while_kubectl_changes_over_to_server_side_apply_nothing_is_cleared() {
    let world = World::start("dropped-over").await;
    let slugs: Vec<String> = (0..30).map(|number| format!("over{number}")).collect();
    let card = json!({"nickname": null, "userMetadata": {"plan": null}});
    let all = |card: &Value| {
        slugs.iter().map(|slug| manifest(slug, card.clone())).collect::<Vec<_>>().join("\n---\n")
    };
    for slug in &slugs {
        world.add_person(slug);
    }
    world.kubectl.apply(&all(&card)).await.unwrap();
    for slug in &slugs {
        until_told(&world, slug, &["nickname", "userMetadata.plan"]).await;
    }
    let changed = all(&json!({"nickname": ""}));
    world.kubectl.submit(Mode::ServerSideApply, &changed).await.unwrap().ok().unwrap();
    for slug in &slugs {
        until_told(&world, slug, &[]).await;
        world.until_applied(slug).await;
        assert_eq!(world.bodies_of(&format!("auth0|{slug}")), [json!({"nickname": null})], "{slug}");
    }
}

#[tokio::test]
async fn a_kubectl_that_dies_between_its_requests_clears_nothing() {
    let world = World::start("dropped-died").await;
    world.add_person("ada");
    apply(&world, "ada", json!({"nickname": null, "userMetadata": {"plan": null}})).await;
    until_told(&world, "ada", &["nickname", "userMetadata.plan"]).await;
    // The first two of kubectl's four requests.
    let next = manifest("ada", json!({"nickname": ""}));
    patch_as(&world, "ada", "kubectl", &next).await;
    let annotation = json!({
        "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
        "metadata": {"name": "ada", "annotations": {LAST_APPLIED: next}},
    });
    patch_as(&world, "ada", "kubectl-last-applied", &annotation.to_string()).await;
    let object = until_told(&world, "ada", &[]).await;
    assert_eq!(object["spec"]["userMetadata"], json!({}), "it is there still");
    let generation = object["metadata"]["generation"].clone();
    let seen = |object: &Value| object["status"]["observedGeneration"] == generation;
    world.until("auth0userupdate/ada", "the end of patience", seen).await;
    world.look_for_tenant("ada").await;
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"nickname": null})]);
}

#[tokio::test]
async fn a_map_whose_null_is_gone_from_the_annotation_is_an_order_at_once() {
    let world = World::start("dropped-order").await;
    world.add_person("ada");
    apply(&world, "ada", json!({"userMetadata": {"plan": null}})).await;
    until_told(&world, "ada", &["userMetadata.plan"]).await;
    // For the API server nothing changes but the annotation.
    apply(&world, "ada", json!({"userMetadata": {}})).await;
    until_told(&world, "ada", &[]).await;
    assert_eq!(world.bodies_of("auth0|ada"), [json!({"user_metadata": {}})]);
}

/// Applies by server-side apply, which keeps nulls, and drops those of `userMetadata` by a merge patch.
async fn lose_the_null(world: &World, slug: &str) {
    let lost = json!({"spec": {"userMetadata": {"plan": null}}});
    world.objects.updates().patch(slug, &PatchParams::default(), &Patch::Merge(&lost)).await.unwrap();
}

#[tokio::test]
async fn explicit_nulls_are_remembered_whatever_becomes_of_the_pass() {
    let world = World::start("dropped-known").await;
    let nulls = json!({"userMetadata": {"plan": null}});
    let with = |more: Value| {
        let mut card = nulls.clone();
        card.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        card
    };
    // What keeps each from being sent, and what lets it be sent once the null is lost.
    let cases = [
        (
            "tenantless",
            with(json!({"tenantRef": {"name": "none"}})),
            json!({"tenantRef": {"name": "example"}}),
        ),
        ("observed", with(json!({"mode": "Observe"})), json!({"mode": "Apply"})),
        ("unanswered", with(json!({"passEmptyValues": "No"})), json!({"passEmptyValues": "Yes"})),
        (
            "unsendable",
            with(json!({"clear": ["appMetadata.a"], "appMetadata": {"a": 1}})),
            json!({"clear": null, "appMetadata": null}),
        ),
        ("unconnected", with(json!({"connection": "None"})), json!({"connection": null})),
        ("paused", nulls.clone(), json!({})),
    ];
    for (slug, card, _) in &cases {
        world.add_person(slug);
        let mut manifest: Value = serde_json::from_str(&manifest(slug, card.clone())).unwrap();
        if *slug == "paused" {
            manifest["metadata"]["annotations"] = json!({"auth0-user-operator.dev/paused": "true"});
        }
        patch_as(&world, slug, "gitops", &manifest.to_string()).await;
    }
    let known = |object: &Value| {
        object["status"]["explicitNulls"] == json!(["userMetadata.plan"])
            && object["status"]["observedGeneration"] == 1
    };
    world.until_all("what the spec holds of nulls", known).await;
    for (slug, _, cure) in cases {
        lose_the_null(&world, slug).await;
        let cure =
            json!({"spec": cure, "metadata": {"annotations": {"auth0-user-operator.dev/paused": null}}});
        world.objects.updates().patch(slug, &PatchParams::default(), &Patch::Merge(&cure)).await.unwrap();
        let cured = |object: &Value| {
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
                && condition(object, "Ready") == ("True".to_owned(), "Applied".to_owned())
        };
        world.until(&format!("auth0userupdate/{slug}"), "the cure", cured).await;
        let object = until_told(&world, slug, &["userMetadata"]).await;
        assert_eq!(object["spec"]["userMetadata"], json!({}), "{slug}");
        let warnings = until_warnings(&world, slug, 1).await;
        assert!(warnings[0].contains("clear: [userMetadata]"), "{warnings:?}");
    }
    assert_eq!(world.bodies(), [Value::Null; 0]);
}

#[tokio::test]
async fn whichever_tool_takes_the_null_nothing_is_cleared() {
    let world = World::start("dropped-tools").await;
    let nulls = json!({"userMetadata": {"plan": null}});
    let slugs = ["apply", "controller", "replace", "edit", "kubectl"];
    for slug in slugs {
        world.add_person(slug);
        apply_by_controller(&world, slug, nulls.clone()).await;
    }
    let known = |object: &Value| object["status"]["explicitNulls"] == json!(["userMetadata.plan"]);
    world.until_all("what the spec holds of nulls", known).await;
    world.until_all("Ready", |object| condition(object, "Ready").0 == "True").await;
    let empty = json!({"userMetadata": {}});
    // kubectl drops the null, and its annotation tells of it.
    apply(&world, "apply", nulls).await;
    apply_by_controller(&world, "controller", empty.clone()).await;
    for (slug, mode) in [("replace", Mode::Replace), ("kubectl", Mode::ServerSideApply)] {
        let manifest = manifest(slug, empty.clone());
        world.kubectl.submit(mode, &manifest).await.unwrap().ok().unwrap();
    }
    // What `kubectl edit` sends.
    let edit = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..PatchParams::default() };
    world
        .objects
        .updates()
        .patch("edit", &edit, &Patch::Merge(json!({"spec": {"userMetadata": {"plan": null}}})))
        .await
        .unwrap();
    for slug in slugs {
        let told = if slug == "apply" { "userMetadata.plan" } else { "userMetadata" };
        until_told(&world, slug, &[told]).await;
        world.wake(&format!("auth0userupdate/{slug}")).await;
    }
    world.until_all_is_quiet().await;
    for slug in slugs {
        let sent = world.bodies_of(&format!("auth0|{slug}"));
        assert_eq!(sent, [json!({"user_metadata": {"plan": null}})], "{slug}");
    }
}

#[tokio::test]
async fn a_null_that_is_lost_during_a_look_is_known() {
    let world = World::start("dropped-during").await;
    world.add_person("ada");
    let slow = FaultKind::Delay { millis: 30_000, after_effect: false };
    world.sandbox.fault(Fault::new(slow).method("GET").path("/api/v2/users/auth0%7Cada"));
    apply_by_controller(&world, "ada", json!({"userMetadata": {"plan": null}})).await;
    let begun = async || if world.calls_of("ada").is_empty() { Err("no call".to_owned()) } else { Ok(()) };
    wait_until("the look", DEADLINE, begun).await.unwrap();
    lose_the_null(&world, "ada").await;
    world.sandbox.clear_faults();
    until_told(&world, "ada", &["userMetadata"]).await;
    let bodies = world.bodies();
    assert!(!bodies.contains(&json!({"user_metadata": {}})), "{bodies:?}");
}

#[tokio::test]
async fn a_null_that_is_lost_before_the_first_look_is_known() {
    let world = World::start("dropped-before").await;
    for slug in ["ada", "bea"] {
        world.add_person(slug);
    }
    let limit = async |limit: Value| {
        let limit = json!({"spec": {"rateLimit": limit}});
        world.objects.patch("auth0tenant/example", &limit).await.unwrap();
    };
    // The visit of the tenant takes one turn; then the one of the two waits, while the other is looked at.
    limit(json!({"requestsPerMinute": 3, "burst": 1})).await;
    for slug in ["ada", "bea"] {
        apply_by_controller(&world, slug, json!({"userMetadata": {"plan": null}})).await;
    }
    let known = json!(["userMetadata.plan"]);
    let waiting = wait_until("what waits is known", DEADLINE, async || {
        let (looked_at, waiting): (Vec<&str>, Vec<&str>) =
            ["ada", "bea"].into_iter().partition(|slug| !world.calls_of(slug).is_empty());
        let ([_], [slug]) = (&looked_at[..], &waiting[..]) else { return Err(format!("{looked_at:?}")) };
        let object = world.get(&format!("auth0userupdate/{slug}")).await;
        if object["status"]["explicitNulls"] == known { Ok(*slug) } else { Err(object.to_string()) }
    });
    let slug = waiting.await.unwrap();
    lose_the_null(&world, slug).await;
    limit(unhurried()).await;
    until_told(&world, slug, &["userMetadata"]).await;
    assert!(world.bodies_of(&format!("auth0|{slug}")).is_empty());
}
