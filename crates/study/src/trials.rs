//! Every trial of a study, seed by seed: skipped if it has a result, continued if it was interrupted, else begun.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::arms::ReadyArm;
use super::jobs::{Crew, UPDATES};
use super::prepared::Prepared;
use super::{Context, Options, Outcome, StudyData, StudyError, learned, provenance, sets};
use augtrial_augment::{Mixer, Pipeline};
use augtrial_base::clock::rfc3339;
use augtrial_base::digest::Digest;
use augtrial_base::events::{EpochMetrics, Fanout, Observer, RunEvent, Split, StepProgress};
use augtrial_base::numbers::percent;
use augtrial_base::progress::{Progress, Stage};
use augtrial_base::words::chain;
use augtrial_data::samples::EvaluationSet;
use augtrial_plan::arm::Arm;
use augtrial_plan::classifier::Classifier;
use augtrial_plan::transform::Transform;
use augtrial_plan::{Plan, Trial};
use augtrial_registry::{BeginRun, RunFolders, RunGuard, RunId, SetDigests, Standing};
use augtrial_trial::{
    CheckpointRule, InputSize, Outside, TrainError, TrialOutcome, TrialSpec, WEIGHTS_FILE_NAME, drop_state, saved_state,
};

/// Threads that prepare batches beside the training: one keeps ahead of the steps of every processor measured. An engine takes more
/// for a GPU.
const LOADER_WORKERS: usize = 1;

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

/// What is to be done for a trial.
pub(super) enum Next {
    /// Nothing.
    Settled(Ended),
    /// It has a result; a process was killed before it could put the run's folder in order.
    TidyUp(RunId),
    Resume(RunId),
    Begin,
}

impl Next {
    /// What a trial that stands so needs; `folders` has its runs.
    pub(super) fn of(standing: Standing, options: &Options, folders: &RunFolders) -> Self {
        match standing {
            Standing::Finished { run } if saved_state(&folders.path(run)).is_some() => Self::TidyUp(run),
            Standing::Finished { .. } => Self::Settled(Ended::Reused),
            Standing::Running { run } => {
                let holder = folders.holder(run).map_or_else(String::new, |holder| format!(", {holder}"));
                Self::Settled(Ended::Failed(format!("another process is training it (run {run}{holder})")))
            }
            Standing::Failed { run, reason } if !options.retry_failed => {
                Self::Settled(Ended::Failed(format!("{reason} (run {run}; --retry-failed tries again)")))
            }
            Standing::Interrupted { run } if !options.never_resume => Self::Resume(run),
            Standing::Planned | Standing::Interrupted { .. } | Standing::Failed { .. } => Self::Begin,
        }
    }
}

/// Removes the state of a run that does not need it any more.
fn forget_state(folder: &Path) -> Result<(), TrainError> {
    drop_state(folder).map_err(|source| TrainError::CheckpointIo { action: "remove", path: folder.to_owned(), source })
}

/// What all trials of one process share.
pub(super) struct TrialSession<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) options: &'a Options,
    pub(super) folders: &'a RunFolders,
    pub(super) crew: Crew,
    /// Told of every run whose folder says something new.
    pub(super) recorded: &'a dyn Fn(RunId),
}

