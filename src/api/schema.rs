//! Schema shapes that no Rust type can express.

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
