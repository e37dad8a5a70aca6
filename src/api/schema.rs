//! Schema shapes that no Rust type can express, and rules that several fields share.

use kube::core::Rule;
use schemars::{Schema, SchemaGenerator, json_schema};

/// A free-form map, atomic and not nullable: the one shape that Argo CD's and Flux's server-side
/// apply both carry without losing a change.
pub(super) fn free_form_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {"nullable": true, "x-kubernetes-preserve-unknown-fields": true},
        "x-kubernetes-map-type": "atomic",
    })
}

/// `Yes`, `No`, `true` or `false`, quoted or not. Without a type, because YAML dialects disagree on
/// what an unquoted `Yes` is.
pub(super) fn pass_empty_values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "enum": ["Yes", "No", "yes", "no", "true", "false", true, false],
        "x-kubernetes-preserve-unknown-fields": true,
    })
}

/// Anything at all. Status must never be refused for what Auth0 answered.
pub(super) fn anything(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"nullable": true, "x-kubernetes-preserve-unknown-fields": true})
}

/// A list of anything.
pub(super) fn list_of_anything(generator: &mut SchemaGenerator) -> Schema {
    let items = anything(generator);
    json_schema!({"type": "array", "items": items, "x-kubernetes-list-type": "atomic"})
}

/// The conditions of a status (`metav1.Condition`). Written here, because a schema of each of Kubernetes' own types nearly
/// doubles the time that they take to compile.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": {
                    "description": "Time of the last change of status.", "type": "string", "format": "date-time",
                },
                "message": {"description": "What happened and what to do.", "type": "string"},
                "observedGeneration": {
                    "description": "metadata.generation that the condition refers to.",
                    "type": "integer", "format": "int64",
                },
                "reason": {"description": "Cause as one CamelCase word, for programs.", "type": "string"},
                "status": {"description": "True, False or Unknown.", "type": "string"},
                "type": {"description": "Subject of the condition, such as Ready.", "type": "string"},
            },
        },
    })
}

/// What an object may be called. Names of Secrets become part of requests.
pub(super) fn dns_name() -> Rule {
    matches("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", "name must be a DNS name in lower case such as ann-password")
}

/// A pattern with a sentence: a schema pattern would answer with the regular expression alone.
pub(super) fn matches(pattern: &str, message: &str) -> Rule {
    Rule::new(format!("self.matches(r'{pattern}')")).message(message)
}
