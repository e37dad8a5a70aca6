//! A person asks for a look by annotation; without one, resyncs correct drift.

use crate::once::counts::{Cost, restart};
use crate::world::{DEADLINE, World, condition, person, update};
use auth0_sandbox::{Fault, FaultKind};
use lab::{Mode, wait_until};
use serde_json::{Map, Value, json};

/// The annotation that asks for a look.
pub const REQUESTED_AT: &str = "auth0-user-operator.dev/requested-at";
const PAUSED: &str = "auth0-user-operator.dev/paused";

const fn cost(requests: usize, writes: usize, events: usize) -> Cost {
    Cost { requests, writes, events }
}

impl World {
    /// Sets the annotation requested-at of a resource.
    pub async fn ask(&self, slug: &str, at: &str) {
        let value = format!("{REQUESTED_AT}={at}");
        self.run(["annotate", "--overwrite", "auth0userupdate", slug, &value]).await;
    }

    /// Asks for a look and waits until it is said to be over.
    pub async fn request(&self, slug: &str, at: &str) -> Value {
        self.ask(slug, at).await;
        self.until_handled(slug, at).await
    }

    /// Waits until this request is echoed.
    pub async fn until_handled(&self, slug: &str, at: &str) -> Value {
        let handled = |object: &Value| object["status"]["lastHandledReconcileAt"] == at;
        self.until(&format!("auth0userupdate/{slug}"), "the echo of the request", handled).await
    }
}

/// Applies a resource that never looks by itself.
async fn apply_without_resync(world: &World, slug: &str, mut card: Value) {
    card["userId"] = json!(format!("auth0|{slug}"));
    card["resyncInterval"] = json!("0s");
    world.apply_as(slug, card).await;
}

/// Puts a name there behind everybody's back.
fn rename(world: &World, slug: &str) {
    let name = |user: &mut Map<String, Value>| drop(user.insert("name".into(), json!("Somebody")));
    world.sandbox.change_user(&format!("auth0|{slug}"), name).unwrap();
}

fn name_of(world: &World, slug: &str) -> Value {
    world.sandbox.user(&format!("auth0|{slug}")).unwrap()["name"].clone()
}

fn unavailable() -> Fault {
    let kind = FaultKind::Status { status: 503, body: None, headers: Vec::new(), after_effect: false };
    Fault::new(kind).method("GET").path("/api/v2/users/")
}

#[tokio::test]
async fn a_request_is_one_look_and_is_echoed_even_where_resyncs_are_off() {
    let world = World::start("asked").await;
    world.add_person("ada");
    apply_without_resync(&world, "ada", json!({"name": "Ada", "userMetadata": {"plan": "pro"}})).await;
    world.until_applied("ada").await;
    let before = world.cost("ada").await;
    let object = world.request("ada", "2031-01-01T00:00:00Z").await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()));
    world.until_cost("ada", before, cost(1, 1, 0)).await;

    // Any other text is another request; the text as such means nothing.
    rename(&world, "ada");
    world
        .sandbox
        .change_user("auth0|ada", |user| user["user_metadata"] = json!({"plan": "free", "theirs": 1}))
        .unwrap();
    let before = world.cost("ada").await;
    world.request("ada", "again").await;
    world.until_cost("ada", before, cost(2, 1, 1)).await;
    let repair = json!({"name": "Ada", "user_metadata": {"plan": "pro"}});
    assert_eq!(world.bodies().last(), Some(&repair));
    let theirs = world.sandbox.user("auth0|ada").unwrap()["user_metadata"].clone();
    assert_eq!(theirs, json!({"plan": "pro", "theirs": 1}), "what is not declared is left alone");

    // The same text once more, and none at all, ask for nothing.
    let before = world.cost("ada").await;
    world.ask("ada", "again").await;
    world.annotate("auth0userupdate/ada", &format!("{REQUESTED_AT}-")).await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, Cost::default()).await;
    let handled = world.get("auth0userupdate/ada").await["status"]["lastHandledReconcileAt"].clone();
    assert_eq!(handled, "again");
}

#[tokio::test]
async fn a_request_that_is_there_from_the_beginning_costs_nothing_more() {
    let world = World::start("asked-early").await;
    world.add_person("ada");
    let mut manifest: Value =
        serde_json::from_str(&update("ada", json!({"userId": "auth0|ada", "name": "Ada"}))).unwrap();
    manifest["metadata"]["annotations"] = json!({REQUESTED_AT: "first"});
    world.kubectl.submit(Mode::ServerSideApply, &manifest.to_string()).await.unwrap().ok().unwrap();
    world.until_applied("ada").await;
    world.until_handled("ada", "first").await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", Cost::default(), cost(2, 1, 1)).await;
}

