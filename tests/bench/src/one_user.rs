//! Many resources of one user.

use crate::memory::mebibytes;
use crate::ordinary::Template;
use crate::process;
use crate::stage::{Stage, name, user_id};
use auth0_sandbox::Connection;
use lab::Result;
use serde_json::{Map, Value, json};

/// Metadata keys that each of them declares.
const KEYS: usize = 64;
/// The resource that the others are copies of; its connection is named like it, and so are theirs.
const FIRST: usize = 1;

pub(crate) async fn measure(stage: &mut Stage, count: usize) -> Result<()> {
    stage.add_person(0)?;
    stage.auth0.put_connection(Connection::database(&name(FIRST)));
    stage.auth0.change_user(&user_id(0), |user| {
        let identity =
            json!({"connection": name(FIRST), "user_id": "second", "provider": "auth0", "isSocial": false});
        user.get_mut("identities").and_then(Value::as_array_mut).map(|identities| identities.push(identity))
    });
    let keys: Map<String, Value> =
        (0..KEYS).map(|key| (format!("key{key}"), json!(format!("value {key}")))).collect();
    let fields = json!({
        "userId": user_id(0), "connection": name(FIRST), "userMetadata": keys, "resyncInterval": "0s",
    });
    let template = Template::settle(stage, FIRST, &fields).await?;
    println!(
        "\n{count} resources of one user, {KEYS} metadata keys each, another connection each; a restart"
    );
    println!("| resources | resident | more than one | processor | more than one | asked |");
    println!("|---|---|---|---|---|---|");
    let (mut before, mut one) = (FIRST + 1, None);
    for count in [1, count / 10, count] {
        template.copy(stage, before..FIRST + count).await?;
        before = FIRST + count;
        let told = stage.undisturbed(async |stage| stage.restart().await.map(drop)).await?;
        let pid = stage.operator.pid();
        let (resident, cpu) = (process::resident(pid)?, process::cpu(pid)?);
        let (least, idle) = *one.get_or_insert((resident, cpu));
        println!(
            "| {count} | {:.1} MiB | {:.1} MiB | {cpu:.2?} | {:.2?} | {told} |",
            mebibytes(resident),
            mebibytes(resident.saturating_sub(least)),
            cpu.saturating_sub(idle)
        );
    }
    Ok(())
}
