//! One trial from its initial weights to its result on the test split.
//!
//! Train an epoch, validate, checkpoint; at the end select an epoch by validation alone, then open the test split. A trial
//! continues from its checkpoint and then equals, bit for bit, one that was never stopped: a batch depends on its update
//! alone, and the checkpoint holds everything that an update changes, in the middle of an epoch too.

use rand::RngExt as _;
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::aten::Bf16Region;
use super::batches::{Input, StagedBatch};
use super::checkpoint::{BestEpoch, TrialProgress};
use super::cost::{Meter, Part, forget_peak_memory, peak_memory_bytes};
use super::device::{loaders, resolve_device};
use super::evaluate::{Evaluation, predictions};
use super::failure::Failure;
use super::features::FixedTrunk;
use super::hidden::Blend;
use super::init::initialize;
use super::metrics::Pending;
use super::optimizer::{Optimizer, Rates};
use super::prefetch::prefetch;
use super::pretrained;
use super::saving::Saved;
use super::spec::{batches, evaluator};
use super::state::{HostState, digest, to_host};
use crate::generator::{Turn, seeded};
use crate::networks::script::ScriptNetwork;
use crate::networks::{Mode, NamedTensor, Network, constructor};
use augtrial_base::clock::{Stopwatch, rfc3339};
use augtrial_base::events::{Cost, EpochMetrics, Observer, RunEvent, Split, StepProgress};
use augtrial_base::seed::Purpose;
use augtrial_data::samples::{EvaluationSet, FurtherSet};
use augtrial_plan::classifier::{EpochRule, Freeze, Precision};
use augtrial_trial::TrainError;
use augtrial_trial::schedule::{Position, learning_rate};
use augtrial_trial::timetable::Timetable;
use augtrial_trial::{TrialOutcome, TrialSpec};

/// PyTorch's default of `ignore_index`: no label is ignored.
const NO_IGNORED_LABEL: i64 = -100;

/// Runs a trial, or the rest of it if `spec.folder` holds its checkpoint.
///
/// Emits, in order: `Resumed` (only when continued), `Prepared`, `FeaturesComputed` (only when the head alone is to be
/// trained), per epoch `Epoch` (training), `Epoch` (validation) and, if the rule has the state saved then, `Checkpointed`, then
/// `Selected`, `TestOpened`, `Tested` and `Cost`. `Started`, `Finished` and `Failed` are the caller's. Epochs that an earlier
/// attempt reported beyond the epoch of `Resumed` are reported again, with equal values.
///
/// # Errors
/// [`TrainError::Interrupted`] when `spec.stop` is set, after saving the state; [`TrainError::NonFinite`] when the loss
/// diverges; and whatever checks, checkpoint, observer or LibTorch report.
pub fn run_trial(spec: &TrialSpec<'_>, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
    let table = |classes, device| Ok(constructor(spec.row())(classes, device));
    match spec.network {
        None => run_with(spec, table, observer),
        Some(file) => {
            run_with(spec, |classes, device| Ok(Box::new(ScriptNetwork::load(file, classes, device)?)), observer)
        }
    }
}

/// As [`run_trial`], with the network that `build` makes for a number of classes on a device.
pub(super) fn run_with(
    spec: &TrialSpec<'_>,
    build: impl FnOnce(usize, Device) -> Result<Box<dyn Network>, TrainError>,
    observer: &mut dyn Observer,
) -> Result<TrialOutcome, TrainError> {
    spec.check()?;
    forget_peak_memory();
    let device = resolve_device(spec.classifier.device)?;
    let network = build(spec.classes, device)?;
    Ok(run(spec, network, device, observer)?)
}

fn run(
    spec: &TrialSpec<'_>,
    network: Box<dyn Network>,
    device: Device,
    observer: &mut dyn Observer,
) -> Result<TrialOutcome, Failure> {
    let mut trial = RunningTrial::new(spec, network, device)?;
    trial.resume(observer)?;
    trial.announce(observer)?;
    trial.fix_trunk(observer)?;
    for epoch in trial.progress.epochs..trial.timetable.total_epochs() {
        trial.train(epoch, observer)?;
        trial.watch(epoch)?;
        trial.validate(epoch, observer)?;
        trial.end_epoch(observer)?;
    }
    let selected_epoch = trial.select(observer)?;
    trial.test(selected_epoch, observer)
}

