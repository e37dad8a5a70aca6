//! Status writes: always on the version that they were computed from.
//!
//! Neither a stale cache, nor a second operator, nor a new object of the same name can therefore make an
//! order go out twice: of two writers, the second is told so before it sends.

use crate::api::reason::{Failure, Reason};
use crate::api::{Auth0UserUpdate, Auth0UserUpdateStatus};
use crate::cluster::client::{self, within_deadline};
use crate::cluster::status;
use crate::ownership::Uid;
use crate::plan::intents::Entries;
use crate::reconcile::pass::execute::{Status, Unwritten};
use crate::reconcile::resource::resources::Resources;
use crate::reconcile::status::dropped::Nulls;
use crate::reconcile::status::outputs;
use crate::reconcile::status::pruned::{Pruned, crd_outdated};
use kube::api::Api;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often an outcome is written onto a changed object before the pass gives up.
const ATTEMPTS: u32 = 5;

/// The object whose status is written, as the API server last answered it.
pub struct StatusWriter {
    api: Api<Auth0UserUpdate>,
    object: Auth0UserUpdate,
    nulls: Arc<Mutex<Nulls>>,
    resources: Arc<Resources>,
    /// What the last write said and the API server did not keep.
    pruned: Option<Pruned>,
}

impl StatusWriter {
    /// Reads an object, of which these nulls are known.
    ///
    /// # Errors
    /// `Gone` where it is not there, or another one of that name is.
    #[tracing::instrument(name = "read object", skip_all, fields(otel.kind = "client"))]
    pub async fn read(
        api: Api<Auth0UserUpdate>,
        name: &str,
        uid: Uid,
        nulls: Arc<Mutex<Nulls>>,
        resources: Arc<Resources>,
    ) -> Result<Self, Unwritten> {
        let object = within_deadline(api.get(name)).await.map_err(|error| unwritten(&error))?;
        if Uid::of(&object) != uid {
            return Err(Unwritten::Gone);
        }
        Ok(Self::begin(api, object, nulls, resources))
    }

    fn begin(
        api: Api<Auth0UserUpdate>,
        object: Auth0UserUpdate,
        nulls: Arc<Mutex<Nulls>>,
        resources: Arc<Resources>,
    ) -> Self {
        let writer = Self { api, object, nulls, resources, pruned: None };
        writer.nulls().see(&writer.object, true);
        writer
    }

    fn nulls(&self) -> MutexGuard<'_, Nulls> {
        self.nulls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object as last answered.
    #[must_use]
    pub const fn object(&self) -> &Auth0UserUpdate {
        &self.object
    }

    /// Its status; an empty one before the first write.
    #[must_use]
    pub fn status(&self) -> Auth0UserUpdateStatus {
        self.object.status.clone().unwrap_or_default()
    }

    /// What is known of nulls, whether status can name it or not.
    #[must_use]
    pub fn known_nulls(&self) -> Vec<String> {
        self.nulls().names.clone()
    }

    /// What status is to name of nulls: what it names already, where the API server keeps nothing else.
    #[must_use]
    pub fn explicit_nulls(&self) -> Vec<String> {
        let nulls = self.nulls();
        if nulls.is_pruned { self.object.remembered_nulls().to_vec() } else { nulls.names.clone() }
    }

    /// Writes down the nulls that status does not name, before a wait or a change in which the spec may lose them.
    ///
    /// # Errors
    /// See [`Unwritten`]; `CRDOutdated` where the API server drops them.
    pub async fn remember_nulls(&mut self) -> Result<(), Unwritten> {
        for _ in 0..ATTEMPTS {
            let nulls = self.known_nulls();
            if nulls.iter().all(|name| self.object.remembered_nulls().contains(name)) {
                return Ok(());
            }
            let status = Auth0UserUpdateStatus { explicit_nulls: nulls, ..self.status() };
            match self.replace(status).await {
                Ok(()) if self.nulls().is_pruned => {
                    return Err(Unwritten::Failed(crd_outdated(
                        "status.explicitNulls",
                        "a null that another tool drops could clear a whole map",
                    )));
                }
                Err(Unwritten::Conflict) => self.reload().await?,
                written => return written,
            }
        }
        Err(Unwritten::Conflict)
    }

