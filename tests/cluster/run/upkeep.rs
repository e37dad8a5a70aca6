//! What the checks of a tenant's resources need of its rate limit is told before it hurts.

use crate::world::{World, condition};
use serde_json::{Value, json};

#[tokio::test]
async fn a_tenant_whose_checks_need_more_than_half_of_its_rate_limit_says_so_until_they_do_not() {
    let world = World::start("upkeep").await;
    world.apply(json!({"userId": "auth0|nobody", "name": "X", "resyncInterval": "1m"})).await;
    world.until_reason("auth0userupdate/ann", "UserNotFound").await;
    let limit =
        |per_minute: u32| json!({"spec": {"rateLimit": {"requestsPerMinute": per_minute, "burst": 2}}});
    world.objects.patch("auth0tenant/example", &limit(1)).await.unwrap();
    let is_told = |tenant: &Value| condition(tenant, "Overcommitted").0 == "True";
    let told = world.until("auth0tenant/example", "Overcommitted", is_told).await;
    assert_eq!(told["status"]["checks"], json!({"requestsPerHour": 60, "allowedPerHour": 60}));
    assert_eq!(condition(&told, "Ready").0, "True");
    world.objects.patch("auth0tenant/example", &limit(600)).await.unwrap();
    let is_over = |tenant: &Value| !is_told(tenant) && tenant["status"]["checks"]["allowedPerHour"] == 36_000;
    world.until("auth0tenant/example", "enough", is_over).await;
}
