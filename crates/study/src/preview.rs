//! What a run would do, and why: reads the data, makes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::data::Division;
use super::estimate::{self, Basis};
use super::extra;
use super::foresee::{Foreseen, foresee_beside_data, foresee_with};
use super::jobs::{self, Choice, Crew, Left};
use super::prepared::{Draws, Prepared};
use super::room::Room;
use super::sets::{Step, working};
use super::{Context, Options, StudyData, StudyError, as_tuned, selection};
use augtrial_base::digest::Digest;
use augtrial_base::events::Split;
use augtrial_base::words::chain;
use augtrial_data::stat::ClassTable;
use augtrial_plan::Plan;
use augtrial_plan::arm::{Arm, Edit, Role};
use augtrial_registry::Standing;
use augtrial_trial::kernels;
pub(super) use shared::Shared;

/// A study before it is run.
#[derive(Clone, Debug)]
pub struct Preview {
    pub study: String,
    pub classes: ClassTable,
    /// Images of each class in train, validation and test, by the first seed's draw; under the as-published protocol, none until sets are made.
    pub parts: Option<[Vec<u64>; 3]>,
    /// Images of the training part that `[train]` leaves unused, by the first seed's draw.
    pub unused: u64,
    pub arms: Vec<ArmPreview>,
    pub trials: Vec<TrialPreview>,
    /// Time of what is left to train.
    pub time: Duration,
    pub time_basis: Basis,
    /// Bytes of everything that would be made, cached or not.
    pub disk_bytes: u64,
    /// What `[ingest] cache_gb` leaves to be decoded whenever it is read; nothing if all decoded pixels are kept.
    pub decoded: Option<DecodedPreview>,
    /// How many trials would run at once, on how many threads each.
    pub choice: Choice,
    /// What is slow on this machine.
    pub warnings: Vec<String>,
    /// The search that comes first, while nothing is chosen; the rest is of the study after it.
    pub search: Option<SearchPreview>,
    /// The networks that are trained first, where the study asks any.
    pub cross_fit: Option<CrossFitPreview>,
    /// What would fail or mislead later.
    pub foreseen: Vec<Foreseen>,
}

/// What is kept of decoded pixels under a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodedPreview {
    /// Originals, and those of them that are decoded once and kept.
    pub originals: u64,
    pub originals_kept: u64,
    /// The same of all derived images.
    pub derived: u64,
    pub derived_kept: u64,
    /// Bytes of the kept pixels.
    pub kept_bytes: u64,
}

/// A search before it is run.
#[derive(Clone, Copy, Debug)]
pub struct SearchPreview {
    /// Tries of every arm.
    pub tries: usize,
    /// Seeds of every try.
    pub seeds: usize,
    /// Trials of all tries that are distinct, and those of them that are left.
    pub trials: usize,
    pub left: usize,
    /// Time of what is left to train.
    pub time: Duration,
}

impl SearchPreview {
    fn of(plan: &Plan, options: &Options, context: &Context<'_>, shared: &Shared) -> Result<Option<Self>, StudyError> {
        let Some(search) = plan.tries_plan()? else { return Ok(None) };
        let shown = preview_of(&search, &Options { arms: Vec::new(), ..options.clone() }, context, shared)?;
        let (trials, left) = distinct(&shown.trials);
        let all_left = shown.trials.iter().filter(|trial| trial.standing.is_left()).count().max(1);
        Ok(Some(Self {
            tries: plan.tries().len(),
            seeds: search.study.seeds.len(),
            trials,
            left,
            // Equal trials are run once.
            time: shown.time.mul_f64(left as f64 / all_left as f64),
        }))
    }
}

/// The networks that a study asks, before they are trained.
#[derive(Clone, Copy, Debug)]
pub struct CrossFitPreview {
    /// One network for each.
    pub folds: usize,
    /// Networks that are left to train, and the time of that.
    pub left: usize,
    pub time: Duration,
}

impl CrossFitPreview {
    fn of(plan: &Plan, options: &Options, context: &Context<'_>) -> Result<Option<Self>, StudyError> {
        let Some(networks) = plan.cross_fit_plan() else { return Ok(None) };
        let shown = preview(&networks, &Options { arms: Vec::new(), ..options.clone() }, context)?;
        let (folds, left) = distinct(&shown.trials);
        Ok(Some(Self { folds, left, time: shown.time }))
    }
}

/// One arm before it is run.
#[derive(Clone, Debug)]
pub struct ArmPreview {
    pub name: String,
    pub role: Role,
    /// Training images of each class that the recipe promises.
    pub counts: Vec<u64>,
    pub epochs: u64,
    pub updates: u64,
    /// Training samples seen by one trial.
    pub samples: u64,
    /// Of every draw, where sets or sources are redrawn for every seed.
    pub sets: Vec<SetPreview>,
}