#[tokio::test]
async fn a_request_is_echoed_though_the_attempt_fails() {
    let world = World::start("asked-vain").await;
    world.add_person("ada");
    apply_without_resync(&world, "ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    world.sandbox.fault(unavailable());
    let object = world.request("ada", "during-an-outage").await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()), "it stays applied");
    // Passing failures are tried again although resyncs are off, until the drift is seen.
    rename(&world, "ada");
    let doubtful = |object: &Value| condition(object, "Synced").1 == "Auth0Unavailable";
    world.until("auth0userupdate/ada", "doubt", doubtful).await;
    world.sandbox.clear_faults();
    let synced = |object: &Value| condition(object, "Synced") == ("True".into(), "InSync".into());
    world.until("auth0userupdate/ada", "InSync", synced).await;
    assert_eq!(name_of(&world, "ada"), "Ada");

    assert!(world.sandbox.remove_user("auth0|ada"));
    let object = world.request("ada", "without-the-user").await;
    assert_eq!(condition(&object, "Ready").1, "UserNotFound");
    world.objects.delete("auth0tenant/example").await.unwrap();
    world.until_reason("auth0userupdate/ada", "TenantNotFound").await;
    world.request("ada", "without-a-tenant").await;
}

#[tokio::test]
async fn a_request_tries_once_more_what_auth0_did_not_hold() {
    let world = World::start("asked-held").await;
    world.add_person("ada");
    let not_held = |object: &Value| condition(object, "Synced").1 == "NotPersisted";
    world.sandbox.change_rules(|rules| drop(rules.overrides.insert("name".to_owned(), json!("By Action"))));
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until("auth0userupdate/ada", "NotPersisted", not_held).await;
    assert_eq!(world.bodies().len(), 1);
    let object = world.request("ada", "first").await;
    assert!(not_held(&object), "{}", object["status"]["conditions"]);
    assert_eq!(world.bodies(), [json!({"name": "Ada"}), json!({"name": "Ada"})]);
    // Any other look leaves it alone again.
    world.look_for_tenant("ada").await;
    assert_eq!(world.bodies().len(), 2);

    world.sandbox.change_rules(|rules| rules.overrides.clear());
    let object = world.request("ada", "second").await;
    assert_eq!(condition(&object, "Synced"), ("True".into(), "InSync".into()));
    assert_eq!((world.bodies().len(), name_of(&world, "ada")), (3, json!("Ada")));
}

#[tokio::test]
async fn a_request_tries_refused_fields_again() {
    let world = World::start("asked-no").await;
    for slug in ["ada", "taken"] {
        world.add_person(slug);
    }
    apply_without_resync(&world, "ada", json!({"email": "taken@example.com"})).await;
    world.until_reason("auth0userupdate/ada", "AlreadyExists").await;
    let object = world.request("ada", "too-early").await;
    assert_eq!(condition(&object, "Ready").1, "AlreadyExists");
    assert_eq!(world.bodies().len(), 2);
    assert!(world.sandbox.remove_user("auth0|taken"));
    let object = world.request("ada", "in-time").await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()));
    assert!(object["status"]["refusedFields"].is_null());
    assert_eq!(world.bodies().len(), 3);
}

#[tokio::test]
async fn a_request_repeats_no_order() {
    let world = World::start("asked-orders").await;
    let mut user = person("ada", "People");
    user["email_verified"] = json!(false);
    world.sandbox.put_user(user).unwrap();
    world.apply_secret("ada", &json!({"password": "Correct-Horse-1"})).await;
    let card = json!({
        "passwordSecretRef": {"name": "ada", "key": "password"}, "verifyEmail": true,
        "userMetadata": {"plan": "pro"}, "clear": ["userMetadata", "appMetadata"],
    });
    apply_without_resync(&world, "ada", card).await;
    let memory = world.until_applied("ada").await["status"]["triggers"].clone();
    assert_eq!(memory.as_array().unwrap().len(), 4, "{memory}");
    let theirs =
        |user: &mut Map<String, Value>| drop(user.insert("app_metadata".into(), json!({"theirs": 1})));
    world.sandbox.change_user("auth0|ada", theirs).unwrap();
    let (patches, before) = (world.bodies().len(), world.cost("ada").await);
    let object = world.request("ada", "now").await;
    world.until_cost("ada", before, cost(1, 1, 0)).await;
    assert_eq!(world.bodies().len(), patches);
    assert_eq!(object["status"]["triggers"], memory);
    let effects = world.sandbox.effects("auth0|ada");
    assert_eq!((effects.passwords_set, effects.mails_sent), (1, 1));
}

#[tokio::test]
async fn a_request_refreshes_the_outputs_after_a_login() {
    let world = World::start("asked-login").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    assert!(world.sandbox.login("auth0|ada"));
    let status = world.request("ada", "now").await["status"].clone();
    let address = world.sandbox.user("auth0|ada").unwrap()["last_ip"].clone();
    assert_eq!((&status["user"]["loginsCount"], &status["user"]["lastIp"]), (&json!(1), &address));
    assert_eq!(status["rawOutput"]["logins_count"], 1);
    assert_eq!(status["lastUpdate"]["generation"], 1, "nothing was sent for it");
    assert_eq!(world.bodies().len(), 1);
}

