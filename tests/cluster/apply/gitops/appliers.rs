//! What Flux and Argo CD make of resources while the operator runs: what arrives, and that nothing drifts.

use super::judge::{align, argocd, ask, judge, print_documented};
use crate::world::{World, condition, object, person};
use futures::future::join_all;
use serde_json::{Value, json};
use std::fmt;

/// One way to apply what is in Git.
#[derive(Clone, Copy, Debug)]
pub struct Applier {
    pub name: &'static str,
    pub slug: &'static str,
    /// Flags of argo-judge; none for Flux.
    pub argo: Option<&'static [&'static str]>,
}

pub const FLUX: Applier = Applier { name: "Flux", slug: "flux", argo: None };
pub const ARGO: Applier = Applier { name: "Argo default", slug: "argo", argo: Some(&[]) };
pub const ARGO_SSA: Applier =
    Applier { name: "Argo SSA", slug: "argo-ssa", argo: Some(&["--server-side-apply"]) };
const ARGO_DIFF: Applier =
    Applier { name: "Argo default, ServerSideDiff", slug: "argo-diff", argo: Some(&["--server-side-diff"]) };
/// No column of its own: asked where `ARGO_DIFF` sees no change.
const ARGO_DIFF_WEBHOOK: Applier = Applier {
    name: "Argo default, ServerSideDiff, IncludeMutationWebhook",
    slug: "argo-diff",
    argo: Some(&["--server-side-diff", "--include-mutation-webhook"]),
};
const ARGO_SSA_DIFF: Applier = Applier {
    name: "Argo SSA, ServerSideDiff",
    slug: "argo-ssa-diff",
    argo: Some(&["--server-side-apply", "--server-side-diff"]),
};
pub const APPLIERS: [Applier; 5] = [FLUX, ARGO, ARGO_SSA, ARGO_DIFF, ARGO_SSA_DIFF];

impl Applier {
    /// Applies manifests as the tool does by itself, and answers whether anything was done.
    pub async fn apply(self, world: &World, manifests: &str) -> bool {
        self.try_apply(world, manifests).await.unwrap()
    }

    /// The same; an error is what the tool says when it cannot.
    pub async fn try_apply(self, world: &World, manifests: &str) -> Result<bool, String> {
        let Some(flags) = self.argo else {
            let said = judge(world, "flux-judge", &["apply"], manifests).await;
            let said = said.map_err(|error| error.to_string())?;
            return Ok(said.as_object().unwrap().values().any(|action| action != "unchanged"));
        };
        let words: Vec<&str> = ["sync"].iter().chain(flags).copied().collect();
        let said = judge(world, "argo-judge", &words, manifests).await.map_err(|error| error.to_string())?;
        if said["phase"] == "Failed" {
            return Err(said.to_string());
        }
        assert!(said["phase"] == "" || said["phase"] == "Succeeded", "{}: {said}", self.name);
        Ok(said["phase"] != "")
    }

    /// What the tool shows to be different from Git; Flux shows it by applying.
    pub async fn drift(self, world: &World, manifests: &str) -> Option<String> {
        let said = match self.argo {
            None => judge(world, "flux-judge", &["apply"], manifests).await,
            Some(flags) => compare(world, flags, manifests).await,
        };
        let said = said.unwrap();
        let in_sync = |code: &Value| code == "Synced" || code == "unchanged";
        let drifted = !said.as_object().unwrap().values().all(in_sync);
        drifted.then(|| said.to_string())
    }

    /// Waits for health as the tool does, for each of these.
    pub async fn wait(self, world: &World, targets: &[&str]) {
        for target in targets {
            if self.argo.is_none() {
                let said = ask(world, "flux-judge", &["wait", "--timeout", "60s"], target).await;
                assert_eq!(said, Value::Null, "{target}: {}", world.get(target).await);
                continue;
            }
            let words = ["health", "--argocd-namespace", argocd(world.plane).await];
            let healthy = lab::wait_until("Healthy", crate::world::DEADLINE, async || {
                let said = ask(world, "argo-judge", &words, target).await;
                let entry = said.as_object().and_then(|all| all.values().next()).cloned();
                let status = entry.map(|entry| entry["status"].clone());
                if status == Some(json!("Healthy")) { Ok(()) } else { Err(said.to_string()) }
            });
            healthy.await.unwrap();
        }
    }

    /// Runs the tool once more: after settling there is nothing to do, and nothing changes.
    async fn find_no_drift(self, world: &World, manifests: &str, targets: &[&str]) {
        let versions = async || {
            let mut versions = Vec::new();
            for target in targets {
                versions.push(world.get(target).await["metadata"]["resourceVersion"].clone());
            }
            versions
        };
        let before = versions().await;
        assert!(!self.apply(world, manifests).await, "{}", self.name);
        assert_eq!(before, versions().await, "{}", self.name);
    }
}

/// Argo CD's comparison, which changes nothing.
async fn compare(world: &World, flags: &[&str], manifests: &str) -> Result<Value, lab::Error> {
    let words: Vec<&str> = ["diff"].iter().chain(flags).copied().collect();
    judge(world, "argo-judge", &words, manifests).await
}

