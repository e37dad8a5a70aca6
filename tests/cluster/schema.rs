//! What the API server refuses and admits by schema and CEL.
