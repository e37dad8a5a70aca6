//! An API server for unit tests.

use http::{Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

/// One request: method, path without its query, and body; of a JSON patch, what it made of the object.
pub type Asked = (String, String, Value);

/// What an API server was asked, in order.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Asked>>>);

impl Requests {
    /// The writes of statuses since the last time.
    pub fn take_statuses(&self) -> Vec<Value> {
        self.take(|path| path.ends_with("/status"))
    }

    /// The reasons of the events since the last time.
    pub fn take_events(&self) -> Vec<String> {
        let events = self.take(|path| path.ends_with("/events"));
        events.iter().map(|event| event["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// The requests for paths that hold this, since the last time: their bodies.
    pub fn take_paths(&self, part: &str) -> Vec<Value> {
        self.take(|path| path.contains(part))
    }

    fn take(&self, of: impl Fn(&str) -> bool) -> Vec<Value> {
        let mut all = self.0.lock().unwrap();
        let (taken, rest) = std::mem::take(&mut *all).into_iter().partition(|(_, path, _)| of(path));
        *all = rest;
        taken.into_iter().map(|(_, _, body)| body).collect::<Vec<Value>>()
    }
}

/// An API server that answers so, with an object or a status code: method, path and body are asked.
pub fn api_server(
    answer: impl Fn(&str, &str, &Value) -> Result<Value, u16> + Send + Sync + 'static,
) -> (Client, Requests) {
    let (asked, answer) = (Requests::default(), Arc::new(answer));
    let requests = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (requests, answer) = (requests.clone(), Arc::clone(&answer));
        async move {
            let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
            let bytes = request.into_body().collect_bytes().await.unwrap();
            let body = serde_json::from_slice(&bytes).unwrap_or_default();
            let (code, content) = match answer(&method, &path, &body) {
                Ok(object) => (200, object),
                Err(code) => (code, failure(code)),
            };
            let noted = if body.is_array() { content.clone() } else { body };
            requests.0.lock().unwrap().push((method, path, noted));
            let mut response = Response::new(Body::from(content.to_string().into_bytes()));
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            Ok::<_, Infallible>(response)
        }
    });
    (Client::new(service, "default"), asked)
}

/// An object after a JSON patch of its status.
pub fn patched(mut object: Value, operations: &Value) -> Value {
    let mut operations = operations.as_array().unwrap().clone();
    operations.retain(|operation| operation["path"] != "/metadata/resourceVersion");
    let patch: json_patch::Patch = serde_json::from_value(operations.into()).unwrap();
    json_patch::patch(&mut object, &patch).unwrap();
    object
}

fn failure(code: u16) -> Value {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "InternalError",
    };
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": "", "code": code})
}
