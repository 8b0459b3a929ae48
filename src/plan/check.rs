//! Checks of meaning: numbers in their ranges, names unique, contrasts that name arms. All of them, each with its place.

use std::collections::BTreeSet;

use super::Role;
use super::arm::{Arm, Edit, EditChecks, FolderEdits, Ip2p, OnMissing};
use super::check_transform;
use super::classifier::{Budget, Classifier, Optimizer, Schedule};
use super::dataset::{Dataset, Protocol, SplitRule};
use super::file::ExperimentFile;
use super::source::Node;
use crate::diagnostic::{Diagnostic, suggest};

/// Smallest side, px, that the five halvings of a residual network leave a pixel of.
const MIN_INPUT_PX: u32 = 32;
const MAX_SIDE_PX: u32 = 8192;
/// Batch normalisation needs more than one value a channel.
const MIN_BATCH_SIZE: u32 = 2;

/// Everything in `file` that has the right shape and makes no sense.
pub(super) fn check(file: &ExperimentFile, root: &Node) -> Vec<Diagnostic> {
    let mut checker = Checker { root, found: Vec::new() };
    checker.study(file);
    checker.data(file);
    checker.classifier(&file.classifier, file);
    checker.arms(&file.arms);
    checker.contrasts(file);
    checker.found
}

