//! Commits that do not come to what one would think, tool by tool: what docs/gitops.md warns of.

use super::appliers::{APPLIERS, ARGO, ARGO_SSA, Applier, FLUX};
use super::judge::{align, judge, page, print_documented};
use crate::run::conditions::until_row;
use crate::world::{World, object, person};
use auth0_user_operator::auth0::Rate;
use futures::future::join_all;
use lab::AuditEvents as _;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const APPLIED: &str = "True/Applied True/InSync";
const REQUESTS_PER_USER: usize = 2;

fn card(slug: &str, fields: &Value) -> String {
    named(slug, slug, fields)
}

fn named(name: &str, slug: &str, fields: &Value) -> String {
    let mut spec = json!({
        "tenantRef": {"name": "example"}, "userId": format!("auth0|{slug}"), "passEmptyValues": "Yes",
    });
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object("Auth0UserUpdate", name, &spec)
}

fn target(name: &str) -> String {
    format!("auth0userupdate/{name}")
}

async fn spec(world: &World, name: &str) -> Value {
    world.get(&target(name)).await["spec"].clone()
}

/// Lines of a table, each from one future, in their order.
async fn table<const N: usize>(
    heads: [&str; N],
    lines: impl IntoIterator<Item = impl Future<Output = [String; N]>>,
) {
    let lines = join_all(lines).await.into_iter().map(Vec::from);
    let all: Vec<Vec<String>> = [heads.map(str::to_owned).to_vec()].into_iter().chain(lines).collect();
    print_documented(&align(&all));
}

#[tokio::test]
async fn a_switch_to_server_side_apply_takes_no_removal_along() {
    let world = World::start("switch").await;
    let changes = [
        ("text: value changed", "nickname", json!("newer")),
        ("text: removed", "nickname", Value::Null),
        ("text: value to clear", "nickname", json!({"clear": ["nickname", "givenName"]})),
        ("map: key removed", "userMetadata", json!({"plan": "pro"})),
        ("map: removed", "userMetadata", Value::Null),
        ("clear: removed", "clear", Value::Null),
    ];
    let heads =
        ["change", "in the commit that switches", "after a sync by hand", "switched and synced before"];
    let lines = changes.iter().enumerate().map(|(index, (change, field, to))| {
        let world = &world;
        async move {
            let together = switch(world, &format!("together-{index}"), field, to).await;
            let before = switch_first(world, &format!("before-{index}"), field, to).await;
            [(*change).to_owned(), together.0, together.1, before]
        }
    });
    table(heads, lines).await;
}

#[tokio::test]
async fn after_the_switch_a_value_becomes_a_clear_in_two_commits() {
    let world = World::start("two-commits").await;
    let to = json!({"clear": ["nickname", "givenName"]});
    let (before, cleared) = change("ben", "nickname", &to);
    let (_, removed) = change("ben", "nickname", &Value::Null);
    under_default_sync(&world, "ben", &before).await;
    ARGO_SSA.try_apply(&world, &cleared).await.unwrap_err();
    assert_eq!(ARGO_SSA.try_apply(&world, &removed).await, Ok(false), "the sync by hand is needed");
    by_hand(&world, &removed).await.unwrap();
    let done = ARGO_SSA.try_apply(&world, &cleared).await;
    assert_eq!(outcome(&world, "ben", &cleared, done).await, "=");
}

/// A card under default sync, and the same after one change.
fn change(slug: &str, field: &str, to: &Value) -> (String, String) {
    let before = json!({
        "nickname": "new", "userMetadata": {"plan": "pro", "team": "a"}, "clear": ["givenName"],
    });
    let mut after = before.clone();
    let map = after.as_object_mut().unwrap();
    map.remove(field);
    if let Some(clear) = to.get("clear") {
        map.insert("clear".to_owned(), clear.clone());
    } else if !to.is_null() {
        map.insert(field.to_owned(), to.clone());
    }
    (card(slug, &before), card(slug, &after))
}

async fn under_default_sync(world: &World, slug: &str, manifest: &str) {
    world.sandbox.put_user(person(slug, "People")).unwrap();
    ARGO.apply(world, manifest).await;
    ARGO.wait(world, &[&target(slug)]).await;
}

/// Whether the cluster holds what Git says.
async fn outcome(world: &World, slug: &str, git: &str, done: Result<bool, String>) -> String {
    let wanted: Value = serde_json::from_str::<Value>(git).unwrap()["spec"].clone();
    let arrived = spec(world, slug).await == wanted;
    let said = match (arrived, done) {
        (true, _) => "=",
        (false, Ok(_)) => "not applied, Synced",
        (false, Err(_)) => "rejected, OutOfSync",
    };
    said.to_owned()
}

async fn by_hand(world: &World, manifest: &str) -> Result<bool, String> {
    let said =
        judge(world, "argo-judge", &["sync", "--server-side-apply", "--by-hand"], manifest).await.unwrap();
    if said["phase"] == "Succeeded" { Ok(true) } else { Err(said.to_string()) }
}

