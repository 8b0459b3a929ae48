//! Event files for TensorBoard: one per run, in `<out>/<study>/<arm>/seed-<seed>-<run>/`.
//!
//! The bytes depend on the record alone, so that an export made again changes no file. Scalars are single precision in
//! this format: exact values are in the tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::ExportError;
use super::series::{Point, points, unix_ms};
use super::tfevents::{
    Event, FILE_VERSION, HPARAMS_PLUGIN, HPARAMS_VERSION, HParam, HParamValue, HParams, PluginData, SESSION_END_TAG,
    SESSION_START_TAG, SessionEnd, SessionPart, SessionStart, SessionStatus, Summary, SummaryMetadata, SummaryValue,
    Tensor, Value, What, append,
};
use augtrial_base::disk::{self, Durability};
use augtrial_plan::arm::Role;
use augtrial_registry::{Registry, RegistryError, RunSummary, Status};

/// Writes an event file for each run, and gives the number of files that were written and of those that were so already.
///
/// # Errors
/// If a record is damaged, or a file cannot be written.
pub fn export_tensorboard(registry: &Registry, runs: &[RunSummary], out: &Path) -> Result<(usize, usize), ExportError> {
    let (mut written, mut unchanged) = (0, 0);
    for run in runs {
        let path = out.join(file_path(run)?);
        let bytes = event_file(run, &series_of(registry, run)?)?;
        if fs::read(&path).is_ok_and(|old| old == bytes) {
            unchanged += 1;
            continue;
        }
        let folder = path.parent().expect("the file is in a folder of its run");
        disk::create_folder(folder).map_err(RegistryError::io("create", folder))?;
        disk::replace_bytes(&path, &bytes, Durability::Now).map_err(RegistryError::io("write", &path))?;
        written += 1;
    }
    Ok((written, unchanged))
}

fn series_of(registry: &Registry, run: &RunSummary) -> Result<Vec<Point>, ExportError> {
    points(run.run, unix_ms(run.run, &run.created_at)?, &registry.events(run.run)?)
}

/// Where a run's file is, below the folder of the export. TensorBoard reads files with `tfevents` in their names.
fn file_path(run: &RunSummary) -> Result<PathBuf, ExportError> {
    for name in [&run.study, &run.arm] {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(ExportError::Name { run: run.run, name: name.clone() });
        }
    }
    let id = run.run.to_string();
    let secs = unix_ms(run.run, &run.created_at)? / 1000;
    let folder = format!("seed-{}-{}", run.seed, &id[..8]);
    Ok([&run.study, &run.arm, &folder, &format!("events.out.tfevents.{secs}.{id}")].iter().collect())
}

fn event_file(run: &RunSummary, points: &[Point]) -> Result<Vec<u8>, ExportError> {
    let start_secs = secs(unix_ms(run.run, &run.created_at)?);
    let mut file = Vec::new();
    append(
        &mut file,
        &Event { wall_time: start_secs, step: 0, what: Some(What::FileVersion(FILE_VERSION.to_owned())) },
    );
    append(&mut file, &session(start_secs, SESSION_START_TAG, SessionPart::Start(session_start(run, start_secs))));
    for point in points {
        let value = SummaryValue {
            tag: point.series.to_owned(),
            metadata: None,
            value: Some(Value::Simple(point.value as f32)),
        };
        append(&mut file, &summary(secs(point.at_ms), i64::from(point.step), value));
    }
    if let Some(ended_at) = &run.ended_at {
        let end_secs = secs(unix_ms(run.run, ended_at)?);
        let status = match run.status {
            Status::Finished => SessionStatus::Success,
            Status::Failed { .. } => SessionStatus::Failure,
            Status::Running | Status::Interrupted => SessionStatus::Unknown,
        };
        let end = SessionEnd { status: status.into(), end_time_secs: end_secs };
        append(&mut file, &session(end_secs, SESSION_END_TAG, SessionPart::End(end)));
    }
    Ok(file)
}

