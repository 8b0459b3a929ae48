//! Checks of meaning: numbers in their ranges, names unique, contrasts that name arms. All of them, each with its place.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use super::Role;
use super::arm::Arm;
use super::balance;
use super::classifier::{Budget, Classifier, Optimizer, Schedule};
use super::command;
use super::copies;
use super::cross_fit;
use super::dataset::{Dataset, Protocol, SplitRule};
use super::declared::{Division, class_name_problem};
use super::design::{self, Mistake};
use super::evaluation::EvaluationSource;
use super::extra;
use super::features;
use super::file::{ExperimentFile, Redraw};
use super::gate;
use super::overrides::MOST_SEEDS;
use super::replace;
use super::select;
use super::sequential;
use super::source::Node;
use super::train;
use super::transform::Transform;
use super::tune::{self, Stage, Training, Wrong};
use augtrial_base::catalog::Limit;
use augtrial_base::diagnostic::Diagnostic;
use augtrial_base::digest::Digest;
use augtrial_base::words::nearest;

const MAX_SIDE_PX: u32 = 8192;
/// Largest bound of decoded pixels, in GB.
const MOST_CACHE_GB: f64 = 1e6;
/// Most folds of a division.
const MAX_FOLDS: f64 = 100.0;
/// Largest bound of a picture's pixels: 64 times what cameras make.
const MAX_PIXELS: u64 = 1 << 32;
/// Characters of a wrong name that an error shows.
const SHOWN_CHARS: usize = 60;
/// What commands call the study of the newest run.
const LATEST: &str = "latest";
/// Batch normalization needs more than one value a channel.
const MIN_BATCH_SIZE: u32 = 2;
/// Nobody trains for so long; beyond, numbers of updates and images overflow.
const MOST_EPOCHS: f64 = 1e6;
const MOST_UPDATES: f64 = 1e9;

/// What to do about a name that is none, if it is none.
pub(super) fn slug_problem(name: &str) -> Option<&'static str> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let holds = !name.is_empty() && name.len() <= 64 && name.chars().all(fits) && !name.starts_with('-');
    (!holds).then_some("use up to 64 lower-case letters, digits and hyphens, e.g. `trashnet-fair`")
}

/// Everything in `file` that has the right shape and makes no sense. `division` is what the data set prescribes.
pub(super) fn check(file: &ExperimentFile, root: &Node, division: Division) -> Vec<Diagnostic> {
    let mut checker = Checker { root, found: Vec::new() };
    checker.study(file);
    checker.data(file);
    checker.classes(&file.dataset);
    checker.split(file, division);
    checker.redraw(file, division);
    checker.mistakes(train::mistakes(file));
    checker.audit(file);
    checker.classifier(&file.classifier, file);
    checker.arms(&file.arms);
    checker.mistakes(copies::mistakes(&file.arms));
    checker.mistakes(replace::mistakes(file));
    checker.mistakes(balance::mistakes(file));
    checker.mistakes(features::mistakes(file));
    checker.mistakes(extra::mistakes(file));
    checker.mistakes(select::mistakes(file));
    checker.mistakes(gate::mistakes(file));
    checker.mistakes(cross_fit::mistakes(file));
    checker.contrasts(file);
    checker.mistakes(design::mistakes(file));
    checker.mistakes(sequential::mistakes(file));
    checker.evaluations(file);
    checker.found.extend(tune::mistakes(file).into_iter().map(|wrong| tuning(root, wrong)));
    checker.found
}

/// A mistake in `[tune]`, at its place.
pub(super) fn tuning(root: &Node, wrong: Wrong) -> Diagnostic {
    let Wrong { at, key, message, help } = wrong;
    // The keys of `values` are paths themselves.
    let of_key = key.and_then(|key| Some(root.get("tune")?.get(at)?.get(&key)?.span.clone()));
    let mistake = Diagnostic::new(message, of_key.or_else(|| root.locate(&format!("tune.{at}"))));
    match help {
        Some(help) => mistake.help(help),
        None => mistake,
    }
}