/// What a commit does that changes something and sets `ServerSideApply=true`, and what a sync by hand after it.
async fn switch(world: &World, slug: &str, field: &str, to: &Value) -> (String, String) {
    let (before, after) = change(slug, field, to);
    under_default_sync(world, slug, &before).await;
    let done = ARGO_SSA.try_apply(world, &after).await;
    let first = outcome(world, slug, &after, done).await;
    let done = by_hand(world, &after).await;
    (first, outcome(world, slug, &after, done).await)
}

/// What the change does where the switch came in a commit of its own, with a sync by hand.
async fn switch_first(world: &World, slug: &str, field: &str, to: &Value) -> String {
    let (before, after) = change(slug, field, to);
    under_default_sync(world, slug, &before).await;
    assert_eq!(ARGO_SSA.try_apply(world, &before).await, Ok(false), "the switch alone syncs nothing");
    by_hand(world, &before).await.unwrap();
    let done = ARGO_SSA.try_apply(world, &after).await;
    outcome(world, slug, &after, done).await
}

#[tokio::test]
async fn large_integers_are_rounded_by_client_side_apply_and_by_kubernetes() {
    let world = World::start("integers").await;
    for applier in APPLIERS {
        world.sandbox.put_user(person(applier.slug, "People")).unwrap();
    }
    let heads: Vec<&str> = ["in metadata"].into_iter().chain(APPLIERS.map(|applier| applier.name)).collect();
    let mut lines = Vec::new();
    for (step, integer) in [
        ("created as", "9007199254740993"),
        ("changed to", "9007199254740995"),
        ("changed to", "18446744073709551615"),
        ("quoted", "\"18446744073709551615\""),
    ] {
        let cells = join_all(APPLIERS.map(|applier| integer_by(&world, applier, integer))).await;
        lines.push([format!("{step} {}", integer.replace('"', ""))].into_iter().chain(cells).collect());
    }
    let all: Vec<Vec<String>> =
        [heads.into_iter().map(str::to_owned).collect()].into_iter().chain(lines).collect();
    print_documented(&align(&all));
}

async fn integer_by(world: &World, applier: Applier, integer: &str) -> String {
    let git = card(applier.slug, &json!({"userMetadata": {"n": 0}}))
        .replace("\"n\":0", &format!("\"n\":{integer}"));
    assert!(applier.apply(world, &git).await, "{}: {integer}", applier.name);
    let column = ["get", &target(applier.slug), "--output", "jsonpath={.spec.userMetadata}"];
    let map = world.kubectl.run(column, "").await.unwrap().ok().unwrap();
    let stored = map.trim().trim_start_matches("{\"n\":").trim_end_matches('}').to_owned();
    let stored = if stored == integer { "=".to_owned() } else { stored };
    if applier.drift(world, &git).await.is_some() { format!("{stored}, OutOfSync") } else { stored }
}

#[tokio::test]
async fn a_commit_that_is_rejected_stops_all_of_flux_and_one_resource_of_argo_cd() {
    let world = World::start("rejected").await;
    for (applier, others_arrive) in [(FLUX, false), (ARGO, true), (ARGO_SSA, true)] {
        let (good, bad) = (format!("{}-good", applier.slug), format!("{}-bad", applier.slug));
        world.add_person(&good);
        world.add_person(&bad);
        let other = card(&good, &json!({"nickname": "new"}));
        let rejected = card(&bad, &json!({"nickname": "new", "clear": ["nickname"]}));
        let commit = format!("{other}\n---\n{rejected}");
        for _attempt_with_the_same_commit in 0..2 {
            let why = applier.try_apply(&world, &commit).await.unwrap_err();
            assert!(
                why.contains(&bad) && why.contains("nickname is listed in clear and has a value"),
                "{why}"
            );
            let arrived = world.objects.get(&target(&good)).await.is_ok();
            assert_eq!(arrived, others_arrive, "{}", applier.name);
        }
        // The next commit mends it.
        let mended = format!("{other}\n---\n{}", card(&bad, &json!({"nickname": "new"})));
        applier.apply(&world, &mended).await;
        applier.wait(&world, &[&target(&good), &target(&bad)]).await;
    }
}

/// Applied first and deleted then, and the other way round, which is Argo CD's.
#[tokio::test]
async fn a_new_prefix_for_many_resources_sends_nothing_twice() {
    let world = World::start("prefix").await;
    for applier in [FLUX, ARGO_SSA] {
        let slugs: Vec<String> = (0..4).map(|index| format!("{}-{index}", applier.slug)).collect();
        for slug in &slugs {
            let mut user = person(slug, "People");
            user["email_verified"] = json!(false);
            world.sandbox.put_user(user).unwrap();
            world.apply_secret(slug, &json!({"password": "Correct-Horse-1"})).await;
        }
        let all = |prefix: &str| {
            let orders = |slug: &String| {
                let password = json!({"name": slug, "key": "password"});
                named(
                    &format!("{prefix}{slug}"),
                    slug,
                    &json!({"passwordSecretRef": password, "verifyEmail": true}),
                )
            };
            slugs.iter().map(orders).collect::<Vec<_>>().join("\n---\n")
        };
        applier.apply(&world, &all("old-")).await;
        for slug in &slugs {
            until_row(&world, &target(&format!("old-{slug}")), APPLIED).await;
        }
        let old: Vec<String> = slugs.iter().map(|slug| format!("old-{slug}")).collect();
        rename(&world, applier, &old, &all("new-")).await;
        for slug in &slugs {
            until_row(&world, &target(&format!("new-{slug}")), APPLIED).await;
            assert!(
                world.objects.get(&target(&format!("old-{slug}"))).await.is_err(),
                "{slug} was not pruned"
            );
            let effects = world.sandbox.effects(&format!("auth0|{slug}"));
            assert_eq!((effects.passwords_set, effects.mails_sent), (1, 1), "{slug}");
        }
    }
}

