//! Accepts connections and reads requests.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::admin;
use super::exchange::exchange;
use super::message::{Payload, Received};
use crate::state::Shared;

/// Auth0's limit for a request body; the admin side takes more, for users and answers beyond all limits.
const MEGABYTE: usize = 1_048_576;

/// Serves until it is dropped; its connections end with it.
pub(crate) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, shared: Shared) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, acceptor.clone(), shared.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either side ends it or a fault cuts it.
async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Shared) {
    let _ = stream.set_nodelay(true);
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let cut = Arc::new(Notify::new());
    let service = service_fn(|request| {
        let (shared, cut) = (shared.clone(), cut.clone());
        async move { respond(request, shared, &cut).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // A search may be longer than what HTTP/2 admits by default, and is to be refused as Auth0 does.
    builder.http2().max_header_list_size(1 << 20);
    tokio::select! {
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = cut.notified() => {}
    }
}

async fn respond(
    request: Request<Incoming>,
    shared: Shared,
    cut: &Notify,
) -> Result<Response<Payload>, Infallible> {
    let response = match received(request).await {
        Some(received) => answered(received, shared).await,
        None => None,
    };
    let Some(response) = response else {
        cut.notify_one();
        return std::future::pending().await;
    };
    Ok(response)
}

/// A task of its own, because Auth0 goes on with a request whose client has given up.
async fn answered(received: Received, shared: Shared) -> Option<Response<Payload>> {
    let (reply, response) = oneshot::channel();
    tokio::spawn(async move {
        let response = exchange(&shared, received, || reply.is_closed()).await;
        let _ = reply.send(response);
    });
    response.await.ok().flatten()
}

/// A request, or `None` where its sender went away before it was whole: Auth0 never acts on half a body.
async fn received(request: Request<Incoming>) -> Option<Received> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let limit = if path.starts_with(admin::PREFIX) { 16 * MEGABYTE } else { MEGABYTE };
    let bytes = match Limited::new(body, limit).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => None,
        Err(_) => return None,
    };
    let over_http2 = head.version == Version::HTTP_2;
    Some(Received { method: head.method.to_string(), path, headers, over_http2, bytes })
}
