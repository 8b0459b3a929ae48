//! Whole records for reports: a run with its curves, a study with its runs, and what a study itself leaves behind.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use rusqlite::OptionalExtension as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RegistryError;
use super::files;
use super::id::{RunId, check_study_name};
use super::provenance::Provenance;
use super::record::{Header, RunState, Status};
use super::store::Registry;
use super::summary::RunSummary;
use super::table::{Cell, METRIC_DECIMALS, SECS_DECIMALS, Table};
use crate::digest::Digest;
use crate::events::{Cost, EpochMetrics, Split};

const STUDIES: &str = "studies";

/// Everything about one run but its predictions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRecord {
    pub header: Header,
    pub status: Status,
    /// Whether this is the attempt that counts: the trial's first to finish.
    pub counts: bool,
    /// Selected epoch, result on the test split, and the rest that the events add up to.
    pub state: RunState,
    /// In the order of their recording.
    pub epochs: Vec<EpochMetrics>,
    pub provenance: Provenance,
    pub plan_toml: String,
}

/// A study's records.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StudyRecords {
    pub study: String,
    /// Digest of the plan of the study's newest run.
    pub plan: Digest,
    /// That plan as TOML.
    pub plan_toml: String,
    /// Every run of the study under any plan, by arm, seed and attempt.
    pub runs: Vec<RunRecord>,
}

/// A study in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StudySummary {
    pub study: String,
    /// Attempts of any status.
    pub runs: u32,
    pub finished: u32,
    pub failed: u32,
    pub arms: u32,
    /// When the newest run was created.
    pub last_run_at: String,
}

impl Registry {
    /// The record of the run that a name means; see [`resolve`](Self::resolve).
    ///
    /// # Errors
    /// As `resolve`, or if the record is damaged.
    pub fn show(&self, name: &str) -> Result<RunRecord, RegistryError> {
        let run = self.resolve(name)?;
        let header = self.folder(run)?.header()?;
        let trial = self.trial_state(&header.trial_key)?;
        self.record(run, trial.counted.is_some_and(|counted| counted.run == run))
    }