    /// What the last write said and the API server did not keep.
    #[must_use]
    pub const fn pruned(&self) -> Option<&Pruned> {
        self.pruned.as_ref()
    }

    /// Writes again what was not kept.
    ///
    /// # Errors
    /// See [`Unwritten`]; `CRDOutdated` where it still is not.
    pub async fn retry(&mut self, pruned: &Pruned) -> Result<(), Unwritten> {
        self.replace(pruned.onto(self.status())).await?;
        self.pruned.as_ref().map_or(Ok(()), |pruned| Err(Unwritten::Failed(pruned.failure())))
    }

    /// Writes a whole status, without the outputs where the object would be too large with them.
    ///
    /// # Errors
    /// See [`Unwritten`].
    pub async fn replace(&mut self, status: Auth0UserUpdateStatus) -> Result<(), Unwritten> {
        let nulls = status.explicit_nulls.clone();
        let mut object = Auth0UserUpdate { status: Some(status), ..self.object.clone() };
        let mut written = status::write(&self.api, &self.object, &object).await;
        if written.as_ref().is_err_and(|error| error.is_too_large(&object))
            && object.status.as_mut().is_some_and(outputs::omit)
        {
            written = status::write(&self.api, &self.object, &object).await;
        }
        let written = written.map_err(|error| {
            if error.is_too_large(&object) {
                return Unwritten::Failed(Failure::new(
                    Reason::InvalidRequest,
                    "the resource is larger than the Kubernetes API stores (1.5 MiB), so its status cannot be written: make the spec smaller",
                ));
            }
            unwritten(&error)
        })?;
        let sent = object.status.unwrap_or_default();
        self.pruned = written.status.as_ref().and_then(|kept| Pruned::of(sent, kept));
        self.object = written;
        if !nulls.is_empty() {
            self.nulls().is_pruned = self.object.remembered_nulls() != nulls;
        }
        Ok(())
    }

    /// Reads the object again.
    ///
    /// # Errors
    /// `Gone` where it is another object of that name.
    #[tracing::instrument(name = "read object", skip_all, fields(otel.kind = "client"))]
    pub async fn reload(&mut self) -> Result<(), Unwritten> {
        let name = self.object.metadata.name.clone().unwrap_or_default();
        let fresh = within_deadline(self.api.get(&name)).await.map_err(|error| unwritten(&error))?;
        if fresh.metadata.uid != self.object.metadata.uid {
            return Err(Unwritten::Gone);
        }
        self.nulls().see(&fresh, true);
        self.object = fresh;
        Ok(())
    }
}

impl Status for StatusWriter {
    async fn write(&mut self, entries: &Entries) -> Result<(), Unwritten> {
        let status = self.status();
        let triggers = entries.onto(&status.triggers);
        self.replace(Auth0UserUpdateStatus { triggers: triggers.clone(), ..status }).await?;
        if self.status().triggers == triggers {
            return Ok(());
        }
        Err(Unwritten::Failed(crd_outdated("status.triggers", "nothing can be sent only once")))
    }

    async fn insist(&mut self, entries: &Entries) -> Result<(), Unwritten> {
        let mut changed = false;
        let mut pause = Duration::from_millis(100);
        for _ in 1..ATTEMPTS {
            match self.write(entries).await {
                Ok(()) if changed => return Err(Unwritten::Conflict),
                Err(Unwritten::Conflict) => {
                    changed = true;
                    self.reload().await?;
                }
                Err(Unwritten::Failed(failure)) if failure.reason != Reason::CrdOutdated => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                written => return written,
            }
        }
        self.write(entries).await
    }

