//! One trial from its initial weights to its result on the test split.
//!
//! Train an epoch, validate, checkpoint; at the end select an epoch by validation alone, then open the test split. A trial
//! continues from its checkpoint and then equals, bit for bit, one that was never stopped: a batch depends on its update
//! alone, and the checkpoint holds everything that an update changes, in the middle of an epoch too.

use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::aten::Bf16Region;
use super::batches::StagedBatch;
use super::checkpoint::{BestEpoch, Progress};
use super::cost::{Meter, Part, forget_peak_memory, peak_memory_bytes};
use super::device::resolve_device;
use super::error::TrainError;
use super::evaluate::{Evaluation, predictions};
use super::features::FixedTrunk;
use super::init::initialise;
use super::metrics::Pending;
use super::optimiser::{Optimiser, Rates};
use super::prefetch::prefetch;
use super::pretrained;
use super::resnet::{Layout, Mode, ResNet};
use super::saving::Saved;
use super::schedule::{Position, learning_rate};
use super::spec::TrialSpec;
use super::state::{HostState, NamedTensor, digest, to_host};
use super::timetable::Timetable;
use crate::clock::{Stopwatch, rfc3339};
use crate::data::samples::EvaluationSet;
use crate::digest::Digest;
use crate::events::{Cost, EpochMetrics, Observer, Prediction, RunEvent, Split, StepProgress, TestResult};
use crate::plan::classifier::{EpochRule, Freeze, Precision};

/// PyTorch's default of `ignore_index`: no label is ignored.
const NO_IGNORED_LABEL: i64 = -100;

/// What a finished trial found.
#[derive(Clone, Debug, PartialEq)]
pub struct TrialOutcome {
    /// Counted from 1.
    pub selected_epoch: u32,
    pub test: TestResult,
    /// Per test image, in the set's order.
    pub predictions: Vec<Prediction>,
    /// Digest of the selected epoch's parameters and running statistics.
    pub weights: Digest,
    /// Of every epoch: training, then validation. Complete also after a resumption.
    pub history: Vec<EpochMetrics>,
}

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
    run_with_layout(spec, Layout::of(spec.classifier.architecture), observer)
}

pub(super) fn run_with_layout(
    spec: &TrialSpec<'_>,
    layout: Layout,
    observer: &mut dyn Observer,
) -> Result<TrialOutcome, TrainError> {
    spec.check()?;
    forget_peak_memory();
    let mut trial = Trial::new(spec, layout)?;
    trial.resume(observer)?;
    trial.announce(observer)?;
    trial.fix_trunk(observer)?;
    for epoch in trial.progress.epochs..trial.timetable.total_epochs() {
        trial.train(epoch, observer)?;
        trial.validate(epoch, observer)?;
        trial.end_epoch(observer)?;
    }
    let selected_epoch = trial.select(observer)?;
    trial.test(selected_epoch, observer)
}

/// A trial under way; `saving` keeps its state on disk.
pub(super) struct Trial<'a> {
    pub(super) spec: &'a TrialSpec<'a>,
    pub(super) timetable: Timetable,
    device: Device,
    network: ResNet,
    /// The network's tensors, shared with it.
    pub(super) tensors: Vec<NamedTensor>,
    pub(super) optimiser: Optimiser,
    /// Only if all but the head is frozen.
    fixed: Option<FixedTrunk>,
    pub(super) progress: Progress,
    /// What updates reported that is not in `progress` yet.
    pending: Pending,
    pub(super) meter: Meter,
    /// The network after `progress.best`.
    pub(super) best: HostState,
    pub(super) saved: Saved,
}

impl<'a> Trial<'a> {
    /// Initial weights, drawn or pretrained.
    fn new(spec: &'a TrialSpec<'a>, layout: Layout) -> Result<Self, TrainError> {
        let device = resolve_device(spec.classifier.device)?;
        let mut network = ResNet::new(layout, spec.classes, device);
        let tensors = network.named_tensors();
        initialise(&tensors, spec.study_seed, spec.seed);
        if let Some(path) = spec.pretrained {
            pretrained::load(path, &format!("{:?}", spec.classifier.architecture).to_lowercase(), &tensors)?;
        }
        network.freeze(spec.classifier.freeze);
        let optimiser = Optimiser::new(spec.classifier.optimizer, &tensors);
        Ok(Self {
            spec,
            timetable: spec.timetable(),
            device,
            network,
            tensors,
            optimiser,
            fixed: None,
            progress: Progress::default(),
            pending: Pending::default(),
            meter: Meter::new(spec.clock),
            best: HostState::new(),
            saved: Saved::nothing(spec.clock),
        })
    }

    fn announce(&self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let prepared = RunEvent::Prepared {
            training_samples: self.spec.training.samples().len() as u64,
            updates_per_epoch: self.timetable.updates_per_epoch(),
            total_updates: self.timetable.total_updates(),
            total_epochs: self.timetable.total_epochs(),
        };
        emit(observer, &prepared)
    }

    /// Computes, once, what a trunk that stays as it is makes of images that stay as they are.
    fn fix_trunk(&mut self, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let is_trained = self.progress.epochs == self.timetable.total_epochs();
        if self.spec.classifier.freeze != Freeze::AllButHead || is_trained {
            return Ok(());
        }
        self.meter.restart();
        let fixed = FixedTrunk::new(self.spec, &self.network, self.device, &self.progress)?;
        self.meter.read(&mut self.progress.cost, Part::Forward);
        let event = fixed.event();
        self.fixed = Some(fixed);
        emit(observer, &event)
    }

