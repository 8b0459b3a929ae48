//! Reruns one finished run from its record alone, and grades how near it comes.
//!
//! The replay trains in a folder of its own that is removed afterwards: it is no attempt, enters no registry and leaves the
//! run's folder as it is. Materialized sets and decoded pixels are reused by their digests, as every run does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::arms::ReadyArm;
use super::grade::{self, Check, End, Grade, GradedAt, Trace};
use super::jobs::Crew;
use super::key::TRAINER_VERSION;
use super::prepared::Draws;
use super::surroundings::{self, Surrounding};
use super::trials::{Recipe, TrialView};
use super::{Context, Options, StudyData, StudyError, provenance};
use augtrial_base::disk;
use augtrial_base::events::{EpochMetrics, Observer, Prediction, RunEvent, Split, StepProgress};
use augtrial_plan::Plan;
use augtrial_plan::classifier::Kernels;
use augtrial_registry::{Registry, RunId, RunRecord, Status};
use augtrial_trial::{CheckpointRule, TrainError, TrialOutcome, TrialSpec, kernels};

/// The entry of provenance.json that holds [`TRAINER_VERSION`].
const TRAINER_FIELD: &str = "backend.trainer";

/// What is asked of a replay.
#[derive(Clone, Debug, Default)]
pub struct ReplayOptions {
    /// Threads of the trial; as many as were recorded if absent.
    pub threads: Option<u32>,
    /// Compare so many epochs only, and train no more; all if absent.
    pub epochs: Option<u32>,
    /// Where relative paths of the plan start from; the folder of the recorded experiment file if absent.
    pub base: Option<PathBuf>,
}

/// What a replay found.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    pub run: RunId,
    pub study: String,
    pub arm: String,
    pub seed: u64,
    pub attempt: u32,
    pub grade: Grade,
    /// What *close* allows.
    pub tolerance: &'static str,
    pub recorded_epochs: u32,
    pub replayed_epochs: u32,
    /// Threads of the replay.
    pub threads: u32,
    /// How the replay's surroundings differ from the recorded ones.
    pub surroundings: Vec<Surrounding>,
    /// Why the plan of today is not the recorded trial; then nothing was trained.
    pub another_trial: Vec<String>,
    /// Everything that was compared, in the order in which a trial makes it.
    pub checks: Vec<Check>,
}

impl Replay {
    /// The first quantity whose bits are not equal.
    #[must_use]
    pub fn first_unequal(&self) -> Option<&Check> {
        self.checks.iter().find(|check| !check.equal)
    }

    /// The first quantity beyond its tolerance.
    #[must_use]
    pub fn first_beyond(&self) -> Option<&Check> {
        self.checks.iter().find(|check| !check.close)
    }

    /// Whether the surroundings allow other bits.
    #[must_use]
    pub fn bits_may_differ(&self) -> bool {
        self.surroundings.iter().any(|one| one.decides_bits)
    }
}

/// Kernels that the run that `name` means was computed with: its replay must be started with their environment
/// ([`augtrial_trial::kernels::pin`]).
///
/// # Errors
/// [`StudyError`] if there is no such run, or its plan cannot be read.
pub fn recorded_kernels(name: &str, context: &Context<'_>) -> Result<Kernels, StudyError> {
    let record = context.open_registry()?.show(name)?;
    let origin = format!("plan.toml of run {}", record.header.run);
    let classifier = Plan::parse(&origin, &record.plan_toml, PathBuf::new(), &[])?.classifier;
    match classifier.command {
        None => Ok(classifier.kernels),
        Some(command) => {
            let run = record.header.run.to_string();
            Err(StudyError::NoReplayOfCommand { run, command: command.shown() })
        }
    }
}

