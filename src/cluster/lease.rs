//! Works only while holding a lease, so that of several replicas one works.

use crate::telemetry::health::Probes;
use k8s_controller::LeaderElection;
use kube::Client;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Which lease, and who wants it.
pub struct Candidacy {
    /// Where the lease lives.
    pub namespace: String,
    /// Its name: another one for each release and each set of watched namespaces.
    pub lease: String,
}

/// Another replica holds the lease, or it could not be renewed. The process should end: its successor works.
#[derive(Debug, thiserror::Error)]
#[error("lost the lease; exiting, so that only one replica is active")]
pub struct Lost;

/// Waits for the lease and does `work` while holding it. The lease is given back when `work` ends, so a shutdown
/// hands over at once. A candidate that is shut down before it leads does nothing.
///
/// # Errors
/// [`Lost`]. What `work` was doing was cut off then.
pub async fn lead(
    client: Client,
    candidacy: &Candidacy,
    probes: &Probes,
    shutdown: impl Future<Output = ()>,
    work: impl Future<Output = ()>,
) -> Result<(), Lost> {
    let election = LeaderElection::new(client, &candidacy.namespace, &candidacy.lease, &identity());
    let leads = AtomicBool::new(false);
    // Ready to take over, which is all that a rollout waits for.
    probes.set_ready(true);
    let work = async {
        leads.store(true, Ordering::Relaxed);
        // From here on, ready is who has listed everything.
        probes.set_ready(false);
        probes.metrics.set_leader(true);
        work.await;
    };
    let never_led = async {
        shutdown.await;
        if leads.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        led = election.with_lease(work) => led.ok_or(Lost),
        () = never_led => Ok(()),
    }
}

/// The pod's name, and the time, so that a restarted container is another candidate.
fn identity() -> String {
    let pod = std::env::var("HOSTNAME").unwrap_or_else(|_| "auth0-user-operator".to_owned());
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("{pod}-{}-{started}", std::process::id())
}
