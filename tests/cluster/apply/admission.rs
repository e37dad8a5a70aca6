//! The optional admission policy, which warns at `kubectl apply` time about nulls that kubectl dropped.

use crate::world::{DEADLINE, install_crds, object, update};
use lab::{ControlPlane, Kubectl, Mode, Output, Patch, wait_until};
use serde_json::{Value, json};

const FILE: &str = include_str!("../../../deploy/validating-admission-policy.yaml");
const POLICY: &str = "validatingadmissionpolicy/auth0-user-operator-dropped-nulls";

/// A namespace in which the policy is in force, and only there: other tests have nulls of their own.
async fn guarded() -> Kubectl {
    let plane = ControlPlane::shared().await.unwrap();
    install_crds(plane).await;
    let own = plane.namespace("admission").await.unwrap();
    let selector = format!(
        "  matchResources:\n    namespaceSelector:\n      matchLabels: {{kubernetes.io/metadata.name: {own}}}\n"
    );
    let scoped = format!("{FILE}{selector}");
    plane.admin().submit(Mode::ServerSideApply, &scoped).await.unwrap().ok().unwrap();
    let kubectl = plane.admin().in_namespace(&own);
    let probe = update("probe", json!({"name": null}));
    wait_until("the policy in force", DEADLINE, async || {
        let output = kubectl.submit(Mode::Apply, &probe).await.map_err(|error| error.to_string())?;
        let told = warned(&output);
        kubectl.delete("auth0userupdate/probe").await.map_err(|error| error.to_string())?;
        if told { Ok(()) } else { Err(output.to_string()) }
    })
    .await
    .unwrap();
    kubectl
}

/// Whether kubectl printed the warning. The call has to have succeeded: a warning refuses nothing.
fn warned(output: &Output) -> bool {
    assert!(output.status.success(), "{output}");
    output.stderr.contains("Warning: Validation failed for ValidatingAdmissionPolicy")
}

async fn apply(kubectl: &Kubectl, name: &str, card: Value) -> Output {
    kubectl.submit(Mode::Apply, &update(name, card)).await.unwrap()
}

#[tokio::test]
async fn kubectl_apply_is_warned_of_nulls_that_it_dropped_and_of_nothing_else() {
    let kubectl = guarded().await;
    warns_where_nulls_were_dropped(&kubectl).await;
    is_quiet_where_none_were_dropped(&kubectl).await;
    is_quiet_about_other_ways(&kubectl).await;
    let policy = kubectl.get(POLICY).await.unwrap();
    assert!(policy["status"]["typeChecking"]["expressionWarnings"].is_null(), "{policy}");
}

async fn warns_where_nulls_were_dropped(kubectl: &Kubectl) {
    let texts =
        ["name", "givenName", "familyName", "nickname", "picture", "email", "phoneNumber", "username"];
    let mut cards: Vec<Value> = texts.into_iter().map(|field| json!({field: null})).collect();
    cards.extend([
        json!({"userMetadata": {"plan": null}}),
        json!({"appMetadata": {"a": 1, "roles": null}}),
        json!({"userMetadata": {"billing": {"plan": null, "seats": 1}}}),
        json!({"userMetadata": null}),
        json!({"name": null, "passEmptyValues": true}),
        json!({"name": null, "passEmptyValues": "true"}),
        json!({"name": null, "blocked": null}),
        json!({"name": null, "nickname": null, "clear": ["nickname"]}),
        json!({"name": null, "userMetadata": {"note": "{\"plan\":null}"}}),
    ]);
    for (index, card) in cards.into_iter().enumerate() {
        let output = apply(kubectl, &format!("told-{index}"), card.clone()).await;
        assert!(warned(&output), "no warning for {card}: {output}");
        for words in ["kubectl apply drops null", "name: \"\"", "clear: [userMetadata.plan]", "--server-side"]
        {
            assert!(output.stderr.contains(words), "{words}: {output}");
        }
    }
    // Of an object that is there already.
    assert!(!warned(&apply(kubectl, "late", json!({"name": "Ada"})).await));
    assert!(warned(&apply(kubectl, "late", json!({"name": null})).await));
    assert!(warned(&apply(kubectl, "late", json!({"name": null, "nickname": "a"})).await));
    assert!(!warned(&apply(kubectl, "late", json!({"name": "", "nickname": "a"})).await), "repaired");
}

