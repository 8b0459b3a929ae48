//! The networks that judge images whose source they were not trained on: trained before the study as a study of their own
//! ([`Plan::cross_fit_plan`]), found again by the keys of their trials, which cover data, folds and recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::data::Division;
use super::key::ArmKey;
use super::prepared::Prepared;
use super::quality::Looker;
use super::{Context, Options, Outcome, StudyData, StudyError, learned, train};
use augtrial_base::digest::Digest;
use augtrial_base::words::plural;
use augtrial_plan::Plan;
use augtrial_registry::{Registry, RunFolders, RunId, Standing};
use augtrial_trial::WEIGHTS_FILE_NAME;

/// The networks of a division, a fold each.
pub(super) struct CrossFit {
    pub(super) folds: Vec<FoldNetwork>,
    plan: Plan,
}

/// A network that was trained on all folds but one.
pub(super) struct FoldNetwork {
    /// Of its trial: the fold that is left out, counted from 1.
    pub(super) seed: u64,
    pub(super) run: RunId,
    weights: PathBuf,
    /// Of the file of its weights.
    digest: Digest,
    /// Contents of the images that it was trained on.
    pub(super) trained_on: BTreeSet<Digest>,
    /// Contents of those that it judges.
    pub(super) held_out: BTreeSet<Digest>,
}

impl CrossFit {
    /// The networks that this plan asks, which have been trained.
    ///
    /// # Errors
    /// [`StudyError::NotFitted`] if one has not been.
    pub(super) fn of(prepared: &Prepared<'_>) -> Result<Self, StudyError> {
        let Prepared { plan, data, context, .. } = prepared;
        let missing = |problem: String| StudyError::NotFitted { study: plan.study.name.clone(), problem };
        let networks = plan.cross_fit_plan().ok_or_else(|| missing("no arm of it asks any".to_owned()))?;
        let runs = &context.workspace.runs;
        if !runs.join("trials").is_dir() {
            return Err(missing(format!("{} has no run yet", runs.display())));
        }
        let folders = RunFolders::open(runs, context.clock)?;
        let arm = &networks.arms[0];
        let mut folds = Vec::new();
        for &seed in &networks.study.seeds {
            let of_fold = data.redrawn(&networks, networks.draw(seed))?;
            let key = prepared.key_of(&networks, &of_fold, arm)?.trial(seed);
            let Standing::Finished { run } = folders.standing(&key)? else {
                let problem = format!("the network of fold {seed} of {} is not trained", networks.study.seeds.len());
                return Err(missing(problem));
            };
            let Division::BySource(partition) = &of_fold.division else {
                return Err(missing("it has no training part".to_owned()));
            };
            let weights = folders.path(run).join(WEIGHTS_FILE_NAME);
            let digest =
                Digest::of_file(&weights).map_err(|source| StudyError::Read { path: weights.clone(), source })?;
            folds.push(FoldNetwork {
                seed,
                run,
                weights,
                digest,
                trained_on: partition.train.sources().iter().map(|image| image.digest).collect(),
                held_out: partition.test.images().iter().map(|image| image.digest).collect(),
            });
        }
        Ok(Self { folds, plan: networks })
    }

    /// Digest of the networks, and of which images each judges.
    pub(super) fn digest(&self) -> Digest {
        let folds: Vec<_> = self.folds.iter().map(|fold| (fold.digest, &fold.held_out)).collect();
        Digest::of_value("cross-fit-v1", &folds)
    }