/// A trial under way; `saving` keeps its state on disk.
pub(super) struct RunningTrial<'a> {
    pub(super) spec: &'a TrialSpec<'a>,
    pub(super) timetable: Timetable,
    device: Device,
    network: Box<dyn Network>,
    /// The network's tensors, shared with it.
    pub(super) tensors: Vec<NamedTensor>,
    pub(super) optimizer: Optimizer,
    /// Only if all but the head is frozen.
    fixed: Option<FixedTrunk>,
    pub(super) progress: TrialProgress,
    /// What updates reported that is not in `progress` yet.
    pending: Pending,
    pub(super) meter: Meter,
    /// The network after `progress.best`.
    pub(super) best: HostState,
    pub(super) saved: Saved,
}

impl<'a> RunningTrial<'a> {
    /// Initial weights, drawn or pretrained.
    fn new(spec: &'a TrialSpec<'a>, mut network: Box<dyn Network>, device: Device) -> Result<Self, Failure> {
        let tensors = network.tensors();
        initialize(&tensors, spec.study_seed, spec.seed);
        if let Some(path) = spec.pretrained {
            let name = spec.network.map_or_else(|| spec.row().name, |file| file.manifest().source.name.as_str());
            pretrained::load(path, name, network.as_ref())?;
        }
        network.freeze(spec.classifier.freeze);
        let optimizer = Optimizer::new(spec.classifier.optimizer, &tensors)?;
        Ok(Self {
            spec,
            timetable: spec.timetable(),
            device,
            network,
            tensors,
            optimizer,
            fixed: None,
            progress: TrialProgress::default(),
            pending: Pending::default(),
            meter: Meter::new(spec.clock),
            best: HostState::new(),
            saved: Saved::nothing(spec.clock),
        })
    }

    fn announce(&self, observer: &mut dyn Observer) -> Result<(), Failure> {
        let prepared = RunEvent::Prepared {
            training_samples: self.spec.training_samples() as u64,
            updates_per_epoch: self.timetable.updates_per_epoch(),
            total_updates: self.timetable.total_updates(),
            total_epochs: self.timetable.total_epochs(),
        };
        Ok(emit(observer, &prepared)?)
    }

    /// Caches the frozen trunk's features of images that no transform changes.
    fn fix_trunk(&mut self, observer: &mut dyn Observer) -> Result<(), Failure> {
        let is_trained = self.progress.epochs == self.timetable.total_epochs();
        if self.spec.classifier.freeze != Freeze::AllButHead || is_trained {
            return Ok(());
        }
        self.meter.restart();
        let fixed = FixedTrunk::new(self.spec, self.network.as_ref(), self.device, &self.progress)?;
        self.meter.read(&mut self.progress.cost, Part::Forward);
        let event = fixed.event();
        self.fixed = Some(fixed);
        Ok(emit(observer, &event)?)
    }

    /// The updates of one epoch that are not done yet.
    fn train(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<(), Failure> {
        let spec = self.spec;
        let (stopwatch, device) = (spec.clock.start(), self.device);
        let before = self.progress.running;
        let mut samples = 0;
        let batches = batches(spec, self.fixed.as_ref().and_then(|fixed| fixed.training.clone()));
        let updates = self.progress.updates..self.timetable.updates_of(epoch).end;
        self.meter.restart();
        prefetch(
            updates,
            loaders(device, spec.workers),
            || batches.stager(device),
            |update, batch: Result<StagedBatch, Failure>| -> Result<(), Failure> {
                self.heed_requests(epoch)?;
                let batch = batch?;
                self.step(epoch, update, &batch)?;
                samples += batch.samples as u64;
                self.progress.running.elapsed_secs = before.elapsed_secs + stopwatch.elapsed().as_secs_f64();
                self.progress.updates = update + 1;
                observer.progress(&self.step_progress(epoch, samples, stopwatch));
                self.meter.restart();
                Ok(())
            },
        )?;
        self.collect(epoch)?;
        let sums = std::mem::take(&mut self.progress.running);
        let metrics = EpochMetrics {
            epoch: epoch + 1,
            split: Split::Train,
            loss_nats: sums.loss_nats / sums.samples as f64,
            top1: sums.correct as f64 / sums.samples as f64,
            learning_rate: self.last_rate(epoch),
            samples: sums.samples,
            updates: self.progress.updates,
            elapsed_secs: sums.elapsed_secs,
        };
        self.record(metrics, observer)
    }

    /// One update of the weights. Nothing here waits for the device.
    fn step(&mut self, epoch: u32, update: u64, batch: &StagedBatch) -> Result<(), Failure> {
        let rates = self.rates(epoch, update);
        let (input, targets) = batch.upload(self.device)?;
        self.meter.read(&mut self.progress.cost, Part::Data);

        let turn = self.layers_turn(update);
        let scores = self.scores(&input, batch)?;
        drop(turn);
        let smoothing = self.spec.classifier.label_smoothing;
        let loss =
            scores.f_cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Mean, NO_IGNORED_LABEL, smoothing)?;
        self.pending.push(update, batch.samples as u64, &loss, &scores, &targets)?;
        self.meter.read(&mut self.progress.cost, Part::Forward);

        self.optimizer.drop_gradients()?;
        loss.f_backward()?;
        self.meter.read(&mut self.progress.cost, Part::Backward);

        self.optimizer.step(update + 1, rates)?;
        self.meter.read(&mut self.progress.cost, Part::Optimizer);
        self.progress.cost.training_images += batch.samples as u64;
        Ok(())
    }

