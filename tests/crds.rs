//! `crds/*.yaml` say what the Rust types say.

use std::path::Path;

#[test]
fn the_committed_crds_are_current() {
    for crd in auth0_user_operator::api::crds() {
        let name = &crd.spec.names.plural;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("crds/{name}.yaml"));
        let current = serde_saphyr::to_string(&crd).unwrap();
        if std::env::var_os("UPDATE_CRDS").is_some() {
            std::fs::write(&path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == current, "crds/{name}.yaml is stale: refresh it with `make crds`");
    }
}
