//! Listening on the loopback until told to stop.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::api::router;

/// How long answers under way are waited for at the end.
const GRACE: Duration = Duration::from_secs(2);

/// What is shown.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The folder of all records.
    pub runs: PathBuf,
    /// The folder of the rendered reports.
    pub reports: PathBuf,
}

/// The dashboard cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("cannot listen on 127.0.0.1:{port}: choose another with --port")]
    Bind { port: u16, source: io::Error },
    #[error("the dashboard's server failed")]
    Server(#[source] io::Error),
}

/// Takes a port of the loopback; 0 takes any that is free.
///
/// # Errors
/// [`ServeError::Bind`] if the port is taken.
pub fn bind(port: u16) -> Result<TcpListener, ServeError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    listener
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| ServeError::Bind { port, source })
}

/// Answers until `until` is there. Blocks; one thread, and some that read from disk.
///
/// # Errors
/// [`ServeError::Server`] if the system gives no more connections.
pub fn serve(
    listener: TcpListener,
    folders: Folders,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Server)?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stopping = Arc::new(Notify::new());
        let told = Arc::clone(&stopping);
        let stop = async move {
            until.await;
            told.notify_one();
        };
        let server = axum::serve(listener, router(folders)).with_graceful_shutdown(stop);
        tokio::select! {
            served = server => served,
            () = async { stopping.notified().await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    });
    runtime.shutdown_background();
    served.map_err(ServeError::Server)
}
