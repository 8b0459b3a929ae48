//! What can go wrong with the record of runs.

use std::io;
use std::path::{Path, PathBuf};

use super::holder::Holder;
use super::id::RunId;
use augtrial_base::disk;
use augtrial_base::progress::human_duration;
use augtrial_base::words::plural;
use augtrial_plan::PlanError;

/// An error of the registry. Every variant that concerns a file names it.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("cannot {action} `{}`", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not a valid record: remove the folder or restore it from a backup", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("`{}` is missing: every record has it; restore it from a backup, or remove the folder", path.display())]
    Missing { path: PathBuf },
    #[error("line {line} of `{}` is not a valid record: only the last line may be torn", path.display())]
    JsonLine { path: PathBuf, line: usize, source: serde_json::Error },
    #[error("`{}` holds record format {found}, this augtrial knows up to {known}: use a newer augtrial", path.display())]
    NewerFormat { path: PathBuf, found: u32, known: u32 },
    #[error("`{}` names run {found}, not the run of its folder: the folder was renamed or copied", path.display())]
    WrongFolder { path: PathBuf, found: RunId },
    #[error(
        "the picture `{}` was changed since it was recorded: restore it, or run the study again to choose it anew",
        path.display()
    )]
    Picture { path: PathBuf },
    #[error("cannot take in `{}`: {problem}", path.display())]
    Archive { path: PathBuf, problem: String },
    #[error("`{}` is not an archive of records, so it is not replaced: give another name, or remove the file", path.display())]
    InTheWay { path: PathBuf },
    #[error("run {run} is set aside, and counts for nothing: {problem}")]
    Damaged { run: RunId, problem: String },
    #[error("a number of this event is not finite and cannot be recorded: {event}")]
    NotFinite { event: String },
    #[error("run {run}: an earlier write to its record failed; resume it after the cause is removed")]
    Broken { run: RunId },

    #[error("the index `{}` failed; if it is damaged, `augtrial runs reindex` rebuilds it from the run folders", path.display())]
    Index { path: PathBuf, source: rusqlite::Error },
    #[error(
        "the index `{}` has schema {found}, this augtrial knows up to {known}: \
         use a newer augtrial, or rebuild it with `augtrial runs reindex`",
        path.display()
    )]
    NewerIndex { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the index `{}` has schema {found}, this augtrial reads {known}: \
         `augtrial runs list` brings it up to date",
        path.display()
    )]
    OlderIndex { path: PathBuf, found: i64, known: i64 },
    #[error("`{}` is in use: reindex when no study is running", path.display())]
    InUse { path: PathBuf },

    #[error("run {run} is running in another process{}", holder.as_ref().map_or_else(String::new, |holder| format!(": {holder}")))]
    Running { run: RunId, holder: Option<Holder> },
    #[error(
        "run {run} was taken over by another process, since this one was silent for {}; it writes nothing more",
        human_duration(disk::SILENCE)
    )]
    TakenOver { run: RunId },
    #[error("run {run} has {status} and cannot be resumed: run the trial again for a new attempt")]
    Ended { run: RunId, status: &'static str },
    #[error("run {run} cannot be closed as finished: {missing}")]
    NotFinished { run: RunId, missing: &'static str },

    #[error("there are no runs yet: `augtrial run <experiment.toml>` makes some")]
    NoRuns,
    #[error("`{name}` names no run{}", did_you_mean(nearest))]
    UnknownRun { name: String, nearest: Vec<String> },
    #[error("`{name}` names several runs: {}", candidates.join(", "))]
    AmbiguousRun { name: String, candidates: Vec<String> },
    /// What was kept of a study's plan is no plan.
    #[error("the plan that was kept of the study `{study}` cannot be read: run the study again")]
    KeptPlan {
        study: String,
        #[source]
        source: Box<PlanError>,
    },
    #[error("there is no study `{name}`{}", did_you_mean(nearest))]
    UnknownStudy { name: String, nearest: Vec<String> },
    #[error("`{name}` begins the digests of several plans: {}", candidates.join(", "))]
    AmbiguousPlan { name: String, candidates: Vec<String> },
    #[error("`{0}` is not the name of a study: expected lower-case letters, digits and hyphens")]
    StudyName(String),

    #[error("the query failed")]
    Query { source: rusqlite::Error },
    #[error("the query gives no columns: ask for some, e.g. `select arm, seed, test_top1 from runs`")]
    EmptyQuery,
    #[error("the query took longer than {} and was stopped: ask for less, or raise `--secs`", plural(*secs as usize, "second"))]
    QueryTime { secs: u64 },
    #[error("the query gives more than {}: add a `limit`, or raise `--rows`", plural(*rows, "row"))]
    QueryRows { rows: usize },
    #[error("the query needs more than {megabytes} MB of memory: ask for less, or add a `limit`")]
    QueryMemory { megabytes: usize },
    #[error("only queries that read are allowed: {what}")]
    NotReadOnly { what: String },
}

impl RegistryError {
    /// For `map_err`: an I/O error of doing `action` to `path`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// Whether the record itself is wrong, and not the system that it is read from: such a run is set aside, and everything
    /// else goes on.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Json { .. }
            | Self::Missing { .. }
            | Self::JsonLine { .. }
            | Self::NewerFormat { .. }
            | Self::WrongFolder { .. }
            | Self::Damaged { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::InvalidData,
            _ => false,
        }
    }

    /// For `map_err`: the content of `path` is not what it should be.
    pub(super) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Json { path: path.to_owned(), source }
    }
}

