//! Listening on the loopback until told to stop.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use super::api::router;
use super::connections::{self, Bounds};

/// Threads that read from disk; further requests wait for one of them.
const READERS: usize = 4;

/// What is shown.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The folder of all records.
    pub runs: PathBuf,
    /// The folder of the rendered reports.
    pub reports: PathBuf,
    /// Whether test results are shown although trials of the study have not ended; the study's record then says so.
    pub peek: bool,
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

/// Serves until `until` resolves. Blocks; one thread, and some that read from disk.
///
/// # Errors
/// [`ServeError::Server`] if the system refuses the listener.
pub fn serve(
    listener: TcpListener,
    folders: Folders,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    serve_within(Bounds::default(), listener, folders, until)
}

/// The same with other bounds of its connections.
pub(super) fn serve_within(
    bounds: Bounds,
    listener: TcpListener,
    folders: Folders,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(READERS)
        .enable_all()
        .build()
        .map_err(ServeError::Server)?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        connections::answer_all(listener, router(folders), bounds, until).await;
        Ok(())
    });
    runtime.shutdown_background();
    served.map_err(ServeError::Server)
}
