//! Stands between the operator and the API server, so that the operator's words can get lost on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A relay of bytes that can fall silent in one direction and break off in the other. Ends with the test's runtime.
pub struct Proxy {
    kubeconfig: PathBuf,
    frozen: Arc<AtomicBool>,
    breaking: Arc<AtomicBool>,
    cut: Arc<Notify>,
}

impl Proxy {
    /// Relays to the API server of a kubeconfig; `path` is where the changed kubeconfig goes.
    pub async fn start(kubeconfig: &Path, server: &str, path: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = format!("https://{}", listener.local_addr().unwrap());
        let text = std::fs::read_to_string(kubeconfig).unwrap();
        assert!(text.contains(server));
        std::fs::write(&path, text.replace(server, &own)).unwrap();
        let (frozen, breaking) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let upstream = server.trim_start_matches("https://").to_owned();
        let cut = Arc::<Notify>::default();
        let switches = (Arc::clone(&frozen), Arc::clone(&breaking), Arc::clone(&cut));
        tokio::spawn(serve(listener, upstream, switches));
        Self { kubeconfig: path, frozen, breaking, cut }
    }

    /// For whoever is to go through the relay.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// From now on nothing reaches the API server, until it is let through again.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::SeqCst);
    }

    /// Ends every connection that is open.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    /// From now on what the API server answers gets lost, and the connection with it, until it is let through again.
    pub fn lose_answers(&self, lose: bool) {
        self.breaking.store(lose, Ordering::SeqCst);
    }
}

type Switches = (Arc<AtomicBool>, Arc<AtomicBool>, Arc<Notify>);

async fn serve(listener: TcpListener, upstream: String, (frozen, breaking, cut): Switches) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&upstream).await else { continue };
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let (frozen, breaking, cut) = (Arc::clone(&frozen), Arc::clone(&breaking), Arc::clone(&cut));
        tokio::spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            loop {
                let read = tokio::select! {
                    read = from_server.read(&mut bytes) => read,
                    () = cut.notified() => break,
                };
                let Ok(count @ 1..) = read else { break };
                if breaking.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
            }
        });
        tokio::spawn(async move {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                if !frozen.load(Ordering::SeqCst) && to_server.write_all(&bytes[..count]).await.is_err() {
                    break;
                }
            }
        });
    }
}