    fn is_wanted(&self) -> bool {
        self.resources.is_wanted(&self.resources.key_of(&self.object), Uid::of(&self.object))
    }

    async fn confirm(&mut self) -> Result<(), Unwritten> {
        let before = self.object.clone();
        self.reload().await?;
        let asks = |object: &Auth0UserUpdate| {
            let is_deleted = object.metadata.deletion_timestamp.is_some();
            (object.metadata.generation, is_deleted, object.is_paused())
        };
        if asks(&before) == asks(&self.object) && before.status == self.object.status {
            return Ok(());
        }
        Err(Unwritten::Conflict)
    }
}

fn unwritten(error: &client::Error) -> Unwritten {
    if error.is_conflict() {
        Unwritten::Conflict
    } else if error.is_not_found() {
        Unwritten::Gone
    } else if error.is_invalid() {
        Unwritten::Failed(Failure::new(
            Reason::InvalidRequest,
            "the stored resource no longer satisfies the installed CRD, so its status cannot be written: correct the spec and apply it again",
        ))
    } else {
        Unwritten::Failed(Failure::new(Reason::InternalError, format!("could not write the status: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{JsonMap, Trigger, TriggerState, UserOutputs};
    use crate::cluster::fixtures::patched;
    use http::{Request, Response, StatusCode};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::convert::Infallible;

    /// What etcd takes by default.
    const MOST_BYTES: usize = 1_572_864;

    /// An API server that keeps what is written to this object, unless that is too large; then it says what the real one
    /// does.
    async fn answer(stored: Value, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let operations = request.into_body().collect_bytes().await.unwrap();
        let object = patched(stored, &serde_json::from_slice(&operations).unwrap()).to_string();
        if object.len() <= MOST_BYTES {
            return Ok(Response::new(Body::from(object.into_bytes())));
        }
        let text = "etcdserver: request is too large";
        let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": text, "code": 500});
        let mut answer = Response::new(Body::from(status.to_string().into_bytes()));
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        Ok(answer)
    }

    /// A resource with a note of so many bytes, and with outputs of 300 KiB.
    fn writer(note: usize) -> StatusWriter {
        let object = json!({
            "apiVersion": "auth0-user-operator.dev/v1alpha1", "kind": "Auth0UserUpdate",
            "metadata": {"name": "a", "namespace": "n", "annotations": {"example.com/note": "x".repeat(note)}},
            "spec": {"tenantRef": {"name": "t"}, "passEmptyValues": "No", "userId": "auth0|a"},
        });
        let mut object: Auth0UserUpdate = serde_json::from_value(object).unwrap();
        let user = UserOutputs { name: Some("x".repeat(300 * 1024)), ..UserOutputs::default() };
        let raw_output = Some(JsonMap::new());
        object.status =
            Some(Auth0UserUpdateStatus { user: Some(user), raw_output, ..Auth0UserUpdateStatus::default() });
        let stored = serde_json::to_value(&object).unwrap();
        let client =
            Client::new(tower::service_fn(move |request| answer(stored.clone(), request)), "default");
        StatusWriter::begin(Api::namespaced(client, "n"), object, Arc::default(), Arc::default())
    }

    fn reason(written: Result<(), Unwritten>) -> Option<Reason> {
        if let Err(Unwritten::Failed(failure)) = written { Some(failure.reason) } else { None }
    }

    fn order() -> Entries {
        let mut entries = Entries::default();
        entries.set(Trigger {
            name: "verifyEmail".to_owned(),
            state: TriggerState::Sending,
            digest: String::new(),
            key_id: String::new(),
            user_created_at: None,
            last_password_reset: None,
            secret: None,
        });
        entries
    }

    #[tokio::test]
    async fn an_order_is_written_down_without_outputs_that_leave_it_no_room() {
        for (note, omitted) in [(1_000_000, &[][..]), (1_400_000, &["rawOutput", "user"][..])] {
            let mut writer = writer(note);
            writer.write(&order()).await.unwrap();
            let status = writer.status();
            assert_eq!((status.triggers.len(), status.user.is_none()), (1, !omitted.is_empty()));
            assert_eq!(status.output_omitted, omitted);
        }
    }

    #[tokio::test]
    async fn a_resource_that_is_itself_too_large_is_told_so() {
        let mut writer = writer(1_600_000);
        assert_eq!(reason(writer.write(&order()).await), Some(Reason::InvalidRequest));
    }

    #[tokio::test]
    async fn another_failure_of_a_small_object_costs_no_output() {
        let failing = tower::service_fn(async |_: Request<Body>| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 500});
            let mut answer = Response::new(Body::from(status.to_string().into_bytes()));
            *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            Ok::<_, Infallible>(answer)
        });
        let mut writer =
            StatusWriter { api: Api::namespaced(Client::new(failing, "default"), "n"), ..writer(1) };
        assert_eq!(reason(writer.write(&order()).await), Some(Reason::InternalError));
        assert!(writer.status().user.is_some());
    }

    /// A version of a resource with this `userMetadata`.
    fn version(generation: i64, metadata: Value) -> Auth0UserUpdate {
        let mut object = writer(1).object;
        object.metadata.generation = Some(generation);
        object.spec.user_metadata = Some(serde_json::from_value(metadata).unwrap());
        object.status = None;
        object
    }

    #[tokio::test]
    async fn a_null_is_known_though_its_status_write_failed() {
        let failing = tower::service_fn(async |request: Request<Body>| {
            if request.method() == http::Method::PATCH {
                return Err("no answer");
            }
            Ok(Response::new(Body::from(serde_json::to_vec(&version(3, json!({}))).unwrap())))
        });
        let api = Api::namespaced(Client::new(failing, "default"), "n");
        let nulls = Arc::default();
        let mut before = StatusWriter::begin(
            api.clone(),
            version(2, json!({"plan": null})),
            Arc::clone(&nulls),
            Arc::default(),
        );
        before.reload().await.unwrap();
        assert_eq!(reason(before.remember_nulls().await), Some(Reason::InternalError));
        // The next pass.
        let next = StatusWriter::begin(api, version(3, json!({})), nulls, Arc::default());
        assert_eq!(next.known_nulls(), ["userMetadata.plan"]);
    }

    #[tokio::test]
    async fn an_api_server_that_drops_nulls_is_told_of_and_not_asked_for_ever() {
        let pruning = tower::service_fn(async |request: Request<Body>| {
            let operations = request.into_body().collect_bytes().await.unwrap();
            let stored = serde_json::to_value(version(1, json!({"plan": null}))).unwrap();
            let mut object = patched(stored, &serde_json::from_slice(&operations).unwrap());
            object["status"].as_object_mut().unwrap().remove("explicitNulls");
            Ok::<_, Infallible>(Response::new(Body::from(object.to_string().into_bytes())))
        });
        let api: Api<Auth0UserUpdate> = Api::namespaced(Client::new(pruning, "default"), "n");
        let nulls = Arc::default();
        let begin = |metadata| {
            StatusWriter::begin(api.clone(), version(1, metadata), Arc::clone(&nulls), Arc::default())
        };
        let mut writer = begin(json!({"plan": null}));
        assert_eq!(writer.explicit_nulls(), ["userMetadata.plan"]);
        assert_eq!(reason(writer.remember_nulls().await), Some(Reason::CrdOutdated));
        // What is then published differs in nothing from what is there.
        let mut again = begin(json!({"plan": null}));
        assert_eq!(again.explicit_nulls(), again.object().remembered_nulls());
        assert_eq!(reason(again.remember_nulls().await), Some(Reason::CrdOutdated));
    }
}