/// Collects what is wrong. Paths are those of [`Node::locate`].
pub(super) struct Checker<'a> {
    root: &'a Node,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Unless `holds`, reports `message` at `path`.
    pub(super) fn require(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String) {
        if !holds {
            self.found.push(Diagnostic::new(message(), self.root.locate(path)));
        }
    }

    fn require_or(&mut self, holds: bool, path: &str, message: &str, help: impl Into<String>) {
        if !holds {
            self.found.push(Diagnostic::new(message, self.root.locate(path)).help(help));
        }
    }

    /// `value` lies in `[low, high]`, and is a number at all.
    pub(super) fn within(&mut self, value: f64, low: f64, high: f64, path: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        self.require((low..=high).contains(&value), path, || {
            format!("`{key}` must lie between {low} and {high}, not {value}")
        });
    }

    /// `value` is finite and above zero.
    pub(super) fn positive(&mut self, value: f64, path: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        self.require(value.is_finite() && value > 0.0, path, || {
            format!("`{key}` must be a number above 0, not {value}")
        });
    }

    fn slug(&mut self, name: &str, path: &str) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let holds = !name.is_empty() && name.len() <= 64 && name.chars().all(fits) && !name.starts_with('-');
        self.require_or(
            holds,
            path,
            &format!("`{name}` is not a name"),
            "use up to 64 lower-case letters, digits and hyphens, e.g. `trashnet-fair`",
        );
    }

    fn study(&mut self, file: &ExperimentFile) {
        let study = &file.study;
        self.slug(&study.name, "study.name");
        let distinct: BTreeSet<_> = study.seeds.iter().collect();
        self.require(!study.seeds.is_empty(), "study.seeds", || "`seeds` must have at least one seed".to_owned());
        self.require(distinct.len() == study.seeds.len(), "study.seeds", || {
            "`seeds` has a seed twice: it would be the same trial again, not more evidence".to_owned()
        });
        self.require(study.alpha > 0.0 && study.alpha < 1.0, "study.alpha", || {
            format!("`alpha` must lie between 0 and 1, not {}", study.alpha)
        });
        self.positive(study.delta, "study.delta");
    }

    fn data(&mut self, file: &ExperimentFile) {
        let ingest = &file.ingest;
        for (side, path) in [(ingest.width_px, "ingest.width_px"), (ingest.height_px, "ingest.height_px")] {
            self.within(side.into(), 1.0, MAX_SIDE_PX.into(), path);
        }
        self.require(ingest.max_pixels > 0, "ingest.max_pixels", || "`max_pixels` must be above 0".to_owned());
        if let Dataset::Synthetic(synthetic) = &file.dataset {
            self.within(synthetic.width_px.into(), 8.0, MAX_SIDE_PX.into(), "dataset.synthetic.width_px");
            self.within(synthetic.height_px.into(), 8.0, MAX_SIDE_PX.into(), "dataset.synthetic.height_px");
            self.within(synthetic.images.into(), 60.0, 1e6, "dataset.synthetic.images");
        }
        match file.split {
            Some(SplitRule::Stratified(split)) => {
                self.within(split.validation, 0.0, 1.0, "split.stratified.validation");
                self.within(split.test, 0.0, 1.0, "split.stratified.test");
                self.require(split.validation > 0.0 && split.test > 0.0, "split.stratified", || {
                    "`validation` and `test` must both be above 0: one selects the epoch, the other judges it"
                        .to_owned()
                });
                self.require(split.validation + split.test < 1.0, "split.stratified", || {
                    "`validation` and `test` leave nothing to train on".to_owned()
                });
            }
            Some(SplitRule::Given(given)) => {
                self.within(given.validation_from_train, 0.01, 0.9, "split.given.validation_from_train");
                let prescribed = matches!(file.dataset, Dataset::Index(_) | Dataset::Csv(_));
                self.require_or(
                    prescribed,
                    "split.given",
                    "this data set prescribes no split",
                    "use [split.stratified], or give the parts with [dataset.index] or [dataset.csv]",
                );
            }
            None => {}
        }
        let given = matches!(file.split, Some(SplitRule::Given(_)))
            || (file.split.is_none() && matches!(file.dataset, Dataset::Index(_)));
        self.require_or(
            !(given && file.study.protocol == Protocol::AsPublished),
            "study.protocol",
            "the as-published protocol divides files after augmentation, so no split can be given",
            "use [split.stratified] with it",
        );
    }

    fn classifier(&mut self, classifier: &Classifier, file: &ExperimentFile) {
        let at = |key: &str| format!("classifier.{key}");
        self.within(classifier.batch_size.into(), MIN_BATCH_SIZE.into(), 65536.0, &at("batch_size"));
        self.within(classifier.label_smoothing, 0.0, 0.999, &at("label_smoothing"));
        let (amount, key) = match classifier.budget {
            Budget::Epochs(epochs) => (u64::from(epochs), "budget.epochs"),
            Budget::Updates(updates) => (updates, "budget.updates"),
        };
        self.require(amount > 0, &at(key), || "the budget must be above 0".to_owned());
        if let Some(threads) = classifier.threads {
            self.within(threads.into(), 1.0, 1024.0, &at("threads"));
        }
        let input = classifier.input;
        let (width, height) =
            (input.width_px.unwrap_or(file.ingest.width_px), input.height_px.unwrap_or(file.ingest.height_px));
        for (side, key) in [(width, "input.width_px"), (height, "input.height_px")] {
            self.within(side.into(), MIN_INPUT_PX.into(), MAX_SIDE_PX.into(), &at(key));
        }
        if let Some(resize) = input.eval_resize_px {
            self.require(resize >= width.max(height), &at("input.eval_resize_px"), || {
                format!("`eval_resize_px` must be at least the larger side of the input, {}", width.max(height))
            });
        }
        self.transfer(classifier);
        self.optimizer(&classifier.optimizer);
        let (warmup, key) = match classifier.schedule {
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
        check_transform::check(self, &classifier.transforms, "classifier.transforms");
    }

    fn transfer(&mut self, classifier: &Classifier) {
        self.require_or(
            classifier.freeze.is_none() || classifier.pretrained.is_some(),
            "classifier.freeze",
            "`freeze` needs `pretrained`: random weights would stay random",
            "name a safetensors file with `pretrained` (docs/pretrained.md), or leave `freeze` out",
        );
        if let Some(rate) = classifier.head_learning_rate {
            self.positive(rate, "classifier.head_learning_rate");
        }
    }

    fn optimizer(&mut self, optimizer: &Optimizer) {
        match optimizer {
            Optimizer::Sgd(sgd) => {
                let at = |key: &str| format!("classifier.optimizer.sgd.{key}");
                self.positive(sgd.learning_rate, &at("learning_rate"));
                self.within(sgd.momentum, 0.0, 0.9999, &at("momentum"));
                self.within(sgd.weight_decay, 0.0, 1.0, &at("weight_decay"));
                self.require(!sgd.nesterov || sgd.momentum > 0.0, &at("nesterov"), || {
                    "`nesterov` needs a `momentum` above 0".to_owned()
                });
            }
            Optimizer::Adamw(adamw) => {
                let at = |key: &str| format!("classifier.optimizer.adamw.{key}");
                self.positive(adamw.learning_rate, &at("learning_rate"));
                self.within(adamw.beta1, 0.0, 0.999_999, &at("beta1"));
                self.within(adamw.beta2, 0.0, 0.999_999_9, &at("beta2"));
                self.positive(adamw.epsilon, &at("epsilon"));
                self.within(adamw.weight_decay, 0.0, 1.0, &at("weight_decay"));
            }
        }
    }

    fn arms(&mut self, arms: &[Arm]) {
        self.require(!arms.is_empty(), "arm", || "the study has no arm".to_owned());
        for (index, arm) in arms.iter().enumerate() {
            let at = |key: &str| format!("arm[{index}].{key}");
            self.slug(&arm.name, &at("name"));
            let first = arms.iter().position(|other| other.name == arm.name);
            self.require(first == Some(index), &at("name"), || format!("there are two arms named `{}`", arm.name));
            self.within(arm.repeat.into(), 1.0, 1000.0, &at("repeat"));
            for (step, offline) in arm.offline.iter().enumerate() {
                let path = at(&format!("offline[{step}]"));
                self.within(offline.copies.into(), 1.0, 1000.0, &format!("{path}.copies"));
                self.require(!offline.apply.is_empty(), &format!("{path}.apply"), || {
                    "an offline step needs at least one transform; use `repeat` to repeat originals".to_owned()
                });
                check_transform::check(self, &offline.apply, &format!("{path}.apply"));
                // Equal steps would draw the very same copies again.
                let twin = arm.offline[..step].iter().any(|earlier| earlier.apply == offline.apply);
                self.require(!twin, &path, || "this step equals an earlier one: raise its `copies` instead".to_owned());
            }
            check_transform::check(self, &arm.online, &at("online"));
            if let Some(mix) = &arm.mix {
                check_transform::check_mix(self, mix, &at("mix"));
            }
            match &arm.edit {
                Some(Edit::Ip2p(ip2p)) => self.ip2p(ip2p, &at("edit.ip2p")),
                Some(Edit::Folder(folder)) => self.folder_edits(folder, &at("edit.folder")),
                None => {}
            }
        }
    }

    fn ip2p(&mut self, ip2p: &Ip2p, path: &str) {
        self.within(ip2p.copies.into(), 1.0, 1000.0, &format!("{path}.copies"));
        self.within(ip2p.steps.into(), 1.0, 1000.0, &format!("{path}.steps"));
        self.within(ip2p.text_guidance, 0.0, 100.0, &format!("{path}.text_guidance"));
        self.within(ip2p.image_guidance, 0.0, 100.0, &format!("{path}.image_guidance"));
        self.edit_checks(&ip2p.checks, path);
        if let Some([low, high]) = ip2p.guidance_interval {
            self.require(0.0 <= low && low < high, &format!("{path}.guidance_interval"), || {
                format!("`guidance_interval` must be [low, high] with 0 <= low < high, not [{low}, {high}]")
            });
        }
        self.within(ip2p.batch_memory_mb.into(), 1.0, 1e6, &format!("{path}.batch_memory_mb"));
        if let Some(reuse) = ip2p.feature_reuse {
            self.within(reuse.every.into(), 1.0, 1000.0, &format!("{path}.feature_reuse.every"));
        }
        let path = format!("{path}.instructions");
        self.require_or(
            !ip2p.instructions.is_empty() || !ip2p.is_instructed(),
            &path,
            "there is no instruction",
            "name some for each class, or for all with the key \"*\"",
        );
        for (class, instructions) in &ip2p.instructions {
            self.require(!instructions.is_empty(), &path, || format!("`{class}` has no instruction"));
        }
    }

    fn folder_edits(&mut self, folder: &FolderEdits, path: &str) {
        self.within(folder.copies.into(), 1.0, 1000.0, &format!("{path}.copies"));
        self.edit_checks(&folder.checks, path);
        self.require_or(
            folder.on_missing != OnMissing::Retry,
            &format!("{path}.on_missing"),
            "edits made elsewhere cannot be tried again",
            "use \"drop\" or \"fail\"",
        );
    }

    fn edit_checks(&mut self, checks: &EditChecks, path: &str) {
        let levels = [checks.min_spread_levels, checks.min_change_levels];
        for (level, key) in levels.into_iter().zip(["min_spread_levels", "min_change_levels"]) {
            self.within(level, 0.0, 255.0, &format!("{path}.checks.{key}"));
        }
    }

    fn contrasts(&mut self, file: &ExperimentFile) {
        let names: Vec<_> = file.arms.iter().map(|arm| arm.name.as_str()).collect();
        let control = file.arms.iter().any(|arm| arm.role == Role::Control);
        self.require_or(
            control || names.len() < 2 || !file.contrasts.is_empty(),
            "arm",
            "no arm is a control, and no contrast is declared",
            "give one arm `role = \"control\"`, or declare [[contrast]] tables",
        );
        for (index, contrast) in file.contrasts.iter().enumerate() {
            let sides = [("treatment", &contrast.treatment), ("control", &contrast.control)];
            for (key, name) in sides {
                let near = suggest(name, names.iter().copied());
                self.require_or(
                    names.contains(&name.as_str()),
                    &format!("contrast[{index}].{key}"),
                    &format!("there is no arm named `{name}`"),
                    near.map_or_else(
                        || format!("the arms are {}", names.join(", ")),
                        |n| format!("did you mean `{n}`?"),
                    ),
                );
            }
            let path = format!("contrast[{index}]");
            self.require(contrast.treatment != contrast.control, &path, || "an arm is compared with itself".to_owned());
            let twin = file.contrasts[..index].contains(contrast);
            self.require(!twin, &path, || "this contrast is declared twice".to_owned());
        }
    }
}
