//! Checks of the classifier: its network, budget, input, optimizer and schedule.

use super::{Checker, MAX_SIDE_PX};
use crate::classifier::{Budget, Classifier, Optimizer, Schedule};
use crate::command;
use crate::file::ExperimentFile;
use augtrial_base::digest::Digest;

/// Batch normalization needs more than one value a channel.
const MIN_BATCH_SIZE: u32 = 2;
/// Nobody trains for so long; beyond, numbers of updates and images overflow.
const MOST_EPOCHS: f64 = 1e6;
const MOST_UPDATES: f64 = 1e9;

impl Checker<'_> {
    pub(super) fn classifier(&mut self, classifier: &Classifier, file: &ExperimentFile) {
        let at = |key: &str| format!("classifier.{key}");
        self.within(classifier.batch_size.into(), MIN_BATCH_SIZE.into(), 65536.0, &at("batch_size"));
        self.within(classifier.label_smoothing, 0.0, 0.999, &at("label_smoothing"));
        let (amount, most, key) = match classifier.budget {
            Budget::Epochs(epochs) => (f64::from(epochs), MOST_EPOCHS, "budget.epochs"),
            Budget::Updates(updates) => (updates as f64, MOST_UPDATES, "budget.updates"),
        };
        self.within(amount, 1.0, most, &at(key));
        if let Some(threads) = classifier.threads {
            self.within(threads.into(), 1.0, 1024.0, &at("threads"));
        }
        for fault in command::faults(classifier, &file.arms, &file.evaluations) {
            self.require_or(false, &at(fault.key), &fault.message, fault.help);
        }
        let input = classifier.input;
        let (width, height) =
            (input.width_px.unwrap_or(file.ingest.width_px), input.height_px.unwrap_or(file.ingest.height_px));
        let sides = [(width, "width_px", input.width_px.is_some()), (height, "height_px", input.height_px.is_some())];
        for (side, key, is_own) in sides {
            // What a network from a file takes is in its manifest, which is read when the study is prepared; what a command
            // takes, nobody knows.
            let least = classifier.row().map_or(1, |network| network.least_input_px);
            // An error stands where the number was typed.
            let path = if is_own { at(&format!("input.{key}")) } else { format!("ingest.{key}") };
            self.within(side.into(), least.into(), MAX_SIDE_PX.into(), &path);
        }
        if let Some(resize) = input.eval_resize_px {
            self.require(resize >= width.max(height), &at("input.eval_resize_px"), || {
                format!("`eval_resize_px` must be at least the larger side of the input, {}", width.max(height))
            });
        }
        self.transfer(classifier);
        self.optimizer(&classifier.optimizer, "classifier");
        self.schedule(classifier.schedule, "classifier");
        self.transforms(&classifier.transforms, "classifier.transforms");
    }

    pub(super) fn schedule(&mut self, schedule: Schedule, path: &str) {
        let at = |key: &str| format!("{path}.{key}");
        let (warmup, key) = match schedule {
            Schedule::Constant(constant) => (constant.warmup, "schedule.constant.warmup"),
            Schedule::Step(step) => {
                self.positive(step.factor, &at("schedule.step.factor"));
                self.positive(step.every_epochs.into(), &at("schedule.step.every_epochs"));
                (step.warmup, "schedule.step.warmup")
            }
            Schedule::Cosine(cosine) => {
                self.within(cosine.floor, 0.0, 1.0, &at("schedule.cosine.floor"));
                (cosine.warmup, "schedule.cosine.warmup")
            }
        };
        self.within(warmup, 0.0, 0.99, &at(key));
    }

    pub(super) fn transfer(&mut self, classifier: &Classifier) {
        self.require_or(
            classifier.network.is_none() || classifier.architecture.is_none(),
            "classifier.network",
            "`network` and `architecture` name two networks",
            "leave one of them out",
        );
        self.require_or(
            classifier.freeze.is_none() || classifier.pretrained.is_some() || classifier.network.is_some(),
            "classifier.freeze",
            "`freeze` needs `pretrained`: random weights would stay random",
            "name a safetensors file with `pretrained` (docs/pretrained.md), or leave `freeze` out",
        );
        if let Some(digest) = &classifier.weights_digest {
            self.require_or(
                digest.parse::<Digest>().is_ok(),
                "classifier.weights_digest",
                "`weights_digest` must have 64 hexadecimal digits",
                "it is the SHA-256 of the file, which `augtrial weights fetch` and `sha256sum` print",
            );
            self.require_or(
                classifier.pretrained.is_some(),
                "classifier.weights_digest",
                "`weights_digest` needs `pretrained`: there is no file to compare",
                "name the file with `pretrained`, or leave `weights_digest` out",
            );
        }
        if let Some(network) = classifier.row() {
            self.require(network.can_freeze(classifier.freeze), "classifier.freeze", || {
                format!("`{}` has no such part to freeze", network.name)
            });
        }
        if let Some(rate) = classifier.head_learning_rate {
            self.positive(rate, "classifier.head_learning_rate");
        }
    }

    pub(super) fn optimizer(&mut self, optimizer: &Optimizer, path: &str) {
        match optimizer {
            Optimizer::Sgd(sgd) => {
                let at = |key: &str| format!("{path}.optimizer.sgd.{key}");
                self.positive(sgd.learning_rate, &at("learning_rate"));
                self.within(sgd.momentum, 0.0, 0.9999, &at("momentum"));
                self.within(sgd.weight_decay, 0.0, 1.0, &at("weight_decay"));
                self.require(!sgd.nesterov || sgd.momentum > 0.0, &at("nesterov"), || {
                    "`nesterov` needs a `momentum` above 0".to_owned()
                });
            }
            Optimizer::Adamw(adamw) => {
                let at = |key: &str| format!("{path}.optimizer.adamw.{key}");
                self.positive(adamw.learning_rate, &at("learning_rate"));
                self.within(adamw.beta1, 0.0, 0.999_999, &at("beta1"));
                self.within(adamw.beta2, 0.0, 0.999_999_9, &at("beta2"));
                self.positive(adamw.epsilon, &at("epsilon"));
                self.within(adamw.weight_decay, 0.0, 1.0, &at("weight_decay"));
            }
        }
    }
}