/// What becomes of one change in Git.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrives {
    /// The cluster holds what Git says.
    Exactly,
    /// Every null is dropped on the way, and the tool says Synced.
    WithoutNulls,
    /// The same, and the tool says `OutOfSync` for ever.
    WithoutNullsOutOfSync,
    /// The tool says Synced and does not apply the change.
    Never,
    /// The comparison fails, which Argo CD calls Unknown, and nothing of the commit is applied.
    Unknown,
}

impl fmt::Display for Arrives {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Exactly => "=",
            Self::WithoutNulls => "null lost, Synced",
            Self::WithoutNullsOutOfSync => "null lost, OutOfSync",
            Self::Never => "not applied, Synced",
            Self::Unknown => "not applied, Unknown",
        })
    }
}

/// Changes of one resource, one after the other.
fn changes() -> Vec<(&'static str, Value)> {
    let new = |metadata: Value| json!({"name": "New", "nickname": "", "userMetadata": metadata});
    let nulls = json!({"plan": null, "team": {"a": null}});
    vec![
        ("create", new(json!({"plan": "pro", "team": "a"}))),
        ("map: value changed", new(json!({"plan": "free", "team": "a"}))),
        ("map: key added", new(json!({"plan": "free", "team": "a", "level": 1}))),
        ("map: key removed", new(json!({"plan": "free", "team": "a"}))),
        ("map: to {}", new(json!({}))),
        ("map: removed", json!({"name": "New", "nickname": ""})),
        ("text: removed", json!({"name": "New"})),
        ("text: to \"\"", json!({"name": ""})),
        ("clear: added", json!({"name": "", "clear": ["nickname", "userMetadata.theme"]})),
        ("clear: shortened", json!({"name": "", "clear": ["userMetadata.theme"]})),
        ("text: to a value", json!({"name": "Newer", "clear": ["userMetadata.theme"]})),
        ("text: value to clear", json!({"clear": ["name", "userMetadata.theme"]})),
        ("map: with nulls", json!({"name": "Newer", "userMetadata": nulls})),
        ("text: value to null", json!({"name": null, "userMetadata": nulls})),
    ]
}

/// Client-side apply drops nulls. A server-side diff of what was applied that way does not see that
/// something was removed.
fn expected(applier: Applier, change: &str) -> Arrives {
    let with_nulls = ["map: with nulls", "text: value to null"].contains(&change);
    let removes = ["map: removed", "text: removed", "clear: shortened"].contains(&change);
    match applier.slug {
        "argo" if with_nulls => Arrives::WithoutNulls,
        "argo-diff" if with_nulls => Arrives::WithoutNullsOutOfSync,
        "argo-diff" if removes => Arrives::Never,
        "argo-diff" if change == "text: value to clear" => Arrives::Unknown,
        _ => Arrives::Exactly,
    }
}

#[tokio::test]
async fn every_change_arrives_through_every_applier_and_nothing_drifts() {
    let world = World::start("appliers").await;
    for applier in APPLIERS {
        world.sandbox.put_user(person(applier.slug, "People")).unwrap();
    }
    let heads = ["change in Git"].into_iter().chain(APPLIERS.map(|applier| applier.name));
    let mut table: Vec<Vec<String>> = vec![heads.map(str::to_owned).collect()];
    for (change, card) in changes() {
        let made = join_all(APPLIERS.map(|applier| make(&world, applier, change, &card))).await;
        table.push([change.to_owned()].into_iter().chain(made.iter().map(Arrives::to_string)).collect());
    }
    print_documented(&align(&table));
}

/// Makes one change by one tool, and answers what became of it.
async fn make(world: &World, applier: Applier, change: &str, card: &Value) -> Arrives {
    let (slug, name) = (applier.slug, applier.name);
    let mut git = json!({
        "tenantRef": {"name": "example"}, "userId": format!("auth0|{slug}"), "passEmptyValues": "Yes",
    });
    git.as_object_mut().unwrap().extend(card.as_object().unwrap().clone());
    let manifest = object("Auth0UserUpdate", slug, &git);
    let target = format!("auth0userupdate/{slug}");
    let missed = match applier.try_apply(world, &manifest).await {
        Ok(true) => None,
        Ok(false) => Some((Arrives::Never, String::new())),
        Err(why) => Some((Arrives::Unknown, why)),
    };
    if let Some((arrives, why)) = missed {
        assert_eq!(arrives, expected(applier, change), "{name}: {change}: {why}");
        if arrives == Arrives::Unknown {
            fails_to_compare(world, applier, &manifest).await;
        } else {
            assert_eq!(ARGO_DIFF_WEBHOOK.try_apply(world, &manifest).await, Ok(false), "{change}");
        }
        return arrives;
    }
    applier.wait(world, &[&target]).await;
    let drift = applier.drift(world, &manifest).await;
    let live = world.get(&target).await["spec"].clone();
    let arrives = match (live == git, live == without_nulls(&git), drift.is_none()) {
        (true, _, true) => Arrives::Exactly,
        (false, true, true) => Arrives::WithoutNulls,
        (false, true, false) => Arrives::WithoutNullsOutOfSync,
        _ => panic!("{name}: {change} became {live}; drift: {drift:?}"),
    };
    assert_eq!(arrives, expected(applier, change), "{name}: {change}: {live}");
    if arrives != Arrives::WithoutNullsOutOfSync {
        applier.find_no_drift(world, &manifest, &[&target]).await;
    }
    arrives
}

