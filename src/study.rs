//! The pipeline, and the only composer: experiment -> data -> sets -> runs -> registry -> comparison -> report.

mod arms;
mod conduct;
mod context;
mod data;
mod edits;
mod error;
mod estimate;
mod gallery;
#[cfg(feature = "torch")]
mod grade;
mod key;
mod preview;
#[cfg(feature = "torch")]
mod provenance;
#[cfg(feature = "torch")]
mod replay;
mod report;
mod results;
mod sets;
mod sheet;
#[cfg(feature = "torch")]
mod surroundings;
#[cfg(feature = "torch")]
mod trials;

use crate::plan::Plan;

pub use context::{Context, Options, Workspace};
pub use data::StudyData;
pub use error::StudyError;
pub use estimate::Basis as TimeBasis;
#[cfg(feature = "torch")]
pub use grade::{Check, Grade, Place};
pub use preview::{ArmPreview, Preview, SetPreview, TrialPreview, TrialStatus, preview};
#[cfg(feature = "torch")]
pub use provenance::training_setup;
#[cfg(feature = "torch")]
pub use replay::{Replay, ReplayOptions, replay};
pub use report::{verify_report_of, write_report_of};
pub use results::comparison_of;
#[cfg(feature = "torch")]
pub use surroundings::Surrounding;

/// What became of a study.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Trials that were trained to their end just now.
    pub finished: usize,
    /// Trials that had finished before.
    pub reused: usize,
    /// Arm, seed and reason of every trial that has no result.
    pub failed: Vec<(String, u64, String)>,
    /// Where the report is.
    pub report: std::path::PathBuf,
}

/// Runs a study to its report. What was done before is not done again.
///
/// # Errors
/// [`StudyError`]; a trial that fails is no error but part of the outcome, unless the registry itself fails.
#[cfg(feature = "torch")]
pub fn run(plan: &Plan, options: &Options, context: &Context<'_>) -> Result<Outcome, StudyError> {
    options.check(plan)?;
    let registry = context.open_registry()?;
    let data = StudyData::read(plan, context)?;
    crate::train::use_threads(plan.classifier.threads); // edits compute on as many as training
    let sets = sets::materialise(plan, &data, options, context)?;
    let arms = arms::assemble(plan, &data, &sets, options)?;
    let gallery = gallery::Gallery::choose(plan, &data, &sets);
    gallery.keep(plan, &registry)?;
    let mut sheet = sheet::StudySheet::new(plan, &data, &arms, &gallery, context);
    if let Some(earlier) = registry.read_study(&plan.study.name, &plan.digest())? {
        sheet.keep_arms_of(earlier, plan);
    }
    registry.write_study(&plan.study.name, &plan.digest(), &sheet)?;
    let mut outcome = trials::run_all(plan, &data, &arms, options, context, &registry)?;
    outcome.report = report::write_report_of(plan, &registry, context.workspace)?;
    Ok(outcome)
}
