//! `augtrial serve`.

use clap::Args;
use tokio::signal;

use super::CliError;
use super::args::Global;
use super::output::line;
use augtrial_base::clock::Clock;
use augtrial_registry::Registry;
use augtrial_serve::{Folders, bind, serve as serve_until};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Port of 127.0.0.1; 0 takes any that is free.
    #[arg(long, default_value_t = 8642)]
    pub(super) port: u16,
    /// Show test results before all trials of a study have ended. The study's report then says that somebody looked.
    #[arg(long)]
    pub(super) peek: bool,
}

pub(super) fn serve(args: &ServeArgs, global: &Global) -> Result<(), CliError> {
    // Brings the index up to date once; from here on it is only read.
    drop(Registry::open(&global.runs, Clock::System)?);
    let listener = bind(args.port)?;
    let port = listener.local_addr().map_or(args.port, |address| address.port());
    line(format_args!("dashboard: http://127.0.0.1:{port} (Ctrl-C stops it)"))?;
    let folders = Folders { runs: global.runs.clone(), reports: global.reports.clone(), peek: args.peek };
    serve_until(listener, folders, stopped())?;
    Ok(())
}

/// SIGINT or, where there is such a thing, SIGTERM.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    if signal::ctrl_c().await.is_err() {
        // Without a way to be told, it runs until it is killed.
        std::future::pending::<()>().await;
    }
}
