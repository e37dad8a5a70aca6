//! Outputs for other workloads: what a pass has found of the user goes into the `ConfigMap`s and Secrets of
//! `spec.outputsTo`. After the requests to Auth0, so that it holds none of them back, and before the status, which tells it.

use crate::api::reason::Reason;
use crate::api::{Auth0UserUpdate, Output, WrittenOutputs};
use crate::cluster::outputs::Target;
use crate::reconcile::pass::Updates;
use crate::reconcile::pass::execute::Status as _;
use crate::reconcile::pass::status_writer::StatusWriter;
use crate::reconcile::status::outcome::{Extent, Outcome};
use crate::reconcile::status::written::{Wanted, note, of_user, withdrawn};
use crate::user::User;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};

impl Updates {
    /// Writes what the outcome knows of the user, as far as the tenant grants it; where the user is not known, takes out
    /// what is granted no longer. Notes in the outcome what came of it.
    pub async fn write_outputs(
        &self,
        object: &Auth0UserUpdate,
        writer: &StatusWriter,
        outcome: &mut Outcome,
    ) {
        let (targets, before) = (&object.spec.outputs_to, written(writer.object()));
        let is_over = matches!(outcome.extent, Extent::Interrupted | Extent::Anew);
        if targets.is_empty() && before.is_empty() || is_over {
            return;
        }
        let most = outcome.most_shown.unwrap_or(Output::Full);
        let all = match &outcome.user {
            Some(user) if writer.is_wanted() => of_user(targets, before, user, most),
            Some(_) | None => withdrawn(before, most),
        };
        if all.is_empty() {
            return;
        }
        let mut now = before.to_vec();
        for wanted in all {
            match self.outputs.write(&target(object, &owner(object), &wanted)).await {
                Ok(()) => note(&mut now, wanted),
                Err(failure) => {
                    let is_passing = failure.reason == Reason::InternalError;
                    outcome.unwritten.get_or_insert(failure);
                    if is_passing {
                        break;
                    }
                }
            }
        }
        outcome.outputs = Some(now);
    }

    /// Whether everything is written as this user has it, but for what every login moves.
    pub async fn outputs_agree(&self, object: &Auth0UserUpdate, user: &User, most: Output) -> bool {
        for wanted in of_user(&object.spec.outputs_to, written(object), user, most) {
            let wanted = wanted.steady();
            let agrees = self.outputs.agrees(&target(object, &owner(object), &wanted)).await;
            if !agrees.unwrap_or(false) {
                return false;
            }
        }
        true
    }
}

/// What status says of earlier writes.
fn written(object: &Auth0UserUpdate) -> &[WrittenOutputs] {
    object.status.as_ref().map_or(&[], |status| &status.outputs)
}

fn target<'a>(object: &'a Auth0UserUpdate, owner: &'a OwnerReference, wanted: &'a Wanted) -> Target<'a> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    Target { owner, namespace, kind: wanted.kind, name: &wanted.name, data: &wanted.data }
}

/// The reference by which Kubernetes deletes what was written along with the resource. It does not hold up the deletion
/// of the resource, which would need a right of its own.
fn owner(object: &Auth0UserUpdate) -> OwnerReference {
    OwnerReference {
        api_version: Auth0UserUpdate::api_version(&()).into_owned(),
        kind: Auth0UserUpdate::kind(&()).into_owned(),
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}
