//! What people who wait see: each situation of the condition table, as four judges see it.

use super::judge::{align, argocd, ask, kind_and_name, print_documented};
use crate::run::conditions::{row, until_row};
use crate::world::{World, person};
use auth0_sandbox::{Client, Fault, FaultKind};
use serde_json::{Value, json};

const PAUSED: &str = "auth0-user-operator.dev/paused";

/// What the judges say: kstatus, `kubectl wait --for=condition=Ready`, Flux's `wait: true`, Argo CD's health.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    kstatus: String,
    kubectl: &'static str,
    flux: &'static str,
    argo: String,
}

/// Somebody may wait on: it is done, it goes on, it needs a person, it is held back, it goes away.
const DONE: [&str; 4] = ["Current", "met", "ready", "Healthy"];
const GOES_ON: [&str; 4] = ["InProgress", "time-out", "time-out", "Progressing"];
const FAILED: [&str; 4] = ["Failed", "time-out", "failed", "Degraded"];
const HELD_WHEN_READY: [&str; 4] = ["Current", "met", "ready", "Suspended"];
const HELD: [&str; 4] = ["InProgress", "time-out", "time-out", "Suspended"];
const GOES_AWAY: [&str; 4] = ["Terminating", "time-out", "time-out", "Progressing"];

/// The table that is printed in the end.
struct Table(Vec<[String; 6]>);

impl Table {
    /// Asks every judge about a resource that is in this situation, and that nothing moves out of it.
    async fn add(&mut self, world: &World, situation: &str, target: &str, expected: [&str; 4]) {
        let verdict = judge_all(world, target).await;
        let object = world.get(target).await;
        let said = [verdict.kstatus.as_str(), verdict.kubectl, verdict.flux, verdict.argo.as_str()];
        self.0.push([situation, &row(&object), said[0], said[1], said[2], said[3]].map(str::to_owned));
        assert_eq!(said, expected, "{situation}\n{}\n{object:#}", self.print());
    }

    fn print(&self) -> String {
        let heads = ["situation", "Ready Synced", "kstatus", "kubectl wait", "Flux wait", "Argo CD"];
        let lines = [heads.map(str::to_owned)].into_iter().chain(self.0.iter().cloned());
        align(&lines.map(Vec::from).collect::<Vec<_>>())
    }
}

/// What each says of a resource that rests: kubectl by a look, Flux by looks for a while.
async fn judge_all(world: &World, target: &str) -> Verdict {
    let (kind, name) = kind_and_name(target);
    let key = format!("{kind}/{name}");
    let kubectl = async {
        let words = ["wait", target, "--for=condition=Ready", "--timeout=0"];
        let output = world.kubectl.run(words, "").await.unwrap();
        let met = output.status.success();
        assert!(met || output.stderr.contains("condition not met for"), "{output}");
        if met { "met" } else { "time-out" }
    };
    let argocd = argocd(world.plane).await;
    let words = ["health", "--argocd-namespace", argocd];
    let (kstatus, kubectl, flux, argo) = tokio::join!(
        ask(world, "flux-judge", &["status"], target),
        kubectl,
        flux_waits(world, target),
        ask(world, "argo-judge", &words, target)
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_ne!(argo[&key]["message"], "", "{argo}");
    Verdict { kstatus: text(&kstatus[&key]["status"]), kubectl, flux, argo: text(&argo[&key]["status"]) }
}

async fn flux_waits(world: &World, target: &str) -> &'static str {
    // A machine may be too busy for one look within the first time.
    for patience in ["300ms", "5s", "60s"] {
        let said = ask(world, "flux-judge", &["wait", "--timeout", patience], target).await;
        let Some(why) = said.as_str() else { return "ready" };
        if why.starts_with("failed early") {
            return "failed";
        }
        assert!(why.starts_with("timeout waiting for") || why.contains("context deadline"), "{why}");
        if ["InProgress", "Terminating"].iter().any(|status| why.contains(&format!("status: '{status}'"))) {
            return "time-out";
        }
    }
    panic!("Flux never saw {target}");
}

fn unavailable() -> FaultKind {
    FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false }
}

fn target(name: &str) -> String {
    format!("auth0userupdate/{name}")
}

