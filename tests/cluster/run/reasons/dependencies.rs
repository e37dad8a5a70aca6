//! What a resource needs and does not have: tenant, credentials, Secrets.

use super::{card_of, is_ready, message};
use crate::run::conditions::{check_every_status, row};
use crate::world::{CLIENT_SECRET, DEADLINE, World, condition, object, person};
use auth0_sandbox::{Client, Fault, FaultKind};
use lab::wait_until;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Tenants with something amiss: name, credentials (or none), the tenant's reason, the resource's reason.
fn amiss() -> [(&'static str, Value, &'static str, &'static str); 7] {
    let poor = json!({"clientId": "poor", "clientSecret": "canary-poor"});
    [
        ("no-secret", Value::Null, "SecretNotFound", "TenantNotReady"),
        ("no-key", json!({"clientId": "operator"}), "SecretKeyMissing", "TenantNotReady"),
        (
            "wrong",
            json!({"clientId": "operator", "clientSecret": "canary-wrong"}),
            "AuthenticationFailed",
            "AuthenticationFailed",
        ),
        ("poor", poor, "InsufficientScope", "InsufficientScope"),
        (
            "spent",
            json!({"clientId": "spent", "clientSecret": "canary-spent"}),
            "RateLimited",
            "TenantNotReady",
        ),
        (
            "ungranted",
            json!({"clientId": "ungranted", "clientSecret": "canary-ungranted"}),
            "AuthenticationFailed",
            "AuthenticationFailed",
        ),
        (
            "foreign",
            json!({"clientId": "operator", "clientSecret": CLIENT_SECRET}),
            "TenantNotAllowed",
            "TenantNotAllowed",
        ),
    ]
}

async fn apply_amiss(world: &World) {
    let clients = [
        Client::with_secret("poor", "canary-poor").scopes(&["read:users"]),
        Client { token_quota: Some(0), ..Client::with_secret("spent", "canary-spent") },
        Client { granted: false, ..Client::with_secret("ungranted", "canary-ungranted") },
    ];
    for client in clients {
        world.sandbox.put_client(client);
    }
    for (name, credentials, ..) in amiss() {
        if !credentials.is_null() {
            world.apply_secret(name, &credentials).await;
        }
        let domain = if name == "foreign" { "127.0.0.1:1".to_owned() } else { world.sandbox.domain() };
        let tenant = json!({"domain": domain, "credentialsSecretRef": {"name": name}, "rateLimit": crate::world::unhurried()});
        world.objects.apply(&object("Auth0Tenant", name, &tenant)).await.unwrap();
        world.sandbox.put_user(person(name, "People")).unwrap();
    }
}

#[tokio::test]
async fn a_tenant_that_cannot_work_says_why_and_passes_it_on() {
    let world = World::without_tenant("reasons-tenant").await;
    apply_amiss(&world).await;
    let card = |name: &str| card_of(name, &json!({"tenantRef": {"name": name}, "name": "New"}));
    world.apply_all(amiss().map(|(name, ..)| (name, card(name)))).await;
    for (name, _, tenants, own) in amiss() {
        let tenant = world.until_reason(&format!("auth0tenant/{name}"), tenants).await;
        let stalls = ["AuthenticationFailed", "InsufficientScope", "TenantNotAllowed"].contains(&tenants);
        let standing = if stalls { "Stalled" } else { "Reconciling" };
        assert_eq!(condition(&tenant, standing).0, "True", "{name}");
        let update = world.until_reason(&format!("auth0userupdate/{name}"), own).await;
        assert_eq!(row(&update), format!("False/{own} Unknown/{own} {standing}"), "{name}");
        for told in [message(&tenant), message(&update)] {
            assert!(!told.contains("canary") && !told.contains(CLIENT_SECRET), "{name}: {told}");
        }
        assert!(message(&update).contains(&format!("Auth0Tenant {name}")), "{}", message(&update));
    }
    let told = |objects: &Value| message(objects);
    assert!(told(&world.get("auth0userupdate/wrong").await).contains("access_denied"));
    assert!(told(&world.get("auth0userupdate/poor").await).contains("update:users"));
    assert!(told(&world.get("auth0userupdate/no-key").await).contains("clientSecret"));
    assert!(told(&world.get("auth0userupdate/foreign").await).contains("--allowed-domain"));
    assert!(world.bodies().is_empty());

    // The right credentials are all that is missing, and nobody has to do more than write them.
    let good = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
    let mendable: Vec<&str> =
        amiss().map(|(name, ..)| name).into_iter().filter(|name| *name != "foreign").collect();
    for name in &mendable {
        world.apply_secret(name, &good).await;
    }
    for name in mendable {
        let update = world.until_ready(&format!("auth0userupdate/{name}")).await;
        assert_eq!(row(&update), "True/Applied True/InSync", "{name}");
        assert_eq!(world.bodies_of(&format!("auth0|{name}")), [json!({"name": "New"})]);
    }
    check_every_status(&world);
}

/// The first answers of Auth0's token endpoint are no use; the next one is.
#[tokio::test]
async fn a_token_endpoint_that_is_away_is_waited_for() {
    let world = World::without_tenant("reasons-token").await;
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    world.sandbox.fault(Fault::new(kind).path("/oauth/token").times(2));
    world.apply_tenant().await;
    world.apply(json!({"name": "New"})).await;
    let waiting = world.until_reason("auth0userupdate/ann", "TenantNotReady").await;
    assert_eq!(row(&waiting), "False/TenantNotReady Unknown/TenantNotReady Reconciling");
    world.until_all("Ready=True", is_ready).await;
    let asked = world.sandbox.log().iter().filter(|call| call.path == "/oauth/token").count();
    assert_eq!(asked, 3, "one try at once and two after a growing pause");
    check_every_status(&world);
}

const TENANT: &str = "auth0tenant/example";

/// Auth0 gives out tokens, and answers nothing but this to whoever lists connections.
async fn listing_answers(name: &str, status: u16) -> World {
    let world = World::without_tenant(name).await;
    world.sandbox.fault(unlisted(status));
    world.apply_tenant().await;
    world
}

fn unlisted(status: u16) -> Fault {
    let kind = FaultKind::Status { status, body: None, headers: Vec::new(), after_effect: false };
    Fault::new(kind).path("/api/v2/connections")
}

#[tokio::test]
async fn a_tenant_whose_connections_cannot_be_listed_now_is_ready_says_so_and_lists_them_later() {
    let world = listing_answers("reasons-unlisted", 503).await;
    let ready = world.until_ready(TENANT).await;
    assert!(ready["status"]["connections"].is_null(), "{ready}");
    let told = message(&ready);
    assert!(told.contains("the connections could not be listed: Auth0 answered HTTP 503"), "{told}");
    world.sandbox.clear_faults();
    let listed =
        world.until(TENANT, "the connections", |tenant| !tenant["status"]["connections"].is_null()).await;
    assert_eq!(message(&listed), "an access token was obtained and has the required scopes");
}

/// Requests for a list of connections.
fn listings(world: &World) -> usize {
    world.sandbox.log().iter().filter(|call| call.path.starts_with("/api/v2/connections")).count()
}

#[tokio::test]
async fn a_list_that_is_none_is_asked_for_ever_more_rarely() {
    let world = World::without_tenant("reasons-unreadable").await;
    world.sandbox.fault(Fault::new(FaultKind::Garbage).path("/api/v2/connections"));
    let started = Instant::now();
    world.apply_tenant().await;
    let ready = world.until_ready(TENANT).await;
    assert!(message(&ready).contains("Auth0's answer is not a list of connections"), "{}", message(&ready));
    wait_until(
        "a third try",
        DEADLINE,
        async || if listings(&world) >= 3 { Ok(()) } else { Err(listings(&world)) },
    )
    .await
    .unwrap();
    // 2 s and 4 s, each less 20 % at most.
    assert!(started.elapsed() >= Duration::from_millis(4800), "{:?}", started.elapsed());
    assert_eq!(condition(&world.get(TENANT).await, "Ready").0, "True");
}

#[tokio::test]
async fn a_token_that_the_api_refused_is_not_believed_before_the_api_takes_one() {
    let world = listing_answers("reasons-refused-token", 401).await;
    let rejected = world.until_reason(TENANT, "AuthenticationFailed").await;
    world.sandbox.clear_faults();
    world.sandbox.fault(unlisted(503));
    let before = listings(&world);
    wait_until("a try meanwhile", DEADLINE, async || {
        if listings(&world) > before + 1 { Ok(()) } else { Err(listings(&world)) }
    })
    .await
    .unwrap();
    let meanwhile = world.get(TENANT).await;
    assert_eq!(condition(&meanwhile, "Ready"), ("False".into(), "AuthenticationFailed".into()));
    assert_eq!(message(&meanwhile), message(&rejected));
    world.sandbox.clear_faults();
    world.until_ready(TENANT).await;
}
