//! The dashboard: what the registry holds and what is running, in a browser on this machine.
//!
//! It listens on the loopback only, answers `GET` and `HEAD` only, and opens the registry for reading only. A request for
//! any host but `localhost` or `127.0.0.1` is refused: a page elsewhere could otherwise reach it through a name that it
//! made resolve to this machine (DNS rebinding).
//!
//! | path | answer |
//! |---|---|
//! | `/` | the page; its files are below `/assets/` |
//! | `/api/studies` | `{studies: [{study, arms, seeds, trials: {finished, running, lost, failed, planned}, last_run_at, reports, problem}]}` |
//! | `/api/studies/{study}` | `{study, plan, protocol, synthetic, seeds, arms: [{arm, role, trials: [trial]}], reports}`; a trial is `{seed, state, run, attempts, epochs, total_epochs, validation_top1, test_top1, elapsed_secs, reason}` |
//! | `/api/studies/{study}/curves?metric=top1\|loss_nats&split=train\|validation&x=epoch\|updates` | `{arms: [{arm, runs: [{seed, run, state, x, y}], mean: {x, y}}]}`; the mean is over finished runs, of two or more, where all have a value |
//! | `/api/runs/{run}` | header, status, state, epochs, provenance and plan of one run, by its whole id |
//! | `/reports/{study}/{file}` | rendered reports |
//!
//! Every answer has an `ETag`; with it in `If-None-Match` the answer is 304 without a body, so that polling costs little.
//! What is wrong is `{error}` with a status of 400 or above.

mod answer;
mod api;
mod curves;
mod guard;
mod reports;
mod server;
#[cfg(test)]
mod tests;
mod view;

pub use server::{Folders, ServeError, bind, serve};