/// Collects what is wrong. Paths are those of [`Node::locate`].
struct Checker<'a> {
    root: &'a Node,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    /// Unless `holds`, reports `message` at `path`.
    fn require(&mut self, holds: bool, path: &str, message: impl FnOnce() -> String) {
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
    fn within(&mut self, value: f64, low: f64, high: f64, path: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        self.require((low..=high).contains(&value), path, || {
            format!("`{key}` must lie between {low} and {high}, not {value}")
        });
    }

    /// `value` is finite and above zero.
    fn positive(&mut self, value: f64, path: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        self.require(value.is_finite() && value > 0.0, path, || {
            format!("`{key}` must be a number above 0, not {value}")
        });
    }

    /// Reports what breaks the limits of the parameters at `path`.
    fn limits(&mut self, limits: Vec<Limit>, path: &str) {
        for Limit { parameter, faults, .. } in limits {
            let place = |fault| Diagnostic { span: self.root.locate(&format!("{path}.{parameter}")), ..fault };
            self.found.extend(faults.into_iter().map(place));
        }
    }

    fn transforms(&mut self, transforms: &[Transform], path: &str) {
        for (index, transform) in transforms.iter().enumerate() {
            self.limits(transform.limits(), &format!("{path}[{index}].{}", transform.name()));
        }
    }

    fn slug(&mut self, name: &str, path: &str) {
        if let Some(problem) = slug_problem(name) {
            self.require_or(false, path, &format!("`{name}` is not a name"), problem);
        }
    }

    fn mistakes(&mut self, found: Vec<Mistake>) {
        for Mistake { path, message, help } in found {
            let mistake = Diagnostic::new(message, self.root.locate(&path));
            self.found.push(match help {
                Some(help) => mistake.help(help),
                None => mistake,
            });
        }
    }

    fn study(&mut self, file: &ExperimentFile) {
        let study = &file.study;
        self.slug(&study.name, "study.name");
        self.require_or(
            study.name != LATEST,
            "study.name",
            &format!("a study cannot be called `{LATEST}`"),
            "that is what commands call the study of the newest run; choose another name",
        );
        let most = study.seeds.len() <= MOST_SEEDS;
        self.require(most, "study.seeds", || format!("`seeds` may have {MOST_SEEDS} seeds at most"));
        let distinct: BTreeSet<_> = study.seeds.iter().collect();
        self.require(!study.seeds.is_empty(), "study.seeds", || "`seeds` must have at least one seed".to_owned());
        self.require(distinct.len() == study.seeds.len(), "study.seeds", || {
            "`seeds` lists a seed twice; a repeated seed repeats the same trial".to_owned()
        });
        self.require(study.alpha > 0.0 && study.alpha < 1.0, "study.alpha", || {
            format!("`alpha` must lie between 0 and 1, not {}", study.alpha)
        });
        self.positive(study.delta, "study.delta");
        self.require_or(
            study.primary_metric.is_share() || self.root.get("study").and_then(|study| study.get("delta")).is_some(),
            "study.primary_metric",
            "this metric is no share, so that the default margin of 0.01 means nothing",
            "say with `delta` which difference of it is too small to matter, e.g. `delta = 0.05`",
        );
    }

    fn data(&mut self, file: &ExperimentFile) {
        let ingest = &file.ingest;
        for (side, path) in [(ingest.width_px, "ingest.width_px"), (ingest.height_px, "ingest.height_px")] {
            self.within(side.into(), 1.0, MAX_SIDE_PX.into(), path);
        }
        self.require((1..=MAX_PIXELS).contains(&ingest.max_pixels), "ingest.max_pixels", || {
            format!("`max_pixels` must lie between 1 and {MAX_PIXELS}, not {}", ingest.max_pixels)
        });
        if let Some(gigabytes) = ingest.cache_gb {
            self.within(gigabytes, 0.0, MOST_CACHE_GB, "ingest.cache_gb");
        }
        if let Dataset::Synthetic(synthetic) = &file.dataset {
            self.limits(synthetic.limits(), "dataset.synthetic");
        }
    }

    fn classes(&mut self, dataset: &Dataset) {
        let (classes, path) = match dataset {
            Dataset::Folder(folder) => (folder.classes.as_deref(), "dataset.folder.classes"),
            Dataset::Csv(csv) => (csv.classes.as_deref(), "dataset.csv.classes"),
            Dataset::Index(index) => (Some(&*index.classes), "dataset.index.classes"),
            Dataset::Parquet(parquet) => (parquet.classes.as_deref(), "dataset.parquet.classes"),
            Dataset::Synthetic(_) => (None, ""),
        };
        let classes = classes.unwrap_or_default();
        for (index, class) in classes.iter().enumerate() {
            let shown: String = class.escape_debug().take(SHOWN_CHARS).collect();
            let problem = class_name_problem(class);
            self.require(problem.is_none(), path, || {
                format!("`{shown}` cannot be a class: {}", problem.unwrap_or_default())
            });
            self.require(classes.iter().position(|other| other == class) == Some(index), path, || {
                format!("`classes` has `{shown}` twice")
            });
            // The names of a table are no folders.
            let inside = Path::new(class).components().all(|part| matches!(part, Component::Normal(_)));
            self.require_or(
                inside || matches!(dataset, Dataset::Csv(_) | Dataset::Parquet(_)),
                path,
                &format!("class `{shown}` leads out of the folder of the images"),
                "name a folder below `path`",
            );
        }
    }

    fn split(&mut self, file: &ExperimentFile, division: Division) {
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
                self.require_or(
                    division != Division::None,
                    "split.given",
                    "this data set prescribes no split",
                    "use [split.stratified], or give the parts: folders `train` and `test` above the class folders, a \
                     column `split` in [dataset.csv] or [dataset.parquet], shards named `train-...` and `test-...`, or [dataset.index]",
                );
            }
            Some(SplitRule::Folds(folds)) => {
                self.within(folds.k.into(), 2.0, MAX_FOLDS, "split.folds.k");
                self.within(folds.validation, 0.01, 0.9, "split.folds.validation");
                self.require_or(
                    !file.study.seeds.contains(&0),
                    "study.seeds",
                    "seeds of folds count from 1",
                    "seeds 1 to k test on the k folds of one division, seeds k + 1 to 2 k on those of a second",
                );
            }
            None => {}
        }
        let given = matches!(file.split, Some(SplitRule::Given(_)))
            || (file.split.is_none() && division == Division::Prescribed);
        self.require_or(
            !(given && file.study.protocol == Protocol::AsPublished),
            "study.protocol",
            "the as-published protocol divides files after augmentation, so no split can be given",
            "use [split.stratified] with it",
        );
    }

    fn redraw(&mut self, file: &ExperimentFile, division: Division) {
        let redraw = &file.study.redraw;
        let folds = matches!(file.split, Some(SplitRule::Folds(_)));
        let twice = redraw.iter().enumerate().any(|(index, what)| redraw[..index].contains(what));
        self.require(!twice, "study.redraw", || "`redraw` names the same twice".to_owned());
        self.require_or(
            file.study.protocol == Protocol::LeakFree || (redraw.is_empty() && !folds),
            "study.protocol",
            "the as-published protocol has one draw for all seeds",
            "leave `redraw` and [split.folds] out: what it shows is how studies were done that drew once",
        );
        let split = redraw.contains(&Redraw::Split);
        self.require_or(
            !(split && folds),
            "study.redraw",
            "`redraw` has `split`, and folds draw the split already",
            "leave it out of `redraw`, or use [split.stratified]",
        );
        let given = matches!(file.split, Some(SplitRule::Given(_)))
            || (file.split.is_none() && division == Division::Prescribed);
        self.require_or(
            !(split && given),
            "study.redraw",
            "a prescribed split cannot be redrawn",
            "use [split.stratified], which leaves the prescribed parts alone, or leave `split` out of `redraw`",
        );
    }

    fn audit(&mut self, file: &ExperimentFile) {
        let audit = &file.audit;
        if let Some(radius) = audit.radius {
            self.within(radius.into(), 0.0, 128.0, "audit.radius");
        }
        if let Some(similarity) = audit.similarity {
            self.within(similarity, 0.0, 1.0, "audit.similarity");
        }
        self.found.extend(audit.decided.check(self.root, "audit.decided."));
        let divides = file.split.is_some_and(SplitRule::minds_near_duplicates) || !audit.is_empty();
        self.require_or(
            !(divides && file.study.protocol == Protocol::AsPublished),
            "study.protocol",
            "the as-published protocol divides files whatever they show, so no audit can steer it",
            "leave [audit] and near duplicates out, or use the leak-free protocol",
        );
    }

    fn classifier(&mut self, classifier: &Classifier, file: &ExperimentFile) {
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

    fn schedule(&mut self, schedule: Schedule, path: &str) {
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

    fn transfer(&mut self, classifier: &Classifier) {
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

    fn optimizer(&mut self, optimizer: &Optimizer, path: &str) {
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
                self.within(offline.copies.extreme().into(), 1.0, 1000.0, &format!("{path}.copies"));
                self.require(!offline.apply.is_empty(), &format!("{path}.apply"), || {
                    "an offline step needs at least one transform; use `repeat` to repeat originals".to_owned()
                });
                self.transforms(&offline.apply, &format!("{path}.apply"));
                // Equal steps would draw the very same copies again.
                let twin = arm.offline[..step].iter().any(|earlier| earlier.apply == offline.apply);
                self.require(!twin, &path, || "this step equals an earlier one: raise its `copies` instead".to_owned());
            }
            self.transforms(&arm.online, &at("online"));
            self.training(&arm.training, &at("training"));
            if let Some(mix) = &arm.mix {
                self.limits(mix.limits(), &at(&format!("mix.{}", mix.name())));
            }
            if let Some(features) = &arm.features {
                self.limits(features.limits(), &at(&format!("features.{}", features.name())));
            }
            if let Some(edit) = &arm.edit {
                self.limits(edit.limits(), &at(&format!("edit.{}", edit.name())));
            }
        }
    }

    /// What of the classifier an arm has for itself.
    fn training(&mut self, training: &Training, path: &str) {
        if let Some(optimizer) = &training.optimizer {
            self.optimizer(optimizer, path);
        }
        if let Some(schedule) = training.schedule {
            self.schedule(schedule, path);
        }
        if let Some(smoothing) = training.label_smoothing {
            self.within(smoothing, 0.0, 0.999, &format!("{path}.label_smoothing"));
        }
        if let Some(rate) = training.head_learning_rate {
            self.positive(rate, &format!("{path}.head_learning_rate"));
        }
    }

    fn evaluations(&mut self, file: &ExperimentFile) {
        let sets = &file.evaluations;
        self.require_or(
            sets.is_empty() || file.study.protocol == Protocol::LeakFree,
            "evaluation",
            "the as-published protocol has no evaluation sets",
            "every arm has test images of its own there; leave [[evaluation]] out, or use the leak-free protocol",
        );
        for (index, set) in sets.iter().enumerate() {
            let at = |key: &str| format!("evaluation[{index}].{key}");
            self.slug(&set.name, &at("name"));
            let first = sets.iter().position(|other| other.name == set.name);
            self.require(first == Some(index), &at("name"), || {
                format!("there are two evaluation sets named `{}`", set.name)
            });
            if let EvaluationSource::Corrupted(corrupted) = &set.from {
                let path = at("from.corrupted.apply");
                self.require(!corrupted.apply.is_empty(), &path, || {
                    "without a transform it would be the test part again".to_owned()
                });
                self.transforms(&corrupted.apply, &path);
            }
        }
    }

    fn contrasts(&mut self, file: &ExperimentFile) {
        let arms: Vec<Arm> = file.arms.iter().flat_map(copies::expanded).collect();
        let names: Vec<_> = arms.iter().map(|arm| arm.name.as_str()).collect();
        let control = file.arms.iter().any(|arm| arm.role == Role::Control);
        let search = file.tune.as_ref().is_some_and(|tune| tune.stage == Stage::Tries);
        self.require_or(
            control || names.len() < 2 || !file.contrasts.is_empty() || search,
            "arm",
            "no arm is a control, and no contrast is declared",
            "give one arm `role = \"control\"`, or declare [[contrast]] tables",
        );
        for (index, contrast) in file.contrasts.iter().enumerate() {
            let sides = [("treatment", &contrast.treatment), ("control", &contrast.control)];
            for (key, name) in sides {
                let near = nearest(name, names.iter().copied());
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
