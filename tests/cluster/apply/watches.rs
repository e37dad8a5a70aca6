//! Connections to the API server that die in silence, and that break.

use crate::run::operations::{address, get};
use crate::world::{DEADLINE, World, replace_operator};
use serde_json::json;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to connections.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Nothing moves on what is open, and nothing is closed. New ones work.
    Silence,
    /// They are closed, and so are new ones.
    Refusal,
    None,
}

/// Passes bytes on to `server` until it is told of a fault.
async fn proxy(server: String, faults: watch::Receiver<Fault>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, mut faults) = (server.clone(), faults.clone());
            if *faults.borrow_and_update() == Fault::Refusal {
                continue;
            }
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = faults.changed() => {
                        if *faults.borrow() == Fault::Silence {
                            std::future::pending::<()>().await;
                        }
                    }
                }
            });
        }
    });
    port
}

/// A world whose operator reaches Kubernetes through a proxy, and what puts faults in.
async fn behind_proxy(name: &str) -> (World, watch::Sender<Fault>) {
    let mut world = World::start(name).await;
    let server = world.plane.server().trim_start_matches("https://").to_owned();
    let (fault, faults) = watch::channel(Fault::None);
    let port = proxy(server.clone(), faults).await;
    let kubeconfig = world.plane.dir().join(format!("{name}-kubeconfig"));
    let text = std::fs::read_to_string(world.plane.kubeconfig()).unwrap();
    assert!(text.contains(&server), "{text}");
    std::fs::write(&kubeconfig, text.replace(&server, &format!("127.0.0.1:{port}"))).unwrap();
    replace_operator(&mut world, &kubeconfig, "info").await;
    world.apply(json!({"nickname": "before"})).await;
    world.until_ready("auth0userupdate/ann").await;
    (world, fault)
}

#[tokio::test]
async fn a_watch_that_dies_in_silence_is_noticed_within_two_minutes() {
    let (world, fault) = behind_proxy("watch-silent").await;
    fault.send(Fault::Silence).unwrap();
    world.apply(json!({"nickname": "after"})).await;
    let nickname = || world.sandbox.user("auth0|ann").unwrap()["nickname"].clone();
    let noticed = lab::wait_until("the edit", Duration::from_mins(2), async || {
        if nickname() == "after" { Ok(()) } else { Err(nickname()) }
    });
    noticed.await.unwrap();
}

#[tokio::test]
async fn watches_that_break_are_counted_and_begun_anew() {
    let (world, fault) = behind_proxy("watch-broken").await;
    let address = address(&world.operator).await;
    let unbroken = |kind: &str| format!("auth0_user_operator_watch_errors_total{{kind=\"{kind}\"}} 0\n");
    let unbroken = ["Auth0UserUpdate", "Auth0Tenant"].map(unbroken);
    let (_, metrics) = get(&address, "/metrics").await;
    assert!(unbroken.iter().all(|line| metrics.contains(line)), "{metrics}");
    fault.send(Fault::Refusal).unwrap();
    let counted = lab::wait_until("broken watches", DEADLINE, async || {
        let (_, metrics) = get(&address, "/metrics").await;
        if unbroken.iter().any(|line| metrics.contains(line)) { Err(metrics) } else { Ok(()) }
    });
    counted.await.unwrap();
    fault.send(Fault::None).unwrap();
    world.apply(json!({"nickname": "after"})).await;
    world.until_ready("auth0userupdate/ann").await;
    assert_eq!(world.sandbox.user("auth0|ann").unwrap()["nickname"], "after");
}
