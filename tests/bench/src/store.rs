//! The API server's own store, into which thousands of objects go in seconds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lab::{ControlPlane, Error, Result};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinSet};

/// Objects that are written at once.
const AT_ONCE: usize = 32;

/// etcd, spoken to through its JSON gateway.
#[derive(Clone)]
pub(crate) struct Store(Client);

impl Store {
    pub(crate) fn of(plane: &ControlPlane) -> Result<Self> {
        let client = Client::builder().unix_socket(plane.dir().join("etcd.sock:0")).no_proxy().build();
        client.map(Self).map_err(failed)
    }

    /// The object under a key, as it is stored.
    pub(crate) async fn read(&self, key: &str) -> Result<Value> {
        let answer = self.ask("range", &json!({"key": STANDARD.encode(key)})).await?;
        let object =
            STANDARD.decode(answer["kvs"][0]["value"].as_str().unwrap_or_default()).map_err(failed)?;
        Ok(serde_json::from_slice(&object)?)
    }

    /// Writes objects under their keys. The API server tells those who watch. Never two in one transaction: they would
    /// share a revision, and a watch that goes on from there would miss one.
    pub(crate) async fn write(&self, objects: impl Iterator<Item = (String, String)>) -> Result<()> {
        let mut under_way = JoinSet::new();
        for (key, object) in objects {
            if under_way.len() == AT_ONCE {
                finished(under_way.join_next().await)?;
            }
            let (store, put) =
                (self.clone(), json!({"key": STANDARD.encode(key), "value": STANDARD.encode(object)}));
            under_way.spawn(async move { store.ask("put", &put).await });
        }
        while !under_way.is_empty() {
            finished(under_way.join_next().await)?;
        }
        Ok(())
    }

    async fn ask(&self, what: &str, body: &Value) -> Result<Value> {
        let request = self.0.post(format!("http://etcd/v3/kv/{what}")).body(body.to_string());
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failed)?;
        Ok(serde_json::from_slice(&answer.bytes().await.map_err(failed)?)?)
    }
}

fn finished(task: Option<std::result::Result<Result<Value>, JoinError>>) -> Result<()> {
    task.map_or(Ok(()), |task| task.map_err(failed)?.map(drop))
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Failed(error.to_string())
}
