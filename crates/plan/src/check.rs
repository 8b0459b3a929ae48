//! Checks of meaning: numbers in their ranges, names unique, contrasts that name arms. All of them, each with its place.

mod classifier;
mod data;

use std::collections::BTreeSet;

use super::Role;
use super::arm::Arm;
use super::balance;
use super::copies;
use super::cross_fit;
use super::dataset::Protocol;
use super::declared::Division;
use super::design::{self, Mistake};
use super::evaluation::EvaluationSource;
use super::extra;
use super::features;
use super::file::ExperimentFile;
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
use augtrial_base::words::nearest;

const MAX_SIDE_PX: u32 = 8192;
/// What commands call the study of the newest run.
const LATEST: &str = "latest";

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