fn secs(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn summary(wall_time: f64, step: i64, value: SummaryValue) -> Event {
    Event { wall_time, step, what: Some(What::Summary(Summary { value: vec![value] })) }
}

/// What the design varies, as "hyperparameters": the columns to filter and group by.
fn session_start(run: &RunSummary, start_time_secs: f64) -> SessionStart {
    let role = match run.role {
        Role::Control => "control",
        Role::Treatment => "treatment",
    };
    let hparams = [
        ("arm", HParamValue::Text(run.arm.clone())),
        ("attempt", HParamValue::Number(run.attempt.into())),
        ("counts", HParamValue::Flag(run.counts)),
        ("protocol", HParamValue::Text(run.protocol.name().to_owned())),
        ("role", HParamValue::Text(role.to_owned())),
        ("seed", HParamValue::Number(run.seed as f64)),
        ("study", HParamValue::Text(run.study.clone())),
    ];
    let hparams: BTreeMap<_, _> =
        hparams.into_iter().map(|(name, value)| (name.to_owned(), HParam { kind: Some(value) })).collect();
    SessionStart { hparams, group_name: run.run.to_string(), start_time_secs }
}

fn session(wall_time: f64, tag: &str, session: SessionPart) -> Event {
    let content = prost::Message::encode_to_vec(&HParams { version: HPARAMS_VERSION, data: Some(session) });
    let plugin_data = PluginData { plugin_name: HPARAMS_PLUGIN.to_owned(), content };
    let value = SummaryValue {
        tag: tag.to_owned(),
        metadata: Some(SummaryMetadata { plugin_data: Some(plugin_data) }),
        value: Some(Value::Tensor(Tensor::nothing())),
    };
    summary(wall_time, 0, value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use augtrial_registry::testing::*;

    /// A golden file is the same bytes on every machine; `make test-tensorboard` has TensorBoard read such files.
    const GOLDEN: &[u8] = include_bytes!("../fixtures/tensorboard/plain-1.tfevents");

    fn exported(out: &Path) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![out.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        files
    }

    #[test]
    fn a_run_gives_the_bytes_of_the_golden_file() {
        let runs = tempfile::tempdir().unwrap();
        three_runs(runs.path());
        let registry = open(runs.path());
        let run = registry.runs_of(None).unwrap().into_iter().find(|run| run.status == Status::Finished).unwrap();
        // The run's id follows from the plan, which may gain fields; the file does not.
        let run = RunSummary { run: "00000000000000ff".parse().unwrap(), ..run };
        let events: Vec<_> =
            start_events().into_iter().chain((1..=EPOCHS).flat_map(epoch_events)).chain(end_events()).collect();
        let made = event_file(&run, &points(run.run, 0, &events).unwrap()).unwrap();
        if std::env::var_os("AUGTRIAL_BLESS").is_some() {
            fs::write("tests/fixtures/tensorboard/plain-1.tfevents", &made).unwrap();
        }
        assert!(made == GOLDEN, "the bytes changed; if on purpose, run this test with AUGTRIAL_BLESS=1");
        let path = file_path(&run).unwrap();
        let name = "demo/plain/seed-1-00000000/events.out.tfevents.1769860801.00000000000000ff";
        assert_eq!(path, Path::new(name));
    }

    #[test]
    fn an_export_made_again_writes_nothing_and_one_after_more_epochs_only_that_run() {
        let folder = tempfile::tempdir().unwrap();
        let (runs_dir, out) = (folder.path().join("runs"), folder.path().join("tb"));
        let [.., lost] = three_runs(&runs_dir);
        let registry = open(&runs_dir);
        let export = || export_tensorboard(&registry, &registry.runs_of(Some("demo")).unwrap(), &out).unwrap();
        assert_eq!(export(), (3, 0));
        let before: Vec<_> = exported(&out).into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
        assert_eq!(export(), (0, 3));
        let mut guard = resume(&registry, lost).unwrap();
        record_all(&mut guard, &start_events());
        train(&mut guard, 1, 1);
        assert_eq!(export(), (1, 2));
        let grown: Vec<_> = before.iter().filter(|(bytes, path)| fs::read(path).unwrap() != *bytes).collect();
        let [(bytes, path)] = grown.as_slice() else { panic!("{grown:?}") };
        assert!(path.to_string_lossy().contains(&lost.to_string()));
        assert!(fs::read(path).unwrap().starts_with(bytes), "a grown file begins as before");
    }

    #[test]
    fn a_name_from_a_tampered_record_becomes_no_path() {
        let runs = tempfile::tempdir().unwrap();
        three_runs(runs.path());
        let run = open(runs.path()).runs_of(None).unwrap().remove(0);
        for arm in ["../up", "", "a/b", "A"] {
            let tampered = RunSummary { arm: arm.to_owned(), ..run.clone() };
            assert!(matches!(file_path(&tampered), Err(ExportError::Name { .. })), "{arm}");
        }
    }
}