/// It is the comparison that fails, and another resource of the same commit is not applied either.
async fn fails_to_compare(world: &World, applier: Applier, manifest: &str) {
    let spec = json!({
        "tenantRef": {"name": "example"}, "userId": "auth0|ann", "passEmptyValues": "No", "nickname": "new",
    });
    let commit = format!("{}\n---\n{manifest}", object("Auth0UserUpdate", "another", &spec));
    let why = compare(world, applier.argo.unwrap(), &commit).await.unwrap_err().to_string();
    assert!(why.contains("name is listed in clear and has a value"), "{why}");
    applier.try_apply(world, &commit).await.unwrap_err();
    assert!(world.objects.get("auth0userupdate/another").await.is_err());
}

fn without_nulls(value: &Value) -> Value {
    let Some(map) = value.as_object() else { return value.clone() };
    let kept = map.iter().filter(|(_, value)| !value.is_null());
    Value::Object(kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect())
}

#[tokio::test]
async fn the_examples_are_applied_edited_and_waited_for_by_every_applier() {
    join_all(APPLIERS.map(apply_examples)).await;
}

async fn apply_examples(applier: Applier) {
    let world = World::without_tenant(&format!("examples-{}", applier.slug)).await;
    let tenant = include_str!("../../../../examples/demo/tenant.yaml");
    let tenant = tenant.replace("demo.example.com", &world.sandbox.domain());
    let first = include_str!("../../../../examples/demo/user-update.yaml");
    let edited = include_str!("../../../../examples/demo/user-update-edited.yaml");
    let credentials = json!({"clientId": "operator", "clientSecret": crate::world::CLIENT_SECRET});
    world.apply_secret("demo-credentials", &credentials).await;
    world.apply_secret("ann-password", &json!({"password": "Winter-Orchid-7"})).await;
    let targets = ["auth0tenant/demo", "auth0userupdate/ann"];
    for update in [first, edited] {
        let manifests = format!("{tenant}\n---\n{update}");
        assert!(applier.apply(&world, &manifests).await, "{}", applier.name);
        applier.wait(&world, &targets).await;
        for target in targets {
            assert_eq!(condition(&world.get(target).await, "Ready").0, "True");
        }
        applier.find_no_drift(&world, &manifests, &targets).await;
    }
    let user = world.sandbox.user("auth0|ann").unwrap();
    assert_eq!((&user["nickname"], &user["user_metadata"]), (&Value::Null, &json!({"plan": "enterprise"})));
    // Asked for a check by an annotation that is not in Git.
    let manifests = format!("{tenant}\n---\n{edited}");
    let plain = request_check(&world, applier, &manifests, "2026-01-01T00:00:00Z", None).await;
    assert_eq!(plain, applier.argo.is_some(), "{}", applier.name);
    let manager = Some("--field-manager=flux-client-side-apply");
    assert!(request_check(&world, applier, &manifests, "2026-01-02T00:00:00Z", manager).await);
    assert_eq!(applier.drift(&world, &manifests).await, None, "{}", applier.name);
}

/// Requests a check by `kubectl annotate`, and answers whether the annotation outlives the tool's next run.
async fn request_check(
    world: &World,
    applier: Applier,
    manifests: &str,
    at: &str,
    manager: Option<&str>,
) -> bool {
    let target = "auth0userupdate/ann";
    let annotation = format!("auth0-user-operator.dev/requested-at={at}");
    let words = ["annotate", "--overwrite", target, &annotation].into_iter().chain(manager);
    world.kubectl.run(words, "").await.unwrap().ok().unwrap();
    // Its status write would be a difference, if it came between the judge's two reads.
    let checked = |object: &Value| object["status"]["lastHandledReconcileAt"] == at;
    world.until(target, "the check", checked).await;
    applier.apply(world, manifests).await;
    world.get(target).await["metadata"]["annotations"]["auth0-user-operator.dev/requested-at"] == at
}

#[tokio::test]
async fn null_for_a_whole_map_is_refused_with_a_message() {
    let world = World::start("null-map").await;
    let spec = json!({"tenantRef": {"name": "example"}, "userId": "auth0|ann", "passEmptyValues": "Yes", "userMetadata": null});
    let manifest = object("Auth0UserUpdate", "ann", &spec);
    let refused = judge(&world, "flux-judge", &["apply"], &manifest).await.unwrap_err();
    assert!(refused.to_string().contains("spec.userMetadata"), "{refused}");
}
