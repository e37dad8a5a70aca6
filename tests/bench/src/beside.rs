//! What an edit of one namespace takes while another one asks for much.

use crate::bare;
use crate::ordinary::{Template, fields};
use crate::stage::{NAMESPACE, NEIGHBOUR, Stage, name, tenant, user_id};
use auth0_sandbox::Plan;
use auth0_user_operator::api::Auth0UserUpdate;
use kube::api::{Api, Patch, PatchParams};
use lab::{Error, Mode, Result, Signal};
use serde_json::json;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Edits of a row, one after the other.
const ROUNDS: usize = 9;
/// Between two of them: enough for what one takes of the budget.
const PAUSE: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_mins(10);
/// The first resource of the other namespace.
const FIRST: usize = 10_000;
/// Edits of the other namespace, of users that it wants blocked.
const BLOCKS: usize = 2_400;
/// Resources that the other namespace creates at once.
const CREATED: usize = 10_000;
/// Tenants of the other namespace.
pub(crate) const TENANTS: usize = 140;
/// Requests per minute: few enough that the budget is what edits wait for, and not the processor.
const SLOW: u32 = 600;

/// The edited resource, the first one of the namespace, and what its edits took.
pub(crate) struct Beside {
    api: Api<Auth0UserUpdate>,
    edits: usize,
    /// Of the operator with nothing else to do.
    idle: Took,
    rows: Vec<(String, Took, Took)>,
}

/// Until Auth0 holds an edit, and until the resource is Ready, in the median.
#[derive(Clone, Copy, Default)]
struct Took {
    applied: Duration,
    ready: Duration,
}

impl Beside {
    pub(crate) async fn nothing(stage: &Stage) -> Result<Self> {
        Template::settle(stage, 0, &fields(0)).await?;
        let api = Api::namespaced(bare::kubernetes(stage.plane.kubeconfig()).await?, NAMESPACE);
        let mut beside = Self { api, edits: 0, idle: Took::default(), rows: Vec::new() };
        beside.be_idle(stage, "nothing").await?;
        Ok(beside)
    }

    /// Edits of the other namespace, at the pace of the processor and at that of the budget.
    pub(crate) async fn edits(&mut self, stage: &mut Stage) -> Result<()> {
        let wanted = json!({"nickname": "first", "blocked": true, "resyncInterval": "0s"});
        let mut blocks = Template::settle(stage, FIRST, &wanted).await?.within(NEIGHBOUR);
        let all = FIRST + 1..FIRST + 1 + BLOCKS;
        blocks.copy_users(stage, all.clone())?;
        blocks.copy(stage, all.clone()).await?;
        stage.until_quiet().await?;
        blocks = blocks.edited(&json!({"nickname": "second"}));
        self.at_once(stage, &blocks, all.clone(), &format!("{BLOCKS} edits")).await?;
        until_named(stage, all.clone(), "second").await?;

        stage.set_limits(SLOW, 2, Plan::Unlimited).await?;
        self.be_idle(stage, &format!("nothing, {SLOW} requests a minute")).await?;
        blocks = blocks.edited(&json!({"nickname": "third"}));
        let what = format!("{BLOCKS} edits, {SLOW} requests a minute");
        self.at_once(stage, &blocks, all.clone(), &what).await?;
        stage.unlimit().await?;
        until_named(stage, all, "third").await?;
        self.be_idle(stage, "nothing, again").await
    }

    /// Resources that the other namespace creates.
    pub(crate) async fn resources(&mut self, stage: &mut Stage) -> Result<()> {
        let first = FIRST + 1 + BLOCKS;
        let all = first + 1..first + 1 + CREATED;
        let template = Template::settle(stage, first, &json!({"nickname": "created"})).await?;
        all.clone().try_for_each(|index| stage.add_person(index))?;
        let created = template.within(NEIGHBOUR).created();
        self.at_once(stage, &created, all.clone(), &format!("{CREATED} resources, just created")).await?;
        until_named(stage, all, "created").await?;
        stage.until_quiet().await
    }

