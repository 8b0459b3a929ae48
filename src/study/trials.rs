//! Every trial of a study, seed by seed: skipped if it has a result, continued if it was interrupted, else begun.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arms::ReadyArm;
use super::error::chain;
use super::jobs::Crew;
use super::{Context, Options, Outcome, StudyData, StudyError, provenance};
use crate::augment::{Augmenter as _, Batch, Mixer, Pipeline};
use crate::clock::rfc3339;
use crate::digest::Digest;
use crate::events::{Fanout, Observer, RunEvent, Split, StepProgress};
use crate::plan::{Plan, Trial};
use crate::progress::{Progress, Stage};
use crate::registry::{BeginRun, Registry, RunGuard, RunId, SetDigests, Status};
use crate::seed::Stream;
use crate::train::{
    BatchMix, CHECKPOINT_FILE_NAME, CheckpointRule, InputSize, SampleTransform, TrainError, TrialOutcome, TrialSpec,
    keep_weights_only, run_trial,
};

/// Threads that prepare batches beside the training: one keeps ahead of the step on every machine measured.
const LOADER_WORKERS: usize = 1;

/// Runs what is missing of every trial, in this process.
pub(super) fn run_all(session: &Session<'_>, arms: &[ReadyArm<'_>]) -> Result<Outcome, StudyError> {
    let seeds = &session.plan.study.seeds;
    let mut outcome = Outcome::default();
    let total = seeds.len() * arms.len();
    let mut position = 0;
    for &seed in seeds {
        for ready in arms {
            session.context.check_stop()?;
            position += 1;
            let label = label(position, total, &ready.arm.name, seed);
            outcome.count(&ready.arm.name, seed, session.trial(ready, seed, &label)?);
        }
    }
    Ok(outcome)
}

/// What a trial is called where its progress is shown; `position` counts from 1.
pub(super) fn label(position: usize, total: usize, arm: &str, seed: u64) -> String {
    format!("trial {position}/{total}: {arm}, seed {seed}")
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ended {
    Finished,
    /// It had a result before.
    Reused,
    Failed(String),
}

impl Outcome {
    pub(super) fn count(&mut self, arm: &str, seed: u64, ended: Ended) {
        match ended {
            Ended::Finished => self.finished += 1,
            Ended::Reused => self.reused += 1,
            Ended::Failed(reason) => self.failed.push((arm.to_owned(), seed, reason)),
        }
    }
}

/// What all trials of one run share.
pub(super) struct Session<'a> {
    pub(super) plan: &'a Plan,
    pub(super) data: &'a StudyData,
    pub(super) options: &'a Options,
    pub(super) context: &'a Context<'a>,
    pub(super) registry: &'a Registry,
    pub(super) crew: Crew,
}

/// How the trial of this key ended, if there is nothing to do for it.
pub(super) fn settled(registry: &Registry, key: &Digest, options: &Options) -> Result<Option<Ended>, StudyError> {
    match standing(registry, key, options)? {
        Standing::Settled(ended) => Ok(Some(ended)),
        Standing::Resumable(_) | Standing::New => Ok(None),
    }
}

/// Where a trial stands before it is run.
enum Standing {
    Settled(Ended),
    Resumable(RunId),
    New,
}

fn standing(registry: &Registry, key: &Digest, options: &Options) -> Result<Standing, StudyError> {
    let state = registry.trial_state(key)?;
    let settled = if state.counted.is_some() {
        Ended::Reused
    } else if let Some(run) = state.running {
        Ended::Failed(format!("run {run} of another process is at it"))
    } else if let Some(failed) = state.failed.last().filter(|_| !options.retry_failed) {
        let reason = match &failed.status {
            Status::Failed { reason } => reason.as_str(),
            _ => "failed",
        };
        Ended::Failed(format!("{reason} (run {}; --retry-failed tries again)", failed.run))
    } else {
        return Ok(state.resumable.filter(|_| !options.never_resume).map_or(Standing::New, Standing::Resumable));
    };
    Ok(Standing::Settled(settled))
}

impl Session<'_> {
    /// Runs one trial, or what is left of it; `label` names it where progress is shown.
    ///
    /// # Errors
    /// [`StudyError::Interrupted`], and whatever keeps the record from being written.
    pub(super) fn trial(&self, ready: &ReadyArm<'_>, seed: u64, label: &str) -> Result<Ended, StudyError> {
        let key = ready.key.trial(seed);
        let guard = match standing(self.registry, &key, self.options)? {
            Standing::Settled(ended) => return Ok(ended),
            Standing::Resumable(run) => self.resume(run)?,
            Standing::New => self.begin(ready, seed, key)?,
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
        let provenance = provenance::collect(self.plan, self.crew, self.context)?;
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

/// A recipe's online transforms.
struct Online(Pipeline);

impl SampleTransform for Online {
    fn apply(&self, image: image::RgbImage, rng: &mut Stream) -> image::RgbImage {
        self.0.apply(image, rng)
    }

    fn changes_nothing(&self) -> bool {
        self.0.is_empty()
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
    progress: &'a Progress,
    label: &'a str,
    stage: Stage<'a>,
    validation: String,
}

impl<'a> TrialView<'a> {
    pub(super) fn new(progress: &'a Progress, label: &'a str) -> Self {
        Self { progress, label, stage: progress.stage(label, 0, "updates"), validation: String::new() }
    }
}

impl Observer for TrialView<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Epoch { metrics } if metrics.split == Split::Validation => {
                self.validation = format!(", validation Top-1 {:.1} %", metrics.top1 * 100.0);
            }
            RunEvent::FeaturesComputed { training_images, validation_images } => self.progress.note(&format!(
                "{}: all but the head is frozen; features computed once, of {training_images} training and \
                 {validation_images} validation images",
                self.label
            )),
            _ => {}
        }
        Ok(())
    }

    fn progress(&mut self, progress: &StepProgress) {
        let message = format!("epoch {}, {:.0} images/s{}", progress.epoch, progress.samples_per_sec, self.validation);
        self.stage.set_of(progress.updates, progress.total_updates, &message);
    }
}