/// Reruns the run that `name` means and grades it. This process must have been started with the run's kernels
/// ([`recorded_kernels`]).
///
/// # Errors
/// [`StudyError::Kernels`] if it was not; [`StudyError::NotReplayable`] for a run that did not finish; [`StudyError::ReplayInterrupted`]; else whatever reading the
/// record, making the data or training gives.
pub fn replay(name: &str, options: &ReplayOptions, context: &Context<'_>) -> Result<Replay, StudyError> {
    let registry = context.open_registry()?;
    let recorded = Recorded::read(&registry, name)?;
    let header = &recorded.record.header;
    let plan = recorded.plan(options)?;
    kernels::require(plan.classifier.kernels)?;
    let then = Some(recorded.record.provenance.threads).filter(|&threads| threads > 0);
    let threads = context.engine()?.begin(&plan.classifier, options.threads.or(then))?;

    let only = Options { arms: vec![header.arm.clone()], ..Options::default() };
    only.check(&plan)?;
    let interrupted =
        |error| if matches!(error, StudyError::Interrupted) { StudyError::ReplayInterrupted } else { error };
    let draws = Draws::read(&plan, context).map_err(interrupted)?;
    let prepared = draws.of(header.seed)?;
    let arm = prepared.arms(&only).next().expect("the arm is one of the plan's");
    let ready = &prepared.ready_arm(arm).map_err(interrupted)?;
    let data = &prepared.data;

    let mut replay = Replay {
        run: header.run,
        study: header.study.clone(),
        arm: header.arm.clone(),
        seed: header.seed,
        attempt: header.attempt,
        grade: Grade::Identical,
        tolerance: grade::TOLERANCE,
        recorded_epochs: recorded.record.state.epochs,
        replayed_epochs: 0,
        threads,
        surroundings: surroundings::differences(
            &recorded.record.provenance,
            &provenance::collect(&plan, Crew { jobs: 1, threads }, context)?,
        ),
        another_trial: Vec::new(),
        checks: data_checks(&recorded.record, &plan, data, ready),
    };
    for Surrounding { field, recorded, now, meaning, .. } in &replay.surroundings {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not recorded".to_owned());
        context.progress.note(&format!("{field}: {} then, {} now: {meaning}", shown(recorded), shown(now)));
    }
    if replay.first_unequal().is_some() {
        replay.another_trial = why_another_trial(&replay.checks, &recorded.record, &plan);
    } else {
        let trained = train(&recorded, &plan, data, ready, options, context)?;
        replay.replayed_epochs = trained.epochs.iter().map(|metrics| metrics.epoch).max().unwrap_or(0);
        replay.checks.extend(recorded.compared_with(&trained)?);
    }
    replay.grade = Grade::of(&replay.checks);
    Ok(replay)
}

/// A finished run as its folder has it.
struct Recorded {
    record: RunRecord,
    predictions: Vec<Prediction>,
}

/// A replayed trial, as far as it was trained.
struct Trained {
    epochs: Vec<EpochMetrics>,
    outcome: Option<TrialOutcome>,
}

impl Recorded {
    fn read(registry: &Registry, name: &str) -> Result<Self, StudyError> {
        let record = registry.show(name)?;
        let run = record.header.run;
        registry.verify(run)?;
        if record.status != Status::Finished {
            return Err(StudyError::NotReplayable {
                run: run.to_string(),
                problem: format!("is {}", record.status.name()),
            });
        }
        Ok(Self { predictions: registry.predictions(run)?, record })
    }

    /// The recorded plan, its relative paths taken from the experiment file's folder as of then.
    fn plan(&self, options: &ReplayOptions) -> Result<Plan, StudyError> {
        let experiment = self.record.provenance.experiment.as_ref().map(|source| Path::new(&source.path));
        let folder = experiment.and_then(Path::parent).unwrap_or(Path::new(""));
        let base = options.base.clone().unwrap_or_else(|| folder.to_owned());
        let name = format!("plan.toml of run {}", self.record.header.run);
        Ok(Plan::parse(&name, &self.record.plan_toml, base, &[])?)
    }

    fn compared_with(&self, trained: &Trained) -> Result<Vec<Check>, StudyError> {
        let last = trained.epochs.iter().map(|metrics| metrics.epoch).max().unwrap_or(0);
        let within = |metrics: &&EpochMetrics| trained.outcome.is_some() || metrics.epoch <= last;
        let epochs: Vec<_> = self.record.epochs.iter().filter(within).cloned().collect();
        let recorded = Trace { epochs: &epochs, end: Some(self.end()?) };
        let end = trained.outcome.as_ref().map(|outcome| End {
            selected_epoch: outcome.selected_epoch,
            test: &outcome.test,
            predictions: &outcome.predictions,
            weights: outcome.weights,
        });
        Ok(grade::compare(&recorded, &Trace { epochs: &trained.epochs, end }))
    }

    fn end(&self) -> Result<End<'_>, StudyError> {
        let state = &self.record.state;
        let parts = state.selected_epoch.zip(state.test.as_ref()).zip(state.weights);
        let end = parts.map(|((selected_epoch, test), weights)| End {
            selected_epoch,
            test,
            predictions: &self.predictions,
            weights,
        });
        end.ok_or_else(|| StudyError::NotReplayable {
            run: self.record.header.run.to_string(),
            problem: "has no record of its result: its events were changed".to_owned(),
        })
    }
}

