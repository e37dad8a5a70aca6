//! Hands cells to the API server, many at a time, and waits until the operator is done with them.

use super::table::cell::Cell;
use super::table::way::{Start, Way};
use crate::world::objects::Objects as Access;
use crate::world::{DEADLINE, condition, object};
use futures::StreamExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams};
use lab::{Kubectl, Mode, wait_until};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Documents in one call of kubectl.
const BATCH: usize = 150;

/// Calls at the same time.
const PARALLEL: usize = 4;

/// A namespace's way in.
pub struct Sender<'a> {
    kubectl: &'a Kubectl,
    api: Api<DynamicObject>,
}

/// Resources by name.
pub type Objects = BTreeMap<String, Value>;

/// Names of cells that the API server refused, and what it said.
pub type Refused = BTreeMap<String, String>;

impl<'a> Sender<'a> {
    pub fn new(kubectl: &'a Kubectl, objects: &Access) -> Self {
        Self { kubectl, api: objects.updates() }
    }

    /// Writes what is there before the wishes, each in the manner of its way.
    pub async fn prepare(&self, cells: &[&Cell]) -> Refused {
        let mut manifests = Vec::new();
        for cell in cells {
            let mode = match cell.way {
                Way::ApplyCreate | Way::ApplyUpdate => Mode::Apply,
                Way::ServerSideCreate | Way::ServerSideUpdate => Mode::ServerSideApply,
                Way::Create | Way::Replace | Way::JsonPatch | Way::MergePatch => Mode::Create,
            };
            manifests.push((mode, cell.name.as_str(), cell.spec_before()));
        }
        self.submit_all(manifests).await
    }

    /// Writes the wishes.
    pub async fn wish(&self, cells: &[Cell]) -> Refused {
        let mut manifests = Vec::new();
        let mut patches = Vec::new();
        for cell in cells {
            let mode = match cell.way {
                Way::Create => Mode::Create,
                Way::ApplyCreate | Way::ApplyUpdate => Mode::Apply,
                Way::ServerSideCreate | Way::ServerSideUpdate => Mode::ServerSideApply,
                Way::Replace => Mode::Replace,
                Way::JsonPatch | Way::MergePatch => {
                    patches.push(cell);
                    continue;
                }
            };
            manifests.push((mode, cell.name.as_str(), cell.spec_wished()));
        }
        let mut refused = self.submit_all(manifests).await;
        refused.extend(self.patch_all(patches).await);
        refused
    }

    async fn submit_all(&self, manifests: Vec<(Mode, &str, Map<String, Value>)>) -> Refused {
        let mut batches = Vec::new();
        for mode in [Mode::Create, Mode::Apply, Mode::ServerSideApply, Mode::Replace] {
            let of_mode: Vec<_> = manifests
                .iter()
                .filter(|(other, ..)| *other == mode)
                .map(|(_, name, spec)| (*name, object("Auth0UserUpdate", name, &Value::Object(spec.clone()))))
                .collect();
            batches.extend(of_mode.chunks(BATCH).map(|batch| (mode, batch.to_vec())));
        }
        let calls = batches.into_iter().map(|(mode, batch)| self.submit(mode, batch));
        let refused: Vec<Refused> = futures::stream::iter(calls).buffer_unordered(PARALLEL).collect().await;
        refused.into_iter().flatten().collect()
    }

    /// Single documents in one call: kubectl goes on after a refusal and says what it did for each.
    async fn submit(&self, mode: Mode, batch: Vec<(&str, String)>) -> Refused {
        let documents: Vec<_> = batch.iter().map(|(_, document)| document.as_str()).collect();
        let kubectl = self.kubectl.with_deadline(3 * DEADLINE);
        let output = kubectl.submit(mode, &documents.join("\n---\n")).await.unwrap();
        let taken: BTreeSet<_> = output
            .stdout
            .lines()
            .filter_map(|line| line.split_once('/')?.1.split_once(' '))
            .map(|(name, _)| name)
            .collect();
        let refused = batch.iter().map(|(name, _)| *name).filter(|name| !taken.contains(name));
        let said = |name: &str| {
            let own: Vec<_> = output.stderr.lines().filter(|line| line.contains(name)).collect();
            // An unknown field is refused before the name is read.
            if own.is_empty() { output.stderr.clone() } else { own.join("; ") }
        };
        refused.map(|name| (name.to_owned(), said(name))).collect()
    }

    async fn patch_all(&self, cells: Vec<&Cell>) -> Refused {
        let patches = cells.into_iter().map(async |cell| (cell.name.clone(), self.patch(cell).await));
        let answers: Vec<_> = futures::stream::iter(patches).buffer_unordered(PARALLEL).collect().await;
        answers.into_iter().filter_map(|(name, answer)| Some((name, answer.err()?))).collect()
    }

    /// Sends what `kubectl patch` sends: it hands a patch on as it is, so a process for each would only cost
    /// time. Some go through kubectl nevertheless, with the same expectations.
    async fn patch(&self, cell: &Cell) -> Result<(), String> {
        let merge = json!({"spec": cell.changes()});
        let operations = cell.changes().into_iter();
        let operations = operations
            .map(|(field, value)| json!({"op": "add", "path": format!("/spec/{field}"), "value": value}));
        let operations = Value::Array(operations.collect());
        let is_merge = cell.way == Way::MergePatch;
        if cell.field.name == "userMetadata" && cell.yes && cell.start == Start::Present {
            let target = format!("auth0userupdate/{}", cell.name);
            let (kind, patch) =
                if is_merge { (lab::Patch::Merge, &merge) } else { (lab::Patch::Json, &operations) };
            let output = self.kubectl.patch(&target, kind, patch).await.unwrap();
            return output.ok().map(drop).map_err(|error| error.to_string());
        }
        let patch = if is_merge {
            Patch::Merge(merge)
        } else {
            Patch::Json(serde_json::from_value(operations).unwrap())
        };
        let answer = self.api.patch(&cell.name, &PatchParams::default(), &patch).await;
        answer.map(drop).map_err(|error| error.to_string())
    }

    /// All resources.
    pub async fn objects(&self) -> Result<Objects, String> {
        let list = self.api.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let named = list
            .items
            .into_iter()
            .map(|object| (object.metadata.name.clone().unwrap(), serde_json::to_value(object).unwrap()));
        Ok(named.collect())
    }

    /// Waits until so many resources are there and the operator is done with the present generation of each.
    pub async fn settled(&self, count: usize) {
        let mut pause = Duration::ZERO;
        let settled = wait_until("all resources settled", 5 * DEADLINE, async || {
            // Much to read, so not as often as a single resource.
            tokio::time::sleep(pause).await;
            let objects = self.objects().await?;
            let waiting: Vec<_> = objects.iter().filter(|(_, object)| !is_settled(object)).collect();
            pause = Duration::from_millis(100 + 3 * waiting.len() as u64);
            match waiting.first() {
                None if objects.len() == count => Ok(()),
                None => Err(format!("{} resources instead of {count}", objects.len())),
                Some((name, object)) => {
                    Err(format!("{} wait, such as {name}: {}", waiting.len(), object["status"]))
                }
            }
        });
        settled.await.unwrap();
    }
}

/// Whether nothing more comes by itself: it was done, or a person has to do something.
fn is_settled(object: &Value) -> bool {
    let is_true = |type_: &str| condition(object, type_).0 == "True";
    let observed = &object["status"]["observedGeneration"];
    *observed == object["metadata"]["generation"] && (is_true("Ready") || is_true("Stalled"))
}
