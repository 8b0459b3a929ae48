//! What every trial of a study is made from, built once and in one place: data -> decoded originals -> sets -> arms -> trials.
//!
//! A run, its workers, a replay and a preview all go this way; a preview only stops before anything is made.
//!
//! A plan has one draw of its division and sets, which all seeds share, or draws them anew for every seed. [`Draws`] has
//! them all; a [`Prepared`] is one of them, and knows nothing of the others but the decoded originals that they share.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use super::arms::{self, ReadyArm};
use super::cross_fit::CrossFit;
use super::data::Beside;
use super::further;
use super::key::{self, ArmKey, ResolvedInput};
use super::sets::{self, ArmSets, Pool, Sets, Step};
use super::{Context, Options, StudyData, StudyError};
use super::{gates, selection};
use augtrial_augment::edit::OpenEditor;
use augtrial_base::digest::Digest;
use augtrial_data::manifest::Manifest;
use augtrial_data::samples::FurtherSet;
use augtrial_data::source::Source;
use augtrial_plan::arm::Arm;
use augtrial_plan::{Draw, Plan};

/// Every draw of a plan's data, divided when it is first needed.
pub(super) struct Draws<'a> {
    pub(super) plan: &'a Plan,
    pub(super) context: &'a Context<'a>,
    /// In the order of the seeds; the first is there.
    drawn: Vec<(Draw, Vec<u64>, OnceCell<Prepared<'a>>)>,
}

/// A plan with one draw of its data, and what is derived from both.
pub(super) struct Prepared<'a> {
    pub(super) plan: &'a Plan,
    pub(super) context: &'a Context<'a>,
    pub(super) data: StudyData,
    /// Of the trials that rest on this draw, in the order of the plan.
    pub(super) seeds: Vec<u64>,
    input: ResolvedInput,
    /// Made when they are first needed.
    further: OnceCell<Arc<[FurtherSet]>>,
    /// Found when they are first asked.
    cross_fit: OnceCell<CrossFit>,
    /// Decoded when it is first needed.
    pool: Rc<OnceCell<Pool>>,
}

impl<'a> Draws<'a> {
    /// Reads the data of a plan.
    pub(super) fn read(plan: &'a Plan, context: &'a Context<'a>) -> Result<Self, StudyError> {
        Self::with(plan, StudyData::read(plan, context)?, context)
    }

    /// The data of a plan whose images were read already.
    pub(super) fn of_images(
        plan: &'a Plan,
        images: (Source, Manifest),
        context: &'a Context<'a>,
    ) -> Result<Self, StudyError> {
        Self::with(plan, StudyData::of_images(plan, images, context)?, context)
    }

    /// The data of a plan as another process has read it.
    pub(super) fn as_read(
        plan: &'a Plan,
        manifest: Manifest,
        beside: Beside,
        context: &'a Context<'a>,
    ) -> Result<Self, StudyError> {
        Self::with(plan, StudyData::as_read(plan, manifest, beside, context)?, context)
    }

    fn with(plan: &'a Plan, data: StudyData, context: &'a Context<'a>) -> Result<Self, StudyError> {
        let mut drawn: Vec<_> = plan.draws().into_iter().map(|(draw, seeds)| (draw, seeds, OnceCell::new())).collect();
        let seeds = drawn[0].1.clone();
        let input = key::resolve_input(plan)?;
        drawn[0].2 = OnceCell::from(Prepared {
            plan,
            context,
            data,
            seeds,
            input,
            further: OnceCell::new(),
            cross_fit: OnceCell::new(),
            pool: Rc::default(),
        });
        Ok(Self { plan, context, drawn })
    }

    /// The first draw: the only one where nothing is redrawn.
    pub(super) fn first(&self) -> &Prepared<'a> {
        self.drawn[0].2.get().expect("it is there from the beginning")
    }

    /// The draw of the trials with this seed.
    ///
    /// # Errors
    /// If the data cannot be divided so.
    pub(super) fn of(&self, seed: u64) -> Result<&Prepared<'a>, StudyError> {
        let wanted = self.plan.draw(seed);
        let (draw, seeds, prepared) =
            self.drawn.iter().find(|(draw, ..)| *draw == wanted).expect("only seeds of the plan are asked for");
        if let Some(prepared) = prepared.get() {
            return Ok(prepared);
        }
        let first = self.first();
        let made = Prepared {
            plan: self.plan,
            context: self.context,
            data: first.data.redrawn(self.plan, *draw)?,
            seeds: seeds.clone(),
            input: first.input.clone(),
            further: OnceCell::new(),
            cross_fit: OnceCell::new(),
            pool: Rc::clone(&first.pool),
        };
        Ok(prepared.get_or_init(|| made))
    }

    /// Every draw, in the order of the seeds.
    pub(super) fn all(&self) -> impl Iterator<Item = Result<&Prepared<'a>, StudyError>> {
        self.drawn.iter().map(|(_, seeds, _)| self.of(seeds[0]))
    }
}

