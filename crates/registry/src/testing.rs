//! Small records for this module's tests.

#![allow(
    clippy::must_use_candidate,
    clippy::missing_errors_doc,
    reason = "small helpers of tests, in every crate that reads runs"
)]

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use super::{BeginRun, Making, Provenance, Registry, RegistryError, RunFolders, RunGuard, RunId, SetDigests};
use augtrial_base::clock::Clock;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Prediction, RunEvent, Split, TestResult};
use augtrial_plan::{Plan, Trial};

pub const AT: &str = "2026-01-31T12:00:00.000Z";
pub const EPOCHS: u32 = 3;

/// 12:00:00 on a day in January, plus some seconds.
pub fn clock(secs: u32) -> Clock {
    let at = chrono::DateTime::parse_from_rfc3339(AT).unwrap().to_utc();
    Clock::Fixed(at + chrono::Duration::seconds(secs.into()))
}

pub fn open(runs_dir: &Path) -> Registry {
    Registry::lead(runs_dir, clock(0)).unwrap()
}

/// A guard whose run is in the index: when it begins, and when it is let go, as the leader of a study sees to it.
pub struct Indexed {
    guard: Option<RunGuard>,
    runs_dir: PathBuf,
}

impl Indexed {
    fn new(guard: RunGuard, registry: &Registry) -> Self {
        registry.index(guard.run()).unwrap();
        Self { guard: Some(guard), runs_dir: registry.runs_dir().to_owned() }
    }

    fn close<T>(mut self, close: impl FnOnce(RunGuard) -> T) -> T {
        close(self.guard.take().unwrap())
    }

    pub fn finish(self) -> Result<(), RegistryError> {
        self.close(RunGuard::finish)
    }

    pub fn finish_with(self, files: &[&str]) -> Result<(), RegistryError> {
        self.close(|guard| guard.finish_with(files))
    }

    pub fn fail(self, reason: &str) -> Result<String, RegistryError> {
        self.close(|guard| guard.fail(reason))
    }
}

impl Deref for Indexed {
    type Target = RunGuard;

    fn deref(&self) -> &RunGuard {
        self.guard.as_ref().unwrap()
    }
}

impl DerefMut for Indexed {
    fn deref_mut(&mut self) -> &mut RunGuard {
        self.guard.as_mut().unwrap()
    }
}

impl Drop for Indexed {
    fn drop(&mut self) {
        drop(self.guard.take());
        // What a test has done to the folders is its own affair.
        drop(Registry::lead(&self.runs_dir, clock(0)));
    }
}

pub fn resume(registry: &Registry, run: RunId) -> Result<Indexed, RegistryError> {
    Ok(Indexed::new(registry.folders().resume(run)?, registry))
}

/// A synthetic study of a control and a treatment, three seeds.
pub fn plan(study: &str) -> Plan {
    let text = format!(
        "[study]\nname = \"any\"\nseeds = [1, 2, 3]\n[dataset.synthetic]\nimages = 60\n\
         [classifier.budget]\nepochs = {EPOCHS}\n[[arm]]\nname = \"plain\"\nrole = \"control\"\n\
         [[arm]]\nname = \"flips\"\n[[arm.online]]\n[arm.online.horizontal_flip]\n"
    );
    let mut plan = Plan::parse("test", &text, ".".into(), &[]).unwrap();
    // Set here, so that a test can give a name that no experiment file may have.
    study.clone_into(&mut plan.study.name);
    plan
}

pub fn trial_key(plan: &Plan, trial: Trial<'_>) -> Digest {
    Digest::of_value("test-trial", &(plan.digest(), &trial.arm.name, trial.seed))
}

pub fn provenance() -> Provenance {
    let backend = BTreeMap::from([("libtorch".to_owned(), "2.13.0".to_owned())]);
    let making = Making { backend, threads: 2, device: "cpu".to_owned(), ..Making::default() };
    Provenance { host: "bench".to_owned(), ..Provenance::collect(making, Path::new("/nonexistent")) }
}

pub fn begin(registry: &Registry, plan: &Plan, arm: usize, seed: u64) -> Indexed {
    Indexed::new(begin_in(registry.folders(), plan, arm, seed), registry)
}