    /// Every study that has runs, by name.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn studies(&self) -> Result<Vec<StudySummary>, RegistryError> {
        self.index.read(|db| {
            let mut statement = db.prepare(
                "SELECT study, count(*), count(*) FILTER (WHERE outcome = 'finished'),
                     count(*) FILTER (WHERE outcome = 'failed'), count(DISTINCT arm), max(created_at)
                 FROM runs GROUP BY study ORDER BY study",
            )?;
            let studies = statement.query_map([], |row| {
                Ok(StudySummary {
                    study: row.get(0)?,
                    runs: row.get(1)?,
                    finished: row.get(2)?,
                    failed: row.get(3)?,
                    arms: row.get(4)?,
                    last_run_at: row.get(5)?,
                })
            })?;
            studies.collect()
        })
    }

    /// All that is recorded of a study's runs.
    ///
    /// # Errors
    /// [`RegistryError::UnknownStudy`] with the nearest names, or if a record is damaged.
    pub fn study(&self, name: &str) -> Result<StudyRecords, RegistryError> {
        let mut found = self.runs_of(Some(name))?;
        let newest = &found[0];
        let plan = newest.plan;
        let plan_toml = self.folder(newest.run)?.plan_toml()?;
        found.sort_by(|a, b| (&a.arm, a.seed, a.attempt, a.run).cmp(&(&b.arm, b.seed, b.attempt, b.run)));
        let runs = found.iter().map(|run| self.record_of(run)).collect::<Result<_, _>>()?;
        Ok(StudyRecords { study: name.to_owned(), plan, plan_toml, runs })
    }

    /// All that is recorded of a run that was found.
    ///
    /// # Errors
    /// If the record is damaged.
    pub fn record_of(&self, found: &RunSummary) -> Result<RunRecord, RegistryError> {
        self.record(found.run, found.counts)
    }

    fn record(&self, run: RunId, counts: bool) -> Result<RunRecord, RegistryError> {
        let folder = self.folder(run)?;
        let events = folder.events()?;
        Ok(RunRecord {
            header: folder.header()?,
            status: folder.status()?,
            counts,
            state: RunState::after(&events),
            epochs: super::folder::epochs_of(&events).cloned().collect(),
            provenance: folder.provenance()?,
            plan_toml: folder.plan_toml()?,
        })
    }

    /// The TOML of a plan that some run was made by.
    ///
    /// # Errors
    /// Whatever reading the index gives.
    pub fn plan_toml(&self, plan: &Digest) -> Result<Option<String>, RegistryError> {
        let sql = "SELECT toml FROM plans WHERE digest = ?1";
        self.index.read(|db| db.query_row(sql, [plan], |row| row.get(0)).optional())
    }

    /// Writes, whole or not at all, what a study itself found under a plan: class tables, set digests, flow, timings.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn write_study<T: Serialize + ?Sized>(
        &self,
        study: &str,
        plan: &Digest,
        value: &T,
    ) -> Result<PathBuf, RegistryError> {
        let path = self.study_path(study, plan)?;
        let folder = files::parent(&path);
        fs::create_dir_all(folder).map_err(RegistryError::io("create", folder))?;
        files::replace_json(&path, value)?;
        Ok(path)
    }

    /// What [`write_study`](Self::write_study) wrote; `None` if nothing was.
    ///
    /// # Errors
    /// If the study's name is not usable, or the file cannot be read as a `T`.
    pub fn read_study<T: DeserializeOwned>(&self, study: &str, plan: &Digest) -> Result<Option<T>, RegistryError> {
        files::read_json(&self.study_path(study, plan)?)
    }

    /// Keeps a PNG file beside what [`write_study`](Self::write_study) wrote, under its digest.
    ///
    /// # Errors
    /// If the study's name is not usable or the file cannot be written.
    pub fn write_picture(&self, study: &str, plan: &Digest, png: &[u8]) -> Result<Digest, RegistryError> {
        let digest = Digest::of_bytes(png);
        let path = self.picture_path(study, plan, &digest)?;
        if files::read_optional(&path)?.as_deref() != Some(png) {
            let folder = files::parent(&path);
            fs::create_dir_all(folder).map_err(RegistryError::io("create", folder))?;
            files::replace_file(&path, |out| out.write_all(png).map_err(RegistryError::io("write", &path)))?;
        }
        Ok(digest)
    }

    /// A picture that [`write_picture`](Self::write_picture) wrote.
    ///
    /// # Errors
    /// If it is not there, or has another content than its digest says.
    pub fn read_picture(&self, study: &str, plan: &Digest, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.picture_path(study, plan, digest)?;
        let png = fs::read(&path).map_err(RegistryError::io("read", &path))?;
        if Digest::of_bytes(&png) == *digest { Ok(png) } else { Err(RegistryError::Picture { path }) }
    }

    fn picture_path(&self, study: &str, plan: &Digest, digest: &Digest) -> Result<PathBuf, RegistryError> {
        let sheet = self.study_path(study, plan)?;
        Ok(files::parent(&sheet).join("gallery").join(format!("{digest}.png")))
    }

    fn study_path(&self, study: &str, plan: &Digest) -> Result<PathBuf, RegistryError> {
        let study = check_study_name(study)?;
        Ok(self.runs_dir.join(STUDIES).join(study).join(plan.short()).join("study.json"))
    }
}

impl RunRecord {
    /// The record as titled tables for people: what it is, its curves, where it was made.
    #[must_use]
    pub fn tables(&self) -> Vec<(&'static str, Table)> {
        let costs = self.state.cost.as_ref().map(|cost| ("cost", costs(cost)));
        let tables = [("run", self.facts()), ("epochs", self.curves()), ("environment", self.environment())];
        let [run, epochs, environment] = tables;
        [Some(run), Some(epochs), costs, Some(environment)].into_iter().flatten().collect()
    }