impl<'a> Prepared<'a> {
    /// The arms that are asked for, in the order of the plan.
    pub(super) fn arms(&self, options: &Options) -> impl Iterator<Item = &'a Arm> {
        self.plan.arms.iter().filter(|arm| options.wants(arm))
    }

    /// The offline steps of an arm, or why one cannot be made as things are. Opens editors only if this process can.
    pub(super) fn steps<'s>(&'s self, arm: &'s Arm) -> impl Iterator<Item = Result<Step<'s>, StudyError>> {
        let opener = self.context.engine.map(|engine| engine as &dyn OpenEditor);
        sets::steps(self.plan, &self.data, arm, opener).enumerate().map(move |(number, step)| {
            let step = step?; // an editor that cannot be opened comes before networks that are not there yet
            Ok(step.restricted(selection::of(self, arm)?, gates::gated(self, arm, number)?))
        })
    }

    /// The offline step of this number.
    pub(super) fn step<'s>(&'s self, arm: &'s Arm, number: usize) -> Option<Result<Step<'s>, StudyError>> {
        self.steps(arm).nth(number)
    }

    /// The networks that were not trained on all sources.
    ///
    /// # Errors
    /// [`StudyError::NotFitted`] if one is not trained yet.
    pub(super) fn cross_fit(&self) -> Result<&CrossFit, StudyError> {
        if let Some(fitted) = self.cross_fit.get() {
            return Ok(fitted);
        }
        let fitted = CrossFit::of(self)?;
        Ok(self.cross_fit.get_or_init(|| fitted))
    }

    /// The input of the plan's networks.
    pub(super) fn input(&self) -> &ResolvedInput {
        &self.input
    }

    /// The digest of the set that a step makes, without making it.
    pub(super) fn digest(&self, step: &Step<'_>) -> Digest {
        step.digest(self.plan, &self.data)
    }

    /// Whether a set is there.
    pub(super) fn is_made(&self, set: &Digest) -> bool {
        sets::folder(self.context).join(set.to_string()).is_dir()
    }

    /// What decides a trial of an arm, but for its seed; its steps give `sets`.
    pub(super) fn key<'s>(&'s self, arm: &'s Arm, sets: Vec<Digest>) -> ArmKey<'s> {
        ArmKey::new(self.plan, &self.data, arm, sets, &self.input)
    }

    /// Whether somebody has decoded the originals.
    pub(super) fn has_pixels(&self) -> bool {
        self.pool.get().is_some() || Pool::is_there(self.plan, &self.data, self.context)
    }

    /// The further evaluation sets.
    pub(super) fn further(&self) -> Result<Arc<[FurtherSet]>, StudyError> {
        if let Some(sets) = self.further.get() {
            return Ok(Arc::clone(sets));
        }
        let sets = further::make(self)?;
        Ok(Arc::clone(self.further.get_or_init(|| sets)))
    }

    /// The decoded originals.
    pub(super) fn pool(&self) -> Result<&Pool, StudyError> {
        if let Some(pool) = self.pool.get() {
            return Ok(pool);
        }
        let pool = Pool::open(self.plan, &self.data, self.context)?;
        Ok(self.pool.get_or_init(|| pool))
    }

    /// The sets of an arm, made if they are not there.
    pub(super) fn sets_of(&self, arm: &Arm) -> Result<ArmSets, StudyError> {
        let pool = self.pool()?;
        let steps = self.steps(arm).collect::<Result<Vec<_>, _>>()?;
        let made = steps.iter().map(|step| sets::make(self, pool, arm, step)).collect::<Result<_, _>>()?;
        Ok(ArmSets { arm: arm.name.clone(), sets: made })
    }

    /// These arms' sets with the originals.
    pub(super) fn with_originals(&self, arms: Vec<ArmSets>) -> Result<Sets, StudyError> {
        Ok(Sets { originals: self.pool()?.originals(), arms })
    }

    /// The arms of these sets, ready for their trials.
    pub(super) fn ready(&self, sets: &Sets) -> Result<Vec<ReadyArm<'_>>, StudyError> {
        arms::assemble(self, sets)
    }

    /// One arm, ready for its trials.
    pub(super) fn ready_arm(&self, arm: &Arm) -> Result<ReadyArm<'_>, StudyError> {
        let sets = self.with_originals(vec![self.sets_of(arm)?])?;
        Ok(self.ready(&sets)?.swap_remove(0))
    }
}