#[tokio::test]
async fn a_request_waits_while_the_resource_is_paused() {
    let world = World::start("asked-paused").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    world.until_cost("ada", Cost::default(), cost(2, 1, 1)).await;
    world.annotate("auth0userupdate/ada", &format!("{PAUSED}=true")).await;
    let paused = |object: &Value| condition(object, "Synced").1 == "Paused";
    world.until("auth0userupdate/ada", "Paused", paused).await;
    world.until_cost("ada", Cost::default(), cost(2, 2, 2)).await;
    rename(&world, "ada");
    let before = world.cost("ada").await;
    world.ask("ada", "while-paused").await;
    world.until_all_is_quiet().await;
    world.until_cost("ada", before, Cost::default()).await;
    assert_eq!(name_of(&world, "ada"), "Somebody");
    world.annotate("auth0userupdate/ada", &format!("{PAUSED}-")).await;
    world.until_handled("ada", "while-paused").await;
    assert_eq!(name_of(&world, "ada"), "Ada");
    world.until_cost("ada", before, cost(2, 1, 1)).await;
}

#[tokio::test]
async fn a_restart_repeats_no_handled_request_and_misses_none() {
    let mut world = World::start("asked-restart").await;
    for slug in ["done", "open"] {
        world.add_person(slug);
        apply_without_resync(&world, slug, json!({"name": "Ada"})).await;
        world.until_applied(slug).await;
        world.request(slug, "first").await;
    }
    let (done, open) = (world.cost("done").await, world.cost("open").await);
    world.operator.kill().await.unwrap();
    world.ask("open", "second").await;
    restart(&mut world).await;
    world.until_handled("open", "second").await;
    world.until_all_is_quiet().await;
    world.until_cost("done", done, Cost::default()).await;
    world.until_cost("open", open, cost(1, 1, 0)).await;
}

/// After a start the next look is uniform within the interval, so of many resources some look soon.
#[tokio::test]
async fn a_resync_corrects_drift_and_0s_never_does() {
    let mut world = World::start("resyncs").await;
    let slugs: Vec<String> = (0..24).map(|number| format!("r{number}")).collect();
    let card = |slug: &str, interval: &str| json!({"userId": format!("auth0|{slug}"), "name": "Ada", "resyncInterval": interval});
    let never: Vec<String> = (0..4).map(|number| format!("n{number}")).collect();
    for slug in slugs.iter().chain(&never) {
        world.add_person(slug);
    }
    let cards = slugs.iter().map(|slug| (slug, "1m")).chain(never.iter().map(|slug| (slug, "0s")));
    world.apply_all(cards.map(|(slug, interval)| (slug.as_str(), card(slug, interval)))).await;
    world.until_all("Ready", |object| condition(object, "Ready").0 == "True").await;
    world.operator.kill().await.unwrap();
    for slug in slugs.iter().chain(&never) {
        rename(&world, slug);
        let nickname = |user: &mut Map<String, Value>| {
            user.insert("nickname".into(), json!("theirs"));
        };
        world.sandbox.change_user(&format!("auth0|{slug}"), nickname).unwrap();
    }
    world.sandbox.clear_log();
    restart(&mut world).await;
    wait_until("four resyncs", DEADLINE, async || {
        let repaired = slugs.iter().filter(|slug| name_of(&world, slug) == "Ada").count();
        if repaired >= 4 { Ok(()) } else { Err(repaired) }
    })
    .await
    .unwrap();
    assert!(world.bodies().iter().all(|body| *body == json!({"name": "Ada"})), "{:?}", world.bodies());
    for slug in &never {
        assert!(world.calls_of(slug).is_empty(), "{slug} looked");
    }
}

#[tokio::test]
async fn a_pause_that_ends_in_an_outage_is_over() {
    let world = World::start("pause-outage").await;
    world.add_person("ada");
    world.apply_for("ada", json!({"name": "Ada"})).await;
    world.until_applied("ada").await;
    let synced = async |word: &str| {
        let says = |object: &Value| condition(object, "Synced").1 == word;
        world.until("auth0userupdate/ada", word, says).await
    };
    world.annotate("auth0userupdate/ada", &format!("{PAUSED}=true")).await;
    synced("Paused").await;
    world.sandbox.fault(unavailable());
    world.annotate("auth0userupdate/ada", &format!("{PAUSED}-")).await;
    let object = synced("Auth0Unavailable").await;
    assert_eq!(condition(&object, "Ready"), ("True".into(), "Applied".into()));
    world.sandbox.clear_faults();
    synced("InSync").await;
}