/// The data that the trial sees, and the key of everything that decides it, as recorded and as they are now.
fn data_checks(record: &RunRecord, plan: &Plan, data: &StudyData, ready: &ReadyArm<'_>) -> Vec<Check> {
    let header = &record.header;
    let pairs = [
        ("plan", header.plan, plan.digest()),
        ("manifest", header.sets.manifest, data.manifest.digest()),
        ("split", header.sets.split, ready.key.split()),
        ("training set", header.sets.training, ready.training.digest()),
        ("validation set", header.sets.validation, ready.validation.digest()),
        ("test set", header.sets.test, ready.test.digest()),
        ("trial key", header.trial_key, ready.key.trial(header.seed)),
    ];
    // What is not in the key (names, thread counts) may change; a plan of another digest is told only if the key differs.
    let changed = pairs[1..].iter().any(|(_, then, now)| then != now);
    let told = pairs.into_iter().skip(usize::from(!changed));
    told.map(|(quantity, then, now)| Check::exact(GradedAt::Data, quantity, &then, &now)).collect()
}

/// Which parts of the trial are not those of the record.
fn why_another_trial(checks: &[Check], record: &RunRecord, plan: &Plan) -> Vec<String> {
    let differs = |quantity: &str| checks.iter().any(|check| check.quantity == quantity && !check.equal);
    let recorded = record.provenance.leaves();
    let trainer = recorded.get(TRAINER_FIELD);
    let mut reasons = Vec::new();
    if trainer != Some(&TRAINER_VERSION.to_string()) {
        let then = trainer.map_or("an unrecorded version", String::as_str);
        reasons.push(format!(
            "the trainer is version {TRAINER_VERSION} and was {then}: equal plans train to other results"
        ));
    }
    if differs("plan") {
        reasons.push(
            "plan.toml is not the plan of the header: it was changed, or this augtrial adds what it did not say".into(),
        );
    }
    if differs("manifest") {
        reasons.push("the data set is another: files were changed, added or removed since".into());
    } else if differs("split") {
        reasons.push("the same images are divided otherwise".into());
    }
    let sets = ["training set", "validation set", "test set"].into_iter().filter(|set| differs(set));
    let sets = sets.collect::<Vec<_>>().join(", ");
    if !sets.is_empty() && !differs("manifest") {
        reasons.push(format!("of equal originals, other images came into: {sets}"));
    }
    if reasons.is_empty() {
        let network = plan.classifier.network.as_ref();
        let network = network.map_or(String::new(), |custom| format!("the network in {}, ", custom.folder()));
        let pretrained = plan.classifier.pretrained.as_ref();
        let weights = pretrained.map_or(String::new(), |path| format!("the pretrained weights {path}, "));
        reasons.push(format!("{network}{weights}the tool or the model bundle of a materialized set is another"));
    }
    reasons
}

/// Trains in a folder that is removed at the end.
fn train(
    recorded: &Recorded,
    plan: &Plan,
    data: &StudyData,
    ready: &ReadyArm<'_>,
    options: &ReplayOptions,
    context: &Context<'_>,
) -> Result<Trained, StudyError> {
    let header = &recorded.record.header;
    let runs = &context.workspace.runs;
    // Removed at the end; what a kill leaves of it, the next study removes.
    let scratch = disk::unfinished_folder(&runs.join("replay"));
    let scratch = scratch.map_err(|source| StudyError::Scratch { path: runs.clone(), source })?;
    let recipe = Recipe::of(plan, data, ready, context);
    let checkpoints = CheckpointRule::LAST_EPOCH;
    let spec = TrialSpec { checkpoints, ..recipe.spec(header.seed, header.trial_key, scratch.path(), context) };
    let label = format!("replay of run {}: {}, seed {}", header.run, header.arm, header.seed);
    let mut watch = Watch {
        view: TrialView::new(context.progress, &label),
        epochs: Vec::new(),
        limit: options.epochs,
        stop: context.stop,
        reached: false,
    };
    match context.engine()?.train(&spec, &mut watch) {
        Ok(outcome) => Ok(Trained { epochs: watch.epochs, outcome: Some(outcome) }),
        Err(TrainError::Interrupted { .. }) if watch.reached => Ok(Trained { epochs: watch.epochs, outcome: None }),
        Err(TrainError::Interrupted { .. }) => Err(StudyError::ReplayInterrupted),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the measurements, and stops the trial after so many epochs.
struct Watch<'a> {
    view: TrialView<'a>,
    epochs: Vec<EpochMetrics>,
    limit: Option<u32>,
    stop: &'a AtomicBool,
    /// Whether the stop flag was set here.
    reached: bool,
}

impl Observer for Watch<'_> {
    fn observe(&mut self, event: &RunEvent) -> io::Result<()> {
        self.view.observe(event)?;
        if let RunEvent::Epoch { metrics } = event {
            self.epochs.push(metrics.clone());
            if metrics.split == Split::Validation && self.limit == Some(metrics.epoch) {
                self.reached = !self.stop.swap(true, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn progress(&mut self, progress: &StepProgress) {
        self.view.progress(progress);
    }
}