/// Applies a card for a user of its own, and waits for this row.
async fn bring(world: &World, name: &str, card: Value, expected: &str) -> String {
    if world.sandbox.user(&format!("auth0|{name}")).is_none() {
        world.sandbox.put_user(person(name, "People")).unwrap();
    }
    world.apply_for(name, card).await;
    until_row(world, &target(name), expected).await;
    target(name)
}

#[tokio::test]
async fn every_situation_is_what_it_is_to_every_judge() {
    let mut table = Table(Vec::new());
    let mut world = World::start("judged").await;
    a_first_apply(&mut world, &mut table).await;
    refusals(&world, &mut table).await;
    holds(&world, &mut table).await;
    later(&world, &mut table).await;
    a_tenant(&world, &mut table).await;
    print_documented(&table.print());
}

const APPLIED: &str = "True/Applied True/InSync";

async fn a_first_apply(world: &mut World, table: &mut Table) {
    world.operator.kill().await.unwrap();
    world.sandbox.put_user(person("first", "People")).unwrap();
    world.apply_for("first", json!({"name": "New"})).await;
    let first = target("first");
    table.add(world, "not reconciled yet", &first, GOES_ON).await;
    world.operator.restart().await.unwrap();
    until_row(world, &first, APPLIED).await;
    table.add(world, "applied", &first, DONE).await;
    world.operator.kill().await.unwrap();
    world.apply_for("first", json!({"name": "Newer"})).await;
    table.add(world, "applied, then edited, not reconciled since", &first, GOES_ON).await;
    world.operator.restart().await.unwrap();
    until_row(world, &first, APPLIED).await;
    let card = json!({"passwordSecretRef": {"name": "missing", "key": "new"}});
    let row = "False/SecretNotFound Unknown/SecretNotFound Reconciling";
    let waiting = bring(world, "waiting", card, row).await;
    table.add(world, "not applied, temporary reason", &waiting, GOES_ON).await;
}

async fn refusals(world: &World, table: &mut Table) {
    world.add_person("taken");
    let card = json!({"email": "taken@example.com", "name": "New"});
    let refused = bring(world, "refused", card, "False/AlreadyExists False/Refused Stalled").await;
    table.add(world, "one field rejected permanently", &refused, FAILED).await;
    let card = json!({"clear": ["userMetadata.k"], "userMetadata": {"k": 1}});
    let row = "False/InvalidRequest Unknown/InvalidRequest Stalled";
    let unread = bring(world, "unread", card, row).await;
    table.add(world, "rejected permanently before a check", &unread, FAILED).await;
    world.apply_for("refused", json!({"name": "New"})).await;
    until_row(world, &refused, APPLIED).await;
    table.add(world, "cause gone: edited", &refused, DONE).await;
    let owner = bring(world, "owner", json!({"name": "Owned"}), APPLIED).await;
    world.apply_as("rival", json!({"userId": "auth0|owner", "name": "New"})).await;
    let rival = target("rival");
    until_row(world, &rival, "False/ManagementConflict Unknown/ManagementConflict Stalled").await;
    table.add(world, "another resource owns a field", &rival, FAILED).await;
    world.objects.delete(&owner).await.unwrap();
    until_row(world, &rival, APPLIED).await;
    table.add(world, "cause gone: owner deleted", &rival, DONE).await;
}

async fn holds(world: &World, table: &mut Table) {
    world.sandbox.change_rules(|rules| {
        rules.overrides.insert("nickname".to_owned(), json!("by-action"));
    });
    let row = "True/Applied False/NotPersisted";
    let kept = bring(world, "kept", json!({"nickname": "new"}), row).await;
    world.sandbox.change_rules(|rules| drop(rules.overrides.remove("nickname")));
    table.add(world, "applied, not persisted", &kept, DONE).await;
    let seen =
        bring(world, "seen", json!({"mode": "Observe", "name": "New"}), "True/Observed False/DriftFound")
            .await;
    table.add(world, "Observe, drift found", &seen, DONE).await;
    bring(world, "seen", json!({"mode": "Observe", "name": "Ann Example"}), "True/Observed True/InSync")
        .await;
    table.add(world, "Observe, in sync", &seen, DONE).await;
    let paused = bring(world, "paused", json!({"name": "New"}), APPLIED).await;
    world.annotate(&paused, &format!("{PAUSED}=true")).await;
    until_row(world, &paused, "True/Applied Unknown/Paused").await;
    table.add(world, "paused, was Ready", &paused, HELD_WHEN_READY).await;
    bring(world, "paused", json!({"name": "Newer"}), "Unknown/Paused Unknown/Paused").await;
    table.add(world, "paused otherwise", &paused, HELD).await;
    world.annotate(&paused, &format!("{PAUSED}-")).await;
    until_row(world, &paused, APPLIED).await;
    table.add(world, "resumed", &paused, DONE).await;
}

