//! Reads what is in the cluster, and waits until it is as expected.

use super::{DEADLINE, World, condition};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use lab::wait_until;
use serde_json::Value;
use std::collections::BTreeMap;

impl World {
    /// The `Auth0UserUpdate`s of the namespace, without kubectl.
    pub fn updates(&self) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("auth0-user-operator.dev", "v1alpha1", "Auth0UserUpdate");
        Api::namespaced_with(self.kubernetes.clone(), &self.namespace, &ApiResource::from_gvk(&kind))
    }

    /// Reads an object, such as `auth0userupdate/ann`, or all of a kind, without a kubectl for the operator's own.
    pub async fn read(&self, target: &str) -> Result<Value, String> {
        let (kind, name) = target.split_once('/').unwrap_or((target, ""));
        let plural = match kind {
            "auth0userupdate" | "auth0userupdates" | "a0uu" => "auth0userupdates",
            "auth0tenant" | "a0ut" => "auth0tenants",
            _ => return self.kubectl.get(target).await.map_err(|error| error.to_string()),
        };
        let path =
            format!("/apis/auth0-user-operator.dev/v1alpha1/namespaces/{}/{plural}/{name}", self.namespace);
        let request = http::Request::get(path.trim_end_matches('/')).body(Vec::new()).unwrap();
        self.kubernetes.request(request).await.map_err(|error| error.to_string())
    }

    /// For those who wait: kubectl costs too much to look often, and has the last word, so that what the operator tells
    /// right after a status, such as an event, is there, too.
    async fn read_for(&self, target: &str, by_kubectl: bool) -> Result<Value, String> {
        if by_kubectl {
            return self.kubectl.get(target).await.map_err(|error| error.to_string());
        }
        self.read(target).await
    }

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
            let mut object = Value::Null;
            for by_kubectl in [false, true] {
                object = self.read_for(name, by_kubectl).await?;
                if !is_observed(&object) || !holds(&object) {
                    return Err(object["status"].to_string());
                }
            }
            Ok(object)
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
            for by_kubectl in [false, true] {
                let list = self.read_for("auth0userupdates", by_kubectl).await?;
                for object in list["items"].as_array().unwrap() {
                    let name = object["metadata"]["name"].as_str().unwrap();
                    if !is_observed(object) || !holds(object) {
                        return Err(format!("{name}: {}", object["status"]["conditions"]));
                    }
                    found.insert(name.to_owned(), object.clone());
                }
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
