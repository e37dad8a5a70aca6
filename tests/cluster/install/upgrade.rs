//! How `v1alpha1` will become `v1`, as docs/upgrades.md says it: played with CRDs that serve both.

use super::chart::running;
use super::uninstall::{NAME, grant, install, kubectl, set_password};
use lab::{ControlPlane, Mode};
use serde_json::{Value, json};

const CRDS: [&str; 2] = ["auth0tenants.auth0-user-operator.dev", "auth0userupdates.auth0-user-operator.dev"];

/// Lets a CRD serve these versions, all with the schema of the first that it has; the last is stored.
async fn serve(plane: &ControlPlane, crd: &str, versions: &[&str]) {
    let mut definition = plane.admin().get(&format!("crd/{crd}")).await.unwrap();
    let first = definition["spec"]["versions"][0].clone();
    let served = versions.iter().map(|name| {
        let mut version = first.clone();
        version["name"] = json!(name);
        version["storage"] = json!(Some(name) == versions.last());
        version
    });
    definition["spec"]["versions"] = served.collect();
    definition["metadata"]["managedFields"].take();
    plane.admin().run(["replace", "--filename=-"], &definition.to_string()).await.unwrap().ok().unwrap();
}

async fn read(plane: &ControlPlane, version: &str, kind: &str, name: &str) -> Value {
    let path = format!("/apis/auth0-user-operator.dev/{version}/namespaces/people/{kind}/{name}");
    let answer = lab::wait_until("the version", crate::world::DEADLINE, async || {
        plane.admin().run(["get", "--raw", &path], "").await.and_then(lab::Output::ok)
    });
    serde_json::from_str(&answer.await.unwrap()).unwrap()
}

/// What must not be lost or changed.
fn content(object: &Value) -> [Value; 4] {
    let metadata = &object["metadata"];
    [
        metadata["uid"].clone(),
        metadata["generation"].clone(),
        object["spec"].clone(),
        object["status"].clone(),
    ]
}

#[tokio::test]
async fn resources_become_v1_without_loss_and_nothing_is_sent() {
    let plane = ControlPlane::start().await.unwrap();
    let (sandbox, ca) = running::auth0(&plane).await;
    let mut operator = install(&plane, &sandbox, &ca).await;
    grant(&plane).await;
    running::update_a_user(&plane, &operator, &sandbox, "alpha").await;
    set_password(&plane, "alpha").await;
    let people = plane.admin().in_namespace("people");
    // What tools like to lose.
    let mut update = people.get("auth0userupdate/ann").await.unwrap();
    update["spec"]["userMetadata"] =
        json!({"none": null, "deep": {"none": null}, "large": 9_007_199_254_740_993_u64});
    people.submit(Mode::Replace, &update.to_string()).await.unwrap().ok().unwrap();
    let wait = ["wait", "--for=condition=Ready", "--timeout=60s", "auth0userupdate/ann"];
    people.run(wait, "").await.unwrap().ok().unwrap();
    let kinds = [("auth0userupdates", "ann"), ("auth0tenants", "example")];
    let mut before = Vec::new();
    for (kind, name) in kinds {
        before.push(content(&read(&plane, "v1alpha1", kind, name).await));
    }
    sandbox.clear_log();

    // Both are served and v1 is stored, while the operator still asks for v1alpha1.
    for crd in CRDS {
        serve(&plane, crd, &["v1alpha1", "v1"]).await;
    }
    for ((kind, name), before) in kinds.iter().zip(&before) {
        assert_eq!(&content(&read(&plane, "v1", kind, name).await), before, "{kind}");
    }
    // Each is written once, so that none is stored as v1alpha1: by the page's own command.
    let page = include_str!("../../../docs/upgrades.md");
    let command = page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().replace("\\\n", "");
    let patch = async || plane.admin().typed(command.trim(), "/".as_ref()).await.unwrap().ok().unwrap();
    let written = patch().await;
    assert_eq!((written.matches("patched\n").count(), written.lines().count()), (2, 2), "{written}");
    let settled = patch().await;
    assert_eq!(settled.matches("patched (no change)\n").count(), 2, "{settled}");
    // Git says v1.
    let mut manifest: Value = serde_json::from_str(&crate::world::update("ann", json!({}))).unwrap();
    manifest["apiVersion"] = json!("auth0-user-operator.dev/v1");
    manifest["spec"] = before[0][2].clone();
    people.submit(Mode::ServerSideApply, &manifest.to_string()).await.unwrap().ok().unwrap();
    // A restart looks at everything.
    operator.terminate().await.unwrap();
    let surroundings = [
        ("AUTH0_USER_OPERATOR_ALLOWED_DOMAIN", sandbox.domain()),
        ("SSL_CERT_FILE", ca.display().to_string()),
    ];
    let surroundings = surroundings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut operator = running::start(&plane, NAME, &surroundings).await;
    people.run(wait, "").await.unwrap().ok().unwrap();
    operator.terminate().await.unwrap();
    assert!(sandbox.patches().is_empty(), "{:?}", sandbox.patches());

    // v1alpha1 goes when nothing is stored in it.
    for crd in CRDS {
        let stored =
            [r#"--patch={"status":{"storedVersions":["v1"]}}"#, "--subresource=status", "--type=merge"];
        kubectl(&plane, &[&["patch", "crd", crd][..], &stored].concat()).await;
        serve(&plane, crd, &["v1"]).await;
    }
    for ((kind, name), before) in kinds.iter().zip(&before) {
        let after = content(&read(&plane, "v1", kind, name).await);
        assert_eq!(after[..3], before[..3], "{kind}");
        assert_eq!(after[3]["triggers"], before[3]["triggers"], "{kind}");
    }
    plane.stop().await.unwrap();
}
