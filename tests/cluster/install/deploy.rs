//! What is under `deploy/` is accepted by a real API server, and suffices.

use crate::world::World;
use serde_json::{Value, json};

const KUSTOMIZE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kustomize");

pub async fn rendered(world: &World, folder: &str) -> Vec<Value> {
    let path = format!("{KUSTOMIZE}/{folder}");
    let output = world.plane.admin().run(["kustomize", &path], "").await.unwrap().ok().unwrap();
    // kubectl turns its YAML into a list of JSON.
    let list = ["create", "--dry-run=client", "--output=json", "--filename=-"];
    let text = world.plane.admin().run(list, &output).await.unwrap().ok().unwrap();
    let objects = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    objects.map(Result::unwrap).collect()
}

pub fn of<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

#[tokio::test]
async fn the_kustomizations_are_accepted_and_their_pods_are_restricted() {
    let world = World::without_tenant("deploy").await;
    for (folder, arguments, replicas) in [
        ("all", json!(["run"]), 1),
        ("overlays/high-availability", json!(["run", "--leader-elect"]), 2),
        ("overlays/openshift", json!(["run"]), 1),
        ("overlays/single-namespace", json!(["run", "--watch-namespace=$(POD_NAMESPACE)"]), 1),
    ] {
        let path = format!("{KUSTOMIZE}/{folder}");
        let apply = ["apply", "--server-side", "--force-conflicts", "--kustomize", &path];
        world.plane.admin().run(apply, "").await.unwrap().ok().unwrap();
        let objects = rendered(&world, folder).await;
        let deployment = of(&objects, "Deployment")[0];
        assert_eq!(deployment["spec"]["replicas"], replicas, "{folder}");
        let template = &deployment["spec"]["template"];
        assert_eq!(template["spec"]["containers"][0]["args"], arguments, "{folder}");
        // The namespace enforces the level restricted on pods.
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        pod["metadata"]["name"] = json!("trial");
        let create = ["create", "--dry-run=server", "--namespace=auth0-user-operator", "--filename=-"];
        let output = world.plane.admin().run(create, &pod.to_string()).await.unwrap();
        assert!(
            output.status.success() && !output.stderr.contains("would violate"),
            "{folder}: {}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn a_single_namespace_gives_no_rights_in_others() {
    let world = World::without_tenant("deploy-single").await;
    let objects = rendered(&world, "overlays/single-namespace").await;
    assert!(of(&objects, "ClusterRoleBinding").is_empty());
    let namespaces: Vec<&Value> =
        of(&objects, "RoleBinding").into_iter().map(|binding| &binding["metadata"]["namespace"]).collect();
    assert_eq!(namespaces, [&json!("auth0-user-operator"); 3]);
    let roles = of(&objects, "Role");
    let resources =
        roles.iter().find(|role| role["metadata"]["name"] == "auth0-user-operator-resources").unwrap();
    assert!(resources["rules"].to_string().contains("auth0userupdates/status"));
}
