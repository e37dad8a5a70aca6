//! Reads what is in the cluster, and waits until it is as expected.

use super::{DEADLINE, World, condition};
use lab::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;

impl World {
    /// Waits until `Ready` is `True` for the present generation, and answers the object.
    pub async fn until_ready(&self, name: &str) -> Value {
        self.until(name, "Ready=True", |object| condition(object, "Ready").0 == "True").await
    }

    /// Waits until `Ready` is not `True` for this reason, and answers the object.
    pub async fn until_reason(&self, name: &str, reason: &str) -> Value {
        self.until(name, reason, |object| condition(object, "Ready").1 == reason).await
    }

    /// Waits until the present generation was observed and this holds.
    pub async fn until(&self, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let result = wait_until(what, DEADLINE, async || {
            let object = self.objects.get(name).await?;
            if is_observed(&object) && holds(&object) {
                Ok(object)
            } else {
                Err(object["status"].to_string())
            }
        })
        .await;
        match result {
            Ok(object) => object,
            Err(error) => {
                panic!("{name}: {error}\n--- operator ---\n{}", self.operator.log().unwrap_or_default())
            }
        }
    }

    /// Waits until the present generation of every `Auth0UserUpdate` was observed and this holds of it.
    pub async fn until_all(&self, what: &str, holds: impl Fn(&Value) -> bool) -> BTreeMap<String, Value> {
        let result = wait_until(what, DEADLINE, async || {
            let mut found = BTreeMap::new();
            let list = self.objects.get("auth0userupdates").await?;
            for object in list["items"].as_array().unwrap() {
                let name = object["metadata"]["name"].as_str().unwrap();
                if !is_observed(object) || !holds(object) {
                    return Err(format!("{name}: {}", object["status"]["conditions"]));
                }
                found.insert(name.to_owned(), object.clone());
            }
            Ok(found)
        })
        .await;
        result.unwrap_or_else(|error| panic!("{error}\n--- operator ---\n{}", self.operator.log().unwrap()))
    }
}

fn is_observed(object: &Value) -> bool {
    object["status"]["observedGeneration"] == object["metadata"]["generation"]
}
