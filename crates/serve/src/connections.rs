//! Connections: how many are open at once, and how long each may take.
//!
//! A client that sends half a request, reads a byte a second, or opens connections and leaves them idle gets no more than
//! these bounds. Whoever comes when all connections are taken waits for one to end.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

/// How long answers under way are waited for when a connection or the server ends.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait before accepting again when the system gives no connection, such as without a free file descriptor.
const PAUSE: Duration = Duration::from_secs(1);
/// Bytes that a request's line and headers may take, and that a connection keeps in memory beside its answer.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections that are open at once.
    pub connections: usize,
    /// From the end of one request, or the connection's start, to the end of the next request's headers.
    pub request: Duration,
    /// From a connection's start to its end. A browser opens another without a word.
    pub connection: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { connections: 64, request: Duration::from_secs(10), connection: Duration::from_mins(1) }
    }
}

/// Accepts and answers until `until` resolves; answers under way are then waited for, [`GRACE`] long.
pub(super) async fn answer_all(
    listener: TcpListener,
    router: Router,
    bounds: Bounds,
    until: impl Future<Output = ()> + Send,
) {
    let free = Arc::new(Semaphore::new(bounds.connections));
    let (end, ended) = watch::channel(());
    let mut until = pin!(until);
    loop {
        let accepted = async {
            let permit = Arc::clone(&free).acquire_owned().await.expect("the semaphore is never closed");
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            () = &mut until => break,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let answered = answer(stream, router.clone(), bounds, ended.clone());
                tokio::spawn(async move {
                    answered.await;
                    drop(permit);
                });
            }
            Err(error) if is_of_the_client(&error) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
    drop(end);
    let all = u32::try_from(bounds.connections).unwrap_or(u32::MAX);
    let _answers_that_take_longer_are_cut = timeout(GRACE, free.acquire_many(all)).await;
}

/// Answers the requests of one connection. What goes wrong with it concerns its client alone.
async fn answer(stream: TcpStream, router: Router, bounds: Bounds, mut ended: watch::Receiver<()>) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.request)
        .max_buf_size(MAX_BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        _ = &mut connection => return,
        () = sleep(bounds.connection) => {}
        // The sender is dropped at the end.
        _ = ended.changed() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _cut = timeout(GRACE, connection).await;
}

/// Whether a client went away before it was accepted.
fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
