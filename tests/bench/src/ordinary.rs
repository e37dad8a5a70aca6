//! Resources as teams have them, and copies of one that is settled: applied one by one, many would take an hour.

use crate::stage::{NAMESPACE, Stage, name, update, user_id};
use lab::{Mode, Result, wait_until};
use serde_json::{Value, json};
use std::ops::Range;
use std::time::Duration;

/// Until the operator has judged a resource.
const PATIENCE: Duration = Duration::from_mins(1);

/// Fourteen declared fields and metadata keys.
pub(crate) fn fields(index: usize) -> Value {
    let name = name(index);
    json!({
        "name": format!("{name} Example"), "givenName": name, "familyName": "Example", "nickname": "first",
        "picture": format!("https://example.com/people/{name}.png"), "blocked": false,
        "userMetadata": {
            "department": "Research and development", "title": "Principal engineer, storage and networks",
            "locale": "en-GB", "theme": "dark",
        },
        "appMetadata": {
            "plan": "enterprise", "region": "eu-west-1", "roles": ["reader", "writer", "auditor"],
            "costCenter": {"number": 4711, "owner": "platform", "approver": "finance-emea@example.com"},
        },
        "resyncInterval": "0s",
    })
}

/// A resync that has its place in the queue, and is hardly ever due: of 100,000 one in five hours.
pub(crate) fn never_due() -> Value {
    // Terms add up to 57 years; one has five digits at most.
    json!({"resyncInterval": "99999h".repeat(5)})
}

/// [`fields`] with others instead or on top.
pub(crate) fn fields_with(index: usize, others: &Value) -> Value {
    let mut fields = fields(index);
    merge(&mut fields, others);
    fields
}

fn merge(onto: &mut Value, others: &Value) {
    for (field, value) in others.as_object().into_iter().flatten() {
        onto[field] = value.clone();
    }
}

/// A resource as it is stored once the operator has nothing left to do for it.
#[derive(Clone)]
pub(crate) struct Template {
    index: usize,
    object: Value,
}

impl Template {
    /// Applies a resource of a user, waits until it is settled, and takes it as the API server has stored it: with its status,
    /// its managed fields and kubectl's annotation.
    pub(crate) async fn settle(stage: &Stage, index: usize, fields: &Value) -> Result<Self> {
        stage.add_person(index)?;
        stage.kubectl.submit(Mode::Apply, &update(index, fields)).await?.ok()?;
        wait_until(&format!("{} is judged", name(index)), PATIENCE, async || {
            let object =
                stage.store.read(&key(NAMESPACE, &name(index))).await.map_err(|error| error.to_string())?;
            let is_judged = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            if is_judged { Ok(()) } else { Err(object["status"].to_string()) }
        })
        .await?;
        stage.until_quiet().await?;
        Ok(Self { index, object: stage.store.read(&key(NAMESPACE, &name(index))).await? })
    }

    /// The same in another namespace.
    pub(crate) fn within(mut self, namespace: &str) -> Self {
        self.object["metadata"]["namespace"] = namespace.into();
        self
    }

    /// The same after an edit that the operator has not seen.
    pub(crate) fn edited(mut self, fields: &Value) -> Self {
        merge(&mut self.object["spec"], fields);
        let generation = self.object["metadata"]["generation"].as_i64().unwrap_or_default();
        self.object["metadata"]["generation"] = (generation + 1).into();
        self
    }

    /// The same as it is created, before the operator has seen it.
    pub(crate) fn created(mut self) -> Self {
        self.object["status"] = json!({"observedGeneration": -1});
        self
    }

    /// Bytes in the store.
    pub(crate) fn size(&self) -> usize {
        self.object.to_string().len()
    }

    pub(crate) fn status(&self) -> &Value {
        &self.object["status"]
    }

    /// Writes copies: wherever the template has its own name, they have theirs.
    pub(crate) async fn copy(&self, stage: &Stage, to: Range<usize>) -> Result<()> {
        let (text, own) = (self.object.to_string(), name(self.index));
        let uid = self.object["metadata"]["uid"].as_str().unwrap_or_default();
        let namespace = self.object["metadata"]["namespace"].as_str().unwrap_or_default();
        let copies = to.map(|index| {
            let other = format!("{index:08x}-0000-4000-8000-000000000000");
            let copy = if index == self.index { text.clone() } else { text.replace(uid, &other) };
            (key(namespace, &name(index)), copy.replace(&own, &name(index)))
        });
        stage.store.write(copies).await
    }

    /// Makes the users of copies, who are what the template's user has become.
    pub(crate) fn copy_users(&self, stage: &Stage, to: Range<usize>) -> Result<()> {
        let user = stage.auth0.stored_user(&user_id(self.index)).unwrap_or_default();
        let (text, own) = (Value::Object(user).to_string(), name(self.index));
        to.into_iter().try_for_each(|index| {
            let user = serde_json::from_str(&text.replace(&own, &name(index)))?;
            stage.auth0.put_user(user).map_err(lab::Error::Failed)
        })
    }
}

fn key(namespace: &str, name: &str) -> String {
    format!("/registry/auth0-user-operator.dev/auth0userupdates/{namespace}/{name}")
}
