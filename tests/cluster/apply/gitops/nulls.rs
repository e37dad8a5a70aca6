//! An action of Argo CD writes the whole object back without its nulls: no metadata is lost by it.

use super::judge::{argocd, ask, judge};
use crate::once::counts::restart;
use crate::world::{World, condition, object, update};
use serde_json::{Value, json};

const REQUESTED_AT: &str = "auth0-user-operator.dev/requested-at";
const ADA: &str = "auth0userupdate/ada";

/// An Argo CD of this namespace with an action that does not ask whether there are nulls.
async fn install_careless_action(world: &World) {
    let script = format!(
        "obj.metadata.annotations = obj.metadata.annotations or {{}}\n\
         obj.metadata.annotations[\"{REQUESTED_AT}\"] = os.date(\"!%Y-%m-%dT%H:%M:%SZ\")\n\
         return obj\n"
    );
    let script = format!("local os = require(\"os\")\n{script}");
    let actions = json!({
        "discovery.lua": "return {refresh = {}}\n",
        "definitions": [{"name": "refresh", "action.lua": script}],
    });
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "labels": {"app.kubernetes.io/part-of": "argocd"}},
        "data": {"resource.customizations.actions.auth0-user-operator.dev_Auth0UserUpdate": actions.to_string()},
    });
    world.kubectl.apply(&settings.to_string()).await.unwrap();
}

/// Runs the action of an Argo CD on ada, and answers what it wrote.
async fn act(world: &World, argocd: &str) -> Result<Value, lab::Error> {
    let words = ["act", "--action", "refresh", "--argocd-namespace", argocd];
    let said = judge(world, "argo-judge", &words, &object("Auth0UserUpdate", "ada", &Value::Null)).await?;
    Ok(said["Auth0UserUpdate/ada"].clone())
}

fn note(object: &Value) -> Option<&str> {
    let conditions = object["status"]["conditions"].as_array()?;
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready")?;
    ready["message"].as_str()?.split_once("; nulls were dropped from ").map(|(_, note)| note)
}

/// Waits until the present generation was looked at and the map is held, or is not.
async fn until_held(world: &World, is_held: bool) -> Value {
    let holds = |object: &Value| {
        object["status"]["observedGeneration"] == object["metadata"]["generation"]
            && note(object).is_some_and(|note| note.contains("spec.clear: [userMetadata]")) == is_held
            && condition(object, "Ready").0 == "True"
    };
    world.until(ADA, if is_held { "the map is held" } else { "the map is not held" }, holds).await
}

#[tokio::test]
async fn an_action_of_argo_cd_on_a_map_with_nulls_clears_nothing() {
    let mut world = World::start("argo-nulls").await;
    world.add_person("ada");
    let card = json!({"userId": "auth0|ada", "resyncInterval": "24h", "userMetadata": {"plan": null}});
    let git = update("ada", card);
    let sync = ["sync", "--server-side-apply"];
    judge(&world, "argo-judge", &sync, &git).await.unwrap();
    let applied = until_held(&world, false).await;
    assert_eq!(applied["status"]["explicitNulls"], json!(["userMetadata.plan"]));
    let bodies = vec![json!({"user_metadata": {"plan": null}})];
    assert_eq!(world.bodies(), bodies);

    // The shipped action.
    let shipped = argocd(world.plane).await;
    let said = ask(&world, "argo-judge", &["actions", "--argocd-namespace", shipped], ADA).await;
    assert_eq!(said["Auth0UserUpdate/ada"][0]["disabled"], true);
    let refused = act(&world, shipped).await.unwrap_err().to_string();
    assert!(refused.contains("nulls of userMetadata.plan: use kubectl annotate instead"), "{refused}");
    assert_eq!(world.get(ADA).await["metadata"]["resourceVersion"], applied["metadata"]["resourceVersion"]);

    // One that is less careful.
    install_careless_action(&world).await;
    let patch = act(&world, &world.namespace).await.unwrap();
    let at = patch["metadata"]["annotations"][REQUESTED_AT].as_str().unwrap();
    let lost = json!({"userMetadata": {"plan": null}});
    assert_eq!(patch, json!({"metadata": {"annotations": {REQUESTED_AT: at}}, "spec": lost}));
    let held = until_held(&world, true).await;
    assert_eq!(
        (&held["spec"]["userMetadata"], &held["status"]["lastHandledReconcileAt"]),
        (&json!({}), &json!(at))
    );
    restart(&mut world).await;
    world.look_for_tenant("ada").await;
    assert_eq!(world.bodies(), bodies);

    // A sync brings the null back, and the same patch by hand does as the action did.
    judge(&world, "argo-judge", &sync, &git).await.unwrap();
    until_held(&world, false).await;
    world.objects.patch(ADA, &json!({"spec": lost})).await.unwrap();
    until_held(&world, true).await;
    assert_eq!(world.bodies(), bodies);

    // What the message says clears the map.
    let cleared = json!({"spec": {"clear": ["userMetadata"]}});
    world.objects.patch(ADA, &cleared).await.unwrap();
    let cleared = until_held(&world, false).await;
    assert_eq!(cleared["status"]["explicitNulls"], Value::Null);
    assert_eq!(world.bodies()[1..], [json!({"user_metadata": {}})]);
}