/// A set before it is made.
#[derive(Clone, Debug)]
pub struct SetPreview {
    /// Absent if it cannot be made as things are, or depends on networks that are trained first.
    pub digest: Option<Digest>,
    /// Why it cannot be made.
    pub problem: Option<String>,
    pub images: u64,
    pub cached: bool,
}

/// One trial before it is run.
#[derive(Clone, Debug)]
pub struct TrialPreview {
    pub arm: String,
    pub seed: u64,
    /// Absent if a set of it cannot be made as things are.
    pub key: Option<Digest>,
    pub standing: Standing,
}

/// How many of these trials are distinct, and how many of those are left to train. A trial without a key has a set that cannot be
/// made yet: nothing says that it is another one's.
pub(super) fn distinct<'t>(trials: impl IntoIterator<Item = &'t TrialPreview>) -> (usize, usize) {
    let (mut keys, mut left, mut unknown) = (BTreeSet::new(), BTreeSet::new(), 0);
    for trial in trials {
        match trial.key {
            Some(key) => {
                keys.insert(key);
                if trial.standing.is_left() {
                    left.insert(key);
                }
            }
            None => unknown += 1,
        }
    }
    (keys.len() + unknown, left.len() + unknown)
}

/// Looks at a study without running it.
///
/// # Errors
/// Whatever reading the data or the registry gives.
pub fn preview(plan: &Plan, options: &Options, context: &Context<'_>) -> Result<Preview, StudyError> {
    options.check(plan)?;
    preview_of(plan, options, context, &Shared::open(context)?)
}

/// The same of one of several plans that are looked at together.
pub(super) fn preview_of(
    plan: &Plan,
    options: &Options,
    context: &Context<'_>,
    shared: &Shared,
) -> Result<Preview, StudyError> {
    options.check(plan)?;
    let registry = &shared.registry;
    let tuned = as_tuned(plan, registry)?;
    let plan = &*tuned;
    let search = SearchPreview::of(plan, options, context, shared)?;
    let cross_fit = CrossFitPreview::of(plan, options, context)?;
    let draws = Draws::of_images(plan, shared.images(plan, context)?, context)?;
    let data = &draws.first().data;
    let mut arms: Vec<ArmPreview> = Vec::new();
    let mut trials = Vec::new();
    let mut samples_left: u64 = 0;
    for prepared in draws.all() {
        let prepared = prepared?;
        for arm in prepared.arms(options) {
            let shown = arm_preview(prepared, arm);
            let digests: Option<Vec<Digest>> = shown.sets.iter().map(|set| set.digest).collect();
            let key = digests.map(|sets| prepared.key(arm, sets));
            for &seed in &prepared.seeds {
                // A trial whose sets cannot be made has no key, and so no attempts.
                let key = key.as_ref().map(|key| key.trial(seed));
                let state = key.as_ref().map(|key| registry.trial_state(key)).transpose()?;
                let standing = state.map_or(Standing::Planned, |state| state.standing());
                if standing.is_left() {
                    samples_left = samples_left.saturating_add(shown.samples);
                }
                trials.push(TrialPreview { arm: arm.name.clone(), seed, key, standing });
            }
            match arms.iter_mut().find(|known| known.name == shown.name) {
                Some(known) => known.add_sets(shown.sets),
                None => arms.push(shown),
            }
        }
    }
    let order = |name: &str| plan.arms.iter().position(|arm| arm.name == name);
    trials.sort_by_key(|trial| order(&trial.arm));
    trials.sort_by_key(|trial| plan.study.seeds.iter().position(|&seed| seed == trial.seed));
    let unmade =
        |arm: &&Arm| arms.iter().any(|shown| shown.name == arm.name && shown.sets.iter().any(|set| !set.cached));
    let left = Left {
        trials: trials.iter().filter(|trial| trial.standing.is_left()).count(),
        arms: plan.arms.iter().filter(unmade).collect(),
    };
    let machine = jobs::Machine::for_plan(plan, context.worker);
    let choice = jobs::choose(plan, options.jobs, machine, &left);
    let emulated = jobs::emulates_training(plan, machine);
    let unusable = kernels::check_processor(plan.classifier.kernels).err().map(|error| error.to_string());
    let warnings = unusable.into_iter().chain(jobs::slow_here(plan, machine)).collect();
    let Crew { jobs, threads } = choice.crew;
    let (one_process, time_basis) =
        estimate::training_time(plan, registry, &shared.past, (samples_left, threads), emulated)?;
    let time = one_process / jobs;
    // That the data are there and can be read is known by now.
    let mut foreseen = foresee_beside_data(plan, context.worker);
    foreseen.extend(foresee_with(plan, data, &arms));
    let derived = arms.iter().flat_map(|arm| &arm.sets).fold(0_u64, |sum, set| sum.saturating_add(set.images));
    let decoded = DecodedPreview::of(plan, data, derived);
    Ok(Preview {
        study: plan.study.name.clone(),
        classes: ClassTable::new(&data.manifest, &plan.ingest.declared),
        parts: parts(data),
        unused: unused(data),
        arms,
        trials,
        time,
        time_basis,
        choice,
        warnings,
        search,
        cross_fit,
        foreseen,
        disk_bytes: estimate::disk_bytes(plan, decoded.originals_kept + decoded.derived_kept, derived),
        decoded: decoded.is_bounded().then_some(decoded),
    })
}

