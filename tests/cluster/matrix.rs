//! The matrix: every field of the spec, with every value and blank that a person may write, under Yes and
//! under No, by every way into the cluster. Each cell has a resource and a user of its own; what Auth0 received
//! and holds afterwards is compared with what two small tables say: `way` (what arrives in the cluster) and
//! `meaning` (what that means to Auth0).

mod cell;
mod field;
mod meaning;
mod play;
mod send;
mod way;
mod wish;

use play::play;
use way::Way;

#[tokio::test]
async fn whatever_is_created() {
    play("matrix-creates", &[Way::Create, Way::ApplyCreate, Way::ServerSideCreate]).await;
}

#[tokio::test]
async fn whatever_is_applied_again() {
    play("matrix-applies", &[Way::ApplyUpdate, Way::ServerSideUpdate]).await;
}

#[tokio::test]
async fn whatever_is_replaced() {
    play("matrix-replaces", &[Way::Replace, Way::JsonPatch]).await;
}

#[tokio::test]
async fn whatever_is_merged() {
    play("matrix-merges", &[Way::MergePatch]).await;
}