    /// LibTorch's generator for layers that draw, seeded by the update alone, so that a resumed trial draws the same.
    fn layers_turn(&self, update: u64) -> Option<Turn> {
        let draws = self.network.has_random_layers() && self.fixed.is_none();
        let mut stream = self.spec.study_seed.stream(Purpose::Layers { seed: self.spec.seed }, update);
        draws.then(|| seeded(stream.random()))
    }

    /// Scores of a training batch, f32, in the classifier's precision; `input` is on the device.
    fn scores(&self, input: &Input, batch: &StagedBatch) -> Result<Tensor, TchError> {
        let features = self.fixed.as_ref().map(|fixed| fixed.features(input)).transpose()?;
        let _region = match self.spec.classifier.precision {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(Bf16Region::begin(self.device)?),
        };
        let scores = match (&features, input) {
            (Some(features), _) | (None, Input::Features(features)) => self.network.head(features)?,
            (None, Input::Images(images)) => match &batch.hidden {
                None => self.network.forward(images, Mode::Train)?,
                Some(mix) => {
                    let blend = Blend::new(mix, self.device)?;
                    self.network.forward_changed(images, Mode::Train, blend.stage, &|values| blend.apply(values))?
                }
            },
        };
        scores.f_to_kind(Kind::Float)
    }

    /// Takes over what the updates reported: the one point of an epoch where the host waits for the device.
    pub(super) fn collect(&mut self, epoch: u32) -> Result<(), Failure> {
        let running = &mut self.progress.running;
        let diverged = self.pending.drain(|report| {
            running.loss_nats += report.loss_nats * report.samples as f64;
            running.correct += report.correct;
            running.samples += report.samples;
        })?;
        match diverged {
            None => Ok(()),
            Some(update) => Err(self.diverged("the training loss", epoch, update).into()),
        }
    }

    /// Looks which of the watched images are recognized after an epoch. One that is forgotten must be learned again.
    fn watch(&mut self, epoch: u32) -> Result<(), Failure> {
        let Some(watched) = self.spec.watched else { return Ok(()) };
        let evaluation = self.evaluate(watched)?;
        self.progress.learned.resize(evaluation.verdicts.len(), 0);
        let images = watched.samples().iter().zip(&evaluation.verdicts);
        for (learned, (sample, verdict)) in self.progress.learned.iter_mut().zip(images) {
            *learned = match (verdict.predicted == sample.label, *learned) {
                (true, 0) => epoch + 1,
                (true, since) => since,
                (false, _) => 0,
            };
        }
        Ok(())
    }

