//! The demo: a resource is applied and edited, and Auth0 follows; a null that kubectl drops is told; what an
//! administrator changes in Auth0 is put right.

use std::time::Duration;

use lab::{Error, Result, wait_until};

use crate::show;
use crate::stage::{Stage, UPDATE, USER, example, step};

/// Tells the whole story.
pub(crate) async fn tell(stage: &mut Stage) -> Result<()> {
    show::heading("The user in Auth0, before");
    show::user(stage.auth0.user(USER).as_ref());

    let first = example("demo/user-update.yaml")?;
    show::heading("kubectl apply -f examples/demo/user-update.yaml");
    println!("{}", first.trim_end());
    apply(stage, &first).await?;
    check(stage, "/user_metadata/plan", "pro")?;

    let edited = example("demo/user-update-edited.yaml")?;
    show::heading("kubectl apply -f examples/demo/user-update-edited.yaml (what differs)");
    show::difference(&first, &edited);
    apply(stage, &edited).await?;
    check(stage, "/user_metadata/plan", "enterprise")?;
    if stage.auth0.user(USER).unwrap_or_default().pointer("/user_metadata/theme").is_some() {
        return Err(Error::Failed("Auth0 still holds the key that clear names".to_owned()));
    }

    let null = example("demo/user-update-null.yaml")?;
    show::heading("kubectl apply -f examples/demo/user-update-null.yaml (what differs)");
    show::difference(&edited, &null);
    drop_null(stage, &null).await?;
    check(stage, "/family_name", "Miller")?;

    correct_drift(stage).await?;
    show::heading("The user in Auth0, after");
    show::user(stage.auth0.user(USER).as_ref());
    Ok(())
}

/// Applies a manifest and shows what came of it, on both sides.
async fn apply(stage: &mut Stage, manifest: &str) -> Result<()> {
    let kubectl = stage.kubectl();
    stage.auth0.clear_log();
    println!();
    step("applying it, waiting for Ready", async {
        kubectl.apply(manifest).await?;
        stage.wait_ready(UPDATE).await
    })
    .await?;

    show::heading("What Auth0 received");
    for exchange in stage.auth0.log() {
        println!("{}", show::request(&exchange));
    }
    show::heading("kubectl get a0uu");
    print!("{}", kubectl.run(["get", "a0uu"], "").await?.ok()?);
    show::heading("kubectl get a0uu ann -o yaml (its status)");
    let yaml = kubectl.run(["get", UPDATE, "--output=yaml"], "").await?.ok()?;
    println!("{}", show::status_part(&yaml));
    Ok(())
}

/// Applies a manifest whose null kubectl drops, and shows the warning.
async fn drop_null(stage: &mut Stage, manifest: &str) -> Result<()> {
    const EVENT: &str = "reason=NullDropped";
    let kubectl = stage.kubectl();
    stage.auth0.clear_log();
    println!();
    let warned = async || {
        let events = kubectl.run(["get", "events", "--field-selector", EVENT, "--output=name"], "").await;
        match events.and_then(lab::Output::ok) {
            Ok(names) if !names.is_empty() => Ok(()),
            Ok(_) => Err("no such event".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    };
    step("applying it, waiting for the warning", async {
        kubectl.apply(manifest).await?;
        stage.wait_ready(UPDATE).await?;
        wait_until("the warning", Duration::from_secs(20), warned).await
    })
    .await?;
    if !stage.auth0.patches().is_empty() {
        return Err(Error::Failed("a dropped null was sent".to_owned()));
    }
    show::heading("kubectl get events --field-selector reason=NullDropped");
    let columns = "--output=custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message";
    print!("{}", kubectl.run(["get", "events", "--field-selector", EVENT, columns], "").await?.ok()?);
    show::heading("kubectl get a0uu ann -o jsonpath=… (the message of Ready)");
    let message = "--output=jsonpath={.status.conditions[?(@.type=='Ready')].message}";
    println!("{}", kubectl.run(["get", UPDATE, message], "").await?.ok()?);
    Ok(())
}

/// Changes the user behind the operator's back, and shows that it is put right.
async fn correct_drift(stage: &Stage) -> Result<()> {
    show::heading("An administrator changes name to Drift in Auth0 itself");
    stage.auth0.clear_log();
    stage.auth0.change_user(USER, |user| drop(user.insert("name".into(), "Drift".into())));
    println!();
    let corrected = async || check(stage, "/name", "Ann Miller").map_err(|error| error.to_string());
    step("waiting until it is corrected", wait_until("the correction", Duration::from_secs(20), corrected))
        .await?;
    show::heading("What Auth0 received");
    for exchange in stage.auth0.log().iter().filter(|exchange| exchange.path.starts_with("/api/v2/users")) {
        println!("{}", show::request(exchange));
    }
    Ok(())
}

/// Ready is the operator's word; this is what Auth0 holds.
fn check(stage: &Stage, pointer: &str, wanted: &str) -> Result<()> {
    let user = stage.auth0.user(USER).unwrap_or_default();
    match user.pointer(pointer) {
        Some(value) if value == wanted => Ok(()),
        other => Err(Error::Failed(format!("Auth0 holds {other:?} at {pointer}, not {wanted:?}"))),
    }
}