async fn is_quiet_where_none_were_dropped(kubectl: &Kubectl) {
    let cards = [
        json!({}),
        json!({"name": "", "email": "", "userMetadata": {}, "clear": ["nickname", "userMetadata.plan"]}),
        json!({"name": null, "passEmptyValues": "No"}),
        json!({"name": null, "userMetadata": {"plan": null}, "passEmptyValues": false}),
        json!({"name": null, "passEmptyValues": "false"}),
        // No null in Auth0 for these, and none is promised.
        json!({"blocked": null, "connection": null, "resyncInterval": null, "passwordSecretRef": null}),
        // Cleared anyway.
        json!({"name": null, "userMetadata": {"plan": null}, "clear": ["name", "userMetadata.plan"]}),
        // Texts that look like nulls.
        json!({"name": "a\":null,b"}),
        json!({"userMetadata": {"a": "{\"name\":null}", "b": "\":null}", "c": "null", "null": "x"}}),
    ];
    let cards = cards.into_iter().enumerate().map(|(index, card)| update(&format!("quiet-{index}"), card));
    let cards = cards.collect::<Vec<_>>().join("\n---\n");
    let output = kubectl.submit(Mode::Apply, &cards).await.unwrap();
    assert!(!warned(&output), "{output}");
}

async fn is_quiet_about_other_ways(kubectl: &Kubectl) {
    let nulls = json!({"name": null, "userMetadata": {"plan": null}});
    for (mode, name) in [(Mode::ServerSideApply, "server-side"), (Mode::Create, "created")] {
        let output = kubectl.submit(mode, &update(name, nulls.clone())).await.unwrap();
        assert!(!warned(&output), "{mode:?}: {output}");
    }
    // What others do to an object whose annotation holds nulls is not about them.
    assert!(warned(&apply(kubectl, "touched", nulls.clone()).await));
    let object = "auth0userupdate/touched";
    assert!(!warned(&apply(kubectl, "touched", nulls).await), "nothing was sent");
    for words in [["label", object, "team=people"], ["annotate", object, "example.com/note=hello"]] {
        let output = kubectl.run(words, "").await.unwrap();
        assert!(!warned(&output), "{output}");
    }
    let patch = json!({"spec": {"nickname": "a"}});
    let output = kubectl.patch(object, Patch::Merge, &patch).await.unwrap();
    assert!(!warned(&output), "{output}");
    let status = json!({"status": {"observedGeneration": 1}});
    let output = kubectl.patch_status(object, Patch::Merge, &status).await.unwrap();
    assert!(!warned(&output), "{output}");
}

const TEAMS: &str = include_str!("../../../examples/policies/team-namespaces.yaml");

#[tokio::test]
async fn the_policy_for_teams_refuses_what_they_may_not_write_and_nothing_else() {
    let plane = ControlPlane::shared().await.unwrap();
    install_crds(plane).await;
    plane.admin().submit(Mode::ServerSideApply, TEAMS).await.unwrap().ok().unwrap();
    let [team, other] = [plane.namespace("team").await.unwrap(), plane.namespace("no-team").await.unwrap()];
    let label = ["label", "namespace", team.as_str(), "auth0-user-operator.dev/team=people"];
    plane.admin().run(label, "").await.unwrap().ok().unwrap();
    let try_in = async |namespace: &str, manifest: &str| {
        let kubectl = plane.admin().in_namespace(namespace);
        kubectl.run(["apply", "--server-side", "--dry-run=server", "-f", "-"], manifest).await.unwrap()
    };
    let own = object(
        "Auth0Tenant",
        "own",
        &json!({"domain": "a.auth0.com", "credentialsSecretRef": {"name": "a"}}),
    );
    let of = |namespace: &str, mut card: Value| {
        card["tenantRef"] = json!({"name": "example", "namespace": namespace});
        update("ann", card)
    };
    wait_until("the policy in force", DEADLINE, async || {
        let output = try_in(&team, &own).await;
        if output.status.success() { Err(output.to_string()) } else { Ok(()) }
    })
    .await
    .unwrap();
    let mut refused = vec![
        (own.clone(), "Auth0Tenants are not allowed"),
        (of("other", json!({"name": "A"})), "namespace as auth0"),
    ];
    for card in [
        json!({"passwordSecretRef": {"name": "s", "key": "k"}}),
        json!({"email": "a@example.com"}),
        json!({"email": null}),
        json!({"phoneNumber": "+15550100"}),
        json!({"username": "a"}),
        json!({"clear": ["email"]}),
    ] {
        refused.push((of("auth0", card), "changed by the identity team"));
    }
    for (manifest, says) in &refused {
        let output = try_in(&team, manifest).await;
        assert!(!output.status.success() && output.stderr.contains(says), "{manifest}: {output}");
        try_in(&other, manifest).await.ok().unwrap();
    }
    let allowed = json!({"name": "A", "userMetadata": {"a": 1}, "blocked": true, "clear": ["nickname"]});
    try_in(&team, &of("auth0", allowed)).await.ok().unwrap();
    for policy in ["tenants", "updates"] {
        let policy = format!("validatingadmissionpolicy/auth0-user-operator-team-{policy}");
        let policy = plane.admin().get(&policy).await.unwrap();
        assert!(policy["status"]["typeChecking"]["expressionWarnings"].is_null(), "{policy}");
    }
}
