//! Calls to the Kubernetes API: each with a deadline, because kube's client has none.

use crate::api::json::stored_size;
use crate::cluster::pacer::Pacer;
use crate::cluster::watch::WATCH_SECONDS;
use crate::telemetry::health::Probes;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder, DynBody};
use serde::Serialize;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tower::util::MapResponseLayer;

/// Who wrote, as `managedFields` and events show it.
pub const FIELD_MANAGER: &str = "auth0-user-operator";

/// No call to the API server takes longer.
const DEADLINE: Duration = Duration::from_secs(10);

/// An object of less than this many bytes is not too large, whatever the API server says.
const LARGE: usize = 1 << 20;

/// A connection to Kubernetes that is silent for longer than any watch lasts is dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);

/// How a call to the API server failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It took too long.
    #[error("the Kubernetes API did not answer within {} s", DEADLINE.as_secs())]
    TimedOut,
    /// It answered with an error, or not at all.
    #[error("{}", brief(.0))]
    Kube(#[source] Box<kube::Error>),
}

impl Error {
    /// 409: the object was changed meanwhile.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// 404.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(404)
    }

    /// 403: RBAC.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        self.code() == Some(403)
    }

    /// 422: the object does not satisfy its schema or rules.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.code() == Some(422)
    }

    /// The fields that an apply would have taken from other writers, each with who that is.
    #[must_use]
    pub fn field_conflicts(&self) -> Vec<String> {
        let details = self.status().and_then(|status| status.details.as_ref());
        let causes = details.iter().flat_map(|details| &details.causes);
        let conflicts = causes.filter(|cause| cause.reason == "FieldManagerConflict");
        let named = conflicts.map(|cause| {
            let writer = cause.message.split('"').nth(1).unwrap_or("another writer");
            format!("{} ({writer})", cause.field.trim_start_matches(".data."))
        });
        named.collect()
    }

    /// Whether this object is too large for the API server (413 above 3 MiB) or for its etcd (1.5 MiB). What etcd says
    /// comes as a 500 without a reason, as other failures of etcd do, so the size decides.
    #[must_use]
    pub fn is_too_large(&self, object: &impl Serialize) -> bool {
        let size = || stored_size(object).unwrap_or_default();
        self.status().is_some_and(|status| {
            status.code == 413 || status.code == 500 && status.reason.is_empty() && size() > LARGE
        })
    }

    /// The status code of the answer, if there was one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.status().map(|status| status.code)
    }

    fn status(&self) -> Option<&kube::core::Status> {
        let Self::Kube(error) = self else { return None };
        let kube::Error::Api(status) = error.as_ref() else { return None };
        Some(status)
    }
}

/// The API server's own text may quote the object; its reason does not.
fn brief(error: &kube::Error) -> String {
    let kube::Error::Api(status) = error else { return "the Kubernetes API could not be reached".to_owned() };
    format!("the Kubernetes API answered {} {}", status.code, status.reason)
}

/// A client of the cluster that the surroundings name: in-cluster, else `KUBECONFIG`.
///
/// # Errors
/// Where none is named, or its credentials cannot be read.
pub async fn connect(probes: Arc<Probes>) -> Result<Client, kube::Error> {
    let mut config = kube::Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.read_timeout = Some(LONGEST_SILENCE);
    // The callers retry by themselves, and would not know that a write was sent before.
    config.default_retry = false;
    let pacer = Arc::new(Pacer::new(Arc::clone(&probes.metrics)));
    let heard = MapResponseLayer::new(move |response: Response<Box<DynBody>>| {
        probes.heard_kubernetes();
        response
    });
    let namespace = config.default_namespace.clone();
    let client = ClientBuilder::try_from(config)?.with_layer(&heard).build();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (client, pacer, uri) = (client.clone(), Arc::clone(&pacer), request.uri().clone());
        async move {
            pacer.turn(&uri).await;
            client.send(request).await
        }
    });
    Ok(Client::new(service, namespace))
}

/// Awaits a call to the API server, but not for ever.
///
/// # Errors
/// `TimedOut`, or what kube says.
pub async fn within_deadline<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(result) => result.map_err(|error| Error::Kube(Box::new(error))),
        Err(_) => Err(Error::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_never_answered_ends() {
        let begun = tokio::time::Instant::now();
        let answer = within_deadline::<()>(std::future::pending()).await;
        assert!(matches!(answer, Err(Error::TimedOut)) && begun.elapsed() == DEADLINE);
    }
}
