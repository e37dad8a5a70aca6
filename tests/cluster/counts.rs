//! What one resource costs: requests to Auth0 and writes to Kubernetes, counted.

use crate::world::{World, condition};
use serde_json::json;

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
    assert_eq!(world.status_writes().len(), 1);
}