/// Observers speak `io::Error`; the kind survives, so that a caller can still tell a full disk.
impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::Io { source, .. } => source.kind(),
            RegistryError::NotFinite { .. } => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

fn did_you_mean(nearest: &[String]) -> String {
    if nearest.is_empty() {
        "; `augtrial runs list` shows those that there are".to_owned()
    } else {
        format!("; nearest: {}", nearest.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_where_and_what_to_do() {
        let run: RunId = "00000000000000ff".parse().unwrap();
        let path = PathBuf::from("runs/trials/00000000000000ff/done.json");
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let holder = Holder { pid: 7, leader: 1, host: "bench".into(), since: "2026-01-31T12:00:00.000Z".into() };
        let messages = [
            RegistryError::Running { run, holder: Some(holder) }.to_string(),
            RegistryError::Missing { path: path.clone() }.to_string(),
            RegistryError::Io { action: "write", path: path.clone(), source: full() }.to_string(),
            RegistryError::NewerIndex { path: "runs/registry.sqlite".into(), found: 9, known: 1 }.to_string(),
            RegistryError::NewerFormat { path, found: 2, known: 1 }.to_string(),
            RegistryError::UnknownRun { name: "lates".into(), nearest: vec!["latest".into()] }.to_string(),
            RegistryError::UnknownRun { name: "zz".into(), nearest: vec![] }.to_string(),
            RegistryError::AmbiguousRun { name: "0".into(), candidates: vec!["00".into(), "01".into()] }.to_string(),
            RegistryError::Ended { run, status: "failed" }.to_string(),
            RegistryError::InTheWay { path: "thesis.tar.zst".into() }.to_string(),
        ];
        insta::assert_snapshot!(messages.join("\n"), @r"
        run 00000000000000ff is running in another process: process 7 on bench, since 2026-01-31T12:00:00.000Z
        `runs/trials/00000000000000ff/done.json` is missing: every record has it; restore it from a backup, or remove the folder
        cannot write `runs/trials/00000000000000ff/done.json`
        the index `runs/registry.sqlite` has schema 9, this augtrial knows up to 1: use a newer augtrial, or rebuild it with `augtrial runs reindex`
        `runs/trials/00000000000000ff/done.json` holds record format 2, this augtrial knows up to 1: use a newer augtrial
        `lates` names no run; nearest: latest
        `zz` names no run; `augtrial runs list` shows those that there are
        `0` names several runs: 00, 01
        run 00000000000000ff has failed and cannot be resumed: run the trial again for a new attempt
        `thesis.tar.zst` is not an archive of records, so it is not replaced: give another name, or remove the file
        ");
    }

    #[test]
    fn a_full_disk_stays_recognizable_behind_an_observer() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = RegistryError::Io { action: "append to", path: "events.jsonl".into(), source };
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::StorageFull);
    }
}
