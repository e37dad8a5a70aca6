//! What a CRD that is older than the operator does not keep of a status. Pure.

use crate::api::Auth0UserUpdateStatus;
use crate::api::reason::{Failure, Reason};
use serde_json::{Map, Value};

/// A status of which the API server has kept a part only.
#[derive(Clone, Debug, PartialEq)]
pub struct Pruned {
    fields: Vec<String>,
    status: Box<Auth0UserUpdateStatus>,
}

impl Pruned {
    /// Compares what was written with what was kept. Nothing depends on outputs and on the column, and nulls are seen to
    /// where they are written.
    #[must_use]
    pub fn of(written: Auth0UserUpdateStatus, kept: &Auth0UserUpdateStatus) -> Option<Self> {
        if written == *kept {
            return None;
        }
        let relied_on = |status| Auth0UserUpdateStatus {
            user: None,
            raw_output: None,
            reason: None,
            explicit_nulls: Vec::new(),
            ..status
        };
        let (status, kept) = (relied_on(written), fields(&relied_on(kept.clone())));
        let lost = fields(&status).into_iter().filter(|(field, value)| kept.get(field) != Some(value));
        let fields: Vec<String> = lost.map(|(field, _)| format!("status.{field}")).collect();
        (!fields.is_empty()).then_some(Self { fields, status: Box::new(status) })
    }

    /// A status with what was not kept, as far as requests depend on it.
    #[must_use]
    pub fn onto(&self, status: Auth0UserUpdateStatus) -> Auth0UserUpdateStatus {
        let Auth0UserUpdateStatus { last_handled_reconcile_at, refused_fields, not_persisted, .. } =
            Auth0UserUpdateStatus::clone(&self.status);
        Auth0UserUpdateStatus { last_handled_reconcile_at, refused_fields, not_persisted, ..status }
    }

    /// Why nothing is sent until it is kept.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let fields = self.fields.join(", ");
        crd_outdated(&fields, "values that Auth0 rejected or did not store could be sent repeatedly")
    }
}

fn fields(status: &Auth0UserUpdateStatus) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// The API server does not keep this part of a status.
#[must_use]
pub fn crd_outdated(field: &str, so: &str) -> Failure {
    let message =
        format!("the installed CRD drops {field}, so {so}: apply the CRDs of this operator version");
    Failure::new(Reason::CrdOutdated, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn what_is_not_kept_is_named_and_comes_back_onto_a_later_status() {
        let refused = json!([{"field": "name", "reason": "InvalidRequest", "since": "2024-01-01T00:00:00Z"}]);
        let status = |value: Value| from_value::<Auth0UserUpdateStatus>(value).unwrap();
        let written = json!({"refusedFields": refused, "lastHandledReconcileAt": "1", "user": {"name": "A"}, "reason": "Applied"});
        let of = |kept: Value| Pruned::of(status(written.clone()), &status(kept));
        assert_eq!(of(written.clone()), None);
        assert_eq!(
            of(json!({"refusedFields": refused, "lastHandledReconcileAt": "1"})),
            None,
            "what is shown only"
        );
        let pruned = of(json!({"lastHandledReconcileAt": "1"})).unwrap();
        assert_eq!(pruned.fields, ["status.refusedFields"]);
        assert_eq!(pruned.failure().reason, Reason::CrdOutdated);
        let later = pruned.onto(status(json!({"observedGeneration": 3})));
        let expected =
            json!({"observedGeneration": 3, "refusedFields": refused, "lastHandledReconcileAt": "1"});
        assert_eq!(later, status(expected));
        // A part of an entry.
        let of_part =
            |word: &str| json!({"triggers": [{"name": "n", "state": "Sent", "digest": word, "keyId": "k"}]});
        let pruned = Pruned::of(status(of_part("a")), &status(of_part("b"))).unwrap();
        assert_eq!(pruned.fields, ["status.triggers"]);
    }
}
