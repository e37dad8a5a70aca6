//! The tenant's budget: never faster than asked, and the urgent first.

use crate::world::{DEADLINE, SCOPES, World, condition, object};
use auth0_sandbox::{Client, Fault, FaultKind, Plan};
use lab::wait_until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn with_rate(name: &str, per_minute: u32, burst: u32, people: usize) -> (World, Vec<String>) {
    let world = World::start(name).await;
    let rate = json!({"spec": {"rateLimit": {"requestsPerMinute": per_minute, "burst": burst}}});
    let rate = rate.to_string();
    world.run(["patch", "auth0tenant/example", "--type", "merge", "--patch", &rate]).await;
    world.until_ready("auth0tenant/example").await;
    let slugs: Vec<String> = (0..people).map(|index| format!("p{index}")).collect();
    for slug in &slugs {
        world.add_person(slug);
    }
    world.sandbox.clear_log();
    (world, slugs)
}

fn cards(slugs: &[String]) -> impl Iterator<Item = (&str, Value)> {
    slugs.iter().map(|slug| {
        let id = format!("auth0|{slug}");
        (slug.as_str(), json!({"userId": id, "nickname": "new", "resyncInterval": "24h"}))
    })
}

fn is_applied(object: &Value) -> bool {
    condition(object, "Ready").1 == "Applied"
}

#[tokio::test]
async fn a_crowd_of_edits_is_served_at_the_rate_and_never_meets_a_429() {
    let (world, slugs) = with_rate("budget-crowd", 540, 2, 40).await;
    // A busy machine delays requests, so some arrive together.
    world.sandbox.set_plan(Plan::Custom { burst: 20, per_second: 10 });
    let begun = Instant::now();
    world.apply_all(cards(&slugs)).await;
    world.until_all("all applied", is_applied).await;
    let log = world.sandbox.log();
    assert_eq!(log.iter().filter(|call| call.status == Some(429)).count(), 0);
    assert_eq!(log.len(), 80);
    let least = Duration::from_secs_f64(78.0 / 9.0);
    assert!(begun.elapsed() >= least, "80 requests in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_block_does_not_wait_behind_a_backlog() {
    let (world, slugs) = with_rate("budget-block", 240, 1, 40).await;
    world.add_person("eve");
    world.apply_all(cards(&slugs)).await;
    world.apply_for("eve", json!({"blocked": true})).await;
    world.until_applied("eve").await;
    let before_eve = world.sandbox.patches().len();
    assert!(before_eve < 30, "{before_eve} edits came first");
    world.until_all("all applied", is_applied).await;
}

#[tokio::test]
async fn tenants_of_one_host_share_the_lowest_rate() {
    let (world, slugs) = with_rate("budget-shared", 300, 1, 20).await;
    let spec = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "example-credentials"},
        "rateLimit": {"requestsPerMinute": 6_000, "burst": 100},
    });
    world.objects.apply(&object("Auth0Tenant", "other", &spec)).await.unwrap();
    world.until_ready("auth0tenant/other").await;
    world.sandbox.clear_log();
    let cards: Vec<_> = cards(&slugs).enumerate().collect();
    let begun = Instant::now();
    let cards = cards.into_iter().map(|(index, (name, mut card))| {
        card["tenantRef"] = json!({"name": if index % 2 == 0 { "example" } else { "other" }});
        (name, card)
    });
    world.apply_all(cards).await;
    world.until_all("all applied", is_applied).await;
    let calls = world.sandbox.log().iter().filter(|call| call.path.starts_with("/api/v2/users/")).count();
    assert_eq!(calls, 40);
    assert!(begun.elapsed() >= Duration::from_secs_f64(38.0 / 5.0), "40 requests in {:?}", begun.elapsed());
}

#[tokio::test]
async fn what_is_asked_for_no_more_when_its_turn_comes_is_not_sent() {
    let (world, slugs) = with_rate("budget-late", 8, 1, 2).await;
    let [edited, paused] = [0, 1].map(|index| slugs[index].as_str());
    let looked = async |slug: &str| {
        let calls = || world.calls_of(slug).len();
        wait_until("a look", DEADLINE, async || if calls() > 0 { Ok(()) } else { Err(calls()) })
            .await
            .unwrap();
    };
    world.apply_for(edited, json!({"nickname": "first"})).await;
    looked(edited).await;
    world.apply_for(edited, json!({"nickname": "second"})).await;
    world.until_applied(edited).await;
    assert_eq!(world.bodies(), [json!({"nickname": "second"})]);
    world.apply_for(paused, json!({"nickname": "third"})).await;
    looked(paused).await;
    let target = format!("auth0userupdate/{paused}");
    world.annotate(&target, "auth0-user-operator.dev/paused=true").await;
    world.until_reason(&target, "Paused").await;
    assert_eq!(world.bodies().len(), 1);
}