async fn later(world: &World, table: &mut Table) {
    let doubted = bring(world, "doubted", json!({"name": "New"}), APPLIED).await;
    world.sandbox.fault(Fault::new(unavailable()).method("GET").path("/api/v2/users/auth0%7Cdoubted"));
    world.wake(&doubted).await;
    until_row(world, &doubted, "True/Applied Unknown/Auth0Unavailable").await;
    table.add(world, "applied, three checks failed since", &doubted, DONE).await;
    world.sandbox.clear_faults();

    world.apply_secret("password", &json!({"new": "Winter-Orchid-7"})).await;
    let card = json!({"passwordSecretRef": {"name": "password", "key": "new"}});
    let secret = bring(world, "secret", card, APPLIED).await;
    world.sandbox.fault(Fault::new(unavailable()).method("PATCH").body_key("password"));
    world.apply_secret("password", &json!({"new": "Winter-Orchid-8"})).await;
    until_row(world, &secret, "False/Auth0Unavailable True/InSync Reconciling").await;
    table.add(world, "applied, new Secret content not sent", &secret, GOES_ON).await;
    world.sandbox.clear_faults();
    until_row(world, &secret, APPLIED).await;
    world.objects.delete("secret/password").await.unwrap();
    until_row(world, &secret, "True/Applied Unknown/SecretNotFound").await;
    table.add(world, "applied, Secret gone", &secret, DONE).await;

    let gone = bring(world, "gone", json!({"name": "New"}), APPLIED).await;
    let user = world.sandbox.user("auth0|gone").unwrap();
    assert!(world.sandbox.remove_user("auth0|gone"));
    world.wake(&gone).await;
    until_row(world, &gone, "False/UserNotFound Unknown/UserNotFound Stalled").await;
    table.add(world, "applied, user gone", &gone, FAILED).await;
    world.sandbox.put_user(user).unwrap();
    world.wake(&gone).await;
    until_row(world, &gone, APPLIED).await;
    table.add(world, "cause gone: user back", &gone, DONE).await;

    let finalizers = json!({"metadata": {"finalizers": ["example.com/held"]}});
    world.objects.patch(&gone, &finalizers).await.unwrap();
    world.run(["delete", &gone, "--wait=false"]).await;
    table.add(world, "being deleted (held by a foreign finalizer)", &gone, GOES_AWAY).await;
    let none = json!({"metadata": {"finalizers": null}});
    world.objects.patch(&gone, &none).await.unwrap();
}

async fn a_tenant(world: &World, table: &mut Table) {
    let tenant = "auth0tenant/example";
    table.add(world, "tenant: Ready", tenant, DONE).await;
    world.objects.delete(tenant).await.unwrap();
    let first = target("first");
    until_row(world, &first, "True/Applied Unknown/TenantNotFound").await;
    table.add(world, "applied, tenant gone", &first, DONE).await;
    world.apply_tenant().await;
    until_row(world, &first, APPLIED).await;
    world.objects.delete("secret/example-credentials").await.unwrap();
    until_tenant(world, "False/SecretNotFound").await;
    table.add(world, "tenant: credentials missing", tenant, GOES_ON).await;
    world.sandbox.put_client(Client::with_secret("poor", "poor-secret").scopes(&["read:connections"]));
    let poor = json!({"clientId": "poor", "clientSecret": "poor-secret"});
    world.apply_secret("example-credentials", &poor).await;
    until_tenant(world, "False/InsufficientScope").await;
    table.add(world, "tenant: a scope is missing", tenant, FAILED).await;
    until_row(world, &first, "False/InsufficientScope Unknown/InsufficientScope Stalled").await;
    table.add(world, "applied, tenant stalled", &first, FAILED).await;
}

async fn until_tenant(world: &World, expected: &str) {
    let ready = |object: &Value| row(object).starts_with(expected);
    world.until("auth0tenant/example", expected, ready).await;
}
