//! What a namespace keeps beside another one that asks for much.

use crate::beside::{Beside, TENANTS};
use crate::ordinary::{Template, fields_with};
use crate::stage::{NAMESPACE, NEIGHBOUR, Stage, credentials, name, tenant};
use auth0_sandbox::Plan;
use lab::{Mode, Result, Signal, wait_until};
use serde_json::json;
use std::time::{Duration, Instant};

/// Edits that block, of the other namespace.
const BLOCKS: usize = 2_400;
/// Edits of the namespace that is looked at, which do not run out meanwhile.
const EDITS: usize = 1_000;
/// Requests per minute: few enough that the budget is what they wait for, and not the processor.
const SLOW: u32 = 600;
/// Requests that are made before anything is counted: what the operator sees first goes first.
const BEGINNING: usize = 150;
const WINDOW: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) async fn measure(stage: &mut Stage) -> Result<()> {
    share(stage).await?;
    stage.unlimit().await?;
    let mut beside = Beside::nothing(stage).await?;
    beside.edits(stage).await?;
    beside.resources(stage).await?;
    first_visit(stage, &mut beside).await?;
    beside.tenants(stage).await?;
    beside.rivals(stage).await?;
    beside.print();
    Ok(())
}

/// How many of the starts a namespace gets.
async fn share(stage: &mut Stage) -> Result<()> {
    let template = Template::settle(stage, 0, &fields_with(0, &json!({"blocked": true}))).await?;
    let named = Template::settle(stage, 0, &fields_with(0, &json!({"blocked": false}))).await?;
    let blocks = template.within(NEIGHBOUR);
    named.copy_users(stage, 1..EDITS + BLOCKS)?;
    named.copy(stage, 1..EDITS).await?;
    blocks.copy(stage, EDITS..EDITS + BLOCKS).await?;
    stage.set_limits(SLOW, 2, Plan::Unlimited).await?;
    stage.restart().await?;
    stage.until_quiet().await?;

    stage.operator.signal(Signal::Pause)?;
    let edit = json!({"nickname": "second"});
    named.edited(&edit).copy(stage, 1..EDITS).await?;
    blocks.edited(&edit).copy(stage, EDITS..EDITS + BLOCKS).await?;
    stage.auth0.clear_log();
    stage.operator.signal(Signal::Resume)?;
    wait_until("the first requests", PATIENCE, async || match stage.auth0.log().len() {
        BEGINNING.. => Ok(()),
        few => Err(format!("{few} requests")),
    })
    .await?;
    stage.auth0.clear_log();
    tokio::time::sleep(WINDOW).await;
    let reads = stage.auth0.log().into_iter().filter(|exchange| exchange.method == "GET");
    let users: Vec<String> =
        reads.filter_map(|read| Some(read.path.split_once("%7C")?.1.to_owned())).collect();
    let own = users.iter().filter(|user| user.as_str() < name(EDITS).as_str()).count();
    println!("\n{EDITS} edits beside {BLOCKS} edits of resources with blocked: true of another namespace");
    println!("| starts in {WINDOW:?} | its own | one of |");
    println!("|---|---|---|");
    println!("| {} | {own} | {:.1} |", users.len(), ratio(users.len(), own));
    Ok(())
}

/// How long the first visit of a tenant takes.
async fn first_visit(stage: &Stage, beside: &mut Beside) -> Result<()> {
    println!("\na new tenant, until it is Ready, from the start of kubectl");
    println!("| beside | takes | over idle |");
    println!("|---|---|---|");
    let idle = visit(stage, "calm").await?.unwrap_or(PATIENCE);
    println!("| nothing | {idle:.2?} | 1.0 times |");
    let slow = json!({"requestsPerMinute": 1, "burst": 1});
    // Of another host, whose budget they use up.
    let host = stage.auth0.address().to_string();
    let tenants: Vec<String> = (0..TENANTS).map(|index| tenant(&name(index), &host, &slow)).collect();
    let secret = lab::secret("credentials", &credentials());
    let neighbour = stage.kubectl.in_namespace(NEIGHBOUR);
    neighbour.apply(&secret.to_string()).await?;
    stage.auth0.clear_log();
    neighbour.submit(Mode::ServerSideApply, &tenants.join("\n---\n")).await?.ok()?;
    wait_until("the first of them is visited", PATIENCE, async || {
        if stage.auth0.log().is_empty() { Err("no request") } else { Ok(()) }
    })
    .await?;
    let what = format!("{TENANTS} of another namespace and host with rateLimit {slow}");
    match visit(stage, "late").await? {
        Some(took) => {
            println!("| {what} | {took:.2?} | {:.1} times |", took.as_secs_f64() / idle.as_secs_f64());
        }
        None => println!("| {what} | more than {PATIENCE:?} | |"),
    }
    beside.row(stage, &format!("{TENANTS} tenants with rateLimit {slow}")).await
}

async fn visit(stage: &Stage, name: &str) -> Result<Option<Duration>> {
    let begun = Instant::now();
    let rate = json!({"requestsPerMinute": 300_000, "burst": 5_000});
    stage.kubectl.apply(&tenant(name, &stage.auth0.domain(), &rate)).await?;
    let (of, timeout) = (format!("auth0tenant/{name}"), format!("--timeout={}s", PATIENCE.as_secs()));
    let wait = ["wait", "--for=condition=Ready", timeout.as_str(), of.as_str(), "--namespace", NAMESPACE];
    let ready = stage.plane.admin().with_deadline(2 * PATIENCE).run(wait, "").await?;
    Ok(ready.ok().is_ok().then(|| begun.elapsed()))
}

#[allow(clippy::cast_precision_loss, reason = "counts are small")]
fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}