    /// A network of a fold, ready to look.
    pub(super) fn looker<'a>(
        &self,
        fold: &FoldNetwork,
        classes: usize,
        context: &'a Context<'a>,
    ) -> Result<Looker<'a>, StudyError> {
        let name = format!("{}, cross-fitted without fold {}", self.plan.arms[0].name, fold.seed);
        Looker::of_run(&self.plan, name, (fold.weights.clone(), fold.digest), classes, context)
    }

    /// The probability of every training image's own class, by content and class, as the network gives it that was not trained on it.
    pub(super) fn confidence(&self, context: &Context<'_>) -> Result<BTreeMap<(Digest, u32), f64>, StudyError> {
        let folders = RunFolders::open(&context.workspace.runs, context.clock)?;
        let mut found = BTreeMap::new();
        for fold in &self.folds {
            for prediction in folders.predictions(fold.run)? {
                let own = prediction.probabilities.get(prediction.label as usize).copied().unwrap_or(0.0);
                found.insert((prediction.image, prediction.label), f64::from(own));
            }
        }
        Ok(found)
    }

    /// When every training image is learned, by content and class: the mean epoch, over the networks that were trained on it, from which
    /// on it is recognized to the end, where one that is not recognized at the end counts as learned an epoch later.
    pub(super) fn learned(&self, context: &Context<'_>) -> Result<BTreeMap<(Digest, u32), f64>, StudyError> {
        let folders = RunFolders::open(&context.workspace.runs, context.clock)?;
        let mut sums: BTreeMap<(Digest, u32), (f64, u32)> = BTreeMap::new();
        for fold in &self.folds {
            for (image, class, epoch) in learned::read(&folders.path(fold.run))? {
                let (sum, count) = sums.entry((image, class)).or_default();
                *sum += epoch;
                *count += 1;
            }
        }
        Ok(sums.into_iter().map(|(image, (sum, count))| (image, sum / f64::from(count))).collect())
    }
}

impl Prepared<'_> {
    /// The key of an arm of another plan on another division of the same data set.
    fn key_of<'k>(
        &'k self,
        plan: &'k Plan,
        data: &'k StudyData,
        arm: &'k augtrial_plan::arm::Arm,
    ) -> Result<ArmKey<'k>, StudyError> {
        let opener = self.context.engine.map(|engine| engine as &dyn augtrial_augment::edit::OpenEditor);
        let steps = super::sets::steps(plan, data, arm, opener);
        let sets = steps.map(|step| Ok(step?.digest(plan, data))).collect::<Result<_, StudyError>>()?;
        Ok(ArmKey::new(plan, data, arm, sets, self.input()))
    }
}

/// Trains the networks that a study asks and that are not there yet; says what became of them.
///
/// # Errors
/// [`StudyError::NotFitted`] if one has no result: what depends on it cannot be made.
pub(super) fn fit(
    plan: &Plan,
    options: &Options,
    registry: &Registry,
    context: &Context<'_>,
) -> Result<Outcome, StudyError> {
    let asked = plan.arms.iter().any(|arm| options.wants(arm) && plan.asks_networks(arm));
    // Declared ones are for measuring, too.
    let declared = plan.cross_fit.is_some() && options.arms.is_empty();
    let Some(networks) = plan.cross_fit_plan().filter(|_| asked || declared) else { return Ok(Outcome::default()) };
    let count = plural(networks.study.seeds.len(), "network");
    let arm = &networks.arms[0].name;
    context.progress.note(&format!("cross-fitting: {count} of {arm}, each without one fold of the training part"));
    let options = Options { arms: Vec::new(), most_seeds: None, ..options.clone() };
    let outcome = train(&networks, &options, registry, context)?;
    match outcome.failed.first() {
        None => Ok(outcome),
        Some((_, seed, reason)) => Err(StudyError::NotFitted {
            study: plan.study.name.clone(),
            problem: format!("the network of fold {seed} has no result: {reason}"),
        }),
    }
}

/// The plan that trains the networks of a study, while one of them has no result.
///
/// # Errors
/// Whatever reading the registry gives.
pub(super) fn unfitted(plan: &Plan, registry: &Registry) -> Result<Option<Plan>, StudyError> {
    let Some(networks) = plan.cross_fit_plan() else { return Ok(None) };
    let sheet: Option<super::sheet::StudySheet> = registry.read_study(&networks.study.name, &networks.digest())?;
    let Some(sheet) = sheet else { return Ok(Some(networks)) };
    let cells = super::results::cells(&networks, registry, &sheet)?;
    let fitted = cells.len() == networks.study.seeds.len()
        && cells.iter().all(|cell| matches!(cell.state.standing(), Standing::Finished { .. }));
    Ok((!fitted).then_some(networks))
}