impl TrialSession<'_> {
    /// Runs one trial, or what is left of it; `label` names it where progress is shown.
    ///
    /// # Errors
    /// [`StudyError::Interrupted`], and whatever keeps the record from being written.
    pub(super) fn trial(
        &self,
        prepared: &Prepared<'_>,
        ready: &ReadyArm<'_>,
        seed: u64,
        label: &str,
    ) -> Result<Ended, StudyError> {
        let key = ready.key.trial(seed);
        let guard = match Next::of(self.folders.standing(&key)?, self.options, self.folders) {
            Next::Settled(ended) => return Ok(ended),
            Next::TidyUp(run) => return self.tidy_up(run, key),
            Next::Resume(run) => self.resume(run)?,
            Next::Begin => self.begin(prepared, ready, seed, key)?,
        };
        let run = guard.run();
        self.context.progress.detail(&format!("{label}: recorded in {}", guard.dir().display()));
        (self.recorded)(run);
        let ended = self.attempt(guard, prepared, ready, seed, key, label);
        (self.recorded)(run);
        ended
    }

    /// Replaces the checkpoint of a finished run by its weights, if they are not there, as the program that was killed would
    /// have done.
    fn tidy_up(&self, run: RunId, key: Digest) -> Result<Ended, StudyError> {
        let folder = self.folders.path(run);
        if !folder.join(WEIGHTS_FILE_NAME).exists() {
            self.context.engine()?.keep_weights(&folder, key)?;
        }
        forget_state(&folder)?;
        Ok(Ended::Reused)
    }

    /// Takes up a lost run. Killed before its first checkpoint it begins again, and so does the record of its epochs; else the
    /// trial itself says how far back it goes.
    fn resume(&self, run: RunId) -> Result<RunGuard, StudyError> {
        let mut guard = self.folders.resume(run)?;
        if saved_state(guard.dir()).is_none() {
            self.record_beginning_anew(&mut guard)?;
        }
        Ok(guard)
    }

    fn record_beginning_anew(&self, guard: &mut RunGuard) -> Result<(), StudyError> {
        Ok(guard.record(&RunEvent::Resumed { at: rfc3339(self.context.clock.now()), epoch: 0 })?)
    }

    fn begin(
        &self,
        prepared: &Prepared<'_>,
        ready: &ReadyArm<'_>,
        seed: u64,
        trial_key: Digest,
    ) -> Result<RunGuard, StudyError> {
        let Prepared { plan, data, context, .. } = prepared;
        let sets = SetDigests {
            manifest: data.manifest.digest(),
            split: ready.key.split(),
            training: ready.training.digest(),
            validation: ready.evaluation(Split::Validation).digest(),
            test: ready.evaluation(Split::Test).digest(),
        };
        let provenance = provenance::collect(plan, self.crew, context)?;
        let trial = Trial { arm: ready.arm, seed };
        let mut guard = self.folders.begin(&BeginRun { plan, trial, trial_key, sets, provenance })?;
        guard.record(&RunEvent::Started { at: rfc3339(context.clock.now()) })?;
        Ok(guard)
    }

    /// Trains under the guard, and closes it. A trial that cannot succeed is closed as failed; one that was interrupted,
    /// or whose record could not be written, is left to be resumed. A checkpoint that cannot be used costs the time that is
    /// in it, and no more.
    fn attempt(
        &self,
        mut guard: RunGuard,
        prepared: &Prepared<'_>,
        ready: &ReadyArm<'_>,
        seed: u64,
        key: Digest,
        label: &str,
    ) -> Result<Ended, StudyError> {
        let progress = self.context.progress;
        let mut result = self.train(&mut guard, prepared, ready, seed, key, label);
        if let Err(error @ (TrainError::CheckpointDamaged { .. } | TrainError::CheckpointForeign { .. })) = &result {
            progress.note(&format!("{label}: {}; the trial begins anew", error.without_advice()));
            forget_state(guard.dir())?;
            self.record_beginning_anew(&mut guard)?;
            result = self.train(&mut guard, prepared, ready, seed, key, label);
        }
        match result {
            Ok(outcome) => {
                let watched = learned::watched(prepared.plan, ready);
                self.finish(guard, &outcome, watched.as_ref(), label)?;
                // Results on the test part are for the end: seen before all planned seeds have run, they invite stopping early.
                progress.note(&format!("{label}: finished{}", validation(&outcome)));
                Ok(Ended::Finished)
            }
            Err(TrainError::Interrupted { .. }) => Err(StudyError::Interrupted),
            Err(error @ (TrainError::Observer(_) | TrainError::CheckpointIo { .. })) => Err(error.into()),
            Err(error) => {
                let folder = guard.dir().to_owned();
                let reason = guard.fail(&chain(&error))?;
                self.end_state(&folder, label);
                progress.note(&format!("{label}: failed: {reason}"));
                Ok(Ended::Failed(reason))
            }
        }
    }

    /// Trains, and leaves the weights in the run's folder: a run is finished when everything is there.
    fn train(
        &self,
        guard: &mut RunGuard,
        prepared: &Prepared<'_>,
        ready: &ReadyArm<'_>,
        seed: u64,
        key: Digest,
        label: &str,
    ) -> Result<TrialOutcome, TrainError> {
        let Prepared { plan, data, context, .. } = prepared;
        let engine = context.engine.expect("a worker has an engine");
        let folder = guard.dir().to_owned();
        let recipe = Recipe::of(plan, data, ready, context);
        let checkpoints = self.options.checkpoints;
        let spec = TrialSpec { checkpoints, ..recipe.spec(seed, key, &folder, context) };
        let mut view = TrialView::new(context.progress, label);
        let outcome = engine.train(&spec, &mut Fanout(vec![guard, &mut view]))?;
        engine.keep_weights(&folder, key)?;
        Ok(outcome)
    }

    /// Closes the record, and then removes the state that is not needed any more.
    fn finish(
        &self,
        mut guard: RunGuard,
        outcome: &TrialOutcome,
        watched: Option<&EvaluationSet>,
        label: &str,
    ) -> Result<(), StudyError> {
        let folder = guard.dir().to_owned();
        guard.write_predictions(&outcome.predictions)?;
        let mut files = self.context.engine()?.record_files(&folder);
        if let Some(watched) = watched {
            let epochs = outcome.history.iter().map(|metrics| metrics.epoch).max().unwrap_or(0);
            learned::write(&folder, watched, &outcome.learned, epochs)?;
            files.push(learned::FILE);
        }
        outcome.further.iter().try_for_each(|(name, predictions)| guard.write_evaluation(name, predictions))?;
        guard.record(&RunEvent::Finished { at: rfc3339(self.context.clock.now()), weights: outcome.weights })?;
        guard.finish_with(&files)?;
        self.end_state(&folder, label);
        Ok(())
    }

    /// Removes the state of a run that is closed: it is never continued. A state that stays harms nothing.
    fn end_state(&self, folder: &Path, label: &str) {
        if let Err(error) = drop_state(folder) {
            let folder = folder.display();
            self.context
                .progress
                .note(&format!("{label}: cannot remove the state in {folder}, which nothing needs: {error}"));
        }
    }
}

