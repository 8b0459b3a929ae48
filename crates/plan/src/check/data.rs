//! Checks of the images: their size, classes, parts, and what an audit decided.

use std::path::{Component, Path};

use super::{Checker, MAX_SIDE_PX};
use crate::dataset::{Dataset, Protocol, SplitRule};
use crate::declared::{Division, class_name_problem};
use crate::file::{ExperimentFile, Redraw};

/// Largest bound of decoded pixels, in GB.
const MOST_CACHE_GB: f64 = 1e6;
/// Most folds of a division.
const MAX_FOLDS: f64 = 100.0;
/// Largest bound of a picture's pixels: 64 times what cameras make.
const MAX_PIXELS: u64 = 1 << 32;
/// Characters of a wrong name that an error shows.
const SHOWN_CHARS: usize = 60;

/// Whether the data set's own parts are used: said so, or prescribed where nothing is said.
fn is_given(file: &ExperimentFile, division: Division) -> bool {
    match file.split {
        Some(rule) => matches!(rule, SplitRule::Given(_)),
        None => division == Division::Prescribed,
    }
}

impl Checker<'_> {
    pub(super) fn data(&mut self, file: &ExperimentFile) {
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

    pub(super) fn classes(&mut self, dataset: &Dataset) {
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

    pub(super) fn split(&mut self, file: &ExperimentFile, division: Division) {
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
        let given = is_given(file, division);
        self.require_or(
            !(given && file.study.protocol == Protocol::AsPublished),
            "study.protocol",
            "the as-published protocol divides files after augmentation, so no split can be given",
            "use [split.stratified] with it",
        );
    }

    pub(super) fn redraw(&mut self, file: &ExperimentFile, division: Division) {
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
        let given = is_given(file, division);
        self.require_or(
            !(split && given),
            "study.redraw",
            "a prescribed split cannot be redrawn",
            "use [split.stratified], which leaves the prescribed parts alone, or leave `split` out of `redraw`",
        );
    }

    pub(super) fn audit(&mut self, file: &ExperimentFile) {
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
}