    fn facts(&self) -> Table {
        let Self { header, state, .. } = self;
        let mut table = Table::new(&["field", "value"]);
        let mut fact = |field: &str, value: Cell| table.push(vec![field.into(), value]);
        fact("run", header.run.to_string().into());
        fact("study", header.study.as_str().into());
        fact("arm", header.arm.as_str().into());
        fact("seed", header.seed.into());
        fact("attempt", header.attempt.into());
        fact("status", self.status.name().into());
        if let Status::Failed { reason } = &self.status {
            fact("reason", reason.as_str().into());
        }
        fact("counts", self.counts.into());
        fact("protocol", header.protocol.name().into());
        fact("synthetic", header.synthetic.into());
        fact("created_at", header.created_at.as_str().into());
        fact("resumes", state.resumes.into());
        fact("training_samples", state.training_samples.into());
        fact("total_updates", state.total_updates.into());
        fact("epochs", state.epochs.into());
        fact("total_epochs", state.total_epochs.into());
        fact("selected_epoch", state.selected_epoch.into());
        fact("validation_top1", Cell::rounded(state.validation_top1, METRIC_DECIMALS));
        fact("test_top1", Cell::rounded(state.test.as_ref().map(|test| test.top1), METRIC_DECIMALS));
        fact("test_loss_nats", Cell::rounded(state.test.as_ref().map(|test| test.loss_nats), METRIC_DECIMALS));
        fact("test_samples", state.test.as_ref().map(|test| test.samples).into());
        fact("test_openings", state.test_openings.into());
        fact("elapsed_secs", Cell::rounded(state.elapsed_secs, SECS_DECIMALS));
        fact("trial_key", header.trial_key.to_string().into());
        fact("plan", header.plan.to_string().into());
        fact("weights", state.weights.map(|weights| weights.to_string()).into());
        table
    }

    /// One row per epoch: train and validation beside each other.
    fn curves(&self) -> Table {
        let mut table = Table::new(&[
            "epoch",
            "train_loss_nats",
            "train_top1",
            "validation_loss_nats",
            "validation_top1",
            "learning_rate",
            "updates",
        ]);
        let last = self.epochs.iter().map(|metrics| metrics.epoch).max().unwrap_or(0);
        for epoch in 1..=last {
            let part = |split| self.epochs.iter().find(|m| m.epoch == epoch && m.split == split);
            let (train, validation) = (part(Split::Train), part(Split::Validation));
            let loss = |m: Option<&EpochMetrics>| Cell::rounded(m.map(|m| m.loss_nats), METRIC_DECIMALS);
            let top1 = |m: Option<&EpochMetrics>| Cell::rounded(m.map(|m| m.top1), METRIC_DECIMALS);
            let either = train.or(validation);
            table.push(vec![
                epoch.into(),
                loss(train),
                top1(train),
                loss(validation),
                top1(validation),
                either.map(|m| m.learning_rate).into(),
                either.map(|m| m.updates).into(),
            ]);
        }
        table
    }

    fn environment(&self) -> Table {
        let mut table = Table::new(&["field", "value"]);
        for (field, value) in self.provenance.leaves() {
            table.push(vec![field.into(), value.into()]);
        }
        table
    }
}