    /// Evaluates the validation split after an epoch and keeps the weights if they are the best so far.
    fn validate(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<(), Failure> {
        let stopwatch = self.spec.clock.start();
        let evaluation = self.evaluate(self.spec.validation)?;
        if !evaluation.loss_nats.is_finite() {
            return Err(self.diverged("the validation loss", epoch, self.progress.updates - 1).into());
        }
        let metrics = EpochMetrics {
            epoch: epoch + 1,
            split: Split::Validation,
            loss_nats: evaluation.loss_nats,
            top1: evaluation.top1,
            learning_rate: self.last_rate(epoch),
            samples: evaluation.verdicts.len() as u64,
            updates: self.progress.updates,
            elapsed_secs: stopwatch.elapsed().as_secs_f64(),
        };
        self.progress.epochs = epoch + 1;
        if self.spec.classifier.epoch_rule == EpochRule::BestValidation {
            let candidate = BestEpoch {
                epoch: epoch + 1,
                validation_top1: evaluation.top1,
                validation_loss_nats: evaluation.loss_nats,
            };
            if self.progress.best.is_none_or(|best| candidate.beats(&best)) {
                self.progress.best = Some(candidate);
                self.best = to_host(&self.tensors);
            }
        }
        self.record(metrics, observer)
    }

    fn evaluate(&mut self, set: &EvaluationSet) -> Result<Evaluation, Failure> {
        self.meter.restart();
        let evaluation = match &self.fixed {
            Some(fixed) if set.split() == Split::Validation => {
                fixed.validate(self.spec, self.network.as_ref(), self.device)?
            }
            _ => evaluator(self.spec, self.device).evaluate(self.network.as_ref(), set)?,
        };
        self.meter.read(&mut self.progress.cost, Part::Evaluation);
        self.progress.cost.evaluation_images += set.samples().len() as u64;
        Ok(evaluation)
    }

    /// Applies the epoch rule and puts the selected weights into the network. Looks at nothing but validation.
    fn select(&mut self, observer: &mut dyn Observer) -> Result<u32, Failure> {
        let epoch = match self.progress.best {
            Some(best) => {
                self.tensors.iter().for_each(|named| self.best[&named.name].write_to(&named.tensor));
                best.epoch
            }
            None => self.progress.epochs,
        };
        let of_epoch = |metrics: &&EpochMetrics| metrics.split == Split::Validation && metrics.epoch == epoch;
        let metrics = self.progress.history.iter().find(of_epoch).expect("every epoch is validated");
        emit(observer, &RunEvent::Selected { epoch, validation_top1: metrics.top1 })?;
        Ok(epoch)
    }

    /// Opens the test split and evaluates the selected weights on it.
    fn test(mut self, selected_epoch: u32, observer: &mut dyn Observer) -> Result<TrialOutcome, Failure> {
        emit(observer, &RunEvent::TestOpened { at: rfc3339(self.spec.clock.now()) })?;
        let evaluation = self.evaluate(self.spec.test)?;
        let test = evaluation.result();
        emit(observer, &RunEvent::Tested { result: test.clone() })?;
        let mut further = Vec::with_capacity(self.spec.further.len());
        for FurtherSet { name, set } in self.spec.further {
            let evaluation = self.evaluate(set)?;
            let result = evaluation.result();
            emit(observer, &RunEvent::Evaluated { name: name.clone(), result })?;
            further.push((name.clone(), predictions(set, evaluation.verdicts)));
        }
        let cost = Cost { peak_memory_bytes: peak_memory_bytes(), ..self.progress.cost };
        emit(observer, &RunEvent::Cost { cost })?;
        Ok(TrialOutcome {
            selected_epoch,
            test,
            predictions: predictions(self.spec.test, evaluation.verdicts),
            further,
            weights: digest(&to_host(&self.tensors)),
            history: self.progress.history,
            learned: self.progress.learned,
        })
    }

    fn record(&mut self, metrics: EpochMetrics, observer: &mut dyn Observer) -> Result<(), Failure> {
        self.progress.history.push(metrics.clone());
        Ok(emit(observer, &RunEvent::Epoch { metrics })?)
    }

    fn rates(&self, epoch: u32, update: u64) -> Rates {
        let classifier = self.spec.classifier;
        let at = Position { update, total_updates: self.timetable.total_updates(), epoch };
        let scheduled = |base| learning_rate(&classifier.schedule, base, at);
        Rates { body: scheduled(classifier.optimizer.learning_rate()), head: scheduled(classifier.head_rate()) }
    }

    /// The rate that is told: the body's, unless the head alone is trained.
    fn rate(&self, epoch: u32, update: u64) -> f64 {
        let Rates { body, head } = self.rates(epoch, update);
        if self.spec.classifier.freeze == Freeze::AllButHead { head } else { body }
    }

    fn last_rate(&self, epoch: u32) -> f64 {
        self.rate(epoch, self.timetable.updates_of(epoch).end - 1)
    }

    fn step_progress(&self, epoch: u32, samples: u64, stopwatch: Stopwatch) -> StepProgress {
        let elapsed_secs = stopwatch.elapsed().as_secs_f64();
        StepProgress {
            epoch: epoch + 1,
            updates: self.progress.updates,
            total_updates: self.timetable.total_updates(),
            samples_per_sec: if elapsed_secs > 0.0 { samples as f64 / elapsed_secs } else { 0.0 },
        }
    }

    fn diverged(&self, what: &'static str, epoch: u32, update: u64) -> TrainError {
        let learning_rate = self.rate(epoch, update);
        TrainError::NonFinite { what, epoch: epoch + 1, update: update + 1, learning_rate }
    }
}

impl BestEpoch {
    /// Higher validation Top-1; of equals, lower validation loss; of equals, the earlier (so a later one never beats).
    fn beats(&self, best: &Self) -> bool {
        let (ours, theirs) = (self.validation_top1, best.validation_top1);
        ours > theirs || (ours == theirs && self.validation_loss_nats < best.validation_loss_nats)
    }
}

pub(super) fn emit(observer: &mut dyn Observer, event: &RunEvent) -> Result<(), TrainError> {
    observer.observe(event).map_err(TrainError::Observer)
}
