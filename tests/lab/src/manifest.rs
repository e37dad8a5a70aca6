use serde_json::{Value, json};

/// The label that says what the operator may use a Secret for.
pub const USE_LABEL: &str = "auth0-user-operator.dev/use";

/// A Secret with these texts, for a tenant where there is a `clientId` among them, else for passwords.
#[must_use]
pub fn secret(name: &str, texts: &Value) -> Value {
    let use_ = if texts.get("clientId").is_some() { "credentials" } else { "password" };
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name, "labels": {USE_LABEL: use_}}, "stringData": texts,
    })
}