async fn rename(world: &World, applier: Applier, old: &[String], new: &str) {
    if applier.argo.is_none() {
        applier.apply(world, new).await;
        for name in old {
            world.objects.delete(&target(name)).await.unwrap();
        }
        return;
    }
    let pruned: Vec<String> = old.iter().map(|name| format!("--prune={name}")).collect();
    let words: Vec<&str> =
        ["sync", "--server-side-apply"].into_iter().chain(pruned.iter().map(String::as_str)).collect();
    let said = judge(world, "argo-judge", &words, new).await.unwrap();
    assert_eq!(said["phase"], "Succeeded", "{said}");
    assert_deleted_first(world, old.len());
    // Argo CD deletes in the foreground, for which this control plane has no garbage collector.
    for name in old {
        let gone = world.get(&target(name)).await;
        assert!(!gone["metadata"]["deletionTimestamp"].is_null(), "{name} was not pruned");
        let none = json!({"metadata": {"finalizers": null}});
        world.objects.patch(&target(name), &none).await.unwrap();
    }
}

/// What Argo CD wrote, dry runs aside: the old ones, their deletions, and then the new ones.
fn assert_deleted_first(world: &World, count: usize) {
    let mut writes =
        world.plane.audit().unwrap().writes().within(&world.namespace).of("auth0userupdates", "");
    writes.retain(|write| {
        write.user_agent.starts_with("argo-judge") && !write.request_uri.contains("dryRun=All")
    });
    let verbs: Vec<&str> = writes.iter().map(|write| write.verb.as_str()).collect();
    assert_eq!(verbs, ["patch", "delete", "patch"].map(|verb| vec![verb; count]).concat());
}

/// Five times as fast as the default, so that the test takes seconds, and not so fast that a busy machine is slower.
#[tokio::test]
async fn a_first_apply_takes_two_requests_a_user_and_outlasts_a_short_timeout() {
    let world = World::start("first").await;
    let rate = json!({"spec": {"rateLimit": {"requestsPerMinute": 300, "burst": 2}}});
    world.objects.patch("auth0tenant/example", &rate).await.unwrap();
    let slugs: Vec<String> = (0..30).map(|index| format!("user-{index}")).collect();
    for slug in &slugs {
        world.add_person(slug);
    }
    let cards: Vec<String> = slugs.iter().map(|slug| card(slug, &json!({"nickname": "new"}))).collect();
    let manifests = cards.join("\n---\n");
    let began = Instant::now();
    FLUX.apply(&world, &manifests).await;
    let wait = async |timeout: &str| {
        judge(&world, "flux-judge", &["wait", "--timeout", timeout], &manifests).await.unwrap()
    };
    let why = wait("1s").await;
    assert!(why.as_str().is_some_and(|why| why.contains("timeout") || why.contains("deadline")), "{why}");
    assert_eq!(wait("60s").await, Value::Null, "what is not done at the end of the time goes on");
    // 60 requests, of which 2 come at once, at 5 a second.
    assert!(began.elapsed() > Duration::from_secs(10), "{:?}", began.elapsed());
    let calls = world.sandbox.log().into_iter().filter(|call| call.path.starts_with("/api/v2/users/"));
    assert_eq!(calls.count(), REQUESTS_PER_USER * slugs.len());
}

#[test]
fn the_page_computes_how_many_users_the_timeout_of_the_example_is_enough_for() {
    let example = include_str!("../../../../examples/flux/kustomization.yaml");
    let example: Value = serde_saphyr::from_str(example).unwrap();
    let timeout = example["spec"]["timeout"].as_str().unwrap();
    let minutes: usize = timeout.strip_suffix('m').unwrap().parse().unwrap();
    let per_minute = usize::try_from(Rate::default().per_minute).unwrap();
    let seconds = 60 * REQUESTS_PER_USER / per_minute;
    let users = minutes * per_minute / REQUESTS_PER_USER;
    for sentence in [
        format!("at the default rate limit ({per_minute} a minute) {seconds} seconds"),
        format!("the `timeout: {timeout}` of the example is enough for {users} users"),
    ] {
        assert!(page().contains(&sentence), "docs/gitops.md does not say: {sentence}");
    }
}
