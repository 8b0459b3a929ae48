//! Every trial of a study, seed by seed: skipped if it has a result, continued if it was interrupted, else begun.

use std::io;
use std::path::{Path, PathBuf};

use super::arms::ReadyArm;
use super::{Context, Options, Outcome, StudyData, StudyError, provenance};
use crate::augment::{Augmenter as _, Batch, Mixer, Pipeline};
use crate::clock::rfc3339;
use crate::digest::Digest;
use crate::events::{Fanout, Observer, RunEvent, Split, StepProgress};
use crate::plan::{Plan, Trial};
use crate::progress::{Progress, Stage};
use crate::registry::{BeginRun, Registry, RunGuard, RunId, SetDigests};
use crate::seed::Stream;
use crate::train::{
    BatchMix, CHECKPOINT_FILE_NAME, CheckpointRule, InputSize, SampleTransform, TrainError, TrialOutcome, TrialSpec,
    keep_weights_only, run_trial, use_threads,
};

/// Threads that prepare batches beside the training: one keeps ahead of the step on every machine measured.
const LOADER_WORKERS: usize = 1;

/// Runs what is missing of every trial.
pub(super) fn run_all(
    plan: &Plan,
    data: &StudyData,
    arms: &[ReadyArm<'_>],
    options: &Options,
    context: &Context<'_>,
    registry: &Registry,
) -> Result<Outcome, StudyError> {
    let threads = use_threads(plan.classifier.threads);
    let session = Session { plan, data, options, context, registry, threads };
    let mut outcome = Outcome::default();
    let total = plan.study.seeds.len() * arms.len();
    let mut position = 0;
    for &seed in &plan.study.seeds {
        for ready in arms {
            context.check_stop()?;
            position += 1;
            let label = format!("trial {position}/{total}: {}, seed {seed}", ready.arm.name);
            match session.trial(ready, seed, &label)? {
                Ended::Finished => outcome.finished += 1,
                Ended::Reused => outcome.reused += 1,
                Ended::Failed(reason) => outcome.failed.push((ready.arm.name.clone(), seed, reason)),
            }
        }
    }
    Ok(outcome)
}

/// How a trial ended.
enum Ended {
    Finished,
    /// It had a result before.
    Reused,
    Failed(String),
}

/// What all trials of one run share.
struct Session<'a> {
    plan: &'a Plan,
    data: &'a StudyData,
    options: &'a Options,
    context: &'a Context<'a>,
    registry: &'a Registry,
    threads: u32,
}

impl Session<'_> {
    fn trial(&self, ready: &ReadyArm<'_>, seed: u64, label: &str) -> Result<Ended, StudyError> {
        let key = ready.key.trial(seed);
        let state = self.registry.trial_state(&key)?;
        if state.counted.is_some() {
            return Ok(Ended::Reused);
        }
        if let Some(run) = state.running {
            return Ok(Ended::Failed(format!("run {run} of another process is at it")));
        }
        if let Some(failed) = state.failed.last().filter(|_| !self.options.retry_failed) {
            let reason = match &failed.status {
                crate::registry::Status::Failed { reason } => reason.as_str(),
                _ => "failed",
            };
            return Ok(Ended::Failed(format!("{reason} (run {}; --retry-failed tries again)", failed.run)));
        }
        let guard = match state.resumable.filter(|_| !self.options.never_resume) {
            Some(run) => self.resume(run)?,
            None => self.begin(ready, seed, key)?,
        };
        self.attempt(guard, ready, seed, key, label)
    }

    /// Takes up a lost run. Killed before its first checkpoint it begins again, and so does the record of its epochs; else the
    /// trial itself says how far back it goes.
    fn resume(&self, run: RunId) -> Result<RunGuard, StudyError> {
        let mut guard = self.registry.resume(run)?;
        if !guard.dir().join(CHECKPOINT_FILE_NAME).exists() {
            guard.record(&RunEvent::Resumed { at: rfc3339(self.context.clock.now()), epoch: 0 })?;
        }
        Ok(guard)
    }

    fn begin(&self, ready: &ReadyArm<'_>, seed: u64, trial_key: Digest) -> Result<RunGuard, StudyError> {
        let sets = SetDigests {
            manifest: self.data.manifest.digest(),
            split: ready.key.split(),
            training: ready.training.digest(),
            validation: ready.evaluation(Split::Validation).digest(),
            test: ready.evaluation(Split::Test).digest(),
        };
        let provenance = provenance::collect(self.plan, self.threads, self.context)?;
        let trial = Trial { arm: ready.arm, seed };
        let mut guard = self.registry.begin(&BeginRun { plan: self.plan, trial, trial_key, sets, provenance })?;
        guard.record(&RunEvent::Started { at: rfc3339(self.context.clock.now()) })?;
        Ok(guard)
    }

    /// Trains under the guard, and closes it. A trial that cannot succeed is closed as failed; one that was interrupted,
    /// or whose record could not be written, is left to be resumed.
    fn attempt(
        &self,
        mut guard: RunGuard,
        ready: &ReadyArm<'_>,
        seed: u64,
        key: Digest,
        label: &str,
    ) -> Result<Ended, StudyError> {
        let folder = guard.dir().to_owned();
        let result = self.train(&mut guard, ready, seed, key, &folder, label);
        match result {
            Ok(outcome) => {
                guard.write_predictions(&outcome.predictions)?;
                let at = rfc3339(self.context.clock.now());
                guard.record(&RunEvent::Finished { at, weights: outcome.weights })?;
                guard.finish()?;
                keep_weights_only(&folder, key)?;
                let top1 = outcome.test.top1 * 100.0;
                self.context.progress.note(&format!("{label}: test Top-1 {top1:.2} %"));
                Ok(Ended::Finished)
            }
            Err(TrainError::Interrupted { .. }) => Err(StudyError::Interrupted),
            Err(error @ (TrainError::Observer(_) | TrainError::CheckpointIo { .. })) => Err(error.into()),
            Err(error) => {
                let reason = chain(&error);
                self.context.progress.note(&format!("{label}: failed: {reason}"));
                guard.fail(&reason)?;
                Ok(Ended::Failed(reason))
            }
        }
    }

    fn train(
        &self,
        guard: &mut RunGuard,
        ready: &ReadyArm<'_>,
        seed: u64,
        trial_key: Digest,
        folder: &Path,
        label: &str,
    ) -> Result<TrialOutcome, TrainError> {
        let recipe = Recipe::of(self.plan, self.data, ready);
        let checkpoints = self.options.checkpoints;
        let spec = TrialSpec { checkpoints, ..recipe.spec(seed, trial_key, folder, self.context) };
        let mut view = TrialView::new(self.context.progress, label);
        let mut observers = Fanout(vec![guard, &mut view]);
        run_trial(&spec, &mut observers)
    }
}

