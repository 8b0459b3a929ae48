//! The dashboard: what the registry holds and what is running, in a browser on this machine.
//!
//! It listens on the loopback only, answers `GET` and `HEAD` only, and opens the registry for reading only. A request for
//! any host but `localhost` or `127.0.0.1` is refused: a page elsewhere could otherwise reach it through a name that it
//! made resolve to this machine (DNS rebinding).
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page; its files are below `/assets/` |
//! | `/api/studies` | `{studies: [{study, arms, seeds, trials: {finished, running, interrupted, failed, planned}, last_run_at, reports, problem}]}` |
//! | `/api/studies/{study}` | `{study, plan, protocol, synthetic, seeds, unfinished, hidden, arms: [{arm, role, trials: [trial]}], reports}`; a trial is `{seed, state, run, attempts, epochs, total_epochs, validation_top1, test_top1, elapsed_secs, reason}` |
//! | `/api/studies/{study}/curves?measure=accuracy\|loss&part=train\|validation` | `augtrial_web::Curves`: every seed, and the mean over finished runs, of two or more, where all have a value |
//! | `/api/runs/{run}` | header, status, state, epochs, provenance and plan of one run, by its whole id |
//! | `/reports/{study}/{file}` | rendered reports |
//!
//! While trials of a study have not ended, answers hold no result on the test split, unless [`Folders::peek`] asks for them; the
//! study's record then says so, and its report.
//!
//! Every answer has an `ETag`; with it in `If-None-Match` the answer is 304 without a body, so that polling costs little.
//! Connections are bounded in number and time, so that slow and idle clients cost a bounded amount of memory and of open
//! files (`connections.rs`).
//! What is wrong is `{error}` with a status of 400 or above.

mod answer;
mod api;
mod connections;
mod curves;
mod guard;
mod reports;
mod server;
#[cfg(test)]
mod tests;
mod view;

pub use server::{Folders, ServeError, bind, serve};