/// Without an index, as a worker does.
pub fn begin_in(folders: &RunFolders, plan: &Plan, arm: usize, seed: u64) -> RunGuard {
    let trial = Trial { arm: &plan.arms[arm], seed };
    let digest = |name: &str| Digest::of_bytes(name.as_bytes());
    let sets = SetDigests {
        manifest: digest("manifest"),
        split: digest("split"),
        training: digest("training"),
        validation: digest("validation"),
        test: digest("test"),
    };
    let trial_key = trial_key(plan, trial);
    let begin = BeginRun { plan, trial, trial_key, sets, provenance: provenance() };
    folders.begin(&begin).unwrap()
}

pub fn started() -> RunEvent {
    RunEvent::Started { at: AT.to_owned() }
}

pub fn metrics(epoch: u32, split: Split) -> EpochMetrics {
    EpochMetrics {
        epoch,
        split,
        loss_nats: 1.0 / f64::from(epoch + 2),
        top1: 1.0 - 1.0 / f64::from(epoch + 2),
        learning_rate: 0.01,
        samples: 40,
        updates: u64::from(epoch) * 5,
        elapsed_secs: 0.1,
    }
}

/// What an epoch leaves: both parts, and the checkpoint.
pub fn epoch_events(epoch: u32) -> [RunEvent; 3] {
    [
        RunEvent::Epoch { metrics: metrics(epoch, Split::Train) },
        RunEvent::Epoch { metrics: metrics(epoch, Split::Validation) },
        RunEvent::Checkpointed { epoch },
    ]
}

pub fn start_events() -> [RunEvent; 2] {
    let prepared =
        RunEvent::Prepared { training_samples: 40, updates_per_epoch: 5, total_updates: 15, total_epochs: EPOCHS };
    [started(), prepared]
}

pub fn end_events() -> [RunEvent; 4] {
    [
        RunEvent::Selected { epoch: 2, validation_top1: 0.75 },
        RunEvent::TestOpened { at: AT.to_owned() },
        RunEvent::Tested { result: TestResult { loss_nats: 0.5, top1: 2.0 / 3.0, samples: 2 } },
        RunEvent::Finished { at: AT.to_owned(), weights: Digest::of_bytes(b"weights") },
    ]
}

pub fn predictions() -> Vec<Prediction> {
    let prediction = |name: &str, predicted, probabilities: [f32; 3]| Prediction {
        image: Digest::of_bytes(name.as_bytes()),
        path: format!("glass/{name}.png"),
        derived: false,
        label: 1,
        predicted,
        probabilities: probabilities.to_vec(),
    };
    vec![prediction("one", 1, [0.1, 0.7, 0.2]), prediction("two", 0, [0.5, 0.3, 0.2])]
}

pub fn record_all(guard: &mut RunGuard, events: &[RunEvent]) {
    for event in events {
        guard.record(event).unwrap();
    }
}

/// Records the epochs `from..=to`.
pub fn train(guard: &mut RunGuard, from: u32, to: u32) {
    (from..=to).for_each(|epoch| record_all(guard, &epoch_events(epoch)));
}

/// From the first event to the last, with predictions.
pub fn record_whole(guard: &mut RunGuard) {
    record_all(guard, &start_events());
    train(guard, 1, EPOCHS);
    let [selected, opened, tested, finished] = end_events();
    record_all(guard, &[selected, opened, tested]);
    guard.write_predictions(&predictions()).unwrap();
    record_all(guard, &[finished]);
}

/// From the first event to the end.
pub fn complete(guard: Indexed) {
    complete_with(guard, &[]);
}

/// With further files in the seal.
pub fn complete_with(mut guard: Indexed, files: &[&str]) {
    record_whole(&mut guard);
    guard.finish_with(files).unwrap();
}

/// Runs of three seconds, the newest last: control 1 finished, treatment 1 failed, control 2 lost.
pub fn three_runs(runs_dir: &Path) -> [RunId; 3] {
    let plan = plan("demo");
    let at = |secs| Registry::lead(runs_dir, clock(secs)).unwrap();
    let finished = begin(&at(1), &plan, 0, 1);
    let failed = begin(&at(2), &plan, 1, 1);
    let lost = begin(&at(3), &plan, 0, 2);
    let ids = [finished.run(), failed.run(), lost.run()];
    complete(finished);
    failed.fail("out of memory").unwrap();
    ids
}