/// Where the time of a run went, each part with its share, and how fast it was.
fn costs(cost: &Cost) -> Table {
    let mut table = Table::new(&["part", "secs", "share"]);
    let total = cost.total_secs();
    let parts = [
        ("waiting for data", cost.data_secs),
        ("forward", cost.forward_secs),
        ("backward", cost.backward_secs),
        ("optimizer", cost.optimizer_secs),
        ("evaluation", cost.evaluation_secs),
        ("checkpoints", cost.checkpoint_secs),
        ("total", total),
    ];
    for (part, secs) in parts {
        let share = (total > 0.0).then(|| secs / total);
        table.push(vec![part.into(), Cell::rounded(secs, SECS_DECIMALS), Cell::rounded(share, METRIC_DECIMALS)]);
    }
    let mut rate = |what: &str, value: Option<f64>| {
        table.push(vec![what.into(), Cell::rounded(value, SECS_DECIMALS), Cell::Null]);
    };
    rate("training, images/s", cost.images_per_sec());
    rate("evaluation, images/s", cost.evaluated_per_sec());
    rate("peak memory, MB", cost.peak_memory_bytes.map(|bytes| bytes as f64 / 1e6));
    table
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::registry::Filter;

    #[test]
    fn a_study_has_its_newest_plan_and_all_runs_by_arm_seed_and_attempt() {
        let runs = tempfile::tempdir().unwrap();
        let old = plan("demo");
        let mut new = plan("demo");
        new.study.alpha = 0.01;
        let at = |secs| Registry::open(runs.path(), clock(secs)).unwrap();
        complete(begin(&at(1), &old, 0, 2));
        complete(begin(&at(1), &old, 0, 1));
        begin(&at(1), &plan("other"), 0, 1).fail("on purpose").unwrap();
        complete(begin(&at(2), &new, 1, 1));
        let registry = at(3);

        let study = registry.study("demo").unwrap();
        assert_eq!((study.plan, study.plan_toml), (new.digest(), new.to_toml()));
        let trials: Vec<_> = study.runs.iter().map(|run| (run.header.arm.as_str(), run.header.seed)).collect();
        assert_eq!(trials, [("flips", 1), ("plain", 1), ("plain", 2)]);
        assert!(study.runs.iter().all(|run| run.counts && run.state.test.is_some()));
        assert_eq!(registry.plan_toml(&old.digest()).unwrap(), Some(old.to_toml()));

        let studies = registry.studies().unwrap();
        let counts: Vec<_> = studies.iter().map(|s| (s.study.as_str(), s.runs, s.finished, s.failed, s.arms)).collect();
        assert_eq!(counts, [("demo", 3, 3, 0, 2), ("other", 1, 0, 1, 1)]);
    }

    #[test]
    fn an_unknown_study_gives_the_nearest_name() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        begin(&registry, &plan("trashnet"), 0, 1).fail("on purpose").unwrap();
        let error = registry.study("trashnett").unwrap_err();
        insta::assert_snapshot!(error.to_string(), @"there is no study `trashnett`; nearest: trashnet");
    }

    #[test]
    fn what_a_study_leaves_is_kept_by_plan_and_inside_the_store() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let (one, two) = (Digest::of_bytes(b"one"), Digest::of_bytes(b"two"));
        let path = registry.write_study("demo", &one, &vec![1, 2]).unwrap();
        assert_eq!(path, runs.path().join("studies/demo").join(one.short()).join("study.json"));
        registry.write_study("demo", &one, &vec![3]).unwrap();
        assert_eq!(registry.read_study::<Vec<u32>>("demo", &one).unwrap(), Some(vec![3]));
        assert_eq!(registry.read_study::<Vec<u32>>("demo", &two).unwrap(), None);
        for name in ["../up", "a/b", "", ".."] {
            assert!(matches!(registry.write_study(name, &one, &1), Err(RegistryError::StudyName(_))), "{name}");
        }
    }

    #[test]
    fn pictures_come_back_as_they_were_or_not_at_all() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let plan = Digest::of_bytes(b"plan");
        let digest = registry.write_picture("demo", &plan, b"pixels").unwrap();
        assert_eq!(registry.read_picture("demo", &plan, &digest).unwrap(), b"pixels");
        let path = registry.picture_path("demo", &plan, &digest).unwrap();
        fs::write(&path, b"others").unwrap();
        assert!(matches!(registry.read_picture("demo", &plan, &digest), Err(RegistryError::Picture { .. })));
        fs::remove_file(&path).unwrap();
        assert!(matches!(registry.read_picture("demo", &plan, &digest), Err(RegistryError::Io { .. })));
    }

    #[test]
    fn a_record_and_a_difference_are_shown_as_tables() {
        let runs = tempfile::tempdir().unwrap();
        let registry = open(runs.path());
        let mut plan = plan("demo");
        complete(begin(&registry, &plan, 0, 1));
        let a = registry.resolve("latest").unwrap().to_string();
        plan.classifier.batch_size = 16;
        begin(&registry, &plan, 1, 1).fail("on purpose").unwrap();
        let failed = &registry.list(&Filter { arm: Some("flips".to_owned()), ..Filter::default() }).unwrap()[0];

        let tables = registry.show(&a).unwrap().tables();
        let curves = &tables.iter().find(|(title, _)| *title == "epochs").unwrap().1;
        let last: Vec<_> = curves.rows[2].iter().map(Cell::to_string).collect();
        assert_eq!(last, ["3", "0.2", "0.8", "0.2", "0.8", "0.01", "15"]);

        let diff = registry.diff(&a, &failed.run.to_string()).unwrap();
        let batch = super::super::Difference {
            path: "classifier.batch_size".to_owned(),
            a: Some("32".to_owned()),
            b: Some("16".to_owned()),
        };
        assert_eq!(diff.plan, [batch]);
        assert!(diff.environment.is_empty());
        let trial: Vec<_> = diff.trial.iter().map(|difference| difference.path.as_str()).collect();
        assert_eq!(trial, ["arm", "trial_key"]);
        let top1 = diff.metrics.iter().find(|pair| pair.metric == "test_top1").unwrap();
        assert_eq!((top1.a, top1.b), (Some(2.0 / 3.0), None));
        assert_eq!(
            diff.tables().iter().map(|(title, _)| *title).collect::<Vec<_>>(),
            ["trial", "plan", "environment", "metrics"]
        );
    }
}
