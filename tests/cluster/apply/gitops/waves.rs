//! Sync waves of Argo CD: which orders of Secrets, a tenant and an update come to an end.

use super::judge::{argocd, judge};
use crate::world::{CLIENT_SECRET, World, object, person, unhurried};
use futures::future::join_all;
use serde_json::{Value, json};

/// What is in three waves, 0 to 2, of which some may be the same.
#[derive(Clone, Copy, Debug)]
struct Order {
    /// The Secret of the update's password.
    password: i8,
    /// The tenant's Secret.
    secret: i8,
    tenant: i8,
    update: i8,
}

impl Order {
    /// Every order of three, ties included; waves without a gap. Both Secrets are in the same one.
    fn all() -> Vec<Self> {
        let waves = || 0..3_i8;
        let orders = waves().flat_map(|secret| {
            waves().flat_map(move |tenant| {
                waves().map(move |update| Self { password: secret, secret, tenant, update })
            })
        });
        let without_gap = |order: &Self| {
            let all = [order.secret, order.tenant, order.update];
            let last = *all.iter().max().unwrap();
            (0..last).all(|wave| all.contains(&wave))
        };
        orders.filter(without_gap).collect()
    }

    /// Nothing waits for a later wave.
    fn ends(self) -> bool {
        self.secret <= self.tenant && self.tenant <= self.update && self.password <= self.update
    }

    fn slug(self) -> String {
        format!("w{}{}{}{}", self.password, self.secret, self.tenant, self.update)
    }
}

fn in_wave(manifest: &str, wave: i8) -> Value {
    let mut object: Value = serde_json::from_str(manifest).unwrap();
    object["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"] = json!(wave.to_string());
    object
}

#[tokio::test]
async fn a_wave_may_wait_for_an_earlier_one_only() {
    let world = World::without_tenant("waves").await;
    let orders = Order::all();
    assert_eq!((orders.len(), orders.iter().filter(|order| order.ends()).count()), (13, 4));
    let late = [1, 2].map(|password| Order { password, secret: 0, tenant: 0, update: 1 });
    join_all(orders.iter().chain(&late).map(|order| sync(&world, *order))).await;
}

async fn sync(world: &World, order: Order) {
    let slug = order.slug();
    world.sandbox.put_user(person(&slug, "People")).unwrap();
    let credentials = json!({"clientId": "operator", "clientSecret": CLIENT_SECRET});
    let tenant = json!({
        "domain": world.sandbox.domain(), "credentialsSecretRef": {"name": slug}, "rateLimit": unhurried(),
    });
    let update = json!({
        "tenantRef": {"name": slug}, "userId": format!("auth0|{slug}"), "passEmptyValues": "No", "nickname": "new",
        "passwordSecretRef": {"name": format!("{slug}-password"), "key": "password"},
    });
    let password = json!({"password": "Correct-Horse-1"});
    let manifests = [
        in_wave(&lab::secret(&format!("{slug}-password"), &password).to_string(), order.password),
        in_wave(&lab::secret(&slug, &credentials).to_string(), order.secret),
        in_wave(&object("Auth0Tenant", &slug, &tenant), order.tenant),
        in_wave(&object("Auth0UserUpdate", &slug, &update), order.update),
    ];
    let manifests = manifests.map(|manifest| manifest.to_string()).join("\n---\n");
    let argocd = argocd(world.plane).await;
    // A sync that ends takes a second; one that does not goes on for as long as it may.
    let patience = if order.ends() { "50s" } else { "10s" };
    let words = ["sync", "--server-side-apply", "--argocd-namespace", argocd, "--patience", patience];
    let said = judge(world, "argo-judge", &words, &manifests).await.unwrap();
    let phase = if order.ends() { "Succeeded" } else { "Running" };
    assert_eq!(said["phase"], phase, "{order:?}: {said}");
    if !order.ends() {
        let message = said["message"].as_str().unwrap();
        assert!(message.starts_with("waiting for healthy state of "), "{order:?}: {message}");
    }
}
