//! Many resources of one user, all of which want something else of the same keys.

use crate::memory::mebibytes;
use crate::ordinary::Template;
use crate::process;
use crate::stage::{Stage, name, user_id};
use auth0_sandbox::Connection;
use lab::Result;
use serde_json::{Map, Value, json};

/// Metadata keys that each of them declares.
const KEYS: usize = 64;
/// The owner of the keys, and the resource that the others are copies of. Their connections are named like them.
const RESOURCES: [usize; 2] = [1, 2];

pub(crate) async fn measure(stage: &mut Stage, count: usize) -> Result<()> {
    stage.add_person(0)?;
    let mut templates = Vec::new();
    for index in RESOURCES {
        let (user, own) = (user_id(0), name(index));
        stage.auth0.put_connection(Connection::database(&own));
        stage.auth0.change_user(&user, |user| {
            let identity = json!({"connection": own, "user_id": own, "provider": "auth0", "isSocial": false});
            user.get_mut("identities")
                .and_then(Value::as_array_mut)
                .map(|identities| identities.push(identity))
        });
        let keys: Map<String, Value> =
            (0..KEYS).map(|key| (format!("key{key}"), json!(format!("as {own} wants it")))).collect();
        let fields = json!({"userId": user, "connection": own, "userMetadata": keys, "resyncInterval": "0s"});
        templates.push(Template::settle(stage, index, &fields).await?);
    }
    let [_, template] = templates.as_slice() else { return Ok(()) };
    println!(
        "\n{count} resources of one user, {KEYS} metadata keys and another connection each, in conflict; a restart"
    );
    println!("| resources | resident | more than two | processor | more than two | asked |");
    println!("|---|---|---|---|---|---|");
    let (mut before, mut least) = (RESOURCES.len(), None);
    for count in [RESOURCES.len(), count / 10, count] {
        template.copy(stage, before + 1..count + 1).await?;
        before = count;
        let told = stage.undisturbed(async |stage| stage.restart().await.map(drop)).await?;
        let pid = stage.operator.pid();
        let (resident, cpu) = (process::resident(pid)?, process::cpu(pid)?);
        let (few, idle) = *least.get_or_insert((resident, cpu));
        println!(
            "| {count} | {:.1} MiB | {:.1} MiB | {cpu:.2?} | {:.2?} | {told} |",
            mebibytes(resident),
            mebibytes(resident.saturating_sub(few)),
            cpu.saturating_sub(idle)
        );
    }
    Ok(())
}
