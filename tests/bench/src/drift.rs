//! Changes that are made in Auth0 itself: how soon they are corrected by events, some of which are lost, doubled or
//! out of order; and what a search that lags makes the operator do.

use crate::stage::{NAMESPACE, Stage, update, user_id};
use lab::{Error, Result};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const USERS: usize = 200;
const CHANGES: usize = 600;
/// Between two changes.
const PACE: Duration = Duration::from_millis(100);
/// Every so-many-th event is lost, doubled or late: five in a hundred, be they of a change or an echo of its correction.
const FAULTY: [u64; 3] = [59, 61, 67];
/// What is not corrected after this was not heard of.
const LOST: Duration = Duration::from_secs(15);
const LAG: Duration = Duration::from_secs(30);

pub(crate) async fn measure(stage: &mut Stage) -> Result<()> {
    let fields = |nickname: &str| json!({"nickname": nickname, "resyncInterval": "1m"});
    stage.listen(true).await?;
    stage.add_people(USERS)?;
    stage.apply((0..USERS).map(|index| update(index, &fields("own")))).await?;
    stage.until_named(0..USERS, "own").await?;
    stage.until_ready(Duration::from_mins(5)).await?;
    stage.until_listening().await?;
    by_events(stage).await?;
    behind_a_lag(stage).await
}

async fn by_events(stage: &mut Stage) -> Result<()> {
    stage.auth0.change_rules(|rules| {
        let (events, [lose, double, swap]) = (&mut rules.events, FAULTY);
        (events.lose_every, events.double_every, events.swap_every) = (Some(lose), Some(double), Some(swap));
    });
    stage.auth0.clear_log();
    let mut open: Vec<(usize, Instant)> = Vec::new();
    let (mut took, mut unheard) = (Vec::new(), 0);
    let mut settle = |open: &mut Vec<(usize, Instant)>, stage: &Stage| {
        open.retain(|(index, since)| {
            let is_done = stage.is_named(*index, "own");
            if is_done {
                took.push(since.elapsed());
            } else if since.elapsed() > LOST {
                unheard += 1;
            }
            !is_done && since.elapsed() <= LOST
        });
    };
    let begun = Instant::now();
    for change in 0..CHANGES {
        let index = (change * 37) % USERS;
        if stage.is_named(index, "own") && !open.iter().any(|(known, _)| *known == index) {
            let drift = |user: &mut serde_json::Map<String, Value>| {
                drop(user.insert("nickname".into(), json!("drift")));
            };
            stage.auth0.change_user(&user_id(index), drift);
            open.push((index, Instant::now()));
        }
        let next = begun + PACE * u32::try_from(change + 1).unwrap_or(u32::MAX);
        while Instant::now() < next {
            settle(&mut open, stage);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    while !open.is_empty() {
        settle(&mut open, stage);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.auth0.change_rules(|rules| rules.events = auth0_sandbox::EventRules::default());
    // A restart brings the daily comparisons forward to within the interval.
    stage.restart().await?;
    let healed = stage.until_named(0..USERS, "own").await?;
    took.sort_unstable();
    let at = |share: usize| {
        took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied().unwrap_or_default()
    };
    println!(
        "\n{} changes in Auth0 of {USERS} users, one each {PACE:?}; of the events 5 % are lost, doubled or late",
        took.len() + unheard
    );
    println!("| corrected | median | 99 % | slowest | not heard of | those by the next comparison, after |");
    println!("|---|---|---|---|---|---|");
    println!(
        "| {} | {:.0?} | {:.0?} | {:.0?} | {unheard} | {healed:.1?} |",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

/// Edits, while the search shows what was: nothing is put back.
async fn behind_a_lag(stage: &mut Stage) -> Result<()> {
    let lag = u64::try_from(LAG.as_millis()).map_err(|error| Error::Failed(error.to_string()))?;
    stage.auth0.change_rules(|rules| rules.search.lag_millis = lag);
    stage.auth0.clear_log();
    let (begun, mut edits) = (Instant::now(), 0_usize);
    while begun.elapsed() < Duration::from_mins(2) {
        let index = (edits * 37) % USERS;
        stage.patch(NAMESPACE, index, &json!({"nickname": format!("edit-{edits}")})).await?;
        edits += 1;
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    stage.until_quiet().await?;
    let log = stage.auth0.log();
    let of = |prefix: &str, method: &str| {
        log.iter().filter(|call| call.method == method && call.path.starts_with(prefix)).count()
    };
    let (searches, reads) = (of("/api/v2/users?", "GET"), of("/api/v2/users/", "GET"));
    let changes = of("/api/v2/users/", "PATCH");
    println!(
        "\n{edits} edits of {USERS} users in two minutes, compared every minute by a search that lags {LAG:?}"
    );
    println!("| searches | reads | changes sent | beyond the edits |");
    println!("|---|---|---|---|");
    println!("| {searches} | {reads} | {changes} | {} |", changes.saturating_sub(edits));
    Ok(())
}