    /// Tenants of the same host, each with credentials that Auth0 rejects: each of them asks for a token.
    pub(crate) async fn tenants(&mut self, stage: &Stage) -> Result<()> {
        stage.set_limits(SLOW, 2, Plan::Unlimited).await?;
        self.be_idle(stage, &format!("nothing, {SLOW} requests a minute")).await?;
        let neighbour = stage.kubectl.in_namespace(NEIGHBOUR);
        let guessed = json!({"clientId": "operator", "clientSecret": "Bench-Guess"});
        neighbour.apply(&lab::secret("guessed", &guessed).to_string()).await?;
        let (host, fast) = (stage.auth0.domain(), json!({"requestsPerMinute": 300_000, "burst": 5_000}));
        let tenants = (0..TENANTS).map(|index| {
            tenant(&format!("guess-{index}"), &host, &fast).replace(r#""credentials""#, r#""guessed""#)
        });
        let tenants: Vec<String> = tenants.collect();
        neighbour.submit(Mode::ServerSideApply, &tenants.join("\n---\n")).await?.ok()?;
        self.row(stage, &format!("{TENANTS} tenants of the same host, {SLOW} requests a minute")).await?;
        stage.unlimit().await?;
        self.be_idle(stage, "nothing, again").await
    }

    /// Resources of the other namespace about the very user whose resource is edited: all are in conflict with it, now and
    /// after each edit.
    pub(crate) async fn rivals(&mut self, stage: &mut Stage) -> Result<()> {
        let first = FIRST + 2 + BLOCKS + CREATED;
        let all = first + 1..first + 1 + BLOCKS;
        let theirs = json!({"nickname": "rival", "userId": user_id(0)});
        let rivals = Template::settle(stage, first, &theirs).await?.within(NEIGHBOUR).created();
        self.at_once(stage, &rivals, all, &format!("{BLOCKS} resources of the same user, in conflict")).await
    }

    /// Times edits from the moment on when the operator hears of all of these.
    async fn at_once(
        &mut self,
        stage: &mut Stage,
        others: &Template,
        all: Range<usize>,
        what: &str,
    ) -> Result<()> {
        stage.operator.signal(Signal::Pause)?;
        others.copy(stage, all).await?;
        stage.operator.signal(Signal::Resume)?;
        self.row(stage, what).await
    }

    async fn be_idle(&mut self, stage: &Stage, what: &str) -> Result<()> {
        stage.until_quiet().await?;
        self.idle = self.took(stage).await?;
        self.rows.push((what.to_owned(), self.idle, self.idle));
        Ok(())
    }

    /// Times edits as they are now.
    pub(crate) async fn row(&mut self, stage: &Stage, what: &str) -> Result<()> {
        let took = self.took(stage).await?;
        self.rows.push((what.to_owned(), took, self.idle));
        Ok(())
    }

    async fn took(&mut self, stage: &Stage) -> Result<Took> {
        let (mut applied, mut ready) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            tokio::time::sleep(PAUSE).await;
            self.edits += 1;
            let nickname = format!("edit-{}", self.edits);
            let (edit, begun) = (json!({"spec": {"nickname": nickname}}), Instant::now());
            let edited = self.api.patch(&name(0), &PatchParams::default(), &Patch::Merge(edit)).await;
            let generation = edited.map_err(failed)?.metadata.generation;
            while !stage.is_named(0, &nickname) {
                tokio::time::sleep(Duration::from_millis(2)).await;
                patient(begun)?;
            }
            applied.push(begun.elapsed());
            while !self.is_ready(generation).await? {
                tokio::time::sleep(Duration::from_millis(5)).await;
                patient(begun)?;
            }
            ready.push(begun.elapsed());
        }
        Ok(Took { applied: median(applied), ready: median(ready) })
    }

    async fn is_ready(&self, generation: Option<i64>) -> Result<bool> {
        let status = self.api.get(&name(0)).await.map_err(failed)?.status.unwrap_or_default();
        let is_true = status.conditions.iter().any(|known| known.type_ == "Ready" && known.status == "True");
        Ok(status.observed_generation == generation && is_true)
    }

    pub(crate) fn print(&self) {
        println!("\nan edit of a namespace, from the request to Kubernetes on, in the median of {ROUNDS}");
        println!(
            "| beside, of another namespace | until it is in Auth0 | over idle | until Ready | over idle |"
        );
        println!("|---|---|---|---|---|");
        for (what, took, idle) in &self.rows {
            let applied = took.applied.as_secs_f64() / idle.applied.as_secs_f64();
            let ready = took.ready.as_secs_f64() / idle.ready.as_secs_f64();
            println!(
                "| {what} | {:.0?} | {applied:.1} times | {:.0?} | {ready:.1} times |",
                took.applied, took.ready
            );
        }
    }
}

/// Waits until all of the other namespace is done. Says how much of it was left, or the row before was about nothing.
async fn until_named(stage: &Stage, all: Range<usize>, nickname: &str) -> Result<()> {
    let (count, left) = (all.len(), all.clone().filter(|index| !stage.is_named(*index, nickname)).count());
    println!("(at the end of these edits {left} of {count} of the other namespace still waited)");
    stage.until_named(all, nickname).await.map(drop)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn patient(begun: Instant) -> Result<()> {
    let is_over = begun.elapsed() > PATIENCE;
    if is_over { Err(Error::Failed(format!("an edit takes more than {PATIENCE:?}"))) } else { Ok(()) }
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