#[tokio::test]
async fn an_outage_costs_a_trickle_and_everybody_comes_back() {
    let (world, slugs) = with_rate("budget-outage", 300_000, 5_000, 60).await;
    let broken = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world.sandbox.fault(Fault::new(broken).path("/api/v2/users/").times(u32::MAX));
    world.apply_all(cards(&slugs)).await;
    let made = || world.sandbox.log().len();
    wait_until("calls", DEADLINE, async || if made() >= 5 { Ok(()) } else { Err(made()) }).await.unwrap();
    // Eight may be under way when it is noticed; then one each after 1, 2 and 4 seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(made() <= 8 + 3, "{} calls", made());
    world.sandbox.clear_faults();
    let begun = Instant::now();
    world.until_all("all applied", is_applied).await;
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    assert_eq!(world.sandbox.patches().len(), 60);
}

#[tokio::test]
async fn a_thousand_resources_do_not_ask_for_a_token_a_thousand_times() {
    let (mut world, slugs) = with_rate("budget-token", 300_000, 5_000, 60).await;
    world.apply_all(cards(&slugs)).await;
    world.until_all("all applied", is_applied).await;
    // The secret is rotated in Auth0 first, and the operator has lost its token.
    world.operator.terminate().await.unwrap();
    world.sandbox.put_client(Client::with_secret("operator", "Another-Secret").scopes(&SCOPES));
    world.sandbox.clear_log();
    world.operator.restart().await.unwrap();
    world.apply_all(cards(&slugs).map(|(name, card)| (name, with_name(card)))).await;
    world.until_all("all refused", |object| condition(object, "Ready").1 == "AuthenticationFailed").await;
    let log = world.sandbox.log();
    assert!(log.len() <= 8, "{} requests", log.len());
    world
        .apply_secret(
            "example-credentials",
            &json!({"clientId": "operator", "clientSecret": "Another-Secret"}),
        )
        .await;
    world.until_all("all applied", is_applied).await;
}

fn with_name(mut card: Value) -> Value {
    card["name"] = json!("New Name");
    card
}

#[tokio::test]
async fn a_backlog_outlives_a_tenant_that_is_away_for_a_while() {
    let (world, slugs) = with_rate("budget-away", 600, 1, 40).await;
    world.apply_all(cards(&slugs)).await;
    let good = json!({"clientId": "operator", "clientSecret": crate::world::CLIENT_SECRET});
    world
        .apply_secret("example-credentials", &json!({"clientId": "operator", "clientSecret": "wrong"}))
        .await;
    world.until_reason("auth0tenant/example", "AuthenticationFailed").await;
    world.apply_secret("example-credentials", &good).await;
    world.until_ready("auth0tenant/example").await;
    let begun = Instant::now();
    world.until_all("all applied", is_applied).await;
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    assert_eq!(world.sandbox.patches().len(), 40);
}

#[tokio::test]
async fn a_tenant_that_never_had_credentials_slows_nobody_and_claims_nothing() {
    let (world, slugs) = with_rate("budget-impostor", 6_000, 100, 20).await;
    let spec = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": "none"},
        "rateLimit": {"requestsPerMinute": 1, "burst": 1},
    });
    world.objects.apply(&object("Auth0Tenant", "impostor", &spec)).await.unwrap();
    world.until_reason("auth0tenant/impostor", "SecretNotFound").await;
    let claim = json!({"userId": "auth0|p0", "nickname": "other", "tenantRef": {"name": "impostor"}});
    world.apply_as("older", claim).await;
    world.until_reason("auth0userupdate/older", "TenantNotReady").await;
    let begun = Instant::now();
    world.apply_all(cards(&slugs)).await;
    world
        .until_all("all but one applied", |object| {
            is_applied(object) || object["metadata"]["name"] == "older"
        })
        .await;
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}