/// What the trials of one arm are made from, ready to be applied.
pub(super) struct Recipe<'a> {
    plan: &'a Plan,
    data: &'a StudyData,
    ready: &'a ReadyArm<'a>,
    transforms: Online,
    mixing: Option<Mixing>,
    pretrained: Option<PathBuf>,
    /// Name of its random streams.
    digest: Digest,
}

impl<'a> Recipe<'a> {
    pub(super) fn of(plan: &'a Plan, data: &'a StudyData, ready: &'a ReadyArm<'a>) -> Self {
        let classifier = &plan.classifier;
        let online: Vec<_> = classifier.transforms.iter().chain(&ready.arm.online).cloned().collect();
        Self {
            plan,
            data,
            ready,
            transforms: Online(Pipeline::new(&online)),
            mixing: ready.arm.mix.as_ref().map(|mix| Mixing(Mixer::new(mix))),
            pretrained: classifier.pretrained.as_ref().map(|path| plan.resolve_path(path)),
            digest: Digest::of_value("online-v1", &(&online, &ready.arm.mix)),
        }
    }

    /// The trial with this seed, its checkpoint in `folder`.
    pub(super) fn spec<'s>(
        &'s self,
        seed: u64,
        trial_key: Digest,
        folder: &'s Path,
        context: &'s Context<'_>,
    ) -> TrialSpec<'s> {
        let input = self.ready.key.input();
        TrialSpec {
            study_seed: self.plan.study.seed,
            seed,
            classifier: &self.plan.classifier,
            classes: self.data.manifest.classes.len(),
            input: InputSize { width_px: input.width_px, height_px: input.height_px },
            pretrained: self.pretrained.as_deref(),
            training: &self.ready.training,
            validation: &self.ready.validation,
            test: &self.ready.test,
            transforms: &self.transforms,
            mix: self.mixing.as_ref().map(|mixing| mixing as &dyn BatchMix),
            recipe: self.digest,
            trial_key,
            folder,
            workers: LOADER_WORKERS,
            clock: context.clock,
            checkpoints: CheckpointRule::default(),
            stop: context.stop,
            save: context.save,
        }
    }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A recipe's online transforms.
struct Online(Pipeline);

impl SampleTransform for Online {
    fn apply(&self, image: image::RgbImage, rng: &mut Stream) -> image::RgbImage {
        self.0.apply(image, rng)
    }
}

/// A recipe's mixing of batches.
struct Mixing(Mixer);

impl BatchMix for Mixing {
    fn mix(&self, batch: crate::train::SoftBatch<'_>, rng: &mut Stream) {
        let mut batch = Batch {
            images: batch.pixels,
            targets: batch.targets,
            len: batch.samples,
            width_px: batch.width_px,
            height_px: batch.height_px,
        };
        self.0.apply(&mut batch, rng);
    }
}

/// Shows one trial.
pub(super) struct TrialView<'a> {
    stage: Stage<'a>,
    validation: String,
}

impl<'a> TrialView<'a> {
    pub(super) fn new(progress: &'a Progress, label: &str) -> Self {
        Self { stage: progress.stage(label, 0, "updates"), validation: String::new() }
    }
}

impl Observer for TrialView<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        if let RunEvent::Epoch { metrics } = event
            && metrics.split == Split::Validation
        {
            self.validation = format!(", validation Top-1 {:.1} %", metrics.top1 * 100.0);
        }
        Ok(())
    }

    fn progress(&mut self, progress: &StepProgress) {
        let message = format!("epoch {}, {:.0} images/s{}", progress.epoch, progress.samples_per_sec, self.validation);
        self.stage.set_of(progress.updates, progress.total_updates, &message);
    }
}