impl DecodedPreview {
    fn of(plan: &Plan, data: &StudyData, derived: u64) -> Self {
        let room = Room::of(plan, data);
        let (originals, originals_kept) = (data.manifest.images.len() as u64, room.originals() as u64);
        let derived_kept = room.others(usize::try_from(derived).unwrap_or(usize::MAX)) as u64;
        let kept_bytes =
            (originals_kept.saturating_add(derived_kept)).saturating_mul(working(plan).image_bytes() as u64);
        Self { originals, originals_kept, derived, derived_kept, kept_bytes }
    }

    fn is_bounded(&self) -> bool {
        (self.originals_kept, self.derived_kept) != (self.originals, self.derived)
    }
}

impl ArmPreview {
    /// Adds the sets of another draw; one that both have is one.
    fn add_sets(&mut self, sets: Vec<SetPreview>) {
        let known =
            |set: &SetPreview| self.sets.iter().any(|other| other.digest.is_some() && other.digest == set.digest);
        let new: Vec<SetPreview> = sets.into_iter().filter(|set| !known(set)).collect();
        self.sets.extend(new);
    }
}

fn parts(data: &StudyData) -> Option<[Vec<u64>; 3]> {
    let Division::BySource(partition) = &data.division else { return None };
    Some([
        data.class_counts(partition.train.sources().iter()),
        data.class_counts(partition.validation.images()),
        data.class_counts(partition.test.images()),
    ])
}

fn unused(data: &StudyData) -> u64 {
    if let Division::BySource(partition) = &data.division { partition.unused as u64 } else { 0 }
}

fn arm_preview(prepared: &Prepared<'_>, arm: &Arm) -> ArmPreview {
    let Prepared { plan, data, .. } = prepared;
    let share = match &data.division {
        Division::BySource(_) => 1.0,
        Division::AsPublished(_, shares) => shares.part(Split::Train),
    };
    let sources = data.class_counts(data.augmentable().iter());
    let chosen = selection::counts(prepared.plan, &data.manifest.classes, arm, &sources);
    let in_part = |count: u64| (count as f64 * share).round() as u64;
    let mut counts: Vec<u64> = arm.counts(&sources, &chosen).into_iter().map(in_part).collect();
    let extra = extra::sorted(data, arm).map(|sorted| sorted.kept).unwrap_or_default();
    for image in extra {
        counts[image.class as usize] += 1;
    }
    let work = estimate::work(plan, counts.iter().sum(), data.expected_originals() as u64);
    let images: u64 = chosen.iter().sum();
    let copies = arm.offline.iter().map(|step| step.copies.get()).chain(arm.edit.iter().map(Edit::copies));
    let preview = |(step, copies): (Result<Step<'_>, StudyError>, u32)| {
        let images = images.saturating_mul(u64::from(copies));
        match step {
            Ok(step) => {
                let digest = prepared.digest(&step);
                SetPreview { digest: Some(digest), problem: None, images, cached: prepared.is_made(&digest) }
            }
            // Nothing is wrong: its images are known when the networks are.
            Err(StudyError::NotFitted { .. }) => SetPreview { digest: None, problem: None, images, cached: false },
            Err(error) => SetPreview { digest: None, problem: Some(chain(&error)), images, cached: false },
        }
    };
    let shown = prepared.steps(arm).zip(copies).map(preview).collect();
    ArmPreview {
        name: arm.name.clone(),
        role: arm.role,
        counts,
        epochs: work.epochs,
        updates: work.updates,
        samples: work.samples,
        sets: shown,
    }
}

mod shared;
#[cfg(test)]
mod tests;
