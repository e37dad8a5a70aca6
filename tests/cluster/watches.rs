//! Connections to the API server that die in silence.

use crate::world::{World, replace_operator};
use serde_json::json;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes bytes on to `server` until it is told to go silent: then nothing moves on what is open, and nothing
/// is closed. New connections work.
async fn proxy(server: String, silences: watch::Receiver<u32>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let (server, mut silences) = (server.clone(), silences.clone());
            silences.mark_unchanged();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = silences.changed() => std::future::pending::<()>().await,
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_watch_that_dies_in_silence_is_noticed_within_two_minutes() {
    let mut world = World::start("watch-silent").await;
    let server = world.plane.server().trim_start_matches("https://").to_owned();
    let (silence, silences) = watch::channel(0);
    let port = proxy(server.clone(), silences).await;
    let kubeconfig = world.plane.dir().join("watch-silent-kubeconfig");
    let text = std::fs::read_to_string(world.plane.kubeconfig()).unwrap();
    assert!(text.contains(&server), "{text}");
    std::fs::write(&kubeconfig, text.replace(&server, &format!("127.0.0.1:{port}"))).unwrap();
    replace_operator(&mut world, &kubeconfig, "info").await;
    world.apply(json!({"nickname": "before"})).await;
    world.until_ready("auth0userupdate/ann").await;

    silence.send(1).unwrap();
    world.apply(json!({"nickname": "after"})).await;
    let nickname = || world.sandbox.user("auth0|ann").unwrap()["nickname"].clone();
    let noticed = lab::wait_until("the edit", Duration::from_mins(2), async || {
        if nickname() == "after" { Ok(()) } else { Err(nickname()) }
    });
    noticed.await.unwrap();
}
