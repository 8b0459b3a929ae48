//! What can go wrong in an export.

use std::path::PathBuf;

use augtrial_registry::{RegistryError, RunId};

/// An error of an export. What concerns a server names its address, what concerns a file its path.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("cannot export to `{}`", path.display())]
    Table { path: PathBuf, source: augtrial_tables::FrameError },
    #[error("run {run} has the time `{text}`, which is not RFC 3339: its record is damaged")]
    Time { run: RunId, text: String },
    #[error("run {run} has the name `{name}`, which cannot be a folder: its record is damaged")]
    Name { run: RunId, name: String },

    #[error("`{uri}` is no address of an MLflow server: expected e.g. http://127.0.0.1:5000")]
    Uri { uri: String },
    #[error("`{uri}` needs TLS, which this augtrial is built without: use http, for a remote server through a tunnel")]
    Tls { uri: String },
    #[error("no server answers at {uri}: start one with `mlflow server`, or correct --uri")]
    NoServer { uri: String, source: Box<ureq::Error> },
    #[error("{uri} broke off {call}: export again to continue")]
    BrokenOff { uri: String, call: &'static str, source: Box<ureq::Error> },
    #[error("{uri} answered {call} with status {status}, not as an MLflow server does; correct --uri")]
    NotMlflow { uri: String, call: &'static str, status: u16 },
    #[error("the MLflow server at {uri} refused {call}: {code}: {message}")]
    Refused { uri: String, call: &'static str, code: String, message: String },
    #[error(
        "the experiment `{name}` was deleted on {uri}: restore it there with `mlflow experiments restore`, \
         or remove it for good with `mlflow gc`"
    )]
    DeletedExperiment { uri: String, name: String },
}
