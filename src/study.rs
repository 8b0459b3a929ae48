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
mod jobs;
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
pub use error::{Fault, StudyError};
pub use estimate::Basis as TimeBasis;
#[cfg(feature = "torch")]
pub use grade::{Check, Grade, Place};
pub use jobs::work;
pub use jobs::{Choice, Crew, WorkerProgram};
pub use preview::{ArmPreview, Preview, SetPreview, TrialPreview, TrialStatus, preview};
#[cfg(feature = "torch")]
pub use provenance::training_setup;
#[cfg(feature = "torch")]
pub use replay::{Replay, ReplayOptions, replay};
pub use report::{Pictures, verify_report_of, write_report_of};
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
    let agenda = jobs::Agenda::new(plan, &data, options, context, &registry)?;
    let crew = crew_of(plan, &agenda, options, context);
    let pool = sets::Pool::open(plan, &data, context)?;
    let session = trials::Session { plan, data: &data, options, context, registry: &registry, crew };
    let mut outcome = match &options.worker {
        Some(program) if crew.jobs > 1 => jobs::run(&session, &agenda, &pool, program)?,
        _ => run_here(&session, &pool)?,
    };
    outcome.report = report::write_report_of(plan, &registry, context.workspace, Pictures::Shown)?;
    Ok(outcome)
}

/// Everything in this process: the sets of all arms, then trial after trial.
#[cfg(feature = "torch")]
fn run_here(session: &trials::Session<'_>, pool: &sets::Pool<'_>) -> Result<Outcome, StudyError> {
    let trials::Session { plan, data, options, context, registry, crew } = *session;
    crate::train::use_threads(Some(crew.threads)); // edits compute on as many as training
    let sets = sets::materialise(pool, options, context)?;
    let arms = keep_sheet(plan, data, &sets, context, registry)?;
    trials::run_all(session, &arms)
}

/// How the work is shared out. Without a program for workers, by this process alone.
#[cfg(feature = "torch")]
fn crew_of(plan: &Plan, agenda: &jobs::Agenda<'_>, options: &Options, context: &Context<'_>) -> Crew {
    let asked = if options.worker.is_some() { options.jobs } else { Some(1) };
    let machine = jobs::Machine::here(plan.classifier.device);
    let choice = jobs::choose(plan, asked, machine, &agenda.left());
    choice.warning.iter().for_each(|warning| context.progress.note(warning));
    choice.crew
}

/// Assembles the arms of these sets, and keeps in the study's record what they were made of.
#[cfg(feature = "torch")]
fn keep_sheet<'a>(
    plan: &'a Plan,
    data: &'a StudyData,
    sets: &sets::Sets,
    context: &Context<'_>,
    registry: &crate::registry::Registry,
) -> Result<Vec<arms::ReadyArm<'a>>, StudyError> {
    let arms = arms::assemble(plan, data, sets)?;
    let gallery = gallery::Gallery::choose(plan, data, sets);
    gallery.keep(plan, registry)?;
    let mut sheet = sheet::StudySheet::new(plan, data, &arms, &gallery, context);
    if let Some(earlier) = registry.read_study(&plan.study.name, &plan.digest())? {
        sheet.keep_arms_of(earlier, plan);
    }
    registry.write_study(&plan.study.name, &plan.digest(), &sheet)?;
    Ok(arms)
}
