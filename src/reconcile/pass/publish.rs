//! publish: the status that an outcome asks for, on the version that it was computed from, and its events.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus, Output, conditions};
use crate::cluster;
use crate::reconcile::object::schedule;
use crate::reconcile::pass::execute::Unwritten;
use crate::reconcile::pass::look::correlation_id;
use crate::reconcile::pass::status_writer::StatusWriter;
use crate::reconcile::pass::{RECHECK, Updates};
use crate::reconcile::resource::State;
use crate::reconcile::status::conclude::conclude;
use crate::reconcile::status::outcome::Outcome;
use crate::reconcile::status::{dropped, events};
use crate::telemetry::traces;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;

/// An API server that refuses an outcome at once is asked again within this time.
const PERSISTENCE: Duration = Duration::from_secs(2);
/// How often an outcome is written onto a changed object.
const PUBLISH_ATTEMPTS: u32 = 5;

impl Updates {
    /// Publishes a failure that was found without a look, the `failures`-th in a row, and takes outputs back that are
    /// more than `most_shown`. Answers when to try that again.
    pub async fn publish_failure(
        &self,
        writer: &mut StatusWriter,
        failure: Failure,
        failures: u32,
        most_shown: Option<Output>,
    ) -> Option<Duration> {
        let generation = writer.object().metadata.generation.unwrap_or_default();
        let mode = writer.object().mode();
        let password_pending = failure.reason == Reason::PasswordPending;
        let failure = Some(failure);
        let mut outcome = Outcome {
            generation,
            most_shown,
            failure,
            failures,
            password_pending,
            mode,
            ..Outcome::default()
        };
        self.write_outputs(writer.object(), writer, &mut outcome).await;
        let published = self.publish(writer, Some(&outcome)).await;
        self.note(writer);
        (published.is_err() || outcome.unwritten.is_some()).then_some(RECHECK)
    }

    /// Publishes what a look came to.
    ///
    /// # Errors
    /// Why it is not there as a whole: `CRDOutdated` is said in the status, too.
    pub async fn publish_outcome(
        &self,
        writer: &mut StatusWriter,
        outcome: &Outcome,
        state: &mut State,
    ) -> Result<(), Failure> {
        self.publish(writer, Some(outcome)).await?;
        let Some(pruned) = writer.pruned() else { return Ok(()) };
        let failure = pruned.failure();
        state.unfinished_mut().pruned = Some(pruned.clone());
        let Outcome { generation, mode, .. } = *outcome;
        let told = Outcome { generation, mode, failure: Some(failure.clone()), ..Outcome::default() };
        self.publish(writer, Some(&told)).await?;
        Err(failure)
    }

    /// Writes the status that the outcome asks for, onto a changed object too. Without an outcome, only what
    /// is said and remembered of nulls is brought up to date.
    ///
    /// # Errors
    /// Why it is not there. An object that is gone needs none.
    pub async fn publish(&self, writer: &mut StatusWriter, outcome: Option<&Outcome>) -> Result<(), Failure> {
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(100));
        let mut last = "the resource changes faster than its status can be written".to_owned();
        for _ in 0..PUBLISH_ATTEMPTS {
            let previous = writer.status();
            let next = wanted(writer, outcome);
            if next == previous {
                return Ok(());
            }
            let mut events = events::announce(&previous, &next, outcome);
            if next.observed_generation != previous.observed_generation {
                events.extend(events::inexact_integers(&writer.object().spec));
            }
            let written = match writer.replace(next).await {
                Ok(()) => {
                    cluster::events::publish(&self.client, &writer.object().object_ref(&()), events).await;
                    return Ok(());
                }
                Err(Unwritten::Conflict) => writer.reload().await,
                // What was done is told nowhere else.
                Err(Unwritten::Failed(failure))
                    if failure.reason == Reason::InternalError && begun.elapsed() < PERSISTENCE =>
                {
                    last = failure.message;
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                    Ok(())
                }
                Err(unwritten) => Err(unwritten),
            };
            match written {
                Ok(()) | Err(Unwritten::Conflict) => {}
                Err(Unwritten::Gone) => return Ok(()),
                Err(Unwritten::Failed(failure)) => return Err(failure),
            }
        }
        Err(Failure::new(Reason::InternalError, last))
    }

    /// Tells once that a status cannot be written, and waits ever longer.
    pub async fn unpublished(&self, object: &Auth0UserUpdate, failure: &Failure, state: &mut State) {
        let (correlation_id, trace_id) = (
            correlation_id(object, object.metadata.generation.unwrap_or_default()),
            traces::id().map(display),
        );
        tracing::warn!(namespace = object.namespace(), name = object.name_any(), %failure, correlation_id, trace_id, "could not write the status");
        if failure.reason == Reason::InvalidRequest
            && !std::mem::replace(&mut state.unfinished_mut().told_unwritable, true)
        {
            let event = cluster::events::warning(failure.reason.as_str(), &failure.message);
            cluster::events::publish(&self.client, &object.object_ref(&()), vec![event]).await;
        }
        let wait = schedule::backoff(state.count_unpublished(), schedule::resync_or_default(&object.spec));
        state.due = Some(Instant::now() + wait);
    }
}

/// The status that an outcome asks for, with what is said and remembered of nulls.
fn wanted(writer: &StatusWriter, outcome: Option<&Outcome>) -> Auth0UserUpdateStatus {
    let mut plain = writer.status();
    dropped::untell(&mut plain.conditions);
    let mut next = match outcome {
        Some(outcome) => conclude(&plain, outcome, Timestamp::now()),
        None => plain,
    };
    next.explicit_nulls = writer.explicit_nulls();
    dropped::tell(&mut next, writer.object());
    next.reason = conditions::main_reason(&next.conditions).map(str::to_owned);
    next
}