/// What the selected epoch reached on validation, to be added to a sentence.
fn validation(outcome: &TrialOutcome) -> String {
    let of_selected = |m: &&EpochMetrics| m.epoch == outcome.selected_epoch && m.split == Split::Validation;
    outcome.history.iter().find(of_selected).map_or_else(String::new, |metrics| {
        format!(", validation Top-1 {} in epoch {}", percent(metrics.top1), metrics.epoch)
    })
}

/// The online transforms of an arm, those of the classifier first, and the name of their random streams.
pub(super) fn online(plan: &Plan, arm: &Arm) -> (Vec<Transform>, Digest) {
    let online: Vec<_> = plan.classifier.transforms.iter().chain(&arm.online).cloned().collect();
    let digest = match &arm.features {
        None => Digest::of_value("online-v1", &(&online, &arm.mix)),
        Some(features) => Digest::of_value("online-v2", &(&online, &arm.mix, features)),
    };
    (online, digest)
}

/// What the trials of one arm are made from, ready to be applied.
pub(super) struct Recipe<'a> {
    plan: &'a Plan,
    data: &'a StudyData,
    ready: &'a ReadyArm<'a>,
    /// As this arm is trained.
    classifier: Classifier,
    /// As declared.
    online: Vec<Transform>,
    transforms: Pipeline,
    mix: Option<Mixer>,
    pretrained: Option<PathBuf>,
    /// Training images to be watched, if the plan asks when they are learned.
    watched: Option<EvaluationSet>,
    /// Where originals and derived images are, from the root of the file system: a trainer may run in another folder.
    originals: PathBuf,
    sets: PathBuf,
    /// Name of its random streams.
    digest: Digest,
}

impl<'a> Recipe<'a> {
    pub(super) fn of(plan: &'a Plan, data: &'a StudyData, ready: &'a ReadyArm<'a>, context: &Context<'_>) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let classifier = &plan.classifier;
        let (online, digest) = online(plan, ready.arm);
        Self {
            plan,
            data,
            ready,
            transforms: Pipeline::new(&online),
            mix: ready.arm.mix.as_ref().map(Mixer::new),
            classifier: plan.classifier_of(ready.arm),
            pretrained: classifier.pretrained.as_ref().map(|path| plan.resolve_path(path)),
            watched: learned::watched(plan, ready),
            digest,
            originals: absolute(data.source.root()),
            sets: absolute(&sets::folder(context)),
            online,
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
            classifier: &self.classifier,
            classes: self.data.manifest.classes.len(),
            input: InputSize { width_px: input.width_px, height_px: input.height_px },
            network: input.network.as_ref(),
            pretrained: self.pretrained.as_deref(),
            training: &self.ready.training,
            validation: &self.ready.validation,
            test: &self.ready.test,
            further: &self.ready.further,
            watched: self.watched.as_ref(),
            transforms: &self.transforms,
            mix: self.mix.as_ref(),
            features: self.ready.arm.features.as_ref(),
            outside: Outside {
                base: &self.plan.base,
                originals: &self.originals,
                sets: &self.sets,
                online: &self.online,
                mix: self.ready.arm.mix.as_ref(),
            },
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

/// Shows one trial.
pub(super) struct TrialView<'a> {
    progress: &'a Progress,
    label: &'a str,
    stage: Stage<'a>,
    validation: String,
}

impl<'a> TrialView<'a> {
    pub(super) fn new(progress: &'a Progress, label: &'a str) -> Self {
        Self { progress, label, stage: progress.stage(label, 0, UPDATES), validation: String::new() }
    }
}

impl Observer for TrialView<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        match event {
            RunEvent::Epoch { metrics } if metrics.split == Split::Validation => {
                self.validation = format!(", validation {:.1} %", metrics.top1 * 100.0);
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
        let message = format!("epoch {}{}", progress.epoch, self.validation);
        self.stage.set_of(progress.updates, progress.total_updates, &message);
    }
}