    /// The updates of one epoch that are not done yet.
    fn train(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let spec = self.spec;
        let (stopwatch, device) = (spec.clock.start(), self.device);
        let before = self.progress.running;
        let mut samples = 0;
        let batches = spec.batches(self.fixed.as_ref().and_then(|fixed| fixed.training.clone()));
        let updates = self.progress.updates..self.timetable.updates_of(epoch).end;
        self.meter.restart();
        prefetch(
            updates,
            spec.workers,
            || batches.stager(device),
            |update, batch: Result<StagedBatch, TchError>| -> Result<(), TrainError> {
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
    fn step(&mut self, epoch: u32, update: u64, batch: &StagedBatch) -> Result<(), TrainError> {
        let rates = self.rates(epoch, update);
        let (inputs, targets) = batch.upload(self.device)?;
        self.meter.read(&mut self.progress.cost, Part::Data);

        let scores = self.scores(&inputs)?;
        let smoothing = self.spec.classifier.label_smoothing;
        let loss =
            scores.f_cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Mean, NO_IGNORED_LABEL, smoothing)?;
        self.pending.push(update, batch.samples as u64, &loss, &scores, &targets)?;
        self.meter.read(&mut self.progress.cost, Part::Forward);

        self.optimiser.drop_gradients()?;
        loss.f_backward()?;
        self.meter.read(&mut self.progress.cost, Part::Backward);

        self.optimiser.step(update + 1, rates)?;
        self.meter.read(&mut self.progress.cost, Part::Optimizer);
        self.progress.cost.training_images += batch.samples as u64;
        Ok(())
    }

    /// Scores of a training batch, f32, in the classifier's precision.
    fn scores(&self, inputs: &Tensor) -> Result<Tensor, TchError> {
        let features = self.fixed.as_ref().map(|fixed| fixed.features(inputs)).transpose()?;
        let _region = match self.spec.classifier.precision {
            Precision::Fp32 => None,
            Precision::Bf16 => Some(Bf16Region::begin(self.device)?),
        };
        let scores = match features {
            Some(features) => self.network.head_forward(&features)?,
            None => self.network.forward(inputs, Mode::Train)?,
        };
        scores.f_to_kind(Kind::Float)
    }

    /// Takes over what the updates reported: the one point of an epoch where the host waits for the device.
    pub(super) fn collect(&mut self, epoch: u32) -> Result<(), TrainError> {
        let running = &mut self.progress.running;
        let diverged = self.pending.drain(|report| {
            running.loss_nats += report.loss_nats * report.samples as f64;
            running.correct += report.correct;
            running.samples += report.samples;
        })?;
        match diverged {
            None => Ok(()),
            Some(update) => Err(self.diverged("the training loss", epoch, update)),
        }
    }

    /// Evaluates the validation split after an epoch and keeps the weights if they are the best so far.
    fn validate(&mut self, epoch: u32, observer: &mut dyn Observer) -> Result<(), TrainError> {
        let stopwatch = self.spec.clock.start();
        let evaluation = self.evaluate(self.spec.validation)?;
        if !evaluation.loss_nats.is_finite() {
            return Err(self.diverged("the validation loss", epoch, self.progress.updates - 1));
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

    fn evaluate(&mut self, set: &EvaluationSet) -> Result<Evaluation, TrainError> {
        self.meter.restart();
        let evaluation = match &self.fixed {
            Some(fixed) if set.split() == Split::Validation => fixed.validate(self.spec, &self.network, self.device)?,
            _ => self.spec.evaluator(self.device).evaluate(&self.network, set)?,
        };
        self.meter.read(&mut self.progress.cost, Part::Evaluation);
        self.progress.cost.evaluation_images += set.samples().len() as u64;
        Ok(evaluation)
    }

    /// Applies the epoch rule and puts the selected weights into the network. Looks at nothing but validation.
    fn select(&mut self, observer: &mut dyn Observer) -> Result<u32, TrainError> {
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
    fn test(mut self, selected_epoch: u32, observer: &mut dyn Observer) -> Result<TrialOutcome, TrainError> {
        emit(observer, &RunEvent::TestOpened { at: rfc3339(self.spec.clock.now()) })?;
        let evaluation = self.evaluate(self.spec.test)?;
        let test = TestResult {
            loss_nats: evaluation.loss_nats,
            top1: evaluation.top1,
            samples: evaluation.verdicts.len() as u64,
        };
        emit(observer, &RunEvent::Tested { result: test.clone() })?;
        let cost = Cost { peak_memory_bytes: peak_memory_bytes(), ..self.progress.cost };
        emit(observer, &RunEvent::Cost { cost })?;
        Ok(TrialOutcome {
            selected_epoch,
            test,
            predictions: predictions(self.spec.test, evaluation.verdicts),
            weights: digest(&to_host(&self.tensors)),
            history: self.progress.history,
        })
    }

    fn record(&mut self, metrics: EpochMetrics, observer: &mut dyn Observer) -> Result<(), TrainError> {
        self.progress.history.push(metrics.clone());
        emit(observer, &RunEvent::Epoch { metrics })
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
