//! What one resource costs: requests to Auth0 and writes to Kubernetes, counted.

use crate::world::{DEADLINE, World, condition};
use lab::{AuditEvent, AuditEvents as _, wait_until};
use serde_json::json;
use std::time::Duration;

/// For so long nothing comes of a pass that has ended.
const SETTLED: Duration = Duration::from_millis(400);

const fn cost(requests: usize, writes: usize, events: usize) -> Cost {
    Cost { requests, writes, events }
}

#[tokio::test]
async fn a_first_apply_is_one_get_one_patch_and_one_status_write() {
    let world = World::start("smoke").await;
    world.apply(json!({"name": "Ann Lovelace", "userMetadata": {"plan": "pro"}})).await;
    let object = world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.bodies(), [json!({"name": "Ann Lovelace", "user_metadata": {"plan": "pro"}})]);
    assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()));
    assert_eq!(object["status"]["user"]["name"], "Ann Lovelace");
    let calls: Vec<_> = world.sandbox.log().into_iter().map(|call| call.method).collect();
    assert_eq!(calls, ["GET", "PATCH"]);
    world.until_cost("ann", Cost::default(), cost(2, 1, 1)).await;
}

/// Every step, in the order in which a resource lives through it.
#[tokio::test]
async fn a_resource_costs_what_the_design_says_at_every_step_of_its_life() {
    let mut world = World::start("counts").await;
    world.add_person("ada");
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    let mut table = Vec::new();

    // A restarted operator has no token: it comes with the first need.
    restart(&mut world).await;
    let (tokens, before) = (world.token_requests(), world.cost("ada").await);
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    world.until_cost("ada", before, cost(2, 1, 1)).await;
    assert_eq!(world.token_requests() - tokens, 1);
    table.push(("first apply (and a token)", cost(2, 1, 1)));

    let before = world.cost("ada").await;
    world.apply_for("ada", json!({"name": "Ada L."})).await;
    world.until_applied("ada").await;
    world.until_cost("ada", before, cost(1, 1, 0)).await;
    table.push(("edit of one field", cost(1, 1, 0)));

    let before = world.cost("ada").await;
    let three = json!({
        "name": "Ada L.", "email": "ada@new.example.com", "username": "countess",
        "passwordSecretRef": {"name": "ada", "key": "password"},
    });
    world.apply_for("ada", three.clone()).await;
    world.until_applied("ada").await;
    world.until_cost("ada", before, cost(4, 3, 0)).await;
    table.push(("edit that needs three PATCHes with a password", cost(4, 3, 0)));

    let before = world.cost("ada").await;
    world.look_for_tenant("ada").await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, cost(2, 0, 0)).await;
    table.push(("two looks with nothing to do", cost(2, 0, 0)));

    let before = world.cost("ada").await;
    restart(&mut world).await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, cost(0, 0, 0)).await;
    table.push(("restart with nothing to do", cost(0, 0, 0)));

    let before = world.cost("ada").await;
    world.apply_for("ada", three).await;
    world.objects.label("auth0userupdate/ada", "team=people").await.unwrap();
    world.annotate("auth0userupdate/ada", "example.com/note=hello").await;
    let shown = json!({"status": {"user": {"name": "Somebody"}}});
    world.objects.patch_status("auth0userupdate/ada", &shown).await.unwrap();
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, cost(0, 0, 0)).await;
    table.push(("apply of the same, label, foreign annotation, status", cost(0, 0, 0)));

    let rows: Vec<String> = table
        .iter()
        .map(|(what, cost)| format!("{what:<55}{:>6}{:>14}{:>8}", cost.requests, cost.writes, cost.events))
        .collect();
    println!(
        "{:<55}{:>6}{:>14}{:>8}\n{}",
        "one resource",
        "Auth0",
        "status writes",
        "events",
        rows.join("\n")
    );
}

#[tokio::test]
async fn a_look_that_finds_only_a_login_writes_nothing() {
    let world = World::start("login").await;
    world.add_person("eve");
    world.apply_for("eve", json!({"name": "Eve"})).await;
    world.until_applied("eve").await;
    let before = world.cost("eve").await;
    assert!(world.sandbox.login("auth0|eve"));
    world.look_for_tenant("eve").await;
    world.until_all_is_quiet().await;
    world.until_cost("eve", before, cost(2, 0, 0)).await;
}

/// Kills the operator if it still runs, starts it again and waits until it has begun.
pub async fn restart(world: &mut World) {
    if world.operator.ended().unwrap().is_none() {
        world.operator.kill().await.unwrap();
    }
    let starts = |log: String| log.matches("started").count();
    let before = starts(world.operator.log().unwrap());
    world.operator.restart().await.unwrap();
    wait_until("a start", DEADLINE, async || {
        let now = starts(world.operator.log().unwrap());
        if now > before { Ok(()) } else { Err(now) }
    })
    .await
    .unwrap();
}

/// What a resource has cost since its world began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Reads and changes of its user.
    pub requests: usize,
    /// Writes of its status by the operator, refused ones too.
    pub writes: usize,
    /// Events about it.
    pub events: usize,
}

impl World {
    /// What one resource has cost, once nothing more comes of what a test has seen: its event follows a status.
    pub async fn cost(&self, slug: &str) -> Cost {
        let mut last = self.cost_so_far(slug);
        loop {
            tokio::time::sleep(SETTLED).await;
            let now = self.cost_so_far(slug);
            if now == last {
                return now;
            }
            last = now;
        }
    }

    fn cost_so_far(&self, slug: &str) -> Cost {
        let by_operator = |event: &AuditEvent| !event.user_agent.starts_with("kubectl");
        let about = |event: &AuditEvent| event.request_object["regarding"]["name"] == slug;
        let audit = self.plane.audit().unwrap().writes().within(&self.namespace);
        let (writes, events) = (audit.clone().of("auth0userupdates", "status"), audit.of("events", ""));
        Cost {
            requests: self.calls_of(slug).len(),
            writes: writes.iter().filter(|event| event.object_ref.name == slug && by_operator(event)).count(),
            events: events.iter().filter(|event| about(event) && by_operator(event)).count(),
        }
    }

    /// Waits until a resource has cost this much more than before.
    pub async fn until_cost(&self, slug: &str, before: Cost, more: Cost) {
        let expected = Cost {
            requests: before.requests + more.requests,
            writes: before.writes + more.writes,
            events: before.events + more.events,
        };
        let looked = wait_until("the cost", DEADLINE, async || {
            let cost = self.cost_so_far(slug);
            if cost == expected {
                return Ok(());
            }
            let writes = self.status_writes().into_iter().filter(|write| write.object_ref.name == slug);
            let codes: Vec<u16> = writes.map(|write| write.response_status.code).collect();
            Err(format!("{cost:?} instead of {expected:?}; writes of the status: {codes:?}"))
        });
        looked.await.unwrap();
    }
}
